"""Turns steps into lines of a session's file, and never raises into the agent.

The memory of each branch of execution (see `Lane`) makes a line short; one lock makes it whole. What could not be
stored is counted in `lost` and told in `problems`.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from agent_vcr_nb.core.cleaning import Cleaner, known
from agent_vcr_nb.core.delta import Lane
from agent_vcr_nb.core.encoding import TAG, Json, Notes, qualified
from agent_vcr_nb.core.frame import FrameMetadata, Provenance, timestamp
from agent_vcr_nb.core.journal import Journal
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.segment import Segment
from agent_vcr_nb.core.steps import Step, current_scope, task_id

if TYPE_CHECKING:
    from agent_vcr_nb.core.tape import Tape

logger = logging.getLogger("agent_vcr_nb")

MAX_LANES = 32
"""Branches whose last state is remembered; an older one starts with a full state when it goes on."""
MAX_LOSSY = 50
"""Paths listed in one frame; the markers stand in the state itself, so none is hidden."""
MAX_PROBLEMS = 100
_LOCK_SECONDS = 10


class FrameWriter:
    """Writes the frames of one session."""

    def __init__(self, redactor: Redactor | None) -> None:
        self.cleaner = Cleaner(redactor)
        self.journal: Journal | None = None
        self.lost = 0
        self.problems: list[str] = []
        self.next_number = 0
        self.copied: dict[int, int] = {}
        """New numbers of the frames that were copied last."""
        self._errors = 0
        self._renewals = 0
        self._tokens: int | None = None
        self._cost: float | None = None
        self._lanes: OrderedDict[tuple[int, int], Lane] = OrderedDict()
        # Those that a step remembers too: they can have left the former.
        self._all_lanes: weakref.WeakSet[Lane] = weakref.WeakSet()
        self._lane_numbers: dict[tuple[int, int], int] = {}
        self.after_fork()

    def after_fork(self) -> None:
        """Start with a free lock: another thread of the parent may hold it, and does not exist in the child."""
        self._lock = threading.RLock()
        self._busy = False
        self._deferred: list[tuple[Callable[[Journal], None], bool]] = []
        self.forget_lanes()

    # -------------------------------------------------------------------------------------------- writing

    def start(self, step: Step) -> None:
        """Write that a step is about to run, with its input; gives the step its number."""
        # Not a lost frame if it fails: its end brings the input again.
        self.write(functools.partial(self._start_line, step), frame=False)
        step.clock = time.perf_counter()

    def _start_line(self, step: Step, journal: Journal) -> None:
        number = self.next_number
        step.writer, step.renewals = self, self._renewals
        if step.lane is None:
            step.lane, step.lane_number = self._lane()
        self._all_lanes.add(step.lane)
        notes = Notes()
        data = self._identity(step, number, step.lane_number)
        repeated = step.lane.repeat() if step.same_input else None
        if repeated is not None:
            states: dict[str, Any] = {"input_delta": {"base": repeated.base, "ops": []}}
        else:
            states = self._section(journal, step.lane, "input", number, step.input_state, notes)
        if step.details is not None:
            states["details"] = step.details
        line = self._with_lossy(data, notes) | states
        # Before the line is out: were the agent interrupted in between, the number would be given twice.
        step.number, self.next_number = number, number + 1
        try:
            journal.append("start", line)
        except Exception:
            step.number, self.next_number = None, number
            step.unwritten = (self._renewals, states)
            raise

    def end(
        self,
        step: Step,
        output_state: dict[str, Any] | None,
        metadata: FrameMetadata,
        error: BaseException | str | None,
        update: Any = None,
    ) -> None:
        """Write how a step ended; one that was never started is written with its input."""
        if step.writer not in (None, self):
            self.lose(RuntimeError(f"{step.key} began in a session that has been closed since"))
            return
        self.write(functools.partial(self._end_line, step, output_state, metadata, error, update))

    def _end_line(
        self,
        step: Step,
        output_state: dict[str, Any] | None,
        metadata: FrameMetadata,
        error: BaseException | str | None,
        update: Any,
        journal: Journal,
    ) -> None:
        lane, lane_number = (step.lane, step.lane_number) if step.lane else self._lane()
        self._all_lanes.add(lane)
        notes = Notes()
        states: dict[str, Any] = {}
        number = step.number
        if number is None:
            number = self.next_number
            renewals, kept = step.unwritten or (-1, {})
            if renewals == self._renewals:
                # As it was when the step began; by now it may have been changed in place.
                states = dict(kept)
            else:
                states = self._section(journal, lane, "input", number, step.input_state, notes)
        elif step.writer is not None and step.renewals != self._renewals:
            # Its start is in another file: one that was deleted, or that of the process this one was forked from.
            states = self._section(journal, lane, "input", number, step.input_state, notes)
        if output_state is not None:
            states |= self._section(journal, lane, "output", number, output_state, notes)
        figures, told = self.cleaner.figures_and_update(metadata.to_dict(), update, output_state)
        if update is not None:
            states["update"] = told
        data = self._identity(step, number, lane_number, "error" if metadata.error_type else "ok")
        data["metadata"] = figures
        if isinstance(error, BaseException):
            data["exception"] = self._exception(error)
        line = self._with_lossy(data, notes) | states
        started, next_number = step.number, self.next_number
        step.number, self.next_number = number, max(next_number, number + 1)
        try:
            journal.append("frame", line)
        except Exception:
            step.number, self.next_number = started, next_number
            raise
        self._count(metadata)

    def _exception(self, error: BaseException) -> Json:
        """What a resume needs to raise it again: its class, arguments and attributes."""
        # An OSError leaves its file name out of `args`.
        args = error.__reduce__()[1] if type(error).__module__ == "builtins" else error.args
        stored = {TAG: "exception", "type": qualified(type(error)), "args": self.cleaner.value(list(args))}
        return {**stored, "attributes": self.cleaner.value(dict(vars(error)))} if vars(error) else stored

    def _count(self, metadata: FrameMetadata) -> None:
        self._errors += bool(metadata.error_type)
        try:
            if metadata.tokens is not None:
                self._tokens = (self._tokens or 0) + int(metadata.tokens)
            if metadata.cost_usd is not None:
                self._cost = (self._cost or 0.0) + float(metadata.cost_usd)
        except Exception as error:  # figures that are no numbers
            self.lose(ValueError(f"a step's figures are no numbers, so they are not added up: {error}"), frame=False)

    def drawn(self, key: str, value: Any) -> None:
        """Write a time, an id or a random number that the agent drew."""
        self.write(
            lambda journal: journal.append(
                "value",
                {"key": self.cleaner.pointer(key), "before": self.next_number, "value": self.cleaner.value(value)},
            )
        )

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Write a line of another type, for the integration that reads it again (see `Recording.others`)."""
        self.write(lambda journal: journal.append(kind, self.cleaner.value(data)), frame=False)

    def session_end(self) -> None:
        """Write how the session stands."""
        totals = {"errors": self._errors, "tokens": self._tokens, "cost_usd": self._cost, "lost": self.lost}
        data = {"timestamp": timestamp(), "frames": self.next_number, **totals}
        self.write(lambda journal: journal.append("end", known(data)), frame=False)

    def copy(
        self,
        tape: Tape,
        wanted: Sequence[int],
        key_of: Callable[[int], str],
        *,
        parent: int | None = None,
        unfinished: Sequence[int] = (),
    ) -> dict[int, int]:
        """Write frames of a recording into this session as replayed, starts and ends in the order they were recorded.

        Of the `unfinished` ones only the start is written. Returns the new number of each frame.
        """
        numbers: dict[int, int] = {}
        self.copied = numbers
        for old, is_end in tape.recording.events(wanted):
            if is_end and old in unfinished:
                continue
            head = dict(tape.heads[old] or {})
            head["parent"] = numbers.get(head.get("parent", -1), parent)
            head |= {"key": key_of(old), "provenance": "replayed", "replayed_from": f"{tape.session_id}:{old}"}
            self.write(functools.partial(self._copy_line, tape, old, is_end, head, numbers))
        for owner in wanted:
            for drawn in () if owner in unfinished else tape.drawn_in(tape.key(owner)):
                name = drawn["key"].rpartition("/")[2]
                self._copy_drawn(drawn, f"{key_of(owner)}/{name}", numbers)
        return numbers

    def _copy_drawn(self, drawn: dict[str, Any], key: str, numbers: dict[int, int]) -> None:
        later = [new for old, new in numbers.items() if old >= drawn["before"]]
        data = {**drawn, "key": key, "before": min(later, default=self.next_number)}
        self.write(functools.partial(Journal.append, kind="value", data=data), frame=False)

    def copy_drawn_outside(self, tape: Tape, target: int) -> None:
        """Write what was drawn outside of all steps before `target`; the frames before it were copied last."""
        for drawn in tape.drawn_in(""):
            if drawn["before"] <= target:
                self._copy_drawn(drawn, drawn["key"], self.copied)

    def _copy_line(
        self, tape: Tape, old: int, is_end: bool, head: dict[str, Any], numbers: dict[int, int], journal: Journal
    ) -> None:
        notes = Notes()
        lane, _ = self._lane()
        states: dict[str, Any] = {}
        number = numbers.get(old)
        if number is None:
            number = numbers[old] = self.next_number
            self.next_number += 1
            states = self._section(journal, lane, "input", number, tape.recorded(old, "input"), notes)
        if not is_end:
            head = {name: value for name, value in head.items() if name not in ("status", "metadata", "exception")}
        elif head.get("status") == "ok":
            states |= self._section(journal, lane, "output", number, tape.recorded(old, "output"), notes)
        update = tape.recording.update(old, whole=False) if is_end else None
        if update is not None:
            states["update"] = update
        details = None if is_end else tape.recording.details(old)
        if details is not None:
            states["details"] = details
        journal.append("frame" if is_end else "start", known({**head, "number": number}) | states)

    def write(self, write: Callable[[Journal], None], *, frame: bool = True) -> None:
        """Run one write under the lock; whatever it raises is counted and never reaches the agent."""
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            self.lose(TimeoutError(f"another thread has been recording for {_LOCK_SECONDS} s"), frame=frame)
            return
        try:
            # A signal handler may record while this very thread is writing: its turn comes when the line is out.
            self._deferred.append((write, frame))
            if not self._busy:
                while self._deferred:
                    self._write_one(*self._deferred.pop(0))
        finally:
            self._lock.release()

    def _write_one(self, write: Callable[[Journal], None], frame: bool) -> None:
        journal = self.journal
        if journal is None:
            return
        self._busy = True
        try:
            if journal.renew_if_gone(self.next_number):
                self._begin_anew(journal)
            write(journal)
            if journal.sync_error is not None:
                self.lose(journal.sync_error, frame=False)
                journal.sync_error = None
        except BaseException as error:
            # What a lane remembers may not have reached the file: the next state is written in full.
            self.forget_lanes()
            if not isinstance(error, Exception):
                raise
            self.lose(error, frame=frame)
        finally:
            self._busy = False

    def _begin_anew(self, journal: Journal) -> None:
        """Go on in a file that is not the one that was written to so far."""
        self._renewals += 1
        self.forget_lanes()
        if journal.continued:
            segment = Segment(journal.path)
            segment.scan()
            self.next_number = max(self.next_number, segment.count)
            segment.close()

    def forget_lanes(self) -> None:
        """Refer to nothing that was written so far."""
        for lane in list(self._all_lanes):
            lane.forget()

    def lose(self, error: BaseException, *, frame: bool = True) -> None:
        """Count what could not be stored, and tell of the first one."""
        self.lost += frame
        if not self.problems:
            logger.warning("a step could not be recorded: %s: %s", type(error).__name__, error)
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{type(error).__name__}: {error}")

    # -------------------------------------------------------------------------------------------- pieces of a line

    def _lane(self) -> tuple[Lane, int]:
        """Return the memory of the branch that runs here: one a thread, and one a task of asyncio in it."""
        branch = (threading.get_ident(), task_id())
        lane = self._lanes.get(branch)
        if lane is None:
            scope = current_scope.get()
            around = scope.lane if scope and scope.lane in self._all_lanes else None  # not one of another session
            lane = self._lanes[branch] = Lane(around)
            self._all_lanes.add(lane)
            if len(self._lanes) > MAX_LANES:
                self._lanes.popitem(last=False)
        else:
            self._lanes.move_to_end(branch)
        return lane, self._lane_numbers.setdefault(branch, len(self._lane_numbers))

    def _identity(self, step: Step, number: int, lane: int, status: str | None = None) -> dict[str, Any]:
        """What a line says of a step first; the reader relies on ``number`` being the first of all."""
        if step.shown is None:
            step.shown = self.cleaner.pointer(step.key), self.cleaner.text(step.name)
        key, name = step.shown
        data: dict[str, Any] = {"number": number, "key": key, "node_name": name, "frame_type": step.frame_type}
        if status:
            data["status"] = status
        if step.started_at:
            data["timestamp"] = step.started_at
        if step.provenance is not Provenance.LIVE:
            data["provenance"] = step.provenance.value
        if step.parent is not None:
            data["parent"] = step.parent
        if lane:
            data["lane"] = lane
        if step.call:
            data["call"] = list(step.call)
        if step.changes:
            data["changes"] = list(step.changes)
        if step.edit:
            data["edit"] = [self.cleaner.operation(operation) for operation in step.edit]
        return data

    def _section(
        self, journal: Journal, lane: Lane, side: str, number: int, state: dict[str, Any], notes: Notes
    ) -> dict[str, Any]:
        inner = Notes()
        section = lane.write(state, f"{number}.{side[:-3]}", inner, self.cleaner.redactor, journal.to_blob)
        notes.lossy.extend(f"/{side}{path}" for path in inner.lossy)
        if section.full is not None:
            return {f"{side}_state": orjson.Fragment(section.full)}
        return {f"{side}_delta": {"base": section.base, "ops": orjson.Fragment(section.ops)}}

    def _with_lossy(self, data: dict[str, Any], notes: Notes) -> dict[str, Any]:
        if notes.lossy:
            data["lossy"] = [self.cleaner.pointer(path) for path in notes.lossy[:MAX_LOSSY]]
        return data
