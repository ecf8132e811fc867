"""The frames of a source as the scrubber's browser side takes them: numbered batches of short rows.

A batch says at which frame it starts. A view that finds a gap, or is new, says how many frames it has and gets the
rest; so a message that is lost costs nothing. The shapes are described in widgets/src/shared/types.js.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from agent_vcr_nb.notebook.source import Source

TYPES = ("node", "tool", "llm", "error", "checkpoint")
STATUSES = ("ok", "error", "running", "damaged")
PROVENANCES = ("live", "replayed", "edited", "mocked")
BATCH = 2000
"""Frames in one message: about 50 kB, so that 10,000 frames show from the first fifth on."""
DETAILS = 400
"""Most frames whose names and errors are told at once."""
ERROR_CHARACTERS = 2000

Row: TypeAlias = list[Any]


class News(NamedTuple):
    """What a look at the source brought."""

    first: int
    """Number of the first new frame."""
    rows: list[Row]
    changed: list[tuple[int, Row]]
    """Frames that were running when they were told, as they are now."""


class FrameFeed:
    """Reads a source once and remembers what was told of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows: list[Row] = []
        self._running: set[int] = set()
        self.look(refresh=False)

    def look(self, *, refresh: bool = True) -> News:
        """Return what is new in the source."""
        arrived = self.source.refresh() if refresh else 1
        first = len(self.rows)
        changed: list[tuple[int, Row]] = []
        if arrived:
            for number in sorted(self._running):
                row = row_of(self.source.summaries(number, number + 1)[0])
                if row != self.rows[number]:
                    self.rows[number] = row
                    changed.append((number, row))
            self.rows += [row_of(summary) for summary in self.source.summaries(first)]
            running = STATUSES.index("running")
            told = [*self._running, *range(first, len(self.rows))]
            self._running = {number for number in told if self.rows[number][1] == running}
        return News(first, self.rows[first:], changed)

    def batches(self, have: int) -> Iterator[tuple[int, list[Row]]]:
        """Yield (number of the first frame, rows) from frame `have` on; one empty batch when there is none."""
        yield have, self.rows[have : have + BATCH]
        for at in range(have + BATCH, len(self.rows), BATCH):
            yield at, self.rows[at : at + BATCH]

    def details(self, at: int, stop: int) -> list[dict[str, Any]]:
        """Return the words of frames at..stop-1 that the source has, of no more than `DETAILS` of them."""
        first = max(0, at)
        last = min(stop, first + DETAILS, len(self.rows))
        return [detail_of(summary) for summary in self.source.summaries(first, last)]


def row_of(summary: dict[str, Any]) -> Row:
    """Return [type, status, provenance, depth, start_ms, latency_ms] of a frame's summary."""
    return [
        _index(TYPES, summary["type"]),
        _index(STATUSES, summary["status"]),
        _index(PROVENANCES, summary["provenance"]),
        summary["depth"],
        _rounded(summary["start_ms"]),
        _rounded(summary["latency_ms"]),
    ]


def detail_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the words that are shown of a frame."""
    error = summary["error"]
    shown = error if error is None or len(error) <= ERROR_CHARACTERS else f"{error[:ERROR_CHARACTERS]}…"
    return {"number": summary["number"], "key": summary["key"], "name": summary["name"], "error": shown}


def title_of(summary: dict[str, Any]) -> str:
    """Return a frame in one line: number, key, type, and what is unusual about it."""
    unusual = [word for word in (summary["status"], summary["provenance"]) if word not in ("ok", "live")]
    return " · ".join([f"frame {summary['number']}", summary["key"], summary["type"], *unusual])


def _index(words: tuple[str, ...], word: str) -> int:
    return words.index(word) if word in words else -1


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)
