"""``%vcr`` and ``%%vcr``: the words of a line to a verb, on the live objects of the kernel.

``%vcr`` alone shows the debugger. The session meant is the current one (the last recorded, resumed or opened) unless
the first word names another.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from agent_vcr_nb.core.errors import UsageError, VCRError
from agent_vcr_nb.core.lineage import find_session
from agent_vcr_nb.notebook.completion import Completion
from agent_vcr_nb.notebook.desk import NO_SESSION, Desk
from agent_vcr_nb.notebook.views import Views
from agent_vcr_nb.notebook.words import Words
from agent_vcr_nb.verbs.catalogue import VERBS
from agent_vcr_nb.verbs.commands import command_of
from agent_vcr_nb.verbs.definition import Result, Verb
from agent_vcr_nb.verbs.sessions import LedgerShown
from agent_vcr_nb.verbs.text import for_terminal

_CELL = re.compile(r"%%vcr(?:[ \t]+(?P<words>.*))?")
"""The first line of a cell that is to be recorded; ``%%vcr?`` asks for help."""


class MagicError(Exception):
    """An error of ``%vcr``: one line in the cell, and Run All stops at it."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31mvcr\x1b[0m {self}"]


def _for_a_line(verb: Verb) -> Verb:
    """Return a verb with its example as a notebook takes it, where there is no ``--json``."""
    return replace(verb, example=f"%{verb.example}".replace(" --json", ""))


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


def split(line: str) -> list[str]:
    """Return the words of a line, as a shell would; raises MagicError for a quote without its end."""
    try:
        return shlex.split(_without_comment(line))
    except ValueError as error:
        raise MagicError(f"{line!r}: {error}. Quote a JSON value as in the shell: --set plan='\"x\"'") from None


def recording_cell(lines: list[str]) -> list[str]:
    """Return the lines of a cell with ``%%vcr NAME`` as a statement that begins to record it.

    So the cell runs as any other does: with ``await``, the value of its last line, one traceback and its line numbers.
    """
    first = _CELL.fullmatch(lines[0].rstrip()) if lines else None
    if first is None:
        return lines
    words = (first["words"] or "").strip()
    return [f"get_ipython().run_line_magic('vcr', {f'cell {words}'.strip()!r})\n", *lines[1:]]


@magics_class
class VCRMagics(Magics):
    """Reads lines, runs their verbs on the kernel's `Desk`, shows what comes of them."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.desk = Desk(Path(os.environ.get("AGENT_VCR_DIR", ".vcr")), lambda: shell.user_ns if shell else {})
        own = Words(self.desk).verbs()
        names = {verb.name for verb in own}
        verbs = [*own, *(_for_a_line(verb) for verb in VERBS if verb.notebook and verb.name not in names)]
        self.desk.verbs = {verb.name: verb for verb in verbs}
        self._commands = {verb.name: command_of(verb, self._act) for verb in verbs}
        self.completion = Completion(self.desk)

    @property
    def words(self) -> list[str]:
        """What may stand after ``%vcr``."""
        return list(self.desk.verbs)

    @property
    def session(self) -> str | None:
        """The current session."""
        return self.desk.session

    @property
    def recorder(self) -> Any:
        """What ``%vcr record`` records with, or None."""
        return self.desk.recordings.recorder

    @property
    def debugger(self) -> Any:
        """The debugger, or None before it was first shown."""
        return self.desk.debugger

    @property
    def views(self) -> Views:
        """Fork graph, ledger and findings."""
        return self.desk.views

    def run_verb(self, name: str, **words: Any) -> Result:
        """See `Desk.run_verb`."""
        return self.desk.run_verb(name, **words)

    @no_var_expand
    @line_cell_magic
    def vcr(self, line: str, cell: str | None = None) -> None:
        """Record an agent's steps, look at any of them, edit the past, resume."""
        if cell is not None:
            self._run_recorded(split(line), cell)
            return
        name, _, rest = line.strip().partition(" ")
        verb = self.desk.verbs.get(name)
        as_it_stands = verb is not None and verb.arguments[-1:] and verb.arguments[-1].kind == "expression"
        self._do([name, *self._with_expression(rest)] if as_it_stands else split(line))

    def _with_expression(self, rest: str) -> list[str]:
        """Return the words of a line that ends with an expression, which keeps its quotes and spaces."""
        text = _without_comment(rest).strip()
        first, _, behind = text.partition(" ")
        if text in ("", "--help", "-h"):
            return [text] if text else []
        words, text = ([first], behind.strip()) if behind and self.desk.is_session(first) else ([], text)
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text.count(text[0]) == 2:
            text = text[1:-1]  # as it has to be written in a shell
        return [*words, "--", text]

    def _do(self, words: list[str]) -> None:
        name = words[0] if words else "debug"
        try:
            self._run(name, words[1:])
        except VCRError as error:
            raise MagicError(f"{name}: {error}") from None
        except click.ClickException as error:
            raise MagicError(f"{name}: {error.format_message()} (%vcr {name} --help shows its words)") from None

    def _run_recorded(self, words: list[str], cell: str) -> None:
        """Record a cell that another program passes on; one that a user runs is made a statement before."""
        self._do(["cell", *words])
        try:
            assert self.shell is not None
            self.shell.run_cell(cell).raise_error()
        finally:
            self.end_cell()

    def end_cell(self, _result: Any = None) -> None:
        """End the recording of the cell that ran, if it was one; IPython calls this after each cell."""
        said = self.desk.recordings.end_cell()
        if said is not None:
            print(said)

    def _run(self, name: str, words: list[str]) -> None:
        if name not in self._commands:
            raise UsageError(f"no such word; there are: {', '.join(self._commands)}")
        if name == "cell" and words[:1] == ["record"]:
            words = words[1:]
        given, words = words, self._with_session(self.desk.verbs[name], words)
        with contextlib.suppress(click.exceptions.Exit):  # what --help ends with
            try:
                context = self._context(name, words)
            except click.UsageError:
                self._raise_if_no_session(self.desk.verbs[name], given)
                raise
            self._commands[name].invoke(context)

    def _context(self, name: str, words: list[str]) -> click.Context:
        """Return a command with its words; a frame that none of them is, is the selected one of the current session."""
        command = self._commands[name]
        try:
            return command.make_context(f"%vcr {name}", list(words))
        except click.MissingParameter as missing:
            session, frame = words[0] if words else None, self.desk.frame()
            if missing.param is None or missing.param.name != "frame" or session != self.desk.current():
                raise
            if frame is None:
                raise UsageError(
                    f"of which frame? %vcr {name} N, or select one first, in the debugger or by %vcr goto N"
                ) from None
            context = command.make_context(f"%vcr {name}", [str(session), str(frame), *words[1:]])
        print(f"frame {frame} of {session}, as it is selected")
        return context

    def _with_session(self, verb: Verb, words: list[str]) -> list[str]:
        """Put the current session first where the words do not name one; raises UsageError where there is none."""
        first = verb.arguments[0] if verb.arguments else None
        if first is None or first.kind != "session" or {"--help", "-h"}.intersection(words):
            return words
        current = self.desk.current()
        if current is None:
            if first.required:
                raise UsageError(NO_SESSION)
            return words
        named = bool(words) and not words[0].startswith("-") and self.desk.is_session(words[0])
        needed = sum(argument.required for argument in verb.arguments)
        alone = named and needed > 1 and len(words) == 1
        if alone and verb.arguments[1].name == "frame" and not words[0].isdecimal():
            alone = False  # a session, at the frame that is selected
        return words if named and not alone else [current, *words]

    def _raise_if_no_session(self, verb: Verb, words: list[str]) -> None:
        """Name a session that does not exist, where the words would do if it did."""
        takes_session = verb.arguments[:1] and verb.arguments[0].kind == "session"
        enough = len(words) >= max(1, sum(argument.required for argument in verb.arguments))
        if takes_session and enough and not words[0].startswith("-") and not words[0].isdecimal():
            find_session(words[0], self.desk.directory)

    def _act(self, verb: Verb, **words: Any) -> None:
        result = self.desk.run(verb, words, show=print)
        if result.text():
            print(for_terminal(result.text()))
        self._show_view(verb.name, result, words.get("session") or self.desk.current())

    def _show_view(self, name: str, result: Any, session: str | None) -> None:
        """Show below the text of some words what can be clicked."""
        views = self.desk.views
        if name == "dag" and result.branches:
            views.show_dag(self.desk.directory, session)
        elif name == "ledger" and isinstance(result, LedgerShown):
            views.show_ledger(result.ledger, self.desk.directory)
        elif name == "print":
            views.show_plot(result)
        elif name == "findings":
            player = self.desk.player() if self.desk.current() else None
            views.show_findings([finding.to_dict() for finding in result.findings], player, result.root)


def _documented(verbs: dict[str, Verb]) -> str:
    """Return what ``%vcr?`` and ``%%vcr?`` show."""
    lines = [
        "Record an agent's steps, look at any of them, edit the past, resume.",
        "",
        "%vcr         the debugger: scrub, read, edit states, resume",
        "%vcr WORD    one of the words below; %vcr WORD --help shows its options",
        "%%vcr NAME   as a cell's first line: records the steps of the cell as session NAME (NAME-2 when it is run",
        "             again; --continue adds to NAME; --tag TAG)",
        "",
        *(f"  {verb.name:<10} {verb.help}\n  {'':<10}   {verb.example}" for verb in verbs.values()),
    ]
    return "\n".join(lines)


def load(ipython: Any) -> None:
    """Register the magic, its completion, and what records the cells that begin with ``%%vcr``; a second time, anew."""
    unload(ipython)
    magics = VCRMagics(ipython)
    VCRMagics.vcr.__doc__ = _documented(magics.desk.verbs)
    ipython.register_magics(magics)
    ipython.input_transformers_cleanup.append(recording_cell)
    ipython.events.register("post_run_cell", magics.end_cell)
    magics.completion.register(ipython)


def unload(ipython: Any) -> None:
    """End what the magic records, and remove the magic; nothing where it is not loaded."""
    magics = ipython.magics_manager.registry.pop("VCRMagics", None)
    if magics is None:
        return
    magics.end_cell()
    magics.desk.recordings.end()
    if magics.debugger is not None:
        magics.debugger.stop_following()
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("vcr", None)
    transformers = ipython.input_transformers_cleanup
    transformers[:] = [one for one in transformers if one is not recording_cell]
    ipython.events.unregister("post_run_cell", magics.end_cell)
    magics.completion.unregister(ipython)
