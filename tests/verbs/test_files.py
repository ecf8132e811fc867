"""`vcr rollback`, `savepoints`, `undo` and `resume --files` on the files that a recorded agent wrote."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verbs.conftest import run_vcr

WRITER = """
from pathlib import Path
from agent_vcr_nb import ACIDWorkspace, VCRRecorder, step

@step
def draft(state):
    Path("work/a.txt").write_text("draft")
    return {**state, "drafted": True}

@step
def spoil(state):
    Path("work/a.txt").write_text(state.get("text", "spoilt"))
    Path("work/b.txt").write_text("never asked for")
    return {**state, "found": sorted(path.name for path in Path("work").iterdir())}

def agent(state):
    return spoil(draft(state))

if __name__ == "__main__":
    Path("work").mkdir()
    with VCRRecorder(workspace=ACIDWorkspace("work")) as recorder:
        recorder.start_session("files")
        agent({})
"""


@pytest.fixture
def written(in_tmp, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(in_tmp / "data"))
    monkeypatch.setenv("HOME", str(in_tmp / "home"))
    Path("writer.py").write_text(WRITER)
    subprocess.run([sys.executable, "writer.py"], check=True)
    return in_tmp


def _files():
    return {path.name: path.read_text() for path in Path("work").iterdir()}


def test_a_dry_run_says_what_would_happen_and_does_nothing(written):
    done = run_vcr("rollback", "files", "1", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "b.txt" in done.stdout
    assert _files() == {"a.txt": "spoilt", "b.txt": "never asked for"}


def test_a_rollback_brings_the_files_back_to_before_the_frame_and_undo_takes_it_back(written):
    assert run_vcr("rollback", "files", "1").returncode == 0
    assert _files() == {"a.txt": "draft"}
    assert run_vcr("undo", "--workspace", "work").returncode == 0
    assert _files() == {"a.txt": "spoilt", "b.txt": "never asked for"}


def test_savepoints_are_listed_with_their_frames(written):
    listed = run_vcr("savepoints", "files").stdout
    assert "frame 0" in listed
    assert "frame 1" in listed


def test_resume_with_files_runs_on_the_files_that_were_there_before_the_frame(written):
    Path("work/c.txt").write_text("later")
    done = run_vcr("resume", "files", "1", "--files", "--agent", "writer:agent", "--set", 'text="edited"', "--json")
    assert done.returncode == 0, done.stderr
    assert "delete                 c.txt" in json.loads(done.stdout)["files"]
    assert _files()["a.txt"] == "edited"
    assert '"b.txt"' in done.stdout


def test_a_session_of_the_same_name_in_another_project_does_not_touch_these_files(written, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    Path("writer.py").write_text(WRITER.replace('workspace=ACIDWorkspace("work")', ""))
    subprocess.run([sys.executable, "writer.py"], check=True)
    refused = run_vcr("rollback", "files", "1")
    assert refused.returncode == 2
    assert "no savepoints of files" in refused.stderr
    monkeypatch.chdir(written)
    assert _files() == {"a.txt": "spoilt", "b.txt": "never asked for"}


def test_a_refused_resume_leaves_the_files_as_they_were(written):
    done = run_vcr("resume", "files", "1", "--files", "--agent", "json:dumps")
    assert done.returncode == 3
    assert _files() == {"a.txt": "spoilt", "b.txt": "never asked for"}
    assert [path.name for path in Path(".vcr").glob("*.vcr")] == ["files.vcr"]


def test_undo_needs_no_words_where_one_workspace_lies_below(written):
    assert run_vcr("rollback", "files", "1").returncode == 0
    assert run_vcr("undo").returncode == 0
    assert _files() == {"a.txt": "spoilt", "b.txt": "never asked for"}


def test_a_second_undo_says_that_it_does_the_rollback_again(written):
    run_vcr("rollback", "files", "1")
    said = [run_vcr("undo").stdout for _ in range(3)]
    assert "undone, so the files are as at savepoint 3 (vcr undo again does it again" in said[0]
    assert "what had been undone is done again (an undo of the undo)" in said[1]
    assert "undone, so the files are as at savepoint 5" in said[2]
    assert _files() == {"a.txt": "spoilt", "b.txt": "never asked for"}
    assert json.loads(run_vcr("undo", "--json").stdout)["operation"] == "redo"
    assert _files() == {"a.txt": "draft"}


def test_changes_takes_savepoints_or_frames_of_a_session(written):
    def changed(*words):
        told = json.loads(run_vcr("changes", *words, "--json").stdout)
        return told["before"]["number"], told["after"]["number"], [file["path"] for file in told["files"]]

    assert changed("2") == changed("1", "2") == changed("files", "0", "1") == changed("files", "0") == (1, 2, ["a.txt"])
    run_vcr("rollback", "files", "1")  # what the last frame wrote is in the savepoint that this takes
    assert changed("files", "1") == (2, 3, ["a.txt", "b.txt"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["files"], "which frame? changes files 3 shows what frame 3 wrote"),
        (["files", "7"], "frame 7 of files has no savepoint: frames with one are 0, 1"),
        (["files", "1"], "no savepoint follows frame 1 of files"),
        (["files", "x"], "'x' is no number"),
        (["1", "x"], "'x' is no number: changes takes savepoints (3 5), or frames of a session (my_run 3 5)"),
        (["1", "2", "3"], "1 is no session"),
        (["other", "1"], "the session other of .vcr has no savepoints of files"),
    ],
)
def test_changes_of_what_is_not_there_says_what_it_takes(written, words, said):
    refused = run_vcr("changes", *words)
    assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
