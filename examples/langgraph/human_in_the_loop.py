"""A person approves a purchase; afterwards the amount before the question is edited, and it is asked again.

Run it: python examples/langgraph/human_in_the_loop.py
"""

import operator
from typing import Annotated, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.resume import resume


class State(TypedDict, total=False):
    """A purchase."""

    amount: int
    log: Annotated[list[str], operator.add]


ran: list[str] = []


def estimate(state: State) -> State:
    """Say what it costs."""
    ran.append("estimate")
    return {"amount": 900}


def approve(state: State) -> State:
    """Ask the person."""
    ran.append("approve")
    answer = interrupt(f"Spend {state['amount']}?")
    return {"log": [f"{state['amount']} {answer}"]}


def buy(state: State) -> State:
    """Buy it, where the money is there."""
    ran.append("buy")
    if state["amount"] > 500:
        raise ValueError(f"the budget is 500, not {state['amount']}")
    return {"log": ["bought"]}


builder = StateGraph(State)
builder.add_node(estimate)
builder.add_node(approve)
builder.add_node(buy)
builder.add_edge(START, "estimate")
builder.add_edge("estimate", "approve")
builder.add_edge("approve", "buy")
graph = builder.compile(checkpointer=InMemorySaver())


def main() -> None:
    """Record a question and its answer, fail, edit what was asked about, resume at the answer and at the question."""
    agent_vcr_nb.install()
    thread = {"configurable": {"thread_id": "purchase"}}
    with VCRRecorder() as recorder:
        recorder.start_session("purchase")
        asked = graph.invoke({"log": []}, thread)
        print(f"Asked: {asked['__interrupt__'][0].value}")
        try:
            graph.invoke(Command(resume="approved"), thread)
        except ValueError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load_by_id("purchase")
    for frame in player.frames:
        print(f"  {frame.number} {frame.key}: {frame.status} {frame.metadata.custom.get('interrupts', '')}".rstrip())

    ran.clear()
    answered = player.get_node_executions("approve")[1]
    fork = player.resume(graph, ResumeConfig(answered.number, state_overrides={"amount": 450}))
    print(f"Ran now, on the recorded answer: {ran}")
    print(f"Log: {VCRPlayer.load_by_id(fork).get_current_state()['log']}")

    ran.clear()
    question = player.get_node_executions("approve")[0]
    outcome = resume(player.recording, graph, ResumeConfig(question.number, state_overrides={"amount": 300}))
    print(f"Ran now, before the answer: {ran}")
    print(f"Asks again: {outcome.result['__interrupt__'][0].value}")
    print(f"The thread still says: {graph.get_state(thread).values['amount']}")


if __name__ == "__main__":
    main()
