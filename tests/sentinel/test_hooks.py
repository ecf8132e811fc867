"""Hooks with the real thing: processes, sockets, a watched folder, LangGraph's tool node."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from sentinel import Config, Sentinel, UsageError, client

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
    root = tmp_path / "p"
    root.mkdir()
    (root / "pyproject.toml").write_text("")
    (root / "io.py").write_text(ORIGINAL)
    (root / "debt.py").write_text(DEBT)
    return root


def hook(root, name, event, **given):
    document = {"hook_event_name": event, "cwd": str(root), "tool_name": "Write", **given}
    if name:
        document["tool_input"] = {"file_path": str(root / name)}
    argv = [SCRIPT, "hook", "claude-code"]
    return subprocess.run(argv, input=json.dumps(document), capture_output=True, text=True, check=False)


def test_claude_code_is_told_what_its_write_left_and_exits_0_when_corrected(project):
    (project / "new.py").write_text(ORIGINAL.replace("load", "read_rows"))
    done = hook(project, "new.py", "PostToolUse")
    assert done.returncode == 2
    assert "load() already exists in io.py:1 - reuse it: delete this copy and import it" in done.stderr
    (project / "new.py").write_text("from io import load\n\nprint(load)\n")
    done = hook(project, "new.py", "PostToolUse")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_old_debt_is_not_held_against_a_write(project):
    assert hook(project, "debt.py", "PreToolUse").returncode == 0
    (project / "debt.py").write_text("# edited\n" + DEBT)
    assert hook(project, "debt.py", "PostToolUse").returncode == 0
    (project / "debt.py").write_text("# edited\n" + DEBT + "\n\ndef new(a=[]):\n    return a\n")
    done = hook(project, "debt.py", "PostToolUse")
    assert (done.returncode, "old()" in done.stderr, "new()" in done.stderr) == (2, False, True)


def test_the_last_commit_is_the_state_before_the_first_write(project):
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *argv], check=True)
    (project / "debt.py").write_text("# edited without a PreToolUse\n" + DEBT)
    assert hook(project, "debt.py", "PostToolUse").returncode == 0


def test_a_notebook_edit_is_checked(project):
    cells = [{"cell_type": "code", "source": [ORIGINAL.replace("load", "rows_of")]}]
    (project / "a.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    given = {"notebook_path": str(project / "a.ipynb")}
    done = hook(project, "", "PostToolUse", tool_name="NotebookEdit", tool_input=given)
    assert done.returncode == 2
    assert "a.ipynb:cell 1:1 critical duplicate-function" in done.stderr


def test_the_stop_sweep_sees_what_a_shell_command_wrote_and_stops_no_agent_twice(project):
    assert hook(project, "debt.py", "PreToolUse").returncode == 0
    (project / "shell.py").write_text(ORIGINAL)
    assert hook(project, "", "Stop", stop_hook_active=True).returncode == 0
    done = hook(project, "", "Stop")
    assert done.returncode == 2
    assert "shell.py:1 critical duplicate-function" in done.stderr
    assert hook(project, "", "Stop").returncode == 0


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_hook_without_an_event_exits_with_a_reason_and_blocks_no_agent(project, text):
    argv = [SCRIPT, "hook", "claude-code"]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, cwd=project)
    assert done.returncode == 1
    assert done.stderr.startswith("sentinel: stdin holds")


def test_other_tools_and_other_files_are_no_business_of_the_hook(project):
    (project / "a.csv").write_text("x")
    assert hook(project, "a.csv", "PostToolUse").returncode == 0
    assert hook(project, "debt.py", "PostToolUse", tool_name="Read").returncode == 0
    assert not any(project.glob(".sentinel*"))


@pytest.fixture
def daemon(project):
    """A running daemon of the project, ended by its own stop command."""
    process = subprocess.Popen([SCRIPT, "serve", str(project)], stdout=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    assert first.startswith("serving ")
    yield project
    subprocess.run([SCRIPT, "serve", "--stop", str(project)], check=True)
    assert process.wait(20) == 0
    process.stdout.close()


def test_a_daemon_answers_the_hook_and_refuses_a_second_one(daemon):
    (daemon / "new.py").write_text(ORIGINAL)
    done = hook(daemon, "new.py", "PostToolUse")
    assert (done.returncode, "already exists in io.py:1" in done.stderr) == (2, True)
    event = {"tool_name": "Write", "tool_input": {"file_path": str(daemon / "new.py")}}
    assert client.ask(daemon, {"hook": "claude-code", "event": event}) == {"code": 0, "text": ""}
    second = subprocess.run([SCRIPT, "serve", str(daemon)], capture_output=True, text=True, check=False)
    assert (second.returncode, "is running already" in second.stderr) == (2, True)


def test_the_daemon_sees_that_the_original_is_gone(daemon):
    (daemon / "io.py").unlink()
    (daemon / "new.py").write_text(ORIGINAL)
    assert hook(daemon, "new.py", "PostToolUse").returncode == 0


def test_the_stored_index_finds_the_same_and_knows_old_debt(project):
    first = Sentinel(root=project, config=Config())
    first.index()
    first.store_index()
    second = Sentinel(root=project, config=Config())
    assert second.load_index()
    (project / "copy.py").write_text(ORIGINAL)
    result = second.check_file("copy.py")
    assert result.findings == first.check_file("copy.py").findings
    assert [item.rule for item in result.findings] == ["duplicate-function"]
    assert second.check_file("debt.py").caused == ()
    assert Sentinel(root=project, config=Config(max_returns=1)).load_index() is False


def test_a_torn_index_is_built_anew(project):
    from sentinel import store

    first = Sentinel(root=project, config=Config())
    first.index()
    first.store_index()
    file = store.index_file(first.project)
    whole = file.read_bytes()
    for cut in (0, 10, 60, 200, len(whole) - 1):
        file.write_bytes(whole[:cut])
        assert Sentinel(root=project, config=Config()).load_index() is False


def test_a_watched_folder_reports_what_any_program_writes(project):
    results = []
    arrived = threading.Event()

    def on_result(result):
        results.append(result)
        arrived.set()

    sentinel = Sentinel(root=project, config=Config(), on_result=on_result)
    with sentinel.attach(project):
        subprocess.run(
            [sys.executable, "-c", "open('new.py','w').write('def f(a=[]): return a')"],
            cwd=project,
            check=True,
        )
        assert arrived.wait(30)
    assert [item.rule for item in results[0].caused] == ["mutable-default"]
    assert results[0].path == "new.py"


def test_the_watch_command_refuses_what_is_no_folder(project):
    done = subprocess.run([SCRIPT, "watch", "typo"], capture_output=True, text=True, check=False, cwd=project)
    assert (done.returncode, "typo does not exist" in done.stderr) == (2, True)


@pytest.fixture
def write_file(project, monkeypatch):
    monkeypatch.chdir(project)

    @tool
    def write_file(file_path: str, text: str) -> str:
        """Write a file."""
        Path(file_path).write_text(text)
        return "written"

    return write_file


def run_tool(tools, **arguments):
    """The tool's answer as a LangGraph agent's model reads it."""
    graph = StateGraph(MessagesState).add_node("tools", ToolNode(tools)).add_edge(START, "tools").compile()
    call = {"name": "write_file", "args": arguments, "id": "1", "type": "tool_call"}
    return graph.invoke({"messages": [AIMessage("", tool_calls=[call])]})["messages"][-1].content


def test_a_langgraph_file_tool_answers_with_the_finding(project, write_file):
    guarded = Sentinel(root=project, config=Config()).attach([write_file])
    answer = run_tool(guarded, file_path="new.py", text=ORIGINAL)
    assert answer.startswith("written\n\n[sentinel] this write left 1 to fix in new.py:")
    assert "load() already exists in io.py:1" in answer
    assert run_tool(guarded, file_path="new.py", text="X = 1\n") == "written"
    assert run_tool(guarded, file_path="debt.py", text="X = 1\n" + DEBT) == "written"
    assert run_tool(guarded, file_path="notes.txt", text="x") == "written"
    assert run_tool([write_file], file_path="new.py", text=ORIGINAL) == "written"


def test_what_cannot_be_attached_is_named(project):
    with pytest.raises(UsageError, match="an object of type int cannot be attached: expected a folder"):
        Sentinel(root=project).attach(3)


class Recorder:
    """The method that Sentinel calls, keeping what it is given."""

    def __init__(self):
        self.frames = []

    def record_step(self, node_name, input_state, output_state, metadata=None, frame_type="checkpoint"):
        self.frames.append((node_name, input_state, output_state, frame_type))


def test_findings_and_fixes_become_frames(project):
    recorder = Recorder()
    sentinel = Sentinel(recorder, root=project, config=Config())
    sentinel.check_file("new.py", DEBT)
    sentinel.check_file("new.py", "X = 1\n")
    sentinel.check_file("new.py", "X = 2\n")
    (first, second) = recorder.frames
    assert (first[0], first[1], first[3]) == ("sentinel", {"path": "new.py"}, "checkpoint")
    assert json.loads(json.dumps(first[2]))["findings"][0]["rule"] == "mutable-default"
    assert (second[2]["clean"], second[2]["fixed"][0]["rule"]) == (True, "mutable-default")


def test_findings_as_a_table(project):
    sentinel = Sentinel(root=project, config=Config())
    assert sentinel.to_pandas().columns[0] == "rule"
    sentinel.scan()
    assert list(sentinel.to_pandas()["rule"]) == ["mutable-default"] == [item.rule for item in sentinel.findings]
