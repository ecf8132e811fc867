"""Verbs about the files that an agent wrote: back to a frame, the list of savepoints, undo, keeping the store small."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.workspace.acid import ACIDWorkspace, active_workspaces
from agent_vcr_nb.workspace.keeping import KEEP
from agent_vcr_nb.workspace.places import store_home
from agent_vcr_nb.workspace.plan import Plan
from agent_vcr_nb.workspace.store import Savepoint
from agent_vcr_nb.workspace.ties import Ties


class _Told(Protocol):
    def to_dict(self) -> dict[str, Any]: ...

    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class FilesResult:
    """What a verb did in a workspace."""

    workspace: Path
    outcome: _Told
    """A `Plan`, `Rollback`, `Changes`, `Collected` or `Purged`."""
    dry_run: bool = False
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {"workspace": str(self.workspace), "dry_run": self.dry_run, **self.outcome.to_dict()}

    def text(self) -> str:
        """Return the result for a terminal, one path a line."""
        return f"{self.workspace}{': nothing is changed by a dry run' if self.dry_run else ''}\n{self.outcome.text()}"


@dataclass(frozen=True, slots=True)
class Savepoints:
    """What `savepoints` shows."""

    workspace: Path
    savepoints: tuple[Savepoint, ...]
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the savepoints as JSON-ready values."""
        return {"workspace": str(self.workspace), "savepoints": [one.to_dict() for one in self.savepoints]}

    def text(self) -> str:
        """Return a line a savepoint, oldest first."""
        lines = [one.text() for one in self.savepoints]
        return "\n".join([str(self.workspace), *lines]) if lines else f"no savepoints of {self.workspace}"


def rollback(
    place: Place,
    session: str | None = None,
    frame: int | None = None,
    *,
    savepoint: int | None = None,
    workspace: str | None = None,
    dry_run: bool = False,
) -> FilesResult:
    """Put the files back as they were at a frame of a session, or at a savepoint by number.

    With `dry_run` the exact plan is returned and nothing is touched; its exit code is 3 when something is in the way.
    Raises UsageError for a frame without a savepoint, ConflictError, BusyWorkspaceError (see ACIDWorkspace.rollback).
    """
    if (frame is None) == (savepoint is None):
        raise UsageError("where to? A frame number (vcr rollback SESSION 3) or --savepoint N, one of them")
    session = session or place.session
    acid = _workspace(place, session if frame is not None else None, workspace)
    if dry_run:
        plan: Plan = acid.preview(frame, savepoint=savepoint, session=session)
        return FilesResult(acid.path, plan, dry_run=True, exit_code=3 if plan.blocked else 0)
    with acid.visit():
        return FilesResult(acid.path, acid.rollback(frame, savepoint=savepoint, session=session))


def savepoints(place: Place, session: str | None = None, *, workspace: str | None = None) -> Savepoints:
    """List the savepoints of a workspace, or only those of one session."""
    acid = _workspace(place, session, workspace)
    found = acid.savepoints()
    return Savepoints(acid.path, tuple(one for one in found if session is None or one.session == session))


def changes(
    place: Place,
    first: str | int,
    second: str | int | None = None,
    third: str | int | None = None,
    *,
    workspace: str | None = None,
) -> FilesResult:
    """Show what changed in the files between two savepoints; with one, since the one before it.

    With a session first, the numbers are frames: from before the one to before the other; of one alone, what was there
    before it ran against the next savepoint. Raises UsageError for a frame without a savepoint.
    """
    if not str(first).isdecimal():
        first = str(first)
        acid = _workspace(place, first, workspace)
        return FilesResult(acid.path, acid.changes(*_around(acid, first, second, third)))
    if third is not None:
        raise UsageError(f"changes takes two savepoints, or a session and two frames: {first} is no session")
    acid = _workspace(place, None, workspace)
    return FilesResult(acid.path, acid.changes(int(first), None if second is None else _number(second)))


def _around(acid: ACIDWorkspace, session: str, first: str | int | None, second: str | int | None) -> tuple[int, int]:
    """Return the savepoints before two frames; of one frame, the one before it and the one that follows."""
    if first is None:
        raise UsageError(f"which frame? changes {session} 3 shows what frame 3 wrote, changes {session} 3 7 more")
    ties = next(ties for root, ties in _stores() if root == acid.workspace)
    begin = ties.need(session, _number(first))
    if second is not None:
        return begin, ties.need(session, _number(second))
    following = ties.savepoint(session, _number(first) + 1)
    later = [one.number for one in acid.savepoints() if one.number > begin]
    if following is None and not later:
        raise UsageError(f"no savepoint follows frame {first} of {session}: what it wrote can only be seen on disk")
    return begin, later[0] if following is None else following


def _number(word: str | int) -> int:
    if not str(word).isdecimal():
        raise UsageError(f"{word!r} is no number: changes takes savepoints (3 5), or frames of a session (my_run 3 5)")
    return int(word)


def undo(place: Place, session: str | None = None, *, workspace: str | None = None) -> FilesResult:
    """Take back the last rollback or commit; a second undo takes back the first, and its result says so."""
    acid = _workspace(place, session, workspace)
    with acid.visit():
        return FilesResult(acid.path, acid.undo())


def gc(place: Place, *, workspace: str | None = None, keep: int = KEEP, dry_run: bool = False) -> FilesResult:
    """Give up all but the newest savepoints of a workspace, and isolated transactions that have ended."""
    acid = _workspace(place, None, workspace)
    return FilesResult(acid.path, acid.gc(keep=keep, dry_run=dry_run), dry_run=dry_run)


def purge(
    place: Place, paths: Sequence[str] = (), *, holding: str | None = None, workspace: str | None = None
) -> FilesResult:
    """Remove files from all savepoints for good: by path, or those that hold a text. The workspace keeps its own."""
    acid = _workspace(place, None, workspace)
    return FilesResult(acid.path, acid.purge(*paths, text=holding))


def _workspace(place: Place, session: str | None, named: str | None) -> ACIDWorkspace:
    """Return the workspace named, that of a session of this folder, or the one at or below the working directory.

    A transaction under way in this process is used as it is: it holds the lock. A session of the same name in another
    folder is another session, and its files are not touched.
    """
    here = active_workspaces()
    if named is not None:
        path = Path(named).expanduser().resolve()
        return next((acid for acid in here if acid.workspace == path), None) or ACIDWorkspace(path)
    if session is not None:
        for acid in here:
            if acid.knows(session, place.directory):
                return acid
        what = f"the session {session} of {place.directory}"
        found = [root for root, ties in _stores() if ties.holds(session, place.directory)]
    else:
        what = "this folder"
        current = Path.cwd().resolve()
        here = [acid for acid in here if current == acid.workspace or current in acid.workspace.parents]
        if len(here) == 1:
            return here[0]
        found = [root for root, _ in _stores() if root == current or current in root.parents]
    places = sorted({*found, *(acid.workspace for acid in here)} if session is None else set(found))
    if len(places) == 1:
        return ACIDWorkspace(places[0])
    if places:
        raise UsageError(f"{what} has savepoints of {', '.join(map(str, places))}: say which with --workspace")
    raise UsageError(f"{what} has no savepoints of files; record with VCRRecorder(workspace=ACIDWorkspace(...))")


def _stores() -> Iterator[tuple[Path, Ties]]:
    """Yield every workspace that has a store of savepoints, with what ties them to frames."""
    for scope in store_home().glob("*/scope.json"):
        ties = Ties(scope.parent / "lines" / "main" / "frames.jsonl")
        ties.read()
        try:
            yield Path(json.loads(scope.read_bytes())["path"]), ties
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a store that cannot be read belongs to no command here; ACIDWorkspace says what is wrong
