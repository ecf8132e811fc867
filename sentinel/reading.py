"""Read a file into text that can be parsed, or say why it cannot."""

from __future__ import annotations

import codecs
import io
import json
import re
import stat
import tokenize
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sentinel.magics import without_magics

MAX_BYTES = 2_000_000
"""Larger files are data, not code that someone wrote."""
MAX_NOTEBOOK_BYTES = 100_000_000
"""A notebook holds its outputs, and these are most of it."""
LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".ipynb": "python",
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file as text with Unix line ends."""

    path: str
    text: str
    language: str
    problem: str = ""
    """Why the file cannot be analysed; empty when it can."""
    cells: tuple[tuple[int, int], ...] = ()
    """For each code cell of a notebook: the number of lines before it, and its number from 1."""
    generated: bool = False

    @property
    def is_package(self) -> bool:
        """True for a file whose imports are there for others."""
        return PurePosixPath(self.path).name == "__init__.py" or self.is_interface

    @property
    def is_interface(self) -> bool:
        """True for a stub file: its functions have no bodies."""
        return self.path.endswith(".pyi")

    def cell_at(self, line: int) -> tuple[int | None, int]:
        """Cell number and line in the cell of a line; (None, line) outside notebooks."""
        return cell_at(self.cells, line)


def cell_at(cells: Sequence[tuple[int, int]], line: int) -> tuple[int | None, int]:
    """Cell number and line in the cell; (None, line) when there are no cells. ``cells`` as in `Document`."""
    if not cells:
        return None, line
    before, number = cells[bisect_right(cells, (line - 1, 1 << 60)) - 1]
    return number, line - before


_COMMENT = r"(?:#+|//+|/\*+|\*|--|<!--|\"{3}|'{3})[ \t]*"
_SIGNED = r"(?:this (?:file|code|module) (?:is|was) )?(?:code |auto(?:matically |-)?)?generated (?:by|from|with)\b"
_MARKED = r"[^\n]*(?:\bdo not edit\b|\bauto(?:matically |-)?generated\b|@generated\b)"
_GENERATED = re.compile(rf"(?im)^ ?(?:(?:{_COMMENT})?{_SIGNED}|{_COMMENT}{_MARKED})")
"""How generators sign the head of a file; a comment on what some code generates is no such line."""


def language_of(path: str) -> str | None:
    """The language by the file's name; None when Sentinel does not read it (minified files, data)."""
    if path.endswith((".min.js", ".min.mjs")):
        return None
    return LANGUAGES.get(PurePosixPath(path).suffix.lower())


def read_file(file: Path, path: str) -> Document:
    """Read a file from disk; ``path`` is what it is called in findings.

    Raises:
        FileNotFoundError: it is gone. Anything else that keeps it from being read is the document's problem.
    """
    language = language_of(path) or ""
    limit = MAX_NOTEBOOK_BYTES if path.endswith(".ipynb") else MAX_BYTES
    try:
        status = file.stat()
        if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
            return Document(path, "", language, "it is a pipe or socket, no file")
        if status.st_size > limit:
            return Document(path, "", language, f"the file is larger than {limit:,} bytes")
        return from_bytes(path, file.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        return Document(path, "", language, f"it cannot be read: {error.strerror}")


def from_bytes(path: str, data: bytes) -> Document:
    """Decode a file: UTF-8 with or without a byte order mark, or what a Python coding comment names."""
    language = language_of(path) or ""
    try:
        encoding = "utf-8-sig"
        if language == "python" and b"coding" in data[:400]:
            encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "utf-16"
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        problem = f"the file is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}"
        return Document(path, "", language, problem)
    except (SyntaxError, LookupError) as error:
        return Document(path, "", language, f"the file's encoding is not understood: {error}")
    return from_text(path, text)


def from_text(path: str, text: str) -> Document:
    """Make a document of text that is decoded already."""
    language = language_of(path) or ""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        return Document(path, "", language, f"the file holds a NUL byte at offset {text.index(chr(0))}")
    if path.endswith(".ipynb"):
        return _notebook(path, text)
    return Document(path, text, language, generated=_GENERATED.search(text, 0, 600) is not None)


def _notebook(path: str, text: str) -> Document:
    """The code cells one after the other, magics replaced, each line kept."""
    if not text.strip():
        return Document(path, "", "python")
    try:
        notebook: Any = json.loads(text)
        cells = notebook.get("cells", [])
        sources = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, start=1)
            if cell["cell_type"] == "code"
        ]
        about = notebook.get("metadata", {})
        named = about.get("kernelspec", {}).get("language") or about.get("language_info", {}).get("name")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        return Document(path, "", "python", f"the file is no notebook: {type(error).__name__}: {error}")
    if named not in (None, "python"):
        return Document(path, "", "python")
    parts: list[str] = []
    starts: list[tuple[int, int]] = []
    line = 0
    for number, source in sources:
        code = without_magics(source.replace("\r\n", "\n")).rstrip("\n") + "\n"
        starts.append((line, number))
        parts.append(code)
        line += code.count("\n")
    return Document(path, "".join(parts), "python", cells=tuple(starts))
