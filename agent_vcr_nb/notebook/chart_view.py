"""Base of the views that are a chart with text around it: errors of callbacks are shown, and a saved form stays."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets
import plotly.graph_objects as go
from IPython.display import DisplayHandle

from agent_vcr_nb.notebook.displaying import display_saved, display_widget, saved_bundle
from agent_vcr_nb.notebook.guarded import STATIC, answer_while_busy, in_words
from agent_vcr_nb.notebook.in_marimo import stacked, text_colour
from agent_vcr_nb.notebook.looks import FIGURE_CSS, plain


class Stretch(anywidget.AnyWidget):
    """Tells Plotly when the page gives the chart another width."""

    _esm = STATIC / "stretch.js"


class ChartView(ipywidgets.VBox):
    """A chart, what stands around it, and below it in the notebook a form that needs neither kernel nor scripts.

    The page hides that form while the widget is there: the rule that hides it is part of the widget.
    """

    def __init__(self, figure: go.FigureWidget, children: Sequence[Any]) -> None:
        self.figure = figure
        self.problem = ipywidgets.HTML()
        # Callbacks come in other threads than the user's code when the kernel runs them in a subshell.
        self.lock = threading.RLock()
        self._css_class = f"vcr-saved-{uuid4().hex}"
        self._handle: DisplayHandle | None = None
        answer_while_busy(figure.comm)
        # As wide as the page, also when that changes; the trait is private, and a test measures the width.
        figure._config = {"responsive": True, "displaylogo": False}
        figure.layout.autosize = True
        style = ipywidgets.HTML(f"<style>{FIGURE_CSS}\n.{self._css_class} {{ display: none; }}</style>")
        super().__init__([style, *children, self.problem, Stretch()])
        self.add_class("vcr-figure")

    def saved(self) -> tuple[str, str]:
        """Return the view as HTML without scripts, and as text."""
        raise NotImplementedError

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Show in the widget what goes wrong inside: Jupyter shows it nowhere."""
        try:
            with self.lock:
                yield
            self.problem.value = ""
        except Exception as error:
            self.problem.value = f'<p class="vcr-problem">{escape(plain(in_words(error)))}</p>'

    def redraw(self, traces: Iterable[Mapping[str, Any]], layout: Callable[[Any], None]) -> None:
        """Give each trace of the figure its values; `layout` changes the layout.

        Traces are updated together only where the same of their values have changed: from the others Plotly's model
        in the page would take what they have, and show them so in a tab that is opened again.
        """
        groups: dict[tuple[str, ...], list[tuple[Any, Mapping[str, Any]]]] = {}
        for trace, values in zip(self.figure.data, traces, strict=True):
            changed = tuple(name for name, value in values.items() if not _is_same(trace[name], value))
            groups.setdefault(changed, []).append((trace, values))
        for changed, members in groups.items():
            with self.figure.batch_update():
                for trace, values in members:
                    for name in changed:
                        trace[name] = values[name]
        with self.figure.batch_update():
            layout(self.figure.layout)

    def save(self) -> None:
        """Bring the saved form up to date where the view is on show."""
        if self._handle is not None:
            self._handle.update(saved_bundle(self.saved(), self._css_class), raw=True)

    def _display_(self) -> Any:
        """Return what marimo shows, where no style sheet of ours reaches the chart."""
        self.figure.layout.font.color = text_colour()
        return stacked([self.figure], self.saved()[0])

    def _ipython_display_(self) -> None:
        display_widget(self)
        self._handle = display_saved(self.saved(), self._css_class)


def _is_same(before: Any, now: Any) -> bool:
    if isinstance(now, list):
        return before is not None and list(before) == now
    return bool(before == now)
