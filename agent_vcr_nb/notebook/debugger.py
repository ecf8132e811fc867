"""The debugger: scrubber, buttons, state tree, fork graph, ledger and findings on one run, with one selected frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

import ipywidgets
import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle, display

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.lineage import find_session
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.notebook.actions import ActionBar, folder_of
from agent_vcr_nb.notebook.edits import EditBook, Patch
from agent_vcr_nb.notebook.feed import News
from agent_vcr_nb.notebook.in_marimo import stacked
from agent_vcr_nb.notebook.later import Later
from agent_vcr_nb.notebook.live import Live, Tapes, live_agent
from agent_vcr_nb.notebook.recorded import PlayerSource, Run, source_of
from agent_vcr_nb.notebook.saved import Part, SavedView, saved_view
from agent_vcr_nb.notebook.saved_parts import SavedParts
from agent_vcr_nb.notebook.scrubber import FrameScrubber
from agent_vcr_nb.notebook.tabs import Tabs
from agent_vcr_nb.notebook.tree import StateTree
from agent_vcr_nb.notebook.views import Views
from agent_vcr_nb.verbs.definition import Place

SAVE_SECONDS = 0.7
"""How long the selection rests before the view that is saved with the notebook is drawn anew."""
AT_ONCE = 2_000
"""Frames up to which the saved view has forks and cost from the start; of longer runs they come a moment later."""
FOLLOW_SECONDS = 0.25
"""How long it rests before graph and ledger follow it."""


class VCRDebugger(traitlets.HasTraits):
    """Scrub a run, read and edit its states, resume and fork it; show it by leaving it as the last value of a cell.

    Args:
        source: the run, such as ``PlayerSource(player)``.
        agent: what the button Resume runs; None for what of this kernel the recording began with.
        views: fork graph, ledger and findings that are shown elsewhere as well; None for its own.
        book: edits that are made elsewhere as well; None for its own.

    Make one and `load` or `open` other runs into it: each widget carries its program (1 MB for the tree) to the browser
    once. Beside the widgets it leaves a view in the notebook that needs neither kernel nor scripts; the page hides it
    while the widgets are there.
    """

    frame = traitlets.Int(0, help="Number of the selected frame; the same as ``scrubber.frame``.")
    session = traitlets.Unicode("", read_only=True, help="Name of the session on show.")

    def __init__(
        self, source: Run, agent: Any = None, views: Views | None = None, book: EditBook | None = None
    ) -> None:
        super().__init__()
        source = source_of(source)
        self.source, self.agent = source, agent
        self.on_session: Callable[[str, int], None] = lambda session, frame: None
        """Called with session and frame when another session was selected in the debugger."""
        self._group = uuid4().hex
        self._tapes = Tapes()
        self._lock = RLock()
        shared: dict[str, Any] = {"group": self._group, "lock": self._lock}
        self.scrubber = FrameScrubber(source, **shared)
        self.actions = ActionBar(source, self.place_of, self._tapes, **shared)
        self.tree = StateTree(source, book=book, **shared)
        self.views = views or Views(self.open)
        self.tabs = Tabs(self.views, self._player, lambda: self.frame)
        self.box = ipywidgets.VBox([self.scrubber, self.actions, self.tree, self.tabs])
        self._saved: DisplayHandle | None = None
        self._parts = SavedParts()
        self._save = Later(self._draw_saved, self.scrubber.explain, SAVE_SECONDS)
        self._follow_views = Later(self._tell_views, self.scrubber.explain, FOLLOW_SECONDS)
        self.scrubber.on_news = self._on_news
        self.tree.on_edit = self._save_soon
        self.actions.on_session = self.open
        self.actions.on_compared = self.tabs.compare
        self.set_trait("session", source.session_id)
        traitlets.link((self.scrubber, "frame"), (self, "frame"))
        # One way: the page tells these itself, so that a busy kernel is not missed.
        traitlets.dlink((self.scrubber, "frame"), (self.tree, "frame"))
        traitlets.dlink((self.scrubber, "frame"), (self.actions, "frame"))

    @traitlets.validate("frame")
    def _is_a_frame(self, proposal: Any) -> int:
        return self.scrubber.checked(int(proposal["value"]))

    # ---------------------------------------------------------------------------------------------- selecting

    def load(self, source: Run) -> None:
        """Show another run in the same widgets, wherever they are on show; each session keeps its pending edits."""
        self.source = source = source_of(source)
        self.tree.load(source)
        self.actions.load(source)
        self.scrubber.load(source)
        self.set_trait("session", source.session_id)
        self._save_soon()
        self._follow_views.ask()

    def open(self, session: str, frame: int = 0) -> None:
        """Select a session of the same folder and a frame of it; a click in any view does this.

        Raises SessionNotFoundError, FrameNotFoundError, and UsageError where the run on show is no recording.
        """
        if session != self.session:
            self.load(PlayerSource(VCRPlayer.load(find_session(session, self._folder()))))
            self.on_session(session, frame)
        else:
            self.refresh()
        self.frame = frame
        self.actions.look_soon()

    def place_of(self, session: str, frame: int) -> Place:
        """Return where the verbs of the buttons work: the session's folder, with the agents of this notebook."""
        folder = self._folder()
        shell = get_ipython()
        names: Mapping[str, Any] = shell.user_ns if shell is not None else {}
        live = Live(self.agent)
        if self.agent is None:
            live = live_agent(self._tapes.of(find_session(session, folder)), frame, names)
        return Place(folder, session, agents=names, agent=live.agent, unknown=live.why, patch=self._patch_of)

    def _patch_of(self, session: str, frame: int) -> Patch:
        return self.pending_edit(frame) or [] if session == self.session else []

    def _folder(self) -> Path:
        folder = folder_of(self.source)
        if folder is None:
            raise UsageError(f"{self.session} is no recording: only one can be resumed, forked and compared")
        return folder

    def _player(self) -> VCRPlayer:
        return VCRPlayer.load(find_session(self.session, self._folder()))

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
            self.actions.look_soon()

    # --------------------------------------------------------------------------------------------- shown

    def _ipython_display_(self) -> None:
        bundle = self.box._repr_mimebundle_()
        display({**bundle, "text/plain": f"VCRDebugger({self.session!r})"}, raw=True)
        parts = self._saved_parts() if self.source.count <= AT_ONCE else []
        self._saved = display(self._view(parts).bundle(), raw=True, display_id=uuid4().hex)
        self._save_soon()

    def _display_(self) -> Any:
        """Return what marimo shows."""
        return stacked(self.box.children)

    @traitlets.observe("frame")
    def _on_frame(self, change: Any) -> None:
        self._save_soon()
        self._follow_views.ask()

    def _tell_views(self) -> None:
        if folder_of(self.source) is not None and self.views.any:
            self.views.follow(self._player(), self.frame)
        self._save_soon()

    def _save_soon(self) -> None:
        if self._saved is not None:
            self._save.ask()

    def _draw_saved(self) -> None:
        if self._saved is not None:
            self._saved.update(self._view(self._saved_parts()).bundle(), raw=True)

    def _saved_parts(self) -> list[Part]:
        folder = folder_of(self.source)
        return [] if folder is None else self._parts.of(Place(folder, self.session), self.session)

    def _view(self, parts: Sequence[Part]) -> SavedView:
        with self._lock:
            return saved_view(
                self.scrubber.feed, self.frame, self.pending_edit(self.frame) or [], f"vcr-saved-{self._group}", parts
            )
