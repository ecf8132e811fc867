"""Threads in which widgets can be changed, in every program that shows them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


def thread(target: Callable[[], None], name: str) -> threading.Thread:
    """Return a daemon thread that is not started yet; make it where the page is known: in a cell or a callback.

    marimo hears of changes only from threads of its own kind; outside of a marimo notebook they are like any other.
    """
    marimo = sys.modules.get("marimo")
    kind: type[threading.Thread] = threading.Thread if marimo is None else marimo.Thread
    return kind(target=target, name=name, daemon=True)
