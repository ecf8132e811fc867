"""What every importer gives back, and how each of them takes a value out of a file it cannot trust."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agent_vcr_nb.core.encoding import Json, escape
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.frame import FrameMetadata, FrameType
from agent_vcr_nb.core.journal import check_session_id

MAX_NOTES = 50
"""Remarks kept of one kind; the others are counted."""
MAX_REMARK = 300
MAX_ID = 120
"""Leaves room for ``-2`` and so on within the 128 characters of a session id."""
MAX_NAME = 200


class Remarks:
    """Remarks about a file: the first `MAX_NOTES` in words, each once, and how many more there were."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}
        self._untold = 0

    def add(self, remark: str) -> None:
        """Keep a remark, as text that can be shown anywhere."""
        remark = showable(remark)
        remark = remark if len(remark) <= MAX_REMARK else f"{remark[:MAX_REMARK]}…"
        if remark in self._told:
            return
        if len(self._told) < MAX_NOTES:
            self._told[remark] = None
        else:
            self._untold += 1

    def lines(self) -> tuple[str, ...]:
        """Return the remarks, and a last line for those that were only counted."""
        more = (f"and {self._untold:,} more of the kind",) if self._untold else ()
        return (*self._told, *more)

    def __bool__(self) -> bool:
        return bool(self._told)


@dataclass(frozen=True, slots=True)
class ImportedFrame:
    """One turn of a foreign recording."""

    name: str
    frame_type: FrameType
    input_state: dict[str, Any]
    output_state: dict[str, Any] | None
    """None where the turn has none."""
    metadata: FrameMetadata
    when: dt.datetime | None = None
    """When the turn started; None where the source does not say."""
    parent: int | None = None
    """Number of the frame that this one ran inside."""


@dataclass(frozen=True, slots=True)
class ImportedSession:
    """One run of a foreign recording; `left_out` and `problems` are complete when `frames` is used up."""

    name: str
    """What its id is made of."""
    frames: Iterator[ImportedFrame]
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    problems: Remarks
    """What is damaged or of a wrong type, with its place."""
    left_out: Remarks = field(default_factory=Remarks)
    """What is whole and has no place in a session, with the reason."""
    parent_session_id: str | None = None
    forked_from_frame: int | None = None


class Part:
    """An object inside a foreign document: gives its members as the type asked for, and remarks on any other."""

    __slots__ = ("pointer", "problems", "value")

    def __init__(self, value: Json, pointer: str, problems: Remarks) -> None:
        self.pointer, self.problems = pointer, problems
        self.value: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self._wrong(pointer, "an object", value)

    def _wrong(self, pointer: str, expected: str, found: Any) -> None:
        self.problems.add(f"{pointer or '/'}: expected {expected}, found {_named(found)}")

    def _place(self, key: str | int) -> str:
        return f"{self.pointer}/{escape(key)}"

    def get(self, key: str) -> Any:
        """Return a member as it is, or None."""
        return self.value.get(key)

    def text(self, key: str) -> str | None:
        """Return a text, or None where there is none."""
        value = self.value.get(key)
        if value is None or isinstance(value, str):
            return value
        self._wrong(self._place(key), "a text", value)
        return None

    def number(self, key: str) -> float | None:
        """Return a finite number, or None where there is none."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if math.isfinite(number):
                return number
        self._wrong(self._place(key), "a finite number", value)
        return None

    def count(self, key: str) -> int | None:
        """Return a whole number from 0 to 2^53, or None where there is none."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53:
            return value
        self._wrong(self._place(key), "a count", value)
        return None

    def moment(self, key: str) -> dt.datetime | None:
        """Return a moment given in ISO 8601 or in seconds since 1970, or None where there is none."""
        value = self.value.get(key)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                found = dt.datetime.fromisoformat(value)
                return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return dt.datetime.fromtimestamp(value, dt.UTC)
        except (ValueError, OverflowError, OSError):
            pass
        self._wrong(self._place(key), "a moment (ISO 8601 or seconds since 1970)", value)
        return None

    def part(self, key: str) -> Part:
        """Return an object; an empty one where there is none."""
        value = self.value.get(key)
        return Part({} if value is None else value, self._place(key), self.problems)

    def items(self, key: str) -> list[Any]:
        """Return a list; an empty one where there is none."""
        value = self.value.get(key)
        if isinstance(value, list):
            return value
        if value is not None:
            self._wrong(self._place(key), "a list", value)
        return []

    def parts(self, key: str) -> Iterator[Part]:
        """Return the objects of a list; what is no object is remarked on and passed over."""
        return parts_of(self.items(key), self._place(key), self.problems)


def parts_of(values: list[Any], pointer: str, problems: Remarks) -> Iterator[Part]:
    """Return the objects of a list; what is no object is remarked on and passed over."""
    for number, value in enumerate(values):
        part = Part(value, f"{pointer}/{number}", problems)
        if isinstance(value, dict):
            yield part


class Conversation:
    """The state of a run that is a growing list of messages: what it was before and after each turn."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.more: dict[str, Any] = {}
        """Keys beside ``messages``."""

    def state(self) -> dict[str, Any]:
        """Return the state as it stands, in a list of its own."""
        return {"messages": list(self.messages), **self.more}

    def turn(
        self,
        name: str,
        frame_type: FrameType,
        messages: list[Any],
        metadata: FrameMetadata | None = None,
        when: dt.datetime | None = None,
        parent: int | None = None,
    ) -> ImportedFrame:
        """Add the messages of a turn and return its frame."""
        before = self.state()
        self.messages.extend(messages)
        return ImportedFrame(name, frame_type, before, self.state(), metadata or FrameMetadata(), when, parent)


def figures(error: tuple[str, str] | None = None, **known: Any) -> FrameMetadata:
    """Return metadata with what is known, and the type and message of an error."""
    custom = {name: value for name, value in known.pop("custom", {}).items() if value is not None}
    metadata = FrameMetadata(**known, custom=custom)
    if error is not None:
        metadata.error_type, metadata.error_message = error
    return metadata


def known_of(part: Part, *keys: str) -> dict[str, Any]:
    """Return the members of these names that say something."""
    return {key: part.value[key] for key in keys if part.value.get(key) not in (None, "", [], {})}


def without(message: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return a message without these members."""
    return {key: value for key, value in message.items() if key not in keys}


def session_id_of(name: str) -> str:
    """Return a valid session id that says `name`; a long one ends with a digest, so that two stay two."""
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", name.encode("utf-8", "replace").decode())
    text = re.sub(r"\.{2,}", ".", text).strip("._-")
    if len(text) > MAX_ID:
        text = f"{text[: MAX_ID - 9].rstrip('._-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    try:
        return check_session_id(text)
    except UsageError:  # empty, or the name of a device
        return f"run-{text}".rstrip("-")


def clean_name(name: str) -> str:
    """Return a step's name that can be shown in one line."""
    text = name.encode("utf-8", "replace").decode()
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text[:MAX_NAME] or "step"


def showable(text: str) -> str:
    """Return a text without lone surrogates, which no terminal and no JSON takes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _named(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    kind = kinds.get(type(value))
    if kind is not None:
        return kind
    return f"the number {json.dumps(value)[:40]}" if isinstance(value, int | float) else f"a {type(value).__name__}"
