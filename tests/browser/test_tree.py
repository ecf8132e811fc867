"""What the state tree shows beside the state: chat, comparisons, who wrote a value, whole texts; all by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.cells import RUN
from tests.browser.lab import shows

pytestmark = pytest.mark.browser

STORY = (
    RUN
    + """
class Story(Run):
    def state(self, number, side):
        state = json.loads(super().state(number, side))
        after = number + (side == "output")
        chat = [
            {"role": "system", "content": "You deploy web apps. <b>Be brief.</b>"},
            {"role": "user", "content": "Deploy the todo app on a free port, please."},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "find_port", "arguments": '{"from": 8000}'}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "8080 is free"},
            {"$t": "pydantic", "type": "langchain_core.messages.ai.AIMessage",
             "v": {"type": "ai", "content": [{"type": "thinking", "thinking": "8080 will do."},
                   {"type": "tool_use", "id": "call_2", "name": "deploy", "input": {"port": 8080}}],
                   "tool_calls": [{"id": "call_2", "name": "deploy", "args": {"port": 8080}}]}},
            {"$t": "pydantic", "type": "langchain_core.messages.tool.ToolMessage",
             "v": {"type": "tool", "content": "address in use " * 200, "tool_call_id": "call_2", "status": "error"}},
        ]
        report = "line of the report\\n" * 400 + "the very last words"
        return json.dumps({**state, "messages": chat[: after + 1], "report": report, "turn": after})

kinds = ["node", "llm", "tool", "llm", "tool", "node", "llm", "tool"]
run = Story([step(n, kinds[n], depth=kinds[n] != "node") for n in range(8)]
            + [step(8, name="deploy", status="error", error="ValueError: no port"), step(9, "checkpoint")])
run.origin = "forked from base before frame 3"
debugger = VCRDebugger(run)
debugger
"""
)


@pytest.fixture(scope="module")
def opened(notebook):
    made = notebook(STORY)
    made.run_all()
    return made


@pytest.fixture
def debugger(opened, page):
    """The run loaded anew, as it opens: where it failed."""
    epoch = opened.value("debugger.clear() or debugger.load(run) or debugger.scrubber.epoch")
    scrubber = page.get_by_test_id("vcr-scrubber")
    expect(scrubber).to_have_attribute("data-epoch", str(epoch))
    expect(scrubber).to_have_attribute("data-count", "10")
    page.get_by_role("tab", name="Before").click()
    return opened


def go(debugger, tree, frame):
    debugger.expect_value(f"debugger.set_trait('frame', {frame})", None)
    shows(tree, frame)


def test_the_debugger_opens_where_the_run_failed_and_names_its_session(debugger, page, tree):
    shows(tree, 8)
    debugger.expect_value("[debugger.frame, debugger.tree.frame]", [8, 8])
    expect(page.locator(".vcr-problem")).to_have_text("ValueError: no port")
    expect(page.get_by_test_id("vcr-session")).to_have_text("demo · forked from base before frame 3")


def test_messages_are_a_chat_with_roles_calls_and_results(debugger, page, slider, tree):
    go(debugger, tree, 5)
    slider.press("c")
    expect(page.get_by_role("tab", name="Chat")).to_have_attribute("aria-selected", "true")
    messages = tree.get_by_role("list", name="Messages in /messages").get_by_role("listitem")
    expect(messages).to_have_count(6)
    expect(messages.locator("strong")).to_have_text(["system", "user", "assistant", "tool", "assistant", "tool"])
    expect(messages.nth(0)).to_contain_text("You deploy web apps. <b>Be brief.</b>")
    expect(messages.nth(2)).to_contain_text('calls find_portcall_1{"from": 8000}')
    expect(messages.nth(3)).to_contain_text("result of find_port")
    expect(messages.nth(4)).to_contain_text("thinking 8080 will do.")
    expect(messages.nth(4).get_by_text("calls deploy")).to_have_count(1)
    expect(messages.nth(5)).to_contain_text("failed result of deploy")


def test_a_long_message_is_folded_and_can_be_opened(debugger, page, tree):
    go(debugger, tree, 5)
    page.get_by_role("tab", name="Chat").click()
    answer = tree.get_by_role("listitem").last
    fold = answer.get_by_role("button", name="show all 3,000 characters")
    expect(fold).to_have_attribute("aria-expanded", "false")
    fold.click()
    expect(answer.get_by_role("button", name="show less")).to_be_visible()
    expect(answer.locator(".vcr-text").first).to_contain_text("address in use " * 200)


def test_the_chat_says_which_messages_the_step_added(debugger, page, tree):
    go(debugger, tree, 1)
    page.get_by_role("tab", name="Chat").click()
    expect(tree.get_by_text("1 new in this step")).to_be_visible()
    expect(tree.get_by_role("listitem").filter(has=page.get_by_text("new", exact=True))).to_have_count(1)


def test_the_chat_of_a_failed_step_is_the_one_before_it(debugger, page, tree):
    page.get_by_role("tab", name="Chat").click()
    shows(tree, 8)
    expect(tree.locator(".vcr-title")).to_contain_text("before the step: there is no state after it")
    expect(tree.get_by_role("listitem")).to_have_count(6)


def changes(tree):
    return tree.get_by_role("list", name="Changes").locator(".vcr-path")


def test_the_state_is_compared_with_the_frame_before_and_with_any(debugger, page, slider, tree):
    go(debugger, tree, 7)
    slider.press("d")
    compare, words = page.get_by_label("Compare with", exact=True), page.get_by_test_id("vcr-compared")
    expect(words).to_have_text("What frame 7 changed: the state before it (−) and after it (+).")
    compare.select_option("the frame before")
    expect(words).to_have_text("The state after frame 6 (−) and after frame 7 (+).")
    expect(changes(tree)).to_have_text(["/turn"])
    compare.select_option("another frame …")
    page.get_by_label("Frame to compare with").fill("1")
    page.get_by_label("Frame to compare with").press("Enter")
    expect(words).to_have_text("The state after frame 1 (−) and after frame 7 (+).")
    expect(changes(tree)).to_have_text([*(f"/messages/{n}" for n in (3, 4, 5)), "/turn"])
    page.get_by_label("Frame to compare with").fill("99")
    page.get_by_label("Frame to compare with").press("Enter")
    expect(tree.get_by_text("the run has no frame 99 yet")).to_be_visible()


def test_a_step_is_compared_with_the_same_step_of_another_session(debugger, page, slider, tree):
    go(debugger, tree, 4)
    page.get_by_role("tab", name="Changes").click()
    compare = page.get_by_label("Compare with", exact=True)
    expect(compare.get_by_role("option", name="base (its parent, ok, 10 frames)")).to_have_count(1)
    compare.select_option("base (its parent, ok, 10 frames)")
    expect(page.get_by_test_id("vcr-compared")).to_have_text(
        "The state after the frame of the same key in base (−) and after frame 4 (+)."
    )
    expect(changes(tree)).to_have_text(["/plan"])
    expect(tree.locator(".vcr-before")).to_have_text('"use Django"')
    expect(tree.locator(".vcr-after")).to_have_text('"use Flask"')
    go(debugger, tree, 7)
    expect(tree.get_by_text("session 'base' has no frame 'step_7#1'")).to_be_visible()
    go(debugger, tree, 8)
    expect(page.get_by_test_id("vcr-compared")).to_contain_text(
        "The state before the frame of the same key in base (−) and before frame 8 (+). frame 8 has no output state"
    )


def test_w_goes_to_the_frame_that_wrote_the_selected_value_before(debugger, page, slider, tree):
    go(debugger, tree, 7)
    tree.locator(".jse-value", has_text="use Flask").click()
    expect(page.get_by_test_id("vcr-history")).to_contain_text("When did /plan change?")
    for frame in (6, 4, 0):
        slider.press("w")
        shows(tree, frame)
        expect(slider).to_have_attribute("aria-valuenow", str(frame))
    slider.press("w")
    expect(page.get_by_test_id("vcr-history").get_by_role("status")).to_have_text("No frame before frame 0 wrote it.")
    go(debugger, tree, 5)
    page.get_by_role("button", name="Previous write").click()
    shows(tree, 4)
    debugger.expect_value("debugger.frame", 4)


def test_w_without_a_selected_value_says_what_to_do(debugger, page, slider, tree):
    shows(tree, 8)
    slider.press("w")
    expect(page.get_by_test_id("vcr-history")).to_contain_text("Select a value in the tree first")


def test_a_long_text_of_the_state_is_folded_and_opened_whole(debugger, page, tree):
    go(debugger, tree, 3)
    expect(tree.get_by_text("the very last words")).to_have_count(0)
    tree.locator(".jse-value", has_text="line of the report").click(position={"x": 20, "y": 8})
    page.get_by_role("button", name="Whole text (7,619 characters)").click()
    whole = page.get_by_test_id("vcr-whole")
    expect(whole).to_contain_text("/report 7,619 characters")
    expect(whole).to_contain_text("the very last words")
    go(debugger, tree, 4)
    expect(whole).to_contain_text("the very last words")
    whole.get_by_role("button", name="Close the text").click()
    expect(whole).to_be_hidden()


def test_e_brings_the_focus_into_the_editor_and_typing_edits_the_value(debugger, page, slider, tree):
    go(debugger, tree, 5)
    tree.locator(".jse-value", has_text="use Flask").click()
    page.get_by_role("tab", name="Changes").click()
    slider.press("e")
    expect(page.get_by_role("tab", name="Before")).to_have_attribute("aria-selected", "true")
    expect(tree.locator(".jse-hidden-input")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+a")
    page.keyboard.type("use FastAPI")
    page.keyboard.press("Enter")
    debugger.expect_value("debugger.edits", {"5": [{"op": "replace", "path": "/plan", "value": "use FastAPI"}]})
    page.keyboard.press("Control+z")
    debugger.expect_value("debugger.edits", {})
    expect(tree.locator(".jse-value", has_text="use Flask")).to_be_visible()


def test_a_key_is_added_and_renamed_through_the_menu_and_the_edit_says_no_more_than_that(debugger, page, tree):
    go(debugger, tree, 5)
    tree.locator(".jse-key", has_text=re.compile("^plan$")).click(button="right")
    menu = page.locator(".jse-contextmenu")
    expect(menu.get_by_role("button", name="Remove")).to_be_visible()
    expect(menu.get_by_role("button", name="Transform")).to_have_count(0)
    menu.get_by_role("button", name="Insert after").click()
    menu.get_by_role("button", name="Value", exact=True).click()
    added = [{"op": "add", "path": "/New item", "value": ""}]
    debugger.expect_value("debugger.edits", {"5": added})
    expect(tree.locator(".jse-editable-div")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("goal")
    page.keyboard.press("Enter")
    renamed = [*added, {"op": "move", "path": "/goal", "from": "/New item"}]
    debugger.expect_value("debugger.edits", {"5": renamed})
    expect(page.get_by_role("list", name="JSON Patch").get_by_role("listitem")).to_have_count(2)


def test_an_edit_that_is_being_typed_belongs_to_its_frame_when_another_is_selected(debugger, page, tree):
    go(debugger, tree, 5)
    tree.locator(".jse-value", has_text="use Flask").dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("use FastAPI")
    go(debugger, tree, 6)
    expect(tree.locator(".jse-value", has_text="use Flask")).to_be_visible()
    debugger.expect_value("debugger.edits", {"5": [{"op": "replace", "path": "/plan", "value": "use FastAPI"}]})


def test_the_state_is_searched_by_key(debugger, page, slider, tree):
    shows(tree, 8)
    slider.press("/")
    box = tree.get_by_placeholder("Find")
    expect(box).to_be_focused()
    page.keyboard.type("Flask")
    expect(tree.locator(".jse-search-box")).to_contain_text("1/1")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


def test_what_was_opened_stays_open_from_frame_to_frame(debugger, page, slider, tree):
    go(debugger, tree, 4)
    first = tree.locator(".jse-json-node[data-path='%2Fmessages%2F0'], .jse-json-node[data-path='/messages/0']")
    first.locator("button.jse-expand").first.click()
    expect(tree.locator(".jse-value", has_text="You deploy web apps")).to_be_visible()
    slider.press("ArrowRight")
    shows(tree, 5)
    expect(tree.locator(".jse-value", has_text="You deploy web apps")).to_be_visible()


def test_the_help_lists_the_keys(debugger, page, slider, tree):
    slider.press("?")
    panel = page.get_by_role("note", name="Keys of the frame scrubber")
    expect(panel).to_contain_text("next failed frame")
    slider.press("?")
    expect(panel).to_be_hidden()
    tree.get_by_role("button", name="Keys of the state tree").click()
    expect(page.get_by_role("note", name="Keys of the state tree")).to_contain_text("search in the state")
    tree.get_by_role("button", name="Keys of the state tree").click()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_pictures_of_chat_and_comparison_in_each_theme(debugger, page, slider, tree, picture, theme):
    debugger.use_theme(f"JupyterLab {theme}")
    debugger.command("notebook:hide-all-cell-code")
    go(debugger, tree, 4)
    slider.press("c")
    expect(tree.get_by_role("listitem")).to_have_count(6)
    picture(f"chat-{theme.lower()}")
    slider.press("d")
    page.get_by_label("Compare with", exact=True).select_option("the frame before")
    expect(changes(tree)).not_to_have_count(0)
    picture(f"comparison-{theme.lower()}")
    page.get_by_role("tab", name="After").click()
    tree.locator(".jse-value", has_text="line of the report").click(position={"x": 20, "y": 8})
    page.get_by_role("button", name="Whole text").click()
    slider.press("?")
    picture(f"whole-text-{theme.lower()}")
    slider.press("?")
    page.get_by_role("button", name="Close the text").click()
