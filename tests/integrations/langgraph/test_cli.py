"""`vcr record` and `vcr resume` on a program with a graph that knows nothing of either."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent_vcr_nb import VCRPlayer
from tests.integrations.langgraph.conftest import keys

pytestmark = pytest.mark.slow

APP = """
import operator
from typing import Annotated, TypedDict
from langgraph.graph import START, StateGraph

class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    database: str

def ran(name):
    with open("ran.txt", "a") as file:
        file.write(name + "\\n")

def plan(state):
    ran("plan")
    return {"log": ["plan"], "database": "mongodb"}

def build(state):
    ran("build")
    if state["database"] == "mongodb":
        raise ValueError("no mongodb here")
    return {"log": ["build"]}

def test(state):
    ran("test")
    return {"log": ["test"]}

builder = StateGraph(State)
for node in (plan, build, test):
    builder.add_node(node)
builder.add_edge(START, "plan")
builder.add_edge("plan", "build")
builder.add_edge("build", "test")
graph = builder.compile()

def warm_up(state):
    ran("warm_up")
    return {"log": ["warm"]}

warm = StateGraph(State)
warm.add_node(warm_up)
warm.add_edge(START, "warm_up")
warm = warm.compile()

if __name__ == "__main__":
    print("warm:", warm.invoke({"log": []})["log"])
    print("result:", graph.invoke({"log": ["start"]})["log"])
"""


def vcr(*words):
    return subprocess.run(
        [sys.executable, "-m", "agent_vcr_nb", *words], capture_output=True, text=True, timeout=120, check=False
    )


def ran():
    return Path("ran.txt").read_text().split()


@pytest.fixture
def app(in_tmp):
    Path("app.py").write_text(APP)
    done = vcr("record", "--session", "run", "--", "python", "app.py")
    assert done.returncode == 1, done.stderr
    assert "no mongodb here" in done.stderr
    assert ran() == ["warm_up", "plan", "build"]
    Path("ran.txt").unlink()
    return in_tmp


def test_a_program_is_recorded_and_its_graph_is_resumed_by_name_in_another_process(app):
    assert keys(VCRPlayer.load_by_id("run")) == ["warm_up#1", "plan#1", "build#1"]
    done = vcr("resume", "run", "2", "--set", 'database="sqlite"', "--agent", "app:graph")
    assert done.returncode == 0, done.stderr
    assert ran() == ["build", "test"]
    fork = VCRPlayer.load_by_id("run-fork1")
    assert keys(fork) == ["warm_up#1", "plan#1", "build#1", "test#1"]
    assert fork.goto_frame(3) == {"log": ["start", "plan", "build", "test"], "database": "sqlite"}


def test_a_program_is_resumed_without_naming_an_agent_and_runs_no_node_before_the_frame(app):
    done = vcr("resume", "run", "2", "--set", 'database="sqlite"')
    assert done.returncode == 0, done.stderr
    assert ran() == ["build", "test"]
    assert "result: ['start', 'plan', 'build', 'test']" in done.stdout
    assert "warm: ['warm']" in done.stdout
    assert keys(VCRPlayer.load_by_id("run-fork1")) == ["warm_up#1", "plan#1", "build#1", "test#1"]
