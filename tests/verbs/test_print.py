"""`vcr print`: an expression over all frames."""

import re

import pytest


def values(told):
    return [(row["frame"], row["value"], row["why"]) for row in told["rows"]]


def test_print_shows_the_value_for_every_frame_and_counts_those_without(recorded, vcr, vcr_json):
    code, told = vcr_json("print", "my_run", "len(state.plan)")
    missing = "state has no key 'plan'; it has database, task"
    assert (code, told["failed"]) == (0, 1)
    assert values(told) == [(0, None, missing), (1, 2, ""), (2, 2, "")]
    _, out, _ = vcr("print", "my_run", "len(state.plan)")
    assert re.search(r"^1 +  plan +2$", out, re.M)
    assert out.endswith(f"no value in 1 of 3 frames: {missing} (1)\n")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("frame * 10", [0, 10, 20]),
        ("node", ["agent", "plan", "build"]),
        ("key", ["agent#1", "agent#1/plan#1", "agent#1/build#1"]),
        ("status", ["error", "ok", "error"]),
        ("type", ["node", "llm", "node"]),
        ("depth", [0, 1, 1]),
        ("tokens", [None, 1100, None]),
        ("model", [None, "gpt-4o-mini", None]),
        ("error is None", [False, True, False]),
        ("latency_ms > 0", [True, True, True]),
        ("input.database", ["mongodb"] * 3),
        ("-frame", [0, -1, -2]),
    ],
)
def test_every_name_can_be_asked_for(recorded, vcr_json, expression, expected):
    _, told = vcr_json("print", "my_run", expression)
    assert [row["value"] for row in told["rows"]] == expected


def test_cost_is_computed_from_tokens_where_a_model_was_used(recorded, vcr_json):
    # 1,000 tokens at $0.15 and 100 at $0.60 a million: OpenAI's price list.
    _, told = vcr_json("print", "my_run", "cost")
    assert [row["value"] for row in told["rows"]] == [None, pytest.approx(0.00021), None]


def test_the_output_of_a_step_that_failed_is_missing_with_the_reason(recorded, vcr_json):
    code, told = vcr_json("print", "my_run", "output.built")
    assert code == 1
    assert told["failed"] == 3
    assert "no output: my_run frame 2: no output state, it failed before it returned" in told["rows"][2]["why"]


def test_numbers_that_json_has_no_form_for_are_text(recorded, vcr_json):
    _, told = vcr_json("print", "my_run", "[99999999999 * 99999999999, float('inf')]")
    assert told["rows"][0]["value"] == ["9999999999800000000001", "inf"]


def test_an_expression_that_cannot_be_read_exits_with_2_and_says_what_there_is(recorded, vcr):
    code, _, err = vcr("print", "my_run", "latency > 3")
    assert code == 2
    assert "latency is no name here. There are: cost, depth, error, frame, input, key, latency_ms" in err
