"""What the members of a line may be: a file can come from anywhere, and its readers rely on these types."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

from agent_vcr_nb.core.decoding import decode
from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.frame import FrameType, Provenance
from agent_vcr_nb.core.tables import TAG

_FIGURES = (
    "latency_ms",
    "tokens_used",
    "tokens_input",
    "tokens_output",
    "tokens_cache_read",
    "tokens_cache_write",
    "tokens_reasoning",
    "cost_usd",
)
MAX_NUMBER = 2**53


def _is_number(value: Any) -> bool:
    return type(value) is int and -MAX_NUMBER <= value <= MAX_NUMBER


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _is_dict(value: Any) -> bool:
    return type(value) is dict


def _is_fields(value: Any) -> bool:
    """An object, or one whose keys are no strings (see encoding)."""
    return type(value) is dict and value.get(TAG, "dict") == "dict"


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_operations(value: Any) -> bool:
    return type(value) is list and all(type(item) is dict for item in value)


def _is_delta(value: Any) -> bool:
    return type(value) is dict and type(value.get("base")) is str and type(value.get("ops")) is list


def _one_of(*known: str) -> Callable[[Any], bool]:
    values = frozenset(str(value) for value in known)
    return lambda value: type(value) is str and value in values


_FRAME: dict[str, tuple[Callable[[Any], bool], str]] = {
    "number": (_is_number, "a number"),
    "parent": (_is_number, "a frame's number"),
    "lane": (_is_number, "a number"),
    "key": (_is_text, "text"),
    "node_name": (_is_text, "text"),
    "timestamp": (_is_text, "text"),
    "frame_type": (_one_of(*FrameType), "a type of frame"),
    "status": (_one_of("ok", "error"), "'ok' or 'error'"),
    "provenance": (_one_of(*Provenance), "a provenance"),
    "call": (_is_texts, "a list of texts"),
    "lossy": (_is_texts, "a list of texts"),
    "metadata": (lambda value: type(value) is dict and TAG not in value, "an object"),
    "exception": (_is_dict, "an object"),
    "edit": (_is_operations, "a list of operations"),
    "input_state": (_is_dict, "an object"),
    "output_state": (_is_dict, "an object"),
    "input_delta": (_is_delta, "a base and operations"),
    "output_delta": (_is_delta, "a base and operations"),
}
_HEADER: dict[str, tuple[Callable[[Any], bool], str]] = {
    "schema": (_is_text, "text"),
    "session_id": (_is_text, "text"),
    "created_at": (_is_text, "text"),
    "parent_session_id": (_is_text, "text"),
    "forked_from_frame": (_is_number, "a frame's number"),
    "first": (_is_number, "a frame's number"),
    "after_segment": (_is_number, "a number"),
    "metadata": (_is_fields, "an object"),
    "tags": (lambda value: type(value) is list, "a list"),
    "edit": (_is_operations, "a list of operations"),
}
_VALUE: dict[str, tuple[Callable[[Any], bool], str]] = {"key": (_is_text, "text"), "before": (_is_number, "a number")}
_END: dict[str, tuple[Callable[[Any], bool], str]] = {
    "lost": (_is_number, "a number"),
    "frames": (_is_number, "a number"),
}
_RUN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "frames": (_is_number, "a number"),
    "command": (_is_texts, "a list of texts"),
}
_KINDS = {"frame": _FRAME, "start": _FRAME, "session": _HEADER, "value": _VALUE, "end": _END, "run": _RUN}


def check_fields(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return `data` of a line of that type; raises RecordingError that names the first member of another type.

    A member that is null says nothing, so it is taken out.
    """
    for name, (fits, expected) in _KINDS.get(kind, {}).items():
        if name not in data:
            continue
        value = data[name]
        if value is None:
            del data[name]
        elif not fits(value):
            raise RecordingError(f"its {name} is {str(value)[:80]!r}, and {expected} was expected")
    if kind == "value" and not ("key" in data and "before" in data and "value" in data):
        raise RecordingError("it lacks its key, its place or its value")
    if kind == "run" and not ("frames" in data and "command" in data):
        raise RecordingError("it lacks its frames or its command")
    metadata = data.get("metadata")
    if metadata and kind in ("frame", "start"):
        _check_figures(metadata)
    return data


def _check_figures(metadata: dict[str, Any]) -> None:
    """Make figures plain numbers, because the ledger adds them up; what is none is kept as one of the user's own."""
    for name in [name for name, value in metadata.items() if value is None]:
        del metadata[name]
    if not _is_fields(metadata.setdefault("custom", {})):
        raise RecordingError(f"its custom is {str(metadata['custom'])[:80]!r}, and an object was expected")
    for name in _FIGURES:
        value = metadata.get(name)
        if type(value) is dict and TAG in value:  # a Decimal, a numpy number
            metadata[name] = value = _plain_number(decode(value))
        if value is not None and type(value) not in (int, float):
            metadata["custom"] = {**metadata["custom"], name: metadata.pop(name)}
    for name in ("error_type", "error_message", "traceback", "model"):
        if name in metadata and type(metadata[name]) is not str:
            metadata["custom"] = {**metadata["custom"], name: metadata.pop(name)}
    if not metadata["custom"]:
        del metadata["custom"]


def _plain_number(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        value = float(value)
    item = getattr(value, "item", None)
    value = item() if callable(item) and not isinstance(value, int | float) else value
    return None if isinstance(value, float) and value != value else value
