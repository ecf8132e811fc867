"""Imports recordings of other programs as sessions: to look at, compare and query.

Each file is known by its content. What is damaged is named by file and place, and what was readable is kept. A file
that was imported before is not imported again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import ImportFormatError, RecordingError, UsageError
from agent_vcr_nb.core.journal import check_session_id, session_path
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.steps import choosing
from agent_vcr_nb.integrations.importers import (
    Document,
    ImportedSession,
    importer,
    open_document,
    what_it_looks_like,
)
from agent_vcr_nb.integrations.importers.common import Remarks, clean_name, session_id_of, showable
from agent_vcr_nb.verbs.alone import alone_in
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.text import counted

WHY_NOT_RESUMABLE = "it was imported: to look at, compare and query, without an agent that could go on"
MAX_HEADER_BYTES = 64 << 10
"""Metadata of one session; a list of sessions reads the header of each."""
MAX_TAGS = 20
MAX_TAG = 100
_TAIL_BYTES = 4096
"""The line that ends a session is shorter."""
MAX_COMPARED_BYTES = 64 << 30
"""States of one session together, as JSON: ten thousand turns of a chat, some minutes of work at most."""
_MEASURED_EVERY = 50
MAX_SIBLINGS = 1000
"""Sessions of one name; more are taken for a mistake."""


@dataclass(frozen=True, slots=True)
class SessionReport:
    """One session of an imported file."""

    session_id: str
    frames: int
    existed: bool
    """True when the same file had been imported before: nothing was written."""
    left_out: tuple[str, ...] = ()
    resumable: int = 0
    """How many frames can be resumed at."""
    why_not_resumable: str = WHY_NOT_RESUMABLE

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__} | {"left_out": list(self.left_out)}


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file that was to be imported."""

    path: str
    format: str | None = None
    """None when it is of no known format."""
    sessions: tuple[SessionReport, ...] = ()
    problems: tuple[str, ...] = ()
    """What is damaged, each with its place."""
    skipped: str | None = None
    """Why nothing was imported although nothing is damaged."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "path": self.path,
            "format": self.format,
            "sessions": [session.to_dict() for session in self.sessions],
            "problems": list(self.problems),
            "skipped": self.skipped,
        }

    def lines(self) -> Iterator[str]:
        """Return what a terminal shows of the file."""
        shown = f"{self.path}: {self.format or 'not imported'}"
        yield shown if self.skipped is None else f"{self.path}: nothing imported: {self.skipped}"
        for session in self.sessions:
            had = ": imported before, nothing written (replace=True, --force: write it anew)" if session.existed else ""
            yield f"  {session.session_id}: {counted(session.frames, 'frame')}{had}"
            yield from (f"    left out: {remark}" for remark in session.left_out)
        yield from (f"  damaged: {problem}" for problem in self.problems)
        if self.problems and self.sessions:
            yield "  what was readable is kept"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of an import."""

    directory: str
    files: tuple[FileReport, ...]

    @property
    def exit_code(self) -> int:
        """3 when any file was damaged, although what was readable of it is kept."""
        return 3 if self.errors else 0

    @property
    def errors(self) -> tuple[ImportFormatError, ...]:
        """An error for each damaged file."""
        return tuple(_error_of(file) for file in self.files if file.problems)

    @property
    def sessions(self) -> tuple[SessionReport, ...]:
        """All sessions, in the order of the files."""
        return tuple(session for file in self.files for session in file.sessions)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {"directory": self.directory, "files": [file.to_dict() for file in self.files]}

    def text(self) -> str:
        """Return a paragraph a file, and a line about the whole."""
        lines = [line for file in self.files for line in file.lines()]
        new = [session for session in self.sessions if not session.existed]
        frames = sum(session.frames for session in new)
        lines.append(f"{counted(len(new), 'session')} with {counted(frames, 'frame')} written to {self.directory}")
        if self.sessions:
            lines.append(f"frames that can be resumed: none; {WHY_NOT_RESUMABLE}")
        return "\n".join(_printable(line) for line in lines)


def import_recordings(
    paths: Sequence[Path],
    directory: Path,
    *,
    format: str | None = None,
    session_id: str | None = None,
    replace: bool = False,
) -> ImportReport:
    """Import files, and the files in folders, as sessions in `directory`; secrets are redacted.

    A session whose file was imported before is reported and not written again; with `replace` it is written anew under
    a new id, and the old one stays. `session_id` names the session instead of a name made from the file; the second and
    later sessions of a file get ``-2`` and so on.

    Raises UsageError for a path that does not exist, an unknown format or a bad id; ImportFormatError when no session
    could be made of anything that was given. A file that is damaged in part is in the report with its ``problems``.
    """
    if session_id is not None:
        check_session_id(session_id)
        if len(paths) != 1 or Path(paths[0]).is_dir():
            raise UsageError("a session id names the session of one file: give one file, or no id")
    for path in map(Path, paths):
        if not path.is_dir() and not path.is_file():
            raise UsageError(f"{path}: {'no regular file' if path.exists() else 'no such file or folder'}")
    importing = _Import(Path(directory), format, session_id, replace)
    with alone_in(Path(directory)):
        for path in map(Path, paths):
            for file in _files_in(path) if path.is_dir() else [path]:
                importing.file(file, named=file is path)
    report = ImportReport(str(directory), tuple(importing.reports))
    if report.errors and not report.sessions:
        raise ImportFormatError("\n".join(str(error) for error in report.errors))
    return report


def import_files(
    place: Place,
    files: Sequence[str],
    *,
    format: str | None = None,
    session: str | None = None,
    force: bool = False,
) -> ImportReport:
    """Do `import_recordings` into the folder of sessions."""
    return import_recordings(
        [Path(file) for file in files], place.directory, format=format, session_id=session, replace=force
    )


def _error_of(file: FileReport) -> ImportFormatError:
    shown = "; ".join(line for line in file.problems[:3])
    more = f" (and {len(file.problems) - 3} more)" if len(file.problems) > 3 else ""
    frames = sum(session.frames for session in file.sessions)
    kept = f". {counted(frames, 'frame')} could be read" if file.sessions else ""
    return ImportFormatError(f"{file.path}: {shown}{more}{kept}")


def _files_in(folder: Path) -> list[Path]:
    """Return the files below a folder in a fixed order; links are not followed, hidden ones not looked at."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@dataclass(slots=True)
class _Import:
    """An import while it goes on."""

    directory: Path
    format: str | None
    session_id: str | None
    replace: bool
    reports: list[FileReport] = field(default_factory=list)

    def file(self, path: Path, *, named: bool) -> None:
        """Import one file; what is wrong with it goes to its report, so that the others are imported too.

        A file that was not `named` but found in a folder may be anything: of no known format, it is passed over.
        """
        try:
            if not named and not what_it_looks_like(path):
                return
            document = open_document(path)
            with contextlib.closing(document):
                self._document(path, document, named)
        except ImportFormatError as error:
            self.reports.append(FileReport(showable(str(path)), self.format, problems=(_without_path(error, path),)))
            return
        except OSError as error:
            self.reports.append(
                FileReport(showable(str(path)), problems=(f"cannot be read: {error.strerror or error}",))
            )
            return

    def _document(self, path: Path, document: Document, named: bool) -> None:
        try:
            name, module = importer(document, self.format)
        except ImportFormatError as error:
            if named:
                raise
            reason = _without_path(error, path).partition(";")[0]
            self.reports.append(FileReport(showable(str(path)), skipped=reason))
            return
        digest = _digest(path)
        sessions = [self._session(path, name, digest, run, n) for n, run in enumerate(module.sessions(document))]
        written = tuple(session for session in sessions if session is not None)
        skipped = None if written or document.problems else "it holds no turns"
        self.reports.append(FileReport(showable(str(path)), name, written, document.problems.lines(), skipped))

    def _session(self, path: Path, name: str, digest: str, run: ImportedSession, place: int) -> SessionReport | None:
        wanted = session_id_of(run.name)
        if self.session_id is not None:
            wanted = self.session_id if place == 0 else f"{self.session_id[:120]}-{place + 1}"
        origin = f"{digest}:{place}"
        session_id, existing = self._free_id(wanted, origin)
        if existing is not None:
            return SessionReport(session_id, len(existing), True)
        header = {
            **_fitting(run.metadata, run.left_out),
            "imported_from": name,
            "source": path.name[:200],
            "source_digest": origin,
        }
        frames, lost = self._write(session_id, run, header)
        if not frames:
            return None
        return SessionReport(session_id, frames, False, (*run.left_out.lines(), *lost))

    def _write(self, session_id: str, run: ImportedSession, header: dict[str, Any]) -> tuple[int, list[str]]:
        """Record the frames of a run; a file is made when there is a first one."""
        recorder = VCRRecorder(self.directory, ambient=False)
        written, work = 0, _Work()
        with choosing(recorder), contextlib.closing(recorder):
            for frame in run.frames:
                if not recorder.recording:
                    self._start(recorder, session_id, run, header)
                recorder.record_past(
                    clean_name(frame.name),
                    frame.input_state,
                    frame.output_state,
                    frame.metadata,
                    frame.frame_type,
                    when=frame.when,
                    parent=frame.parent,
                )
                written += 1
                if work.exceeded_by(frame.input_state):
                    run.left_out.add(f"turns after frame {written - 1}: the state is too large to go on for so long")
                    break
        return written - recorder.lost, [f"a frame that could not be stored: {why}" for why in recorder.problems]

    def _start(self, recorder: VCRRecorder, session_id: str, run: ImportedSession, header: dict[str, Any]) -> None:
        try:
            recorder.start_session(
                session_id,
                metadata=header,
                tags=[tag[:MAX_TAG] for tag in run.tags[:MAX_TAGS]],
                parent_session_id=session_id_of(run.parent_session_id) if run.parent_session_id else None,
                forked_from_frame=run.forked_from_frame,
            )
        except OSError as error:
            raise UsageError(f"{self.directory}: cannot be written: {error.strerror or error}") from error

    def _free_id(self, wanted: str, origin: str) -> tuple[str, Recording | None]:
        """Return an id for a session, or the one that holds it already."""
        candidates = [wanted, *(f"{wanted[:120]}-{number}" for number in range(2, MAX_SIBLINGS))]
        free = next((name for name in candidates if not session_path(self.directory, name).exists()), None)
        if free is None:
            raise UsageError(f"{self.directory} has {MAX_SIBLINGS} sessions named {wanted}: choose another folder")
        taken = candidates[: candidates.index(free)]
        for name in [] if self.replace else taken:
            there = _origin_of(session_path(self.directory, name))
            if there is not None and there[0] == origin:
                return name, there[1]
        if taken and self.session_id is not None and not self.replace:
            raise UsageError(
                f"session {wanted!r} exists in {self.directory}: choose another id, or replace=True (--force)"
            )
        return free, None


class _Work:
    """How much the recorder has compared: each state with the one before it, so a long run of large ones never ends."""

    def __init__(self) -> None:
        self._frames = 0
        self._bytes = 0
        self._size = 0

    def exceeded_by(self, state: dict[str, Any]) -> bool:
        """Count a state, whose size is measured now and then; True when there is no end in sight."""
        if self._frames % _MEASURED_EVERY == 0:
            self._size = len(json.dumps(state, default=str))
        self._frames += 1
        self._bytes += self._size
        return self._bytes > MAX_COMPARED_BYTES


def _fitting(metadata: dict[str, Any], left_out: Remarks) -> dict[str, Any]:
    """Return the metadata that fit into a header, the smaller ones first; the others are remarked on."""
    sizes = {key: len(json.dumps(value, default=str)) for key, value in metadata.items()}
    kept, room = set(), MAX_HEADER_BYTES
    for key in sorted(sizes, key=sizes.__getitem__):
        if sizes[key] <= room:
            kept.add(key)
            room -= sizes[key]
        else:
            left_out.add(f"{key}: {sizes[key]:,} bytes of metadata, more than a header takes")
    return {key: value for key, value in metadata.items() if key in kept}


def _origin_of(path: Path) -> tuple[str, Recording] | None:
    """Return what a session was imported from, and the session; None for one that is not whole."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        if not file.read().rpartition(b"\n{")[2].startswith(b'"type":"end"'):
            return None  # the import was cut short
    try:
        recording = Recording(path)
    except RecordingError:
        return None
    return str((recording.header.get("metadata") or {}).get("source_digest")), recording


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_path(error: ImportFormatError, path: Path) -> str:
    return showable(str(error).removeprefix(f"{path}: "))
