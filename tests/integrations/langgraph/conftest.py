"""Records graphs in an empty folder and resumes them, with LangGraph as it was afterwards."""

import asyncio
from pathlib import Path

import pytest

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.resume import resume
from agent_vcr_nb.integrations.langgraph import install, uninstall
from tests.integrations.langgraph import graphs


@pytest.fixture(autouse=True)
def fresh(in_tmp, monkeypatch):
    monkeypatch.delenv("FLAKY_FAILS", raising=False)
    graphs.CALLS.clear()
    yield
    uninstall()


class Lab:
    """What a test does with a graph."""

    def record(self, run, session="run"):
        """Record what `run` does, a function or a coroutine; what it raises is kept in `error`. Returns the player."""
        install()
        recorder = VCRRecorder()
        recorder.start_session(session)
        self.error = self.result = None
        try:
            self.result = asyncio.run(run) if asyncio.iscoroutine(run) else run()
        except Exception as error:
            self.error = error
        finally:
            recorder.close()
        assert recorder.problems == []
        graphs.CALLS.clear()
        return VCRPlayer.load_by_id(session, Path(".vcr").resolve())

    def resume(self, player, graph, frame, **options):
        """Resume and return (outcome, player of the fork)."""
        outcome = resume(player.recording, graph, ResumeConfig(from_frame=frame, **options))
        fork = VCRPlayer.load_by_id(outcome.session_id, player.recording.path.parent)
        assert fork.verify_integrity()["ok"]
        return outcome, fork


@pytest.fixture
def lab():
    return Lab()


def keys(player):
    return [frame.key for frame in player.frames]


def number_of(player, key):
    return next(frame.number for frame in player.frames if frame.key == key)
