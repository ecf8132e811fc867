"""Steps while they run: which one is around this code, and what each is told of its outcome."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.delta import Lane
from agent_vcr_nb.core.frame import FrameMetadata, FrameType, Provenance
from agent_vcr_nb.core.policy import Decision, Edit, Return, Run

if TYPE_CHECKING:
    from agent_vcr_nb.core.recorder import VCRRecorder
    from agent_vcr_nb.core.step_recorder import StepRecorder
    from agent_vcr_nb.core.writer import FrameWriter


class Scope:
    """A step while it runs: what steps inside it are numbered and named below."""

    __slots__ = ("counts", "figures", "key", "lane", "number", "outer", "over", "recorder")

    def __init__(self, recorder: StepRecorder, key: str, number: int | None, lane: Lane | None) -> None:
        self.recorder, self.key, self.number, self.lane = recorder, key, number, lane
        self.figures: dict[str, Any] = {}
        self.outer: Scope | None = None
        """What was around it, where a framework entered it by an event."""
        self.over = False
        """It has ended, though code may still see it: an event of asyncio cannot leave what another one has entered."""
        """What the step's own code says of it while it runs (see annotate)."""
        self.counts: dict[str, int] = {}


current_scope: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("agent_vcr_scope", default=None)
chosen_recorder: contextvars.ContextVar[VCRRecorder | None] = contextvars.ContextVar("agent_vcr_recorder", default=None)
_latest: weakref.ref[VCRRecorder] | None = None
_earlier: list[weakref.ref[VCRRecorder]] = []
"""Recorders that were started before the latest one and are not closed: the last of them is the next latest."""


live_agents: dict[str, Any] = {}
"""Decorated functions by step name, the latest of each: what a session of this process can be resumed with."""


def scope_now() -> Scope | None:
    """Return the innermost step around this code that has not ended."""
    scope = current_scope.get()
    while scope is not None and scope.over:
        scope = scope.outer
    return scope


def became_latest(recorder: VCRRecorder) -> None:
    """Record steps with this recorder wherever no other was chosen."""
    global _latest
    was_closed(recorder)
    if _latest is not None:
        _earlier.append(_latest)
    _latest = weakref.ref(recorder)


def was_closed(recorder: VCRRecorder) -> None:
    """Go back to the recorder that was started before this one, if this one was the latest."""
    global _latest
    known = [ref for ref in (*_earlier, _latest) if ref is not None and ref() not in (None, recorder)]
    _latest = known.pop() if known else None
    _earlier[:] = known


def active_recorder() -> VCRRecorder | None:
    """Return the recorder that steps are recorded with here: of this context, or the one that was started last."""
    recorder = chosen_recorder.get() or (_latest() if _latest is not None else None)
    return recorder if recorder is not None and recorder.recording else None


def task_id() -> int:
    """Return a number of the asyncio task that runs here, or 0; asyncio is not loaded for the sake of asking."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return 0
    task = asyncio.current_task()
    return id(task) if task else 0


@contextlib.contextmanager
def choosing(recorder: VCRRecorder) -> Iterator[None]:
    """Steps that begin inside this block are recorded with `recorder`, as outermost ones."""
    token_of_recorder, token_of_scope = chosen_recorder.set(recorder), current_scope.set(None)
    try:
        yield
    finally:
        current_scope.reset(token_of_scope)
        chosen_recorder.reset(token_of_recorder)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a step belongs, from a framework that knows it better than the flow of control does."""

    scope: Scope | None = None
    """The step that it runs inside; None for the one around this code."""
    occurrence: int | None = None
    """Which of the steps of this name it is below its parent, from 1; None counts calls."""
    lane: Lane | None = None
    """Memory of states that its own are compared with; None for that of this thread and task."""
    number: int | None = None
    """Its frame, where that was started already."""
    same_input: bool = False
    """Its input is the state that was written last into `lane`: it is not compared again."""


class Step:
    """A step that was begun: run it unless `returned`, then call `finish` or `fail` once.

    ``input_state`` is what it is to run on: its own input, or the edited one when `edited`.
    """

    __slots__ = (
        "_recorder",
        "call",
        "changes",
        "clock",
        "decision",
        "details",
        "edit",
        "figures",
        "frame_type",
        "input_state",
        "key",
        "lane",
        "lane_number",
        "name",
        "number",
        "parent",
        "provenance",
        "renewals",
        "same_input",
        "shown",
        "started_at",
        "unwritten",
        "writer",
    )

    def __init__(self, recorder: StepRecorder, name: str, key: str, frame_type: FrameType) -> None:
        self._recorder, self.name, self.key, self.frame_type = recorder, name, key, frame_type
        self.number: int | None = None
        self.parent: int | None = None
        self.provenance = Provenance.LIVE
        self.input_state: dict[str, Any] = {}
        self.decision: Decision = Run()
        self.call: Sequence[str] = ()
        self.changes: Sequence[Mapping[str, Any]] = ()
        """What the step changed in place, as RFC 6902 operations with encoded values; set before it is finished."""
        self.figures: dict[str, Any] = {}
        self.edit: Sequence[Mapping[str, Any]] = ()
        self.details: Mapping[str, Any] | None = None
        self.lane: Lane | None = None
        self.lane_number = 0
        self.same_input = False
        """Its input is the state that was written last into its lane."""
        self.shown: tuple[str, str] | None = None
        """Its key and name as the file shows them, once asked for."""
        self.writer: FrameWriter | None = None
        self.renewals = 0
        self.unwritten: tuple[int, dict[str, Any]] | None = None
        self.clock = time.perf_counter()
        self.started_at = ""

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
        assert isinstance(self.decision, Return), f"{self.key} is to be run"
        if self.decision.error is not None:
            raise self.decision.error
        return dict(self.decision.output_state or {})

    @property
    def served_call(self) -> Sequence[str]:
        """What the integration kept of the recorded call that is served; empty where nothing is."""
        decision = self.decision
        if not isinstance(decision, Return) or decision.tape is None or decision.number is None:
            return ()
        return decision.tape.call(decision.number)

    def served_changes(self) -> list[dict[str, Any]]:
        """Return what the step changed in place when it ran, with the agent's own values, where it is served."""
        decision = self.decision
        if not isinstance(decision, Return) or decision.tape is None or decision.number is None:
            return []
        return decision.tape.changes(decision.number)

    @property
    def served_seconds(self) -> float:
        """How long the recorded call had taken that is served; 0 where that is not known."""
        decision = self.decision
        if not isinstance(decision, Return) or decision.tape is None or decision.number is None:
            return 0.0
        figures = (decision.tape.heads[decision.number] or {}).get("metadata") or {}
        return float(figures.get("latency_ms") or 0.0) / 1000

    def scope(self) -> Scope:
        """Return a scope of this step, for a framework that enters and leaves it by events."""
        scope = Scope(self._recorder, self.key, self.number, self.lane)
        scope.figures = self.figures
        return scope

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Steps begun inside this block are children of this one."""
        token = current_scope.set(self.scope())
        try:
            yield
        finally:
            current_scope.reset(token)

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
