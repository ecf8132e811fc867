"""Recording a run that another thread can end: at its next step, or between two Python instructions before it.

What cannot be ended is a call that does not come back to Python: a socket that waits, a long computation in C. Such a
call ends first. Code of threads that the agent started itself ends at their next step.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.errors import Cancelled
from agent_vcr_nb.core.frame import FrameMetadata, Session
from agent_vcr_nb.core.recorder import VCRRecorder

if TYPE_CHECKING:
    from agent_vcr_nb.core.steps import Step


class CancellableRecorder(VCRRecorder):
    """A recorder whose run ends soon after `cancel`, called from any thread; what was recorded stays readable.

    The step that was running, or about to run, is recorded as failed with ``Cancelled``. It takes the thread that
    starts the session for the one that runs the agent, and a run for over when the session is closed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._cancelled = threading.Event()
        # Held while the recorder works: a run is never ended in the middle of a line or of a savepoint.
        self._gate = threading.RLock()
        self._thread: int | None = None
        self._loop: Any = None
        self._tasks: set[Any] = set()
        self._is_told = False
        super().__init__(*args, **options)

    @property
    def cancelled(self) -> bool:
        """True from the call of `cancel` on."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End the run as soon as it can be ended; a second call tries again, for an agent that swallowed the first."""
        self._cancelled.set()
        with self._gate:
            if self._thread is None:
                return
            _raise_in(self._thread, Cancelled)
            if self._loop is not None:
                # A loop that sleeps runs no instruction: it is woken, and what it waits for is cancelled.
                with contextlib.suppress(RuntimeError):  # closed already
                    self._loop.call_soon_threadsafe(self._cancel_tasks)

    def _cancel_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()

    def start_session(self, *args: Any, **options: Any) -> Session:
        """Begin a session as `VCRRecorder` does; the calling thread is the one that `cancel` ends."""
        session = super().start_session(*args, **options)
        self._thread = threading.get_ident()
        return session

    def begin(self, *args: Any, **options: Any) -> Step:
        """Begin a step as `VCRRecorder` does; raises Cancelled after `cancel`."""
        with self._gate:
            step = super().begin(*args, **options)
            if self.cancelled:
                error = Cancelled()
                if not step.returned:
                    step.fail(error)
                raise error
            self._note_task()
            return step

    def _note_task(self) -> None:
        running = sys.modules.get("asyncio")
        if running is not None and running._get_running_loop() is not None:
            self._loop = asyncio.get_running_loop()
            task = asyncio.current_task()
            if task is not None:
                self._tasks.add(task)

    def _end(
        self,
        step: Step,
        output_state: Any,
        metadata: FrameMetadata | Mapping[str, Any] | None,
        error: BaseException | None,
        update: Any,
    ) -> None:
        with self._gate:
            if self.cancelled and isinstance(error, asyncio.CancelledError):
                error = Cancelled()  # the same, as asyncio tells it
            self._is_told = self._is_told or isinstance(error, Cancelled)
            super()._end(step, output_state, metadata, error, update)

    def close(self) -> None:
        """End the session; one that was cancelled outside of all steps gets a frame that says so."""
        self._leave_thread()
        with self._gate:
            if self.recording and self.cancelled and not self._is_told:
                self._is_told = True
                self.record_error("cancelled", {}, Cancelled())
            super().close()

    def _leave_thread(self) -> None:
        """Let nothing be raised in the run's thread any more; what was on its way arrives here.

        Taking it back with NULL would leave CPython 3.11 and 3.12 looking for it at every call, and hang a profiler.
        """
        has_left = False
        while not has_left:
            with contextlib.suppress(Cancelled):
                with self._gate:
                    self._thread = None
                time.sleep(0)  # Python raises after a call
                has_left = True


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an exception in a thread before its next Python instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
