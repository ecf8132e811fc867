"""Record a LangGraph graph with one line, look into a failed run, edit the state before the node that failed, resume.

Run it: python examples/langgraph_integration.py
"""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder
from agent_vcr_nb.integrations.langgraph import VCRLangGraph


class State(TypedDict, total=False):
    """What the nodes share."""

    query: str
    plan: str
    code: str
    review: str


def planner(state: State) -> State:
    """Decide what to use."""
    return {"plan": f"use Flaskk for {state['query']}"}


def coder(state: State) -> State:
    """Write the code, which only works with a framework that exists."""
    framework = state["plan"].split()[1]
    if framework == "Flaskk":
        raise LookupError("no framework is called Flaskk")
    return {"code": f"import {framework.lower()}"}


def reviewer(state: State) -> State:
    """Read it."""
    return {"review": f"{state['code']!r} looks good"}


def main() -> None:
    """Record, fail, edit, resume."""
    builder = StateGraph(State)
    builder.add_node(planner)
    builder.add_node(coder)
    builder.add_node(reviewer)
    builder.add_edge(START, "planner")
    builder.add_edge("planner", "coder")
    builder.add_edge("coder", "reviewer")
    builder.add_edge("reviewer", END)

    with VCRRecorder() as recorder:
        recorder.start_session("langgraph_demo", tags=["example"])
        graph = VCRLangGraph(recorder).wrap_graph(builder.compile())
        try:
            graph.invoke({"query": "a REST API"})
        except LookupError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load(".vcr/langgraph_demo.vcr")
    print(f"Nodes: {player.list_nodes()}")
    failed = player.get_errors()[0]
    print(f"Before {failed.node_name}: {failed.input_state}")

    fork_id = player.resume(
        graph, ResumeConfig(from_frame=failed.number, state_overrides={"plan": "use FastAPI for a REST API"})
    )
    fork = VCRPlayer.load_by_id(fork_id)
    print(f"Resumed as {fork_id}: {[(frame.node_name, frame.provenance.value) for frame in fork.frames]}")
    print(f"Review: {fork.get_current_state()['review']}")


if __name__ == "__main__":
    main()
