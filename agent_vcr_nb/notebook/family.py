"""The ledgers of a session and of all sessions that stem from the same one: what a session, and a branch, cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_vcr_nb.core.ledger import CostLedger
from agent_vcr_nb.core.lineage import Branch, SessionInfo, lineage
from agent_vcr_nb.core.player import VCRPlayer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Member:
    """One session of a tree of forks."""

    session: str
    depth: int
    """Forks between the oldest session and this one."""
    ledger: CostLedger
    below: tuple[str, ...]
    """Itself and every session that stems from it."""


class Ledgers:
    """Reads the ledgers of sessions, each again only when its file has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], CostLedger]] = {}

    def of(self, info: SessionInfo) -> CostLedger:
        """Return a session's ledger; raises RecordingError for a file that cannot be read."""
        stat = info.path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._known.get(info.path)
        if known is None or known[0] != stamp:
            player = VCRPlayer.load(info.path)
            try:
                known = self._known[info.path] = (stamp, CostLedger.of(player))
            finally:
                player.recording.close()
        return known[1]


class Family:
    """Reads the ledgers of a tree of forks."""

    def __init__(self) -> None:
        self._ledgers = Ledgers()

    def of(self, directory: Path, session: str) -> list[Member]:
        """Return a session's tree of forks, each session below the one that it was forked from.

        A session that cannot be read has no ledger and is left out. Raises SessionNotFoundError.
        """
        return [member for branch in lineage(directory, session) for member in self._members(branch, 0)]

    def _members(self, branch: Branch, depth: int) -> Iterator[Member]:
        if branch.info.outcome != "unreadable":
            ledger = self._ledgers.of(branch.info)
            yield Member(branch.info.session_id, depth, ledger, tuple(_names(branch)))
        for fork in branch.forks:
            yield from self._members(fork, depth + 1)


def _names(branch: Branch) -> Iterator[str]:
    yield branch.info.session_id
    for fork in branch.forks:
        yield from _names(fork)


def rows_of(members: list[Member], by: str) -> pd.DataFrame:
    """Return a row a call and group: ``session`` groups are apart, a ``branch`` holds its session and all forks below.

    The sum of the sessions counts every call that was made once; branches lie inside each other.
    """
    import pandas as pd

    tables = {member.session: member.ledger.to_pandas() for member in members}
    parts = []
    for member in members:
        inside = member.below if by == "branch" else (member.session,)
        parts += [tables[name].assign(group=member.session) for name in inside if len(tables.get(name, ()))]
    if not parts:
        return CostLedger("", []).to_pandas().assign(group="")
    return pd.concat(parts, ignore_index=True)
