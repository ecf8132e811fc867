"""A run in memory that the widgets can show, small enough to know by heart."""

from __future__ import annotations

import json
from typing import Any

from agent_vcr_nb.core.errors import FrameNotFoundError


def summary(number: int, **changes: Any) -> dict[str, Any]:
    """Return the summary of a plain frame, with some values changed."""
    return {
        "number": number,
        "key": f"step#{number}",
        "name": "step",
        "type": "node",
        "status": "ok",
        "provenance": "live",
        "parent": None,
        "depth": 0,
        "start_ms": number * 10.0,
        "latency_ms": 8.04,
        "error": None,
        **changes,
    }


class Run:
    """A source whose frames the test adds and ends by hand."""

    session_id = "run"
    origin = ""

    def __init__(self, count: int = 3) -> None:
        self.frames = [summary(number) for number in range(count)]
        self.states: dict[tuple[int, str], Any] = {}
        self.news = 0
        self.asked: list[tuple[int, str]] = []

    @property
    def count(self) -> int:
        return len(self.frames)

    def summaries(self, start: int, stop: int | None = None) -> list[dict[str, Any]]:
        return self.frames[start:stop]

    def state(self, number: int, side: str) -> str:
        self.asked.append((number, side))
        if (number, side) in self.states:
            return json.dumps(self.states[number, side])
        if self.frames[number]["status"] == "error" and side == "output":
            raise FrameNotFoundError(f"frame {number} has no output state: it failed")
        return json.dumps({"number": number, "side": side})

    def writers(self, path: str) -> list[dict[str, Any]]:
        return [{"frame": 1, "key": "step#1", "op": "replace", "side": "output"}]

    def sessions(self) -> list[dict[str, str]]:
        return [{"session": "other", "words": "its parent, ok, 3 frames"}]

    def same_step(self, number: int, side: str, session: str) -> tuple[str, str]:
        if number == 0:
            raise FrameNotFoundError(f"session {session!r} has no frame 'step#0'")
        return json.dumps({"number": number, "side": side, "session": session}), f"{session} · frame {number}"

    def refresh(self) -> int:
        came, self.news = self.news, 0
        return came

    def add(self, **changes: Any) -> None:
        self.frames.append(summary(self.count, **changes))
        self.news += 1

    def end(self, number: int, **changes: Any) -> None:
        self.frames[number] = {**self.frames[number], "status": "ok", **changes}
        self.news += 1


def messages(widget: Any) -> list[dict[str, Any]]:
    """Let a widget keep what it sends, in the list that is returned."""
    kept: list[dict[str, Any]] = []
    widget.send = lambda content, buffers=None: kept.append(content)
    return kept
