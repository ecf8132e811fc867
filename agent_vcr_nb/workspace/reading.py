"""Reads one file of a workspace: never through a link, and telling whether somebody can have been writing it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import stat
from pathlib import Path
from typing import NamedTuple

LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay"})
"""File systems whose every writer goes through this kernel. A shared folder (9p, virtiofs, fuse, nfs) has others."""


class NotAFileError(Exception):
    """The name stands for something else than when it was listed."""


class Reading(NamedTuple):
    """One file as it was read."""

    data: bytes
    """The content; for a link its target."""
    stat: os.stat_result
    whole: bool
    """Size and times were the same before and after."""
    alone: bool
    """Nobody had the file open for writing, or could open it so, while it was read."""


def read_file(name: str, fd: int, *, lease: bool = False) -> Reading:
    """Read a file or link in the directory `fd`, up to three times until it keeps still.

    Args:
        name: the last part of its path.
        fd: a descriptor of its directory.
        lease: keep writers away with a lease where the file can have one; only where `leases_tell`.

    Raises NotAFileError for anything but a file or link, OSError when it cannot be read.
    """
    now = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if stat.S_ISLNK(now.st_mode):
        return Reading(os.fsencode(os.readlink(name, dir_fd=fd)), now, whole=True, alone=True)
    if not stat.S_ISREG(now.st_mode):
        raise NotAFileError(name)
    for _ in range(3):
        found = _read_once(name, fd, lease)
        if found.whole:
            break
    return found


def _read_once(name: str, fd: int, lease: bool) -> Reading:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=fd)
    try:
        alone = lease and _take_lease(file)
        try:
            if not alone:
                _wait_for_writer(file)
            before = os.fstat(file)
            parts = []
            while part := os.read(file, 1 << 20):
                parts.append(part)
            after = os.fstat(file)
        finally:
            if alone:  # closing would not do while a forked child has it open too
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    finally:
        os.close(file)
    data = b"".join(parts)
    still = (before.st_size, before.st_mtime_ns, before.st_ctime_ns)
    whole = still == (after.st_size, after.st_mtime_ns, after.st_ctime_ns) and len(data) == after.st_size
    return Reading(data, after, whole, alone)


def _take_lease(file: int) -> bool:
    """Keep everybody from opening the file for writing; return False where somebody has it open so already.

    An opener waits until the lease is given back, some microseconds later, and a killed holder gives it back too. The
    kernel tells the holder of the opener by a signal; SIGURG is one that a process ignores unless it asks for it. A
    file of another user has no lease for us: False.
    """
    try:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False
    return True


def _wait_for_writer(file: int) -> None:
    """Wait until a write that is under way has ended.

    A write that the scheduler has stopped half-way looks at rest, however often one looks. ext4 and btrfs search for
    holes under the lock that a writer holds; xfs reads under it anyway.
    """
    with contextlib.suppress(OSError):  # an empty file has no hole, and not every file system looks for one
        os.lseek(file, 0, os.SEEK_HOLE)
    os.lseek(file, 0, os.SEEK_SET)


def leases_tell(folder: int) -> bool:
    """Tell whether a lease on a file of this open directory's file system means that nobody else is writing it.

    Found by the mount's id, for the device numbers of btrfs and overlay differ between directories.
    """
    try:
        mount = next(
            line.split()[1]
            for line in Path(f"/proc/self/fdinfo/{folder}").read_text().splitlines()
            if line.startswith("mnt_id:")
        )
        rows = [line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    except (OSError, StopIteration):
        return False  # no Linux, or /proc is hidden: files that just changed are read twice
    return any(row[0] == mount and row[row.index("-") + 1] in LOCAL for row in rows)


def blob_id(data: bytes) -> str:
    """Return git's object id of a content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class opened_parent:  # noqa: N801 - used like a function
    """A descriptor of the directory that holds a path, reached without following any link."""

    def __init__(self, root: Path | int, path: str) -> None:
        self.fd = os.dup(root) if isinstance(root, int) else os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in path.split("/")[:-1]:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.fd)
                os.close(self.fd)
                self.fd = below
        except BaseException:
            os.close(self.fd)
            raise

    def __enter__(self) -> int:
        return self.fd

    def __exit__(self, *exc_info: object) -> None:
        os.close(self.fd)
