"""A run that is going on: the debugger above follows it, and stays usable while its cell runs."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = """
%load_ext agent_vcr_nb
import time
from agent_vcr_nb import step

@step
def work(state):
    time.sleep(0.005)
    return {**state, "turn": state["turn"] + 1}

def agent(is_done, seconds=60):
    # Work until the user has edited the state, which can only be seen if the widget answers during the cell.
    state, deadline = {"turn": 0}, time.monotonic() + seconds
    while not is_done() and time.monotonic() < deadline:
        state = work(state)
    return "edited meanwhile" if is_done() else "never heard of the edit"
"""
SHOW = """
%vcr record live
%vcr
debugger = get_ipython().magics_manager.registry["VCRMagics"].debugger
"""


@pytest.fixture
def lab(notebook):
    made = notebook(SETUP, SHOW, "agent(lambda: debugger.pending_edit(3))", "%vcr stop")
    made.run(0, 1)
    return made


def test_the_debugger_follows_a_running_cell_and_answers_meanwhile(lab, page, picture):
    scrubber, tree = page.get_by_test_id("vcr-scrubber"), page.get_by_test_id("vcr-tree")
    expect(page.locator(".vcr-label")).to_have_text("no frames yet")
    lab.start(2)
    page.wait_for_function("() => Number(document.querySelector('.vcr-scrubber').dataset.count) > 100")
    slider = page.get_by_role("slider", name="Frame")
    for _ in range(3):
        slider.press("ArrowRight")
    expect(tree).to_have_attribute("data-frame", "3")
    expect(tree).to_have_attribute("data-ready", "true")
    expect(tree.locator(".jse-value", has_text="3")).to_be_visible()
    tree.locator(".jse-value", has_text="3").dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("vcr-edit")).to_contain_text('{"op":"replace","path":"/turn","value":30}')
    picture("live")
    expect(lab.output(2)).to_have_text("'edited meanwhile'")
    count = lab.value("debugger.source.count")
    expect(scrubber).to_have_attribute("data-count", str(count))
    page.get_by_role("button", name="follow").click()
    expect(scrubber).to_have_attribute("data-frame", str(count - 1))
    expect(page.locator(".vcr-legend")).not_to_contain_text("running")
    lab.expect_value("debugger.pending_edit(3)", [{"op": "replace", "path": "/turn", "value": 30}])
    lab.run(3)


def test_a_session_that_another_process_writes_is_followed(notebook, page):
    writer = """
import subprocess, sys
code = '''
import time
from agent_vcr_nb import VCRRecorder
with VCRRecorder(".vcr") as recorder:
    recorder.start_session("elsewhere")
    recorder.record_step("begin", {}, {})
    print("begun", flush=True)
    input()
    for n in range(200):
        recorder.record_step("work", {"n": n}, {"n": n + 1})
'''
process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
process.stdout.readline()
"""
    show = """
from agent_vcr_nb import VCRPlayer
from agent_vcr_nb.notebook.debugger import VCRDebugger
from agent_vcr_nb.notebook.recorded import PlayerSource
debugger = VCRDebugger(PlayerSource(VCRPlayer.load_by_id("elsewhere")))
debugger.follow()
debugger
"""
    lab = notebook(writer, show, "process.communicate('go')\nprocess.returncode", "debugger.stop_following()")
    lab.run(0, 1)
    scrubber = page.get_by_test_id("vcr-scrubber")
    expect(scrubber).to_have_attribute("data-count", "1")
    lab.run(2)
    expect(scrubber).to_have_attribute("data-count", "201")
    lab.run(3)
