"""Edits of a past state: keys, patches, tagged values."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_vcr_nb.core.edit import StateEdit, patched, setting
from agent_vcr_nb.core.encoding import encode
from agent_vcr_nb.core.errors import EditError

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def apply(state, *operations, **overrides):
    return StateEdit(overrides, operations).apply(state)


def test_overrides_set_keys_to_any_python_object():
    client = object()
    assert apply({"a": 1, "b": 2}, a=9, client=client) == {"a": 9, "b": 2, "client": client}


def test_a_patch_is_applied_after_the_overrides():
    patch = {"op": "add", "path": "/log/-", "value": 3}
    assert apply({"log": [1]}, patch, log=[2]) == {"log": [2, 3]}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/b", "value": 2}, {"a": [1, {"x": 1}], "b": 2}),
        ({"op": "replace", "path": "/a/1/x", "value": 5}, {"a": [1, {"x": 5}]}),
        ({"op": "remove", "path": "/a/0"}, {"a": [{"x": 1}]}),
        ({"op": "move", "from": "/a/1", "path": "/b"}, {"a": [1], "b": {"x": 1}}),
        ({"op": "copy", "from": "/a/0", "path": "/b"}, {"a": [1, {"x": 1}], "b": 1}),
        ({"op": "test", "path": "/a/0", "value": 1}, {"a": [1, {"x": 1}]}),
    ],
    ids=lambda value: value.get("op", "") if isinstance(value, dict) else "",
)
def test_every_operation_of_rfc_6902_works(operation, expected):
    state = {"a": [1, {"x": 1}]}
    assert apply(state, operation) == expected
    assert state == {"a": [1, {"x": 1}]}


def test_a_datetime_stays_a_datetime_when_its_value_is_edited():
    patch = {"op": "replace", "path": "/when/v", "value": "2027-02-28T09:30:00+00:00"}
    assert apply({"when": NOON, "n": 1}, patch) == {"when": dt.datetime(2027, 2, 28, 9, 30, tzinfo=dt.UTC), "n": 1}


def test_a_value_of_another_type_is_added_by_its_tag():
    patch = {"op": "add", "path": "/tags", "value": {"$t": "set", "v": [1, 2]}}
    assert apply({}, patch) == {"tags": {1, 2}}


def test_what_the_edit_does_not_touch_stays_the_agents_own_object():
    client, when = object(), NOON
    edited = apply({"client": client, "when": when, "n": 1}, {"op": "replace", "path": "/n", "value": 2})
    assert edited["client"] is client
    assert edited["when"] is when


@pytest.mark.parametrize(("before", "after"), [(1, True), (True, 1), (1, 1.0), (0, False)])
def test_an_edit_between_values_that_python_takes_for_equal_is_made(before, after):
    edited = apply({"x": before}, {"op": "replace", "path": "/x", "value": after})
    assert type(edited["x"]) is type(after)


def test_an_edit_becomes_one_patch_of_the_recorded_state():
    edit = StateEdit({"a": NOON, "b/c": 1}, [{"op": "remove", "path": "/old"}])
    assert edit.as_patch({"a": 0, "old": 1}) == [
        {"op": "replace", "path": "/a", "value": {"$t": "datetime", "v": "2026-01-31T12:00:00+00:00"}},
        {"op": "add", "path": "/b~1c", "value": 1},
        {"op": "remove", "path": "/old"},
    ]
    assert not StateEdit()


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/nowhere", "value": 1},
        {"op": "remove", "path": "/a/7"},
        {"op": "add", "path": "/a/b/c", "value": 1},
        {"op": "test", "path": "/a/0", "value": 2},
        {"op": "rename", "path": "/a"},
        {"path": "/a"},
        {"op": "add", "path": "/b"},
        {"op": "add", "path": "b", "value": 1},
    ],
    ids=str,
)
def test_an_operation_that_does_not_fit_names_itself_and_what_the_state_has(operation):
    with pytest.raises(EditError, match=r"does not fit the state: .*The state has 'a', 'when'\."):
        StateEdit({}, [operation]).as_patch({"a": [1], "when": "now"})


def test_a_tagged_value_that_cannot_be_read_is_refused():
    recorded = encode({"when": NOON})
    edit = StateEdit({}, [{"op": "replace", "path": "/when/v", "value": "soon"}])
    with pytest.raises(EditError, match=r"the edit makes /when .*'soon'.*: no datetime can be read"):
        edit.as_patch(recorded)


def test_a_patch_that_makes_the_state_no_object_is_refused():
    with pytest.raises(EditError, match="the patch makes the state a list: expected an object with keys"):
        apply({"a": 1}, {"op": "replace", "path": "", "value": [1]})


@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ("a", {"op": "replace", "path": "/a", "value": 9}),
        ("new", {"op": "add", "path": "/new", "value": 9}),
        ("/a/1", {"op": "replace", "path": "/a/1", "value": 9}),
        ("/a/2", {"op": "add", "path": "/a/2", "value": 9}),
        ("x/y", {"op": "replace", "path": "/x~1y", "value": 9}),
        ("/deep/k", {"op": "add", "path": "/deep/k", "value": 9}),
    ],
)
def test_a_key_or_pointer_is_set_where_it_is_or_added_where_it_can_be(target, operation):
    tree = {"a": [1, 2], "x/y": 1, "deep": {}}
    assert setting(tree, target, 9) == operation
    assert patched(tree, [operation]) != tree


def test_a_place_whose_holder_is_not_there_cannot_be_set():
    with pytest.raises(EditError, match=r"cannot set /b/c: nothing stands at /b\. Set /b first"):
        setting({"a": 1}, "/b/c", 1)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=4), values, max_size=4), st.dictionaries(st.text(max_size=4), values, max_size=3)
)
def test_the_patch_of_an_edit_leads_to_the_same_state_as_the_edit(state, overrides):
    edit = StateEdit(overrides)
    assert patched(encode(state), edit.as_patch(encode(state))) == encode(edit.apply(state))
