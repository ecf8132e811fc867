"""A change that a user makes to a past state: keys to set and an RFC 6902 patch, applied to live values.

A patch speaks of the state as it is shown and stored: encoded JSON, where a value of another type is
``{"$t": tag, "v": ...}``. Only what the edit touches is decoded; every other value stays the agent's own object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from agent_vcr_nb.core.decoding import decode, from_loaded_modules
from agent_vcr_nb.core.delta import lookup
from agent_vcr_nb.core.encoding import TAG, Json, Opaque, encode, escape
from agent_vcr_nb.core.errors import EditError


@dataclass(frozen=True, slots=True)
class StateEdit:
    """What to change in an input state."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Top-level keys and their new values, any Python objects."""
    patch: Sequence[Mapping[str, Any]] = ()
    """RFC 6902 operations on the encoded state, applied after the overrides."""

    def __bool__(self) -> bool:
        return bool(self.overrides or self.patch)

    def apply(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the edited state as a new dict; raises EditError when an operation does not fit."""
        edited = {**state, **fresh(dict(self.overrides))}
        if not self.patch:
            return edited
        before = encode(edited)
        after = patched(before, self.patch)
        if not isinstance(after, dict):
            raise EditError(f"the patch makes the state a {type(after).__name__}: expected an object with keys")
        result = {}
        for key, tree in after.items():
            same = key in edited and key in before and orjson.dumps(before[key]) == orjson.dumps(tree)
            result[key] = edited[key] if same else decode(tree, resolve=from_loaded_modules)
        return result

    def as_patch(self, recorded: Json) -> list[dict[str, Any]]:
        """Return the whole edit as one patch of a recorded state; raises EditError when it does not fit it."""
        operations: list[dict[str, Any]]
        if TAG in self.overrides or TAG in recorded:
            # The tag as a key of the user's: such a state is written as pairs, and is replaced as a whole.
            operations = [{"op": "replace", "path": "", "value": encode({**decode(recorded), **self.overrides})}]
        else:
            operations = [
                {"op": "replace" if key in recorded else "add", "path": f"/{escape(key)}", "value": encode(value)}
                for key, value in self.overrides.items()
            ]
        operations += [dict(operation) for operation in self.patch]
        _check_tags(recorded, patched(recorded, operations), "")
        return operations


def fresh(value: Any) -> Any:
    """Return new containers around what the user gave, so that the agent's changes do not reach the user's."""
    if type(value) is dict:
        return {key: fresh(item) for key, item in value.items()}
    if type(value) is list:
        return [fresh(item) for item in value]
    return set(value) if type(value) is set else value


def _check_tags(before: Json, after: Json, path: str) -> None:
    """Raise EditError where the edit makes a tagged value one that cannot be read, such as a datetime of "soon"."""
    if type(after) is list:
        for number, item in enumerate(after):
            known = before[number] if type(before) is list and number < len(before) else None
            _check_tags(known, item, f"{path}/{number}")
    elif type(after) is dict and TAG in after:
        readable = before == after or not isinstance(decode(after, resolve=from_loaded_modules), Opaque)
        was = type(before) is dict and isinstance(decode(before, resolve=from_loaded_modules), Opaque)
        if not readable and not was:
            raise EditError(f"the edit makes {path or '/'} {after}: no {after[TAG]} can be read from this value")
    elif type(after) is dict:
        for key, item in after.items():
            _check_tags(before.get(key) if type(before) is dict else None, item, f"{path}/{escape(key)}")


def patched(tree: Json, patch: Sequence[Mapping[str, Any]]) -> Json:
    """Return a new tree after an RFC 6902 patch; raises EditError that says which operation and why."""
    import jsonpatch
    import jsonpointer

    try:
        return jsonpatch.apply_patch(tree, [dict(operation) for operation in patch])
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        keys = ", ".join(map(repr, tree)) if isinstance(tree, dict) else type(tree).__name__
        raise EditError(f"the edit {list(patch)} does not fit the state: {error}. The state has {keys}.") from error


def setting(tree: Json, target: str, value: Json) -> dict[str, Any]:
    """Return the operation that sets a key, or what a /json/pointer names, to `value`.

    Raises EditError when the place that is to hold it does not exist.
    """
    path = target if target.startswith("/") else f"/{escape(target)}"
    try:
        lookup(tree, path)
    except (KeyError, IndexError, ValueError, TypeError):
        parent = path.rpartition("/")[0]
        try:
            lookup(tree, parent)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise EditError(f"cannot set {path}: nothing stands at {parent}. Set {parent} first.") from error
        return {"op": "add", "path": path, "value": value}
    return {"op": "replace", "path": path, "value": value}
