"""A change that a user makes to a past state: keys to set and an RFC 6902 patch, applied to live values.

A patch speaks of the state as it is shown and stored: encoded JSON, where a value of another type is
``{"$t": tag, "v": ...}``. Only what the edit touches is decoded; every other value stays the agent's own object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_vcr_nb.core.decoding import decode, from_loaded_modules
from agent_vcr_nb.core.delta import lookup
from agent_vcr_nb.core.encoding import Json, encode, escape
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
        edited = {**state, **self.overrides}
        if not self.patch:
            return edited
        before = encode(edited)
        after = patched(before, self.patch)
        if not isinstance(after, dict):
            raise EditError(f"the patch makes the state a {type(after).__name__}: expected an object with keys")
        result = {}
        for key, tree in after.items():
            same = key in before and before[key] == tree and key in edited
            result[key] = edited[key] if same else decode(tree, resolve=from_loaded_modules)
        return result

    def as_patch(self, recorded: Json) -> list[dict[str, Any]]:
        """Return the whole edit as one patch of a recorded state; raises EditError when it does not fit it."""
        operations: list[dict[str, Any]] = [
            {"op": "replace" if key in recorded else "add", "path": f"/{escape(key)}", "value": encode(value)}
            for key, value in self.overrides.items()
        ]
        operations += [dict(operation) for operation in self.patch]
        patched(recorded, operations)
        return operations


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
