"""The words that only a notebook has, because they work on what is alive in the kernel."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from IPython.display import display

from agent_vcr_nb.core.edit import setting
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.notebook.desk import Desk
from agent_vcr_nb.notebook.edits import Operation
from agent_vcr_nb.verbs.catalogue import WORKSPACE
from agent_vcr_nb.verbs.definition import Argument, Option, Place, Result, Verb
from agent_vcr_nb.verbs.frames import show
from agent_vcr_nb.verbs.text import one_line
from agent_vcr_nb.verbs.values import value_of
from agent_vcr_nb.workspace.line import Rollback


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


@dataclass(frozen=True, slots=True)
class PendingEdit:
    """The edit of a state that waits for a resume."""

    session_id: str
    frame: int
    edit: list[Operation]
    undone: bool = False
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return session, frame and the JSON Patch."""
        return {"session_id": self.session_id, "frame": self.frame, "edit": self.edit}

    def text(self) -> str:
        """Return the JSON Patch, an operation a line, and what uses it."""
        where = f"{self.session_id}, state before frame {self.frame}"
        undone = "undone: the last edit of " if self.undone else ""
        if not self.edit:
            return f"{undone}{where}; it is as it was recorded"
        shown = [f"  {one_line(operation, 200)}" for operation in self.edit]
        return "\n".join([f"{undone}{where}, edited; %vcr resume {self.frame} uses:", *shown])


class Words:
    """The notebook's own words, on a `Desk`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def verbs(self) -> tuple[Verb, ...]:
        """Return them with their arguments and options."""
        name, frame = Argument("name", required=False), Argument("frame", "number")
        tag = Option("tag", "tag of the session", many=True)
        go_on = Option("continue", "add to the session of that name instead of making NAME-2", flag=True)
        target = Argument("directory", "path", required=False)
        session = Argument("session", "session", required=False)
        at = Option("frame", "whose state; without it, the selected frame's", kind="number")
        return (
            Verb("debug", self.debug, "Show the debugger of the current session, as %vcr alone does.", "%vcr"),
            Verb("record", self.record, "Record every step from here on.", "%vcr record my_run", (name,), (tag, go_on)),
            Verb("stop", self.stop, "End the recording.", "%vcr stop"),
            Verb(
                "cell",
                self.cell,
                "Record this cell's steps as a session of their own, as %%vcr NAME on its first line does.",
                "%vcr cell my_run",
                (name,),
                (tag, go_on),
            ),
            Verb("goto", self.goto, "Select a frame in the debugger.", "%vcr goto 7", (frame,)),
            Verb(
                "set",
                self.set,
                "Edit the state before the selected frame, for the next resume of that frame.",
                "%vcr set plan '[\"use FastAPI\"]' --frame 7",
                (Argument("path"), Argument("value", "value", many=True)),
                (at,),
            ),
            Verb(
                "undo",
                self.undo,
                "Take back what was done last: an edit of a state, or a rollback of files; says which.",
                "%vcr undo",
                (session,),
                (WORKSPACE,),
            ),
            Verb(
                "findings", self.findings, "Check the code in a folder with Sentinel.", "%vcr findings src", (target,)
            ),
            Verb("help", self.help, "List the words.", "%vcr help"),
        )

    def debug(self, place: Place) -> Result:
        """Show the debugger."""
        display(self.desk.show_debugger())
        return Said("")

    def record(self, place: Place, name: str | None = None, tag: Sequence[str] = (), **options: bool) -> Result:
        """Record from here on."""
        session, was_there = self.desk.recordings.begin(name, tag, go_on=bool(options.get("continue")))
        self.desk.begin(session)
        return Said(f"recording {session}{was_there}; %vcr shows it, %vcr stop ends it")

    def stop(self, place: Place) -> Result:
        """End the recording."""
        return Said(f"{self.desk.recordings.stop()}: ended")

    def cell(self, place: Place, name: str | None = None, tag: Sequence[str] = (), **options: bool) -> Result:
        """Record the cell that runs."""
        session = self.desk.recordings.begin_cell(name, tag, go_on=bool(options.get("continue")))
        self.desk.begin(session)
        return Said("")

    def goto(self, place: Place, frame: int) -> Result:
        """Select a frame."""
        self.desk.goto(frame)
        return show(place, None, frame)

    def set(self, place: Place, path: str, value: Sequence[str], frame: int | None = None) -> Result:
        """Edit the state before a frame."""
        given = _value_of(path, value)
        if path.isdecimal() or self.desk.is_session(path):
            raise UsageError(
                f"{path} is no key: %vcr set takes the key first, then the value, and the frame as an option, as in "
                "%vcr set plan '\"use FastAPI\"' --frame 7. A list item or a key of digits is written /path/0"
            )
        number = self.desk.frame() if frame is None else frame
        if number is None:
            self.desk.player()
            raise UsageError(f"of which frame? %vcr set {path} VALUE --frame N, or %vcr goto N first")
        edit = self.desk.edit(number, lambda state: setting(state, path, given))
        return PendingEdit(self.desk.current() or "", number, edit)

    def undo(self, place: Place, session: str | None = None, workspace: str | None = None) -> Result:
        """Take back an edit, or a rollback of files."""
        undone = self.desk.undo_edit() if workspace is None and session in (None, self.desk.current()) else None
        if undone is not None:
            return PendingEdit(*undone, undone=True)
        from agent_vcr_nb.verbs.files import undo

        try:
            result = undo(place, session, workspace=workspace)
        except UsageError as error:
            raise UsageError(f"no edit of a state is pending here, and of files: {error}") from error
        again = isinstance(result.outcome, Rollback) and result.outcome.operation == "redo"
        self.desk.rolled_back_at = time.monotonic() if again else None
        what = "done again: the rollback of files that was undone" if again else "undone: the last rollback of files"
        return Said(f"{what}\n{result.text()}")

    def findings(self, place: Place, directory: str | None = None) -> Result:
        """Check the code in a folder."""
        from agent_vcr_nb.notebook.found import scan

        return scan(directory or ".")

    def help(self, place: Place) -> Result:
        """List the words."""
        lines = [f"%vcr {verb.name:<10} {verb.help}" for verb in self.desk.verbs.values()]
        return Said("\n".join([*lines, "%vcr WORD --help: the options of a word, with an example"]))


def _value_of(path: str, words: Sequence[str]) -> Any:
    """Return the value that the rest of a line says; raises UsageError."""
    text = " ".join(words)
    if text.startswith("--"):
        raise UsageError(f"no option {words[0]}; a value that begins with -- is written as JSON: '\"{text}\"'")
    return value_of(text, path)
