"""The debugger: scrubber and state tree on one run, with one selected frame and the edits that wait for a resume."""

from __future__ import annotations

from threading import RLock
from typing import Any
from uuid import uuid4

import ipywidgets
import traitlets

from agent_vcr_nb.notebook.edits import Patch
from agent_vcr_nb.notebook.scrubber import FrameScrubber
from agent_vcr_nb.notebook.source import Source
from agent_vcr_nb.notebook.tree import StateTree


class VCRDebugger(traitlets.HasTraits):
    """Scrub a run, read its states and edit them; show it by leaving it as the last value of a cell.

    Make one and `open` other runs into it: each widget carries its program (1 MB for the tree) to the browser once.
    """

    frame = traitlets.Int(0, help="Number of the selected frame; the same as ``scrubber.frame``.")
    session = traitlets.Unicode("", read_only=True, help="Name of the session on show.")

    def __init__(self, source: Source) -> None:
        super().__init__()
        group = uuid4().hex
        self.source = source
        lock = RLock()
        self.scrubber = FrameScrubber(source, group=group, lock=lock)
        self.tree = StateTree(source, group=group, lock=lock)
        self.box = ipywidgets.VBox([self.scrubber, self.tree])
        self.scrubber.on_news = self.tree.forget
        self.set_trait("session", source.session_id)
        traitlets.link((self, "frame"), (self.scrubber, "frame"))
        # One way: the page tells the tree itself, so that a busy kernel is not missed.
        traitlets.dlink((self.scrubber, "frame"), (self.tree, "frame"))

    @traitlets.validate("frame")
    def _is_a_frame(self, proposal: Any) -> int:
        return self.scrubber.checked(int(proposal["value"]))

    def open(self, source: Source) -> None:
        """Show another run in the same widgets, wherever they are on show; each session keeps its pending edits."""
        self.source = source
        self.tree.load(source)
        self.scrubber.load(source)
        self.set_trait("session", source.session_id)

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

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)
