"""Records steps into a session's file, each in full before the call returns, and never disturbs the agent.

Two ways in: ``record_step`` and its siblings for a step that is over, and `VCRRecorder.begin` for one that is about to
run, which is also where a resume decides (see policy). What could not be stored is counted in ``recorder.lost``,
told once through ``logging`` and shown by ``save()``; it is never raised into the agent.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import functools
import logging
import os
import platform
import sys
import threading
import time
import traceback
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from agent_vcr_nb.core.delta import Lane, Section
from agent_vcr_nb.core.encoding import TAG, Json, Notes, encode, escape, qualified
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.frame import Frame, FrameMetadata, FrameType, Provenance, Session, Status, timestamp
from agent_vcr_nb.core.journal import SCHEMA, Durability, Journal, session_path
from agent_vcr_nb.core.policy import Call, Edit, Policy, RecordPolicy, Return
from agent_vcr_nb.core.redact import Redactor

if TYPE_CHECKING:
    from agent_vcr_nb.core.tape import Tape

logger = logging.getLogger("agent_vcr_nb")

MAX_LANES = 32
"""Branches whose last state is remembered; an older one starts with a full state when it goes on."""
MAX_LOSSY = 50
"""Paths listed in one frame; the markers stand in the state itself, so none is hidden."""
_LOCK_SECONDS = 10


class Scope:
    """A step while it runs: what steps inside it are numbered and named below."""

    __slots__ = ("counts", "key", "lane", "number", "recorder")

    def __init__(self, recorder: VCRRecorder, key: str, number: int | None, lane: Lane | None) -> None:
        self.recorder, self.key, self.number, self.lane = recorder, key, number, lane
        self.counts: dict[str, int] = {}


_scope: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("agent_vcr_scope", default=None)
_chosen: contextvars.ContextVar[VCRRecorder | None] = contextvars.ContextVar("agent_vcr_recorder", default=None)
_latest: weakref.ref[VCRRecorder] | None = None


def active_recorder() -> VCRRecorder | None:
    """Return the recorder that steps are recorded with here: of this context, or the one that was started last."""
    recorder = _chosen.get() or (_latest() if _latest else None)
    return recorder if recorder is not None and recorder.recording else None


@contextlib.contextmanager
def choosing(recorder: VCRRecorder) -> Iterator[None]:
    """Steps that begin inside this block are recorded with `recorder`, as outermost ones."""
    recorder_token, scope_token = _chosen.set(recorder), _scope.set(None)
    try:
        yield
    finally:
        _scope.reset(scope_token)
        _chosen.reset(recorder_token)


class Workspace(Protocol):
    """What a recorder tells a workspace, so that it can take savepoints (see agent_vcr_nb.workspace)."""

    def before_frame(self, key: str, number: int) -> None:
        """A step is about to run."""

    def after_frame(self, number: int) -> None:
        """A step has ended or failed."""


class Step:
    """A step that was begun: run it unless `returned`, then call `finish` or `fail` once.

    ``input_state`` is what it is to run on: its own input, or the edited one when `edited`.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_lane",
        "_recorder",
        "_started_at",
        "_token",
        "decision",
        "frame_type",
        "input_state",
        "key",
        "name",
        "number",
        "parent",
        "provenance",
    )

    def __init__(self, recorder: VCRRecorder, name: str, key: str, frame_type: FrameType) -> None:
        self._recorder, self.name, self.key, self.frame_type = recorder, name, key, frame_type
        self.number: int | None = None
        self.parent: int | None = None
        self.provenance = Provenance.LIVE
        self.input_state: dict[str, Any] = {}
        self.decision: Any = None
        self._call: Sequence[str] = ()
        self._lane: Lane | None = None
        self._token: Any = None
        self._clock = time.perf_counter()
        self._started_at = ""

    @property
    def edited(self) -> bool:
        """True when the step is to run on another input than its own."""
        return isinstance(self.decision, Edit)

    @property
    def returned(self) -> bool:
        """True when the step must not run: `output` gives or raises what it has."""
        return isinstance(self.decision, Return)

    @property
    def wrapped_result(self) -> bool:
        """True when the served output state is ``{"result": value}`` for a step that had returned `value`."""
        return isinstance(self.decision, Return) and self.decision.wrapped

    def output(self) -> dict[str, Any]:
        """Return the served output state; raises the served error."""
        if self.decision.error is not None:
            raise self.decision.error
        return dict(self.decision.output_state)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Steps begun inside this block are children of this one."""
        token = _scope.set(Scope(self._recorder, self.key, self.number, self._lane))
        try:
            yield
        finally:
            _scope.reset(token)

    def finish(
        self,
        output_state: Any,
        metadata: FrameMetadata | Mapping[str, Any] | None = None,
        update: Any = None,
    ) -> None:
        """Record how the step ended."""
        self._recorder._end(self, output_state, metadata, None, update)

    def fail(self, error: BaseException, metadata: FrameMetadata | Mapping[str, Any] | None = None) -> None:
        """Record that the step raised; the caller raises it again."""
        self._recorder._end(self, None, metadata, error, None)


class VCRRecorder:
    """Records an agent's steps into ``<output_dir>/<session id>.vcr``.

    Args:
        output_dir: where sessions lie; made with mode 0700.
        on_frame_recorded: called with each `Frame` after it is on disk; what it raises is counted, not passed on.
        redact: True for the built-in rules, False for none, or a `Redactor` with your own.
        durability: ``"process"`` survives the death of the process, ``"frame"`` also a power cut.
        workspace: takes savepoints of files with the frames (see ACIDWorkspace).
        policy: decides for each step; a resume passes its own.
        buffer_size, auto_save, diff_mode: accepted so that scripts for ai-agent-vcr run unchanged. Each frame is
            written at once and as a delta where that is shorter, whatever they say.
    """

    def __init__(
        self,
        output_dir: str | Path = ".vcr",
        buffer_size: int = 1,
        auto_save: bool = True,
        diff_mode: bool = False,
        on_frame_recorded: Callable[[Frame], None] | None = None,
        *,
        redact: bool | Redactor = True,
        durability: Durability = "process",
        workspace: Workspace | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.on_frame_recorded = on_frame_recorded
        self.policy: Policy = policy or RecordPolicy()
        self.workspace = workspace
        self.lost = 0
        """Frames that could not be stored."""
        self.problems: list[str] = []
        """What went wrong, in words; the first hundred."""
        self._redactor = Redactor() if redact is True else redact or None
        self._durability: Durability = durability
        self._journal: Journal | None = None
        self._session: Session | None = None
        self._reset()
        _recorders.add(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._busy = False
        self._next = 0
        self._root = Scope(self, "", None, None)
        self._lanes: OrderedDict[tuple[int, int], Lane] = OrderedDict()
        self._lane_numbers: dict[tuple[int, int], int] = {}
        self._lane_of_frame: dict[int, Lane] = {}
        self._errors = 0
        self._tokens: int | None = None
        self._cost: float | None = None

    # -------------------------------------------------------------------------------------------- session

    def start_session(
        self,
        session_id: str | None = None,
        parent_session_id: str | None = None,
        forked_from_frame: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        *,
        edit: Sequence[Mapping[str, Any]] = (),
        reason: str | None = None,
    ) -> Session:
        """Begin a session, or go on with the one of that id; steps of this process are recorded into it from now on.

        Without an id one is made of the time. An existing session is never overwritten. Raises UsageError for a bad
        id, OSError when the folder cannot be written.
        """
        global _latest
        self.close()
        self._reset()
        session_id = session_id or time.strftime("run-%Y%m%d-%H%M%S") + f"-{os.urandom(2).hex()}"
        header = {
            "schema": SCHEMA,
            "session_id": session_id,
            "created_at": timestamp(),
            "parent_session_id": parent_session_id,
            "forked_from_frame": forked_from_frame,
            "tags": self._clean(list(tags or ())),
            "metadata": self._clean(dict(metadata or {})),
            "edit": self._clean(list(edit)),
            "reason": self._clean(reason),
            "python": platform.python_version(),
            "argv": self._clean(list(sys.argv)),
        }
        self._journal = Journal(self.output_dir, session_id, _known(header), self._durability)
        self._session = Session(
            session_id,
            dt.datetime.now(dt.UTC),
            parent_session_id,
            forked_from_frame,
            list(tags or ()),
            dict(metadata or {}),
            [dict(op) for op in edit],
            reason,
            SCHEMA,
        )
        if self._journal.continued:
            self._go_on_with(self._journal.path)
        _latest = weakref.ref(self)
        return self._session

    def _go_on_with(self, path: Path) -> None:
        """Number frames and steps after those that the file already holds."""
        from agent_vcr_nb.core.recording import Segment

        segment = Segment(path)
        try:
            segment.scan()
            self._next = segment.count
            for number in range(segment.count):
                head = segment.head(number, start=segment.start_at[number] >= 0) or {}
                name, _, occurrence = str(head.get("key", "")).rpartition("#")
                if name and "/" not in name and occurrence.isdigit():
                    self.occurred(name, int(occurrence))
        finally:
            segment.close()

    def occurred(self, name: str, times: int) -> None:
        """Count outermost steps of this name from `times` on."""
        self._root.counts[name] = max(self._root.counts.get(name, 0), times)

    def next_key(self, name: str) -> str:
        """Return the key that the next outermost step of this name will have."""
        token = escape(name)
        return f"{token}#{self._root.counts.get(token, 0) + 1}"

    def attach_session(self, session_id: str) -> Session:
        """Go on with a session that exists; raises UsageError when it does not."""
        if not session_path(self.output_dir, session_id).is_file():
            raise UsageError(f"no session {session_id!r} in {self.output_dir}: start it with start_session")
        return self.start_session(session_id)

    def get_session(self) -> Session | None:
        """Return the header of the session, or None before `start_session`."""
        return self._session

    @property
    def recording(self) -> bool:
        """True between `start_session` and `close`."""
        return self._journal is not None

    def save(self) -> Path:
        """Write how the session stands and return its file; raises UsageError before `start_session`.

        Frames are on disk without it. You can go on recording afterwards.
        """
        journal = self._started()
        self._write_end(journal)
        if self.lost:
            logger.warning(
                "%s: %d frames could not be stored: %s", journal.session_id, self.lost, "; ".join(self.problems[:3])
            )
        return journal.path

    def close(self) -> None:
        """End the session; a closed recorder records nothing until `start_session`."""
        journal, self._journal = self._journal, None
        if journal is not None:
            self._write_end(journal)
            journal.close()

    def _write_end(self, journal: Journal) -> None:
        end = {
            "timestamp": timestamp(),
            "frames": self._next,
            "errors": self._errors,
            "lost": self.lost,
            "tokens": self._tokens,
            "cost_usd": self._cost,
        }
        try:
            with self._lock:
                if journal.renew_if_gone():
                    self._forget_lanes()
                journal.append("end", _known(end))
        except OSError as error:
            self._lose(error, frame=False)

    def __enter__(self) -> VCRRecorder:
        self._token = _chosen.set(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _chosen.reset(self._token)
        self.close()

    def __del__(self) -> None:
        journal = self.__dict__.get("_journal")
        if journal is not None:
            with contextlib.suppress(Exception):
                journal.close()

    def _started(self) -> Journal:
        if self._journal is None:
            raise UsageError("this recorder has no session yet: call start_session first")
        return self._journal

    # -------------------------------------------------------------------------------------------- steps that are over

    def record_step(
        self,
        node_name: str,
        input_state: Mapping[str, Any],
        output_state: Mapping[str, Any],
        metadata: FrameMetadata | Mapping[str, Any] | None = None,
        frame_type: FrameType | str = FrameType.NODE_EXECUTION,
        parent_frame_id: str | None = None,
    ) -> Frame:
        """Record a step that is over and return its frame; when this returns, the frame survives a kill of the process.

        A state that is no mapping is recorded as ``{"result": value}``. Raises UsageError before `start_session` or for
        an unknown `frame_type`; nothing else.
        """
        self._started()
        kind = _frame_type(frame_type)
        step = self._new_step(str(node_name), kind)
        if parent_frame_id:
            step.parent = _number_of(parent_frame_id)
        return self._write_step(step, _as_state(input_state), _as_state(output_state), _metadata(metadata))

    def record_llm_call(
        self,
        model: str,
        messages: Any,
        response: Any,
        tokens_input: int | None = None,
        tokens_output: int | None = None,
        latency_ms: float | None = None,
        cost_usd: float | None = None,
        *,
        node_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Frame:
        """Record a call of a model; token counts and cost that are not given stay unknown."""
        figures = FrameMetadata(
            model=model,
            latency_ms=latency_ms,
            tokens_input=tokens_input,
            tokens_output=tokens_output,
            cost_usd=cost_usd,
            custom=dict(metadata or {}),
        )
        figures.tokens_used = figures.tokens
        return self.record_step(
            node_name or f"llm:{model}", {"messages": messages}, {"response": response}, figures, FrameType.LLM_CALL
        )

    def record_tool_call(
        self,
        tool_name: str,
        tool_input: Any,
        tool_output: Any,
        latency_ms: float | None = None,
        error: BaseException | str | None = None,
    ) -> Frame:
        """Record a call of a tool; with `error` the frame shows that it failed."""
        figures = FrameMetadata(latency_ms=latency_ms)
        _note_error(figures, error)
        return self.record_step(
            tool_name,
            tool_input if isinstance(tool_input, Mapping) else {"input": tool_input},
            tool_output if isinstance(tool_output, Mapping) else {"result": tool_output},
            figures,
            FrameType.TOOL_CALL,
        )

    def record_error(
        self,
        node_name: str,
        input_state: Mapping[str, Any],
        error: BaseException | str,
        latency_ms: float | None = None,
        model: str | None = None,
    ) -> Frame:
        """Record that a step failed, with the state it had got."""
        figures = FrameMetadata(latency_ms=latency_ms, model=model)
        _note_error(figures, error)
        self._started()
        step = self._new_step(str(node_name), FrameType.ERROR)
        return self._write_step(step, _as_state(input_state), None, figures, error)

    def record_checkpoint(
        self,
        state: Mapping[str, Any],
        label: str = "checkpoint",
        node_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Frame:
        """Record a state under a name that ``player.goto_checkpoint`` finds again."""
        figures = FrameMetadata(custom={"label": label, **(metadata or {})})
        return self.record_step(node_name or label, state, state, figures, FrameType.CHECKPOINT)

    create_checkpoint = record_checkpoint

    # -------------------------------------------------------------------------------------------- steps to come

    def begin(
        self,
        name: str,
        input_state: Mapping[str, Any],
        frame_type: FrameType = FrameType.NODE_EXECUTION,
        *,
        call: Sequence[str] = (),
    ) -> Step:
        """Tell of a step that is about to run, and get to know what to do: run it, run it edited, or not at all.

        `call` is kept with the frame for the integration that recorded it. Raises DivergedError when a resume finds
        that the run has left its recording; nothing else.
        """
        step = self._new_step(name, frame_type)
        step.input_state = input_state if type(input_state) is dict else dict(input_state)
        step._call = call
        step.decision = self.policy.decide(
            Call(step.key, name, step.input_state, lambda: self._as_recorded(step.input_state))
        )
        if isinstance(step.decision, Return):
            step.provenance = step.decision.provenance
            self._write_returned(step, step.decision)
            return step
        if isinstance(step.decision, Edit):
            step.input_state = step.decision.input_state
            step.provenance = Provenance.EDITED
        self._write_start(step)
        if self.workspace is not None and step.number is not None:
            self._guarded(self.workspace.before_frame, step.key, step.number)
        return step

    def draw(self, name: str, draw: Callable[[], Any]) -> Any:
        """Return ``draw()`` and record it, or the value that was recorded for it where a resume repeats it."""
        key = self._new_step(name, FrameType.NODE_EXECUTION).key
        recalled = self.policy.recall(key)
        value = draw() if recalled is None else recalled[0]
        self._write(
            lambda journal: journal.append("value", {"key": key, "before": self._next, "value": self._clean(value)})
        )
        return value

    def _new_step(self, name: str, frame_type: FrameType) -> Step:
        scope = _scope.get()
        if scope is None or scope.recorder is not self:
            scope = self._root
        token = escape(name)
        with self._lock:
            occurrence = scope.counts[token] = scope.counts.get(token, 0) + 1
        step = Step(
            self, name, f"{scope.key}/{token}#{occurrence}" if scope.key else f"{token}#{occurrence}", frame_type
        )
        step.parent = scope.number
        step._started_at = timestamp()
        return step

    def _lane(self, parent: Lane | None) -> tuple[Lane, int]:
        """Return the memory of the branch that runs here: one a thread, and one a task of asyncio in it."""
        branch = (threading.get_ident(), _task_id())
        lane = self._lanes.get(branch)
        if lane is None:
            lane = self._lanes[branch] = Lane(parent)
            if len(self._lanes) > MAX_LANES:
                self._lanes.popitem(last=False)
        else:
            self._lanes.move_to_end(branch)
        return lane, self._lane_numbers.setdefault(branch, len(self._lane_numbers))

    # -------------------------------------------------------------------------------------------- writing

    def _write_step(
        self,
        step: Step,
        input_state: dict[str, Any],
        output_state: dict[str, Any] | None,
        metadata: FrameMetadata,
        error: BaseException | str | None = None,
    ) -> Frame:
        """Write a step without a ``start`` line; returns its frame, with number -1 when it could not be stored."""

        def write(journal: Journal) -> None:
            number = self._next
            parent_scope = _scope.get()
            lane, lane_number = self._lane(parent_scope.lane if parent_scope else None)
            notes = Notes()
            data = self._head(step, number, lane_number, metadata, error)
            states = self._section(lane, "input", number, input_state, notes)
            if output_state is not None:
                states |= self._section(lane, "output", number, output_state, notes)
            journal.append("frame", _with_lossy(data, notes) | states)
            step.number = number
            self._next = number + 1

        self._write(write)
        frame = self._frame(step, input_state, output_state or {}, metadata)
        self._told(frame)
        return frame

    def _write_start(self, step: Step) -> None:
        def write(journal: Journal) -> None:
            number = self._next
            self._next = number + 1
            parent_scope = _scope.get()
            lane, lane_number = self._lane(parent_scope.lane if parent_scope else None)
            step.number, step._lane = number, lane
            notes = Notes()
            data: dict[str, Any] = {
                "number": number,
                "key": step.key,
                "node_name": self._text(step.name),
                "frame_type": step.frame_type.value,
                "timestamp": step._started_at,
            }
            self._add_origin(data, step, lane_number)
            states = self._section(lane, "input", number, step.input_state, notes)
            journal.append("start", _with_lossy(data, notes) | states)

        self._write(write)
        step._clock = time.perf_counter()

    def _end(
        self,
        step: Step,
        output_state: Any,
        metadata: FrameMetadata | Mapping[str, Any] | None,
        error: BaseException | None,
        update: Any,
    ) -> None:
        figures = _metadata(metadata)
        if figures.latency_ms is None:
            figures.latency_ms = round((time.perf_counter() - step._clock) * 1000, 3)
        _note_error(figures, error)
        output = None if error is not None else _as_state(output_state)
        if step._call and error is None and not isinstance(output_state, Mapping):
            step._call = (*step._call, "value")

        def write(journal: Journal) -> None:
            if step.number is None:
                raise RuntimeError(f"the start of {step.key} was not stored")
            parent_scope = _scope.get()
            lane, lane_number = self._lane(parent_scope.lane if parent_scope else None)
            notes = Notes()
            data = self._head(step, step.number, lane_number, figures, error)
            states = {}
            if output is not None:
                states = self._section(step._lane or lane, "output", step.number, output, notes)
            if update is not None:
                tree = encode(update, notes)
                states["update"] = self._redactor.tree(tree) if self._redactor else tree
            journal.append("frame", _with_lossy(data, notes) | states)

        self._write(write)
        if self.workspace is not None and step.number is not None:
            self._guarded(self.workspace.after_frame, step.number)
        if self.on_frame_recorded is not None:
            self._told(self._frame(step, step.input_state, output or {}, figures))

    def _write_returned(self, step: Step, decision: Return) -> None:
        if decision.tape is not None and decision.number is not None:
            self._copy(decision.tape, decision.number, step)
            return
        figures = FrameMetadata(latency_ms=0.0)
        self._write_step(step, step.input_state, decision.output_state or {}, figures)

    def _copy(self, tape: Tape, number: int, step: Step) -> None:
        """Write a served frame, and all frames inside it."""
        root = tape.key(number)
        numbers = self.copy_frames(
            tape, tape.subtree(number), lambda old: step.key + tape.key(old)[len(root) :], parent=step.parent
        )
        step.number = numbers.get(number)
        if self.on_frame_recorded is not None and step.number is not None:
            metadata = FrameMetadata.from_dict((tape.heads[number] or {}).get("metadata") or {})
            self._told(self._frame(step, step.input_state, step.decision.output_state or {}, metadata))

    def copy_frames(
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
        chosen = set(wanted)
        for old, is_end in tape.recording.events():
            if old not in chosen or (is_end and old in unfinished):
                continue
            head = dict(tape.heads[old] or {})
            head["parent"] = numbers.get(head.get("parent", -1), parent)
            head |= {"key": key_of(old), "provenance": "replayed", "replayed_from": f"{tape.session_id}:{old}"}
            self._write(functools.partial(self._copy_line, tape, old, is_end, head, numbers))
        for drawn in tape.drawn.values():
            owner = tape.find(drawn["key"].rpartition("/")[0])
            if owner in chosen and owner not in unfinished:
                later = [new for old, new in numbers.items() if old >= drawn["before"]]
                name = drawn["key"].rpartition("/")[2]
                data = {**drawn, "key": f"{key_of(owner)}/{name}", "before": min(later, default=self._next)}
                self._write(functools.partial(Journal.append, kind="value", data=data))
        return numbers

    def _copy_line(
        self, tape: Tape, old: int, is_end: bool, head: dict[str, Any], numbers: dict[int, int], journal: Journal
    ) -> None:
        notes = Notes()
        lane, _ = self._lane(None)
        states: dict[str, Any] = {}
        number = numbers.get(old)
        if number is None:
            number = numbers[old] = self._next
            self._next += 1
            states = self._section(lane, "input", number, tape.recorded(old, "input"), notes)
        if not is_end:
            head = {name: value for name, value in head.items() if name not in ("status", "metadata", "exception")}
        elif head.get("status") == "ok":
            states |= self._section(lane, "output", number, tape.recorded(old, "output"), notes)
        update = tape.recording.update(old) if is_end else None
        if update is not None:
            states["update"] = update
        journal.append("frame" if is_end else "start", _known({**head, "number": number}) | states)

    def _write(self, write: Callable[[Journal], None]) -> None:
        """Run one write under the lock; whatever it raises is counted and never reaches the agent."""
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            self._lose(TimeoutError(f"another thread has been recording for {_LOCK_SECONDS} s"))
            return
        try:
            journal = self._journal
            if journal is None:
                return
            if self._busy:
                raise RuntimeError("a step was recorded while another one was being written (a signal handler?)")
            self._busy = True
            try:
                if journal.renew_if_gone():
                    self._forget_lanes()
                write(journal)
            except BaseException:
                # What a lane remembers may not have reached the file: the next state is written in full.
                self._forget_lanes()
                raise
            finally:
                self._busy = False
        except Exception as error:
            self._lose(error)
        finally:
            self._lock.release()

    def _forget_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.forget()

    def _lose(self, error: BaseException, *, frame: bool = True) -> None:
        self.lost += frame
        if len(self.problems) < 100:
            self.problems.append(f"{type(error).__name__}: {error}")
        if self.lost == 1:
            logger.warning("a step could not be recorded: %s: %s", type(error).__name__, error)

    def _guarded(self, function: Callable[..., Any], *args: Any) -> None:
        """Call something of the user's that must not disturb the agent."""
        try:
            function(*args)
        except Exception as error:
            self._lose(error, frame=False)
            logger.warning("%s failed: %s", getattr(function, "__qualname__", function), error)

    def _told(self, frame: Frame) -> None:
        if self.on_frame_recorded is not None:
            self._guarded(self.on_frame_recorded, frame)

    # -------------------------------------------------------------------------------------------- pieces of a line

    def _head(
        self, step: Step, number: int, lane: int, metadata: FrameMetadata, error: BaseException | str | None
    ) -> dict[str, Any]:
        data: dict[str, Any] = {
            "number": number,
            "key": step.key,
            "node_name": self._text(step.name),
            "frame_type": step.frame_type.value,
            "status": "error" if metadata.error_type else "ok",
            "timestamp": step._started_at,
        }
        self._add_origin(data, step, lane)
        data["metadata"] = self._clean(metadata.to_dict())
        if isinstance(error, BaseException):
            args = self._clean(list(error.args))
            data["exception"] = {TAG: "exception", "type": qualified(type(error)), "args": args}
        self._errors += bool(metadata.error_type)
        if metadata.tokens is not None:
            self._tokens = (self._tokens or 0) + metadata.tokens
        if metadata.cost_usd is not None:
            self._cost = (self._cost or 0.0) + metadata.cost_usd
        return data

    @staticmethod
    def _add_origin(data: dict[str, Any], step: Step, lane: int) -> None:
        if step.provenance is not Provenance.LIVE:
            data["provenance"] = step.provenance.value
        if step.parent is not None:
            data["parent"] = step.parent
        if lane:
            data["lane"] = lane
        if step._call:
            data["call"] = list(step._call)

    def _section(self, lane: Lane, side: str, number: int, state: dict[str, Any], notes: Notes) -> dict[str, Any]:
        inner = Notes()
        ref = f"{number}.{side[:-3]}"
        section: Section = lane.write(state, ref, inner, self._redactor, self._started().to_blob)
        notes.lossy.extend(f"/{side}{path}" for path in inner.lossy)
        if section.full is not None:
            return {f"{side}_state": orjson.Fragment(section.full)}
        return {f"{side}_delta": {"base": section.base, "ops": orjson.Fragment(section.ops)}}

    def _clean(self, value: Any) -> Json:
        tree = encode(value)
        return self._redactor.tree(tree) if self._redactor else tree

    def _as_recorded(self, state: Any) -> Json:
        return self._clean(state)

    def _text(self, text: str) -> str:
        return self._redactor.text(text) if self._redactor else text

    def _frame(
        self, step: Step, input_state: dict[str, Any], output_state: dict[str, Any], metadata: FrameMetadata
    ) -> Frame:
        return Frame(
            session_id=self._session.session_id if self._session else "",
            number=-1 if step.number is None else step.number,
            node_name=step.name,
            key=step.key,
            frame_type=step.frame_type,
            status=Status.ERROR if metadata.error_type else Status.OK,
            provenance=step.provenance,
            timestamp=dt.datetime.fromisoformat(step._started_at),
            parent=step.parent,
            input_state=input_state,
            output_state=output_state,
            metadata=metadata,
        )

    # -------------------------------------------------------------------------------------------- reading back, forking

    @property
    def frames(self) -> list[Frame]:
        """The frames recorded so far, read back from the file."""
        from agent_vcr_nb.core.player import VCRPlayer

        return VCRPlayer.load(self._started().path).frames

    def get_frames(self) -> list[Frame]:
        """Return `frames`."""
        return self.frames

    def fork(
        self,
        from_frame: int,
        new_session_id: str | None = None,
        state_overrides: Mapping[str, Any] | None = None,
    ) -> VCRRecorder:
        """Return a recorder of a new session that starts before `from_frame`: frames 0 to N-1 are in it, replayed.

        Its ``fork_state`` is the input state of that frame with the overrides merged in: what to run on.
        Raises FrameNotFoundError when there is no such frame.
        """
        from agent_vcr_nb.core.fork import fork_recording

        path = self._started().path
        return fork_recording(path, from_frame, new_session_id, overrides=state_overrides or {}, recorder=self)

    fork_state: dict[str, Any] | None = None


_recorders: weakref.WeakSet[VCRRecorder] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for recorder in list(_recorders):
        # Another thread of the parent may hold the lock, and that thread does not exist here.
        recorder._lock = threading.RLock()
        recorder._busy = False
        recorder._forget_lanes()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _task_id() -> int:
    """Return a number of the asyncio task that runs here, or 0; asyncio is not loaded for the sake of asking."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return 0
    task = asyncio.current_task()
    return id(task) if task else 0


def _with_lossy(data: dict[str, Any], notes: Notes) -> dict[str, Any]:
    if notes.lossy:
        data["lossy"] = notes.lossy[:MAX_LOSSY]
    return data


def _known(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None and value != [] and value != {}}


def _as_state(value: Any) -> dict[str, Any]:
    if type(value) is dict:
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return {"result": value}


def _metadata(metadata: FrameMetadata | Mapping[str, Any] | None) -> FrameMetadata:
    if metadata is None:
        return FrameMetadata()
    if isinstance(metadata, FrameMetadata):
        return metadata
    return FrameMetadata.from_dict(dict(metadata))


def _note_error(metadata: FrameMetadata, error: BaseException | str | None) -> None:
    if error is None:
        return
    if isinstance(error, BaseException):
        metadata.error_type = type(error).__name__
        try:
            metadata.error_message = str(error)
        except Exception as problem:  # a user's __str__
            metadata.error_message = f"<str failed: {type(problem).__name__}>"
        if error.__traceback__ is not None:
            metadata.traceback = "".join(traceback.format_exception(error))[-8000:]
    else:
        metadata.error_type, metadata.error_message = "Error", str(error)


def _frame_type(kind: FrameType | str) -> FrameType:
    try:
        return FrameType(kind)
    except ValueError:
        names = ", ".join(member.value for member in FrameType)
        raise UsageError(f"frame_type {kind!r}: expected one of {names}") from None


def _number_of(frame_id: str) -> int | None:
    tail = frame_id.rpartition(":")[2]
    return int(tail) if tail.isdigit() else None


class AsyncVCRRecorder:
    """`VCRRecorder` for code that awaits: the same calls as coroutines; a frame is on disk when its call returns."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.sync = VCRRecorder(*args, **options)
        """The recorder that does the work."""

    async def __aenter__(self) -> AsyncVCRRecorder:
        self.sync.__enter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.sync.__exit__(*exc_info)

    async def start_session(self, *args: Any, **options: Any) -> Session:
        """See `VCRRecorder.start_session`."""
        return self.sync.start_session(*args, **options)

    async def record_step(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_step`."""
        return self.sync.record_step(*args, **options)

    async def record_llm_call(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_llm_call`."""
        return self.sync.record_llm_call(*args, **options)

    async def record_tool_call(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_tool_call`."""
        return self.sync.record_tool_call(*args, **options)

    async def record_error(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_error`."""
        return self.sync.record_error(*args, **options)

    async def record_checkpoint(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_checkpoint`."""
        return self.sync.record_checkpoint(*args, **options)

    async def save(self) -> Path:
        """See `VCRRecorder.save`."""
        return self.sync.save()

    async def fork(self, *args: Any, **options: Any) -> VCRRecorder:
        """See `VCRRecorder.fork`."""
        return self.sync.fork(*args, **options)

    @property
    def frames(self) -> list[Frame]:
        """See `VCRRecorder.frames`."""
        return self.sync.frames

    def get_frames(self) -> list[Frame]:
        """See `VCRRecorder.get_frames`."""
        return self.sync.frames

    def get_session(self) -> Session | None:
        """See `VCRRecorder.get_session`."""
        return self.sync.get_session()
