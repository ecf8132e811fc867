"""A fork that is made without running anything: the rest of the agent is run on its state by the user."""

import pytest

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder, now, step
from agent_vcr_nb.core.errors import CannotResumeError, EditError, FrameNotFoundError, UsageError
from agent_vcr_nb.core.fork import fork_recording, free_fork_id
from agent_vcr_nb.core.resume import resume


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def recorder():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for n in range(4):
            recorder.record_step(f"s{n}", {"n": n, "log": ["x"] * n}, {"n": n + 1, "log": ["x"] * (n + 1)})
        yield recorder


def test_a_fork_holds_the_frames_before_it_as_replayed_and_knows_its_parent(recorder):
    child = recorder.fork(from_frame=2)
    assert child.get_session().session_id == "run-fork1"
    child.close()
    player = VCRPlayer.load_by_id("run-fork1")
    assert [(frame.key, frame.provenance) for frame in player.frames] == [("s0#1", "replayed"), ("s1#1", "replayed")]
    assert player.goto_frame(1) == {"n": 2, "log": ["x", "x"]}
    assert (player.session.parent_session_id, player.session.forked_from_frame) == ("run", 2)


def test_the_state_to_go_on_from_is_the_edited_input_of_the_frame(recorder):
    child = recorder.fork(2, "better", state_overrides={"n": 20})
    assert child.fork_state == {"n": 20, "log": ["x", "x"]}
    child.record_step("s2", child.fork_state, {"n": 21})
    child.close()
    player = VCRPlayer.load_by_id("better")
    assert [frame.key for frame in player.frames] == ["s0#1", "s1#1", "s2#1"]
    assert player.session.edit == [{"op": "replace", "path": "/n", "value": 20}]
    assert player.frames[2].provenance == "live"


def test_the_parent_is_not_changed_and_goes_on_recording(recorder):
    before = recorder.save().read_bytes()
    recorder.fork(2).close()
    assert VCRPlayer.load_by_id("run").recording.path.read_bytes() == before
    recorder.record_step("s4", {}, {})
    assert len(VCRPlayer.load_by_id("run")) == 5


def test_parent_and_fork_record_side_by_side(recorder):
    child = recorder.fork(3)
    recorder.record_step("s4", {}, {"who": "parent"})
    child.record_step("s3", {}, {"who": "child"})
    child.close()
    assert VCRPlayer.load_by_id("run").frames[-1].output_state == {"who": "parent"}
    assert VCRPlayer.load_by_id("run-fork1").frames[-1].output_state == {"who": "child"}


def test_a_frame_that_is_not_there_and_an_edit_that_does_not_fit_are_refused_without_a_trace(recorder):
    path = recorder.save()
    with pytest.raises(FrameNotFoundError, match="run: no frame 9"):
        recorder.fork(9)
    with pytest.raises(EditError, match="/m/o"):
        fork_recording(path, 1, patch=[{"op": "replace", "path": "/m/o", "value": 1}])
    assert [file.name for file in path.parent.iterdir()] == ["run.vcr"]


def test_a_loaded_recording_is_forked_with_a_patch_and_a_reason(recorder):
    path = recorder.save()
    patch = [{"op": "add", "path": "/log/-", "value": "y"}]
    child = fork_recording(path, 2, overrides={"n": 7}, patch=patch, reason="one more")
    child.close()
    assert child.fork_state == {"n": 7, "log": ["x", "x", "y"]}
    session = VCRPlayer.load_by_id("run-fork1").session
    assert session.reason == "one more"
    assert session.edit == [
        {"op": "replace", "path": "/n", "value": 7},
        {"op": "add", "path": "/log/-", "value": "y"},
    ]


def test_a_state_that_holds_what_could_not_be_stored_must_be_supplied(recorder):
    recorder.record_step("s4", {"client": object(), "n": 1}, {})
    path = recorder.save()
    with pytest.raises(CannotResumeError, match=r"run frame 4: input /client cannot be given back"):
        fork_recording(path, 4)
    assert fork_recording(path, 4, overrides={"client": "mine"}).fork_state == {"client": "mine", "n": 1}


def test_the_first_free_name_is_taken(recorder):
    path = recorder.save()
    assert free_fork_id(path.parent, "run") == "run-fork1"
    recorder.fork(1).close()
    recorder.fork(1).close()
    assert free_fork_id(path.parent, "run") == "run-fork3"


def test_a_fork_can_be_resumed_and_has_what_was_drawn_before_it():
    @step
    def first(state):
        return {**state, "first": now()}

    @step
    def second(state):
        return {**state, "second": True}

    def agent(state):
        return second({**first(state), "between": now()})

    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorded = agent({})
        child = recorder.fork(1, "half")
        with child:
            second(child.fork_state)
    half = VCRPlayer.load_by_id("half")
    assert [frame.key for frame in half.frames] == ["first#1", "second#1"]
    resumed = resume(half.recording, agent, ResumeConfig(1))
    assert resumed.result == recorded


def test_a_fork_is_never_written_into_a_session_that_is_there(tmp_path):
    with VCRRecorder(tmp_path) as recorder:
        recorder.start_session("s")
        recorder.record_step("a", {"n": 0}, {"n": 1})
        recorder.record_step("b", {"n": 1}, {"n": 2})
    before = (tmp_path / "s.vcr").read_bytes()
    player = VCRPlayer.load_by_id("s", tmp_path)
    with pytest.raises(UsageError, match=r"a session 's' exists already .* choose another id"):
        player.resume(lambda state: state, ResumeConfig(1, new_session_id="s"))
    with pytest.raises(UsageError, match="a session 's' exists already"):
        fork_recording(tmp_path / "s.vcr", 1, "s")
    assert (tmp_path / "s.vcr").read_bytes() == before
