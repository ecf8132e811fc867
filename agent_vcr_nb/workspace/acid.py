"""Transactions over the files that an agent writes: begin, savepoint, rollback, commit.

What holds, in the letters of ACID:

* Atomic: a savepoint exists whole or not at all. A rollback or commit that a kill interrupts is finished by the next
  open. While it runs, other processes can see some files old and some new; each file switches in one rename.
* Consistent: after a rollback the tree is read again and compared with the savepoint; not what the files mean.
* Isolated: not inside one shared directory. ``begin(isolated=True)`` gives a directory of its own, merged at commit;
  the first committer wins and a conflict is refused. Ports, databases, other folders and write skew are not covered.
* Durable: a savepoint is flushed to disk before `savepoint` returns, restored files before the journal is cleared.

Covered are regular files up to `max_file_bytes`, links, directories and permission bits. Not covered: what stands in
`Begun.left_out`, sockets and devices, owners, ACLs, mtimes, hard links, and your own ``.git``.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from agent_vcr_nb.core.errors import UsageError, WorkspaceError
from agent_vcr_nb.core.steps import active_recorder
from agent_vcr_nb.workspace.changes import Changes, between
from agent_vcr_nb.workspace.isolation import Committed, Isolated
from agent_vcr_nb.workspace.keeping import KEEP, Collected, Purged, collect, pack_if_many, purge
from agent_vcr_nb.workspace.line import Line, Rollback
from agent_vcr_nb.workspace.merge import Side
from agent_vcr_nb.workspace.places import check_arguments, check_room, check_store, resolve_workspace, store_of
from agent_vcr_nb.workspace.plan import Plan
from agent_vcr_nb.workspace.reports import Begun, Status, status_of
from agent_vcr_nb.workspace.scan import Scope
from agent_vcr_nb.workspace.scope import frozen_scope
from agent_vcr_nb.workspace.store import MAIN, Savepoint, Store
from agent_vcr_nb.workspace.ties import Recorder, Ties, with_frame


class ACIDWorkspace:
    """File transactions in one directory, which need not be a git repository.

    Args:
        workspace_dir: the directory of one project.
        recorder: ties each savepoint to a frame. For automatic savepoints give the workspace to
            ``VCRRecorder(workspace=...)``, or call `attach`.
        store: where savepoints lie; outside the workspace. None: in the user's data folder, see places.store_home.
        leave_out: relative paths that no savepoint covers.
        max_file_bytes: larger files are not covered. None: as in the store, 20 MB in a new one.
        force: accept a mount point and a workspace over the limits of files, bytes and free space.
        dirty_worktree_policy: "allow" is what holds: savepoint 1 has uncommitted work, and `abort` brings it back.

    Raises UnsafeWorkspaceError for a directory that may not be used, UsageError for a policy that does not hold here.
    """

    def __init__(
        self,
        workspace_dir: str | os.PathLike[str],
        recorder: Recorder | None = None,
        *,
        store: str | os.PathLike[str] | None = None,
        leave_out: Iterable[str] = (),
        max_file_bytes: int | None = None,
        force: bool = False,
        dirty_worktree_policy: str = "allow",
        **of_others: object,
    ) -> None:
        check_arguments(dirty_worktree_policy, of_others)
        self.workspace = resolve_workspace(workspace_dir, force=force)
        self.recorder = recorder
        self._store = Store(Path(store).expanduser().resolve() if store else store_of(self.workspace))
        check_store(self._store.path, self.workspace)
        self._leave_out = frozenset(path.strip("/") for path in leave_out)
        self._max_file_bytes = max_file_bytes
        self._force = force
        self._isolated: Isolated | None = None
        self._line: Line | None = None
        self._session: str | None = None
        self._begun: Savepoint | None = None
        self._counted = 0
        self._turn = threading.RLock()
        self._leave: Callable[[], object] = lambda: None

    # -------------------------------------------------------------------------------------------- transactions

    def begin(self, session_id: str | None = None, *, isolated: bool = False) -> Begun:
        """Start a transaction: take a savepoint of the files as they are, uncommitted work included.

        Args:
            session_id: names the transaction, and the recorder's session when it has none yet.
            isolated: work in a directory of its own (`path`) and merge it into the workspace at `commit`. The same
                session id goes on in the directory that a killed process left.

        Raises BusyWorkspaceError while another transaction has the workspace open, UnsafeWorkspaceError when it is too
        large, UsageError when a transaction is under way.
        """
        with self._turn:
            if self._line is not None:
                raise UsageError(f"transaction {self._session} is under way: commit or abort it first")
            session = self._name_session(session_id)
            with self._store.creating():
                scope = self._scope()
            if isolated:
                self._isolated = Isolated(self.workspace, self._store, scope, session)
                self._isolated.begin()
                line = self._isolated.line
            else:
                line = Line(self.workspace, self._store, MAIN, scope)
                line.open()
            try:
                survey = line.scanner.survey()
                if not self._force:
                    check_room(line.root, self._store.path, survey.files, survey.unread_bytes)
                first = line.find(2) if isolated else line.savepoint("begin", label=session, session=session)
                assert first is not None
            except BaseException:
                line.close()
                self._isolated = None
                raise
            self._session, self._begun, self._counted = session, first, 0
            self._hold(line)
            return Begun(session, line.root, first, survey.left_out, line.recovered)

    def _hold(self, line: Line) -> None:
        self._line, self._ties = line, Ties(line.folder / "frames.jsonl")
        self._ties.read()
        self._leave = weakref.finalize(self, line.close)
        _active[self] = None

    @contextlib.contextmanager
    def visit(self) -> Iterator[ACIDWorkspace]:
        """Open the workspace for one rollback or undo from outside a transaction; joins the one under way here.

        Takes no savepoint of its own. Raises WorkspaceError where no transaction was ever begun, BusyWorkspaceError
        while another process has one.
        """
        with self._turn:
            if self._line is not None:
                yield self
                return
            line = self._looking()
            line.open()
            self._hold(line)
            try:
                yield self
            finally:
                self._end()

    def _name_session(self, session_id: str | None) -> str:
        if self.recorder is not None:
            session = self.recorder.get_session() or self.recorder.start_session(session_id)
            return session_id or session.session_id
        return session_id or time.strftime("tx-%Y%m%d-%H%M%S") + f"-{os.urandom(2).hex()}"

    def _scope(self) -> Scope:
        return frozen_scope(
            self._store, self.workspace, leave_out=self._leave_out, max_file_bytes=self._max_file_bytes,
            recordings=None if self.recorder is None else Path(self.recorder.output_dir),
        )  # fmt: skip

    def savepoint(
        self, state: Mapping[str, Any] | None = None, node_name: str | None = None, *, label: str = ""
    ) -> Savepoint:
        """Store the files as they are now, and `state` as a checkpoint frame of the recording.

        The frame names savepoint and commit in its metadata. Without a recorder savepoints count as frames 0, 1, 2.
        Raises UsageError outside a transaction, WorkspaceError when the files could not be stored: no frame then.
        """
        with self._turn:
            line = self._open_line()
            made = line.savepoint("savepoint", label=label, session=self._session, node=node_name)
            assert made is not None
            if self.recorder is None:
                session, frame = str(self._session), self._counted
            else:
                told = {"savepoint": made.number, "commit": made.commit, "workspace": str(line.root)}
                recorded = self.recorder.record_checkpoint(
                    dict(state or {}), label=label or node_name or f"savepoint {made.number}", node_name=node_name,
                    metadata=told,
                )  # fmt: skip
                session, frame = recorded.session_id, recorded.number
            self._counted += 1
            self._ties.tie(session, frame, made.number, self._recordings())
            return with_frame(made, self._ties)

    def rollback(
        self, to_frame_index: int | None = None, *, savepoint: int | None = None, session: str | None = None
    ) -> Rollback:
        """Make the files what they were at a frame of this session (or of `session`), or at a savepoint.

        A checkpoint frame means the files when it was recorded; any other frame the files before it ran. What is on
        disk now goes into a safety savepoint first. Raises UsageError for a frame without a savepoint, ConflictError
        when files stand in the way or were written meanwhile (see Line.rollback).
        """
        with self._turn:
            line = self._open_line()
            return line.rollback(line.find(self._number(to_frame_index, savepoint, session)))

    def preview(
        self, to_frame_index: int | None = None, *, savepoint: int | None = None, session: str | None = None
    ) -> Plan:
        """Return exactly what `rollback` would do now, without doing it."""
        with self._turn:
            line = self._line or self._looking()
            return line.preview(line.find(self._number(to_frame_index, savepoint, session)))

    def undo(self) -> Rollback:
        """Take back the last rollback, commit or abort; once more, and it is back again."""
        with self._turn:
            return self._open_line().undo()

    def commit(self, *, take: Side | Mapping[str, Side] | None = None) -> Committed:
        """End the transaction and keep its files; an isolated one is merged into the workspace.

        Raises MergeConflictError when the workspace has changed the same lines since; nothing is touched then and the
        transaction goes on. Its ``versions`` hold both contents. To decide, edit the files in `path` and commit again
        with `take`: "mine" for these files as they are then, "workspace" for the others', or a side for each path.
        """
        with self._turn:
            line = self._open_line()
            if take is not None and self._isolated is None:
                raise UsageError("take decides conflicts of an isolated transaction; this one works in the workspace")
            label = f"commit of {self._session}"
            if self._isolated is not None:
                done = self._isolated.commit(label, take)
            else:
                made = line.savepoint("commit", label=label, session=self._session)
                assert made is not None
                done = Committed(made, (), {})
                pack_if_many(line)
            self._end()
            return done

    def abort(self) -> Rollback | None:
        """End the transaction and put the files back as they were at `begin`; `undo` can take that back.

        An isolated transaction leaves the workspace alone: its directory is removed and None returned.
        """
        with self._turn:
            line = self._open_line()
            done = None
            if self._isolated is not None:
                line.savepoint("safety", label=f"before abort of {self._session}")
                self._isolated.end()
            else:
                assert self._begun is not None
                done = line.rollback(self._begun, label=f"before abort of {self._session}")
            self._end()
            return done

    def gc(self, *, keep: int = KEEP, dry_run: bool = False) -> Collected:
        """Give up all but the newest `keep` savepoints and free their room (see keeping.collect)."""
        with self.visit():
            return collect(self._open_line(), keep=keep, dry_run=dry_run)

    def purge(self, *paths: str, text: str | None = None) -> Purged:
        """Remove files from all savepoints for good, by path or by a text in them; the workspace keeps its own."""
        with self.visit():
            return purge(self._open_line(), paths=paths, text=text)

    def close(self) -> None:
        """End the transaction without a savepoint: files and savepoints stay as they are."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        self._leave()
        self._line = self._isolated = self._session = self._begun = None
        _active.pop(self, None)

    def __enter__(self) -> ACIDWorkspace:
        if self._line is None:
            self.begin()
        return self

    def __exit__(self, kind: object, *exc_info: object) -> Literal[False]:
        if self._line is not None:
            if kind is None:
                self.commit()
            else:
                self.abort()
        return False

    # -------------------------------------------------------------------------------------------- looking

    @property
    def path(self) -> Path:
        """The directory to work in."""
        return self.workspace if self._line is None else self._line.root

    @property
    def store(self) -> Path:
        """Where the savepoints lie."""
        return self._store.path

    @property
    def active(self) -> bool:
        """True between `begin` and `commit` or `abort`."""
        return self._line is not None

    def savepoints(self) -> list[Savepoint]:
        """Return all savepoints, oldest first, of this transaction and of earlier ones."""
        with self._turn:
            line = self._line or self._looking()
            ties = self._read_ties()
            return [with_frame(one, ties) for one in line.savepoints.values()]

    def knows(self, session: str, recordings: Path) -> bool:
        """Tell whether a frame of the session of this name in this folder of recordings is tied to a savepoint."""
        return self._read_ties().holds(session, recordings) or (self.active and session == self._session)

    def _recordings(self) -> Path | None:
        """Return the folder of the session that frames are recorded into now."""
        recorder = self.recorder or active_recorder()
        return None if recorder is None else Path(recorder.output_dir)

    def status(self) -> Status:
        """Return how the workspace stands: transaction, savepoints, and what has changed since the latest."""
        with self._turn:
            line = self._line or self._looking()
            return status_of(line, self._session, isolated=self._isolated is not None)

    def changes(self, first: int, second: int | None = None) -> Changes:
        """Return what changed in the files between two savepoints; with one, since the one before it."""
        with self._turn:
            return between(self._line or self._looking(), first, second)

    # -------------------------------------------------------------------------------------------- with the recorder

    def attach(self, recorder: Any) -> None:
        """Take a savepoint before each frame of the recorder that finds changed files."""
        self.recorder = recorder
        recorder.workspace = self

    def before_frame(self, key: str, number: int) -> None:
        """Tie the frame that is about to run to a savepoint of the files as they are; the recorder calls this.

        Only when files have changed a savepoint is written: otherwise the cost is one walk that reads no file. The
        first call begins a transaction when there is none.
        """
        with self._turn:
            if self._line is None:
                self.begin(self._recorded_session())
            line = self._open_line()
            latest = line.latest
            assert latest is not None
            then = line.manifest(latest)
            session = str(self._recorded_session())
            made = line.savepoint("auto", label=key, session=session, frame=number, unless=then.same_as)
            self._ties.tie(session, number, (made or latest).number, self._recordings())

    def after_frame(self, number: int) -> None:
        """Do nothing: what a frame wrote is found by the next `before_frame`, rollback or commit."""

    def _recorded_session(self) -> str | None:
        """Return the session that frames are recorded into now; without a recorder the transaction's name."""
        recorder = self.recorder or active_recorder()
        session = None if recorder is None else recorder.get_session()
        return self._session if session is None else session.session_id

    # -------------------------------------------------------------------------------------------- inside

    def _open_line(self) -> Line:
        if self._line is None:
            raise UsageError(f"no transaction in {self.workspace}: call begin() first")
        self._line.recover()  # an operation of this process may have been interrupted by Ctrl-C
        return self._line

    def _looking(self) -> Line:
        """Return a line for reading only; it takes no lock."""
        if not self._store.path.is_dir():
            raise WorkspaceError(f"{self.workspace} has no savepoints yet: call begin() first")
        with self._store.creating():
            line = Line(self.workspace, self._store, MAIN, self._scope())
        line.read()
        return line

    def _read_ties(self) -> Ties:
        if self._line is None:
            self._ties = Ties(self._store.line_folder(MAIN) / "frames.jsonl")
            self._ties.read()
        return self._ties

    def _number(self, frame: int | None, savepoint: int | None, session: str | None) -> int:
        if frame is not None and savepoint is None:
            return self._read_ties().need(session or str(self._recorded_session()), frame)
        if frame is not None or savepoint is None:
            raise UsageError("say where to go back to: a frame number or savepoint=N, one of them")
        return savepoint


_active: weakref.WeakKeyDictionary[ACIDWorkspace, None] = weakref.WeakKeyDictionary()


def active_workspaces() -> list[ACIDWorkspace]:
    """Return the workspaces of this process with a transaction under way."""
    return [known for known in _active if known.active]
