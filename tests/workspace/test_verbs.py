"""The verbs about files, as the command line and the magic call them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent_vcr_nb import ACIDWorkspace, VCRRecorder
from agent_vcr_nb.core.errors import UsageError, WorkspaceError
from agent_vcr_nb.verbs import files
from agent_vcr_nb.verbs.definition import Place
from tests.workspace.conftest import put, snapshot


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "recordings")


@pytest.fixture
def recorded(workspace, place):
    """A session `run` with savepoints at frames 0 and 1, and a bad file after them; no transaction is open."""
    with VCRRecorder(output_dir=place.directory) as recorder:
        recorder.start_session("run")
        acid = ACIDWorkspace(workspace, recorder=recorder)
        acid.begin()
        acid.savepoint({}, node_name="planner")
        put(workspace, "app.py", "good")
        acid.savepoint({}, node_name="coder")
        put(workspace, "bad.py", "hallucinated")
        acid.close()
    return workspace


def test_a_rollback_finds_the_workspace_of_the_session(recorded, place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = files.rollback(place, "run", 1)
    assert not (recorded / "bad.py").exists()
    assert (recorded / "app.py").read_text() == "good"
    assert done.to_dict()["delete"] == ["bad.py"]
    assert done.exit_code == 0
    assert "delete                 bad.py" in done.text()
    json.dumps(done.to_dict())


def test_a_dry_run_changes_nothing_and_says_exactly_what_would(recorded, place):
    before = snapshot(recorded)
    done = files.rollback(place, "run", 0, dry_run=True)
    assert snapshot(recorded) == before
    assert done.text().splitlines() == [
        f"{recorded}: nothing is changed by a dry run",
        "delete                 app.py",
        "delete                 bad.py",
    ]
    assert files.rollback(place, savepoint=1, workspace=str(recorded), dry_run=True).to_dict() == done.to_dict()


def test_a_dry_run_works_while_another_process_has_the_workspace_open(recorded, place, own_home):
    code = (
        "import sys; from agent_vcr_nb import ACIDWorkspace\n"
        f"a = ACIDWorkspace({str(recorded)!r}); a.begin(); print('open', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        assert files.rollback(place, "run", 1, dry_run=True).outcome.delete == ("bad.py",)
        with pytest.raises(WorkspaceError, match=f"process {other.pid}"):
            files.rollback(place, "run", 1)
        other.stdin.close()
    files.rollback(place, "run", 1)


def test_a_blocked_dry_run_has_exit_code_3(workspace, place):
    acid = ACIDWorkspace(workspace, max_file_bytes=1000)
    acid.begin("t")
    put(workspace, "a.txt", b"\0" * 2000)
    done = files.rollback(place, savepoint=1, dry_run=True, workspace=str(workspace))
    assert done.exit_code == 3
    assert "BLOCKED by             a.txt (larger than 1,000 bytes)" in done.text()
    acid.close()


def test_undo_savepoints_gc_and_purge_work_on_the_current_directory(recorded, place, monkeypatch):
    monkeypatch.chdir(recorded)
    before = snapshot(recorded)
    files.rollback(place, "run", 0)
    files.undo(place)
    assert snapshot(recorded) == before
    kinds = [one.kind for one in files.savepoints(place).savepoints]
    assert kinds == ["begin", "savepoint", "savepoint", "safety", "safety"]
    of_run = files.savepoints(place, "run")
    assert [(one.frame, one.node) for one in of_run.savepoints][-2:] == [(0, "planner"), (1, "coder")]
    assert "frame 1  coder" in of_run.text()
    assert files.purge(place, ["app.py"]).outcome.paths == ("app.py",)
    assert files.purge(place, holding="hallucinated").outcome.paths == ("bad.py",)
    assert files.gc(place, keep=1, dry_run=True).outcome.savepoints == (1, 2, 3)
    assert files.gc(place, keep=1).outcome.savepoints == (1, 2, 3)
    assert snapshot(recorded) == before


def test_a_transaction_of_this_process_is_used_though_it_holds_the_lock(workspace, place):
    with ACIDWorkspace(workspace) as acid:
        acid.savepoint()
        put(workspace, "bad.py", "x")
        files.rollback(place, acid._session, 0)
        assert not (workspace / "bad.py").exists()
        assert acid.active


def test_wrong_requests_say_what_to_give(workspace, place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="one of them"):
        files.rollback(place, "run")
    with pytest.raises(UsageError, match="has no savepoints"):
        files.rollback(place, "nowhere", 3)
    with pytest.raises(WorkspaceError, match="has no savepoints yet"):
        files.undo(place, workspace=str(workspace))
    assert not Path(tmp_path / ".vcr").exists()
