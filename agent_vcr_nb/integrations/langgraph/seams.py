"""What this integration relies on in LangGraph beyond its documented interface, in one place.

Each name is pinned by a contract test that says what breaks when a release of LangGraph changes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langgraph._internal import _config
from langgraph.checkpoint.serde import types as serde_types

CHECKPOINTER = "__pregel_checkpointer"
"""Key of ``configurable`` with the saver that a graph takes instead of its own, and hands on to its subgraphs."""
DURABILITY = "__pregel_durability"
"""Key of ``configurable`` with the durability that subgraphs take over."""
TASK_ID = "__pregel_task_id"
"""Key of ``configurable`` that only code inside a node sees."""
PUSH, PULL = "__pregel_push", "__pregel_pull"
"""First item of a task's path: made by a Send or a call of a @task, or triggered by an edge."""
TASKS = "__pregel_tasks"
"""Channel with the Sends of the superstep to come."""
RETURN, ERROR, INTERRUPT, RESUME, NO_WRITES = (
    "__return__",
    "__error__",
    "__interrupt__",
    "__resume__",
    "__no_writes__",
)
"""Channels of writes that change no state: a @task's result, a failure, a question, its answer, nothing."""
NULL_TASK = "00000000-0000-0000-0000-000000000000"
"""Task of writes that belong to no node: what came with a Command."""
LEVEL, TASK_OF_LEVEL = "|", ":"
"""In a checkpoint namespace: between levels, and between a node's name and its task."""
BRANCH = "branch:to:"
"""Prefix of the channel that starts a node."""

CALLBACKS_ARE_MERGED = hasattr(_config, "_merge_callbacks")
"""False for releases in which callbacks of a call replace those of the code around it."""

_HIDDEN = ("__", "branch:", "join:")
_VERSION = re.compile(r"^\d+")


def is_state(channel: str) -> bool:
    """Tell whether a channel holds state of the user, and not what LangGraph keeps for itself."""
    return not channel.startswith(_HIDDEN)


def loop_of(ns: str) -> str:
    """Return the namespace of the graph in which the task with namespace `ns` runs."""
    return ns.rpartition(LEVEL)[0]


def task_of(ns: str) -> str:
    """Return the id of the task with namespace `ns`."""
    return ns.rpartition(TASK_OF_LEVEL)[2]


def node_levels(ns: str) -> list[str]:
    """Return the namespaces of all tasks on the way to `ns`, outermost first, `ns` last."""
    levels, parts = [], ns.split(LEVEL)
    for end in range(1, len(parts) + 1):
        if TASK_OF_LEVEL in parts[end - 1]:  # a level that is a number counts calls of a graph in one node
            levels.append(LEVEL.join(parts[:end]))
    return levels


def is_call(path: Sequence[Any]) -> bool:
    """Tell whether a task is a call of a @task: it runs in the superstep of the task that called it."""
    return bool(path) and path[0] == PUSH and path[-1] is True


def is_send(path: Sequence[Any]) -> bool:
    """Tell whether a task was made by a Send, so that its input is not the state."""
    return bool(path) and path[0] == PUSH and not is_call(path)


def version_number(version: Any) -> int | float:
    """Return a channel's version as a number: savers count in strings such as ``00000003.0.42`` or in numbers."""
    if isinstance(version, str):
        digits = _VERSION.match(version)
        return int(digits.group()) if digits else 0
    return version  # type: ignore[no-any-return]


def takes_input_itself(graph: Any) -> bool:
    """Tell whether the first node gets what the graph was called with, and not state: an @entrypoint."""
    return "__start__" not in graph.nodes


def snapshot(value: Any) -> Any:
    """Return the value of a DeltaChannel as a checkpoint holds it, history included; as it is in older releases."""
    kind = getattr(serde_types, "_DeltaSnapshot", None)
    return value if kind is None or isinstance(value, kind) else kind(value)


def unwrapped(value: Any) -> Any:
    """Return what a `snapshot` holds, anything else as it is."""
    kind = getattr(serde_types, "_DeltaSnapshot", None)
    return value.value if kind is not None and isinstance(value, kind) else value


def delta_channels(graph: Any) -> dict[str, Any]:
    """Return the channels of a graph whose values a checkpoint does not hold."""
    channels: Mapping[str, Any] = graph.channels
    return {name: channel for name, channel in channels.items() if type(channel).__name__ == "DeltaChannel"}


def after_writes(channel: Any, before: Any, writes: Sequence[Any]) -> Any:
    """Return the value of a DeltaChannel that had `before` and got `writes`."""
    twin = channel.from_checkpoint(snapshot(before))
    twin.update(list(writes))
    return twin.get()
