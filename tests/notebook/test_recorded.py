"""Recordings of a folder as the widgets ask for them: real files, a real fork."""

import json
import shutil

import pytest

from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.core.errors import FrameNotFoundError, SessionNotFoundError, UsageError
from agent_vcr_nb.notebook.recorded import PlayerSource, source_of


@pytest.fixture
def folder(tmp_path):
    """A session of three steps that failed at the last, a fork of it with a fourth, and a stranger."""
    with VCRRecorder(tmp_path) as recorder:
        recorder.start_session("base")
        recorder.record_step("plan", {"n": 0}, {"n": 1})
        recorder.record_step("build", {"n": 1}, {"n": 2})
        recorder.record_step("deploy", {"n": 2}, {"n": 3})
        child = recorder.fork(1, "better", state_overrides={"n": 10})
    with child:
        child.record_step("build", {"n": 10}, {"n": 20})
        child.record_step("deploy", {"n": 20}, {"n": 30})
        child.record_step("celebrate", {"n": 30}, {"n": 40})
    with VCRRecorder(tmp_path) as recorder:
        recorder.start_session("stranger")
        recorder.record_step("else", {}, {})
    return tmp_path


def source(folder, session):
    return PlayerSource(VCRPlayer.load_by_id(session, folder))


def test_a_fork_says_where_it_comes_from(folder):
    assert source(folder, "better").origin == "forked from base before frame 1"
    assert source(folder, "base").origin == ""


def test_a_fork_is_offered_before_strangers(folder):
    assert source(folder, "base").sessions() == [
        {"session": "better", "words": "forked from it before frame 1, ok, 4 frames"},
        {"session": "stranger", "words": "ok, 1 frame"},
    ]


def test_the_parent_is_offered_first_and_says_that_it_is_one(folder):
    assert source(folder, "better").sessions()[0]["words"] == "its parent, ok, 3 frames"


def test_the_same_step_of_another_session_is_found_by_its_key(folder):
    text, title = source(folder, "better").same_step(2, "output", "base")
    assert json.loads(text) == {"n": 3}
    assert title == "base · frame 2 · deploy#1 · node"


def test_a_step_that_the_other_session_does_not_have_is_told(folder):
    with pytest.raises(FrameNotFoundError, match="session 'base' has no frame 'celebrate#1'"):
        source(folder, "better").same_step(3, "output", "base")


def test_a_session_that_is_not_there_is_told(folder):
    with pytest.raises(SessionNotFoundError, match="no session 'gone'"):
        source(folder, "better").same_step(0, "output", "gone")


def test_frames_that_came_to_the_other_session_are_found(folder):
    mine = source(folder, "better")
    with VCRRecorder(folder) as recorder:
        recorder.start_session("growing")
        recorder.record_step("plan", {}, {"n": 5})
        assert json.loads(mine.same_step(0, "output", "growing")[0]) == {"n": 5}
        recorder.record_step("build", {}, {"n": 6})
        assert json.loads(mine.same_step(1, "output", "growing")[0]) == {"n": 6}


def test_a_run_is_named_by_id_path_or_player(folder, tmp_path_factory, monkeypatch):
    path = folder / "better.vcr"
    monkeypatch.chdir(tmp_path_factory.mktemp("home"))
    shutil.copytree(folder, ".vcr")
    for run in ("better", path, str(path), VCRPlayer.load(path)):
        assert source_of(run).session_id == "better"
    made = source(folder, "better")
    assert source_of(made) is made
    with pytest.raises(UsageError, match="123 is no run to show: expected a session's id"):
        source_of(123)
