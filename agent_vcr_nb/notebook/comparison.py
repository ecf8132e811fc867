"""Two sessions side by side, as ``%vcr diff`` tells it, with their end states and what each spent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import click

from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError
from agent_vcr_nb.core.ledger import CostLedger, Totals
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.core.query import deep_changes
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.frames import RunDiff, changes_text, diff
from agent_vcr_nb.verbs.text import counted

VERDICTS = {
    "input": "given another input",
    "output": "with another output",
    "outcome": "with another outcome",
    "only_a": "only in {a}",
    "only_b": "only in {b}",
    "damaged": "damaged in one of them",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What parts two sessions."""

    a: str
    b: str
    summary: str
    """One line: how many steps differ and how, and what each spent."""
    steps: str
    """The first divergence and a line a step, as the verb ``diff`` says it."""
    states: str
    """What differs between the states at the end."""
    frame: int | None
    """The first frame of `b` that differs; None when none does, or it is not in `b`."""

    def text(self) -> str:
        """Return all of it."""
        return f"{self.summary}\n\n{self.steps}\n\nstate at the end, from {self.a} to {self.b}\n{self.states}"


def compare(place: Place, a: str, b: str) -> Comparison:
    """Compare two sessions of a folder; raises SessionNotFoundError."""
    told = diff(place, a, b)
    assert isinstance(told, RunDiff)  # two names of sessions
    one, other = place.player(a), place.player(b)
    money = f"{a} spent {spent(CostLedger.of(one).live)}, {b} {spent(CostLedger.of(other).live)}"
    return Comparison(
        a,
        b,
        f"{_counts(told)} · {money}",
        click.unstyle(told.text()),
        click.unstyle(changes_text(deep_changes(_end(one), _end(other)))),
        told.first.b if told.first else None,
    )


def _counts(told: RunDiff) -> str:
    verdicts = Counter(pair.verdict for pair in told.pairs)
    names = {"a": told.a, "b": told.b}
    parts = [f"{verdicts[name]} {words.format_map(names)}" for name, words in VERDICTS.items() if verdicts[name]]
    return f"of {counted(len(told.pairs), 'step')} {verdicts['same']} the same" + "".join(f", {part}" for part in parts)


def _end(player: VCRPlayer) -> dict[str, object]:
    """Return the state at a session's end as it is stored: of a step that failed, the one it failed on."""
    last = len(player) - 1
    for side in ("output", "input"):
        try:
            tree = player.state_json(last, side)
        except (FrameNotFoundError, RecordingError):
            continue
        return tree if isinstance(tree, dict) else {"state": tree}
    return {}


def spent(total: Totals) -> str:
    """Return a sum of money in words: what is unknown is said to be."""
    if total.calls == 0:
        return "nothing on models"
    if total.unknown_cost == total.calls:
        return f"an unknown sum ({counted(total.calls, 'call')})"
    unknown = (
        f" and {total.unknown_cost} of {counted(total.calls, 'call')} of unknown cost" if total.unknown_cost else ""
    )
    return f"${total.cost_usd:.6f}{unknown}"
