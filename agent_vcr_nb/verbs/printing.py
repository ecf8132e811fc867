"""The verb `print`: one expression for every frame of a session."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError
from agent_vcr_nb.core.expression import Expression, ExpressionError, plain
from agent_vcr_nb.core.ledger import CostLedger
from agent_vcr_nb.core.payload import frame_summary
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.text import counted, one_line, paint, printable, table

NAMES = {
    "frame": "number of the frame",
    "node": "name of the step",
    "key": "identity of the step, such as agent#1/plan#2",
    "type": "node, tool, llm, error or checkpoint",
    "status": "ok, error, running or damaged",
    "provenance": "live, replayed, edited or mocked",
    "depth": "how many steps it ran inside",
    "latency_ms": "how long it took",
    "tokens": "of a step that used a model",
    "cost": "US dollars, of a step that used a model",
    "model": "name of the model",
    "error": "what it raised, or null",
    "input": "state before the step",
    "output": "state after it",
    "state": "state after it, or the one it failed on",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The value of the expression for one frame, or why it has none."""

    frame: int
    key: str
    node: str
    value: Any = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Printed:
    """What `print` shows."""

    session_id: str
    expression: str
    rows: list[Row]

    @property
    def failed(self) -> int:
        """Frames for which the expression has no value."""
        return sum(bool(row.why) for row in self.rows)

    @property
    def exit_code(self) -> int:
        """1 when it has a value for no frame at all."""
        return 1 if self.rows and self.failed == len(self.rows) else 0

    @property
    def numbers(self) -> list[tuple[Row, float]]:
        """The rows whose value is a number, true and false as 1 and 0; empty where another value is among them."""
        values = [row for row in self.rows if not row.why and row.value is not None]
        if not all(isinstance(row.value, int | float) for row in values):
            return []
        return [(row, float(row.value)) for row in values]

    def to_dict(self) -> dict[str, Any]:
        """Return a row a frame, and how many have no value."""
        rows = [{name: getattr(row, name) for name in Row.__slots__} for row in self.rows]
        return {"session_id": self.session_id, "expression": self.expression, "rows": rows, "failed": self.failed}

    def text(self) -> str:
        """Return a line a frame; those without a value say why, and are counted."""
        rows = [
            (
                str(row.frame),
                "  " * row.key.count("/") + row.node,
                paint(printable(row.why), "dim") if row.why else one_line(row.value, 100),
            )
            for row in self.rows
        ]
        lines = [f"{self.session_id}: {self.expression}", table(rows, ("frame", "step", "value"))]
        if self.failed:
            reasons = Counter(row.why for row in self.rows if row.why).most_common(3)
            shown = "; ".join(f"{printable(why)} ({times})" for why, times in reasons)
            lines.append(f"no value in {self.failed} of {counted(len(self.rows), 'frame')}: {shown}")
        return "\n".join(lines)


def print_expression(place: Place, session: str | None, expression: str) -> Printed:
    """Evaluate an expression for every frame; raises UsageError for one that cannot be read (see `core.expression`)."""
    player = place.player(session)
    checked = Expression(expression, NAMES)
    costs = _costs(player) if "cost" in checked.uses else {}
    rows = []
    for number in range(len(player)):
        summary = frame_summary(player, number)
        where = (number, summary["key"], summary["name"])
        try:
            value = checked.evaluate(_names(player, summary, costs, checked.uses))
            rows.append(Row(*where, _as_json(value)))
        except ExpressionError as error:
            rows.append(Row(*where, why=str(error)))
    return Printed(player.session_id, expression, rows)


def _as_json(value: Any) -> Any:
    """Return a value with the numbers that JSON has no form for as text."""
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    too_long = isinstance(value, int) and not -(2**63) <= value < 2**64
    return str(value) if too_long else value


def _costs(player: VCRPlayer) -> dict[int, float | None]:
    entries = CostLedger.of(player).entries
    return {entry.frame: None if entry.cost_usd is None else float(entry.cost_usd) for entry in entries}


def _names(
    player: VCRPlayer, summary: dict[str, Any], costs: dict[int, float | None], uses: frozenset[str]
) -> dict[str, Any]:
    """Return the value of each name for a frame; of the states, only those that are used are read."""
    number = summary["number"]
    names = {name: summary[name] for name in NAMES if name in summary}
    names |= {"frame": number, "node": summary["name"], "cost": costs.get(number)}
    for name in uses & {"input", "output", "state"}:
        names[name] = _state(player, number, name)
    return names


def _state(player: VCRPlayer, number: int, name: str) -> Any:
    """Return a state; where the frame has none, the error that says so when it is used."""
    try:
        return plain(player.state_json(number, "input" if name == "input" else "output"))
    except FrameNotFoundError as error:
        return _state(player, number, "input") if name == "state" else ExpressionError(f"no {name}: {error}")
    except RecordingError as error:
        return ExpressionError(str(error))
