"""Tokens, money and time of a session, with what ran live kept apart from what a replay saved.

A frame inside another one counts once: where a step and the calls inside it both tell their tokens, the calls count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.frame import FrameMetadata
from agent_vcr_nb.core.pricing import load_prices, price_of

if TYPE_CHECKING:
    import pandas as pd

    from agent_vcr_nb.core.player import VCRPlayer


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame that used a model."""

    frame: int
    key: str
    node_name: str
    provenance: str
    model: str | None
    tokens: int | None
    """All tokens, or None when the recording does not say."""
    tokens_input: int | None
    tokens_output: int | None
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    cost_usd: Decimal | None
    """What the provider said, or tokens times price; None when unknown."""
    latency_ms: float | None

    @property
    def live(self) -> bool:
        """True when the call was really made."""
        return self.provenance in ("live", "edited")


@dataclass(slots=True)
class Totals:
    """A sum over entries."""

    calls: int = 0
    tokens: int = 0
    """Of the calls whose tokens are known."""
    cost_usd: Decimal = field(default_factory=Decimal)
    """Of the calls whose cost is known."""
    latency_ms: float = 0.0
    unknown_tokens: int = 0
    """Calls whose tokens are not known, and so not in the sum."""
    unknown_cost: int = 0
    """Calls whose cost is not known, and so not in the sum."""

    def add(self, entry: Entry) -> None:
        """Take in one entry."""
        self.calls += 1
        self.tokens += entry.tokens or 0
        self.unknown_tokens += entry.tokens is None
        self.cost_usd += entry.cost_usd or Decimal(0)
        self.unknown_cost += entry.cost_usd is None
        self.latency_ms += entry.latency_ms or 0.0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def to_dict(self) -> dict[str, Any]:
        """Return the sums as JSON-ready values; the cost is a string, to keep its digits."""
        return {
            "calls": self.calls,
            "tokens": self.tokens,
            "cost_usd": str(self.cost_usd),
            "latency_ms": round(self.latency_ms, 3),
            "unknown_tokens": self.unknown_tokens,
            "unknown_cost": self.unknown_cost,
        }


@dataclass(slots=True)
class CostLedger:
    """The ledger of one session."""

    session_id: str
    entries: list[Entry]
    live: Totals = field(default_factory=Totals)
    """What was really spent in this session: of a fork, what it cost beyond its parent."""
    saved: Totals = field(default_factory=Totals)
    """What the replayed and mocked frames had cost when they ran: not spent again."""

    @classmethod
    def of(cls, player: VCRPlayer) -> CostLedger:
        """Return the ledger of a session; raises UsageError when its folder's ``prices.json`` cannot be read."""
        own = load_prices(player.recording.path.parent)
        ledger = cls(player.session_id, [])
        for number, known in counted_once(player):
            head = player.head(number)
            cost = Decimal(str(known.cost_usd)) if known.cost_usd is not None else price_of(known, own)
            entry = Entry(
                number,
                str(head.get("key", "")),
                str(head.get("node_name", "")),
                str(head.get("provenance", "live")),
                known.model,
                known.tokens,
                known.tokens_input,
                known.tokens_output,
                known.tokens_cache_read,
                known.tokens_cache_write,
                known.tokens_reasoning,
                cost,
                known.latency_ms,
            )
            ledger.entries.append(entry)
            (ledger.live if entry.live else ledger.saved).add(entry)
        return ledger

    @property
    def whole(self) -> Totals:
        """What the run costs when all of it runs live."""
        return self.live + self.saved

    @property
    def saved_percent(self) -> float | None:
        """Share of the cost that was not spent again; None when no cost is known."""
        whole = self.whole.cost_usd
        return float(100 * self.saved.cost_usd / whole) if whole else None

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as JSON-ready values."""
        entries = [
            {**{name: getattr(e, name) for name in Entry.__slots__}, "cost_usd": _text(e.cost_usd)}
            for e in self.entries
        ]
        return {
            "session_id": self.session_id,
            "live": self.live.to_dict(),
            "saved": self.saved.to_dict(),
            "saved_percent": self.saved_percent,
            "entries": entries,
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame, a row an entry; an unknown cost or count is missing, not 0."""
        import pandas as pd

        rows = [{name: getattr(entry, name) for name in Entry.__slots__} for entry in self.entries]
        frame = pd.DataFrame(rows, columns=list(Entry.__slots__))
        counts = [name for name in frame.columns if name.startswith("tokens")]
        frame[counts] = frame[counts].astype("Int64")
        frame["cost_usd"] = frame["cost_usd"].astype("float64")
        return frame


def counted_once(player: VCRPlayer) -> list[tuple[int, FrameMetadata]]:
    """Return the frames that used a model, so that what they tell can be summed.

    Of a step that tells its tokens or cost and the calls inside it that tell theirs, the calls count. A call that tells
    nothing is part of a step around it that does; without such a step it counts as a call of unknown tokens and cost.
    """
    parents = [player.head(n).get("parent") for n in range(len(player))]
    figures = [FrameMetadata.from_dict(dict(player.head(n).get("metadata") or {})) for n in range(len(player))]
    telling = {n for n, f in enumerate(figures) if f.tokens is not None or f.cost_usd is not None}
    covered = {outer for n in telling for outer in _around(n, parents)}
    counted = telling - covered
    silent = [n for n, head in enumerate(map(player.head, range(len(player)))) if head.get("frame_type") == "llm"]
    for n in reversed([n for n in silent if n not in telling]):  # inner calls before the steps around them
        around = _around(n, parents)
        if n not in covered and not counted.intersection(around):
            counted.add(n)
            covered.update(around)
    return [(n, figures[n]) for n in sorted(counted)]


def _around(number: int, parents: list[int | None]) -> list[int]:
    """Return the frames that a frame ran inside, innermost first."""
    found: list[int] = []
    outer = parents[number]
    while outer is not None and 0 <= outer < len(parents) and outer not in found:
        found.append(outer)
        outer = parents[outer]
    return found


def _text(cost: Decimal | None) -> str | None:
    return None if cost is None else str(cost)
