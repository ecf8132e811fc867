"""Reads the file of a session: where each frame's lines are, and the state at any frame.

Opening reads the header only. The first question about frames scans the file for newlines once (about a fifth of a
second a gigabyte) and parses nothing; a frame is parsed when it is asked for. `Recording.refresh` takes in what was
appended since. The scan of a large file is remembered in the user's cache folder; that cache is never the truth.
"""

from __future__ import annotations

import os
import re
from array import array
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson

from agent_vcr_nb.core import index_cache
from agent_vcr_nb.core.delta import apply
from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, SessionNotFoundError
from agent_vcr_nb.core.journal import MAX_LINE, SCHEMA, SUFFIX, blob_directory, line_is_whole, session_path

_CHUNK = 256 << 10
"""Bytes read at once: they stay in the processor's cache while they are looked through."""
_FRAME = b'{"type":"frame","data":{"number":'
_START = b'{"type":"start","data":{"number":'
_FRAME_NUMBER, _START_NUMBER = _FRAME + b"%d,", _START + b"%d,"
_FOLLOWED_BY = b'"}\n' + _FRAME_NUMBER
_NUMBERED = re.compile(rb'\{"type":"(frame|start)","data":\{"number":([0-9]{1,15}),')
_UNNUMBERED = (b'{"type": "frame"', b'{"type":"frame"')
"""Frames of ai-agent-vcr: their order is their number."""
_NOWHERE = array("q", [-1]).tobytes()
_STATES = re.compile(rb',"(?:input|output)_(?:state|delta)":|,"update":|,"details":')
_HEAD_BYTES = 4096
_HEADER_LIMIT = 1 << 20
_CACHED_STATE_BYTES = 32 << 20
_BLOB_LIMIT = 512 << 20
MAX_NUMBER_GAP = 10_000_000
"""A frame number this far beyond the last one is damage or an attack on memory, not a frame."""


class Segment:
    """One file of a session: offsets of its lines, by frame number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
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

    def size(self) -> int:
        """Bytes of the file as it is now."""
        return os.fstat(self._fd).st_size

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes of a line."""
        if end - begin > MAX_LINE:
            raise RecordingError(
                f"{self.path.name}: the line at byte {begin} has {end - begin:,} bytes, "
                f"more than {MAX_LINE:,}: not read"
            )
        return os.pread(self._fd, end - begin, begin)

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
        place = (offset + begin, offset + end)
        told = _NUMBERED.match(data, begin, end)
        if told:
            number, count = int(told[2]), self.count
            starts, ends = (self.frame_at, self.frame_end) if told[1] == b"frame" else (self.start_at, self.start_end)
            again = number < count and starts[number] >= 0
            if again or number > count + MAX_NUMBER_GAP or not data.endswith(b'"}', begin, end):
                self.bad.append(place)
                return 0
            if number >= count:
                self._reserve(number + 1)
            starts[number], ends[number] = place
            return 1
        if data.startswith(_UNNUMBERED, begin) and not data.startswith((_FRAME, _START), begin):
            self._reserve(self.count + 1)
            self.frame_at[-1], self.frame_end[-1] = place
            return 1
        whole = data.startswith(b'{"type"', begin) and data.endswith(b"}", begin, end)
        (self.other if whole and not data.startswith((_FRAME, _START), begin) else self.bad).append(place)
        return 0

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
                try:
                    return dict(orjson.loads(raw[raw.index(b'"data":') + 7 : states.start()] + b"}"))
                except ValueError:
                    pass  # the words stood inside the metadata: the whole line decides
        return self.data(number, start=start)

    def data(self, number: int, *, start: bool) -> dict[str, Any] | None:
        """Return what a line says, states included; raises RecordingError for a damaged one."""
        line = self.line(number, start=start)
        return None if line is None else self.parse(line, f"frame {number}")

    def parse(self, line: bytes, what: str) -> dict[str, Any]:
        """Return the data of a line; raises RecordingError when it is not JSON or not what was written."""
        if line_is_whole(line) is False:
            raise RecordingError(
                f"{self.path.name}: the line of {what} is not as it was written (its checksum differs). "
                "See `vcr verify` for all such lines."
            )
        try:
            return dict(orjson.loads(line)["data"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordingError(f"{self.path.name}: the line of {what} cannot be read: {error}") from error


class Recording:
    """A session on disk: its header, its frames' places, and the state at any frame.

    Segments of further writers are merged: frames of all files in the order in which they started.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise SessionNotFoundError(f"no recording at {self.path}")
        self.session_id = self.path.name.removesuffix(SUFFIX)
        self.segments = [Segment(self.path)]
        self._order: list[tuple[int, int]] | None = None
        self._states: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._state_bytes = 0
        self._scanned = False
        self.header = self._read_header()

    def close(self) -> None:
        """Release the files."""
        for segment in self.segments:
            segment.close()

    # -------------------------------------------------------------------------------------------- index

    def _read_header(self) -> dict[str, Any]:
        segment = self.segments[0]
        first = segment.read(0, _HEAD_BYTES).partition(b"\n")
        if not first[1]:
            first = segment.read(0, _HEADER_LIMIT).partition(b"\n")
        try:
            line = orjson.loads(first[0])
            if line["type"] == "session":
                header = dict(line["data"])
                header.setdefault("schema", line.get("schema", "execution/v1"))
            else:
                header = {"schema": None}
        except (ValueError, KeyError, TypeError):
            # A damaged header hides nothing: the frames are still there.
            header = {"schema": None}
        schema = header["schema"]
        if schema is not None and schema not in (SCHEMA, "execution/v1"):
            raise RecordingError(
                f"{self.path}: written in format {schema!r}, and this version reads {SCHEMA!r} and older. "
                "Install a newer agent-vcr-nb."
            )
        return header

    def refresh(self) -> int:
        """Take in what was appended since the last call; returns the number of frames that came or changed."""
        self._scanned = True
        self._find_segments()
        news = sum(segment.scan() for segment in self.segments)
        if news and len(self.segments) > 1:
            self._order = self._merged()
        return news

    def _find_segments(self) -> None:
        while True:
            path = session_path(self.path.parent, self.session_id, len(self.segments)) if self._can_have() else None
            if path is None or not path.is_file():
                return
            self.segments.append(Segment(path))

    def _can_have(self) -> bool:
        return "~" not in self.session_id and " " not in self.session_id and self.path.suffix == SUFFIX

    def _merged(self) -> list[tuple[int, int]]:
        found = []
        for which, segment in enumerate(self.segments):
            for number in range(segment.count):
                if segment.frame_at[number] >= 0 or segment.start_at[number] >= 0:
                    head = segment.head(number, start=segment.start_at[number] >= 0) or {}
                    found.append((str(head.get("timestamp", "")), which, number))
        return [(which, number) for _, which, number in sorted(found)]

    def __len__(self) -> int:
        if not self._scanned:
            self.refresh()
        return len(self._order) if self._order is not None else self.segments[0].count

    def place(self, number: int) -> tuple[Segment, int]:
        """Return the segment of a frame and its number there; raises FrameNotFoundError."""
        count = len(self)
        if not 0 <= number < count:
            frames = f"frames 0 to {count - 1}" if count else "no frames"
            raise FrameNotFoundError(f"{self.session_id}: no frame {number!r}; it has {frames}")
        which, local = self._order[number] if self._order is not None else (0, number)
        return self.segments[which], local

    def global_number(self, segment: Segment, local: int) -> int:
        """Return the session's number of a frame that a segment numbers `local`."""
        if self._order is None:
            return local
        return self._order.index((self.segments.index(segment), local))

    # -------------------------------------------------------------------------------------------- frames

    def head(self, number: int) -> dict[str, Any]:
        """Return what is known of a frame beside its states; raises RecordingError for a damaged line."""
        segment, local = self.place(number)
        head = segment.head(local, start=False)
        if head is None:
            head = segment.head(local, start=True)
            if head is None:
                raise RecordingError(f"{self.session_id} frame {number}: its line in {segment.path.name} is damaged")
            head["status"] = "running"
        if self._order is not None and head.get("parent") is not None:
            head["parent"] = self.global_number(segment, head["parent"])
        return head

    def has_start(self, number: int) -> bool:
        """Tell whether the frame's start was written before its end."""
        segment, local = self.place(number)
        return segment.start_at[local] >= 0

    def ended_before(self, number: int, other: int) -> bool:
        """Tell whether a frame had ended when another one of the same file started."""
        segment, local = self.place(number)
        _, other_local = self.place(other)
        begin = segment.start_at[other_local] if segment.start_at[other_local] >= 0 else segment.frame_at[other_local]
        return 0 <= segment.frame_at[local] < begin

    def events(self, wanted: Collection[int] | None = None) -> list[tuple[int, bool]]:
        """Return (frame, is_end) as the lines follow in the first file, of all frames or of those `wanted`."""
        len(self)
        segment = self.segments[0]
        wanted = range(segment.count) if wanted is None else wanted
        found = [(segment.start_at[n], n, False) for n in wanted if segment.start_at[n] >= 0]
        found += [(segment.frame_at[n], n, True) for n in wanted if segment.frame_at[n] >= 0]
        return [(number, is_end) for _, number, is_end in sorted(found)]

    def others(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of all lines of another type: ``value``, ``end``."""
        len(self)
        prefix = f'{{"type":"{kind}"'.encode()
        found = []
        for segment in self.segments:
            for begin, end in segment.other:
                line = segment.read(begin, end)
                if line.startswith(prefix):
                    found.append(segment.parse(line, f"a {kind} at byte {begin}"))
        return found

    # -------------------------------------------------------------------------------------------- states

    def state(self, number: int, side: str) -> Json:
        """Return the ``"input"`` or ``"output"`` state of a frame as encoded JSON, a new tree at each call.

        Raises RecordingError when a line that it builds on is damaged, FrameNotFoundError when the frame has none.
        """
        segment, local = self.place(number)
        return orjson.loads(self._state(segment, local, side, number))

    def _state(self, segment: Segment, local: int, side: str, number: int) -> bytes:
        which = self.segments.index(segment)
        chain: list[list[dict[str, Any]]] = []
        tree: Json = None
        place = (which, f"{local}.{side[:-3]}")  # "input" -> "7.in", "output" -> "7.out"
        wanted = place
        parsed: dict[tuple[int, bool], dict[str, Any] | None] = {}
        while True:
            cached = self._states.get(place)
            if cached is not None:
                self._states.move_to_end(place)
                if not chain:
                    return cached
                tree = orjson.loads(cached)
                break
            section = self._section(segment, place[1], number, parsed)
            if "base" not in section:
                tree = section["state"]
                break
            chain.append(section["ops"])
            if len(chain) > segment.count * 2 + 2:
                raise RecordingError(f"{self.session_id} frame {number}: its states refer to each other in a circle")
            place = (which, section["base"])
        for ops in reversed(chain):
            tree = apply(tree, ops)
        raw = orjson.dumps(tree)
        self._remember(wanted, raw)
        return raw

    def _section(
        self, segment: Segment, ref: str, asked: int, parsed: dict[tuple[int, bool], dict[str, Any] | None]
    ) -> dict[str, Any]:
        """Return what a line says of one state; `parsed` keeps lines that tell of two."""
        local_text, _, side = ref.partition(".")
        if not local_text.isdigit() or side not in ("in", "out") or int(local_text) >= segment.count:
            raise RecordingError(f"{self.session_id} frame {asked}: it builds on {ref!r}, which is no state")
        local = int(local_text)
        name = "input" if side == "in" else "output"
        lines = (False, True) if name == "output" else (True, False)
        for start in lines:
            if (local, start) not in parsed:
                parsed[local, start] = segment.data(local, start=start)
            data = parsed[local, start]
            if data is None:
                continue
            if f"{name}_state" in data:
                return {"state": data[f"{name}_state"]}
            if f"{name}_delta" in data:
                return dict(data[f"{name}_delta"])
        if segment.frame_at[local] < 0 and segment.start_at[local] < 0:
            raise RecordingError(
                f"{self.session_id} frame {asked}: its state builds on frame {local}, whose line is damaged. "
                "The next frame that was written in full is readable again."
            )
        ended = segment.frame_at[local] >= 0
        why = "it failed before it returned" if ended else "it has not ended: running, or its process was killed"
        raise FrameNotFoundError(f"{self.session_id} frame {asked}: no {name} state, {why}")

    def _remember(self, place: tuple[int, str], raw: bytes) -> None:
        self._states[place] = raw
        self._state_bytes += len(raw)
        while self._state_bytes > _CACHED_STATE_BYTES and len(self._states) > 1:
            self._state_bytes -= len(self._states.popitem(last=False)[1])

    def update(self, number: int) -> Json | None:
        """Return what the step itself returned as encoded JSON, where that was recorded apart from the state."""
        segment, local = self.place(number)
        data = segment.data(local, start=False)
        return None if data is None else data.get("update")

    def details(self, number: int) -> Json | None:
        """Return what the integration kept with the start of a frame for a resume, as encoded JSON."""
        segment, local = self.place(number)
        data = segment.data(local, start=True)
        return None if data is None else data.get("details")

    def blob(self, tag: Json) -> str:
        """Return a long string that lies in a file of its own; raises RecordingError when it is gone or altered."""
        digest = tag.get("sha256")
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise RecordingError(f"{self.session_id}: {digest!r} names no stored string")
        path = blob_directory(self.path.parent, self.session_id) / digest
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            raise RecordingError(
                f"{self.session_id}: the long string {path.name[:12]}… is missing ({error})"
            ) from error
        with open(fd, "rb") as file:
            raw = file.read(_BLOB_LIMIT)
        import hashlib

        if hashlib.sha256(raw).hexdigest() != digest:
            raise RecordingError(f"{self.session_id}: the long string {path.name[:12]}… is not as it was written")
        return raw.decode()
