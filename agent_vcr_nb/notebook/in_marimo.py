"""Showing widgets in marimo, which has no widget manager: it takes anywidgets, and no box around them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anywidget


def stacked(widgets: Iterable[Any]) -> Any:
    """Return what marimo shows for a box of widgets: those that it can show, one below the other.

    Called by marimo only, through ``_display_``, so marimo is there to be imported.
    """
    import marimo

    return marimo.vstack([widget for widget in widgets if isinstance(widget, anywidget.AnyWidget)])
