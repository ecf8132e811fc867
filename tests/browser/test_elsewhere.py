"""The debugger in other programs than JupyterLab: scrub, read, edit, and the kernel knows of it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser import hosts
from tests.browser.cells import TEN_STEPS
from tests.browser.lab import TOKEN, Notebook, Watch

pytestmark = pytest.mark.browser

CELL = TEN_STEPS.replace(
    "debugger = VCRDebugger(run)\n",
    """
debugger = VCRDebugger(run)
from pathlib import Path
def tell(change):
    Path("seen.json").write_text(json.dumps({"frame": debugger.frame, "edits": debugger.edits}))
debugger.observe(tell, "frame")
""",
)
"""Ten steps, of which the ninth fails; what the kernel knows of the selection stands in a file."""

PATCH = [{"op": "replace", "path": "/plan", "value": "use FastAPI"}]


def scrub_read_and_edit(page, seen):
    """Do in the page what a user does, and wait until it is seen, and known to the kernel."""
    slider, tree = page.get_by_role("slider", name="Frame"), page.get_by_test_id("vcr-tree")
    expect(page.get_by_test_id("vcr-scrubber")).to_have_attribute("data-count", "10")
    expect(slider).to_have_attribute("aria-valuenow", "8")  # where it failed
    expect(tree).to_have_attribute("data-ready", "true")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        slider.press(key)
    expect(slider).to_have_attribute("aria-valuenow", "2")
    expect(tree).to_have_attribute("data-frame", "2")
    expect(tree).to_have_attribute("data-ready", "true")
    expect_seen(page, seen, {"frame": 2, "edits": {}})

    set_value(page, tree, "2026-11-24T09:00", "tomorrow")
    expect(tree.get_by_role("alert")).to_contain_text("/when is a datetime, and 'tomorrow' is none")
    set_value(page, tree, "use Flask", "use FastAPI")
    expect(page.get_by_role("list", name="JSON Patch")).to_contain_text(
        '{"op":"replace","path":"/plan","value":"use FastAPI"}'
    )
    page.get_by_role("button", name="Next error").click()
    expect(page.locator(".vcr-problem")).to_have_text("ValueError: no port")
    expect_seen(page, seen, {"frame": 8, "edits": {"2": PATCH}})


def set_value(page, tree, value, text):
    """Double-click a value of the tree and type another."""
    tree.locator(".jse-value", has_text=value).first.dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def expect_seen(page, path, expected):
    """Wait until the kernel has written what it knows."""
    found = None
    for _ in range(200):
        found = path.read_text() if path.exists() else "null"
        if found and json.loads(found) == expected:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"the kernel knows {found}, expected {expected}")


@pytest.fixture(autouse=True)
def leave(page):
    """Leave the host before it is ended, and before another is watched."""
    yield
    page.goto("about:blank")


def test_in_notebook_7(page, server, picture):
    watch = Watch(page, server)
    shown = Notebook(page, server, "notebook_7.ipynb")
    shown.write([CELL])
    shown.open(f"notebooks/{shown.name}?token={TOKEN}")
    shown.run(0)
    scrub_read_and_edit(page, server.notebooks / "seen.json")
    page.get_by_role("slider", name="Frame").focus()
    for key in ("d", "d", "a", "b", "Home"):
        page.keyboard.press(key)
    expect_seen(page, server.notebooks / "seen.json", {"frame": 0, "edits": {"2": PATCH}})
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(1)
    picture("notebook_7")
    assert watch.strangers == []
    # Notebook 7 itself stumbles over a plugin's settings when it starts.
    assert [error for error in watch.errors if "reading 'schema'" not in error] == []


def test_notebook_7_answers_while_a_cell_runs(page, server):
    busy = """
import time
deadline = time.monotonic() + 30
while debugger.frame != 9 and time.monotonic() < deadline:
    time.sleep(0.05)
"heard while busy" if debugger.frame == 9 else "never heard"
"""
    shown = Notebook(page, server, "notebook_7_busy.ipynb")
    shown.write([TEN_STEPS, busy])
    shown.open(f"notebooks/{shown.name}?token={TOKEN}")
    shown.run(0)
    expect(page.get_by_test_id("vcr-scrubber")).to_have_attribute("data-count", "10")
    shown.start(1)
    page.get_by_role("slider", name="Frame").press("End")
    tree = page.get_by_test_id("vcr-tree")
    expect(tree).to_have_attribute("data-frame", "9")
    expect(tree).to_have_attribute("data-ready", "true")
    expect(shown.output(1)).to_have_text("'heard while busy'")


AGENT = """
%load_ext agent_vcr_nb
from agent_vcr_nb import step
ran = []

@step
def plan(state):
    ran.append("plan")
    return {**state, "database": "mongodb"}

@step
def build(state):
    ran.append("build")
    if state["database"] != "sqlite":
        raise ValueError(f"no driver for {state['database']}")
    return {**state, "built": True}

def agent(state):
    return build(plan(state))
"""


def test_a_button_of_notebook_7_resumes_on_the_edit(page, server, picture):
    shown = Notebook(page, server, "notebook_7_button.ipynb")
    record = "%vcr record by_button\ntry:\n    agent({'task': 'todo'})\nexcept ValueError:\n    ran.clear()\n%vcr stop"
    shown.write([AGENT, record, "%vcr", "debugger = get_ipython().magics_manager.registry['VCRMagics'].debugger"])
    shown.open(f"notebooks/{shown.name}?token={TOKEN}")
    shown.run(0, 1, 2, 3)
    tree, bar = page.get_by_test_id("vcr-tree"), page.get_by_test_id("vcr-actions")
    expect(tree).to_have_attribute("data-frame", "1")
    expect(tree).to_have_attribute("data-ready", "true")
    set_value(page, tree, "mongodb", "sqlite")
    expect(page.get_by_role("list", name="JSON Patch")).to_contain_text("sqlite")
    bar.get_by_role("button", name="Resume from here").click()
    outcome = page.get_by_test_id("vcr-outcome")
    expect(outcome).to_contain_text("✓ by_button-fork1: done")
    expect(outcome).to_contain_text("executed: build")
    shown.expect_value("ran", ["build"])
    shown.expect_value("[debugger.session, debugger.frame]", ["by_button-fork1", 1])
    expect(page.get_by_test_id("vcr-session")).to_contain_text("by_button-fork1")
    picture("notebook_7_button")
    page.get_by_role("slider", name="Frame").press("f")
    expect(outcome).to_contain_text("by_button-fork1-fork1: forked, not run")


def test_in_voila(page, tmp_path, picture):
    with hosts.voila(tmp_path, CELL) as host:
        watch = Watch(page, host)
        page.goto(host.base, wait_until="domcontentloaded")
        scrub_read_and_edit(page, tmp_path / "seen.json")
        picture("voila")
    assert watch.errors == []
    # Voilà's own template asks for two style sheets of icons; ours asks for nothing.
    assert [address for address in watch.strangers if "fortawesome" not in address] == []


def test_in_marimo(page, tmp_path, picture):
    with hosts.marimo(tmp_path, CELL) as host:
        watch = Watch(page, host)
        page.goto(host.base, wait_until="domcontentloaded")
        scrub_read_and_edit(page, tmp_path / "seen.json")
        # The editor's style sheet lies in the page, and the widget in a shadow root.
        value = page.get_by_test_id("vcr-tree").locator(".jse-value", has_text="build a todo app")
        expect(value).to_have_css("color", "rgb(0, 128, 0)")
        picture("marimo")
    watch.check()


BUTTON = """
from agent_vcr_nb import VCRRecorder, step
from agent_vcr_nb.notebook.debugger import VCRDebugger

@step
def plan(task):
    return {"task": task, "database": "mongodb"}

@step
def build(state):
    if state["database"] != "sqlite":
        raise ValueError(f"no driver for {state['database']}")
    return {**state, "built": True}

@step
def agent(task):
    return build(plan(task))

with VCRRecorder(".vcr") as recorder:
    recorder.start_session("by_button")
    try:
        agent("todo")
    except ValueError:
        pass
VCRDebugger("by_button")
"""


def test_a_button_resumes_on_marimos_dark_page(page, tmp_path, picture):
    with hosts.marimo(tmp_path, BUTTON, theme="dark") as host:
        watch = Watch(page, host)
        page.goto(host.base, wait_until="domcontentloaded")
        tree, bar = page.get_by_test_id("vcr-tree"), page.get_by_test_id("vcr-actions")
        expect(tree).to_have_attribute("data-ready", "true")
        for widget in (tree, bar, page.get_by_test_id("vcr-scrubber")):
            expect(widget).to_have_css("background-color", "rgb(26, 27, 28)")
        expect(tree.locator(".fa-icon").first).to_have_css("fill", "rgb(228, 228, 228)")
        set_value(page, tree, "mongodb", "sqlite")
        expect(page.get_by_role("list", name="JSON Patch")).to_contain_text("sqlite")
        bar.get_by_role("button", name="Resume from here").click()
        expect(page.get_by_test_id("vcr-outcome")).to_contain_text("✓ by_button-fork1: done")
        expect(page.get_by_test_id("vcr-session")).to_contain_text("by_button-fork1")
        picture("marimo_dark")
        watch.check()


def test_a_chart_in_marimo(page, tmp_path):
    cell = """
from agent_vcr_nb import VCRRecorder
from agent_vcr_nb.notebook.widgets import ForkDAG
with VCRRecorder(".vcr") as recorder:
    recorder.start_session("drawn")
    recorder.record_step("work", {}, {})
ForkDAG(".vcr")
"""
    with hosts.marimo(tmp_path, cell, theme="dark") as host:
        watch = Watch(page, host)
        page.goto(host.base, wait_until="domcontentloaded")
        # The chart's program is 5 MB, and marimo waits for all of it.
        expect(page.locator(".js-plotly-plot")).to_contain_text("drawn", timeout=90_000)
        expect(page.locator(".js-plotly-plot .ytick text")).to_have_css("fill", "rgb(228, 228, 228)")
        expect(page.get_by_text("ok · 1 frame")).to_be_visible()
        watch.check()
