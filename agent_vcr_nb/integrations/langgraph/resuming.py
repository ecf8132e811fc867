"""Goes on with a graph from before a frame: a saver that holds exactly the state there, and ``invoke(None)``.

No reducer runs and nothing is updated: each graph on the way to the frame gets the checkpoint that its superstep ran
on, with the recorded (or edited) values, and what finished siblings had written. Ids of checkpoints are the recorded
ones, so LangGraph gives its tasks the same ids, and finds what belongs to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, copy_checkpoint
from langgraph.checkpoint.base import CheckpointTuple as Saved
from langgraph.pregel import Pregel
from langgraph.types import Send

from agent_vcr_nb.core.errors import EditError, UsageError
from agent_vcr_nb.core.policy import ResumePolicy
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.steps import Scope
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.integrations.langgraph import compatibility, seams
from agent_vcr_nb.integrations.langgraph.patch import installed, recorded_config
from agent_vcr_nb.integrations.langgraph.recorded import RecordedGraphs, TaskFrame
from agent_vcr_nb.integrations.langgraph.run import GraphRun, ResumedAt
from agent_vcr_nb.integrations.langgraph.serving import serving
from agent_vcr_nb.integrations.langgraph.tap import Tap


def prepare(agent: Any, tape: Tape, policy: ResumePolicy) -> Callable[[VCRRecorder], Any]:
    """Return a function that runs a graph (or what a StateGraph compiles to) from before ``policy.target``.

    Raises before anything runs: CannotResumeError when the graph does not fit the recording or a value was not stored,
    EditError when the edit does not fit the state.
    """
    graph = agent if isinstance(agent, Pregel) else _compiled(agent)
    return Resume(graph, tape, policy).run


def first_frames(tape: Tape) -> list[int]:
    """Return the frame with which each recorded call of a graph began: what a replay goes on before."""
    return RecordedGraphs(tape).first_frames()


def step_names(agent: Any) -> list[str]:
    """Return the names of a graph's nodes, those of its subgraphs included."""
    return compatibility.node_names(agent if isinstance(agent, Pregel) else _compiled(agent))


def follow(recorder: VCRRecorder, policy: ResumePolicy, graph: Any, nth: int, call: dict[str, Any]) -> Tap:
    """Return the tap for the `nth` graph that a program calls which is run again from its start.

    The one that holds the resume point goes on there; of those before it all nodes are served; later ones run live.
    What an earlier run of the program had called is in the fork already, and is not called again.
    """
    recorded = RecordedGraphs(policy.tape)
    runs = recorded.runs_from(policy.copied_up_to)
    target_run = recorded.around(policy.target).run if policy.target in recorded.inside else None
    if nth < len(runs) and runs[nth] == target_run and not policy.reached:
        resume = Resume(graph, policy.tape, policy)
        resume.call = call
        return resume.tap(recorder, resume.kept_in_its_run())
    run = GraphRun(recorder, call, asynchronous=bool(call["async"]))
    tap = Tap(run, graph.checkpointer if isinstance(graph.checkpointer, BaseCheckpointSaver) else None)
    tap.serving = serving(graph, run, policy, recorded, everything=True)
    return tap


def _compiled(agent: Any) -> Any:
    if hasattr(agent, "compile"):
        return agent.compile()
    raise UsageError(f"the agent is a {type(agent).__name__}: expected a StateGraph or what its compile() returns")


class Resume:
    """One resume: what is served, what runs, and from which checkpoints."""

    def __init__(self, graph: Any, tape: Tape, policy: ResumePolicy) -> None:
        self.graph, self.tape, self.policy = graph, tape, policy
        self.recorded = RecordedGraphs(tape)
        self.task = self.recorded.around(policy.target)
        self.levels = self.recorded.levels(self.task)
        self.at_task = self.task.number == policy.target
        session = tape.session_id
        compatibility.check_levels(
            session,
            policy.target,
            graph,
            [(level.loop, level.name) for level in self.levels if not seams.is_call(level.path)],
        )
        self.edited = self.at_task and policy.edit is not None
        if self.edited and seams.is_call(self.task.path):
            caller = self.levels[-2]
            raise EditError(
                f"{session} frame {policy.target}: the arguments of the task {self.task.name!r} come from "
                f"{caller.name!r}, which runs again: edit the state of frame {caller.number} instead"
            )
        self.kept = self._kept()
        self.start = {level.loop: self._saved(level) for level in self.levels if not seams.is_call(level.path)}
        self.start.update(self._completed_loops())
        self._check_reached()
        self.call = self.recorded.call(self.task.run)

    # -------------------------------------------------------------------------------------------- what is kept

    def _kept(self) -> list[int]:
        """Return the frames whose steps are not executed: all that finished, except those that run again now."""
        entered = {level.number for level in self.levels}
        keys = [self.tape.key(level.number) for level in self.levels]
        kept = []
        for number in range(len(self.tape.heads)):
            if self.tape.heads[number] is None or number in entered:
                continue
            key = self.tape.key(number)
            if number < self.task.number:
                again = any(self._runs_again(ancestor) for ancestor in self._self_and_ancestors(key))
                if not again and not self.tape.is_inside(key, keys[-1]):
                    kept.append(number)
            elif any(self._is_done_sibling(ancestor) for ancestor in self._self_and_ancestors(key)):
                kept.append(number)
        return kept

    def _self_and_ancestors(self, key: str) -> list[int]:
        parts = key.split("/")
        numbers = [self.tape.find("/".join(parts[: end + 1])) for end in range(len(parts))]
        return [number for number in numbers if number is not None]

    def _runs_again(self, number: int) -> bool:
        """Tell whether a frame belongs to a superstep that is entered again and had not finished in it."""
        frame = self.recorded.frames.get(number)
        if frame is None or all(frame.superstep != level.superstep for level in self.levels):
            return False
        return number not in {level.number for level in self.levels} and not self._is_done_sibling(number)

    def _is_done_sibling(self, number: int) -> bool:
        frame = self.recorded.frames.get(number)
        return (
            frame is not None
            and number < self.task.number
            and number not in {level.number for level in self.levels}
            and any(frame.superstep == level.superstep for level in self.levels)
            and self.recorded.finished(number)
        )

    # -------------------------------------------------------------------------------------------- checkpoints

    def _saved(self, level: TaskFrame) -> Saved:
        """Return the checkpoint of the superstep that a frame on the way ran in."""
        record = self.recorded.record(level)
        is_target = level.number == self.task.number and self.at_task
        hidden = dict(record["hidden"])
        graph = compatibility.subgraph_at(self.graph, level.loop)
        if graph is not None:
            compatibility.check_channels(self.tape.session_id, self.policy.target, level.loop, graph, hidden)
        by_arguments = seams.is_send(level.path)
        state = self.recorded.state_before(level)
        if is_target and self.policy.edit is not None:
            if by_arguments:
                hidden[seams.TASKS] = self._edited_sends(level, hidden[seams.TASKS])
            else:
                state = self.policy.edit(state)
                if graph is not None and seams.takes_input_itself(graph):
                    hidden["__start__"] = state["input"] if state.keys() == {"input"} else state
                elif graph is not None:
                    edited = _overridden(self.policy)
                    compatibility.check_edit(self.tape.session_id, self.policy.target, graph, edited)
        values = {**_channel_values(graph, state), **hidden}
        versions = dict(record["versions"])
        for channel in values:
            versions.setdefault(channel, 1)
        checkpoint = {
            "v": 4,
            "id": record["id"],
            "ts": record["ts"],
            "channel_values": values,
            "channel_versions": versions,
            "versions_seen": {node: dict(seen) for node, seen in record["seen"]},
            "updated_channels": record["updated"],
        }
        parents = dict(record["parents"])
        metadata: Any = {"source": record["source"], "step": record["step"], "parents": parents}
        return Saved(
            {"configurable": {"thread_id": "", "checkpoint_ns": level.loop, "checkpoint_id": record["id"]}},
            checkpoint,  # type: ignore[arg-type]
            metadata,
            None,
            self._pending(level),
        )

    def _edited_sends(self, level: TaskFrame, sends: Any) -> list[Any]:
        edit = self.policy.edit
        assert edit is not None
        arguments = self.tape.input(level.number)
        edited = edit(arguments)
        old = sends[level.path[1]]
        given = edited["input"] if arguments.keys() == {"input"} and not isinstance(old.arg, Mapping) else edited
        new = Send(old.node, given)
        return [new if n == level.path[1] else send for n, send in enumerate(sends)]

    def _pending(self, level: TaskFrame) -> list[tuple[str, str, Any]]:
        """Return what LangGraph is to find as written already: by finished siblings, and the answers of the user."""
        mine = {frame.ns.rpartition(seams.TASK_OF_LEVEL)[2]: frame for frame in self.recorded.frames.values()}
        on_the_way = {seams.task_of(other.ns) for other in self.levels}
        found: list[tuple[str, str, Any]] = []
        for writes in self.recorded.writes:
            if (writes.run, writes.loop, writes.checkpoint) != level.superstep:
                continue
            frame = mine.get(writes.task)
            if writes.task == seams.NULL_TASK or writes.task in on_the_way:
                channels = {channel for channel, _ in writes.encoded}
                keep = {seams.RESUME} | {
                    c for c in channels if not seams.is_state(c) and writes.task == seams.NULL_TASK
                }
                keep -= {seams.INTERRUPT}
            elif frame is None or frame.number in self.kept:
                keep = {channel for channel, _ in writes.encoded} - {seams.INTERRUPT}
            else:
                continue
            for channel, tree in writes.encoded:
                if channel in keep:
                    found.append((writes.task, channel, self.recorded.value(level.number, tree)))
        return found

    def _completed_loops(self) -> dict[str, Saved]:
        """Return the last checkpoint of each graph that a re-entered node had already run to its end."""
        entered = {level.ns for level in self.levels}
        on_the_way = {level.loop for level in self.levels}
        last: dict[str, TaskFrame] = {}
        for number in self.kept:
            frame = self.recorded.frames.get(number)
            if frame is None or frame.loop in on_the_way or seams.is_call(frame.path):
                continue
            caller = (
                frame.loop
                if seams.TASK_OF_LEVEL in frame.loop.rpartition(seams.LEVEL)[2]
                else seams.loop_of(frame.loop)
            )
            if caller in entered:
                last[frame.loop] = frame
        return {loop: self._ended(frame) for loop, frame in last.items()}

    def _ended(self, frame: TaskFrame) -> Saved:
        values = self.tape.output(frame.number)
        checkpoint: Any = {
            "v": 4,
            "id": frame.checkpoint or "",
            "ts": "",
            "channel_values": values,
            "channel_versions": dict.fromkeys(values, 1),
            "versions_seen": {},
            "updated_channels": None,
        }
        config: Any = {"configurable": {"checkpoint_ns": frame.loop, "checkpoint_id": frame.checkpoint}}
        metadata: Any = {"source": "loop", "step": 0, "parents": {}}
        return Saved(config, checkpoint, metadata, None, [])

    def _check_reached(self) -> None:
        """Ask LangGraph what it would run from these checkpoints."""
        for level in self.levels:
            graph = compatibility.subgraph_at(self.graph, level.loop)
            if graph is None or seams.is_call(level.path):
                continue
            saver = _Still(self.start[level.loop])
            snapshot = graph.get_state(
                {"configurable": {seams.CHECKPOINTER: saver, "checkpoint_ns": level.loop, "thread_id": ""}}
            )
            ids = {task.id for task in snapshot.tasks}
            ready = [task.name for task in snapshot.tasks] if seams.task_of(level.ns) in ids else []
            if not ready:
                ready = [task.name for task in snapshot.tasks if task.name != level.name]
            compatibility.check_reached(self.tape.session_id, self.policy.target, level.name, ready)

    # -------------------------------------------------------------------------------------------- running

    def run(self, recorder: VCRRecorder) -> Any:
        """Copy what is kept into the fork and go on; returns the graph's result, or a coroutine of it."""
        tap = self.tap(recorder, self.kept)
        tap.config = self._config()
        return self._arun(tap) if self.call.get("async") else self._run(tap)

    def kept_in_its_run(self) -> list[int]:
        """Return what is kept of the run that holds the resume point: what came before was served already."""
        first = min(number for number, frame in self.recorded.frames.items() if frame.run == self.task.run)
        return [number for number in self.kept if number >= first]

    def tap(self, recorder: VCRRecorder, kept: list[int]) -> Tap:
        """Return the saver to go on from, after copying what is kept into the fork."""
        entered = [level.number for level in self.levels]
        again = entered if not self.at_task else entered[:-1]
        first = min([*kept, self.levels[0].number])
        around = [n for n in self._self_and_ancestors(self.tape.key(self.task.number)) if n not in entered]
        unfinished = {*again, *(n for n in around if len(kept) == len(self.kept) or n >= first)}
        wanted = sorted({*kept, *unfinished})
        numbers = recorder.copy_frames(self.tape, wanted, self.tape.key, unfinished=tuple(unfinished))
        self._copy_writes(recorder)
        before = sorted({*self.kept, *unfinished})
        counts = self._counts(before)
        for name, times in counts.get("", {}).items():
            recorder.occurred(name, times)
        resumed = ResumedAt(
            started={self.tape.key(number): numbers[number] for number in again if number in numbers},
            counts=counts,
            before={level.loop: self._counts_before(level, before) for level in self.levels},
            edited=self.tape.key(self.task.number) if self.edited else None,
        )
        run = GraphRun(
            recorder,
            self.call,
            asynchronous=bool(self.call.get("async")),
            run_id=self.task.run,
            resumed=resumed,
            scope=self._scope(recorder, numbers),
        )
        run.knows("", self.graph)
        tap = Tap(run, None, self.start)
        tap.serving = serving(self.graph, run, self.policy, self.recorded)
        if self.at_task:
            self.policy.edit = None  # it is in the checkpoint already
        self.policy.keep(kept)
        return tap

    def _run(self, tap: Tap) -> Any:
        with installed(), tap.serving:
            try:
                return self.graph.invoke(None, recorded_config(tap), **self._options())
            finally:
                tap.run.close()

    async def _arun(self, tap: Tap) -> Any:
        with installed(), tap.serving:
            try:
                return await self.graph.ainvoke(None, recorded_config(tap), **self._options())
            finally:
                tap.run.close()

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"durability": "sync"}
        if "context" in self.call:
            options["context"] = self.call["context"]
        return options

    def _config(self) -> Any:
        config: dict[str, Any] = {"configurable": {**(self.call.get("configurable") or {})}}
        for name in ("recursion_limit", "max_concurrency"):
            if name in self.call:
                config[name] = self.call[name]
        return config

    def _scope(self, recorder: VCRRecorder, numbers: Mapping[int, int]) -> Scope:
        """Return the scope that the graph was called in: the session, or a step around the call."""
        key = self.tape.key(self.levels[0].number).rpartition("/")[0]
        around = self.tape.find(key) if key else None
        here = recorder.scope_here()
        return here if around is None or here.key == key else Scope(recorder, key, numbers.get(around), None)

    def _copy_writes(self, recorder: VCRRecorder) -> None:
        kept = {
            (frame.run, seams.task_of(frame.ns))
            for number, frame in self.recorded.frames.items()
            if number in self.kept
        }
        known = {(frame.run, seams.task_of(frame.ns)) for frame in self.recorded.frames.values()}
        for writes in self.recorded.writes:
            task = (writes.run, writes.task)
            pairs = writes.encoded
            if task in known and task not in kept:
                on_the_way = any(task == (level.run, seams.task_of(level.ns)) for level in self.levels)
                pairs = [pair for pair in pairs if on_the_way and pair[0] == seams.RESUME]
            if pairs:
                line = {"run": writes.run, "ns": writes.loop, "checkpoint": writes.checkpoint, "task": writes.task}
                given = [[channel, self.recorded.value(self.task.number, tree)] for channel, tree in pairs]
                recorder.note("writes", {**line, "writes": given})

    def _counts(self, wanted: list[int]) -> dict[str, dict[str, int]]:
        """Return how often each step has run, by the key of the step around it."""
        counts: dict[str, dict[str, int]] = {}
        for number in wanted:
            parent, _, last = self.tape.key(number).rpartition("/")
            name, _, occurrence = last.rpartition("#")
            inside = counts.setdefault(parent, {})
            inside[name] = max(inside.get(name, 0), int(occurrence))
        return counts

    def _counts_before(self, level: TaskFrame, wanted: list[int]) -> dict[str, int]:
        frames = self.recorded.frames
        others = [n for n in wanted if n not in frames or frames[n].superstep != level.superstep]
        return self._counts(others).get(self.tape.key(level.number).rpartition("/")[0], {})


class _Still(BaseCheckpointSaver[Any]):
    """Holds one checkpoint, to ask LangGraph what it would do."""

    def __init__(self, saved: Saved) -> None:
        super().__init__()
        self._saved = saved

    def get_tuple(self, config: Any) -> Saved | None:
        """Return a copy, because LangGraph applies writes to what it is given; without writes all tasks are to run."""
        return self._saved._replace(checkpoint=copy_checkpoint(self._saved.checkpoint), pending_writes=[])


def _channel_values(graph: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as a checkpoint holds it: no managed values, a DeltaChannel's with its history."""
    if graph is None:
        return dict(state)
    delta = seams.delta_channels(graph)
    known = set(compatibility.state_channels(graph))
    return {key: seams.snapshot(value) if key in delta else value for key, value in state.items() if key in known}


def _overridden(policy: ResumePolicy) -> list[str]:
    """Return the top-level keys that the edit replaces as a whole."""
    paths = [str(operation.get("path", "")) for operation in policy.patch]
    return [path[1:].replace("~1", "/").replace("~0", "~") for path in paths if path.count("/") == 1]
