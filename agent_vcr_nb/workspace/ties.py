"""Remembers which frame of which recording belongs to which savepoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.frame import Frame, Session
from agent_vcr_nb.workspace.store import Savepoint


class Recorder(Protocol):
    """What a workspace needs of a `VCRRecorder`."""

    output_dir: Path

    def record_checkpoint(
        self, state: Mapping[str, Any], label: str = ..., node_name: str | None = ..., metadata: Any = ...
    ) -> Frame:
        """Record a state as a frame."""

    def start_session(self, session_id: str | None = ...) -> Session:
        """Begin a session."""

    def get_session(self) -> Session | None:
        """Return the session under way."""


class Ties:
    """The file ``frames.jsonl`` of a line. A line torn by a kill is skipped; the savepoint itself is in the store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers: dict[tuple[str, int], int] = {}
        self._recordings: set[tuple[str, str]] = set()

    def tie(self, session: str, frame: int, savepoint: int, recordings: Path | None) -> None:
        """Say that the files of this frame are those of the savepoint; `recordings` is the folder of the session."""
        folder = str(recordings.resolve()) if recordings is not None else None
        row = json.dumps({"session": session, "frame": frame, "savepoint": savepoint, "recordings": folder})
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, f"{row}\n".encode())
        finally:
            os.close(fd)
        self._numbers[session, frame] = savepoint
        self._recordings.add((session, str(folder)))

    def read(self) -> None:
        """Read what this and other processes have written."""
        self._numbers.clear()
        self._recordings.clear()
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                row = json.loads(line)
                self._numbers[row["session"], row["frame"]] = row["savepoint"]
                self._recordings.add((row["session"], str(row.get("recordings"))))
            except (ValueError, KeyError, TypeError):
                continue

    def savepoint(self, session: str, frame: int) -> int | None:
        """Return the number of a frame's savepoint."""
        return self._numbers.get((session, frame))

    def need(self, session: str, frame: int) -> int:
        """Return the number of a frame's savepoint; raises UsageError that names the frames with one."""
        number = self.savepoint(session, frame)
        if number is None:
            known = ", ".join(map(str, self.frames(session))) or "none"
            raise UsageError(f"frame {frame} of {session} has no savepoint: frames with one are {known}")
        return number

    def frames(self, session: str) -> dict[int, int]:
        """Return frame -> savepoint of one session, in the order of the frames."""
        return {frame: number for (name, frame), number in sorted(self._numbers.items()) if name == session}

    def frame_of(self, savepoint: int) -> tuple[str, int] | None:
        """Return session and number of the first frame of a savepoint."""
        return next((key for key, number in self._numbers.items() if number == savepoint), None)

    def holds(self, session: str, recordings: Path) -> bool:
        """Tell whether frames of the session of this name in this folder are here: another project has its own."""
        return (session, str(recordings.resolve())) in self._recordings

    def sessions(self) -> set[str]:
        """Return every session that has a frame here."""
        return {session for session, _ in self._numbers}


def with_frame(savepoint: Savepoint, ties: Ties) -> Savepoint:
    """Return the savepoint with the frame that was recorded after it was written."""
    found = ties.frame_of(savepoint.number)
    return savepoint if found is None else replace(savepoint, session=found[0], frame=found[1])
