"""Plain text for terminals: tables, colours, values on one line."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from agent_vcr_nb.core.encoding import TAG

if TYPE_CHECKING:
    from agent_vcr_nb.core.ledger import Totals

_ANSI = re.compile(r"(\x1b\[[0-9]+m)")
_PLAIN = "\x1b[0m"
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
_STEERING = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
_HARMLESS = "\n\u200c\u200d"
"""The joiners hold emoji and letters together."""
_NARROWEST = 8
"""Columns that a shortened cell keeps."""
_PROVENANCE = {"live": "", "replayed": "dim", "edited": "magenta", "mocked": "cyan"}


def paint(text: str, colour: str) -> str:
    """Return `text` in a colour (ANSI); faces take the codes out where there is no colour."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colour else text


def printable(text: str) -> str:
    """Return `text` without control characters: a recording must not steer the terminal that shows it."""
    return text.translate({ord(character): "�" for character in _steering(text)})


def json_text(raw: bytes) -> str:
    """Return JSON as text in which what could steer a terminal is escaped; to a program it says the same."""
    text = raw.decode()
    return text.translate({ord(character): _escaped(character) for character in _steering(text)})


def _steering(text: str) -> list[str]:
    """Return the control characters of a text, each once."""
    if text.isascii() and text.isprintable():
        return []
    return [c for c in set(text) if c not in _HARMLESS and unicodedata.category(c) in _STEERING]


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))


def counted(number: int, noun: str) -> str:
    """Return ``1 step`` or ``2 steps``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def one_line(value: Any, width: int = 80) -> str:
    """Return an encoded value on one line of at most `width` characters."""
    if isinstance(value, dict) and TAG in value and "v" in value and isinstance(value["v"], str):
        text = f"{value[TAG]}({value['v']})"
    else:
        text = json_text(orjson.dumps(value))
    text = printable(text).replace("\n", "⏎")
    return text if len(text) <= width else text[: width - 1] + "…"


def edited(operation: Mapping[str, Any], width: int = 80) -> str:
    """Return an operation of a JSON Patch in words: ``/plan = "x"``."""
    op, path = operation.get("op"), printable(str(operation.get("path")))
    if op == "remove":
        return f"{path} removed"
    if op in ("move", "copy"):
        return f"{path} {'moved' if op == 'move' else 'copied'} from {printable(str(operation.get('from')))}"
    new = " (new)" if op == "add" else ""
    return f"{path} = {one_line(operation.get('value'), width)}{new}"


def money(totals: Totals) -> str:
    """Return a sum of money; with calls of unknown cost it is told to be more."""
    shown = f"${totals.cost_usd:.6f}" if totals.calls > totals.unknown_cost else ""
    unknown = f"{totals.unknown_cost} unknown" if totals.unknown_cost else ""
    return " + ".join(part for part in (shown, unknown) if part)


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
    """Return lines of columns, as wide as they need to be; empty columns are left out.

    On a terminal the widest columns are shortened until a line fits, and a line that still does not is cut; a pipe and
    ``--json`` have all of it.
    """
    grid = [[_clean_line(cell.replace("\n", "⏎")) for cell in row] for row in rows]
    keep = [n for n in range(len(headings)) if any(width(row[n]) for row in grid)]
    widths = [max([width(headings[n]), *(width(row[n]) for row in grid)]) for n in keep]
    room = _columns()
    if room is not None:
        widths = _fitted(widths, room - 2 * (len(keep) - 1))
    lines = []
    for row in [[paint(heading, "dim") if heading else "" for heading in headings], *grid]:
        cells = [shortened(row[n], w) for n, w in zip(keep, widths, strict=True)]
        line = "  ".join(_padded(cell, w) for cell, w in zip(cells, widths, strict=True)).rstrip()
        lines.append(line if room is None else shortened(line, room))
    return "\n".join(lines)


def _columns() -> int | None:
    """Return how many columns the terminal has that reads the output; None where none reads it."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def _fitted(widths: list[int], room: int) -> list[int]:
    """Return widths that fit into `room` together: the widest give way first, down to `_NARROWEST`."""
    fitted = list(widths)
    while sum(fitted) > room:
        widest = max(fitted)
        if widest <= _NARROWEST:
            break
        fitted[fitted.index(widest)] -= 1
    return fitted


def shortened(text: str, columns: int) -> str:
    """Return `text` with its colours, cut to a number of columns of a terminal; ``…`` stands for the rest."""
    if width(text) <= columns:
        return text
    kept, used, painted = "", 0, False
    for part in _ANSI.split(text):
        if _ANSI.fullmatch(part):
            kept, painted = kept + part, part != _PLAIN
            continue
        for character in part:
            used += _columns_of(character)
            if used > columns - 1:
                return f"{kept}…{_PLAIN if painted else ''}"
            kept += character
    return kept


def for_terminal(text: str) -> str:
    """Return the text of a result with no control characters but line ends and the colours of `paint`.

    A colour ends with its line: one that came from a recording does not run on.
    """
    return "\n".join(map(_clean_line, text.split("\n")))


def _clean_line(line: str) -> str:
    if "\x1b" not in line:
        return printable(line)
    first, *parts = line.split("\x1b[")
    cleaned, painted = printable(first), False
    for part in parts:
        code, m, rest = part.partition("m")
        ours = m and code.isdigit() and (code == "0" or int(code) in _CODES.values())
        cleaned += f"\x1b[{code}m{printable(rest)}" if ours else printable(part)
        painted = code != "0" if ours else painted
    return cleaned + (_PLAIN if painted else "")


def width(text: str) -> int:
    """Return how many columns of a terminal `text` takes, colours aside."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_columns_of, _ANSI.sub("", text)))


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))
