"""The verb `ledger`: what one session spent, call by call, or what all of a folder spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.ledger import CostLedger, Totals
from agent_vcr_nb.core.lineage import session_ids
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.sessions import LedgerShown, sum_in_words
from agent_vcr_nb.verbs.sessions import ledger as of_session
from agent_vcr_nb.verbs.text import counted, money, table


@dataclass(slots=True)
class Spending:
    """What the sessions of a folder spent; a fork counts with what it cost beyond its parent."""

    ledgers: list[CostLedger] = field(default_factory=list)
    """Of the sessions that used a model, the newest first."""
    live: Totals = field(default_factory=Totals)
    saved: Totals = field(default_factory=Totals)
    sessions: int = 0
    unreadable: int = 0
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the sums of each session and of all."""
        each = [
            {"session_id": one.session_id, "live": one.live.to_dict(), "saved": one.saved.to_dict()}
            for one in self.ledgers
        ]
        sums = {"live": self.live.to_dict(), "saved": self.saved.to_dict()}
        return {"sessions": each, **sums, "unreadable": self.unreadable}

    def text(self) -> str:
        """Return a line a session that used a model, and the sums."""
        if not self.sessions:
            return "no sessions"
        rows = [
            (one.session_id, f"{one.live.calls:,}", f"{one.live.tokens:,}", money(one.live), money(one.saved))
            for one in self.ledgers
        ]
        lines = [table(rows, ("session", "calls", "tokens", "spent", "saved")), ""] if rows else []
        lines += [sum_in_words("spent (live)", self.live), sum_in_words("saved (replayed, mocked)", self.saved)]
        without = self.sessions - len(self.ledgers) - self.unreadable
        if without:
            lines.append(f"{counted(without, 'session')} used no model")
        if self.unreadable:
            lines.append(f"{counted(self.unreadable, 'session')} cannot be read: vcr verify tells more")
        return "\n".join(lines)


def ledger(place: Place, session: str | None = None) -> LedgerShown | Spending:
    """Show tokens and money by call, or where no session is meant by session; what ran live and was saved apart."""
    if session is not None or place.session is not None:
        return of_session(place, session)
    spending = Spending()
    for name in session_ids(place.directory):
        spending.sessions += 1
        try:
            one = CostLedger.of(place.player(str(name)))
        except RecordingError:
            spending.unreadable += 1
            continue
        if one.entries:
            spending.ledgers.append(one)
        spending.live += one.live
        spending.saved += one.saved
    return spending
