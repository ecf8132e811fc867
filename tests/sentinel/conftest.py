"""A project to guard, and how a hook's process is run in it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = str(Path(sys.executable).parent / "sentinel")
ORIGINAL = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""
DEBT = "def old(a=[]):\n    return a\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with an original and a file of old debt; cache and sockets are its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run_dir = tmp_path / "r"
    run_dir.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run_dir))
    for name in ("CLAUDE_PROJECT_DIR", "OPENHANDS_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "p"
    root.mkdir()
    (root / "pyproject.toml").write_text("")
    (root / "io.py").write_text(ORIGINAL)
    (root / "debt.py").write_text(DEBT)
    return root


def run_hook(document, agent="claude-code", **given):
    """What the hook's process answers to an event, or to a text that is none."""
    text = document if isinstance(document, (str, bytes)) else json.dumps(document)
    data = text.encode() if isinstance(text, str) else text
    done = subprocess.run([SCRIPT, "hook", agent], input=data, capture_output=True, check=False, **given)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def event_of(root, name, event, **given):
    """An event of Claude Code, as its hooks reference has it."""
    document = {"session_id": "s", "transcript_path": "/dev/null", "hook_event_name": event, "cwd": str(root)}
    if name:
        document |= {"tool_name": "Write", "tool_input": {"file_path": str(root / name), "content": ""}}
    return document | given


def hook(root, name, event, **given):
    """What the hook of Claude Code answers to an event about a file of the project."""
    return run_hook(event_of(root, name, event, **given))
