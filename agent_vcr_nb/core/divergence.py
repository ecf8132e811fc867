"""Where two runs part: their frames aligned by key, and the first that differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent_vcr_nb.core.encoding import Json, escape
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError
from agent_vcr_nb.core.query import deep_changes
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.tape import Tape


@dataclass(frozen=True, slots=True)
class FramePair:
    """The same step in two runs."""

    key: str
    node_name: str
    a: int | None
    """Frame in the first run, or None when the step is only in the second."""
    b: int | None
    verdict: str
    """``same``, ``input`` (it was given something else), ``output`` (same input, other output), ``outcome``
    (it did not end in the same way), ``damaged`` (it cannot be read in one of them, so nobody knows), ``only_a`` or
    ``only_b``."""
    changes: tuple[dict[str, Any], ...] = ()
    """Where the state differs, as `deep_changes` tells it; of the input for ``input``, else of the output."""
    outcomes: tuple[str, ...] = ()
    """How it ended in the first and in the second run, for ``outcome``: ok, error, running."""

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "changes": list(self.changes),
            "outcomes": list(self.outcomes),
        }


def align(a: Recording, b: Recording, *, ignore: Sequence[str] = ()) -> list[FramePair]:
    """Return the steps of two runs side by side, in the order of the first run, then those only in the second.

    A damaged frame has lost its key: it stands beside the frame of its number where that one finds no other.
    States may differ at the places in `ignore` and inside them: JSON Pointers, in which ``*`` stands for any key or
    number, or names of top-level keys.
    """
    one, other = Tape(a, _forked_from(b, a)), Tape(b, _forked_from(a, b))
    ignored = [_tokens(path) for path in ignore]
    pairs = []
    seen: set[int] = set()
    for number, head in _of_the_run(one):
        match = _match(one, number, other)
        if match is not None:
            seen.add(match)
        if match is None and head is not None:
            pairs.append(FramePair(one.key(number), one.name(number), number, None, "only_a"))
        elif match is None or head is None or other.heads[match] is None:
            pairs.append(_damaged(one, number, other, match))
        else:
            pairs.append(_compared(one, number, other, match, ignored))
    for number, head in _of_the_run(other):
        if number not in seen and head is not None:
            pairs.append(FramePair(other.key(number), other.name(number), None, number, "only_b"))
        elif number not in seen:
            pairs.append(FramePair(f"frame {number}", "", None, number, "damaged"))
    return pairs


def _forked_from(fork: Recording, parent: Recording) -> int | None:
    """Return the frame of `parent` that `fork` was made at, or None: of several processes one is its parent's run."""
    frame = fork.header.get("forked_from_frame")
    if fork.header.get("parent_session_id") != parent.session_id or not isinstance(frame, int):
        return None
    return frame if 0 <= frame < len(parent) else None


def _of_the_run(tape: Tape) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Give the frames that this run recorded, damaged ones included."""
    return ((number, head) for number, head in enumerate(tape.heads) if number not in tape.elsewhere)


def _match(one: Tape, number: int, other: Tape) -> int | None:
    """Return the frame of the other run that is the same step: of the same key, or else one beside damage."""
    beside = number if number < len(other.heads) and number not in other.elsewhere else None
    if one.heads[number] is not None:
        found = other.find(one.key(number))
        return beside if found is None and beside is not None and other.heads[beside] is None else found
    if beside is None or other.heads[beside] is None:
        return beside
    return beside if one.find(other.key(beside)) is None else None


def _damaged(one: Tape, number: int, other: Tape, match: int | None) -> FramePair:
    for tape, readable in ((one, number), (other, match)):
        if readable is not None and tape.heads[readable] is not None:
            return FramePair(tape.key(readable), tape.name(readable), number, match, "damaged")
    return FramePair(f"frame {number}", "", number, match, "damaged")


def _compared(one: Tape, number: int, other: Tape, match: int, ignored: list[list[str]]) -> FramePair:
    names = (one.key(number), one.name(number), number, match)
    try:
        changes = _changes(one, number, other, match, "input", ignored)
        if changes:
            return FramePair(*names, "input", tuple(changes))
        ends = (one.status(number), other.status(match))
        if ends[0] is not ends[1]:
            return FramePair(*names, "outcome", outcomes=tuple(str(end.value) for end in ends))
        changes = _changes(one, number, other, match, "output", ignored)
    except RecordingError:
        return FramePair(*names, "damaged")
    return FramePair(*names, "output" if changes else "same", tuple(changes))


def _changes(
    one: Tape, number: int, other: Tape, match: int, side: str, ignored: list[list[str]]
) -> list[dict[str, Any]]:
    changes = deep_changes(_state(one, number, side), _state(other, match, side))
    return [change for change in changes if not any(_is_at(change["path"], place) for place in ignored)]


def _tokens(path: str) -> list[str]:
    return path.split("/")[1:] if path.startswith("/") else [escape(path)]


def _is_at(path: str, place: list[str]) -> bool:
    """Tell whether a path leads to a place or into it."""
    tokens = path.split("/")[1:]
    return len(tokens) >= len(place) and all(mine in ("*", its) for mine, its in zip(place, tokens, strict=False))


def _state(tape: Tape, number: int, side: str) -> Json:
    try:
        return tape.recording.state(number, side)
    except FrameNotFoundError:  # it failed, or has not ended
        return {}


def first_divergence(pairs: list[FramePair]) -> FramePair | None:
    """Return the first step that differs, or None when the runs are the same as far as they can be read.

    A step that runs other steps is passed over while one of those tells the difference more closely.
    """
    differing = [pair for pair in pairs if pair.verdict not in ("same", "damaged")]
    for pair in differing:
        inside = any(other.key.startswith(pair.key + "/") for other in differing)
        if not inside or pair.verdict == "input":
            return pair
    return None
