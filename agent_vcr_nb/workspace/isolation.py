"""Gives a transaction a directory of its own, and brings its work back into the workspace."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from agent_vcr_nb.core.errors import UsageError, WorkspaceError
from agent_vcr_nb.workspace.errors import MergeConflictError
from agent_vcr_nb.workspace.line import Line, unusual
from agent_vcr_nb.workspace.merge import Side, merge
from agent_vcr_nb.workspace.plan import shown
from agent_vcr_nb.workspace.scan import PRUNED, Scope
from agent_vcr_nb.workspace.store import MAIN, Savepoint, SavepointWriter, Store, write_durably
from agent_vcr_nb.workspace.tree import FileState, Manifest

WAIT_S = 60.0
"""How long a begin or commit waits for another one of the same workspace to end."""


@dataclass(frozen=True, slots=True)
class Committed:
    """How a transaction ended well."""

    savepoint: Savepoint
    """The workspace's files after the commit."""
    changed: tuple[str, ...]
    """Paths of the workspace that the commit changed; empty when the work was done in the workspace itself."""
    left_behind: dict[str, str]
    """What an isolated directory holds and no savepoint covers; that directory is kept for it."""
    folder: Path | None = None
    """The isolated directory, when it was kept."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "savepoint": self.savepoint.to_dict(),
            "changed": [shown(path) for path in self.changed],
            "left_behind": {shown(path): why for path, why in self.left_behind.items()},
            "folder": None if self.folder is None else str(self.folder),
        }

    def text(self) -> str:
        """Return the result for reading."""
        lines = [f"committed as savepoint {self.savepoint.number}"]
        lines.extend(f"{'changed':<22} {shown(path)}" for path in self.changed)
        lines.extend(
            f"{'left in ' + str(self.folder):<22} {shown(path)} ({why})" for path, why in self.left_behind.items()
        )
        return "\n".join(lines)


class Isolated:
    """A line with its own directory, begun at one savepoint of the workspace."""

    def __init__(self, workspace: Path, store: Store, scope: Scope, session: str) -> None:
        self.name = "tx-" + re.sub(r"[^A-Za-z0-9_-]", "-", session)[:100]
        self.folder = store.path / "isolated" / self.name
        self.root = self.folder / workspace.name
        self.main = Line(workspace, store, MAIN, scope)
        self.line = Line(self.root, store, self.name, scope)
        self._store = store
        self._told: dict[str, FileState | None] = {}
        """Path of every conflict told -> what the workspace had there."""

    def begin(self) -> None:
        """Make the directory from the workspace as it is now, or go on in the one that an earlier process left."""
        self.line.lock.take(wait_s=0.0, what=f"the isolated transaction {self.name}")
        self.line.lock.release()
        if (self.folder / "base.json").is_file():
            self.line.open()
            return
        self.main.open(wait_s=WAIT_S)
        try:
            fork = self._fork_point()
            shutil.rmtree(self.folder, ignore_errors=True)  # a begin that was killed before base.json
            self._store.delete(self.name, [one.number for one in self._store.savepoints(self.name)])
            (self.line.folder / "journal").unlink(missing_ok=True)
            self.root.mkdir(parents=True, mode=0o700)
            self.line.open()
        finally:
            self.main.close()
        empty = self.line.savepoint("begin", label="empty")
        assert empty is not None
        self._store.git.run("update-ref", f"refs/heads/{self.name}/2", fork.commit)
        self.line.read()
        self.line.restore(self.line.find(2), empty)
        write_durably(self.folder / "base.json", json.dumps({"savepoint": 2}).encode())

    def _fork_point(self) -> Savepoint:
        """Return a savepoint of the workspace as it is now; the latest one if nothing has changed since."""
        latest = self.main.latest
        known = self.main.manifest(latest) if latest else None
        made = self.main.savepoint("fork", label=self.name, unless=lambda now: known is not None and now.same_as(known))
        found = made or latest
        assert found is not None
        return found

    def commit(self, label: str, take: Side | Mapping[str, Side] | None = None) -> Committed:
        """Merge into the workspace. Raises MergeConflictError, and then neither directory has changed.

        `take` decides the conflicts that an earlier call told of, while the workspace's version is still the one told.
        """
        sides = self._sides(take)
        mine = self.line.savepoint("commit", label=label)
        assert mine is not None
        self.main.open(wait_s=WAIT_S)
        try:
            safety = self.main.savepoint("safety", label=f"before commit of {self.name}")
            assert safety is not None
            try:
                merged = self._merge(safety, mine, sides)
            except WorkspaceError:
                self.main.forget(safety)
                self.line.forget(mine)
                raise
            about = {**mine.about, **unusual(merged, self._store.umask()), "kind": "commit", "label": label}
            about["head"] = safety.about.get("head")
            writer = SavepointWriter(self._store)
            number = safety.number + 1
            target = writer.write(MAIN, number, (safety, self.main.manifest(safety)), merged, about)
            self.main.add(target, merged)
            done = self.main.restore(target, safety, "commit")
        finally:
            self.main.close()
        plan = done.plan
        changed = sorted({*plan.delete, *plan.restore, *plan.create, *(path for path, _ in plan.modes)})
        left_behind = self._left_behind()
        self.end(keep_folder=bool(left_behind))
        return Committed(target, tuple(changed), left_behind, self.root if left_behind else None)

    def _sides(self, take: Side | Mapping[str, Side] | None) -> dict[str, Side]:
        """Return whose version is taken of each file; raises UsageError for a file or a side that there is not."""
        sides = dict(take) if isinstance(take, Mapping) else {path: take for path in self._told if take is not None}
        wrong = {side for side in ({take} if isinstance(take, str) else sides.values()) if side not in get_args(Side)}
        if wrong:
            raise UsageError(f"take {', '.join(map(repr, wrong))}: a side is 'mine' or 'workspace'")
        if unknown := sides.keys() - self._told.keys():
            told = ", ".join(map(shown, self._told)) or "none"
            raise UsageError(
                f"no conflict about {', '.join(map(shown, sorted(unknown)))} was told: first commit() without `take`, "
                f"and decide when you have seen both versions. Conflicts told so far: {told}."
            )
        return sides

    def _merge(self, main: Savepoint, mine: Savepoint, sides: Mapping[str, Side]) -> Manifest:
        base = self.line.find(2)
        workspace = self.main.manifest(main)
        # What changed in the workspace since it was told is a new conflict.
        still = {path: side for path, side in sides.items() if workspace.files.get(path) == self._told[path]}
        try:
            return merge(
                self._store,
                (base, self.line.manifest(base)),
                (main, workspace),
                (mine, self.line.manifest(mine)),
                still,
            )
        except MergeConflictError as error:
            self._told.update((path, workspace.files.get(path)) for path in error.files)
            raise

    def _left_behind(self) -> dict[str, str]:
        left_out = self.line.scanner.survey().left_out
        return {path: why for path, why in left_out.items() if path.rpartition("/")[2] not in PRUNED}

    def end(self, *, keep_folder: bool = False) -> None:
        """Close the line and remove its directory; its savepoints stay until gc."""
        self.line.close()
        (self.folder / "base.json").unlink(missing_ok=True)
        if not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
