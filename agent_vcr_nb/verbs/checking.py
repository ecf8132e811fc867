"""The verb `check`: a run held against a golden one, as CI asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from agent_vcr_nb.core.divergence import FramePair, align, first_divergence
from agent_vcr_nb.core.errors import CannotCompareError, UsageError
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.ledger import CostLedger, Totals
from agent_vcr_nb.core.payload import frame_summary
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.frames import SAID, first_change, two_sessions
from agent_vcr_nb.verbs.text import counted, outcome, printable

SHOWN = 20
"""Differing steps that the text lists."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found."""

    golden: str
    session: str
    pairs: list[FramePair]
    new_errors: list[dict[str, Any]]
    """Steps that failed in the run and not in the golden one: frame, key, error."""
    before: Totals
    """Tokens and money of the golden run's calls, as if all had been made."""
    after: Totals
    too_expensive: str
    """How much more the run cost than allowed, in words; empty when it did not, or when any cost is allowed."""

    @property
    def first(self) -> FramePair | None:
        """The first step that differs."""
        return first_divergence(self.pairs)

    @property
    def differing(self) -> list[FramePair]:
        """The steps that differ."""
        return [pair for pair in self.pairs if pair.verdict != "same"]

    @property
    def exit_code(self) -> int:
        """1 for a regression: a step that differs, or a cost that is too high."""
        return 1 if self.differing or self.too_expensive else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict, the steps that differ, new errors, and both sides' tokens and money."""
        return {
            "golden": self.golden,
            "session": self.session,
            "same": self.exit_code == 0,
            "steps": dict(Counter(pair.verdict for pair in self.pairs)),
            "first_divergence": self.first.to_dict() if self.first else None,
            "differing": [pair.to_dict() for pair in self.differing],
            "new_errors": self.new_errors,
            "golden_totals": self.before.to_dict(),
            "session_totals": self.after.to_dict(),
            "too_expensive": self.too_expensive,
        }

    def text(self) -> str:
        """Return the verdict and what it rests on."""
        counts = Counter(pair.verdict for pair in self.pairs)
        differ = counts["input"] + counts["output"] + counts["outcome"]
        verdict = outcome("error").replace("error", "regression") if self.exit_code else f"{outcome('ok')}, the same"
        lines = [
            f"{self.session} against {self.golden}: {verdict}",
            f"  steps: {counts['same']:,} the same, {differ:,} differ, "
            f"{counts['only_a']:,} only in {self.golden}, {counts['only_b']:,} only in {self.session}",
        ]
        if self.first is not None:
            lines.append(f"  first divergence: {_in_words(self.first)}")
        lines += [f"    {_in_words(pair)}" for pair in self.differing[:SHOWN] if pair is not self.first]
        if len(self.differing) > SHOWN:
            lines.append(f"    … and {counted(len(self.differing) - SHOWN, 'step')} more")
        lines += [f"  new error: {e['key']} (frame {e['frame']}): {printable(e['error'])}" for e in self.new_errors]
        lines.append(f"  cost: {_change(self.before.cost_usd, self.after.cost_usd, '$')}{self._unknown()}")
        lines.append(f"  tokens: {_change(self.before.tokens, self.after.tokens)}")
        if self.too_expensive:
            lines.append(f"  {self.too_expensive}")
        return "\n".join(lines)

    def _unknown(self) -> str:
        unknown = (self.before.unknown_cost, self.after.unknown_cost)
        return f", without calls of unknown cost ({unknown[0]} → {unknown[1]})" if any(unknown) else ""


def check(
    place: Place,
    session: str | None,
    *,
    against: str | None = None,
    ignore: Sequence[str] = (),
    max_cost_increase: int | None = None,
) -> Checked:
    """Hold a run against a golden one, step by step; whatever differs is a regression, but what is to be ignored.

    Raises CannotCompareError for a run that is damaged, did not come to its end or shares no step with the other, and
    for a limit of cost where a cost is unknown.
    """
    name = session or place.session
    if against is None:
        try:
            against, name = two_sessions(replace(place, session=None), name or "")
        except UsageError as error:
            raise UsageError(f"against which golden run? Name it with --against ({error})") from error
    golden, run = place.player(against), place.player(name)
    for player in (golden, run):
        _check_whole(player)
    pairs = align(golden.recording, run.recording, ignore=ignore)
    _check_readable(pairs)
    if all(pair.a is None or pair.b is None for pair in pairs):
        raise CannotCompareError(
            f"{golden.session_id} and {run.session_id} share no step: they are runs of different agents, "
            f"or the step around everything was renamed ({pairs[0].key} and {pairs[-1].key})"
        )
    before, after = CostLedger.of(golden).whole, CostLedger.of(run).whole
    too_expensive = "" if max_cost_increase is None else _over(golden, run, before, after, max_cost_increase)
    return Checked(golden.session_id, run.session_id, pairs, _new_errors(pairs, run), before, after, too_expensive)


def _check_whole(player: VCRPlayer) -> None:
    """Raise CannotCompareError for a run that is not there from its first to its last step."""
    if not len(player):
        raise CannotCompareError(f"{player.session_id} has no frames: nothing was recorded")
    for number in range(len(player)):
        status = player.head(number).get("status")
        if status == Status.DAMAGED:
            raise CannotCompareError(f"{player.session_id} frame {number} is damaged: `vcr verify` tells more")
        if status == Status.RUNNING:
            raise CannotCompareError(f"{player.session_id} frame {number} has not ended: it runs, or it was killed")


def _check_readable(pairs: list[FramePair]) -> None:
    """Raise CannotCompareError where the state of a step cannot be read."""
    for pair in pairs:
        if pair.verdict == "damaged":
            raise CannotCompareError(f"{_in_words(pair)}: `vcr verify` tells more")


def _new_errors(pairs: list[FramePair], run: VCRPlayer) -> list[dict[str, Any]]:
    found = []
    for pair in pairs:
        if pair.b is None or pair.verdict not in ("outcome", "only_b"):
            continue
        summary = frame_summary(run, pair.b)
        if summary["status"] == Status.ERROR:
            found.append({"frame": pair.b, "key": pair.key, "error": summary["error"]})
    return found


def _over(golden: VCRPlayer, run: VCRPlayer, before: Totals, after: Totals, allowed: int) -> str:
    """Return how much more the run cost than allowed, in words, or nothing."""
    for player, totals in ((golden, before), (run, after)):
        if totals.unknown_cost:
            raise CannotCompareError(
                f"{player.session_id}: the cost of {counted(totals.unknown_cost, 'call')} is unknown, so "
                "--max-cost-increase cannot be checked. Give prices in prices.json, or leave it out"
            )
    limit = before.cost_usd * (100 + allowed) / 100
    if after.cost_usd <= limit:
        return ""
    return f"too expensive: ${after.cost_usd} is more than the ${limit.normalize():f} allowed (+{allowed} %)"


def _in_words(pair: FramePair) -> str:
    frames = " → ".join(str(number) for number in (pair.a, pair.b) if number is not None)
    change = first_change(pair)
    return f"{pair.key} (frame {frames}): {SAID[pair.verdict]}{f', {change}' if change else ''}"


def _change(before: Decimal | int, after: Decimal | int, unit: str = "") -> str:
    if before == after:
        return f"{unit}{after:,}"
    percent = f" ({float(100 * (after - before) / before):+.1f} %)" if before else ""
    return f"{unit}{before:,} → {unit}{after:,}{percent}"
