"""A step of an earlier run is recorded at its own time."""

import datetime as dt

from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.steps import active_recorder


def test_a_past_step_keeps_its_own_time_and_one_without_has_none(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("old")
    when = dt.datetime(2024, 11, 5, 13, 32, 37, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    recorder.record_past("plan", {"n": 0}, {"n": 1}, when=when)
    returned = recorder.record_past("search", {"n": 1}, None, {"error_type": "Timeout"}, "tool", parent=0)
    assert returned.timestamp is None
    recorder.close()
    first, second = VCRPlayer.load(tmp_path / "old.vcr").frames
    assert first.timestamp == when
    assert second.timestamp is None
    assert (second.status, second.parent, second.output_state) == (Status.ERROR, 0, {})


def test_a_recorder_that_is_not_ambient_leaves_the_steps_of_the_process_to_another(tmp_path):
    recorder, importing = VCRRecorder(tmp_path), VCRRecorder(tmp_path, ambient=False)
    recorder.start_session("live")
    importing.start_session("import")
    assert active_recorder() is recorder
    recorder.close()
    importing.close()
