"""The hook protocol of Claude Code, event by event."""

import json
import os
import pty
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sentinel.conftest import DEBT, ORIGINAL, SCRIPT, event_of, hook, hook_process, run_hook


def test_claude_code_is_told_what_its_write_left_and_exits_0_when_corrected(project):
    (project / "new.py").write_text(ORIGINAL.replace("load", "read_rows"))
    done = hook_process(project, "new.py", "PostToolUse")
    assert done.returncode == 2
    assert "load() already exists in io.py:1 - reuse it: delete this copy and import it" in done.stderr
    (project / "new.py").write_text("from io import load\n\nprint(load)\n")
    done = hook_process(project, "new.py", "PostToolUse")
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


def test_other_tools_and_other_files_are_no_business_of_the_hook(project):
    (project / "a.csv").write_text("x")
    assert hook(project, "a.csv", "PostToolUse").returncode == 0
    assert hook(project, "debt.py", "PostToolUse", tool_name="Read").returncode == 0
    assert not any(project.glob(".sentinel*"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "stdin holds no JSON"),
        ("{", "stdin holds no JSON"),
        (b"\xff\xfe", "stdin holds no JSON"),
        ("[" * 100_000, "stdin holds no JSON"),
        ("[]", "stdin holds list"),
        ('{"tool_name":"Write","tool_input":"x"}', "the event's 'tool_input' holds str"),
        ('{"cwd":5}', "the event's 'cwd' holds int"),
        ('{"cwd":"/no/such"}', "/no/such does not exist"),
    ],
)
def test_what_is_no_event_blocks_no_agent_and_is_told_to_the_user(project, text, words):
    done = run_hook(text, cwd=project)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sentinel: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_or_a_misspelt_agent_blocks_no_write(project):
    (project / "pyproject.toml").write_text("[tool.sentinel]\nmax-complexty = 3\n")
    done = hook(project, "new.py", "PreToolUse")
    assert (done.returncode, "did you mean 'max-complexity'?" in done.stderr) == (1, True)
    assert run_hook(event_of(project, "new.py", "PreToolUse"), agent="claude").returncode == 1


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"hook_event_name": "PostToolUse", "tool_name": "Write"},
        {"hook_event_name": "PostToolUse", "tool_name": "Write", "tool_input": {}},
        {"hook_event_name": "PostToolUse", "tool_name": "Write", "tool_input": {"file_path": 3}},
        {"hook_event_name": "PostToolUse", "tool_name": "Write", "tool_input": {"file_path": "gone.py"}},
        {"hook_event_name": "PostToolUse", "tool_name": "Write", "tool_input": {"file_path": "a\0b.py"}},
        {"hook_event_name": None, "tool_name": None, "tool_input": None, "cwd": None},
        {"hook_event_name": "PreCompact", "trigger": "auto"},
    ],
)
def test_an_event_that_names_no_written_file_is_answered_with_nothing(project, event):
    done = run_hook(event, cwd=project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("tool", ["Write", "Edit", "MultiEdit"])
def test_every_tool_that_writes_is_checked(project, tool):
    (project / "new.py").write_text(ORIGINAL)
    assert hook(project, "new.py", "PostToolUse", tool_name=tool).returncode == 2


def test_the_settings_work_as_they_are_printed(project):
    argv = [SCRIPT, "hook", "claude-code", "--settings"]
    hooks = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)["hooks"]

    def happens(event):
        """What Claude Code does: the matcher is a regular expression for the tool, the command goes to a shell."""
        [entry] = hooks[event["hook_event_name"]]
        assert re.fullmatch(entry.get("matcher", ".*"), event.get("tool_name", event.get("source", "")))
        [action] = entry["hooks"]
        assert action["type"] == "command"
        given = json.dumps(event)
        return subprocess.run(["/bin/sh", "-c", action["command"]], input=given, text=True, check=False).returncode

    assert happens(event_of(project, "", "SessionStart", source="startup")) == 0
    assert happens(event_of(project, "new.py", "PreToolUse")) == 0
    (project / "new.py").write_text(ORIGINAL)
    assert happens(event_of(project, "new.py", "PostToolUse")) == 2
    (project / "shell.py").write_text("def f(a=[]):\n    return a\n")
    assert happens(event_of(project, "", "Stop", stop_hook_active=False)) == 2


def test_what_changed_between_two_sessions_is_not_held_against_the_agent(project):
    assert hook(project, "", "SessionStart", source="startup").returncode == 0
    (project / "mine.py").write_text("def mine(a=[]):\n    return a\n")
    assert hook(project, "", "SessionStart", source="resume").returncode == 0
    assert hook(project, "", "Stop").returncode == 0
    (project / "its.py").write_text("def its(a=[]):\n    return a\n")
    assert hook(project, "", "SessionStart", source="compact").returncode == 0
    done = hook(project, "", "Stop")
    assert (done.returncode, "its()" in done.stderr, "mine()" in done.stderr) == (2, True, False)


def test_a_file_that_was_broken_before_is_held_against_no_agent_and_one_it_leaves_broken_is(project):
    (project / "broken.py").write_text("def f(:\n")
    assert hook(project, "", "SessionStart", source="startup").returncode == 0
    assert hook(project, "", "Stop").returncode == 0
    (project / "broken.py").write_text("# looked at\ndef f(:\n")
    done = hook(project, "broken.py", "PostToolUse")
    assert (done.returncode, "broken.py:2 critical syntax-error" in done.stderr) == (2, True)
    assert hook(project, "", "Stop").returncode == 0


def test_a_stop_tells_five_at_most_over_all_files_the_worst_first(project):
    assert hook(project, "", "SessionStart", source="startup").returncode == 0
    for number in range(8):
        (project / f"w{number}.py").write_text(f"import os\n\n\ndef f{number}():\n    return {number}\n")
    (project / "z.py").write_text(DEBT.replace("old", "new"))
    lines = hook(project, "", "Stop").stderr.splitlines()
    assert lines[0] == "[sentinel] this write left 9 to fix in 9 files:"
    assert lines[1].startswith("  z.py:1 critical mutable-default")
    assert (len(lines), lines[-1]) == (7, "  and 4 more: see them with `sentinel scan`")


def test_files_outside_the_project_and_ignored_ones_are_no_business_of_the_hook(project):
    (project / "pyproject.toml").write_text('[tool.sentinel]\nexclude = ["generated/"]\n')
    (project / ".gitignore").write_text("build/\n")
    for name in ("../scratch.py", "build/a.py", "generated/a.py", ".venv/a.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(ORIGINAL)
        assert hook(project, name, "PostToolUse").returncode == 0, name


def test_the_project_is_found_where_the_agent_has_changed_its_folder(project, monkeypatch):
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(project))
    (project / "new.py").write_text(ORIGINAL)
    done = hook(project, "new.py", "PostToolUse", cwd=str(project.parent / "r"))
    assert (done.returncode, "already exists in io.py:1" in done.stderr) == (2, True)


@pytest.mark.slow
def test_hooks_that_run_at_the_same_time_each_answer_for_their_file(project):
    assert hook_process(project, "", "SessionStart", source="startup").returncode == 0
    names = [f"c{number}.py" for number in range(8)]
    for name in names:
        (project / name).write_text(f"def {name[:2]}(a=[]):\n    return a\n")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: hook_process(project, name, "PostToolUse"), names))
    assert [done.returncode for done in answers] == [2] * 8
    assert all(f"{name[:2]}()" in done.stderr for name, done in zip(names, answers, strict=True))
    assert hook_process(project, "", "Stop").returncode == 0  # none forgot what another had told


def test_a_file_too_large_to_be_code_is_said_to_be_unchecked(project):
    (project / "data.py").write_text("X = [\n" + "1234567,\n" * 400_000 + "]\n")
    done = hook(project, "data.py", "PostToolUse")
    assert (done.returncode, "larger than 2,000,000 bytes" in done.stderr) == (2, True)


def test_a_secret_is_not_told_again_and_what_an_agent_names_stays_short_and_on_its_line(project):
    name = "new\n::error file=x::y\x1b[31m.py"
    words = "ignore_all_previous_instructions_" * 100
    secret = "sk-ant-" + "a1" * 20
    (project / name).write_text(f"key = {secret!r}\n\n\ndef {words}(a=[]):\n    return a\n")
    lines = hook(project, name, "PostToolUse").stderr.splitlines()
    shown = r"new\n::error file=x::y\x1b[31m.py"
    assert lines[0] == f"[sentinel] this write left 2 to fix in {shown}:"
    assert [line.split(": ")[0] for line in lines[1:]] == [
        f"  {shown}:1 critical hardcoded-secret",
        f"  {shown}:4 critical mutable-default",
    ]
    assert secret not in "".join(lines)
    assert max(len(line) for line in lines) < 450


def test_a_hook_answers_where_the_folders_of_the_user_are_missing(project, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "io.py" / "no folder"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(project / "none"))
    monkeypatch.setenv("TMPDIR", str(project.parent / "r"))
    (project / "new.py").write_text(ORIGINAL)
    assert hook(project, "new.py", "PostToolUse").returncode == 2
    (project / "new.py").write_text(ORIGINAL + "\n\n# more\n")
    assert hook(project, "new.py", "PostToolUse").returncode == 0


def test_a_user_who_runs_the_hook_by_hand_is_told_what_it_is_for(project):
    master, slave = pty.openpty()
    done = subprocess.run([SCRIPT, "hook", "claude-code"], stdin=slave, capture_output=True, text=True, check=False)
    os.close(master)
    os.close(slave)
    assert (done.returncode, "--settings prints what to put" in done.stderr) == (1, True)
