"""The tabs below the state tree: fork graph, ledger and findings, each made when its tab is opened first."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from agent_vcr_nb.core.ledger import CostLedger
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.notebook.guarded import answer_while_busy, in_words
from agent_vcr_nb.notebook.views import Views

HINTS = {
    "Forks": "Which session was forked from which, as a graph",
    "Cost": "What each step spent, and what a replay saved",
    "Findings": "What Sentinel found in the files that the agent wrote",
}
TITLES = tuple(HINTS)


class Tabs(ipywidgets.VBox):
    """Shows one of the `views` of the session that `player` opens, or none, as at first.

    A chart is 5 MB for the browser, and most sessions are looked at without one. ``opened`` is the title on show.
    """

    opened = traitlets.Enum(("", *TITLES), "", help="What is on show: Forks, Cost, Findings; empty for nothing.")

    def __init__(self, views: Views, player: Callable[[], VCRPlayer], frame: Callable[[], int]) -> None:
        self._views, self._player, self._frame = views, player, frame
        self._buttons = {title: _button(title, hint) for title, hint in HINTS.items()}
        self._slot = ipywidgets.VBox()
        super().__init__([ipywidgets.HBox(list(self._buttons.values())), self._slot])
        for button in self._buttons.values():
            answer_while_busy(button.comm)
            button.observe(self._on_click, "value")

    def _on_click(self, change: Any) -> None:
        title = change["owner"].description
        if change["new"]:
            self.opened = title
        elif self.opened == title:
            self.opened = ""

    @traitlets.observe("opened")
    def _on_open(self, _change: Any) -> None:
        for title, button in self._buttons.items():
            button.value = title == self.opened
        try:
            self._slot.children = [self._fed(self.opened)] if self.opened else []
        except Exception as error:
            self._slot.children = [ipywidgets.HTML(f"<p>{escape(in_words(error))}</p>")]

    def compare(self, a: str, b: str) -> None:
        """Mark two sessions in the fork graph, where it is on show."""
        if self._views.dag is not None:
            self._views.dag.mark(a, b)

    def _fed(self, title: str) -> Any:
        player = self._player()
        directory = Path(player.recording.path).parent
        if title == "Forks":
            return self._views.dag_of(directory, player.session_id, self._frame())
        if title == "Cost":
            view = self._views.ledger_of(CostLedger.of(player), directory)
            view.frame = self._frame()
            return view
        return self._views.findings_in(player)


def _button(title: str, hint: str) -> ipywidgets.ToggleButton:
    return ipywidgets.ToggleButton(description=title, tooltip=hint, layout={"width": "auto"})
