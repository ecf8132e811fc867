"""Run by test_openhands.py in a Python that has OpenHands: agents of the SDK with scripted answers.

Arguments: mode and folder, as often as there are modes. Prints, by mode, what the model was shown as [role, text].
"""

import json
import sys
from pathlib import Path

from openhands.sdk import Agent, Conversation, TextContent, Tool
from openhands.sdk.event import LLMConvertibleEvent
from openhands.sdk.hooks import HookConfig
from openhands.sdk.llm import Message, MessageToolCall
from openhands.sdk.testing import TestLLM
from openhands.tools.file_editor import FileEditorTool
from openhands.tools.gemini import WriteFileTool
from openhands.tools.terminal import TerminalTool

from sentinel import Config, Sentinel, UsageError
from sentinel.hooks import openhands


def call(number, tool, **arguments):
    made = MessageToolCall(id=f"c{number}", name=tool, arguments=json.dumps(arguments), origin="completion")
    return Message(role="assistant", content=[TextContent(text="")], tool_calls=[made])


def said(text):
    return Message(role="assistant", content=[TextContent(text=text)])


def steps_of(mode, root):
    """What the model calls, by mode."""
    copy = (root / "store.py").read_text().replace("load", "read_rows")
    create = {"tool": "file_editor", "command": "create"}
    write = call(1, **create, path=f"{root}/new.py", file_text=copy)
    clean = call(2, **create, path=f"{root}/right.py", file_text="X = 1\n")
    shell = call(1, "terminal", command=f"cp {root}/store.py {root}/new.py")
    gemini = call(1, "write_file", file_path=f"{root}/new.py", content=copy)
    return {
        "attach": [write],
        "callback": [write],
        "shell": [shell],
        "gemini": [gemini],
        "clean": [clean],
        "no tools": [],
        "hooks": [write, clean],
        "hooks insist": [write, write],
        "hooks shell": [shell],
    }[mode]


def talk(mode, root):
    llm = TestLLM.from_messages([*steps_of(mode, root), said("done"), said("done again"), said("and again")])
    tools = [Tool(name=tool.name) for tool in (FileEditorTool, TerminalTool, WriteFileTool) if mode != "no tools"]
    sentinel = Sentinel(root=root, config=Config())
    sentinel.index()
    callbacks = [openhands.callback(sentinel, lambda: conversation)] if mode == "callback" else []
    hooks = HookConfig.load(working_dir=str(root))  # .openhands/hooks.json, where there is one
    agent = Agent(llm=llm, tools=tools)
    conversation = Conversation(
        agent=agent, workspace=str(root), callbacks=callbacks, visualizer=None, hook_config=hooks
    )
    if mode != "callback" and not mode.startswith("hooks"):
        assert sentinel.attach(conversation) is conversation
    conversation.send_message("write new.py")
    conversation.run()
    events = [event for event in conversation.state.events if isinstance(event, LLMConvertibleEvent)]
    messages = LLMConvertibleEvent.events_to_messages(events)
    conversation.close()
    return [[m.role, " ".join(c.text for c in m.content if hasattr(c, "text"))] for m in messages[1:]]


def main(words):
    shown = {}
    for mode, root in zip(words[::2], words[1::2], strict=True):
        try:
            shown[mode] = talk(mode, Path(root))
        except UsageError as error:
            shown[mode] = [["refused", str(error)]]
    print("RESULT" + json.dumps(shown))


if __name__ == "__main__":
    main(sys.argv[1:])
