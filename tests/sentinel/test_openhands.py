"""OpenHands, which needs a Python 3.12 of its own: what the model reads after a write."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SENTINEL = Path(sys.executable).parent / "sentinel"
VENV = ROOT / ".venv-openhands"
ORIGINAL = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""
FINDING = "load() already exists in store.py:1 - reuse it: delete this copy and import it"
pytestmark = pytest.mark.timeout(900)  # the first time, OpenHands is installed
MODES = ("attach", "shell", "gemini", "callback", "clean", "no tools", "hooks", "hooks insist", "hooks shell")


def python_312():
    found = sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python3.12"))
    named = shutil.which("python3.12")
    for candidate in [*found, *([Path(named)] if named else [])]:
        if subprocess.run([candidate, "-c", "import sys"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def python():
    """A Python that can import openhands.sdk; installed once beside the project's own environment."""
    inside = VENV / "bin" / "python"
    done = VENV / "installed"
    if not done.exists():
        base = python_312()
        if base is None:
            pytest.skip("OpenHands needs Python 3.12, and none is installed")
        subprocess.run([base, "-m", "venv", VENV], check=True)
        packages = ["openhands-sdk", "openhands-tools", "pathspec", "orjson", "click"]
        subprocess.run([inside, "-m", "pip", "install", "-q", *packages], check=True)
        done.touch()
    return inside


def project(root, mode):
    """A folder with an original; where the mode says so, with the hooks.json that `--settings` prints."""
    root.mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (root / "store.py").write_text(ORIGINAL)
    if mode.startswith("hooks"):
        argv = [SENTINEL, "hook", "openhands", "--settings"]
        printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        (root / ".openhands").mkdir()
        (root / ".openhands" / "hooks.json").write_text(printed)
    return root


@pytest.fixture(scope="module")
def shown(python, tmp_path_factory):
    """By mode, the folder and what the model was shown as [role, text]. One process: OpenHands takes long to load."""
    folder = tmp_path_factory.mktemp("openhands")
    roots = {mode: project(folder / mode.replace(" ", "-"), mode) for mode in MODES}
    argv = [python, Path(__file__).with_name("openhands_agent.py")]
    argv += [text for mode, root in roots.items() for text in (mode, root)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder), "OPENHANDS_SUPPRESS_BANNER": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.rpartition("RESULT")[2])
    return {mode: (root, answers[mode]) for mode, root in roots.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "role"), [("attach", "tool"), ("shell", "tool"), ("gemini", "tool"), ("callback", "user")]
)
def test_the_model_reads_the_finding_after_its_write(shown, mode, role):
    told = [speaker for speaker, text in shown[mode][1] if FINDING in text]
    assert told == [role]


@pytest.mark.slow
def test_a_clean_write_is_answered_as_without_sentinel(shown):
    assert not any("[sentinel]" in text for _, text in shown["clean"][1])


@pytest.mark.slow
def test_a_conversation_without_a_tool_that_writes_is_refused_by_what_it_has(shown):
    assert "no tool here that writes files: it has finish, think" in shown["no tools"][1][0][1]


@pytest.mark.slow
def test_a_hook_of_openhands_keeps_a_wrong_file_from_being_written_and_tells_the_model_why(shown):
    root, messages = shown["hooks"]
    told = [text for _, text in messages if "[sentinel]" in text]
    assert len(told) == 1
    assert FINDING in told[0]
    assert not (root / "new.py").exists()
    assert (root / "right.py").read_text() == "X = 1\n"


@pytest.mark.slow
def test_an_agent_of_openhands_that_insists_is_let_through_and_not_sent_back_at_its_end(shown):
    root, messages = shown["hooks insist"]
    assert sum("[sentinel]" in text for _, text in messages) == 1
    assert (root / "new.py").exists()


@pytest.mark.slow
def test_the_stop_hook_of_openhands_sends_the_agent_back_once_for_what_a_shell_wrote(shown):
    told = [speaker for speaker, text in shown["hooks shell"][1] if FINDING in text]
    assert told == ["user"]


@pytest.fixture(scope="module")
def event_stream(python):
    """Folder with the part of openhands-ai that its event stream needs: all of its dependencies fill a gigabyte."""
    folder = VENV / "openhands-ai"
    done = folder / "installed"
    if not done.exists():
        install = [python, "-m", "pip", "install", "-q", "--target", folder]
        subprocess.run([*install, "--no-deps", "openhands-ai==1.6.0", "termcolor", "toml", "deprecated"], check=True)
        subprocess.run([*install, "google-cloud-storage", "wrapt"], check=True, stderr=subprocess.DEVNULL)
        done.touch()
    return folder


@pytest.mark.slow
def test_an_event_stream_of_openhands_ai_gets_findings_as_messages(python, event_stream, tmp_path):
    (tmp_path / "store.py").write_text(ORIGINAL)
    argv = [python, Path(__file__).with_name("openhands_event_stream.py"), tmp_path]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(event_stream), str(ROOT)])}
    env["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    here, there, shell, edit = json.loads(done.stdout.rpartition("RESULT")[2])
    for name, (source, text) in (("here.py", here), ("there.py", there), ("shell.py", shell)):
        assert (source, text.splitlines()[0]) == ("EventSource.USER", f"[sentinel] this write left 1 to fix in {name}:")
        assert FINDING in text
    assert [line.split(": ")[0] for line in edit[1].splitlines()[1:]] == ["  store.py:8 critical mutable-default"]
