"""The JSON that every face shows: the only place that gives it its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError
from agent_vcr_nb.core.frame import parse_timestamp, tokens_in_all

if TYPE_CHECKING:
    from agent_vcr_nb.core.player import VCRPlayer


def session_payload(player: VCRPlayer) -> dict[str, Any]:
    """Return the header of a session."""
    session = player.session
    return {
        "session_id": session.session_id,
        "created_at": session.created_at.isoformat() if session.created_at else None,
        "parent_session_id": session.parent_session_id,
        "forked_from_frame": session.forked_from_frame,
        "edit": session.edit,
        "reason": session.reason,
        "tags": session.tags,
        "metadata": player.recording.header.get("metadata") or {},
        "schema": session.schema,
        "frames": len(player),
    }


def frame_summary(player: VCRPlayer, number: int) -> dict[str, Any]:
    """Return what a list shows of a frame: name, type, status, provenance, place and times, without its states."""
    head = player.head(number)
    metadata = head.get("metadata") or {}
    key = str(head.get("key") or f"{head.get('node_name', '')}#{number}")
    began = parse_timestamp(player.head(0).get("timestamp"))
    started = parse_timestamp(head.get("timestamp"))
    message = metadata.get("error_message")
    status = head.get("status") or ("error" if metadata.get("error_type") else "ok")
    return {
        "number": number,
        "key": key,
        "name": head.get("node_name", ""),
        "type": head.get("frame_type", "node"),
        "status": status,
        "provenance": head.get("provenance", "live"),
        "parent": head.get("parent"),
        "depth": key.count("/"),
        "start_ms": (started - began).total_seconds() * 1000 if started and began else None,
        "latency_ms": metadata.get("latency_ms"),
        "error": f"{metadata['error_type']}: {message}" if metadata.get("error_type") else message,
        "model": metadata.get("model"),
        "tokens": tokens_in_all(
            metadata.get("tokens_used"), metadata.get("tokens_input"), metadata.get("tokens_output")
        ),
    }


def frame_payload(player: VCRPlayer, number: int) -> dict[str, Any]:
    """Return a frame with its encoded states; a state it does not have is None, with the reason in ``missing``."""
    payload = frame_summary(player, number)
    payload["metadata"] = player.head(number).get("metadata") or {}
    payload["lossy"] = list(player.head(number).get("lossy") or ())
    payload["timestamp"] = player.head(number).get("timestamp")
    payload["missing"] = {}
    for side in ("input", "output"):
        try:
            payload[f"{side}_state"] = player.state_json(number, side)
        except (FrameNotFoundError, RecordingError) as error:
            payload[f"{side}_state"] = None
            payload["missing"][side] = str(error)
    return payload
