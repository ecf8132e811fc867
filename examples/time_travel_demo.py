"""Rewind to before a step, edit the state, resume, and compare the two runs.

Nothing of the agent needs to change: its steps are recorded by hand here, and the agent is a function of the state.

Run it: python examples/time_travel_demo.py
"""

from typing import Any

from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.models import ResumeConfig

State = dict[str, Any]


class CalculatorAgent:
    """Adds, then multiplies; the state says which step is next."""

    def run_step(self, state: State) -> State:
        """Do the next step."""
        if state["step"] == "add":
            return {**state, "step": "multiply", "sum": state["a"] + state["b"]}
        return {**state, "step": "done", "product": state["sum"] * state["c"]}

    def run(self, state: State) -> State:
        """Do all steps that are left."""
        while state["step"] != "done":
            state = self.run_step(state)
        return state


def main() -> None:
    """Record (2 + 3) * 4, then find out what it is with b = 5."""
    agent = CalculatorAgent()
    recorder = VCRRecorder()
    recorder.start_session("original_run")
    state: State = {"a": 2, "b": 3, "c": 4, "step": "add"}
    while state["step"] != "done":
        name, before = state["step"], state
        state = agent.run_step(before)
        recorder.record_step(name, before, state)
    path = recorder.save()

    player = VCRPlayer.load(path)
    print(f"Original: (2 + 3) * 4 = {player.goto_frame(1)['product']}")
    print(f"Before step 1: {player.get_input_state(1)}")

    # from_frame=0 rewinds to BEFORE frame 0 ran: its input state, with b changed, is what the agent goes on from.
    whole = player.resume(agent.run, ResumeConfig(from_frame=0, state_overrides={"b": 5}))
    result = VCRPlayer.load_by_id(whole).goto_frame(0)
    assert result["product"] == 28, result
    print(f"With b = 5 from the start: (2 + 5) * 4 = {result['product']}")

    # from_frame=1 keeps the addition as it was recorded.
    part = player.resume(agent.run, ResumeConfig(from_frame=1, state_overrides={"c": 10}))
    fork = VCRPlayer.load_by_id(part)
    assert fork.goto_frame(1)["product"] == 50, fork.goto_frame(1)
    print(f"With c = 10 from step 1: (2 + 3) * 10 = {fork.goto_frame(1)['product']}")
    print(f"{part} starts before frame {fork.session.forked_from_frame} of {fork.session.parent_session_id}")
    print(f"Its frames: {[(frame.node_name, frame.provenance.value) for frame in fork.frames]}")


if __name__ == "__main__":
    main()
