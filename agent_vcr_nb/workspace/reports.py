"""What begin and status tell: data for a face, and the same as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_vcr_nb.workspace.line import Line, Rollback
from agent_vcr_nb.workspace.plan import shown
from agent_vcr_nb.workspace.store import Savepoint


@dataclass(frozen=True, slots=True)
class Begun:
    """What a transaction covers, and what not."""

    session: str
    path: Path
    """The directory to work in: the workspace itself, or the isolated one."""
    savepoint: Savepoint
    """The files as they were at the start; ``abort`` goes back to it."""
    left_out: dict[str, str]
    """Uncovered path -> reason; a rollback does not touch these."""
    recovered: Rollback | None
    """A rollback that a killed process had begun and that was finished now."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "session": self.session,
            "path": str(self.path),
            "savepoint": self.savepoint.to_dict(),
            "left_out": {shown(path): why for path, why in sorted(self.left_out.items())},
            "recovered": None if self.recovered is None else self.recovered.to_dict(),
        }

    def text(self) -> str:
        """Return the report for reading."""
        lines = [f"transaction {self.session} in {self.path}, savepoint {self.savepoint.number}"]
        if self.recovered is not None:
            to, safety = self.recovered.to.number, self.recovered.safety.number
            lines.append(f"an interrupted rollback to savepoint {to} was finished; before it: savepoint {safety}")
        lines.extend(f"{'not covered':<22} {shown(path)} ({why})" for path, why in sorted(self.left_out.items()))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Status:
    """How a workspace stands."""

    path: Path
    store: Path
    session: str | None
    """None when no transaction is under way."""
    isolated: bool
    savepoints: int
    latest: Savepoint | None
    changed: tuple[str, ...]
    """Paths that differ from the latest savepoint."""
    store_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "path": str(self.path),
            "store": str(self.store),
            "session": self.session,
            "isolated": self.isolated,
            "savepoints": self.savepoints,
            "latest": None if self.latest is None else self.latest.to_dict(),
            "changed": [shown(path) for path in self.changed],
            "store_bytes": self.store_bytes,
        }

    def text(self) -> str:
        """Return the status for reading."""
        what = "no transaction" if self.session is None else f"transaction {self.session}"
        lines = [
            f"{self.path}: {what}{', isolated' if self.isolated else ''}, {self.savepoints} savepoints",
            f"store {self.store} ({self.store_bytes / 1e6:.1f} MB)",
        ]
        lines.extend(f"{'changed':<22} {shown(path)}" for path in self.changed)
        return "\n".join(lines)


def status_of(line: Line, session: str | None, *, isolated: bool) -> Status:
    """Return how the workspace of a line stands, after a walk that stores nothing."""
    latest = line.latest
    changed: tuple[str, ...] = ()
    if latest is not None:
        now, _ = line.scanner.scan(settle=False)
        then = line.manifest(latest)
        paths = now.files.keys() | then.files.keys()
        changed = tuple(sorted(path for path in paths if now.files.get(path) != then.files.get(path)))
    count = len(line.savepoints)
    return Status(line.root, line.store.path, session, isolated, count, latest, changed, line.store.size())
