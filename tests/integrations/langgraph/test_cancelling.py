"""A graph that is ended from another thread while one of its nodes sleeps in Python steps."""

import asyncio
import threading
import time
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

from agent_vcr_nb import VCRPlayer
from agent_vcr_nb.core.cancelling import CancellableRecorder
from agent_vcr_nb.core.errors import Cancelled
from agent_vcr_nb.core.lineage import session_info
from agent_vcr_nb.core.resume import ResumeConfig, resume


class State(TypedDict):
    topic: str
    seconds: float


AT_WORK = threading.Event()


def begin(state: State) -> State:
    return state


def sleep(state: State) -> State:
    AT_WORK.set()
    end = time.monotonic() + state["seconds"]
    while time.monotonic() < end:
        time.sleep(0.001)
    return state


def after(state: State) -> State:
    raise AssertionError("the run goes on")


def builder(last):
    graph = StateGraph(State)
    graph.add_node("begin", begin)
    graph.add_node("sleep", sleep)
    graph.add_node("after", last)
    graph.add_edge(START, "begin")
    graph.add_edge("begin", "sleep")
    graph.add_edge("sleep", "after")
    graph.add_edge("after", END)
    return graph.compile()


def test_a_graph_is_ended_and_its_fork_can_be_read(lab):
    player = lab.record(builder(begin).ainvoke({"topic": "cats", "seconds": 0.0}))
    target = next(n for n in range(len(player)) if player.head(n)["node_name"] == "sleep")
    recorder = CancellableRecorder(player.recording.path.parent, ambient=False)
    config = ResumeConfig(target, new_session_id="ended", state_overrides={"seconds": 2.0})
    errors = []

    def run():
        try:
            resume(player.recording, builder(after), config, recorder)
        except BaseException as error:
            errors.append(error)

    AT_WORK.clear()
    thread = threading.Thread(target=run)
    thread.start()
    assert AT_WORK.wait(10)
    recorder.cancel()
    thread.join(20)
    assert not thread.is_alive()
    (error,) = errors
    assert isinstance(error, Cancelled | asyncio.CancelledError)  # as the thread is told, or its tasks: who is first
    assert session_info(player.recording.path.parent / "ended.vcr").outcome == "cancelled"
    names = [frame.node_name for frame in VCRPlayer.load_by_id("ended", player.recording.path.parent).frames]
    assert "begin" in names
