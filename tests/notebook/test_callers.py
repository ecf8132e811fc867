"""The agent of a recording is found in the kernel without being named, where no other can be meant."""

import re
import sys

import pytest

from agent_vcr_nb import VCRPlayer
from agent_vcr_nb.notebook.callers import CALLER

STEPS = """
from agent_vcr_nb import step
ran = []

@step
def plan(state):
    ran.append("plan")
    return {**state, "plan": "mongodb"}

@step
def build(state):
    ran.append("build")
    return {**state, "built": state["plan"]}
"""
GRAPH = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph
ran = []

class State(TypedDict, total=False):
    task: str
    plan: str
    built: str

def plan(state):
    ran.append("plan")
    return {"plan": "mongodb"}

def build(state):
    ran.append("build")
    return {"built": state["plan"]}

builder = StateGraph(State)
builder.add_node(plan)
builder.add_node(build)
builder.add_edge(START, "plan")
builder.add_edge("plan", "build")
builder.add_edge("build", END)
graph = builder.compile()
"""


def executed(shell, run, line="%vcr resume 1"):
    """Resume, and return what ran and what the command said."""
    shell.user_ns["ran"].clear()
    said, error = run(line)
    assert error is None
    return shell.user_ns["ran"], re.sub(r"\x1b\[\d+m", "", said)


@pytest.mark.parametrize(
    "call",
    [
        "agent({'task': 'todo'})",
        "x = [agent({'task': task}) for task in ('todo',)]",
        "%time agent({'task': 'todo'})",
        "def outer(state):\n    return agent(state)\nouter({'task': 'todo'})",
    ],
)
def test_a_function_without_step_is_found_by_having_called_the_steps(shell, run, call):
    run(STEPS)
    run("def helper(x):\n    return x\ndef agent(state):\n    return build(plan(state))")
    run(f"%vcr record one\n{call}")
    ran, said = executed(shell, run, "%vcr resume 1 --set plan='\"sqlite\"'")
    assert ran == ["build"]
    assert "executed: build" in said
    assert 'result: {"task":"todo","plan":"sqlite","built":"sqlite"}' in said
    ran, _ = executed(shell, run, "%vcr resume 0")
    assert ran == ["plan", "build"], "the fork knows it by its parent"


def test_the_function_as_it_is_now_is_run(shell, run):
    run(STEPS)
    run("def agent(state):\n    return build(plan(state))")
    run("%vcr record one\nagent({'task': 'todo'})")
    run("def agent(state):\n    ran.append('new')\n    return build(plan(state))")
    ran, _ = executed(shell, run)
    assert ran == ["new", "build"]


def test_a_method_is_found_by_its_object(shell, run):
    run(STEPS)
    run("class Bot:\n    def run(self, state):\n        return build(plan(state))\nbot, other = Bot(), Bot()")
    run("%vcr record one\nbot.run({'task': 'todo'})")
    assert executed(shell, run)[0] == ["build"]
    assert executed(shell, run, "%vcr resume one 1 --agent other.run")[0] == ["build"]
    _, error = run("%vcr resume one 1 --agent bot.walk")
    assert "bot is a Bot and has no 'walk'" in str(error)


def test_a_method_that_is_a_step_is_bound_to_the_one_object_that_has_it(shell, run):
    run(STEPS)
    run(
        "class Bot:\n    @step\n    def answer(self, task):\n        return build(plan({'task': task}))\n"
        "    @classmethod\n    @step\n    def made(cls, task):\n        return build(plan({'task': task}))\n"
        "bot = Bot()"
    )
    for call in ("bot.answer", "Bot.made"):
        run(f"%vcr record {call}\n{call}('todo')")
        assert executed(shell, run, f"%vcr resume {call} 2")[0] == ["build"]
    run("again = Bot()")
    _, error = run("%vcr resume bot.answer 2")
    assert "that may be bot.answer or again.answer" in str(error)


def test_an_agent_that_is_awaited_in_the_cell_is_found(shell, run):
    run(STEPS.replace("def plan", "async def plan"))
    run("async def agent(state):\n    return build(await plan(state))")
    run("%vcr record one\nawait agent({'task': 'todo'})")
    assert executed(shell, run)[0] == ["build"]


def test_an_agent_of_an_imported_module_is_found(shell, run, in_tmp, monkeypatch):
    monkeypatch.syspath_prepend(in_tmp)
    monkeypatch.delitem(sys.modules, "my_agent", raising=False)
    (in_tmp / "my_agent.py").write_text(STEPS + "\ndef agent(state):\n    return build(plan(state))\n")
    run("import my_agent\nran = my_agent.ran")
    run("%vcr record one\nmy_agent.agent({'task': 'todo'})")
    assert executed(shell, run)[0] == ["build"]
    monkeypatch.delitem(sys.modules, "my_agent")
    _, error = run("%vcr resume one 1")
    assert "it was my_agent:agent, and my_agent is not imported here" in str(error)


def test_after_a_restart_the_recording_still_tells_the_name(shell, run):
    run(STEPS)
    run("def agent(state):\n    return build(plan(state))")
    run("%vcr record one\nagent({'task': 'todo'})\n%vcr stop")
    run("%reset -f")
    run("from IPython import get_ipython\n%reload_ext agent_vcr_nb")
    _, error = run("%vcr resume one 1")
    assert "it was agent, which is not defined here: run the cell that defines it" in str(error)
    run(STEPS + "\ndef agent(state):\n    return build(plan(state))")
    assert executed(shell, run, "%vcr resume one 1")[0] == ["build"]


def test_a_function_that_got_something_else_than_a_state_is_not_guessed(shell, run):
    run(STEPS)
    run("def agent(task):\n    return build(plan({'task': task}))\ndef two(agent, task):\n    return agent(task)")
    for name, call in (("one", "agent('todo')"), ("both", "two(agent, 'todo')")):
        run(f"%vcr record {name}\n{call}")
        _, error = run("%vcr resume 1")
        assert re.search(r"it was (agent\(task\)|two\(agent, task\)), which carries no @step", str(error))
        assert "put @step on it and record again" in str(error)


def test_a_step_alone_is_found_where_the_cell_called_it(shell, run):
    run(STEPS)
    run("%vcr record one\nfor task in 'ab':\n    plan({'task': task})")
    ran, said = executed(shell, run)
    assert ran == ["plan"]
    assert 'result: {"task":"b"' in said


def test_steps_that_a_cell_called_one_by_one_are_no_agent(shell, run):
    run(STEPS)
    run("%vcr record one\nbuild(plan({'task': 'todo'}))")
    _, error = run("%vcr resume 1")
    assert "its steps were called by a cell, one by one: choose build to run that one alone" in str(error)
    assert executed(shell, run, "%vcr resume one 1 --agent build")[0] == ["build"]


def test_a_step_of_many_whose_caller_was_not_seen_is_no_agent(shell, run):
    run(STEPS)
    run("import threading\ndef agent(state):\n    return build(plan(state))")
    run("%vcr record one\nthread = threading.Thread(target=agent, args=({},))\nthread.start()\nthread.join()")
    _, error = run("%vcr resume 1")
    assert "The recording does not tell" in str(error)


def test_the_one_graph_with_the_nodes_is_found_and_of_two_none(shell, run):
    run(GRAPH)
    run("graph_again = graph\ndef ask(task):\n    return graph.invoke({'task': task})")
    run("%vcr record one\nask('todo')")
    ran, said = executed(shell, run, "%vcr resume 1 --set plan='\"sqlite\"'")
    assert ran == ["build"]
    assert '"built":"sqlite"' in said
    run("other = builder.compile()")
    _, error = run("%vcr resume one 1")
    assert "that may be graph_again or other" in str(error)
    run("del graph, graph_again, other, builder")
    _, error = run("%vcr resume one 1")
    assert "no graph here has the node build and those that ran with it" in str(error)


def test_nodes_that_a_graph_calls_have_no_caller_among_the_functions_of_the_notebook(shell, run):
    run(GRAPH)
    run("def ask(task):\n    return graph.invoke({'task': task})")
    run("%vcr record one\nask('todo')\n%vcr stop")
    player = VCRPlayer.load_by_id("one")
    assert [frame.node_name for frame in player.frames] == ["plan", "build"]
    assert player.recording.others(CALLER) == []


def test_each_of_two_graphs_in_one_session_is_found_for_its_own_frames(shell, run):
    run(GRAPH)
    run(
        "def ask(state):\n    ran.append('ask')\n    return {'plan': 'asked'}\n"
        "second = StateGraph(State)\nsecond.add_node(ask)\nsecond.add_edge(START, 'ask')\nsecond.add_edge('ask', END)\n"
        "small = second.compile()"
    )
    run("%vcr record one\ngraph.invoke({'task': 'todo'})\nsmall.invoke({'task': 'more'})")
    assert executed(shell, run, "%vcr resume one 1")[0] == ["build"]
    assert executed(shell, run, "%vcr resume one 2")[0] == ["ask"]


def test_an_agent_is_found_though_its_steps_were_tried_alone_in_the_same_session(shell, run):
    run(STEPS)
    run("@step\ndef agent(task):\n    return build(plan({'task': task}))")
    run("%vcr record one\nplan({'task': 'tried'})\nagent('todo')")
    assert executed(shell, run, "%vcr resume one 3")[0] == ["build"]
    _, error = run("%vcr resume one 0")
    assert "its steps were called by a cell, one by one: choose plan" in str(error)


def test_the_button_resumes_what_the_magic_resumes_and_says_what_it_lacks(shell, run):
    run(STEPS)
    run("def agent(state):\n    return build(plan(state))")
    run("%vcr record one\nagent({'task': 'todo'})\n%vcr")
    bar = shell.magics_manager.registry["VCRMagics"].debugger.actions
    bar._looking.now()
    reasons = {each["name"]: each["reason"] for each in bar.abilities}
    assert (reasons["resume"], reasons["replay"]) == ("", "")
    shell.user_ns["ran"].clear()
    bar.act("resume", 1).wait(10)
    assert shell.user_ns["ran"] == ["build"]
    run("del agent")
    bar._looking.now()
    assert bar.abilities[0]["reason"] == (
        "which agent is to run? It was agent, which is not defined here: run the cell that defines it. Choose one "
        "beside the buttons, or set debugger.agent"
    )
