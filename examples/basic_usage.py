"""Record the steps of an agent, read the recording, and resume from a step that failed.

Run it: python examples/basic_usage.py
"""

from typing import Any

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder, step

State = dict[str, Any]


@step
def plan(state: State) -> State:
    """Decide on a framework."""
    return {**state, "plan": f"use {state['framework']}"}


@step
def code(state: State) -> State:
    """Write the code, which only works with a framework that exists."""
    if "Flaskk" in state["plan"]:
        raise LookupError("no framework is called Flaskk")
    return {**state, "code": f"import {state['framework'].lower()}"}


def agent(state: State) -> State:
    """Plan, then write."""
    return code(plan(state))


def main() -> None:
    """Record a run that fails, look at it, and resume before the step that failed."""
    with VCRRecorder() as recorder:
        recorder.start_session("my_run", tags=["example"])
        try:
            agent({"query": "build a REST API", "framework": "Flaskk"})
        except LookupError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load(".vcr/my_run.vcr")
    print(f"Steps: {player.list_nodes()}")
    print(f"State after frame 0: {player.goto_frame(0)}")
    print(f"Failed: {[frame.node_name for frame in player.get_errors()]}")

    fork_id = player.resume(
        agent,
        ResumeConfig(from_frame=1, state_overrides={"framework": "FastAPI", "plan": "use FastAPI"}),
    )
    fork = VCRPlayer.load_by_id(fork_id)
    print(f"Resumed as {fork_id}: {[(frame.node_name, frame.provenance.value) for frame in fork.frames]}")
    print(f"Code: {fork.get_current_state()['code']}")
    print(f"Changed by the last step: {fork.compare_frames(0, 1)['added']}")


if __name__ == "__main__":
    main()
