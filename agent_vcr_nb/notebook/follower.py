"""A thread that looks at a run again and again, for as long as it is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agent_vcr_nb.notebook.threads import thread

BUSY_SECONDS = 0.05
"""Between two looks while something comes: 20 updates of the page a second, however fast the run."""
IDLE_SECONDS = 0.5
"""Longest pause when nothing comes."""


class Follower:
    """Calls `look` in a thread of its own; its errors end the following and go to `explain`."""

    def __init__(self, look: Callable[[], int], explain: Callable[[BaseException], None]) -> None:
        self._look = look
        self._explain = explain
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to follow; does nothing when it is following already."""
        if self.running:
            return
        stop = self._stop = threading.Event()
        self._thread = thread(lambda: self._run(stop), "vcr-follow")
        self._thread.start()

    def stop(self) -> None:
        """Stop following; returns when the thread has ended, unless the thread itself asks."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, stop: threading.Event) -> None:
        pause = BUSY_SECONDS
        while not stop.wait(pause):
            try:
                came = self._look()
            except Exception as error:
                self._explain(error)
                return
            pause = BUSY_SECONDS if came else min(pause * 1.5, IDLE_SECONDS)
