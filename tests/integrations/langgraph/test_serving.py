"""REPLAY, MOCK, skipped nodes, and a resume at a call of a model or a tool inside a node."""

import asyncio
import operator
from typing import Annotated, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from agent_vcr_nb import step
from agent_vcr_nb.core.errors import DivergedError
from agent_vcr_nb.core.frame import Provenance
from tests.integrations.langgraph import graphs
from tests.integrations.langgraph.conftest import keys, number_of
from tests.integrations.langgraph.graphs import CALLS, chain
from tests.integrations.langgraph.test_resuming import RESULT, WORKERS, told


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


@pytest.fixture
def whole(lab):
    return lab.record(graphs.builder().compile().ainvoke({"topic": "cats"}))


def test_a_replay_from_the_first_frame_runs_nothing_and_ends_the_same(lab, whole):
    outcome, fork = lab.resume(whole, graphs.builder().compile(), 0, mode="replay")
    assert CALLS == []
    assert told(outcome.result) == RESULT
    assert sorted(keys(fork)) == sorted(keys(whole))
    assert {frame.provenance for frame in fork.frames if "/" not in frame.key} == {Provenance.REPLAYED}


def test_a_replay_from_the_middle_runs_nothing(lab, whole):
    outcome, _ = lab.resume(whole, graphs.builder().compile(), number_of(whole, "tools#1"), mode="replay")
    assert CALLS == []
    assert told(outcome.result) == RESULT


def test_a_replay_with_an_edit_runs_what_comes_after_it(lab, whole):
    number = number_of(whole, "flaky#1")
    outcome, _ = lab.resume(whole, graphs.graph, number, mode="replay", state_overrides={"draft": "mine"})
    assert CALLS == ["flaky", "final"]
    assert outcome.result["draft"] == "MINE"


def test_a_mocked_node_does_not_run_and_edges_and_reducers_stay_live(lab, whole):
    mocks = {
        "research": {"log": ["mocked"], "total": 5},
        "agent": lambda state: {"messages": [AIMessage("no tool")]},
        "outline": {"draft": "mocked draft"},
    }
    outcome, fork = lab.resume(whole, graphs.builder().compile(), 0, mode="mock", inject_mocks=mocks)
    assert ["plan", "ra", "rb", "rc", "aggregate", "write", *WORKERS, "flaky", "final"] == CALLS
    assert outcome.result["log"][:2] == ["plan", "mocked"]
    assert outcome.result["total"] == 1 + 5 + 30 + 100 + 3000
    assert outcome.result["draft"] == "MOCKED DRAFT, WRITTEN"
    mocked = fork.get_frame(number_of(fork, "research#1"))
    assert (mocked.provenance, mocked.update) == (Provenance.MOCKED, {"log": ["mocked"], "total": 5})
    assert mocked.output_state["log"] == ["plan", "mocked"]


def test_a_mocked_error_is_raised_in_the_node(lab, whole):
    mocks = {"research": TimeoutError("no research")}
    outcome, fork = lab.resume(whole, graphs.graph, 1, mode="mock", inject_mocks=mocks)
    assert repr(outcome.error) == "TimeoutError('no research')"
    assert CALLS == []
    assert [frame.key for frame in fork.get_errors()] == ["research#1"]


def test_a_mocked_model_and_a_mocked_tool_do_not_run(lab, whole):
    outcome, _ = lab.resume(whole, graphs.graph, number_of(whole, "tools#1"), mode="mock", inject_mocks={"add": 1000})
    assert CALLS[:3] == ["agent", "llm", "outline"]
    assert outcome.result["messages"][-1].content == "the sum is 1000"
    CALLS.clear()
    outcome, fork = lab.resume(
        whole, graphs.graph, number_of(whole, "agent#1"), mode="mock", inject_mocks={"llm": AIMessage("nothing to add")}
    )
    assert CALLS[:2] == ["agent", "outline"]
    assert fork.get_frame(number_of(fork, "agent#1/llm#1")).provenance is Provenance.MOCKED


def test_a_skipped_node_returns_what_was_recorded(lab, whole):
    number = number_of(whole, "aggregate#1")
    outcome, _ = lab.resume(whole, graphs.graph, number, skip_nodes=["agent", "worker"])
    assert CALLS == ["aggregate", "add", "outline", "write", "flaky", "final"]
    assert told(outcome.result) == RESULT


def test_the_graph_is_as_it_was_after_a_mocked_resume(lab, whole):
    graph = graphs.builder().compile()
    nodes = dict(graph.nodes)
    lab.resume(whole, graph, 0, mode="mock", inject_mocks={"research": {}})
    assert graph.nodes == nodes


# ------------------------------------------------------------------------------------------------ inside a node


@tool
def lookup(word: str) -> str:
    """Look a word up."""
    CALLS.append(f"lookup {word}")
    return f"meaning of {word}"


class Echo(graphs.Scripted):
    def _generate(self, messages, stop=None, run_manager=None, **options):
        from langchain_core.outputs import ChatGeneration, ChatResult

        CALLS.append(f"model {messages[-1].content}")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(f"echo {messages[-1].content}"))])


@step
def count(text):
    CALLS.append("count")
    return len(text)


def think(state):
    CALLS.append("think")
    one = Echo().invoke([HumanMessage("a")]).content
    two = lookup.invoke({"word": one})
    size = count(two)
    three = "".join(part.content for part in Echo().stream([HumanMessage(two)]))
    return {"log": [one, two, three], "n": size}


async def athink(state):
    CALLS.append("think")
    one = (await Echo().ainvoke([HumanMessage("a")])).content
    two = await lookup.ainvoke({"word": one})
    size = count(two)
    parts = [part.content async for part in Echo().astream([HumanMessage(two)])]
    return {"log": [one, two, "".join(parts)], "n": size}


THOUGHT = ["echo a", "meaning of echo a", "echo meaning of echo a"]
INSIDE = {
    "llm#1": ["think", "model a", "lookup echo a", "count", "model meaning of echo a"],
    "lookup#1": ["think", "lookup echo a", "count", "model meaning of echo a"],
    "count#1": ["think", "count", "model meaning of echo a"],
    "llm#2": ["think", "model meaning of echo a"],
}


def thinking(node):
    return chain(start, node, state=Log)


def start(state):
    CALLS.append("start")
    return {"log": []}


def recorded_thought(lab, node):
    graph = thinking(node)
    player = lab.record(
        graph.ainvoke({"n": 0}) if asyncio.iscoroutinefunction(node) else lambda: graph.invoke({"n": 0})
    )
    assert lab.error is None
    assert lab.result == {"n": 17, "log": THOUGHT}
    return graph, player


@pytest.mark.parametrize("node", [think, athink])
@pytest.mark.parametrize("inside", INSIDE)
def test_resuming_at_a_call_inside_a_node_serves_the_calls_before_it(lab, node, inside):
    graph, player = recorded_thought(lab, node)
    outcome, fork = lab.resume(player, graph, number_of(player, f"{node.__name__}#1/{inside}"))
    assert INSIDE[inside] == CALLS
    assert outcome.error is None
    assert outcome.result == {"n": 17, "log": THOUGHT}
    assert keys(fork) == keys(player)


@pytest.mark.parametrize("node", [think, athink])
def test_the_messages_of_a_model_call_can_be_edited(lab, node):
    graph, player = recorded_thought(lab, node)
    patch = [{"op": "replace", "path": "/messages/0/v/content", "value": "edited"}]
    outcome, fork = lab.resume(player, graph, number_of(player, f"{node.__name__}#1/llm#2"), patch=patch)
    assert CALLS == ["think", "model edited"]
    assert outcome.result["log"][-1] == "echo edited"
    assert fork.get_frame(number_of(fork, f"{node.__name__}#1/llm#2")).provenance is Provenance.EDITED


@pytest.mark.parametrize("node", [think, athink])
def test_the_arguments_of_a_tool_can_be_edited_at_its_own_frame(lab, node):
    graph, player = recorded_thought(lab, node)
    number = number_of(player, f"{node.__name__}#1/lookup#1")
    outcome, _ = lab.resume(player, graph, number, state_overrides={"word": "edited"})
    assert CALLS == ["think", "lookup edited", "count", "model meaning of edited"]
    assert outcome.result["log"][1] == "meaning of edited"


def test_a_tool_that_a_tool_node_calls_is_resumed_with_edited_arguments(lab, whole):
    number = number_of(whole, "tools#1/add#1")
    outcome, _ = lab.resume(whole, graphs.graph, number, state_overrides={"a": 40})
    assert CALLS[:3] == ["add", "agent", "llm"]
    assert outcome.result["messages"][-1].content == "the sum is 43"


def test_a_node_that_changed_before_the_call_is_a_divergence_and_the_call_does_not_run(lab):
    _, player = recorded_thought(lab, think)

    def changed(state):
        Echo().invoke([HumanMessage("something else")])
        return {}

    changed.__name__ = "think"
    with pytest.raises(DivergedError, match="expected input /messages/0/v/content"):
        lab.resume(player, thinking(changed), number_of(player, "think#1/llm#2"))
    assert CALLS == []
