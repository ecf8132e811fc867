"""What is known of a graph while it runs: its loops, their supersteps, and the tasks in them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from agent_vcr_nb.core.delta import Lane
from agent_vcr_nb.core.steps import Scope, Step
from agent_vcr_nb.integrations.langgraph import seams


class Task:
    """One execution of a node or a @task: a frame, however often it was tried."""

    def __init__(self, ns: str, path: Sequence[Any], step: Step) -> None:
        self.ns, self.id, self.path, self.step = ns, seams.task_of(ns), path, step
        self.scope: Scope = step.scope()
        self.began = time.perf_counter()
        self.latency_ms: float | None = None
        self.update: Any = None
        self.ended = False
        """It returned."""
        self.error: BaseException | None = None
        self.interrupts: list[Any] | None = None
        """What it asked the user, when it stopped to ask."""
        self.attempts: list[dict[str, Any]] = []
        """Earlier attempts that failed."""
        self.writes: Sequence[tuple[str, Any]] | None = None
        """What it wrote to the channels, once known."""
        self.noted = False
        """The file holds its writes."""
        self.written = False
        """The file holds its end."""
        self.cached = False

    @property
    def over(self) -> bool:
        """True when it returned, failed or stopped to ask."""
        return self.ended or self.error is not None or self.interrupts is not None

    def stop_clock(self) -> None:
        """Note how long it took, first attempt to last."""
        self.latency_ms = round((time.perf_counter() - self.began) * 1000, 3)

    def try_again(self) -> None:
        """Keep a failed attempt and wait for the end of the next one."""
        assert self.error is not None
        failed = {"error_type": type(self.error).__name__, "error_message": str(self.error)}
        self.attempts.append({**failed, "latency_ms": self.latency_ms})
        self.error = None

    def goto(self) -> list[str]:
        """Return the nodes that it sent the run to."""
        writes = self.writes or ()
        edges = [channel.removeprefix(seams.BRANCH) for channel, _ in writes if channel.startswith(seams.BRANCH)]
        sends = [value.node for channel, value in writes if channel == seams.TASKS and hasattr(value, "node")]
        return edges + sends


class Superstep:
    """Tasks that run side by side on the same state, from one checkpoint."""

    def __init__(self, checkpoint: Mapping[str, Any], metadata: Mapping[str, Any], state: dict[str, Any]) -> None:
        self.id = str(checkpoint["id"])
        self.step = int(metadata.get("step", -1))
        """Number of the checkpoint; its tasks carry the next one."""
        self.state = state
        self.checkpoint, self.metadata = checkpoint, metadata
        self.tasks: dict[str, Task] = {}
        self.counts: dict[str, int] | None = None
        """How often each node had run below the same parent before this superstep."""
        self.written = False
        """The state was the last to be written into the lane of its loop."""
        self.recorded = False
        """A frame of it holds the checkpoint."""

    def rank(self, name: str, path: Sequence[Any]) -> int:
        """Return which of its tasks of this name a task is, from 1: Sends in their order, then the one of an edge."""
        sends = self.checkpoint["channel_values"].get(seams.TASKS) or ()
        mine = [n for n, send in enumerate(sends) if getattr(send, "node", None) == name]
        if seams.is_send(path) and path[1] in mine:
            return mine.index(path[1]) + 1
        return len(mine) + 1

    def record(self) -> dict[str, Any]:
        """Return what a resume needs of the checkpoint beside the state, as JSON; `hidden` belongs to it.

        Names of channels stand in lists, never as keys: redaction goes by keys, and a version is no secret.
        """
        checkpoint = self.checkpoint
        number = seams.version_number
        return {
            "id": self.id,
            "ts": checkpoint.get("ts"),
            "step": self.step,
            "source": self.metadata.get("source"),
            "parents": list((self.metadata.get("parents") or {}).items()),
            "versions": [[channel, number(version)] for channel, version in checkpoint["channel_versions"].items()],
            "seen": [
                [node, [[channel, number(version)] for channel, version in seen.items()]]
                for node, seen in checkpoint["versions_seen"].items()
            ],
            "updated": checkpoint.get("updated_channels"),
        }

    def hidden(self) -> list[list[Any]]:
        """Return what LangGraph itself keeps in the checkpoint: Sends, and which edges have been gone."""
        values = self.checkpoint["channel_values"].items()
        return [[channel, value] for channel, value in values if not seams.is_state(channel)]


class Loop:
    """One graph while it runs: the root, or a subgraph in a node."""

    def __init__(self, ns: str) -> None:
        self.ns = ns
        self.lane = Lane()
        self.scope: Scope | None = None
        self.superstep: Superstep | None = None
        self.before: dict[str, Task] = {}
        """Tasks of the superstep before."""
        self.last_key: str | None = None
        """Key of a frame whose output is the state that the current superstep starts from."""
        self.in_lane = False
        """That state was the last to be written into `lane`."""
        self.unsaved = False
        """It runs without a saver, so there are no checkpoints to wait for."""
        self.delta_channels: dict[str, Any] = {}
