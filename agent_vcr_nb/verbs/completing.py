"""What may stand at a place of a command line: sessions, frames, steps, state paths; for the shell and the notebook."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.delta import lookup
from agent_vcr_nb.core.encoding import TAG, escape, unescape
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, VCRError
from agent_vcr_nb.core.lineage import find_session, session_ids
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.verbs.definition import Argument, Option, Verb

MOST = 200
"""Candidates that are offered at most."""
_WORD = string.ascii_letters + string.digits + "_."
FILES = ("workspace", "patch", "to", "files", "directory", "paths", "command")
"""Parameters that name a file or folder of the user's: the shell and IPython complete those themselves."""


@dataclass(slots=True)
class Lookup:
    """Where candidates come from: a folder of sessions, and what a notebook has selected."""

    directory: Path
    session: str | None = None
    """The session meant where none is named."""
    frame: int | None = None
    agents: Sequence[str] = field(default_factory=list)

    def of(self, parameter: str, fragment: str) -> list[str]:
        """Return what may stand for a parameter, those that begin with `fragment`; nothing where nothing is known."""
        give = _GIVERS.get(parameter)
        if give is None:
            return []
        try:
            found = give(self, fragment)
        except (VCRError, OSError):  # a session that is not there, or cannot be read, has no candidates
            return []
        return [word for word in found if word.startswith(fragment)][:MOST]

    def player(self) -> VCRPlayer:
        """Open the session meant; raises SessionNotFoundError where there is none."""
        return VCRPlayer.load(find_session(self.session or "", self.directory))

    def sessions(self, _fragment: str = "") -> list[str]:
        """Return the sessions of the folder, the newest first."""
        return session_ids(self.directory)

    def frames(self, _fragment: str = "") -> list[str]:
        """Return the numbers of the session's frames."""
        return [str(number) for number in range(len(self.player()))]

    def steps(self, _fragment: str = "") -> list[str]:
        """Return the names of the session's steps."""
        return self.player().list_nodes()

    def paths(self, fragment: str = "") -> list[str]:
        """Return the keys of a state, or what stands inside the place that a JSON Pointer has come to."""
        state = self._state()
        if not fragment.startswith("/"):
            return [str(key) for key in state]
        parent = fragment.rpartition("/")[0]
        try:
            inside = lookup(state, parent) if parent else state
        except (KeyError, IndexError, ValueError, TypeError):
            return []
        if isinstance(inside, dict):
            return [f"{parent}/{escape(str(key))}" for key in inside if key != TAG]
        return [f"{parent}/{place}" for place in range(len(inside))] if isinstance(inside, list) else []

    def names(self, fragment: str = "") -> list[str]:
        """Return what an expression may go on with: names, functions, and keys behind ``state.`` and the like."""
        from agent_vcr_nb.core.expression import FUNCTIONS
        from agent_vcr_nb.verbs.printing import NAMES

        tail = fragment[len(fragment.rstrip(_WORD)) :]
        before, dot, _ = tail.rpartition(".")
        if not dot:
            words = [*NAMES, *(f"{name}(" for name in FUNCTIONS)]
        else:
            root, *keys = before.split(".")
            pointer = "".join(f"/{escape(key)}" for key in keys)
            inside = self.paths(f"{pointer}/") if root in ("state", "input", "output") else []
            keys_there = [unescape(path.rpartition("/")[2]) for path in inside]
            words = [f"{before}.{key}" for key in keys_there if key.isidentifier()]
        head = fragment[: len(fragment) - len(tail)]
        return [head + word for word in words]

    def _state(self) -> dict[str, Any]:
        """Return the state before the selected frame; of none selected, the last one that is known."""
        player = self.player()
        if self.frame is not None and self.frame < len(player):
            return dict(player.state_json(self.frame, "input"))
        for number in reversed(range(len(player))):
            for side in ("output", "input"):
                try:
                    return dict(player.state_json(number, side))
                except (FrameNotFoundError, RecordingError):
                    continue
        return {}


def _and_equals(words: list[str]) -> list[str]:
    return [f"{word}=" for word in words]


_GIVERS: dict[str, Callable[[Lookup, str], list[str]]] = {
    "session": Lookup.sessions,
    "a": Lookup.sessions,
    "b": lambda look, _: [*look.sessions(), *look.frames()],
    "c": Lookup.frames,
    "first": Lookup.sessions,
    "second": Lookup.frames,
    "third": Lookup.frames,
    "against": Lookup.sessions,
    "frame": Lookup.frames,
    "path": Lookup.paths,
    "ignore": Lookup.paths,
    "volatile": Lookup.paths,
    "expression": Lookup.names,
    "set": lambda look, fragment: _and_equals(look.paths(fragment)),
    "mock": lambda look, _: _and_equals(look.steps()),
    "skip": Lookup.steps,
    "agent": lambda look, _: list(look.agents),
}


def candidates(verb: Verb, words: Sequence[str], fragment: str, look: Lookup, current: str | None) -> list[str] | None:
    """Return what may stand after `words` of a verb's line; None where a file of the user's is to stand.

    `current` is the session that need not be named; `look` is told which session and frame the words name.
    """
    option, given = _read(verb, words)
    positions = list(verb.arguments)
    names_session = bool(positions) and positions[0].kind == "session"
    if names_session and given and given[0] in look.sessions():
        look.session = given[0]
    elif names_session and given and current is not None:
        given = [current, *given]
    for argument, word in zip(positions, given, strict=False):
        if argument.name == "frame" and word.isdigit():
            look.frame = int(word)
    if option is not None:
        return _of_parameter(option, fragment, look)
    if fragment.startswith("-"):
        return [f"--{o.name}" for o in verb.options if f"--{o.name}".startswith(fragment)]
    nth = len(given)
    if positions and positions[-1].kind == "expression":
        nth = min(nth, len(positions) - 1)
    found: list[str] = []
    if nth < len(positions):
        first = _of_parameter(positions[nth], fragment, look)
        if first is None:
            return None
        found += first
    if names_session and nth == 0 and current is not None and len(positions) > 1:
        found += _of_parameter(positions[1], fragment, look) or []
    return list(dict.fromkeys(found))


def _of_parameter(parameter: Argument | Option, fragment: str, look: Lookup) -> list[str] | None:
    if parameter.name in FILES:
        return None
    choices = getattr(parameter, "choices", ())
    if choices:
        return [choice for choice in choices if choice.startswith(fragment)]
    return look.of(parameter.name, fragment)


def _read(verb: Verb, words: Sequence[str]) -> tuple[Option | None, list[str]]:
    """Return the option whose value comes next, if one does, and the words that stand by their place."""
    options = {f"--{option.name}": option for option in verb.options}
    waiting: Option | None = None
    given: list[str] = []
    for word in words:
        if waiting is not None:
            waiting = None
        elif word in options:
            waiting = None if options[word].flag else options[word]
        elif not word.startswith("--"):
            given.append(word)
    return waiting, given
