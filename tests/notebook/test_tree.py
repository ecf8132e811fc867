import json

import pytest

from agent_vcr_nb.core.errors import EditError
from agent_vcr_nb.notebook.tree import StateTree
from tests.notebook.fake_run import Run, messages


@pytest.fixture
def run():
    return Run(3)


@pytest.fixture
def tree(run):
    return StateTree(run)


@pytest.fixture
def sent(tree):
    return messages(tree)


def receive(tree, **content):
    tree._receive(tree, content, [])
    assert tree.error == ""


def edit(tree, frame, *operations, undo=()):
    receive(tree, kind="edit", frame=frame, operations=list(operations), undo=list(undo), by="view/edit")


REPLACE = {"op": "replace", "path": "/number", "value": 70}


def test_a_state_is_sent_as_text_when_it_is_asked_for(tree, sent):
    receive(tree, kind="state", frame=1, side="output")
    assert sent[0]["kind"] == "state"
    assert json.loads(sent[0]["text"]) == {"number": 1, "side": "output"}
    assert sent[0]["title"] == "frame 1 · step#1 · node"


def test_a_state_that_is_not_there_is_told_with_the_reason(run, tree, sent):
    run.end(1, status="error")
    receive(tree, kind="state", frame=1, side="output")
    assert (sent[0]["kind"], sent[0]["message"]) == ("failure", "frame 1 has no output state: it failed")


def test_the_input_state_comes_with_its_pending_edit_and_the_output_state_without(tree, sent):
    edit(tree, 1, REPLACE)
    receive(tree, kind="state", frame=1, side="input")
    receive(tree, kind="state", frame=1, side="output")
    assert [message["patch"] for message in sent] == [[REPLACE], [REPLACE], []]
    assert json.loads(sent[1]["text"])["number"] == 1


def test_an_edit_in_the_page_becomes_the_pending_patch_of_its_frame(tree, sent):
    edit(tree, 2, REPLACE)
    assert tree.edits == {2: [REPLACE]}
    assert (sent[0]["kind"], sent[0]["patch"], sent[0]["refused"]) == ("patch", [REPLACE], "")


def test_an_edit_that_does_not_fit_is_refused_with_the_reason(run, tree, sent):
    run.states[2, "input"] = {"when": {"$t": "date", "v": "2026-11-24"}}
    edit(tree, 2, {"op": "replace", "path": "/when/v", "value": "soon"})
    assert tree.edits == {}
    assert sent[0]["refused"] == "/when is a date, and 'soon' is none. Write it like '2026-11-24'."


def test_undo_and_clear_from_the_page(tree, sent):
    edit(tree, 2, REPLACE)
    edit(tree, 2, {"op": "remove", "path": "/side"})
    receive(tree, kind="undo", frame=2, by="view/undo")
    assert tree.edits == {2: [REPLACE]}
    receive(tree, kind="clear", frame=2, by="view/undo")
    assert tree.edits == {}
    assert sent[-1]["patch"] == []


def test_an_undo_without_an_edit_is_told_in_the_widget(tree):
    tree._receive(tree, {"kind": "undo", "frame": 0, "by": ""}, [])
    assert tree.error == "frame 0 has no edit to undo"


def test_an_edit_from_python_fails_in_the_cell(tree):
    with pytest.raises(EditError, match="does not fit"):
        tree.edit(0, [{"op": "remove", "path": "/nothing"}])


def test_a_frame_that_is_not_there_yet_is_told_when_it_comes(run, tree, sent):
    from agent_vcr_nb.notebook.feed import News

    receive(tree, kind="state", frame=3, side="input")
    run.add()
    tree.forget(News(3, 4, []))
    assert [message["kind"] for message in sent] == ["absent", "stale"]
    assert sent[1]["frames"] == [3]


def test_the_frames_that_changed_a_path_are_told(tree, sent):
    receive(tree, kind="writers", path="/number")
    assert sent[0]["path"] == "/number"
    assert [writer["frame"] for writer in sent[0]["writers"]] == [1]


def test_a_state_that_cannot_be_read_is_answered_and_told_in_the_widget(run, tree, sent):
    run.state = lambda number, side: 1 / 0
    tree._receive(tree, {"kind": "state", "frame": 0, "side": "input"}, [])
    assert sent[0]["kind"] == "failure"
    assert tree.error == "ZeroDivisionError: division by zero"


def test_only_the_states_that_the_page_asks_for_are_read(run, tree):
    tree.frame = 2
    assert run.asked == []


def test_every_run_has_its_own_edits(run, tree, sent):
    edit(tree, 1, REPLACE)
    other = Run(1)
    other.session_id = "other"
    tree.load(other)
    assert (tree.edits, tree.epoch, tree.frame) == ({}, 1, 0)
    tree.load(run)
    assert tree.edits == {1: [REPLACE]}


def test_a_side_that_a_frame_does_not_have_is_an_error_in_the_widget(tree):
    tree._receive(tree, {"kind": "state", "frame": 0, "side": "secret"}, [])
    assert tree.error == "a frame has no 'secret' state: expected input or output"


def test_the_same_step_of_another_session_is_sent_without_an_edit(tree, sent):
    edit(tree, 1, REPLACE)
    receive(tree, kind="state", frame=1, side="input", session="other")
    assert json.loads(sent[1]["text"]) == {"number": 1, "side": "input", "session": "other"}
    assert (sent[1]["session"], sent[1]["title"], sent[1]["patch"]) == ("other", "other · frame 1", [])


def test_a_step_that_another_session_does_not_have_is_told_with_the_reason(tree, sent):
    receive(tree, kind="state", frame=0, side="output", session="other")
    assert (sent[0]["kind"], sent[0]["session"]) == ("failure", "other")
    assert sent[0]["message"] == "session 'other' has no frame 'step#0'"


def test_the_sessions_to_compare_with_are_told(tree, sent):
    receive(tree, kind="sessions")
    assert sent[0]["sessions"] == [{"session": "other", "words": "its parent, ok, 3 frames"}]
