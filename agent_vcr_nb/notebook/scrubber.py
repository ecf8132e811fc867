"""The frame scrubber: a run as a strip of cells, one of them selected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets

from agent_vcr_nb.core.errors import FrameNotFoundError
from agent_vcr_nb.notebook.feed import FrameFeed, News
from agent_vcr_nb.notebook.follower import Follower
from agent_vcr_nb.notebook.guarded import STATIC, GuardedWidget
from agent_vcr_nb.notebook.recorded import Run, source_of


class FrameScrubber(GuardedWidget):
    """Select a frame of a run with mouse or keyboard.

    ``frame`` is the selected one, from either side; at first it is the one where the run failed. Keys: left and
    right, Home, End, Page Up and Down, space to play, n for the next error; ``?`` shows all of them.
    """

    _esm = STATIC / "scrubber.js"
    _css = STATIC / "scrubber.css"
    frame = traitlets.Int(0, help="Number of the selected frame.").tag(sync=True)

    session = traitlets.Unicode("", help="Name of the session on show.").tag(sync=True)
    origin = traitlets.Unicode("", help="Where the session comes from, in words; empty for one of its own.").tag(
        sync=True
    )

    def __init__(self, source: Run, **traits: Any) -> None:
        self.feed = FrameFeed(source_of(source))
        source = self.feed.source
        super().__init__(session=source.session_id, origin=source.origin, **traits)
        self.frame = self.feed.opening()
        self.handlers = {"hello": self._tell_frames, "details": self._tell_details}
        self.follower = Follower(self.look, self.explain)
        self.on_news: Callable[[News], None] = lambda news: None
        """Called after each look at the run, with what it brought."""

    def load(self, source: Run) -> None:
        """Show another run, where it failed or from its first frame; goes on following if it did before."""
        followed = self.follower.running
        self.follower.stop()
        with self.lock, self.hold_sync():
            self.feed = FrameFeed(source_of(source))
            source = self.feed.source
            self.session, self.origin = source.session_id, source.origin
            # By way of 0, so that who observes hears of another frame even where it has the same number.
            self.frame = 0
            self.frame = self.feed.opening()
            self.epoch += 1
        if followed:
            self.follower.start()

    @traitlets.validate("frame")
    def _is_a_frame(self, proposal: Any) -> int:
        return self.checked(int(proposal["value"]))

    def checked(self, number: int) -> int:
        """Return the number of a frame; raises FrameNotFoundError when there is none of that number."""
        count = self.feed.source.count
        if number != 0 and not 0 <= number < count:
            raise FrameNotFoundError(f"there is no frame {number}: the session has {count}, counted from 0")
        return number

    def look(self) -> int:
        """Show what was written to the run since; returns the number of new and changed frames."""
        with self.lock:
            news = self.feed.look()
            self._tell_frames({"have": news.first})
            if news.changed:
                self.say("changed", rows=news.changed)
            self.on_news(news)
        return news.end - news.first + len(news.changed)

    def _tell_frames(self, message: dict[str, Any]) -> None:
        for at, rows in self.feed.batches(int(message["have"])):
            self.say("frames", at=at, rows=rows)

    def _tell_details(self, message: dict[str, Any]) -> None:
        self.say("details", details=self.feed.details(int(message["at"]), int(message["stop"])))
