"""The ledger: live, replayed and saved apart; unknown is unknown; nothing is counted twice."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from agent_vcr_nb import CostLedger, ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core import pricing
from agent_vcr_nb.core.errors import UsageError


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp, monkeypatch):
    """Each test has a `.vcr/` and own prices of its own."""
    monkeypatch.setattr(pricing, "_own", {})


@pytest.fixture
def recorder():
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        yield recorder


def ledger(session="run"):
    return CostLedger.of(VCRPlayer.load_by_id(session))


def test_what_the_provider_said_is_what_a_call_cost(recorder):
    recorder.record_llm_call("gpt-4o", "hi", "ho", 1000, 500, 250, cost_usd=0.01)
    entry = ledger().entries[0]
    assert (entry.model, entry.tokens, entry.cost_usd, entry.latency_ms) == ("gpt-4o", 1500, Decimal("0.01"), 250)
    assert ledger().live.cost_usd == Decimal("0.01")


def test_without_it_the_tokens_are_priced_by_the_offline_snapshot(recorder):
    recorder.record_llm_call("gpt-4o", "hi", "ho", 1_000_000, 1_000_000)
    # openai.com/api/pricing for gpt-4o: 2.50 dollars a million tokens in, 10.00 out.
    assert ledger().live.cost_usd == Decimal("12.50")


def test_an_unknown_price_is_unknown_and_counted_as_such(recorder):
    recorder.record_llm_call("my-own-model", "hi", "ho", 1000, 500)
    recorder.record_llm_call("gpt-4o", "hi", "ho", 1000, 500, cost_usd=0.25)
    found = ledger()
    assert [entry.cost_usd for entry in found.entries] == [None, Decimal("0.25")]
    assert (found.live.cost_usd, found.live.unknown_cost, found.live.calls) == (Decimal("0.25"), 1, 2)
    assert found.to_dict()["entries"][0]["cost_usd"] is None
    assert found.to_pandas()["cost_usd"].isna().tolist() == [True, False]


def test_unknown_tokens_are_unknown_and_counted_as_such(recorder):
    recorder.record_llm_call("gpt-4o", "hi", "ho")
    found = ledger()
    assert (found.entries[0].tokens, found.entries[0].cost_usd) == (None, None)
    assert (found.live.tokens, found.live.unknown_tokens, found.live.unknown_cost) == (0, 1, 1)
    assert found.to_pandas()["tokens"].isna().tolist() == [True]


def test_own_prices_set_in_the_program_come_first(recorder):
    pricing.set_price("gpt-4o", input=1.0, output=2.0)
    recorder.record_llm_call("gpt-4o", "hi", "ho", 1_000_000, 500_000)
    assert ledger().live.cost_usd == Decimal("2.0")


def test_own_prices_beside_the_recordings_are_used_with_cached_tokens_apart(recorder):
    prices = {"my-own-model": {"input": 2.0, "output": 4.0, "cache_read": 0.5}}
    Path(".vcr/prices.json").write_text(json.dumps(prices))
    figures = {
        "model": "my-own-model",
        "tokens_input": 1_000_000,
        "tokens_output": 500_000,
        "tokens_cache_read": 600_000,
        "tokens_cache_write": 100_000,
    }
    recorder.record_step("ask", {}, {}, figures, "llm")
    # 300,000 and 100,000 at 2.00, 600,000 at 0.50, 500,000 at 4.00 dollars a million.
    assert ledger().live.cost_usd == Decimal("0.6") + Decimal("0.2") + Decimal("0.3") + Decimal("2.0")


@pytest.mark.parametrize("text", ['{"m": {"input": 1}}', '{"m": {"input": 1, "output": "a lot"}}', "[1]", "{nonsense"])
def test_prices_that_cannot_be_read_are_refused_with_the_file(text, recorder):
    recorder.record_llm_call("m", "hi", "ho", 1, 1)
    Path(".vcr/prices.json").write_text(text)
    with pytest.raises(UsageError, match=r"prices\.json: .*Expected dollars a million tokens by model and kind"):
        ledger()


def test_a_call_inside_a_step_that_tells_the_same_tokens_counts_once(recorder):
    @step
    def outer(state):
        recorder.record_llm_call("gpt-4o", "a", "b", 100, 20, cost_usd=0.5)
        recorder.record_llm_call("gpt-4o", "a", "b", 100, 20, cost_usd=0.5)
        return state

    outer({})
    recorder.record_step("summary", {}, {}, {"tokens_used": 7, "cost_usd": 0.25})
    found = ledger()
    assert [entry.node_name for entry in found.entries] == ["llm:gpt-4o", "llm:gpt-4o", "summary"]
    assert (found.live.tokens, found.live.cost_usd) == (247, Decimal("1.25"))


def test_a_step_whose_calls_are_counted_is_not_counted_itself(recorder):
    begun = recorder.begin("node", {"a": 1})
    with begun.running():
        call = recorder.begin("llm", {"m": 1})
        call.finish({"r": 1}, {"model": "gpt-4o", "tokens_used": 50, "cost_usd": 0.5})
    begun.finish({"a": 2}, {"tokens_used": 50, "cost_usd": 0.5})
    found = ledger()
    assert [entry.key for entry in found.entries] == ["node#1/llm#1"]
    assert (found.live.tokens, found.live.cost_usd) == (50, Decimal("0.5"))


def nest(recorder, *steps):
    """Record steps each inside the one before; each is (name, type, figures)."""
    from agent_vcr_nb import FrameType

    (name, kind, figures), *inner = steps
    begun = recorder.begin(name, {}, FrameType(kind))
    with begun.running():
        if inner:
            nest(recorder, *inner)
    begun.finish({}, figures)


SPENT = {"tokens_used": 50, "cost_usd": 0.5}


@pytest.mark.parametrize(
    ("steps", "counted"),
    [
        ([("graph", "node", SPENT), ("node", "node", {}), ("llm", "llm", SPENT)], ["llm"]),
        ([("graph", "node", SPENT), ("node", "node", SPENT), ("llm", "llm", SPENT)], ["llm"]),
        ([("node", "node", SPENT), ("llm", "llm", {})], ["node"]),
        ([("node", "node", SPENT), ("chat", "llm", {}), ("llm", "llm", {})], ["node"]),
        ([("chat", "llm", {}), ("llm", "llm", SPENT)], ["llm"]),
    ],
    ids=[
        "a step between tells nothing",
        "all tell",
        "the call tells nothing",
        "both calls tell nothing",
        "the outer call",
    ],
)
def test_what_is_told_more_than_once_along_one_path_counts_once(steps, counted, recorder):
    nest(recorder, *steps)
    found = ledger()
    assert [entry.node_name for entry in found.entries] == counted
    assert (found.live.tokens, found.live.cost_usd, found.live.unknown_tokens) == (50, Decimal("0.5"), 0)
    player = VCRPlayer.load_by_id("run")
    assert (player.get_total_tokens(), player.get_total_cost()) == (50, 0.5)


def test_a_call_that_tells_nothing_beside_one_that_does_is_unknown(recorder):
    begun = recorder.begin("node", {})
    with begun.running():
        recorder.record_llm_call("gpt-4o", "a", "b", 40, 10, cost_usd=0.5)
        recorder.record_llm_call("gpt-4o", "a", "b")
    begun.finish({}, SPENT)
    found = ledger()
    assert (found.live.calls, found.live.tokens, found.live.unknown_tokens) == (2, 50, 1)


def test_steps_that_use_no_model_are_no_entries(recorder):
    recorder.record_step("plan", {}, {})
    recorder.record_tool_call("search", {}, [], 5)
    assert ledger().entries == []
    assert ledger().saved_percent is None


def paid(name, cost, ran):
    @step(name=name)
    def call(state):
        from agent_vcr_nb import annotate

        ran.append(name)
        annotate(model="gpt-4o", tokens_input=100, tokens_output=10, cost_usd=cost)
        return {**state, name: True}

    return call


@pytest.fixture
def agent():
    steps = [paid("one", 1.0, []), paid("two", 2.0, []), paid("three", 4.0, [])]

    def run(state):
        for function in steps:
            state = function(state)
        return state

    return run


def test_a_fork_books_its_own_cost_as_live_and_the_replayed_prefix_as_saved(recorder, agent):
    agent({})
    player = VCRPlayer.load_by_id("run")
    fork = ledger(player.resume(agent, ResumeConfig(2)))
    assert [(entry.node_name, entry.provenance, entry.live) for entry in fork.entries] == [
        ("one", "replayed", False),
        ("two", "replayed", False),
        ("three", "live", True),
    ]
    assert (fork.live.cost_usd, fork.live.tokens, fork.live.calls) == (Decimal("4.0"), 110, 1)
    assert (fork.saved.cost_usd, fork.saved.tokens, fork.saved.calls) == (Decimal("3.0"), 220, 2)
    assert fork.saved_percent == pytest.approx(300 / 7)


def test_the_sum_over_a_run_and_its_forks_counts_a_shared_prefix_once(recorder, agent):
    agent({})
    player = VCRPlayer.load_by_id("run")
    first = player.resume(agent, ResumeConfig(2))
    second = VCRPlayer.load_by_id(first).resume(agent, ResumeConfig(1, state_overrides={"x": 1}))
    spent = [ledger(session).live.cost_usd for session in ("run", first, second)]
    assert spent == [Decimal("7.0"), Decimal("4.0"), Decimal("6.0")]
    assert VCRPlayer.load_by_id(second).get_total_cost() == 6.0


def test_a_mocked_call_costs_nothing(recorder, agent):
    agent({})
    fork = VCRPlayer.load_by_id("run").resume(
        agent, ResumeConfig(1, mode="mock", inject_mocks={"two": {"two": "mocked"}})
    )
    assert ledger(fork).live.cost_usd == Decimal("4.0")


def test_the_ledger_is_json_and_a_table(recorder, agent):
    agent({})
    told = json.loads(json.dumps(ledger().to_dict()))
    assert told["session_id"] == "run"
    assert told["live"] == {
        "calls": 3,
        "tokens": 330,
        "cost_usd": "7.0",
        "latency_ms": told["live"]["latency_ms"],
        "unknown_tokens": 0,
        "unknown_cost": 0,
    }
    table = ledger().to_pandas()
    assert table["node_name"].tolist() == ["one", "two", "three"]
    assert table["cost_usd"].sum() == 7.0
