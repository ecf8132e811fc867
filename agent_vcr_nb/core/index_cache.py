"""Remembers the scan of a large recording in the user's cache folder, so that opening it again takes milliseconds.

The cache is only ever a shortcut: it is used when the file has the same inode, is no shorter, and both the first line
and the last scanned one are the same bytes; anything else is scanned anew. Removing the folder loses nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from agent_vcr_nb.core.segment import Segment

SMALLEST = 64 << 20
"""Smaller files are scanned faster than a cache is worth."""
_COLUMNS = ("frame_at", "frame_end", "start_at", "start_end")
_PROBE = 512


def cache_directory() -> Path:
    """Return the folder for what can be computed anew; ``AGENT_VCR_CACHE`` overrides it."""
    chosen = os.environ.get("AGENT_VCR_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "agent_vcr_nb"


def _file_for(segment: Segment) -> Path:
    name = hashlib.sha256(os.fsencode(segment.path.resolve())).hexdigest()[:32]
    return cache_directory() / "index" / name


def _probe(segment: Segment, position: int) -> str:
    """Digest of the first bytes and of the bytes before `position`."""
    raw = segment.read(0, min(_PROBE, position)) + segment.read(max(0, position - _PROBE), position)
    return hashlib.sha256(raw).hexdigest()


def load(segment: Segment) -> None:
    """Fill the segment from the cache, where there is one that fits."""
    if segment.size() < SMALLEST:
        return
    try:
        with open(_file_for(segment), "rb") as file:
            head = orjson.loads(file.readline())
            if head["position"] > segment.size() or head["probe"] != _probe(segment, head["position"]):
                return
            columns = []
            for _ in _COLUMNS:
                column = array("q")
                column.frombytes(file.read(8 * head["count"]))
                columns.append(column)
    except (OSError, ValueError, KeyError, TypeError):
        return
    if any(len(column) != head["count"] for column in columns):
        return
    for name, column in zip(_COLUMNS, columns, strict=True):
        setattr(segment, name, column)
    segment.other = [tuple(place) for place in head["other"]]
    segment.bad = [tuple(place) for place in head["bad"]]
    segment.position = segment.cached_at = head["position"]


def save(segment: Segment) -> None:
    """Keep the segment's scan when enough was scanned to make it worth while."""
    if segment.position - segment.cached_at < SMALLEST:
        return
    head = {
        "position": segment.position,
        "probe": _probe(segment, segment.position),
        "count": segment.count,
        "other": segment.other,
        "bad": segment.bad,
    }
    target = _file_for(segment)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = target.with_suffix(f".{os.getpid()}")
        with open(temporary, "wb") as file:
            file.write(orjson.dumps(head) + b"\n")
            for name in _COLUMNS:
                file.write(getattr(segment, name).tobytes())
        os.replace(temporary, target)
    except OSError:
        return  # a cache that cannot be written costs time, nothing else
    segment.cached_at = segment.position
