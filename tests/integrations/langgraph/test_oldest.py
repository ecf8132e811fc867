"""The oldest release of LangGraph that the project claims, in an environment of its own."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OLDEST = "1.0.0"
# The newest langgraph-prebuilt says that it fits every langgraph 1.0, and does not.
BESIDE = ["langgraph-prebuilt==1.0.0", "langchain==1.0.0"]


def test_the_oldest_release_that_is_claimed_is_the_one_that_is_tested():
    assert PROJECT["optional-dependencies"]["langgraph"] == ["langgraph>=1.0"]
    assert OLDEST == "1.0.0"


@pytest.mark.slow
def test_graphs_are_recorded_and_resumed_with_the_oldest_release(tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    packages = ["orjson", "filelock", "jsonpatch", "pytest", f"langgraph=={OLDEST}", *BESIDE]
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    subprocess.run(install, check=True, timeout=400)
    names = ["contracts", "recording", "resuming", "kinds", "serving"]
    files = [f"tests/integrations/langgraph/test_{name}.py" for name in names]
    options = ["-q", "-m", "not slow", "-p", "no:cacheprovider", "-W", "default", "-o", "addopts="]
    done = subprocess.run(
        [python, "-m", "pytest", "--import-mode=importlib", *options, *files],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\d{3} passed", done.stdout)
