"""Record an async agent whose calls run at the same time, and resume it in the running loop.

Run it: python examples/async_example.py
"""

import asyncio
from typing import Any

from agent_vcr_nb import AsyncVCRPlayer, AsyncVCRRecorder, ResumeConfig, step
from agent_vcr_nb.models import FrameMetadata

State = dict[str, Any]
executed: list[str] = []


@step(type="tool")
async def search(query: str) -> str:
    """Stand in for a search that takes a while."""
    executed.append(query)
    await asyncio.sleep(0.01)
    return f"three pages about {query}"


@step
async def summarise(state: State) -> State:
    """Put the findings together."""
    executed.append("summary")
    return {**state, "summary": " and ".join(state["found"])}


@step
async def research(state: State) -> State:
    """Search for everything at once, then sum it up."""
    found = await asyncio.gather(*[search(query) for query in state["queries"]])
    return await summarise({**state, "found": list(found)})


async def main() -> None:
    """Record by decorator and by hand, then resume at the summary."""
    async with AsyncVCRRecorder() as recorder:
        await recorder.start_session("async_run", metadata={"agent": "research"}, tags=["example", "async"])
        await research({"queries": ["cats", "dogs"]})
        await recorder.record_llm_call(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Is that all?"}],
            response="It is.",
            tokens_input=15,
            tokens_output=3,
            latency_ms=250,
        )
        await recorder.record_tool_call("calculator", {"expression": "5 * 2"}, 10, latency_ms=5)
        await recorder.record_step("report", {}, {"sent": True}, metadata=FrameMetadata(latency_ms=10))
        await recorder.save()

    player = await AsyncVCRPlayer.load(".vcr/async_run.vcr")
    print(f"Steps: {player.list_nodes()}")
    print(f"Tokens: {player.get_total_tokens()}")

    executed.clear()
    summary = next(frame.number for frame in player.frames if frame.node_name == "summarise")
    config = ResumeConfig(from_frame=summary, state_overrides={"found": ["nothing about cats", "all about dogs"]})
    fork = await AsyncVCRPlayer.load_by_id(await player.resume(research, config))
    print(f"Executed again: {executed}")
    print(f"Summary: {fork.goto_frame(0)['summary']}")


if __name__ == "__main__":
    asyncio.run(main())
