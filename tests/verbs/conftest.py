"""A recorded agent, and ways to call `vcr` on it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent_vcr_nb.cli import main

AGENT = """
import sys
from agent_vcr_nb import annotate, step

@step(type="llm")
def plan(state):
    with open("calls.txt", "a") as file:
        file.write("plan\\n")
    annotate(model="gpt-4o-mini", tokens_input=1000, tokens_output=100)
    return {**state, "plan": ["design", "build"]}

@step
def build(state):
    with open("calls.txt", "a") as file:
        file.write("build\\n")
    if state["database"] == "mongodb":
        raise ValueError("no mongodb here")
    return {**state, "built": True}

@step
def agent(task, database="mongodb"):
    return build(plan({"task": task, "database": database}))

if __name__ == "__main__":
    print("the agent says", agent(*sys.argv[1:])["built"])
"""


@pytest.fixture
def app(in_tmp):
    """The program `app.py` in an empty folder."""
    Path("app.py").write_text(AGENT)
    return in_tmp


def run_vcr(*words, **options):
    """Call `vcr` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "agent_vcr_nb", *words], capture_output=True, text=True, timeout=60, **options
    )


@pytest.fixture
def recorded(app):
    """`app.py` recorded as my_run: frame 0 agent (fails), 1 plan, 2 build (fails)."""
    done = run_vcr("record", "--session", "my_run", "--", "python", "app.py", "todo")
    assert done.returncode == 1, done.stderr
    return app


@pytest.fixture
def vcr():
    """Call `vcr` in this process: returns (exit code, output, error output)."""

    def call(*words):
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        return result.exit_code, result.stdout, result.stderr

    return call


@pytest.fixture
def vcr_json(vcr):
    """Call `vcr ... --json`: returns (exit code, parsed output)."""

    def call(*words):
        code, out, _ = vcr(*words, "--json")
        return code, json.loads(out)

    return call


def calls():
    """The steps that really ran, in order."""
    return Path("calls.txt").read_text().split()
