"""Plain functions with @step: what is recorded of a call."""

import asyncio
import functools

import pytest

from agent_vcr_nb import VCRRecorder, step
from agent_vcr_nb.core.errors import CannotResumeError, UsageError
from tests.integrations.recorded import Run, record


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the step bodies that were really executed."""
    return []


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


def test_what_has_no_one_result_is_refused_with_what_to_decorate_instead():
    async def stream():
        yield 1

    class Thing:
        pass

    for wrong, advice in (
        (stream, "the generator stream: a step has one result"),
        (functools.partial(stream), "the generator stream: a step has one result"),
        (Thing, "the class Thing: decorate the methods"),
        (property(lambda self: 1), "a property: expected a function. Put @step nearest to the def"),
        (max, "max: Python does not know its parameters"),
    ):
        with pytest.raises(UsageError, match=advice):
            step(wrong)


def test_a_partial_and_an_object_that_can_be_called_are_steps_of_their_own_names():
    def search(query, limit, depth=1):
        return f"{limit} pages about {query}"

    class Writer:
        async def __call__(self, state):
            return {**state, "written": True}

    few, write = step(functools.partial(search, limit=3)), step(Writer())

    async def agent():
        return await write({"found": few("cats")})

    run = record(agent)
    assert run.keys == ["search#1", "Writer#1"]
    assert run.frame("search#1").input_state == {"query": "cats", "limit": 3, "depth": 1}
    assert run.frame("search#1").output_state == {"result": "3 pages about cats"}
    assert run.frame("Writer#1").output_state == {"found": "3 pages about cats", "written": True}


def test_a_step_whose_decorator_hides_that_it_is_awaited_is_recorded_when_it_has_been_awaited(ran):
    def logged(function):
        @functools.wraps(function)
        def call(*args):
            return function(*args)

        return call

    @step
    async def inner(n):
        return n + 1

    @step
    @logged
    async def fetch(n):
        ran.append(n)
        await asyncio.sleep(0)
        if n < 0:
            raise ValueError("negative")
        return {"page": await inner(n)}

    async def agent():
        first = await fetch(1)
        try:
            await fetch(-1)
        except ValueError as error:
            return [first, str(error), await fetch(3)]

    run = record(agent)
    assert run.keys == ["fetch#1", "fetch#1/inner#1", "fetch#2", "fetch#3", "fetch#3/inner#1"]
    assert run.frame("fetch#1").output_state == {"page": 2}
    assert run.frame("fetch#2").metadata.error_message == "negative"
    ran.clear()
    outcome = run.resume(agent, "fetch#3")
    assert (outcome.result, ran) == ([{"page": 2}, "negative", {"page": 4}], [3])
    assert run.resume(agent, "fetch#1", mode="mock", inject_mocks={"fetch": {"page": 0}}).result is None


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
