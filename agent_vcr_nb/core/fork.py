"""Child sessions: their names, and a fork that is made without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.edit import StateEdit
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.journal import session_path
from agent_vcr_nb.core.processes import header_beside, lines_beside
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.tape import Tape

RUN = "run"
"""Kind of the line with which another run of a program begins in a session: its command, and the frames before it."""


def free_fork_id(directory: Path, parent: str) -> str:
    """Return the first of ``<parent>-fork1``, ``-fork2`` … that no session has."""
    stem = parent[:110]
    number = 1
    while session_path(directory, f"{stem}-fork{number}").exists():
        number += 1
    return f"{stem}-fork{number}"


def fork_id(directory: Path, parent: str, wanted: str | None) -> str:
    """Return the id of a new fork; raises UsageError where a session has the `wanted` one, for it would be added to."""
    if wanted is None:
        return free_fork_id(directory, parent)
    if session_path(directory, wanted).exists():
        raise UsageError(f"a session {wanted!r} exists already in {directory}: choose another id for the fork")
    return wanted


def command_at(recording: Recording, frame: int) -> list[str]:
    """Return the command that recorded a frame; empty where no `vcr record` did. A session may hold several runs."""
    command = (header_beside(recording, frame).get("metadata") or {}).get("command") or []
    for line in lines_beside(recording, RUN, frame if frame < len(recording) else None):
        if int(line["frames"]) <= frame:
            command = line["command"]
    return [str(word) for word in command]


def inherited_metadata(recording: Recording, frame: int) -> dict[str, Any]:
    """Return what the header of a fork before `frame` takes over: how to run the agent again, where it is told."""
    command = (header_beside(recording, frame).get("metadata") or {}).get("command")
    return {"command": command} if command else {}


def copy_before(recorder: VCRRecorder, tape: Tape, target: int) -> None:
    """Write the frames before `target` into the recorder's session as replayed, under their own keys."""
    for line in tape.lines(RUN):
        if int(line["frames"]) <= target:
            recorder.note(RUN, line)
    wanted = [number for number in range(target) if tape.heads[number] is not None]
    unfinished = [number for number in wanted if not tape.ended_before(number, target)]
    recorder.copy_frames(tape, wanted, tape.key, unfinished=unfinished)
    recorder.copy_drawn_outside(tape, target)
    for number in wanted:
        name, _, occurrence = tape.key(number).rpartition("#")
        if "/" not in name and occurrence.isdigit():
            recorder.occurred(name, int(occurrence))


def fork_recording(
    path: Path,
    from_frame: int,
    new_session_id: str | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    patch: Sequence[Mapping[str, Any]] = (),
    reason: str | None = None,
    recorder: VCRRecorder | None = None,
    pending: bool = False,
) -> VCRRecorder:
    """Return a recorder of a new session that starts before `from_frame` of a recording, in the same folder.

    The frames before it are in the new session, replayed. ``fork_state`` of the recorder is the edited input state:
    run the rest of the agent on it. `recorder` gives the options of the new one. With `pending` the frame itself is
    in the new session as a step that has not run, so that the session can be resumed there later. Raises UsageError
    for an id that is taken, FrameNotFoundError, EditError, and CannotResumeError where the state holds something that
    could not be stored.
    """
    tape = Tape(Recording(path), from_frame)
    tape.recording.place(from_frame)
    edit = StateEdit(overrides or {}, patch)
    operations = tape.inherited_edit(from_frame)
    operations += edit.as_patch(tape.recording.state(from_frame, "input")) if edit else []
    tape.supplied = overrides or {}
    state = edit.apply(tape.input(from_frame))
    child_id = fork_id(path.parent, tape.session_id, new_session_id)
    child = VCRRecorder(path.parent, on_frame_recorded=recorder.on_frame_recorded if recorder else None)
    child.start_session(
        child_id,
        parent_session_id=tape.session_id,
        forked_from_frame=from_frame,
        metadata=inherited_metadata(tape.recording, from_frame),
        edit=operations,
        reason=reason,
    )
    copy_before(child, tape, from_frame)
    if pending:
        child.pend(tape, from_frame, state, operations)
    child.fork_state = state
    return child
