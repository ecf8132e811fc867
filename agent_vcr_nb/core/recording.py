"""Reads the file of a session: where each frame's lines are, and the state at any frame.

Opening reads the header only. The first question about frames scans the file for newlines once (about a fifth of a
second a gigabyte) and parses nothing; a frame is parsed when it is asked for. `Recording.refresh` takes in what was
appended since. The scan of a large file is remembered in the user's cache folder; that cache is never the truth.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson

from agent_vcr_nb.core.delta import apply
from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, SessionNotFoundError
from agent_vcr_nb.core.journal import SCHEMA, SUFFIX, blob_directory, is_being_written, session_path
from agent_vcr_nb.core.segment import Segment
from agent_vcr_nb.core.updates import refers_to_output, with_output

_CACHED_STATE_BYTES = 32 << 20
_BLOB_LIMIT = 512 << 20
_BEGIN_BYTES = 16
_SEGMENT = re.compile(r"[1-9][0-9]{0,5}")
_REFERENCE = re.compile(r"([0-9]{1,15})\.(in|out)")


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
        self._segment_numbers, self._last_segment = [0], 0
        self._order: list[tuple[int, int]] | None = None
        self._global: dict[tuple[int, int], int] = {}
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
        header = self.segments[0].header
        schema = header["schema"]
        if schema is not None and schema not in (SCHEMA, "execution/v1"):
            raise RecordingError(
                f"{self.path}: written in format {schema!r}, and this version reads {SCHEMA!r} and older. "
                "Install a newer agent-vcr-nb."
            )
        return header

    def refresh(self) -> int:
        """Take in what was appended since the last call; returns the number of frames that came or changed."""
        self._find_segments()
        self._scanned = True
        news = sum(segment.scan() for segment in self.segments)
        if news and len(self.segments) > 1:
            self._order = self._merged()
            self._global = {place: number for number, place in enumerate(self._order)}
        return news

    def is_over(self) -> bool:
        """Tell whether every process that records into the session has closed it, or is gone."""
        return all(segment.is_over() for segment in self.segments)

    def reopen(self) -> bool:
        """Go over to the files that were begun where those that are open had been deleted or moved away.

        Returns True when there was such a file: what was known of frames and states is then not so any more.
        """
        found = [which for which, segment in enumerate(self.segments) if segment.was_replaced()]
        for which in found:
            self.segments[which].close()
            self.segments[which] = Segment(self.segments[which].path)
        if found:
            self._states.clear()
            self._state_bytes = 0
            self.header = self._read_header()
        return bool(found)

    def _find_segments(self) -> None:
        if "~" in self.session_id or " " in self.session_id or self.path.suffix != SUFFIX:
            return
        if not self._scanned:
            # One that was removed does not hide those after it.
            names = self.path.parent.glob(f"{glob.escape(self.session_id)}~*{SUFFIX}")
            found = [name.name[len(self.session_id) + 1 : -len(SUFFIX)] for name in names]
            numbers = sorted(int(text) for text in found if _SEGMENT.fullmatch(text))
        else:
            numbers = [self._last_segment + 1]
        for number in numbers:
            path = session_path(self.path.parent, self.session_id, number)
            if path.is_file():
                self.segments.append(Segment(path))
                self._segment_numbers.append(number)
                self._last_segment = number

    def _merged(self) -> list[tuple[int, int]]:
        """Frames of all files by the time at which they started; those of one file keep their order."""
        found = []
        for which, segment in enumerate(self.segments):
            latest = ""
            for number in range(segment.count):
                if segment.frame_at[number] >= 0 or segment.start_at[number] >= 0:
                    with contextlib.suppress(RecordingError):
                        head = segment.head(number, start=segment.start_at[number] >= 0) or {}
                        latest = max(latest, head.get("timestamp") or "")
                    found.append((latest, which, number))
        return [(which, number) for _, which, number in sorted(found)]

    def flaw(self) -> str | None:
        """Return why a file with neither header nor frame is no recording, in words; None for one that is.

        A file that is being written may get its header yet.
        """
        if self.header["schema"] is not None or len(self) or is_being_written(self.path):
            return None
        segment = self.segments[0]
        if not segment.size():
            return "an empty file, no recording"
        begin = os.pread(segment.fileno(), _BEGIN_BYTES, 0)
        if begin.startswith(b'{"type":"session"'[: len(begin)]):
            return "only the beginning of a header: the write was cut short, and no frame followed"
        return f"no recording: it begins with {begin.decode('utf-8', 'replace')!a}"

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

    def number_of(self, segment: Segment, local: int) -> int | None:
        """Return the session's number of a frame that a file numbers `local`, or None when it has no such frame."""
        if self._order is not None:
            return self._global.get((self.segments.index(segment), local))
        return local if 0 <= local < segment.count else None

    def segment_numbered(self, number: int) -> Segment | None:
        """Return the file of this number: 0 for the first, 1 for ``<id>~1.vcr``; None when it is not there."""
        known = number in self._segment_numbers
        return self.segments[self._segment_numbers.index(number)] if known else None

    def _parent(self, segment: Segment, local: int) -> int | None:
        """Return the session's number of a parent that a file numbers `local`.

        A forked process numbers on from where its parent process was: what is not in its own file is in that one's.
        """
        which: int | None = self.segments.index(segment)
        for _ in self.segments:
            if which is None:
                break
            number = self._global.get((which, local))
            if number is not None:
                return number
            before = self.segments[which].header.get("after_segment")
            which = self._segment_numbers.index(before) if before in self._segment_numbers else None
        return None

    # -------------------------------------------------------------------------------------------- frames

    def head(self, number: int) -> dict[str, Any]:
        """Return what is known of a frame beside its states; raises RecordingError for a damaged line."""
        segment, local = self.place(number)
        head = segment.head(local, start=False)
        if head is None:
            head = segment.head(local, start=True)
            if head is None:
                raise RecordingError(f"{self.session_id} frame {number}: {self._why_missing(segment, local)}")
            head["status"] = "running"
        if self._order is not None and head.get("parent") is not None:
            head["parent"] = self._parent(segment, head["parent"])
        return head

    @staticmethod
    def _why_missing(segment: Segment, local: int) -> str:
        first = segment.header.get("first") or 0
        if local < first:
            return f"its file was deleted while it was being recorded; {segment.path.name} goes on from frame {first}"
        return f"its line in {segment.path.name} is damaged or was never written"

    def has_start(self, number: int) -> bool:
        """Tell whether the frame's start was written before its end."""
        segment, local = self.place(number)
        return segment.start_at[local] >= 0

    def ended_before(self, number: int, other: int) -> bool:
        """Tell whether a frame had ended when another one of the same file started."""
        segment, local = self.place(number)
        other_segment, other_local = self.place(other)
        if segment is not other_segment:
            return number < other
        begin = segment.start_at[other_local] if segment.start_at[other_local] >= 0 else segment.frame_at[other_local]
        return 0 <= segment.frame_at[local] < begin

    def events(self, wanted: Collection[int] | None = None) -> list[tuple[int, bool]]:
        """Return (frame, is_end) as the lines follow in their file, of all frames or of those `wanted` of one file."""
        found = []
        for number in range(len(self)) if wanted is None else wanted:
            segment, local = self.place(number)
            found += [(at[local], number, at is segment.frame_at) for at in (segment.start_at, segment.frame_at)]
        return [(number, is_end) for at, number, is_end in sorted(found) if at >= 0]

    def others(self, kind: str, of: Segment | None = None) -> list[dict[str, Any]]:
        """Return the data of all whole lines of another type: ``value``, ``end``; see `verify_integrity` for others.

        With `of` only those of that file.
        """
        len(self)
        prefix = f'{{"type":"{kind}"'.encode()
        found = []
        for segment in self.segments if of is None else [of]:
            for begin, end in segment.other:
                with contextlib.suppress(RecordingError):
                    line = segment.read(begin, end)
                    if line.startswith(prefix):
                        found.append(segment.parse(line, f"a {kind} at byte {begin}", kind))
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
        seen: set[tuple[int, str]] = set()
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
            seen.add(place)
            place = (which, section["base"])
            if place in seen:
                raise RecordingError(f"{self.session_id} frame {number}: its states refer to each other in a circle")
        for ops in reversed(chain):
            tree = apply(tree, ops)
        if type(tree) is not dict:
            raise RecordingError(f"{self.session_id} frame {number}: its {side} is a {type(tree).__name__}, no state")
        try:
            raw = orjson.dumps(tree)
        except TypeError as error:
            raise RecordingError(f"{self.session_id} frame {number}: its {side} cannot be shown: {error}") from error
        self._remember(wanted, raw)
        return raw

    def _section(
        self, segment: Segment, ref: str, asked: int, parsed: dict[tuple[int, bool], dict[str, Any] | None]
    ) -> dict[str, Any]:
        """Return what a line says of one state; `parsed` keeps lines that tell of two."""
        told = _REFERENCE.fullmatch(ref)
        if not told or int(told[1]) >= segment.count:
            raise RecordingError(f"{self.session_id} frame {asked}: it builds on {ref[:80]!r}, which is no state")
        local, side = int(told[1]), told[2]
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
        end = parsed[local, False]
        if name == "input" or (end is None and parsed[local, True] is None):
            raise RecordingError(
                f"{self.session_id} frame {asked}: the {name} state of frame {local} is missing, because a line is "
                "damaged. The next frame that was written in full is readable again."
            )
        failed = end is not None and (end.get("status") == "error" or (end.get("metadata") or {}).get("error_type"))
        why = "it failed before it returned" if failed else "none was recorded"
        why = "it has not ended: running, or its process was killed" if end is None else why
        raise FrameNotFoundError(f"{self.session_id} frame {asked}: no {name} state, {why}")

    def _remember(self, place: tuple[int, str], raw: bytes) -> None:
        self._states[place] = raw
        self._state_bytes += len(raw)
        while self._state_bytes > _CACHED_STATE_BYTES and len(self._states) > 1:
            self._state_bytes -= len(self._states.popitem(last=False)[1])

    def update(self, number: int, *, whole: bool = True) -> Json | None:
        """Return what the step itself returned as encoded JSON, where that was recorded apart from the state.

        Unless `whole`, values that are as in the output state stay told by that.
        """
        segment, local = self.place(number)
        data = segment.data(local, start=False)
        update = None if data is None else data.get("update")
        if whole and refers_to_output(update):
            return with_output(update, self.state(number, "output"))
        return update

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
        path = blob_directory(self.path.parent, self.session_id.partition("~")[0]) / digest
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            fd = os.open(path, flags)
        except OSError as error:
            raise RecordingError(
                f"{self.session_id}: the long string {path.name[:12]}… is missing ({error})"
            ) from error
        with open(fd, "rb") as file:
            regular = stat.S_ISREG(os.fstat(fd).st_mode)
            raw = file.read(_BLOB_LIMIT) if regular else b""
        if hashlib.sha256(raw).hexdigest() != digest or not regular:
            raise RecordingError(f"{self.session_id}: the long string {path.name[:12]}… is not as it was written")
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise RecordingError(f"{self.session_id}: the long string {path.name[:12]}… is no text") from error
