"""States as changes: what the operations lead to is the state that was passed, and they are as long as the change."""

import copy
import dataclasses
import enum
from collections import defaultdict
from typing import NamedTuple

import jsonpatch
import orjson
import pydantic
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent_vcr_nb.core.delta import Lane, apply
from agent_vcr_nb.core.encoding import Notes, encode
from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.redact import Redactor
from tests.core.storage_values import parts

FILLER = {"filler": ["x" * 300] * 5}
"""Makes a state large enough to be written as changes."""


class Written:
    """Reads what a lane writes the way a reader does: a full state, or operations on an earlier one."""

    def __init__(self, redactor=None):
        self.lane, self.redactor = Lane(), redactor
        self.trees, self.full, self.bytes, self.ops = {}, [], [], []
        self.blobs = []

    def write(self, state, notes=None):
        ref = f"{len(self.trees)}.in"
        section = self.lane.write(state, ref, notes or Notes(), self.redactor, self._to_blob)
        self.full.append(section.full is not None)
        self.bytes.append(len(section.full or section.ops))
        self.ops.append(orjson.loads(section.ops or b"[]"))
        if section.full is not None:
            self.trees[ref] = orjson.loads(section.full)
        else:
            self.trees[ref] = apply(copy.deepcopy(self.trees[section.base]), orjson.loads(section.ops))
        return self.trees[ref]

    def _to_blob(self, tree):
        self.blobs.append(tree)
        return tree


def as_sorted(tree):
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)


@st.composite
def changes(draw):
    """One way to change a state, in place or in a copy, as a function from state to state."""
    kind = draw(st.sampled_from(["set", "append", "pop", "insert", "shift", "grow", "replace", "drop", "item", "new"]))
    key, value, at = draw(st.sampled_from(["m", "n", "a/b", "", "~"])), draw(parts), draw(st.integers(0, 6))
    in_place = draw(st.booleans())

    def change(state):
        state = state if in_place else copy.deepcopy(state)
        if kind == "new":
            return {**copy.deepcopy(FILLER), key: value}
        if kind == "set":
            state[key] = value
        elif kind == "drop":
            state.pop(key, None)
        elif kind == "grow":
            text = state.get("text")
            state["text"] = (text if isinstance(text, str) else "t" * 60) + "more" * at
        else:
            items = state.setdefault("items", [])
            if kind == "append":
                items.append(value)
            elif kind == "insert":
                items.insert(at, value)
            elif kind == "item" and items and isinstance(items[at % len(items)], dict):
                items[at % len(items)][key] = value
            elif kind == "replace" and items:
                items[at % len(items)] = value
            elif kind == "pop" and items:
                items.pop(at % len(items))
            elif kind == "shift":
                del items[: at % 5]
                items.append(value)
        return state

    return change


@settings(max_examples=150)
@given(st.lists(changes(), min_size=2, max_size=15))
def test_operations_and_full_states_both_lead_to_the_state_that_was_passed(steps):
    written, state = Written(), copy.deepcopy(FILLER)
    for step in steps:
        state = step(state)
        assert as_sorted(written.write(state)) == as_sorted(encode(state))


SECRETS = ["sk-" + "a1B2" * 6, "https://u:pass@host/", "plain", "sk-", "sk-" + "z" * 15]


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["token", "note", "d", "sk-" + "b" * 20, "sk-" + "c" * 20]), st.sampled_from(SECRETS)
        ),
        min_size=2,
        max_size=10,
    ),
    st.booleans(),
)
def test_redacted_operations_lead_to_the_redacted_state(steps, growing):
    redactor = Redactor()
    written, state = Written(redactor), {**copy.deepcopy(FILLER), "d": {}, "text": "t" * 80}
    for key, value in steps:
        state["d"][key] = {"x": [value]}
        if growing:
            state["text"] += value
        if value == "plain":
            state["d"].pop(next(iter(state["d"])))
        assert as_sorted(written.write(state)) == as_sorted(redactor.tree(encode(state)))


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, True), (True, 1), (1, 1.0), (0.0, -0.0), (1.5, "1.5"), ([1], (1,)), ((1,), [1]), ((1,), (True,)), ({}, []),
     (None, 0), (float("nan"), 0.0), ({1: "a"}, {"1": "a"}), ({1: 2}, {True: 2}), (b"a", "a"), ({1}, frozenset({1}))],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("place", [lambda v: v, lambda v: [0, v], lambda v: {"deep": [{"er": v}]}])
def test_a_change_of_type_alone_is_seen(before, after, place):
    written = Written()
    written.write({**FILLER, "v": place(before)})
    assert as_sorted(written.write({**FILLER, "v": place(after)})["v"]) == as_sorted(encode(place(after)))
    assert not written.full[1]


class Mode(enum.StrEnum):
    FAST = "fast"


class Pair(NamedTuple):
    a: int


@pytest.mark.parametrize(
    ("before", "after"), [("fast", Mode.FAST), ((1,), Pair(1)), ({}, defaultdict(list)), ({"a": 1}, {Mode.FAST: 1})]
)
def test_a_plain_value_that_becomes_an_equal_one_of_a_subclass_is_seen_at_the_top_of_a_state(before, after):
    written = Written()
    written.write({**FILLER, "v": before})
    assert written.write({**FILLER, "v": after})["v"] == encode(after)


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    text: str = ""
    items: list[int] = []


@dataclasses.dataclass
class Box:
    value: object = None


@pytest.mark.parametrize("make", [Model, Box])
def test_a_change_inside_an_object_is_one_small_operation(make):
    thing = make()
    state = {**FILLER, "thing": thing}
    written = Written()
    written.write(state)
    name = "text" if make is Model else "value"
    setattr(thing, name, "new")
    assert written.write(state) == encode(state)
    assert written.ops[1] == [{"op": "replace", "path": f"/thing/v/{name}", "value": "new"}]


def test_a_field_that_a_model_did_not_declare_is_seen_when_it_comes_later():
    thing = Model()
    state = {**FILLER, "thing": thing}
    written = Written()
    written.write(state)
    thing.extra_one = 5
    assert written.write(state)["thing"]["v"]["extra_one"] == 5
    thing.extra_one = 6
    assert written.write(state)["thing"]["v"]["extra_one"] == 6


@dataclasses.dataclass
class Tree:
    parent: object = None
    children: list = dataclasses.field(default_factory=list)


def test_a_tree_whose_nodes_know_their_parent_is_written_in_a_moment():
    root = Tree()
    root.children = [Tree(root, []) for _ in range(30)]
    state = {**FILLER, "root": root}
    written = Written()
    written.write(state)
    root.children.append(Tree(root, []))
    tree = written.write(state)
    assert tree == encode(state)
    assert tree["root"]["v"]["children"][30]["v"]["parent"]["why"] == "contains itself"


def test_a_cycle_that_is_added_later_is_told_as_in_a_full_state():
    state = {**FILLER, "children": []}
    written = Written()
    written.write(state)
    for _ in range(3):
        state["children"].append({"parent": state})
        notes = Notes()
        assert written.write(state, notes) == encode(state)
        assert notes.lossy == [f"/children/{n}/parent" for n in range(len(state["children"]))]


def test_a_state_that_deepens_step_by_step_is_cut_where_a_full_state_would_be():
    written, state = Written(), {**copy.deepcopy(FILLER), "inner": 0}
    innermost = state
    for _ in range(200):
        innermost["inner"] = {"inner": 0}
        innermost = innermost["inner"]
        tree = written.write(state)
        assert as_sorted(tree) == as_sorted(encode(state))


class Awkward:
    """Equal to nothing and everything: raises."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        raise RuntimeError("do not compare me")

    def __hash__(self):
        return 1

    def __repr__(self):
        return f"<{self.name}>"


def test_an_object_whose_equality_raises_costs_no_state():
    written = Written()
    written.write({**FILLER, "v": Awkward("a")})
    assert written.write({**FILLER, "v": Awkward("b")})["v"]["v"] == "<b>"
    assert written.write({**FILLER, Awkward("k"): 1})["$t"] == "dict"
    assert written.write({**FILLER, "v": 1}) == {**FILLER, "v": 1}


def test_a_path_that_is_lost_is_told_by_its_place_in_the_state():
    written, notes = Written(), Notes()
    written.write({**FILLER, "a/b": [1]})
    written.write({**FILLER, "a/b": [1, print, {"k": object()}]}, notes)
    assert notes.lossy == ["/a~1b/1", "/a~1b/2/k"]


def test_a_track_that_failed_half_way_is_not_used_again():
    class Halting(Redactor):
        broken = True

        def passes(self, raw, keys, values):
            return False

        def below(self, keys, value):
            if self.broken and value == "stop":
                raise OSError("half way")
            return super().below(keys, value)

    written = Written(Halting())
    written.write({**FILLER, "a": 1, "b": 1})
    with pytest.raises(OSError, match="half way"):
        written.write({**FILLER, "a": 2, "b": "stop"})
    Halting.broken = False
    assert written.write({**FILLER, "a": 2, "b": "stop"})["a"] == 2
    assert written.full == [True, True]


# ---------------------------------------------------------------------------------------------- how much is written


def test_a_message_more_costs_one_operation_of_its_own_length():
    written, messages = Written(), [{"role": "user", "content": "m" * 1000} for _ in range(50)]
    written.write({"messages": messages})
    messages.append({"role": "tool", "content": "Paris"})
    written.write({"messages": messages})
    assert written.ops[1] == [{"op": "add", "path": "/messages/-", "value": {"role": "tool", "content": "Paris"}}]


def test_a_window_that_slides_costs_two_operations():
    written = Written()
    written.write({"messages": [f"{n:04}" * 100 for n in range(20)]})
    written.write({"messages": [f"{n:04}" * 100 for n in range(1, 21)]})
    assert [op["op"] for op in written.ops[1]] == ["remove", "add"]


def test_a_text_that_grows_costs_what_was_added():
    written, text = Written(), "word " * 400
    written.write({"draft": text})
    written.write({"draft": text + "more"})
    assert written.ops[1] == [{"op": "append", "path": "/draft", "value": "more"}]


@pytest.mark.parametrize(("messages", "bar"), [(200, 3), (2000, 5)])
def test_a_growing_chat_takes_a_small_multiple_of_its_messages(messages, bar):
    lane, chat, total = Lane(), [], 0
    for n in range(messages):
        chat.append({"role": "user", "content": f"{n:05} " + "lorem ipsum " * 80})
        section = lane.write({"messages": chat}, f"{n}.in", Notes(), Redactor(), None)
        total += len(section.full or section.ops)
    assert total < bar * len(orjson.dumps(chat))


def test_a_text_that_grows_to_a_million_characters_takes_a_small_multiple_of_its_length():
    written, text = Written(), "start " * 20_000
    while len(text) < 1_000_000:
        written.write({"draft": text})
        text += "piece " * 500
    assert sum(written.bytes) < 4 * len(text)


def test_no_more_operations_lie_between_two_full_states_than_the_full_state_has_bytes():
    written, chat = Written(), [{"content": "m" * 500}] * 10
    for n in range(300):
        chat.append({"content": f"{n}" * 100})
        written.write({"messages": chat})
    since = 0
    for full, size in zip(written.full, written.bytes, strict=True):
        since = 0 if full else since + size
        assert since <= 2 * max(written.bytes)
    assert 3 < sum(written.full) < 30


# ---------------------------------------------------------------------------------------------- applying

documents = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "~"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "a/b", "~", "0"]), inner),
    max_leaves=8,
)


@given(documents, documents)
def test_rfc_6902_patches_of_another_tool_are_applied_as_that_tool_applies_them(before, after):
    patch = jsonpatch.make_patch(before, after).patch
    assume(all(op["op"] in ("add", "remove", "replace") for op in patch))  # `move` is refused: see below
    assert apply(copy.deepcopy(before), patch) == after


@pytest.mark.parametrize(
    "op",
    [
        {"op": "move", "from": "/a", "path": "/b"},
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "test", "path": "/a"},
        {"op": "remove", "path": "/gone"},
        {"op": "replace", "path": "/gone", "value": 1},
        {"op": "add", "path": "/l/4"},
        {"op": "remove", "path": "/l/-1"},
        {"op": "replace", "path": "/l/01", "value": 1},
        {"op": "remove", "path": "/l/-"},
        {"op": "append", "path": "/l", "value": [1]},
        {"op": "append", "path": "/a", "value": 1},
        {"op": "append", "path": "", "value": ""},
        {"op": "add", "path": "a"},
        {"op": "add", "path": "/a/b/c", "value": 1},
        {"op": "add", "path": "/l/" + "9" * 5000, "value": 1},
        {"op": "add", "path": 5},
        {"op": 5, "path": "/a"},
        {"path": "/a"},
        {},
        "op",
        7,
        None,
        [],
    ],
    ids=lambda op: repr(op)[:40],
)
def test_an_operation_that_does_not_fit_is_a_clear_error(op):
    with pytest.raises(RecordingError, match="does not fit the state"):
        apply({"a": "text", "l": [1, 2, 3]}, [op])


@pytest.mark.parametrize("ops", [5, None, {"op": "add"}])
def test_operations_that_are_no_list_are_a_clear_error(ops):
    with pytest.raises(RecordingError, match="does not fit"):
        apply({}, ops)
