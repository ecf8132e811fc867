"""Showing widgets in marimo, which has no widget manager: it takes anywidgets, and no box around them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anywidget


def stacked(widgets: Iterable[Any], html: str = "") -> Any:
    """Return what marimo shows for a box of widgets: those that it can show, one below the other, and `html` last.

    Called by marimo only, through ``_display_``, so marimo is there to be imported.
    """
    import marimo

    shown = [marimo.ui.anywidget(widget) for widget in widgets if isinstance(widget, anywidget.AnyWidget)]
    return marimo.vstack([*shown, *([marimo.Html(html)] if html else [])])


def text_colour() -> str:
    """Return what text can be read on marimo's page; grey where the browser decides what that looks like."""
    import marimo

    return {"dark": "#e4e4e4", "light": "#333333"}.get(str(marimo.app_meta().theme), "#808080")
