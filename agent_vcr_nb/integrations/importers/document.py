"""Opens a foreign file as what its content says: JSON, JSON lines, or an archive of JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import ImportFormatError
from agent_vcr_nb.integrations.importers.archive import Archive
from agent_vcr_nb.integrations.importers.common import Remarks
from agent_vcr_nb.integrations.importers.json_text import MAX_BYTES, parse

_LINE = re.compile(rb'\s*\{\s*"type"\s*:\s*"(?:session|frame)"\s*,')
"""How the first line of a recording begins."""


@dataclass(frozen=True, slots=True)
class Document:
    """A foreign file that was opened."""

    path: Path
    kind: Literal["json", "lines", "archive"]
    value: Json = None
    """Of ``json`` the value; of ``lines`` a list of (number of the line from 1, value)."""
    archive: Archive | None = None
    problems: Remarks = field(default_factory=Remarks)

    @property
    def name(self) -> str:
        """The file's name without the suffixes of recordings."""
        return re.sub(r"(\.traj\.json|\.traj|\.json|\.eval|\.vcr|\.txt)$", "", self.path.name)

    def close(self) -> None:
        """Release the file."""
        if self.archive is not None:
            self.archive.close()


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
    if _LINE.match(raw):
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
