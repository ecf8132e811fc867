"""The daemon that answers hooks from memory."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from sentinel import SentinelError, UsageError, client
from sentinel.serve import HOOKS
from tests.sentinel.conftest import ORIGINAL, SCRIPT, hook, hook_process, run_hook


@contextmanager
def serving(project):
    """A daemon of the project that has begun to listen."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([SCRIPT, "serve", str(project)], text=True, **pipes)
    try:
        first = process.stdout.readline()
        assert first.startswith("serving "), process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def daemon(project):
    """A running daemon of the project, ended by its own stop command."""
    with serving(project) as process:
        yield project
        subprocess.run([SCRIPT, "serve", "--stop", str(project)], check=True)
        assert process.wait(20) == 0


def test_a_daemon_answers_the_hook_and_refuses_a_second_one(daemon):
    (daemon / "new.py").write_text(ORIGINAL)
    done = hook_process(daemon, "new.py", "PostToolUse")
    assert (done.returncode, "already exists in io.py:1" in done.stderr) == (2, True)
    event = {"tool_name": "Write", "tool_input": {"file_path": str(daemon / "new.py")}}
    assert client.ask(daemon, {"hook": "claude-code", "event": event}) == {"code": 0, "text": ""}
    second = subprocess.run([SCRIPT, "serve", str(daemon)], capture_output=True, text=True, check=False)
    assert (second.returncode, "is running already" in second.stderr) == (2, True)


@pytest.mark.slow
def test_the_daemon_sees_that_the_original_is_gone(daemon):
    (daemon / "io.py").unlink()
    (daemon / "new.py").write_text(ORIGINAL)
    assert hook(daemon, "new.py", "PostToolUse").returncode == 0


@pytest.mark.slow
def test_no_other_user_can_ask_the_daemon(daemon):
    path = client.socket_path(daemon)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.parent.chmod(0o777)
    with pytest.raises(UsageError, match="open to other users"):
        client.socket_path(daemon)
    path.parent.chmod(0o700)


@pytest.mark.slow
def test_a_daemon_that_was_killed_leaves_hooks_that_answer_and_makes_room_for_the_next(project):
    with serving(project) as killed:
        killed.kill()
        killed.wait()
    (project / "new.py").write_text(ORIGINAL)
    assert client.socket_path(project).exists()
    assert hook(project, "new.py", "PostToolUse").returncode == 2
    with serving(project):
        assert client.ask(project, {"hook": "claude-code", "event": {}}) == {"code": 0, "text": ""}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_told_to_end_removes_its_socket(project, number):
    with serving(project) as process:
        process.send_signal(number)
        assert process.wait(20) == 0
    assert not client.socket_path(project).exists()


@pytest.mark.slow
def test_a_daemon_goes_by_the_configuration_as_it_is_now(daemon):
    (daemon / "new.py").write_text("def f(a, b, c):\n    return a, b, c\n")
    assert hook(daemon, "new.py", "PostToolUse").returncode == 0
    (daemon / "pyproject.toml").write_text("[tool.sentinel]\nmax-parameters = 2\n")
    assert hook(daemon, "new.py", "PostToolUse").returncode == 2
    (daemon / "pyproject.toml").write_text("[tool.sentinel]\nmax-params = 2\n")
    done = hook(daemon, "new.py", "PostToolUse")
    assert (done.returncode, "unknown entry 'max-params'" in done.stderr) == (1, True)


@pytest.mark.slow
def test_a_daemon_ends_when_its_project_is_moved_and_the_hook_answers_there(project):
    with serving(project) as process:
        moved = project.with_name("moved")
        project.rename(moved)
        assert process.wait(20) == 0
    (moved / "new.py").write_text(ORIGINAL)
    assert hook(moved, "new.py", "PostToolUse").returncode == 2
    shutil.rmtree(moved)


@pytest.mark.slow
def test_a_daemon_answers_several_hooks_at_a_time(daemon):
    names = [f"c{number}.py" for number in range(6)]
    for name in names:
        (daemon / name).write_text(f"def {name[:2]}(a=[]):\n    return a\n")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda name: hook_process(daemon, name, "PostToolUse"), names))
    assert all(f"{name[:2]}()" in done.stderr for name, done in zip(names, answers, strict=True))


@pytest.mark.slow
def test_the_hook_of_openhands_is_answered_by_the_daemon_too(daemon):
    given = {"command": "create", "path": str(daemon / "new.py"), "file_text": ORIGINAL}
    event = {"event_type": "PreToolUse", "tool_name": "file_editor", "tool_input": given, "working_dir": str(daemon)}
    assert [run_hook(event, agent="openhands").returncode for _ in range(2)] == [2, 0]


@contextmanager
def listening(project):
    """A socket where the daemon's would be."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(client.socket_path(project)))
        server.listen()
        yield server


def test_a_daemon_that_hangs_is_named_and_not_waited_for_without_end(project, monkeypatch):
    monkeypatch.setattr(client, "PATIENCE_S", 0.2)
    with listening(project), pytest.raises(SentinelError, match="does not answer"):
        client.ask(project, {"stop": True})


def test_a_daemon_that_ends_before_it_answers_is_as_none(project):
    with listening(project) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.ask, project, {"hook": "claude-code", "event": {}})
        connection, _ = server.accept()
        connection.recv(1000)
        connection.close()
        assert asked.result(20) is None


@pytest.mark.slow
def test_a_request_that_is_none_is_answered_with_what_is_wrong(daemon):
    for line in (b"x\n", b"[]\n", b'{"hook":"guess"}\n', b'{"hook":"claude-code","event":[]}\n'):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(client.socket_path(daemon)))
            connection.sendall(line)
            assert set(json.loads(connection.makefile().readline())) == {"error"}
    assert client.ask(daemon, {"hook": "claude-code", "event": {}}) == {"code": 0, "text": ""}


def test_stopping_where_no_daemon_runs_says_so(project):
    done = subprocess.run([SCRIPT, "serve", "--stop", project], capture_output=True, text=True, check=False)
    assert (done.returncode, "no daemon is running" in done.stderr) == (2, True)
    os.mkfifo(project / "pipe.py")  # and nothing is read that never ends
    assert hook(project, "", "Stop").returncode == 0


def test_every_agent_whose_hooks_are_answered_has_its_project_found():
    assert set(HOOKS) == set(client.PROJECT_VARIABLES)
