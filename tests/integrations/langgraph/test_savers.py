"""Graphs with a saver on disk, with a store of memories, and killed between a superstep and its checkpoint."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.config import get_store
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from agent_vcr_nb import VCRPlayer
from agent_vcr_nb.core.frame import Status
from tests.integrations.langgraph.conftest import keys, number_of
from tests.integrations.langgraph.graphs import CALLS, chain
from tests.integrations.langgraph.test_kinds import Log, ask, first, last

THREAD = {"configurable": {"thread_id": "mine"}}


@pytest.fixture
def on_disk():
    with SqliteSaver.from_conn_string("threads.db") as saver:
        yield saver


def stored(path="threads.db"):
    """Return what lies in a saver's database: the steps of the checkpoints, and how many writes."""
    with sqlite3.connect(path) as connection:
        steps = [row[0] for row in connection.execute("select json_extract(metadata, '$.step') from checkpoints")]
        (writes,) = connection.execute("select count(*) from writes").fetchone()
    connection.close()
    return sorted(steps), writes


# ---------------------------------------------------------------------------------------------- savers on disk


def test_a_saver_on_disk_holds_the_same_with_and_without_recording(lab, on_disk):
    graph = chain(first, last, state=Log, checkpointer=on_disk)
    graph.invoke({"n": 1}, {"configurable": {"thread_id": "before"}})
    plain = stored()
    lab.record(lambda: graph.invoke({"n": 1}, THREAD))
    steps, writes = stored()
    assert steps == sorted(plain[0] * 2)
    assert writes == 2 * plain[1]
    assert graph.get_state(THREAD).values == {"log": ["first", "last"], "n": 1}


def test_a_question_of_a_graph_with_a_saver_on_disk_is_answered_in_another_recorded_run(lab, on_disk):
    graph = chain(first, ask, last, state=Log, checkpointer=on_disk)
    lab.record(lambda: graph.invoke({"n": 1}, THREAD), "asked")
    player = lab.record(lambda: graph.invoke(Command(resume="yes"), THREAD), "answered")
    assert keys(player) == ["ask#1", "last#1"]
    assert player.frames[-1].output_state["log"] == ["first", "answer yes", "last"]


def test_resuming_leaves_a_saver_on_disk_as_it_is(lab, on_disk):
    graph = chain(first, last, state=Log, checkpointer=on_disk)
    player = lab.record(lambda: graph.invoke({"n": 1}, THREAD))
    before = stored()
    _, fork = lab.resume(player, graph, number_of(player, "last#1"), state_overrides={"log": ["edited"]})
    assert CALLS == ["last"]
    assert fork.frames[-1].output_state["log"] == ["edited", "last"]
    assert stored() == before


def test_an_async_graph_with_a_saver_on_disk_is_recorded_and_resumed(lab):
    async def run():
        async with AsyncSqliteSaver.from_conn_string("async.db") as saver:
            graph = chain(first, last, state=Log, checkpointer=saver)
            return await graph.ainvoke({"n": 1}, THREAD)

    player = lab.record(run())
    assert lab.result == {"log": ["first", "last"], "n": 1}
    assert stored("async.db")[0] == [-1, 0, 1, 2]
    _, fork = lab.resume(player, chain(first, last, state=Log), number_of(player, "last#1"))
    assert CALLS == ["last"]
    assert fork.frames[-1].output_state["log"] == ["first", "last"]


# ---------------------------------------------------------------------------------------------- stores of memories


def remember(state):
    CALLS.append("remember")
    get_store().put(("facts",), "city", {"name": "Paris"})
    return {"log": ["remembered"]}


def recall(state):
    CALLS.append("recall")
    found = get_store().get(("facts",), "city")
    return {"log": [found.value["name"] if found else "nothing"]}


def test_a_store_that_nodes_use_is_handed_on_and_holds_what_they_put(lab):
    store = InMemoryStore()
    graph = chain(remember, recall, state=Log, store=store)
    player = lab.record(lambda: graph.invoke({"n": 1}))
    assert store.get(("facts",), "city").value == {"name": "Paris"}
    assert player.frames[-1].output_state["log"] == ["remembered", "Paris"]


def test_a_resume_reads_the_store_as_it_is_then(lab):
    player = lab.record(lambda: chain(remember, recall, state=Log, store=InMemoryStore()).invoke({"n": 1}))
    store = InMemoryStore()
    store.put(("facts",), "city", {"name": "Rome"})
    _, fork = lab.resume(player, chain(remember, recall, state=Log, store=store), number_of(player, "recall#1"))
    assert CALLS == ["recall"]
    assert fork.frames[-1].output_state["log"] == ["remembered", "Rome"]


# ---------------------------------------------------------------------------------------------- killed


KILLED = '''
import os, signal, sys
from langgraph.checkpoint.sqlite import SqliteSaver
from agent_vcr_nb import VCRRecorder, install
from tests.integrations.langgraph.graphs import chain
from tests.integrations.langgraph.test_kinds import Log, first, last

where = sys.argv[1]

class Deadly(SqliteSaver):
    """Kills the process when the checkpoint after the first node is to be stored, or what that node wrote."""

    def put(self, config, checkpoint, metadata, versions):
        if where == "checkpoint" and metadata["step"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put(config, checkpoint, metadata, versions)

    def put_writes(self, config, writes, task_id, task_path=""):
        if where == "writes" and ("log", ["first"]) in [tuple(write) for write in writes]:
            os.kill(os.getpid(), signal.SIGKILL)
        super().put_writes(config, writes, task_id, task_path)

install()
recorder = VCRRecorder()
recorder.start_session("run")
with Deadly.from_conn_string("threads.db") as saver:
    chain(first, last, state=Log, checkpointer=saver).invoke({"n": 1}, {"configurable": {"thread_id": "mine"}})
'''


@pytest.mark.slow
@pytest.mark.parametrize(("where", "status"), [("checkpoint", Status.OK), ("writes", Status.RUNNING)])
def test_a_run_killed_before_a_superstep_is_saved_is_resumed_before_its_node(lab, where, status):
    root = str(Path(__file__).resolve().parents[3])
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, where], env={**os.environ, "PYTHONPATH": root}, capture_output=True, timeout=60
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()
    player = VCRPlayer.load_by_id("run", Path(".vcr").resolve())
    assert player.verify_integrity()["ok"]
    assert [(frame.key, frame.status) for frame in player.frames] == [("first#1", status)]
    _, fork = lab.resume(player, chain(first, last, state=Log), 0)
    assert CALLS == ["first", "last"]
    assert fork.frames[-1].output_state["log"] == ["first", "last"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["checkpoint", "writes"])
def test_the_thread_of_a_killed_run_goes_on_in_the_users_saver_as_it_does_unrecorded(lab, where):
    root = str(Path(__file__).resolve().parents[3])
    argv = [sys.executable, "-c", KILLED, where]
    subprocess.run(argv, env={**os.environ, "PYTHONPATH": root}, capture_output=True, timeout=60)
    with SqliteSaver.from_conn_string("threads.db") as saver:
        graph = chain(first, last, state=Log, checkpointer=saver)
        player = lab.record(lambda: graph.invoke(None, THREAD), "later")
    assert lab.result == {"log": ["first", "last"], "n": 1}
    assert keys(player)[-1] == "last#1"
