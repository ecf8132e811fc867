"""Tagged JSON back to Python values; `encoding` is the other way.

No module is imported by a name from the file and no user's constructor is called: a class that the running program
did not register comes back as `Opaque`, a dict view that encodes to the identical JSON again.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import re
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, TypeAlias

from agent_vcr_nb.core import tables
from agent_vcr_nb.core.encoding import FACTORIES, MAX_INT_BITS, TAG, Json, Opaque, qualified, registry
from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.tables import bounded

MAX_LOAD_DEPTH = 256
"""A tag adds up to three levels of JSON to one level of Python."""

Resolve: TypeAlias = "Callable[[str, str], Callable[[Any], Any] | None]"
"""``resolve(tag, type_name)`` gives a function from decoded fields to the object, or None for an `Opaque`."""


def decode(tree: Json, *, resolve: Resolve | None = None, blob: Callable[[Json], str] | None = None) -> Any:
    """Return the value that `encode` was given, or `Opaque` where its class is not known.

    `resolve` adds to what `register` knows; `blob` reads a long string that lies in a file of its own.
    Raises RecordingError for JSON that is nested deeper than a recorder ever writes.
    """
    return _decode(tree, resolve, blob, 0)


def _decode(tree: Json, resolve: Resolve | None, blob: Callable[[Json], str] | None, depth: int) -> Any:
    kind = type(tree)
    if kind is not dict and kind is not list:
        return tree
    if depth > MAX_LOAD_DEPTH:
        raise RecordingError(f"a recorded state is nested deeper than {MAX_LOAD_DEPTH} levels: not opened")
    if kind is list:
        return [_decode(item, resolve, blob, depth + 1) for item in tree]
    tag = tree.get(TAG)
    if tag is None:
        return {key: _decode(item, resolve, blob, depth + 1) for key, item in tree.items()}
    try:
        if tag == "blob":
            return blob(tree) if blob else Opaque(tree)
        body = _decode(tree.get("v"), resolve, blob, depth + 1)
        reader = _READERS.get(tag)
        if reader is not None:
            return reader(body, tree)
        if tag == "Series" and not isinstance(body, Opaque):
            return body["value"].rename(_decode(tree["name"], resolve, blob, depth + 1))
        build = _builder(str(tag), str(tree.get("type")), resolve)
        if tag == "exception":
            body = _decode(tree.get("args"), resolve, blob, depth + 1)
        return build(body) if build else Opaque(tree)
    except RecordingError:
        raise
    except Exception:  # a hand-edited or hostile tag: shown as it stands, never an error of the viewer
        return Opaque(tree)


def _builder(tag: str, type_name: str, resolve: Resolve | None) -> Callable[[Any], Any] | None:
    registered = registry.get(type_name)
    if registered:
        return registered[0]
    return resolve(tag, type_name) if resolve else None


def _read_time(body: Any, tree: Json) -> Any:
    kind = dt.datetime if tree[TAG] == "datetime" else dt.time
    moment = kind.fromisoformat(bounded(body, 64)).replace(fold=tree.get("fold", 0))
    zone = tree.get("zone")
    if isinstance(zone, str) and _ZONE.fullmatch(zone):
        try:
            return moment.replace(tzinfo=zoneinfo.ZoneInfo(zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return moment  # this machine does not know the zone; the offset is right for this moment
    return moment


_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,3}")
_PATHS: dict[str, type[pathlib.PurePath]] = {
    "PurePosixPath": pathlib.PurePosixPath,
    "PureWindowsPath": pathlib.PureWindowsPath,
}
_MADE_BY = {name: kind for kind, name in FACTORIES.items()}


def _read_defaultdict(body: Any, tree: Json) -> Any:
    return collections.defaultdict(_MADE_BY[tree["factory"]] if "factory" in tree else None, body)


_READERS: dict[str, Callable[[Any, Json], Any]] = {
    "int": lambda v, _: int(bounded(v, MAX_INT_BITS // 4 + 3), 16),
    "float": lambda v, _: float(bounded(v)),
    "str": lambda v, _: base64.b64decode(v).decode("utf-8", "surrogatepass"),
    "tuple": lambda v, _: tuple(v),
    "set": lambda v, _: set(v),
    "frozenset": lambda v, _: frozenset(v),
    "bytes": lambda v, _: base64.b64decode(v),
    "bytearray": lambda v, _: bytearray(base64.b64decode(v)),
    "datetime": _read_time,
    "date": lambda v, _: dt.date.fromisoformat(v),
    "time": _read_time,
    "timedelta": lambda v, _: dt.timedelta(*v),
    "Decimal": lambda v, _: decimal.Decimal(bounded(v)),
    "UUID": lambda v, _: uuid.UUID(v),
    "complex": lambda v, _: complex(float(v[0]), float(v[1])),
    "Path": lambda v, t: _PATHS.get(t.get("of"), pathlib.Path)(bounded(v)),
    "deque": lambda v, t: collections.deque(v, t["maxlen"]),
    "defaultdict": _read_defaultdict,
    "OrderedDict": lambda v, _: collections.OrderedDict(v),
    "Counter": lambda v, _: collections.Counter(dict(v)),
    "dict": lambda v, _: dict(v),
    "ndarray": tables.read_ndarray,
    "npscalar": tables.read_npscalar,
    "DataFrame": lambda v, t: tables.read_dataframe(v, t, decode),
    "Timestamp": tables.read_timestamp,
    "pdTimedelta": tables.read_timestamp,
    "NaT": tables.read_nat,
    "NA": tables.read_na,
}


def from_loaded_modules(tag: str, type_name: str) -> Callable[[Any], Any] | None:
    """Resolve a recorded class among the modules that this program has already imported, without its constructor.

    Used where the user runs their own agent on a recording: the agent then gets its own types back. Only classes that
    are plain data are found: dataclasses, pydantic models, Enums, named tuples, subclasses of plain types, exceptions.
    """
    cls: Any = _find_class(type_name)
    if cls is None:
        return None
    if tag == "dataclass" and dataclasses.is_dataclass(cls):
        return lambda fields: _filled(cls, fields)
    if tag == "pydantic" and hasattr(cls, "model_construct"):
        return lambda fields: cls.model_construct(**fields)
    if tag == "enum" and issubclass(cls, enum.Enum):
        return lambda value: cls(value)
    if tag == "namedtuple" and issubclass(cls, tuple) and hasattr(cls, "_make"):
        return lambda fields: cls._make(fields.values())
    if tag == "exception" and issubclass(cls, BaseException):
        return lambda args: _raised_again(cls, args)
    if tag == "subclass":
        return lambda content: _as_subclass(cls, content)
    return None


def _find_class(type_name: str) -> Any:
    """Return the class of that qualified name if its module is loaded, else None."""
    parts = type_name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:cut]))
        if found is None:
            continue
        for name in parts[cut:]:
            found = getattr(found, name, None) if name != "<locals>" else None
        # The name must be the class's own: an alias could lead to something that was never recorded.
        return found if isinstance(found, type) and qualified(found) == type_name else None
    return None


def _filled(cls: Any, fields: dict[str, Any]) -> Any:
    instance: Any = object.__new__(cls)
    for name, item in fields.items():
        object.__setattr__(instance, name, item)
    return instance


def _as_subclass(cls: Any, content: Any) -> Any:
    """Return `content` as an instance of a subclass of its plain type; a constructor of the user's is not called."""
    if cls.__module__ == "collections":
        return cls(None, content) if cls.__name__ == "defaultdict" else cls(content)
    plain: Any = type(content)
    if not issubclass(cls, plain):
        raise ValueError(f"{qualified(cls)} is no {plain.__name__}")
    if plain in (dict, list, set):
        instance = plain.__new__(cls)
        (plain.extend if plain is list else plain.update)(instance, content)
        return instance
    return plain.__new__(cls, content) if plain is not dt.datetime else content


def _raised_again(cls: type[BaseException], args: list[Any]) -> BaseException:
    if cls.__module__ == "builtins":
        return cls(*args)  # an OSError or a UnicodeDecodeError takes its fields in its constructor
    error = cls.__new__(cls, *args)
    error.args = tuple(args)
    return error
