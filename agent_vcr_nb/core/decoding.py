"""Tagged JSON back to Python values; `encoding` is the other way.

No module is imported by a name from the file and no user's constructor is called: a class that the running program
did not register comes back as `Opaque`, a dict view that encodes to the identical JSON again.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import sys
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from agent_vcr_nb.core.encoding import TAG, Json, Opaque, qualified, registry
from agent_vcr_nb.core.errors import RecordingError

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


def _bounded(text: Any, limit: int = 10_000) -> str:
    if not isinstance(text, str) or len(text) > limit:
        raise ValueError("not a short string")
    return text


def _read_ndarray(body: Any, tree: Json) -> Any:
    import numpy as np

    dtype, shape, raw = np.dtype(_bounded(tree["dtype"], 64)), tree["shape"], base64.b64decode(body)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError("array does not fit its shape")
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def _read_npscalar(body: Any, tree: Json) -> Any:
    import numpy as np

    dtype = np.dtype(_bounded(tree["dtype"], 64))
    if dtype.hasobject:
        raise ValueError("object dtype")
    return np.frombuffer(base64.b64decode(_bounded(body)), dtype)[0]


def _read_dataframe(body: Any, tree: Json) -> Any:
    import pandas as pd

    index = pd.Index(decode(tree["index"]), dtype=_bounded(tree["index_dtype"], 64))
    columns = [
        pd.Series(cells, index=index, dtype=_bounded(dtype, 64))
        for cells, dtype in zip(body, tree["dtypes"], strict=True)
    ]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    frame.columns = pd.Index(decode(tree["columns"]))
    return frame


def _read_timestamp(body: Any, tree: Json) -> Any:
    import pandas as pd

    number, unit = int(_bounded(body, 32)), tree["unit"]
    if tree[TAG] == "pdTimedelta":
        return pd.Timedelta(number, unit="ns").as_unit(unit)
    moment = pd.Timestamp(number, unit="ns").as_unit(unit)
    return moment.tz_localize("UTC").tz_convert(_bounded(tree["tz"], 64)) if tree.get("tz") else moment


def _read_nat(_body: Any, _tree: Json) -> Any:
    import pandas as pd

    return pd.NaT


_READERS: dict[str, Callable[[Any, Json], Any]] = {
    "int": lambda v, _: int(_bounded(v), 16),
    "float": lambda v, _: float(_bounded(v)),
    "str": lambda v, _: base64.b64decode(v).decode("utf-8", "surrogatepass"),
    "tuple": lambda v, _: tuple(v),
    "set": lambda v, _: set(v),
    "frozenset": lambda v, _: frozenset(v),
    "bytes": lambda v, _: base64.b64decode(v),
    "bytearray": lambda v, _: bytearray(base64.b64decode(v)),
    "datetime": lambda v, t: dt.datetime.fromisoformat(v).replace(fold=t.get("fold", 0)),
    "date": lambda v, _: dt.date.fromisoformat(v),
    "time": lambda v, t: dt.time.fromisoformat(v).replace(fold=t.get("fold", 0)),
    "timedelta": lambda v, _: dt.timedelta(*v),
    "Decimal": lambda v, _: decimal.Decimal(_bounded(v)),
    "UUID": lambda v, _: uuid.UUID(v),
    "complex": lambda v, _: complex(float(v[0]), float(v[1])),
    "Path": lambda v, _: pathlib.Path(_bounded(v)),
    "dict": lambda v, _: dict(v),
    "ndarray": _read_ndarray,
    "npscalar": _read_npscalar,
    "DataFrame": _read_dataframe,
    "Timestamp": _read_timestamp,
    "pdTimedelta": _read_timestamp,
    "NaT": _read_nat,
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
    if tag == "subclass" and issubclass(cls, dict | list | tuple | set | frozenset | str | int | float | bytes):
        return lambda content: _refilled(cls, content)
    if tag == "exception" and issubclass(cls, BaseException):
        return lambda args: _raised_again(cls, args)
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


def _refilled(cls: Any, content: Any) -> Any:
    """Return an instance of a subclass of a plain type with this content; only the library's own constructors run."""
    if cls.__module__ == "collections":
        return cls(None, content) if cls.__name__ == "defaultdict" else cls(content)
    base: Any = type(content)
    if base in (dict, list, set):
        instance = cls.__new__(cls)
        (base.extend if base is list else base.update)(instance, content)
        return instance
    return base.__new__(cls, content)


def _raised_again(cls: type[BaseException], args: list[Any]) -> BaseException:
    if cls.__module__ == "builtins":
        return cls(*args)  # an OSError or a UnicodeDecodeError takes its fields in its constructor
    error = cls.__new__(cls, *args)
    error.args = tuple(args)
    return error
