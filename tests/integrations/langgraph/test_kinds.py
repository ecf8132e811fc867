"""What else a graph can be made of: questions to the user, retries, caches, tasks, agents, delta channels."""

import asyncio
import inspect
import operator
from typing import Annotated, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langgraph import channels
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.pregel._loop import PregelLoop
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt

from agent_vcr_nb.core.errors import EditError
from agent_vcr_nb.core.frame import Status
from tests.integrations.langgraph import graphs
from tests.integrations.langgraph.conftest import keys, number_of
from tests.integrations.langgraph.graphs import CALLS, chain


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def first(state):
    CALLS.append("first")
    return {"log": ["first"]}


def last(state):
    CALLS.append("last")
    return {"log": ["last"]}


# ------------------------------------------------------------------------------------------------ interrupt


def ask(state):
    CALLS.append("ask")
    return {"log": [f"answer {interrupt({'question': 'go on?'})}"]}


THREAD = {"configurable": {"thread_id": "mine"}}


def asked_and_answered(lab, **compile_options):
    graph = chain(first, ask, last, state=Log, checkpointer=InMemorySaver(), **compile_options)

    def run():
        graph.invoke({"n": 1}, THREAD)
        graph.invoke(Command(resume="yes"), THREAD)

    return graph, lab.record(run)


def test_a_question_to_the_user_is_shown_with_its_node_and_the_answered_run_is_another_frame(lab):
    _graph, player = asked_and_answered(lab)
    assert lab.error is None
    assert keys(player) == ["first#1", "ask#1", "ask#2", "last#1"]
    question, answered = player.get_frame(1), player.get_frame(2)
    assert question.status is Status.OK
    assert question.metadata.custom["interrupts"] == [{"question": "go on?"}]
    assert question.output_state == question.input_state
    assert answered.update == {"log": ["answer yes"]}


def test_the_users_saver_holds_the_same_with_and_without_recording(lab):
    def history(graph):
        return [(s.values, s.next, s.metadata["step"], s.metadata["source"]) for s in graph.get_state_history(THREAD)]

    plain = chain(first, ask, last, state=Log, checkpointer=InMemorySaver())
    plain.invoke({"n": 1}, THREAD)
    plain.invoke(Command(resume="yes"), THREAD)
    recorded, _ = asked_and_answered(lab)
    assert history(recorded) == history(plain)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_users_durability_decides_what_the_users_saver_gets(lab, durability, asynchronous):
    def saved(record):
        graph = chain(first, ask, last, state=Log, checkpointer=InMemorySaver())

        async def arun():
            await graph.ainvoke({"n": 1}, THREAD, durability=durability)
            await graph.ainvoke(Command(resume="yes"), THREAD, durability=durability)

        def run():
            graph.invoke({"n": 1}, THREAD, durability=durability)
            graph.invoke(Command(resume="yes"), THREAD, durability=durability)

        if record:
            player = lab.record(arun() if asynchronous else run)
            assert lab.error is None
            assert keys(player) == ["first#1", "ask#1", "ask#2", "last#1"]
        else:
            asyncio.run(arun()) if asynchronous else run()
        return [(s.values, s.next, s.metadata["step"]) for s in graph.get_state_history(THREAD)]

    assert saved(record=True) == saved(record=False)


def test_resuming_at_the_answered_question_gives_the_recorded_answer(lab):
    graph, player = asked_and_answered(lab)
    outcome, _ = lab.resume(player, graph, 2, state_overrides={"log": ["edited"]})
    assert CALLS == ["ask", "last"]
    assert outcome.result["log"] == ["edited", "answer yes", "last"]


def test_resuming_at_the_question_asks_again_and_leaves_the_users_thread_alone(lab):
    graph, player = asked_and_answered(lab)
    before = graph.get_state(THREAD)
    outcome, fork = lab.resume(player, graph, 1)
    assert CALLS == ["ask"]
    assert outcome.result["__interrupt__"][0].value == {"question": "go on?"}
    assert keys(fork) == ["first#1", "ask#1"]
    assert graph.get_state(THREAD) == before


def test_resuming_after_the_question_goes_on(lab):
    graph, player = asked_and_answered(lab)
    outcome, _ = lab.resume(player, graph, 3)
    assert CALLS == ["last"]
    assert outcome.result["log"] == ["first", "answer yes", "last"]


def test_a_second_turn_on_the_same_thread_is_resumed_on_what_the_first_one_left(lab):
    graph = chain(first, last, state=Log, checkpointer=InMemorySaver())

    def run():
        graph.invoke({"n": 1}, THREAD)
        graph.invoke({"n": 2}, THREAD)

    player = lab.record(run)
    assert keys(player) == ["first#1", "last#1", "first#2", "last#2"]
    outcome, _ = lab.resume(player, graph, 3)
    assert CALLS == ["last"]
    assert outcome.result == {"n": 2, "log": ["first", "last", "first", "last"]}


def test_a_question_beside_a_finished_sibling_is_answered_without_running_the_sibling_again(lab):
    builder = StateGraph(Log)
    builder.add_node(first)
    builder.add_node(ask)
    builder.add_node(last)
    builder.add_edge(START, "first")
    builder.add_edge(START, "ask")
    builder.add_edge(["first", "ask"], "last")
    graph = builder.compile(checkpointer=InMemorySaver())

    def run():
        graph.invoke({"n": 1}, THREAD)
        graph.invoke(Command(resume="yes"), THREAD)

    player = lab.record(run)
    assert keys(player)[2:] == ["ask#2", "last#1"]
    outcome, _ = lab.resume(player, graph, 2)
    assert CALLS == ["ask", "last"]
    assert sorted(outcome.result["log"]) == ["answer yes", "first", "last"]


def test_a_question_in_a_subgraph_is_answered_and_resumed(lab):
    builder = StateGraph(Log)
    builder.add_node("team", chain(first, ask, state=Log))
    builder.add_node(last)
    builder.add_edge(START, "team")
    builder.add_edge("team", "last")
    graph = builder.compile(checkpointer=InMemorySaver())

    def run():
        graph.invoke({"n": 1}, THREAD)
        graph.invoke(Command(resume="yes"), THREAD)

    player = lab.record(run)
    assert lab.error is None
    assert keys(player) == ["team#1", "team#1/first#1", "team#1/ask#1", "team#2", "team#2/ask#1", "last#1"]
    outcome, _ = lab.resume(player, graph, 4)
    assert CALLS == ["ask", "last"]
    assert outcome.result["log"] == ["first", "answer yes", "last"]


# ------------------------------------------------------------------------------------------------ retries, caches


class Flaky:
    """Fails twice, then succeeds."""

    def __init__(self):
        self.calls = 0

    def __call__(self, state):
        self.calls += 1
        CALLS.append("flaky")
        if self.calls < 3:
            raise ConnectionError(f"no line ({self.calls})")
        return {"log": ["flaky"]}


def with_retries(node):
    builder = StateGraph(Log)
    builder.add_node(first)
    policy = RetryPolicy(initial_interval=0.001, max_attempts=3, jitter=False)
    builder.add_node("flaky", node, retry_policy=policy)
    builder.add_node(last)
    builder.add_edge(START, "first")
    builder.add_edge("first", "flaky")
    builder.add_edge("flaky", "last")
    return builder.compile()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_retries_are_one_frame_with_the_attempts_that_failed(lab, asynchronous):
    graph = with_retries(Flaky())
    player = lab.record(graph.ainvoke({"n": 1}) if asynchronous else lambda: graph.invoke({"n": 1}))
    assert keys(player) == ["first#1", "flaky#1", "last#1"]
    frame = player.get_frame(1)
    assert frame.status is Status.OK
    assert [a["error_message"] for a in frame.metadata.custom["attempts"]] == ["no line (1)", "no line (2)"]
    lab.resume(player, with_retries(Flaky()), 1)
    assert CALLS == ["flaky", "flaky", "flaky", "last"]


def test_a_subgraph_that_is_retried_starts_from_its_input_as_it_does_unrecorded(lab):
    flaky = Flaky()
    inner = chain(first, flaky_node(flaky), state=Log)
    graph = with_retries(inner)
    lab.record(lambda: graph.invoke({"n": 1}))
    assert lab.error is None
    assert lab.result["log"] == ["first", "first", "first", "flaky", "last"]


def flaky_node(flaky):
    def broken(state):
        return flaky(state)

    return broken


@pytest.mark.skipif(
    "cached" not in inspect.signature(PregelLoop.put_writes).parameters,
    reason="this release of LangGraph does not tell its saver of a cached result",
)
def test_a_node_whose_result_came_from_a_cache_is_a_frame_that_says_so(lab):
    builder = StateGraph(Log)
    builder.add_node("cached", first, cache_policy=CachePolicy())
    builder.add_node(last)
    builder.add_edge(START, "cached")
    builder.add_edge("cached", "last")
    graph = builder.compile(cache=InMemoryCache())

    def run():
        graph.invoke({"n": 1})
        graph.invoke({"n": 1})

    player = lab.record(run)
    assert keys(player) == ["cached#1", "last#1", "cached#2", "last#2"]
    assert [f.metadata.custom.get("cached") for f in player.frames] == [None, None, True, None]
    assert player.get_frame(2).update == {"log": ["first"]}
    assert player.get_frame(2).output_state == {"n": 1, "log": ["first"]}
    outcome, _ = lab.resume(player, graph, 3)
    assert CALLS == ["last"]
    assert outcome.result["log"] == ["first", "last"]


# ------------------------------------------------------------------------------------------------ functional API


@task
def square(n):
    CALLS.append(f"square {n}")
    return n * n


@entrypoint()
def squares(numbers):
    CALLS.append("squares")
    waiting = [square(n) for n in numbers]
    return sum(future.result() for future in waiting) + square(10).result()


def test_tasks_of_an_entrypoint_are_frames_inside_it_with_arguments_and_result(lab):
    player = lab.record(lambda: squares.invoke([1, 2]))
    assert lab.result == 105
    assert sorted(keys(player)) == ["squares#1", "squares#1/square#1", "squares#1/square#2", "squares#1/square#3"]
    third = player.get_frame(number_of(player, "squares#1/square#3"))
    assert (third.input_state, third.output_state) == ({"n": 10}, {"result": 100})
    assert player.get_frame(0).input_state == {"input": [1, 2]}


def test_resuming_at_a_task_runs_its_caller_again_and_serves_the_tasks_before(lab):
    player = lab.record(lambda: squares.invoke([1, 2]))
    outcome, fork = lab.resume(player, squares, number_of(player, "squares#1/square#3"))
    assert CALLS == ["squares", "square 10"]
    assert outcome.result == 105
    assert sorted(keys(fork)) == sorted(keys(player))


def test_resuming_at_an_entrypoint_takes_an_edited_input(lab):
    player = lab.record(lambda: squares.invoke([1, 2]))
    outcome, _ = lab.resume(player, squares, 0, state_overrides={"input": [3]})
    assert CALLS == ["squares", "square 3", "square 10"]
    assert outcome.result == 109


def test_the_arguments_of_a_task_come_from_its_caller_and_an_edit_of_them_is_refused(lab):
    player = lab.record(lambda: squares.invoke([1, 2]))
    with pytest.raises(EditError, match="edit the state of frame 0"):
        lab.resume(player, squares, number_of(player, "squares#1/square#3"), state_overrides={"n": 1})
    assert CALLS == []


def test_an_async_entrypoint_is_recorded_and_resumed(lab):
    @task
    async def cube(n):
        CALLS.append(f"cube {n}")
        return n**3

    @entrypoint()
    async def cubes(numbers):
        return sum(await asyncio.gather(*(cube(n) for n in numbers)))

    player = lab.record(cubes.ainvoke([1, 2, 3]))
    outcome, _ = lab.resume(player, cubes, number_of(player, "cubes#1/cube#3"))
    assert CALLS == ["cube 3"]
    assert outcome.result == 36


# ------------------------------------------------------------------------------------------------ agents


class Counting(AgentMiddleware):
    def before_model(self, state, runtime):
        CALLS.append("before_model")

    def wrap_tool_call(self, request, handler):
        CALLS.append("wrap_tool_call")
        return handler(request)

    async def awrap_tool_call(self, request, handler):
        CALLS.append("wrap_tool_call")
        return await handler(request)


def calculator():
    return create_agent(graphs.Scripted(), [graphs.add], middleware=[Counting()], system_prompt="Be brief.")


QUESTION = {"messages": [("user", "add 2 and 3")]}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_agent_of_langchain_is_recorded_with_middleware_model_and_tools(lab, asynchronous):
    agent = calculator()
    player = lab.record(agent.ainvoke(QUESTION) if asynchronous else lambda: agent.invoke(QUESTION))
    assert lab.error is None
    assert keys(player) == [
        "Counting.before_model#1",
        "model#1",
        "model#1/llm#1",
        "tools#1",
        "tools#1/add#1",
        "Counting.before_model#2",
        "model#2",
        "model#2/llm#1",
    ]


@pytest.mark.parametrize(
    ("key", "ran"),
    [
        ("Counting.before_model#1", ["before_model", "llm", "wrap_tool_call", "add", "before_model", "llm"]),
        ("model#1", ["llm", "wrap_tool_call", "add", "before_model", "llm"]),
        ("tools#1", ["wrap_tool_call", "add", "before_model", "llm"]),
        ("Counting.before_model#2", ["before_model", "llm"]),
        ("model#2", ["llm"]),
    ],
)
def test_an_agent_of_langchain_is_resumed_before_each_of_its_nodes(lab, key, ran):
    player = lab.record(lambda: calculator().invoke(QUESTION))
    outcome, _ = lab.resume(player, calculator(), number_of(player, key))
    assert ran == CALLS
    assert outcome.result["messages"][-1].content == "the sum is 5"


# ------------------------------------------------------------------------------------------------ state


@pytest.mark.skipif(not hasattr(channels, "DeltaChannel"), reason="this release of LangGraph has no DeltaChannel")
def test_a_delta_channel_keeps_its_history(lab):
    delta = channels.DeltaChannel

    def concatenated(state, writes):
        return (state or []) + [item for write in writes for item in write]

    class Delta(TypedDict, total=False):
        log: Annotated[list, delta(concatenated)]

    def nodes():
        def one(state):
            CALLS.append("one")
            return {"log": [1]}

        def two(state):
            CALLS.append("two")
            return {"log": [2]}

        def three(state):
            CALLS.append("three")
            return {"log": [3]}

        return one, two, three

    graph = chain(*nodes(), state=Delta)
    player = lab.record(lambda: graph.invoke({"log": [0]}))
    assert [f.output_state for f in player.frames] == [{"log": [0, 1]}, {"log": [0, 1, 2]}, {"log": [0, 1, 2, 3]}]
    outcome, fork = lab.resume(player, graph, 1)
    assert CALLS == ["two", "three"]
    assert outcome.result == {"log": [0, 1, 2, 3]}
    outcome, _ = lab.resume(fork, graph, 2, state_overrides={"log": ["edited"]})
    assert outcome.result == {"log": ["edited", 3]}


def test_a_pydantic_state_is_recorded_and_resumed(lab):
    from pydantic import BaseModel

    class Model(BaseModel):
        n: int = 0
        log: Annotated[list, operator.add] = []

    def up(state: Model):
        CALLS.append("up")
        return {"n": state.n + 1, "log": ["up"]}

    def again(state: Model):
        CALLS.append("again")
        return Command(goto="up" if state.n < 3 else "__end__", update={"log": ["again"]})

    builder = StateGraph(Model)
    builder.add_node(up)
    builder.add_node(again, destinations=("up", "__end__"))
    builder.add_edge(START, "up")
    builder.add_edge("up", "again")
    graph = builder.compile()
    player = lab.record(lambda: graph.invoke({"n": 0}))
    assert keys(player) == ["up#1", "again#1", "up#2", "again#2", "up#3", "again#3"]
    outcome, fork = lab.resume(player, graph, 3, state_overrides={"n": 10})
    assert CALLS == ["again"]
    assert outcome.result == {"n": 10, "log": ["up", "again", "up", "again"]}
    assert keys(fork) == ["up#1", "again#1", "up#2", "again#2"]


def test_a_send_from_the_start_is_resumed_without_a_frame_before_it(lab):
    def work(state):
        CALLS.append(f"work {state['n']}")
        return {"log": [state["n"]]}

    builder = StateGraph(Log)
    builder.add_node(work)
    builder.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in (1, 2, 3)], ["work"])
    graph = builder.compile()
    player = lab.record(lambda: graph.invoke({"n": 9, "log": [0]}, {"max_concurrency": 1}))
    outcome, _ = lab.resume(player, graph, number_of(player, "work#2"))
    assert CALLS == ["work 2", "work 3"]
    assert outcome.result == {"n": 9, "log": [0, 1, 2, 3]}


def test_a_command_that_leaves_a_subgraph_is_kept_as_what_the_node_returned(lab):
    def leave(state):
        CALLS.append("leave")
        return Command(goto="last", update={"log": ["left"]}, graph=Command.PARENT)

    builder = StateGraph(Log)
    builder.add_node("team", chain(first, leave, state=Log), destinations=("last",))
    builder.add_node(last)
    builder.add_edge(START, "team")
    graph = builder.compile()
    player = lab.record(lambda: graph.invoke({"n": 1}))
    assert lab.result["log"] == ["left", "last"]
    assert keys(player) == ["team#1", "team#1/first#1", "team#1/leave#1", "last#1"]
    assert {f.status for f in player.frames} == {Status.OK}
    outcome, _ = lab.resume(player, graph, 2)
    assert CALLS == ["leave", "last"]
    assert outcome.result["log"] == ["left", "last"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_when_a_sibling_fails_those_that_finished_are_not_run_again(lab, asynchronous):
    fails = [True]

    def bad(state):
        CALLS.append("bad")
        if fails[0]:
            raise ValueError("bad")
        return {"log": ["bad"]}

    def a(state):
        CALLS.append("a")
        return {"log": ["a"]}

    builder = StateGraph(Log)
    builder.add_node(a)
    builder.add_node(bad)
    builder.add_node(last)
    builder.add_edge(START, "a")
    builder.add_edge(START, "bad")
    builder.add_edge(["a", "bad"], "last")
    graph = builder.compile()
    config = {"max_concurrency": 1}
    player = lab.record(graph.ainvoke({"n": 1}, config) if asynchronous else lambda: graph.invoke({"n": 1}, config))
    assert [(f.key, f.status) for f in player.frames] == [("a#1", Status.OK), ("bad#1", Status.ERROR)]
    assert player.get_frame(0).metadata.custom["applied"] is False
    fails[0] = False
    outcome, fork = lab.resume(player, graph, 1)
    assert CALLS == ["bad", "last"]
    assert outcome.result["log"] == ["a", "bad", "last"]
    assert keys(fork) == ["a#1", "bad#1", "last#1"]


def test_a_node_that_calls_graphs_is_resumed_inside_the_second_one_without_running_the_first(lab):
    inner = chain(first, last, state=Log)

    def outer(state):
        CALLS.append("outer")
        one = inner.invoke({"n": 1})
        two = inner.invoke({"n": 2})
        return {"log": [*one["log"], *two["log"]]}

    graph = chain(outer, state=Log)
    player = lab.record(lambda: graph.invoke({"n": 0}))
    outcome, _ = lab.resume(player, graph, number_of(player, "outer#1/last#2"))
    assert CALLS == ["outer", "last"]
    assert outcome.result["log"] == ["first", "last", "first", "last"]
