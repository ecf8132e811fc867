"""A program that calls a graph is run again from its command, and goes on in the call that holds the frame."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    query: str
    plan: str

def planner(state):
    print("ran planner", state["query"])
    return {"plan": "flask"}

def coder(state):
    print("ran coder", state["query"], state["plan"])
    return {"plan": state["plan"].upper()}

graph = StateGraph(State).add_sequence([planner, coder]).add_edge(START, "planner").add_edge("coder", END).compile()
for query in sys.argv[1:]:
    graph.invoke({"query": query})
"""


def vcr(*words):
    argv = [sys.executable, "-m", "agent_vcr_nb", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.removeprefix("ran ") for line in done.stdout.splitlines() if line.startswith("ran ")]


@pytest.mark.parametrize("commands", [[["one", "two"]], [["one"], ["two"]]])
def test_the_edited_node_of_a_later_call_runs_on_the_edit_and_no_earlier_node_runs(in_tmp, commands):
    (in_tmp / "app.py").write_text(PROGRAM)
    for queries in commands:
        vcr("record", "-s", "s", "--", sys.executable, "app.py", *queries)
    assert vcr("resume", "s", "3", "--set", "plan=fastapi") == ["coder two fastapi"]
    assert vcr("resume", "s", "2", "--set", "query=three") == ["planner three", "coder three flask"]
