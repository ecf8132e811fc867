"""Records steps into a session's file, each before the call returns, and never disturbs the agent.

Two ways in: ``record_step`` and its siblings for a step that is over, and `VCRRecorder.begin` for one that is about to
run, which is also where a resume decides (see policy). What could not be stored is counted in ``recorder.lost``,
told once through ``logging`` and again by ``save()``; it is never raised into the agent.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.cleaning import known
from agent_vcr_nb.core.encoding import escape
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.failure import note_error
from agent_vcr_nb.core.frame import (
    Frame,
    FrameMetadata,
    FrameType,
    Session,
    as_frame_type,
    as_metadata,
    number_of_frame_id,
    timestamp,
)
from agent_vcr_nb.core.journal import SCHEMA, Durability, Journal, blob_directory, session_path
from agent_vcr_nb.core.policy import Policy
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.spelling import llm_call, tool_call
from agent_vcr_nb.core.step_recorder import StepRecorder, Workspace, as_state
from agent_vcr_nb.core.steps import became_latest, chosen_recorder, was_closed
from agent_vcr_nb.core.writer import logger


class VCRRecorder(StepRecorder):
    """Records an agent's steps into ``<output_dir>/<session id>.vcr``.

    Args:
        output_dir: where sessions lie; made with mode 0700.
        on_frame_recorded: called with each `Frame` after it is on disk; what it raises is counted, not passed on.
        redact: True for the built-in rules, False for none, or a `Redactor` with your own.
        durability: ``"process"`` survives the death of the process, ``"frame"`` also a power cut.
        workspace: takes savepoints of files with the frames (see ACIDWorkspace).
        policy: decides for each step; a resume passes its own.
        ambient: False keeps it from recording the steps of this process merely because it was started last.
        buffer_size, auto_save, diff_mode: accepted so that scripts for ai-agent-vcr run unchanged. Each frame is
            written at once and as a delta where that is shorter, whatever they say.
    """

    def __init__(
        self,
        output_dir: str | Path = ".vcr",
        buffer_size: int = 1,
        auto_save: bool = True,
        diff_mode: bool = False,
        on_frame_recorded: Callable[[Frame], None] | None = None,
        *,
        redact: bool | Redactor = True,
        durability: Durability = "process",
        workspace: Workspace | None = None,
        policy: Policy | None = None,
        ambient: bool = True,
    ) -> None:
        redactor = Redactor() if redact is True else redact or None
        super().__init__(redactor, on_frame_recorded, workspace, policy)
        self.output_dir = Path(output_dir)
        self._ambient = ambient
        self._durability: Durability = durability

    @property
    def lost(self) -> int:
        """How many frames could not be stored."""
        return self._writer.lost

    @property
    def problems(self) -> list[str]:
        """What went wrong, in words; the first hundred."""
        return self._writer.problems

    # -------------------------------------------------------------------------------------------- session

    def start_session(
        self,
        session_id: str | None = None,
        parent_session_id: str | None = None,
        forked_from_frame: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        *,
        edit: Sequence[Mapping[str, Any]] = (),
        reason: str | None = None,
    ) -> Session:
        """Begin a session, or go on with the one of that id; steps of this process are recorded into it from now on.

        Without an id one is made of the time. An existing session is never overwritten. Raises UsageError for a bad
        id, OSError when the folder cannot be written.
        """
        self.close()
        self._reset()
        session_id = session_id or time.strftime("run-%Y%m%d-%H%M%S") + f"-{os.urandom(2).hex()}"
        header = {
            "schema": SCHEMA,
            "session_id": session_id,
            "created_at": timestamp(),
            "parent_session_id": parent_session_id,
            "forked_from_frame": forked_from_frame,
            "tags": self._writer.cleaner.value(list(tags or ())),
            "metadata": self._writer.cleaner.value(dict(metadata or {})),
            "edit": [self._writer.cleaner.operation(operation) for operation in edit],
            "reason": self._writer.cleaner.value(reason),
            "python": platform.python_version(),
            "argv": self._writer.cleaner.arguments(sys.argv),
        }
        journal = Journal(self.output_dir, session_id, known(header), self._durability)
        self._session = Session(
            session_id,
            dt.datetime.now(dt.UTC),
            parent_session_id,
            forked_from_frame,
            list(tags or ()),
            dict(metadata or {}),
            [dict(op) for op in edit],
            reason,
            SCHEMA,
        )
        if journal.continued:
            self._go_on_with(journal.path)
        self._writer.journal = journal
        if self._ambient:
            became_latest(self)
        return self._session

    def _go_on_with(self, path: Path) -> None:
        """Number frames and steps after those that the file already holds."""
        from agent_vcr_nb.core.segment import Segment

        segment = Segment(path)
        try:
            segment.scan()
            self._writer.next_number = segment.count
            for number in range(segment.count):
                head = segment.head(number, start=segment.start_at[number] >= 0) or {}
                name, _, occurrence = str(head.get("key", "")).rpartition("#")
                if name and "/" not in name and occurrence.isdigit():
                    self.occurred(name, int(occurrence))
        finally:
            segment.close()

    def occurred(self, name: str, times: int) -> None:
        """Count outermost steps of this name from `times` on."""
        self._root.counts[name] = max(self._root.counts.get(name, 0), times)

    def next_key(self, name: str) -> str:
        """Return the key that the next outermost step of this name will have."""
        token = escape(name)
        return f"{token}#{self._root.counts.get(token, 0) + 1}"

    def attach_session(self, session_id: str) -> Session:
        """Go on with a session that exists; raises UsageError when it does not."""
        if not session_path(self.output_dir, session_id).is_file():
            raise UsageError(f"no session {session_id!r} in {self.output_dir}: start it with start_session")
        return self.start_session(session_id)

    def get_session(self) -> Session | None:
        """Return the header of the session, or None before `start_session`."""
        return self._session

    def here(self) -> VCRRecorder | None:
        """Return the recorder for what happens in this context: while a run is resumed, that of the new session.

        None when it is closed. For those who were given a recorder once and outlive its session.
        """
        recorder = chosen_recorder.get() or self
        return recorder if recorder.recording else None

    def save(self) -> Path:
        """Write how the session stands and return its file; raises UsageError before `start_session`.

        Frames are on disk without it. You can go on recording afterwards.
        """
        path = self._started().path
        self._writer.session_end()
        if self.lost:
            logger.warning("%s: %d frames could not be stored: %s", path.name, self.lost, "; ".join(self.problems[:3]))
        return path

    def close(self) -> None:
        """End the session; a closed recorder records nothing until `start_session`."""
        journal = self._writer.journal
        if journal is not None:
            self._writer.session_end()
            self._writer.journal = None
            journal.close()
            was_closed(self)

    def discard(self) -> None:
        """Remove the session that was recorded last, closed, with its long strings: for one that came to nothing."""
        self.close()
        if self._session is not None:
            session_path(self.output_dir, self._session.session_id).unlink(missing_ok=True)
            shutil.rmtree(blob_directory(self.output_dir, self._session.session_id), ignore_errors=True)

    def __enter__(self) -> VCRRecorder:
        self._chosen = chosen_recorder.set(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        chosen_recorder.reset(self._chosen)
        self.close()

    def __del__(self) -> None:
        writer = self.__dict__.get("_writer")
        if writer is not None and writer.journal is not None:
            with contextlib.suppress(Exception):
                writer.journal.close()

    def _started(self) -> Journal:
        if self._writer.journal is None:
            raise UsageError("this recorder has no session yet: call start_session first")
        return self._writer.journal

    # -------------------------------------------------------------------------------------------- steps that are over

    def record_step(
        self,
        node_name: str,
        input_state: Mapping[str, Any],
        output_state: Mapping[str, Any],
        metadata: FrameMetadata | Mapping[str, Any] | None = None,
        frame_type: FrameType | str = FrameType.NODE_EXECUTION,
        parent_frame_id: str | None = None,
    ) -> Frame:
        """Record a step that is over and return its frame; when this returns, the frame survives a kill of the process.

        A state that is no mapping is recorded as ``{"result": value}``. Raises UsageError before `start_session` or for
        an unknown `frame_type`; nothing else.
        """
        self._started()
        kind = as_frame_type(frame_type)
        step = self._new_step(str(node_name), kind)
        if parent_frame_id:
            step.parent = number_of_frame_id(parent_frame_id)
        step.input_state = as_state(input_state)
        return self._write_over(step, as_state(output_state), as_metadata(metadata))

    def record_llm_call(
        self,
        model: str | None = None,
        messages: Any = None,
        response: Any = None,
        tokens_input: int | None = None,
        tokens_output: int | None = None,
        latency_ms: float | None = None,
        cost_usd: float | None = None,
        *,
        node_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        prompt: Any = None,
        tokens: int | None = None,
    ) -> Frame:
        """Record a call of a model; token counts and cost that are not given stay unknown.

        `prompt` is another word for `messages`, `tokens` is input and output together.
        """
        told = llm_call(model, node_name, tokens_input, tokens_output, tokens, cost_usd)
        figures = FrameMetadata(
            model=told.model,
            latency_ms=latency_ms,
            tokens_used=told.tokens_used,
            tokens_input=told.tokens_input,
            tokens_output=told.tokens_output,
            cost_usd=told.cost_usd,
            custom={} if metadata is None else as_state(metadata),
        )
        figures.tokens_used = figures.tokens
        asked = {"messages": messages if prompt is None else prompt}
        return self.record_step(told.node_name, asked, {"response": response}, figures, FrameType.LLM_CALL)

    def record_tool_call(
        self,
        tool_name: str,
        tool_input: Any = None,
        tool_output: Any = None,
        latency_ms: float | None = None,
        error: BaseException | str | None = None,
        *,
        node_name: str | None = None,
        args: Any = None,
        result: Any = None,
    ) -> Frame:
        """Record a call of a tool; with `error` the frame shows that it failed.

        `args` and `result` are other words for `tool_input` and `tool_output`; the frame is named `node_name` if given.
        """
        told = tool_call(tool_name, tool_input, tool_output, latency_ms, node_name, args, result)
        figures = FrameMetadata(latency_ms=told.latency_ms)
        if told.node_name != told.tool_name:
            figures.custom = {"tool_name": told.tool_name}
        note_error(figures, error)
        return self.record_step(
            told.node_name,
            told.given if isinstance(told.given, Mapping) else {"input": told.given},
            told.result if isinstance(told.result, Mapping) else {"result": told.result},
            figures,
            FrameType.TOOL_CALL,
        )

    def record_error(
        self,
        node_name: str,
        input_state: Mapping[str, Any],
        error: BaseException | str,
        latency_ms: float | None = None,
        model: str | None = None,
    ) -> Frame:
        """Record that a step failed, with the state it had got."""
        figures = FrameMetadata(latency_ms=latency_ms, model=model)
        note_error(figures, error)
        self._started()
        step = self._new_step(str(node_name), FrameType.ERROR)
        step.input_state = as_state(input_state)
        return self._write_over(step, None, figures, error)

    def record_checkpoint(
        self,
        state: Mapping[str, Any],
        label: str = "checkpoint",
        node_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Frame:
        """Record a state under a name that ``player.goto_checkpoint`` finds again."""
        figures = FrameMetadata(custom={"label": label, **(metadata or {})})
        return self.record_step(node_name or label, state, state, figures, FrameType.CHECKPOINT)

    create_checkpoint = record_checkpoint

    def record_past(
        self,
        node_name: str,
        input_state: Mapping[str, Any],
        output_state: Mapping[str, Any] | None,
        metadata: FrameMetadata | Mapping[str, Any] | None = None,
        frame_type: FrameType | str = FrameType.NODE_EXECUTION,
        *,
        when: dt.datetime | None = None,
        parent: int | None = None,
    ) -> Frame:
        """Record a step of an earlier run as another program told of it, at its own time.

        `when` is the moment it started, None when its source does not say; `parent` the number of the frame it ran
        inside; an `output_state` of None says that it has none. Raises UsageError as `record_step` does.
        """
        self._started()
        step = self._new_step(str(node_name), as_frame_type(frame_type))
        step.parent, step.started_at = parent, timestamp(when) if when is not None else ""
        step.input_state = as_state(input_state)
        return self._write_over(step, None if output_state is None else as_state(output_state), as_metadata(metadata))

    # -------------------------------------------------------------------------------------------- reading back, forking

    @property
    def frames(self) -> list[Frame]:
        """The frames recorded so far, read back from the file."""
        from agent_vcr_nb.core.player import VCRPlayer

        return VCRPlayer.load(self._started().path).frames

    def get_frames(self) -> list[Frame]:
        """Return `frames`."""
        return self.frames

    def fork(
        self,
        from_frame: int,
        new_session_id: str | None = None,
        state_overrides: Mapping[str, Any] | None = None,
    ) -> VCRRecorder:
        """Return a recorder of a new session that starts before `from_frame`: frames 0 to N-1 are in it, replayed.

        Its ``fork_state`` is the input state of that frame with the overrides merged in: what to run on.
        Raises FrameNotFoundError when there is no such frame.
        """
        from agent_vcr_nb.core.fork import fork_recording

        path = self._started().path
        return fork_recording(path, from_frame, new_session_id, overrides=state_overrides or {}, recorder=self)

    fork_state: dict[str, Any] | None = None
