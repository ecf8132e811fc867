"""Steps while they run: which one is around this code, and what each is told of its outcome."""

from __future__ import annotations

import contextlib
import contextvars
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.delta import Lane
from agent_vcr_nb.core.frame import FrameMetadata, FrameType, Provenance
from agent_vcr_nb.core.policy import Decision, Edit, Return, Run

if TYPE_CHECKING:
    from agent_vcr_nb.core.recorder import VCRRecorder
    from agent_vcr_nb.core.writer import FrameWriter


class Scope:
    """A step while it runs: what steps inside it are numbered and named below."""

    __slots__ = ("counts", "figures", "key", "lane", "number", "recorder")

    def __init__(self, recorder: VCRRecorder, key: str, number: int | None, lane: Lane | None) -> None:
        self.recorder, self.key, self.number, self.lane = recorder, key, number, lane
        self.figures: dict[str, Any] = {}
        """What the step's own code says of it while it runs (see annotate)."""
        self.counts: dict[str, int] = {}


current_scope: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("agent_vcr_scope", default=None)
chosen_recorder: contextvars.ContextVar[VCRRecorder | None] = contextvars.ContextVar("agent_vcr_recorder", default=None)
_latest: weakref.ref[VCRRecorder] | None = None


def became_latest(recorder: VCRRecorder) -> None:
    """Record steps with this recorder wherever no other was chosen."""
    global _latest
    _latest = weakref.ref(recorder)


def active_recorder() -> VCRRecorder | None:
    """Return the recorder that steps are recorded with here: of this context, or the one that was started last."""
    recorder = chosen_recorder.get() or (_latest() if _latest else None)
    return recorder if recorder is not None and recorder.recording else None


@contextlib.contextmanager
def choosing(recorder: VCRRecorder) -> Iterator[None]:
    """Steps that begin inside this block are recorded with `recorder`, as outermost ones."""
    token_of_recorder, token_of_scope = chosen_recorder.set(recorder), current_scope.set(None)
    try:
        yield
    finally:
        current_scope.reset(token_of_scope)
        chosen_recorder.reset(token_of_recorder)


class Step:
    """A step that was begun: run it unless `returned`, then call `finish` or `fail` once.

    ``input_state`` is what it is to run on: its own input, or the edited one when `edited`.
    """

    __slots__ = (
        "_recorder",
        "call",
        "clock",
        "decision",
        "edit",
        "figures",
        "frame_type",
        "input_state",
        "key",
        "lane",
        "name",
        "number",
        "parent",
        "provenance",
        "started_at",
        "unwritten",
        "writer",
    )

    def __init__(self, recorder: VCRRecorder, name: str, key: str, frame_type: FrameType) -> None:
        self._recorder, self.name, self.key, self.frame_type = recorder, name, key, frame_type
        self.number: int | None = None
        self.parent: int | None = None
        self.provenance = Provenance.LIVE
        self.input_state: dict[str, Any] = {}
        self.decision: Decision = Run()
        self.call: Sequence[str] = ()
        self.figures: dict[str, Any] = {}
        self.edit: Sequence[Mapping[str, Any]] = ()
        self.lane: Lane | None = None
        self.writer: FrameWriter | None = None
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

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Steps begun inside this block are children of this one."""
        scope = Scope(self._recorder, self.key, self.number, self.lane)
        scope.figures = self.figures
        token = current_scope.set(scope)
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
