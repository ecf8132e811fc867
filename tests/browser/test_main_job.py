"""The main job with the real recorder: an agent fails, one value of its past is changed, and it goes on from there."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

AGENT = """
%load_ext agent_vcr_nb
from agent_vcr_nb import step

calls = []

def make(number):
    @step(name=f"step_{number}")
    def run(state):
        calls.append(number)
        if number == 7 and state["database"] not in ("sqlite", "postgres"):
            raise ValueError(f"no driver for {state['database']}")
        return {**state, f"done_{number}": True}
    return run

steps = [make(number) for number in range(10)]

def agent(state):
    for run in steps:
        state = run(state)
    return state
"""
RECORD = "%vcr record main_job"
RUN = """
try:
    agent({"query": "build a todo app", "database": "mongodb"})
except ValueError as error:
    print("failed:", error)
"""
DEBUGGER = """
%vcr
debugger = get_ipython().magics_manager.registry["VCRMagics"].debugger
"""


def test_the_main_job(notebook, page, picture):
    lab = notebook(AGENT, RECORD, RUN, DEBUGGER, "calls.clear()\n%vcr resume 7 --agent agent", "%vcr stop")
    lab.run(0, 1, 2, 3)
    expect(lab.output(2)).to_have_text("failed: no driver for mongodb\n")
    tree = page.get_by_test_id("vcr-tree")

    page.get_by_role("button", name="Next error").click()
    expect(tree).to_have_attribute("data-frame", "7")
    expect(page.locator(".vcr-problem")).to_have_text("ValueError: no driver for mongodb")
    tree.locator(".jse-value", has_text="mongodb").dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("sqlite")
    page.keyboard.press("Enter")
    lab.expect_value("debugger.pending_edit(7)", [{"op": "replace", "path": "/database", "value": "sqlite"}])
    picture("main-job")

    lab.run(4)
    lab.expect_value("calls", [7, 8, 9])
    expect(tree.locator(".vcr-title")).to_contain_text("frame 7 · step_7")
    expect(tree.locator(".jse-value", has_text="sqlite")).to_be_visible()
    expect(page.get_by_test_id("vcr-scrubber")).to_have_attribute("data-count", "10")
    expect(page.locator(".vcr-legend")).to_contain_text("replayed")
    lab.expect_value(
        "[frame['provenance'] for frame in debugger.source.summaries(0)]", ["replayed"] * 7 + ["edited"] + ["live"] * 2
    )
    lab.expect_value("debugger.session != 'main_job'", True)
    picture("main-job-resumed")
    lab.run(5)
