"""How LangGraph's own objects are stored, where they are more than plain data."""

from __future__ import annotations

from langgraph.types import Send

from agent_vcr_nb.core.encoding import register


def register_types() -> None:
    """Let recordings hold and give back what nodes return beside state."""
    register(
        Send, lambda fields: Send(fields["node"], fields["arg"]), lambda send: {"node": send.node, "arg": send.arg}
    )
