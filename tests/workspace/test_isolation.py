"""Parallel agents, each in a directory of its own, and how their work comes together."""

import os
import threading

import pytest

from agent_vcr_nb import ACIDWorkspace
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.workspace.errors import BusyWorkspaceError, MergeConflictError
from tests.workspace.conftest import git, put, snapshot


def isolated(workspace, name):
    acid = ACIDWorkspace(workspace)
    acid.begin(name, isolated=True)
    return acid


def test_an_isolated_agent_starts_from_the_tree_as_it_is_and_changes_only_its_own(workspace):
    git(workspace, "init", "-q")
    put(workspace, ".env", "SECRET", 0o600)
    os.makedirs(workspace / "empty")
    before = snapshot(workspace)
    agent = isolated(workspace, "one")
    assert snapshot(agent.path) == before
    assert workspace not in agent.path.parents
    put(agent.path, "a.txt", "agent")
    agent.rollback(savepoint=2)
    assert snapshot(agent.path) == before
    put(agent.path, "a.txt", "agent")
    agent.abort()
    assert snapshot(workspace) == before
    assert not agent._store.path.joinpath("isolated/tx-one").exists()


def test_two_agents_that_change_different_lines_of_one_file_are_merged(workspace):
    put(workspace, "code.py", "1\n" * 20)
    one, two = isolated(workspace, "one"), isolated(workspace, "two")
    put(one.path, "code.py", "X\n" + "1\n" * 19)
    put(two.path, "code.py", "1\n" * 19 + "Y\n")
    os.unlink(two.path / "src/m.py")
    os.chmod(two.path / "img.bin", 0o600)
    os.makedirs(two.path / "empty/inner")
    put(workspace, "user.txt", "typed meanwhile")
    assert one.commit().changed == ("code.py",)
    done = two.commit()
    assert done.changed == ("code.py", "img.bin", "src/m.py")
    assert (workspace / "code.py").read_text() == "X\n" + "1\n" * 18 + "Y\n"
    assert os.listdir(workspace / "src") == []
    assert (workspace / "empty/inner").is_dir()
    assert os.stat(workspace / "img.bin").st_mode & 0o777 == 0o600
    assert (workspace / "user.txt").read_text() == "typed meanwhile"


def test_a_conflict_is_refused_with_both_versions_and_the_first_committer_wins(workspace):
    one, two = isolated(workspace, "one"), isolated(workspace, "two")
    put(one.path, "a.txt", "first\n")
    os.unlink(one.path / "img.bin")
    put(two.path, "a.txt", "second\n")
    put(two.path, "img.bin", b"edited")
    put(two.path, "fine.txt", "no conflict here")
    one.commit()
    before, mine = snapshot(workspace), snapshot(two.path)
    with pytest.raises(MergeConflictError) as caught:
        two.commit()
    assert caught.value.files == ("a.txt", "img.bin")
    found = {version.path: (version.base, version.main, version.mine) for version in caught.value.versions}
    assert found == {
        "a.txt": (b"one\n", b"first\n", b"second\n"),
        "img.bin": (bytes(range(256)), None, b"edited"),
    }
    assert snapshot(workspace) == before
    assert snapshot(two.path) == mine
    two.abort()


@pytest.fixture
def conflict(workspace):
    """A transaction that was told of conflicts about a.txt, img.bin and bin/run.sh, and has a file of its own."""
    one, two = isolated(workspace, "one"), isolated(workspace, "two")
    for agent, text in ((one, "first\n"), (two, "second\n")):
        put(agent.path, "a.txt", text)
        put(agent.path, "bin/run.sh", text, 0o755)
    os.unlink(one.path / "img.bin")
    put(two.path, "img.bin", b"edited")
    put(two.path, "fine.txt", "no conflict here")
    one.commit()
    with pytest.raises(MergeConflictError) as caught:
        two.commit()
    assert caught.value.files == ("a.txt", "bin/run.sh", "img.bin")
    yield two
    two.close()


@pytest.mark.parametrize(("take", "text", "image"), [("mine", "second\n", b"edited"), ("workspace", "first\n", None)])
def test_all_conflicts_are_decided_for_one_side(conflict, workspace, take, text, image):
    before = snapshot(workspace)
    conflict.commit(take=take)
    assert (workspace / "a.txt").read_text() == (workspace / "bin/run.sh").read_text() == text
    assert os.stat(workspace / "bin/run.sh").st_mode & 0o777 == 0o755
    assert [path.read_bytes() for path in workspace.glob("img.bin")] == [image] * (image is not None)
    assert (workspace / "fine.txt").read_text() == "no conflict here"
    acid = ACIDWorkspace(workspace)
    acid.begin()
    acid.undo()
    assert snapshot(workspace) == before


def test_a_file_edited_after_both_versions_were_seen_is_what_stands(conflict, workspace):
    put(conflict.path, "a.txt", "first\nsecond\n")
    conflict.commit(take={"a.txt": "mine", "bin/run.sh": "workspace", "img.bin": "workspace"})
    assert (workspace / "a.txt").read_text() == "first\nsecond\n"
    assert (workspace / "bin/run.sh").read_text() == "first\n"
    assert not (workspace / "img.bin").exists()


def test_conflicts_that_were_not_decided_are_told_again_and_nothing_is_touched(conflict, workspace):
    before, mine = snapshot(workspace), snapshot(conflict.path)
    with pytest.raises(MergeConflictError) as caught:
        conflict.commit(take={"a.txt": "mine"})
    assert caught.value.files == ("bin/run.sh", "img.bin")
    assert (snapshot(workspace), snapshot(conflict.path)) == (before, mine)
    conflict.commit(take="mine")
    assert (workspace / "a.txt").read_text() == "second\n"


def test_a_file_that_changed_again_after_it_was_told_is_a_new_conflict(conflict, workspace):
    put(workspace, "a.txt", "typed by the user\n")
    with pytest.raises(MergeConflictError) as caught:
        conflict.commit(take="mine")
    (version,) = caught.value.versions
    assert (version.path, version.main) == ("a.txt", b"typed by the user\n")
    assert (workspace / "a.txt").read_text() == "typed by the user\n"
    conflict.commit(take="mine")
    assert (workspace / "a.txt").read_text() == "second\n"


def test_a_decision_about_what_was_not_told_and_an_unknown_side_are_refused(conflict, workspace, acid):
    with pytest.raises(
        UsageError, match=r"no conflict about fine\.txt was told.*so far: a\.txt, bin/run\.sh, img\.bin"
    ):
        conflict.commit(take={"fine.txt": "mine"})
    with pytest.raises(UsageError, match="'theirs': a side is 'mine' or 'workspace'"):
        conflict.commit(take="theirs")
    with pytest.raises(UsageError, match="take decides conflicts of an isolated transaction"):
        acid.commit(take="mine")


@pytest.mark.parametrize(("take", "is_file"), [("mine", True), ("workspace", False)])
def test_a_file_against_a_directory_is_decided_as_a_whole(workspace, take, is_file):
    one, two = isolated(workspace, "one"), isolated(workspace, "two")
    put(one.path, "thing/inner", "in a directory")
    put(two.path, "thing", "a file")
    one.commit()
    with pytest.raises(MergeConflictError) as caught:
        two.commit()
    assert caught.value.files == ("thing", "thing/inner")
    with pytest.raises(MergeConflictError):
        two.commit(take={"thing": "mine", "thing/inner": "workspace"})
    two.commit(take=take)
    assert (workspace / "thing").is_file() is is_file
    assert (workspace / "thing/inner").is_file() is not is_file


def test_two_modes_given_to_one_file_are_a_conflict(workspace):
    one, two = isolated(workspace, "one"), isolated(workspace, "two")
    os.chmod(one.path / "a.txt", 0o600)
    os.chmod(two.path / "a.txt", 0o640)
    one.commit()
    with pytest.raises(MergeConflictError) as caught:
        two.commit()
    assert caught.value.files == ("a.txt",)
    two.abort()


def test_a_file_that_one_agent_moved_takes_no_lines_of_another(workspace):
    put(workspace, "old.py", "line\n" * 30)
    one, two = isolated(workspace, "one"), isolated(workspace, "two")
    os.rename(one.path / "old.py", one.path / "new.py")
    put(two.path, "old.py", "line\n" * 29 + "edited\n")
    one.commit()
    with pytest.raises(MergeConflictError):
        two.commit()
    assert (workspace / "new.py").read_text() == "line\n" * 30
    two.abort()


def test_a_commit_can_be_undone(workspace):
    before = snapshot(workspace)
    one = isolated(workspace, "one")
    put(one.path, "made.txt", "x")
    os.unlink(one.path / "a.txt")
    one.commit()
    assert (workspace / "made.txt").exists()
    acid = ACIDWorkspace(workspace)
    acid.begin()
    acid.undo()
    assert snapshot(workspace) == before
    acid.close()


def test_an_isolated_directory_is_found_again_by_its_session(workspace):
    one = isolated(workspace, "one")
    put(one.path, "work.txt", "half done")
    one.close()
    again = isolated(workspace, "one")
    assert again.path == one._store.path / "isolated/tx-one/project"
    assert (again.path / "work.txt").read_text() == "half done"
    with pytest.raises(BusyWorkspaceError):
        isolated(workspace, "one")
    again.commit()
    assert (workspace / "work.txt").read_text() == "half done"


def test_what_an_isolated_directory_holds_uncovered_is_kept_and_named(workspace):
    acid = ACIDWorkspace(workspace, max_file_bytes=1000)
    acid.begin("one", isolated=True)
    put(acid.path, "big.bin", b"\0" * 2000)
    put(acid.path, "small", "s")
    done = acid.commit()
    assert done.left_behind == {"big.bin": "larger than 1,000 bytes"}
    assert (done.folder / "big.bin").stat().st_size == 2000
    assert not (workspace / "big.bin").exists()
    assert (workspace / "small").read_text() == "s"


def test_four_agents_in_parallel_on_one_repository_lose_nothing_and_mix_nothing(workspace):
    git(workspace, "init", "-q")
    put(workspace, "shared.py", "".join(f"line {number}\n" for number in range(40)))
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "i")
    head = snapshot(workspace / ".git", repositories=True)
    failures = []

    def work(agent):
        try:
            for turn in range(3):
                acid = isolated(workspace, f"agent{agent}-{turn}")
                put(acid.path, f"agent{agent}/turn{turn}.txt", f"{agent} {turn}")
                lines = (acid.path / "shared.py").read_text().splitlines(keepends=True)
                lines[agent * 10] = f"agent {agent} turn {turn}\n"
                put(acid.path, "shared.py", "".join(lines))
                acid.savepoint()
                put(acid.path, "bad.txt", "goes")
                acid.rollback(0)
                acid.commit()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(agent,)) for agent in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    expected = [f"line {number}\n" for number in range(40)]
    for agent in range(4):
        expected[agent * 10] = f"agent {agent} turn 2\n"
        for turn in range(3):
            assert (workspace / f"agent{agent}/turn{turn}.txt").read_text() == f"{agent} {turn}"
    assert (workspace / "shared.py").read_text() == "".join(expected)
    assert not (workspace / "bad.txt").exists()
    assert snapshot(workspace / ".git", repositories=True) == head
