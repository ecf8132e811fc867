"""A private copy of a state that tells at the speed of C whether the live state is still the same.

`==` of Python takes 1, True and 1.0 for equal. Where that matters a wrapper stands in the shadow.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import orjson

from agent_vcr_nb.core.encoding import MAX_DEPTH, encode, is_plain_dict, qualified, registry


class _Int:
    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is int and other == self.value


class _Bool:
    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return other is self.value


class _Float:
    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if type(other) is not float:
            return False
        if other != other:
            return self.value != self.value
        return other == self.value and math.copysign(1, other) == math.copysign(1, self.value)


class Fields:
    """An object that is told by its class and its ``__dict__``: a pydantic model, a dataclass."""

    __slots__ = ("fields", "kind")

    def __init__(self, kind: type, fields: dict[str, Any]) -> None:
        self.kind, self.fields = kind, fields

    def __eq__(self, other: object) -> bool:
        return self.holds(other) and self.fields == other.__dict__

    def holds(self, other: object) -> bool:
        """Tell whether another object is told by its ``__dict__`` too: not one with extra pydantic fields."""
        return type(other) is self.kind and not getattr(other, "__pydantic_extra__", None)


class _Encoded:
    """Anything else: equal when it encodes to the same JSON."""

    __slots__ = ("raw",)

    def __init__(self, value: Any) -> None:
        self.raw = orjson.dumps(encode(value))

    def __eq__(self, other: object) -> bool:
        return orjson.dumps(encode(other)) == self.raw


_TRUE, _FALSE = _Bool(True), _Bool(False)


def shade(value: Any, depth: int = 0) -> Any:
    """Return a private copy of `value` whose ``==`` against a live value is strict about types.

    An instance of a subclass equals its plain shadow where Python says so; see `unchanged`.
    """
    return _shade(value, depth, set())


def _shade(value: Any, depth: int, open_ids: set[int]) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bytes:
        return value
    if kind is bool:
        return _TRUE if value else _FALSE
    if kind is int:
        return _Int(value)
    if kind is float:
        # A float with a fraction equals no int and no bool, so it can stand for itself.
        return value if math.isfinite(value) and value != int(value) else _Float(value)
    # Parents that know their children and children that know their parent would be copied without end.
    if depth >= MAX_DEPTH or id(value) in open_ids:
        return _Encoded(value)
    open_ids.add(id(value))
    try:
        if kind is dict and is_plain_dict(value):
            return {key: _shade(item, depth + 1, open_ids) for key, item in value.items()}
        if kind is list:
            return [_shade(item, depth + 1, open_ids) for item in value]
        if kind is tuple:
            return tuple([_shade(item, depth + 1, open_ids) for item in value])
        if _has_fields(kind, value):
            return Fields(kind, {key: _shade(item, depth + 1, open_ids) for key, item in value.__dict__.items()})
        return _Encoded(value)
    finally:
        open_ids.discard(id(value))


def _has_fields(kind: type, value: Any) -> bool:
    if qualified(kind) in registry:
        return False
    if hasattr(kind, "model_fields"):
        return not getattr(value, "__pydantic_extra__", None) and is_plain_dict(value.__dict__)
    # A field that is missing from __dict__ or added to it would not be seen by the encoder the same way.
    return dataclasses.is_dataclass(kind) and getattr(value, "__dict__", {}).keys() == {
        f.name for f in dataclasses.fields(kind)
    }


def copy_shadow(shadow: Any) -> Any:
    """Return a shadow that can go its own way; leaves are immutable and shared."""
    kind = type(shadow)
    if kind is dict:
        return {key: copy_shadow(item) for key, item in shadow.items()}
    if kind is list:
        return [copy_shadow(item) for item in shadow]
    if kind is Fields:
        return Fields(shadow.kind, copy_shadow(shadow.fields))
    return shadow


def same(shadow: Any, value: Any) -> bool:
    """Tell whether a live value is still what its shadow was made of."""
    try:
        return bool(shadow == value)
    except Exception:  # an array's or a user's __eq__: treated as changed, and the encoder decides
        return False


def unchanged(shadow: Any, value: Any) -> bool:
    """Like `same`, and strict at this level about subclasses: a StrEnum is not the string that it equals."""
    if shadow is value:
        return True
    kind = type(shadow)
    return (kind not in _PLAIN or kind is type(value)) and same(shadow, value)


_PLAIN = frozenset({str, bytes, dict, list, tuple})
