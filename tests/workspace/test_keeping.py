"""A store stays small, a secret can be removed from it, and a torn journal counts as none."""

import os
import subprocess

import pytest

from agent_vcr_nb import ACIDWorkspace
from agent_vcr_nb.core.errors import UsageError, WorkspaceError
from agent_vcr_nb.workspace.errors import BusyWorkspaceError
from agent_vcr_nb.workspace.journal import Journal
from tests.workspace.conftest import put, snapshot


def everything_in(store):
    """All bytes that the store holds, unpacked by git itself."""
    command = "git cat-file --batch-all-objects --batch --unordered"
    objects = subprocess.run(command.split(), cwd=store / "repo.git", capture_output=True, check=True).stdout
    rest = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    return objects + rest


def test_gc_keeps_the_newest_savepoints_and_frees_the_room_of_the_others(acid, workspace):
    for number in range(6):
        put(workspace, "big.bin", os.urandom(200_000))
        acid.savepoint(label=str(number))
    before = acid.status().store_bytes
    planned = acid.gc(keep=2, dry_run=True)
    assert planned.savepoints == (1, 2, 3, 4, 5)
    assert planned.bytes_after is None
    assert [one.number for one in acid.savepoints()] == [1, 2, 3, 4, 5, 6, 7]
    done = acid.gc(keep=2)
    assert done.savepoints == (1, 2, 3, 4, 5)
    assert acid.status().store_bytes < before - 700_000
    assert [one.number for one in acid.savepoints()] == [6, 7]
    acid.rollback(savepoint=6)
    acid.undo()
    with pytest.raises(WorkspaceError, match=r"no savepoint 3 .* there are 6, 7"):
        acid.rollback(savepoint=3)
    with pytest.raises(UsageError, match="keep=0"):
        acid.gc(keep=0)


def test_gc_never_gives_up_what_an_undo_needs(acid, workspace):
    before = snapshot(workspace)
    put(workspace, "a.txt", "agent")
    agents = snapshot(workspace)
    acid.rollback(savepoint=1)
    acid.savepoint()
    acid.savepoint()
    acid.gc(keep=1)
    assert snapshot(workspace) == before
    acid.undo()
    assert snapshot(workspace) == agents


def test_gc_removes_isolated_transactions_that_have_ended_and_keeps_the_others(workspace):
    for name in ("ended", "unfinished"):
        acid = ACIDWorkspace(workspace)
        acid.begin(name, isolated=True)
        put(acid.path, name, "x")
        acid.abort() if name == "ended" else acid.close()
    done = acid.gc()
    assert (done.lines, done.open_lines) == (("tx-ended",), ("tx-unfinished",))
    acid.begin("unfinished", isolated=True)
    with pytest.raises(BusyWorkspaceError):
        ACIDWorkspace(workspace).gc()
    acid.commit()
    assert (workspace / "unfinished").exists()


@pytest.mark.parametrize("by", ["path", "text"])
def test_a_purged_secret_is_nowhere_in_the_store_and_stays_in_the_workspace(acid, workspace, by):
    put(workspace, ".env", "KEY=plant-a-secret-here")
    acid.savepoint()
    put(workspace, "a.txt", "agent")
    acid.savepoint()
    put(workspace, ".env", "KEY=plant-a-secret-here-too")
    acid.savepoint()
    assert b"plant-a-secret-here" in everything_in(acid.store)
    done = acid.purge(".env") if by == "path" else acid.purge(text="plant-a-secret-here")
    assert (done.paths, done.savepoints) == ((".env",), 3)
    acid.savepoint()
    acid.rollback(savepoint=2)
    assert b"plant-a-secret-here" not in everything_in(acid.store)
    assert (workspace / ".env").read_text() == "KEY=plant-a-secret-here-too"
    assert (workspace / "a.txt").read_text() == "one\n"
    acid.close()
    acid.begin()
    assert b"plant-a-secret-here" not in everything_in(acid.store)


def test_a_purge_of_a_directory_takes_all_below_it(acid, workspace):
    done = acid.purge("src")
    assert done.paths == ("src/m.py",)
    acid.rollback(savepoint=1)
    assert (workspace / "src/m.py").exists()
    assert acid.purge("nothing").paths == ()
    with pytest.raises(UsageError, match="purge what"):
        acid.purge()


def test_packs_are_joined_at_a_commit_when_there_are_many(acid, workspace, monkeypatch):
    monkeypatch.setattr("agent_vcr_nb.workspace.keeping.MANY_PACKS", 3)
    for number in range(5):
        put(workspace, "a.txt", str(number))
        acid.savepoint()
    assert acid._store.packs() == 6
    acid.commit()
    assert acid._store.packs() == 1
    acid.begin()
    acid.rollback(savepoint=2)
    assert (workspace / "a.txt").read_text() == "0"


@pytest.mark.parametrize("cut", range(0, 512, 37))
def test_a_torn_journal_counts_as_none(tmp_path, cut):
    journal = Journal(tmp_path / "journal")
    assert journal.read() is None
    journal.write({"operation": "rollback", "target": 3, "safety": 4, "done": True})
    old = (tmp_path / "journal").read_bytes()
    journal.write({"operation": "commit", "target": 30, "safety": 40, "done": False})
    new = (tmp_path / "journal").read_bytes()
    assert journal.read() == {"operation": "commit", "target": 30, "safety": 40, "done": False}
    (tmp_path / "journal").write_bytes(new[:cut] + old[cut:])
    whole = {old: "rollback", new: "commit"}
    read = journal.read()
    assert read is None or new[:cut] + old[cut:] in whole or read["operation"] in ("rollback", "commit")
    (tmp_path / "journal").write_bytes(new[: min(cut, 60)])
    assert journal.read() is None


def test_status_names_transaction_store_and_changes(acid, workspace):
    put(workspace, "n", "x")
    os.unlink(workspace / "a.txt")
    status = acid.status()
    assert (status.session, status.isolated, status.savepoints) == ("test", False, 1)
    assert status.changed == ("a.txt", "n")
    assert status.to_dict()["changed"] == ["a.txt", "n"]
    assert str(workspace) in status.text()
