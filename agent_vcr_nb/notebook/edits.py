"""The edits that a user makes to input states in the tree, before a resume uses them.

Per frame a stack of steps, each one the operations of one edit and those that take it back. What a resume gets is
their concatenation, with a value that was replaced twice in a row written once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agent_vcr_nb.core.decoding import decode, from_loaded_modules
from agent_vcr_nb.core.delta import lookup
from agent_vcr_nb.core.edit import patched
from agent_vcr_nb.core.encoding import TAG, Json, Opaque
from agent_vcr_nb.core.errors import EditError

Operation: TypeAlias = dict[str, Any]
Patch: TypeAlias = list[Operation]


@dataclass(frozen=True, slots=True)
class EditStep:
    """One edit as the user made it."""

    operations: tuple[Operation, ...]
    undo: tuple[Operation, ...]
    """What the editor itself would do to take the edit back; empty when it does not say."""
    at: float = field(default_factory=time.monotonic, compare=False)
    """When it was made, on the clock of `time.monotonic`."""


class EditBook:
    """The pending edits of every session of a kernel: what the tree, ``%vcr set`` and a resume share."""

    def __init__(self) -> None:
        self._sessions: dict[str, PendingEdits] = {}

    def of(self, session: str) -> PendingEdits:
        """Return the edits that wait for a resume of a session."""
        return self._sessions.setdefault(session, PendingEdits())


class PendingEdits:
    """Edits by frame number, each checked against the state it is for."""

    def __init__(self) -> None:
        self._steps: dict[int, list[EditStep]] = {}

    def __getitem__(self, number: int) -> Patch:
        return joined(self._steps.get(number, ()))

    def as_dict(self) -> dict[int, Patch]:
        """Return the patch of every frame that has one."""
        patches = {number: self[number] for number in self._steps}
        return {number: patch for number, patch in patches.items() if patch}

    def add(self, number: int, state: Json, operations: Sequence[Operation], undo: Sequence[Operation] = ()) -> None:
        """Add an edit of the input state `state` of a frame, which has the frame's earlier edits not yet applied.

        The exact opposite of the last edit takes that edit back. Raises EditError, and keeps nothing, when an operation
        does not fit the state or would make a value lose its type.
        """
        steps = self._steps.get(number, [])
        if steps and steps[-1].undo and list(steps[-1].undo) == list(operations):
            self.undo(number)
            return
        before = patched(state, self[number])
        after = before
        for operation in operations:
            after = _applied(after, operation)
        if not isinstance(after, dict):
            raise EditError(
                f"the edit makes the state of frame {number} a {type(after).__name__}: expected an object with keys"
            )
        self._steps.setdefault(number, []).append(EditStep(tuple(operations), tuple(undo)))

    def undo(self, number: int) -> None:
        """Take back the last edit of a frame; raises EditError when it has none."""
        steps = self._steps.get(number)
        if not steps:
            raise EditError(f"frame {number} has no edit to undo")
        steps.pop()
        if not steps:
            del self._steps[number]

    def last(self) -> tuple[int, float] | None:
        """Return the frame that was edited last, and when; None where nothing is pending."""
        latest = max(self._steps.items(), key=lambda item: item[1][-1].at, default=None)
        return None if latest is None else (latest[0], latest[1][-1].at)

    def clear(self, number: int | None = None) -> None:
        """Drop the edits of one frame, or of all (None)."""
        if number is None:
            self._steps.clear()
        else:
            self._steps.pop(number, None)


def joined(steps: Sequence[EditStep]) -> Patch:
    """Return the operations of all steps in order; a replace followed by a replace of the same place is one."""
    patch: Patch = []
    for operation in (operation for step in steps for operation in step.operations):
        last = patch[-1] if patch else None
        if (
            last
            and operation["op"] == "replace"
            and last["op"] in ("replace", "add")
            and last["path"] == operation["path"]
        ):
            # An add to a list inserts, and the replace after it names what was inserted: together one insertion.
            patch[-1] = {**last, "value": operation["value"]}
        else:
            patch.append(dict(operation))
    return patch


def _applied(tree: Json, operation: Operation) -> Json:
    """Return the tree after one operation; raises EditError when a typed value would lose or break its type."""
    place = _typed_place(tree, operation["path"])
    after = patched(tree, [operation])
    if place is None or (operation["op"] == "remove" and place == operation["path"]):
        return after
    tag = lookup(tree, place)[TAG]
    now = lookup(after, place)
    if not isinstance(now, dict) or now.get(TAG) != tag:
        raise EditError(f"{place} is a {tag}: edit its value at {place}/v, or remove {place}. Found {operation}.")
    was_readable = not isinstance(decode(lookup(tree, place), resolve=from_loaded_modules), Opaque)
    if was_readable and isinstance(decode(now, resolve=from_loaded_modules), Opaque):
        raise EditError(
            f"{place} is a {tag}, and {_shown(now.get('v'))} is none."
            f" Write it like {_shown(lookup(tree, place).get('v'))}."
        )
    return after


def _typed_place(tree: Json, path: str) -> str | None:
    """Return the pointer of the innermost typed value that stands at `path` or above it, or None."""
    place = path
    while True:
        try:
            found = lookup(tree, place)
        except (KeyError, IndexError, ValueError, TypeError):
            found = None
        if isinstance(found, dict) and isinstance(found.get(TAG), str):
            return place
        if not place:
            return None
        place = place.rpartition("/")[0]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
