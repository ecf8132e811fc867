"""`vcr replay`, and a session that several commands were recorded into."""

from pathlib import Path

import pytest

from agent_vcr_nb.core.ledger import Totals
from agent_vcr_nb.verbs.replaying import ReplayedRun
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


@pytest.mark.parametrize(
    ("replay_ms", "recorded_ms", "said"),
    [
        (14.0, 90_000.0, "  time: 14 ms instead of 90.0 s\n"),
        (14.0, 0.37, "  time: 14 ms; the steps themselves had taken 0.37 ms\n"),
    ],
)
def test_a_replay_says_that_it_saved_time_only_where_it_did(replay_ms, recorded_ms, said):
    run = ReplayedRun("golden", (1, 2), Totals(), recorded_ms, replay_ms, None, None)
    assert said in run.text()
