"""A whole run again from its recording: what is served, what is a miss, and that nothing else ever runs."""

import asyncio
import contextlib
import re
import socket

import pytest

from agent_vcr_nb import VCRPlayer, VCRRecorder, now, step, uuid4
from agent_vcr_nb.core.errors import CannotResumeError, StaleRecordingError
from agent_vcr_nb.core.ghost import replay

RAN = []


@step
def look(state):
    RAN.append("look")
    return {**state, "seen": state["word"].upper()}


@step
def plan(state):
    RAN.append("plan")
    return {**look(state), "plan": "mongodb"}


@step
def build(state):
    RAN.append("build")
    if state["word"] == "bad":
        raise ValueError("no bad words")
    return {**state, "built": True}


@step
def agent(state):
    return build(plan(state))


@pytest.fixture(autouse=True)
def _fresh(in_tmp):
    RAN.clear()


def recorded(run, *words):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for word in words or ("cat",):
            with contextlib.suppress(ValueError):  # of a bad word
                result = run({"word": word})
                if asyncio.iscoroutine(result):
                    asyncio.run(result)
    RAN.clear()
    return VCRPlayer.load_by_id("run").recording


def test_every_step_is_served_and_none_is_executed(in_tmp):
    recording = recorded(agent)
    before = (in_tmp / ".vcr/run.vcr").read_bytes()
    replayed = replay(recording, agent)
    assert RAN == []
    assert replayed.result == {"word": "cat", "seen": "CAT", "plan": "mongodb", "built": True}
    assert (replayed.entered, replayed.served, replayed.error) == ((0,), (1, 3), None)
    assert (in_tmp / ".vcr/run.vcr").read_bytes() == before
    assert [path.name for path in (in_tmp / ".vcr").iterdir()] == ["run.vcr"]


def test_a_function_that_is_no_step_is_called_and_its_steps_are_served():
    def whole(state):
        return build(plan(state))

    replayed = replay(recorded(whole, "cat", "dog"), whole)
    assert RAN == []
    assert replayed.result["seen"] == "DOG"
    assert replayed.served == (0, 2, 3, 5)


def test_a_list_of_steps_that_were_recorded_by_hand_is_served():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step("plan", {"a": 1}, {"a": 1, "plan": "x"})
        recorder.record_step("build", {"a": 1, "plan": "x"}, {"built": True})
    replayed = replay(VCRPlayer.load_by_id("run").recording, [plan, build])
    assert (RAN, replayed.result, replayed.served) == ([], {"built": True}, (0, 1))


def test_a_coroutine_agent_is_replayed_also_inside_a_loop():
    @step
    async def ask(state):
        RAN.append("ask")
        await asyncio.sleep(0)
        return {**state, "answer": 42}

    @step
    async def together(state):
        both = await asyncio.gather(ask({"n": 1}), ask({"n": 2}))
        return {"answers": [one["n"] for one in both]}

    recording = recorded(together)

    async def in_a_loop():
        return replay(recording, together)

    assert replay(recording, together).result == {"answers": [1, 2]}
    assert asyncio.run(in_a_loop()).result == {"answers": [1, 2]}
    assert RAN == []


def test_a_run_that_failed_is_served_up_to_its_failure_which_is_raised_again():
    replayed = replay(recorded(agent, "bad"), agent)
    assert RAN == []
    assert (type(replayed.error), str(replayed.error)) == (ValueError, "no bad words")


def test_all_runs_of_a_session_are_replayed_also_after_one_that_failed():
    replayed = replay(recorded(agent, "bad", "cat"), agent)
    assert RAN == []
    assert replayed.result["seen"] == "CAT"
    assert str(replayed.error) == "no bad words"


def test_times_and_ids_that_the_agents_own_code_draws_are_the_recorded_ones():
    @step
    def stamped(state):
        return plan({**state, "when": now(), "id": uuid4()})

    assert replay(recorded(stamped), stamped).result["seen"] == "CAT"


def test_a_replay_opens_no_socket(monkeypatch):
    server = socket.create_server(("127.0.0.1", 0))

    @step
    def call(state):
        with socket.create_connection(server.getsockname()):
            return {**state, "answered": True}

    @step
    def caller(state):
        return call(state)

    recording = recorded(caller)
    server.close()

    def refuse(*_, **__):
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    assert replay(recording, caller).result == {"word": "cat", "answered": True}


# ------------------------------------------------------------------------------------------------------- misses


def changed(function):
    """The agent with another body under the same name."""
    return step(name="agent")(function)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            lambda state: build({**plan(state), "plan": "sqlite"}),
            r'run frame 3 \(agent#1/build#1\): expected input /plan = "mongodb", found "sqlite"\.',
        ),
        (
            lambda state: build(look(plan(state))),
            r"run step agent#1/look#1: expected frame 3 \(agent#1/build#1\) next, found a step that is not in the",
        ),
        (
            lambda state: build(build(plan(state))),
            r"run step agent#1/build#2: expected no further step, found a step that is not in the recording",
        ),
        (
            lambda state: plan(state),
            r"run frame 3 \(agent#1/build#1\): expected the agent to call this step, found it ended without",
        ),
        (
            lambda state: {**build(plan(state)), "built": False},
            r"run frame 0 \(agent#1\): expected the agent to return /built = true, found false\.",
        ),
    ],
)
def test_a_changed_agent_is_a_stale_recording_that_names_frame_key_expected_and_found(body, said):
    recording = recorded(agent)
    with pytest.raises(StaleRecordingError, match=said):
        replay(recording, changed(body))
    assert RAN == []


def test_an_agent_that_swallows_the_miss_still_executes_nothing():
    def swallowing(state):
        try:
            look(state)
        except StaleRecordingError:
            RAN.append("swallowed")
        return build(plan(state))

    with pytest.raises(StaleRecordingError):
        replay(recorded(agent), changed(swallowing))
    assert RAN == ["swallowed"]


def test_an_agent_that_now_fails_by_itself_is_stale():
    def failing(state):
        build(plan(state))
        raise KeyError("new")

    with pytest.raises(StaleRecordingError, match="expected the agent to end with ok, found error: 'new'"):
        replay(recorded(agent), changed(failing))


def test_a_key_that_is_declared_volatile_may_differ():
    def other(state):
        return build({**plan(state), "plan": "sqlite"})

    recording = recorded(agent)
    assert replay(recording, changed(other), volatile=["plan"]).result["built"] is True


def test_a_function_cannot_replay_what_was_recorded_by_hand_because_it_would_run():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step("plan", {"a": 1}, {"a": 2})
    with pytest.raises(CannotResumeError, match="recorded by hand"):
        replay(VCRPlayer.load_by_id("run").recording, lambda state: RAN.append("ran"))
    assert RAN == []


def test_a_damaged_frame_is_refused_by_its_number(in_tmp):
    recorded(agent)
    path = in_tmp / ".vcr/run.vcr"
    text = path.read_text()
    place = re.search(r'"seen":"CAT"', text).start()
    path.write_text(text[:place] + text[place:].replace("CAT", "DOG", 1))
    with pytest.raises(CannotResumeError, match=r"run cannot be replayed: frame 2: its line"):
        replay(VCRPlayer.load_by_id("run").recording, agent)
    assert RAN == []
