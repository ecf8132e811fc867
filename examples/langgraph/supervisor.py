"""A supervisor of two teams, each a subgraph: a node deep in one fails, its state there is edited, the run goes on.

Run it: python examples/langgraph/supervisor.py
"""

import operator
from typing import Annotated, Literal, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder


class State(TypedDict, total=False):
    """What supervisor and teams share."""

    task: str
    findings: str
    text: str
    steps: Annotated[list[str], operator.add]


class Made(TypedDict, total=False):
    """What a team gives back."""

    findings: str
    text: str


ran: list[str] = []


def search(state: State) -> State:
    """Find something."""
    ran.append("search")
    return {"findings": f"<html>{state['task']}</html>"}


def clean(state: State) -> State:
    """Take the text out of what was found."""
    ran.append("clean")
    if "<" in state["findings"]:
        raise ValueError(f"cannot read {state['findings']}")
    return {"findings": state["findings"].strip()}


def draft(state: State) -> State:
    """Write it up."""
    ran.append("draft")
    return {"text": f"All about {state['findings']}."}


def supervisor(state: State) -> Command[Literal["research", "writing", "__end__"]]:
    """Send the work to the team whose turn it is."""
    ran.append("supervisor")
    turn = "research" if "findings" not in state else "writing" if "text" not in state else "__end__"
    return Command(goto=turn, update={"steps": [turn]})


# A team gives back what it made, not the steps it was given: those would be added a second time.
research = StateGraph(State, output_schema=Made)
research.add_node(search)
research.add_node(clean)
research.add_edge(START, "search")
research.add_edge("search", "clean")
writing = StateGraph(State, output_schema=Made)
writing.add_node(draft)
writing.add_edge(START, "draft")

builder = StateGraph(State)
builder.add_node(supervisor)
builder.add_node("research", research.compile())
builder.add_node("writing", writing.compile())
builder.add_edge(START, "supervisor")
builder.add_edge("research", "supervisor")
builder.add_edge("writing", "supervisor")
graph = builder.compile()


def main() -> None:
    """Record, fail inside a team, edit the state there, resume."""
    agent_vcr_nb.install()
    with VCRRecorder() as recorder:
        recorder.start_session("teams")
        try:
            graph.invoke({"task": "owls"})
        except ValueError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load_by_id("teams")
    for frame in player.frames:
        print(f"  {'  ' * frame.key.count('/')}{frame.number} {frame.node_name}: {frame.status}")

    ran.clear()
    failed = next(frame for frame in player.get_errors() if frame.node_name == "clean")
    fork = player.resume(graph, ResumeConfig(failed.number, state_overrides={"findings": "owls "}))
    print(f"Ran now: {ran}")
    print(f"Text: {VCRPlayer.load_by_id(fork).get_current_state()['text']}")


if __name__ == "__main__":
    main()
