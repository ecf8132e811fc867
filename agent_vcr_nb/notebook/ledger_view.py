"""What a session spent and what a replay saved: sums, a bar chart by frame, node, model or session, and a table."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import plotly.graph_objects as go
import traitlets

from agent_vcr_nb.core.ledger import CostLedger, Totals
from agent_vcr_nb.notebook.chart_view import ChartView
from agent_vcr_nb.notebook.family import Family, Member, rows_of
from agent_vcr_nb.notebook.looks import PROVENANCES, bare_layout, hover, plain, shortened
from agent_vcr_nb.verbs.text import counted

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("frame", "node", "model", "session", "branch")
FAMILY = ("session", "branch")
"""Groups of all sessions that stem from the same one as the session on show."""
MEASURES = ("cost", "tokens")
ROWS = 200
"""Rows of the table on show; `data` has all of them."""
NAME_CHARACTERS = 40
WIDEST = 0.07
"""Part of the chart's width that a bar takes where there are few: a single one would fill it."""
UNKNOWN_MODEL = "unknown model"

_COLUMNS = {"frame": "frame", "node": "node_name", "model": "model", "session": "group", "branch": "group"}
_TOKENS = ("tokens_input", "tokens_output", "tokens_cache_read", "tokens_cache_write", "tokens_reasoning", "tokens")
_SAVED = ("replayed", "mocked")


class CostLedgerView(ChartView):
    """See tokens and money of a session by frame, node or model; what ran live and what was saved stand apart.

    With the folder of the session also by session and by branch: a session with all that was forked from it. A click
    on a bar calls `on_choose`; one on a frame's bar sets ``frame``. `data` is the table behind the chart,
    `ledger.to_pandas()` a row a call.
    Make one and `load` into it: the chart brings its program (5 MB) to the browser once.
    """

    session = traitlets.Unicode("", read_only=True, help="Name of the session on show.")
    frame = traitlets.Int(None, allow_none=True, help="The selected frame, marked in the chart; None before.")
    by = traitlets.Enum(GROUPS, "frame", help="What a bar and a row of the table stand for.")
    measure = traitlets.Enum(MEASURES, "cost", help="What a bar's height shows.")

    def __init__(self, ledger: CostLedger, directory: str | Path | None = None) -> None:
        self.on_choose: Callable[[str, int], None] = lambda session, frame: None
        """Called with session and frame after each click on a bar of a frame, a session or a branch."""
        self._family = Family()
        figure = _empty_figure()
        self.sums, self.table = ipywidgets.HTML(), ipywidgets.HTML()
        for trace in figure.data:
            trace.on_click(self._on_click)
        by = ipywidgets.ToggleButtons(options=GROUPS, description="by", style={"button_width": "80px"})
        measure = ipywidgets.ToggleButtons(options=MEASURES, description="show", style={"button_width": "80px"})
        choices = ipywidgets.HBox([by, measure])
        super().__init__(figure, [self.sums, choices, figure, self.table])
        traitlets.link((self, "by"), (by, "value"))
        traitlets.link((self, "measure"), (measure, "value"))
        self.load(ledger, directory)

    def load(self, ledger: CostLedger, directory: str | Path | None = None) -> None:
        """Show another ledger, or the same session's as it stands now; `directory` has the sessions it stems from."""
        with self.lock:
            self.directory = None if directory is None else Path(directory)
            if ledger.session_id != self.session:
                self.frame = None
            self.ledger = ledger
            self.set_trait("session", ledger.session_id)
            self._draw()
            self.save()

    @property
    def data(self) -> pd.DataFrame:
        """The ledger as `by` groups it: a row a group and provenance, with how many calls are of unknown size.

        Sums are of the calls that are known; they are missing where none is.
        """
        frame = rows_of(self._members(), self.by) if self.by in FAMILY else self.ledger.to_pandas()
        frame["model"] = frame["model"].fillna(UNKNOWN_MODEL)
        frame["calls"] = 1
        frame["unknown_tokens"] = frame["tokens"].isna().astype("int64")
        frame["unknown_cost"] = frame["cost_usd"].isna().astype("int64")
        grouped = frame.groupby([_COLUMNS[self.by], "provenance"], sort=self.by == "frame")
        counts = grouped[["calls", "unknown_cost", "unknown_tokens"]].sum()
        known = grouped[[*_TOKENS, "cost_usd", "latency_ms"]].sum(min_count=1)
        table = counts.join(known).reset_index()
        if self.by == "frame":
            names = frame[["frame", "node_name", "model"]]
            table = names.merge(table, on="frame")
        return table

    def _members(self) -> list[Member]:
        if self.directory is None:
            return [Member(self.session, 0, self.ledger, (self.session,))]
        return self._family.of(self.directory, self.session)

    def _rows(self) -> list[dict[str, Any]]:
        return [{str(name): value for name, value in row.items()} for row in self.data.to_dict("records")]

    # --------------------------------------------------------------------------------------------- events

    @traitlets.observe("by", "measure")
    def _on_choice(self, _change: Any) -> None:
        with self.explained():
            self._draw()

    def _on_click(self, trace: Any, points: Any, _state: Any) -> None:
        if not points.point_inds or self.by not in ("frame", *FAMILY):
            return
        with self.explained():
            session, frame = trace.customdata[points.point_inds[0]]
            if self.by == "frame":
                self.frame = int(frame)
            self.on_choose(str(session) or self.session, int(frame))

    @traitlets.observe("frame")
    def _on_frame(self, _change: Any) -> None:
        with self.explained():
            self.figure.layout.shapes = self._mark()

    def _mark(self) -> list[dict[str, Any]]:
        """Return a line at the selected frame."""
        if self.by != "frame" or self.frame is None or not self.ledger.entries:
            return []
        line = {"color": "#1976d2", "width": 1.5, "dash": "dot"}
        return [{"type": "line", "x0": self.frame, "x1": self.frame, "yref": "paper", "y0": 0, "y1": 1, "line": line}]

    # --------------------------------------------------------------------------------------------- drawing

    def _draw(self) -> None:
        rows = self._rows()
        names = {provenance: _bars(rows, self.by, self.measure, provenance) for provenance in PROVENANCES}
        strange = [row for row in rows if _amount(row, self.measure) is None]
        unknown = _unknown(strange, self.by, self.measure)
        places = sorted({row["frame"] for row in rows}) if self.by == "frame" else [*range(len(_groups(rows, self.by)))]
        self.redraw(
            [names.get(trace.name, unknown) for trace in self.figure.data], lambda layout: self._arrange(layout, places)
        )
        self.sums.value = "".join(f"<p>{line}</p>" for line in self._sums())
        self.table.value = f'<div class="vcr-scroll">{_table(rows, self.by)}</div>'

    def _arrange(self, layout: Any, places: list[int]) -> None:
        gap = min([after - before for before, after in pairwise(places)], default=1)
        first, last = (places[0], places[-1]) if places else (0, 0)
        layout.xaxis.update(
            type="linear" if self.by == "frame" else "category",
            title={"text": self.by},
            range=[first - gap / 2, last + gap / 2],
            dtick=1 if last - first <= 20 else None,  # there is no half a frame
        )
        layout.bargap = 1 - min(0.85, WIDEST * ((last - first) / gap + 1))
        layout.shapes = self._mark()
        money = self.measure == "cost"
        title = {"text": "US dollars" if money else "tokens", "standoff": 14}
        # Not $150µ for a fraction of a cent.
        layout.yaxis.update(title=title, tickprefix="$" if money else "", exponentformat="none" if money else "B")

    def _sums(self) -> list[str]:
        ledger = self.ledger
        if not ledger.entries:
            return [f"<strong>{escape(plain(ledger.session_id))}</strong>: no frame says that it used a model"]
        share = ledger.saved_percent
        saved = "" if share is None else f", {share:.0f} % of what is known"
        return [
            f"<strong>{escape(plain(ledger.session_id))}</strong>",
            f"<strong>Spent</strong> (live): {_sum(ledger.live)}",
            f"<strong>Saved</strong> (replayed, mocked): {_sum(ledger.saved)}{saved}",
        ]

    # --------------------------------------------------------------------------------------------- saved

    def saved(self) -> tuple[str, str]:
        """Return the sums and the table as HTML and as text."""
        rows = self._rows()
        sums = self._sums()
        html = "".join(f"<p>{line}</p>" for line in sums) + _table(rows, self.by)
        ledger = self.ledger
        lines = [plain(ledger.session_id), f"spent (live): {_sum(ledger.live)}"]
        lines.append(f"saved (replayed, mocked): {_sum(ledger.saved)}")
        lines += ["  ".join(map(plain, cells)) for cells in _cells(rows[:ROWS], self.by)]
        return html, "\n".join(lines)


def _empty_figure() -> go.FigureWidget:
    figure = go.FigureWidget()
    for name, (colour, pattern) in PROVENANCES.items():
        look = {
            "color": colour,
            "pattern": {"shape": pattern, "fgcolor": "#fff", "fillmode": "overlay"},
            "line": {"width": 0},
        }
        figure.add_bar(name=name, marker=look, hoverinfo="text", textposition="none")
    figure.add_scatter(
        name="unknown",
        mode="markers",
        hoverinfo="text",
        marker={"symbol": "diamond-open", "size": 11, "color": "#d55e00", "line": {"width": 2}},
        cliponaxis=False,
    )
    figure.layout.update(bare_layout())
    figure.layout.update(
        height=320,
        barmode="stack",
        bargap=0.15,
        xaxis={"automargin": True, "zeroline": False, "ticks": "outside", "ticklen": 8, "tickcolor": "rgba(0,0,0,0)"},
        yaxis={"automargin": True, "rangemode": "tozero", "gridcolor": "rgba(128,128,128,0.25)", "zeroline": False},
    )
    return figure


def _bars(rows: list[dict[str, Any]], by: str, measure: str, provenance: str) -> dict[str, Any]:
    kept = [row for row in rows if row["provenance"] == provenance and _amount(row, measure) is not None]
    return {
        "x": [_place(row, by) for row in kept],
        "y": [_amount(row, measure) for row in kept],
        "hovertext": [_hover(row, by) for row in kept],
        "customdata": [_target(row, by) for row in kept],
    }


def _unknown(rows: list[dict[str, Any]], by: str, measure: str) -> dict[str, Any]:
    """Return the marks on the axis for groups of which nothing is known: no bar would read as nothing spent."""
    return {
        "x": [_place(row, by) for row in rows],
        "y": [0] * len(rows),
        "hovertext": [hover([f"{measure} unknown"]) + "<br>" + _hover(row, by) for row in rows],
        "customdata": [_target(row, by) for row in rows],
    }


def _groups(rows: list[dict[str, Any]], by: str) -> set[Any]:
    return {_place(row, by) for row in rows}


def _target(row: dict[str, Any], by: str) -> list[Any]:
    """Return session (empty for the one on show) and frame that a click on a bar selects."""
    return [row["group"], 0] if by in FAMILY else ["", row.get("frame", -1)]


def _amount(row: dict[str, Any], measure: str) -> float | int | None:
    value = row["cost_usd" if measure == "cost" else "tokens"]
    return None if _is_missing(value) else value


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or value != value


def _place(row: dict[str, Any], by: str) -> Any:
    return int(row["frame"]) if by == "frame" else escape(shortened(plain(str(row[_COLUMNS[by]])), NAME_CHARACTERS))


def _hover(row: dict[str, Any], by: str) -> str:
    name = f"frame {row['frame']} · {row['node_name']} · {row['model']}" if by == "frame" else str(row[_COLUMNS[by]])
    kinds = [f"{kind.removeprefix('tokens_')} {row[kind]:,}" for kind in _TOKENS[:-1] if not _is_missing(row[kind])]
    lines = [name, f"{row['provenance']}: {_money(row)}", f"{_tokens(row['tokens'])} tokens", ", ".join(kinds)]
    if row["calls"] > 1:
        lines.append(f"{counted(row['calls'], 'call')}, {row['unknown_cost']} of unknown cost")
    return hover(line for line in lines if line)


def _table(rows: list[dict[str, Any]], by: str) -> str:
    if not rows:
        return ""
    head, *body = _cells(rows[:ROWS], by)
    texts = 3 if by == "frame" else 1
    lines = [_row(head, "th", texts), *(_row(cells, "td", texts) for cells in body)]
    rest = f"<p>and {len(rows) - ROWS} more rows: <code>data</code> has them all</p>" if len(rows) > ROWS else ""
    return f"<table><thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody></table>{rest}"


def _row(cells: list[str], tag: str, texts: int) -> str:
    """Return a row; the first `texts` cells and the last are text, the others numbers."""
    parts = []
    for number, cell in enumerate(cells):
        is_text = number < texts or number == len(cells) - 1
        kind = ' class="vcr-left" style="text-align: left;"' if is_text else ""
        parts.append(f"<{tag}{kind}>{escape(shortened(plain(cell), NAME_CHARACTERS))}</{tag}>")
    return f"<tr>{''.join(parts)}</tr>"


def _cells(rows: list[dict[str, Any]], by: str) -> list[list[str]]:
    """Return the headings and the rows of the table as text; a kind of tokens that no call tells has no column."""
    kinds = [kind for kind in _TOKENS if kind == "tokens" or any(not _is_missing(row[kind]) for row in rows)]
    first = ["frame", "node", "model"] if by == "frame" else [by, "calls"]
    head = [*first, *(kind.removeprefix("tokens_").replace("_", " ") for kind in kinds), "cost", ""]
    table = [head]
    for row in rows:
        names = [row["frame"], row["node_name"], row["model"]] if by == "frame" else [row[_COLUMNS[by]], row["calls"]]
        table.append([*map(str, names), *(_tokens(row[kind]) for kind in kinds), _money(row), str(row["provenance"])])
    return table


def _tokens(value: Any) -> str:
    return "unknown" if _is_missing(value) else f"{int(value):,}"


def _money(row: dict[str, Any]) -> str:
    if _is_missing(row["cost_usd"]):
        return "unknown"
    unknown = f" + {row['unknown_cost']} unknown" if row["unknown_cost"] else ""
    return f"${row['cost_usd']:.6f}{unknown}"


def _sum(totals: Totals) -> str:
    calls, tokens = counted(totals.calls, "call"), counted(totals.tokens, "token")
    tokens += f" (+ {totals.unknown_tokens} unknown)" if totals.unknown_tokens else ""
    text = f"{calls}, {tokens}, ${totals.cost_usd:.6f}"
    return text + (f" and {totals.unknown_cost} of unknown cost" if totals.unknown_cost else "")
