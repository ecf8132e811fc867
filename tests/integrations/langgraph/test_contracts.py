"""What LangGraph and LangChain must go on doing, one test for each thing that is not in their documented interface.

Proven on langgraph 1.0.0 and 1.2.24. A test is named after what breaks when it fails. `test_oldest.py` runs this file
and the others in an environment with the oldest release.
"""

import inspect

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph._internal import _constants as constants
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.pregel._read import PregelNode

from agent_vcr_nb.integrations.langgraph import seams
from tests.integrations.langgraph import graphs


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_graphs_are_not_recorded_when_invoke_does_not_go_through_stream_any_more(monkeypatch):
    seen = []
    original = Pregel.stream

    def stream(self, *args, **options):
        seen.append(self)
        return original(self, *args, **options)

    monkeypatch.setattr(Pregel, "stream", stream)
    graph = graphs.subgraph()
    graph.invoke({"topic": "cats"})
    assert seen == [graph]


def test_our_saver_is_not_asked_when_the_key_for_a_lent_saver_is_another():
    assert constants.CONFIG_KEY_CHECKPOINTER == seams.CHECKPOINTER
    saver = InMemorySaver()
    graphs.subgraph().invoke({"topic": "cats"}, {"configurable": {seams.CHECKPOINTER: saver, "thread_id": "lent"}})
    assert saver.get_tuple({"configurable": {"thread_id": "lent"}}).checkpoint["channel_values"]["topic"] == "cats"


def test_nested_graphs_are_recorded_twice_when_the_key_of_a_task_is_another():
    assert constants.CONFIG_KEY_TASK_ID == seams.TASK_ID


def test_a_subgraph_without_saver_fails_at_sync_when_the_key_of_durability_is_another():
    assert constants.CONFIG_KEY_DURABILITY == seams.DURABILITY


def test_sends_and_calls_are_not_told_apart_when_the_words_of_a_path_are_others():
    assert (constants.PUSH, constants.PULL) == (seams.PUSH, seams.PULL)
    assert constants.TASKS == seams.TASKS


def test_finished_siblings_run_again_when_the_channels_of_writes_are_named_otherwise():
    assert (constants.RETURN, constants.ERROR, constants.INTERRUPT, constants.RESUME) == (
        seams.RETURN,
        seams.ERROR,
        seams.INTERRUPT,
        seams.RESUME,
    )
    assert (constants.NO_WRITES, constants.NULL_TASK_ID) == (seams.NO_WRITES, seams.NULL_TASK)


def test_levels_of_subgraphs_are_not_found_when_namespaces_are_joined_otherwise():
    assert (constants.NS_SEP, constants.NS_END) == (seams.LEVEL, seams.TASK_OF_LEVEL)


def test_edges_are_not_told_when_a_node_is_started_by_a_channel_of_another_name():
    assert "branch:to:outline" in graphs.subgraph().channels
    assert "join:ra+rb+rc:aggregate" in graphs.builder().compile().channels


def test_a_nodes_function_cannot_be_replaced_when_it_is_kept_elsewhere():
    node = graphs.subgraph().nodes["outline"]
    assert isinstance(node, PregelNode)
    twin = node.copy({"bound": "another", "subgraphs": node.subgraphs})
    assert (twin.bound, node.bound) != (node.bound, "another")
    assert twin.writers == node.writers
    assert [type(sub).__name__ for sub in graphs.builder().compile().nodes["sub"].subgraphs] == ["CompiledStateGraph"]


def test_a_caches_writes_are_not_seen_when_the_path_of_a_task_is_not_passed_to_the_saver():
    assert parameters(BaseCheckpointSaver.put_writes) == ["self", "config", "writes", "task_id", "task_path"]
    assert parameters(BaseCheckpointSaver.put) == ["self", "config", "checkpoint", "metadata", "new_versions"]


def test_a_resume_loses_tasks_when_a_task_id_depends_on_more_than_the_checkpoint_and_its_node():
    def first_task(graph):
        saver = InMemorySaver()
        config = {"configurable": {"thread_id": "a"}}
        graph.checkpointer = saver
        graph.invoke({"topic": "cats"}, config, interrupt_before=["outline"])
        snapshot = graph.get_state(config)
        return saver.get_tuple(config), snapshot.tasks[0].id

    saved, task_id = first_task(graphs.subgraph())

    class Still(BaseCheckpointSaver):
        def get_tuple(self, config):
            return saved

    again = graphs.subgraph().get_state({"configurable": {seams.CHECKPOINTER: Still(), "thread_id": "b"}})
    assert [task.id for task in again.tasks] == [task_id]


def test_calls_of_tools_are_not_served_when_a_tool_runs_through_another_method():
    assert parameters(BaseTool.run)[:2] == parameters(BaseTool.arun)[:2] == ["self", "tool_input"]
    assert "tool_call_id" in parameters(BaseTool.run)


def test_calls_of_models_are_not_served_when_a_model_runs_through_another_method():
    assert parameters(BaseChatModel.generate)[:3] == ["self", "messages", "stop"]
    assert parameters(BaseChatModel.agenerate)[:3] == ["self", "messages", "stop"]
    assert callable(BaseChatModel._should_stream)
    assert callable(BaseChatModel._get_invocation_params)


def test_history_of_a_delta_channel_is_lost_when_its_snapshot_is_another_class():
    class Channel:
        def from_checkpoint(self, value):
            twin = Channel()
            twin.value = list(seams.unwrapped(value))
            return twin

        def update(self, writes):
            self.value += writes

        def get(self):
            return self.value

    assert seams.unwrapped(seams.snapshot([1])) == [1]
    assert seams.after_writes(Channel(), [1], [2]) == [1, 2]
    real = getattr(__import__("langgraph.channels", fromlist=["DeltaChannel"]), "DeltaChannel", None)
    builder = StateGraph(graphs.SubState)
    builder.add_node(graphs.outline)
    builder.add_edge("__start__", "outline")
    expected = set() if real is None else {"log"}
    graph = builder.compile()
    graph.channels |= {} if real is None else {"log": real(lambda state, writes: state + writes)}
    assert set(seams.delta_channels(graph)) == expected
