"""Plain functions with @step: what is recorded of a call, and what a resume gives back."""

import asyncio
import contextlib
import contextvars
import dataclasses
import datetime as dt
import enum
import threading
import uuid
from collections import Counter, OrderedDict, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pydantic
import pytest

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError, EditError, UsageError
from agent_vcr_nb.core.resume import resume


class Run:
    """A recorded run: its frames by key, and resumes of it."""

    def __init__(self, name="run"):
        self.player = VCRPlayer.load_by_id(name)

    @property
    def keys(self):
        return [frame.key for frame in self.player.frames]

    def at(self, key):
        return self.keys.index(key)

    def frame(self, key):
        return self.player.get_frame(self.at(key))

    def resume(self, agent, key, **options):
        return resume(self.player.recording, agent, ResumeConfig(self.at(key), **options))


def record(agent, *args, name="run", **kwargs):
    """Record a call of an agent, which may raise; returns the run."""
    with VCRRecorder() as recorder:
        recorder.start_session(name)
        try:
            result = agent(*args, **kwargs)
            if asyncio.iscoroutine(result):
                asyncio.run(result)
        except Exception as error:
            print(type(error), error)
    return Run(name)


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the step bodies that were really executed."""
    return []


# ------------------------------------------------------------------------------------------------ what is recorded


def test_without_a_recorder_a_step_is_the_function_itself():
    @step
    def double(x):
        "Twice."
        return 2 * x

    assert double(4) == 8
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice."


def test_a_step_that_takes_one_mapping_has_it_as_its_input_and_the_returned_mapping_as_its_output():
    @step
    def plan(state):
        return {**state, "plan": ["code"]}

    frame = record(plan, {"query": "todo"}).frame("plan#1")
    assert frame.input_state == {"query": "todo"}
    assert frame.output_state == {"query": "todo", "plan": ["code"]}


def test_any_other_step_has_its_parameters_by_name_and_its_value_as_result():
    @step
    def add(a, /, b, *rest, scale=1, **options):
        return (a + b + sum(rest)) * scale

    frame = record(add, 1, 2, 3, 4, scale=10, unit="m").frame("add#1")
    assert frame.input_state == {"a": 1, "b": 2, "rest": (3, 4), "scale": 10, "options": {"unit": "m"}}
    assert frame.output_state == {"result": 100}


def test_defaults_that_were_not_given_are_recorded():
    @step
    def search(query, limit=5):
        return [query] * limit

    assert record(search, "x").frame("search#1").input_state == {"query": "x", "limit": 5}


def test_a_mapping_beside_another_argument_is_a_parameter_by_name():
    @step
    def node(state, config):
        return state

    assert record(node, {"a": 1}, {"b": 2}).frame("node#1").input_state == {"state": {"a": 1}, "config": {"b": 2}}


@pytest.mark.parametrize("value", [None, 0, "text", [1, 2], (1, 2), {1, 2}])
def test_a_value_that_is_no_mapping_comes_back_from_a_served_step_as_it_was(value, ran):
    @step
    def first():
        ran.append("first")
        return value

    @step
    def second(x):
        ran.append("second")
        return x

    def agent(_):
        return second(first())

    run = record(agent, {})
    ran.clear()
    assert run.resume(agent, "second#1").result == value
    assert ran == ["second"]


def test_a_returned_mapping_with_the_only_key_result_stays_a_mapping_when_it_is_served():
    @step
    def first():
        return {"result": 1}

    @step
    def second(x):
        return {"got": x}

    def agent(_):
        return second(first())

    assert record(agent, {}).resume(agent, "second#1").result == {"got": {"result": 1}}


def test_steps_nest_and_their_keys_are_paths_of_name_and_occurrence():
    @step
    def tool(x):
        return x

    @step
    def worker(x):
        return [tool(x), tool(x + 1)]

    @step
    def main(state):
        return {"all": [worker(1), worker(2)]}

    run = record(main, {})
    assert run.keys == [
        "main#1",
        "main#1/worker#1",
        "main#1/worker#1/tool#1",
        "main#1/worker#1/tool#2",
        "main#1/worker#2",
        "main#1/worker#2/tool#1",
        "main#1/worker#2/tool#2",
    ]
    assert [frame.parent for frame in run.player.frames] == [None, 0, 1, 1, 0, 4, 4]


def test_recursion_nests():
    @step
    def countdown(n):
        return countdown(n - 1) if n else "lift-off"

    assert record(countdown, 2).keys == [
        "countdown#1",
        "countdown#1/countdown#1",
        "countdown#1/countdown#1/countdown#1",
    ]


def test_a_name_with_a_slash_is_one_step_and_not_two():
    @step(name="tools/search")
    def search(q):
        return q

    @step
    def main(state):
        return {"found": search("a"), "again": search("b")}

    run = record(main, {})
    assert run.keys == ["main#1", "main#1/tools~1search#1", "main#1/tools~1search#2"]
    assert run.resume(main, "main#1/tools~1search#2").served == (1,)


def test_the_type_of_a_step_is_recorded_and_an_unknown_one_refused():
    @step(name="ask", type="llm")
    def call(prompt):
        return "hi"

    assert record(call, "p").frame("ask#1").frame_type == "llm"
    with pytest.raises(UsageError, match=r"@step type 'modell': expected one of node, tool, llm, error, checkpoint"):
        step(name="x", type="modell")(lambda: 1)


def test_a_generator_function_is_refused_with_what_to_do():
    def stream():
        yield 1

    with pytest.raises(UsageError, match="consumes the generator"):
        step(stream)


class Robot:
    """Steps of every kind of method."""

    scaled = 0

    def __init__(self, factor):
        self.factor = factor

    @step
    def scale(self, x):
        Robot.scaled += 1
        return x * self.factor

    @step
    @staticmethod
    def inner_static(x):
        return x + 1

    @staticmethod
    @step
    def outer_static(x):
        return x + 2

    @step
    @classmethod
    def inner_class(cls, x):
        return x + 3

    @classmethod
    @step
    def outer_class(cls, x):
        return x + 4

    @step
    def run(self, state):
        values = [self.scale(1), self.inner_static(1), self.outer_static(1), self.inner_class(1), self.outer_class(1)]
        return {**state, "values": [*values, self.scale(3)]}


def test_methods_static_and_class_methods_are_steps_and_self_is_left_out():
    run = record(Robot(10).run, {"q": 1})
    assert run.frame("run#1").output_state == {"q": 1, "values": [10, 2, 3, 4, 5, 30]}
    assert run.frame("run#1/scale#1").input_state == {"x": 1}
    assert run.frame("run#1/inner_class#1").input_state == {"x": 1}


def test_a_bound_method_is_an_agent_that_can_be_resumed():
    robot = Robot(10)
    run = record(robot.run, {"q": 1})
    before = Robot.scaled
    resumed = run.resume(robot.run, "run#1/scale#2", state_overrides={"x": 7})
    assert resumed.result == {"q": 1, "values": [10, 2, 3, 4, 5, 70]}
    assert Robot.scaled == before + 1


def test_a_method_without_its_object_cannot_be_resumed_and_says_what_to_pass():
    run = record(Robot(10).run, {"q": 1})
    with pytest.raises(CannotResumeError, match=r"Pass it bound, as in my_object\.run"):
        run.resume(Robot.run, "run#1/scale#2")


def test_an_exception_is_recorded_with_its_traceback_and_raised_again():
    @step
    def fails(state):
        raise ValueError("no such plan")

    with VCRRecorder() as recorder:
        recorder.start_session("run")
        with pytest.raises(ValueError, match="no such plan"):
            fails({"a": 1})
    frame = Run().frame("fails#1")
    assert (frame.status, frame.metadata.error_type, frame.metadata.error_message) == (
        "error",
        "ValueError",
        "no such plan",
    )
    assert 'raise ValueError("no such plan")' in frame.metadata.traceback
    assert "agent_vcr_nb" not in frame.metadata.traceback


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2), {}), ((), {"y": 1}), ((1,), {"x": 2})],
    ids=["none", "two", "other", "twice"],
)
def test_a_wrong_call_raises_the_same_type_error_as_without_the_decorator(args, kwargs):
    def plain(x):
        return x

    with pytest.raises(TypeError) as expected:
        plain(*args, **kwargs)
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        with pytest.raises(TypeError) as found:
            step(plain)(*args, **kwargs)
    assert str(found.value) == str(expected.value)
    assert Run().keys == []


def test_a_wrong_call_of_an_async_step_raises_the_same_type_error():
    async def plain(x):
        return x

    with pytest.raises(TypeError) as expected:
        plain()
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        with pytest.raises(TypeError) as found:
            asyncio.run(step(plain)())
    assert str(found.value) == str(expected.value)


def test_the_input_is_recorded_as_it_was_before_the_step_changed_it():
    @step
    def mark(state):
        state["seen"] = True
        state["list"].append(1)
        return state

    frame = record(mark, {"list": []}).frame("mark#1")
    assert frame.input_state == {"list": []}
    assert frame.output_state == {"list": [1], "seen": True}


# ------------------------------------------------------------------------------------------------ resume, nested


def nested_agent(ran):
    @step
    def tool(x):
        ran.append(f"tool{x}")
        return x * 2

    @step
    def worker(x):
        ran.append(f"worker{x}")
        return tool(x) + tool(x + 1)

    @step
    def final(a, b):
        ran.append("final")
        return a + b

    @step
    def main(state):
        ran.append("main")
        return {**state, "sum": final(worker(1), worker(3))}

    return main


def test_a_resume_enters_the_ancestors_again_and_executes_nothing_that_had_ended(ran):
    main = nested_agent(ran)
    run = record(main, {"q": 1})
    ran.clear()
    resumed = run.resume(main, "main#1/worker#2/tool#2", state_overrides={"x": 100})
    assert ran == ["main", "worker3", "tool100", "final"]
    assert resumed.result == {"q": 1, "sum": (2 + 4) + (6 + 200)}


def test_what_ran_inside_a_served_step_stands_in_the_fork_as_replayed(ran):
    main = nested_agent(ran)
    run = record(main, {"q": 1})
    fork = Run(run.resume(main, "main#1/final#1").session_id)
    assert fork.keys == run.keys
    assert [frame.provenance for frame in fork.player.frames] == ["live"] + ["replayed"] * 6 + ["live"]
    assert [frame.parent for frame in fork.player.frames] == [frame.parent for frame in run.player.frames]
    assert fork.player.session.parent_session_id == "run"
    assert fork.player.session.forked_from_frame == 7


def test_a_fork_of_a_fork_of_a_fork_is_resumed_from_its_own_file(ran):
    main = nested_agent(ran)
    run = record(main, {"q": 1})
    one = Run(run.resume(main, "main#1/worker#1", state_overrides={"x": 5}).session_id)
    two = Run(one.resume(main, "main#1/worker#2", state_overrides={"x": 7}).session_id)
    ran.clear()
    three = two.resume(main, "main#1/final#1", state_overrides={"b": 1000})
    assert ran == ["main", "final"]
    assert three.result == {"q": 1, "sum": (10 + 12) + 1000}
    assert Run(three.session_id).player.session.parent_session_id == two.player.session_id


def test_an_agent_that_takes_nothing_is_called_with_nothing(ran):
    @step
    def first(x):
        ran.append("first")
        return x

    @step
    def second(x):
        ran.append("second")
        return x + 1

    def main():
        return second(first(1))

    run = record(main)
    ran.clear()
    assert run.resume(main, "second#1", state_overrides={"x": 5}).result == 6
    assert ran == ["second"]


def test_steps_in_a_loop_are_told_apart_by_their_occurrence(ran):
    @step
    def visit(page):
        ran.append(page)
        return page.upper()

    def crawl(state):
        return [visit(page) for page in "abcde"]

    run = record(crawl, {})
    ran.clear()
    assert run.resume(crawl, "visit#4", state_overrides={"page": "x"}).result == ["A", "B", "C", "X", "E"]
    assert ran == ["x", "e"]


# ------------------------------------------------------------------------------------------------ divergence


def two_steps(ran, first_input=1, order=("first", "second")):
    @step
    def first(x):
        ran.append("first")
        return x

    @step
    def second(x):
        ran.append("second")
        return x

    steps = {"first": first, "second": second}

    def agent(state):
        for name in order:
            steps[name](first_input)
        return "done"

    return agent


def test_a_changed_input_before_the_frame_is_named_with_frame_key_expected_found_and_next_step(ran):
    run = record(two_steps(ran), {})
    with pytest.raises(DivergedError) as caught:
        run.resume(two_steps(ran, first_input=2), "second#1")
    error = caught.value
    assert (error.session, error.frame, error.key) == ("run", 0, "first#1")
    assert error.expected == "input /x = 1"
    assert error.found == "2"
    assert "Resume at frame 0 or earlier" in str(error)
    assert ran == ["first", "second"]


def test_a_step_that_is_not_called_any_more_is_named(ran):
    run = record(two_steps(ran), {})
    ran.clear()
    with pytest.raises(DivergedError, match=r"run frame 0 \(first#1\): expected this step to be called before frame 1"):
        run.resume(two_steps(ran, order=("second",)), "second#1")
    assert ran == []


def test_a_step_that_was_not_recorded_is_named(ran):
    run = record(two_steps(ran, order=("second",)), {})
    ran.clear()
    with pytest.raises(DivergedError, match=r"step first#1: expected a step that was recorded before frame 0"):
        run.resume(two_steps(ran), "second#1")
    assert ran == []


def test_an_agent_that_never_comes_to_the_frame_is_told(ran):
    run = record(two_steps(ran), {})
    with pytest.raises(DivergedError, match="expected this step to be called, found the agent ended without it"):
        run.resume(two_steps(ran, order=("first",)), "second#1")


def test_a_changed_argument_of_a_step_around_the_frame_is_a_divergence(ran):
    @step
    def inner(x):
        ran.append("inner")
        return x

    def outer(mode):
        @step
        def around(mode):
            return inner(1)

        return around(mode)

    run = record(lambda state: outer("slow"), {})
    ran.clear()
    with pytest.raises(DivergedError, match=r'frame 0 \(around#1\): expected input /mode = "slow", found "fast"'):
        run.resume(lambda state: outer("fast"), "around#1/inner#1")
    assert ran == []


def test_a_divergence_that_the_agent_swallows_is_raised_at_the_end_and_nothing_more_is_executed(ran):
    @step
    def fetch(x):
        ran.append("fetch")
        return x

    @step
    def report(x):
        ran.append("report")
        return x

    def agent(value):
        def run(state):
            with contextlib.suppress(Exception):
                fetch(value)
            return report(1)

        return run

    run = record(agent(1), {})
    ran.clear()
    with pytest.raises(DivergedError, match="expected input /x = 1, found 2"):
        run.resume(agent(2), "report#1")
    assert ran == []


def test_keys_declared_volatile_may_differ(ran):
    ids = iter("abcdef")

    @step
    def ask(messages):
        ran.append("ask")
        return "answer"

    @step
    def end(x):
        return x

    def agent(state):
        return end(ask([{"id": next(ids), "text": "hello"}]))

    run = record(agent, {})
    with pytest.raises(DivergedError, match="/messages/0/id"):
        run.resume(agent, "end#1")
    assert run.resume(agent, "end#1", volatile=["id"]).result == "answer"


# ------------------------------------------------------------------------------------------------ errors before N


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


# ------------------------------------------------------------------------------------------------ the agent's own types


class Mood(enum.Enum):
    """An Enum of the agent."""

    GOOD = 1


@dataclasses.dataclass
class Order:
    """A dataclass of the agent."""

    item: str
    when: dt.date
    mood: Mood


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


class Connection:
    """Nothing that can be stored."""


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


# ------------------------------------------------------------------------------------------------ time, ids, chance


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


# ------------------------------------------------------------------------------------------------ async and threads


def gathered_agent(ran):
    """Two workers at the same time; the first one waits between its calls until the second one is done with its first.

    It waits only when it runs for the first time: on a resume it is ahead of the second one.
    """
    runs = []
    second_is_ahead = []

    @step
    async def llm(x):
        ran.append(f"llm{x}")
        return x * 10

    @step
    async def worker(x):
        one = await llm(x)
        if x == 3:
            second_is_ahead.append(True)
        while len(runs) == 1 and not second_is_ahead:
            await asyncio.sleep(0)
        return [one, await llm(x + 1)]

    @step
    async def final(values):
        ran.append("final")
        return values

    @step
    async def main(state):
        runs.append(True)
        values = await asyncio.gather(*[worker(x) for x in (1, 3)])
        return {"values": await final(values)}

    return main


def test_async_steps_in_gather_are_recorded_under_their_own_parents(ran):
    run = record(gathered_agent(ran), {})
    assert sorted(run.keys) == [
        "main#1",
        "main#1/final#1",
        "main#1/worker#1",
        "main#1/worker#1/llm#1",
        "main#1/worker#1/llm#2",
        "main#1/worker#2",
        "main#1/worker#2/llm#1",
        "main#1/worker#2/llm#2",
    ]
    assert run.frame("main#1/worker#2/llm#2").input_state == {"x": 4}


def test_an_async_agent_is_resumed_after_a_gather(ran):
    main = gathered_agent(ran)
    run = record(main, {})
    ran.clear()
    assert run.resume(main, "main#1/final#1").result == {"values": [[10, 20], [30, 40]]}
    assert ran == ["final"]


def test_what_had_ended_in_another_branch_of_a_gather_is_served_also_when_it_asks_later(ran):
    main = gathered_agent(ran)
    run = record(main, {})
    assert run.at("main#1/worker#2/llm#1") < run.at("main#1/worker#1/llm#2")
    ran.clear()
    resumed = run.resume(main, "main#1/worker#1/llm#2", state_overrides={"x": 9})
    assert resumed.result == {"values": [[10, 90], [30, 40]]}
    assert not {"llm1", "llm3"} & set(ran)


def test_concurrent_siblings_that_had_not_ended_run_again(ran):
    async def agent(state):
        slow_may_end = asyncio.Event()

        @step
        async def slow(x):
            ran.append("slow")
            await slow_may_end.wait()
            return "slow"

        @step
        async def quick(x):
            ran.append("quick")
            slow_may_end.set()
            return "quick"

        return await asyncio.gather(slow(1), quick(2))

    run = record(agent, {})
    ran.clear()
    resumed = run.resume(agent, "quick#1")
    assert resumed.result == ["slow", "quick"]
    assert sorted(ran) == ["quick", "slow"]


def test_flat_siblings_of_a_gather_resume_though_the_frame_is_asked_for_first(ran):
    runs = []

    @step
    async def call(x):
        ran.append(x)
        return x

    async def branch(xs, wait, tell):
        values = [await call(xs[0])]
        if len(runs) == 1:
            await wait.wait()
        values.append(await call(xs[1]))
        tell.set()
        return values

    async def agent(state):
        runs.append(True)
        at_once, one_is_over, end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        at_once.set()
        return await asyncio.gather(branch([5, 6], one_is_over, end), branch([1, 2], at_once, one_is_over))

    run = record(agent, {})
    assert [frame.input_state["x"] for frame in run.player.frames] == [5, 1, 2, 6]
    ran.clear()
    assert run.resume(agent, "call#4", state_overrides={"x": 60}).result == [[5, 60], [1, 2]]
    assert ran == [60]


def test_steps_in_a_task_group_are_recorded_and_its_exception_group_is_raised_again(ran):
    @step
    async def call(x):
        if x == 2:
            raise ValueError("two")
        return x

    @step
    async def many(xs):
        ran.append("many")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(x)) for x in xs]
        return [task.result() for task in tasks]

    @step
    async def end(told):
        return told

    async def agent(state):
        try:
            await many([1, 2])
        except* ValueError as group:
            told = str(group.exceptions[0])
        return await end(told)

    run = record(agent, {})
    assert run.keys == ["many#1", "many#1/call#1", "many#1/call#2", "end#1"]
    ran.clear()
    assert run.resume(agent, "end#1").result == "two"
    assert ran == []


def thread_agent(ran, *, copied):
    gate = threading.Barrier(3, timeout=10)

    @step
    def tool(x):
        ran.append(x)
        return x * 2

    def one(x):
        if not ran_before:
            gate.wait()
        return tool(x)

    ran_before = []

    @step
    def fan_out(xs):
        with ThreadPoolExecutor(3) as pool:
            if copied:
                futures = [pool.submit(contextvars.copy_context().run, one, x) for x in xs]
            else:
                futures = [pool.submit(one, x) for x in xs]
            values = [future.result() for future in futures]
        ran_before.append(True)
        return values

    @step
    def last(values):
        ran.append("last")
        return values

    @step
    def main(state):
        return {"values": last(fan_out([1, 2, 3]))}

    return main


@pytest.mark.parametrize("copied", [True, False])
def test_steps_in_threads_are_served_whether_or_not_the_context_was_copied(copied, ran):
    main = thread_agent(ran, copied=copied)
    run = record(main, {})
    tool = "main#1/fan_out#1/tool" if copied else "tool"
    assert {key for key in run.keys if "tool" in key} == {f"{tool}#1", f"{tool}#2", f"{tool}#3"}
    ran.clear()
    assert run.resume(main, "main#1/last#1").result == {"values": [2, 4, 6]}
    assert ran == ["last"]


def one_after_the_other(function, arguments):
    """Call a function in threads that all live at the same time, in this order; returns results by argument."""
    results, over = {}, threading.Event()
    turns = {x: (threading.Event(), threading.Event()) for x in arguments}

    def run(x):
        turns[x][0].wait(10)
        try:
            results[x] = function(x)
        finally:
            turns[x][1].set()
        over.wait(10)

    threads = [threading.Thread(target=run, args=(x,)) for x in arguments]
    for thread in threads:
        thread.start()
    for mine, done in turns.values():
        mine.set()
        done.wait(10)
    over.set()
    for thread in threads:
        thread.join()
    return results


def racing_agent(ran):
    """An agent whose threads come in another order when it runs for the second time."""
    orders = iter([[1, 2, 3], [3, 1, 2]])

    @step
    def tool(x):
        ran.append(x)
        return x * 2

    @step
    def last(values):
        return values

    def agent(state):
        values = one_after_the_other(tool, next(orders))
        return last([values[x] for x in (1, 2, 3)])

    return agent


def test_steps_of_one_name_that_race_in_threads_are_matched_by_their_input(ran):
    agent = racing_agent(ran)
    run = record(agent, {})
    ran.clear()
    assert run.resume(agent, "last#1").result == [2, 4, 6]
    assert ran == []


def test_the_edit_reaches_the_racing_step_that_was_meant_also_when_it_asks_first(ran):
    agent = racing_agent(ran)
    run = record(agent, {})
    assert run.frame("tool#3").input_state == {"x": 3}
    ran.clear()
    assert run.resume(agent, "tool#3", state_overrides={"x": 30}).result == [2, 4, 60]
    assert ran == [30]


def test_steps_inside_racing_steps_are_found_below_the_one_that_was_matched(ran):
    orders = iter([[1, 2], [2, 1]])

    @step
    def tool(x):
        ran.append(x)
        return [x, agent_vcr_nb.random()]

    @step
    def worker(x):
        return [agent_vcr_nb.random(), tool(x), tool(x + 10)]

    def agent(state):
        return one_after_the_other(worker, next(orders))

    run = record(agent, {})
    recorded = run.frame("worker#2").output_state["result"]
    ran.clear()
    resumed = run.resume(agent, "worker#2/tool#2").result
    assert ran == [12]
    assert resumed[2][:2] == recorded[:2]
    assert resumed[1] == run.frame("worker#1").output_state["result"]


def test_an_agent_in_a_thread_without_the_context_is_resumed_at_a_step_there(ran):
    main = thread_agent(ran, copied=False)
    run = record(main, {})
    number = next(n for n, frame in enumerate(run.player.frames) if frame.input_state == {"x": 2})
    ran.clear()
    resumed = resume(run.player.recording, main, ResumeConfig(number, state_overrides={"x": 20}))
    assert resumed.result == {"values": [2, 40, 6]}


# ------------------------------------------------------------------------------------------------ edits


def test_an_edit_of_named_arguments_is_called_with_them(ran):
    @step
    def mix(a, /, b, *rest, scale=1, **options):
        return [a, b, rest, scale, options]

    def agent(state):
        return mix(1, 2, 3, scale=4, unit="m")

    run = record(agent, {})
    patch = [{"op": "add", "path": "/options/size", "value": "xl"}]
    resumed = run.resume(agent, "mix#1", state_overrides={"a": 10, "rest": (7, 8), "scale": 5}, patch=patch)
    assert resumed.result == [10, 2, (7, 8), 5, {"unit": "m", "size": "xl"}]
    assert Run(resumed.session_id).frame("mix#1").provenance == "edited"
    assert Run(resumed.session_id).frame("mix#1").input_state["a"] == 10


@pytest.mark.parametrize(
    "edit",
    [
        {"state_overrides": {"speed": 1}},
        {"patch": [{"op": "remove", "path": "/b"}]},
        {"patch": [{"op": "replace", "path": "/nowhere/deep", "value": 1}]},
    ],
    ids=["unknown parameter", "removed parameter", "unknown path"],
)
def test_an_edit_that_does_not_fit_is_refused_before_anything_runs(edit, ran):
    @step
    def first(x):
        ran.append("first")
        return x

    @step
    def mix(a, b):
        return a

    def agent(state):
        ran.append("agent")
        return mix(first(1), 2)

    run = record(agent, {})
    ran.clear()
    with pytest.raises(EditError, match=r"a, b|'a', 'b'"):
        run.resume(agent, "mix#1", **edit)
    assert ran == []
    assert not (run.player.recording.path.parent / "run-fork1.vcr").exists()


def test_the_users_own_override_is_not_changed_by_the_agent():
    @step
    def grow(state):
        state["log"].append(1)
        return state

    override = {"log": []}
    run = record(lambda state: grow(state), {"log": [0]})
    assert run.resume(lambda state: grow(state), "grow#1", state_overrides=override).result == {"log": [1]}
    assert override == {"log": []}


# ------------------------------------------------------------------------------------------------ changes in place


class Memory:
    """An object of the agent that its steps change."""

    def __init__(self):
        self.messages, self.total, self.client = [], 0, Connection()

    @step
    def hear(self, text):
        self.messages.append({"role": "user", "text": text})
        self.total += 1
        return len(self.messages)

    @step
    def forget(self):
        self.messages.clear()
        self.last = "forgotten"

    @step
    def answer(self, n):
        return [n, self.total, [message["text"] for message in self.messages], getattr(self, "last", None)]


def test_what_a_method_changed_in_its_object_is_changed_again_when_it_is_served():
    def agent(state):
        memory = Memory()
        memory.hear("a")
        memory.forget()
        memory.hear("b")
        return memory.answer(memory.hear("c"))

    run = record(agent, {})
    assert run.resume(agent, "answer#1").result == [2, 3, ["b", "c"], "forgotten"]


def change_list(x):
    x.append(4)


def change_list_inside(x):
    x[0]["deep"]["er"] = True


def change_dict(x):
    x["new"] = 1
    del x["old"]
    x["list"].append("more")


def change_set(x):
    x.add(9)


def change_dataclass(x):
    x.item = "pencil"


def change_and_return_another(x):
    x["seen"] = True
    return {"other": 1}


def change_and_return_it(x):
    x["seen"] = True
    return x


def change_and_raise(x):
    x.append("before the error")
    raise ValueError("late")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (change_list, [1, 2]),
        (change_list_inside, [{"deep": {}}, 2]),
        (change_dict, {"old": 1, "list": ["some"], "a/b~c": 1}),
        (change_set, {1, 2}),
        (change_dataclass, Order("pen", dt.date(2026, 1, 31), Mood.GOOD)),
        (change_and_return_another, {"a": 1}),
        (change_and_return_it, {"a": 1, "rows": [1]}),
        (change_and_raise, []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("extra", [False, True], ids=["alone", "with another argument"])
def test_what_a_step_changed_in_its_argument_is_changed_again_when_it_is_served(change, value, extra, ran):
    import copy

    expected = copy.deepcopy(value)
    with contextlib.suppress(ValueError):
        change(expected)

    @step(name="change")
    def alone(x):
        ran.append("change")
        return change(x)

    @step(name="change")
    def with_another(x, more):
        ran.append("change")
        return change(x)

    @step
    def look(it, same):
        return it == expected and same

    def agent(state):
        mine = copy.deepcopy(value)
        same = change is not change_and_return_it or extra
        with contextlib.suppress(ValueError):
            returned = with_another(mine, 1) if extra else alone(mine)
            same = same or returned is mine
        return look(mine, same)

    run = record(agent, {})
    ran.clear()
    assert run.resume(agent, "look#1").result is True
    assert ran == []


def test_an_appended_message_costs_its_own_bytes_and_not_those_of_the_whole_list():
    @step
    def say(messages, text):
        messages.append(text * 1000)

    def agent(state):
        messages = []
        for letter in "abcdefghijklmnopqrst":
            say(messages, letter)

    size = record(agent, {}).player.recording.path.stat().st_size
    assert size < 3 * 20 * 1000 + 20 * 1000


def test_what_two_steps_put_into_one_list_at_the_same_time_stands_there_once_when_they_are_served(ran):
    class Shelf:
        def __init__(self):
            self.items = []

        @step
        async def put(self, x):
            await asyncio.sleep(0)
            self.items.append(x)
            await asyncio.sleep(0)
            ran.append(x)

    @step
    async def look(items):
        return items

    async def agent(state):
        shelf = Shelf()
        await asyncio.gather(shelf.put(1), shelf.put(2))
        return await look(shelf.items)

    run = record(agent, {})
    ran.clear()
    assert run.resume(agent, "look#1").result == [1, 2]
    assert ran == []
