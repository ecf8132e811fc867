"""Map-reduce with Send: one of three workers fails; its arguments are edited, the finished ones are not run again.

Run it: python examples/langgraph/map_reduce.py
"""

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder


class State(TypedDict, total=False):
    """Words go out to workers, jokes come back."""

    words: list[str]
    jokes: Annotated[list[str], operator.add]
    best: str


worked_on: list[str] = []


def tell(state: dict[str, Any]) -> State:
    """Make a joke of a word."""
    worked_on.append(state["word"])
    if state["word"] == "tax":
        raise ValueError("nothing is funny about tax")
    return {"jokes": [f"a {state['word']} walks into a bar"]}


def choose(state: State) -> State:
    """Take the shortest joke."""
    return {"best": min(state["jokes"], key=len)}


def fan_out(state: State) -> list[Send]:
    """Send each word to a worker of its own."""
    return [Send("tell", {"word": word}) for word in state["words"]]


builder = StateGraph(State)
builder.add_node("collect", lambda state: {"words": [*state["words"], "tax"]})
builder.add_node(tell)
builder.add_node(choose)
builder.add_edge(START, "collect")
builder.add_conditional_edges("collect", fan_out, ["tell"])
builder.add_edge("tell", "choose")
builder.add_edge("choose", END)
graph = builder.compile()


def main() -> None:
    """Record, fail in one worker, edit what was sent to it, resume."""
    agent_vcr_nb.install()
    with VCRRecorder() as recorder:
        recorder.start_session("jokes")
        try:
            graph.invoke({"words": ["horse", "duck"]}, {"max_concurrency": 1})
        except ValueError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load_by_id("jokes")
    for frame in player.frames:
        print(f"  {frame.number} {frame.key}: {frame.status}, got {frame.input_state}")

    worked_on.clear()
    failed = player.get_errors()[-1]
    fork = player.resume(graph, ResumeConfig(failed.number, state_overrides={"word": "cat"}))
    print(f"Worked on now: {worked_on}")
    state = VCRPlayer.load_by_id(fork).get_current_state()
    print(f"Jokes: {state['jokes']}")
    print(f"Best: {state['best']}")


if __name__ == "__main__":
    main()
