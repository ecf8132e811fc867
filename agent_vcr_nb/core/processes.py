"""Who recorded what, in a session that several processes recorded into at once, each into a file of its own.

Unrelated processes, such as two kernels, each recorded a run that stands alone. A forked process went on from where the
one it was forked from stood: what it recorded cannot be reached by running the agent again in one process.
"""

from __future__ import annotations

from typing import Any

from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.segment import Segment

_COUNTS = ("before", "frames")
"""Members of lines that count the frames of their own file."""


def elsewhere(recording: Recording, frame: int) -> frozenset[int]:
    """Return the frames that another process recorded than the one that recorded `frame`."""
    own, _ = recording.place(frame)
    if len(recording.segments) == 1:
        return frozenset()
    return frozenset(number for number in range(len(recording)) if recording.place(number)[0] is not own)


def header_beside(recording: Recording, frame: int) -> dict[str, Any]:
    """Return the header of the file that a frame is in; of a session without that frame, its own."""
    return recording.place(frame)[0].header if 0 <= frame < len(recording) else recording.header


def lines_beside(recording: Recording, kind: str, frame: int | None) -> list[dict[str, Any]]:
    """Return the lines of a type in the file that a frame is in, of all files for None.

    What they count as frames of their own file is told as the session numbers them.
    """
    segment = None if frame is None else recording.place(frame)[0]
    lines = recording.others(kind, segment)
    if segment is None or len(recording.segments) == 1:
        return lines
    return [
        line | {name: _number_from(recording, segment, line[name]) for name in _COUNTS if type(line.get(name)) is int}
        for line in lines
    ]


def _number_from(recording: Recording, segment: Segment, local: int) -> int:
    """Return the session's number of the first frame of a file from `local` on."""
    found = (recording.number_of(segment, later) for later in range(local, segment.count))
    return next((number for number in found if number is not None), len(recording))


def why_not_alone(recording: Recording, frame: int) -> str:
    """Tell why the run that a frame is of was not that of one process; empty when it was."""
    own, local = recording.place(frame)
    if is_forked(own):
        came_from = _parent_of(recording, own)
        last = None if came_from is None else recording.number_of(came_from, _first(own) - 1)
        hint = "" if last is None else f": resume at frame {last} or an earlier one, which runs all of it again"
        return f"it ran in a process that the agent had forked ({own.path.name}){hint}"
    forked = [other for other in recording.segments if other.count and _parent_of(recording, other) is own]
    before = [other for other in forked if _first(other) <= local]
    if not before:
        return ""
    first = min(before, key=_first)
    last = recording.number_of(own, _first(first) - 1)
    where = "at no frame" if last is None else f"at frame {last} or an earlier one"
    return (
        f"steps before it ran in a process that the agent had forked ({first.path.name}), and those cannot be served: "
        f"resume {where}"
    )


def is_forked(segment: Segment) -> bool:
    """Tell whether a file was begun by a process that had been forked from another one that recorded."""
    header = segment.header
    came_from = header.get("after_segment")
    return came_from is not None and came_from != (header.get("segment") or 0)


def _first(segment: Segment) -> int:
    """Return the number of the first frame that a file can hold: where its process was forked."""
    return int(segment.header.get("first") or 0)


def _parent_of(recording: Recording, segment: Segment) -> Segment | None:
    return recording.segment_numbered(segment.header["after_segment"]) if is_forked(segment) else None


def told(recording: Recording) -> list[str]:
    """Tell, a line a file, what each process recorded; nothing where it was one."""
    if len(recording.segments) == 1:
        return []
    lines = []
    for segment in recording.segments:
        count = sum(recording.place(number)[0] is segment for number in range(len(recording)))
        came_from = _parent_of(recording, segment)
        how = f", by a process forked from that of {came_from.path.name}" if came_from is not None else ""
        lines.append(f"{segment.path.name}: {count} frame{'' if count == 1 else 's'}{how}")
    return lines
