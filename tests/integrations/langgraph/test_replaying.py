"""Ghost replay of graphs: nodes, models and tools are served, edges and reducers run again."""

import operator
from typing import Annotated, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from agent_vcr_nb import ResumeConfig, VCRPlayer, step
from agent_vcr_nb.core.errors import CannotResumeError, StaleRecordingError, UsageError
from agent_vcr_nb.core.ghost import replay
from tests.integrations.langgraph import graphs
from tests.integrations.langgraph.graphs import CALLS
from tests.integrations.langgraph.test_resuming import RESULT, told


def test_a_graph_of_every_kind_of_node_is_replayed_without_executing_one(lab):
    graph = graphs.builder().compile()
    player = lab.record(graph.ainvoke({"topic": "cats"}))
    replayed = replay(player.recording, graph)
    assert CALLS == []
    assert told(replayed.result) == RESULT
    assert replayed.error is None


def test_a_graph_that_failed_fails_again_at_the_same_node_without_executing_it(lab, monkeypatch):
    monkeypatch.setenv("FLAKY_FAILS", "1")
    graph = graphs.builder().compile()
    player = lab.record(graph.ainvoke({"topic": "cats"}))
    replayed = replay(player.recording, graph)
    assert CALLS == []
    assert str(replayed.error) == "cannot publish 'outline of cats, written'"


class Words(TypedDict):
    words: Annotated[list, operator.add]


def build(*names, after=()):
    """A chain of nodes that each add their name."""
    graph = StateGraph(Words)
    for name in names:
        graph.add_node(name, lambda state, name=name: CALLS.append(name) or {"words": [name]})
    for one, other in zip((START, *names), (*names, END), strict=True):
        graph.add_edge(one, other)
    return graph.compile()


def test_a_step_that_calls_a_graph_is_entered_and_the_graphs_nodes_are_served(lab):
    graph = build("one", "two")

    @step
    def agent(state):
        return graph.invoke(state)

    player = lab.record(lambda: agent({"words": ["zero"]}))
    replayed = replay(player.recording, agent)
    assert CALLS == []
    assert replayed.result == {"words": ["zero", "one", "two"]}
    assert (replayed.entered, replayed.served) == ((0,), (1, 2))


def test_two_calls_of_a_graph_in_one_session_are_both_replayed(lab):
    graph = build("one", "two")
    player = lab.record(lambda: [graph.invoke({"words": [word]}) for word in "ab"])
    replayed = replay(player.recording, graph)
    assert (CALLS, replayed.result, replayed.served) == ([], {"words": ["b", "one", "two"]}, (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("one", "two", "three"), r"run step three#1: expected no further step, found a step that is not in the"),
        (("one", "three", "two"), r"run step three#1: expected frame 1 \(two#1\) next, found a step that is not in"),
        (("one",), r"run frame 1 \(two#1\): expected the agent to call this step, found it ended without"),
    ],
)
def test_a_graph_with_other_nodes_is_a_stale_recording_and_runs_none(lab, names, said):
    player = lab.record(lambda: build("one", "two").invoke({"words": []}))
    with pytest.raises(StaleRecordingError, match=said):
        replay(player.recording, build(*names))
    assert CALLS == []


def test_a_changed_reducer_is_seen_in_the_input_of_the_next_node(lab):
    class Last(TypedDict):
        words: list

    player = lab.record(lambda: build("one", "two").invoke({"words": ["zero"]}))
    graph = StateGraph(Last)
    graph.add_node("one", lambda state: CALLS.append("one"))
    graph.add_node("two", lambda state: CALLS.append("two"))
    graph.add_edge(START, "one").add_edge("one", "two").add_edge("two", END)
    with pytest.raises(StaleRecordingError, match=r"run frame 1 \(two#1\): expected input /words/0 = \"zero\""):
        replay(player.recording, graph.compile())
    assert CALLS == []


def test_a_graph_that_asked_the_user_is_refused_with_the_frame(lab):
    def ask(state):
        return {"words": [interrupt("which?")]}

    graph = StateGraph(Words)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    compiled = graph.compile(checkpointer=InMemorySaver())
    player = lab.record(lambda: compiled.invoke({"words": []}, {"configurable": {"thread_id": "1"}}))
    with pytest.raises(CannotResumeError, match=r"run frame 0 \(ask#1\) stopped to ask the user"):
        replay(player.recording, compiled)


def test_a_mistyped_node_is_refused_before_the_graph_runs(lab):
    graph = build("plan", "write")
    player = lab.record(lambda: graph.invoke({"words": []}))
    with pytest.raises(
        UsageError, match=r"run: no step 'wirte' to mock or skip. Did you mean write\? Recorded: plan, w"
    ):
        lab.resume(player, graph, 1, skip_nodes=["wirte"])
    assert CALLS == []


class Planned(TypedDict):
    plan: str
    words: Annotated[list, operator.add]


def planned():
    """A graph whose nodes add their name; a plan goes along that no node writes."""
    graph = StateGraph(Planned)
    names = ("one", "two", "three")
    for name in names:
        graph.add_node(name, lambda state, name=name: CALLS.append(name) or {"words": [f"{name} {state['plan']}"]})
    for one, other in zip((START, *names), (*names, END), strict=True):
        graph.add_edge(one, other)
    return graph.compile()


def test_a_fork_of_a_graph_whose_state_was_edited_is_replayed_with_the_edit_and_so_is_its_fork(lab):
    graph = planned()
    player = lab.record(lambda: graph.invoke({"plan": "django", "words": []}))
    fork = player.resume(graph, ResumeConfig(from_frame=1, state_overrides={"plan": "fastapi"}))
    second = VCRPlayer.load_by_id(fork).resume(graph, ResumeConfig(from_frame=2))
    CALLS.clear()
    for session in (fork, second):
        replayed = replay(VCRPlayer.load_by_id(session).recording, graph)
        assert replayed.result == {"plan": "fastapi", "words": ["one django", "two fastapi", "three fastapi"]}
        assert replayed.served == (0, 1, 2)
    assert CALLS == []
