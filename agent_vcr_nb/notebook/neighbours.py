"""The other sessions of a folder, for comparing a step with the same step elsewhere."""

from __future__ import annotations

from pathlib import Path

from agent_vcr_nb.core.journal import session_path
from agent_vcr_nb.core.lineage import SessionInfo, session_ids, session_info
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.verbs.text import counted

OFFERED = 100
"""Sessions that are offered: the parent, then the newest."""


class Neighbours:
    """Opens the sessions of a folder, and keeps the one that was asked for last."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._last: VCRPlayer | None = None
        self._numbers: dict[str, int] = {}

    def beside(self, player: VCRPlayer) -> list[dict[str, str]]:
        """Return {"session", "words"} of the other sessions: the parent, then forks of this one, then the newest."""
        session = player.session
        parent = session.parent_session_id
        names = [name for name in session_ids(self.directory) if name != session.session_id]
        if parent in names:
            names.insert(0, names.pop(names.index(parent)))
        infos = [session_info(session_path(self.directory, name)) for name in names[:OFFERED]]
        kept = [info for info in infos if info.outcome != "unreadable"]
        kept.sort(key=lambda info: (info.session_id != parent, info.parent_session_id != session.session_id))
        return [{"session": info.session_id, "words": _words(info, session.session_id, parent)} for info in kept]

    def player(self, session: str) -> VCRPlayer:
        """Return a session as it is now; raises SessionNotFoundError that names those there are."""
        if self._last is None or self._last.session_id != session:
            self._last, self._numbers = VCRPlayer.load_by_id(session, self.directory), {}
        elif self._last.refresh():
            self._numbers = {}
        return self._last

    def number_of(self, player: VCRPlayer, key: str) -> int | None:
        """Return the number of the frame with a key in what `player` returned, or None."""
        if not self._numbers:
            self._numbers = {str(player.head(number).get("key")): number for number in range(len(player))}
        return self._numbers.get(key)


def words_of_origin(player: VCRPlayer) -> str:
    """Return where a session comes from, as "forked from X before frame 3"; empty for one of its own."""
    session = player.session
    if session.parent_session_id is None:
        return ""
    where = "" if session.forked_from_frame is None else f" before frame {session.forked_from_frame}"
    return f"forked from {session.parent_session_id}{where}"


def _words(info: SessionInfo, session: str, parent: str | None) -> str:
    if info.session_id == parent:
        relation = ["its parent"]
    elif info.parent_session_id == session:
        relation = [f"forked from it before frame {info.forked_from_frame}"]
    else:
        relation = []
    return ", ".join([*relation, info.outcome, counted(info.frames, "frame")])
