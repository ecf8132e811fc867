"""The scripts of examples/langgraph run as a user would run them: each in a process of its own, on loopback only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples" / "langgraph"

LOOPBACK_ONLY = """
import socket
connect = socket.socket.connect
def guarded(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"an example reached for {address}")
    return connect(self, address)
socket.socket.connect = guarded
"""

SAYS = {
    "react_agent.py": """\
The run failed: no city is called Pariss
  0 model#1: ok
  1 model#1/llm#1: ok
  2 tools#1: error
  3 tools#1/weather#1: error
Frame 3 got {'city': 'Pariss'}
Asked for: ['Pariss', 'Paris']
Answer: It is sunny in Paris.
Frames of the fork: [('model#1', 'replayed'), ('model#1/llm#1', 'replayed'), ('tools#1', 'live'), \
('tools#1/weather#1', 'edited'), ('model#2', 'live'), ('model#2/llm#1', 'live')]
""",
    "plan_and_execute.py": """\
The run failed: nobody can teleport
Frame 3 (execute#2) had the plan ['teleport', 'write']
Tokens of the planner: 48
Executed now: ['walk', 'write']
Report: measure: 4 m by 3 m; walk: went there; write: one page
room-fork1 starts before frame 3, because nobody can teleport
""",
    "map_reduce.py": """\
The run failed: nothing is funny about tax
  0 collect#1: ok, got {'words': ['horse', 'duck'], 'jokes': []}
  1 tell#1: ok, got {'word': 'horse'}
  2 tell#2: ok, got {'word': 'duck'}
  3 tell#3: error, got {'word': 'tax'}
Worked on now: ['cat']
Jokes: ['a horse walks into a bar', 'a duck walks into a bar', 'a cat walks into a bar']
Best: a cat walks into a bar
""",
    "supervisor.py": """\
The run failed: cannot read <html>owls</html>
  0 supervisor: ok
  1 research: error
    2 search: ok
    3 clean: error
Ran now: ['clean', 'supervisor', 'draft', 'supervisor']
Text: All about owls.
""",
    "human_in_the_loop.py": """\
Asked: Spend 900?
The run failed: the budget is 500, not 900
  0 estimate#1: ok
  1 approve#1: ok ['Spend 900?']
  2 approve#2: ok
  3 buy#1: error
Ran now, on the recorded answer: ['approve', 'buy']
Log: ['450 approved', 'bought']
Ran now, before the answer: ['approve']
Asks again: Spend 300?
The thread still says: 900
""",
    "openai_server.py": """\
The run failed: cannot shout quietly
  0 talk#1: ok
  1 talk#1/llm#1: ok, parrot-1: 12 + 3 tokens
  2 talk#1/llm#2: ok, parrot-1: 12 + 5 tokens
  3 shout#1: error
Requests when resumed at the second call: ['say it loudly']
Shouted: YOU SAID: SAY IT LOUDLY
Requests with a mocked model: []
Shouted: A WORD
""",
}


@pytest.mark.parametrize("example", sorted(SAYS))
def test_an_example_prints_what_it_promises(example, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(LOOPBACK_ONLY)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "error"}
    argv = [sys.executable, str(EXAMPLES / example)]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == (SAYS[example], 0), done.stderr


def test_no_example_goes_without_a_promise():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted([*SAYS, "scripted.py"])
