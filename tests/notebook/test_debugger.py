import pytest

from agent_vcr_nb.core.errors import EditError, FrameNotFoundError
from agent_vcr_nb.notebook.debugger import VCRDebugger
from tests.notebook.fake_run import Run, messages

PATCH = [{"op": "replace", "path": "/number", "value": 70}]


def test_the_selected_frame_is_one_in_all_parts():
    debugger = VCRDebugger(Run(5))
    debugger.scrubber.set_state({"frame": 3})
    assert (debugger.frame, debugger.tree.frame) == (3, 3)
    debugger.frame = 1
    assert (debugger.scrubber.frame, debugger.tree.frame) == (1, 1)


def test_a_frame_that_does_not_exist_leaves_the_selection_as_it_is():
    debugger = VCRDebugger(Run(5))
    with pytest.raises(FrameNotFoundError):
        debugger.frame = 5
    assert (debugger.frame, debugger.scrubber.frame) == (0, 0)


def test_the_parts_share_a_group_that_no_other_debugger_has():
    one, other = VCRDebugger(Run()), VCRDebugger(Run())
    assert one.scrubber.group == one.tree.group
    assert one.scrubber.group not in ("", other.scrubber.group)


def test_a_resume_gets_the_edit_of_its_frame_or_none():
    debugger = VCRDebugger(Run(5))
    debugger.edit(2, PATCH)
    assert debugger.pending_edit(2) == PATCH
    assert debugger.pending_edit(3) is None
    assert debugger.edits == {2: PATCH}


def test_undo_means_the_selected_frame():
    debugger = VCRDebugger(Run(5))
    debugger.edit(2, PATCH)
    with pytest.raises(EditError, match="frame 0 has no edit"):
        debugger.undo()
    debugger.frame = 2
    debugger.undo()
    assert debugger.edits == {}


def test_changing_what_edits_returns_changes_no_edit():
    debugger = VCRDebugger(Run(5))
    debugger.edit(2, PATCH)
    debugger.edits[2].clear()
    assert debugger.pending_edit(2) == PATCH


def test_another_run_is_shown_in_the_same_widgets():
    debugger = VCRDebugger(Run(5))
    debugger.edit(2, PATCH)
    debugger.frame = 4
    widgets = (debugger.scrubber.model_id, debugger.tree.model_id, debugger.box.model_id)
    other = Run(2)
    other.session_id = "other"
    debugger.load(other)
    assert (debugger.scrubber.model_id, debugger.tree.model_id, debugger.box.model_id) == widgets
    assert (debugger.frame, debugger.edits) == (0, {})


def test_following_shows_frames_that_come_and_states_that_ended():
    run = Run(1)
    debugger = VCRDebugger(run)
    frames, states = messages(debugger.scrubber), messages(debugger.tree)
    debugger.refresh()
    run.add(status="running")
    debugger.follow()
    debugger.stop_following()
    run.end(1)
    debugger.refresh()
    assert [message["kind"] for message in frames] == ["frames", "changed"]
    assert [message["kind"] for message in states] == ["stale"]
