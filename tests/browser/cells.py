"""Cells that the browser tests run: a small run that needs no recorder."""

RUN = '''
import json
from agent_vcr_nb.core.errors import FrameNotFoundError
from agent_vcr_nb.notebook.debugger import VCRDebugger

class Run:
    """Ten steps of an agent; step 8 fails."""
    session_id = "demo"
    origin = ""

    def __init__(self, steps):
        self.steps = steps

    @property
    def count(self):
        return len(self.steps)

    def summaries(self, start, stop=None):
        return self.steps[start:stop]

    def state(self, number, side):
        step = self.steps[number]
        if side == "output" and step["error"]:
            raise FrameNotFoundError(f"frame {number} has no output state: it failed with {step['error']}")
        return json.dumps({
            "query": "build a todo app",
            "plan": "use Flask",
            "when": {"$t": "datetime", "v": "2026-11-24T09:00:00+00:00"},
            "messages": [{"role": "assistant", "content": f"message {n}"} for n in range(number + (side == "output"))],
        })

    def writers(self, path):
        return [{"frame": n, "key": self.steps[n]["key"], "op": "replace", "side": "output"} for n in (0, 4, 6)]

    def sessions(self):
        return [{"session": "base", "words": "its parent, ok, 10 frames"}]

    def same_step(self, number, side, session):
        if number > 5:
            raise FrameNotFoundError(f"session {session!r} has no frame {self.steps[number]['key']!r}")
        state = json.loads(self.state(number, side))
        return json.dumps({**state, "plan": "use Django"}), f"{session} · frame {number}"

    def refresh(self):
        return 0

def step(number, kind="node", status="ok", provenance="live", depth=0, name=None, error=None):
    name = name or f"step_{number}"
    return {"number": number, "key": f"{name}#1", "name": name, "type": kind, "status": status,
            "provenance": provenance, "parent": None, "depth": depth, "start_ms": number * 100.0,
            "latency_ms": 80.0, "error": error}
'''

TEN_STEPS = (
    RUN
    + """
kinds = ["node", "llm", "tool", "llm", "tool", "node", "llm", "tool"]
run = Run([step(n, kinds[n], depth=kinds[n] != "node") for n in range(8)]
          + [step(8, name="deploy", status="error", error="ValueError: no port"), step(9, "checkpoint")])
debugger = VCRDebugger(run)
debugger
"""
)
