"""The rows of the printed table: two sides and their ratio, or one measured value and its bound."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict


class Row(TypedDict):
    """One line of the table."""

    work: str
    """What was done, with its size."""
    ours: str
    other: str
    """The peer, or what ours is compared with; empty for an absolute bar."""
    ratio: float | None
    """Ours divided by the other, medians of one run."""
    bar: str
    """What `ratio` or `ours` may be at most; empty for a row that only informs."""
    ok: bool | None
    """None where there is no bar."""
    over: NotRequired[float]
    """What was measured divided by the bar; more than 1 misses it."""
    floor: NotRequired[str]
    """The least that the work can cost, where that was measured."""


def seconds(value: float) -> str:
    """Return a time as people read it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def size(value: float) -> str:
    """Return a number of bytes as people read it."""
    return f"{value / 1e6:,.2f} MB" if value >= 1e5 else f"{value:,.0f} B"


def compared(work: str, ours: str, other: str, ratio: float, at_most: float | None, *, floor: str = "") -> Row:
    """Return a row about two sides; without `at_most` it only informs."""
    bar = "" if at_most is None else f"<= {at_most:g} x"
    ok = None if at_most is None else ratio <= at_most
    row: Row = {"work": work, "ours": ours, "other": other, "ratio": ratio, "bar": bar, "ok": ok, "floor": floor}
    return row if at_most is None else {**row, "over": ratio / at_most}


def bounded(work: str, took: float, at_most: float) -> Row:
    """Return a row about a time in seconds that has a bound of its own."""
    bar = f"<= {seconds(at_most)}"
    over = took / at_most
    return {"work": work, "ours": seconds(took), "other": "", "ratio": None, "bar": bar, "ok": over <= 1, "over": over}


def not_measured(work: str, why: str, bar: str) -> Row:
    """Return a row about what could not be measured here: that fails in CI, and is only said elsewhere."""
    ok = False if os.environ.get("CI") == "true" else None
    return {"work": work, "ours": f"not measured: {why}", "other": "", "ratio": None, "bar": bar, "ok": ok}


_COLUMNS = ("work", "ours", "other", "ratio", "bar", "floor", "ok")


def table(rows: Iterable[Row]) -> str:
    """Return the rows as lines of aligned columns."""
    cells = [_COLUMNS, *([_cell(row, column) for column in _COLUMNS] for row in rows)]
    # A remark in place of a figure must not push the columns of all other rows apart.
    widths = [
        max(len(line[n]) for line in cells if not line[n].startswith("not measured")) for n in range(len(_COLUMNS))
    ]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells)


def _cell(row: Any, column: str) -> str:
    value = row.get(column)
    if column == "ok":
        return "" if value is None else "ok" if value else "NO"
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else str(value)
