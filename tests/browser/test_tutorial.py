"""The main job as a user does it in JupyterLab: record, see the error, edit the state before it, resume."""

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

TUTORIAL = Path(__file__).parent.parent.parent / "notebooks/01_change_the_past.ipynb"


@pytest.fixture(scope="module")
def opened(notebook):
    """The tutorial's agent, recorded and failed, with the debugger on show; the resume is not run yet."""
    cells = [cell.source for cell in nbformat.read(TUTORIAL, as_version=4).cells if cell.cell_type == "code"]
    upto = cells.index("%vcr") + 1
    made = notebook(*cells[:upto], "%vcr resume 7", "%vcr dag")
    made.run(*range(upto))
    return made


def output(page, text):
    return page.locator(".jp-OutputArea-output", has_text=text)


def shows(page, frame):
    tree = page.get_by_test_id("vcr-tree")
    expect(tree).to_have_attribute("data-frame", str(frame))
    expect(tree).to_have_attribute("data-ready", "true")
    return tree


def test_an_edit_in_the_tree_is_what_percent_vcr_resume_runs_on(opened, page, picture):
    expect(output(page, "failed: the database 'mongodb' is not one of")).to_be_visible()
    opened.expect_value(
        "calls", [*["clarify", "research", "outline", "estimate", "design", "write_code", "write_tests", "review"]]
    )

    page.get_by_role("button", name="Next error").click()
    tree = shows(page, 7)
    opened.expect_value("get_ipython().magics_manager.registry['VCRMagics'].debugger.frame", 7)
    tree.locator(".jse-value", has_text="mongodb").first.dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("sqlite")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="JSON Patch")).to_contain_text(
        '{"op":"replace","path":"/database","value":"sqlite"}'
    )
    # The agent is a plain function, and found by having called the steps.
    expect(page.get_by_test_id("vcr-actions").get_by_role("button", name="Resume from here")).to_be_enabled()
    tree.locator(".jse-value", has_text="sqlite").first.click()
    expect(tree.get_by_role("button", name="When did this change?")).to_have_text("When did /database change?")
    picture("main_job_light")
    opened.use_theme("JupyterLab Dark")
    expect(tree).to_have_css("background-color", "rgb(33, 33, 33)")
    picture("main_job_dark")
    picture("debugger", of=page.locator(".jp-OutputArea-output", has=page.get_by_test_id("vcr-tree")))
    opened.use_theme("JupyterLab Light")

    opened.value("calls.clear()")
    page.locator(".jp-Notebook .cm-content", has_text="%vcr resume 7").click()
    page.keyboard.press("Control+Enter")
    expect(output(page, "executed: review, document, release")).to_be_visible()
    expect(output(page, "served from the recording, not executed: 7 steps (frames 0-6)")).to_be_visible()
    opened.expect_value("calls", ["review", "document", "release"])

    shows(page, 7)
    opened.expect_value("get_ipython().magics_manager.registry['VCRMagics'].debugger.session", "tutorial-fork1")
    slider = page.get_by_role("slider", name="Frame")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^frame 7 / 9 · review · llm · ok · edited"))
    expect(page.get_by_test_id("vcr-scrubber")).to_have_attribute("data-count", "10")
    expect(page.locator(".vcr-legend")).to_contain_text("replayed")
    expect(tree.locator(".jse-value", has_text="sqlite").first).to_be_visible()
