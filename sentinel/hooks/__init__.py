"""Ways in which a Sentinel learns what an agent wrote and talks back. Each framework is told by its shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.errors import UsageError

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel


def attach(sentinel: Sentinel, target: Any) -> Any:
    """Guard a folder, an OpenHands conversation or event stream, a file tool, a list of tools, or a ToolNode.

    Raises:
        UsageError: the target is none of these.
    """
    from sentinel.hooks import openhands, tools, watch

    if isinstance(target, (str, Path)):
        return watch.start(sentinel, Path(target))
    if isinstance(target, (list, tuple)):
        return [attach(sentinel, item) for item in target]
    if callable(getattr(target, "subscribe", None)) and callable(getattr(target, "add_event", None)):
        return openhands.attach_event_stream(sentinel, target)
    if callable(getattr(target, "send_message", None)) and hasattr(target, "agent"):
        return openhands.attach_conversation(sentinel, target)
    if isinstance(getattr(target, "tools_by_name", None), dict):
        return tools.guard_node(sentinel, target)
    if tools.is_tool(target):
        return tools.guard(sentinel, target)
    what = f"the class {target.__name__}" if isinstance(target, type) else f"an object of type {type(target).__name__}"
    raise UsageError(
        f"{what} cannot be attached: expected a folder, an OpenHands conversation or "
        "event stream, a LangChain or CrewAI tool, a list of tools, or a LangGraph ToolNode"
    )
