"""The values of one expression by frame, as a chart below the table of ``%vcr print``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import traitlets

from agent_vcr_nb.notebook.chart_view import ChartView
from agent_vcr_nb.notebook.looks import bare_layout, hover, shortened
from agent_vcr_nb.verbs.printing import Printed

TITLE_CHARACTERS = 80


class ExpressionPlot(ChartView):
    """See how a number went from frame to frame; a click on a point calls `on_choose`.

    Make one and `load` into it: the chart brings its program (5 MB) to the browser once.
    """

    session = traitlets.Unicode("", read_only=True, help="Name of the session on show.")

    def __init__(self, printed: Printed) -> None:
        self.on_choose: Callable[[str, int], None] = lambda session, frame: None
        """Called with session and frame after a click on a point."""
        layout = {**bare_layout(), "height": 260, "xaxis": {"title": "frame"}, "showlegend": False}
        figure = go.FigureWidget(data=[go.Scatter(mode="lines+markers", line={"color": "#3d8fc9"})], layout=layout)
        figure.data[0].on_click(self._on_click)
        super().__init__(figure, [figure])
        self.load(printed)

    def load(self, printed: Printed) -> None:
        """Show the values of another expression, those that are numbers; frames without one are left out."""
        with self.lock:
            self.set_trait("session", printed.session_id)
            rows = printed.numbers
            with self.figure.batch_update():
                trace = self.figure.data[0]
                trace.x = [row.frame for row, _ in rows]
                trace.y = [value for _, value in rows]
                trace.text = [hover([f"frame {row.frame}: {row.key}", str(value)]) for row, value in rows]
                trace.hovertemplate = "%{text}<extra></extra>"
                self.figure.layout.title = {"text": hover([shortened(printed.expression, TITLE_CHARACTERS)])}

    def _on_click(self, trace: Any, points: Any, _state: Any) -> None:
        with self.explained():
            for place in points.point_inds[:1]:
                self.on_choose(self.session, int(trace.x[place]))

    def saved(self) -> tuple[str, str]:
        """Return nothing: the table above the chart says the same."""
        return "", ""
