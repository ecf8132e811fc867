"""Where the sessions of a fork graph stand: a lane a session, and most of many sessions folded away.

Pure: it draws nothing. A fork leaves its parent's lane between the frame before and the frame it starts from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx

from agent_vcr_nb.core.lineage import Branch, SessionInfo

LEAVES = (0.75, 0.5, 0.3, 0.2, 0.1)
"""How far before a frame its forks leave a lane, by the lane's depth: a fork's own forks cross no other's line."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One session as a horizontal line."""

    info: SessionInfo
    number: int
    """Position from the top, from 0."""
    depth: int
    """Forks between the oldest session shown and this one."""
    parent: str | None
    """The session whose lane it leaves: of those on show the nearest that it stems from."""
    through: int
    """Folded sessions between the parent on show and this one; 0 when it was forked from that very session."""
    leaves_at: float | None
    """Place on the parent's lane, in frames; None for a lane that leaves no other."""
    starts_at: float
    """First place of the line, in frames; what lies before ``own_from`` was replayed."""
    own_from: float
    """The first frame that this session ran itself."""
    ends_at: float
    """The last frame."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The layout of a fork graph."""

    shown: tuple[Lane, ...]
    """From top to bottom."""
    folded: int
    """Sessions that are not on show."""

    def __contains__(self, session: object) -> bool:
        return any(lane.info.session_id == session for lane in self.shown)

    def of(self, session: str) -> Lane | None:
        """Return the lane of a session, or None when it is folded away or not there."""
        return next((lane for lane in self.shown if lane.info.session_id == session), None)


def graph_of(branches: Iterable[Branch]) -> nx.DiGraph:
    """Return the sessions as nodes (with ``info``) and the forks as edges (with ``frame``) from parent to fork."""
    graph = nx.DiGraph()
    waiting: list[tuple[str | None, Branch]] = [(None, branch) for branch in reversed(list(branches))]
    while waiting:
        parent, branch = waiting.pop()
        graph.add_node(branch.info.session_id, info=branch.info)
        if parent is not None:
            graph.add_edge(parent, branch.info.session_id, frame=branch.info.forked_from_frame or 0)
        waiting += [(branch.info.session_id, fork) for fork in reversed(branch.forks)]
    return graph


def fold(graph: nx.DiGraph, selected: str | None, limit: int) -> set[str]:
    """Return the sessions to show: all up to `limit`, else those from which `selected` stems and the newest ones."""
    if len(graph) <= limit:
        return set(graph)
    kept = {selected, *nx.ancestors(graph, selected)} if selected in graph else set()
    newest = sorted(graph, key=lambda name: (graph.nodes[name]["info"].created_at or "", name), reverse=True)
    for name in newest:
        if len(kept) >= limit:
            break
        kept.add(name)
    return kept


def lay_out(graph: nx.DiGraph, shown: set[str]) -> Lanes:
    """Return a lane for each session in `shown`, forks below what they were forked from, in the order of the graph."""
    parents = {name: _nearest(graph, name, shown) for name in graph if name in shown}
    below: dict[str | None, list[str]] = {}
    for name, (parent, _, _) in parents.items():
        below.setdefault(parent, []).append(name)
    order: list[tuple[str, int]] = []
    waiting = [(name, 0) for name in reversed(below.get(None, []))]
    while waiting:
        name, depth = waiting.pop()
        order.append((name, depth))
        waiting += [(fork, depth + 1) for fork in reversed(below.get(name, []))]
    depths = dict(order)
    leaves = {name: _leaves(parents[name], depths) for name in depths}
    lanes = []
    for number, (name, depth) in enumerate(order):
        info: SessionInfo = graph.nodes[name]["info"]
        parent, through, _ = parents[name]
        own_from = float(info.forked_from_frame or 0) if info.parent_session_id else 0.0
        ends_at = max(own_from, info.frames - 1.0)
        starts_at = min([own_from, *(at for fork in below.get(name, []) if (at := leaves[fork]) is not None)])
        lanes.append(Lane(info, number, depth, parent, through, leaves[name], starts_at, own_from, ends_at))
    return Lanes(tuple(lanes), len(graph) - len(lanes))


def _nearest(graph: nx.DiGraph, name: str, shown: set[str]) -> tuple[str | None, int, int]:
    """Return the nearest session on show that `name` stems from, the folded ones between, and the frame it leaves."""
    through = 0
    while (parent := next(graph.predecessors(name), None)) is not None:
        if parent in shown:
            return parent, through, graph.edges[parent, name]["frame"]
        name, through = parent, through + 1
    return None, through, 0


def _leaves(parent: tuple[str | None, int, int], depths: dict[str, int]) -> float | None:
    name, _, frame = parent
    return None if name is None else frame - LEAVES[depths[name] % len(LEAVES)]
