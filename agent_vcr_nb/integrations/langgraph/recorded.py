"""What a recording says of the graphs in it: frames by namespace, checkpoints, what tasks wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agent_vcr_nb.core.decoding import decode, from_loaded_modules
from agent_vcr_nb.core.errors import CannotResumeError
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.tape import Tape, not_stored
from agent_vcr_nb.integrations.langgraph import seams


@dataclass(frozen=True, slots=True)
class TaskFrame:
    """A frame of a node or a @task."""

    number: int
    run: str
    ns: str
    path: tuple[Any, ...]
    checkpoint: str | None
    """Id of the checkpoint that its superstep ran on; None without one."""
    data: dict[str, Any] = field(repr=False)
    """What else was kept with it, encoded."""

    @property
    def loop(self) -> str:
        """Namespace of the graph that it ran in; of a @task, of the graph that its caller runs in."""
        if seams.is_call(self.path):
            levels = seams.node_levels(self.ns)
            return seams.loop_of(levels[-2]) if len(levels) > 1 else seams.loop_of(self.ns)
        return seams.loop_of(self.ns)

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.ns.rpartition(seams.LEVEL)[2].partition(seams.TASK_OF_LEVEL)[0]

    @property
    def superstep(self) -> tuple[str, str, str | None]:
        """What it shares with its siblings."""
        return self.run, self.loop, self.checkpoint


@dataclass(frozen=True, slots=True)
class Writes:
    """What one task wrote, kept because it had siblings, or because it belongs to a question to the user."""

    run: str
    loop: str
    checkpoint: str
    task: str
    encoded: list[list[Any]] = field(repr=False)


class RecordedGraphs:
    """The graphs of a recording."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    @cached_property
    def frames(self) -> dict[int, TaskFrame]:
        """Frames of nodes and @tasks by number."""
        found = {}
        for number, head in enumerate(self.tape.heads):
            if head is None or head.get("frame_type") != "node":
                continue
            data = self.tape.recording.details(number)
            if isinstance(data, dict) and "ns" in data:
                path = tuple(data.get("path") or ())
                found[number] = TaskFrame(number, str(data["run"]), str(data["ns"]), path, data.get("checkpoint"), data)
        return found

    @cached_property
    def writes(self) -> list[Writes]:
        """All writes that were kept, in the order in which they came."""
        lines = self.tape.recording.others("writes")
        return [
            Writes(line["run"], line["ns"], line["checkpoint"], line["task"], line["writes"])
            for line in lines
            if "checkpoint" in line
        ]

    @cached_property
    def runs(self) -> list[str]:
        """The calls of graphs, in the order in which they began."""
        return list(dict.fromkeys(frame.run for frame in self.frames.values()))

    def runs_from(self, number: int) -> list[str]:
        """Return the calls of graphs that began with this frame or later."""
        earlier = {frame.run for frame in self.frames.values() if frame.number < number}
        return [run for run in self.runs if run not in earlier]

    @cached_property
    def inside(self) -> set[int]:
        """Numbers of all frames that are or ran inside a node."""
        return {inner for number in self.frames for inner in self.tape.subtree(number)}

    def around(self, number: int) -> TaskFrame:
        """Return the frame of the node that a frame is or ran inside; raises CannotResumeError when there is none."""
        key = self.tape.key(number)
        while key:
            found = self.tape.find(key)
            if found is not None and found in self.frames:
                return self.frames[found]
            key = key.rpartition("/")[0]
        raise CannotResumeError(
            f"{self.tape.session_id} frame {number} ({self.tape.key(number)}) was not recorded in a LangGraph graph: "
            "pass the agent that it belongs to."
        )

    def levels(self, frame: TaskFrame) -> list[TaskFrame]:
        """Return the frames of the nodes on the way to a frame, outermost first, itself last."""
        by_place = {(other.run, other.ns): other for other in self.frames.values() if other.number <= frame.number}
        found = []
        for ns in seams.node_levels(frame.ns):
            if (frame.run, ns) not in by_place:
                raise CannotResumeError(
                    f"{self.tape.session_id} frame {frame.number}: the frame of {ns!r} that it ran inside is missing"
                )
            found.append(by_place[frame.run, ns])
        return found

    def siblings(self, frame: TaskFrame) -> Iterator[TaskFrame]:
        """Yield the other frames of a superstep."""
        for other in self.frames.values():
            if other.superstep == frame.superstep and other.number != frame.number:
                yield other

    def record(self, frame: TaskFrame) -> dict[str, Any]:
        """Return the checkpoint of a frame's superstep as Python values, and ``state`` or ``after`` where kept.

        Raises CannotResumeError when the recording has none.
        """
        for other in (frame, *self.siblings(frame)):
            if "record" in other.data:
                kept = {name: other.data[name] for name in ("state", "after") if name in other.data}
                return dict(self.value(other.number, {**other.data["record"], **kept}))
        raise CannotResumeError(
            f"{self.tape.session_id} frame {frame.number}: its graph ran without a checkpointer "
            "(compiled with checkpointer=False), so there is no checkpoint to go on from. "
            "Compile it without that option and record again."
        )

    def call(self, run: str) -> dict[str, Any]:
        """Return how the graph was called, see `patch.how_called`."""
        for frame in self.frames.values():
            if frame.run == run and "call" in frame.data:
                return dict(self.value(frame.number, frame.data["call"]))
        return {}

    def state_before(self, frame: TaskFrame) -> dict[str, Any]:
        """Return the state that a frame's superstep ran on."""
        if not (seams.is_send(frame.path) or seams.is_call(frame.path)):
            return self.tape.input(frame.number)
        for other in self.siblings(frame):
            if not (seams.is_send(other.path) or seams.is_call(other.path)):
                return self.tape.input(other.number)
        record = self.record(frame)
        before = self.tape.find(record["after"]) if "after" in record else None
        return dict(record.get("state") or {}) if before is None else self.tape.output(before)

    def first_frames(self) -> list[int]:
        """Return the frame with which each call of a graph began, and where it was forked the frame it was forked at.

        Before that frame a fork is its parent's, and the edit is in the state from there on and in no node's input.

        Raises CannotResumeError where a node stopped to ask the user: the answer is no part of the recorded steps.
        """
        first: dict[str, int] = {}
        for number, frame in self.frames.items():
            if self.asked(number):
                raise CannotResumeError(
                    f"{self.tape.session_id} frame {number} ({self.tape.key(number)}) stopped to ask the user, and a "
                    "replay cannot answer. Resume at a frame after it instead."
                )
            first[frame.run] = min(number, first.get(frame.run, number))
        forked_at = self.tape.recording.header.get("forked_from_frame")
        if forked_at in self.inside:
            first[self.around(forked_at).run] = forked_at
        return sorted(first.values())

    def value(self, number: int, tree: Any) -> Any:
        """Return something that was kept with a frame; raises CannotResumeError for what could not be stored."""
        lost = not_stored(tree)
        if lost:
            raise CannotResumeError(
                f"{self.tape.session_id} frame {number}: {lost[0][0]} that LangGraph passes on could not be "
                "stored when it was recorded. Make it recordable with agent_vcr_nb.register, or resume at an earlier "
                "frame."
            )
        return decode(tree, resolve=from_loaded_modules, blob=self.tape.recording.blob)

    def finished(self, number: int) -> bool:
        """Tell whether a frame's step had returned, and had not stopped to ask the user."""
        return self.tape.status(number) is Status.OK and not self.asked(number)

    def asked(self, number: int) -> bool:
        """Tell whether a frame's step had stopped to ask the user."""
        head = self.tape.heads[number] or {}
        return ((head.get("metadata") or {}).get("custom") or {}).get("interrupts") is not None
