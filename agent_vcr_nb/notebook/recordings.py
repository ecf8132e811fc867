"""The recordings that ``%vcr`` begins and ends in a kernel: from here on, or of one cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import RecordingError, UsageError
from agent_vcr_nb.core.journal import check_session_id, session_path
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.integrations.installing import install
from agent_vcr_nb.notebook.callers import NotebookRecorder
from agent_vcr_nb.verbs.text import counted


class Recordings:
    """At most one recording from here on, and at most one of the cell that runs, which goes before it."""

    def __init__(self, directory: Path, namespace: Callable[[], Mapping[str, Any]]) -> None:
        self.directory, self._namespace = directory, namespace
        self.recorder: VCRRecorder | None = None
        """Of ``%vcr record``."""
        self._cell: VCRRecorder | None = None
        self._asked_for = ""
        self._frames_before = 0

    def begin(self, name: str | None, tags: Sequence[str], *, go_on: bool) -> tuple[str, str]:
        """Record from here on; returns the session's id, and in words what of that name was there.

        A name that is taken gets a number, unless the recording is to `go_on` with that session.
        """
        self.end()
        before = self._frames_of(name)
        self.recorder, session = self._start(name, tags, go_on=go_on)
        if go_on and before:
            return session, f", on from the {counted(before, 'frame')} that it has"
        if name is not None and name != session:
            again = f"%vcr record {name} --continue adds to it"
            return session, f"; {name} is an earlier run of {counted(before, 'frame')}, and {again}"
        return session, ""

    def _start(self, name: str | None, tags: Sequence[str], *, go_on: bool) -> tuple[VCRRecorder, str]:
        if name:
            check_session_id(name)
        install()
        recorder = NotebookRecorder(self.directory, namespace=self._namespace)
        session = name if name is None or go_on else self._free(name)
        return recorder, recorder.start_session(session, tags=list(tags)).session_id

    def end(self) -> str | None:
        """End the recording that `begin` began and return its session, or None where there is none."""
        if self.recorder is None:
            return None
        session = self.recorder.get_session()
        self.recorder.close()
        self.recorder = None
        return session.session_id if session else ""

    def begin_cell(self, name: str | None, tags: Sequence[str], *, go_on: bool) -> str:
        """Record until `end_cell`, beside a recording from here on; returns the session's id.

        A name that is taken gets a number, unless the recording is to `go_on` with that session.
        """
        self.end_cell()
        before = self._frames_of(name) if go_on else 0
        self._cell, started = self._start(name, tags, go_on=go_on)
        self._asked_for, self._frames_before = name or started, before
        return started

    def end_cell(self) -> str | None:
        """End the recording of a cell and return what was recorded, in words; None where there is none."""
        if self._cell is None:
            return None
        recorder, self._cell = self._cell, None
        session = recorder.get_session()
        recorder.close()
        name = session.session_id if session else ""
        frames = len(Recording(session_path(self.directory, name))) - self._frames_before
        said = f"recorded {name}: {counted(frames, 'frame')}"
        if recorder.lost:
            said += f", {recorder.lost} could not be stored"
        if not frames:
            said += ". No step was seen: decorate the agent's functions with @agent_vcr_nb.step"
        elif self._frames_before:
            said += f", added to the {self._frames_before} that were there"
        elif name != self._asked_for:
            said += f"; {self._asked_for} is an earlier run: %vcr diff {self._asked_for} {name} compares them"
        return said

    def _frames_of(self, session: str | None) -> int:
        path = session_path(self.directory, session) if session is not None else None
        return len(Recording(path)) if path is not None and path.exists() else 0

    def _free(self, name: str) -> str:
        """Return the first of NAME, NAME-2, NAME-3 … that no session with frames has."""
        number, free = 1, name
        while self._is_taken(free):
            number += 1
            free = f"{name}-{number}"
        return free

    def _is_taken(self, name: str) -> bool:
        try:
            return self._frames_of(name) > 0
        except RecordingError:
            return True  # there is a file, which cannot be read

    def stop(self) -> str:
        """End the recording from here on; raises UsageError where there is none."""
        ended = self.end()
        if ended is None:
            raise UsageError("nothing is being recorded; %vcr record NAME begins")
        return ended
