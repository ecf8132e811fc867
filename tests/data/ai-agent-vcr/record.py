"""Made the recordings beside this file, with ai-agent-vcr 1.5.4: ``python record.py``."""

from agent_vcr import VCRRecorder
from agent_vcr.models import FrameMetadata


def one_of_each():
    recorder = VCRRecorder(output_dir=".", buffer_size=1)
    recorder.start_session("peer_run", tags=["demo"], metadata={"who": "me"})
    metadata = FrameMetadata(latency_ms=12.5, custom={"x": 1})
    recorder.record_step("plan", {"q": "todo", "n": 0}, {"q": "todo", "n": 1, "plan": ["a", "b"]}, metadata)
    messages = [{"role": "user", "content": "hi"}]
    recorder.record_llm_call("gpt-4o-mini", messages, {"content": "hello"}, 10, 3, 250.0, 0.0001)
    recorder.record_tool_call("search", {"q": "x"}, {"hits": [1, 2]}, 5.0)
    recorder.record_tool_call("search", {"q": "y"}, {}, 5.0, error="timeout")
    recorder.record_checkpoint({"q": "todo"}, "mid")
    recorder.record_error("build", {"q": "todo", "n": 1}, ValueError("boom"), 3.0)
    recorder.save()
    fork = recorder.fork(1, "peer_fork", {"n": 5})
    fork.record_step("plan2", {"n": 5}, {"n": 6})
    fork.save()


def diff_mode():
    recorder = VCRRecorder(output_dir=".", buffer_size=1, diff_mode=True)
    recorder.start_session("peer_diff")
    state = {"messages": [], "k": 1}
    for number in range(5):
        new = {"messages": [*state["messages"], {"role": "user", "content": f"m{number}"}], "k": number}
        recorder.record_step(f"n{number % 2}", state, new)
        state = new
    recorder.save()


one_of_each()
diff_mode()
