"""Plan-and-execute: the plan has a step that nobody can do; the plan is edited before that step and the run goes on.

Run it: python examples/langgraph/plan_and_execute.py
"""

import operator
from typing import Annotated, TypedDict

from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, StateGraph
from scripted import ScriptedModel, says

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder


class State(TypedDict, total=False):
    """What the planner, the executor and the reporter share."""

    task: str
    plan: list[str]
    done: Annotated[list[str], operator.add]
    report: str


planner = ScriptedModel(answer=lambda messages: says("measure; teleport; write"))
SKILLS = {"measure": "4 m by 3 m", "walk": "went there", "write": "one page"}
executed: list[str] = []


def plan(state: State) -> State:
    """Ask the model for steps."""
    answer = planner.invoke([HumanMessage(f"Plan: {state['task']}")])
    return {"plan": str(answer.content).split("; ")}


def execute(state: State) -> State:
    """Do the first step of the plan."""
    first, *rest = state["plan"]
    executed.append(first)
    if first not in SKILLS:
        raise NotImplementedError(f"nobody can {first}")
    return {"plan": rest, "done": [f"{first}: {SKILLS[first]}"]}


def report(state: State) -> State:
    """Sum up."""
    return {"report": "; ".join(state["done"])}


def more(state: State) -> str:
    """Go on while there are steps."""
    return "execute" if state["plan"] else "report"


builder = StateGraph(State)
builder.add_node(plan)
builder.add_node(execute)
builder.add_node(report)
builder.add_edge(START, "plan")
builder.add_edge("plan", "execute")
builder.add_conditional_edges("execute", more, ["execute", "report"])
builder.add_edge("report", END)
graph = builder.compile()


def main() -> None:
    """Record, fail, patch the plan, resume."""
    agent_vcr_nb.install()
    with VCRRecorder() as recorder:
        recorder.start_session("room")
        try:
            graph.invoke({"task": "describe the room"})
        except NotImplementedError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load_by_id("room")
    failed = player.get_errors()[-1]
    print(f"Frame {failed.number} ({failed.key}) had the plan {failed.input_state['plan']}")
    print(f"Tokens of the planner: {player.get_total_tokens()}")

    executed.clear()
    patch = [{"op": "replace", "path": "/plan/0", "value": "walk"}]
    fork = player.resume(graph, ResumeConfig(failed.number, patch=patch, reason="nobody can teleport"))
    after = VCRPlayer.load_by_id(fork)
    print(f"Executed now: {executed}")
    print(f"Report: {after.get_current_state()['report']}")
    print(f"{fork} starts before frame {after.session.forked_from_frame}, because {after.session.reason}")


if __name__ == "__main__":
    main()
