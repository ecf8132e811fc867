"""A verb at work in a thread of its own: how far it is, what its agent prints, and a way to end it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.cancelling import CancellableRecorder
from agent_vcr_nb.core.frame import Frame, Provenance
from agent_vcr_nb.notebook.printed import Printed, keeping
from agent_vcr_nb.notebook.threads import thread

SERVED = (Provenance.REPLAYED, Provenance.MOCKED)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended."""

    result: Any = None
    """What the verb returned; None when it raised."""
    error: BaseException | None = None
    cancelled: bool = False
    """True when the user ended it; `session` then has what ran so far."""
    session: str = ""
    """The session that it wrote, where it wrote one."""


class Job:
    """Runs `work` in a thread; call `start` once. `work` gets the job, whose `recorder` it records with."""

    def __init__(self, name: str, work: Callable[[Job], Any], done: Callable[[Ended], None]) -> None:
        self.name = name
        self.printed = Printed()
        self.served = 0
        """Steps so far that were not executed."""
        self.executed = 0
        """Steps so far that ran and are over."""
        self.step = ""
        """The step that ended last."""
        self.cancelling = False
        self._work, self._done = work, done
        self._recorder: CancellableRecorder | None = None
        self._thread = thread(self._run, f"vcr-{name}")

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the end, and for what is done after it."""
        self._thread.join(seconds)

    def recorder(self, folder: Path) -> CancellableRecorder:
        """Return the recorder of this job's fork; steps of the cells meanwhile are recorded where they always are."""
        self._recorder = CancellableRecorder(folder, on_frame_recorded=self._count, ambient=False)
        if self.cancelling:
            self._recorder.cancel()
        return self._recorder

    def cancel(self) -> None:
        """End the run at its next step or Python instruction; the fork keeps what ran."""
        self.cancelling = True
        if self._recorder is not None:
            self._recorder.cancel()

    def _count(self, frame: Frame) -> None:
        self.step = frame.node_name
        if frame.provenance in SERVED:
            self.served += 1
        else:
            self.executed += 1

    def _run(self) -> None:
        try:
            with keeping(self.printed):
                ended = Ended(self._work(self), session=self._session())
        except BaseException as error:
            was_cancelled = self._recorder is not None and self._recorder.cancelled
            if self._recorder is not None:
                with contextlib.suppress(Exception):
                    self._recorder.close()
            ended = Ended(error=error, cancelled=was_cancelled, session=self._session())
        self._done(ended)

    def _session(self) -> str:
        session = self._recorder.get_session() if self._recorder is not None else None
        return session.session_id if session else ""
