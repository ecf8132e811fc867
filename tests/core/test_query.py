"""Questions about states: what differs, and which frames changed a path."""

import datetime as dt

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.encoding import encode
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.query import compare_states, deep_changes, first_difference, patch_between


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


def test_states_are_compared_by_key_and_by_path():
    compared = compare_states({"a": 1, "b": {"c": [1, 2]}, "d": 0}, {"a": 1, "b": {"c": [1, 3, 4]}, "e": 5})
    assert compared == {
        "added": {"e": 5},
        "removed": {"d": 0},
        "modified": {"b": {"before": {"c": [1, 2]}, "after": {"c": [1, 3, 4]}}},
        "unchanged": {"a": 1},
        "paths": [
            {"op": "replace", "path": "/b/c/1", "before": 2, "value": 3},
            {"op": "add", "path": "/b/c/2", "value": 4},
            {"op": "remove", "path": "/d", "before": 0},
            {"op": "add", "path": "/e", "value": 5},
        ],
    }


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0, False), (dt.date(2026, 1, 1), "2026-01-01"), ((1,), [1])]
)
def test_values_of_different_types_differ(one, other):
    assert compare_states({"x": one}, {"x": other})["modified"] == {"x": {"before": one, "after": other}}


def test_the_order_of_keys_is_no_difference():
    assert compare_states({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}})["modified"] == {}


def test_a_shorter_list_loses_its_last_items():
    assert deep_changes([1, 2, 3], [1]) == [
        {"op": "remove", "path": "/1", "before": 2},
        {"op": "remove", "path": "/2", "before": 3},
    ]


def test_the_first_difference_is_told_shortly():
    assert first_difference({"a": 1}, {"a": 1}) is None
    assert first_difference({"a": 1}, {"a": True}) == ("/a", "1", "true")
    assert first_difference({"a": {"b": 1}}, {"a": {}}) == ("/a/b", "1", "nothing")
    path, before, after = first_difference({"a": "x" * 500}, {"a": "y" * 500})
    assert (path, len(before), len(after)) == ("/a", 120, 120)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=90),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def test_a_value_of_another_type_stands_in_the_patch_by_its_tag_once():
    moved = {"op": "add", "path": "/when", "value": {"$t": "date", "v": "2026-01-31"}}
    assert patch_between({}, {"when": dt.date(2026, 1, 31)}) == [moved]
    assert patch_between({"when": dt.date(2026, 1, 31)}, {"when": dt.date(2026, 1, 31)}) == []


other_values = json_values | st.dates() | st.binary(max_size=5) | st.tuples(st.integers(0, 3), st.text(max_size=2))


@given(st.dictionaries(st.text(max_size=3), other_values), st.dictionaries(st.text(max_size=3), other_values))
def test_another_tool_applies_the_patch_between_two_states_and_gets_the_second(before, after):
    result = jsonpatch.apply_patch(encode(before), patch_between(before, after))
    assert result == encode(after)


@given(st.dictionaries(st.text(max_size=3), json_values), st.dictionaries(st.text(max_size=3), json_values))
def test_equal_states_and_only_they_have_no_paths(before, after):
    same = deep_changes(encode(before), encode(after)) == []
    assert same == (repr(sorted_deep(before)) == repr(sorted_deep(after)))


def sorted_deep(value):
    if isinstance(value, dict):
        return {key: sorted_deep(value[key]) for key in sorted(value)}
    return [sorted_deep(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def player():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step("a", {"n": 1}, {"n": 1, "plan": {"steps": ["x"]}})
        recorder.record_step("b", {"n": 1, "plan": {"steps": ["x"]}}, {"n": 2, "plan": {"steps": ["x", "y"]}})
        recorder.record_error("c", {"n": 2, "plan": {"steps": ["x", "y"]}}, ValueError("bad"))
        recorder.record_step("d", {"n": 2, "plan": {"steps": ["z", "y"]}}, {"n": 2})
    return VCRPlayer.load_by_id("run")


def told(changes):
    return [(change.frame, change.node_name, change.side, change.op, change.before, change.after) for change in changes]


def test_every_frame_that_changed_a_path_is_found_with_what_stood_there(player):
    assert told(player.when("/plan/steps/0")) == [
        (0, "a", "output", "add", None, "x"),
        (3, "d", "input", "replace", "x", "z"),
        (3, "d", "output", "remove", "z", None),
    ]
    assert told(player.when("n")) == [(0, "a", "input", "add", None, 1), (1, "b", "output", "replace", 1, 2)]


def test_the_name_of_a_top_level_key_may_hold_a_slash():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step("a", {}, {"a/b": 1})
    assert told(VCRPlayer.load_by_id("run").when("a/b")) == [(0, "a", "output", "add", None, 1)]


def test_a_path_that_no_frame_has_is_refused(player):
    with pytest.raises(UsageError, match=r"run: no frame has anything at /plans"):
        player.when("plans")


def test_a_change_inside_a_nested_step_is_the_inner_steps_change():
    @step
    def inner(state):
        return {**state, "n": state["n"] + 1}

    @step
    def outer(state):
        return inner(state)

    with VCRRecorder() as recorder:
        recorder.start_session("run")
        outer({"n": 1})
    assert told(VCRPlayer.load_by_id("run").when("n")) == [
        (0, "outer", "input", "add", None, 1),
        (1, "inner", "output", "replace", 1, 2),
    ]
