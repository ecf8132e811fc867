"""The fork graph: where sessions stand, what is folded away, and what a click selects."""

from pathlib import Path

import pytest

from agent_vcr_nb import VCRRecorder
from agent_vcr_nb.core.errors import SessionNotFoundError
from agent_vcr_nb.core.fork import fork_recording
from agent_vcr_nb.notebook.fork_dag import ForkDAG

HOSTILE = "<img src=x onerror=alert(1)>\u202e\0"


def recorded(session="run", steps=4, failing=False):
    """A session of this many frames in .vcr/; each frame spends 1 cent on a model."""
    with VCRRecorder() as recorder:
        recorder.start_session(session)
        work(recorder, steps)
        if failing:
            recorder.record_error("deploy", {}, ValueError("no port"))


def work(recorder, steps, cost=0.01):
    for _ in range(steps):
        recorder.record_llm_call("gpt-4o", "hi", "ho", 10, 10, cost_usd=cost)


def forked(parent, frame, name, *, steps=1, cost=0.01, patch=(), reason=None):
    """A fork before a frame that then runs this many steps; of none it has not been run."""
    path = Path(f".vcr/{parent}.vcr")
    recorder = fork_recording(path, frame, name, patch=patch, reason=reason, pending=not steps)
    with recorder:
        work(recorder, steps, cost)


def click(dag, trace, point):
    """Send what the browser sends for a click on a point of the chart."""
    points = {"trace_indexes": [trace], "point_indexes": [point], "xs": [0], "ys": [0]}
    dag.figure.set_state(
        {"_js2py_pointsCallback": {"event_type": "plotly_click", "points": points, "device_state": None}}
    )


def trace_of(dag, session):
    """Return (trace, point) of the node at the end of a session's lane."""
    for number, trace in enumerate(dag.figure.data):
        for point, kept in enumerate(trace.customdata or ()):
            if kept[0] == session and trace.name:
                return number, point
    raise AssertionError(f"{session} is not drawn")


@pytest.fixture
def family(in_tmp):
    """A run that failed at frame 3, two forks from before frame 2 and a fork of the first one."""
    recorded("run", 3, failing=True)
    forked("run", 2, "better", patch=[{"op": "add", "path": "/plan", "value": HOSTILE}], reason="no mongodb <here>")
    forked("run", 2, "waiting", steps=0)
    forked("better", 1, "deeper", steps=4, cost=0.04)
    return in_tmp


@pytest.fixture
def dag(family):
    return ForkDAG()


def test_each_session_has_a_lane_and_forks_stand_below_what_they_were_forked_from(dag):
    lanes = [(lane.info.session_id, lane.number, lane.depth, lane.parent) for lane in dag.lanes.shown]
    assert lanes == [
        ("run", 0, 0, None),
        ("better", 1, 1, "run"),
        ("deeper", 2, 2, "better"),
        ("waiting", 3, 1, "run"),
    ]


def test_a_fork_leaves_its_parent_between_two_frames(dag):
    assert [lane.leaves_at for lane in dag.lanes.shown] == [None, 1.25, 0.5, 1.25]
    assert [lane.ends_at for lane in dag.lanes.shown] == [3, 2, 4, 2]


def test_a_lane_reaches_back_to_a_fork_from_its_replayed_frames(dag):
    better = dag.lanes.of("better")
    assert (better.starts_at, better.own_from) == (0.5, 2)


def test_outcomes_differ_by_colour_and_by_symbol(dag):
    outcomes = {trace.name: (trace.marker.symbol, trace.marker.color) for trace in dag.figure.data if trace.name}
    assert len({symbol for symbol, _ in outcomes.values()}) == len(outcomes)
    assert dag.figure.data[trace_of(dag, "run")[0]].name == "error"
    assert dag.figure.data[trace_of(dag, "better")[0]].name == "ok"
    assert dag.figure.data[trace_of(dag, "waiting")[0]].name == "pending"


def test_a_node_is_the_larger_the_more_its_session_spent_itself(dag):
    def size(session):
        trace, point = trace_of(dag, session)
        return dag.figure.data[trace].marker.size[point]

    # 4 frames of 4 cents, 1 of 1 cent, none: the area goes with the cost from the smallest on.
    assert size("deeper") == 30
    assert size("better") == 12 + 18 * 0.25
    assert size("waiting") == 12


def test_the_graph_is_one_of_networkx_with_a_position_a_session(dag):
    assert sorted(dag.graph.edges(data="frame")) == [
        ("better", "deeper", 1),
        ("run", "better", 2),
        ("run", "waiting", 2),
    ]
    assert dag.graph.nodes["deeper"]["pos"] == (4, -2)


def test_the_newest_session_is_selected_at_first(dag):
    assert (dag.session, dag.frame, dag.compared) == ("deeper", 4, ())


def test_a_click_selects_session_and_frame(dag):
    click(dag, *trace_of(dag, "better"))
    assert (dag.session, dag.frame, dag.compared) == ("better", 2, ())
    assert dag.figure.data[3].x == (2,)
    assert dag.figure.data[3].y == (-1,)


def test_a_click_where_a_fork_leaves_selects_the_parent_at_that_frame(dag):
    click(dag, 4, 0)
    assert (dag.session, dag.frame) == ("run", 2)


def test_a_second_click_compares_and_another_on_the_same_session_ends_it(dag):
    click(dag, *trace_of(dag, "run"))
    click(dag, *trace_of(dag, "better"))
    assert (dag.session, dag.compared) == ("better", ("run", "better"))
    assert "run ⇄ better" in dag.details.value
    assert "run spent $0.03" in dag.details.value
    click(dag, *trace_of(dag, "better"))
    assert dag.compared == ()
    assert "⇄" not in dag.details.value


def test_edit_and_reason_are_in_the_hover_as_text_only(dag):
    trace, point = trace_of(dag, "better")
    text = dag.figure.data[trace].hovertext[point]
    assert "/plan = &quot;&lt;img src=x onerror=alert(1)&gt;" in text
    assert "“no mongodb &lt;here&gt;”" in text
    assert "from run, before frame 2" in text
    assert "\u202e" not in text
    assert "<img" not in text


def test_a_session_of_a_hostile_name_is_shown_as_text(in_tmp):
    recorded("run")
    Path(".vcr/run.vcr").rename(".vcr/<b onclick=alert(1)>x.vcr")
    dag = ForkDAG()
    shown = [*dag.figure.layout.yaxis.ticktext, dag.details.value, dag.saved()[0]]
    assert not any("<b onclick" in text for text in shown)


def test_a_click_that_fails_is_explained_in_the_widget(dag):
    Path(".vcr/better.vcr").unlink()
    click(dag, *trace_of(dag, "run"))
    click(dag, *trace_of(dag, "better"))
    assert "vcr-problem" in dag.problem.value
    assert "better" in dag.problem.value


def test_a_session_is_selected_from_python_and_one_that_is_not_there_is_refused(dag):
    dag.session = "run"
    assert dag.figure.data[3].y == (0,)
    with pytest.raises(SessionNotFoundError, match="no session 'other'"):
        dag.session = "other"
    assert dag.session == "run"


def test_a_session_that_came_since_is_shown_after_a_refresh(dag):
    forked("waiting", 1, "newer")
    dag.refresh()
    assert "newer" in dag.lanes
    assert dag.session == "deeper"


def test_a_new_fork_is_selected_with_the_refresh_that_finds_it(dag):
    forked("waiting", 1, "newer")
    dag.refresh("newer", 1)
    assert (dag.session, dag.frame) == ("newer", 1)


def test_a_file_of_a_later_format_is_a_session_that_cannot_be_read(family):
    lines = Path(".vcr/run.vcr").read_text().replace("execution/v2", "execution/v9")
    Path(".vcr/later.vcr").write_text(lines)
    dag = ForkDAG(session="later")
    trace, point = trace_of(dag, "later")
    assert dag.figure.data[trace].name == "unreadable"
    assert "unreadable, 0 frames" in dag.figure.data[trace].hovertext[point]


def test_the_forms_without_a_widget_hold_the_tree_without_scripts(dag):
    html, text = dag.saved()
    assert "╰─ waiting" in text
    assert "\x1b" not in text
    assert "✕</span> run" in html
    assert "no mongodb &lt;here&gt;" in html
    assert "<script" not in html


def test_an_empty_folder_says_how_to_record(in_tmp):
    dag = ForkDAG()
    assert (dag.session, dag.frame) == ("", 0)
    assert "%vcr record" in dag.details.value


def test_a_session_without_costs_says_so_and_an_unknown_cost_is_not_nothing(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_llm_call("my-own-model", "hi", "ho", 10, 10)
    assert "spent an unknown sum (1 call)" in ForkDAG().details.value
    with VCRRecorder() as recorder:
        recorder.start_session("free")
        recorder.record_step("plan", {}, {})
    assert "spent nothing on models" in ForkDAG(session="free").details.value


@pytest.fixture
def crowd(in_tmp):
    """A run and 200 forks of it in chains of 5: fork-0 from run, fork-1 from fork-0 … fork-5 from run …"""
    recorded("run", 2)
    for number in range(200):
        forked("run" if number % 5 == 0 else f"fork-{number - 1}", 1, f"fork-{number}", steps=0)


def test_of_200_forks_the_selected_ones_line_and_the_newest_are_shown_and_the_rest_counted(crowd):
    dag = ForkDAG(session="fork-3")
    shown = {lane.info.session_id for lane in dag.lanes.shown}
    assert len(shown) == 30
    assert {"run", "fork-0", "fork-1", "fork-2", "fork-3"} <= shown
    # With five on the path, 25 are left for the newest: 175 to 199.
    assert {f"fork-{n}" for n in range(175, 200)} <= shown
    assert dag.figure.data[5].text == ("  … 171 more sessions",)


def test_a_fork_of_a_folded_session_hangs_on_the_nearest_one_shown(crowd):
    dag = ForkDAG(session="run")
    # 29 newest: 171 to 199, so that fork-170, from which fork-171 was forked, is folded.
    lane = dag.lanes.of("fork-171")
    assert (lane.parent, lane.through) == ("run", 1)
    assert dag.lanes.of("fork-172").parent == "fork-171"
    trace, point = trace_of(dag, "fork-171")
    assert "1 folded session between it and run" in dag.figure.data[trace].hovertext[point]


def test_a_click_on_what_is_folded_shows_more(crowd):
    dag = ForkDAG(session="run")
    click(dag, 5, 0)
    assert len(dag.lanes.shown) == 60
    assert dag.session == "run"
    assert dag.figure.data[5].text == ("  … 141 more sessions",)


def test_selecting_a_folded_session_brings_it_on_show(crowd):
    dag = ForkDAG(session="run")
    assert "fork-7" not in dag.lanes
    dag.session = "fork-7"
    assert {"fork-5", "fork-6", "fork-7"} <= {lane.info.session_id for lane in dag.lanes.shown}
