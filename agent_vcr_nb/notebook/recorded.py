"""A recorded session as the widgets ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import orjson

from agent_vcr_nb.core.errors import FrameNotFoundError, UsageError
from agent_vcr_nb.core.payload import frame_summary
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.notebook.feed import title_of
from agent_vcr_nb.notebook.neighbours import Neighbours, words_of_origin
from agent_vcr_nb.notebook.source import Source

Run: TypeAlias = "Source | VCRPlayer | str | Path"
"""What a widget may be given to show: a session's id, the path of its file, a player, or a source."""


def source_of(run: Run) -> Source:
    """Return what widgets read a run from: of a session's id, the path of its file, or a player; a source as it is.

    Raises SessionNotFoundError, RecordingError, and UsageError for anything else.
    """
    if isinstance(run, str) and not run.endswith(".vcr"):
        return PlayerSource(VCRPlayer.load_by_id(run))
    if isinstance(run, str | Path):
        return PlayerSource(VCRPlayer.load(run))
    if isinstance(run, VCRPlayer):
        return PlayerSource(run)
    if hasattr(run, "session_id") and hasattr(run, "summaries"):
        return run  # a Source
    raise UsageError(f"{run!r} is no run to show: expected a session's id, the path of a .vcr file, or a VCRPlayer")


class PlayerSource:
    """Gives widgets the frames of a session, a window at a time, and states as JSON text."""

    def __init__(self, player: VCRPlayer) -> None:
        self.player = player
        self._neighbours = Neighbours(player.recording.path.parent)

    @property
    def session_id(self) -> str:
        """Name of the session."""
        return self.player.recording.session_id

    @property
    def origin(self) -> str:
        """Where the session comes from, in words; empty for one of its own."""
        return words_of_origin(self.player)

    @property
    def count(self) -> int:
        """Number of frames that are known."""
        return len(self.player)

    def refresh(self) -> int:
        """Take in what was written since; returns the number of frames that came, ended or failed."""
        return self.player.refresh()

    def summaries(self, start: int, stop: int | None = None) -> list[dict[str, Any]]:
        """Return what a list shows of the frames from `start` up to `stop`."""
        return [
            frame_summary(self.player, n) for n in range(start, min(self.count, self.count if stop is None else stop))
        ]

    def writers(self, path: str) -> list[dict[str, Any]]:
        """Return every frame that changed the value at a JSON Pointer; raises UsageError where there never was one."""
        return [
            {"frame": change.frame, "key": change.key, "op": change.op, "side": change.side}
            for change in self.player.when(path)
        ]

    def state(self, number: int, side: str) -> str:
        """Return the ``input`` or ``output`` state as JSON text; raises VCRError where there is none."""
        return orjson.dumps(self.player.state_json(number, side)).decode()

    def sessions(self) -> list[dict[str, str]]:
        """Return name and words of the folder's other sessions, the parent first."""
        return self._neighbours.beside(self.player)

    def same_step(self, number: int, side: str, session: str) -> tuple[str, str]:
        """Return state text and title of the frame of the same key in another session; raises VCRError if none is."""
        key = str(self.player.head(number)["key"])
        other = self._neighbours.player(session)
        found = self._neighbours.number_of(other, key)
        if found is None:
            raise FrameNotFoundError(
                f"session {session!r} has no frame {key!r}: it went another way, or stopped before"
            )
        title = f"{session} · {title_of(frame_summary(other, found))}"
        return orjson.dumps(other.state_json(found, side)).decode(), title
