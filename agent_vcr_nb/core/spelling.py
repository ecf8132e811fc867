"""Arguments of `record_llm_call` and `record_tool_call` as ai-agent-vcr takes them, and as its README shows them.

Its README has ``record_llm_call(node_name, prompt, response, tokens, cost_usd)`` and ``record_tool_call(node_name,
tool_name, args, result)``, by place or by name. By place the two are told apart where one of them can be meant only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from agent_vcr_nb.core.errors import UsageError


class LLMCall(NamedTuple):
    """What a call of a model was, whichever way it was told."""

    model: str | None
    node_name: str
    tokens_input: int | None
    tokens_output: int | None
    tokens_used: int | None
    cost_usd: float | None


def llm_call(
    model: str | None,
    node_name: str | None,
    tokens_input: int | None,
    tokens_output: int | float | None,
    tokens: int | None,
    cost_usd: float | None,
) -> LLMCall:
    """Return the call; a fifth argument that is a float is a price, for no count of tokens is one."""
    if type(tokens_output) is float and cost_usd is None and tokens is None:
        return LLMCall(None, node_name or str(model), None, None, tokens_input, tokens_output)
    if model is None and node_name is None:
        raise UsageError("record_llm_call: expected the name of a model, or node_name=")
    return LLMCall(model, node_name or f"llm:{model}", tokens_input, tokens_output, tokens, cost_usd)  # type: ignore[arg-type]


class ToolCall(NamedTuple):
    """What a call of a tool was, whichever way it was told."""

    node_name: str
    tool_name: str
    given: Any
    result: Any
    latency_ms: float | None


def tool_call(
    tool_name: str, tool_input: Any, tool_output: Any, latency_ms: Any, node_name: str | None, args: Any, result: Any
) -> ToolCall:
    """Return the call; a fourth argument that is no number is no latency, but the result of a tool named second."""
    by_place = isinstance(tool_input, str) and isinstance(tool_output, Mapping)
    if by_place and latency_ms is not None and not isinstance(latency_ms, int | float):
        return ToolCall(tool_name, tool_input, tool_output, latency_ms, None)
    given = tool_input if args is None else args
    return ToolCall(node_name or tool_name, tool_name, given, tool_output if result is None else result, latency_ms)
