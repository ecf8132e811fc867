"""File tools of LangChain, LangGraph and CrewAI: what a write left to fix stands in the tool's own answer.

A call that names a code file is checked for that file. One that names none (a shell, a copy, a code interpreter) is
followed by a look at what changed in the project.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.findings import CheckResult, feedback
from sentinel.languages import can_check

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel

_PATH_ARGUMENTS = ("file_path", "path", "filename", "file_name", "file", "target_file", "notebook_path")
_FOLDER_ARGUMENTS = ("directory", "dir_path", "folder")
_FOLDER_ATTRIBUTES = ("root_dir", "directory", "base_dir")
_Seen = tuple[Path, bytes | None] | None


def is_tool(target: Any) -> bool:
    """True for a described object that runs a function, as LangChain's and CrewAI's tools do."""
    if isinstance(target, type) or not hasattr(target, "name") or not hasattr(target, "description"):
        return False
    return callable(getattr(target, "func", None)) or hasattr(target, "_run")


def guard_node(sentinel: Sentinel, node: Any) -> Any:
    """Guard the tools of a LangGraph ToolNode; returns the node."""
    node.tools_by_name.update({name: guard(sentinel, tool) for name, tool in node.tools_by_name.items()})
    return node


def guard(sentinel: Sentinel, tool: Any) -> Any:
    """A copy of the tool whose answer ends with what its write left to fix."""
    sentinel.index()  # before the first write: what stands there now is old
    copy = tool.model_copy() if hasattr(tool, "model_copy") else tool
    names = [name for name in ("func", "coroutine") if callable(getattr(tool, name, None))]
    # A tool without a function of its own is a subclass that overrides _run.
    for name in names or ("_run", "_arun"):
        method = getattr(tool, name, None)
        if callable(method):
            # Past pydantic's fields, where CrewAI and LangChain look the method up.
            object.__setattr__(copy, name, _guarded(sentinel, tool, method))
    return copy


def _guarded(sentinel: Sentinel, tool: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    look = _Look(sentinel, tool, function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        seen = look.before(args, kwargs)
        return look.after(function(*args, **kwargs), seen)

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        seen = look.before(args, kwargs)
        return look.after(await function(*args, **kwargs), seen)

    return call_async if inspect.iscoroutinefunction(function) else call


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    """What is looked at around one call of a tool."""

    sentinel: Sentinel
    tool: Any
    function: Callable[..., Any]

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Seen:
        """The file that the call names, and what it holds where it is code."""
        path = written_path(self.tool, self.function, args, kwargs)
        if path is None or not can_check(path.name):
            return None if path is None else (path, None)
        self.sentinel.remember(path)
        return path, path.read_bytes() if path.is_file() else None

    def after(self, answer: Any, seen: _Seen) -> Any:
        """The answer, with what the call left to fix."""
        told = feedback(self._results(seen), self.sentinel.config.feedback)
        return with_text(self.tool, answer, told) if told else answer

    def _results(self, seen: _Seen) -> list[CheckResult]:
        if seen is None:
            return self.sentinel.sweep()
        path, text = seen
        written = can_check(path.name) and path.is_file() and path.read_bytes() != text
        return [self.sentinel.check_file(path)] if written else []


def written_path(tool: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Path | None:
    """The file that a call names, as an absolute path; None when it names none."""
    try:
        values = dict(inspect.signature(function).bind_partial(*args, **kwargs).arguments)
    except TypeError:
        values = {}
    for inner in [value for value in values.values() if isinstance(value, dict)]:
        values.update(inner)
    values.update(kwargs)
    name = next((values[key] for key in _PATH_ARGUMENTS if isinstance(values.get(key), (str, Path))), None)
    if not name:
        return None
    folders = [values.get(key) for key in _FOLDER_ARGUMENTS]
    folders += [getattr(tool, key, None) for key in _FOLDER_ATTRIBUTES]
    folder = next((Path(str(item)) for item in folders if item), Path.cwd())
    return Path(folder, name).resolve()


def with_text(tool: Any, answer: Any, text: str) -> Any:
    """The answer of a tool with a text at its end, in the form that the answer has.

    Forms: LangChain's content and artifact, tool message, command that holds one, list of content blocks; else text.
    """
    if getattr(tool, "response_format", "") == "content_and_artifact" and isinstance(answer, tuple):
        content, *artifact = answer
        return (_content_with(content, text), *artifact)
    if hasattr(answer, "tool_call_id"):
        return answer.model_copy(update={"content": _content_with(answer.content, text)})
    if dataclasses.is_dataclass(answer) and isinstance(messages := _messages_of(answer), list):
        last = with_text(tool, messages[-1], text)
        update = {**getattr(answer, "update", {}), "messages": [*messages[:-1], last]}
        return dataclasses.replace(answer, update=update)  # type: ignore[type-var]
    return _content_with(answer, text)


def _messages_of(command: Any) -> list[Any] | None:
    """The messages that a LangGraph command adds, when the last answers a call of a tool."""
    update = getattr(command, "update", None)
    messages = update.get("messages") if isinstance(update, dict) else None
    return messages if isinstance(messages, list) and messages and hasattr(messages[-1], "tool_call_id") else None


def _content_with(content: Any, text: str) -> Any:
    if isinstance(content, list) and all(isinstance(block, dict) and "type" in block for block in content):
        return [*content, {"type": "text", "text": text}]
    if isinstance(content, (dict, list)):
        content = json.dumps(content, ensure_ascii=False, default=str)
    return f"{content}\n\n{text}"
