"""A chat model that answers from a script, so that the examples need no key and no network."""

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class ScriptedModel(BaseChatModel):
    """Calls ``answer(messages)`` where a real model would be asked."""

    answer: Callable[[Sequence[BaseMessage]], AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Return itself: the script knows the tools."""
        return self

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=self.answer(messages))])


def says(text: str) -> AIMessage:
    """Return an answer in words."""
    usage = {"input_tokens": 40, "output_tokens": 8, "total_tokens": 48}
    return AIMessage(text, usage_metadata=usage, response_metadata={"model_name": "scripted-1"})  # type: ignore[arg-type]


def calls(tool: str, **arguments: Any) -> AIMessage:
    """Return a request to call a tool."""
    message = says("")
    return AIMessage(
        "",
        tool_calls=[{"name": tool, "args": arguments, "id": f"call-{tool}"}],
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
    )
