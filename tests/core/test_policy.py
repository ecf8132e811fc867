"""What a resume decides for each step, beside what the conformance suite shows of every framework."""

import asyncio
import sys

import pytest

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError
from agent_vcr_nb.core.policy import Call, RecordPolicy, Run
from agent_vcr_nb.core.resume import resume


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the steps that were really executed."""
    return []


def record(agent, *args):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        try:
            result = agent(*args)
            if asyncio.iscoroutine(result):
                asyncio.run(result)
        except ValueError as error:
            print(error)
    return VCRPlayer.load_by_id("run")


def number_of(player, key):
    return next(frame.number for frame in player.frames if frame.key == key)


def resumed_at(player, agent, key, **options):
    return resume(player.recording, agent, ResumeConfig(number_of(player, key), **options))


def test_recording_runs_everything_and_recalls_nothing():
    policy = RecordPolicy()
    assert policy.decide(Call("a#1", "a", {}, dict)) == Run()
    assert policy.recall("now#1") is None


def test_without_a_recorder_a_step_costs_one_look_for_one():
    @step
    def work(x):
        return x

    calls = []
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        work(1)
    finally:
        sys.setprofile(None)
    assert calls == ["run", "active_recorder", "work"]


def named_agent(ran):
    @step
    def search(query, limit=3):
        ran.append("search")
        return [query] * limit

    @step
    def end(found):
        ran.append("end")
        return found

    @step
    def main(state):
        return end(search(state["q"]))

    return main


def test_a_mock_of_a_step_with_named_parameters_gives_its_value(ran):
    agent = named_agent(ran)
    player = record(agent, {"q": "cats"})
    ran.clear()
    mocks = {"search": ["mocked"]}
    resumed = resumed_at(player, agent, "main#1/search#1", mode="mock", inject_mocks=mocks)
    assert (resumed.result, ran) == (["mocked"], ["end"])
    computed = {"search": lambda state: [state["query"], state["limit"]]}
    assert resumed_at(player, agent, "main#1/search#1", mode="mock", inject_mocks=computed).result == ["cats", 3]


def test_a_mock_is_given_anew_to_each_call():
    @step
    def fetch(n):
        return []

    def agent(state):
        found = [fetch(0), fetch(1)]
        for items in found:
            items.append("x")
        return found

    player = record(agent, {})
    mocks = {"fetch": []}
    assert resumed_at(player, agent, "fetch#1", mode="mock", inject_mocks=mocks).result == [["x"], ["x"]]
    assert mocks == {"fetch": []}


def test_mocks_are_not_used_before_the_frame(ran):
    agent = named_agent(ran)
    player = record(agent, {"q": "cats"})
    resumed = resumed_at(player, agent, "main#1/end#1", mode="mock", inject_mocks={"search": ["mocked"]})
    assert resumed.result == ["cats", "cats", "cats"]


def test_a_skipped_step_returns_its_recorded_value(ran):
    agent = named_agent(ran)
    player = record(agent, {"q": "cats"})
    ran.clear()
    assert resumed_at(player, agent, "main#1/search#1", skip_nodes=["search"]).result == ["cats", "cats", "cats"]
    assert ran == ["end"]


def test_a_skipped_step_without_a_recorded_value_or_a_state_is_an_error(ran):
    @step
    def first(state):
        return state

    @step
    def second(a, b):
        raise ValueError("no second yet")

    def agent(state):
        first(state)
        return second(1, 2)

    player = record(agent, {})
    with pytest.raises(CannotResumeError, match=r"skip_nodes names 'second', and second#1 has no recorded result"):
        resumed_at(player, agent, "first#1", skip_nodes=["second"])


def test_replay_serves_the_calls_inside_a_step_that_failed_after_them(ran):
    fixed = []

    @step
    def llm(prompt):
        ran.append(prompt)
        return prompt.upper()

    @step
    def main(state):
        answers = [llm("a"), llm("b")]
        if not fixed:
            raise ValueError("bug after the calls")
        return {"answers": answers}

    player = record(main, {})
    fixed.append(True)
    ran.clear()
    resumed = resumed_at(player, main, "main#1", mode="replay")
    assert (resumed.result, ran) == ({"answers": ["A", "B"]}, [])


def test_replay_runs_everything_live_after_the_first_call_that_is_another(ran):
    @step
    def llm(prompt):
        ran.append(prompt)
        return prompt.upper()

    def agent(prompts):
        return lambda state: [llm(prompt) for prompt in prompts]

    player = record(agent("abcd"), {})
    ran.clear()
    assert resumed_at(player, agent("axcd"), "llm#1", mode="replay").result == ["A", "X", "C", "D"]
    assert ran == ["x", "c", "d"]


def test_a_branch_that_had_not_come_so_far_runs_steps_that_the_recording_does_not_have(ran):
    tries = []

    @step
    async def part(x):
        ran.append(x)
        await asyncio.sleep(0)
        return x

    @step
    async def slow(state):
        return [await part(x) for x in (1, 2, 3, 4, 5)]

    @step
    async def quick(state):
        if not tries:
            raise ValueError("the whole run stops here")
        return "quick"

    @step
    async def main(state):
        return await asyncio.gather(slow(state), quick(state))

    player = record(main, {"a": 1})
    assert "main#1/slow#1/part#5" not in [frame.key for frame in player.frames]
    tries.append(True)
    assert resumed_at(player, main, "main#1/quick#1").result == [[1, 2, 3, 4, 5], "quick"]


def test_after_a_divergence_no_step_is_executed_and_each_gets_the_same_error(ran):
    @step
    def work(n):
        ran.append(n)
        return n

    caught = []

    def agent(first):
        def run(state):
            for n in (first, 2, 3):
                try:
                    work(n)
                except Exception as error:
                    caught.append(error)

        return run

    player = record(agent(1), {})
    ran.clear()
    with pytest.raises(DivergedError) as raised:
        resumed_at(player, agent(7), "work#3")
    assert ran == []
    assert caught == [raised.value] * 3


def test_an_agent_that_is_no_step_and_takes_something_else_than_frame_0_is_told_so(ran):
    @step
    def search(query):
        return query

    def agent(state):
        return search(state["q"])

    player = record(agent, {"q": "cats"})
    with pytest.raises(DivergedError, match=r"KeyError: 'q'.* called with the input of frame 0, whose keys are query"):
        resumed_at(player, agent, "search#1")


def test_what_the_fork_says_of_a_frame_is_live_replayed_edited_or_mocked(ran):
    @step
    def work(n):
        return n

    @step
    def other(n):
        return n

    def agent(state):
        return [work(1), work(2), other(3), work(4)]

    player = record(agent, {})
    options = {"mode": "mock", "inject_mocks": {"other": 30}, "state_overrides": {"n": 20}}
    fork = VCRPlayer.load_by_id(resumed_at(player, agent, "work#2", **options).session_id)
    assert [frame.provenance for frame in fork.frames] == ["replayed", "edited", "mocked", "live"]
