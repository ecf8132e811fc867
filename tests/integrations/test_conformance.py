"""What every integration must do, written once against a small protocol; a new framework adds a driver to DRIVERS.

The agent of each driver has the same five steps. Each adds its name to ``log`` and 1 to ``n``; ``check`` raises while
``mood`` is "bad".
"""

import asyncio
from typing import Any, Protocol

import pytest

from agent_vcr_nb import ResumeConfig, ResumeMode, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import DivergedError, EditError, FrameNotFoundError, UsageError
from agent_vcr_nb.core.resume import Resumed, resume

STEPS = ["plan", "fetch", "write", "check", "send"]
GOOD = {"mood": "good", "log": [], "n": 0}
BAD = {"mood": "bad", "log": [], "n": 0}


class BadMoodError(Exception):
    """What the step ``check`` raises."""


class Driver(Protocol):
    """How one framework builds and runs the agent."""

    can_diverge: bool
    """True when the agent computes the inputs of its steps itself, so that they may differ from the recording."""

    def agent(self, ran: list[str], *, meddling: dict[str, Any], without: str | None, catching: bool) -> Any:
        """Return the agent: each executed step puts its name into `ran`.

        `meddling` is set in the state between the first step and the second, `without` is a step left out. A
        `catching` agent goes on from the state before when a step raises, with ``caught`` set.
        """

    def run(self, agent: Any, recorder: VCRRecorder, state: dict[str, Any]) -> Any:
        """Run the agent once on a started session, as a user would, and return its last state."""


def body(name, ran):
    def run(state):
        ran.append(name)
        if name == "check" and state["mood"] == "bad":
            raise BadMoodError("check found a bad mood")
        return {**state, "log": [*state["log"], name], "n": state["n"] + 1}

    return run


def bodies(ran, without):
    return {name: body(name, ran) for name in STEPS if name != without}


class Functions:
    """An undecorated function that calls steps one after the other."""

    can_diverge = True

    def agent(self, ran, *, meddling, without, catching):
        steps = [step(name=name)(function) for name, function in bodies(ran, without).items()]

        def run(state):
            for function in steps:
                try:
                    state = function(state)
                except BadMoodError:
                    if not catching:
                        raise
                    state = {**state, "caught": True}
                if function is steps[0]:
                    state = {**state, **meddling}
            return state

        return run

    def run(self, agent, recorder, state):
        return agent(state)


class RootFunction(Functions):
    """The same inside a step of its own."""

    def agent(self, ran, **options):
        return step(name="agent")(super().agent(ran, **options))


class AsyncFunctions:
    """Coroutine functions inside a step of its own."""

    can_diverge = True

    def agent(self, ran, *, meddling, without, catching):
        def as_async(function):
            async def run(state):
                await asyncio.sleep(0)
                return function(state)

            return run

        steps = [step(name=name)(as_async(function)) for name, function in bodies(ran, without).items()]

        @step
        async def agent(state):
            for function in steps:
                try:
                    state = await function(state)
                except BadMoodError:
                    if not catching:
                        raise
                    state = {**state, "caught": True}
                if function is steps[0]:
                    state = {**state, **meddling}
            return state

        return agent

    def run(self, agent, recorder, state):
        return asyncio.run(agent(state))


class NamedSteps:
    """A mapping of steps, recorded by hand with ``record_step`` and ``record_error``."""

    can_diverge = False

    def agent(self, ran, *, meddling, without, catching):
        return bodies(ran, without)

    def run(self, agent, recorder, state):
        for name, function in agent.items():
            before = state
            try:
                state = function(state)
            except Exception as error:
                recorder.record_error(name, before, error)
                raise
            recorder.record_step(name, before, state)
        return state


class ListOfFunctions(NamedSteps):
    """A list of (name, function)."""

    def agent(self, ran, *, meddling, without, catching):
        return list(bodies(ran, without).items())

    def run(self, agent, recorder, state):
        return super().run(dict(agent), recorder, state)


DRIVERS: list[Driver] = [Functions(), RootFunction(), AsyncFunctions(), NamedSteps(), ListOfFunctions()]
DIVERGING = [driver for driver in DRIVERS if driver.can_diverge]


def name_of(driver):
    return type(driver).__name__


every_driver = pytest.mark.parametrize("driver", DRIVERS, ids=name_of)
every_diverging_driver = pytest.mark.parametrize("driver", DIVERGING, ids=name_of)


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the steps that were really executed."""
    return []


def build(driver, ran, *, meddling=None, without=None, catching=False):
    return driver.agent(ran, meddling=meddling or {}, without=without, catching=catching)


def recorded(driver, ran, state, **options):
    """Record a run of the agent, which may fail; returns the agent and forgets what was executed."""
    agent = build(driver, ran, **options)
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        try:
            driver.run(agent, recorder, state)
        except BadMoodError:
            ran.append("failed")
    ran.clear()
    return agent


def number_of(name, session="run"):
    frames = VCRPlayer.load_by_id(session).frames
    return next(frame.number for frame in frames if frame.node_name == name)


def resume_at(name, agent, session="run", **options) -> Resumed:
    player = VCRPlayer.load_by_id(session)
    return resume(player.recording, agent, ResumeConfig(number_of(name, session), **options))


def states(session):
    """The input and output state of each of the five steps that has one."""
    frames = [frame for frame in VCRPlayer.load_by_id(session).frames if frame.node_name in STEPS]
    return {frame.node_name: (frame.input_state, frame.output_state) for frame in frames}


@every_driver
def test_a_run_is_recorded_step_by_step(driver, ran):
    recorded(driver, ran, GOOD)
    assert list(states("run")) == STEPS
    assert states("run")["write"] == (
        {"mood": "good", "log": ["plan", "fetch"], "n": 2},
        {"mood": "good", "log": ["plan", "fetch", "write"], "n": 3},
    )


@every_driver
def test_an_error_is_recorded_with_the_state_it_met(driver, ran):
    recorded(driver, ran, BAD)
    player = VCRPlayer.load_by_id("run")
    failed = player.get_frame(number_of("check"))
    assert (failed.status, failed.metadata.error_type, failed.metadata.error_message) == (
        "error",
        "BadMoodError",
        "check found a bad mood",
    )
    assert failed.input_state == {"mood": "bad", "log": ["plan", "fetch", "write"], "n": 3}
    assert failed.number in [frame.number for frame in player.get_errors()]


@every_driver
@pytest.mark.parametrize("at", STEPS)
def test_frames_before_the_resume_point_are_not_executed_and_all_later_ones_are(driver, at, ran):
    agent = recorded(driver, ran, GOOD)
    resumed = resume_at(at, agent)
    assert ran == STEPS[STEPS.index(at) :]
    assert resumed.result == {"mood": "good", "log": STEPS, "n": 5}


@every_driver
def test_an_edit_sets_exact_values_in_the_input_of_the_frame(driver, ran):
    agent = recorded(driver, ran, BAD)
    resumed = resume_at("check", agent, state_overrides={"mood": "better", "n": 40}, reason="cheer it up")
    assert ran == ["check", "send"]
    assert resumed.result == {"mood": "better", "log": STEPS, "n": 42}
    assert states(resumed.session_id)["check"][0] == {"mood": "better", "log": ["plan", "fetch", "write"], "n": 40}
    session = VCRPlayer.load_by_id(resumed.session_id).session
    assert (session.parent_session_id, session.forked_from_frame) == ("run", number_of("check"))
    assert session.reason == "cheer it up"
    assert session.edit == [
        {"op": "replace", "path": "/mood", "value": "better"},
        {"op": "replace", "path": "/n", "value": 40},
    ]


@every_driver
def test_a_patch_edits_inside_the_state(driver, ran):
    agent = recorded(driver, ran, GOOD)
    resumed = resume_at("write", agent, patch=[{"op": "replace", "path": "/log/0", "value": "PLAN"}])
    assert resumed.result["log"] == ["PLAN", "fetch", "write", "check", "send"]


@every_driver
def test_the_fork_stands_alone_with_the_replayed_frames_and_leaves_its_parent_unchanged(driver, ran):
    agent = recorded(driver, ran, GOOD)
    path = VCRPlayer.load_by_id("run").recording.path
    before = path.read_bytes()
    fork = resume_at("check", agent).session_id
    assert path.read_bytes() == before
    path.unlink()
    frames = [frame for frame in VCRPlayer.load_by_id(fork).frames if frame.node_name in STEPS]
    assert [(frame.node_name, frame.provenance) for frame in frames] == [
        ("plan", "replayed"),
        ("fetch", "replayed"),
        ("write", "replayed"),
        ("check", "live"),
        ("send", "live"),
    ]
    assert states(fork)["send"][1] == {"mood": "good", "log": STEPS, "n": 5}


@every_driver
def test_a_fork_of_a_fork_of_a_fork_is_resumed(driver, ran):
    agent = recorded(driver, ran, BAD)
    first = resume_at("fetch", agent, state_overrides={"n": 10, "mood": "good"}).session_id
    second = resume_at("write", agent, first, state_overrides={"n": 100}).session_id
    third = resume_at("check", agent, second, state_overrides={"n": 1000}).session_id
    ran.clear()
    fourth = resume_at("send", agent, third)
    assert ran == ["send"]
    assert fourth.result == {"mood": "good", "log": STEPS, "n": 1002}
    assert VCRPlayer.load_by_id(fourth.session_id).session.parent_session_id == third


@every_driver
def test_an_error_after_the_resume_point_is_recorded_and_raised_to_the_user(driver, ran):
    agent = recorded(driver, ran, BAD)
    player = VCRPlayer.load_by_id("run")
    with pytest.raises(BadMoodError) as caught:
        player.resume(agent, ResumeConfig(number_of("write"), new_session_id="again"))
    assert ran == ["write", "check"]
    assert caught.value.__notes__ == [f"(recorded as again, forked from run at frame {number_of('write')})"]
    assert VCRPlayer.load_by_id("again").get_frame(number_of("check", "again")).status == "error"


@every_diverging_driver
def test_an_error_before_the_resume_point_is_raised_again_and_its_step_not_executed(driver, ran):
    agent = recorded(driver, ran, BAD, catching=True)
    resumed = resume_at("send", agent)
    assert ran == ["send"]
    assert resumed.result == {
        "mood": "bad",
        "log": ["plan", "fetch", "write", "send"],
        "n": 4,
        "caught": True,
    }


@every_diverging_driver
def test_a_changed_input_before_the_resume_point_is_named_and_nothing_is_executed(driver, ran):
    recorded(driver, ran, GOOD)
    agent = build(driver, ran, meddling={"n": 77})
    with pytest.raises(DivergedError) as caught:
        resume_at("check", agent)
    error = caught.value
    assert (error.session, error.frame) == ("run", number_of("fetch"))
    assert error.key.endswith("fetch#1")
    assert (error.expected, error.found) == ("input /n = 1", "77")
    assert f"Resume at frame {number_of('fetch')} or earlier" in str(error)
    assert ran == []


@every_diverging_driver
def test_a_step_left_out_before_the_resume_point_is_named_and_nothing_is_executed(driver, ran):
    recorded(driver, ran, GOOD)
    agent = build(driver, ran, without="plan")
    with pytest.raises(DivergedError):
        resume_at("check", agent)
    assert ran == []


@every_driver
def test_replay_serves_what_is_as_recorded_and_runs_live_from_the_first_that_is_not(driver, ran):
    agent = recorded(driver, ran, BAD)
    resumed = resume_at("fetch", agent, mode=ResumeMode.REPLAY)
    # fetch and write are as recorded. check had failed: it is what is tried again.
    assert isinstance(resumed.error, BadMoodError)
    assert ran == ["check"]


@every_driver
def test_replay_of_an_edited_frame_runs_it_and_all_later_ones_live(driver, ran):
    agent = recorded(driver, ran, GOOD)
    resumed = resume_at("write", agent, mode="replay", state_overrides={"n": 50})
    assert ran == ["write", "check", "send"]
    assert resumed.result["n"] == 53


@every_driver
def test_replay_of_an_unchanged_run_executes_nothing(driver, ran):
    agent = recorded(driver, ran, GOOD)
    resumed = resume_at("fetch", agent, mode="replay")
    assert ran == []
    assert resumed.result == {"mood": "good", "log": STEPS, "n": 5}


@every_driver
def test_mock_gives_the_named_steps_the_given_values_and_runs_the_others(driver, ran):
    agent = recorded(driver, ran, BAD)
    mocks = {"check": lambda state: {**state, "n": 500, "log": [*state["log"], "mocked"]}}
    resumed = resume_at("write", agent, mode=ResumeMode.MOCK, inject_mocks=mocks)
    assert ran == ["write", "send"]
    assert resumed.result == {"mood": "bad", "log": ["plan", "fetch", "write", "mocked", "send"], "n": 501}
    frames = VCRPlayer.load_by_id(resumed.session_id).frames
    assert [frame.provenance for frame in frames if frame.node_name == "check"] == ["mocked"]


@every_driver
def test_a_mock_that_is_an_error_is_raised_in_the_place_of_the_step(driver, ran):
    agent = recorded(driver, ran, GOOD)
    resumed = resume_at("check", agent, mode="mock", inject_mocks={"check": BadMoodError("mocked")})
    assert isinstance(resumed.error, BadMoodError)
    assert ran == []


@every_driver
def test_skipped_nodes_return_what_was_recorded_or_the_state_as_it_is(driver, ran):
    agent = recorded(driver, ran, BAD)
    resumed = resume_at("fetch", agent, skip_nodes=["write", "check"])
    assert ran == ["fetch", "send"]
    # write was recorded; check had failed, so the state goes on as it is.
    assert resumed.result == {"mood": "bad", "log": ["plan", "fetch", "write", "send"], "n": 4}


@every_driver
def test_an_edit_of_a_step_that_is_kept_from_running_is_refused(driver, ran):
    agent = recorded(driver, ran, GOOD)
    with pytest.raises(EditError, match="skip_nodes or inject_mocks keep it from running"):
        resume_at("write", agent, skip_nodes=["write"], state_overrides={"n": 1})
    assert ran == []


@every_driver
def test_a_wrong_request_is_refused_before_anything_runs(driver, ran):
    agent = recorded(driver, ran, GOOD)
    recording = VCRPlayer.load_by_id("run").recording
    with pytest.raises(FrameNotFoundError, match=r"no frame 99; it has frames 0 to \d"):
        resume(recording, agent, ResumeConfig(99))
    with pytest.raises(UsageError, match="mode 'rewind': expected fork, replay or mock"):
        resume_at("write", agent, mode="rewind")
    with pytest.raises(UsageError, match="inject_mocks is for mode='mock', and the mode is 'fork'"):
        resume_at("write", agent, inject_mocks={"check": {}})
    with pytest.raises(EditError, match="/nowhere"):
        resume_at("write", agent, patch=[{"op": "remove", "path": "/nowhere"}])
    assert ran == []
    assert [path.name for path in recording.path.parent.iterdir()] == ["run.vcr"]


@every_driver
def test_a_second_run_in_the_same_session_is_resumed_as_well(driver, ran):
    agent = build(driver, ran)
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        with pytest.raises(BadMoodError):
            driver.run(agent, recorder, BAD)
        driver.run(agent, recorder, {**GOOD, "n": 10})
    ran.clear()
    player = VCRPlayer.load_by_id("run")
    second = [frame.number for frame in player.frames if frame.node_name == "write"][1]
    resumed = resume(player.recording, agent, ResumeConfig(second, state_overrides={"n": 20}))
    assert ran == ["write", "check", "send"]
    assert resumed.result == {"mood": "good", "log": STEPS, "n": 23}
