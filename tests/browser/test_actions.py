"""The buttons of the debugger in JupyterLab, where it is not all well: a long run, an error, files, a busy kernel."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

AGENT = """
import os
# Comparison shows a whole folder, and kernels of other modules record into the one they start in.
os.mkdir("actions")
os.chdir("actions")
%load_ext agent_vcr_nb
import time
from pathlib import Path
from agent_vcr_nb import ACIDWorkspace, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.notebook.debugger import VCRDebugger
from agent_vcr_nb.notebook.recorded import PlayerSource

@step
def plan(task):
    return {"task": task, "naps": 0}

@step
def work(state):
    print("working")
    end = time.monotonic() + 60 * state["naps"]
    while time.monotonic() < end:
        time.sleep(0.01)
    return {**state, "done": True}

@step
def agent(task):
    return work(plan(task))

with VCRRecorder(".vcr") as recorder:
    recorder.start_session("quick")
    agent("rest")

Path("project").mkdir()
notes = Path("project/notes.txt")

@step
def write(text):
    notes.write_text(text)

notes.write_text("first")
with ACIDWorkspace("project") as workspace, VCRRecorder(".vcr", workspace=workspace) as recorder:
    recorder.start_session("files")
    write("second")
    write("third")
    workspace.commit()
"""
SHOW = """
debugger = VCRDebugger(PlayerSource(VCRPlayer.load_by_id("quick")))
debugger
"""
BUSY = """
end = time.monotonic() + 60
while not busy_until.exists() and time.monotonic() < end:
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def lab(notebook):
    made = notebook(AGENT, SHOW, "busy_until = Path('free')", BUSY)
    made.run(0, 1, 2)
    return made


@pytest.fixture
def bar(lab, page):
    """The bar with the quick run loaded anew, its last frame selected and no edit."""
    lab.expect_value("debugger.actions.job is None", True)
    lab.expect_value("[debugger.open('quick', 2), debugger.clear(), debugger.actions.dismiss()]", [None] * 3)
    found = page.get_by_test_id("vcr-actions")
    expect(page.get_by_test_id("vcr-tree")).to_have_attribute("data-frame", "2")
    expect(found.get_by_role("button", name="Resume from here")).to_be_enabled()
    return found


@pytest.fixture
def outcome(page):
    return page.get_by_test_id("vcr-outcome")


def edit(lab, path, value):
    lab.value(f"debugger.edit(2, [{{'op': 'replace', 'path': '{path}', 'value': {value}}}])")


def test_a_long_run_shows_how_far_it_is_and_is_cancelled(lab, page, bar, outcome, picture):
    edit(lab, "/naps", 1)
    bar.get_by_role("button", name="Resume from here").click()
    progress = page.get_by_test_id("vcr-progress")
    expect(progress).to_contain_text("1 step served · 0 executed · last: plan")
    expect(page.get_by_test_id("vcr-printed")).to_have_text("working\n")
    expect(bar.get_by_role("button", name="Resume from here")).to_be_disabled()
    picture("cancelling")
    bar.get_by_role("button", name="Cancel").click()
    expect(outcome).to_contain_text("▼ Resume from here: cancelled")
    expect(outcome).to_contain_text("1 step served and")
    fork = lab.value("debugger.session")
    assert fork.startswith("quick-fork")
    problem = page.get_by_test_id("vcr-scrubber").locator(".vcr-problem")
    expect(problem).to_contain_text("Cancelled: the run was cancelled")
    expect(page.locator(".vcr-legend")).to_contain_text("cancelled")
    expect(page.locator(".vcr-legend")).not_to_contain_text("failed")
    picture("cancelled")
    lab.expect_value("[f.metadata.error_type for f in debugger.source.player.frames]", ["Cancelled", None, "Cancelled"])
    lab.expect_value("debugger.actions.progress", {})

    lab.value("debugger.edit(2, [{'op': 'replace', 'path': '/naps', 'value': 0}])")
    expect(bar.get_by_role("button", name="Resume from here")).to_be_enabled()
    bar.get_by_role("button", name="Resume from here").click()
    expect(outcome).to_contain_text(f"✓ {fork}-fork1: done")


def test_keys_of_the_scrubber_resume_and_fork(lab, page, bar, outcome):
    slider = page.get_by_role("slider", name="Frame")
    slider.press("f")
    expect(outcome).to_contain_text("forked, not run")
    lab.expect_value("debugger.open('quick', 2)", None)
    expect(page.get_by_test_id("vcr-tree")).to_have_attribute("data-frame", "2")
    expect(bar.get_by_role("button", name="Resume from here")).to_be_enabled()
    slider.press("r")
    expect(outcome).to_contain_text("executed: work")


def test_an_error_stands_in_the_widget_with_the_next_step(lab, bar, outcome, picture):
    lab.expect_value("setattr(debugger.actions, 'agent', 'no_such_name')", None)
    expect(bar.get_by_role("button", name="Resume from here")).to_be_enabled()
    bar.get_by_role("button", name="Resume from here").click()
    expect(outcome).to_have_attribute("role", "alert")
    expect(outcome).to_contain_text("✕ Resume from here failed")
    expect(outcome).to_contain_text("agent 'no_such_name': expected --agent module:name")
    picture("action-error")
    outcome.get_by_role("button", name="Dismiss").click()
    expect(outcome).to_be_hidden()
    lab.expect_value("setattr(debugger.actions, 'agent', '')", None)


def test_files_are_rolled_back_at_the_second_click_only(lab, page, bar, outcome, picture):
    roll = bar.get_by_role("button", name="Roll back files")
    expect(roll).to_be_disabled()
    expect(roll).to_have_attribute("title", re.compile("the session quick of .vcr has no savepoints of files"))
    lab.expect_value("debugger.open('files', 1)", None)
    expect(roll).to_be_enabled()
    roll.click()
    expect(outcome).to_contain_text("? Files as they were at frame 1: what would be done")
    expect(outcome).to_contain_text("notes.txt")
    picture("rollback-plan")
    lab.expect_value("notes.read_text()", "third")
    outcome.get_by_role("button", name="Roll back now").click()
    expect(outcome).to_contain_text("✓ Files rolled back")
    lab.expect_value("notes.read_text()", "second")


def test_ghost_replay_executes_nothing(lab, bar, outcome, page):
    bar.get_by_role("button", name="Ghost replay").click()
    expect(outcome).to_contain_text("✓ quick: replayed, nothing executed")
    expect(page.get_by_test_id("vcr-printed")).to_be_hidden()


def test_a_session_is_picked_to_compare_with(lab, page, bar, outcome):
    bar.get_by_role("combobox", name="Compare with").select_option("files")
    bar.get_by_role("button", name="Compare", exact=True).click()
    expect(outcome).to_contain_text("✓ files ⇄ quick")
    outcome.get_by_role("button", name="Go to frame 0").or_(outcome.get_by_role("button", name="Dismiss")).first.click()


def test_a_click_is_answered_while_a_cell_runs(lab, page, bar, outcome):
    lab.start(3)
    expect(page.locator(".jp-Cell").nth(3).locator(".jp-InputPrompt")).to_have_text("[*]:")
    bar.get_by_role("button", name="Fork").click()
    expect(outcome).to_contain_text("forked, not run")
    expect(page.locator(".jp-Cell").nth(3).locator(".jp-InputPrompt")).to_have_text("[*]:")
    (lab.server.notebooks / "actions/free").touch()
    expect(page.locator(".jp-Cell").nth(3).locator(".jp-InputPrompt")).not_to_have_text("[*]:")
