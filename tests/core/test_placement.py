"""A framework that knows better than the flow of control where a step belongs says so with a Placement."""

from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.core.delta import Lane
from agent_vcr_nb.core.steps import Placement


def test_a_step_is_placed_below_the_step_and_with_the_occurrence_that_its_framework_names(in_tmp):
    recorder = VCRRecorder()
    recorder.start_session("run")
    outer = recorder.begin("outer", {"a": 1})
    late = recorder.begin("worker", {"i": 1}, placement=Placement(outer.scope(), occurrence=2))
    early = recorder.begin("worker", {"i": 0}, placement=Placement(outer.scope(), occurrence=1))
    for step in (early, late, outer):
        step.finish({"done": True})
    recorder.close()
    frames = VCRPlayer.load_by_id("run").frames
    assert [(frame.key, frame.parent) for frame in frames] == [
        ("outer#1", None),
        ("outer#1/worker#2", 0),
        ("outer#1/worker#1", 0),
    ]


def test_states_of_one_lane_are_told_as_changes_whatever_thread_they_come_from(in_tmp):
    recorder = VCRRecorder()
    recorder.start_session("run")
    lane, state = Lane(), {"text": "x" * 10_000, "n": 0}
    for n in range(5):
        step = recorder.begin("node", {**state, "n": n}, placement=Placement(lane=lane))
        step.finish({**state, "n": n + 1})
    recorder.close()
    assert (in_tmp / ".vcr/run.vcr").stat().st_size < 20_000
    assert VCRPlayer.load_by_id("run").goto_frame(4) == {**state, "n": 5}


def test_what_an_integration_keeps_with_a_frame_or_as_a_line_of_its_own_is_read_again(in_tmp):
    recorder = VCRRecorder()
    recorder.start_session("run")
    recorder.begin("node", {"a": 1}, details={"checkpoint": "c1"}).finish({"a": 2})
    recorder.note("writes", {"number": 0, "values": (1, 2)})
    recorder.close()
    recording = VCRPlayer.load_by_id("run").recording
    assert recording.details(0) == {"checkpoint": "c1"}
    assert recording.others("writes") == [{"number": 0, "values": {"$t": "tuple", "v": [1, 2]}}]
    assert "details" not in recording.head(0)
