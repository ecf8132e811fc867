"""Resume before any frame: what ran before does not run again, and the rest comes out as it should."""

import json
import operator
import subprocess
import sys
from typing import Annotated, TypedDict

import pytest

from agent_vcr_nb import ResumeConfig, VCRPlayer
from agent_vcr_nb.core.errors import CannotResumeError, EditError
from agent_vcr_nb.core.frame import Provenance
from tests.integrations.langgraph import graphs
from tests.integrations.langgraph.conftest import keys, number_of
from tests.integrations.langgraph.graphs import CALLS, chain

AFTER_FAN_OUT = ["aggregate", "agent", "llm", "add", "agent", "llm", "outline", "write"]
WORKERS = ["worker 0", "worker 1", "worker 2"]
END_OF_RUN = ["flaky", "final"]

WHAT_RUNS = {
    "plan#1": ["plan", "research", "ra", "rb", "rc", *AFTER_FAN_OUT, *WORKERS, *END_OF_RUN],
    "research#1": ["research", "ra", "rb", "rc", *AFTER_FAN_OUT, *WORKERS, *END_OF_RUN],
    "ra#1": ["ra", "rb", "rc", *AFTER_FAN_OUT, *WORKERS, *END_OF_RUN],
    "rb#1": ["rb", "rc", *AFTER_FAN_OUT, *WORKERS, *END_OF_RUN],
    "rc#1": ["rc", *AFTER_FAN_OUT, *WORKERS, *END_OF_RUN],
    "aggregate#1": [*AFTER_FAN_OUT, *WORKERS, *END_OF_RUN],
    "agent#1": [*AFTER_FAN_OUT[1:], *WORKERS, *END_OF_RUN],
    "tools#1": [*AFTER_FAN_OUT[3:], *WORKERS, *END_OF_RUN],
    "agent#2": [*AFTER_FAN_OUT[4:], *WORKERS, *END_OF_RUN],
    "sub#1": [*AFTER_FAN_OUT[6:], *WORKERS, *END_OF_RUN],
    "sub#1/outline#1": [*AFTER_FAN_OUT[6:], *WORKERS, *END_OF_RUN],
    "sub#1/write#1": [*AFTER_FAN_OUT[7:], *WORKERS, *END_OF_RUN],
    "prepare#1": [*WORKERS, *END_OF_RUN],
    "worker#1": [*WORKERS, *END_OF_RUN],
    "worker#2": [*WORKERS[1:], *END_OF_RUN],
    "worker#3": [*WORKERS[2:], *END_OF_RUN],
    "flaky#1": END_OF_RUN,
    "final#1": ["final"],
}
RESULT = {
    "topic": "cats",
    "log": [
        "plan", "research", "ra:cats", "rb:cats", "rc:cats", "aggregate 5", "agent", "agent",
        "prepare", "worker 0:cats", "worker 1:cats", "worker 2:cats", "flaky",
    ],
    "total": 3132,
    "draft": "OUTLINE OF CATS, WRITTEN",
}  # fmt: skip


def told(result):
    """A result without messages: their ids are random."""
    return {key: value for key, value in result.items() if key != "messages"}


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """A recording of every kind of node whose second last node failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("every"))
        patch.setenv("FLAKY_FAILS", "1")
        from tests.integrations.langgraph.conftest import Lab

        lab = Lab()
        player = lab.record(graphs.builder().compile().ainvoke({"topic": "cats"}))
        assert str(lab.error) == "cannot publish 'outline of cats, written'"
        return player


@pytest.mark.parametrize("key", [key for key in WHAT_RUNS if key != "final#1"])
def test_resuming_before_any_node_runs_it_and_later_ones_and_ends_as_a_whole_run_does(lab, every, key):
    outcome, fork = lab.resume(every, graphs.builder().compile(), number_of(every, key))
    assert outcome.error is None
    assert WHAT_RUNS[key] == CALLS
    assert told(outcome.result) == RESULT
    assert sorted(keys(fork)) == sorted([*(k for k in keys(every)), "final#1"])
    assert {f.provenance for f in fork.frames if f.number in outcome.served} <= {Provenance.REPLAYED}


def test_a_builder_can_be_given_instead_of_the_compiled_graph(lab, every):
    outcome, _ = lab.resume(every, graphs.builder(), number_of(every, "flaky#1"))
    assert told(outcome.result) == RESULT


def test_an_edit_sets_exact_values_and_reducers_are_applied_once(lab, every):
    log = every.get_input_state(number_of(every, "rb#1"))["log"]
    overrides = {"topic": "dogs", "log": [*log, "edited"], "total": 5}
    outcome, fork = lab.resume(every, graphs.graph, number_of(every, "rb#1"), state_overrides=overrides)
    assert outcome.result["log"][:6] == ["plan", "research", "edited", "ra:cats", "rb:dogs", "rc:dogs"]
    assert outcome.result["total"] == 5 + 30 + 100 + 3000
    edited = fork.get_frame(number_of(fork, "rb#1"))
    assert (edited.provenance, edited.input_state["topic"]) == (Provenance.EDITED, "dogs")
    assert fork.session.parent_session_id == "run"
    assert fork.session.forked_from_frame == number_of(every, "rb#1")
    assert [op["path"] for op in fork.session.edit] == ["/topic", "/log", "/total"]


def test_a_patch_is_applied_once(lab, every):
    patch = [{"op": "add", "path": "/log/-", "value": "patched"}]
    outcome, _ = lab.resume(every, graphs.graph, number_of(every, "flaky#1"), patch=patch)
    assert outcome.result["log"] == [*RESULT["log"][:-1], "patched", "flaky"]


def test_the_state_of_a_node_in_a_subgraph_can_be_edited(lab, every):
    outcome, _ = lab.resume(every, graphs.graph, number_of(every, "sub#1/write#1"), state_overrides={"draft": "mine"})
    assert outcome.result["draft"] == "MINE, WRITTEN"


def test_the_arguments_of_one_send_can_be_edited(lab, every):
    outcome, _ = lab.resume(every, graphs.graph, number_of(every, "worker#2"), state_overrides={"topic": "dogs"})
    assert outcome.result["log"][-4:] == ["worker 0:cats", "worker 1:dogs", "worker 2:cats", "flaky"]


def test_the_arguments_of_a_tool_call_can_be_edited(lab, every):
    patch = [{"op": "replace", "path": "/messages/1/v/tool_calls/0/args/a", "value": 40}]
    outcome, _ = lab.resume(every, graphs.graph, number_of(every, "tools#1"), patch=patch)
    assert outcome.result["messages"][-1].content == "the sum is 43"


def test_a_fork_can_be_forked_again_and_again(lab, every):
    _, first = lab.resume(every, graphs.graph, number_of(every, "sub#1/write#1"), state_overrides={"draft": "one"})
    _, second = lab.resume(first, graphs.graph, number_of(first, "worker#2"), state_overrides={"topic": "two"})
    CALLS.clear()
    outcome, third = lab.resume(second, graphs.graph, number_of(second, "flaky#1"), state_overrides={"total": 3})
    assert CALLS == ["flaky", "final"]
    assert outcome.result["draft"] == "ONE, WRITTEN"
    assert outcome.result["log"][-4:] == ["worker 0:cats", "worker 1:two", "worker 2:cats", "flaky"]
    assert outcome.result["total"] == 3
    parents = [fork.session.parent_session_id for fork in (first, second, third)]
    assert parents == ["run", first.session_id, second.session_id]
    assert sorted(keys(third)) == sorted(keys(first))


def test_a_fork_of_a_replayed_frame_is_resumed_there_too(lab, every):
    _, first = lab.resume(every, graphs.graph, number_of(every, "flaky#1"))
    CALLS.clear()
    outcome, _ = lab.resume(first, graphs.graph, number_of(first, "rb#1"), state_overrides={"topic": "dogs"})
    assert WHAT_RUNS["rb#1"] == CALLS
    assert outcome.result["log"][2:5] == ["ra:cats", "rb:dogs", "rc:dogs"]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["rb#1", "tools#1", "sub#1/write#1", "worker#2", "flaky#1"])
def test_a_fresh_process_resumes_from_the_file_alone(every, key):
    code = f"""
import json
from agent_vcr_nb import ResumeConfig, VCRPlayer
from agent_vcr_nb.core.resume import resume
from tests.integrations.langgraph import graphs
player = VCRPlayer.load({str(every.recording.path)!r})
outcome = resume(player.recording, graphs.graph, ResumeConfig(from_frame={number_of(every, key)}))
result = {{key: value for key, value in outcome.result.items() if key != "messages"}}
print(json.dumps([graphs.CALLS, result, [type(m).__name__ for m in outcome.result["messages"]]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    ran, result, messages = json.loads(done.stdout)
    assert ran == WHAT_RUNS[key]
    assert result == RESULT
    assert messages == ["HumanMessage", "AIMessage", "ToolMessage", "AIMessage"]


ROOT = str(__import__("pathlib").Path(__file__).parents[3])


class Items(TypedDict, total=False):
    items: list
    log: Annotated[list, operator.add]


def test_changes_made_in_place_by_the_original_run_are_kept(lab):
    def change(state):
        state["items"].append(2)
        return {}

    def after(state):
        return {"items": [*state["items"], 3]}

    graph = chain(change, after, state=Items)
    player = lab.record(lambda: graph.invoke({"items": [1]}))
    outcome, _ = lab.resume(player, graph, 1)
    assert outcome.result["items"] == [1, 2, 3]


def test_the_config_and_the_context_of_the_original_call_are_passed_again(lab):
    from dataclasses import dataclass

    from langchain_core.runnables import RunnableConfig
    from langgraph.graph import START, StateGraph
    from langgraph.runtime import Runtime

    @dataclass
    class Context:
        user: str

    globals()["Context"] = Context
    Context.__qualname__ = "Context"

    def first(state: Items):
        return {"log": ["first"]}

    def second(state: Items, config: RunnableConfig, runtime: Runtime[Context]):
        return {"log": [config["configurable"]["color"], runtime.context.user]}

    builder = StateGraph(Items, context_schema=Context)
    builder.add_node(first)
    builder.add_node(second)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    graph = builder.compile()
    player = lab.record(lambda: graph.invoke({"items": []}, {"configurable": {"color": "red"}}, context=Context("ada")))
    assert lab.result["log"] == ["first", "red", "ada"]
    outcome, _ = lab.resume(player, graph, 1)
    assert outcome.result["log"] == ["first", "red", "ada"]


# ------------------------------------------------------------------------------------------------ refused


def one(state):
    CALLS.append("one")
    return {"log": ["one"]}


def two(state):
    CALLS.append("two")
    return {"log": ["two"]}


def three(state):
    CALLS.append("three")
    return {"log": ["three"]}


def refused(lab, player, graph, frame, error=CannotResumeError, **options):
    """Resume, expecting a refusal before anything ran; returns its message."""
    before = sorted(player.recording.path.parent.iterdir())
    with pytest.raises(error) as raised:
        lab.resume(player, graph, frame, **options)
    assert CALLS == []
    assert sorted(player.recording.path.parent.iterdir()) == before
    return str(raised.value)


def test_a_node_that_was_renamed_since_is_refused_by_its_name(lab):
    player = lab.record(lambda: chain(one, two, three, state=Items).invoke({"items": []}))
    message = refused(lab, player, chain(one, three, state=Items), 1)
    assert message == (
        "run frame 1 was recorded in node 'two', and the graph has no such node: it has one, three. It was renamed or "
        "removed since. Resume at an earlier frame, or pass the graph as it was recorded."
    )


def test_a_node_that_is_reached_another_way_since_is_refused_by_its_name(lab):
    from langgraph.graph import START, StateGraph

    def graph(join):
        builder = StateGraph(Items)
        for node in (one, two, three):
            builder.add_node(node)
        builder.add_edge(START, "one")
        builder.add_edge(START, "two")
        if join:
            builder.add_edge(["one", "two"], "three")
        else:
            builder.add_edge("two", "three")
        return builder.compile()

    player = lab.record(lambda: graph(join=True).invoke({"items": []}))
    message = refused(lab, player, graph(join=False), 2)
    assert message.startswith("run frame 2: the recording goes on with the edge 'one and two to three', and the graph")


def test_a_subgraph_that_lost_its_node_is_refused_by_its_name(lab):
    from langgraph.graph import START, StateGraph

    def graph(*nodes):
        builder = StateGraph(Items)
        builder.add_node("team", chain(*nodes, state=Items))
        builder.add_edge(START, "team")
        return builder.compile()

    player = lab.record(lambda: graph(one, two).invoke({"items": []}))
    message = refused(lab, player, graph(one, three), number_of(player, "team#1/two#1"))
    assert "was recorded in node 'two', and the subgraph in 'team' has no such node: it has one, three." in message


def test_an_edit_of_a_key_that_the_state_has_not_is_refused_by_the_key(lab):
    player = lab.record(lambda: chain(one, two, state=Items).invoke({"items": []}))
    message = refused(lab, player, chain(one, two, state=Items), 1, EditError, state_overrides={"itmes": []})
    assert message == "run frame 1: the edit sets 'itmes', and the state of the graph has items, log"


def test_a_value_that_could_not_be_stored_is_asked_for_by_its_path_and_can_be_supplied(lab):
    class Plain(TypedDict, total=False):
        anything: object
        n: int

    def make(state):
        return {"anything": lambda: 42}

    def use(state):
        return {"n": state["anything"]()}

    graph = chain(make, use, state=Plain)
    player = lab.record(lambda: graph.invoke({"n": 0}))
    message = refused(lab, player, graph, 1)
    assert "run frame 1: input /anything cannot be given back" in message
    assert "state_overrides={'anything': ...}" in message
    outcome, _ = lab.resume(player, graph, 1, state_overrides={"anything": lambda: 7})
    assert outcome.result["n"] == 7


def test_a_graph_without_checkpointer_on_purpose_is_recorded_and_refused_with_the_reason(lab):
    graph = chain(one, two, state=Items, checkpointer=False)
    player = lab.record(lambda: graph.invoke({"items": []}))
    assert keys(player) == ["one#1", "two#1"]
    assert "compiled with checkpointer=False" in refused(lab, player, graph, 1)


def test_a_frame_that_no_graph_has_recorded_is_refused(lab):
    from agent_vcr_nb import step

    player = lab.record(lambda: step(one)({"a": 1}))
    CALLS.clear()
    assert "was not recorded in a LangGraph graph" in refused(lab, player, graphs.graph, 0)


def test_the_players_own_resume_takes_a_graph(lab):
    graph = chain(one, two, state=Items)
    player = lab.record(lambda: graph.invoke({"items": []}))
    session = player.resume(graph, ResumeConfig(from_frame=1))
    assert VCRPlayer.load_by_id(session).goto_frame(1)["log"] == ["one", "two"]
    assert CALLS == ["two"]
