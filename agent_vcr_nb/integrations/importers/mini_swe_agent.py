"""mini-swe-agent: trajectories that are a list of messages, alone or with ``info`` around it.

An answer of the model is a frame, and so is what the shell said to it. Source: mini-swe-agent 1 and 2
(``trajectory_format`` "mini-swe-agent-1.1").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from agent_vcr_nb.core.frame import FrameMetadata, FrameType
from agent_vcr_nb.integrations.importers.common import (
    Conversation,
    ImportedFrame,
    ImportedSession,
    Part,
    Remarks,
    figures,
    known_of,
    parts_of,
    session_id_of,
    without,
)
from agent_vcr_nb.integrations.importers.document import Document

_RETURN_CODE = re.compile(r"<returncode>\s*(-?\d{1,9})\s*</returncode>")


def recognises(document: Document) -> bool:
    """Tell whether the content is a list of messages, or such a list with ``info`` beside it."""
    value = document.value
    if document.kind != "json":
        return False
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict) and "role" in value[0] and "content" in value[0]
    if not isinstance(value, dict):
        return False
    named = str(value.get("trajectory_format", "")).startswith("mini-swe-agent")
    return named or ("info" in value and "messages" in value)


def sessions(document: Document) -> Iterator[ImportedSession]:
    """Return the one run of a trajectory."""
    left_out = Remarks()
    if isinstance(document.value, list):
        info = Part({}, "/info", document.problems)
        messages = list(parts_of(document.value, "", document.problems))
    else:
        run = Part(document.value, "", document.problems)
        info, messages = run.part("info"), list(run.parts("messages"))
    task = document.name
    metadata = {"task": task, **known_of(info, "exit_status", "submission", "model_stats", "mini_version")}
    if info.get("config"):
        left_out.add("/info/config: the agent's configuration, which is no state of the run")
    yield ImportedSession(
        task,
        _frames(messages, info, left_out),
        metadata,
        ("mini-swe-agent", session_id_of(task)[:40]),
        document.problems,
        left_out,
    )


def _frames(messages: list[Part], info: Part, left_out: Remarks) -> Iterator[ImportedFrame]:
    talk = Conversation()
    model = info.part("config").part("model").text("model_name")
    begun = ended = False
    for message in messages:
        role = message.text("role")
        if not begun and role in ("system", "user"):
            talk.messages.append(without(message.value, "extra"))  # the task: the state that the run starts with
            continue
        if role is None:
            message.problems.add(f"{message.pointer}/role: expected a text, found nothing")
            continue
        begun = True
        extra = message.part("extra")
        shown = without(message.value, "extra")
        when = extra.moment("timestamp")
        if role == "assistant":
            if extra.get("response"):
                left_out.add("/messages/*/extra/response: the provider's whole answer; its message is in the state")
            yield talk.turn("model", FrameType.LLM_CALL, [shown], _model_figures(extra, model), when)
        elif role == "exit":
            ended = True
            status = extra.text("exit_status") or info.text("exit_status") or ""
            yield talk.turn("exit", _ending(status)[0], [shown], figures(_ending(status)[1]), when)
        else:
            code, failed = _shell_outcome(message, extra)
            custom = {"returncode": code}
            yield talk.turn("bash", FrameType.TOOL_CALL, [shown], figures(failed, custom=custom), when)
    status = info.text("exit_status") or ""
    if not ended and status and _ending(status)[1]:
        yield talk.turn("exit", FrameType.ERROR, [], figures(_ending(status)[1]))


def _ending(status: str) -> tuple[FrameType, tuple[str, str] | None]:
    """Return the type of the last frame and its error: a run that did not submit had failed."""
    if not status or status.lower() == "submitted":
        return FrameType.NODE_EXECUTION, None
    return FrameType.ERROR, (status, f"the run ended with {status}, without a submission")


def _shell_outcome(message: Part, extra: Part) -> tuple[Any, tuple[str, str] | None]:
    code = extra.get("returncode")
    if code is None:
        found = _RETURN_CODE.search(str(message.get("content"))[:2000])
        code = int(found[1]) if found else None
    broken = extra.text("exception_info") or extra.text("interrupt_type")
    if broken:
        return code, ("ToolError", broken)
    return code, None if code in (None, 0) else ("ExitStatus", f"the command returned {code}")


def _model_figures(extra: Part, model: str | None) -> FrameMetadata:
    response = extra.part("response") if isinstance(extra.get("response"), dict) else Part({}, "", extra.problems)
    usage = response.part("usage")
    return figures(
        model=response.text("model") or model,
        cost_usd=extra.number("cost"),
        custom={"actions": extra.get("actions") or None},
        tokens_input=usage.count("prompt_tokens"),
        tokens_output=usage.count("completion_tokens"),
        tokens_used=usage.count("total_tokens"),
        tokens_cache_read=usage.part("prompt_tokens_details").count("cached_tokens"),
        tokens_reasoning=usage.part("completion_tokens_details").count("reasoning_tokens"),
    )
