"""What a step changed in place: in its arguments and in the object that a method belongs to.

A step that is served is not run, so nobody would append to the list or set the attribute that it changed. The changes
are recorded with the frame as RFC 6902 operations, ``/messages/3`` for an item that was appended to the argument
``messages``, ``/self/total`` for an attribute, and done again when the frame is served. Seen are the fields of
arguments and of ``self``, however deep the change is; what an object of another kind holds inside is not.

Steps that run at the same time may each be recorded with what the other one changed in an object of both. An
operation therefore says where an item came to stand, and is left out where the same item stands there already. Where
the input of one such step was the list before the other one had changed it, a resume says that it diverged: let steps
that run at the same time return what they found.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

import orjson

from agent_vcr_nb.core.encoding import Json, escape, unescape

Holders: TypeAlias = Mapping[str, Any]
"""Arguments by name, and ``self``."""

_FIXED = (str, int, float, bool, bytes, tuple, frozenset, type(None), type, types.ModuleType, types.FunctionType)
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


class Watch:
    """The arguments of one call as they were before it ran."""

    __slots__ = ("_before", "_holders")

    def __init__(self, holders: Holders) -> None:
        self._holders = {name: holder for name, holder in holders.items() if not isinstance(holder, _FIXED)}
        self._before = {name: _print(holder) for name, holder in self._holders.items()}

    def changes(self, store: Callable[[str, Any], Json]) -> list[dict[str, Any]]:
        """Return what is another now, as operations; `store` gives a value under a key as the file shows it."""
        found: list[dict[str, Any]] = []
        for name, holder in self._holders.items():
            before, after = self._before[name], _print(holder)
            if before != after and before is not None and after is not None:
                found += _operations(f"/{escape(name)}", name, holder, before, after, store)
        return found


def _print(holder: Any) -> Any:
    """Return what tells two contents apart: bytes by field, (length, bytes) of a list, bytes of a set, or None."""
    try:
        if isinstance(holder, list):
            return len(holder), _bytes(holder)
        if isinstance(holder, dict):
            return {key: _field(item) for key, item in list(holder.items())}
        if isinstance(holder, set | bytearray):
            return _bytes(holder)
        return {key: _field(item) for key, item in list(getattr(holder, "__dict__", {}).items())}
    except Exception:
        return None  # an object that does not let itself be looked at is not watched


def _field(value: Any) -> Any:
    return (len(value), _bytes(value)) if isinstance(value, list) else _bytes(value)


def _bytes(value: Any) -> bytes | None:
    try:
        return orjson.dumps(value, default=_unknown, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError, RuntimeError):
        return None  # a circle, or another thread is at it: not watched


def _unknown(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if hasattr(type(value), "model_fields"):
        return vars(value)
    # Another object may have come, but what is inside this one is not looked at.
    return f"{type(value).__qualname__}@{id(value)}"


def _operations(
    path: str, name: str, holder: Any, before: Any, after: Any, store: Callable[[str, Any], Json]
) -> Iterable[dict[str, Any]]:
    if isinstance(holder, list):
        yield from _list_operations(path, name, holder, before, store)
    elif isinstance(after, dict):
        fields = holder if isinstance(holder, dict) else vars(holder)
        for key in before:
            if key not in after:
                yield {"op": "remove", "path": f"{path}/{escape(key)}"}
        for key, printed in after.items():
            if key in before and before[key] == printed:
                continue
            here, value, known = f"{path}/{escape(key)}", fields[key], before.get(key)
            if isinstance(value, list) and isinstance(known, tuple):
                yield from _list_operations(here, str(key), value, known, store)
            elif not (printed is not None and _is_object(value)):
                yield {"op": "replace" if key in before else "add", "path": here, "value": store(str(key), value)}
    else:
        yield {"op": "replace", "path": path, "value": store(name, holder)}


def _is_object(value: Any) -> bool:
    """Tell whether a field holds an object that cannot be stored: a client, a connection; the agent makes it itself."""
    return _bytes(value) == orjson.dumps(f"{type(value).__qualname__}@{id(value)}")


def _list_operations(
    path: str, name: str, items: list[Any], before: tuple[int, bytes | None], store: Callable[[str, Any], Json]
) -> Iterable[dict[str, Any]]:
    length, printed = before
    if length <= len(items) and printed is not None and _bytes(items[:length]) == printed:
        for index, item in enumerate(items[length:], length):
            yield {"op": "add", "path": f"{path}/{index}", "value": store(name, item)}
    else:
        yield {"op": "replace", "path": path, "value": store(name, items)}


def repeat(changes: Iterable[Mapping[str, Any]], holders: Holders) -> None:
    """Change `holders` in place as the step did; the values of `changes` are Python objects."""
    for change in changes:
        name, *rest = (unescape(token) for token in change["path"].split("/")[1:])
        holder = holders[name]
        if not rest:
            _refill(holder, change["value"])
        elif isinstance(holder, list):
            _put(holder, int(rest[0]), change["value"])
        elif len(rest) == 2:
            _put(_get(holder, rest[0]), int(rest[1]), change["value"])
        elif change["op"] == "remove":
            _remove(holder, rest[0])
        else:
            _set(holder, rest[0], change["value"])


def _put(items: list[Any], index: int, value: Any) -> None:
    if index >= len(items) or _bytes(items[index]) != _bytes(value):
        items.append(value)


def copied_keys(value: Any, own: Mapping[str, Any]) -> list[str]:
    """Return the keys under which a step returned a copy of what it was given, where most hand on the object itself.

    The empty key stands for a value that is no mapping.
    """
    if isinstance(value, Mapping):
        return [str(key) for key, item in value.items() if key in own and _is_copy(item, own[key])]
    return [""] if any(_is_copy(value, given) for given in own.values()) else []


def _is_copy(value: Any, given: Any) -> bool:
    if value is given or type(value) is not type(given) or isinstance(value, _FIXED):
        return False
    if type(value) is dict and any(_is_copy(item, given[key]) for key, item in value.items() if key in given):
        return True
    if isinstance(value, list | dict | set) and len(value) != len(given):
        return False
    printed = _bytes(value)
    return printed is not None and printed == _bytes(given)


def handed_on(value: Any, own: Mapping[str, Any], copied: Collection[str]) -> Any:
    """Return a served value with the caller's own objects in it where they are equal, but not under `copied` keys.

    A step that returns ``{**state, "plan": plan}`` hands on the lists of `state`, and who appends to one of them later
    appends to both.
    """
    if isinstance(value, Mapping):
        keys = {key for key in value if key in own and str(key) not in copied}
        return {key: _own_where_equal(item, own[key]) if key in keys else item for key, item in value.items()}
    if copied:
        return value
    found = (_own_where_equal(value, given) for given in own.values())
    return next((given for given in found if given is not value), value)


def _own_where_equal(value: Any, given: Any) -> Any:
    if type(value) is not type(given) or isinstance(value, _FIXED):
        return value
    printed = _bytes(value)
    if printed is not None and printed == _bytes(given):
        return given
    if type(value) is dict:
        return {key: _own_where_equal(item, given[key]) if key in given else item for key, item in value.items()}
    return value


def update(state: dict[Any, Any], after: Mapping[Any, Any]) -> None:
    """Make `state` what it was after a step that changed it and returned it; what is equal stays the same object."""
    for key in [key for key in state if key not in after]:
        del state[key]
    for key, value in after.items():
        if key not in state or _field(state[key]) != _field(value):
            _set(state, key, value)


def _get(holder: Any, key: str) -> Any:
    return holder[key] if isinstance(holder, dict) else getattr(holder, key)


def _set(holder: Any, key: str, value: Any) -> None:
    fields = holder if isinstance(holder, dict) else vars(holder)
    current = fields.get(key)
    if type(current) is type(value) and isinstance(value, list | dict | set):
        _refill(current, value)  # somebody else may hold the same list
    else:
        fields[key] = value


def _remove(holder: Any, key: str) -> None:
    (holder if isinstance(holder, dict) else vars(holder)).pop(key, None)


def _refill(container: Any, content: Any) -> None:
    if isinstance(container, list | bytearray):
        container[:] = content
    else:
        container.clear()
        container.update(content)
