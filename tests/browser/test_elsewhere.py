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


def test_a_chart_in_marimo(page, tmp_path):
    cell = """
from agent_vcr_nb import VCRRecorder
from agent_vcr_nb.notebook.widgets import ForkDAG
with VCRRecorder(".vcr") as recorder:
    recorder.start_session("drawn")
    recorder.record_step("work", {}, {})
ForkDAG(".vcr")
"""
    with hosts.marimo(tmp_path, cell) as host:
        watch = Watch(page, host)
        page.goto(host.base, wait_until="domcontentloaded")
        # The chart's program is 5 MB, and marimo waits for all of it.
        expect(page.locator(".js-plotly-plot")).to_contain_text("drawn", timeout=90_000)
        expect(page.get_by_text("ok · 1 frame")).to_be_visible()
        watch.check()
