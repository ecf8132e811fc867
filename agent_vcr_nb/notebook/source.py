"""Where the widgets read a run from: the little they ask of it, and its answer from a recording.

A source is asked for summaries and single states only, so a session of any length costs the kernel and the browser
what is on show.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from agent_vcr_nb.core.payload import frame_summary
from agent_vcr_nb.core.player import VCRPlayer


class Source(Protocol):
    """A run that widgets can show."""

    @property
    def session_id(self) -> str:
        """Name of the session."""

    @property
    def count(self) -> int:
        """Number of frames known."""

    def summaries(self, start: int, stop: int | None = None) -> list[dict[str, Any]]:
        """Return what a list shows of frames start..stop-1, in the shape of `core.payload.frame_summary`."""

    def state(self, number: int, side: str) -> str:
        """Return the encoded ``input`` or ``output`` state as JSON text; raises VCRError when there is none."""

    def refresh(self) -> int:
        """Take in what was written since; returns how many frames came, ended or failed."""


class PlayerSource:
    """A recording, finished or still being written, as the widgets read it."""

    def __init__(self, player: VCRPlayer) -> None:
        self.player = player

    @property
    def session_id(self) -> str:
        """Name of the session."""
        return self.player.session_id

    @property
    def count(self) -> int:
        """Number of frames known."""
        return len(self.player)

    def summaries(self, start: int, stop: int | None = None) -> list[dict[str, Any]]:
        """Return the summaries of frames start..stop-1; stop None means all from start."""
        end = self.count if stop is None else min(stop, self.count)
        return [frame_summary(self.player, number) for number in range(start, end)]

    def state(self, number: int, side: str) -> str:
        """Return the encoded state as JSON text; raises VCRError when the frame has none (failed, running)."""
        return orjson.dumps(self.player.state_json(number, side)).decode()

    def refresh(self) -> int:
        """Take in what was written since; returns how many frames came, ended or failed."""
        return self.player.refresh()
