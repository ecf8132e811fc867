"""Values to tagged JSON and back: nothing changes its type, what cannot be kept says so, loading runs nothing."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import subprocess
import sys
import threading
import uuid
import zoneinfo
from typing import NamedTuple

import numpy as np
import orjson
import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_vcr_nb.core.decoding import decode, from_loaded_modules
from agent_vcr_nb.core.encoding import Notes, Opaque, encode, qualified, register, registry
from agent_vcr_nb.core.errors import RecordingError
from tests.core.storage_values import exact, values


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mode(enum.StrEnum):
    FAST = "fast"


class Point(NamedTuple):
    x: int
    y: float


class Name(str):
    pass


class Bag(dict):
    pass


@dataclasses.dataclass
class Order:
    item: str
    count: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    when: dt.date


class Message(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    role: str
    parts: list[tuple[int, str]] = []


def as_stored(value, *, resolve=None):
    """The value after a way through bytes, and what was noted as lost."""
    notes = Notes()
    raw = orjson.dumps(encode(value, notes))
    return decode(orjson.loads(raw), resolve=resolve), notes.lossy


PLAIN = {
    "none": None,
    "true": True,
    "one": 1,
    "one point zero": 1.0,
    "minus zero": -0.0,
    "nan": math.nan,
    "infinity": -math.inf,
    "beyond JavaScript": 2**53,
    "beyond 64 bits": -(10**40),
    "thousands of digits": 7**20_000,
    "text": "naïve 😀 \u2028 \x00 / ~",
    "lone surrogate": "a\ud800b",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"ab"),
    "complex": complex(1, -0.0),
    "decimal": decimal.Decimal("-0.10"),
    "decimal nan": decimal.Decimal("sNaN"),
    "uuid": uuid.UUID(int=5),
    "datetime": dt.datetime(2026, 3, 29, 2, 30, 0, 7),
    "datetime in a zone": dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    "datetime utc": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "date": dt.date(1, 1, 1),
    "time": dt.time(23, 59, 59, 999999),
    "timedelta": dt.timedelta(days=-1, microseconds=1),
    "tuple": (1, (True, [])),
    "set": {1, "a", (2,)},
    "frozenset": frozenset({1.5}),
    "int keys": {1: "a", "1": "b", (2, 3): None, None: 0},
    "enum-free tag": {"$t": "int", "v": "0x1"},
    "tag of a blob": {"$t": "blob", "sha256": "0" * 64},
    "key with a surrogate": {"\udfff": 1},
    "deque": collections.deque([1, 2], maxlen=3),
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "ordered dict": collections.OrderedDict([("b", 1), ("a", 2)]),
    "counter": collections.Counter("aab"),
    "pure path": pathlib.PurePosixPath("a/b"),
    "windows path": pathlib.PureWindowsPath("C:\\a"),
    "path": pathlib.Path("a/\udcff.txt"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_value_comes_back_equal_and_of_the_same_type(name):
    back, lossy = as_stored({"value": PLAIN[name]})
    assert exact(back["value"], ordered=True) == exact(PLAIN[name], ordered=True)
    assert lossy == []


def test_a_datetime_of_a_zone_knows_summer_time_after_the_way_through_the_file():
    back, _ = as_stored(dt.datetime(2026, 3, 28, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")))
    assert (back + dt.timedelta(days=1)).utcoffset() == dt.timedelta(hours=2)


@pytest.mark.parametrize(
    "scalar",
    [
        np.float32(1.5),
        np.int8(-3),
        np.bool_(True),
        np.str_("añ"),
        np.complex64(1j),
        np.datetime64("2026-01-01T00:00:01"),
        np.timedelta64(3, "h"),
    ],
    ids=lambda scalar: type(scalar).__name__,
)
def test_a_numpy_scalar_keeps_its_dtype(scalar):
    back, lossy = as_stored(scalar)
    assert (type(back), back.dtype, back) == (type(scalar), scalar.dtype, scalar)
    assert lossy == []


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.array([[1.0, np.nan]]),
        np.array(["a", "bcd"]),
        np.array(5),
        np.zeros((0, 3)),
        np.asfortranarray(np.arange(4.0).reshape(2, 2)),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_keeps_dtype_shape_and_order_of_its_items(array):
    back, lossy = as_stored({"a": array})
    np.testing.assert_array_equal(back["a"], array, strict=True)
    assert lossy == []


@pytest.mark.parametrize(
    "array",
    [
        np.ma.masked_array([1, 2], mask=[0, 1]),
        np.array([object()]),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.zeros(200_000),
    ],
    ids=["masked", "objects", "structured", "large"],
)
def test_an_array_that_cannot_be_kept_whole_is_told_as_lost(array):
    back, lossy = as_stored({"a": array})
    assert lossy == ["/a"]
    assert back["a"]["$t"] == "repr"


TABLE = pd.DataFrame(
    {
        "n": pd.array([1, None], dtype="Int64"),
        "x": [1.5, np.nan],
        "when": pd.to_datetime(["2026-01-01", None]),
        "what": ["a", None],
    },
    index=pd.Index(["r", "s"], name="row"),
)


@pytest.mark.parametrize(
    "table", [TABLE, pd.DataFrame(), TABLE.iloc[:0], pd.DataFrame([[1, 2]], columns=["a", "a"])], ids=range(4)
)
def test_a_data_frame_keeps_cells_dtypes_and_index(table):
    back, lossy = as_stored({"t": table})
    pd.testing.assert_frame_equal(back["t"], table, check_index_type=False, check_column_type=False)
    assert lossy == []


def test_a_series_and_its_name_come_back():
    series = pd.Series([1, 2], index=["a", "b"], name=("x", 1), dtype="int16")
    pd.testing.assert_series_equal(as_stored(series)[0], series)


@pytest.mark.parametrize(
    "moment",
    [
        pd.Timestamp("2026-01-01 00:00:00.123456789", tz="Europe/Paris"),
        pd.Timestamp("1066-10-14").as_unit("s"),
        pd.Timedelta(1, "ns"),
        pd.NaT,
        pd.NA,
    ],
    ids=repr,
)
def test_a_pandas_scalar_comes_back(moment):
    back, lossy = as_stored([moment])
    assert repr(back) == repr([moment])
    assert getattr(back[0], "unit", None) == getattr(moment, "unit", None)
    assert lossy == []


def test_a_categorical_column_is_told_as_lost_because_its_categories_would_be():
    assert as_stored({"t": pd.DataFrame({"c": pd.Categorical(["a"], ["a", "b"])})})[1] == ["/t"]


OBJECTS = [
    Color.RED,
    Level.HIGH,
    Mode.FAST,
    Point(1, 2.0),
    Name("x"),
    Bag(a=1),
    Order("tea", 2),
    Slotted(dt.date(2026, 1, 1)),
    Message(role="user", parts=[(1, "a")], extra_field={1}),
]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_an_object_comes_back_as_its_own_class_in_the_program_that_has_the_class(value):
    back, lossy = as_stored([value], resolve=from_loaded_modules)
    assert (type(back[0]), back[0]) == (type(value), value)
    assert lossy == []


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_an_object_whose_class_is_not_known_is_a_view_that_encodes_to_the_same_json(value):
    tree = encode(value)
    view = decode(orjson.loads(orjson.dumps(tree)))
    assert type(view) is Opaque
    assert view.type_name == f"{type(value).__module__}.{type(value).__qualname__}"
    assert orjson.dumps(encode(view)) == orjson.dumps(tree)


def test_a_view_of_an_unknown_object_can_be_edited_with_any_value():
    view = decode(encode(Order("tea")))
    view["v"]["item"] = dt.date(2026, 1, 1)
    assert decode(encode(view), resolve=from_loaded_modules) == Order(dt.date(2026, 1, 1), 1)


def test_an_exception_comes_back_with_its_arguments_and_shows_its_traceback():
    try:
        raise KeyError("missing", 3)
    except KeyError as error:
        tree = encode(error)
    back = decode(tree, resolve=from_loaded_modules)
    assert (type(back), back.args) == (KeyError, ("missing", 3))
    assert 'raise KeyError("missing", 3)' in tree["traceback"]


class Account:
    def __init__(self, owner):
        self.owner = owner


def test_a_registered_class_comes_back_as_real_object():
    register(Account, lambda fields: Account(**fields), lambda account: {"owner": account.owner})
    try:
        back, lossy = as_stored({"a": Account({"Ann"})})
    finally:
        del registry[qualified(Account)]
    assert (type(back["a"]), back["a"].owner, lossy) == (Account, {"Ann"}, [])


# ---------------------------------------------------------------------------------------------- what cannot be kept


class Raising:
    def __repr__(self):
        raise ValueError("no repr")

    def __len__(self):
        raise ValueError("no len")

    def __eq__(self, other):
        raise ValueError("no eq")

    __hash__ = None


@dataclasses.dataclass
class BadProperty:
    name: str

    def __getattribute__(self, name):
        if name == "name":
            raise OSError("\ud800 gone")
        return super().__getattribute__(name)


UNKEPT = {
    "lock": threading.Lock(),
    "lambda": lambda: None,
    "generator": (n for n in ()),
    "module": sys,
    "class": dict,
    "raising repr": Raising(),
    "raising property": BadProperty("a"),
    "endless integer": 1 << (1 << 24),
}


@pytest.mark.parametrize("name", UNKEPT)
def test_what_cannot_be_kept_is_a_marker_and_its_path_is_told(name):
    back, lossy = as_stored({"deep/er": [0, UNKEPT[name]]})
    assert lossy == ["/deep~1er/1"]
    assert back["deep/er"][1]["$t"] == "repr"


def test_a_marker_holds_no_memory_address_so_that_two_runs_compare_equal():
    assert "0x" not in encode(object())["v"]


def test_a_value_that_contains_itself_ends_in_a_marker():
    state = {"name": "a", "children": []}
    state["children"].append({"parent": state})
    back, lossy = as_stored(state)
    assert lossy == ["/children/0/parent"]
    assert back["children"][0]["parent"]["why"] == "contains itself"


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"k": v}, lambda v: (v,), lambda v: {1: v}, Order])
def test_a_value_of_ten_thousand_levels_is_cut_at_a_depth_that_loads_again(wrap):
    value = 0
    for _ in range(10_000):
        value = wrap(value)
    _, lossy = as_stored(value)
    assert len(lossy) == 1


def test_the_same_object_twice_is_no_cycle():
    shared = [1]
    assert as_stored([shared, shared]) == ([[1], [1]], [])


# ---------------------------------------------------------------------------------------------- properties


@given(values)
def test_any_value_comes_back_equal_and_of_the_same_type(value):
    back, lossy = as_stored(value)
    assert exact(back, ordered=True) == exact(value, ordered=True)
    assert lossy == []


json_trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["$t", "v", "type", "dtype", "shape", "a"]), inner, max_size=5),
        st.fixed_dictionaries(
            {"$t": st.sampled_from(["int", "set", "dict", "datetime", "ndarray", "DataFrame", "Series", "Timestamp",
                                    "deque", "defaultdict", "Path", "enum", "blob", "npscalar", "Counter", "complex"])},
            optional={"v": inner, "type": inner, "dtype": st.sampled_from(["<f8", "O", "U0", "x"]), "shape": inner,
                      "maxlen": inner, "unit": st.just("ns"), "tz": inner, "name": inner},
        ),
    ),
    max_leaves=15,
)  # fmt: skip


@given(json_trees)
def test_any_json_in_a_file_loads_without_an_error(tree):
    decode(tree)


# ---------------------------------------------------------------------------------------------- loading


def test_loading_refuses_what_no_recorder_writes_in_depth():
    with pytest.raises(RecordingError, match="nested deeper than 256"):
        decode(orjson.loads(b"[" * 1000 + b"]" * 1000))


HOSTILE = [
    {"$t": "object", "type": "os.system", "v": "touch owned"},
    {"$t": "dataclass", "type": "antigravity.fly", "v": {}},
    {"$t": "pydantic", "type": "subprocess.Popen", "v": {"args": "touch owned"}},
    {"$t": "enum", "type": "this.s", "name": "x", "v": 1},
    {"$t": "exception", "type": "os.system", "args": ["touch owned"]},
    {"$t": "subclass", "type": "wsgiref.types.X", "of": "dict", "v": {}},
    {"$t": "defaultdict", "factory": "os.system", "v": {}},
    {"$t": "ndarray", "dtype": "O", "shape": [1], "v": "gASVAAAAAAA="},
    {"$t": "ndarray", "dtype": "<U0", "shape": [10**15], "v": ""},
    {"$t": "int", "v": "0x" + "f" * 10_000_000},
    {"$t": "datetime", "v": "2026-01-01T00:00:00", "zone": "../../../etc/passwd"},
    {"$t": "__reduce__", "v": ["os.system", ["touch owned"]]},
]


def test_loading_imports_nothing_and_calls_no_constructor(tmp_path):
    """In a fresh process that knows each class by no more than its name."""
    code = (
        "import sys, orjson, numpy, pandas, subprocess, wsgiref, zoneinfo\n"
        "from agent_vcr_nb.core.decoding import decode, from_loaded_modules\n"
        "trees = orjson.loads(sys.stdin.buffer.read())\n"
        "before = set(sys.modules)\n"
        "found = [type(decode(tree)).__name__ for tree in trees]\n"
        "found += [type(decode(tree, resolve=from_loaded_modules)).__name__ for tree in trees]\n"
        "print(sorted(set(sys.modules) - before), sorted(set(found)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], input=orjson.dumps(HOSTILE), capture_output=True, cwd=tmp_path, check=True
    )
    assert ran.stdout.decode().strip() == "[] ['Opaque', 'datetime']"
    assert list(tmp_path.iterdir()) == []


class Counting(pydantic.BaseModel):
    calls: int = 0

    def __init__(self, **fields):
        raise AssertionError("the constructor was called")


def test_the_user_s_own_class_is_filled_without_its_constructor():
    tree = {"$t": "pydantic", "type": f"{__name__}.Counting", "v": {"calls": 5}}
    assert decode(tree, resolve=from_loaded_modules).calls == 5
