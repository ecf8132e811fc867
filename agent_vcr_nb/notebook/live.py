"""What of an agent is alive in this kernel: the function a run began with, and names that may be one."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any

from agent_vcr_nb.core.resume import INTEGRATIONS
from agent_vcr_nb.core.steps import live_agents
from agent_vcr_nb.core.tape import Tape

MOST_NAMES = 20


def live_agent(tape: Tape, frame: int) -> Any:
    """Return the function of this kernel that the frame's run began with, where that was a step; else None."""
    if not 0 <= frame < len(tape.heads):
        return None
    root = tape.root_of(frame)
    alone = root == frame and not tape.has_children(root)
    return None if alone else live_agents.get(str((tape.heads[root] or {}).get("node_name")))


def agent_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the names of a notebook that may be agents: functions of its own, steps by name, graphs."""
    names = [name for name, value in list(namespace.items()) if name[:1] != "_" and _may_be_agent(value)]
    return names[-MOST_NAMES:]


def _may_be_agent(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        return value.__module__ == "__main__"
    if isinstance(value, Mapping):
        return bool(value) and all(map(callable, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        pairs = [item[1] if isinstance(item, tuple) and len(item) == 2 else item for item in value[:50]]
        return bool(pairs) and all(map(callable, pairs))
    if isinstance(value, type):
        return False
    framework = any(cls.__module__.partition(".")[0] in INTEGRATIONS for cls in type(value).__mro__)
    return (framework and hasattr(value, "invoke")) or hasattr(type(value), "__vcr_resume__")
