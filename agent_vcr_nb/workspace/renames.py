"""Renames that cannot lose a file: exchange two names, or take a name only if it is free.

Linux has both since 3.15 (``renameat2``). Where the kernel or the file system lacks them, a check and a plain rename
stand in; between the two lie a few microseconds.
"""

from __future__ import annotations

import ctypes
import errno
import os

_NOREPLACE, _EXCHANGE = 1, 2
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})


def exchange(source: str, source_fd: int, name: str, name_fd: int) -> bool:
    """Swap two existing names in one step; return False when only a plain replacement could be made."""
    if _renameat2(source, source_fd, name, name_fd, _EXCHANGE):
        return True
    os.replace(source, name, src_dir_fd=source_fd, dst_dir_fd=name_fd)
    return False


def move_to_free_name(source: str, source_fd: int, name: str, name_fd: int) -> None:
    """Rename; raises FileExistsError when the new name is taken."""
    if _renameat2(source, source_fd, name, name_fd, _NOREPLACE):
        return
    try:
        os.stat(name, dir_fd=name_fd, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, name, src_dir_fd=source_fd, dst_dir_fd=name_fd)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def flush_file_system(fd: int) -> None:
    """Write everything of the file system that `fd` lies on to the disk."""
    function = getattr(_libc, "syncfs", None)
    if function is None:
        os.sync()
    elif function(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _renameat2(source: str, source_fd: int, name: str, name_fd: int, flag: int) -> bool:
    """Return False where there is no such call; raises OSError for any other failure."""
    function = getattr(_libc, "renameat2", None)
    if function is None:
        return False
    if function(source_fd, os.fsencode(source), name_fd, os.fsencode(name), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), name)


_libc = ctypes.CDLL(None, use_errno=True)
