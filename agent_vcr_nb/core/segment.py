"""One file of a session: where its lines are, by frame number, and what each of them says."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from array import array
from pathlib import Path
from typing import Any

import orjson

from agent_vcr_nb.core import index_cache
from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.fields import check_fields
from agent_vcr_nb.core.journal import MAX_LINE, SCHEMA, is_held, is_held_here, line_is_whole

_CHUNK = 256 << 10
"""Bytes read at once: they stay in the processor's cache while they are looked through."""
_FRAME = b'{"type":"frame","data":{"number":'
_START = b'{"type":"start","data":{"number":'
_FRAME_NUMBER, _START_NUMBER = _FRAME + b"%d,", _START + b"%d,"
_FOLLOWED_BY = b'"}\n' + _FRAME_NUMBER
_NUMBERED = re.compile(rb'\{"type":"(frame|start)","data":\{"number":([0-9]{1,15}),')
_UNNUMBERED = (b'{"type": "frame"', b'{"type":"frame"')
"""Frames of ai-agent-vcr: their order is their number."""
_END = b'{"type":"end"'
_NOWHERE = array("q", [-1]).tobytes()
_STATES = re.compile(rb',"(?:input|output)_(?:state|delta)":|,"update":|,"details":')
_HEAD_BYTES = 4096
_STATE_MEMBERS = frozenset({"input_state", "output_state", "input_delta", "output_delta", "update", "details"})
_HEADER_LINES = 8
MOST_MISSING = 1_000_000
"""A file may begin with a frame of at most this number: more is damage or an attack on memory."""
_SHORTEST_LINE = 64
"""No frame's line has fewer bytes, so this bounds the number that can stand at a place of the file."""
_SLACK = 1000


class Segment:
    """One file of a session: offsets of its lines, by frame number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._fd = _open(path)
        self.position = 0
        """Up to here the file has been scanned."""
        self.frame_at, self.frame_end = array("q"), array("q")
        self.start_at, self.start_end = array("q"), array("q")
        self.other: list[tuple[int, int]] = []
        """Lines that are neither frames nor starts: header, drawn values, ends."""
        self.bad: list[tuple[int, int]] = []
        self.cached_at = 0

    def close(self) -> None:
        """Release the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()

    @property
    def count(self) -> int:
        """One more than the highest frame number."""
        return len(self.frame_at)

    def fileno(self) -> int:
        """Return the descriptor of the open file."""
        return self._fd

    def size(self) -> int:
        """Bytes of the file as it is now."""
        return os.fstat(self._fd).st_size

    def was_replaced(self) -> bool:
        """Tell whether another file has its name now: it was deleted or moved, and recording went on."""
        try:
            return os.stat(self.path).st_ino != os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False

    def is_over(self) -> bool:
        """Tell whether its process has closed it or is gone; while it waits here, this process writes nothing."""
        ended = bool(self.other) and self.other[-1][1] == self.position - 1 and self._tells_end(*self.other[-1])
        held = is_held(self._fd) if self.position and self.header["schema"] == SCHEMA else None
        return ended if held is None or is_held_here(self._fd) else not held

    def _tells_end(self, begin: int, end: int) -> bool:
        return self.read(begin, end).startswith(_END)

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes of a line."""
        if end - begin > MAX_LINE or end < begin:
            raise RecordingError(
                f"{self.path.name}: the line at byte {begin} has {end - begin:,} bytes, "
                f"more than {MAX_LINE:,}: not read"
            )
        return os.pread(self._fd, end - begin, begin)

    @functools.cached_property
    def header(self) -> dict[str, Any]:
        """Data of the first header that can be read, ``{"schema": None}`` where there is none in the first lines."""
        begin = 0
        for _ in range(_HEADER_LINES):
            line = self._line_from(begin)
            if line is None:
                break
            with contextlib.suppress(ValueError, KeyError, TypeError, RecordingError):
                told = orjson.loads(line)
                if told["type"] == "session":
                    header = check_fields("session", dict(told["data"]))
                    header.setdefault("schema", str(told.get("schema", "execution/v1")))
                    if header["schema"] == "execution/v1" and type(header.get("forked_from_frame")) is int:
                        header["forked_from_frame"] += 1  # there a fork starts after a frame, here before one
                    return header
            begin += len(line) + 1
        # A damaged header hides nothing: the frames are still there.
        return {"schema": None}

    def _line_from(self, begin: int) -> bytes | None:
        for size in (_HEAD_BYTES, 1 << 20, MAX_LINE):
            raw, end, _ = os.pread(self._fd, size, begin).partition(b"\n")
            if end:
                return raw
        return None

    def scan(self) -> int:
        """Take in the whole lines that appeared since the last call; returns how many frames came or ended."""
        if self.position == 0:
            index_cache.load(self)
        news, tail, tail_at = 0, b"", self.position
        size = self.size()
        if size < self.position:
            raise RecordingError(f"{self.path.name} became shorter while it was open: open it again")
        at = self.position
        skipped_to = -1
        while at < size:
            # As much again as the tail: a line of many chunks is then copied a few times, not once a chunk.
            chunk = os.pread(self._fd, min(max(_CHUNK, len(tail)), size - at), at)
            if not chunk:
                break
            at += len(chunk)
            data = tail + chunk if tail else chunk
            begin = 0
            if skipped_to >= 0 and (end := data.find(b"\n")) >= 0:
                self.bad.append((skipped_to, tail_at + end))
                skipped_to, begin = -1, end + 1
            found, begin = self._take_lines(data, begin, tail_at)
            news += found
            tail, tail_at = data[begin:], tail_at + begin
            if skipped_to >= 0 or len(tail) > MAX_LINE:
                # A line without end is passed over without keeping it in memory.
                skipped_to = tail_at if skipped_to < 0 else skipped_to
                tail, tail_at = b"", at
        self.position = tail_at if skipped_to < 0 else skipped_to
        index_cache.save(self)
        return news

    def _take_lines(self, data: bytes, begin: int, offset: int) -> tuple[int, int]:
        """File the whole lines of `data`; returns how many tell of a frame, and where the line without end begins."""
        news, number = 0, self.count
        frame_at, frame_end, start_at, start_end = self._columns()
        find, startswith = data.find, data.startswith
        while (end := find(b"\n", begin)) >= 0:
            if startswith(_FRAME_NUMBER % number, begin):
                # Frames in order: one comparison tells that a line is whole and that the next one follows.
                while startswith(_FOLLOWED_BY % (number + 1), end - 2):
                    frame_at.append(offset + begin)
                    frame_end.append(offset + end)
                    number += 1
                    news += 1
                    begin = end + 1
                    end = find(b"\n", begin)
                if end < 0:
                    break
            if len(start_at) < number:
                self._reserve(number)
            # Nearly all other lines are the next start, or the end of the last one.
            whole = data[end - 2 : end] == b'"}'
            if whole and startswith(_START_NUMBER % number, begin):
                start_at.append(offset + begin)
                start_end.append(offset + end)
                frame_at.append(-1)
                frame_end.append(-1)
                number += 1
                news += 1
            elif whole and frame_at and frame_at[-1] < 0 and startswith(_FRAME_NUMBER % (number - 1), begin):
                frame_at[-1], frame_end[-1] = offset + begin, offset + end
                news += 1
            elif end > begin:
                news += self._take(data, begin, end, offset)
                number = len(frame_at)
            begin = end + 1
        self._reserve(number)
        return news, begin

    def _take(self, data: bytes, begin: int, end: int, offset: int) -> int:
        """File the line ``data[begin:end]``; returns 1 for a line that tells of a frame."""
        if data[end - 1 : end] == b"\r":
            end -= 1  # a file that went through a program with line ends of its own
        place = (offset + begin, offset + end)
        if place[1] - place[0] > MAX_LINE:
            self.bad.append(place)
            return 0
        told = _NUMBERED.match(data, begin, end)
        if told:
            return self._take_numbered(data[begin:end], int(told[2]), place, is_start=told[1] == b"start")
        ours = data.startswith((_FRAME, _START), begin) or data[end - 18 : end - 10] == b',"crc":"'
        if data.startswith(_UNNUMBERED, begin) and data.endswith(b"}", begin, end) and not ours:
            self._reserve(self.count + 1)
            self.frame_at[-1], self.frame_end[-1] = place
            return 1
        whole = data.startswith(b'{"type"', begin) and data.endswith(b"}", begin, end)
        is_frame = data.startswith((_FRAME, _START, *_UNNUMBERED), begin)
        (self.other if whole and not is_frame else self.bad).append(place)
        return 0

    def _take_numbered(self, line: bytes, number: int, place: tuple[int, int], *, is_start: bool) -> int:
        """File a line by the number it tells; one that comes out of order is believed only when it is whole."""
        starts, ends = (self.start_at, self.start_end) if is_start else (self.frame_at, self.frame_end)
        count = self.count
        in_order = number == count or (not is_start and number < count and self.start_at[number] >= 0 > starts[number])
        first = min(self.header.get("first") or 0, MOST_MISSING)
        possible = number <= count or number <= first + place[0] // _SHORTEST_LINE + _SLACK
        if not line.endswith(b'"}') or not possible or not (in_order or line_is_whole(line)):
            self.bad.append(place)
            return 0
        if number < count and starts[number] >= 0:
            # One of the two has a damaged number.
            if line_is_whole(self.read(starts[number], ends[number])):
                self.bad.append(place)
                return 0
            self.bad.append((starts[number], ends[number]))
        self._reserve(max(count, number + 1))
        starts[number], ends[number] = place
        return 1

    def _columns(self) -> tuple[array[int], ...]:
        return self.frame_at, self.frame_end, self.start_at, self.start_end

    def _reserve(self, count: int) -> None:
        """Make all columns `count` long; a line that is not there is at -1."""
        for column in self._columns():
            if len(column) < count:
                column.frombytes(_NOWHERE * (count - len(column)))

    def line(self, number: int, *, start: bool) -> bytes | None:
        """Return the ``start`` or ``frame`` line of a frame, or None where there is none."""
        starts, ends = (self.start_at, self.start_end) if start else (self.frame_at, self.frame_end)
        return self.read(starts[number], ends[number]) if starts[number] >= 0 else None

    def head(self, number: int, *, start: bool) -> dict[str, Any] | None:
        """Return what a line says beside the states, or None where there is no such line."""
        starts, ends = (self.start_at, self.start_end) if start else (self.frame_at, self.frame_end)
        begin, end = starts[number], ends[number]
        if begin < 0:
            return None
        if end - begin > _HEAD_BYTES:
            raw = self.read(begin, begin + _HEAD_BYTES)
            states = _STATES.search(raw)
            if states and raw.startswith(b'{"type":'):
                with contextlib.suppress(ValueError, TypeError, RecordingError):
                    told = orjson.loads(raw[raw.index(b'"data":') + 7 : states.start()] + b"}")
                    return check_fields("start" if start else "frame", dict(told))
                # The words stood inside the metadata: the whole line decides.
        data = self.data(number, start=start)
        return None if data is None else {name: value for name, value in data.items() if name not in _STATE_MEMBERS}

    def data(self, number: int, *, start: bool) -> dict[str, Any] | None:
        """Return what a line says, states included; raises RecordingError for a damaged one."""
        line = self.line(number, start=start)
        return None if line is None else self.parse(line, f"frame {number}", "start" if start else "frame")

    def parse(self, line: bytes, what: str, kind: str) -> dict[str, Any]:
        """Return the data of a line; raises RecordingError when it is not JSON or not what was written."""
        if line_is_whole(line) is False:
            raise RecordingError(
                f"{self.path.name}: the line of {what} is not as it was written (its checksum differs). "
                "See `vcr verify` for all such lines."
            )
        try:
            return check_fields(kind, dict(orjson.loads(line)["data"]))
        except (ValueError, KeyError, TypeError, RecursionError, RecordingError) as error:
            raise RecordingError(f"{self.path.name}: the line of {what} cannot be read: {error}") from error


def _open(path: Path) -> int:
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, flags)
    except OSError as error:
        raise RecordingError(f"{path} cannot be opened: {error.strerror}") from error
