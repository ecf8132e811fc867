"""Frames of a graph that knows nothing of the recorder."""

import asyncio
import json
import operator
from pathlib import Path
from typing import Annotated, TypedDict

import pytest
from langchain_core.tools import tool
from langgraph.config import get_stream_writer

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.decoding import decode
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.frame import FrameType, Status
from agent_vcr_nb.integrations.langgraph import VCRLangGraph, install, uninstall, vcr_record
from tests.integrations.langgraph import graphs
from tests.integrations.langgraph.conftest import keys, number_of
from tests.integrations.langgraph.graphs import CALLS, chain

EVERY_KEY = [
    "plan#1",
    "research#1",
    "ra#1",
    "rb#1",
    "rc#1",
    "aggregate#1",
    "agent#1",
    "agent#1/llm#1",
    "tools#1",
    "tools#1/add#1",
    "agent#2",
    "agent#2/llm#1",
    "sub#1",
    "sub#1/outline#1",
    "sub#1/write#1",
    "prepare#1",
    "worker#1",
    "worker#2",
    "worker#3",
    "flaky#1",
    "final#1",
]


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


@pytest.fixture
def every(lab):
    """A recording of the graph of every kind of node, run to its end."""
    return lab.record(graphs.builder().compile().ainvoke({"topic": "cats"}))


def test_each_kind_of_node_has_a_frame_named_by_its_place(every):
    assert sorted(keys(every)) == sorted(EVERY_KEY)
    assert [frame.status for frame in every.frames] == [Status.OK] * len(EVERY_KEY)


def test_a_frame_shows_the_full_state_before_the_update_and_the_full_state_after(every):
    research = every.get_frame(number_of(every, "research#1"))
    assert (research.input_state["topic"], research.input_state["log"], research.input_state["total"]) == (
        "cats",
        ["plan"],
        1,
    )
    assert research.update == {"log": ["research"], "total": 1}
    assert (research.output_state["log"], research.output_state["total"]) == (["plan", "research"], 2)


def test_siblings_of_a_superstep_share_the_state_before_and_after_and_know_their_superstep(every):
    siblings = [every.get_frame(number_of(every, f"{name}#1")) for name in ("ra", "rb", "rc")]
    assert [frame.update["log"] for frame in siblings] == [["ra:cats"], ["rb:cats"], ["rc:cats"]]
    for frame in siblings:
        assert frame.input_state["log"] == ["plan", "research"]
        assert frame.output_state["log"] == ["plan", "research", "ra:cats", "rb:cats", "rc:cats"]
        assert frame.output_state["total"] == 32
        assert frame.metadata.custom["superstep"] == 3


def test_a_conditional_edge_is_told_by_where_it_sent_the_run(every):
    went = {frame.key: frame.metadata.custom.get("goto") for frame in every.frames}
    assert went["plan#1"] == ["research"]
    assert went["agent#1"] == ["tools"]
    assert went["agent#2"] == ["sub"]
    assert went["prepare#1"] == ["worker", "worker", "worker"]
    assert went["flaky#1"] == ["final"]


def test_the_workers_of_a_send_show_their_own_arguments_in_the_order_of_the_sends(every):
    workers = [every.get_frame(number_of(every, f"worker#{n}")) for n in (1, 2, 3)]
    assert [frame.input_state for frame in workers] == [{"topic": "cats", "i": i} for i in range(3)]
    assert {frame.output_state["total"] for frame in workers} == {3132}


def test_a_command_is_kept_as_what_the_node_returned(every):
    flaky = every.get_frame(number_of(every, "flaky#1"))
    assert flaky.update["type"] == "langgraph.types.Command"
    assert flaky.update["v"]["goto"] == "final"
    assert flaky.update["v"]["update"] == {"log": ["flaky"]}


def test_a_model_call_is_a_frame_inside_its_node_with_messages_model_and_tokens(every):
    call = every.get_frame(number_of(every, "agent#1/llm#1"))
    assert call.frame_type is FrameType.LLM_CALL
    assert call.parent == number_of(every, "agent#1")
    assert call.input_state["messages"][0]["v"]["content"] == "add 2 and 3"
    assert call.output_state["message"]["v"]["tool_calls"][0]["args"] == {"a": 2, "b": 3}
    figures = call.metadata
    assert (figures.model, figures.tokens_input, figures.tokens_output, figures.tokens_used) == (
        "scripted-1",
        11,
        5,
        16,
    )
    assert (figures.tokens_cache_read, figures.tokens_cache_write, figures.tokens_reasoning) == (4, None, 2)


def test_a_tool_call_is_a_frame_inside_its_node_with_arguments_and_result(every):
    call = every.get_frame(number_of(every, "tools#1/add#1"))
    assert call.frame_type is FrameType.TOOL_CALL
    assert call.input_state == {"a": 2, "b": 3}
    assert call.output_state["result"]["v"]["content"] == "5"
    assert every.get_total_tokens() == 44


def test_a_failing_node_is_an_error_with_the_state_it_failed_on_and_the_user_sees_the_error(lab, monkeypatch):
    monkeypatch.setenv("FLAKY_FAILS", "1")
    player = lab.record(graphs.builder().compile().ainvoke({"topic": "cats"}))
    assert str(lab.error) == "cannot publish 'outline of cats, written'"
    failed = player.get_errors()
    assert [frame.key for frame in failed] == ["flaky#1"]
    assert failed[0].input_state["total"] == 3132
    assert failed[0].metadata.error_type == "ValueError"
    assert "in flaky" in failed[0].metadata.traceback


@pytest.mark.parametrize(
    "call",
    [
        lambda graph: graph.invoke({"n": 1}),
        lambda graph: list(graph.stream({"n": 1})),
        lambda graph: list(graph.stream({"n": 1}, stream_mode=["values", "updates", "debug", "custom"])),
        lambda graph: list(graph.stream({"n": 1}, stream_mode="messages", subgraphs=True)),
        lambda graph: list(graph.stream({"n": 1}, stream_mode=["tasks", "checkpoints"])),
        lambda graph: graph.batch([{"n": 1}]),
        lambda graph: asyncio.run(graph.ainvoke({"n": 1})),
        lambda graph: asyncio.run(graph.abatch([{"n": 1}])),
        lambda graph: asyncio.run(drained(graph.astream({"n": 1}))),
        lambda graph: asyncio.run(drained(graph.astream_events({"n": 1}, version="v2"))),
    ],
    ids=["invoke", "stream", "modes", "messages", "tasks", "batch", "ainvoke", "abatch", "astream", "events"],
)
def test_every_way_to_run_a_graph_gives_the_same_frames(lab, call):
    graph = chain(double, triple, state=Log)
    player = lab.record(lambda: call(graph))
    assert lab.error is None
    assert [(f.key, f.input_state, f.update, f.output_state) for f in player.frames] == [
        ("double#1", {"n": 1, "log": []}, {"n": 2, "log": ["double"]}, {"n": 2, "log": ["double"]}),
        ("triple#1", {"n": 2, "log": ["double"]}, {"n": 6, "log": ["triple"]}, {"n": 6, "log": ["double", "triple"]}),
    ]


async def drained(items):
    return [item async for item in items]


def double(state):
    return {"n": state.get("n", 0) * 2, "log": ["double"]}


def triple(state):
    return {"n": state["n"] * 3, "log": ["triple"]}


@pytest.mark.parametrize("mode", ["values", "updates", "custom"])
def test_what_a_stream_gives_is_the_same_with_and_without_recording(lab, mode):
    graph = chain(graphs.plan, outer_subgraph)
    plain = list(graph.stream({"topic": "cats"}, stream_mode=mode, subgraphs=True))
    lab.record(lambda: list(graph.stream({"topic": "cats"}, stream_mode=mode, subgraphs=True)))
    assert [(without_ids(place), chunk) for place, chunk in lab.result] == [
        (without_ids(place), chunk) for place, chunk in plain
    ]


def without_ids(place):
    return tuple(level.partition(":")[0] for level in place)


def outer_subgraph(state):
    writer = get_stream_writer()
    writer({"about to": "outline"})
    return {"draft": graphs.subgraph().invoke({"topic": state["topic"]})["draft"]}


def test_a_step_inside_a_node_is_a_frame_inside_it(lab):
    @step
    def search(query):
        return {"found": query}

    def sync_node(state):
        return {"log": [search("a")["found"]]}

    @tool
    async def look(word: str) -> str:
        """Look."""
        return word

    async def async_node(state):
        return {"log": [await look.ainvoke({"word": "w"}), search("b")["found"]]}

    player = lab.record(chain(sync_node, async_node, state=Log).ainvoke({"n": 1}))
    assert keys(player) == [
        "sync_node#1",
        "sync_node#1/search#1",
        "async_node#1",
        "async_node#1/look#1",
        "async_node#1/search#1",
    ]
    assert [frame.parent for frame in player.frames] == [None, 0, None, 2, 2]


def test_a_graph_called_inside_a_step_is_inside_its_frame(lab):
    graph = chain(double, state=Log)

    @step
    def run(n):
        return graph.invoke({"n": n})

    player = lab.record(lambda: run(1))
    assert keys(player) == ["run#1", "run#1/double#1"]


def test_a_graph_called_inside_a_node_or_a_tool_is_inside_it(lab):
    inner = chain(double, triple, state=Log)

    def outer(state):
        return {"n": inner.invoke({"n": state["n"]})["n"] + inner.invoke({"n": 10})["n"]}

    player = lab.record(lambda: chain(outer, state=Log).invoke({"n": 1}))
    assert lab.result["n"] == 66
    assert keys(player) == [
        "outer#1",
        "outer#1/double#1",
        "outer#1/triple#1",
        "outer#1/double#2",
        "outer#1/triple#2",
    ]


def test_a_value_that_no_serialiser_takes_does_not_break_the_run(lab):
    class Plain(TypedDict, total=False):
        anything: object
        n: int

    def make(state):
        return {"anything": lambda: 42, "n": 1}

    def use(state):
        return {"n": state["anything"]()}

    player = lab.record(lambda: chain(make, use, state=Plain).invoke({"n": 0}))
    assert lab.error is None
    assert lab.result["n"] == 42
    assert player.get_frame(0).lossy == ("/output/anything",)


def test_a_change_made_in_place_is_in_the_state_after_the_node_that_made_it(lab):
    class Items(TypedDict, total=False):
        items: list

    def change(state):
        state["items"].append(2)
        return {}

    def after(state):
        return {"items": [*state["items"], 3]}

    player = lab.record(lambda: chain(change, after, state=Items).invoke({"items": [1]}))
    assert [(f.input_state, f.output_state) for f in player.frames] == [
        ({"items": [1]}, {"items": [1, 2]}),
        ({"items": [1, 2]}, {"items": [1, 2, 3]}),
    ]


def test_nothing_is_recorded_and_nothing_is_in_the_way_outside_a_session(in_tmp):
    from langgraph.pregel import Pregel

    before = Pregel.stream, Pregel.astream
    install()
    install()
    assert chain(double, state=Log).invoke({"n": 1}) == {"n": 2, "log": ["double"]}
    assert not (in_tmp / ".vcr").exists()
    uninstall()
    assert (Pregel.stream, Pregel.astream) == before
    uninstall()


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "builder"])
def test_wrap_graph_records_one_graph_with_one_recorder(compiled):
    recorder = VCRRecorder()
    recorder.start_session("mine")
    other = VCRRecorder("elsewhere")
    other.start_session("other")
    graph = VCRLangGraph(recorder).wrap_graph(graphs.builder().compile() if compiled else graphs.builder())
    graph = graph if compiled else graph.compile()
    asyncio.run(graph.with_config(tags=["a"]).ainvoke({"topic": "cats"}))
    recorder.close()
    other.close()
    assert sorted(keys(VCRPlayer.load_by_id("mine"))) == sorted(EVERY_KEY)
    assert len(VCRPlayer.load_by_id("other", "elsewhere")) == 0


def test_wrap_graph_says_what_it_takes():
    with pytest.raises(UsageError, match="list is no graph: expected a StateGraph or what its compile"):
        VCRLangGraph(VCRRecorder()).wrap_graph([])


def test_vcr_record_makes_a_step_of_a_function_sync_or_async():
    recorder = VCRRecorder()
    recorder.start_session("mine")

    @vcr_record(recorder)
    def one(state):
        return {"n": state["n"] + 1}

    @vcr_record(recorder, "second")
    async def two(state):
        return {"n": state["n"] + 1}

    assert asyncio.run(two(one({"n": 1}))) == {"n": 3}
    recorder.close()
    assert keys(VCRPlayer.load_by_id("mine")) == ["one#1", "second#1"]


def test_types_of_messages_come_back_as_messages(every):
    from langchain_core.messages import AIMessage

    from agent_vcr_nb.core.decoding import from_loaded_modules

    state = every.state_json(number_of(every, "agent#1"), "output")
    messages = decode(state["messages"], resolve=from_loaded_modules)
    assert [type(message).__name__ for message in messages] == ["HumanMessage", "AIMessage"]
    assert isinstance(messages[1], AIMessage)
    assert messages[1].usage_metadata["input_tokens"] == 11
    assert CALLS == []


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_subgraph_without_checkpointer_on_purpose_runs_as_it_did(lab, asynchronous):
    graph = graphs.StateGraph(Log)
    graph.add_node("inner", chain(double, triple, state=Log, checkpointer=False))
    graph.add_edge(graphs.START, "inner")
    graph = graph.compile()
    player = lab.record(graph.ainvoke({"n": 1}) if asynchronous else lambda: graph.invoke({"n": 1}))
    assert lab.error is None
    assert lab.result == {"n": 6, "log": ["double", "triple"]}
    assert keys(player) == ["inner#1", "inner#1/double#1", "inner#1/triple#1"]


def test_a_node_that_returns_the_whole_state_each_time_costs_what_it_changed(lab, in_tmp):
    class Whole(TypedDict, total=False):
        items: list
        n: int

    def count(state):
        return {**state, "n": state["n"] + 1}

    builder = graphs.StateGraph(Whole)
    builder.add_node(count)
    builder.add_edge(graphs.START, "count")
    builder.add_conditional_edges("count", lambda state: "count" if state["n"] < 50 else graphs.END)
    items = [f"item {n} " + "x" * 200 for n in range(100)]
    player = lab.record(lambda: builder.compile().invoke({"items": items, "n": 0}, {"recursion_limit": 100}))
    assert player.get_frame(7).update == {"items": items, "n": 8}
    assert (in_tmp / ".vcr" / "run.vcr").stat().st_size < 4 * len(str(items))
    _, fork = lab.resume(player, builder.compile(), 49)
    assert fork.get_frame(7).update == {"items": items, "n": 8}
    assert fork.recording.path.stat().st_size < 6 * len(str(items))  # one more full state: of the live part


def test_a_superstep_is_in_the_file_before_the_program_sees_what_it_gave(lab):
    seen = []

    def show(step):
        seen.append((step, [line["data"]["key"] for line in lines_of("run") if line["type"] == "frame"]))

    def work(state):
        return {"log": ["work"]}

    inner = chain(work, state=graphs.State)

    def outer(state):
        for _ in inner.stream({"log": []}, stream_mode="values"):
            show("inside")
        return {"log": ["outer"]}

    def run():
        for _ in chain(outer, state=graphs.State).stream({"log": []}, stream_mode="values"):
            show("outside")

    lab.record(run)
    assert seen == [
        ("outside", []),
        ("inside", []),
        ("inside", ["outer#1/work#1"]),
        ("outside", ["outer#1/work#1", "outer#1"]),
    ]


def lines_of(session):
    return [json.loads(line) for line in Path(f".vcr/{session}.vcr").read_text().splitlines()]
