"""A recording as a run to be followed again: steps by key, their outputs as Python values, what came before what."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from agent_vcr_nb.core.decoding import decode, from_loaded_modules
from agent_vcr_nb.core.edit import patched
from agent_vcr_nb.core.encoding import BLOB_CHARS, TAG, Json, Opaque, escape, unescape
from agent_vcr_nb.core.errors import CannotResumeError, EditError, RecordedStepError, RecordingError
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.journal import blob_tag
from agent_vcr_nb.core.processes import elsewhere, lines_beside
from agent_vcr_nb.core.recording import Recording


class Tape:
    """The frames of a recording up to and around one run, seen by key.

    With `frame` those of the process that recorded it, where several recorded into the session at once.
    """

    def __init__(self, recording: Recording, frame: int | None = None) -> None:
        self.recording = recording
        self._frame = frame
        self.session_id = recording.session_id
        self.supplied: Mapping[str, Any] = {}
        """Top-level keys that the user supplies for values that could not be stored."""

    @cached_property
    def heads(self) -> list[dict[str, Any] | None]:
        """What is known of each frame beside its states; None for a damaged one, and for one of another process."""
        heads: list[dict[str, Any] | None] = []
        names: Counter[str] = Counter()
        for number in range(len(self.recording)):
            if number in self.elsewhere:
                heads.append(None)
                continue
            try:
                head = self.recording.head(number)
            except RecordingError:
                heads.append(None)
                continue
            if "key" not in head:  # a file of ai-agent-vcr
                name = escape(head.get("node_name", "step"))
                names[name] += 1
                head["key"] = f"{name}#{names[name]}"
            heads.append(head)
        return heads

    @cached_property
    def elsewhere(self) -> frozenset[int]:
        """Frames that another process recorded into the session at the same time: not of this run."""
        return frozenset() if self._frame is None else elsewhere(self.recording, self._frame)

    @cached_property
    def first(self) -> int:
        """Number of the frame that the run began with."""
        return next((number for number in range(len(self.heads)) if number not in self.elsewhere), 0)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of another type than frames (see `Recording.others`) that the run's process wrote."""
        return lines_beside(self.recording, kind, self._frame)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {head["key"]: number for number, head in enumerate(self.heads) if head}

    def key(self, number: int) -> str:
        """Return the key of a frame; raises CannotResumeError where the recording has none."""
        self.recording.place(number)
        head = self.heads[number]
        if head is None:
            raise CannotResumeError(f"{self.session_id} frame {number}: its line is damaged, so it cannot be resumed")
        return str(head["key"])

    def find(self, key: str) -> int | None:
        """Return the number of the frame with this key, or None."""
        return self._numbers.get(key)

    def inherited_edit(self, number: int) -> list[dict[str, Any]]:
        """Return the patch that had made this frame's input from what the agent passed; empty where none had."""
        kept = []
        for operation in (self.heads[number] or {}).get("edit") or ():
            path = str(operation.get("path", ""))
            lost = not_stored(operation.get("value"), path)
            if not lost:
                kept.append(operation)
            elif unescape(path.split("/")[1]) not in self.supplied:
                raise self._not_stored(number, "edit", *lost[0])
        return kept

    def status(self, number: int) -> Status:
        """Return how a frame ended."""
        head = self.heads[number]
        return Status(head.get("status", "ok")) if head else Status.DAMAGED

    def name(self, number: int) -> str:
        """Return the name of a frame's step."""
        return str((self.heads[number] or {}).get("node_name", "step"))

    def call(self, number: int) -> list[str]:
        """Return what an integration kept of how a step was called; empty for a frame that was recorded afterwards."""
        return list((self.heads[number] or {}).get("call") or ())

    @cached_property
    def _children(self) -> dict[str, list[int]]:
        """Numbers of the frames directly inside each key; of the outermost ones under the empty key."""
        children: dict[str, list[int]] = {}
        for key, number in self._numbers.items():
            children.setdefault(key.rpartition("/")[0], []).append(number)
        return children

    def has_children(self, number: int) -> bool:
        """Tell whether frames were recorded inside this one."""
        return self.key(number) in self._children

    def is_outermost(self, number: int) -> bool:
        """Tell whether a frame ran inside no other one."""
        head = self.heads[number]
        return head is not None and "/" not in head.get("key", "/")

    @staticmethod
    def is_inside(key: str, ancestor: str) -> bool:
        """Tell whether a step ran inside another one."""
        return key.startswith(ancestor + "/")

    def ended_before(self, number: int, other: int) -> bool:
        """Tell whether a frame had ended when the other one started."""
        return self.recording.ended_before(number, other)

    def subtree(self, number: int) -> list[int]:
        """Return a frame and all frames inside it, in the order of their numbers."""
        found, waiting = [], [number]
        while waiting:
            found.append(waiting.pop())
            waiting += self._children.get(self.key(found[-1]), ())
        return sorted(found)

    def root_of(self, number: int) -> int:
        """Return the outermost frame that a frame ran inside; itself when there is none."""
        root = self.key(number).split("/", 1)[0]
        return self._numbers.get(root, number)

    @staticmethod
    def ancestors(key: str) -> list[str]:
        """Return the keys of the steps that a step ran inside, outermost first."""
        parts = key.split("/")
        return ["/".join(parts[:depth]) for depth in range(1, len(parts))]

    def lane(self, number: int) -> int:
        """Return the number of the branch of execution (thread, task) that a step ran in."""
        return int((self.heads[number] or {}).get("lane") or 0)

    def required_before(self, target: int, *, recorded_afterwards: bool = False) -> list[int]:
        """Return the frames that an agent must have asked for when it comes to `target`.

        They are siblings of it and of its ancestors that had ended before it started and that ran in its own branch,
        or before that branch began. Left out are frames inside them, which are served with them, frames of other
        runs in the session, and, unless `recorded_afterwards`, frames of steps that were over when they were recorded:
        a function does not ask for those.
        """
        target_key = self.key(target)
        ancestors = self.ancestors(target_key)
        levels = ancestors if ancestors else [""]
        lane = self.lane(target)
        branch_began = min(n for n in self._numbers.values() if self.lane(n) == lane)
        earlier_lanes = {self.lane(self._numbers[key]) for key in ancestors if key in self._numbers}
        required = []
        for number in (n for level in levels for n in self._children.get(level, ())):
            asked_for = recorded_afterwards or self.recording.has_start(number)
            if number >= target or self.key(number) in ancestors or not asked_for:
                continue
            own = self.lane(number) == lane
            before = self.lane(number) in earlier_lanes and self.ended_before(number, branch_began)
            if (own or before) and self.ended_before(number, target):
                required.append(number)
        return sorted(required)

    @cached_property
    def _families(self) -> dict[str, list[int]]:
        """Frames of one name below one parent that ran in more than one branch."""
        families: dict[str, list[int]] = {}
        for key, number in self._numbers.items():
            families.setdefault(key.rpartition("#")[0], []).append(number)
        return {
            family: numbers
            for family, numbers in families.items()
            if len(numbers) > 1 and len({self.lane(number) for number in numbers}) > 1
        }

    def racing(self, key: str) -> list[int]:
        """Return the frames of this name and parent where they ran in several branches, else nothing."""
        return self._families.get(key.rpartition("#")[0], [])

    def was_overtaken(self, key: str, target: int) -> bool:
        """Tell whether a branch that runs steps of this name and parent was still under way when `target` started."""
        return any(not self.ended_before(n, target) and n != target for n in self.racing(key))

    # -------------------------------------------------------------------------------------------- values

    @cached_property
    def drawn(self) -> dict[str, dict[str, Any]]:
        """Times, ids and random numbers by key: ``{key, before, value}``, drawn before frame `before`."""
        return {line["key"]: line for line in self.lines("value")}

    @cached_property
    def _drawn_by_owner(self) -> dict[str, list[dict[str, Any]]]:
        owners: dict[str, list[dict[str, Any]]] = {}
        for key, drawn in self.drawn.items():
            owners.setdefault(key.rpartition("/")[0], []).append(drawn)
        return owners

    def drawn_in(self, key: str) -> list[dict[str, Any]]:
        """Return what was drawn directly inside the step of this key; outside of all steps for the empty key."""
        return self._drawn_by_owner.get(key, [])

    def value(self, drawn: dict[str, Any]) -> Any:
        """Return the value of an entry of `drawn`."""
        return decode(drawn["value"])

    def returned_value(self, number: int) -> bool:
        """Tell whether a step had returned a value that is no mapping, so that its output state wraps it."""
        return "value" in self.call(number)[1:]

    def input(self, number: int) -> dict[str, Any]:
        """Return the input state as the agent's own types; raises CannotResumeError for what was not stored."""
        return self._value(number, "input")

    def output(self, number: int) -> dict[str, Any]:
        """Return the output state as the agent's own types; raises CannotResumeError for what was not stored."""
        return self._value(number, "output")

    def changes(self, number: int) -> list[dict[str, Any]]:
        """Return what a step changed in place, as operations with the agent's own values; raises CannotResumeError."""
        found = []
        for operation in (self.heads[number] or {}).get("changes") or ():
            change = dict(operation)
            if "value" in change:
                key = next(token for token in reversed(change["path"].split("/")) if not token.isdigit())
                change["value"] = self._given_back(number, "change", {unescape(key): change["value"]})[unescape(key)]
            found.append(change)
        return found

    def recorded(self, number: int, side: str) -> dict[str, Any]:
        """Return a state for writing it again: what could not be stored stays the marker it is."""
        return dict(decode(self.recording.state(number, side), resolve=from_loaded_modules, blob=self.recording.blob))

    def _value(self, number: int, side: str) -> dict[str, Any]:
        return self._given_back(number, side, self.recording.state(number, side))

    def _given_back(self, number: int, side: str, tree: dict[str, Any]) -> dict[str, Any]:
        lost = not_stored(tree)
        supplied = []
        for path, _ in lost:
            key = unescape(path.split("/")[1])
            if key in self.supplied:
                tree[key] = None
                supplied.append(key)
        missing = next(((path, why) for path, why in lost if unescape(path.split("/")[1]) not in supplied), None)
        if missing is not None:
            raise self._not_stored(number, side, *missing)
        state = dict(decode(tree, resolve=from_loaded_modules, blob=self.recording.blob))
        unknown = opaque(state)
        if unknown is not None:
            path, type_name = unknown
            key = unescape(path.split("/")[1])
            if key not in self.supplied:
                raise self._not_stored(number, side, path, f"its class {type_name} is not known in this process")
            supplied.append(key)
        return state | {key: self.supplied[key] for key in supplied}

    def _not_stored(self, number: int, side: str, path: str, why: str) -> CannotResumeError:
        key = unescape(path.split("/")[1])
        return CannotResumeError(
            f"{self.session_id} frame {number}: {side} {path} cannot be given back to the agent: {why}. Supply it "
            f"(state_overrides={{{key!r}: ...}}), or resume at frame {number} or earlier, which makes it anew."
        )

    def error(self, number: int) -> BaseException | None:
        """Return the exception that a step had raised, of its own class where that is loaded, or None."""
        if self.status(number) is not Status.ERROR:
            return None
        head = self.heads[number] or {}
        stored = head.get("exception") or {}
        recorded = decode(stored, resolve=from_loaded_modules)
        if isinstance(recorded, BaseException):
            attributes = decode(stored.get("attributes") or {}, resolve=from_loaded_modules)
            recorded.__dict__.update({k: v for k, v in attributes.items() if opaque({k: v}) is None})
            return recorded
        metadata = head.get("metadata", {})
        return RecordedStepError(str(metadata.get("error_type")), str(metadata.get("error_message")))

    def input_difference(self, number: int, found: Json, volatile: frozenset[str]) -> tuple[str, str, str] | None:
        """Return (path, recorded, found) of the first difference between a recorded input and this one, or None.

        Where the recorded input had been edited, `found` may be the input with or without that edit. What could not be
        stored, and what is a secret on either side, cannot be compared and counts as equal.
        """
        difference = self._difference(number, found, volatile)
        edit = (self.heads[number] or {}).get("edit")
        if difference is None or not edit:
            return difference
        try:
            return self._difference(number, patched(found, edit), volatile)
        except EditError:
            return difference

    def is_edited_already(self, number: int, found: Json, volatile: frozenset[str]) -> bool:
        """Tell whether this input is the recorded one, its edit included."""
        return self._difference(number, found, volatile) is None

    def _difference(self, number: int, found: Json, volatile: frozenset[str]) -> tuple[str, str, str] | None:
        from agent_vcr_nb.core.query import first_difference

        recorded, found = canonical(self.recording.state(number, "input"), volatile), canonical(found, volatile)
        difference = first_difference(recorded, found)
        return difference and first_difference(*comparable(recorded, found))


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


def comparable(recorded: Json, found: Json) -> tuple[Json, Json]:
    """Return both trees with what cannot be compared left out."""
    if _is_hidden(recorded) or _is_hidden(found):
        return None, None
    if type(recorded) is dict and type(found) is dict:
        pairs = {key: comparable(recorded[key], found[key]) for key in recorded if key in found}
        return (
            {key: pairs[key][0] if key in pairs else item for key, item in recorded.items()},
            {key: pairs[key][1] if key in pairs else item for key, item in found.items()},
        )
    if type(recorded) is list and type(found) is list:
        both = [comparable(one, other) for one, other in zip(recorded, found, strict=False)]
        return (
            [one for one, _ in both] + recorded[len(both) :],
            [other for _, other in both] + found[len(both) :],
        )
    return recorded, found


def _is_hidden(tree: Json) -> bool:
    return (type(tree) is dict and tree.get(TAG) == "repr") or (type(tree) is str and "[REDACTED:" in tree)


def not_stored(tree: Json, path: str = "") -> list[tuple[str, str]]:
    """Return (JSON Pointer, reason) of each value of an encoded state that stands for one that was not stored."""
    if type(tree) is list:
        return [found for n, item in enumerate(tree) for found in not_stored(item, f"{path}/{n}")]
    if type(tree) is str and tree.startswith("[REDACTED:") and tree.endswith("]"):
        return [(path, f"it is a secret, and secrets are not stored ({tree})")]
    if type(tree) is not dict:
        return []
    if tree.get(TAG) == "repr":
        return [(path or "/", f"it could not be stored when it was recorded ({tree.get('why')})")]
    return [found for key, item in tree.items() for found in not_stored(item, f"{path}/{escape(key)}")]


def opaque(value: Any, path: str = "") -> tuple[str, str] | None:
    """Return (JSON Pointer, class) of the first recorded object in a state whose class is not known here, or None."""
    if isinstance(value, Opaque):
        return path or "/", value.type_name
    if isinstance(value, dict):
        pairs: Any = value.items()
    elif isinstance(value, list | tuple | set | frozenset):
        pairs = enumerate(value)
    else:
        pairs = getattr(value, "__dict__", {}).items() if dataclasses.is_dataclass(value) else ()
    return next((found for key, item in pairs if (found := opaque(item, f"{path}/{escape(key)}"))), None)
