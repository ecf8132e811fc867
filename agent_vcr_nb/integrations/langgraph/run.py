"""One call of a graph, from the events of LangGraph to frames.

A node's frame starts when its callback says so, with the state of the checkpoint that its superstep runs on. It ends
with the state of the next checkpoint, when all its siblings are done and reducers have been applied; what a sibling
wrote is in the file as soon as it is done.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple

from agent_vcr_nb.core.delta import Lane
from agent_vcr_nb.core.encoding import escape
from agent_vcr_nb.core.errors import VCRError
from agent_vcr_nb.core.frame import FrameMetadata, Provenance
from agent_vcr_nb.core.policy import Return
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.steps import Placement, Scope, Step
from agent_vcr_nb.integrations.langgraph import seams
from agent_vcr_nb.integrations.langgraph.superstep import Loop, Superstep, Task

_PATIENCE_SECONDS = 2.0
"""How long one thread waits for another to tell of a checkpoint or of writes that LangGraph has already made."""


@dataclass
class ResumedAt:
    """Where a run goes on that was recorded up to there."""

    started: dict[str, int] = field(default_factory=dict)
    """Frames by key of which only the start is in this session: the steps around the resume point."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """By key of a step, how often each step inside it has run."""
    before: dict[str, dict[str, int]] = field(default_factory=dict)
    """The same without the superstep that is entered again, by namespace of its loop."""
    edited: str | None = None
    """Key of the frame that runs on an edited state."""


class Guard:
    """Within its block what goes wrong is counted; the agent gets to know only that a resume has left its recording."""

    def __init__(self, recorder: VCRRecorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception) or isinstance(error, VCRError):
            return False
        self._recorder.lose(error)
        return True


class GraphRun:
    """Records one outermost call of a graph, subgraphs included."""

    def __init__(
        self,
        recorder: VCRRecorder,
        call: Mapping[str, Any],
        *,
        asynchronous: bool = False,
        run_id: str | None = None,
        resumed: ResumedAt | None = None,
        scope: Scope | None = None,
    ) -> None:
        self.recorder = recorder
        self.guarded = Guard(recorder)
        self.call: Mapping[str, Any] | None = call
        """How the graph was called, until a frame holds it."""
        self.run_id = run_id or os.urandom(4).hex()
        self.scope = scope or recorder.scope_here()
        self.llm_lane, self.small_lane = Lane(), Lane()
        self._asynchronous = asynchronous
        self._is_resumed = resumed is not None
        self._resumed = resumed or ResumedAt()
        self.scope.counts.update(self._resumed.counts.get(self.scope.key, {}))
        self.returned: dict[str, Step] = {}
        """Steps by key that are not to run: they have a result."""
        self._loops: dict[str, Loop] = {}
        self._stored: deque[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = deque()
        """Checkpoints that LangGraph has stored and no frame knows of yet."""
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._closed = False

    # -------------------------------------------------------------------------------------------- from the saver

    def loaded(self, ns: str, saved: CheckpointTuple | None) -> None:
        """A graph has loaded what it starts from."""
        self.catch_up()
        with self.guarded, self._news:
            loop = self._loops[ns] = Loop(ns) if ns not in self._loops else self._loops[ns]
            if saved is not None and saved.checkpoint["channel_versions"]:
                state = self._state_of(loop, saved.checkpoint)
                loop.superstep = Superstep(saved.checkpoint, saved.metadata, state)
                loop.last_key = None
                if not self._is_resumed:  # else the writes were copied into this session
                    for task_id, channel, value in saved.pending_writes or ():
                        if channel != seams.ERROR:
                            self._note(loop.superstep, ns, task_id, [(channel, value)])
            self._news.notify_all()

    def stored(self, ns: str, checkpoint: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """A superstep is over, told by a thread that the graph's own one waits for.

        The frames end in the latter, as soon as it is back (`catch_up`): two threads that write in turns cost more
        than all that is written.
        """
        self._stored.append((ns, checkpoint, metadata))

    def catch_up(self) -> None:
        """End the frames of supersteps that are over, before code of the user's goes on."""
        if self._stored:
            with self.guarded, self._news:
                while self._stored:
                    self.checkpoint(*self._stored.popleft())

    def checkpoint(self, ns: str, checkpoint: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """A superstep is over: its frames end, and the next one starts from this."""
        with self.guarded, self._news:
            loop = self._loop(ns)
            before = loop.superstep
            if before is not None and not self._asynchronous:
                self._news.wait_for(lambda: all(_told(task) for task in before.tasks.values()), _PATIENCE_SECONDS)
            state = self._state_of(loop, checkpoint)
            self._finish_superstep(loop, state)
            loop.superstep = Superstep(checkpoint, metadata, state)
            loop.superstep.written = loop.in_lane
            self._news.notify_all()

    def wrote(self, ns: str, writes: Sequence[tuple[str, Any]], task_id: str, path: str) -> None:
        """A task is done and LangGraph keeps what it wrote."""
        self.catch_up()
        with self.guarded, self._news:
            loop = self._loop(ns)
            superstep = loop.superstep
            task = superstep.tasks.get(task_id) if superstep else None
            task = task or loop.before.get(task_id)
            channels = {channel for channel, _ in writes}
            if superstep is None:
                return
            if task_id == seams.NULL_TASK or channels & {seams.INTERRUPT, seams.RESUME}:
                self._note(superstep, ns, task_id, writes)
                return
            if task is None and seams.ERROR not in channels:
                task = self._cached(loop, superstep, task_id, path, writes)
            if task is not None and seams.ERROR not in channels:
                task.writes = list(writes)
                if len(superstep.tasks) > 1:
                    self._note_siblings(loop, superstep)
            self._news.notify_all()

    def _state_of(self, loop: Loop, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return the user's part of a checkpoint; a DeltaChannel's value is not in it and is built up here."""
        values = checkpoint["channel_values"]
        state = {name: seams.unwrapped(value) for name, value in values.items() if seams.is_state(name)}
        for name, channel in loop.delta_channels.items():
            if name not in state and loop.superstep is not None:
                tasks = sorted(loop.superstep.tasks.values(), key=lambda task: str(task.path))
                writes = [value for task in tasks for key, value in task.writes or () if key == name]
                before = loop.superstep.state.get(name)
                state[name] = seams.after_writes(channel, before, writes) if writes else before
        return state

    def _cached(
        self, loop: Loop, superstep: Superstep, task_id: str, path: str, writes: Sequence[tuple[str, Any]]
    ) -> Task | None:
        """Record a node that did not run because LangGraph had its writes in a cache; None for one of LangGraph's."""
        kind, _, last = path.lstrip("~").partition(", ")
        if not last or last.startswith("__"):
            return None
        if kind == seams.PUSH and last.isdigit():
            sends = superstep.checkpoint["channel_values"].get(seams.TASKS) or ()
            send = sends[int(last)]
            name, given = send.node, send.arg
            place: tuple[Any, ...] = (seams.PUSH, int(last), False)
        else:
            name, given = last.partition(", ")[0], {}
            place = (seams.PULL, name)
        ns = (loop.ns + seams.LEVEL if loop.ns else "") + f"{name}{seams.TASK_OF_LEVEL}{task_id}"
        scope = loop.scope or self.scope
        task = self._begin(loop, superstep, name, ns, place, given, scope)
        task.cached = task.ended = True
        task.update = {channel: value for channel, value in writes if seams.is_state(channel)}
        task.stop_clock()
        return task

    # -------------------------------------------------------------------------------------------- from the callbacks

    def task_started(
        self, name: str, ns: str, number: int, path: Sequence[Any], inputs: Any, scope: Scope | None
    ) -> Task | None:
        """A node or a @task is about to run, for the first time or again after it failed."""
        self.catch_up()
        with self.guarded, self._news:
            loop = self._loop(seams.loop_of(ns) if not seams.is_call(path) else self._caller_loop(ns))
            self._wait_for_checkpoint(loop, number - 1)
            superstep = loop.superstep
            task = superstep.tasks.get(seams.task_of(ns)) if superstep else None
            if task is not None and task.error is not None:
                task.try_again()
                return task
            return self._begin(loop, superstep, name, ns, path, inputs, scope or self.scope)
        return None

    def _caller_loop(self, ns: str) -> str:
        """Return the loop that a call of a @task runs in: that of the task which called it."""
        levels = seams.node_levels(ns)
        return seams.loop_of(levels[-2]) if len(levels) > 1 else seams.loop_of(ns)

    def _wait_for_checkpoint(self, loop: Loop, step: int) -> None:
        if self._asynchronous or loop.unsaved:
            return  # in asyncio the saver was asked before the node was started
        arrived = self._news.wait_for(
            lambda: loop.superstep is not None and loop.superstep.step >= step, _PATIENCE_SECONDS
        )
        loop.unsaved = not arrived

    def _begin(
        self,
        loop: Loop,
        superstep: Superstep | None,
        name: str,
        ns: str,
        path: Sequence[Any],
        inputs: Any,
        scope: Scope,
    ) -> Task:
        by_state = not (seams.is_call(path) or seams.is_send(path))
        loop.scope = loop.scope if seams.is_call(path) else scope
        if superstep is not None and by_state and isinstance(inputs, Mapping):
            # A DeltaChannel's value is not in the checkpoint: the first node to see it tells.
            superstep.state.update((key, inputs[key]) for key in loop.delta_channels if key in inputs)
        occurrence = self._occurrence(loop, superstep, scope, name, path)
        key = f"{scope.key}/" if scope.key else ""
        key += f"{escape(name)}#{occurrence or scope.counts.get(escape(name), 0) + 1}"
        state = _input_state(superstep, path, inputs)
        step = self.recorder.begin(
            name,
            state,
            placement=Placement(
                scope,
                occurrence,
                loop.lane if by_state else self.small_lane,
                self._resumed.started.pop(key, None),
                same_input=by_state and superstep is not None and superstep.written and _same(state, superstep.state),
            ),
            details=self._details(loop, superstep, ns, path),
        )
        if step.key == self._resumed.edited:
            step.provenance = Provenance.EDITED
        task = Task(ns, path, step)
        if isinstance(step.decision, Return):
            self.returned[step.key] = step
            task.written = step.decision.tape is not None  # with all frames inside it
        task.scope.counts.update(self._resumed.counts.get(step.key, {}))
        if superstep is not None:
            superstep.tasks[task.id] = task
            if len(superstep.tasks) > 1:
                self._note_siblings(loop, superstep)
        return task

    def _occurrence(
        self, loop: Loop, superstep: Superstep | None, scope: Scope, name: str, path: Sequence[Any]
    ) -> int | None:
        """Return which of the steps of this name a task is: by its place among its siblings, not by who was first."""
        if superstep is None or seams.is_call(path):
            return None
        if superstep.counts is None:
            superstep.counts = self._resumed.before.pop(loop.ns, dict(scope.counts))
        return superstep.counts.get(escape(name), 0) + superstep.rank(name, path)

    def _details(self, loop: Loop, superstep: Superstep | None, ns: str, path: Sequence[Any]) -> dict[str, Any]:
        """Return what a resume needs to know with a frame; the checkpoint stands with the first of its superstep."""
        details: dict[str, Any] = {"run": self.run_id, "ns": ns, "path": list(path)}
        if self.call is not None:
            details["call"], self.call = self.recorder.clean(self.call), None
        if superstep is None:
            return details
        details["checkpoint"] = superstep.id
        if not superstep.recorded:
            superstep.recorded = True
            hidden = superstep.hidden()
            if any(value is not None for _, value in hidden):
                hidden = self.recorder.clean(hidden)
            details["record"] = superstep.record() | {"hidden": hidden}
            if loop.last_key is not None:
                details["after"] = loop.last_key
            elif seams.is_send(path) or seams.is_call(path):
                details["state"] = self.recorder.clean(superstep.state)
        return details

    def task_ended(self, task: Task, output: Any) -> None:
        """A node or @task has returned."""
        self.catch_up()
        with self.guarded, self._lock:
            task.stop_clock()
            task.update, task.ended = output, True
            if seams.is_call(task.path):
                task.written = True
                task.step.finish({"result": output}, self._figures(task))
            elif self._closed:
                self._finish(task, None)

    def task_failed(self, task: Task, error: BaseException, interrupts: list[Any] | None) -> None:
        """An attempt of a node has failed, or the node has stopped to ask the user."""
        self.catch_up()
        with self.guarded, self._lock:
            task.stop_clock()
            if interrupts is not None:
                task.interrupts = interrupts
            else:
                task.error = error
            if self._closed:
                self._finish(task, None)

    # -------------------------------------------------------------------------------------------- frames

    def _finish_superstep(self, loop: Loop, state: dict[str, Any] | None) -> None:
        """End the frames of a superstep; `state` is the one after it, None when it did not come to its end."""
        superstep = loop.superstep
        if superstep is None:
            return
        loop.last_key, loop.in_lane = None, False
        for task in sorted(superstep.tasks.values(), key=lambda task: task.step.number or 0):
            if task.over:
                self._finish(task, state)
                if task.ended and state is not None and not seams.is_call(task.path):
                    loop.last_key = task.step.key
                    loop.in_lane = loop.in_lane or task.step.lane is loop.lane
        loop.before = superstep.tasks

    def _finish(self, task: Task, state: dict[str, Any] | None) -> None:
        if task.written:
            return
        task.written = True
        figures = self._figures(task)
        if task.ended or task.interrupts is not None:
            if state is None:
                figures.custom["applied"] = False
            task.step.finish(task.step.input_state if state is None else state, figures, update=task.update)
        elif task.error is not None:
            task.step.fail(task.error, figures)

    def _figures(self, task: Task) -> FrameMetadata:
        figures = FrameMetadata.from_dict(task.step.figures) if task.step.figures else FrameMetadata()
        figures.latency_ms = task.latency_ms
        for name, value in (
            ("superstep", self._superstep_of(task)),
            ("goto", task.goto()),
            ("attempts", task.attempts),
            ("interrupts", task.interrupts),
            ("cached", task.cached),
        ):
            if value not in (None, [], False):
                figures.custom[name] = value
        return figures

    def _superstep_of(self, task: Task) -> int | None:
        for loop in self._loops.values():
            if loop.superstep is not None and task.id in loop.superstep.tasks:
                return loop.superstep.step + 1
        return None

    def _note_siblings(self, loop: Loop, superstep: Superstep) -> None:
        """Keep what finished siblings wrote: a resume at another one must not run them again."""
        for task in superstep.tasks.values():
            if task.ended and task.writes is not None and not task.noted:
                task.noted = True
                self._note(superstep, loop.ns, task.id, task.writes)

    def _note(self, superstep: Superstep, ns: str, task_id: str, writes: Sequence[tuple[str, Any]]) -> None:
        data = {"run": self.run_id, "ns": ns, "checkpoint": superstep.id, "task": task_id}
        self.recorder.note("writes", {**data, "writes": [[channel, value] for channel, value in writes]})

    def close(self) -> None:
        """End all frames: the call has returned or failed."""
        self.catch_up()
        with self.guarded, self._news:
            self._closed = True
            for loop in reversed(self._loops.values()):
                self._finish_superstep(loop, None)

    # -------------------------------------------------------------------------------------------- loops

    def knows(self, ns: str, graph: Any) -> None:
        """Tell of the graph that runs in a namespace."""
        with self.guarded, self._lock:
            self._loop(ns).delta_channels = seams.delta_channels(graph)

    def _loop(self, ns: str) -> Loop:
        return self._loops.setdefault(ns, Loop(ns))


def _same(state: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two states hold the same objects under the same keys, in the same order."""
    return list(state) == list(other) and all(state[key] is value for key, value in other.items())


def _told(task: Task) -> bool:
    return task.writes is not None or not task.ended or task.noted


def _input_state(superstep: Superstep | None, path: Sequence[Any], inputs: Any) -> dict[str, Any]:
    """Return the full state that a node saw; of a Send or a @task, its arguments."""
    if seams.is_call(path):
        return dict(inputs) if isinstance(inputs, Mapping) else {"input": inputs}
    given = inputs if isinstance(inputs, Mapping) else {"input": inputs}
    if seams.is_send(path):
        return dict(given)
    state = superstep.state if superstep is not None else {}
    # What the node saw goes first: it is what a DeltaChannel or the default of a reducer gave it.
    return {**state, **given} if isinstance(inputs, Mapping) or not state else dict(state)
