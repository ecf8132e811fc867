"""The sessions of a folder: what became of each, and which was forked from which."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agent_vcr_nb.core.errors import Cancelled, RecordingError, SessionNotFoundError
from agent_vcr_nb.core.journal import SUFFIX, is_being_written, session_path
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.segment import Segment

_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session as a list shows it."""

    session_id: str
    path: Path
    outcome: str
    """``ok``, ``error`` (the last step that ended had failed), ``running``, ``killed``, ``cancelled`` (the user ended
    the run), ``pending`` (a fork that has not been run), ``empty`` or ``unreadable``."""
    frames: int
    errors: int | None
    tokens: int | None
    cost_usd: float | None
    """What the recorder was told; None when nothing was. See the ledger for computed costs."""
    created_at: str | None
    parent_session_id: str | None
    forked_from_frame: int | None
    edit: tuple[dict[str, Any], ...]
    reason: str | None
    tags: tuple[str, ...]
    problem: str | None = None
    """Why the session cannot be read."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "path": str(self.path),
            "edit": list(self.edit),
            "tags": list(self.tags),
        }


def find_session(reference: str, directory: Path) -> Path:
    """Return the file of a session given by id, or by path; raises SessionNotFoundError that names those there are."""
    as_path = Path(reference)
    if reference.endswith(SUFFIX) and as_path.is_file():
        return as_path
    listed = directory / f"{reference}{SUFFIX}"
    if not {"/", "\\", "~"} & set(reference) and listed.is_file():
        return listed  # also a file with a name that no session can be given
    path = session_path(directory, reference)
    if path.is_file():
        return path
    known = session_ids(directory)
    shown = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
    raise SessionNotFoundError(
        f"no session {reference!r} in {directory}; "
        + (f"there: {shown}" if known else "it has no sessions. Record one with: vcr record -- python app.py")
    )


def session_ids(directory: Path) -> list[str]:
    """Return the ids of a folder's sessions, the newest first."""
    found = [path for path in directory.glob(f"*{SUFFIX}") if "~" not in path.name and path.is_file()]
    found.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    return [path.name.removesuffix(SUFFIX) for path in found]


def sessions(directory: Path) -> list[SessionInfo]:
    """Return what became of each session of a folder, the newest first; one that cannot be read says why."""
    return [session_info(directory / f"{name}{SUFFIX}") for name in session_ids(directory)]


def session_info(path: Path) -> SessionInfo:
    """Return what became of a session: from its header, its last lines, and a scan for the number of frames."""
    name = path.name.removesuffix(SUFFIX)
    try:
        recording = Recording(path)
    except RecordingError as error:
        return _unreadable(name, path, str(error))
    try:
        flaw = recording.flaw()
        if flaw is not None:
            return _unreadable(name, path, flaw)
        header, frames = recording.header, len(recording)
        ends = [_last_line(segment.path, "end") for segment in recording.segments]
        outcomes = [
            _outcome(segment, ended=end is not None) for segment, end in zip(recording.segments, ends, strict=True)
        ]
        return SessionInfo(
            name,
            path,
            next((one for one in _WORST_FIRST if one in outcomes), "ok"),
            frames,
            _sum(ends, "errors"),
            _sum(ends, "tokens"),
            _sum(ends, "cost_usd"),
            header.get("created_at"),
            header.get("parent_session_id"),
            header.get("forked_from_frame"),
            tuple(header.get("edit") or ()),
            header.get("reason"),
            tuple(header.get("tags") or ()),
        )
    finally:
        recording.close()


def _unreadable(name: str, path: Path, problem: str) -> SessionInfo:
    return SessionInfo(name, path, "unreadable", 0, None, None, None, None, None, None, (), None, (), problem)


_WORST_FIRST = ("running", "killed", "error", "cancelled", "pending", "ok", "empty")
"""What is told of a session that several processes recorded into, when their runs ended differently."""


def _sum(ends: list[dict[str, Any] | None], name: str) -> Any:
    known = [end[name] for end in ends if end is not None and type(end.get(name)) in (int, float)]
    return sum(known) if known else None


def _outcome(segment: Segment, *, ended: bool) -> str:
    if not ended and is_being_written(segment.path):
        return "running"
    last = max(range(segment.count), key=lambda number: segment.frame_at[number], default=None)
    if last is None:
        return "empty"
    try:
        head = segment.head(last, start=False) or segment.head(last, start=True) or {}
    except RecordingError:
        head = {"status": "error"}
    error_type = (head.get("metadata") or {}).get("error_type")
    if error_type == Cancelled.__name__:
        return "cancelled"
    if any(at >= 0 > end for at, end in zip(segment.start_at, segment.frame_at, strict=True)):
        return "pending" if ended else "killed"
    return "error" if error_type or head.get("status") == "error" else "ok"


def _last_line(path: Path, kind: str) -> dict[str, Any] | None:
    """Return the data of the file's last line when it is of this type."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        lines = file.read().rstrip(b"\n").rsplit(b"\n", 1)
    try:
        line = orjson.loads(lines[-1])
        return dict(line["data"]) if line["type"] == kind else None
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Branch:
    """A session and the forks that start from it."""

    info: SessionInfo
    forks: tuple[Branch, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the branch as JSON-ready values, forks inside."""
        return {**self.info.to_dict(), "forks": [fork.to_dict() for fork in self.forks]}


def lineage(directory: Path, around: str | None = None) -> list[Branch]:
    """Return the sessions of a folder as trees of forks, the oldest first; with `around` only that session's tree.

    A fork whose parent is not in the folder stands as a root of its own. Raises SessionNotFoundError.
    """
    infos = {info.session_id: info for info in reversed(sessions(directory))}
    if around is not None:
        if around not in infos:
            find_session(around, directory)
        seen = set()
        while infos[around].parent_session_id in infos and around not in seen:
            seen.add(around)
            around = str(infos[around].parent_session_id)
    children: dict[str | None, list[SessionInfo]] = {}
    for info in infos.values():
        parent = info.parent_session_id if info.parent_session_id in infos else None
        children.setdefault(parent, []).append(info)

    def branch(info: SessionInfo, above: frozenset[str]) -> Branch:
        below = above | {info.session_id}
        forks = sorted(
            children.get(info.session_id, ()), key=lambda child: (child.forked_from_frame or 0, child.created_at or "")
        )
        return Branch(info, tuple(branch(child, below) for child in forks if child.session_id not in below))

    roots = children.get(None, []) if around is None else [infos[around]]
    return [branch(info, frozenset()) for info in roots]
