"""Plays a recorded session: any frame, any state, totals, comparison, and resume.

Frames are counted from 0. ``goto_frame(n)`` is the state after frame n, ``get_input_state(n)`` the state before it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.decoding import decode
from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, SessionNotFoundError, UsageError
from agent_vcr_nb.core.frame import (
    Frame,
    FrameMetadata,
    FrameType,
    Provenance,
    Session,
    Status,
    parse_timestamp,
)
from agent_vcr_nb.core.integrity import check_integrity
from agent_vcr_nb.core.journal import SUFFIX, session_path
from agent_vcr_nb.core.query import Change, compare_states, when
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.segment import Segment

if TYPE_CHECKING:
    from agent_vcr_nb.core.recorder import VCRRecorder
    from agent_vcr_nb.core.resume import ResumeConfig

_POLL_SECONDS = 0.02


class VCRPlayer:
    """A session on disk, also while it is still being written: `refresh` or `follow` take in what has come."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._heads: dict[int, dict[str, Any]] = {}

    @classmethod
    def load(cls, path: str | Path, *, strict: bool = False) -> VCRPlayer:
        """Open the recording at `path`.

        With `strict` a file with damaged lines is refused (RecordingError); otherwise they are passed over and
        `verify_integrity` lists them. Raises SessionNotFoundError, and RecordingError for a format of the future.
        """
        player = cls(Recording(Path(path)))
        if strict:
            report = player.verify_integrity()
            if not report["ok"]:
                raise RecordingError(f"{path}: {report['issues'][0]} (and {len(report['issues']) - 1} more issues)")
        return player

    @classmethod
    def load_by_id(cls, session_id: str, vcr_dir: str | Path = ".vcr") -> VCRPlayer:
        """Open a session by its id; raises SessionNotFoundError that names those there are."""
        path = session_path(Path(vcr_dir), session_id)
        if not path.is_file():
            known = sorted(p.name.removesuffix(SUFFIX) for p in Path(vcr_dir).glob(f"*{SUFFIX}") if "~" not in p.name)
            listed = ", ".join(known[:10]) + (" …" if len(known) > 10 else "") if known else "no sessions"
            raise SessionNotFoundError(f"no session {session_id!r} in {vcr_dir}; there: {listed}")
        return cls.load(path)

    # -------------------------------------------------------------------------------------------- the session

    @property
    def session(self) -> Session:
        """The header of the file."""
        header = self.recording.header
        return Session(
            session_id=str(header.get("session_id") or self.recording.session_id),
            created_at=parse_timestamp(header.get("created_at")),
            parent_session_id=header.get("parent_session_id"),
            forked_from_frame=header.get("forked_from_frame"),
            tags=list(header.get("tags") or ()),
            metadata=decode(header.get("metadata") or {}),
            edit=list(header.get("edit") or ()),
            reason=header.get("reason"),
            schema=str(header.get("schema")),
        )

    @property
    def session_id(self) -> str:
        """Name of the session."""
        return self.session.session_id

    def __len__(self) -> int:
        return len(self.recording)

    def refresh(self) -> int:
        """Take in what was written since; returns the number of frames that came, ended or failed."""
        news = self.recording.refresh()
        if news:
            # What several processes write is merged by time, so numbers can move.
            merged = len(self.recording.segments) > 1
            self._heads = {
                n: head
                for n, head in self._heads.items()
                if not merged and head.get("status") not in ("running", "damaged")
            }
        return news

    def follow(self, *, timeout: float | None = None) -> Iterator[Frame]:
        """Yield each frame when it has ended or failed, those already there first, and wait for more.

        Ends when all recorders of the session have closed it or their processes are gone, or when nothing has come for
        `timeout` seconds. A file that was deleted or moved away is followed into the one that recording goes on in.
        """
        # By file and number there: what a second process records moves the numbers of the session.
        told: set[tuple[Segment, int]] = set()
        last = time.monotonic()
        was_over = False
        self.refresh()
        while True:
            for number in range(len(self)):
                place = self.recording.place(number)
                if place not in told and self._status(number) not in (Status.RUNNING, Status.DAMAGED):
                    told.add(place)
                    last = time.monotonic()
                    yield self.get_frame(number)
            while not self._came():
                if was_over and self.recording.is_over():
                    return
                if timeout is not None and time.monotonic() - last > timeout:
                    return
                # Asked before the next look: what is written until then is not missed.
                was_over = self.recording.is_over()
                time.sleep(0 if was_over else _POLL_SECONDS)
            was_over = False

    def _came(self) -> bool:
        """Take in what came since, also in a file that has taken the place of the one that was open."""
        if self.refresh():
            return True
        if self.recording.reopen():
            self._heads.clear()
            self.refresh()
            return True
        return False

    # -------------------------------------------------------------------------------------------- frames

    def head(self, index: int) -> dict[str, Any]:
        """Return what is known of a frame beside its states, as stored; a damaged one says so in ``status``."""
        head = self._heads.get(index)
        if head is None:
            try:
                head = self.recording.head(index)
            except FrameNotFoundError:
                raise
            except RecordingError as error:
                head = {"node_name": "", "status": "damaged", "metadata": {"error_message": str(error)}}
            self._heads[index] = head
        return head

    def _status(self, index: int) -> Status:
        return Status(self.head(index).get("status", "error" if self._has_error(index) else "ok"))

    def _has_error(self, index: int) -> bool:
        head = self.head(index)
        return bool((head.get("metadata") or {}).get("error_type")) or head.get("frame_type") == "error"

    def get_frame(self, index: int) -> Frame:
        """Return a frame with its states; raises FrameNotFoundError, or RecordingError where its lines are damaged."""
        head = self.head(index)
        if head.get("status") == "damaged":
            raise RecordingError(head["metadata"]["error_message"])
        return Frame(
            session_id=self.recording.session_id,
            number=index,
            node_name=str(head.get("node_name", "")),
            key=str(head.get("key") or f"{head.get('node_name', 'step')}#{index}"),
            frame_type=FrameType(head.get("frame_type", "node")),
            status=self._status(index),
            provenance=Provenance(head.get("provenance", "live")),
            timestamp=parse_timestamp(head.get("timestamp")),
            parent=head.get("parent"),
            input_state=self._state_or_empty(index, "input"),
            output_state=self._state_or_empty(index, "output"),
            metadata=FrameMetadata.from_dict(decode(head.get("metadata") or {})),
            update=decode(self.recording.update(index)),
            lossy=tuple(head.get("lossy") or ()),
        )

    def _state_or_empty(self, index: int, side: str) -> dict[str, Any]:
        try:
            return self._state(index, side)
        except FrameNotFoundError:
            return {}

    @property
    def frames(self) -> list[Frame]:
        """All frames whose lines are whole, with their states."""
        return [self.get_frame(n) for n in range(len(self)) if self._status(n) is not Status.DAMAGED]

    def state_json(self, index: int, side: str = "output") -> Json:
        """Return a state as stored: JSON with tags for other types (see encoding)."""
        return self.recording.state(index, side)

    def _state(self, index: int, side: str) -> dict[str, Any]:
        state = decode(self.recording.state(index, side), blob=self.recording.blob)
        if not isinstance(state, dict):
            raise RecordingError(f"{self.session_id} frame {index}: its {side} is a {type(state).__name__}, no state")
        return dict(state)

    def goto_frame(self, index: int) -> dict[str, Any]:
        """Return the state after frame `index`; raises FrameNotFoundError when it has none (failed, running)."""
        return self._state(index, "output")

    get_output_state = goto_frame

    def get_input_state(self, index: int) -> dict[str, Any]:
        """Return the state before frame `index` ran: what a resume at it starts from."""
        return self._state(index, "input")

    def get_current_state(self) -> dict[str, Any]:
        """Return the state after the last frame that ended well; empty when there is none."""
        for index in reversed(range(len(self))):
            if self._status(index) is Status.OK:
                return self.goto_frame(index)
        return {}

    def goto_time(self, moment: str | dt.datetime) -> dict[str, Any]:
        """Return the state after the last step that had started by `moment` (ISO 8601; without zone: UTC)."""
        wanted = parse_timestamp(moment if isinstance(moment, str) else moment.isoformat())
        if wanted is None:
            raise UsageError(f"{moment!r} is no moment: expected ISO 8601 such as 2026-01-31T12:00:00Z")
        found = None
        for index in range(len(self)):
            started = parse_timestamp(self.head(index).get("timestamp"))
            if started is not None and started <= wanted and self._status(index) is Status.OK:
                found = index
        if found is None:
            raise FrameNotFoundError(f"{self.session_id}: no step had ended well that started by {wanted.isoformat()}")
        return self.goto_frame(found)

    def list_checkpoints(self) -> list[dict[str, Any]]:
        """Return ``{label, frame, timestamp}`` of each checkpoint."""
        found = []
        for index in range(len(self)):
            head = self.head(index)
            if head.get("frame_type") == FrameType.CHECKPOINT:
                label = (head.get("metadata") or {}).get("custom", {}).get("label", head.get("node_name"))
                found.append({"label": label, "frame": index, "timestamp": head.get("timestamp")})
        return found

    def goto_checkpoint(self, label: str) -> dict[str, Any]:
        """Return the state of the last checkpoint of that label; raises FrameNotFoundError that names the others."""
        checkpoints = self.list_checkpoints()
        for checkpoint in reversed(checkpoints):
            if checkpoint["label"] == label:
                return self.goto_frame(checkpoint["frame"])
        known = ", ".join(sorted({str(c["label"]) for c in checkpoints})) or "none"
        raise FrameNotFoundError(f"{self.session_id}: no checkpoint {label!r}; there are: {known}")

    def list_nodes(self) -> list[str]:
        """Return the names of the steps, each once, in the order in which they first ran."""
        return list(dict.fromkeys(str(self.head(n).get("node_name", "")) for n in range(len(self))))

    def get_node_executions(self, node_name: str) -> list[Frame]:
        """Return all frames of that name."""
        return [self.get_frame(n) for n in range(len(self)) if self.head(n).get("node_name") == node_name]

    def get_state_at_node(self, node_name: str) -> dict[str, Any]:
        """Return the state after the last run of that step that ended well; raises FrameNotFoundError."""
        for index in reversed(range(len(self))):
            if self.head(index).get("node_name") == node_name and self._status(index) is Status.OK:
                return self.goto_frame(index)
        raise FrameNotFoundError(
            f"{self.session_id}: no step {node_name!r} ended well; there are: {', '.join(self.list_nodes())}"
        )

    def get_errors(self) -> list[Frame]:
        """Return the frames whose step failed."""
        return [self.get_frame(n) for n in range(len(self)) if self._status(n) is Status.ERROR or self._has_error(n)]

    # -------------------------------------------------------------------------------------------- totals

    def _figures(self) -> list[FrameMetadata]:
        from agent_vcr_nb.core.ledger import counted_once

        return [f for n, f in counted_once(self) if self.head(n).get("provenance", "live") in ("live", "edited")]

    def get_total_latency(self) -> float:
        """Return the summed wall time of the outermost live steps in milliseconds."""
        return sum(
            (self.head(n).get("metadata") or {}).get("latency_ms") or 0.0
            for n in range(len(self))
            if self.head(n).get("parent") is None and self.head(n).get("provenance", "live") in ("live", "edited")
        )

    def get_total_tokens(self) -> int:
        """Return the tokens that were really used, each once; see CostLedger for what is unknown."""
        return sum(figures.tokens or 0 for figures in self._figures())

    def get_total_cost(self) -> float:
        """Return the recorded cost in dollars that was really spent; see CostLedger for prices and what is unknown."""
        return sum(figures.cost_usd or 0.0 for figures in self._figures())

    # -------------------------------------------------------------------------------------------- questions

    def compare_frames(self, a: int, b: int) -> dict[str, Any]:
        """Return what differs between the states after two frames: ``{added, removed, modified, unchanged, paths}``.

        ``modified`` holds ``{before, after}`` by top-level key; ``paths`` lists the deep changes as RFC 6902
        operations with what stood there before.
        """
        return compare_states(self._after(a), self._after(b))

    def _after(self, index: int) -> dict[str, Any]:
        """The state after a frame; where it failed, the state it failed on."""
        try:
            return self.goto_frame(index)
        except FrameNotFoundError:
            return self.get_input_state(index)

    def when(self, path: str) -> list[Change]:
        """Return every frame that changed the value at a JSON Pointer or top-level key, first to last."""
        return list(when(self.recording, path))

    def verify_integrity(self) -> dict[str, Any]:
        """Check every line and every state: ``{ok, issues, frame_count, skipped_lines, running, processes, …}``."""
        return check_integrity(self)

    @staticmethod
    def recorded_value(value: Any) -> Json:
        """Return a value as a recording would show it: encoded, without secrets."""
        from agent_vcr_nb.core.encoding import encode
        from agent_vcr_nb.core.redact import Redactor

        return Redactor().tree(encode(value))

    def to_dict(self) -> dict[str, Any]:
        """Return the session and all frames as JSON-ready values, states in full and encoded."""
        from agent_vcr_nb.core.payload import frame_payload, session_payload

        return {"session": session_payload(self), "frames": [frame_payload(self, n) for n in range(len(self))]}

    def export_state(self, index: int, path: str | Path) -> Path:
        """Write the state after a frame to `path` as JSON with tags for other types; returns the path."""
        import orjson

        target = Path(path)
        target.write_bytes(orjson.dumps(self.state_json(index, "output"), option=orjson.OPT_INDENT_2))
        return target

    # -------------------------------------------------------------------------------------------- resume

    def resume(
        self,
        agent_callable: Callable[..., Any] | Sequence[Any] | Mapping[str, Any],
        config: ResumeConfig | None = None,
        recorder: VCRRecorder | None = None,
    ) -> str:
        """Run the agent again from before ``config.from_frame`` and return the id of the new session.

        Earlier steps are not executed: what they had returned comes from the recording. The agent is a function from
        state to state, a list or mapping of named steps, or a function whose inner functions carry ``@step``. What the
        agent raises is raised here, with the fork recorded up to there. See `agent_vcr_nb.core.resume.resume` for the
        agent's result, and for the errors.
        """
        from agent_vcr_nb.core.resume import ResumeConfig, resume

        outcome = resume(self.recording, agent_callable, config or ResumeConfig(from_frame=0), recorder)
        if outcome.error is not None:
            raise outcome.error
        return outcome.session_id
