"""Calls of models and tools inside a node, as frames: what went in, what came out, and the tokens."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping, Sequence
from typing import Any

from agent_vcr_nb.core.frame import FrameMetadata
from agent_vcr_nb.core.steps import Step

MODEL = "llm"
"""Name of the step of every model call; which model it was stands in its metadata."""

begun: contextvars.ContextVar[Step | None] = contextvars.ContextVar("agent_vcr_langchain_call", default=None)
"""The step of the call that LangChain is about to tell of, where it was begun before (see serving)."""


def take_begun() -> Step | None:
    """Return that step, once."""
    step = begun.get()
    if step is not None:
        begun.set(None)
    return step


def model_input(messages: Sequence[Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input state of a model call."""
    return {"messages": list(messages), "parameters": dict(parameters)}


def model_name(metadata: Mapping[str, Any] | None, parameters: Mapping[str, Any] | None) -> str | None:
    """Return the model that was asked for; None when nothing names it."""
    given = parameters or {}
    name = given.get("model") or given.get("model_name") or (metadata or {}).get("ls_model_name")
    return str(name) if name else None


def model_output(response: Any) -> tuple[dict[str, Any], FrameMetadata]:
    """Return the output state and the figures of a model call, from LangChain's ``LLMResult``."""
    generations = response.generations[0] if response.generations else []
    answers = [getattr(generation, "message", None) or generation.text for generation in generations]
    state = {"message": answers[0]} if len(answers) == 1 else {"messages": answers}
    told = response.llm_output or {}
    usages = [usage for answer in answers if (usage := getattr(answer, "usage_metadata", None))]
    figures = usage_figures(usages[0]) if usages else _older_figures(told.get("token_usage") or {})
    headers = getattr(answers[0], "response_metadata", None) or {} if answers else {}
    name = headers.get("model_name") or headers.get("model") or told.get("model_name")
    if name:
        figures.model = str(name)
    return state, figures


def usage_figures(usage: Mapping[str, Any]) -> FrameMetadata:
    """Return the tokens that ``usage_metadata`` of a message tells of; what it does not tell stays unknown."""
    read, wrote = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
    return FrameMetadata(
        tokens_input=usage.get("input_tokens"),
        tokens_output=usage.get("output_tokens"),
        tokens_used=usage.get("total_tokens"),
        tokens_cache_read=read.get("cache_read"),
        tokens_cache_write=read.get("cache_creation"),
        tokens_reasoning=wrote.get("reasoning"),
    )


def _older_figures(usage: Mapping[str, Any]) -> FrameMetadata:
    return FrameMetadata(
        tokens_input=usage.get("prompt_tokens"),
        tokens_output=usage.get("completion_tokens"),
        tokens_used=usage.get("total_tokens"),
    )


def tool_input(inputs: Mapping[str, Any] | None, text: str) -> dict[str, Any]:
    """Return the input state of a tool call."""
    return dict(inputs) if inputs is not None else {"input": text}
