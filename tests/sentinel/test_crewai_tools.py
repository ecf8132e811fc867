"""CrewAI, in an environment of its own: what the model of a crew reads after a tool wrote a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
VENV = ROOT / ".venv-crewai"
ORIGINAL = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""
FINDING = "load() already exists in store.py:1 - reuse it: delete this copy and import it"
pytestmark = pytest.mark.timeout(900)  # the first time, CrewAI is installed
KINDS = ("subclass", "function", "FileWriterTool", "clean")


@pytest.fixture(scope="module")
def python():
    """A Python that can import crewai; installed once beside the project's own environment, which it would triple."""
    inside = VENV / "bin" / "python"
    done = VENV / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        packages = ["crewai>=1.15", "crewai-tools>=1.15", "pathspec", "orjson", "click"]
        subprocess.run([inside, "-m", "pip", "install", "-q", *packages], check=True)
        done.touch()
    return inside


@pytest.fixture(scope="module")
def shown(python, tmp_path_factory):
    """By kind of tool, what the model was shown last before each answer. One process: CrewAI takes long to load."""
    folder = tmp_path_factory.mktemp("crewai")
    argv = [python, Path(__file__).with_name("crewai_agent.py")]
    for kind in KINDS:
        (folder / kind).mkdir()
        (folder / kind / "store.py").write_text(ORIGINAL)
        argv += [kind, folder / kind]
    off = {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "CREWAI_TRACING_ENABLED": "false"}
    env = {**os.environ, **off, "CREWAI_DISABLE_VERSION_CHECK": "true", "CREWAI_STORAGE_DIR": str(folder / "storage")}
    env |= {"PYTHONPATH": str(ROOT), "HOME": str(folder)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("RESULT")[2])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["subclass", "function", "FileWriterTool"])
def test_the_model_of_a_crew_reads_the_finding_in_its_next_prompt(shown, kind):
    asked, answered = shown[kind]
    assert "[sentinel]" not in asked
    assert FINDING in answered


@pytest.mark.slow
def test_the_model_of_a_crew_reads_nothing_of_sentinel_after_a_clean_write(shown):
    assert shown["clean"][1] == "written"
