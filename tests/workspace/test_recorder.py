"""Savepoints and recordings belong together: each frame knows its files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent_vcr_nb import ACIDWorkspace, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.errors import UsageError
from tests.workspace.conftest import put, snapshot


@pytest.fixture
def recorder(tmp_path):
    with VCRRecorder(output_dir=tmp_path / "recordings") as recorder:
        yield recorder


def test_the_transaction_of_the_readme_runs_as_it_stands(workspace, recorder):
    acid = ACIDWorkspace(workspace, recorder=recorder)
    acid.begin(session_id="task-001")
    put(workspace, "app.py", "good")
    acid.savepoint({"step": 0}, node_name="planner")
    put(workspace, "app.py", "better")
    acid.savepoint({"step": 1}, node_name="coder")
    before = snapshot(workspace)
    put(workspace, "bad.py", "hallucinated")
    put(workspace, "app.py", "worse")
    acid.rollback(to_frame_index=1)
    assert snapshot(workspace) == before
    acid.rollback(to_frame_index=0)
    assert (workspace / "app.py").read_text() == "good"
    acid.rollback(to_frame_index=1)
    acid.commit()
    assert snapshot(workspace) == before
    assert recorder.get_session().session_id == "task-001"


def test_every_savepoint_frame_has_a_matching_commit(workspace, recorder):
    with ACIDWorkspace(workspace, recorder=recorder) as acid:
        acid.savepoint({"plan": "a"}, node_name="coder")
        recorder.record_step("other", {}, {"x": 1})
        acid.savepoint({"plan": "b"}, node_name="tester")
        frames = [frame for frame in VCRPlayer.load(recorder.save()).frames if frame.frame_type == "checkpoint"]
        told = [(frame.number, frame.node_name, frame.input_state) for frame in frames]
        assert told == [(0, "coder", {"plan": "a"}), (2, "tester", {"plan": "b"})]
        commits = {one.number: one.commit for one in acid.savepoints()}
        for frame in frames:
            about = frame.metadata.custom
            assert commits[about["savepoint"]] == about["commit"]
            assert acid._store.git.run("cat-file", "-t", about["commit"]) == b"commit\n"
        assert [(one.frame, one.node) for one in acid.savepoints()][1:] == [(0, "coder"), (2, "tester")]


def test_a_frame_without_a_savepoint_is_refused_with_those_that_have_one(workspace, recorder):
    with ACIDWorkspace(workspace, recorder=recorder) as acid:
        acid.savepoint({})
        recorder.record_step("other", {}, {})
        with pytest.raises(UsageError, match=r"frame 1 of .* has no savepoint: frames with one are 0"):
            acid.rollback(1)
        with pytest.raises(UsageError, match="one of them"):
            acid.rollback()


def test_a_recorder_with_a_workspace_takes_a_savepoint_before_each_frame_that_finds_changed_files(workspace, tmp_path):
    acid = ACIDWorkspace(workspace)
    trees = []
    with VCRRecorder(output_dir=tmp_path / "recordings", workspace=acid) as recorder:
        recorder.start_session("auto")
        for number in range(6):
            trees.append(snapshot(workspace))
            step = recorder.begin(f"node{number}", {"n": number})
            with step.running():
                if number in (1, 3):
                    put(workspace, f"made{number}.txt", str(number))
                    os.unlink(workspace / ("a.txt" if number == 1 else "src/m.py"))
            step.finish({"n": number + 1})
        assert recorder.problems == []
        kinds = [(one.kind, one.label, one.frame) for one in acid.savepoints()]
        assert kinds == [("begin", "auto", 0), ("auto", "node2#1", 2), ("auto", "node4#1", 4)]
        for number in (5, 0, 3, 2, 4, 1):
            acid.rollback(number)
            assert snapshot(workspace) == trees[number]
    acid.close()


def test_steps_that_are_recorded_when_they_are_over_have_savepoints_too(workspace, tmp_path):
    acid = ACIDWorkspace(workspace)
    trees = {}
    with VCRRecorder(output_dir=tmp_path / "recordings", workspace=acid) as recorder:
        recorder.start_session("by-hand")
        for number in range(4):
            trees[number] = snapshot(workspace)
            put(workspace, f"made{number // 2}.txt", str(number // 2))
            recorder.record_step(f"node{number}", {"n": number}, {"n": number + 1})
        assert recorder.problems == []
        kinds = [(one.kind, one.label, one.frame) for one in acid.savepoints()]
        assert kinds == [("begin", "by-hand", 1), ("auto", "after node2#1", 3)]
        for number in (3, 1, 2):
            acid.rollback(number)
            assert snapshot(workspace) == trees[number]
    acid.close()


def test_a_frame_that_finds_no_change_costs_no_git(workspace, tmp_path, monkeypatch):
    acid = ACIDWorkspace(workspace)
    with VCRRecorder(output_dir=tmp_path / "recordings", workspace=acid) as recorder:
        recorder.start_session("auto")
        recorder.begin("first", {}).finish({})
        os.utime(workspace / "a.txt")  # read again, and found the same
        monkeypatch.setenv("PATH", "/nowhere")
        recorder.begin("second", {}).finish({})
        assert recorder.problems == []
    acid.close()


def test_a_workspace_that_cannot_be_opened_does_not_disturb_the_agent(workspace, tmp_path):
    holder = ACIDWorkspace(workspace)
    holder.begin()
    with VCRRecorder(output_dir=tmp_path / "recordings", workspace=ACIDWorkspace(workspace)) as recorder:
        recorder.start_session("auto")
        recorder.begin("node", {"a": 1}).finish({"a": 2})
        assert recorder.frames[0].output_state == {"a": 2}
        assert "is open in another transaction" in recorder.problems[0]
    holder.close()


def test_recordings_inside_the_workspace_survive_a_rollback(workspace):
    with VCRRecorder(output_dir=workspace / "recordings") as recorder:
        acid = ACIDWorkspace(workspace, recorder=recorder)
        begun = acid.begin("inside")
        assert begun.left_out["recordings"] == "excluded"
        acid.savepoint({"a": 1})
        put(workspace, "bad.py", "x")
        acid.rollback(0)
        acid.commit()
        assert not (workspace / "bad.py").exists()
        assert VCRPlayer.load(workspace / "recordings/inside.vcr").frames[0].input_state == {"a": 1}


def test_the_example_shows_the_bad_files_on_disk_and_then_gone():
    example = Path(__file__).parents[2] / "examples/acid_golden_run.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.strip() for line in done.stdout.splitlines() if "on disk:" in line]
    assert shown == [
        "on disk: PLAN.md, app/auth.py, app/models.py, app/utils_v2_final.py, tests/test_models.py",
        "on disk: PLAN.md, app/models.py, tests/test_models.py",
        "on disk: PLAN.md, app/auth.py, app/models.py, tests/test_models.py",
    ]


def test_without_a_recorder_savepoints_count_as_frames(workspace):
    with ACIDWorkspace(workspace) as acid:
        acid.savepoint()
        put(workspace, "a.txt", "2")
        acid.savepoint()
        acid.rollback(0)
        assert (workspace / "a.txt").read_text() == "one\n"


def test_an_exception_in_the_block_rolls_back_and_a_good_end_keeps(workspace):
    before = snapshot(workspace)

    def fail():
        with ACIDWorkspace(workspace):
            put(workspace, "bad", "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert snapshot(workspace) == before
    with ACIDWorkspace(workspace):
        put(workspace, "good", "x")
    assert (workspace / "good").exists()


def test_frames_can_be_gone_back_to_from_a_later_process(workspace, tmp_path):
    with VCRRecorder(output_dir=tmp_path / "recordings") as recorder:
        recorder.start_session("first")
        with ACIDWorkspace(workspace, recorder=recorder) as acid:
            acid.savepoint({})
            put(workspace, "a.txt", "later")
    acid = ACIDWorkspace(workspace)
    with acid.visit():
        plan = acid.preview(0, session="first")
        assert plan.restore == ("a.txt",)
        acid.rollback(0, session="first")
    assert (workspace / "a.txt").read_text() == "one\n"
    assert not acid.active


def test_a_preview_names_what_would_happen_and_what_would_not(workspace):
    put(workspace, "node_modules/x", "d")
    put(workspace, ".git/HEAD", "ref: refs/heads/main\n")
    put(workspace, ".git/refs/heads/main", "1" * 40 + "\n")
    with ACIDWorkspace(workspace) as acid:
        acid.savepoint()
        put(workspace, "new/f", "x")
        put(workspace, "a.txt", "x")
        os.unlink(workspace / "img.bin")
        os.chmod(workspace / "bin/run.sh", 0o600)
        put(workspace, ".git/refs/heads/main", "2" * 40 + "\n")
        assert acid.preview(0).text().splitlines() == [
            "delete                 new/f",
            "restore                a.txt",
            "create                 img.bin",
            "remove directory       new",
            "set mode               bin/run.sh 0755",
            "left alone             .git (your git repository)",
            "left alone             node_modules (made again rather than restored)",
            "note                   your git HEAD has moved from refs/heads/main " + "1" * 40
            + " to refs/heads/main " + "2" * 40 + " since; it is not rolled back",
        ]  # fmt: skip
        assert (workspace / "a.txt").read_text() == "x"
