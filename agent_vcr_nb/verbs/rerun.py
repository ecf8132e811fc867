"""Verbs that make a new session: record a program, resume before a frame, fork without running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agent_vcr_nb.core.decoding import decode
from agent_vcr_nb.core.edit import setting
from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import CannotResumeError, EditError, UsageError
from agent_vcr_nb.core.failure import note_error
from agent_vcr_nb.core.fork import RUN, fork_recording
from agent_vcr_nb.core.frame import FrameMetadata
from agent_vcr_nb.core.journal import session_path
from agent_vcr_nb.core.payload import frame_summary
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.resume import ResumeConfig, can_resume, resume
from agent_vcr_nb.core.steps import choosing
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.integrations.installing import install, uninstall
from agent_vcr_nb.verbs.agents import find_agent, run_script, script_of, wait_for_threads
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.text import counted, edited, one_line, outcome, paint, printable
from agent_vcr_nb.verbs.values import pair_of

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C ended."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What `record` recorded."""

    session_id: str
    path: str
    frames: int
    lost: int
    exit_code: int
    went_on: bool = False
    """True when the session existed and this run was added to it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return {name: getattr(self, name) for name in self.__slots__}

    def text(self) -> str:
        """Return one line."""
        lost = paint(f", {self.lost} could not be stored", "red") if self.lost else ""
        hint = "" if self.frames else ". No step was seen: decorate the agent's functions with @agent_vcr_nb.step"
        added = " (added to the session that was there)" if self.went_on else ""
        return f"recorded {self.session_id}: {counted(self.frames, 'frame')}{added}{lost}{hint}"


def record(place: Place, command: Sequence[str], *, session: str | None = None, tag: Sequence[str] = ()) -> RecordedRun:
    """Run a Python program and record its steps; the exit code is the program's."""
    script = script_of(command)
    install()
    recorder = VCRRecorder(place.directory)
    command_kept = Redactor().arguments(script)  # a program's arguments hold secrets as often as its state does
    went_on = session is not None and session_path(place.directory, session).exists()
    started = recorder.start_session(session, metadata={"command": command_kept}, tags=list(tag))
    if went_on:
        recorder.note(RUN, {"frames": recorder.next_number, "command": command_kept})
    running = set(threading.enumerate())
    code = 0
    try:
        code = _exit_code_of(script, recorder, place.complain or (lambda _text: None))
        wait_for_threads(running)
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        recorder.close()
        uninstall()
    path = place.path(started.session_id)
    return RecordedRun(started.session_id, str(path), len(Recording(path)), recorder.lost, code, went_on)


def _exit_code_of(script: Sequence[str], recorder: VCRRecorder, complain: Callable[[str], None]) -> int:
    """Run a program and return the exit code that Python would end with; what it raised is shown."""
    try:
        with choosing(recorder):
            run_script(script)
    except SystemExit as end:
        if isinstance(end.code, str):
            complain(end.code)
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException as error:  # the program's, so what it had recorded is told all the same
        complain(_traceback(error))
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _traceback(error: BaseException) -> str:
    figures = FrameMetadata()
    note_error(figures, error)
    return printable(figures.traceback or str(error)).rstrip()


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """What `resume` did."""

    session_id: str
    parent: str
    frame: int
    served: tuple[int, ...]
    """Frames of the parent whose steps were not executed again."""
    executed: tuple[str, ...]
    """Steps that ran, in order."""
    edit: list[dict[str, Any]]
    error: str | None
    result: Json
    frames: int
    """Frames of the new session."""
    files: str = ""
    """What was done to the workspace's files first."""

    @property
    def exit_code(self) -> int:
        """1 when the agent failed again."""
        return 1 if self.error else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "served": list(self.served),
            "executed": list(self.executed),
        }

    def text(self) -> str:
        """Return what was served, what ran, and how it ended."""
        lines = [f"{paint(self.session_id, 'bold')}: forked from {self.parent} before frame {self.frame}"]
        lines += [f"  {paint('edit', 'magenta')} {edited(operation)}" for operation in self.edit]
        if self.files:
            lines += ["  files:", *(f"    {line}" for line in self.files.split("\n"))]
        lines.append(
            f"  served from the recording, not executed: {counted(len(self.served), 'step')}{_spans(self.served)}"
        )
        lines.append(f"  executed: {', '.join(self.executed) or 'nothing'}")
        verdict = f"{outcome('error')} {printable(self.error)}" if self.error else outcome("ok")
        lines.append(f"  {verdict}")
        if self.error is None and self.result is not None:
            lines.append(f"  result: {one_line(self.result, 200)}")
        return "\n".join(lines)


def _spans(numbers: Sequence[int]) -> str:
    """Return ``(frames 0-6, 9)``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)
    return f" (frame{'' if len(numbers) == 1 else 's'} {shown})" if shown else ""


def resume_run(
    place: Place,
    session: str | None,
    frame: int,
    *,
    set: Sequence[str] = (),
    patch: str | None = None,
    agent: str | None = None,
    mode: str = "fork",
    mock: Sequence[str] = (),
    skip: Sequence[str] = (),
    volatile: Sequence[str] = (),
    reason: str | None = None,
    new_id: str | None = None,
    files: bool = False,
) -> ResumedRun:
    """Run the agent again from before a frame, on its edited state; earlier steps are not executed.

    With `files` the files of the session's workspace are first brought back to that frame (`vcr undo` takes it back).
    """
    recording = place.player(session).recording
    recording.place(frame)
    overrides, operations = _edit(place, recording, frame, set, patch)
    mocks = dict(pair_of(word, "mock") for word in mock)
    config = ResumeConfig(
        frame,
        new_session_id=new_id,
        state_overrides=overrides,
        mode="mock" if mocks and mode == "fork" else mode,
        inject_mocks=mocks,
        skip_nodes=skip,
        patch=operations,
        reason=reason,
        volatile=volatile,
    )
    install()
    allowed, why = can_resume(Tape(recording, frame), frame)
    if not allowed:
        raise CannotResumeError(f"{recording.session_id} frame {frame} cannot be resumed: {why}")
    runner = find_agent(place, agent, recording, frame)
    told = _files_brought_back(place, recording.session_id, frame) if files else ""
    try:
        recorder = place.recorder(recording.path.parent) if place.recorder else None
        outcome_of = resume(recording, runner, config, recorder)
    except BaseException:
        if told:
            _files_as_they_were(place, recording.session_id)
        raise
    child = VCRPlayer.load(recording.path.parent / f"{outcome_of.session_id}.vcr")
    ran = [s for s in (frame_summary(child, n) for n in range(len(child))) if s["provenance"] in ("live", "edited")]
    parents = {s["parent"] for s in ran}
    error = outcome_of.error
    return ResumedRun(
        outcome_of.session_id,
        recording.session_id,
        frame,
        outcome_of.served,
        tuple(s["name"] for s in ran if s["number"] not in parents),
        child.session.edit,
        f"{type(error).__name__}: {error}" if error else None,
        child.recorded_value(outcome_of.result),
        len(child),
        told,
    )


def _files_brought_back(place: Place, session: str, frame: int) -> str:
    """Roll the files of the session's workspace back to before a frame; returns what was done, in words."""
    from agent_vcr_nb.verbs.files import rollback

    return rollback(place, session, frame).text()


def _files_as_they_were(place: Place, session: str) -> None:
    """Take the rollback back, because nothing was run on it."""
    from agent_vcr_nb.verbs.files import undo

    undo(place, session=session)


@dataclass(frozen=True, slots=True)
class Forked:
    """What `fork` made."""

    session_id: str
    parent: str
    frame: int
    pending: int
    """Number in the new session of the step that has not run; another one where the parent had several processes."""
    edit: list[dict[str, Any]]
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return {name: getattr(self, name) for name in self.__slots__}

    def text(self) -> str:
        """Return what was made and how to run it."""
        lines = [f"{paint(self.session_id, 'bold')}: forked from {self.parent} before frame {self.frame}, not run"]
        lines += [f"  {paint('edit', 'magenta')} {edited(operation)}" for operation in self.edit]
        lines.append(f"  run it with: vcr resume {self.session_id} {self.pending}")
        return "\n".join(lines)


def fork(
    place: Place,
    session: str | None,
    frame: int,
    *,
    set: Sequence[str] = (),
    patch: str | None = None,
    reason: str | None = None,
    new_id: str | None = None,
) -> Forked:
    """Make a session that starts before a frame, with its state edited, and run nothing."""
    recording = place.player(session).recording
    overrides, operations = _edit(place, recording, frame, set, patch)
    child = fork_recording(
        recording.path, frame, new_id, overrides=overrides, patch=operations, reason=reason, pending=True
    )
    session_made, pending = child.get_session(), child.next_number - 1
    child.close()
    edit = session_made.edit if session_made else []
    return Forked(session_made.session_id if session_made else "", recording.session_id, frame, pending, edit)


def _edit(
    place: Place, recording: Recording, frame: int, assignments: Sequence[str], patch_file: str | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the keys that a user sets, and the patch: made in a widget, read from a file, and set by pointers."""
    overrides: dict[str, Any] = {}
    operations: list[dict[str, Any]] = []
    if place.patch is not None:
        operations += [dict(op) for op in place.patch(recording.session_id, frame)]
    if patch_file is not None:
        operations += _patch_from(Path(patch_file))
    tree = recording.state(frame, "input") if assignments else None
    for word in assignments:
        target, value = pair_of(word, "set")
        # A patch is applied after the overrides: where there is one, what the user says last joins it.
        if target.startswith("/") or operations:
            operations.append(setting(tree, target, value))
        else:
            overrides[target] = decode(value)
    return overrides, operations


def _patch_from(path: Path) -> list[dict[str, Any]]:
    try:
        operations = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--patch {path}: {error.strerror}") from error
    except ValueError as error:
        raise EditError(f"--patch {path}: not JSON ({error})") from error
    if not isinstance(operations, list) or not all(isinstance(op, dict) and "op" in op for op in operations):
        raise EditError(
            f'--patch {path}: expected a JSON Patch, such as [{{"op": "replace", "path": "/plan", "value": 1}}]'
        )
    return operations
