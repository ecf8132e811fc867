"""OpenHands: the finding lands in the tool's own answer, so that the model reads it with its next turn.

Proven on openhands-sdk 1.58 (conversations, Python 3.12). For openhands-ai up to 1.6 the event stream of the
runtime is used. Nothing of OpenHands is imported: its objects are told by their shape.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.errors import UsageError
from sentinel.findings import CheckResult, feedback
from sentinel.languages import can_check

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel

_SHELL_TOOLS = {"terminal", "bash", "execute_bash", "apply_patch"}
_STREAM_WRITES = {"FileWriteObservation", "FileEditObservation"}
_STREAM_SHELLS = {"CmdOutputObservation", "IPythonRunCellObservation"}
_SANDBOX = "/workspace/"
"""Where a container of openhands-ai has the project."""
_WRITING_WORDS = ("edit", "write")
"""Parts of the names of tools that write one file: file_editor, write_file."""


def attach_conversation(sentinel: Sentinel, conversation: Any) -> Any:
    """Guard the file and shell tools of a conversation's agent; returns the conversation.

    Raises:
        UsageError: the agent has no such tool in this process.
    """
    sentinel.index()  # before the first write: what stands there now is old
    ready = getattr(conversation, "_ensure_agent_ready", None)
    if ready is not None:
        ready()  # tools are made on first use
    tools = getattr(conversation.agent, "_tools", {})
    writing = [name for name, tool in tools.items() if tool.executor is not None and _writes(name)]
    if not writing:
        raise UsageError(
            f"the agent of this conversation has no tool here that writes files: it has {', '.join(tools) or 'none'}; "
            "where its tools run elsewhere, use `sentinel hook openhands`"
        )
    for name in writing:
        tools[name] = guard_tool(sentinel, tools[name])
    return conversation


def _writes(name: str) -> bool:
    return name in _SHELL_TOOLS or any(word in name for word in _WRITING_WORDS)


def guard_tool(sentinel: Sentinel, tool: Any) -> Any:
    """A copy of an OpenHands tool whose observation ends with what the write left to fix."""
    return tool.set_executor(_guarded_executor(sentinel, tool.executor))


def _guarded_executor(sentinel: Sentinel, inner: Any) -> Any:
    def call(self: Any, action: Any, conversation: Any = None) -> Any:
        path = _written(action)
        if path is not None:
            sentinel.remember(path)
        observation = inner(action, conversation)
        if path is None:
            # No file is named: a shell or a patch. A named one is looked at, or is no code.
            results = [] if _named(action) else sentinel.sweep()
        else:
            failed = getattr(observation, "is_error", False) or not Path(path).is_file()
            results = [] if failed else [sentinel.check_file(path)]
        text = feedback(results, sentinel.config.feedback)
        return _with_text(observation, text) if text else observation

    # A subclass of the executor's own class: closing and whatever else the SDK asks of it stays as it is.
    guarded: Any = type(f"Guarded{type(inner).__name__}", (type(inner),), {"__call__": call})
    executor = object.__new__(guarded)
    executor.__dict__ = inner.__dict__
    return executor


def _written(action: Any) -> str | None:
    """Path of the code file that an edit action writes."""
    path = _named(action)
    if path is None or getattr(action, "command", "") == "view":
        return None
    return path if can_check(path) else None


def _named(action: Any) -> str | None:
    path = getattr(action, "path", None) or getattr(action, "file_path", None)
    return path if isinstance(path, str) else None


def _with_text(observation: Any, text: str) -> Any:
    content = list(observation.content)
    kind = type(content[0]) if content else None
    if kind is None:
        return observation.model_copy(update={"content": text})
    return observation.model_copy(update={"content": [*content, kind(text=text)]})


def callback(sentinel: Sentinel, conversation: Callable[[], Any]) -> Callable[[Any], None]:
    """A callback for ``Conversation(callbacks=[...])`` that sends findings as a user message.

    ``conversation`` returns the conversation, which does not exist yet when its callbacks are given.
    """

    def on_event(event: Any) -> None:
        observation = getattr(event, "observation", None)
        path = None if observation is None else _written(observation)
        if path is None or getattr(observation, "is_error", False) or not Path(path).is_file():
            return
        text = sentinel.check_file(path).feedback(sentinel.config.feedback)
        if text:
            conversation().send_message(text)

    return on_event


def attach_event_stream(sentinel: Sentinel, stream: Any) -> Any:
    """Guard an openhands-ai runtime: ``sentinel.attach(runtime.event_stream)``.

    A finding goes back as a message of the user, which the agent reads before its next step.
    """
    sentinel.index()  # before the first write: what stands there now is old
    contents: dict[str, str] = {}

    def on_event(event: Any) -> None:
        kind = type(event).__name__
        if kind == "FileWriteAction":
            contents[event.path] = event.content  # its observation only says that it was written
        elif kind in _STREAM_SHELLS:
            tell(sentinel.sweep())
        elif kind in _STREAM_WRITES and can_check(str(event.path)):
            content = getattr(event, "new_content", None) or contents.pop(event.path, None)
            if Path(event.path).is_file():
                tell([sentinel.check_file(event.path)])
                return
            path = sentinel.root / event.path.removeprefix(_SANDBOX)  # it stands in a container
            if content is not None or path.is_file():
                tell([sentinel.check_file(path, content)])

    def tell(results: list[CheckResult]) -> None:
        text = feedback(results, sentinel.config.feedback)
        if text:
            stream.add_event(_message(text), _user_source())

    try:
        stream.subscribe(_subscriber(), on_event, "sentinel")
    except ValueError:  # one is attached: a notebook's cell that runs again means the new one
        stream.unsubscribe(_subscriber(), "sentinel")
        stream.subscribe(_subscriber(), on_event, "sentinel")
    return stream


def _message(text: str) -> Any:
    from importlib import import_module

    return import_module("openhands.events.action").MessageAction(content=text)


def _user_source() -> Any:
    from importlib import import_module

    return import_module("openhands.events").EventSource.USER


def _subscriber() -> Any:
    from importlib import import_module

    return import_module("openhands.events.stream").EventStreamSubscriber.MAIN
