"""A session as a trace of OpenTelemetry, in the JSON that its collectors take (OTLP/HTTP, ``/v1/traces``).

A frame is a span, the session the span around them. Attributes are those of the GenAI semantic conventions, and of
OpenInference for what has none there: the state before and after. Source: opentelemetry-proto 1.x, ``trace.proto``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from agent_vcr_nb.core.frame import parse_timestamp

_INTERNAL, _CLIENT = 1, 3
_OK, _ERROR = 1, 2
_OPERATION = {"llm": "chat", "tool": "execute_tool"}
_KIND = {"llm": "LLM", "tool": "TOOL"}
_USAGE = {
    "tokens_input": "gen_ai.usage.input_tokens",
    "tokens_output": "gen_ai.usage.output_tokens",
    "tokens_cache_read": "gen_ai.usage.cache_read.input_tokens",
    "tokens_cache_write": "gen_ai.usage.cache_creation.input_tokens",
    "tokens_reasoning": "gen_ai.usage.reasoning.output_tokens",
    "tokens_used": "llm.token_count.total",
    "cost_usd": "llm.cost.total",
}


def spans_of(session: dict[str, Any], frames: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the spans of one trace, that of the session last; all ids follow from the session's."""
    name = session["session_id"]
    begun = ended = _nanoseconds(session["created_at"])
    failed = False
    for number, frame in enumerate(frames):
        span = _span(name, frame)
        first, last = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        begun, ended = (min(begun, first), max(ended, last)) if number else (first, last)
        failed = failed or (frame["status"] == "error" and frame["parent"] is None)
        yield span
    about = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": name,
        "openinference.span.kind": "AGENT",
        "vcr.parent_session_id": session["parent_session_id"],
        "vcr.forked_from_frame": session["forked_from_frame"],
        "vcr.tags": ", ".join(map(str, session["tags"])) or None,
    }
    yield {
        "traceId": _trace_id(name),
        "spanId": _span_id(name, None),
        "name": name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(begun),
        "endTimeUnixNano": str(ended),
        "attributes": _attributes(about),
        "status": {"code": _ERROR if failed else _OK},
    }


def _span(session: str, frame: dict[str, Any]) -> dict[str, Any]:
    metadata, kind = frame["metadata"], frame["type"]
    begun = _nanoseconds(frame["timestamp"])
    model = metadata.get("model")
    shown = {"llm": f"chat {model}" if model else frame["name"], "tool": f"execute_tool {frame['name']}"}
    error = metadata.get("error_type")
    span = {
        "traceId": _trace_id(session),
        "spanId": _span_id(session, frame["number"]),
        "parentSpanId": _span_id(session, frame["parent"]),
        "name": shown.get(kind, frame["name"]) or "step",
        "kind": _CLIENT if kind == "llm" else _INTERNAL,
        "startTimeUnixNano": str(begun),
        "endTimeUnixNano": str(begun + round((frame["latency_ms"] or 0) * 1e6)),
        "attributes": _attributes(_told(session, frame)),
        "status": {"code": _ERROR, "message": str(frame["error"])} if error else {"code": _OK},
    }
    if error:
        exception = {
            "exception.type": error,
            "exception.message": metadata.get("error_message"),
            "exception.stacktrace": metadata.get("traceback"),
        }
        span["events"] = [
            {"timeUnixNano": span["endTimeUnixNano"], "name": "exception", "attributes": _attributes(exception)}
        ]
    return span


def _told(session: str, frame: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a frame's span."""
    metadata, kind = frame["metadata"], frame["type"]
    told = {
        "gen_ai.operation.name": _OPERATION.get(kind),
        "gen_ai.conversation.id": session,
        "gen_ai.request.model": metadata.get("model"),
        "gen_ai.tool.name": frame["name"] if kind == "tool" else None,
        "error.type": metadata.get("error_type"),
        "openinference.span.kind": _KIND.get(kind, "CHAIN"),
        "vcr.frame": frame["number"],
        "vcr.key": frame["key"],
        "vcr.provenance": frame["provenance"],
        **{attribute: metadata.get(name) for name, attribute in _USAGE.items()},
    }
    for side in ("input", "output"):
        if frame[f"{side}_state"] is not None:
            told[f"{side}.value"] = orjson.dumps(frame[f"{side}_state"]).decode()
            told[f"{side}.mime_type"] = "application/json"
    return told


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any_value(value)} for key, value in values.items() if value is not None]


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}  # 64 bits are text in protobuf's JSON
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


def _nanoseconds(timestamp: Any) -> int:
    moment = parse_timestamp(timestamp)
    return 0 if moment is None else round(moment.timestamp() * 1e6) * 1000


def _trace_id(session: str) -> str:
    return hashlib.sha256(f"vcr:{session}".encode()).hexdigest()[:32]


def _span_id(session: str, frame: int | None) -> str:
    return hashlib.sha256(f"vcr:{session}/{frame}".encode()).hexdigest()[:16]


RESOURCE = {"attributes": _attributes({"service.name": "agent-vcr"})}
SCOPE = {"name": "agent_vcr_nb"}
