"""A recorded session as the widgets ask for it."""

from __future__ import annotations

from typing import Any

import orjson

from agent_vcr_nb.core.payload import frame_summary
from agent_vcr_nb.core.player import VCRPlayer


class PlayerSource:
    """Gives widgets the frames of a session, a window at a time, and states as JSON text."""

    def __init__(self, player: VCRPlayer) -> None:
        self.player = player

    @property
    def session_id(self) -> str:
        """Name of the session."""
        return self.player.recording.session_id

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
