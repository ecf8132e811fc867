"""A watched folder: whatever program writes into it, and however."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from sentinel import Config, Sentinel
from tests.sentinel.conftest import ORIGINAL, SCRIPT


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


pytestmark = pytest.mark.timeout(120)  # a line that does not come is waited for


@pytest.fixture
def watched(project):
    """A project that `sentinel watch` watches, and how to read on until a line holds some words."""
    shutil.move(project, project.with_name(".tox"))  # a name that watchers pass over
    project = project.with_name(".tox")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([SCRIPT, "watch", "."], cwd=project, text=True, env=env, **pipes)

    def until(words):
        lines = []
        for line in process.stdout:
            lines.append(line)
            if words in line:
                return lines
        raise AssertionError(f"{words!r} did not come: {lines}")

    def end():
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
        return process.returncode, rest

    until("watching .")
    yield project, until, end
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_the_watch_follows_files_as_they_come_and_go(watched):
    project, until, end = watched
    (project / "new.py").write_text(ORIGINAL)
    until("new.py:1 critical duplicate-function")
    (project / "new.py").rename(project / "renamed.py")
    until("new.py: deleted")
    until("renamed.py:1 critical duplicate-function")
    (project / ".part").write_text(ORIGINAL)
    (project / ".part").rename(project / "saved.py")  # as editors save
    until("saved.py:1 critical duplicate-function")
    for name in ("renamed.py", "saved.py"):
        (project / name).unlink()
        until(f"{name}: deleted")
    assert end() == (0, "")


@pytest.mark.slow
def test_the_watch_looks_into_folders_that_are_made_or_moved_in_one_go(watched):
    project, until, end = watched
    outside = project.parent / "outside"
    outside.mkdir()
    (outside / "moved.py").write_text(ORIGINAL)
    outside.rename(project / "inside")
    until("inside/moved.py:1 critical duplicate-function")
    (project / "a" / "b").mkdir(parents=True)
    (project / "a" / "b" / "deep.py").write_text(ORIGINAL)
    until("a/b/deep.py:1 critical duplicate-function")
    for name in ("inside", "a"):
        shutil.rmtree(project / name)
    until("inside/moved.py: deleted")
    assert end()[0] == 0


@pytest.mark.slow
def test_the_watch_tells_each_of_500_files_written_at_once(watched):
    project, until, end = watched
    for number in range(500):
        (project / f"b{number}.py").write_text(f"def b{number}(a=[]):\n    return a\n")
    told = set()
    while len(told) < 500:
        told.update(re.findall(r"b\d+\.py", until("mutable-default")[-1]))
    assert end()[0] == 1


@pytest.mark.slow
def test_findings_that_a_later_write_leaves_standing_are_left_at_the_end(watched):
    project, until, end = watched
    (project / "new.py").write_text("def f(a=[]):\n    return a\n")
    until("mutable-default")
    (project / "new.py").write_text("# a comment\ndef f(a=[]):\n    return a\n")
    until("new.py: nothing new to fix")
    assert end()[0] == 1


@pytest.mark.slow
def test_what_git_ignores_is_not_watched(watched):
    project, until, end = watched
    (project / ".gitignore").write_text("build/\n")
    (project / "build").mkdir()
    (project / "build" / "a.py").write_text(ORIGINAL)
    (project / "link.py").symlink_to(project / "io.py")
    (project / "last.py").write_text(ORIGINAL)
    assert not any("build" in line or "link" in line for line in until("last.py:1 critical"))
    assert end()[0] == 1


def test_a_file_cannot_be_watched_and_is_said_to_be_one(project):
    done = subprocess.run([SCRIPT, "watch", "io.py"], capture_output=True, text=True, check=False, cwd=project)
    assert (done.returncode, "io.py is a file: expected a folder" in done.stderr) == (2, True)
