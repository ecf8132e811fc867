"""The debugger in JupyterLab, as a user meets it: scrub, read, edit, see what waits for the resume."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.cells import TEN_STEPS
from tests.browser.lab import shows

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def opened(notebook):
    made = notebook(TEN_STEPS, "print('selected', debugger.frame)")
    made.run_all()
    return made


@pytest.fixture
def debugger(opened, page):
    """The notebook with the run loaded anew: first frame, no edit, the state before it on show."""
    epoch = opened.value(
        "debugger.clear() or debugger.load(run) or debugger.set_trait('frame', 0) or debugger.scrubber.epoch"
    )
    scrubber = page.get_by_test_id("vcr-scrubber")
    expect(scrubber).to_have_attribute("data-epoch", str(epoch))
    expect(scrubber).to_have_attribute("data-count", "10")
    page.get_by_role("tab", name="Before").click()
    return opened


def set_value(page, tree, value, text):
    """Double-click a value of the tree and type another."""
    tree.locator(".jse-value", has_text=value).first.dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_keys_scrub_through_the_run_and_the_kernel_follows(debugger, slider, tree):
    shows(tree, 0)
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        slider.press(key)
    shows(tree, 2)
    expect(slider).to_have_attribute("aria-valuetext", "frame 2 / 9 · step_2 · tool · ok · 80 ms")
    debugger.expect_value("debugger.frame", 2)
    slider.press("End")
    shows(tree, 9)
    slider.press("Home")
    shows(tree, 0)
    debugger.expect_value("debugger.frame", 0)


def test_the_mouse_scrubs_and_a_cell_reads_what_was_selected(debugger, page, slider, tree):
    slider.locator(".vcr-strip").click(position={"x": 4.5 * 48, "y": 38})
    shows(tree, 4)
    debugger.expect_value("debugger.frame", 4)
    page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".jp-OutputArea-output")).to_have_text("selected 4\n")


def test_a_frame_chosen_in_python_is_the_one_on_show(debugger, page, slider, tree):
    debugger.expect_value("debugger.set_trait('frame', 7)", None)
    shows(tree, 7)
    expect(slider).to_have_attribute("aria-valuenow", "7")
    expect(tree.locator(".vcr-title")).to_have_text("frame 7 · step_7#1 · tool")


def test_the_next_error_is_one_click_away_and_says_what_went_wrong(debugger, page, tree):
    page.get_by_role("button", name="Next error").click()
    shows(tree, 8)
    expect(page.locator(".vcr-problem")).to_have_text("ValueError: no port")
    page.get_by_role("tab", name="After").click()
    expect(tree.get_by_text("frame 8 has no output state: it failed with ValueError: no port")).to_be_visible()


def test_changes_show_what_the_step_did(debugger, page, slider, tree):
    slider.press("ArrowRight")
    page.get_by_role("tab", name="Changes").click()
    shows(tree, 1)
    change = tree.get_by_role("list", name="Changes").get_by_role("listitem")
    expect(change).to_have_text(['+/messages/1{"role":"assistant","content":"message 1"}'])


def test_a_click_on_a_value_finds_the_frames_that_changed_it(debugger, page, slider, tree):
    shows(tree, 0)
    tree.locator(".jse-value", has_text="use Flask").click()
    page.get_by_role("button", name="When did this change?").click()
    history = page.get_by_test_id("vcr-history")
    expect(history).to_contain_text("3 frames changed /plan")
    expect(history.get_by_role("listitem")).to_have_text(
        ["0 step_0#1 (replace)", "4 step_4#1 (replace)", "6 step_6#1 (replace)"]
    )
    history.get_by_role("button", name="Go to frame 4").click()
    shows(tree, 4)
    expect(slider).to_have_attribute("aria-valuenow", "4")
    debugger.expect_value("debugger.frame", 4)


def test_an_edit_in_the_tree_waits_as_a_json_patch_for_the_resume(debugger, page, slider, tree):
    debugger.expect_value("debugger.set_trait('frame', 7)", None)
    shows(tree, 7)
    set_value(page, tree, "use Flask", "use FastAPI")
    patch = [{"op": "replace", "path": "/plan", "value": "use FastAPI"}]
    debugger.expect_value("debugger.pending_edit(7)", patch)
    expect(page.get_by_role("list", name="JSON Patch")).to_have_text(
        '{"op":"replace","path":"/plan","value":"use FastAPI"}was "use Flask"'
    )
    slider.press("ArrowLeft")
    shows(tree, 6)
    debugger.expect_value("debugger.pending_edit(6)", None)
    slider.press("ArrowRight")
    shows(tree, 7)
    expect(tree.locator(".jse-value", has_text="use FastAPI")).to_be_visible()


def test_undo_brings_the_recorded_value_back(debugger, page, tree):
    shows(tree, 0)
    set_value(page, tree, "use Flask", "use Django")
    debugger.expect_value("list(debugger.edits)", [0])
    page.get_by_role("button", name="Undo the last edit").click()
    debugger.expect_value("debugger.edits", {})
    expect(tree.locator(".jse-value", has_text="use Flask")).to_be_visible()
    expect(page.get_by_test_id("vcr-edit")).to_be_hidden()


def test_the_editors_own_undo_key_takes_the_edit_back_and_does_not_reach_jupyterlab(debugger, page, tree):
    shows(tree, 0)
    set_value(page, tree, "use Flask", "use Django")
    debugger.expect_value("list(debugger.edits)", [0])
    page.keyboard.press("Control+z")
    debugger.expect_value("debugger.edits", {})


def test_a_datetime_stays_one(debugger, page, tree):
    shows(tree, 0)
    set_value(page, tree, "2026-11-24T09:00", "tomorrow")
    expect(tree.get_by_role("alert")).to_contain_text("/when is a datetime, and 'tomorrow' is none")
    expect(tree.locator(".jse-value", has_text="2026-11-24T09:00")).to_be_visible()
    debugger.expect_value("debugger.edits", {})
    set_value(page, tree, "2026-11-24T09:00", "2027-01-01T00:00:00+00:00")
    debugger.expect_value(
        "debugger.edits", {"0": [{"op": "replace", "path": "/when/v", "value": "2027-01-01T00:00:00+00:00"}]}
    )


def test_the_state_after_a_step_cannot_be_edited(debugger, page, tree):
    page.get_by_role("tab", name="After").click()
    expect(tree).to_have_attribute("data-ready", "true")
    tree.locator(".jse-value", has_text="use Flask").dblclick()
    page.keyboard.type("use Django")
    page.keyboard.press("Enter")
    expect(tree.locator(".jse-value", has_text="use Flask")).to_be_visible()
    debugger.expect_value("debugger.edits", {})


def test_keys_typed_in_the_widgets_are_not_jupyterlabs_shortcuts(debugger, page, slider, tree):
    cells = page.locator(".jp-Notebook .jp-Cell")
    expect(cells).to_have_count(2)
    slider.focus()
    for key in "ddabxcvz":
        page.keyboard.press(key)
    page.get_by_role("tab", name="Before").click()
    tree.locator(".jse-value", has_text="2026-11-24").click()
    for key in ("d", "d", "a", "b"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    slider.press("ArrowRight")
    shows(tree, 1)
    expect(cells).to_have_count(2)


def test_play_goes_to_the_end_and_stops(debugger, page, tree):
    debugger.expect_value("debugger.set_trait('frame', 7)", None)
    shows(tree, 7)
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    shows(tree, 9)
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_the_focus_is_seen(debugger, page, slider):
    page.get_by_role("tab", name="Before").focus()
    page.keyboard.press("ArrowRight")
    after = page.get_by_role("tab", name="After")
    expect(after).to_be_focused()
    expect(after).to_have_css("outline-style", "solid")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_picture_in_each_theme(debugger, page, slider, tree, picture, theme):
    debugger.use_theme(f"JupyterLab {theme}")
    debugger.command("notebook:hide-all-cell-code")
    debugger.expect_value("debugger.set_trait('frame', 7)", None)
    shows(tree, 7)
    set_value(page, tree, "use Flask", "use FastAPI")
    expect(page.get_by_test_id("vcr-edit")).to_be_visible()
    colours = {
        "Light": ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0.87)"),
        "Dark": ("rgb(33, 33, 33)", "rgba(255, 255, 255, 0.87)"),
    }
    back, text = colours[theme]
    expect(tree).to_have_css("background-color", back)
    expect(tree.locator(".jse-main")).to_have_css("color", text)
    picture(f"debugger-{theme.lower()}")


def test_a_debugger_that_is_made_on_a_dark_page_is_dark(opened, page):
    opened.use_theme("JupyterLab Dark")
    opened.run_all()
    editor = page.locator(".vcr-editor")
    expect(editor).to_have_class(re.compile("jse-theme-dark"))
    opened.use_theme("JupyterLab Light")
    expect(editor).not_to_have_class(re.compile("jse-theme-dark"))
