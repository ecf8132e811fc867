"""Refuses a graph that does not fit its recording, before anything runs.

LangGraph itself would run nothing and return, as if all were done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from langgraph.channels.base import BaseChannel
from langgraph.pregel import Pregel

from agent_vcr_nb.core.errors import CannotResumeError, EditError
from agent_vcr_nb.integrations.langgraph import seams

Graph: TypeAlias = Pregel[Any, Any, Any, Any]


def subgraph_at(graph: Graph, ns: str) -> Graph | None:
    """Return the graph that runs in a namespace, or None where a node's code calls one that cannot be seen."""
    found: Graph | None = graph
    for level in seams.node_levels(ns):
        if found is None:
            return None
        name = level.rpartition(seams.LEVEL)[2].partition(seams.TASK_OF_LEVEL)[0]
        node = found.nodes.get(name)
        inner = [sub for sub in (node.subgraphs if node is not None else ()) if isinstance(sub, Pregel)]
        found = inner[0] if len(inner) == 1 else None
    return found


def state_channels(graph: Graph) -> list[str]:
    """Return the names of the channels that hold the user's state."""
    return [
        name for name, channel in graph.channels.items() if isinstance(channel, BaseChannel) and seams.is_state(name)
    ]


def check_levels(session: str, number: int, graph: Graph, names: Iterable[tuple[str, str]]) -> None:
    """Check that each node on the way to a frame, as (namespace of its graph, name), is in the graph.

    Raises CannotResumeError that names the node.
    """
    for loop, name in names:
        here = subgraph_at(graph, loop)
        if here is None or name in here.nodes:
            continue
        place = f"the subgraph in {loop.partition(seams.TASK_OF_LEVEL)[0]!r}" if loop else "the graph"
        known = ", ".join(node for node in here.nodes if not node.startswith("__"))
        raise CannotResumeError(
            f"{session} frame {number} was recorded in node {name!r}, and {place} has no such node: it has {known}. "
            "It was renamed or removed since. Resume at an earlier frame, or pass the graph as it was recorded."
        )


def check_channels(session: str, number: int, loop: str, graph: Graph, hidden: Mapping[str, Any]) -> None:
    """Check that the edges by which the superstep was reached are still there; raises CannotResumeError naming them."""
    for channel in hidden:
        if channel in graph.channels or channel == seams.TASKS or channel.startswith("__"):
            continue
        if channel.startswith(seams.BRANCH):
            what = f"node {channel.removeprefix(seams.BRANCH)!r}"
        else:
            what = f"the edge {channel.removeprefix('join:').replace('+', ' and ').replace(':', ' to ')!r}"
        place = f" in {loop.partition(seams.TASK_OF_LEVEL)[0]!r}" if loop else ""
        raise CannotResumeError(
            f"{session} frame {number}: the recording goes on with {what}{place}, and the graph has none. It was "
            "re-wired since. Resume at an earlier frame, or pass the graph as it was recorded."
        )


def check_edit(session: str, number: int, graph: Graph, keys: Iterable[str]) -> None:
    """Check that an edit sets keys that the state has; raises EditError that names them."""
    known = state_channels(graph)
    for key in keys:
        if known and key not in graph.channels:
            raise EditError(
                f"{session} frame {number}: the edit sets {key!r}, and the state of the graph has {', '.join(known)}"
            )


def check_reached(session: str, number: int, name: str, ready: Iterable[str]) -> None:
    """Check that the node to resume at is among those that LangGraph is going to run; raises CannotResumeError."""
    nodes = [node for node in ready if not node.startswith("__")]
    if name not in nodes:
        raise CannotResumeError(
            f"{session} frame {number}: LangGraph would go on with {', '.join(nodes) or 'nothing'}, not with {name!r}. "
            "The edges to it are not as they were recorded. Resume at an earlier frame, or pass the graph as it was."
        )


def node_names(graph: Any) -> list[str]:
    """Return the names of a graph's nodes, those of its subgraphs included."""
    inside = [inner for node in graph.nodes.values() for inner in node.subgraphs or () if isinstance(inner, Pregel)]
    return [*graph.nodes, *(name for inner in inside for name in node_names(inner))]
