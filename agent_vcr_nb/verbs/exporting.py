"""The verb `export`: a session for other programs, with every state and every long text in full."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agent_vcr_nb.core.encoding import TAG, Json
from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.payload import frame_payload, session_payload
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.text import json_text
from agent_vcr_nb.verbs.traces import RESOURCE, SCOPE, spans_of


@dataclass(frozen=True, slots=True)
class Exported:
    """What `export` wrote, or the text where no file was named."""

    session_id: str
    size: int
    """Bytes."""
    target: Path | None
    form: str
    content: bytes = b""
    """What was exported where no file was named."""
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return where it went; where no file was named, what was exported is in ``content``."""
        about = {"session_id": self.session_id, "bytes": self.size, "target": str(self.target or "-")}
        if self.target is None:
            lines = self.content.splitlines() if self.form == "jsonl" else None
            about["content"] = [orjson.loads(line) for line in lines] if lines else orjson.loads(self.content)
        return about

    def text(self) -> str:
        """Return the export itself, or where it went."""
        if self.target is None:
            return json_text(self.content).rstrip("\n")
        return f"{self.session_id}: {self.size:,} bytes written to {self.target}"


def export(place: Place, session: str | None = None, *, to: str | None = None, form: str = "json") -> Exported:
    """Write a session: as one JSON document, as lines that ai-agent-vcr reads, or as a trace for OpenTelemetry.

    A file is written frame by frame: states in full take many times the room of a recording, and not all fit in memory.
    """
    player = place.player(session)
    frames = (_in_full(player, frame_payload(player, number)) for number in range(len(player)))
    pieces = _FORMS[form](session_payload(player), frames)
    if to is None:
        content = b"".join(pieces)
        return Exported(player.session_id, len(content), None, form, content)
    with Path(to).open("wb") as file:
        size = sum(map(file.write, pieces))
    return Exported(player.session_id, size, Path(to), form)


def _in_full(player: VCRPlayer, frame: dict[str, Any]) -> dict[str, Any]:
    """Return a frame with the long texts that lie in files of their own; one that is gone says so in ``missing``."""
    for side in ("input", "output"):
        try:
            frame[f"{side}_state"] = _with_long_texts(player, frame[f"{side}_state"])
        except RecordingError as error:
            frame["missing"][side] = str(error)
    return frame


def _with_long_texts(player: VCRPlayer, tree: Json) -> Json:
    if type(tree) is dict:
        if tree.get(TAG) == "blob":
            return player.recording.blob(tree)
        return {key: _with_long_texts(player, item) for key, item in tree.items()}
    return [_with_long_texts(player, item) for item in tree] if type(tree) is list else tree


def _as_document(session: dict[str, Any], frames: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield b'{"session": ' + orjson.dumps(session, option=orjson.OPT_INDENT_2) + b',\n"frames": [\n'
    yield from _joined(frames)
    yield b"\n]}\n"


def _joined(values: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for number, value in enumerate(values):
        yield (b",\n" if number else b"") + orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _as_lines(session: dict[str, Any], frames: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the lines that ai-agent-vcr 1.x writes."""
    forked = session["forked_from_frame"]
    # There a fork starts from the state after a frame, here before one.
    header = {**session, "forked_from_frame": forked - 1 if forked else None, "frame_count": session["frames"]}
    name = session["session_id"]
    del header["schema"], header["frames"]
    yield orjson.dumps({"type": "session", "schema": "execution/v1", "data": _known(header)}) + b"\n"
    for frame in frames:
        yield orjson.dumps({"type": "frame", "data": _v1_frame(name, frame)}) + b"\n"


def _v1_frame(session: str, frame: dict[str, Any]) -> dict[str, Any]:
    parent = frame["parent"]
    data = {
        "frame_id": _frame_id(session, frame["number"]),
        "session_id": session,
        "parent_frame_id": None if parent is None else _frame_id(session, parent),
        "timestamp": frame["timestamp"],
        "frame_type": frame["type"],
        "node_name": frame["name"],
    }
    states = {f"{side}_state": frame[f"{side}_state"] or {} for side in ("input", "output")}
    return {**_known(data), **states, "metadata": _known(frame["metadata"])}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _frame_id(session: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"vcr:{session}/{number}"))


def _as_trace(session: dict[str, Any], frames: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the body of an export request of OTLP."""
    head = b'{"resourceSpans": [{"resource": %s, "scopeSpans": [{"scope": %s, "spans": [\n'
    yield head % (orjson.dumps(RESOURCE), orjson.dumps(SCOPE))
    yield from _joined(spans_of(session, frames))
    yield b"\n]}]}]}\n"


_FORMS: dict[str, Callable[[dict[str, Any], Iterable[dict[str, Any]]], Iterator[bytes]]] = {
    "json": _as_document,
    "jsonl": _as_lines,
    "otlp": _as_trace,
}
