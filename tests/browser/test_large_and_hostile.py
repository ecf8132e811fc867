"""Runs that are long, states that are large, and texts that try to be more than text."""

import pytest
from playwright.sync_api import expect

from tests.browser.cells import RUN

pytestmark = pytest.mark.browser

HOSTILE = [
    "<img src=x onerror='window.hacked=1'>",
    "</script><script>window.hacked=1</script>",
    '" onmouseover="window.hacked=1" x="',
    "javascript:window.hacked=1",
    "{{constructor.constructor('window.hacked=1')()}}",
    "abc\u202edef\u0000ghi",
]


def test_hostile_text_in_every_field_is_shown_as_text(notebook, page):
    lab = notebook(
        RUN + f"hostile = {HOSTILE!r}\n",
        """
class Hostile(Run):
    session_id = hostile[0]
    origin = hostile[1]
    def state(self, number, side):
        text = hostile[number]
        call = {"id": text, "function": {"name": text, "arguments": text}}
        chat = [{"role": "assistant", "name": text, "content": text, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": text, "content": text}]
        nested = [{text: text, "side": side}]
        return json.dumps({text: text, "nested": nested, "chat": {text: chat}, "$t": text, "v": text})
    def sessions(self):
        return [{"session": text, "words": text} for text in hostile]
debugger = VCRDebugger(Hostile([step(n, name=text, status="error", error=text) for n, text in enumerate(hostile)]
                               + [{**step(6), "type": hostile[0], "status": hostile[0], "provenance": hostile[0]}]))
debugger
""",
    )
    lab.run(0, 1)
    slider, tree = page.get_by_role("slider", name="Frame"), page.get_by_test_id("vcr-tree")
    page.get_by_role("tab", name="Changes").click()
    offered = page.get_by_label("Compare with", exact=True).locator("optgroup option")
    expect(offered).to_have_text([f"{text} ({text})" for text in HOSTILE], use_inner_text=False)
    expect(page.get_by_test_id("vcr-session")).to_have_text(f"{HOSTILE[0]} · {HOSTILE[1]}", use_inner_text=False)
    for number, text in enumerate(HOSTILE):
        for tab in ("Before", "After", "Changes", "Chat"):
            page.get_by_role("tab", name=tab).click()
            expect(tree).to_have_attribute("data-ready", "true")
        expect(tree.locator(".vcr-message").nth(1).locator(".vcr-text")).to_have_text(text, use_inner_text=False)
        expect(page.locator(".vcr-problem")).to_have_text(text, use_inner_text=False)
        assert tree.evaluate("node => node.querySelectorAll('script, img, iframe, object').length") == 0
        assert page.locator(".vcr-problem").evaluate("node => node.children.length") == 0
        slider.press("ArrowRight")
        expect(slider).to_have_attribute("aria-valuenow", str(number + 1))
    assert page.evaluate("() => window.hacked") is None


def test_ten_thousand_frames_scrub_and_the_page_is_sent_a_window(notebook, page, picture):
    received = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(len(data))))
    lab = notebook(
        RUN,
        """
asked = []
class Long(Run):
    def state(self, number, side):
        asked.append((number, side))
        return json.dumps({"number": number, "filling": ["x" * 1000] * 200})
kinds = ["node", "llm", "tool"]
debugger = VCRDebugger(Long([step(n, kinds[n % 3], status="error" if n == 7777 else "ok") for n in range(10_000)]))
debugger
""",
    )
    lab.run(0)
    received.clear()
    lab.run(1)
    scrubber, tree = page.get_by_test_id("vcr-scrubber"), page.get_by_test_id("vcr-tree")
    expect(scrubber).to_have_attribute("data-count", "10000")
    expect(tree).to_have_attribute("data-ready", "true")
    page.get_by_role("button", name="Next error").click()
    expect(scrubber).to_have_attribute("data-frame", "7777")
    expect(tree.locator(".jse-value", has_text="7777")).to_be_visible()
    slider = page.get_by_role("slider", name="Frame")
    for _ in range(60):
        slider.press("ArrowLeft")
    expect(tree.locator(".jse-value", has_text="7717")).to_be_visible()
    page.get_by_test_id("vcr-overview").click(position={"x": 3, "y": 5})
    expect(tree).to_have_attribute("data-ready", "true")
    picture("ten-thousand")
    asked = lab.value("len(asked)")
    assert 2 <= asked <= 160
    # 0.27 MB of strip, the program of the tree once, and the states that were on show or beside it.
    assert sum(received) < 3_000_000 + asked * 250_000


def test_a_large_state_is_shown_and_a_huge_text_in_it_does_not_stop_the_page(notebook, page):
    lab = notebook(
        RUN,
        """
class Large(Run):
    def state(self, number, side):
        rows = [{"n": n} for n in range(20_000)]
        return json.dumps({"title": "here", "text": "lorem ipsum " * 400_000, "rows": rows})
debugger = VCRDebugger(Large([step(0), step(1)]))
debugger
""",
    )
    lab.run(0, 1)
    tree = page.get_by_test_id("vcr-tree")
    expect(tree.locator(".jse-value", has_text="here")).to_be_visible()
    assert tree.evaluate("node => node.innerText.length") < 100_000
    assert tree.evaluate("node => node.querySelectorAll('*').length") < 5_000


def test_what_a_callback_raises_is_read_in_the_widget(notebook, page):
    lab = notebook(
        RUN,
        """
class Broken(Run):
    def state(self, number, side):
        raise OSError("the disk is gone")
debugger = VCRDebugger(Broken([step(0), step(1)]))
def refuse(change):
    raise RuntimeError("the observer failed")
debugger.observe(refuse, "frame")
debugger
""",
    )
    lab.run(0, 1)
    expect(page.get_by_test_id("vcr-tree").get_by_role("alert")).to_contain_text("OSError: the disk is gone")
    page.get_by_role("slider", name="Frame").press("ArrowRight")
    alert = page.get_by_test_id("vcr-scrubber").get_by_role("alert")
    expect(alert).to_contain_text("RuntimeError: the observer failed")
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_be_hidden()
    lab.expect_value("debugger.scrubber.error", "")
