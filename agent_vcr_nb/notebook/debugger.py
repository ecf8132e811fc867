"""The debugger: scrubber and state tree on one run, with one selected frame and the edits that wait for a resume."""

from __future__ import annotations

from threading import RLock
from typing import Any
from uuid import uuid4

import ipywidgets
import traitlets
from IPython.display import DisplayHandle, display

from agent_vcr_nb.notebook.edits import Patch
from agent_vcr_nb.notebook.feed import News
from agent_vcr_nb.notebook.in_marimo import stacked
from agent_vcr_nb.notebook.later import Later
from agent_vcr_nb.notebook.saved import SavedView, saved_view
from agent_vcr_nb.notebook.scrubber import FrameScrubber
from agent_vcr_nb.notebook.source import Source
from agent_vcr_nb.notebook.tree import StateTree

SAVE_SECONDS = 0.7
"""How long the selection rests before the view that is saved with the notebook is drawn anew."""


class VCRDebugger(traitlets.HasTraits):
    """Scrub a run, read its states and edit them; show it by leaving it as the last value of a cell.

    Make one and `load` other runs into it: each widget carries its program (1 MB for the tree) to the browser once.
    Beside the widgets it leaves a view in the notebook that needs neither kernel nor scripts; the page hides it while
    the widgets are there.
    """

    frame = traitlets.Int(0, help="Number of the selected frame; the same as ``scrubber.frame``.")
    session = traitlets.Unicode("", read_only=True, help="Name of the session on show.")

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self._group = uuid4().hex
        self._lock = RLock()
        self.scrubber = FrameScrubber(source, group=self._group, lock=self._lock)
        self.tree = StateTree(source, group=self._group, lock=self._lock)
        self.box = ipywidgets.VBox([self.scrubber, self.tree])
        self._saved: DisplayHandle | None = None
        self._save = Later(self._draw_saved, self.scrubber.explain, SAVE_SECONDS)
        self.scrubber.on_news = self._on_news
        self.tree.on_edit = self._save_soon
        self.set_trait("session", source.session_id)
        traitlets.link((self, "frame"), (self.scrubber, "frame"))
        # One way: the page tells the tree itself, so that a busy kernel is not missed.
        traitlets.dlink((self.scrubber, "frame"), (self.tree, "frame"))

    @traitlets.validate("frame")
    def _is_a_frame(self, proposal: Any) -> int:
        return self.scrubber.checked(int(proposal["value"]))

    def load(self, source: Source) -> None:
        """Show another run in the same widgets, wherever they are on show; each session keeps its pending edits."""
        self.source = source
        self.tree.load(source)
        self.scrubber.load(source)
        self.set_trait("session", source.session_id)
        self._save_soon()

    # --------------------------------------------------------------------------------------------- edits

    @property
    def edits(self) -> dict[int, Patch]:
        """RFC 6902 patches on the recorded input states, by frame number; a copy."""
        return self.tree.edits

    def pending_edit(self, number: int) -> Patch | None:
        """Return the patch that a resume from this frame uses, or None when the user changed nothing there."""
        return self.edits.get(number)

    def edit(self, number: int, operations: Patch) -> None:
        """Add operations to the pending edit of a frame, as the tree does; raises EditError when they do not fit."""
        self.tree.edit(number, operations)

    def undo(self, number: int | None = None) -> None:
        """Take back the last edit of a frame (default: the selected one); raises EditError when it has none."""
        self.tree.undo(self.frame if number is None else number)

    def clear(self, number: int | None = None) -> None:
        """Drop the edits of one frame, or of all (None)."""
        self.tree.clear(number)

    # ---------------------------------------------------------------------------------------------- live

    def refresh(self) -> int:
        """Show what was written to the run since; returns the number of new and changed frames."""
        return self.scrubber.look()

    def follow(self) -> None:
        """Show new frames as they are written, also while a cell runs, until `stop_following`."""
        self.scrubber.follower.start()

    def stop_following(self) -> None:
        """Stop following, after a last look."""
        self.scrubber.follower.stop()
        self.refresh()

    def _on_news(self, news: News) -> None:
        self.tree.forget(news)
        if news.changed or news.end > news.first:
            self._save_soon()

    # --------------------------------------------------------------------------------------------- shown

    def _ipython_display_(self) -> None:
        bundle = self.box._repr_mimebundle_()
        display({**bundle, "text/plain": f"VCRDebugger({self.session!r})"}, raw=True)
        self._saved = display(self._view().bundle(), raw=True, display_id=uuid4().hex)

    def _display_(self) -> Any:
        """Return what marimo shows."""
        return stacked(self.box.children)

    @traitlets.observe("frame")
    def _on_frame(self, change: Any) -> None:
        self._save_soon()

    def _save_soon(self) -> None:
        if self._saved is not None:
            self._save.ask()

    def _draw_saved(self) -> None:
        if self._saved is not None:
            self._saved.update(self._view().bundle(), raw=True)

    def _view(self) -> SavedView:
        with self._lock:
            return saved_view(
                self.scrubber.feed, self.frame, self.pending_edit(self.frame) or [], f"vcr-saved-{self._group}"
            )
