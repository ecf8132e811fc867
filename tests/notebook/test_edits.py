import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_vcr_nb.core.edit import patched
from agent_vcr_nb.core.errors import EditError
from agent_vcr_nb.notebook.edits import PendingEdits

STATE = {"plan": "x", "steps": [1, 2], "when": {"$t": "datetime", "v": "2026-11-24T09:00:00+00:00"}}


def replace(path, value):
    return {"op": "replace", "path": path, "value": value}


def test_a_frame_without_an_edit_has_an_empty_patch():
    assert PendingEdits()[7] == []
    assert PendingEdits().as_dict() == {}


def test_two_edits_of_one_value_are_one_operation():
    edits = PendingEdits()
    edits.add(7, STATE, [replace("/plan", "y")])
    edits.add(7, STATE, [replace("/plan", "z")])
    assert edits.as_dict() == {7: [replace("/plan", "z")]}


def test_a_key_that_is_added_and_then_set_is_one_addition():
    edits = PendingEdits()
    edits.add(7, STATE, [{"op": "add", "path": "/new", "value": ""}])
    edits.add(7, STATE, [replace("/new", "text")])
    assert edits[7] == [{"op": "add", "path": "/new", "value": "text"}]


def test_an_edit_may_build_on_the_one_before():
    edits = PendingEdits()
    edits.add(7, STATE, [{"op": "add", "path": "/new", "value": {}}])
    edits.add(7, STATE, [{"op": "add", "path": "/new/deep", "value": 1}])
    assert patched(STATE, edits[7])["new"] == {"deep": 1}


def test_the_opposite_of_the_last_edit_takes_it_back():
    edits = PendingEdits()
    edits.add(7, STATE, [replace("/plan", "y")], undo=[replace("/plan", "x")])
    edits.add(7, STATE, [replace("/plan", "x")], undo=[replace("/plan", "y")])
    assert edits[7] == []


def test_undo_takes_back_one_edit_of_one_frame():
    edits = PendingEdits()
    edits.add(7, STATE, [replace("/plan", "y")])
    edits.add(8, STATE, [replace("/plan", "z")])
    edits.undo(7)
    assert edits.as_dict() == {8: [replace("/plan", "z")]}
    with pytest.raises(EditError, match="frame 7 has no edit to undo"):
        edits.undo(7)


def test_clear_drops_one_frame_or_all():
    edits = PendingEdits()
    for number in (1, 2, 3):
        edits.add(number, STATE, [replace("/plan", "y")])
    edits.clear(2)
    assert list(edits.as_dict()) == [1, 3]
    edits.clear()
    assert edits.as_dict() == {}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (replace("/gone", 1), "does not fit"),
        (replace("/steps/9", 1), "does not fit"),
        (replace("/when", "tomorrow"), "/when is a datetime: edit its value at /when/v, or remove /when"),
        (replace("/when/$t", "date"), "/when is a datetime"),
        ({"op": "remove", "path": "/when/$t"}, "/when is a datetime"),
        (replace("/when/v", "tomorrow"), "/when is a datetime, and 'tomorrow' is none"),
        (replace("/when/v", 5), "/when is a datetime, and 5 is none"),
        (replace("", [1]), "makes the state of frame 7 a list"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_and_not_kept(operation, words):
    edits = PendingEdits()
    with pytest.raises(EditError, match=words):
        edits.add(7, STATE, [operation])
    assert edits[7] == []


def test_a_typed_value_can_be_changed_or_removed():
    edits = PendingEdits()
    edits.add(7, STATE, [replace("/when/v", "2027-01-01T00:00:00+00:00")])
    assert patched(STATE, edits[7])["when"] == {"$t": "datetime", "v": "2027-01-01T00:00:00+00:00"}
    edits.add(7, STATE, [{"op": "remove", "path": "/when"}])
    assert "when" not in patched(STATE, edits[7])


def test_a_value_inside_a_typed_value_can_be_edited():
    state = {"who": {"$t": "tuple", "v": [{"name": "Ada"}]}}
    edits = PendingEdits()
    edits.add(0, state, [replace("/who/v/0/name", "Grace")])
    assert patched(state, edits[0]) == {"who": {"$t": "tuple", "v": [{"name": "Grace"}]}}


@given(st.lists(st.tuples(st.sampled_from(["/plan", "/steps/0", "/steps/1", "/who/name"]), st.integers()), max_size=12))
def test_the_joined_patch_does_what_the_edits_did_one_by_one(changes):
    state = {"plan": "x", "steps": [1, 2], "who": {"name": ""}}
    expected, edits = state, PendingEdits()
    for path, value in changes:
        expected = patched(expected, [replace(path, value)])
        edits.add(0, state, [replace(path, value)])
    assert patched(state, edits[0]) == expected
