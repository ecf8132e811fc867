"""The hook protocol of Claude Code: an event as JSON on stdin, findings on stderr with exit code 2.

    SessionStart  takes the project as it is, so that what changed before is not held against the agent
    PreToolUse    remembers the file as it is, so that old debt is not held against the coming write
    PostToolUse   checks the file that Write, Edit, MultiEdit or NotebookEdit wrote
    Stop          checks every file that changed since, so that files written by shell commands are seen

Source: the hooks reference of Claude Code. Exit 2 shows stderr to the model, and before a tool or at a stop it also
blocks: so nothing but a finding may exit with 2. Any other code is shown to the user, and the agent goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sentinel.findings import CheckResult, feedback
from sentinel.languages import can_check

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel

WRITING_TOOLS = {"Write", "Edit", "MultiEdit", "NotebookEdit"}
_STOPS = {"Stop", "SubagentStop"}


def settings(command: str) -> dict[str, Any]:
    """What to put into ``.claude/settings.json``; ``command`` starts sentinel."""
    hooks = [{"type": "command", "command": f"{command} hook claude-code"}]
    writes = "|".join(sorted(WRITING_TOOLS))
    return {
        "hooks": {
            "SessionStart": [{"matcher": "startup|resume|clear", "hooks": hooks}],
            "PreToolUse": [{"matcher": writes, "hooks": hooks}],
            "PostToolUse": [{"matcher": writes, "hooks": hooks}],
            "Stop": [{"hooks": hooks}],
        }
    }


class Answer(NamedTuple):
    """What the hook's process ends with."""

    code: int
    """0 to go on, 2 to make the agent read ``text``."""
    text: str


GO_ON = Answer(0, "")


class Protocol(NamedTuple):
    """How one agent's hooks are answered."""

    handle: Callable[[Sentinel, dict[str, Any]], Answer]
    path: Callable[[dict[str, Any]], Path | None]
    """The code file that an event's tool writes, absolute; None when it writes none."""
    settings: Callable[[str], dict[str, Any]]
    """What to put into the agent's configuration, for the command that starts sentinel."""
    settings_file: str
    """Where to put it, in the project."""


def answered(results: list[CheckResult], limit: int) -> Answer:
    """The answer that tells an agent about results of checks."""
    text = feedback(results, limit)
    return Answer(2, text) if text else GO_ON


def event_path(event: dict[str, Any]) -> Path | None:
    """The code file that the event's tool writes, absolute; None when it writes none."""
    if event.get("tool_name") not in WRITING_TOOLS:
        return None
    given = event.get("tool_input") or {}
    return code_path(given.get("file_path") or given.get("notebook_path"), event.get("cwd"))


def code_path(name: Any, folder: Any) -> Path | None:
    """The absolute path of a code file that an event names; None for any other value."""
    if not isinstance(name, str) or not can_check(name):
        return None
    return Path(folder or ".", name).absolute()


def handle(sentinel: Sentinel, event: dict[str, Any]) -> Answer:
    """Answer one event."""
    kind = event.get("hook_event_name", "PostToolUse")
    if kind == "SessionStart":
        if event.get("source") != "compact":  # the session goes on: what it wrote is not told yet
            sentinel.sweep()
        return GO_ON
    if kind in _STOPS:
        # The agent was sent back to work by this hook once: let it stop the second time.
        return GO_ON if event.get("stop_hook_active") else answered(sentinel.sweep(), sentinel.config.feedback)
    path = event_path(event)
    if path is None or not is_own(sentinel, path):
        return GO_ON
    if kind == "PreToolUse":
        sentinel.remember(path)
    elif kind == "PostToolUse" and path.is_file():
        return answered([sentinel.check_file(path)], sentinel.config.feedback)
    return GO_ON


def is_own(sentinel: Sentinel, path: Path) -> bool:
    """True for a file of the project that a scan comes to: scratch files elsewhere are the agent's own business."""
    return not os.path.isabs(sentinel.project.relative(path)) and not sentinel.ignores(path)


CLAUDE_CODE = Protocol(handle, event_path, settings, ".claude/settings.json")
