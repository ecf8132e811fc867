"""A project to guard, and how a hook's process is run in it."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from sentinel import cli

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


class Answer(NamedTuple):
    """What a hook ends with."""

    returncode: int
    stdout: str
    stderr: str


def run_hook(document, agent="claude-code", cwd="."):
    """What the command answers to an event, or to a text that is none; in this process, for it is quicker."""
    text = document if isinstance(document, (str, bytes)) else json.dumps(document)
    stdin = io.TextIOWrapper(io.BytesIO(text.encode() if isinstance(text, str) else text))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before, sys.stdin = sys.stdin, stdin
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main(["hook", agent])
        finally:
            sys.stdin = before
    return Answer(ended.value.code, out.getvalue(), err.getvalue())


def event_of(root, name, event, **given):
    """An event of Claude Code, as its hooks reference has it."""
    document = {"session_id": "s", "transcript_path": "/dev/null", "hook_event_name": event, "cwd": str(root)}
    if name:
        document |= {"tool_name": "Write", "tool_input": {"file_path": str(root / name), "content": ""}}
    return document | given


def hook(root, name, event, **given):
    """What the hook of Claude Code answers to an event about a file of the project."""
    return run_hook(event_of(root, name, event, **given))


def hook_process(root, name, event, **given):
    """The same by a process of its own, as an agent runs it."""
    document = json.dumps(event_of(root, name, event, **given))
    done = subprocess.run([SCRIPT, "hook", "claude-code"], input=document, capture_output=True, text=True, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)
