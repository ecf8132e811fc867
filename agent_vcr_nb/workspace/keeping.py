"""Keeps a store small, and removes a secret from it for good."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.workspace.errors import BusyWorkspaceError
from agent_vcr_nb.workspace.line import Line
from agent_vcr_nb.workspace.plan import shown
from agent_vcr_nb.workspace.store import MAIN, Savepoint, Store, write_durably

KEEP = 200
"""How many of the newest savepoints `collect` keeps when it is not told."""
MANY_PACKS = 50
"""Each savepoint is a pack of its own; reading gets slower with their number."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What `collect` gave up, or would give up."""

    savepoints: tuple[int, ...]
    """Numbers in the workspace's own line."""
    lines: tuple[str, ...]
    """Isolated transactions that have ended."""
    open_lines: tuple[str, ...]
    """Isolated transactions without an end: begin them again to commit or abort them."""
    bytes_before: int
    bytes_after: int | None
    """None for a dry run: what is shared with savepoints that stay is only known afterwards."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "savepoints": list(self.savepoints),
            "lines": list(self.lines),
            "open_lines": list(self.open_lines),
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
        }

    def text(self) -> str:
        """Return the result for reading."""
        would = "would give up" if self.bytes_after is None else "gave up"
        numbers = ", ".join(map(str, self.savepoints)) or "none"
        lines = [f"{would} savepoints: {numbers}"]
        lines.extend(f"{would} ended isolated transaction {name}" for name in self.lines)
        lines.extend(f"kept unfinished isolated transaction {name}" for name in self.open_lines)
        after = "" if self.bytes_after is None else f", now {self.bytes_after / 1e6:.2f} MB"
        return "\n".join([*lines, f"store: {self.bytes_before / 1e6:.2f} MB{after}"])


@dataclass(frozen=True, slots=True)
class Purged:
    """What was removed from the store."""

    paths: tuple[str, ...]
    """No savepoint holds these any more, and none will; a rollback leaves them alone."""
    savepoints: int
    """How many savepoints were written again."""
    unsearched: tuple[Path, ...]
    """Folders of the store with content that was set aside and not searched."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "paths": [shown(path) for path in self.paths],
            "savepoints": self.savepoints,
            "unsearched": [str(path) for path in self.unsearched],
        }

    def text(self) -> str:
        """Return the result for reading."""
        lines = [f"removed from {self.savepoints} savepoints for good; not covered from now on:"]
        lines.extend(f"  {shown(path)}" for path in self.paths)
        lines.extend(f"not searched, look yourself: {path}" for path in self.unsearched)
        return "\n".join(lines) if self.paths else "no savepoint holds it; nothing was removed"


@contextlib.contextmanager
def alone(line: Line) -> Iterator[None]:
    """Keep every other transaction of the store out; raises BusyWorkspaceError while one runs."""
    locks = line.idle_locks() if line.name == MAIN else None
    if locks is None:
        raise BusyWorkspaceError(
            f"an isolated transaction of {line.root} is under way: commit or abort it, then try again"
        )
    try:
        yield
    finally:
        for lock in locks:
            lock.release()


def collect(line: Line, *, keep: int = KEEP, dry_run: bool = False) -> Collected:
    """Give up all but the newest `keep` savepoints, and isolated transactions that have ended.

    The savepoint that an undo needs stays. Raises UsageError for less than one, BusyWorkspaceError.
    """
    if keep < 1:
        raise UsageError(f"keep={keep}: the newest savepoint always stays, so expected 1 or more")
    store = line.store
    last = line.last_operation() or {}
    needed = {last.get("safety"), last.get("target")}
    old = tuple(number for number in sorted(line.savepoints)[:-keep] if number not in needed)
    others = [name for name in store.lines() if name != MAIN]
    opened = tuple(name for name in others if (store.path / "isolated" / name / "base.json").is_file())
    ended = tuple(name for name in others if name not in opened)
    before = store.size()
    if dry_run:
        return Collected(old, ended, opened, before, None)
    with alone(line):
        store.delete(MAIN, old)
        for number in old:
            del line.savepoints[number]
        for name in ended:
            store.delete(name, [one.number for one in store.savepoints(name)])
            shutil.rmtree(store.line_folder(name))
        store.clear_leavings()
        store.sweep()
    return Collected(old, ended, opened, before, store.size())


def pack_if_many(line: Line) -> None:
    """Join the packs when there are many and nobody else is using the store."""
    if line.store.packs() > MANY_PACKS:
        with contextlib.suppress(BusyWorkspaceError), alone(line):
            line.store.sweep()


def purge(line: Line, *, paths: tuple[str, ...] = (), text: str | None = None) -> Purged:
    """Remove files from every savepoint of every line, by path or by a text that any version of them holds.

    The files in the workspace stay. From now on the paths are not covered. Raises UsageError without either.
    """
    if not paths and not text:
        raise UsageError("purge what? Name paths, or a text that the files hold")
    store = line.store
    with alone(line):
        savepoints = {name: store.savepoints(name) for name in store.lines()}
        wanted = set(paths)
        if text:
            wanted |= _holding(store, savepoints, text.encode())
        found: set[str] = set()
        count = 0
        for name, ones in savepoints.items():
            for one in ones:
                held = {
                    path
                    for path in store.manifest(one).files
                    if any(path == gone or path.startswith(f"{gone}/") for gone in wanted)
                }
                if held:
                    store.rewrite(name, one, held)
                    count += 1
                    found |= held
        _exclude(line, {path for path in wanted if path in found or any(one.startswith(f"{path}/") for one in found)})
        store.clear_leavings()
        store.sweep()
    aside = tuple(store.path / name for name in ("aside", "rescued") if (store.path / name).is_dir())
    return Purged(tuple(sorted(found)), count, aside)


def _holding(store: Store, savepoints: dict[str, list[Savepoint]], secret: bytes) -> set[str]:
    """Return every path of which some version holds the secret."""
    paths: dict[str, set[str]] = {}
    for ones in savepoints.values():
        for one in ones:
            for path, state in store.manifest(one).files.items():
                paths.setdefault(state.blob, set()).add(path)
    found: set[str] = set()
    for blob, data in zip(paths, store.git.blobs(paths), strict=True):
        if secret in data:
            found |= paths[blob]
    return found


def _exclude(line: Line, paths: set[str]) -> None:
    """Let no savepoint take up these paths again."""
    scope = line.store.path / "scope.json"
    known = json.loads(scope.read_bytes())
    known["excluded"] = sorted({*known["excluded"], *paths})
    write_durably(scope, json.dumps(known).encode())
    line.exclude(paths)
    for name in line.store.lines():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(line.store.line_folder(name) / "seen.json")
