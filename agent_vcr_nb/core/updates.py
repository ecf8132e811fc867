"""What a step returned, told by what already stands in its output state: mostly the new end of a list of messages."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, TypeGuard

from agent_vcr_nb.core.encoding import TAG, Json

AS_IN_OUTPUT = "as in output"
"""Tag in an update: the value under the same key in the frame's output state; of a list its ``last`` items."""
_SHORT = 15
"""A value of at most so many items that stands in the output whole is shown where it was returned too."""


def told_by_output(update: Any, output: Mapping[str, Any] | None) -> dict[str, Json]:
    """Return by key what of `update` need not be written again: the same objects stand in the `output` state."""
    if type(update) is not dict or output is None:
        return {}
    told: dict[str, Json] = {}
    for key, value in update.items():
        if type(value) not in (list, dict) or type(key) is not str:
            continue
        after: Any = output.get(key)
        if after is value:
            if len(value) > _SHORT:
                told[key] = {TAG: AS_IN_OUTPUT}
        elif type(value) is list and _ends_with(after, value):
            told[key] = {TAG: AS_IN_OUTPUT, "last": len(value)}
    return told


def _ends_with(after: Any, items: list[Any]) -> bool:
    if type(after) is not list or not 0 < len(items) < len(after):
        return False
    return all(map(operator.is_, items, after[-len(items) :]))


def refers_to_output(update: Json) -> TypeGuard[dict[str, Json]]:
    """Tell whether an update as it is in the file holds markers of `told_by_output`."""
    return type(update) is dict and any(map(_is_marker, update.values()))


def with_output(update: dict[str, Json], output: dict[str, Json]) -> dict[str, Json]:
    """Return an update of a file with what its markers stand for in the encoded `output` state."""
    return {key: _meant(value, output.get(key)) if _is_marker(value) else value for key, value in update.items()}


def _is_marker(value: Json) -> bool:
    return type(value) is dict and value.get(TAG) == AS_IN_OUTPUT


def _meant(marker: dict[str, Json], after: Json) -> Json:
    last = marker.get("last")
    return after[-last:] if type(last) is int and last > 0 and type(after) is list else after
