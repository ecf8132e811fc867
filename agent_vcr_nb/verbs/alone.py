"""One import at a time in a folder of sessions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from agent_vcr_nb.core.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Make a folder and lock it: the next one waits, sees what was made, and takes no id twice.

    A folder in which nothing was made is not left behind. Raises UsageError for one that cannot be made.
    """
    made = not directory.exists()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{directory}: cannot be written: {error.strerror or error}") from error
    try:
        with _locked(directory):
            yield
    finally:
        if made:
            with contextlib.suppress(OSError):  # it is not empty
                directory.rmdir()


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    folder = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
