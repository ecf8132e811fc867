"""Every example that `--help` and `%vcr help` show, typed as it stands."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent_vcr_nb.verbs.catalogue import VERBS
from tests.verbs.conftest import run_vcr

DATA = Path(__file__).parent.parent / "data"
DIFFERS = {"diff"}
"""Their examples compare what is not the same."""

APP = """
import sys
from pathlib import Path
from agent_vcr_nb import ACIDWorkspace, VCRRecorder, step

def named(name):
    @step(name=name)
    def work(state):
        Path("work").mkdir(exist_ok=True)
        Path("work", name).write_text(name)
        messages = [*state.get("messages", []), {"role": "assistant", "content": name, "tokens": 3}]
        return {**state, "plan": state.get("plan", ["design", "build"]), "messages": messages}
    return work

steps = [named(f"step{n}") for n in range(10)]

def agent(state):
    for work in steps:
        state = work(state)
    return state

if __name__ == "__main__":
    if sys.argv[1:]:
        Path("work").mkdir()
        with VCRRecorder(workspace=ACIDWorkspace("work")) as recorder:
            recorder.start_session(sys.argv[1])
            agent({"query": "todo"})
    else:
        agent({"query": "todo"})
"""


@pytest.fixture
def surroundings(in_tmp, monkeypatch):
    """What the examples speak of: my_run of ten frames with savepoints, golden, a fork, foreign recordings, app.py."""
    monkeypatch.setenv("AGENT_VCR_HOME", str(in_tmp / "home"))
    Path("app.py").write_text(APP)
    Path("runs").mkdir()
    shutil.copy(DATA / "mini-swe-agent" / "local.traj.json", "runs")
    subprocess.run([sys.executable, "app.py", "my_run"], check=True)
    for words in (
        ["record", "--session", "golden", "--", "python", "app.py"],
        ["fork", "my_run", "7", "--set", "plan=x"],
        ["rollback", "my_run", "5"],
    ):
        done = run_vcr(*words)
        assert done.returncode == 0, done.stderr
    return in_tmp


@pytest.mark.slow
def test_the_example_of_every_verb_works_as_it_stands(surroundings):
    failed = []
    # The one that adds a second run to my_run comes last.
    for verb in sorted(VERBS, key=lambda verb: verb.name == "record"):
        words = shlex.split(verb.example)
        assert words.pop(0) == "vcr"
        done = run_vcr(*words)
        if done.returncode != (verb.name in DIFFERS):
            failed.append((verb.example, done.returncode, done.stderr))
    assert failed == []
