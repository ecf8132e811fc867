"""The data that everything else passes around: a session's header and its frames."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_vcr_nb.core.errors import UsageError


class FrameType(enum.StrEnum):
    """What kind of step a frame shows."""

    NODE_EXECUTION = "node"
    TOOL_CALL = "tool"
    LLM_CALL = "llm"
    ERROR = "error"
    CHECKPOINT = "checkpoint"


class Status(enum.StrEnum):
    """How a step ended, or why the frame cannot be read."""

    OK = "ok"
    ERROR = "error"
    RUNNING = "running"
    """Started, and neither ended nor failed: still under way, or its process was killed."""
    DAMAGED = "damaged"
    """Its line in the file cannot be read."""


class Provenance(enum.StrEnum):
    """Where a frame's output comes from."""

    LIVE = "live"
    REPLAYED = "replayed"
    EDITED = "edited"
    MOCKED = "mocked"


@dataclass(slots=True)
class FrameMetadata:
    """Figures of one step; None means unknown, never zero."""

    model: str | None = None
    """Name of the model as the provider gives it."""
    latency_ms: float | None = None
    """Wall time of the step."""
    tokens_used: int | None = None
    """All tokens of the call; input and output together where only they are known."""
    tokens_input: int | None = None
    """Tokens of the request, those read from a cache included."""
    tokens_output: int | None = None
    """Tokens of the answer, reasoning included."""
    tokens_cache_read: int | None = None
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None
    cost_usd: float | None = None
    """What the provider charged for this call, where it says so; else it is computed from the tokens (see ledger)."""
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    """Whatever the user wants to keep with the frame."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are known, as JSON-ready values where `custom` is."""
        # A loop: this runs for every frame, and most fields are unknown.
        known: dict[str, Any] = {}
        for name in _METADATA_FIELDS:
            value = getattr(self, name)
            if value is not None and not (type(value) is dict and not value):
                known[name] = value
        return known

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FrameMetadata:
        """Return metadata of a dict; what is no field of this class goes to `custom`."""
        known = {name: value for name, value in data.items() if name in cls.__slots__}
        extra = {name: value for name, value in data.items() if name not in cls.__slots__}
        known["custom"] = {**(known.get("custom") or {}), **extra}
        return cls(**known)

    @property
    def tokens(self) -> int | None:
        """Tokens of the call in all, or None when no figure is known."""
        return tokens_in_all(self.tokens_used, self.tokens_input, self.tokens_output)


def tokens_in_all(used: int | None, sent: int | None, received: int | None) -> int | None:
    """Return `used`, or the sum of what is known of the other two; None when nothing is."""
    if used is not None or (sent is None and received is None):
        return used
    return (sent or 0) + (received or 0)


_METADATA_FIELDS = tuple(FrameMetadata.__slots__)


def as_metadata(metadata: FrameMetadata | Mapping[str, Any] | None) -> FrameMetadata:
    """Return metadata given as a dict, as such, or not at all."""
    if metadata is None:
        return FrameMetadata()
    if isinstance(metadata, FrameMetadata):
        return metadata
    try:
        return FrameMetadata.from_dict(dict(metadata))
    except Exception:  # a mapping of the user's that fails when it is read
        return FrameMetadata(custom={"metadata": metadata})


def as_frame_type(kind: FrameType | str) -> FrameType:
    """Return a type of frame given as such or as its word; raises UsageError with those there are."""
    try:
        return FrameType(kind)
    except ValueError:
        names = ", ".join(member.value for member in FrameType)
        raise UsageError(f"frame_type {kind!r}: expected one of {names}") from None


@dataclass(slots=True)
class Frame:
    """One recorded step of a session."""

    session_id: str
    number: int
    """Position in the session, from 0, in the order in which the steps started."""
    node_name: str
    key: str
    """Identity of the step: its name and occurrence below each of its parents, such as ``worker#2/llm#1``."""
    frame_type: FrameType = FrameType.NODE_EXECUTION
    status: Status = Status.OK
    provenance: Provenance = Provenance.LIVE
    timestamp: dt.datetime | None = None
    """When the step started, with its zone; None when the recording does not say."""
    parent: int | None = None
    """Number of the frame that this one ran inside, or None."""
    input_state: dict[str, Any] = field(default_factory=dict)
    """The state before the step ran."""
    output_state: dict[str, Any] = field(default_factory=dict)
    """The state after it; empty when it failed or has not ended."""
    metadata: FrameMetadata = field(default_factory=FrameMetadata)
    update: dict[str, Any] | None = None
    """What the step itself returned, where that is a part of the state only (LangGraph)."""
    lossy: tuple[str, ...] = ()
    """JSON Pointers of what could not be stored, first ``/input`` or ``/output``."""

    @property
    def frame_id(self) -> str:
        """Name of the frame among all sessions."""
        return f"{self.session_id}:{self.number}"

    @property
    def parent_frame_id(self) -> str | None:
        """`frame_id` of the frame that this one ran inside, or None."""
        return None if self.parent is None else f"{self.session_id}:{self.parent}"

    @property
    def state_diff(self) -> list[dict[str, Any]]:
        """What the step changed, as an RFC 6902 patch from input to output state."""
        from agent_vcr_nb.core.query import patch_between

        return patch_between(self.input_state, self.output_state)


def number_of_frame_id(frame_id: str) -> int | None:
    """Return the number in a `Frame.frame_id`, or None for what is none."""
    tail = frame_id.rpartition(":")[2]
    return int(tail) if tail.isdigit() else None


@dataclass(slots=True)
class Session:
    """One recorded run: the header of its file."""

    session_id: str
    created_at: dt.datetime | None = None
    parent_session_id: str | None = None
    """The session this one was forked from, or None."""
    forked_from_frame: int | None = None
    """Number of the parent's frame before which this session starts."""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    edit: list[dict[str, Any]] = field(default_factory=list)
    """RFC 6902 patch that was applied to the input state of the parent's frame."""
    reason: str | None = None
    """Why the edit was made, in the words of the user."""
    schema: str = ""


def timestamp(when: dt.datetime | None = None) -> str:
    """Return a moment (default: now) as the file shows it: ISO 8601, UTC, microseconds."""
    moment = when.astimezone(dt.UTC) if when else dt.datetime.now(dt.UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_timestamp(text: Any) -> dt.datetime | None:
    """Return the moment that `timestamp` wrote, or None for anything else; a moment without zone is UTC."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
