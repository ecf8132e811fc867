"""What ``%vcr`` works on in a kernel: the current session, the selected frame, pending edits, recorder, debugger.

`Desk.run_verb` does what a word of ``%vcr`` does for any other part of the notebook.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import SessionNotFoundError, UsageError
from agent_vcr_nb.core.lineage import find_session, session_ids
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.notebook.edits import EditBook, Operation
from agent_vcr_nb.notebook.live import Live, live_agent
from agent_vcr_nb.notebook.recorded import PlayerSource
from agent_vcr_nb.notebook.recordings import Recordings
from agent_vcr_nb.notebook.views import Views
from agent_vcr_nb.verbs.definition import Place, Result, Verb
from agent_vcr_nb.verbs.files import FilesResult
from agent_vcr_nb.verbs.rerun import ResumedRun

NO_SESSION = "no session yet; %vcr record NAME begins one, then run the agent"


class Desk:
    """Holds what is alive in the kernel."""

    def __init__(self, directory: Path, namespace: Callable[[], Mapping[str, Any]]) -> None:
        self.directory = directory
        self.session: str | None = None
        self.debugger: Any = None
        """One for the life of the kernel: a cell that is run again shows it again."""
        self.book = EditBook()
        self.recordings = Recordings(directory, namespace)
        self.views = Views(self.select)
        self.verbs: dict[str, Verb] = {}
        self.rolled_back_at: float | None = None
        """When files were last rolled back here, on the clock of `time.monotonic`; None when that was undone."""
        self.namespace = namespace
        """Gives the names of the notebook."""
        self._frame: int | None = None

    # -------------------------------------------------------------------------------------------- what is selected

    def current(self) -> str | None:
        """Return the session meant where none is named: the last recorded, resumed or opened, else the newest."""
        if self.session is None:
            ids = session_ids(self.directory)
            self.session = ids[0] if ids else None
        return self.session

    def is_session(self, word: str) -> bool:
        """Tell whether a word names a session of the folder."""
        try:
            find_session(word, self.directory)
        except (SessionNotFoundError, UsageError):
            return False
        return True

    def player(self) -> VCRPlayer:
        """Open the current session; raises UsageError where there is none."""
        current = self.current()
        if current is None:
            raise UsageError(NO_SESSION)
        return VCRPlayer.load(find_session(current, self.directory))

    def begin(self, session: str) -> None:
        """Take a session that begins for the current one."""
        self.session, self._frame = session, None

    def select(self, session: str, frame: int) -> None:
        """Select a session and a frame, also in the debugger that is shown."""
        self.session, self._frame = session, frame
        if self.debugger is not None:
            self.debugger.open(session, frame)

    def frame(self) -> int | None:
        """Return the selected frame of the current session: the debugger's where it shows that, else the last named."""
        if self._is_shown():
            return int(self.debugger.frame)
        return self._frame

    def _is_shown(self) -> bool:
        return self.debugger is not None and self.debugger.session == self.current()

    def goto(self, frame: int) -> None:
        """Select a frame of the current session; raises FrameNotFoundError."""
        self.player().recording.place(frame)
        self._frame = frame
        if self._is_shown():
            self.debugger.refresh()
            self.debugger.frame = frame

    def show_debugger(self) -> Any:
        """Return the debugger on the current session."""
        from agent_vcr_nb.notebook.debugger import VCRDebugger

        source = PlayerSource(self.player())
        if self.debugger is None:
            self.debugger = VCRDebugger(source, views=self.views, book=self.book)
            self.debugger.on_session = self._take_session
            if self._frame is not None:
                self.debugger.frame = self._frame
        elif self.debugger.session != source.session_id:
            self.debugger.load(source)
        self.debugger.follow()
        return self.debugger

    def _take_session(self, session: str, frame: int) -> None:
        """Take what was selected in the debugger for the current session and frame."""
        self.session, self._frame = session, frame

    # -------------------------------------------------------------------------------------------- pending edits

    def edit(self, frame: int, operation: Callable[[Any], Operation]) -> list[Operation]:
        """Add an operation, made of the state before a frame as it is edited so far; returns the whole pending edit."""
        from agent_vcr_nb.core.edit import patched

        player = self.player()
        state = player.state_json(frame, "input")
        pending = self.book.of(player.session_id)
        operations = [operation(patched(state, pending[frame]))]
        if self._is_shown():
            self.debugger.edit(frame, operations)
        else:
            pending.add(frame, state, operations)
        return pending[frame]

    def undo_edit(self) -> tuple[str, int, list[Operation]] | None:
        """Take back the last edit of the current session, where nothing was rolled back after it.

        Returns session, frame and what is left of the pending edit; None where there is nothing to take back.
        """
        session = self.current()
        last = self.book.of(session).last() if session is not None else None
        if session is None or last is None or (self.rolled_back_at or 0.0) > last[1]:
            return None
        frame = last[0]
        if self._is_shown():
            self.debugger.undo(frame)
        else:
            self.book.of(session).undo(frame)
        return session, frame, self.book.of(session)[frame]

    def _patch_of(self, session: str, frame: int) -> Sequence[Any]:
        return self.book.of(session)[frame]

    # -------------------------------------------------------------------------------------------- verbs

    def run_verb(self, name: str, **words: Any) -> Result:
        """Do what ``%vcr NAME`` does with the words given by name, and return the result; nothing is printed.

        The session is the current one where none is named; a fork that was made becomes the current one, also in the
        debugger and the graph on show. Raises UsageError for a name that is no word, and what the verb raises.
        """
        if name not in self.verbs:
            raise UsageError(f"{name}: no such word; there are: {', '.join(self.verbs)}")
        verb = self.verbs[name]
        if verb.arguments[:1] and verb.arguments[0].kind == "session":
            words.setdefault(verb.arguments[0].name, self.current())
        return self.run(verb, words, show=None)

    def run(self, verb: Verb, words: dict[str, Any], show: Callable[[str], None] | None) -> Result:
        """Run a verb on what is alive here; `show` shows what it has to say while it works."""
        session = words.get("session") or self.current()
        runs = any(option.name == "agent" for option in verb.options)
        live = self._live_agent(session, words.get("frame", 0)) if runs else Live()
        place = Place(
            self.directory,
            self.current(),
            agents=self.namespace(),
            agent=live.agent,
            unknown=live.why,
            patch=self._patch_of,
            show=show,
            complain=show,
        )
        result = verb.run(place, **words)
        if isinstance(result, ResumedRun):
            self.select(result.session_id, result.frame)
            self.views.tell_fork(result.session_id, result.frame)
        rolled_back = verb.name == "rollback" and isinstance(result, FilesResult) and not result.dry_run
        if rolled_back or (isinstance(result, ResumedRun) and result.files):
            self.rolled_back_at = time.monotonic()
        return result

    def _live_agent(self, session: str | None, frame: int | None) -> Live:
        """Return what of this kernel the frame's run began with."""
        if session is None or frame is None or not self.is_session(session):
            return Live()
        tape = Tape(VCRPlayer.load(find_session(session, self.directory)).recording)
        return live_agent(tape, frame, self.namespace())
