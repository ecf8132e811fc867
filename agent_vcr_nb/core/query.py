"""Questions about states: what differs, and which frames changed a path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from agent_vcr_nb.core.delta import Op, difference, lookup
from agent_vcr_nb.core.encoding import Json, Notes, encode, escape
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, UsageError
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.shadow import shade

_SHOWN = 120


def patch_between(before: Any, after: Any) -> list[dict[str, Any]]:
    """Return the RFC 6902 patch from one state to another; values are encoded."""
    ops: list[Op] = []
    difference(shade(before), after, "", ops, Notes())
    for op in ops:
        if op["op"] == "append":  # an extension of the file format, spelled out here
            op["op"], op["value"] = "replace", lookup(encode(after), op["path"])
    return ops


def compare_states(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return ``{added, removed, modified{before, after}, unchanged}`` by key, and the same deep in ``paths``.

    ``paths`` is a list of RFC 6902 operations; those that replace or remove also say what stood there (``before``).
    1, True and 1.0 differ.
    """
    result: dict[str, Any] = {"added": {}, "removed": {}, "modified": {}, "unchanged": {}}
    for key, value in before.items():
        if key not in after:
            result["removed"][key] = value
        elif orjson.dumps(encode(value), option=orjson.OPT_SORT_KEYS) == orjson.dumps(
            encode(after[key]), option=orjson.OPT_SORT_KEYS
        ):
            result["unchanged"][key] = value
        else:
            result["modified"][key] = {"before": value, "after": after[key]}
    result["added"] = {key: value for key, value in after.items() if key not in before}
    result["paths"] = deep_changes(encode(before), encode(after))
    return result


def deep_changes(before: Json, after: Json, path: str = "") -> list[dict[str, Any]]:
    """Return the places at which two encoded states differ: ``{op, path, before?, value?}``, leaves first to last.

    List items are compared by position; a longer list adds at the end.
    """
    if type(before) is dict and type(after) is dict:
        found = []
        for key in {**before, **after}:
            here = f"{path}/{escape(key)}"
            if key not in after:
                found.append({"op": "remove", "path": here, "before": before[key]})
            elif key not in before:
                found.append({"op": "add", "path": here, "value": after[key]})
            else:
                found += deep_changes(before[key], after[key], here)
        return found
    if type(before) is list and type(after) is list:
        both = min(len(before), len(after))
        found = [change for n in range(both) for change in deep_changes(before[n], after[n], f"{path}/{n}")]
        found += [{"op": "remove", "path": f"{path}/{n}", "before": before[n]} for n in range(both, len(before))]
        found += [{"op": "add", "path": f"{path}/{n}", "value": after[n]} for n in range(both, len(after))]
        return found
    if type(before) is type(after) and before == after:
        return []
    return [{"op": "replace", "path": path, "before": before, "value": after}]


def first_difference(recorded: Json, found: Json) -> tuple[str, str, str] | None:
    """Return (path, recorded, found) of the first place at which two encoded states differ, or None."""
    if recorded == found and orjson.dumps(recorded, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        found, option=orjson.OPT_SORT_KEYS
    ):
        return None
    change = next(iter(deep_changes(recorded, found)), None)
    if change is None:
        return None
    return change["path"], _short(change, "before"), _short(change, "value")


def _short(change: dict[str, Any], side: str) -> str:
    if side not in change:
        return "nothing"
    text = orjson.dumps(change[side]).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


@dataclass(frozen=True, slots=True)
class Change:
    """One frame that changed what stands at a path."""

    frame: int
    key: str
    node_name: str
    side: str
    """``"input"`` when the state came changed into the step, ``"output"`` when the step changed it."""
    op: str
    """``add``, ``replace`` or ``remove``."""
    before: Json
    after: Json


_ABSENT = object()


def when(recording: Recording, path: str) -> Iterator[Change]:
    """Yield every frame at which the value at `path` is another than before, in the order in which it happened.

    `path` is a JSON Pointer (``/messages/0/content``) or the name of a top-level key. A step whose states have no such
    key (a tool with arguments of its own) says nothing about it; removed is what was in a step's input and is not in
    its output. Raises UsageError when no frame has anything at the path.
    """
    pointer = path if path.startswith("/") else f"/{escape(path)}"
    known: Any = _ABSENT
    seen = False
    had: set[int] = set()
    """Frames with something at the path in their input."""
    for number, side in _moments(recording):
        try:
            value = lookup(recording.state(number, side), pointer)
        except (KeyError, IndexError, ValueError, TypeError):
            value = _ABSENT
        except (FrameNotFoundError, RecordingError):
            continue
        if side == "input" and value is not _ABSENT:
            had.add(number)
        removed = value is _ABSENT and side == "output" and number in had
        seen = seen or value is not _ABSENT
        if _same(known, value) or (value is _ABSENT and not removed):
            continue
        head = recording.head(number)
        op = "add" if known is _ABSENT else "remove" if removed else "replace"
        before, after = (None if v is _ABSENT else v for v in (known, value))
        yield Change(number, head.get("key", ""), head.get("node_name", ""), side, op, before, after)
        known = value
    if not seen:
        raise UsageError(f"{recording.session_id}: no frame has anything at {pointer}; `vcr state` shows what is there")


def _moments(recording: Recording) -> Iterator[tuple[int, str]]:
    """Yield (frame, side) in the order in which the states were there: a step's output after those inside it."""
    if len(recording.segments) > 1:
        yield from ((number, side) for number in range(len(recording)) for side in ("input", "output"))
        return
    started: set[int] = set()
    for number, is_end in recording.events():
        if number not in started:
            started.add(number)
            yield number, "input"
        if is_end:
            yield number, "output"


def _same(one: Any, other: Any) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return bool(one == other) and orjson.dumps(one) == orjson.dumps(other)
