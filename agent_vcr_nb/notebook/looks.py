"""What the charts and tables look like, and how a run's text enters them: as text only."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from agent_vcr_nb.verbs.text import printable

# Colours that differ for the colour-blind (after Okabe and Ito) and stand out on light and on dark; each outcome has a
# symbol of its own as well. Outcome -> colour, Plotly's symbol, the sign of the same in text.
OUTCOMES = {
    "ok": ("#009e73", "circle", "●"),
    "error": ("#d55e00", "x", "✕"),
    "running": ("#3d8fc9", "triangle-right", "▶"),
    "killed": ("#c45c9c", "cross", "✚"),
    "cancelled": ("#b07aa1", "triangle-down", "▼"),
    "pending": ("#b8860b", "diamond", "◆"),
    "empty": ("#8a8a8a", "square", "■"),
    "unreadable": ("#8a8a8a", "hexagram", "✶"),
}
UNKNOWN_OUTCOME = ("#8a8a8a", "star", "★")

PROVENANCES = {
    "live": ("#3d8fc9", ""),
    "edited": ("#c45c9c", "x"),
    "replayed": ("#8a8a8a", "/"),
    "mocked": ("#b8860b", "."),
}
"""Provenance -> colour, Plotly's pattern."""

HOVER_LINE = 200

# A chart knows no theme. The page's style sheet wins over what Plotly writes on its elements.
FIGURE_CSS = """
.vcr-figure .js-plotly-plot .main-svg text { fill: var(--jp-ui-font-color1, #333) !important; }
.vcr-figure .js-plotly-plot .hoverlayer text { fill: #fff !important; }
.vcr-figure .js-plotly-plot .main-svg { background: transparent !important; }
.vcr-figure .widget-html-content { color: var(--jp-ui-font-color1, #333); line-height: 1.5; }
.vcr-figure .widget-html { height: auto; overflow-wrap: anywhere; }
.vcr-figure p { margin: 2px 0; }
.vcr-figure pre { max-height: 260px; overflow: auto; color: inherit; }
.vcr-figure .vcr-problem { border-left: 4px solid #c43c00; padding-left: 8px; }
.vcr-figure table { border-collapse: collapse; }
.vcr-figure .vcr-scroll { max-height: 320px; overflow: auto; }
.vcr-figure :is(td, th) { padding: 2px 10px; text-align: right; white-space: nowrap; }
.vcr-figure :is(td, th).vcr-left { text-align: left; }
.vcr-figure th { position: sticky; top: 0; background: var(--jp-layout-color1, #fff); }
.vcr-figure tbody tr:nth-child(even) { background: var(--jp-layout-color2, #f5f5f5); }
"""


def bare_layout() -> dict[str, Any]:
    """Return a Plotly layout that leaves the background to the page."""
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 12, "r": 24, "t": 36, "b": 44},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "hovermode": "closest",
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": "#8a8a8a",
            "activecolor": "#3d8fc9",
            "remove": ["lasso2d", "select2d", "autoScale2d"],
        },
        "hoverlabel": {"bgcolor": "#333", "align": "left"},
        "font": {"family": "system-ui, sans-serif", "size": 12},
    }


def plain(text: str, *, keep_lines: bool = False) -> str:
    """Return text without control and direction characters; on one line unless `keep_lines`."""
    shown = printable(text)
    return shown if keep_lines else shown.replace("\n", " ")


def shortened(text: str, limit: int) -> str:
    """Return at most `limit` characters, with an ellipsis where some are missing."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def hover(lines: Iterable[str]) -> str:
    """Return lines for Plotly's hover box, which reads a subset of HTML: tags in them are shown as text."""
    return "<br>".join(escape(shortened(plain(line), HOVER_LINE)) for line in lines)
