"""A notebook that was saved with the debugger in it, opened again when the kernel knows nothing of it."""

import pytest
from playwright.sync_api import expect

from tests.browser.cells import TEN_STEPS

pytestmark = pytest.mark.browser


def test_the_saved_notebook_shows_the_run_and_the_selected_state(notebook, page, server, picture):
    lab = notebook(TEN_STEPS)
    lab.run(0)
    saved = page.locator("[class^=vcr-saved]")
    tree = page.get_by_test_id("vcr-tree")
    expect(tree).to_have_attribute("data-ready", "true")
    page.get_by_role("button", name="Next error").click()
    expect(saved).to_contain_text("State before frame 8")
    expect(saved).to_be_hidden()

    lab.command("docmanager:save")
    before = (server.notebooks / lab.name).stat().st_size
    lab.restart_kernel()
    lab.open()
    expect(saved).to_be_visible()
    expect(saved).to_contain_text("demo: 10 frames, 1 failed")
    expect(saved).to_contain_text("✕ frame 8 · deploy#1 · node · error · ValueError: no port")
    expect(saved).to_contain_text('"plan": "use Flask"')
    expect(tree).to_have_count(0)
    picture("saved")
    assert before < 200_000


def test_a_widget_whose_kernel_was_restarted_says_so(notebook, page):
    lab = notebook(TEN_STEPS)
    lab.run(0)
    expect(page.get_by_test_id("vcr-tree")).to_have_attribute("data-ready", "true")
    lab.restart_kernel()
    page.get_by_role("slider", name="Frame").press("Home")  # what is next to the selected frame may be here already
    alert = page.get_by_test_id("vcr-tree").get_by_role("alert")
    expect(alert).to_contain_text("The kernel that held this run is gone: run the cell again.")
    lab.run(0)
    expect(page.get_by_test_id("vcr-tree").get_by_text("use Flask")).to_be_visible()
