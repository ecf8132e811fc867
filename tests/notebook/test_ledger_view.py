"""The ledger in the notebook: live, replayed and saved apart, and unknown as unknown."""

import json
from pathlib import Path

import pytest

from agent_vcr_nb import CostLedger, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.fork import fork_recording
from agent_vcr_nb.notebook.ledger_view import CostLedgerView


def ledger(session):
    return CostLedger.of(VCRPlayer.load_by_id(session))


@pytest.fixture
def run(in_tmp):
    """Frames 0 plan (2 cents), 1 plan (unknown price), 2 write (3 cents), 3 tells nothing but that it is a model's."""
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_llm_call("gpt-4o", "hi", "ho", 100, 20, cost_usd=0.02, node_name="plan")
        recorder.record_llm_call("my-own-model", "hi", "ho", 50, 5, node_name="plan")
        recorder.record_llm_call("gpt-4o", "hi", "ho", 300, 30, cost_usd=0.03, node_name="write")
        recorder.record_llm_call("gpt-4o", "hi", "ho", node_name="write")


@pytest.fixture
def fork(run):
    """A fork from before frame 2: 0 and 1 are replayed, 2 is new (7 cents)."""
    with fork_recording(Path(".vcr/run.vcr"), 2, "fork") as recorder:
        recorder.record_llm_call("gpt-4o", "hi", "ho", 400, 40, cost_usd=0.07, node_name="write")


def bars(view):
    """What the chart shows: name of the series -> its x and y."""
    return {trace.name: (list(trace.x), list(trace.y)) for trace in view.figure.data if trace.x}


def click(view, trace, point):
    """Send what the browser sends for a click on a bar."""
    points = {"trace_indexes": [trace], "point_indexes": [point], "xs": [0], "ys": [0]}
    view.figure.set_state(
        {"_js2py_pointsCallback": {"event_type": "plotly_click", "points": points, "device_state": None}}
    )


def test_each_frame_has_a_bar_and_an_unknown_cost_a_mark_of_its_own(run):
    view = CostLedgerView(ledger("run"))
    assert bars(view) == {"live": ([0, 2], [0.02, 0.03]), "unknown": ([1, 3], [0, 0])}
    assert "cost unknown" in view.figure.data[4].hovertext[0]


def test_what_was_replayed_stands_apart_from_what_ran(fork):
    view = CostLedgerView(ledger("fork"))
    assert bars(view) == {"live": ([2], [0.07]), "replayed": ([0], [0.02]), "unknown": ([1], [0])}
    assert "Spent</strong> (live): 1 call, 440 tokens, $0.07" in view.sums.value
    assert "Saved</strong> (replayed, mocked): 2 calls, 175 tokens, $0.02" in view.sums.value
    assert "and 1 of unknown cost, 22 % of what is known" in view.sums.value


def test_by_node_the_known_is_summed_and_the_unknown_counted(run):
    view = CostLedgerView(ledger("run"))
    view.by = "node"
    assert bars(view) == {"live": (["plan", "write"], [0.02, 0.03])}
    rows = view.data.set_index("node_name")
    assert rows["calls"].to_dict() == {"plan": 2, "write": 2}
    assert rows["unknown_cost"].to_dict() == {"plan": 1, "write": 1}
    assert rows["unknown_tokens"].to_dict() == {"plan": 0, "write": 1}
    assert rows["tokens"].to_dict() == {"plan": 175, "write": 330}
    assert "$0.020000 + 1 unknown" in view.table.value


def test_by_model_one_of_unknown_price_is_no_bar_of_height_nothing(run):
    view = CostLedgerView(ledger("run"))
    view.by = "model"
    assert bars(view) == {"live": (["gpt-4o"], [0.05]), "unknown": (["my-own-model"], [0])}


def test_tokens_are_shown_instead_of_money(run):
    view = CostLedgerView(ledger("run"))
    view.measure = "tokens"
    assert bars(view) == {"live": ([0, 1, 2], [120, 55, 330]), "unknown": ([3], [0])}
    assert view.figure.layout.yaxis.title.text == "tokens"


def test_the_table_behind_it_is_one_of_pandas_a_row_a_call(run):
    table = CostLedgerView(ledger("run")).ledger.to_pandas()
    assert table["cost_usd"].isna().tolist() == [False, True, False, True]
    assert table["tokens"].tolist()[:3] == [120, 55, 330]


def test_a_click_on_a_bar_selects_its_frame(run):
    view = CostLedgerView(ledger("run"))
    assert view.frame is None
    click(view, 0, 1)
    assert view.frame == 2
    click(view, 4, 0)
    assert view.frame == 1


def test_a_bar_that_is_no_frame_selects_none(run):
    view = CostLedgerView(ledger("run"))
    view.by = "model"
    click(view, 0, 0)
    assert view.frame is None


def test_another_ledger_is_shown_in_the_same_chart(fork):
    view = CostLedgerView(ledger("run"))
    figure = view.figure.model_id
    click(view, 0, 1)
    view.load(ledger("fork"))
    assert (view.session, view.frame, view.figure.model_id) == ("fork", None, figure)
    assert bars(view)["live"] == ([2], [0.07])


def test_text_of_a_run_is_shown_as_text(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_llm_call("<img src=x>", "hi", "ho", 1, 1, cost_usd=1, node_name='"><script>a</script>\u202e')
    view = CostLedgerView(ledger("run"))
    for by in ("frame", "node", "model"):
        view.by = by
        shown = json.dumps([view.figure.to_dict(), view.table.value, view.saved()[0]], default=str)
        assert "<img" not in shown
        assert "<script" not in shown
        assert "\\u202e" not in shown


def test_the_forms_without_a_widget_hold_sums_and_table(fork):
    html, text = CostLedgerView(ledger("fork")).saved()
    assert "spent (live): 1 call, 440 tokens, $0.070000" in text
    assert "my-own-model" in text
    assert "<td>unknown</td>" in html


def test_a_session_that_used_no_model_says_so(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step("plan", {}, {})
    view = CostLedgerView(ledger("run"))
    assert "no frame says that it used a model" in view.sums.value
    assert bars(view) == {}
    assert len(view.data) == 0
    view.by = "node"
    assert view.problem.value == ""


def test_of_a_long_session_the_table_shows_the_first_200_rows_and_counts_the_rest(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for _ in range(203):
            recorder.record_llm_call("gpt-4o", "hi", "ho", 1, 1, cost_usd=0.01)
    view = CostLedgerView(ledger("run"))
    assert view.table.value.count("<tr>") == 201
    assert "and 3 more rows" in view.table.value
    assert len(view.figure.data[0].x) == 203


def test_a_single_bar_does_not_fill_the_chart_and_stands_at_its_frame(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step("plan", {}, {})
        recorder.record_llm_call("gpt-4o", "hi", "ho", 1, 1, cost_usd=0.000165)
    view = CostLedgerView(ledger("run"))
    axis = view.figure.layout.xaxis
    assert (axis.range, axis.dtick, round(view.figure.layout.bargap, 2)) == ((0.5, 1.5), 1, 0.93)
    view.by = "model"
    assert view.figure.layout.xaxis.range == (-0.5, 0.5)


def test_many_bars_stand_side_by_side(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for _ in range(40):
            recorder.record_llm_call("gpt-4o", "hi", "ho", 1, 1, cost_usd=0.01)
    view = CostLedgerView(ledger("run"))
    assert (view.figure.layout.xaxis.range, round(view.figure.layout.bargap, 2)) == ((-0.5, 39.5), 0.15)
