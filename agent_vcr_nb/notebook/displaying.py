"""Putting a widget on show, and below it the form of it that stays when kernel and widget are gone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from IPython.display import DisplayHandle, display

WIDGET = "application/vnd.jupyter.widget-view+json"


def display_widget(widget: Any) -> None:
    """Show a widget; where none can be, its name stands."""
    made = widget._repr_mimebundle_()
    bundle = made[0] if isinstance(made, tuple) else made
    display({WIDGET: bundle[WIDGET], "text/plain": f"<{type(widget).__name__}>"}, raw=True)


def display_saved(saved: tuple[str, str], css_class: str) -> DisplayHandle:
    """Show a view's HTML and text; the widget on show hides what has the class."""
    handle: DisplayHandle = display(saved_bundle(saved, css_class), raw=True, display_id=uuid4().hex)
    return handle


def saved_bundle(saved: tuple[str, str], css_class: str) -> dict[str, str]:
    """Return both forms by MIME type."""
    html, text = saved
    return {"text/html": f'<div class="{css_class}">{html}</div>', "text/plain": text}
