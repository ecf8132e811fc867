"""Every script in examples/ runs as a user would run it: in a process of its own, in an empty folder, offline."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

OFFLINE = """
import socket, sys
def refuse(self, address):
    raise RuntimeError(f"an example reached for {address}")
socket.socket.connect = refuse
"""

SAYS = {
    "basic_usage.py": """\
The run failed: no framework is called Flaskk
Steps: ['plan', 'code']
State after frame 0: {'query': 'build a REST API', 'framework': 'Flaskk', 'plan': 'use Flaskk'}
Failed: ['code']
Resumed as my_run-fork1: [('plan', 'replayed'), ('code', 'edited')]
Code: import fastapi
Changed by the last step: {'code': 'import fastapi'}
""",
    "time_travel_demo.py": """\
Original: (2 + 3) * 4 = 20
Before step 1: {'a': 2, 'b': 3, 'c': 4, 'step': 'multiply', 'sum': 5}
With b = 5 from the start: (2 + 5) * 4 = 28
With c = 10 from step 1: (2 + 3) * 10 = 50
original_run-fork2 starts before frame 1 of original_run
Its frames: [('add', 'replayed'), ('multiply', 'edited')]
""",
    "langgraph_integration.py": """\
The run failed: no framework is called Flaskk
Nodes: ['planner', 'coder']
Before coder: {'query': 'a REST API', 'plan': 'use Flaskk for a REST API'}
Resumed as langgraph_demo-fork1: [('planner', 'replayed'), ('coder', 'edited'), ('reviewer', 'live')]
Review: 'import fastapi' looks good
""",
    "async_example.py": """\
Steps: ['research', 'search', 'summarise', 'llm:gpt-4o', 'calculator', 'report']
Tokens: 18
Executed again: ['summary']
Summary: nothing about cats and all about dogs
""",
}

# Of these only some lines are the same in every run.
SAYS_AMONG_OTHERS = {
    "acid_golden_run.py": [
        "    on disk: PLAN.md, app/auth.py, app/models.py, app/utils_v2_final.py, tests/test_models.py",
        "    on disk: PLAN.md, app/models.py, tests/test_models.py",
        "    on disk: PLAN.md, app/auth.py, app/models.py, tests/test_models.py",
    ],
    "sentinel_demo.py": [
        "🛡 SENTINEL: auth/utils.py — CLEAN ✓",
        "  CRITICAL  hash_password() already exists in auth/utils.py:8 - reuse it: delete this copy and import it",
        "  WARNING   handle_auth_request() takes 9 parameters (max 5) - use a config object",
        "🛡 SENTINEL: handlers.py — CLEAN ✓ All issues resolved!",
    ],
}


def run(example, folder):
    (folder / "sitecustomize.py").write_text(OFFLINE)
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "error"}
    argv = [sys.executable, str(EXAMPLES / example)]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("example", sorted(SAYS))
def test_an_example_prints_what_it_promises(example, tmp_path):
    done = run(example, tmp_path)
    assert done.stderr == ""
    assert done.stdout == SAYS[example]
    assert list((tmp_path / ".vcr").glob("*.vcr"))


@pytest.mark.parametrize("example", sorted(SAYS_AMONG_OTHERS))
def test_an_example_prints_these_lines_in_this_order(example, tmp_path):
    done = run(example, tmp_path)
    assert done.stderr == ""
    said = SAYS_AMONG_OTHERS[example]
    assert [line for line in done.stdout.splitlines() if line in said] == said


def test_no_example_goes_without_a_promise():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted([*SAYS, *SAYS_AMONG_OTHERS])
