"""`vcr replay`, and a session that several commands were recorded into."""

from pathlib import Path

import pytest

from agent_vcr_nb import FrameMetadata, VCRRecorder
from tests.verbs.conftest import AGENT, calls, run_vcr


@pytest.fixture
def golden(app):
    """`app.py` recorded as golden, without an error: frame 0 agent, 1 plan, 2 build."""
    done = run_vcr("record", "--session", "golden", "--", "python", "app.py", "todo", "sqlite")
    assert done.returncode == 0, done.stderr
    Path("calls.txt").unlink()
    return app


def test_replay_runs_the_recorded_program_and_executes_no_step(golden):
    done = run_vcr("replay", "golden")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the agent says True" in done.stdout
    assert "golden: replayed, 2 steps served from the recording, 0 executed" in done.stdout
    assert not Path("calls.txt").exists()


def test_replay_of_a_named_agent_tells_what_it_saved(golden, vcr_json):
    code, told = vcr_json("replay", "golden", "--agent", "app.py:agent")
    assert (code, told["served"], told["error"]) == (0, [1, 2], None)
    # 1,000 tokens at $0.15 and 100 at $0.60 a million: OpenAI's price list.
    assert (told["saved"]["tokens"], float(told["saved"]["cost_usd"])) == (1100, pytest.approx(0.00021))
    assert told["result"] == {"task": "todo", "database": "sqlite", "plan": ["design", "build"], "built": True}
    assert not Path("calls.txt").exists()


def test_replay_of_changed_code_exits_with_3_and_says_where(golden):
    Path("app.py").write_text(AGENT.replace('plan({"task": task', 'plan({"task": task + "!"'))
    done = run_vcr("replay", "golden")
    assert done.returncode == 3
    assert 'golden frame 1 (agent#1/plan#1): expected input /task = "todo", found "todo!"' in done.stderr
    assert not Path("calls.txt").exists()


def test_replay_of_a_run_that_failed_ends_as_it_did_and_exits_with_1(recorded):
    Path("calls.txt").unlink()
    done = run_vcr("replay", "my_run")
    assert done.returncode == 1
    assert "✗ error as recorded: ValueError: no mongodb here" in done.stdout
    assert not Path("calls.txt").exists()


def test_each_run_of_a_session_is_resumed_and_replayed_with_its_own_command(golden):
    run_vcr("record", "--session", "golden", "--", "python", "app.py", "shop", "mongodb")
    Path("calls.txt").unlink()
    replayed = run_vcr("replay", "golden")
    assert replayed.returncode == 1, replayed.stderr
    assert not Path("calls.txt").exists()
    resumed = run_vcr("resume", "golden", "5", "--set", 'database="sqlite"')
    assert resumed.returncode == 0, resumed.stderr
    assert '"task": "shop"' in run_vcr("state", "golden-fork1", "5").stdout
    assert calls() == ["build"]
    again = run_vcr("resume", "golden-fork1", "5")
    assert again.returncode == 0, again.stderr
    assert calls() == ["build", "build"]
    assert run_vcr("verify").returncode == 0


def test_a_replay_does_not_say_that_it_saved_time_where_it_did_not(golden, vcr):
    # The two steps take less than the start of a program.
    assert "ms; the steps themselves had taken 0." in vcr("replay", "golden", "--agent", "app.py:agent")[1]


def test_a_replay_of_slow_steps_says_what_they_had_taken(in_tmp, vcr):
    with VCRRecorder() as recorder:
        recorder.start_session("slow")
        recorder.record_step("ask", {"q": 1}, {"a": 2}, FrameMetadata(latency_ms=90_000))
    Path("slow.py").write_text("def ask(state): raise AssertionError('it runs')\nsteps = {'ask': ask}\n")
    code, out, err = vcr("replay", "slow", "--agent", "slow.py:steps")
    assert code == 0, err
    assert " ms instead of 90.0 s\n" in out
