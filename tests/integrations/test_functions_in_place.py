"""Plain functions with @step that change their arguments and their object in place."""

import asyncio
import contextlib
import copy
import datetime as dt

import pytest

from agent_vcr_nb import step
from tests.integrations.recorded import Connection, Mood, Order, Run, record


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the step bodies that were really executed."""
    return []


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


def test_a_list_that_two_states_share_is_shared_again_when_the_step_between_them_is_served(ran):
    @step
    def plan(state):
        return {**state, "plan": "p", "notes": list(state["notes"])}

    @step
    def pick(state):
        return state["messages"]

    @step
    def copied(state):
        return list(state["messages"])

    @step
    def act(state):
        ran.append("act")
        return state["messages"] + state["notes"]

    def agent(state):
        mine = state["messages"]
        planned = plan(state)
        mine.append("mine")
        pick(state).append("picked")
        copied(state).append("not in the original")
        state["notes"].append("not in the copy")
        return act(planned)

    run = record(agent, {"messages": ["first"], "notes": ["noted"]})
    assert run.frame("act#1").output_state == {"result": ["first", "mine", "picked", "noted"]}
    assert run.resume(agent, "act#1").result == ["first", "mine", "picked", "noted"]
    assert ran == ["act", "act"]


def test_what_a_step_changed_in_its_edited_input_is_not_changed_in_its_caller_s_when_it_is_served():
    @step
    def same(state):
        state["seen"] = True
        state["log"].append("same")
        return state

    @step
    def end(state):
        return {"end": sorted(state), "log": state["log"]}

    @step
    def agent(state):
        same(state)
        return end(state)

    run = record(agent, {"log": []})
    edited = run.resume(agent, "agent#1/same#1", state_overrides={"plan": "edited"}, new_session_id="edited")
    assert edited.result == {"end": ["log"], "log": ["same"]}
    assert Run("edited").resume(agent, "agent#1/end#1").result == edited.result
