"""The hook protocol of OpenHands (``.openhands/hooks.json``), which is Claude Code's with other names.

    SessionStart  takes the project as it is, so that what changed before is not held against the agent
    PreToolUse    checks the text that a new file is about to get and keeps it from being written while it is wrong;
                  of a file that is about to be edited, remembers what stands there
    Stop          checks every file that changed since, and sends the agent back to work

PostToolUse is not used: its answer never reaches the model. Source: the hooks of openhands-sdk 1.58.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.hooks.claude_code import GO_ON, Answer, Protocol, answered, code_path, is_own

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel


def settings(command: str) -> dict[str, Any]:
    """What to put into ``.openhands/hooks.json``; ``command`` starts sentinel."""
    hooks = [{"matcher": "*", "hooks": [{"type": "command", "command": f"{command} hook openhands"}]}]
    return {"hooks": {"SessionStart": hooks, "PreToolUse": hooks, "Stop": hooks}}


def write_path(event: dict[str, Any]) -> Path | None:
    """The code file that the event's tool writes, absolute; None when it writes none."""
    given = event.get("tool_input") or {}
    if given.get("command") == "view":
        return None
    return code_path(given.get("path") or given.get("file_path"), event.get("working_dir") or event.get("cwd"))


def handle(sentinel: Sentinel, event: dict[str, Any]) -> Answer:
    """Answer one event."""
    kind = event.get("event_type") or event.get("hook_event_name")
    if kind == "SessionStart":
        sentinel.sweep()
    elif kind == "Stop":
        return answered(sentinel.sweep(), sentinel.config.feedback)
    elif kind == "PreToolUse":
        return _before_a_write(sentinel, event)
    return GO_ON


def _before_a_write(sentinel: Sentinel, event: dict[str, Any]) -> Answer:
    path, given = write_path(event), event.get("tool_input") or {}
    if path is None or not is_own(sentinel, path):
        return GO_ON
    text = given.get("file_text") if "file_text" in given else given.get("content")
    if not isinstance(text, str) or path.is_file():
        sentinel.remember(path)
        return GO_ON
    answer = answered([sentinel.check_file(path, text)], sentinel.config.feedback)
    if answer.code:
        # Told once: an agent that insists on the same text is let through, and told no more.
        sentinel.withdraw(path)
    return answer


OPENHANDS = Protocol(handle, write_path, settings, ".openhands/hooks.json")
