"""OpenHands, the real SDK in a Python 3.12 of its own: what the model reads after a write."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
VENV = ROOT / ".venv-openhands"
ORIGINAL = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""
FINDING = "load() already exists in store.py:1 - reuse it: delete this copy and import it"


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
    if not inside.exists():
        base = python_312()
        if base is None:
            pytest.skip("OpenHands needs Python 3.12, and none is installed")
        subprocess.run([base, "-m", "venv", VENV], check=True)
        packages = ["openhands-sdk", "openhands-tools", "pathspec", "orjson", "click"]
        subprocess.run([inside, "-m", "pip", "install", "-q", *packages], check=True)
    return inside


def shown(python, root, mode):
    (root / "store.py").write_text(ORIGINAL)
    argv = [python, Path(__file__).with_name("openhands_agent.py"), mode, root]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENHANDS_SUPPRESS_BANNER": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("RESULT")[2])


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "role"), [("attach", "tool"), ("shell", "tool"), ("callback", "user")])
def test_the_model_reads_the_finding_after_its_write(python, tmp_path, mode, role):
    told = [speaker for speaker, text in shown(python, tmp_path, mode) if FINDING in text]
    assert told == [role]


@pytest.mark.slow
def test_a_clean_write_is_answered_as_without_sentinel(python, tmp_path):
    assert not any("[sentinel]" in text for _, text in shown(python, tmp_path, "clean"))


@pytest.mark.slow
def test_an_event_stream_of_openhands_ai_gets_the_finding_as_a_message(tmp_path):
    """Proven on openhands-ai 1.6.0; its dependencies fill a gigabyte, so the Python is named by a variable."""
    named = os.environ.get("SENTINEL_OPENHANDS_AI_PYTHON")
    if named is None:
        pytest.skip("SENTINEL_OPENHANDS_AI_PYTHON names no Python with openhands-ai 1.6")
    (tmp_path / "store.py").write_text(ORIGINAL)
    argv = [named, Path(__file__).with_name("openhands_event_stream.py"), tmp_path]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("EventSource.USER [sentinel] this write left 1 to fix in new.py:")
    assert FINDING in done.stdout
