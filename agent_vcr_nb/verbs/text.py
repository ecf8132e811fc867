"""Plain text for terminals: tables, colours, values on one line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from agent_vcr_nb.core.encoding import TAG

_CODES = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "dim": 2, "bold": 1}
_OUTCOME = {
    "ok": ("✓", "green"),
    "error": ("✗", "red"),
    "running": ("…", "yellow"),
    "killed": ("†", "red"),
    "cancelled": ("⊘", "yellow"),
    "damaged": ("!", "red"),
    "pending": ("‖", "yellow"),
    "empty": ("∅", "dim"),
    "unreadable": ("!", "red"),
}
_PROVENANCE = {"live": "", "replayed": "dim", "edited": "magenta", "mocked": "cyan"}


def paint(text: str, colour: str) -> str:
    """Return `text` in a colour (ANSI); faces take the codes out where there is no colour."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colour else text


def printable(text: str) -> str:
    """Return `text` without control characters: a recording must not steer the terminal that shows it."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs") else "�" for c in text)


def counted(number: int, noun: str) -> str:
    """Return ``1 step`` or ``2 steps``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def one_line(value: Any, width: int = 80) -> str:
    """Return an encoded value on one line of at most `width` characters."""
    if isinstance(value, dict) and TAG in value and "v" in value and isinstance(value["v"], str):
        text = f"{value[TAG]}({value['v']})"
    else:
        text = orjson.dumps(value).decode()
    text = printable(text).replace("\n", "⏎")
    return text if len(text) <= width else text[: width - 1] + "…"


def edited(operation: Mapping[str, Any], width: int = 80) -> str:
    """Return an operation of a JSON Patch in words of about `width` characters."""
    path = printable(str(operation.get("path")))
    if operation.get("op") == "remove":
        return f"{path} removed"
    if operation.get("op") in ("move", "copy"):
        return f"{path} = what was at {printable(str(operation.get('from')))}"
    return f"{path} = {one_line(operation.get('value'), width)}"


def outcome(name: str) -> str:
    """Return an outcome with its sign."""
    sign, colour = _OUTCOME.get(name, ("?", "yellow"))
    return paint(f"{sign} {name}", colour)


def provenance(name: str) -> str:
    """Return a provenance; ``live`` is the rule and says nothing."""
    return "" if name == "live" else paint(name, _PROVENANCE.get(name, ""))


def milliseconds(value: float | None) -> str:
    """Return a duration in the unit that reads best."""
    if value is None:
        return ""
    if value < 1:
        return f"{value:.2f} ms"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"


def table(rows: Iterable[Sequence[str]], headings: Sequence[str]) -> str:
    """Return lines of columns, as wide as they need to be; empty columns are left out."""
    grid = [[cell.replace("\n", "⏎") for cell in row] for row in rows]
    keep = [n for n in range(len(headings)) if any(_width(row[n]) for row in grid)]
    widths = [max([_width(headings[n]), *(_width(row[n]) for row in grid)]) for n in keep]
    lines = ["  ".join(paint(_padded(headings[n], w), "dim") for n, w in zip(keep, widths, strict=True)).rstrip()]
    for row in grid:
        lines.append("  ".join(_padded(row[n], w) for n, w in zip(keep, widths, strict=True)).rstrip())
    return "\n".join(lines)


def for_terminal(text: str) -> str:
    """Return the text of a result with no control characters but line ends and the colours of `paint`."""
    parts = text.split("\x1b[")
    cleaned = printable(parts[0])
    for part in parts[1:]:
        code, m, rest = part.partition("m")
        ours = m and code.isdigit() and (code == "0" or int(code) in _CODES.values())
        cleaned += f"\x1b[{code}m{printable(rest)}" if ours else printable(part)
    return cleaned


def _width(text: str) -> int:
    plain = ""
    for part in text.split("\x1b["):
        plain += part if not plain and not text.startswith("\x1b[") else part.partition("m")[2]
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
