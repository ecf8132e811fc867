"""Checks every line and every state of a recording, and tells each damage in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.encoding import TAG, Json
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.journal import SCHEMA, line_is_whole
from agent_vcr_nb.core.processes import told
from agent_vcr_nb.core.segment import Segment

if TYPE_CHECKING:
    from agent_vcr_nb.core.player import VCRPlayer

__all__ = ["check_integrity"]


def check_integrity(player: VCRPlayer) -> dict[str, Any]:
    """Return ``{ok, issues, frame_count, skipped_lines, running, processes, session_id}``; raises nothing for damage.

    ``processes`` tells what each of several processes recorded, and is empty where it was one.
    """
    recording = player.recording
    player.refresh()
    issues: list[str] = []
    flaw = recording.flaw()
    if flaw is not None:
        return _report(player, [f"{recording.path.name}: {flaw}"], 0)
    if recording.header.get("schema") is None:
        issues.append(f"{recording.path.name}: the header line is damaged; the frames are not")
    for segment in recording.segments:
        issues.extend(_damaged_lines(segment, sealed=recording.header.get("schema") in (SCHEMA, None)))
    issues.extend(_missing_frames(player))
    running = 0
    for number in range(len(recording)):
        status = player.head(number).get("status")
        running += status == Status.RUNNING
        if status != Status.DAMAGED:
            issues.extend(_damaged_states(player, number))
    lost = sum(end.get("lost") or 0 for end in recording.others("end")[-1:])
    if lost:
        issues.append(f"{lost} frame{'' if lost == 1 else 's'} could not be stored while recording")
    return _report(player, list(dict.fromkeys(issues)), running)


def _report(player: VCRPlayer, issues: list[str], running: int) -> dict[str, Any]:
    return {
        "ok": not issues,
        "issues": issues,
        "frame_count": len(player),
        "skipped_lines": sum(len(segment.bad) for segment in player.recording.segments),
        "running": running,
        "processes": told(player.recording),
        "session_id": player.session_id,
    }


def _damaged_lines(segment: Segment, *, sealed: bool) -> Iterator[str]:
    """Tell of lines that are not as they were written; one without a checksum is one where lines are `sealed`."""
    name = segment.path.name
    for begin, end in segment.bad:
        yield f"{name} byte {begin}: a damaged line ({end - begin} bytes) was passed over"
    for what, begin, end in _places(segment):
        try:
            whole = line_is_whole(segment.read(begin, end))
        except RecordingError as error:
            yield str(error)
            continue
        if whole is False or (whole is None and sealed):
            yield f"{name} byte {begin}: the line is not as it was written{what}"
    torn = segment.size() - segment.position
    if torn:
        yield f"{name}: {torn} bytes at the end are no whole line: a write was cut short"


def _places(segment: Segment) -> Iterator[tuple[str, int, int]]:
    for begin, end in segment.other:
        yield "", begin, end
    for number in range(segment.count):
        if segment.start_at[number] >= 0:
            yield f" (start of frame {number})", segment.start_at[number], segment.start_end[number]
        if segment.frame_at[number] >= 0:
            yield f" (frame {number})", segment.frame_at[number], segment.frame_end[number]


def _missing_frames(player: VCRPlayer) -> Iterator[str]:
    """Tell of frames that cannot be listed, those in a row at once."""
    begin = None
    count = len(player)
    for number in range(count + 1):
        damaged = number < count and player.head(number).get("status") == Status.DAMAGED
        if damaged and begin is None:
            begin = number
        if not damaged and begin is not None:
            which = f"frame {begin}" if number == begin + 1 else f"frames {begin} to {number - 1}"
            yield f"{player.session_id} {which}: {player.head(begin)['metadata']['error_message']}"
            begin = None


def _damaged_states(player: VCRPlayer, number: int) -> Iterator[str]:
    try:
        player.get_frame(number)
    except RecordingError as error:
        # Only then each of its states by itself, and each string that is stored apart: that takes as long again.
        for side in ("input", "output"):
            yield from _damaged_state(player, number, side)
        yield str(error)


def _damaged_state(player: VCRPlayer, number: int, side: str) -> Iterator[str]:
    try:
        for tag in _blobs(player.recording.state(number, side)):
            player.recording.blob(tag)
    except FrameNotFoundError:
        return
    except RecordingError as error:
        yield str(error)


def _blobs(tree: Json) -> Iterator[Json]:
    if type(tree) is dict:
        if tree.get(TAG) == "blob":
            yield tree
        for item in tree.values():
            yield from _blobs(item)
    elif type(tree) is list:
        for item in tree:
            yield from _blobs(item)
