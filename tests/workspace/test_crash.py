"""SIGKILL before every change that an operation makes to the disk, and again while the next open recovers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agent_vcr_nb import ACIDWorkspace
from tests.workspace.conftest import put, snapshot

pytestmark = pytest.mark.slow
KILLED = -9


@pytest.fixture(scope="module")
def server():
    argv = [sys.executable, "-m", "tests.workspace.crash_server"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(place, operation, kill_at):
            request = {"workspace": f"{place}/ws", "store": f"{place}/store", "operation": operation}
            process.stdin.write(json.dumps({**request, "kill_at": kill_at}) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def build(place):
    root = place / "ws"
    put(root, "a", "1")
    put(root, "d/b", "2")
    put(root, "d/x.sh", "s", 0o755)
    put(root, ".env", "S", 0o600)
    put(root, "node_modules/q", "u")
    put(root, "swap/in", "i")
    put(root, "locked/in", "i")
    os.mkdir(root / "empty")
    os.symlink("a", root / "ln")
    os.chmod(root / "locked", 0o555)


def mutate(root):
    put(root, "a", "changed")
    os.unlink(root / "d/b")
    put(root, "new/deep/f", "n")
    os.rmdir(root / "empty")
    put(root, "empty", "file")
    os.unlink(root / "ln")
    os.makedirs(root / "ln/z")
    put(root, ".env", "X", 0o644)
    shutil.rmtree(root / "swap")
    os.symlink("/etc", root / "swap")
    os.chmod(root / "locked", 0o755)
    put(root, "locked/more", "m")
    put(root, "clone/.git/HEAD", "ref: refs/heads/main")
    put(root, "clone/f", "cloned")


def opened(place, **how):
    acid = ACIDWorkspace(place / "ws", store=place / "store")
    acid.begin("check", **how)
    return acid


def assert_store_is_whole(place):
    argv = ["git", "--git-dir", place / "store/repo.git", "fsck", "--full", "--strict"]
    found = subprocess.run(argv, capture_output=True, text=True)
    told = [line for line in (found.stdout + found.stderr).splitlines() if "unborn branch" not in line]
    assert (found.returncode, [line for line in told if not line.startswith("dangling")]) == (0, [])


def kill_everywhere(server, template, operation, check):
    """Run `operation` again and again, killed one change later each time, until it comes through."""
    killed_twice = 0
    for kill_at in range(1, 1000):
        place = template.parent / f"{operation.replace(' ', '-')}-{kill_at}"
        shutil.copytree(template, place, symlinks=True)
        code = server(place, operation, kill_at)
        if code == 0:
            assert killed_twice > kill_at / 4
            return kill_at - 1
        assert code == KILLED
        again = server(place, "begin", 1 + 7 * kill_at % 97)
        assert again in (0, KILLED)
        killed_twice += again == KILLED
        check(place, kill_at)
        shutil.rmtree(place)
    raise AssertionError(f"{operation} never came to its end")


@pytest.fixture
def in_memory(tmp_path):
    """A folder in memory where there is one: a kill needs no disk, and flushing one takes most of the time."""
    if not os.path.isdir("/dev/shm"):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def test_a_begin_that_is_killed_leaves_the_tree_and_can_be_repeated(server, in_memory):
    template = in_memory / "template"
    build(template)
    before = snapshot(template / "ws")

    def check(place, kill_at):
        assert snapshot(place / "ws") == before
        acid = opened(place)
        put(place / "ws", "a", "agent")
        acid.abort()
        assert snapshot(place / "ws") == before
        assert_store_is_whole(place)

    assert kill_everywhere(server, template, "begin", check) > 20


@pytest.fixture
def template(in_memory):
    """A workspace with savepoint 1."""
    template = in_memory / "template"
    build(template)
    opened(template).close()
    return template


@pytest.mark.parametrize("operation", ["savepoint", "commit"])
def test_a_savepoint_that_is_killed_exists_whole_or_not_at_all(server, template, operation):
    first = snapshot(template / "ws")
    mutate(template / "ws")
    agents = snapshot(template / "ws")

    def check(place, kill_at):
        assert snapshot(place / "ws") == agents
        acid = opened(place)
        numbers = [one.number for one in acid.savepoints() if one.number > 1]
        for number in numbers:
            acid.rollback(savepoint=number)
            assert snapshot(place / "ws") == agents
        acid.rollback(savepoint=1)
        assert snapshot(place / "ws") == first
        acid.close()
        assert_store_is_whole(place)

    assert kill_everywhere(server, template, operation, check) > 20


def test_a_rollback_that_is_killed_is_finished_by_the_next_open(server, template):
    first = snapshot(template / "ws")
    mutate(template / "ws")
    agents = snapshot(template / "ws")
    outcomes = set()

    def check(place, kill_at):
        acid = opened(place)
        now = snapshot(place / "ws")
        assert now in (first, agents), f"half-way after a kill before change {kill_at}"
        outcomes.add(now == first)
        assert not (place / "ws/.~vcr-restore").exists()
        safeties = [one for one in acid.savepoints() if one.label == "before rollback to 1"]
        acid.rollback(savepoint=1)
        assert snapshot(place / "ws") == first
        for safety in safeties:
            acid.rollback(savepoint=safety.number)
            assert snapshot(place / "ws") == agents
        acid.close()
        assert_store_is_whole(place)

    assert kill_everywhere(server, template, "rollback", check) > 60
    assert outcomes == {True, False}


@pytest.fixture
def forked(template):
    """An isolated transaction with work in it, and other work in the workspace."""
    acid = ACIDWorkspace(template / "ws", store=template / "store")
    acid.begin("crash", isolated=True)
    put(acid.path, "agent/new", "by the agent")
    put(acid.path, "d/x.sh", "changed", 0o755)
    os.unlink(acid.path / "d/b")
    acid.close()
    put(template / "ws", "user.txt", "meanwhile")
    return template


def test_an_isolated_commit_that_is_killed_comes_out_merged_when_it_is_repeated(server, forked):
    before = snapshot(forked / "ws")

    def check(place, kill_at):
        opened(place).close()
        now = snapshot(place / "ws")
        assert now == before or "agent/new" in now
        acid = ACIDWorkspace(place / "ws", store=place / "store")
        acid.begin("crash", isolated=True)
        acid.commit()
        root = place / "ws"
        assert (root / "agent/new").read_text() == "by the agent"
        assert (root / "d/x.sh").read_text() == "changed"
        assert not (root / "d/b").exists()
        assert (root / "user.txt").read_text() == "meanwhile"
        assert_store_is_whole(place)

    assert kill_everywhere(server, forked, "isolated commit", check) > 60


def test_an_isolated_begin_that_is_killed_can_be_repeated(server, template):
    before = snapshot(template / "ws")
    del before["node_modules"], before["node_modules/q"]  # not covered, so not in an isolated directory

    def check(place, kill_at):
        acid = ACIDWorkspace(place / "ws", store=place / "store")
        acid.begin("crash", isolated=True)
        assert snapshot(acid.path) == before
        acid.close()
        assert_store_is_whole(place)

    assert kill_everywhere(server, template, "isolated begin", check) > 30
