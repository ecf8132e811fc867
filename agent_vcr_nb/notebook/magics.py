"""``%vcr``: the words of a line to a verb, on the live objects of the kernel.

``%vcr`` alone shows the debugger. The session meant is the current one (the last recorded, resumed or opened) unless
the first word names another.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from agent_vcr_nb.core.errors import SessionNotFoundError, UsageError, VCRError
from agent_vcr_nb.core.journal import check_session_id
from agent_vcr_nb.core.lineage import find_session, session_ids
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.integrations.installing import install
from agent_vcr_nb.notebook.live import live_agent
from agent_vcr_nb.notebook.recorded import PlayerSource
from agent_vcr_nb.notebook.views import Views
from agent_vcr_nb.verbs.catalogue import VERBS
from agent_vcr_nb.verbs.commands import command_of
from agent_vcr_nb.verbs.definition import Argument, Place, Result, Verb
from agent_vcr_nb.verbs.frames import show
from agent_vcr_nb.verbs.rerun import ResumedRun
from agent_vcr_nb.verbs.text import for_terminal


class MagicError(Exception):
    """An error of ``%vcr``: one line in the cell, and Run All stops at it."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31mvcr\x1b[0m {self}"]


@dataclass(frozen=True, slots=True)
class Said:
    """What a word of the notebook has to say."""

    line: str
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the line."""
        return {"said": self.line}

    def text(self) -> str:
        """Return the line."""
        return self.line


def _without_comment(line: str) -> str:
    """Return a magic line without what follows a ``#`` that stands at the start of a word and in no quotes."""
    quote = ""
    for place, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (place == 0 or line[place - 1].isspace()):
            return line[:place]
    return line


@magics_class
class VCRMagics(Magics):
    """Holds the kernel's current session, recorder and debugger."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.directory = Path(os.environ.get("AGENT_VCR_DIR", ".vcr"))
        self.session: str | None = None
        self.recorder: VCRRecorder | None = None
        self.debugger: Any = None
        """One for the life of the kernel: a cell that is run again shows it again."""
        self.views = Views(self._select)
        self._verbs = {verb.name: verb for verb in (*self._own_verbs(), *VERBS) if verb.notebook}
        self._commands = {verb.name: command_of(verb, self._act) for verb in self._verbs.values()}

    @property
    def words(self) -> list[str]:
        """What may stand after ``%vcr``."""
        return list(self._verbs)

    def _own_verbs(self) -> tuple[Verb, ...]:
        """What only a notebook can do, because it works on the kernel's live objects."""
        name, frame = Argument("name", required=False), Argument("frame", "number")
        target = Argument("directory", "path", required=False)
        return (
            Verb("debug", self._debug, "Show the debugger of the current session, as %vcr alone does.", "%vcr"),
            Verb("record", self._record, "Record every step from here on.", "%vcr record my_run", (name,)),
            Verb("stop", self._stop, "End the recording.", "%vcr stop"),
            Verb("goto", self._goto, "Select a frame in the debugger.", "%vcr goto 7", (frame,)),
            Verb(
                "findings", self._findings, "Check the code in a folder with Sentinel.", "%vcr findings src", (target,)
            ),
            Verb("help", self._help, "List the words.", "%vcr help"),
        )

    @no_var_expand
    @line_magic
    def vcr(self, line: str) -> None:
        """Record, look at any step, edit the past, resume: ``%vcr help`` lists the words."""
        try:
            words = shlex.split(_without_comment(line))
        except ValueError as error:
            raise MagicError(f"{line!r}: {error}. Quote a JSON value as in the shell: --set plan='\"x\"'") from None
        try:
            self._run(words)
        except VCRError as error:
            raise MagicError(f"{words[0] if words else ''}: {error}") from None
        except click.ClickException as error:
            raise MagicError(f"{words[0]}: {error.format_message()} (%vcr {words[0]} --help shows its words)") from None

    def _run(self, words: list[str]) -> None:
        name = words[0] if words else "debug"
        if name not in self._commands:
            raise UsageError(f"no such word; there are: {', '.join(self._commands)}")
        words = self._with_session(self._verbs[name], words[1:])
        with contextlib.suppress(click.exceptions.Exit):  # what --help ends with
            context = self._commands[name].make_context(f"%vcr {name}", words)
            self._commands[name].invoke(context)

    # -------------------------------------------------------------------------------------------- own words

    def _debug(self, place: Place) -> Result:
        from agent_vcr_nb.notebook.debugger import VCRDebugger

        source = self._source()
        if self.debugger is None:
            self.debugger = VCRDebugger(source, views=self.views)
            self.debugger.on_session = self._take_session
        elif self.debugger.session != source.session_id:
            self.debugger.load(source)
        self.debugger.follow()
        display(self.debugger)
        return Said("")

    def _record(self, place: Place, name: str | None = None) -> Result:
        if name:
            check_session_id(name)
        self.end_recording()
        install()
        self.recorder = VCRRecorder(self.directory)
        self.session = self.recorder.start_session(name).session_id
        return Said(f"recording {self.session}; %vcr shows it, %vcr stop ends it")

    def _stop(self, place: Place) -> Result:
        if self.recorder is None:
            raise UsageError("nothing is being recorded; %vcr record NAME begins")
        session = self.recorder.get_session()
        self.end_recording()
        return Said(f"{session.session_id if session else ''}: ended")

    def end_recording(self) -> None:
        """Close the recorder that ``%vcr record`` began, if there is one."""
        if self.recorder is not None:
            self.recorder.close()
            self.recorder = None

    def _goto(self, place: Place, frame: int) -> Result:
        player = self._player()
        player.recording.place(frame)
        if self.debugger is not None and self.debugger.session == player.recording.session_id:
            self.debugger.refresh()
            self.debugger.frame = frame
        return show(place, None, frame)

    def _findings(self, place: Place, directory: str | None = None) -> Result:
        from agent_vcr_nb.notebook.found import scan

        return scan(directory or ".")

    def _help(self, place: Place) -> Result:
        lines = [f"%vcr {verb.name:<8} {verb.help}" for verb in self._verbs.values()]
        return Said("\n".join([*lines, "%vcr WORD --help: the options of a word, with an example"]))

    # -------------------------------------------------------------------------------------------- verbs

    def _with_session(self, verb: Verb, words: list[str]) -> list[str]:
        """Put the current session first where the words do not name one."""
        takes = verb.arguments[:1]
        if not takes or takes[0].kind != "session" or self._current() is None:
            return words
        named = bool(words) and not words[0].startswith("-") and self._is_session(words[0])
        alone = named and self._needed(verb.arguments) > 1 and len(words) == 1
        return words if named and not alone else [str(self._current()), *words]

    @staticmethod
    def _needed(arguments: Sequence[Argument]) -> int:
        return sum(argument.required for argument in arguments)

    def _is_session(self, word: str) -> bool:
        try:
            find_session(word, self.directory)
        except (SessionNotFoundError, UsageError):
            return False
        return True

    def run_verb(self, name: str, **words: Any) -> Result:
        """Do what ``%vcr NAME`` does with the words given by name, and return the result; nothing is printed.

        The session is the current one where none is named; a fork that was made becomes the current one, also in the
        debugger and the graph on show. Raises UsageError for a name that is no word, and what the verb raises.
        """
        if name not in self._verbs:
            raise UsageError(f"{name}: no such word; there are: {', '.join(self._verbs)}")
        verb = self._verbs[name]
        if verb.arguments[:1] and verb.arguments[0].kind == "session":
            words.setdefault(verb.arguments[0].name, self._current())
        return self._run_on_kernel(verb, words, show=None)

    def _act(self, verb: Verb, **words: Any) -> None:
        result = self._run_on_kernel(verb, words, show=print)
        if result.text():
            print(for_terminal(result.text()))
        self._show_view(verb.name, result, words.get("session") or self._current())

    def _run_on_kernel(self, verb: Verb, words: dict[str, Any], show: Callable[[str], None] | None) -> Result:
        session = words.get("session") or self._current()
        place = Place(
            self.directory,
            self._current(),
            agents=self.shell.user_ns if self.shell else {},
            agent=self._live_agent(session, words.get("frame")),
            patch=self._patch_of,
            show=show,
            complain=show,
        )
        result = verb.run(place, **words)
        if isinstance(result, ResumedRun):
            self._select(result.session_id, result.frame)
            self.views.tell_fork(result.session_id, result.frame)
        return result

    def _show_view(self, name: str, result: Any, session: str | None) -> None:
        """Show below the text of some words what can be clicked."""
        if name == "dag" and result.branches:
            self.views.show_dag(self.directory, session)
        elif name == "ledger":
            self.views.show_ledger(result.ledger, self.directory)
        elif name == "findings":
            player = self._player() if self._current() else None
            self.views.show_findings([finding.to_dict() for finding in result.findings], player)

    def _select(self, session: str, frame: int) -> None:
        """Make a new fork the current session, also in the debugger that is shown."""
        self.session = session
        if self.debugger is not None:
            self.debugger.open(session, frame)

    def _take_session(self, session: str, _frame: int) -> None:
        """Take what was selected in the debugger for the current session."""
        self.session = session

    def _patch_of(self, session: str, frame: int) -> Sequence[Any]:
        if self.debugger is None or self.debugger.source.session_id != session:
            return ()
        return self.debugger.pending_edit(frame) or ()

    def _live_agent(self, session: str | None, frame: int | None) -> Any:
        """Return the function of this kernel that the frame's run began with, where that was a step."""
        if session is None or frame is None or not self._is_session(session):
            return None
        return live_agent(Tape(VCRPlayer.load(find_session(session, self.directory)).recording), frame)

    def _current(self) -> str | None:
        if self.session is None:
            ids = session_ids(self.directory)
            self.session = ids[0] if ids else None
        return self.session

    def _player(self) -> VCRPlayer:
        current = self._current()
        if current is None:
            raise UsageError("no session yet; %vcr record NAME begins one")
        return VCRPlayer.load(find_session(current, self.directory))

    def _source(self) -> PlayerSource:
        return PlayerSource(self._player())


def load(ipython: Any) -> None:
    """Register the magic."""
    ipython.register_magics(VCRMagics(ipython))


def unload(ipython: Any) -> None:
    """End a recording that the magic began, and remove the magic."""
    magics = ipython.magics_manager.registry.pop("VCRMagics", None)
    if magics is not None:
        magics.end_recording()
        if magics.debugger is not None:
            magics.debugger.stop_following()
    ipython.magics_manager.magics["line"].pop("vcr", None)
