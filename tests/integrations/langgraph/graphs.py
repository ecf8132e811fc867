"""Graphs as users write them, knowing nothing of a recorder; `CALLS` tells what really ran."""

import operator
import os
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send

CALLS: list[str] = []


class Scripted(BaseChatModel):
    """Asks for the tool `add` once, then answers."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        CALLS.append("llm")
        answered = sum(isinstance(message, ToolMessage) for message in messages)
        if answered:
            reply = AIMessage(
                f"the sum is {messages[-1].content}",
                usage_metadata={"input_tokens": 21, "output_tokens": 7, "total_tokens": 28},
                response_metadata={"model_name": "scripted-1"},
            )
        else:
            reply = AIMessage(
                "",
                tool_calls=[{"name": "add", "args": {"a": 2, "b": 3}, "id": "call-1"}],
                usage_metadata={
                    "input_tokens": 11,
                    "output_tokens": 5,
                    "total_tokens": 16,
                    "input_token_details": {"cache_read": 4},
                    "output_token_details": {"reasoning": 2},
                },
                response_metadata={"model_name": "scripted-1"},
            )
        return ChatResult(generations=[ChatGeneration(message=reply)])


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    CALLS.append("add")
    return a + b


class State(TypedDict, total=False):
    topic: str
    messages: Annotated[list, add_messages]
    log: Annotated[list, operator.add]
    total: Annotated[int, operator.add]
    draft: str


class SubState(TypedDict, total=False):
    topic: str
    draft: str


model = Scripted()


def plan(state):
    CALLS.append("plan")
    return {"log": ["plan"], "total": 1, "messages": [HumanMessage("add 2 and 3", id="question")]}


def route(state):
    return "research" if state["topic"] != "skip" else "flaky"


def research(state):
    CALLS.append("research")
    return {"log": ["research"], "total": 1}


def reader(name):
    def read(state):
        CALLS.append(name)
        return {"log": [f"{name}:{state['topic']}"], "total": 10}

    return read


async def aggregate(state):
    CALLS.append("aggregate")
    return {"log": [f"aggregate {len(state['log'])}"], "total": 100}


def agent(state):
    CALLS.append("agent")
    return {"messages": [model.invoke(state["messages"])], "log": ["agent"]}


def wants_tool(state):
    return "tools" if state["messages"][-1].tool_calls else "sub"


def outline(state):
    CALLS.append("outline")
    return {"draft": f"outline of {state['topic']}"}


def write(state):
    CALLS.append("write")
    return {"draft": state["draft"] + ", written"}


def map_out(state):
    return [Send("worker", {"topic": state["topic"], "i": i}) for i in range(3)]


def worker(state):
    CALLS.append(f"worker {state['i']}")
    return {"log": [f"worker {state['i']}:{state['topic']}"], "total": 1000}


def flaky(state):
    CALLS.append("flaky")
    if os.environ.get("FLAKY_FAILS"):
        raise ValueError(f"cannot publish {state['draft']!r}")
    return Command(goto="final", update={"log": ["flaky"]})


def final(state):
    CALLS.append("final")
    return {"draft": state["draft"].upper()}


def subgraph():
    builder = StateGraph(SubState)
    builder.add_node(outline)
    builder.add_node(write)
    builder.add_edge(START, "outline")
    builder.add_edge("outline", "write")
    return builder.compile()


def builder():
    """Every kind of node: conditional edge, fan-out and join, async, model, tools, subgraph, Send, Command."""
    graph = StateGraph(State)
    graph.add_node(plan)
    graph.add_node(research)
    for name in ("ra", "rb", "rc"):
        graph.add_node(name, reader(name))
    graph.add_node(aggregate)
    graph.add_node(agent)
    graph.add_node("tools", ToolNode([add]))
    graph.add_node("sub", subgraph())
    graph.add_node("prepare", lambda state: {"log": ["prepare"]})
    graph.add_node(worker)
    graph.add_node(flaky, destinations=("final",))
    graph.add_node(final)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", route, ["research", "flaky"])
    for name in ("ra", "rb", "rc"):
        graph.add_edge("research", name)
    graph.add_edge(["ra", "rb", "rc"], "aggregate")
    graph.add_edge("aggregate", "agent")
    graph.add_conditional_edges("agent", wants_tool, ["tools", "sub"])
    graph.add_edge("tools", "agent")
    graph.add_edge("sub", "prepare")
    graph.add_conditional_edges("prepare", map_out, ["worker"])
    graph.add_edge("worker", "flaky")
    return graph


def chain(*functions, state=State, **compile_options):
    """Return a compiled graph that runs nodes one after the other."""
    graph = StateGraph(state)
    names = [function.__name__ for function in functions]
    for function in functions:
        graph.add_node(function)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph.compile(**compile_options)


graph = builder()
