"""What a verb is: a function, the words it takes, and an example; the command line and the magic are made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from agent_vcr_nb.core.errors import RecordingError, UsageError
from agent_vcr_nb.core.lineage import find_session
from agent_vcr_nb.core.player import VCRPlayer

if TYPE_CHECKING:
    from agent_vcr_nb.core.recorder import VCRRecorder


class Result(Protocol):
    """What a verb returns."""

    @property
    def exit_code(self) -> int:
        """0 for fine or the same, 1 for a difference, a regression or a finding."""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""

    def text(self) -> str:
        """Return the result for a terminal, with ANSI colours."""


@dataclass(slots=True)
class Place:
    """Where a verb works: a folder of sessions, and what the face it was called from knows."""

    directory: Path
    session: str | None = None
    """The session meant when none is named: the notebook's current one."""
    agents: Mapping[str, Any] = field(default_factory=dict)
    """Names that ``--agent`` may be, beside ``module:name``: those of the notebook."""
    agent: Any = None
    """The agent of the current session, where it is alive in this process."""
    unknown: str = ""
    """Why `agent` is None, for a user to act on; empty where nothing is known of it."""
    patch: Callable[[str, int], Sequence[Mapping[str, Any]]] | None = None
    """Gives the patch that was made in a widget for (session, frame)."""
    recorder: Callable[[Path], VCRRecorder] | None = None
    """Makes the recorder of a resume or replay, in a folder: one that a face watches and can cancel."""
    show: Callable[[str], None] | None = None
    """Shows what a verb has to say while it works; None for silence."""
    complain: Callable[[str], None] | None = None
    """Shows what went wrong in a program that the verb runs."""

    def path(self, session: str | None) -> Path:
        """Return the file of the session named, or of the current one; raises SessionNotFoundError, UsageError."""
        name = session or self.session
        if name is None:
            raise UsageError("which session? Name one; `ls` lists those there are")
        return find_session(name, self.directory)

    def player(self, session: str | None) -> VCRPlayer:
        """Open the session named, or the current one; raises RecordingError for a file that holds none."""
        player = VCRPlayer.load(self.path(session))
        flaw = player.recording.flaw()
        if flaw is not None:
            raise RecordingError(f"{player.recording.path}: {flaw}. Remove it, or restore it from a copy")
        return player


Kind: TypeAlias = Literal["session", "text", "number", "path", "choice", "words", "value", "expression"]
"""A ``value`` may begin with a dash, as -1 does; an ``expression`` is the rest of a magic's line as it stands."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A word that stands by its place. A ``session`` may be left out where there is a current one."""

    name: str
    kind: Kind = "text"
    required: bool = True
    many: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """A word with a name of its own, such as ``--agent``."""

    name: str
    help: str
    kind: Kind = "text"
    many: bool = False
    flag: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    short: str = ""

    @property
    def parameter(self) -> str:
        """Name of the function's parameter."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that a user can ask for."""

    name: str
    run: Callable[..., Result]
    """Called with a `Place` and the words by name."""
    help: str
    example: str
    """A whole command line."""
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    notebook: bool = True
    """False for a verb of the command line only."""
    beside_a_program: bool = False
    """True where the output is a program's own, so that what the verb says goes to the error output."""


def load_verb(module: str, name: str) -> Callable[..., Result]:
    """Return a function that imports its module when called: the command line starts without what it does not use."""

    def run(place: Place, **words: Any) -> Result:
        from importlib import import_module

        result: Result = getattr(import_module(f"agent_vcr_nb.verbs.{module}"), name)(place, **words)
        return result

    return run
