"""The file of a session: JSON lines that are only ever appended, each in one write and with a checksum.

A line is ``{"type": ..., "data": {...}, "crc": "8 hex digits"}`` and a newline; the checksum is CRC-32 of the line
without its ``crc`` member. What was written when `Journal.append` returns survives a ``kill -9`` of the process. A torn
tail is closed with a newline by the next writer, never cut off: a reader may be looking at it.

One writer has the file for its life. A second writer of the same session gets a *segment*, ``<id>~1.vcr``, and so
does a forked child; readers merge the segments.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import sys
import time
import weakref
import zlib
from pathlib import Path
from typing import Any, Literal, TypeAlias

import orjson

from agent_vcr_nb.core.encoding import BLOB_CHARS, TAG, Json
from agent_vcr_nb.core.errors import RecordingError, UsageError

if sys.platform != "win32":
    import fcntl
else:
    fcntl = None

SCHEMA = "execution/v2"
SUFFIX = ".vcr"
MAX_LINE = 256 << 20
"""A longer line is listed as damaged and not parsed."""

Durability: TypeAlias = Literal["process", "frame"]
"""``process``: survives the death of the process. ``frame``: written through to the disk, survives a power cut."""

_ASKED_TIMES = 100
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_WINDOWS_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(1, 10))}


def check_session_id(session_id: str) -> str:
    """Return `session_id` if it can be a file name anywhere; raises UsageError that says what it may be."""
    ok = _SESSION_ID.fullmatch(str(session_id)) and ".." not in session_id
    if not ok or session_id.endswith(".") or session_id.split(".")[0].upper() in _WINDOWS_DEVICES:
        raise UsageError(
            f"session id {session_id!r}: expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, "
            "no '..' and no device name. Choose another id."
        )
    return session_id


def session_path(directory: Path, session_id: str, segment: int = 0) -> Path:
    """Return the file of a session, or of one of its segments."""
    return directory / f"{check_session_id(session_id)}{f'~{segment}' if segment else ''}{SUFFIX}"


def blob_directory(directory: Path, session_id: str) -> Path:
    """Return the folder of a session's long strings."""
    return directory / f"{session_id}.blobs"


def blob_tag(text: str) -> dict[str, Any]:
    """Return what stands in the line for a long string."""
    return {TAG: "blob", "sha256": hashlib.sha256(text.encode()).hexdigest(), "chars": len(text)}


def make_line(kind: str, data: dict[str, Any]) -> bytes:
    """Return one line of the file; values of `data` may be `orjson.Fragment`."""
    raw = orjson.dumps({"type": kind, "data": data}, default=str)
    return _sealed(raw)


def _sealed(raw: bytes) -> bytes:
    if b"\xe2\x80" in raw:
        # U+2028 and U+2029 end a line for JavaScript and for str.splitlines().
        raw = raw.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return b'%b,"crc":"%08x"}\n' % (raw[:-1], zlib.crc32(raw))


def line_is_whole(line: bytes) -> bool | None:
    """Tell whether a line (without its newline) is as it was written; None for a line that carries no checksum."""
    cut = line.rfind(b',"crc":"')
    if cut < 0 or not line.endswith(b'"}'):
        return None
    return b"%08x" % zlib.crc32(line[:cut] + b"}") == line[cut + 8 : -2]


class Journal:
    """Appends lines to the file of one session.

    Args:
        directory: where sessions lie; made with mode 0700 when missing.
        session_id: see `check_session_id`.
        header: data of the ``session`` line, written when the file is new.
        durability: see `Durability`.

    Raises UsageError for a bad id or a symbolic link in its place, OSError when the file cannot be opened,
    RecordingError when what has that name was not written by this format.
    """

    def __init__(
        self, directory: Path, session_id: str, header: dict[str, Any], durability: Durability = "process"
    ) -> None:
        check_session_id(session_id)
        self.directory, self.session_id = Path(directory), session_id
        self._header, self._durability = header, durability
        self.continued = False
        """True when the file already held a session, which is now continued."""
        self.segment = 0
        self.sync_error: OSError | None = None
        """Why the last line, which is written, may not survive a power cut; None when nothing is known against it."""
        self._torn = False
        self._forked = False
        self._lock: Any = None
        self._fd = -1
        _close_in_this_process(session_path(self.directory, session_id))
        self._open(header)
        _open_journals.add(self)

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return Path(self._path)

    def _open(self, header: dict[str, Any]) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.segment = 0
        # Kept as text: it is looked at for every line, and building a Path takes longer than the look.
        self._path = str(session_path(self.directory, self.session_id))
        while not self._take(self._path) or (self._forked and not self._is_empty()):
            self.segment += 1
            self._path = str(session_path(self.directory, self.session_id, self.segment))
        state = os.fstat(self._fd)
        self._inode = state.st_ino
        self._torn = False
        self.continued = state.st_size > 0 and self._holds_session(state.st_size)
        if not self.continued:
            self.append("session", {**header, "segment": self.segment} if self.segment else header)

    def _take(self, path: str) -> bool:
        """Open `path` and become its only writer, or return False because somebody else is."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        # Not blocking: a named pipe in the file's place must not halt the agent.
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            fd = os.open(path, flags, 0o600)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UsageError(f"{path} is a symbolic link, which is not written through: remove it") from error
            raise
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            os.close(fd)
            raise UsageError(f"{path} is no regular file, so it is not recorded into: choose another session id")
        if fcntl is not None:
            # flock, not lockf: with lockf any close of the file in this process, by a reader, would drop the lock.
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not _take_after_askers(fd):
                    os.close(fd)
                    return False
            except OSError:
                # A file system without locks: only a file that nobody has written to is certainly ours.
                if state.st_size:
                    os.close(fd)
                    return False
        else:
            import filelock

            self._lock = filelock.FileLock(f"{path}.lock")
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                os.close(fd)
                return False
        self._fd = fd
        return True

    def _is_empty(self) -> bool:
        """A forked process numbers on from its parent, so it cannot go on in the file of another process."""
        if os.fstat(self._fd).st_size == 0:
            return True
        self.close()
        return False

    def _holds_session(self, size: int) -> bool:
        """Tell whether the file has a session to go on with, or no more than the beginning of a header."""
        with open(self.path, "rb") as file:
            head = file.read(4096)
            file.seek(size - 1)
            self._torn = file.read(1) != b"\n"
        if self._torn and b"\n" not in head and size < len(head) + 1 and b'{"type":"session"'.startswith(head[:17]):
            return False
        if not head.startswith(b'{"type":"session"') and b'"frame"' not in head and b'"start"' not in head:
            self.close()
            raise RecordingError(
                f"{self.path} is no recording of this format, so it is not continued. Choose another session id, or "
                f"convert it with: vcr import {self.path}"
            )
        return True

    def append(self, kind: str, data: dict[str, Any]) -> None:
        """Write one line; raises OSError when it could not be written whole: the next line then starts on its own."""
        line = make_line(kind, data)
        self._write(b"\n" + line if self._torn else line)
        self._torn = False

    def renew_if_gone(self, number: int = 0) -> bool:
        """Begin the file anew where it was deleted or replaced, or belongs to the process this one was forked from.

        Returns True when it did: what was written before can then not be referred to. `number` of the next frame is
        told in the new header, with the segment in which those before it were written.
        """
        if self._fd >= 0:
            try:
                if os.stat(self._path).st_ino == self._inode:
                    return False
            except FileNotFoundError:
                pass
        came_from = self.segment
        if self._lock is not None:
            self.close()
        # The old file is let go of last: who follows the session sees it held by somebody at every moment.
        old, self._fd = self._fd, -1
        try:
            self._open({**self._header, "first": number, "after_segment": came_from})
        finally:
            if old >= 0:
                os.close(old)
        return True

    def _write(self, line: bytes) -> None:
        rest: Any = line
        try:
            while rest:
                try:
                    written = os.write(self._fd, rest)
                except InterruptedError:
                    continue
                if written == len(rest):
                    break
                if written <= 0:
                    raise OSError(errno.EIO, "nothing could be written", self._path)
                rest = memoryview(rest)[written:]
        except BaseException:
            # Some bytes may have arrived. Cutting them off could pull the ground from under a reader.
            self._torn = True
            raise
        if self._durability == "frame":
            try:
                (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(self._fd)
            except OSError as error:
                # The line is in the file, so it counts; a second try would report what the kernel has given up.
                self.sync_error = error

    def to_blob(self, tree: Json) -> Json:
        """Return `tree` with each string of more than 64 k characters moved to a file of its own."""
        kind = type(tree)
        if kind is str and len(tree) > BLOB_CHARS:
            return self._save_blob(tree)
        if kind is dict:
            return {key: self.to_blob(item) for key, item in tree.items()}
        if kind is list:
            return [self.to_blob(item) for item in tree]
        return tree

    def _save_blob(self, text: str) -> Json:
        tag = blob_tag(text)
        digest = tag["sha256"]
        folder = blob_directory(self.directory, self.session_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link, which is not written through", str(folder))
        target = folder / digest
        if not target.exists():
            temporary = folder / f"{digest}.{os.getpid()}.part"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            fd = os.open(temporary, flags, 0o600)
            with open(fd, "wb") as file:
                file.write(text.encode())
                if self._durability == "frame":
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        return tag

    def close(self) -> None:
        """Give the file back; what was written stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def leave_to_parent(self) -> None:
        """In a forked child: let go of the parent's file without unlocking it; the next line opens an own one."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
        self._forked = True


def is_being_written(path: Path) -> bool:
    """Tell whether a process holds the session open for writing; False where locks cannot be asked about."""
    with open(path, "rb") as file:
        return bool(is_held(file.fileno()))


def is_held(fd: int) -> bool | None:
    """Tell whether a process holds an open file for writing, also one that was deleted; None where nobody knows."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    except OSError:
        return None  # a file system without locks
    return False


def is_held_here(fd: int) -> bool:
    """Tell whether a recorder of this very process holds an open file for writing."""
    return any(journal._fd >= 0 and os.path.sameopenfile(journal._fd, fd) for journal in list(_open_journals))


def _take_after_askers(fd: int) -> bool:
    """Lock a file that another has locked, where that is only `is_held` asking, which takes an instant."""
    for _ in range(_ASKED_TIMES):
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # a writer
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.001)
    return False


_open_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _close_in_this_process(path: Path) -> None:
    """A cell that is run again makes a new recorder while the old one may still be referred to: the new one wins."""
    for journal in list(_open_journals):
        if journal._fd >= 0 and journal._path == str(path):
            journal.close()


def _after_fork_in_child() -> None:
    for journal in list(_open_journals):
        journal.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
