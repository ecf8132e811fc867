"""A Python value to JSON, exactly; or a marker that says what could not be kept. `decoding` is the way back.

JSON values stay as they are. Everything else becomes ``{"$t": tag, "v": ...}``: a datetime, a set, a tuple, bytes, a
big integer, an Enum, a dataclass, a pydantic model, an array, a data frame. A user's own dict that contains ``$t`` or
has keys that are no strings is wrapped the same way, so no value can be mistaken for a tag.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import re
import traceback
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson

from agent_vcr_nb.core import tables
from agent_vcr_nb.core.tables import MAX_REPR, printable
from agent_vcr_nb.core.tables import TAG as TAG
from agent_vcr_nb.core.tables import Json as Json

MAX_DEPTH = 64
"""Deeper values become a marker: a recorder must not meet the interpreter's recursion limit."""
MAX_SAFE_INT = 2**53 - 1
"""Larger integers are rounded by JavaScript, so they are tagged."""
MAX_INT_BITS = 1 << 23
BLOB_CHARS = 64 * 1024
"""Longer strings leave the line for a file of their own (see journal)."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Opaque(dict[str, Any]):
    """A recorded object whose class is not registered here: its tag as a dict, with the fields under ``"v"``.

    It encodes to the JSON it came from, so a state that holds one can be edited and forked.
    """

    @property
    def type_name(self) -> str:
        """Qualified name of the recorded class, or the tag itself."""
        return str(self.get("type", self.get(TAG)))


class Notes:
    """What one encoding found out: paths that could not be kept, whether a long string or a cycle was met."""

    __slots__ = ("cyclic", "large", "lossy")

    def __init__(self) -> None:
        self.lossy: list[str] = []
        self.large = False
        self.cyclic = False


_Path: TypeAlias = "tuple[Any, Any] | None"
"""A linked list of keys, innermost first: building it costs less than a string and is needed only on a loss."""


def escape(key: Any) -> str:
    """Return a key as one token of a JSON Pointer (RFC 6901)."""
    text = str(key)
    return text.replace("~", "~0").replace("/", "~1") if "~" in text or "/" in text else text


def unescape(token: str) -> str:
    """Undo `escape`."""
    return token.replace("~1", "/").replace("~0", "~") if "~" in token else token


def _pointer(path: _Path) -> str:
    tokens: list[str] = []
    while path is not None:
        path, key = path
        tokens.append(escape(key))
    return "/" + "/".join(reversed(tokens))


def qualified(cls: type) -> str:
    """Return ``module.QualName`` of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


registry: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any] | None]] = {}


def register(cls: type, build: Callable[[Any], Any] | None = None, dump: Callable[[Any], Any] | None = None) -> type:
    """Let recordings give back real objects of `cls`: ``register(Order, Order.from_dict, Order.to_dict)``.

    `build` gets the decoded fields (a dict, or what `dump` returned) and returns the object; the default calls
    ``cls(**fields)``. `dump` returns a value that can be recorded; without it dataclasses, pydantic models, Enums and
    named tuples are recorded by their fields. Returns `cls`, so it works as a class decorator.
    """
    registry[qualified(cls)] = (build or (lambda fields: cls(**fields)), dump)
    return cls


def encode(value: Any, notes: Notes | None = None, depth: int = 0) -> Json:
    """Return `value` as tagged JSON; losses are added to ``notes.lossy`` as JSON Pointers. Never raises.

    `depth` is how deep the value lies in the state that it is a part of.
    """
    return _encode(value, notes or Notes(), None, depth, set())


def _encode(value: Any, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    kind = type(value)
    if kind is str:
        if len(value) > BLOB_CHARS:
            notes.large = True
        if not value.isascii() and not _is_utf8(value):
            return {TAG: "str", "v": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if -MAX_SAFE_INT <= value <= MAX_SAFE_INT:
            return value
        if value.bit_length() > MAX_INT_BITS:
            return _marker(None, f"an integer of more than {MAX_INT_BITS:,} bits", notes, path, kind)
        return {TAG: "int", "v": _leaf(hex(value), notes)}
    if kind is float:
        return value if math.isfinite(value) else {TAG: "float", "v": repr(value)}
    if depth > MAX_DEPTH:
        return _marker(value, f"nested deeper than {MAX_DEPTH}", notes, path)
    if id(value) in open_ids:
        notes.cyclic = True
        return _marker(None, "contains itself", notes, path, kind)
    open_ids.add(id(value))
    try:
        writer = _WRITERS.get(kind)
        if writer is not None:
            return writer(value, notes, path, depth + 1, open_ids)
        return _encode_object(value, kind, notes, path, depth + 1, open_ids)
    except RecursionError:
        return _marker(None, "nested too deeply", notes, path, kind)
    except Exception as error:  # a property, a repr, an iterator of the user's may do anything
        return _marker(value, _told(error), notes, path)
    finally:
        open_ids.discard(id(value))


def _leaf(text: str, notes: Notes) -> str:
    """Return the text of a tag; a long one leaves the line like a long string does."""
    notes.large = notes.large or len(text) > BLOB_CHARS
    return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _told(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:MAX_REPR]
    except Exception:  # a user's __str__
        return type(error).__name__


def _marker(value: Any, why: str, notes: Notes, path: _Path, kind: type | None = None) -> Json:
    """What stands for a value that cannot be kept; its path is noted as lossy."""
    notes.lossy.append(_pointer(path) if path is not None else "")
    try:
        shown = "…" if kind else repr(value)
    except Exception as error:  # repr of a user's object
        shown = f"<repr failed: {type(error).__name__}>"
    # An address differs in every run and would break comparisons.
    shown = printable(_ADDRESS.sub("", shown)[:MAX_REPR])
    return {TAG: "repr", "type": qualified(kind or type(value)), "v": shown, "why": printable(why)}


def is_plain_dict(value: dict[Any, Any]) -> bool:
    """Tell whether a dict is a JSON object as it is: only string keys that are UTF-8, none of them the tag."""
    return TAG not in value and is_plain_keys(value)


def is_plain_keys(value: dict[Any, Any]) -> bool:
    """Tell whether all keys are strings that UTF-8 can hold."""
    # A loop: this runs for every state, and a generator costs as much as the looks.
    for key in value:  # noqa: SIM110
        if type(key) is not str or not (key.isascii() or _is_utf8(key)):
            return False
    return True


def _encode_dict(value: dict[Any, Any], notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    out: dict[str, Json] = {}
    for key, item in value.items():
        if type(key) is not str or key == TAG or not (key.isascii() or _is_utf8(key)):
            pairs = [
                [
                    _encode(k, notes, (path, k), depth + 1, open_ids),
                    _encode(v, notes, (path, k), depth, open_ids),
                ]
                for k, v in value.items()
            ]
            return {TAG: "dict", "v": pairs}
        # The common leaves are taken here: a call for each would be half of the recorder's time.
        kind = type(item)
        if (
            (kind is str and item.isascii() and len(item) <= BLOB_CHARS)
            or item is None
            or kind is bool
            or (kind is int and -MAX_SAFE_INT <= item <= MAX_SAFE_INT)
        ):
            out[key] = item
        else:
            out[key] = _encode(item, notes, (path, key), depth, open_ids)
    return out


def _encode_items(value: Any, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> list[Json]:
    # As in a dict: a common leaf is not worth a call.
    return [
        item
        if type(item) is str and item.isascii() and len(item) <= BLOB_CHARS
        else _encode(item, notes, (path, n), depth, open_ids)
        for n, item in enumerate(value)
    ]


def _encode_tuple(value: tuple[Any, ...], notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    return {TAG: "tuple", "v": _encode_items(value, notes, path, depth, open_ids)}


def _encode_set(value: Any, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    items = _encode_items(value, notes, path, depth, open_ids)
    # A set has no order of its own: without one the same set would differ in every run.
    items.sort(key=orjson.dumps)
    return {TAG: type(value).__name__, "v": items}


def _encode_time(value: Any, *_: Any) -> Json:
    tagged = {TAG: type(value).__name__, "v": value.isoformat()}
    if getattr(value, "fold", 0):
        tagged["fold"] = 1
    zone = getattr(getattr(value, "tzinfo", None), "key", None)
    if isinstance(zone, str):  # a zoneinfo.ZoneInfo: its offset alone would not know of summer time
        tagged["zone"] = zone
    return tagged


def _tagged(tag: str, write: Callable[[Any], Json]) -> Callable[..., Json]:
    return lambda value, *_: {TAG: tag, "v": write(value)}


def _encode_bytes(value: bytes | bytearray, notes: Notes, *_: Any) -> Json:
    return {TAG: type(value).__name__, "v": _leaf(base64.b64encode(value).decode(), notes)}


def _encode_deque(value: Any, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    return {TAG: "deque", "maxlen": value.maxlen, "v": _encode_items(value, notes, path, depth, open_ids)}


FACTORIES: dict[type, str] = {kind: kind.__name__ for kind in (list, dict, set, int, float, str, bool, tuple)}
"""What a defaultdict may make and still be given back as it was."""


def _encode_defaultdict(value: Any, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    content = _encode_dict(dict(value), notes, path, depth, open_ids)
    if value.default_factory is None:
        return {TAG: "defaultdict", "v": content}
    name = FACTORIES.get(value.default_factory)
    if name is None:
        return {TAG: "subclass", "type": "collections.defaultdict", "of": "dict", "v": content}
    return {TAG: "defaultdict", "factory": name, "v": content}


def _encode_known_dict(value: Any, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    return {TAG: type(value).__name__, "v": _encode_dict(dict(value), notes, path, depth, open_ids)}


def _encode_opaque(value: Any, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    """JSON as it was read; what a user has put into it since is encoded."""
    if isinstance(value, dict) and is_plain_keys(value):
        return {key: _encode_opaque(item, notes, (path, key), depth + 1, open_ids) for key, item in value.items()}
    if type(value) is list and depth <= 4 * MAX_DEPTH:
        return [_encode_opaque(item, notes, (path, n), depth + 1, open_ids) for n, item in enumerate(value)]
    return _encode(value, notes, path, 0, open_ids)


_WRITERS: dict[type, Callable[..., Json]] = {
    dict: _encode_dict,
    list: _encode_items,
    tuple: _encode_tuple,
    set: _encode_set,
    frozenset: _encode_set,
    dt.datetime: _encode_time,
    dt.date: _encode_time,
    dt.time: _encode_time,
    bytes: _encode_bytes,
    bytearray: _encode_bytes,
    dt.timedelta: _tagged("timedelta", lambda v: [v.days, v.seconds, v.microseconds]),
    decimal.Decimal: _tagged("Decimal", str),
    uuid.UUID: _tagged("UUID", str),
    complex: _tagged("complex", lambda v: [repr(v.real), repr(v.imag)]),
    collections.deque: _encode_deque,
    collections.defaultdict: _encode_defaultdict,
    collections.OrderedDict: _encode_known_dict,
    collections.Counter: _encode_known_dict,
    Opaque: _encode_opaque,
}


def _encode_object(value: Any, kind: type, notes: Notes, path: _Path, depth: int, open_ids: set[int]) -> Json:
    def inner(part: Any) -> Json:
        return _encode(part, notes, path, depth, open_ids)

    name = qualified(kind)
    registered = registry.get(name)
    if registered and registered[1]:
        return {TAG: "object", "type": name, "v": inner(registered[1](value))}
    if isinstance(value, pathlib.PurePath):
        return {TAG: "Path", "of": kind.__name__, "v": inner(str(value))}
    if isinstance(value, enum.Enum):
        return {TAG: "enum", "type": name, "name": inner(value.name), "v": inner(value.value)}
    if isinstance(value, BaseException):
        lines = printable("".join(traceback.format_exception(value))[-4000:])
        return {TAG: "exception", "type": name, "args": inner(list(value.args)), "traceback": lines}
    library = kind.__module__.partition(".")[0]
    if library in ("numpy", "pandas"):
        tagged = (tables.encode_numpy if library == "numpy" else tables.encode_pandas)(value, inner)
        return tagged if tagged is not None else _marker(value, "too large or of no plain type", notes, path)
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        return {TAG: "dataclass", "type": name, "v": inner(fields)}
    if hasattr(kind, "model_fields") and hasattr(value, "__dict__"):  # pydantic 2, without importing it
        extra = getattr(value, "__pydantic_extra__", None)
        return {TAG: "pydantic", "type": name, "v": inner({**value.__dict__, **(extra or {})})}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {TAG: "namedtuple", "type": name, "v": inner(value._asdict())}
    for base, plain in _SUBCLASSED:
        if isinstance(value, base):
            return {TAG: "subclass", "type": name, "of": base.__name__, "v": inner(plain(value))}
    return _marker(value, "no way to record this type; see agent_vcr_nb.register", notes, path)


# A subclass of a plain type keeps its content and the name of its class; bool and int in this order.
_SUBCLASSED: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (dict, dict),
    (list, list),
    (tuple, tuple),
    (frozenset, frozenset),
    (set, set),
    (str, lambda v: str.__str__(v)),
    (int, int),
    (float, float),
    (bytes, bytes),
    (dt.datetime, lambda v: dt.datetime.combine(v.date(), v.timetz())),
)
