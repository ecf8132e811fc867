"""Work that is worth doing once, some time after the last of several occasions for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agent_vcr_nb.notebook.threads import thread


class Later:
    """Calls `work` in a thread of its own when `seconds` have passed without another `ask`."""

    def __init__(self, work: Callable[[], None], explain: Callable[[BaseException], None], seconds: float) -> None:
        self._work = work
        self._explain = explain
        self._seconds = seconds
        self._forgotten: threading.Event | None = None
        """Of what was asked for and is not done yet: set to have it not done."""
        self._lock = threading.Lock()

    def ask(self) -> None:
        """Have the work done soon."""
        with self._lock:
            if self._forgotten is not None:
                self._forgotten.set()
            forgotten = self._forgotten = threading.Event()
            thread(lambda: self._wait(forgotten), "vcr-later").start()

    def now(self) -> None:
        """Do the work at once if it was asked for, and wait for its end."""
        with self._lock:
            forgotten, self._forgotten = self._forgotten, None
        if forgotten is not None:
            forgotten.set()
            self._run()

    def _wait(self, forgotten: threading.Event) -> None:
        if not forgotten.wait(self._seconds):
            self._run()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._explain(error)
