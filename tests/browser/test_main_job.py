"""The whole main job by hand in JupyterLab: record, see the error, edit, resume by button and magic, compare, cost."""

import re

import pytest
from playwright.sync_api import expect

from agent_vcr_nb.notebook.fork_dag import LEAVING
from tests.browser.test_views import centre, click, node, points

pytestmark = pytest.mark.browser

AGENT = """
import os
# Graph and comparison show a whole folder, and kernels of other modules record into the one they start in.
os.mkdir("main_job")
os.chdir("main_job")
%load_ext agent_vcr_nb
from agent_vcr_nb import annotate, step
ran = []

@step(type="llm")
def plan(state):
    ran.append("plan")
    annotate(model="gpt-4o", tokens_input=1200, tokens_output=100, cost_usd=0.02)
    return {**state, "database": "mongodb"}

@step
def design(state):
    ran.append("design")
    return {**state, "tables": ["todo"]}

@step(type="llm")
def build(state):
    ran.append("build")
    print("building on", state["database"])
    annotate(model="gpt-4o", tokens_input=800, tokens_output=80, cost_usd=0.01)
    if state["database"] != "sqlite":
        raise ValueError(f"no driver for {state['database']}")
    return {**state, "built": True}

@step
def agent(task):
    return build(design(plan({"task": task})))
"""
RECORD = """
%vcr record todo
try:
    agent("a todo app")
except ValueError as error:
    print("failed:", error)
%vcr stop
"""
SHOW = """
%vcr
debugger = get_ipython().magics_manager.registry["VCRMagics"].debugger
"""

WIDE = "() => document.querySelector('.js-plotly-plot .main-svg').clientWidth > 900"
"""The chart fills the page; Plotly's own width is 700 pixels."""


@pytest.fixture(scope="module")
def lab(notebook):
    made = notebook(AGENT, RECORD, SHOW, """%vcr resume todo 3 --set database='"postgres"'""", "%vcr dag")
    made.run(0, 1, 2)
    return made


def test_the_main_job_by_button(lab, page, picture):
    expect(lab.output(1).first).to_contain_text("failed: no driver for mongodb")
    page.get_by_role("button", name="Next error").click()
    tree, bar = page.get_by_test_id("vcr-tree"), page.get_by_test_id("vcr-actions")
    expect(tree).to_have_attribute("data-ready", "true")
    page.get_by_role("slider", name="Frame").press("End")
    expect(tree).to_have_attribute("data-frame", "3")
    expect(page.locator(".vcr-problem").first).to_contain_text("ValueError: no driver for mongodb")

    tree.locator(".jse-value", has_text="mongodb").first.dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("sqlite")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="JSON Patch")).to_contain_text("sqlite")
    picture("actions-before")

    lab.value("ran.clear()")
    bar.get_by_role("button", name="Resume from here").click()
    outcome = page.get_by_test_id("vcr-outcome")
    expect(outcome).to_contain_text("✓ todo-fork1: done")
    expect(outcome).to_contain_text("served from the recording, not executed: 2 steps (frames 1-2)")
    expect(outcome).to_contain_text("executed: build")
    expect(outcome).to_contain_text("compared with todo: of 4 steps 2 the same")
    expect(page.get_by_test_id("vcr-printed")).to_have_text("building on sqlite\n")
    lab.expect_value("ran", ["build"])
    lab.expect_value("[debugger.session, debugger.frame]", ["todo-fork1", 3])
    expect(page.get_by_role("slider", name="Frame")).to_have_attribute(
        "aria-valuetext", re.compile("^frame 3 / 3 · build · llm · ok · edited")
    )
    picture("actions-after")


def test_the_fork_stands_in_the_graph_and_a_click_there_selects_and_compares(lab, page, picture):
    page.get_by_role("button", name="Forks").click()
    graph = page.locator(".js-plotly-plot").first
    expect(graph.locator(".ytick")).to_have_text(["todo ", "todo-fork1 "], timeout=30_000)
    graph.scroll_into_view_if_needed()
    page.wait_for_function(WIDE)
    picture("tab-forks")
    click(page, graph, node(graph, "error").first)
    lab.expect_value("[debugger.session, debugger.frame]", ["todo", 3])
    expect(page.get_by_test_id("vcr-scrubber")).to_have_attribute("data-frame", "3")
    click(page, graph, node(graph, "ok").first)
    lab.expect_value("debugger.session", "todo-fork1")
    lab.expect_value("debugger.views.dag.compared", ["todo", "todo-fork1"])
    compared = page.locator(".vcr-compared")
    expect(compared).to_contain_text("first divergence: agent#1")
    expect(compared).to_contain_text("+ /built = true")
    picture("tab-forks-compared")


def test_a_resume_by_magic_is_selected_everywhere_and_stands_in_the_graph(lab, page):
    lab.run(3)
    expect(lab.output(3).first).to_contain_text("executed: build")
    lab.expect_value("[debugger.session, debugger.frame, debugger.views.dag.session]", ["todo-fork2", 3, "todo-fork2"])
    expect(page.locator(".js-plotly-plot").first.locator(".ytick")).to_have_text(
        ["todo ", "todo-fork1 ", "todo-fork2 "]
    )
    expect(page.get_by_test_id("vcr-scrubber").locator(".vcr-problem")).to_contain_text("no driver for postgres")
    # Both forks leave the first run at the same place, also when the graph is drawn again.
    lab.value("debugger.views.dag.refresh()")
    graph = page.locator(".js-plotly-plot").first
    drawn = points(graph, LEAVING)
    expect(drawn).to_have_count(2)
    assert centre(drawn.nth(0)) == pytest.approx(centre(drawn.nth(1)), abs=1)


def test_the_cost_tab_tells_what_the_fork_spent_and_a_bar_selects_its_frame(lab, page, picture):
    page.get_by_role("button", name="Cost").click()
    ledger = page.locator(".vcr-figure", has_text="Spent")
    expect(ledger).to_contain_text("Spent (live): 1 call, 880 tokens, $0.010000", timeout=30_000)
    expect(ledger).to_contain_text("Saved (replayed, mocked): 1 call, 1,300 tokens, $0.020000")
    bars = ledger.locator(".js-plotly-plot")
    expect(bars.locator(".barlayer .point").first).to_be_visible()
    bars.scroll_into_view_if_needed()
    picture("tab-cost")
    click(page, bars, bars.locator(".barlayer .point path").last)
    lab.expect_value("debugger.frame", 1)
    expect(page.get_by_test_id("vcr-tree")).to_have_attribute("data-frame", "1")
    ledger.get_by_role("button", name="session").click()
    lab.expect_value("debugger.views.ledger.by", "session")
    expect(ledger.locator("tbody tr td:first-child")).to_have_text(
        ["todo", "todo-fork1", "todo-fork1", "todo-fork2", "todo-fork2"]
    )
    ledger.get_by_role("button", name="branch").click()
    lab.expect_value("debugger.views.ledger.by", "branch")
    # What ran in the first run, what both forks did not run again, and the edited call of each.
    expect(ledger.locator("tbody tr", has=page.get_by_text("todo", exact=True))).to_have_text(
        [
            "todo22,0001802,180$0.030000live",
            "todo22,4002002,600$0.040000replayed",
            "todo21,6001601,760$0.020000edited",
        ]
    )


def test_the_findings_tab_says_how_to_get_findings(lab, page):
    page.get_by_role("button", name="Findings").click()
    expect(page.get_by_test_id("vcr-findings")).to_contain_text("%vcr findings src checks a folder now")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_picture_in_each_theme(lab, page, picture, theme):
    lab.use_theme(f"JupyterLab {theme}")
    lab.command("notebook:hide-all-cell-code")
    page.get_by_role("button", name="Forks").click()
    expect(page.locator(".barlayer .point")).to_have_count(0)  # of the tab before
    graph = page.locator(".js-plotly-plot").first
    colour = {"Light": "rgba(0, 0, 0, 0.87)", "Dark": "rgba(255, 255, 255, 0.87)"}[theme]
    expect(graph.locator(".ytick text").first).to_have_css("fill", colour)
    expect(page.get_by_test_id("vcr-actions")).to_have_css("color", colour)
    graph.scroll_into_view_if_needed()
    page.wait_for_function(WIDE)
    picture(f"joined-{theme.lower()}")
    page.get_by_role("button", name="Cost").click()
    expect(page.locator(".vcr-figure .barlayer .point").first).to_be_visible()
    page.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
    page.wait_for_function(WIDE)
    picture(f"joined-cost-{theme.lower()}")


def test_the_saved_notebook_shows_forks_and_cost_without_a_kernel(lab, page, server, picture):
    lab.use_theme("JupyterLab Light")
    lab.expect_value("debugger._save.now()", None)
    saved = page.locator("[class^=vcr-saved]").first
    expect(saved).to_contain_text("╰─ todo-fork2")
    lab.command("docmanager:save")
    assert (server.notebooks / lab.name).stat().st_size < 200_000
    lab.restart_kernel()
    lab.open()
    expect(saved).to_be_visible()
    expect(saved).to_contain_text("todo-fork2: 4 frames, 2 failed")
    expect(saved).to_contain_text("╰─ todo-fork2")
    expect(saved).to_contain_text("spent (live): 1 call, 880 tokens, $0.010000")
    expect(page.locator("script[src*=cdn]")).to_have_count(0)
    picture("joined-saved")
