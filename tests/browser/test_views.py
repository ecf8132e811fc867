"""Fork graph, ledger and findings in JupyterLab: what a user sees, clicks and gets in the kernel."""

import contextlib

import pytest
from playwright.sync_api import TimeoutError, expect

from agent_vcr_nb.notebook.fork_dag import FOLDED

pytestmark = pytest.mark.browser

RECORD = """
import json
import os
# The graph shows a whole folder, and kernels of other modules record into the one they start in.
os.mkdir("views")
os.chdir("views")
from pathlib import Path
from agent_vcr_nb import CostLedger, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.fork import fork_recording
from agent_vcr_nb.notebook.widgets import CostLedgerView, FindingsTable, ForkDAG

HOSTILE = "<img src=x onerror='document.title=1'>"
def work(recorder, costs, name="write"):
    for number, cost in enumerate(costs):
        model = "gpt-4o" if cost is not None else "my-own-model"
        recorder.record_llm_call(model, "hi", "ho", 900 + 100 * number, 120, 80, cost_usd=cost, node_name=name)

with VCRRecorder() as recorder:
    recorder.start_session("run")
    work(recorder, [0.01, 0.02, None, 0.03, 0.01, 0.02], "plan")
    recorder.record_error("deploy", {}, ValueError("no port"))

def fork(parent, frame, name, costs, plan, reason=None):
    patch = [{"op": "add", "path": "/plan", "value": plan}]
    path = Path(f".vcr/{parent}.vcr")
    with fork_recording(path, frame, name, patch=patch, reason=reason, pending=not costs) as recorder:
        work(recorder, costs)

fork("run", 3, "fastapi", [0.05, 0.12, None, 0.02], "use FastAPI", "Flask has no async")
fork("run", 5, "waiting", [], HOSTILE)
fork("fastapi", 4, "smaller-model", [0.004, 0.003], "use the small model")
fork("fastapi", 3, "again", [0.06], "use FastAPI, with tests")
"""
DAG = "dag = ForkDAG(session='fastapi')\ndag"
LEDGER = "ledger = CostLedgerView(CostLedger.of(VCRPlayer.load_by_id('fastapi')))\nledger"
FINDINGS = """
def finding(rule, severity, line, message, path="src/app.py", symbol="build", **more):
    return {"rule": rule, "code": "", "severity": severity, "message": message, "path": path, "line": line,
            "symbol": symbol, "key": rule + str(line), "cell": None, "value": None, "limit": None, **more}

table = FindingsTable([
    finding("too-complex", "warning", 12, "split build into steps", value=14, limit=10),
    finding("swallowed-error", "critical", 40, "let the error out, or say what went wrong", symbol="Store.load"),
    finding("secret", "critical", 3, HOSTILE, path="src/settings.py", symbol="<module>"),
    finding("duplicate", "warning", 80, "use parse_date of src/dates.py:10", path="src/report.py", symbol="parse_day"),
], frames={"src/app.py": 4})
table
"""


MANY = """
for number in range(55):
    parent = "run" if number % 3 == 0 else f"try-{number - 1}"
    path = Path(f".vcr/{parent}.vcr")
    with fork_recording(path, 1 + number % 4, f"try-{number}", overrides={}) as recorder:
        work(recorder, [0.001 * number] * (4 + number % 5))
many = ForkDAG(session="try-4")
many
"""


@pytest.fixture(scope="module")
def opened(notebook):
    made = notebook(RECORD, DAG, LEDGER, FINDINGS, MANY)
    made.run(0, 1, 2, 3)
    return made


def node(chart, outcome):
    """The node of the sessions of an outcome; in the order of the lanes."""
    return points(chart, chart.evaluate("(el, name) => el.data.findIndex((trace) => trace.name === name)", outcome))


def points(chart, number):
    """The points of a trace; those without any are not in the page, so a place among them tells nothing."""
    return chart.locator(f".trace{chart.evaluate('(el, n) => el._fullData[n].uid', number)} .point")


def centre(point):
    """Where the middle of a point is."""
    box = point.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def click(page, chart, point):
    """Click on a point of a chart, as a hand does: Plotly takes a click only where the mouse rests."""
    hover = chart.locator(".hoverlayer .hovertext").first
    for _ in range(20):  # what is above may still change its height, and a chart that is drawn anew forgets the mouse
        chart.scroll_into_view_if_needed()
        page.mouse.move(*centre(point), steps=3)
        with contextlib.suppress(TimeoutError):
            hover.wait_for(timeout=500)
            break
    page.mouse.click(*centre(point))


def chart(opened, cell):
    """The chart below a cell, drawn."""
    found = opened.output(cell).locator(".js-plotly-plot")
    expect(found.locator(".point").first).to_be_visible(timeout=30_000)
    found.scroll_into_view_if_needed()
    return found


def test_a_click_in_the_fork_graph_selects_a_session_and_a_second_one_compares(opened, page):
    graph = chart(opened, 1)
    names = graph.locator(".yaxislayer-above .ytick, .yaxislayer-below .ytick")
    expect(names).to_have_text(["run ", "fastapi ", "again ", "smaller-model ", "waiting "])
    click(page, graph, node(graph, "error").first)
    opened.expect_value("[dag.session, dag.frame, dag.compared]", ["run", 6, []])
    details = opened.output(1).locator(".widget-html-content").nth(1)
    expect(details).to_contain_text("run error · 7 frames · spent $0.090000 and 1 of 6 calls of unknown cost")
    click(page, graph, node(graph, "ok").nth(1))
    opened.expect_value("[dag.session, dag.frame, dag.compared]", ["again", 3, ["run", "again"]])
    expect(details).to_contain_text("run ⇄ again")
    ring, chosen = page.locator("path.point[style*='rgb(25, 118, 210)']"), node(graph, "ok").nth(1)
    assert centre(ring) == pytest.approx(centre(chosen), abs=1)
    assert ring.bounding_box()["width"] > chosen.bounding_box()["width"]


def test_the_text_of_a_run_is_text_in_the_hover(opened, page):
    graph = chart(opened, 1)
    page.mouse.move(*centre(node(graph, "pending").first))
    hover = graph.locator(".hoverlayer .hovertext")
    expect(hover).to_contain_text("<img src=x onerror='document.title=1'>")
    expect(page.locator(".jp-Notebook img[src='x']")).to_have_count(0)


def test_a_click_on_a_bar_of_the_ledger_selects_its_frame(opened, page):
    bars = chart(opened, 2)
    click(page, bars, bars.locator(".barlayer .trace:first-child .point").nth(1))
    opened.expect_value("ledger.frame", 4)
    shown = opened.output(2).first
    expect(shown).to_contain_text("Spent (live): 4 calls")
    expect(shown).to_contain_text("Saved (replayed, mocked): 3 calls")
    shown.get_by_role("button", name="model").click()
    opened.expect_value("ledger.by", "model")
    expect(shown.locator("tbody tr")).to_have_count(4)
    shown.get_by_role("button", name="frame").click()
    expect(shown.locator("tbody tr")).to_have_count(7)


def test_findings_are_sorted_filtered_selected_and_jumped_from(opened, page):
    table = page.get_by_test_id("vcr-findings")
    rows = table.locator("tbody tr")
    expect(rows.locator("td:nth-child(2)")).to_have_text(["swallowed-error", "secret", "too-complex", "duplicate"])
    table.get_by_role("button", name="Rule").click()
    expect(rows.locator("td:nth-child(2)")).to_have_text(["duplicate", "secret", "swallowed-error", "too-complex"])
    table.get_by_role("searchbox", name="Filter").fill("src/app")
    expect(rows).to_have_count(2)
    table.get_by_role("combobox", name="Severity").select_option("warning")
    expect(rows).to_have_count(1)
    expect(table.get_by_role("status")).to_have_text("1 of 4 findings")
    rows.first.click()
    opened.expect_value("[table.selected['rule'], table.frame]", ["too-complex", None])
    expect(rows.first).to_have_attribute("aria-selected", "true")
    rows.get_by_role("button", name="frame 4").click()
    opened.expect_value("table.frame", 4)
    opened.expect_value("[table.severity, table.text, table.sort]", ["warning", "src/app", "rule"])
    opened.expect_value("setattr(table, 'severity', '') or setattr(table, 'text', '')", None)
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="secret")).to_contain_text("<img src=x onerror='document.title=1'>")
    expect(page.locator(".jp-Notebook img[src='x']")).to_have_count(0)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_picture_in_each_theme(opened, page, picture, theme):
    opened.use_theme(f"JupyterLab {theme}")
    opened.command("notebook:hide-all-cell-code")
    colour = {"Light": "rgba(0, 0, 0, 0.87)", "Dark": "rgba(255, 255, 255, 0.87)"}[theme]
    graph = chart(opened, 1)
    expect(graph.locator(".ytick text").first).to_have_css("fill", colour)
    picture(f"dag-{theme.lower()}")
    chart(opened, 2)
    picture(f"ledger-{theme.lower()}")
    table = page.get_by_test_id("vcr-findings")
    expect(table).to_have_css("color", colour)
    table.scroll_into_view_if_needed()
    picture(f"findings-{theme.lower()}")


def test_many_forks_are_folded_into_a_node_that_a_click_opens(opened, page, picture):
    opened.run(4)
    graph = chart(opened, 4)
    expect(graph.locator(".ytick")).to_have_count(30)
    expect(graph.locator(".textpoint")).to_have_text("  … 30 more sessions")
    picture("dag-folded")
    click(page, graph, points(graph, FOLDED).first)
    opened.expect_value("len(many.lanes.shown)", 60)
    expect(graph.locator(".ytick")).to_have_count(60)
    picture("dag-many")


def test_the_saved_notebook_shows_all_three_when_the_kernel_is_gone(opened, page, picture):
    saved = page.locator("[class^=vcr-saved]")
    expect(saved).to_have_count(4)
    assert [saved.nth(n).is_visible() for n in range(4)] == [False] * 4
    opened.command("docmanager:save")
    opened.restart_kernel()
    opened.open()
    expect(saved.nth(0)).to_contain_text("● fastapi")
    expect(saved.nth(1)).to_contain_text("Saved (replayed, mocked): 3 calls")
    expect(saved.nth(2)).to_contain_text("<img src=x onerror='document.title=1'>")
    for number in range(4):
        expect(saved.nth(number)).to_be_visible()
    picture("views-saved")
