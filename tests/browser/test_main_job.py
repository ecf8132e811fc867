"""The whole main job by hand in JupyterLab: record, see the error, edit, resume by button and magic, compare, cost."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_views import click, node

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
    page.wait_for_function("() => document.querySelector('.js-plotly-plot .main-svg').clientWidth > 900")
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
