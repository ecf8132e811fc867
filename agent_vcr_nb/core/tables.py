"""Values of numpy and pandas as tagged JSON and back; both are imported only when one of theirs is met."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""What ``json.loads`` returns: None, bool, int, float, str, list, dict with string keys."""

TAG = "$t"
MAX_REPR = 300
MAX_ARRAY_BYTES = 1 << 20
MAX_TABLE_CELLS = 100_000


def printable(text: str) -> str:
    """Return `text` with what UTF-8 cannot hold (lone surrogates) replaced by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def bounded(text: Any, limit: int = 10_000) -> str:
    """Return `text`; raises ValueError unless it is a string of at most `limit` characters."""
    if not isinstance(text, str) or len(text) > limit:
        raise ValueError("not a short string")
    return text


# -------- writing


def encode_numpy(value: Any, inner: Callable[[Any], Json]) -> Json | None:
    """Return an array or scalar as tagged JSON, its parts by `inner`; None when it cannot be kept whole."""
    import numpy as np

    if isinstance(value, np.ndarray):
        # A subclass knows more than its numbers: a masked array its mask.
        plain = type(value) is np.ndarray and not value.dtype.hasobject and not value.dtype.names
        if not plain or value.nbytes > MAX_ARRAY_BYTES:
            return None
        data = base64.b64encode(value.tobytes()).decode()
        return {TAG: "ndarray", "dtype": value.dtype.str, "shape": list(value.shape), "v": inner(data)}
    if isinstance(value, np.generic) and not value.dtype.hasobject and not value.dtype.names:
        return {
            TAG: "npscalar",
            "dtype": value.dtype.str,
            "v": base64.b64encode(value.tobytes()).decode(),
            "text": printable(str(value)[:MAX_REPR]),
        }
    return None


def encode_pandas(value: Any, inner: Callable[[Any], Json]) -> Json | None:
    """Return a data frame, series or scalar as tagged JSON; None when it cannot be kept whole."""
    import pandas as pd

    if value is pd.NaT or value is pd.NA:
        return {TAG: "NaT" if value is pd.NaT else "NA"}
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        tag = "Timestamp" if isinstance(value, pd.Timestamp) else "pdTimedelta"
        zone = str(value.tz) if isinstance(value, pd.Timestamp) and value.tz is not None else None
        count = str(int(value.asm8.view("i8")))
        return {TAG: tag, "v": count, "unit": value.unit, "tz": zone, "text": str(value)}
    if isinstance(value, pd.Series):
        tagged = encode_pandas(value.to_frame(name="value"), inner)
        return tagged and {TAG: "Series", "name": inner(value.name), "v": tagged}
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, n] for n in range(value.shape[1])]
        dtypes = [str(column.dtype) for column in columns]
        multi = isinstance(value.columns, pd.MultiIndex) or isinstance(value.index, pd.MultiIndex)
        # The name of a categorical dtype does not tell its categories.
        if value.size > MAX_TABLE_CELLS or multi or "category" in [*dtypes, str(value.index.dtype)]:
            return None
        return {
            TAG: "DataFrame",
            "columns": inner(list(value.columns)),
            "columns_name": inner(value.columns.name),
            "dtypes": dtypes,
            "index": inner(list(value.index)),
            "index_dtype": str(value.index.dtype),
            "index_name": inner(value.index.name),
            "v": [inner(column.tolist()) for column in columns],
        }
    return None


# -------- reading


def read_ndarray(body: Any, tree: Json) -> Any:
    """Return an array; raises on a tag that does not fit together."""
    import numpy as np

    dtype, shape, raw = np.dtype(bounded(tree["dtype"], 64)), tree["shape"], base64.b64decode(body)
    if dtype.hasobject or not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError("array does not fit its shape")
    return np.frombuffer(raw, dtype).reshape(shape).copy() if raw else np.empty(shape, dtype)


def read_npscalar(body: Any, tree: Json) -> Any:
    """Return a scalar; raises on a tag that does not fit together."""
    import numpy as np

    dtype = np.dtype(bounded(tree["dtype"], 64))
    if dtype.hasobject:
        raise ValueError("object dtype")
    return np.frombuffer(base64.b64decode(bounded(body)), dtype)[0]


def read_dataframe(body: Any, tree: Json, decode: Callable[[Json], Any]) -> Any:
    """Return a data frame; raises on a tag that does not fit together."""
    import pandas as pd

    index_name, columns_name = decode(tree.get("index_name")), decode(tree.get("columns_name"))
    index = pd.Index(decode(tree["index"]), dtype=bounded(tree["index_dtype"], 64), name=index_name)
    columns = [
        pd.Series(cells, index=index, dtype=bounded(dtype, 64))
        for cells, dtype in zip(body, tree["dtypes"], strict=True)
    ]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    frame.columns = pd.Index(decode(tree["columns"]), name=columns_name)
    return frame


def read_timestamp(body: Any, tree: Json) -> Any:
    """Return a Timestamp or Timedelta; raises on a tag that does not fit together."""
    import numpy as np
    import pandas as pd

    number, unit = int(bounded(body, 32)), tree["unit"]
    if tree[TAG] == "pdTimedelta":
        return pd.Timedelta(np.timedelta64(number, unit))
    moment = pd.Timestamp(np.datetime64(number, unit))
    return moment.tz_localize("UTC").tz_convert(bounded(tree["tz"], 64)) if tree.get("tz") else moment


def read_nat(_body: Any, _tree: Json) -> Any:
    """Return pandas' missing time; raises on a tag that does not fit together."""
    import pandas as pd

    return pd.NaT


def read_na(_body: Any, _tree: Json) -> Any:
    """Return pandas' missing value; raises on a tag that does not fit together."""
    import pandas as pd

    return pd.NA
