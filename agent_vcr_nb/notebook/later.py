"""Work that is worth doing once, some time after the last of several occasions for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Later:
    """Calls `work` in a thread of its own when `seconds` have passed without another `ask`."""

    def __init__(self, work: Callable[[], None], explain: Callable[[BaseException], None], seconds: float) -> None:
        self._work = work
        self._explain = explain
        self._seconds = seconds
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def ask(self) -> None:
        """Have the work done soon."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._seconds, self._run)
            self._timer.daemon = True
            self._timer.start()

    def now(self) -> None:
        """Do the work at once if it was asked for, and wait for its end."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._run()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._explain(error)
