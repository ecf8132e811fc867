"""Readers of other programs' recordings, one module a format; a format is known by its content, not by its name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from agent_vcr_nb.core.errors import ImportFormatError, UsageError
from agent_vcr_nb.integrations.importers.common import ImportedFrame, ImportedSession
from agent_vcr_nb.integrations.importers.document import Document, open_document

__all__ = ["FORMATS", "Document", "ImportedFrame", "ImportedSession", "Importer", "importer", "open_document"]

FORMATS = ("ai-agent-vcr", "inspect-ai", "swe-agent", "who-and-when", "mini-swe-agent")
"""Names of the formats, the most particular first."""


class Importer(Protocol):
    """What the module of a format has."""

    def recognises(self, document: Document) -> bool:
        """Tell whether the content is of this format."""

    def sessions(self, document: Document) -> Iterator[ImportedSession]:
        """Return the runs of a file."""


def importer(document: Document, name: str | None = None) -> tuple[str, Importer]:
    """Return the format of a file and its importer; raises ImportFormatError when none of them knows it.

    Raises UsageError for a `name` that is no format.
    """
    if name is not None and name not in FORMATS:
        raise UsageError(f"format {name!r}: expected one of {', '.join(FORMATS)}")
    for candidate in FORMATS if name is None else (name,):
        module = cast(Importer, import_module(f"{__name__}.{candidate.replace('-', '_')}"))
        if module.recognises(document):
            return candidate, module
    damage = "".join(f" ({line})" for line in document.problems.lines()[:1])
    if name is not None:
        raise ImportFormatError(f"{document.path}: the content is not of the format {name}{damage}. Name no format")
    raise ImportFormatError(f"{document.path}: no format known here{damage}; known are {', '.join(FORMATS)}")


def what_it_looks_like(path: Path) -> bool:
    """Tell, by its first bytes alone, whether a file may be a recording: JSON or an archive."""
    with path.open("rb") as file:
        start = file.read(64)
    return start.startswith(b"PK\x03\x04") or start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
