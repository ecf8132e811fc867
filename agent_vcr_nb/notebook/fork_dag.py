"""The fork graph of a folder of sessions: a lane a session, forks where they leave, one of them selected."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets
import plotly.graph_objects as go
import traitlets

from agent_vcr_nb.core.errors import SessionNotFoundError
from agent_vcr_nb.core.ledger import Totals
from agent_vcr_nb.core.lineage import SessionInfo, find_session, lineage
from agent_vcr_nb.notebook.chart_view import ChartView
from agent_vcr_nb.notebook.comparison import compare, spent
from agent_vcr_nb.notebook.family import Ledgers
from agent_vcr_nb.notebook.lanes import Lane, Lanes, fold, graph_of, lay_out
from agent_vcr_nb.notebook.looks import OUTCOMES, UNKNOWN_OUTCOME, bare_layout, hover, plain, shortened
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.sessions import Dag
from agent_vcr_nb.verbs.text import counted, edited

LIMIT = 30
"""Sessions that are drawn; of more the rest is folded into one node, a click on which shows as many again."""
LANE_PIXELS = 34
NAME_CHARACTERS = 28
COMPARED_CHARACTERS = 20_000
SMALLEST, LARGEST, RING = 12.0, 30.0, 38.0

# The traces, in the order in which they are drawn; after these one an outcome.
REPLAYED, LINES, THROUGH, CHOSEN, LEAVING, FOLDED = range(6)


class ForkDAG(ChartView):
    """See which session was forked from which, and select one: a click sets ``session`` and ``frame``.

    A click on a second session sets ``compared`` to the names of both, and shows where they part; another click on the
    same session ends it. Make one and `load` into it: the chart brings its program (5 MB) to the browser once.
    """

    session = traitlets.Unicode("", help="The selected session; empty when none is.")
    frame = traitlets.Int(0, help="The selected frame of it: where a fork starts, or the last one.")
    compared = traitlets.Tuple(help="The names of the two sessions that are compared; empty when none are.")

    def __init__(self, directory: str | Path = ".vcr", session: str | None = None) -> None:
        self._clicked = ""
        self._is_selecting = False
        self.on_choose: Callable[[str, int], None] = lambda session, frame: None
        """Called with session and frame after each click on a node."""
        self._ledgers = Ledgers()
        figure = _empty_figure()
        self.details = ipywidgets.HTML()
        for number in range(LEAVING, len(figure.data)):
            figure.data[number].on_click(self._on_click)
        super().__init__(figure, [figure, self.details])
        self.load(directory, session)

    def load(self, directory: str | Path, session: str | None = None) -> None:
        """Show the sessions of a folder, with `session` selected (default: the one selected, or the newest).

        Raises SessionNotFoundError for a session that is not there.
        """
        with self.lock:
            self.directory = Path(directory)
            self.limit = LIMIT
            self.compared, self._clicked = (), ""
            self.branches = lineage(self.directory)
            self.graph = graph_of(self.branches)
            if session is not None and session not in self.graph:
                find_session(session, self.directory)
            newest = max(self.graph, key=lambda name: self._info(name).created_at or "", default="")
            chosen = session or (self.session if self.session in self.graph else newest)
            self._select(chosen, None if chosen != self.session else self.frame)
            self.save()

    def refresh(self, session: str | None = None, frame: int | None = None) -> None:
        """Read the folder again: new sessions, and what became of those that were running; then select, if asked to.

        Raises SessionNotFoundError for a session that is not there.
        """
        with self.lock:
            self.branches = lineage(self.directory)
            self.graph = graph_of(self.branches)
            if session is None:
                self._draw()
            else:
                self._select(session, frame)
            self.save()

    @traitlets.validate("session")
    def _is_a_session(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name and name not in self.graph:
            raise SessionNotFoundError(f"no session {name!r} in {self.directory}; refresh() reads the folder again")
        return name

    @traitlets.observe("session", "frame")
    def _on_selection(self, _change: Any) -> None:
        with self.lock:
            if not self._is_selecting:
                self._draw()

    def _info(self, name: str) -> SessionInfo:
        info: SessionInfo = self.graph.nodes[name]["info"]
        return info

    def _select(self, session: str, frame: int | None = None) -> None:
        if frame is None:
            frame = max(0, self._info(session).frames - 1) if session else 0
        self._is_selecting = True  # one drawing for both
        try:
            self.session, self.frame = session, frame
        finally:
            self._is_selecting = False
            self._draw()

    # --------------------------------------------------------------------------------------------- clicks

    def _on_click(self, trace: Any, points: Any, _state: Any) -> None:
        if not points.point_inds:
            return
        with self.explained():
            kept = trace.customdata[points.point_inds[0]]
            self.choose(str(kept[0]), int(kept[1])) if kept[0] else self.unfold()

    def choose(self, session: str, frame: int) -> None:
        """Do what a click on a node does: select it, and compare it with the session clicked before."""
        with self.lock:
            before, self._clicked = self._clicked, session
            self.compared = (before, session) if before and before != session else ()
            self._select(session, frame)
            self.on_choose(session, frame)

    def mark(self, a: str, b: str) -> None:
        """Compare two sessions, as clicks on both do; raises SessionNotFoundError."""
        with self.lock:
            self.refresh()
            self.compared, self._clicked = (a, b), b
            self._select(b)

    def unfold(self) -> None:
        """Show more of the sessions that are folded away."""
        with self.lock:
            self.limit += LIMIT
            self._draw()

    # --------------------------------------------------------------------------------------------- drawing

    def _draw(self) -> None:
        self.lanes = lay_out(self.graph, fold(self.graph, self.session or None, self.limit))
        for lane in self.lanes.shown:
            self.graph.nodes[lane.info.session_id]["pos"] = (lane.ends_at, -lane.number)
        sums = {lane.info.session_id: self._sum(lane.info) for lane in self.lanes.shown}
        traces = [*_lines(self.lanes), _chosen(self.lanes, self.session, self.frame), *_nodes(self.lanes, sums)]
        self.redraw(traces, self._arrange)
        self.details.value = self._described()

    def _arrange(self, layout: Any) -> None:
        lanes = self.lanes
        rows = max(2, len(lanes.shown) + bool(lanes.folded))
        longest = max([lane.ends_at for lane in lanes.shown], default=0)
        # There is no half a frame, and around a single one none at all.
        layout.xaxis.update(dtick=1 if longest <= 20 else None, range=None if longest else [-0.5, 0.5])
        layout.xaxis.autorange = longest > 0
        layout.annotations = _arrows(lanes)
        layout.height = 110 + LANE_PIXELS * rows
        layout.yaxis.update(
            tickvals=[-lane.number for lane in lanes.shown],
            ticktext=[_label(lane, self.session) for lane in lanes.shown],
            range=[0.2 - rows, 0.7],
        )

    def _sum(self, info: SessionInfo) -> Totals:
        """Return what a session spent itself."""
        return Totals() if info.outcome == "unreadable" else self._ledgers.of(info).live

    def _described(self) -> str:
        if not self.session:
            return f"<p>no sessions in {escape(plain(str(self.directory)))}. Record one with: %vcr record my_run</p>"
        lines = [f"<p>{_fact(self._info(self.session), self._sum(self._info(self.session)))}</p>"]
        if self.compared:
            a, b = self.compared
            told = compare(Place(self.directory), a, b)
            text = plain(told.text(), keep_lines=True).partition("\n\n")[2]
            lines.append(
                f"<p><strong>{escape(plain(a))} ⇄ {escape(plain(b))}</strong>: {escape(plain(told.summary))}</p>"
            )
            lines.append(f'<pre class="vcr-compared">{escape(shortened(text, COMPARED_CHARACTERS))}</pre>')
        return "".join(lines)

    # --------------------------------------------------------------------------------------------- saved

    def saved(self) -> tuple[str, str]:
        """Return the tree of forks as HTML and as text."""
        text = plain(_without_colour(Dag(self.branches).text()), keep_lines=True)
        rows = []
        for lane in self.lanes.shown:
            colour, _, sign = OUTCOMES.get(lane.info.outcome, UNKNOWN_OUTCOME)
            name = escape(plain(shortened(lane.info.session_id, NAME_CHARACTERS * 2)))
            rows.append(
                f'<tr><td style="text-align: left; padding-left: {8 + 20 * lane.depth}px;">'
                f'<span style="color: {colour};">{sign}</span> {name}</td>'
                f'<td style="text-align: left;">{_fact(lane.info, self._sum(lane.info), named=False)}</td></tr>'
            )
        if self.lanes.folded:
            rows.append(f"<tr><td>… {counted(self.lanes.folded, 'more session')}</td><td></td></tr>")
        return f"<table>{''.join(rows)}</table>", shortened(text, COMPARED_CHARACTERS)


def _empty_figure() -> go.FigureWidget:
    line = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
    figure = go.FigureWidget()
    figure.add_scatter(**line, line={"width": 2, "dash": "dot", "color": "#8a8a8a"})
    figure.add_scatter(**line, line={"width": 2, "color": "#8a8a8a"})
    figure.add_scatter(**line, line={"width": 2, "dash": "dash", "color": "#8a8a8a"})
    ring = {"symbol": "circle-open", "color": "#1976d2", "line": {"width": 3}}
    figure.add_scatter(mode="markers", hoverinfo="skip", showlegend=False, marker=ring)
    points = {"mode": "markers", "hoverinfo": "text", "showlegend": False}
    figure.add_scatter(**points, marker={"symbol": "circle", "color": "#8a8a8a"})
    figure.add_scatter(
        **{**points, "mode": "markers+text"},
        marker={"symbol": "circle-open-dot", "color": "#8a8a8a"},
        textposition="middle right",
    )
    for name, (colour, symbol, _) in {**OUTCOMES, "": UNKNOWN_OUTCOME}.items():
        # A name for what no reader of this version knows: never left out of the graph.
        marker = {"symbol": symbol, "color": colour, "opacity": 1, "line": {"width": 1, "color": "#fff"}}
        figure.add_scatter(mode="markers", name=name or "other", hoverinfo="text", marker=marker)
    figure.layout.update(bare_layout())
    figure.layout.update(
        xaxis={"title": {"text": "frame"}, "zeroline": False, "showgrid": False},
        yaxis={"showgrid": False, "zeroline": False, "automargin": True, "fixedrange": True},
    )
    return figure


def _lines(lanes: Lanes) -> list[dict[str, Any]]:
    """Return x and y of the traces REPLAYED, LINES and THROUGH; None parts one line from the next."""
    paths: tuple[list[tuple[Any, Any]], ...] = ([], [], [])
    for lane in lanes.shown:
        y = -lane.number
        if lane.starts_at < lane.own_from:
            paths[REPLAYED].extend([(lane.starts_at, y), (lane.own_from, y), (None, None)])
        paths[LINES].extend([(lane.own_from, y), (lane.ends_at, y), (None, None)])
        parent = lanes.of(lane.parent) if lane.parent is not None else None
        if parent is not None and lane.leaves_at is not None:
            edge = [(lane.leaves_at, -parent.number), (lane.leaves_at, y + 0.3), (lane.leaves_at + 0.1, y)]
            paths[THROUGH if lane.through else LINES].extend([*edge, (lane.own_from, y), (None, None)])
    return [{"x": [x for x, _ in path], "y": [y for _, y in path]} for path in paths]


def _arrows(lanes: Lanes) -> list[dict[str, Any]]:
    """Return an arrow down each line from parent to fork, as annotations: lines have no heads."""
    arrows = []
    for lane in lanes.shown:
        parent = lanes.of(lane.parent) if lane.parent is not None else None
        if parent is not None and lane.leaves_at is not None:
            tip, tail = -lane.number + 0.3, -lane.number + 0.6
            ends = {"x": lane.leaves_at, "y": tip, "ax": lane.leaves_at, "ay": tail}
            look = {"arrowhead": 2, "arrowsize": 1.1, "arrowwidth": 2, "arrowcolor": "#8a8a8a", "text": ""}
            arrows.append({**ends, **look, "xref": "x", "yref": "y", "axref": "x", "ayref": "y", "showarrow": True})
    return arrows


def _chosen(lanes: Lanes, session: str, frame: int) -> dict[str, Any]:
    lane = lanes.of(session)
    if lane is None:
        return {"x": [], "y": [], "marker.size": RING}
    # A frame beyond the lane's ends (a fork that has not run) is shown at its end.
    return {"x": [min(max(frame, lane.starts_at), lane.ends_at)], "y": [-lane.number], "marker.size": RING}


def _nodes(lanes: Lanes, sums: dict[str, Totals]) -> list[dict[str, Any]]:
    """Return the traces LEAVING and FOLDED, and one an outcome."""
    forks = [lane for lane in lanes.shown if lane.parent is not None]
    leaving = {
        "marker.size": 10,
        "x": [lane.leaves_at for lane in forks],
        "y": [-found.number for lane in forks if (found := lanes.of(str(lane.parent)))],
        "customdata": [[lane.parent, int(lane.info.forked_from_frame or 0)] for lane in forks],
        "hovertext": [
            hover([f"{plain(str(lane.parent))}, before frame {lane.info.forked_from_frame}", *_edit(lane.info)])
            for lane in forks
        ],
    }
    rest = [lanes.folded] if lanes.folded else []
    folded = {
        "marker.size": 18,
        "x": [0] * len(rest),
        "y": [-len(lanes.shown)] * len(rest),
        "text": [f"  … {counted(number, 'more session')}" for number in rest],
        "hovertext": ["Click to show more of them"] * len(rest),
        "customdata": [["", 0]] * len(rest),
    }
    most = max([float(total.cost_usd) for total in sums.values()], default=0.0)
    traces = [leaving, folded]
    for name in [*OUTCOMES, ""]:
        ends = [n for n in lanes.shown if n.info.outcome == name or (not name and n.info.outcome not in OUTCOMES)]
        traces.append(
            {
                "x": [lane.ends_at for lane in ends],
                "y": [-lane.number for lane in ends],
                "customdata": [[lane.info.session_id, max(0, lane.info.frames - 1)] for lane in ends],
                "hovertext": [_hover(lane, sums[lane.info.session_id]) for lane in ends],
                "marker.size": [_size(sums[lane.info.session_id], most) for lane in ends],
            }
        )
    return traces


def _size(total: Totals, most: float) -> float:
    """Return a diameter whose area grows with the cost; what is unknown adds nothing, and the hover says so."""
    share = float(total.cost_usd) / most if most else 0.0
    return float(SMALLEST + (LARGEST - SMALLEST) * share**0.5)


def _label(lane: Lane, selected: str) -> str:
    name = escape(plain(shortened(lane.info.session_id, NAME_CHARACTERS)))
    return f"<b>{name}</b> " if lane.info.session_id == selected else f"{name} "


def _hover(lane: Lane, total: Totals) -> str:
    info = lane.info
    lines = [info.session_id, f"{info.outcome}, {counted(info.frames, 'frame')}, spent {spent(total)}"]
    if info.parent_session_id:
        lines.append(f"from {info.parent_session_id}, before frame {info.forked_from_frame}")
    if lane.through:
        lines.append(f"{counted(lane.through, 'folded session')} between it and {lane.parent}")
    return hover([*lines, *_edit(info), *([info.problem] if info.problem else [])])


def _edit(info: SessionInfo) -> list[str]:
    lines = [shortened(edited(operation), 120) for operation in info.edit]
    return [*lines, f"“{info.reason}”"] if info.reason else lines


def _fact(info: SessionInfo, total: Totals, *, named: bool = True) -> str:
    """Return a line on a session as HTML."""
    parts = [f"{info.outcome}", counted(info.frames, "frame"), f"spent {spent(total)}"]
    if info.parent_session_id:
        parts.append(f"from {info.parent_session_id} before frame {info.forked_from_frame}")
    text = " · ".join([*parts, *_edit(info), *([info.problem] if info.problem else [])])
    name = f"<strong>{escape(plain(info.session_id))}</strong> " if named else ""
    return name + escape(plain(text))


def _without_colour(text: str) -> str:
    import click

    return click.unstyle(text)
