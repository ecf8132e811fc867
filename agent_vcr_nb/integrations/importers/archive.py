"""Reads a zip archive of JSON texts in memory and within bounds; nothing is unpacked to disk.

An archive without its table of contents, as a killed program leaves it, is read member by member from its start.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import ImportFormatError
from agent_vcr_nb.integrations.importers.json_text import MAX_BYTES, parse

MAX_ARCHIVE_BYTES = 4 << 30
"""All members of an archive together, unpacked."""
MAX_MEMBERS = 100_000
_LOCAL = struct.Struct("<4s5H3I2H")
"""Local file header: APPNOTE.TXT of PKWARE, section 4.3.7."""
_CHUNK = 64 << 10


class _Found(NamedTuple):
    """A member whose place was found without the table of contents."""

    begin: int
    deflated: bool
    size: int


class Archive:
    """A zip archive; raises ImportFormatError when no member can be found in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        """What is wrong with the archive as a whole."""
        self._left = MAX_ARCHIVE_BYTES
        self._zip: zipfile.ZipFile | None = None
        self._raw = b""
        self._found: dict[str, _Found] = {}
        try:
            self._zip = zipfile.ZipFile(path)
            self.names = self._zip.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            self.problem = f"no whole zip archive: {error}"
            self._find_members()
            self.names = list(self._found)
        if len(self.names) > MAX_MEMBERS:
            raise ImportFormatError(f"{path}: {len(self.names):,} members, more than {MAX_MEMBERS:,}: not read")

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def json(self, name: str) -> tuple[Json, str | None]:
        """Return the value of a member and None, or what of it could be read and what is wrong where."""
        raw, problem = self._inflated(name) if self._zip is None else self._member(self._zip, name)
        self._left -= len(raw)
        if problem is not None:
            return None, f"{name}: {problem}"
        value, problem = parse(raw)
        return value, None if problem is None else f"{name}: {problem}"

    def close(self) -> None:
        """Release the file."""
        if self._zip is not None:
            self._zip.close()

    def _member(self, archive: zipfile.ZipFile, name: str) -> tuple[bytes, str | None]:
        try:
            info = archive.getinfo(name)
            if info.file_size > min(MAX_BYTES, self._left):
                return b"", f"{info.file_size:,} bytes unpacked, more than is read: left alone"
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return b"", f"compressed by method {info.compress_type}; stored and deflated ones are read"
            with archive.open(info) as member:
                return member.read(info.file_size), None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError, struct.error) as error:
            return b"", f"damaged in the archive: {error}"
        except (NotImplementedError, RuntimeError) as error:  # a password, or a feature that zipfile does not know
            return b"", f"cannot be unpacked: {error}"

    # -------------------------------------------------------------------------------------------- without contents

    def _find_members(self) -> None:
        """Look for members from the start of the file; raises ImportFormatError when there is none."""
        try:
            with self.path.open("rb") as file:
                self._raw = file.read(MAX_BYTES)
        except OSError as error:
            raise ImportFormatError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        at = self._raw.find(b"PK\x03\x04")
        while 0 <= at <= len(self._raw) - _LOCAL.size and len(self._found) <= MAX_MEMBERS:
            _, _, flags, method, _, _, _, size, _, name_length, extra_length = _LOCAL.unpack_from(self._raw, at)
            begin = at + _LOCAL.size + name_length + extra_length
            name = self._raw[at + _LOCAL.size : begin - extra_length].decode("utf-8", "replace")
            if method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not flags & 1:
                self._found[name] = _Found(begin, method == zipfile.ZIP_DEFLATED, size)
            at = self._raw.find(b"PK\x03\x04", begin)
        if not self._found:
            raise ImportFormatError(f"{self.path}: {self.problem}, and no member can be found. Copy the file anew")

    def _inflated(self, name: str) -> tuple[bytes, str | None]:
        """Return the bytes of a member that was found; of one that is cut off, what there is of it."""
        place = self._found[name]
        limit = min(MAX_BYTES, self._left)
        if not place.deflated:
            return self._raw[place.begin : place.begin + min(place.size, limit)], None
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        parts: list[bytes] = []
        at, size = place.begin, 0
        try:
            while not inflate.eof and at < len(self._raw):
                parts.append(inflate.decompress(self._raw[at : at + _CHUNK], max(1, limit - size)))
                at, size = at + _CHUNK, size + len(parts[-1])
                if size >= limit or inflate.unconsumed_tail:
                    return b"", f"more than {limit:,} bytes unpacked: left alone"
        except zlib.error as error:
            if not parts:
                return b"", f"damaged in the archive: {error}"
        return b"".join(parts), None
