"""One directory and its savepoints: takes them, goes back to them, and finishes what a killed process began.

Order of a rollback: safety savepoint, plan, journal, new files staged, changes, verification, disk flush, journal
closed. Killed before the journal is written, nothing has happened; killed after it, the next open rolls forward.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import WorkspaceError
from agent_vcr_nb.workspace.errors import ConflictError
from agent_vcr_nb.workspace.journal import Journal
from agent_vcr_nb.workspace.places import user_head
from agent_vcr_nb.workspace.plan import Plan, make_plan, shown
from agent_vcr_nb.workspace.reading import blob_id
from agent_vcr_nb.workspace.renames import flush_file_system
from agent_vcr_nb.workspace.restore import STAGING, Restore, clear_staging, differences
from agent_vcr_nb.workspace.scan import Scanner, Scope
from agent_vcr_nb.workspace.store import (
    MAIN,
    Lock,
    Savepoint,
    SavepointWriter,
    Store,
)
from agent_vcr_nb.workspace.tree import Manifest, drop_excluded

REMEMBERED = 4
"""Manifests kept in memory: an agent mostly goes back to one of the last savepoints."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback did, and how to take it back."""

    to: Savepoint
    safety: Savepoint
    """Holds the files as they were just before; ``undo()`` goes back to it."""
    plan: Plan
    operation: str = "rollback"
    """``rollback``, ``commit``, ``undo`` of one of those, or ``redo``: the undo of an undo."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        ends = {"to": self.to.to_dict(), "safety": self.safety.to_dict()}
        return {"operation": self.operation, **ends, **self.plan.to_dict()}

    def text(self) -> str:
        """Return the result for reading."""
        said = {"undo": "undone, so ", "redo": "what had been undone is done again (an undo of the undo), so "}
        again = "vcr undo again does it again" if self.operation == "undo" else "undo with: vcr undo"
        return (
            f"{said.get(self.operation, '')}the files are as at savepoint {self.to.number}"
            f" ({again}, or rollback(savepoint={self.safety.number}))\n{self.plan.text()}"
        )


class Line:
    """The savepoints of one directory. `open` before use; one process at a time has it open for writing."""

    def __init__(self, root: Path, store: Store, name: str = MAIN, scope: Scope | None = None) -> None:
        self.root = root
        self.store = store
        self.name = name
        self.folder = store.line_folder(name)
        self.scanner = Scanner(root, scope or Scope(), own=STAGING)
        self.lock = Lock(self.folder / "lock")
        self.journal = Journal(self.folder / "journal")
        self.savepoints: dict[int, Savepoint] = {}
        self.recovered: Rollback | None = None
        """The rollback that a killed process had begun and that `open` finished."""
        self._manifests: dict[str, Manifest] = {}

    # -------------------------------------------------------------------------------------------- open and close

    def open(self, *, wait_s: float = 0.0) -> None:
        """Take the lock, clear away what a killed process left, and finish the rollback that it had begun.

        Raises BusyWorkspaceError while another one has it open.
        """
        self.lock.take(wait_s=wait_s, what=str(self.root))
        try:
            self._clear_leavings()
            self.read()
            self.recover()
        except BaseException:
            self.lock.release()
            raise

    def read(self) -> None:
        """Read what is known without taking the lock: enough to list savepoints and to preview a rollback."""
        self.savepoints = {savepoint.number: savepoint for savepoint in self.store.savepoints(self.name)}
        self.scanner.load(self.folder / "seen.json")

    def close(self) -> None:
        """Keep the stats for the next process and give the lock back."""
        # On a full disk the next process only has to read all files again; the lock must be given back in any case.
        with contextlib.suppress(OSError):
            if self.lock.is_held:
                self.scanner.dump(self.folder / "seen.json")
        self.lock.release()

    def _clear_leavings(self) -> None:
        self.store.clear_leavings(f"refs/heads/{self.name}")
        if self.name == MAIN and (locks := self.idle_locks()) is not None:
            self.store.clear_leavings()
            for lock in locks:
                lock.release()

    def idle_locks(self) -> list[Lock] | None:
        """Take the locks of all other lines, or none of them where one is in use."""
        taken: list[Lock] = []
        for name in self.store.lines():
            if name != self.name:
                lock = Lock(self.store.line_folder(name) / "lock")
                try:
                    lock.take()
                except WorkspaceError:
                    for earlier in taken:
                        earlier.release()
                    return None
                taken.append(lock)
        return taken

    # -------------------------------------------------------------------------------------------- savepoints

    @property
    def latest(self) -> Savepoint | None:
        """The newest savepoint."""
        return self.savepoints[max(self.savepoints)] if self.savepoints else None

    def savepoint(
        self,
        kind: str,
        *,
        label: str = "",
        session: str | None = None,
        frame: int | None = None,
        node: str | None = None,
        unless: Callable[[Manifest], bool] = lambda manifest: False,
        settle: bool = True,
    ) -> Savepoint | None:
        """Store the files as they are now; return None when `unless` says that nobody needs it.

        `settle` reads files that have just changed, and that somebody may be writing, a second time.
        """
        base = (self.latest, self.manifest(self.latest)) if self.latest else None
        writer = SavepointWriter(self.store, base[1] if base else None)
        try:
            manifest, fresh = self.scanner.scan(writer.keep, settle=settle)
            if unless(manifest):
                self._give_up(writer)
                return None
            number = max(self.savepoints, default=0) + 1
            about = self._about(manifest, kind=kind, label=label, session=session, frame=frame, node=node)
            made = writer.write(self.name, number, base, manifest, about)
        except OSError as error:
            self._give_up(writer)
            raise WorkspaceError(f"{self.root} could not be read: {error}. No savepoint was taken.") from error
        except BaseException:
            self._give_up(writer)
            raise
        self.scanner.accept(fresh)
        self.add(made, manifest)
        return made

    def _give_up(self, writer: SavepointWriter) -> None:
        """Stop a savepoint, and free the room that its half-written pack takes."""
        if writer.abandon():
            self._clear_leavings()

    def _about(self, manifest: Manifest, **known: Any) -> dict[str, Any]:
        return {
            **known,
            "created": dt.datetime.now(dt.UTC).isoformat(),
            "umask": self.store.umask(),
            **unusual(manifest, self.store.umask()),
            "head": user_head(self.root),
        }

    def add(self, savepoint: Savepoint, manifest: Manifest) -> None:
        """Take a savepoint that was written into the list."""
        self.savepoints[savepoint.number] = savepoint
        self._manifests[savepoint.commit] = manifest
        while len(self._manifests) > REMEMBERED:
            del self._manifests[next(iter(self._manifests))]

    def manifest(self, savepoint: Savepoint) -> Manifest:
        """Return what a savepoint holds."""
        known = self._manifests.pop(savepoint.commit, None)
        if known is None:
            known = self.store.manifest(savepoint)
            drop_excluded(known, self.scanner.scope.excluded)
        self.add(savepoint, known)  # last in, last to be dropped
        return known

    def exclude(self, paths: set[str]) -> None:
        """Cover these paths no more, and read the rewritten savepoints."""
        scope = self.scanner.scope
        self.scanner.scope = replace(scope, excluded=scope.excluded | paths)
        self.scanner.accept({path: seen for path, seen in self.scanner.seen.items() if path not in paths})
        self._manifests.clear()
        self.savepoints = {savepoint.number: savepoint for savepoint in self.store.savepoints(self.name)}

    def find(self, number: int) -> Savepoint:
        """Return a savepoint by number; raises WorkspaceError when there is none."""
        if number not in self.savepoints:
            known = ", ".join(map(str, self.savepoints)) or "none"
            raise WorkspaceError(f"no savepoint {number} of {self.root}: there are {known}")
        return self.savepoints[number]

    def forget(self, savepoint: Savepoint) -> None:
        """Give up a savepoint that nobody got to know of."""
        self.store.delete(self.name, [savepoint.number])
        del self.savepoints[savepoint.number]

    # -------------------------------------------------------------------------------------------- rollback

    def preview(self, target: Savepoint) -> Plan:
        """Return what a rollback to `target` would do now; changes nothing."""
        now, _ = self.scanner.scan(settle=False)
        return self._plan(now, target)

    def _plan(self, now: Manifest, target: Savepoint) -> Plan:
        notes: list[str] = []
        then, head = target.about.get("head"), user_head(self.root)
        if then != head:
            notes.append(f"your git HEAD has moved from {then} to {head} since; it is not rolled back")
        aside = self.store.path / "aside"
        return make_plan(
            now,
            self.manifest(target),
            is_aside=lambda path: os.path.lexists(aside / blob_id(os.fsencode(path))),
            notes=tuple(notes),
        )

    def rollback(self, target: Savepoint, *, label: str = "", operation: str = "rollback") -> Rollback:
        """Make the files what they were at `target`, after a safety savepoint of what they are.

        Raises ConflictError: before any change when something stands in the way, or after all the others when
        somebody wrote a file at that very moment; that file is then as its owner left it.
        """
        self.recover()
        # Not settled: what a restore moves away is compared with this savepoint by content before it is deleted.
        safety = self.savepoint("safety", label=label or f"before rollback to {target.number}", settle=False)
        assert safety is not None
        return self.restore(target, safety, operation)

    def restore(self, target: Savepoint, safety: Savepoint, operation: str = "rollback") -> Rollback:
        """Go from `safety`, which holds the files as they are, to `target`; the journal covers the way."""
        plan = self._plan(self.manifest(safety), target)
        if plan.blocked:
            self.forget(safety)
            paths = ", ".join(f"{shown(path)} ({why})" for path, why in plan.blocked[:5])
            raise ConflictError(
                f"cannot go back to savepoint {target.number}: uncovered paths stand in the way: {paths}. "
                "Move them and try again; nothing was changed.",
                [path for path, _ in plan.blocked],
            )
        if os.path.lexists(self.root / STAGING):
            self.forget(safety)
            raise ConflictError(f"{self.root / STAGING} is in the way: rename it and try again", [STAGING])
        entry = {"operation": operation, "target": target.number, "safety": safety.number}
        earlier = self.journal.read()
        self.journal.write({**entry, "done": False})
        return self._carry_out(plan, target, safety, entry, earlier)

    def _carry_out(
        self,
        plan: Plan,
        target: Savepoint,
        safety: Savepoint,
        entry: dict[str, Any],
        earlier: dict[str, Any] | None,
        *,
        recovering: bool = False,
    ) -> Rollback:
        run = Restore(
            self.root,
            plan,
            self.manifest(safety),
            self.manifest(target),
            self.scanner.seen,
            self.store.git.blobs,
            self.store.path / "aside",
        )
        try:
            run.stage()
        except (OSError, WorkspaceError) as error:
            clear_staging(self.root, run.known_blobs(), self._rescued)
            if not recovering:
                self.forget(safety)
                self.journal.write(earlier)
            if isinstance(error, WorkspaceError):
                raise
            raise WorkspaceError(
                f"the files of savepoint {target.number} could not be written: {error}. "
                f"{'The rollback is still to be finished' if recovering else 'Nothing was changed'}; "
                "make room or repair the disk, then try again."
            ) from error
        try:
            run.apply()
        except OSError as error:
            raise WorkspaceError(
                f"the rollback to savepoint {target.number} stopped half-way: {error}. Everything is in savepoint "
                f"{safety.number}; the next transaction in {self.root} finishes the rollback first."
            ) from error
        odd = self._all_differences(plan, target) if recovering else run.differences()
        for path in (*plan.delete, *plan.restore, *plan.create, *(path for path, _ in plan.modes)):
            self.scanner.seen.pop(path, None)
        rescued = clear_staging(self.root, run.known_blobs(), self._rescued)
        self._flush()
        self.journal.write({**entry, "done": True})
        self._tell_conflicts(sorted(odd | run.conflicts.keys()), rescued, target, safety)
        return Rollback(target, safety, plan, str(entry["operation"]))

    def _all_differences(self, plan: Plan, target: Savepoint) -> set[str]:
        """Compare the whole tree with the savepoint."""
        now, _ = self.scanner.scan(settle=False)
        return differences(now, self.manifest(target), plan)

    def _tell_conflicts(self, conflicts: list[str], rescued: list[Path], target: Savepoint, safety: Savepoint) -> None:
        if conflicts or rescued:
            kept = f" What was written at that moment is in {', '.join(map(str, rescued))}." if rescued else ""
            raise ConflictError(
                f"the files are as at savepoint {target.number}, but for {len(conflicts)} that somebody changed "
                f"meanwhile and that were left as they are: {', '.join(map(shown, conflicts[:5]))}.{kept} "
                f"Undo with rollback(savepoint={safety.number}).",
                conflicts,
            )

    def _flush(self) -> None:
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            flush_file_system(fd)
        finally:
            os.close(fd)

    def _known(self, *savepoints: Savepoint) -> set[str]:
        return {state.blob for savepoint in savepoints for state in self.manifest(savepoint).files.values()}

    @property
    def _rescued(self) -> Path:
        return self.store.path / "rescued"

    # -------------------------------------------------------------------------------------------- recovery and undo

    def recover(self) -> None:
        """Finish the rollback that the journal tells of; a second kill in here only makes the next one do it again."""
        entry = self.journal.read()
        if entry is None or entry.pop("done"):
            return
        target, before = self.find(entry["target"]), self.find(entry["safety"])
        clear_staging(self.root, self._known(target, before), self._rescued)
        # Taken anew: the tree is half-way, and its owner may have gone on working in it since.
        safety = self.savepoint("safety", label=f"found after an interrupted {entry['operation']}")
        assert safety is not None
        plan = self._plan(self.manifest(safety), target)
        self.recovered = self._carry_out(plan, target, safety, entry, None, recovering=True)

    def last_operation(self) -> dict[str, Any] | None:
        """Return what the last finished rollback or commit was: operation, target, safety; None without one."""
        entry = self.journal.read()
        return entry if entry and entry["done"] else None

    def undo(self) -> Rollback:
        """Take back the last rollback or commit; a second undo takes back the first, and says so."""
        self.recover()
        last = self.last_operation()
        if last is None:
            raise WorkspaceError(f"nothing to undo in {self.root}: no rollback was made")
        operation = "redo" if last["operation"] == "undo" else "undo"
        label = f"before {operation} of {last['operation']} to {last['target']}"
        return self.rollback(self.find(last["safety"]), label=label, operation=operation)


def unusual(manifest: Manifest, umask: int) -> dict[str, Any]:
    """Return what git's tree cannot say of a manifest: modes, bare directories, repositories, unsteady files."""
    executable, plain, folder = 0o777 & ~umask, 0o666 & ~umask, 0o777 & ~umask
    usual = {stat.S_IFREG | plain, 0o120777}
    if executable & 0o100:  # else git's one bit says nothing
        usual.add(stat.S_IFREG | executable)
    modes = {path: mode for path, mode in manifest.dirs.items() if mode != folder}
    modes.update((path, stat.S_IMODE(state.mode)) for path, state in manifest.files.items() if state.mode not in usual)
    return {
        "modes": modes,
        "bare": manifest.bare,
        "repositories": manifest.repositories,
        "unstable": manifest.unstable,
    }
