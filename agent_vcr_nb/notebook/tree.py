"""The state tree: the state before and after a frame, what changed, and edits of the state before."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import traitlets

from agent_vcr_nb.core.errors import UsageError, VCRError
from agent_vcr_nb.notebook.edits import EditBook, Patch, PendingEdits
from agent_vcr_nb.notebook.feed import News, title_of
from agent_vcr_nb.notebook.guarded import STATIC, GuardedWidget, in_words
from agent_vcr_nb.notebook.recorded import Run, source_of

SIDES = ("input", "output")


class StateTree(GuardedWidget):
    """Read the state of a frame, and edit the one before it.

    ``frame`` is the frame on show. Edits stay here, as RFC 6902 patches of the recorded input state, until a resume
    uses them; nothing is written to the recording.
    """

    _esm = STATIC / "tree.js"
    _css = STATIC / "tree.css"
    frame = traitlets.Int(0, help="Number of the frame on show.").tag(sync=True)

    def __init__(self, source: Run, *, book: EditBook | None = None, **traits: Any) -> None:
        super().__init__(**traits)
        self.source = source_of(source)
        self._book = book or EditBook()
        self._absent: set[int] = set()
        self.on_edit: Callable[[], None] = lambda: None
        """Called after each change of a pending edit."""
        self.handlers = {
            "state": self._tell_state,
            "sessions": self._tell_sessions,
            "writers": self._tell_writers,
            "edit": self._take_edit,
            "undo": self._take_undo,
            "clear": self._take_clear,
        }

    def load(self, source: Run) -> None:
        """Show another run; every session keeps the edits that wait for it."""
        with self.lock:
            self.source = source_of(source)
            self._absent = set()
            self.frame = 0
            self.epoch += 1

    @property
    def pending(self) -> PendingEdits:
        """The edits of the session on show."""
        return self._book.of(self.source.session_id)

    @property
    def edits(self) -> dict[int, Patch]:
        """The pending patch of every frame that has one."""
        return self.pending.as_dict()

    def edit(self, number: int, operations: Patch) -> None:
        """Add operations to the pending edit of a frame; raises EditError when they do not fit its state."""
        with self.lock:
            self.pending.add(number, self._recorded(number), operations)
            self._tell_patch(number, by="")

    def undo(self, number: int) -> None:
        """Take back the last edit of a frame; raises EditError when it has none."""
        with self.lock:
            self.pending.undo(number)
            self._tell_patch(number, by="")

    def clear(self, number: int | None = None) -> None:
        """Drop the edits of one frame, or of all (None)."""
        with self.lock:
            numbers = list(self.edits) if number is None else [number]
            self.pending.clear(number)
            for cleared in numbers:
                self._tell_patch(cleared, by="")

    def forget(self, news: News) -> None:
        """Let the browser ask again for the states of frames that came or ended since it asked."""
        came = {number for number in self._absent if number < news.end}
        self._absent -= came
        numbers = sorted(came.union(number for number, _ in news.changed))
        if numbers:
            self.say("stale", frames=numbers)

    # -------------------------------------------------------------------------------------------- messages

    def _tell_state(self, message: dict[str, Any]) -> None:
        number, side, session = int(message["frame"]), str(message["side"]), str(message.get("session", ""))
        asked = {"frame": number, "side": side, "session": session}
        if side not in SIDES:
            raise UsageError(f"a frame has no {side!r} state: expected input or output")
        if number >= self.source.count:
            self._absent.add(number)
            self.say("absent", **asked)
            return
        try:
            text, title = self.source.same_step(number, side, session) if session else self._own(number, side)
        except Exception as error:
            # Always answered, whatever it is: the page asks for no more than two states at once.
            self.say("failure", **asked, message=in_words(error))
            if not isinstance(error, VCRError):
                raise
        else:
            patch = self.pending[number] if side == "input" and not session else []
            self.say("state", **asked, text=text, title=title, patch=patch)

    def _own(self, number: int, side: str) -> tuple[str, str]:
        return self.source.state(number, side), title_of(self.source.summaries(number, number + 1)[0])

    def _tell_sessions(self, message: dict[str, Any]) -> None:
        self.say("sessions", sessions=self.source.sessions())

    def _tell_writers(self, message: dict[str, Any]) -> None:
        path = str(message["path"])
        self.say("writers", path=path, writers=self.source.writers(path))

    def _take_edit(self, message: dict[str, Any]) -> None:
        number = int(message["frame"])
        refused = ""
        try:
            self.pending.add(number, self._recorded(number), message["operations"], message["undo"])
        except VCRError as error:
            refused = in_words(error)
        self._tell_patch(number, by=message["by"], refused=refused)

    def _take_undo(self, message: dict[str, Any]) -> None:
        self.pending.undo(int(message["frame"]))
        self._tell_patch(int(message["frame"]), by=message["by"])

    def _take_clear(self, message: dict[str, Any]) -> None:
        self.pending.clear(int(message["frame"]))
        self._tell_patch(int(message["frame"]), by=message["by"])

    def _tell_patch(self, number: int, *, by: str, refused: str = "") -> None:
        self.say("patch", frame=number, patch=self.pending[number], by=by, refused=refused)
        self.on_edit()

    def _recorded(self, number: int) -> Any:
        return json.loads(self.source.state(number, "input"))
