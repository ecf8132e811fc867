"""ai-agent-vcr: JSON lines of ``schema: execution/v1``, a session line and then frame lines.

Such a file can also be opened as it is; importing gives it deltas, checksums and redaction. Source: ai-agent-vcr 1.5.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent_vcr_nb.core.errors import ImportFormatError
from agent_vcr_nb.core.frame import FrameMetadata, FrameType
from agent_vcr_nb.integrations.importers.common import ImportedFrame, ImportedSession, Part, Remarks
from agent_vcr_nb.integrations.importers.document import Document

_COUNTS = ("tokens_used", "tokens_input", "tokens_output")
_NUMBERS = ("latency_ms", "cost_usd")
_TEXTS = ("model", "error_type", "error_message")


def recognises(document: Document) -> bool:
    """Tell whether the content is a recording of that program, or of this one."""
    return document.kind == "lines"


def sessions(document: Document) -> Iterator[ImportedSession]:
    """Return the one session of a file; raises ImportFormatError for a recording of this program."""
    lines = [Part(value, f"line {number}", document.problems) for number, value in document.value]
    headers = [line for line in lines if line.get("type") == "session"]
    header = headers[0] if headers else Part({}, "", document.problems)
    schema = header.get("schema") or header.part("data").get("schema")
    if schema not in (None, "execution/v1"):
        raise ImportFormatError(
            f"{document.path}: its schema is {str(schema)[:40]!r}, and 'execution/v1' is imported. A recording of this "
            "program needs no import: copy it into the folder of sessions"
        )
    data = header.part("data")
    left_out = Remarks()
    forked = data.count("forked_from_frame")
    metadata = {"source_metadata": data.part("metadata").value, "started_at": data.text("created_at")}
    yield ImportedSession(
        data.text("session_id") or document.name,
        _frames([line.part("data") for line in lines if line.get("type") == "frame"], left_out),
        {key: value for key, value in metadata.items() if value},
        tuple(tag for tag in data.items("tags") if isinstance(tag, str)),
        document.problems,
        left_out,
        data.text("parent_session_id"),
        # There a fork starts from the state after a frame, here before one.
        None if forked is None else forked + 1,
    )


def _frames(frames: list[Part], left_out: Remarks) -> Iterator[ImportedFrame]:
    numbers: dict[str, int] = {}
    before: dict[str, Any] = {}
    for number, frame in enumerate(frames):
        state, output = frame.part("input_state").value, frame.part("output_state").value
        if not state and number and frame.get("state_diff") is not None:
            # The recorder's diff mode drops the input; its player takes the output before it instead, and so do we.
            state = before
            left_out.add("input states were not recorded (diff mode): each is the output state of the frame before it")
        before = output
        frame_id, parent = frame.text("frame_id"), frame.text("parent_frame_id")
        if frame_id:
            numbers[frame_id] = number
        yield ImportedFrame(
            frame.text("node_name") or "step",
            _type_of(frame),
            state,
            output,
            _metadata(frame.part("metadata")),
            frame.moment("timestamp"),
            numbers.get(parent or ""),
        )


def _type_of(frame: Part) -> FrameType:
    kind = frame.text("frame_type") or "node"
    try:
        return FrameType(kind)
    except ValueError:
        frame.problems.add(f"{frame.pointer}/frame_type: {kind[:40]!r} is unknown, taken as 'node'")
        return FrameType.NODE_EXECUTION


def _metadata(metadata: Part) -> FrameMetadata:
    known: dict[str, Any] = {key: metadata.count(key) for key in _COUNTS}
    known |= {key: metadata.number(key) for key in _NUMBERS}
    known |= {key: metadata.text(key) for key in _TEXTS}
    custom = dict(metadata.part("custom").value)
    if "checkpoint_label" in custom:
        custom["label"] = custom["checkpoint_label"]
    return FrameMetadata(**known, custom=custom)
