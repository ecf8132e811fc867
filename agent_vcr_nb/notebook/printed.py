"""Keeps what a thread prints, while other threads print where they always do.

Jupyter shows nothing of what a widget's thread prints but in its log. Threads that the printing thread starts print
where they always do, unless they are given its context, as asyncio and LangGraph do.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, TextIO

import click

KEPT = 200
"""Pieces of text that are kept, the last ones."""
CHARACTERS = 8_000
"""Characters of them that are shown."""


class Printed:
    """The end of what was printed."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque(maxlen=KEPT)
        self.characters = 0
        """Printed in all, with what is no longer kept."""

    def write(self, text: str) -> None:
        """Take in text."""
        self._pieces.append(text[-CHARACTERS:])
        self.characters += len(text)

    def text(self) -> str:
        """Return the end of it, with a line that says how much is missing."""
        kept = "".join(self._pieces)[-CHARACTERS:]
        missing = self.characters - len(kept)
        shown = "\n".join(_overwritten(line) for line in click.unstyle(kept).expandtabs().split("\n"))
        return f"… {missing:,} characters before this\n{shown}" if missing else shown


def _overwritten(line: str) -> str:
    """Return what a terminal shows of a line that was begun again, as progress bars do."""
    return line.rstrip("\r").rpartition("\r")[2]


_sink: contextvars.ContextVar[Printed | None] = contextvars.ContextVar("agent_vcr_printed", default=None)
_installing = threading.Lock()


class _Parting(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr: text of a context that keeps it goes there, other text to `usual`."""

    def __init__(self, usual: TextIO) -> None:
        self.usual = usual
        self.users = 0

    def write(self, text: str) -> int:
        kept = _sink.get()
        if kept is None:
            return self.usual.write(text)
        kept.write(text)
        return len(text)

    def flush(self) -> None:
        self.usual.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.usual, name)


@contextlib.contextmanager
def keeping(printed: Printed) -> Iterator[None]:
    """Keep what this thread prints inside the block."""
    names = ("stdout", "stderr")
    with _installing:
        for name in names:
            if not isinstance(getattr(sys, name), _Parting):
                setattr(sys, name, _Parting(getattr(sys, name)))
        parts = [getattr(sys, name) for name in names]
        for part in parts:
            part.users += 1
    token = _sink.set(printed)
    try:
        yield
    finally:
        _sink.reset(token)
        with _installing:
            for name, part in zip(names, parts, strict=True):
                part.users -= 1
                # Whoever replaced it since has taken it as the usual one: it stays, and passes on.
                if part.users == 0 and getattr(sys, name) is part:
                    setattr(sys, name, part.usual)
