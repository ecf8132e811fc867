"""``%vcr``: the words of a line to a verb, on the live objects of the kernel.

``%vcr`` alone shows the debugger. The session meant is the current one (the last recorded, resumed or opened) unless
the first word names another.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
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
from agent_vcr_nb.core.steps import live_agents
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.notebook.recorded import PlayerSource
from agent_vcr_nb.verbs.catalogue import VERBS
from agent_vcr_nb.verbs.commands import command_of
from agent_vcr_nb.verbs.definition import Argument, Place, Verb
from agent_vcr_nb.verbs.rerun import ResumedRun
from agent_vcr_nb.verbs.text import for_terminal

_HELP = """%vcr                      show the debugger of the current session
%vcr record NAME          record every step from here on
%vcr stop                 end the recording
%vcr goto FRAME           select a frame in the debugger
"""


class MagicError(Exception):
    """An error of ``%vcr``: one line in the cell, and Run All stops at it."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31mvcr\x1b[0m {self}"]


@magics_class
class VCRMagics(Magics):
    """Holds the kernel's current session, recorder and debugger."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.directory = Path(os.environ.get("AGENT_VCR_DIR", ".vcr"))
        self.session: str | None = None
        self.recorder: VCRRecorder | None = None
        self.debugger: Any = None
        self._commands = {verb.name: command_of(verb, self._act) for verb in VERBS if verb.notebook}
        self._verbs = {verb.name: verb for verb in VERBS if verb.notebook}

    @no_var_expand
    @line_magic
    def vcr(self, line: str) -> None:
        """Record, look at any step, edit the past, resume: ``%vcr help`` lists the words."""
        try:
            words = shlex.split(line)
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
        own = getattr(self, f"_{name}", None) if name in ("debug", "record", "stop", "goto", "help") else None
        if own is not None:
            own(*words[1:])
        elif name in self._commands:
            words = self._with_session(self._verbs[name], words[1:])
            # Not standalone: click must neither print nor exit here.
            with contextlib.suppress(click.exceptions.Exit):  # what --help ends with
                context = self._commands[name].make_context(f"%vcr {name}", words)
                self._commands[name].invoke(context)
        else:
            known = ", ".join(["record", "stop", "goto", "help", *self._commands])
            raise UsageError(f"no such word; there are: {known}")

    # -------------------------------------------------------------------------------------------- own words

    def _debug(self) -> None:
        from agent_vcr_nb.notebook.debugger import VCRDebugger

        self.debugger = VCRDebugger(self._source())
        display(self.debugger)

    def _record(self, *words: str) -> None:
        if len(words) > 1:
            raise UsageError(f"record takes the name of the session, found {' '.join(words)!r}")
        if words:
            check_session_id(words[0])
        self._stop_quietly()
        self.recorder = VCRRecorder(self.directory)
        self.session = self.recorder.start_session(words[0] if words else None).session_id
        print(f"recording {self.session}; %vcr shows it, %vcr stop ends it")

    def _stop(self) -> None:
        if self.recorder is None:
            raise UsageError("nothing is being recorded; %vcr record NAME begins")
        session = self.recorder.get_session()
        self._stop_quietly()
        print(f"{session.session_id if session else ''}: ended")

    def _stop_quietly(self) -> None:
        if self.recorder is not None:
            self.recorder.close()
            self.recorder = None

    def _goto(self, *words: str) -> None:
        if len(words) != 1 or not words[0].isdigit():
            raise UsageError(f"goto takes the number of a frame, found {' '.join(words)!r}")
        player = self._player()
        player.recording.place(int(words[0]))
        if self.debugger is not None and self.debugger.source.session_id == player.recording.session_id:
            self.debugger.source.refresh()
            self.debugger.frame = int(words[0])
        self._run(["show", words[0]])

    def _help(self) -> None:
        lines = [f"%vcr {verb.name:<20} {verb.help}" for verb in self._verbs.values()]
        print(_HELP + "\n".join(lines) + "\n%vcr WORD --help          its options, with an example")

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

    def _act(self, verb: Verb, **words: Any) -> None:
        session = words.get("session") or self._current()
        place = Place(
            self.directory,
            self._current(),
            agents=self.shell.user_ns if self.shell else {},
            agent=self._live_agent(session, words.get("frame")),
            patch=self._patch_of,
            show=print,
            complain=print,
        )
        result = verb.run(place, **words)
        print(for_terminal(result.text()))
        if isinstance(result, ResumedRun):
            self._select(result.session_id, result.frame)

    def _select(self, session: str, frame: int) -> None:
        """Make a new fork the current session, also in the debugger that is shown."""
        self.session = session
        if self.debugger is not None:
            self.debugger.open(self._source())
            self.debugger.frame = frame

    def _patch_of(self, session: str, frame: int) -> Sequence[Any]:
        if self.debugger is None or self.debugger.source.session_id != session:
            return ()
        return self.debugger.pending_edit(frame) or ()

    def _live_agent(self, session: str | None, frame: int | None) -> Any:
        """Return the function of this kernel that the frame's run began with, where that was a step."""
        if session is None or frame is None or not self._is_session(session):
            return None
        tape = Tape(VCRPlayer.load(find_session(session, self.directory)).recording)
        if not 0 <= frame < len(tape.heads):
            return None
        root = tape.root_of(frame)
        alone = root == frame and not tape.has_children(root)
        return None if alone else live_agents.get(str((tape.heads[root] or {}).get("node_name")))

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
        magics._stop_quietly()
    ipython.magics_manager.magics["line"].pop("vcr", None)
