"""The player: any frame, any state, totals and comparison."""

import asyncio
import datetime as dt
import json
import threading

import pytest

from agent_vcr_nb import AsyncVCRPlayer, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, SessionNotFoundError, UsageError

STATES = [
    {"query": "todo"},
    {"query": "todo", "plan": ["a", "b"], "n": 1},
    {"query": "to do", "plan": ["a", "c", "d"], "n": True},
]


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def recorder():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        yield recorder


@pytest.fixture
def player(recorder):
    """Frames: planner, coder, tester (failed), coder again."""
    recorder.record_step("planner", STATES[0], STATES[1], {"latency_ms": 100.0})
    recorder.record_step("coder", STATES[1], STATES[2], {"latency_ms": 50.0, "tokens_used": 30, "cost_usd": 0.25})
    recorder.record_error("tester", STATES[2], ValueError("red"))
    recorder.record_step("coder", STATES[2], {"done": True}, {"tokens_input": 5, "tokens_output": 7})
    recorder.save()
    return VCRPlayer.load(".vcr/run.vcr")


def test_any_frame_and_its_states_can_be_gone_to_in_any_order(player):
    assert player.goto_frame(3) == {"done": True}
    assert player.goto_frame(0) == STATES[1]
    assert player.get_input_state(0) == STATES[0]
    assert player.get_input_state(1) == player.get_output_state(0) == STATES[1]
    assert player.get_frame(1).node_name == "coder"
    assert len(player) == len(player.frames) == 4
    assert player.get_current_state() == {"done": True}


def test_types_that_json_does_not_know_come_back(recorder):
    state = {"when": dt.datetime(2026, 1, 31, tzinfo=dt.UTC), "set": {1, 2}, "pair": (1, b"x")}
    recorder.record_step("a", {}, state)
    assert VCRPlayer.load_by_id("run").goto_frame(0) == state


def test_nodes_are_listed_once_in_the_order_in_which_they_ran(player):
    assert player.list_nodes() == ["planner", "coder", "tester"]
    assert [frame.number for frame in player.get_node_executions("coder")] == [1, 3]
    assert player.get_state_at_node("coder") == {"done": True}
    with pytest.raises(FrameNotFoundError, match="no step 'tester' ended well; there are: planner, coder, tester"):
        player.get_state_at_node("tester")


def test_errors_are_the_frames_whose_step_failed(player):
    assert [(frame.number, frame.metadata.error_message) for frame in player.get_errors()] == [(2, "red")]


def test_totals_add_up_what_is_known(player):
    assert player.get_total_latency() == 150.0
    assert player.get_total_tokens() == 30 + 5 + 7
    assert player.get_total_cost() == 0.25


@pytest.mark.parametrize("index", [4, -1])
def test_a_frame_that_is_not_there_says_which_there_are(player, index):
    with pytest.raises(FrameNotFoundError, match=rf"run: no frame {index}; it has frames 0 to 3"):
        player.goto_frame(index)


def test_a_failed_frame_has_no_state_after_it_and_says_so(player):
    with pytest.raises(FrameNotFoundError, match="run frame 2: no output state, it failed before it returned"):
        player.goto_frame(2)


def test_two_frames_are_compared_by_key_and_deep_by_path(player):
    compared = player.compare_frames(0, 1)
    assert compared["added"] == {}
    assert compared["removed"] == {}
    assert compared["unchanged"] == {}
    assert compared["modified"] == {
        "query": {"before": "todo", "after": "to do"},
        "plan": {"before": ["a", "b"], "after": ["a", "c", "d"]},
        "n": {"before": 1, "after": True},
    }
    assert compared["paths"] == [
        {"op": "replace", "path": "/query", "before": "todo", "value": "to do"},
        {"op": "replace", "path": "/plan/1", "before": "b", "value": "c"},
        {"op": "add", "path": "/plan/2", "value": "d"},
        {"op": "replace", "path": "/n", "before": 1, "value": True},
    ]


def test_a_comparison_names_what_was_added_removed_and_left(recorder):
    recorder.record_step("a", {}, {"gone": 1, "same": [1], "a/b": 1})
    recorder.record_step("b", {}, {"same": [1], "new": 2, "a/b": 2})
    compared = VCRPlayer.load_by_id("run").compare_frames(0, 1)
    assert compared["added"] == {"new": 2}
    assert compared["removed"] == {"gone": 1}
    assert compared["unchanged"] == {"same": [1]}
    assert {"op": "replace", "path": "/a~1b", "before": 1, "value": 2} in compared["paths"]


def test_a_failed_frame_is_compared_by_the_state_it_failed_on(player):
    assert player.compare_frames(1, 2)["paths"] == []


def test_a_moment_leads_to_the_last_step_that_had_started_by_then(player):
    times = [frame.timestamp for frame in player.frames]
    assert player.goto_time(times[1]) == STATES[2]
    assert player.goto_time(times[1].isoformat()) == STATES[2]
    # Frame 2 failed: the state is still the one after frame 1.
    assert player.goto_time(times[2]) == STATES[2]
    assert player.goto_time(times[3] + dt.timedelta(days=1)) == {"done": True}
    assert player.goto_time(times[3].replace(tzinfo=None)) == {"done": True}


def test_a_moment_before_the_run_and_one_that_is_none_are_refused(player):
    with pytest.raises(FrameNotFoundError, match="no step had ended well that started by 2001"):
        player.goto_time("2001-01-01T00:00:00Z")
    with pytest.raises(UsageError, match="'yesterday' is no moment: expected ISO 8601"):
        player.goto_time("yesterday")


def test_a_session_that_is_not_there_names_those_there_are(player):
    with pytest.raises(SessionNotFoundError, match=r"no session 'rum' in \.vcr; there: run"):
        VCRPlayer.load_by_id("rum")
    with pytest.raises(SessionNotFoundError, match=r"no recording at .*nothing\.vcr"):
        VCRPlayer.load(".vcr/nothing.vcr")


def test_a_whole_recording_is_reported_as_such(player):
    assert player.verify_integrity() == {
        "ok": True,
        "issues": [],
        "frame_count": 4,
        "skipped_lines": 0,
        "running": 0,
        "processes": [],
        "session_id": "run",
    }


def test_a_changed_line_is_found_and_strict_loading_refuses_it(player):
    path = player.recording.path
    path.write_bytes(path.read_bytes().replace(b'"done":true', b'"done":null'))
    report = VCRPlayer.load(path).verify_integrity()
    assert not report["ok"]
    assert any("the line of frame 3 is not as it was written" in issue for issue in report["issues"])
    with pytest.raises(RecordingError, match="the line is not as it was written"):
        VCRPlayer.load(path, strict=True)
    assert VCRPlayer.load(path).goto_frame(1) == STATES[2]


def test_a_state_is_exported_as_json(player, tmp_path):
    assert json.loads(player.export_state(1, tmp_path / "state.json").read_text()) == STATES[2]


def test_a_session_becomes_json_as_a_whole(player):
    whole = json.loads(json.dumps(player.to_dict()))
    assert whole["session"]["session_id"] == "run"
    assert [frame["name"] for frame in whole["frames"]] == ["planner", "coder", "tester", "coder"]
    assert whole["frames"][1]["output_state"] == STATES[2]
    assert whole["frames"][2]["output_state"] is None
    assert "failed before it returned" in whole["frames"][2]["missing"]["output"]


def test_a_file_of_ai_agent_vcr_opens(tmp_path):
    lines = [
        {
            "type": "session",
            "schema": "execution/v1",
            "data": {"session_id": "old", "created_at": "2024-01-01T00:00:00Z"},
        },
        {
            "type": "frame",
            "data": {
                "frame_id": "f0",
                "session_id": "old",
                "timestamp": "2024-01-01T00:00:01Z",
                "frame_type": "node",
                "node_name": "planner",
                "input_state": {"a": 1},
                "output_state": {"a": 2},
                "metadata": {"latency_ms": 120, "custom": {}},
            },
        },
    ]
    path = tmp_path / "old.vcr"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    player = VCRPlayer.load(path)
    assert player.goto_frame(0) == {"a": 2}
    assert player.session.created_at == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert player.get_total_latency() == 120


def test_a_player_follows_a_run_that_is_still_being_written(recorder):
    @step
    def work(state):
        return {**state, "done": True}

    seen = []
    player = VCRPlayer.load(".vcr/run.vcr")

    def follow():
        seen.extend(frame.input_state["n"] for frame in player.follow(timeout=10))

    thread = threading.Thread(target=follow)
    thread.start()
    for n in range(5):
        work({"n": n})
    recorder.close()
    thread.join(10)
    assert seen == [0, 1, 2, 3, 4]


def test_a_step_that_is_under_way_is_shown_as_running(recorder):
    @step
    def work(state):
        player = VCRPlayer.load_by_id("run")
        frame = player.get_frame(0)
        assert (frame.status, frame.input_state, frame.output_state) == ("running", {"n": 1}, {})
        with pytest.raises(FrameNotFoundError, match="it has not ended: running, or its process was killed"):
            player.goto_frame(0)
        return state

    assert work({"n": 1}) == {"n": 1}


def test_the_async_player_answers_the_same(player):
    async def main():
        loaded = await AsyncVCRPlayer.load(".vcr/run.vcr")
        by_id = await AsyncVCRPlayer.load_by_id("run")
        followed = [frame.number async for frame in by_id.follow(timeout=0.1)]
        return loaded.goto_frame(0), by_id.list_nodes(), followed

    assert asyncio.run(main()) == (STATES[1], ["planner", "coder", "tester"], [0, 1, 2, 3])
