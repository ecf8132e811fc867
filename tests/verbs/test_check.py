"""`vcr check`: a run held against a golden one."""

import json
from pathlib import Path

import pytest

from agent_vcr_nb import VCRRecorder


def record(session, *steps):
    """Record steps: (name, input, output, figures)."""
    with VCRRecorder() as recorder:
        recorder.start_session(session)
        for name, before, after, *figures in steps:
            recorder.record_step(name, before, after, *figures)


def plan(value, **more):
    return ("plan", {"task": 1}, {"task": 1, "plan": value, **more})


BUILD = ("build", {"plan": "a"}, {"built": True})


def cost(dollars, tokens):
    return {"cost_usd": dollars, "tokens_input": tokens, "tokens_output": 0}


@pytest.fixture(autouse=True)
def golden(in_tmp):
    """A golden run of two steps, the first for $0.01."""
    record("golden", (*plan("a"), cost(0.01, 100)), BUILD)


def test_a_run_that_is_the_same_exits_with_0(vcr, vcr_json):
    record("run", (*plan("a"), cost(0.01, 100)), BUILD)
    code, out, _ = vcr("check", "run", "--against", "golden")
    assert code == 0
    assert out.startswith("run against golden: ✓ ok, the same\n  steps: 2 the same, 0 differ, 0 only in golden")
    assert "  cost: $0.01\n  tokens: 100\n" in out
    code, told = vcr_json("check", "run", "--against", "golden")
    assert (code, told["same"], told["steps"], told["first_divergence"]) == (0, True, {"same": 2}, None)


def test_another_output_is_a_regression_at_the_first_step_that_differs(vcr, vcr_json):
    record("run", (*plan("b"), cost(0.02, 250)), ("build", {"plan": "b"}, {"built": True}))
    code, out, _ = vcr("check", "run", "--against", "golden")
    assert code == 1
    assert "run against golden: ✗ regression" in out
    assert 'first divergence: plan#1 (frame 0 → 0): same input, another output, /plan: "a" → "b"' in out
    assert '    build#1 (frame 1 → 1): it was given another input, /plan: "a" → "b"' in out
    assert "  cost: $0.01 → $0.02 (+100.0 %)\n  tokens: 100 → 250 (+150.0 %)\n" in out
    _, told = vcr_json("check", "run", "--against", "golden")
    assert told["first_divergence"]["key"] == "plan#1"
    assert [pair["verdict"] for pair in told["differing"]] == ["output", "input"]


@pytest.mark.parametrize("ignored", ["plan", "/plan", "/*"])
def test_a_place_that_is_ignored_may_differ(vcr, ignored):
    record("run", plan("b"), ("build", {"plan": "b"}, {"built": True}))
    assert vcr("check", "run", "--against", "golden")[0] == 1
    assert vcr("check", "run", "--against", "golden", "--ignore", ignored)[0] == 0


def test_a_star_stands_for_any_part_of_a_path(vcr):
    record("one", plan("a", messages=[{"id": "x1", "text": "hi"}, {"id": "x2", "text": "ho"}]))
    record("two", plan("a", messages=[{"id": "y1", "text": "hi"}, {"id": "y2", "text": "ho"}]))
    record("three", plan("a", messages=[{"id": "y1", "text": "hi"}, {"id": "y2", "text": "HO"}]))
    words = ("--against", "one", "--ignore", "/messages/*/id")
    assert vcr("check", "two", *words)[0] == 0
    code, out, _ = vcr("check", "three", *words)
    assert code == 1
    assert '/messages/1/text: "ho" → "HO"' in out
    assert vcr("check", "three", "--against", "one", "--ignore", "/messages/0")[0] == 1


def test_steps_on_one_side_only_and_new_errors_are_regressions(vcr):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step(*plan("a"))
        recorder.record_error("review", {"plan": "a"}, ValueError("too long"))
    code, out, _ = vcr("check", "run", "--against", "golden")
    assert code == 1
    assert "  steps: 1 the same, 0 differ, 1 only in golden, 1 only in run\n" in out
    assert "  new error: review#1 (frame 1): ValueError: too long\n" in out


@pytest.mark.parametrize(("allowed", "code"), [("100", 0), ("99", 1), ("0", 1)])
def test_a_cost_over_the_limit_is_a_regression(vcr, allowed, code):
    record("run", (*plan("a"), cost(0.02, 100)), BUILD)
    exit_code, out, _ = vcr("check", "run", "--against", "golden", "--max-cost-increase", allowed)
    assert exit_code == code
    assert ("too expensive: $0.02 is more than the $0.01" in out) == (code == 1)


def test_a_fork_is_held_against_its_parent_where_nothing_else_is_named(recorded, vcr):
    vcr("resume", "my_run", "2", "--set", 'database="sqlite"', "--agent", "app.py:agent")
    code, out, _ = vcr("check", "my_run-fork1")
    assert code == 1
    assert out.startswith("my_run-fork1 against my_run: ✗ regression")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: record("run"), "run has no frames: nothing was recorded"),
        (lambda: record("run", ("other", {}, {})), "golden and run share no step"),
        (lambda: record("run", (*plan("a"), {"model": "no-such-model", "tokens_input": 5})), "of 1 call is unknown"),
    ],
)
def test_what_cannot_be_compared_exits_with_3_and_says_why(vcr, make, said):
    make()
    code, _, err = vcr("check", "run", "--against", "golden", "--max-cost-increase", "5")
    assert code == 3
    assert said in err


def test_a_damaged_frame_and_one_that_did_not_end_cannot_be_compared(vcr):
    record("run", plan("a"), BUILD)
    path = Path(".vcr/run.vcr")
    path.write_text(path.read_text().replace('"plan":"a"', '"plan":"b"', 1))
    code, _, err = vcr("check", "run", "--against", "golden")
    assert (code, "run frame 0 is damaged: `vcr verify` tells more" in err) == (3, True)
    recorder = VCRRecorder()
    recorder.start_session("open")
    recorder.begin("plan", {"task": 1})
    code, _, err = vcr("check", "open", "--against", "golden")
    recorder.close()
    assert (code, "open frame 0 has not ended: it runs, or it was killed" in err) == (3, True)


def test_without_a_golden_run_it_asks_for_one(vcr):
    code, _, err = vcr("check", "golden")
    assert code == 2
    assert "against which golden run? Name it with --against" in err


def test_json_has_the_numbers_of_both_sides(vcr_json):
    record("run", (*plan("a"), cost(0.02, 100)), BUILD)
    _, told = vcr_json("check", "run", "--against", "golden")
    assert (told["golden_totals"]["cost_usd"], told["session_totals"]["cost_usd"]) == ("0.01", "0.02")
    assert json.dumps(told)
