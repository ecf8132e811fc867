"""Run by test_openhands.py in a Python that has OpenHands: an agent of the SDK with scripted answers.

Prints what the model was shown, as a JSON list of [role, text].
"""

import json
import sys
from pathlib import Path

from openhands.sdk import Agent, Conversation, TextContent, Tool
from openhands.sdk.event import LLMConvertibleEvent
from openhands.sdk.llm import Message, MessageToolCall
from openhands.sdk.testing import TestLLM
from openhands.tools.file_editor import FileEditorTool
from openhands.tools.terminal import TerminalTool

from sentinel import Config, Sentinel
from sentinel.hooks import openhands


def call(number, tool, **arguments):
    made = MessageToolCall(id=f"c{number}", name=tool, arguments=json.dumps(arguments), origin="completion")
    return Message(role="assistant", content=[TextContent(text="")], tool_calls=[made])


def said(text):
    return Message(role="assistant", content=[TextContent(text=text)])


def main(mode, root):
    original = (root / "store.py").read_text()
    copy = original.replace("load", "read_rows")
    steps = {
        "attach": [call(1, "file_editor", command="create", path=f"{root}/new.py", file_text=copy)],
        "callback": [call(1, "file_editor", command="create", path=f"{root}/new.py", file_text=copy)],
        "shell": [call(1, "terminal", command=f"cp {root}/store.py {root}/new.py")],
        "clean": [call(1, "file_editor", command="create", path=f"{root}/new.py", file_text="X = 1\n")],
    }[mode]
    llm = TestLLM.from_messages([*steps, said("done"), said("done again"), said("and again")])
    tools = [Tool(name=FileEditorTool.name), Tool(name=TerminalTool.name)]
    sentinel = Sentinel(root=root, config=Config())
    sentinel.index()
    callbacks = [openhands.callback(sentinel, lambda: conversation)] if mode == "callback" else []
    agent = Agent(llm=llm, tools=tools)
    conversation = Conversation(agent=agent, workspace=str(root), callbacks=callbacks, visualizer=None)
    if mode != "callback":
        assert sentinel.attach(conversation) is conversation
    conversation.send_message("write new.py")
    conversation.run()
    events = [event for event in conversation.state.events if isinstance(event, LLMConvertibleEvent)]
    messages = LLMConvertibleEvent.events_to_messages(events)
    shown = [[m.role, " ".join(c.text for c in m.content if hasattr(c, "text"))] for m in messages[1:]]
    conversation.close()
    print("RESULT" + json.dumps(shown))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
