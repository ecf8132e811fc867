"""The recorder as users of it know it: what each call records, and that it never disturbs the agent."""

import asyncio
import datetime as dt
import json
from pathlib import Path

import pytest

from agent_vcr_nb import AsyncVCRRecorder, FrameType, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import FrameNotFoundError, UsageError
from agent_vcr_nb.models import FrameMetadata


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def recorder():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        yield recorder


def last_frame():
    return VCRPlayer.load_by_id("run").frames[-1]


def test_a_recorded_step_is_readable_before_save_in_the_documented_form(recorder):
    recorder.record_step("planner", {"query": "x"}, {"query": "x", "plan": ["a"]}, {"latency_ms": 120})
    header, frame = map(json.loads, Path(".vcr/run.vcr").read_text().splitlines())
    assert (header["type"], header["data"]["session_id"]) == ("session", "run")
    assert frame["type"] == "frame"
    assert frame["data"]["node_name"] == "planner"
    assert frame["data"]["input_state"] == {"query": "x"}
    assert frame["data"]["output_state"] == {"query": "x", "plan": ["a"]}
    assert frame["data"]["metadata"] == {"latency_ms": 120}


def test_the_returned_frame_says_what_was_recorded(recorder):
    frame = recorder.record_step("coder", {"a": 1}, {"a": 2}, FrameMetadata(model="m", tokens_used=3))
    assert (frame.session_id, frame.number, frame.node_name, frame.key) == ("run", 0, "coder", "coder#1")
    assert frame.frame_id == "run:0"
    assert (frame.input_state, frame.output_state) == ({"a": 1}, {"a": 2})
    assert frame.metadata.tokens_used == 3
    assert frame.state_diff == [{"op": "replace", "path": "/a", "value": 2}]
    assert frame.timestamp.tzinfo == dt.UTC


def test_a_state_that_is_no_mapping_is_recorded_as_result(recorder):
    recorder.record_step("odd", None, [1, 2])
    assert (last_frame().input_state, last_frame().output_state) == ({"result": None}, {"result": [1, 2]})


def test_an_llm_call_keeps_what_it_was_told_and_nothing_it_was_not(recorder):
    recorder.record_llm_call("gpt-4o", [{"role": "user", "content": "hi"}], "hello", 10, 5, 250, cost_usd=0.5)
    frame = last_frame()
    assert (frame.frame_type, frame.node_name) == (FrameType.LLM_CALL, "llm:gpt-4o")
    assert frame.input_state == {"messages": [{"role": "user", "content": "hi"}]}
    assert frame.output_state == {"response": "hello"}
    figures = frame.metadata
    assert (figures.model, figures.tokens_input, figures.tokens_output, figures.tokens_used) == ("gpt-4o", 10, 5, 15)
    assert (figures.latency_ms, figures.cost_usd) == (250, 0.5)
    recorder.record_llm_call("gpt-4o", "hi", "hello")
    figures = last_frame().metadata
    assert (figures.tokens_used, figures.tokens_input, figures.cost_usd, figures.latency_ms) == (None, None, None, None)


def test_a_tool_call_keeps_its_arguments_and_its_error(recorder):
    recorder.record_tool_call("search", {"q": "cats"}, ["page"], 7)
    assert last_frame().frame_type == FrameType.TOOL_CALL
    assert (last_frame().input_state, last_frame().output_state) == ({"q": "cats"}, {"result": ["page"]})
    recorder.record_tool_call("search", "dogs", None, error=TimeoutError("too slow"))
    frame = last_frame()
    assert frame.input_state == {"input": "dogs"}
    assert (frame.status, frame.metadata.error_type, frame.metadata.error_message) == (
        "error",
        "TimeoutError",
        "too slow",
    )


def test_calls_are_taken_as_the_readme_of_ai_agent_vcr_writes_them(recorder):
    for call in (
        lambda: recorder.record_llm_call("writer", "a prompt", "an answer", 100, 0.01),
        lambda: recorder.record_llm_call(
            node_name="writer", prompt="a prompt", response="an answer", tokens=100, cost_usd=0.01
        ),
    ):
        call()
        frame = last_frame()
        assert (frame.node_name, frame.input_state) == ("writer", {"messages": "a prompt"})
        figures = frame.metadata
        assert (figures.tokens_used, figures.tokens_output, figures.cost_usd, figures.model) == (100, None, 0.01, None)
    for call in (
        lambda: recorder.record_tool_call("writer", "search", {"q": "cats"}, "found"),
        lambda: recorder.record_tool_call(node_name="writer", tool_name="search", args={"q": "cats"}, result="found"),
    ):
        call()
        frame = last_frame()
        assert (frame.node_name, frame.metadata.custom) == ("writer", {"tool_name": "search"})
        assert (frame.input_state, frame.output_state) == ({"q": "cats"}, {"result": "found"})
        assert frame.metadata.latency_ms is None
    with pytest.raises(UsageError, match="expected the name of a model"):
        recorder.record_llm_call(prompt="whose?")


def test_a_tool_that_was_given_a_text_and_gave_a_mapping_keeps_its_latency(recorder):
    recorder.record_tool_call("search", "cats", {"hits": 2}, 12.5)
    frame = last_frame()
    assert (frame.node_name, frame.input_state, frame.output_state) == ("search", {"input": "cats"}, {"hits": 2})
    assert frame.metadata.latency_ms == 12.5


def test_an_error_keeps_the_state_it_met_and_its_traceback(recorder):
    try:
        raise KeyError("plan")
    except KeyError as error:
        recorder.record_error("coder", {"a": 1}, error, latency_ms=3, model="m")
    frame = last_frame()
    assert (frame.frame_type, frame.status, frame.input_state, frame.output_state) == ("error", "error", {"a": 1}, {})
    assert frame.metadata.error_type == "KeyError"
    assert 'raise KeyError("plan")' in frame.metadata.traceback


def test_a_checkpoint_is_found_by_its_label(recorder):
    recorder.record_checkpoint({"n": 1}, "before the call")
    recorder.create_checkpoint({"n": 2}, label="after the call", node_name="mark", metadata={"why": "try"})
    player = VCRPlayer.load_by_id("run")
    assert player.goto_checkpoint("before the call") == {"n": 1}
    assert player.goto_checkpoint("after the call") == {"n": 2}
    assert [(c["label"], c["frame"]) for c in player.list_checkpoints()] == [
        ("before the call", 0),
        ("after the call", 1),
    ]
    assert player.get_frame(1).metadata.custom == {"label": "after the call", "why": "try"}
    with pytest.raises(FrameNotFoundError, match="no checkpoint 'end'; there are: after the call, before the call"):
        player.goto_checkpoint("end")


def test_metadata_objects_that_are_used_twice_do_not_rewrite_history(recorder):
    shared = FrameMetadata(model="one")
    recorder.record_step("a", {}, {}, shared)
    shared.model = "two"
    recorder.record_step("b", {}, {}, shared)
    assert [frame.metadata.model for frame in VCRPlayer.load_by_id("run").frames] == ["one", "two"]


def test_a_state_that_is_changed_later_stays_as_it_was_recorded(recorder):
    state = {"items": [1]}
    for n in (2, 3):
        recorder.record_step("grow", state, state)
        state["items"].append(n)
    assert [frame.output_state for frame in VCRPlayer.load_by_id("run").frames] == [{"items": [1]}, {"items": [1, 2]}]


def test_tags_and_metadata_of_the_session_are_kept():
    with VCRRecorder() as recorder:
        session = recorder.start_session("run", metadata={"agent": "coder"}, tags=["prod", "eu"])
    assert (session.session_id, session.tags) == ("run", ["prod", "eu"])
    session = VCRPlayer.load_by_id("run").session
    assert (session.tags, session.metadata) == (["prod", "eu"], {"agent": "coder"})
    assert (session.parent_session_id, session.forked_from_frame) == (None, None)


def test_a_session_without_an_id_gets_one_of_its_own():
    ids = set()
    for _ in range(5):
        with VCRRecorder() as recorder:
            ids.add(recorder.start_session().session_id)
    assert len(ids) == 5


def test_each_frame_is_told_after_it_is_on_disk():
    seen = []

    def look(frame):
        seen.append((frame.number, len(VCRPlayer.load_by_id("run"))))

    with VCRRecorder(on_frame_recorded=look) as recorder:
        recorder.start_session("run")
        recorder.record_step("a", {}, {})
        step(lambda state: state)({"a": 1})
    assert seen == [(0, 1), (1, 2)]


def test_a_callback_that_raises_is_counted_and_the_agent_goes_on():
    def broken(frame):
        raise ValueError("no such display")

    with VCRRecorder(on_frame_recorded=broken) as recorder:
        recorder.start_session("run")
        assert step(lambda state: {**state, "b": 2})({"a": 1}) == {"a": 1, "b": 2}
        assert recorder.lost == 0
        assert "no such display" in recorder.problems[0]
    assert len(VCRPlayer.load_by_id("run")) == 1


@pytest.mark.parametrize(
    "state",
    [{"x": {1, 2}}, {"x": object()}, {1: "int key"}, {"x": lambda: 1}, {"x": float("nan")}, {"x": (i for i in "ab")}],
    ids=["set", "object", "key", "lambda", "nan", "generator"],
)
def test_no_state_whatever_is_raised_into_the_agent_or_keeps_later_frames_from_the_file(state, recorder):
    recorder.record_step("odd", state, state)
    recorder.record_step("next", {}, {"fine": True})
    assert recorder.lost == 0
    assert last_frame().output_state == {"fine": True}


def test_a_state_that_contains_itself_is_recorded_with_the_place_named(recorder):
    state = {"a": 1}
    state["me"] = state
    recorder.record_step("loop", state, {})
    assert last_frame().lossy == ("/input/me",)
    assert last_frame().input_state["a"] == 1


def test_an_existing_session_is_continued_and_never_overwritten():
    for n in range(2):
        with VCRRecorder() as recorder:
            recorder.start_session("run")
            recorder.record_step("a", {"n": n}, {})
    with VCRRecorder() as recorder:
        recorder.attach_session("run")
        recorder.record_step("a", {"n": 2}, {})
    frames = VCRPlayer.load_by_id("run").frames
    assert [(frame.key, frame.input_state["n"]) for frame in frames] == [("a#1", 0), ("a#2", 1), ("a#3", 2)]


def test_attaching_to_a_session_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"no session 'gone' in \.vcr: start it with start_session"):
        VCRRecorder().attach_session("gone")


def test_recording_before_the_session_has_started_says_so():
    with pytest.raises(UsageError, match="call start_session first"):
        VCRRecorder().record_step("a", {}, {})
    with pytest.raises(UsageError, match="call start_session first"):
        VCRRecorder().save()


def test_an_unknown_frame_type_is_refused_with_those_there_are(recorder):
    with pytest.raises(UsageError, match="frame_type 'modul': expected one of node, tool, llm, error, checkpoint"):
        recorder.record_step("a", {}, {}, frame_type="modul")


def test_a_parent_is_given_by_its_frame_id(recorder):
    parent = recorder.record_step("outer", {}, {})
    recorder.record_step("inner", {}, {}, parent_frame_id=parent.frame_id)
    assert last_frame().parent == 0
    assert last_frame().parent_frame_id == "run:0"


def test_the_context_manager_keeps_all_frames_when_the_agent_crashes():
    def crash():
        with VCRRecorder() as recorder:
            recorder.start_session("run")
            recorder.record_step("a", {}, {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert len(VCRPlayer.load_by_id("run")) == 1


def test_save_returns_the_file_and_recording_goes_on_after_it(recorder):
    recorder.record_step("a", {}, {})
    assert recorder.save() == Path(".vcr/run.vcr")
    recorder.record_step("b", {}, {})
    assert VCRPlayer.load_by_id("run").list_nodes() == ["a", "b"]
    assert [frame.node_name for frame in recorder.get_frames()] == ["a", "b"]


def test_arguments_for_the_buffer_of_ai_agent_vcr_are_accepted_and_change_nothing():
    with VCRRecorder(output_dir="elsewhere", buffer_size=100, auto_save=False, diff_mode=True) as recorder:
        recorder.start_session("run")
        recorder.record_step("a", {"a": 1}, {"a": 2})
        assert VCRPlayer.load("elsewhere/run.vcr").get_input_state(0) == {"a": 1}


def test_steps_go_to_the_recorder_of_their_context_and_else_to_the_one_started_last():
    @step
    def work(state):
        return state

    first, second = VCRRecorder(), VCRRecorder()
    first.start_session("first")
    second.start_session("second")
    work({"n": 1})
    with first:
        work({"n": 2})
    work({"n": 3})
    second.close()
    work({"n": 4})
    assert [frame.input_state["n"] for frame in VCRPlayer.load_by_id("first").frames] == [2]
    assert [frame.input_state["n"] for frame in VCRPlayer.load_by_id("second").frames] == [1, 3]


def test_when_the_latest_recorder_is_closed_the_one_before_it_records_again():
    @step
    def work(state):
        return state

    first, second = VCRRecorder(), VCRRecorder()
    first.start_session("first")
    second.start_session("second")
    second.close()
    work({"n": 1})
    first.close()
    work({"n": 2})
    assert [frame.input_state["n"] for frame in VCRPlayer.load_by_id("first").frames] == [1]
    assert len(VCRPlayer.load_by_id("second")) == 0


def test_the_async_recorder_records_the_same():
    async def main():
        async with AsyncVCRRecorder() as recorder:
            await recorder.start_session("run", tags=["t"])
            await recorder.record_step("a", {"a": 1}, {"a": 2})
            await recorder.record_llm_call("m", "hi", "ho", 1, 2, 3)
            await recorder.record_tool_call("t", {"q": 1}, 2, 4)
            await recorder.record_error("e", {}, ValueError("bad"))
            await recorder.record_checkpoint({"c": 1}, "here")
            child = await recorder.fork(from_frame=1, new_session_id="child")
            child.close()
            path = await recorder.save()
            return path, [frame.node_name for frame in recorder.get_frames()], recorder.get_session().session_id

    path, names, session_id = asyncio.run(main())
    assert (path, session_id) == (Path(".vcr/run.vcr"), "run")
    assert names == ["a", "llm:m", "t", "e", "here"]
    assert VCRPlayer.load_by_id("child").session.parent_session_id == "run"


def test_the_async_recorder_goes_on_with_a_session_and_is_closed_without_a_block():
    async def main():
        recorder = AsyncVCRRecorder()
        await recorder.start_session("run")
        await recorder.create_checkpoint({"n": 1}, "first")
        await recorder.close()
        again = AsyncVCRRecorder()
        await again.attach_session("run")
        await again.create_checkpoint({"n": 2}, "second")
        await again.close()

    asyncio.run(main())
    player = VCRPlayer.load_by_id("run")
    assert [checkpoint["label"] for checkpoint in player.list_checkpoints()] == ["first", "second"]
    assert player.goto_checkpoint("first") == {"n": 1}
