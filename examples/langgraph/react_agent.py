"""A ReAct agent asks a tool for a city that does not exist; its tool call is edited and the run goes on.

Run it: python examples/langgraph/react_agent.py
"""

from collections.abc import Sequence

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from scripted import ScriptedModel, calls, says

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder

asked = []


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    asked.append(city)
    if city == "Pariss":
        raise LookupError(f"no city is called {city}")
    return f"sunny in {city}"


def answer(messages: Sequence[BaseMessage]) -> AIMessage:
    """Ask for the weather, then tell it."""
    if isinstance(messages[-1], ToolMessage):
        return says(f"It is {messages[-1].content}.")
    return calls("weather", city="Pariss")


def main() -> None:
    """Record, fail, look, edit the arguments of the tool call, resume."""
    agent = create_agent(ScriptedModel(answer=answer), [weather])
    agent_vcr_nb.install()
    with VCRRecorder() as recorder:
        recorder.start_session("weather")
        try:
            agent.invoke({"messages": [("user", "What is the weather in Paris?")]})
        except LookupError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load_by_id("weather")
    for frame in player.frames:
        print(f"  {frame.number} {frame.key}: {frame.status}")
    failed = player.get_errors()[-1]
    print(f"Frame {failed.number} got {failed.input_state}")

    fork = player.resume(agent, ResumeConfig(failed.number, state_overrides={"city": "Paris"}))
    after = VCRPlayer.load_by_id(fork)
    print(f"Asked for: {asked}")
    print(f"Answer: {after.get_state_at_node('model')['messages'][-1]['v']['content']}")
    print(f"Frames of the fork: {[(frame.key, str(frame.provenance)) for frame in after.frames]}")


if __name__ == "__main__":
    main()
