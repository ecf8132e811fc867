"""The verb `replay`: a whole run again from its recording, and what that saved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.frame import FrameMetadata
from agent_vcr_nb.core.ghost import replay
from agent_vcr_nb.core.ledger import CostLedger, Totals
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.integrations.installing import install
from agent_vcr_nb.verbs.agents import find_agent
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.text import counted, milliseconds, one_line, outcome, printable


@dataclass(frozen=True, slots=True)
class ReplayedRun:
    """What `replay` did."""

    session_id: str
    served: tuple[int, ...]
    """Frames whose steps were served; what ran inside them is served with them."""
    saved: Totals
    """Tokens and money of the recorded calls, none of which was made again."""
    recorded_ms: float
    """How long the served steps had taken when they ran."""
    replay_ms: float
    error: str | None
    """What the agent raised, as it had when it was recorded."""
    result: Json

    @property
    def exit_code(self) -> int:
        """1 when the recorded run had failed, and so does its replay."""
        return 1 if self.error else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "served": list(self.served),
            "saved": self.saved.to_dict(),
        }

    def text(self) -> str:
        """Return what was served, what it saved, and how the agent ended."""
        saved = self.saved
        money = f"${saved.cost_usd:.6f}".rstrip("0").rstrip(".")
        lines = [
            f"{self.session_id}: replayed, {counted(len(self.served), 'step')} served from the recording, 0 executed",
            f"  saved: {money} and {counted(saved.tokens, 'token')} in {counted(saved.calls, 'model call')}"
            + (f" ({saved.unknown_cost} of unknown cost)" if saved.unknown_cost else ""),
            f"  time: {self._time()}",
        ]
        if self.error:
            lines.append(f"  {outcome('error')} as recorded: {printable(self.error)}")
        else:
            lines.append(f"  {outcome('ok')}")
        if self.error is None and self.result is not None:
            lines.append(f"  result: {one_line(self.result, 200)}")
        return "\n".join(lines)

    def _time(self) -> str:
        """Return how long it took; beside steps that took next to nothing, starting the agent is what takes time."""
        if self.replay_ms < self.recorded_ms:
            return f"{milliseconds(self.replay_ms)} instead of {milliseconds(self.recorded_ms)}"
        return f"{milliseconds(self.replay_ms)}; the steps themselves had taken {milliseconds(self.recorded_ms)}"


def replay_run(
    place: Place, session: str | None, *, agent: str | None = None, volatile: Sequence[str] = ()
) -> ReplayedRun:
    """Run the agent again with every step served; raises StaleRecordingError where it asks for anything else."""
    player = place.player(session)
    install()
    runner = find_agent(place, agent, player.recording)
    began = time.perf_counter()
    outcome_of = replay(player.recording, runner, volatile=volatile, recorder=place.recorder)
    replay_ms = (time.perf_counter() - began) * 1000
    error = outcome_of.error
    return ReplayedRun(
        player.session_id,
        outcome_of.served,
        CostLedger.of(player).whole,
        sum(_latency(player, number) for number in outcome_of.served),
        round(replay_ms, 3),
        f"{type(error).__name__}: {error}" if error else None,
        VCRPlayer.recorded_value(outcome_of.result),
    )


def _latency(player: VCRPlayer, number: int) -> float:
    return FrameMetadata.from_dict(dict(player.head(number).get("metadata") or {})).latency_ms or 0.0
