"""The parts of the debugger as one: a selection in any of them is the selection in all."""

from pathlib import Path

import pytest

from agent_vcr_nb import CostLedger, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.fork import fork_recording
from agent_vcr_nb.notebook.comparison import compare
from agent_vcr_nb.notebook.debugger import VCRDebugger
from agent_vcr_nb.notebook.ledger_view import CostLedgerView
from agent_vcr_nb.notebook.recorded import PlayerSource
from agent_vcr_nb.notebook.saved_parts import SavedParts
from agent_vcr_nb.notebook.views import Views
from agent_vcr_nb.verbs.definition import Place
from sentinel.guardian import Sentinel

SWALLOWED = "def load():\n    try:\n        return open('x').read()\n    except Exception:\n        pass\n"


@pytest.fixture
def debugger(in_tmp):
    """A run of 2 and 3 cents, and a fork of it before frame 1 that ran once more for 7 cents; the run is on show."""
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for number, cost in enumerate((0.02, 0.03)):
            recorder.record_llm_call("gpt-4o", "hi", f"ho {number}", 100, 20, cost_usd=cost, node_name="write")
    with fork_recording(Path(".vcr/run.vcr"), 1, "fork") as recorder:
        recorder.record_llm_call("gpt-4o", "hi", "other", 100, 20, cost_usd=0.07, node_name="write")
    return VCRDebugger(PlayerSource(VCRPlayer.load_by_id("run")))


def settled(debugger):
    """Let the views follow the selection now."""
    debugger._follow_views.now()
    return debugger.views


def test_no_chart_is_made_before_its_tab_is_opened(debugger):
    settled(debugger)
    assert (debugger.views.dag, debugger.views.ledger, debugger.views.findings) == (None, None, None)
    debugger.tabs.opened = "Forks"
    assert debugger.views.dag.session == "run"
    assert debugger.views.ledger is None


def test_opening_a_tab_again_shows_the_same_chart(debugger):
    debugger.tabs.opened = "Forks"
    first = debugger.views.dag
    debugger.tabs.opened = ""
    assert debugger.tabs._slot.children == ()
    debugger.tabs.opened = "Forks"
    assert debugger.views.dag is first
    assert debugger.tabs._slot.children == (first,)


def test_a_click_in_the_graph_selects_in_scrubber_tree_and_ledger(debugger):
    debugger.tabs.opened = "Forks"
    debugger.tabs.opened = "Cost"
    debugger.views.dag.choose("fork", 1)
    assert (debugger.session, debugger.frame, debugger.tree.frame) == ("fork", 1, 1)
    views = settled(debugger)
    assert (views.ledger.session, views.ledger.frame) == ("fork", 1)


def test_scrubbing_moves_the_ring_of_the_graph_and_the_line_of_the_ledger(debugger):
    debugger.tabs.opened = "Cost"
    debugger.tabs.opened = "Forks"
    debugger.scrubber.set_state({"frame": 1})
    views = settled(debugger)
    assert (views.dag.session, views.dag.frame, views.ledger.frame) == ("run", 1, 1)
    assert [shape.x0 for shape in views.ledger.figure.layout.shapes] == [1]


def test_views_that_words_have_shown_are_those_of_the_tabs(debugger):
    views = Views(lambda session, frame: None)
    shown = views.ledger_of(CostLedger.of(VCRPlayer.load_by_id("run")), Path(".vcr"))
    other = VCRDebugger(debugger.source, views=views)
    other.tabs.opened = "Cost"
    assert other.views.ledger is shown


def test_a_tab_that_cannot_be_filled_says_why(debugger):
    Path(".vcr/run.vcr").unlink()
    debugger.tabs.opened = "Cost"
    assert "no session &#x27;run&#x27; in .vcr" in debugger.tabs._slot.children[0].value


def test_compared_sessions_are_marked_in_the_graph(debugger):
    debugger.tabs.opened = "Forks"
    debugger.open("fork", 1)
    debugger.actions.act("compare", other="run").wait(20)
    assert debugger.views.dag.compared == ("run", "fork")
    assert "1 with another output" in debugger.views.dag.details.value


def test_a_comparison_tells_steps_states_and_money(debugger):
    told = compare(Place(Path(".vcr")), "run", "fork")
    assert told.summary == "of 2 steps 1 the same, 1 with another output · run spent $0.050000, fork $0.070000"
    assert told.states == '  ~ /response: "ho 1" → "other"'
    assert told.frame == 1


def test_sessions_are_summed_apart_and_a_branch_with_what_was_forked_from_it(debugger):
    view = CostLedgerView(CostLedger.of(VCRPlayer.load_by_id("fork")), ".vcr")
    rows = {}
    for by in ("session", "branch"):
        view.by = by
        rows[by] = [
            (row["group"], row["provenance"], row["calls"], round(row["cost_usd"], 2))
            for row in view.data.to_dict("records")
        ]
    assert rows["session"] == [("run", "live", 2, 0.05), ("fork", "replayed", 1, 0.02), ("fork", "live", 1, 0.07)]
    assert rows["branch"] == [
        ("run", "live", 3, 0.12),
        ("run", "replayed", 1, 0.02),
        ("fork", "replayed", 1, 0.02),
        ("fork", "live", 1, 0.07),
    ]


def test_the_findings_tab_has_what_was_found_while_the_run_was_recorded(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("guarded")
        sentinel = Sentinel(recorder, root=in_tmp)
        writing = recorder.record_step("write_file", {}, {})
        sentinel.check_file("a.py", SWALLOWED)
    debugger = VCRDebugger(PlayerSource(VCRPlayer.load_by_id("guarded")))
    debugger.tabs.opened = "Findings"
    assert [(row["path"], row["frame"]) for row in debugger.views.findings.findings] == [("a.py", writing.number + 1)]
    debugger.views.findings._handle_custom_msg({"kind": "jump", "frame": 1}, [])
    assert debugger.frame == 1


def test_without_findings_the_tab_says_how_to_get_them(debugger):
    debugger.tabs.opened = "Findings"
    assert debugger.views.findings.findings == []
    assert "Sentinel(recorder)" in debugger.views.findings.hint


def test_the_saved_view_has_the_tree_of_forks_and_the_ledger_as_text(debugger):
    parts = {part.title: part.text for part in SavedParts().of(Place(Path(".vcr"), "run"), "run")}
    assert parts["Forks"].splitlines()[1].startswith("╰─ fork")
    assert "spent (live): 2 calls, 240 tokens, $0.050000" in parts["Cost"]
    html, text = debugger._view(debugger._saved_parts())
    assert html.endswith("</pre></div>")
    for whole in (html, text):
        assert "╰─ fork" in whole
        assert "$0.050000" in whole


def test_the_parts_of_the_saved_view_are_bounded(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for _ in range(2_000):
            recorder.record_llm_call("a-model-of-a-long-name" * 4, "hi", "ho", 100, 20, node_name="write" * 20)
    debugger = VCRDebugger(PlayerSource(VCRPlayer.load_by_id("run")))
    html, text = debugger._view(debugger._saved_parts())
    assert len(html) + len(text) < 150_000
