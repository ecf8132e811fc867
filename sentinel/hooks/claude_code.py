"""The hook protocol of Claude Code: an event as JSON on stdin, findings on stderr with exit code 2.

    PreToolUse   remembers the file as it is, so that old debt is not held against the coming write
    PostToolUse  checks the file that Write, Edit, MultiEdit or NotebookEdit wrote
    Stop         checks every file that changed since, so that files written by shell commands are seen

Source: the hooks reference of Claude Code. Exit 2 shows stderr to the model; other codes do not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sentinel.errors import UsageError
from sentinel.languages import can_check

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel

WRITING_TOOLS = {"Write", "Edit", "MultiEdit", "NotebookEdit"}
_STOPS = {"Stop", "SubagentStop"}
CLAUDE_CODE_SETTINGS = {
    "hooks": {
        event: [{"matcher": matcher, "hooks": [{"type": "command", "command": "sentinel hook claude-code"}]}]
        for event, matcher in (
            ("PreToolUse", "Write|Edit|MultiEdit|NotebookEdit"),
            ("PostToolUse", "Write|Edit|MultiEdit|NotebookEdit"),
            ("Stop", ""),
        )
    }
}
"""What to put into ``.claude/settings.json``."""


class Answer(NamedTuple):
    """What the hook's process ends with."""

    code: int
    """0 to go on, 2 to make the agent read ``text``."""
    text: str


def parse(text: str) -> dict[str, Any]:
    """The event of a hook.

    Raises:
        UsageError: stdin holds no JSON object.
    """
    try:
        event = json.loads(text)
    except ValueError as error:
        raise UsageError(f"stdin holds no JSON ({error}): expected the event of a hook") from error
    if not isinstance(event, dict):
        raise UsageError(f"stdin holds {type(event).__name__}: expected the JSON object of a hook's event")
    return event


def event_path(event: dict[str, Any]) -> Path | None:
    """The code file that the event's tool writes, absolute; None when it writes none."""
    given = event.get("tool_input") or {}
    name = given.get("file_path") or given.get("notebook_path") or given.get("path")
    if not isinstance(name, str) or not can_check(name):
        return None
    return Path(event.get("cwd") or ".", name).absolute()


def handle(sentinel: Sentinel, event: dict[str, Any]) -> Answer:
    """Answer one event."""
    kind = event.get("hook_event_name", "PostToolUse")
    if kind in _STOPS:
        # The agent was sent back to work by this hook once: let it stop the second time.
        if event.get("stop_hook_active"):
            return Answer(0, "")
        texts = [result.feedback(sentinel.config.feedback) for result in sentinel.sweep()]
    else:
        path = event_path(event)
        if path is None or event.get("tool_name") not in WRITING_TOOLS:
            return Answer(0, "")
        if kind == "PreToolUse":
            sentinel.remember(path)
            return Answer(0, "")
        if not path.is_file():
            return Answer(0, "")
        texts = [sentinel.check_file(path).feedback(sentinel.config.feedback)]
    text = "\n".join(text for text in texts if text)
    return Answer(2 if text else 0, text)


def handle_openhands(sentinel: Sentinel, event: dict[str, Any]) -> Answer:
    """Answer an event of an OpenHands ``hooks.json``; only its stop hook is read by the model.

    The pre-tool hook sees the file before it is written: it checks the text that is about to be written.
    """
    kind = str(event.get("event_type", event.get("hook_event_name", ""))).lower()
    if "stop" in kind:
        return handle(sentinel, {**event, "hook_event_name": "Stop"})
    given = event.get("tool_input") or {}
    path, text = given.get("path"), given.get("file_text")
    if given.get("command") != "create" or not isinstance(path, str) or not can_check(path):
        return Answer(0, "")
    feedback = sentinel.check_file(path, text).feedback(sentinel.config.feedback)
    return Answer(2 if feedback else 0, feedback)
