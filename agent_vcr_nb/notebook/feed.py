"""The frames of a source as the scrubber's browser side takes them: numbered batches of short rows.

A batch says at which frame it starts. A view that finds a gap, or is new, says how many frames it has and gets the
rest; so a message that is lost costs nothing. The shapes are described in widgets/src/shared/types.js.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from agent_vcr_nb.core.errors import Cancelled
from agent_vcr_nb.notebook.source import Source

TYPES = ("node", "tool", "llm", "error", "checkpoint")
STATUSES = ("ok", "error", "running", "damaged", "cancelled")
ERROR, RUNNING = STATUSES.index("error"), STATUSES.index("running")
PROVENANCES = ("live", "replayed", "edited", "mocked")
BATCH = 2000
"""Frames in one message: about 50 kB, so that 10,000 frames show from the first fifth on."""
DETAILS = 400
"""Most frames whose names and errors are told at once."""
ERROR_CHARACTERS = 2000

Row: TypeAlias = list[Any]


class News(NamedTuple):
    """What a look at the source found."""

    first: int
    """Number of the first frame that was not told yet."""
    end: int
    """One more than the number of the last frame."""
    changed: list[tuple[int, Row]]
    """Frames that were running when they were told, as they are now."""


class FrameFeed:
    """Reads a source once and remembers what was told of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows: list[Row] = []
        self._running: set[int] = set()
        self._parents_of_failed: dict[int, int | None] = {}

    def look(self) -> News:
        """Take in what is new in the source; the rows come from `batches`."""
        self.source.refresh()
        first = len(self.rows)
        changed: list[tuple[int, Row]] = []
        for number in sorted(self._running):
            summary = self.source.summaries(number, number + 1)[0]
            row = row_of(summary)
            if row != self.rows[number]:
                self.rows[number] = row
                self._note_failure(number, summary)
                changed.append((number, row))
        self._running -= {number for number, row in changed if row[1] != RUNNING}
        return News(first, self.source.count, changed)

    def batches(self, have: int) -> Iterator[tuple[int, list[Row]]]:
        """Yield (number of the first frame, rows) from frame `have` on, read as they are taken."""
        count = self.source.count
        for at in range(have, count, BATCH):
            self._read(min(at + BATCH, count))
            yield at, self.rows[at : at + BATCH]

    def failed(self) -> list[int]:
        """Return the numbers of all frames that failed; reads those that were not read yet."""
        self._read(self.source.count)
        return [number for number, row in enumerate(self.rows) if row[1] == ERROR]

    def opening(self) -> int:
        """Return the frame to begin with: where the first failure arose, innermost of steps in steps; else frame 0."""
        self._read(self.source.count)
        passed_on = set(self._parents_of_failed.values())
        return min((number for number in self._parents_of_failed if number not in passed_on), default=0)

    def _note_failure(self, number: int, summary: dict[str, Any]) -> None:
        if status_of(summary) in ("error", "cancelled"):
            self._parents_of_failed[number] = summary["parent"]

    def _read(self, stop: int) -> None:
        first = len(self.rows)
        for summary in self.source.summaries(first, stop) if first < stop else ():
            row = row_of(summary)
            if row[1] == RUNNING:
                self._running.add(len(self.rows))
            self._note_failure(len(self.rows), summary)
            self.rows.append(row)

    def details(self, at: int, stop: int) -> list[dict[str, Any]]:
        """Return the words of frames at..stop-1 that the source has, of no more than `DETAILS` of them."""
        first = max(0, at)
        last = min(stop, first + DETAILS, self.source.count)
        return [detail_of(summary) for summary in self.source.summaries(first, last)]


def row_of(summary: dict[str, Any]) -> Row:
    """Return [type, status, provenance, depth, start_ms, latency_ms] of a frame's summary."""
    return [
        _index(TYPES, summary["type"]),
        _index(STATUSES, status_of(summary)),
        _index(PROVENANCES, summary["provenance"]),
        summary["depth"],
        _rounded(summary["start_ms"]),
        _rounded(summary["latency_ms"]),
    ]


def status_of(summary: dict[str, Any]) -> str:
    """Return how a frame ended, as it is shown: what the user ended did not fail."""
    was_ended = summary["status"] == "error" and str(summary["error"]).startswith(f"{Cancelled.__name__}:")
    return "cancelled" if was_ended else str(summary["status"])


def detail_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the words that are shown of a frame."""
    error = summary["error"]
    shown = error if error is None or len(error) <= ERROR_CHARACTERS else f"{error[:ERROR_CHARACTERS]}…"
    return {"number": summary["number"], "key": summary["key"], "name": summary["name"], "error": shown}


def title_of(summary: dict[str, Any]) -> str:
    """Return a frame in one line: number, key, type, and what is unusual about it."""
    unusual = [word for word in (status_of(summary), summary["provenance"]) if word not in ("ok", "live")]
    return " · ".join([f"frame {summary['number']}", summary["key"], summary["type"], *unusual])


def _index(words: tuple[str, ...], word: str) -> int:
    return words.index(word) if word in words else -1


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)
