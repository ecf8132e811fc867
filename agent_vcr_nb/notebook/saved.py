"""What stays of the debugger in a saved notebook: HTML without scripts, and the same as text.

Shown where no widget can be: after the kernel is gone, on GitHub, in a notebook converted to HTML. Its size is bounded
whatever the session's. Style stands on the elements, because viewers drop style sheets and scripts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from agent_vcr_nb.core.errors import VCRError
from agent_vcr_nb.notebook.edits import Patch
from agent_vcr_nb.notebook.feed import FrameFeed, status_of, title_of
from agent_vcr_nb.notebook.source import Source

STRIP = 120
"""Frames in the strip: those around the selected one."""
ERRORS = 20
"""Failed frames that are named."""
STATE_CHARACTERS = 20_000
PART_CHARACTERS = 10_000
ERROR_CHARACTERS = 300
NAME_CHARACTERS = 120

# The colours and letters of the live strip (widgets/src/shared/base.css, light theme).
LOOKS = {
    "node": ("N", "#0072b2"),
    "tool": ("T", "#00795a"),
    "llm": ("L", "#a65f00"),
    "checkpoint": ("C", "#6b7280"),
    "error": ("E", "#a3001b"),
}
UNKNOWN = ("?", "#737373")
FAILED, CANCELLED = "#a3001b", "#7d4e9e"
SIGNS = {"error": ("✕", FAILED), "cancelled": ("▼", CANCELLED)}
"""How a frame ended that did not come to its end: a sign before its letter, and the colour of its cell."""


class SavedView(NamedTuple):
    """The two forms of one view."""

    html: str
    text: str

    def bundle(self) -> dict[str, str]:
        """Return both forms by MIME type."""
        return {"text/html": self.html, "text/plain": self.text}


class Part(NamedTuple):
    """What stands below the state: the forks, the ledger."""

    title: str
    text: str


def saved_view(feed: FrameFeed, frame: int, patch: Patch, css_class: str, parts: Sequence[Part] = ()) -> SavedView:
    """Return a run as it stands, with the state before `frame`, the edit that waits for it, and other parts."""
    source, failed = feed.source, feed.failed()
    count = source.count
    first = max(0, min(frame - STRIP // 2, count - STRIP))
    window = source.summaries(first, first + STRIP)
    errors = [_line(source.summaries(number, number + 1)[0]) for number in failed[:ERRORS]]
    if len(failed) > ERRORS:
        more = len(failed) - ERRORS
        errors.append(f"and {more} more failed frame{'' if more == 1 else 's'}")
    chosen = window[frame - first] if window else None
    state = _state(source, frame) if chosen else "no frames yet"
    heading = f"{source.session_id}: {_counted(count, 'frame')}, {len(failed)} failed"
    edit = [json.dumps(operation, ensure_ascii=False)[: NAME_CHARACTERS * 4] for operation in patch]
    below = [Part(part.title, _cut(part.text, PART_CHARACTERS)) for part in parts]
    html = _html(css_class, heading, window, errors, chosen, state, edit)
    html += "".join(f"<p><strong>{escape(part.title)}</strong></p><pre>{escape(part.text)}</pre>" for part in below)
    text = _text(heading, window, errors, chosen, state, edit)
    return SavedView(f"{html}</div>", "\n".join([text, *(f"{part.title}\n{part.text}" for part in below)]))


def _state(source: Source, frame: int) -> str:
    try:
        text = source.state(frame, "input")
    except VCRError as error:
        return str(error)
    if len(text) <= 10 * STATE_CHARACTERS:  # of a larger one nothing but its beginning is shown
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return _cut(text, STATE_CHARACTERS)


def _html(
    css_class: str,
    heading: str,
    window: list[dict[str, Any]],
    errors: list[str],
    chosen: dict[str, Any] | None,
    state: str,
    edit: list[str],
) -> str:
    parts = [
        f'<div class="{escape(css_class)}" style="font-family: sans-serif; font-size: 13px;">',
        f"<p><strong>{escape(heading)}</strong></p>",
        f'<p style="line-height: 1.8;">{"".join(_cell(summary, summary is chosen) for summary in window)}</p>',
    ]
    parts += [f'<p style="color: {FAILED};">✕ {escape(line)}</p>' for line in errors]
    if chosen:
        parts.append(f"<p>State before {escape(_line(chosen))}</p>")
    parts.append(f'<pre style="max-height: 340px; overflow: auto;">{escape(state)}</pre>')
    if edit:
        parts.append("<p>Edit that waits for the resume:</p>")
        parts.append(f"<pre>{escape(chr(10).join(edit))}</pre>")
    return "".join(parts)


def _cell(summary: dict[str, Any], is_chosen: bool) -> str:
    letter, colour = LOOKS.get(summary["type"], UNKNOWN)
    sign, colour = SIGNS.get(status_of(summary), ("", colour))
    border = "outline: 2px solid #000; outline-offset: 1px;" if is_chosen else ""
    style = f"background-color: {colour}; color: #fff; padding: 2px 5px; margin-right: 2px; {border}"
    return f'<span title="{escape(_cut(title_of(summary), NAME_CHARACTERS))}" style="{style}">{sign}{letter}</span> '


def _text(
    heading: str,
    window: list[dict[str, Any]],
    errors: list[str],
    chosen: dict[str, Any] | None,
    state: str,
    edit: list[str],
) -> str:
    strip = "".join(SIGNS.get(status_of(s), LOOKS.get(s["type"], UNKNOWN))[0] for s in window)
    lines = [heading, strip, *(f"✕ {line}" for line in errors)]
    if chosen:
        lines.append(f"state before {_line(chosen)}")
    return "\n".join([*lines, state, *edit])


def _line(summary: dict[str, Any]) -> str:
    error = _cut(" ".join(str(summary["error"]).split()), ERROR_CHARACTERS) if summary["error"] else ""
    return " · ".join(filter(None, [_cut(title_of(summary), NAME_CHARACTERS), error]))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
