"""Plain functions with @step: errors, types, times and chance come back as they were."""

import asyncio
import dataclasses
import datetime as dt
import uuid
from collections import Counter, OrderedDict, defaultdict

import pydantic
import pytest

import agent_vcr_nb
from agent_vcr_nb import step
from agent_vcr_nb.core.errors import CannotResumeError
from tests.integrations.recorded import Connection, Mood, Order, Run, record


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the step bodies that were really executed."""
    return []


class NoQuotaError(Exception):
    """An exception with an attribute that is not among its arguments."""

    def __init__(self, code):
        super().__init__(f"quota exceeded, code {code}")
        self.code = code


@pytest.mark.parametrize(
    "error",
    [
        NoQuotaError(429),
        FileNotFoundError(2, "No such file or directory", "plan.md"),
        KeyError("plan"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ExceptionGroup("two", [ValueError("a"), NoQuotaError(1)]),
        asyncio.CancelledError("stop"),
        KeyboardInterrupt(),
        SystemExit(3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_the_agent_caught_is_raised_again_of_its_own_class_and_not_executed_again(error, ran):
    @step
    def risky(x):
        ran.append("risky")
        raise error

    @step
    def recover(told):
        ran.append("recover")
        return told

    def agent(state):
        try:
            risky(1)
        except type(error) as caught:
            details = [str(caught), getattr(caught, "code", None), getattr(caught, "filename", None)]
            return recover(repr(details))

    run = record(agent, {})
    recorded = run.frame("recover#1").input_state["told"]
    ran.clear()
    assert run.resume(agent, "recover#1").result == recorded
    assert ran == ["recover"]


def test_an_error_whose_class_is_not_known_here_is_raised_as_its_recorded_stand_in(ran):
    class Local(Exception):
        pass

    @step
    def risky(x):
        raise Local("gone")

    @step
    def recover(told):
        return told

    def agent(state):
        try:
            risky(1)
        except Exception as caught:
            return recover(type(caught).__name__ and "caught")

    assert record(agent, {}).resume(agent, "recover#1").result == "caught"


def test_a_keyboard_interrupt_ends_the_resume_and_leaves_a_fork_that_can_be_read(ran):
    @step
    def first(x):
        return x

    @step
    def second(x):
        if ran:
            raise KeyboardInterrupt
        return x

    def agent(state):
        return second(first(1))

    run = record(agent, {})
    ran.append("now")
    with pytest.raises(KeyboardInterrupt):
        run.resume(agent, "second#1", new_session_id="stopped")
    assert Run("stopped").frame("second#1").metadata.error_type == "KeyboardInterrupt"


class Message(pydantic.BaseModel):
    """A pydantic model of the agent."""

    role: str
    order: int = 0


class Tags(list):
    """A subclass of a plain type."""


@pytest.mark.parametrize(
    "value",
    [
        Order("pen", dt.date(2026, 1, 31), Mood.GOOD),
        Message(role="user", order=3),
        Mood.GOOD,
        dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC),
        (1, {2, 3}, b"bytes"),
        Counter("aab"),
        OrderedDict(b=1, a=2),
        defaultdict(list, a=[1]),
        Tags(["x"]),
        [Message(role="a"), {"deep": Order("b", dt.date(2026, 2, 1), Mood.GOOD)}],
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_from_served_steps_as_the_agents_own_types(value, ran):
    @step
    def make(n):
        ran.append("make")
        return {"value": value, "n": n}

    @step
    def use(state):
        ran.append("use")
        return {"same": state["value"] == value, "type": type(state["value"]).__name__}

    def agent(_):
        return use(make(1))

    run = record(agent, {})
    ran.clear()
    assert run.resume(agent, "use#1").result == {"same": True, "type": type(value).__name__}
    assert ran == ["use"]


def test_a_value_that_could_not_be_stored_is_named_with_its_path_and_can_be_supplied(ran):
    @step
    def connect(state):
        ran.append("connect")
        return {**state, "db": Connection(), "n": 1}

    @step
    def query(state):
        ran.append("query")
        return {**state, "rows": 2, "n": state["n"] + 1}

    @step
    def report(state):
        ran.append("report")
        return {"ok": isinstance(state["db"], Connection), "n": state["n"]}

    def agent(state):
        return report(query(connect(state)))

    run = record(agent, {})
    assert run.frame("connect#1").lossy == ("/output/db",)
    ran.clear()
    with pytest.raises(CannotResumeError, match=r"run frame 0: output /db cannot be given back .*state_overrides"):
        run.resume(agent, "report#1")
    assert ran == []
    resumed = run.resume(agent, "report#1", state_overrides={"db": Connection()})
    assert resumed.result == {"ok": True, "n": 2}
    assert ran == ["report"]


def test_an_object_of_a_class_that_is_not_known_here_is_not_handed_to_the_agent(ran):
    @dataclasses.dataclass
    class Local:
        x: int

    @step
    def make(n):
        return {"thing": Local(1)}

    @step
    def use(state):
        return state["thing"].x

    def agent(_):
        return use(make(1))

    with pytest.raises(CannotResumeError, match=r"output /thing cannot .* its class .*Local is not known"):
        record(agent, {}).resume(agent, "use#1")


def test_a_secret_that_was_not_stored_is_not_handed_to_the_agent_as_a_marker_but_can_be_supplied(ran):
    @step
    def login(state):
        return {**state, "password": "hunter2-hunter2"}

    @step
    def use(state):
        return {"fits": state["password"] == "hunter2-hunter2"}

    def agent(state):
        return use(login(state))

    run = record(agent, {"user": "ann"})
    with pytest.raises(CannotResumeError, match=r"output /password cannot .* it is a secret"):
        run.resume(agent, "use#1")
    resumed = run.resume(agent, "use#1", state_overrides={"password": "hunter2-hunter2"})
    assert resumed.result == {"fits": True}
    assert b"hunter2" not in Run(resumed.session_id).player.recording.path.read_bytes()


def drawing_agent(ran):
    @step
    def inner(x):
        ran.append("inner")
        return [agent_vcr_nb.random(), str(agent_vcr_nb.uuid4())]

    @step
    def stamp(x):
        ran.append("stamp")
        return agent_vcr_nb.now().isoformat()

    @step
    def last(values):
        ran.append("last")
        return [*values, agent_vcr_nb.random()]

    @step
    def main(state):
        before = agent_vcr_nb.random()
        values = [before, *inner(before), stamp(before), str(agent_vcr_nb.uuid4()), agent_vcr_nb.now()]
        return {"values": last(values), "after": agent_vcr_nb.random()}

    return main


def test_times_ids_and_random_numbers_before_the_frame_repeat_and_those_after_are_new(ran):
    main = drawing_agent(ran)
    run = record(main, {})
    recorded = run.frame("main#1").output_state
    ran.clear()
    resumed = run.resume(main, "main#1/last#1").result
    assert ran == ["last"]
    assert resumed["values"][:-1] == recorded["values"][:-1]
    assert resumed["values"][-1] != recorded["values"][-1]
    assert resumed["after"] != recorded["after"]


def test_drawn_values_repeat_also_in_a_fork_of_a_fork(ran):
    main = drawing_agent(ran)
    run = record(main, {})
    recorded = run.frame("main#1").output_state["values"][:-1]
    session = "run"
    for _ in range(3):
        session = Run(session).resume(main, "main#1/last#1").session_id
    assert Run(session).frame("main#1").output_state["values"][:-1] == recorded


def test_drawn_values_inside_a_served_step_are_kept_for_a_later_resume_inside_it(ran):
    main = drawing_agent(ran)
    run = record(main, {})
    fork = Run(run.resume(main, "main#1/last#1").session_id)
    again = fork.resume(main, "main#1/stamp#1")
    assert again.result["values"][:3] == run.frame("main#1").output_state["values"][:3]


def test_drawn_values_have_their_types_and_no_recorder_is_needed():
    assert agent_vcr_nb.now().tzinfo is dt.UTC
    assert agent_vcr_nb.now(None).tzinfo is None
    assert agent_vcr_nb.now(dt.timezone(dt.timedelta(hours=2))).utcoffset() == dt.timedelta(hours=2)
    assert isinstance(agent_vcr_nb.uuid4(), uuid.UUID)
    assert agent_vcr_nb.uuid4().version == 4
    assert 0 <= agent_vcr_nb.random() < 1
