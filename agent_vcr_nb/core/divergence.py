"""Where two runs part: their frames aligned by key, and the first that differs."""

from __future__ import annotations

from collections.abc import Sequence
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
    (it failed in one of them), ``only_a`` or ``only_b``."""
    changes: tuple[dict[str, Any], ...] = ()
    """Where the state differs, as `deep_changes` tells it; of the input for ``input``, else of the output."""

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__} | {"changes": list(self.changes)}


def align(a: Recording, b: Recording, *, ignore: Sequence[str] = ()) -> list[FramePair]:
    """Return the steps of two runs side by side, in the order of the first run, then those only in the second.

    States may differ at the places in `ignore` and inside them: JSON Pointers, in which ``*`` stands for any key or
    number, or names of top-level keys.
    """
    one, other = Tape(a, _forked_from(b, a)), Tape(b, _forked_from(a, b))
    ignored = [_tokens(path) for path in ignore]
    pairs, seen = [], set()
    for number, head in enumerate(one.heads):
        if head is None:
            continue
        key = one.key(number)
        match = other.find(key)
        seen.add(key)
        if match is None:
            pairs.append(FramePair(key, str(head.get("node_name", "")), number, None, "only_a"))
        else:
            verdict, changes = _verdict(one, number, other, match, ignored)
            pairs.append(FramePair(key, str(head.get("node_name", "")), number, match, verdict, tuple(changes)))
    for number, head in enumerate(other.heads):
        if head is not None and other.key(number) not in seen:
            pairs.append(FramePair(other.key(number), str(head.get("node_name", "")), None, number, "only_b"))
    return pairs


def _forked_from(fork: Recording, parent: Recording) -> int | None:
    """Return the frame of `parent` that `fork` was made at, or None: of several processes one is its parent's run."""
    frame = fork.header.get("forked_from_frame")
    if fork.header.get("parent_session_id") != parent.session_id or not isinstance(frame, int):
        return None
    return frame if 0 <= frame < len(parent) else None


def _verdict(
    one: Tape, number: int, other: Tape, match: int, ignored: list[list[str]]
) -> tuple[str, list[dict[str, Any]]]:
    changes = _changes(one, number, other, match, "input", ignored)
    if changes:
        return "input", changes
    if one.status(number) is not other.status(match):
        return "outcome", []
    changes = _changes(one, number, other, match, "output", ignored)
    return ("output", changes) if changes else ("same", [])


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
    except (FrameNotFoundError, RecordingError):
        return {}


def first_divergence(pairs: list[FramePair]) -> FramePair | None:
    """Return the first step that differs, or None when the runs are the same.

    A step that runs other steps is passed over while one of those tells the difference more closely.
    """
    differing = [pair for pair in pairs if pair.verdict != "same"]
    for pair in differing:
        inside = any(other.key.startswith(pair.key + "/") for other in differing)
        if not inside or pair.verdict == "input":
            return pair
    return None
