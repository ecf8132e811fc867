"""Says on disk that a rollback or commit is under way, and which one was the last to be finished."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

_SIZE = 512
"""One sector, always written whole and in place, so that an entry costs one flush."""


class Journal:
    """One entry, overwritten in place.

    An entry that a power cut tore counts as none, which is right both times: a torn beginning was never followed by a
    change, and a torn end stands after everything was flushed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any] | None:
        """Return the entry, or None where there is none."""
        try:
            checksum, _, text = self._path.read_bytes().rstrip().partition(b" ")
        except FileNotFoundError:
            return None
        if not text or checksum != _checksum(text):
            return None
        entry: dict[str, Any] = json.loads(text)
        return entry

    def write(self, entry: dict[str, Any] | None) -> None:
        """Replace the entry; when this returns it survives a power cut."""
        text = b"" if entry is None else json.dumps(entry).encode()
        data = (_checksum(text) + b" " + text).ljust(_SIZE - 1) + b"\n"
        assert len(data) == _SIZE, f"an entry of {len(text)} bytes does not fit one sector"
        new = not self._path.exists()
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(fd, data, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        if new:
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()
