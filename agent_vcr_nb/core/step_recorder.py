"""The part of a recorder that steps speak to: what is about to run, how it ended, and what a resume decides."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from agent_vcr_nb.core.encoding import escape
from agent_vcr_nb.core.failure import note_error
from agent_vcr_nb.core.frame import (
    Frame,
    FrameMetadata,
    FrameType,
    Provenance,
    Session,
    Status,
    as_metadata,
    parse_timestamp,
    timestamp,
)
from agent_vcr_nb.core.policy import Call, Edit, Policy, RecordPolicy, Return
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.steps import Placement, Scope, Step, scope_now
from agent_vcr_nb.core.writer import FrameWriter

if TYPE_CHECKING:
    from agent_vcr_nb.core.tape import Tape

# Re-entrant: a signal handler may begin a step while this thread is numbering one.
_counting = threading.RLock()
"""Steps that begin at the same time below the same one get different numbers."""


_HERE = Placement()


class Workspace(Protocol):
    """What a recorder tells a workspace, so that it can take savepoints (see agent_vcr_nb.workspace)."""

    def before_frame(self, key: str, number: int) -> None:
        """A step is about to run, or the one before it is over and was recorded then."""

    def after_frame(self, number: int) -> None:
        """A step has ended or failed."""


class StepRecorder:
    """Writes steps as they begin and end; `VCRRecorder` adds sessions and steps that are over."""

    def __init__(
        self,
        redactor: Redactor | None,
        on_frame_recorded: Callable[[Frame], None] | None,
        workspace: Workspace | None,
        policy: Policy | None,
    ) -> None:
        self.on_frame_recorded = on_frame_recorded
        self.policy: Policy = policy or RecordPolicy()
        self.workspace = workspace
        self._redactor = redactor
        self._session: Session | None = None
        self._reset()
        _recorders.add(self)

    def _reset(self) -> None:
        self._root = Scope(self, "", None, None)
        self._writer = FrameWriter(self._redactor)

    @property
    def recording(self) -> bool:
        """True while there is a session to write to."""
        return self._writer.journal is not None

    @property
    def next_number(self) -> int:
        """Number that the next frame gets in its file."""
        return self._writer.next_number

    def begin(
        self,
        name: str,
        input_state: Mapping[str, Any],
        frame_type: FrameType = FrameType.NODE_EXECUTION,
        *,
        call: Sequence[str] = (),
        placement: Placement | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Step:
        """Tell of a step that is about to run, and get to know what to do: run it, run it edited, or not at all.

        `call` and `details` (JSON, see `clean`) are kept with the frame for the integration that recorded it, and
        `placement` says where the step belongs when the flow of control does not. Raises DivergedError when a resume
        finds that the run has left its recording; nothing else.
        """
        placement = placement or _HERE
        step = self._new_step(name, frame_type, placement)
        step.details, step.lane, step.same_input = details, placement.lane, placement.same_input
        step.input_state = as_state(input_state)
        step.call = call
        step.decision = self.policy.decide(
            Call(
                step.key,
                name,
                step.input_state,
                lambda: self._writer.cleaner.value(step.input_state),
                call[:1] != ("named",),
            )
        )
        if isinstance(step.decision, Return):
            step.provenance = step.decision.provenance
            if placement.lane is None or step.decision.tape is not None:
                self._write_returned(step, step.decision)
                return step
        if isinstance(step.decision, Edit):
            step.input_state = step.decision.input_state
            step.provenance, step.edit = Provenance.EDITED, step.decision.patch
        if placement.number is None:
            self._writer.start(step)
        else:
            step.number = placement.number
        if self.workspace is not None and step.number is not None:
            self.guarded(self.workspace.before_frame, step.key, step.number)
        return step

    def copy_frames(
        self, tape: Tape, wanted: Sequence[int], key_of: Callable[[int], str], *, unfinished: Sequence[int] = ()
    ) -> dict[int, int]:
        """Write frames of a recording into this session as replayed; of the `unfinished` ones only their start.

        Returns the new number of each.
        """
        return self._writer.copy(tape, wanted, key_of, unfinished=unfinished)

    def clean(self, value: Any) -> Any:
        """Return a value as JSON as the recording shows it, without secrets."""
        return self._writer.cleaner.value(value)

    def lose(self, error: BaseException) -> None:
        """Count an error of an integration that kept it from recording something; it is told of, never raised."""
        self._writer.lose(error, frame=False)

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Write a line that is no frame, for the integration that reads it again (see `Recording.others`)."""
        self._writer.note(kind, data)

    def pend(self, tape: Tape, number: int, state: dict[str, Any], edit: Sequence[Mapping[str, Any]]) -> None:
        """Write a step of a recording as one that has not run yet, with this input."""
        head = tape.heads[number] or {}
        kind = FrameType(head.get("frame_type", "node"))
        step = Step(self, str(head.get("node_name", "step")), tape.key(number), kind)
        step.input_state, step.call, step.started_at = state, tuple(head.get("call") or ())[:1], timestamp()
        step.parent = self._writer.copied.get(head.get("parent", -1))
        step.provenance, step.edit = Provenance.EDITED, edit
        self._writer.start(step)

    def stored(self, key: str, value: Any) -> Any:
        """Return a value under a key as the file shows it: encoded and without secrets."""
        return self._writer.cleaner.value({key: value})[key]

    def copy_drawn_outside(self, tape: Tape, target: int) -> None:
        """Write what a recording's agent drew outside of all steps before `target`: times, ids, random numbers."""
        self._writer.copy_drawn_outside(tape, target)

    def draw(self, name: str, draw: Callable[[], Any]) -> Any:
        """Return ``draw()`` and record it, or the value that was recorded for it where a resume repeats it."""
        key = self._new_step(name, FrameType.NODE_EXECUTION).key
        recalled = self.policy.recall(key)
        value = draw() if recalled is None else recalled[0]
        self._writer.drawn(key, value)
        return value

    def _new_step(self, name: str, frame_type: FrameType, placement: Placement = _HERE) -> Step:
        scope = placement.scope or self.scope_here()
        token = escape(name)
        with _counting:
            last = scope.counts.get(token, 0)
            occurrence = placement.occurrence or last + 1
            scope.counts[token] = max(last, occurrence)
        step = Step(
            self, name, f"{scope.key}/{token}#{occurrence}" if scope.key else f"{token}#{occurrence}", frame_type
        )
        step.parent = scope.number
        step.started_at = timestamp()
        return step

    def scope_here(self) -> Scope:
        """Return the scope that a step which begins here runs inside; the session itself where there is none."""
        scope = scope_now()
        return scope if scope is not None and scope.recorder is self else self._root

    def _write_returned(self, step: Step, decision: Return) -> None:
        """Write a step that is not run: with all frames inside it where it is served from a recording."""
        tape, number = decision.tape, decision.number
        if tape is None or number is None:
            self._writer.end(step, decision.output_state, FrameMetadata(latency_ms=0.0), decision.error)
            self._tell(step, decision.output_state, FrameMetadata(latency_ms=0.0))
            return
        root = tape.key(number)
        new = self._writer.copy(
            tape, tape.subtree(number), lambda old: step.key + tape.key(old)[len(root) :], parent=step.parent
        )
        step.number = new.get(number)
        metadata = FrameMetadata.from_dict(dict((tape.heads[number] or {}).get("metadata") or {}))
        self._tell(step, decision.output_state, metadata)

    def _end(
        self,
        step: Step,
        output_state: Any,
        metadata: FrameMetadata | Mapping[str, Any] | None,
        error: BaseException | None,
        update: Any,
    ) -> None:
        figures = as_metadata(step.figures if metadata is None else metadata)
        if figures.latency_ms is None:
            figures.latency_ms = round((time.perf_counter() - step.clock) * 1000, 3)
        note_error(figures, error)
        output = None if error is not None else as_state(output_state)
        if step.call and error is None and not isinstance(output_state, Mapping):
            step.call = (*step.call, "value")
        self._writer.end(step, output, figures, error, update)
        if self.workspace is not None and step.number is not None:
            self.guarded(self.workspace.after_frame, step.number)
        self._tell(step, output, figures)

    def _write_over(
        self,
        step: Step,
        output_state: dict[str, Any] | None,
        metadata: FrameMetadata,
        error: BaseException | str | None = None,
    ) -> Frame:
        """Write a step that is over; its frame has number -1 when it could not be stored."""
        self._writer.end(step, output_state, metadata, error)
        frame = self._frame(step, output_state, metadata)
        if self.workspace is not None and step.number is not None and step.parent is None:
            # The files that a step leaves when it is over are those that the next one starts on.
            self.guarded(self.workspace.before_frame, f"after {step.key}", step.number + 1)
        if self.on_frame_recorded is not None:
            self.guarded(self.on_frame_recorded, frame)
        return frame

    def _tell(self, step: Step, output_state: dict[str, Any] | None, metadata: FrameMetadata) -> None:
        if self.on_frame_recorded is not None:
            self.guarded(self.on_frame_recorded, self._frame(step, output_state, metadata))

    def guarded(self, function: Callable[..., Any], *args: Any) -> None:
        """Call something of the user's that must not disturb the agent."""
        try:
            function(*args)
        except Exception as error:
            name = getattr(function, "__qualname__", repr(function))
            self._writer.lose(RuntimeError(f"{name} failed: {type(error).__name__}: {error}"), frame=False)

    def _frame(self, step: Step, output_state: dict[str, Any] | None, metadata: FrameMetadata) -> Frame:
        return Frame(
            session_id=self._session.session_id if self._session else "",
            number=-1 if step.number is None else step.number,
            node_name=step.name,
            key=step.key,
            frame_type=step.frame_type,
            status=Status.ERROR if metadata.error_type else Status.OK,
            provenance=step.provenance,
            timestamp=parse_timestamp(step.started_at),
            parent=step.parent,
            input_state=step.input_state,
            output_state=output_state or {},
            metadata=metadata,
        )


_recorders: weakref.WeakSet[StepRecorder] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    global _counting
    _counting = threading.RLock()
    for recorder in list(_recorders):
        recorder._writer.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def as_state(value: Any) -> dict[str, Any]:
    """Return a value as a state: a mapping as it is, anything else as ``{"result": value}``."""
    if type(value) is dict:
        return value
    # A mapping of the user's that fails when it is read is recorded like any other object.
    with contextlib.suppress(Exception):
        if isinstance(value, Mapping):
            return dict(value)
    return {"result": value}
