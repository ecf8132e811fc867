"""A recording as a run to be followed again: steps by key, their outputs as Python values, what came before what."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from agent_vcr_nb.core.decoding import decode, from_loaded_modules
from agent_vcr_nb.core.encoding import BLOB_CHARS, TAG, Json
from agent_vcr_nb.core.errors import CannotResumeError, RecordedStepError, RecordingError
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.journal import blob_tag
from agent_vcr_nb.core.recording import Recording


class Tape:
    """The frames of a recording up to and around one run, seen by key."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.session_id = recording.session_id

    @cached_property
    def heads(self) -> list[dict[str, Any] | None]:
        """What is known of each frame beside its states; None for a damaged one."""
        heads: list[dict[str, Any] | None] = []
        for number in range(len(self.recording)):
            try:
                heads.append(self.recording.head(number))
            except RecordingError:
                heads.append(None)
        return heads

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {head["key"]: number for number, head in enumerate(self.heads) if head and "key" in head}

    def key(self, number: int) -> str:
        """Return the key of a frame; raises CannotResumeError where the recording has none."""
        self.recording.place(number)
        head = self.heads[number]
        if head is None:
            raise CannotResumeError(f"{self.session_id} frame {number}: its line is damaged, so it cannot be resumed")
        return str(head.get("key") or f"{head.get('node_name', 'step')}#{number}")

    def find(self, key: str) -> int | None:
        """Return the number of the frame with this key, or None."""
        return self._numbers.get(key)

    def inherited_edit(self, number: int) -> list[dict[str, Any]]:
        """Return the patch that had made this frame's input from what the agent passed; empty where none had."""
        return list((self.heads[number] or {}).get("edit") or ())

    def status(self, number: int) -> Status:
        """Return how a frame ended."""
        head = self.heads[number]
        return Status(head.get("status", "ok")) if head else Status.DAMAGED

    def has_children(self, number: int) -> bool:
        """Tell whether frames were recorded inside this one."""
        prefix = self.key(number) + "/"
        return any(key.startswith(prefix) for key in self._numbers)

    @staticmethod
    def is_inside(key: str, ancestor: str) -> bool:
        """Tell whether a step ran inside another one."""
        return key.startswith(ancestor + "/")

    def ended_before(self, number: int, other: int) -> bool:
        """Tell whether a frame had ended when the other one started."""
        return self.recording.ended_before(number, other)

    def subtree(self, number: int) -> list[int]:
        """Return a frame and all frames inside it, in the order of their numbers."""
        key = self.key(number)
        inside = [n for k, n in self._numbers.items() if self.is_inside(k, key)]
        return [number, *sorted(inside)]

    def root_of(self, number: int) -> int:
        """Return the outermost frame that a frame ran inside; itself when there is none."""
        root = self.key(number).split("/", 1)[0]
        return self._numbers.get(root, number)

    def required_before(self, target: int) -> list[int]:
        """Return the frames that an agent asks for on its way to `target`: siblings of it and of its ancestors.

        What ran inside one of them is served with it. Frames of other runs in the same session are left out.
        """
        target_key = self.key(target)
        root = target_key.split("/", 1)[0]
        nested = self.is_inside(target_key, root)
        required = []
        for key, number in self._numbers.items():
            parent = key.rpartition("/")[0]
            same_run = not nested or self.is_inside(key, root)
            on_the_way = parent == "" or self.is_inside(target_key, parent)
            ancestor = self.is_inside(target_key, key)
            if number < target and same_run and on_the_way and not ancestor and self.ended_before(number, target):
                required.append(number)
        return sorted(required)

    def racing_siblings(self, number: int) -> list[int]:
        """Return frames of the same name and parent that ran at the same time as this one, from another branch."""
        head, key = self.heads[number], self.key(number)
        family = key.rpartition("#")[0]
        found = []
        for other_key, other in self._numbers.items():
            if other != number and other_key.rpartition("#")[0] == family:
                apart = (self.heads[other] or {}).get("lane") != (head or {}).get("lane")
                if apart:
                    found.append(other)
        return found

    # -------------------------------------------------------------------------------------------- values

    @cached_property
    def drawn(self) -> dict[str, dict[str, Any]]:
        """Times, ids and random numbers by key: ``{key, before, value}``, drawn before frame `before`."""
        return {line["key"]: line for line in self.recording.others("value")}

    def value(self, drawn: dict[str, Any]) -> Any:
        """Return the value of an entry of `drawn`."""
        return decode(drawn["value"])

    def returned_value(self, number: int) -> bool:
        """Tell whether a step had returned a value that is no mapping, so that its output state wraps it."""
        return "value" in ((self.heads[number] or {}).get("call") or ())[1:]

    def input(self, number: int, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the input state as the agent's own types; raises CannotResumeError for what was not stored.

        Keys in `without` are going to be replaced, so they need not have been stored.
        """
        return self._value(number, "input", without)

    def output(self, number: int) -> dict[str, Any]:
        """Return the output state as the agent's own types; raises CannotResumeError for what was not stored."""
        return self._value(number, "output")

    def recorded(self, number: int, side: str) -> dict[str, Any]:
        """Return a state for writing it again: what could not be stored stays the marker it is."""
        return dict(decode(self.recording.state(number, side), resolve=from_loaded_modules, blob=self.recording.blob))

    def _value(self, number: int, side: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
        tree = {key: item for key, item in self.recording.state(number, side).items() if key not in without}
        lost = markers(tree)
        if lost:
            raise CannotResumeError(
                f"{self.session_id} frame {number}: {side} {lost[0]} could not be stored when it was recorded, so it "
                f"cannot be given back. Supply it (state_overrides={{{lost[0].split('/')[1]!r}: ...}}) and resume at "
                f"frame {number}, or make it recordable with agent_vcr_nb.register."
            )
        return dict(decode(tree, resolve=from_loaded_modules, blob=self.recording.blob))

    def error(self, number: int) -> BaseException | None:
        """Return the exception that a step had raised, of its own class where that is loaded, or None."""
        if self.status(number) is not Status.ERROR:
            return None
        head = self.heads[number] or {}
        recorded = decode(head.get("exception"), resolve=from_loaded_modules)
        if isinstance(recorded, BaseException):
            return recorded
        metadata = head.get("metadata", {})
        return RecordedStepError(str(metadata.get("error_type")), str(metadata.get("error_message")))

    def input_difference(self, number: int, found: Json, volatile: frozenset[str]) -> tuple[str, str, str] | None:
        """Return (path, recorded, found) of the first difference between a recorded input and this one, or None."""
        from agent_vcr_nb.core.query import first_difference

        recorded = self.recording.state(number, "input")
        return first_difference(canonical(recorded, volatile), canonical(found, volatile))


def canonical(tree: Json, volatile: frozenset[str] = frozenset()) -> Json:
    """Return an encoded state without the volatile keys and with each long string as its digest."""
    kind = type(tree)
    if kind is str and len(tree) > BLOB_CHARS:
        return blob_tag(tree)
    if kind is list:
        return [canonical(item, volatile) for item in tree]
    if kind is dict:
        return {key: canonical(item, volatile) for key, item in tree.items() if key not in volatile}
    return tree


def markers(tree: Json, path: str = "") -> list[str]:
    """Return the JSON Pointers of what could not be stored in an encoded state."""
    from agent_vcr_nb.core.encoding import escape

    if type(tree) is list:
        return [found for n, item in enumerate(tree) for found in markers(item, f"{path}/{n}")]
    if type(tree) is not dict:
        return []
    if tree.get(TAG) == "repr":
        return [path or "/"]
    return [found for key, item in tree.items() for found in markers(item, f"{path}/{escape(key)}")]
