"""Opens a foreign file: JSON, JSON lines, or an archive of JSON; what is broken is named by its place.

Of a broken JSON text everything before the damage is kept. Nothing is written or unpacked to disk, sizes are bounded
before memory is used, and numbers keep their digits.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import ImportFormatError
from agent_vcr_nb.integrations.importers.common import Remarks

MAX_BYTES = 512 << 20
"""A larger text is not read: it would need several times its size in memory."""
MAX_ARCHIVE_BYTES = 4 << 30
"""All members of an archive together, unpacked."""
MAX_MEMBERS = 100_000
MAX_NESTING = 200
_INT_DIGITS = 4300
"""Python's own limit for turning digits into an int; longer ones are kept as a Decimal."""

_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[{}\[\],:])|(?P<word>[^\s{}\[\],:"]+))', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Document:
    """A foreign file that was opened."""

    path: Path
    kind: Literal["json", "lines", "archive"]
    value: Json = None
    """Of ``json`` the value; of ``lines`` a list of (number of the line from 1, value)."""
    archive: Archive | None = None
    problems: Remarks = field(default_factory=Remarks)


def open_document(path: Path) -> Document:
    """Open a file by its content; raises ImportFormatError, naming file and place, when nothing of it is readable."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start.startswith(b"PK"):
                return Document(path, "archive", archive=Archive(path))
            raw = start + file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImportFormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise ImportFormatError(f"{path}: larger than {MAX_BYTES >> 20} MB: not read. Split it, or import its parts")
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        raise ImportFormatError(f"{path}: neither JSON nor a zip archive; found {_glimpse(raw)}, expected '{{' or '['")
    first, newline, rest = raw.partition(b"\n")
    if rest.strip() or not newline:
        head, problem = parse(first)
        if problem is None and isinstance(head, dict) and head.get("type") in ("session", "frame") and "data" in head:
            return _open_lines(path, raw)
    value, problem = parse(raw)
    document = Document(path, "json", value)
    if problem is not None:
        document.problems.add(problem)
        if value is None:
            raise ImportFormatError(f"{path}: {problem}")
    return document


def _glimpse(raw: bytes) -> str:
    return repr(raw[:16].decode("utf-8", "replace")) if raw else "an empty file"


def _open_lines(path: Path, raw: bytes) -> Document:
    document = Document(path, "lines", [])
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        value, problem = parse(line)
        if problem is None:
            document.value.append((number, value))
        else:
            document.problems.add(f"line {number}: {re.sub(r'^line 1 ', '', problem)}")
    return document


# ------------------------------------------------------------------------------------------------ JSON


def parse(raw: bytes) -> tuple[Json, str | None]:
    """Return a JSON value and None, or what stands before the damage (None for nothing) and what is wrong where."""
    problem = None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = f"line {line}, byte {error.start}: not UTF-8 ({raw[error.start : error.start + 1].hex()})"
        text = raw[: error.start].decode("utf-8-sig", "ignore")
    try:
        try:
            value = json.loads(text, parse_int=_integer)
        except json.JSONDecodeError as error:
            problem = problem or f"line {error.lineno} column {error.colno}: {error.msg}"
            kept = _before_damage(text, error.pos)
            if kept is None:
                return None, problem
            value = json.loads(kept, parse_int=_integer)
    except RecursionError:
        return None, f"nested deeper than {MAX_NESTING} levels: not read"
    except ValueError as error:  # what was kept is no JSON either
        return None, problem or str(error)
    if _nested_deeper(value, MAX_NESTING):
        return None, f"nested deeper than {MAX_NESTING} levels: not read"
    return value, problem


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def _nested_deeper(value: Json, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(item, dict | list) for item in level)


def _before_damage(text: str, end: int) -> str | None:
    """Return the text up to the last whole value before `end`, with what is open closed; None when there is none."""
    open_marks: list[str] = []
    at = cut = 0
    key_next = False
    while (token := _TOKEN.match(text, at)) is not None and token.end() <= end:
        at = token.end()
        mark = token["mark"]
        if mark in ("{", "["):
            open_marks.append(mark)
            key_next = mark == "{"
            cut = at
        elif mark in ("}", "]"):
            if not open_marks:
                break
            open_marks.pop()
            cut = at
        elif mark is not None:  # a comma or a colon
            key_next = mark == "," and bool(open_marks) and open_marks[-1] == "{"
        elif not key_next and (token["word"] is None or at < len(text)):
            cut = at  # a number at the very end may have lost digits
    if not cut:
        return None
    return text[:cut] + "".join(_CLOSING[mark] for mark in reversed(open_marks))


# ------------------------------------------------------------------------------------------------ archives


class Archive:
    """A zip archive of JSON texts, read in memory and within bounds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left = MAX_ARCHIVE_BYTES
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ImportFormatError(f"{path}: no whole zip archive: {error}. Copy the file anew") from error
        self.names = [info.filename for info in self._zip.infolist()]
        if len(self.names) > MAX_MEMBERS:
            raise ImportFormatError(f"{path}: {len(self.names):,} members, more than {MAX_MEMBERS:,}: not read")

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def json(self, name: str) -> tuple[Json, str | None]:
        """Return the value of a member and None, or what of it could be read and what is wrong where."""
        try:
            info = self._zip.getinfo(name)
            if info.file_size > min(MAX_BYTES, self._left):
                return None, f"{name}: {info.file_size:,} bytes unpacked, more than is read: left alone"
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return None, f"{name}: compressed by method {info.compress_type}; stored and deflated ones are read"
            with self._zip.open(info) as member:
                raw = member.read(info.file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError) as error:
            return None, f"{name}: damaged in the archive: {error}"
        except (NotImplementedError, RuntimeError) as error:  # a password, or a feature that zipfile does not know
            return None, f"{name}: cannot be unpacked: {error}"
        self._left -= len(raw)
        value, problem = parse(raw)
        return value, None if problem is None else f"{name}: {problem}"

    def close(self) -> None:
        """Release the file."""
        self._zip.close()
