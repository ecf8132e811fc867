"""Reads a workspace: walks it without following a link, and reads only files whose stat changed."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agent_vcr_nb.workspace.reading import NotAFileError, blob_id, leases_tell, opened_parent, read_file
from agent_vcr_nb.workspace.tree import FileState, Manifest, covered_dirs

PRUNED = frozenset(
    {"node_modules", ".venv", "venv", "__pycache__", ".tox", ".nox", ".ipynb_checkpoints", ".vcr"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}
)
"""Directories that are made again rather than restored; left out under any path."""

RACY_NS = 50_000_000
"""A file that changed so shortly before it was read may change again within one tick of the file system's clock."""
SETTLE_S = 0.02
"""Five ticks of a 250 Hz kernel: a write that ran during the first reading shows in a second one."""
DEEPEST = 200
"""One descriptor is open for each level of directories."""

Keep = Callable[[str, bytes, str], None]
"""Takes path, content and object id of a file that was read."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a workspace is covered; frozen when its first transaction begins."""

    pruned: frozenset[str] = PRUNED
    """Names of directories to leave out."""
    excluded: frozenset[str] = frozenset()
    """Paths to leave out: recordings inside the workspace, files purged from the store."""
    max_file_bytes: int = 20 * 1024 * 1024


class Seen(NamedTuple):
    """A file as it was read: while its stat is the same, its content is not read again."""

    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    state: FileState
    trusted: bool
    """False when it had changed too shortly before the reading."""


class Survey(NamedTuple):
    """How much a workspace holds, without its content."""

    files: int
    unread_bytes: int
    """Sum of the sizes of files that would have to be read."""
    left_out: dict[str, str]


class Scanner:
    """Walks one directory, and knows what it read before.

    A scan is not one instant: files may change while others are read. A file that somebody has open for writing just
    after a change is read again, and stands in ``Manifest.unstable`` when it does not come to rest.
    """

    def __init__(self, root: Path, scope: Scope, *, own: str = "") -> None:
        self.root = root
        self.scope = scope
        self.own = own
        """Name of a directory at the top that belongs to the engine (see restore)."""
        self.seen: dict[str, Seen] = {}
        self._counting = False
        self._keep: Keep | None = None
        self._leases: bool | None = None

    # -------------------------------------------------------------------------------------------- whole scans

    def scan(self, keep: Keep | None = None, *, settle: bool = True) -> tuple[Manifest, dict[str, Seen]]:
        """Return what is there, and the stats to pass to `accept` once the contents given to `keep` are stored."""
        self._keep = keep
        self._start()
        self._walk()
        if settle:
            self._settle()
        else:
            self._manifest.unstable = sorted(self._torn)
        self._manifest.repositories.sort()
        self._manifest.bare.sort()
        return self._manifest, self._fresh

    def accept(self, fresh: dict[str, Seen]) -> None:
        """Do not read these files again while their stat stays the same: their content is in the store."""
        self.seen = fresh

    def survey(self) -> Survey:
        """Count files, and the bytes that a scan would read."""
        self._start()
        self._counting, self._files, self._bytes = True, 0, 0
        try:
            self._walk()
        finally:
            self._counting = False
        return Survey(self._files, self._bytes, self._manifest.left_out)

    def load(self, path: Path) -> None:
        """Take over the stats of an earlier process; a file that is missing or damaged only costs reading again."""
        try:
            rows = json.loads(path.read_bytes())
            self.seen = {
                name: Seen(mode, size, mtime, ctime, inode, FileState(mode, blob), True)
                for name, mode, size, mtime, ctime, inode, blob in rows
                if size <= self.scope.max_file_bytes
            }
        except (OSError, ValueError, TypeError):
            self.seen = {}

    def dump(self, path: Path) -> None:
        """Write the stats for the next process."""
        rows = [(name, *seen[:5], seen.state.blob) for name, seen in self.seen.items() if seen.trusted]
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(rows))
        temporary.replace(path)

    # -------------------------------------------------------------------------------------------- the walk

    def _start(self) -> None:
        self._manifest = Manifest()
        self._fresh: dict[str, Seen] = {}
        self._hot: list[tuple[str, float]] = []
        self._torn: list[str] = []

    def _walk(self) -> None:
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._device = os.fstat(fd).st_dev
            if self._leases is None:
                self._leases = leases_tell(fd)
            self._visit(fd, "", 0)
        finally:
            os.close(fd)

    def _visit(self, fd: int, prefix: str, level: int) -> bool:
        """Read one directory; return whether a covered file lies in it at any depth."""
        covered = False
        directories = []
        seen, files, fresh, left_out = self.seen, self._manifest.files, self._fresh, self._manifest.left_out
        excluded = self.scope.excluded
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                path = prefix + name
                if (name[0] == "." and self._is_special(name, path)) or (excluded and self._is_excluded(path)):
                    continue
                try:
                    now = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except PermissionError:
                    left_out[path] = "unreadable"
                    continue
                mode = now.st_mode
                if stat.S_ISDIR(mode):
                    directories.append((name, now))
                    continue
                known = seen.get(path)
                if (
                    known is not None  # by index: this runs for every file of the tree
                    and known[6]
                    and known[3] == now.st_ctime_ns
                    and known[2] == now.st_mtime_ns
                    and known[1] == now.st_size
                    and known[4] == now.st_ino
                    and known[0] == mode
                ):
                    files[path] = known[5]
                    fresh[path] = known
                    covered = True
                else:
                    covered |= self._meet(fd, name, path, now)
        if self._counting:
            self._files += len(files)
            files.clear()
        for name, now in directories:
            covered |= self._enter(fd, name, prefix + name, now, level)
        return covered

    def _meet(self, fd: int, name: str, path: str, now: os.stat_result) -> bool:
        """Read a file that is new or has changed, unless something speaks against it; return whether it is covered."""
        if not (stat.S_ISREG(now.st_mode) or stat.S_ISLNK(now.st_mode)):
            self._manifest.left_out[path] = "no regular file (a socket, pipe or device)"
        elif now.st_size > self.scope.max_file_bytes:
            self._manifest.left_out[path] = f"larger than {self.scope.max_file_bytes:,} bytes"
        elif self._counting:
            self._files += 1
            self._bytes += now.st_size
            return True
        else:
            return self._take(fd, name, path)
        return False

    def _is_special(self, name: str, path: str) -> bool:
        if name == self.own and path == name:
            self._manifest.left_out[path] = "the name is reserved"
            return True
        if name.lower() != ".git":
            return False
        if path == name:
            self._manifest.left_out[path] = "your git repository"
        else:
            self._manifest.repositories.append(path)
            self._manifest.left_out[path] = "a git repository inside the workspace"
        return True

    def _is_excluded(self, path: str) -> bool:
        if path in self.scope.excluded:
            self._manifest.left_out[path] = "excluded"
            return True
        return False

    def _enter(self, parent: int, name: str, path: str, now: os.stat_result, level: int) -> bool:
        """Go down into a directory unless something speaks against it, which is then noted."""
        reason = None
        if name in self.scope.pruned:
            reason = "made again rather than restored"
        elif now.st_dev != self._device:
            reason = "another file system is mounted here"
        elif level >= DEEPEST:
            reason = f"more than {DEEPEST} directories deep"
        if reason is None:
            try:
                fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            except PermissionError:
                reason = "unreadable"
            except OSError:
                return False  # it went away, or became a link, since it was listed
        if reason is not None:
            self._manifest.left_out[path] = reason
            return False
        try:
            covered = self._visit(fd, path + "/", level + 1)
        finally:
            os.close(fd)
        self._manifest.dirs[path] = stat.S_IMODE(now.st_mode)
        if not covered:
            self._manifest.bare.append(path)
        return covered

    # -------------------------------------------------------------------------------------------- reading a file

    def _take(self, fd: int, name: str, path: str) -> bool:
        """Read one file into the manifest; return whether it was there."""
        started = time.time_ns()
        try:
            found = read_file(name, fd, lease=bool(self._leases))
        except FileNotFoundError:
            return False
        except PermissionError:
            self._manifest.left_out[path] = "unreadable"
            return False
        except NotAFileError:
            return False
        self._note(path, found.data, found.stat, started)
        if not found.whole:
            self._torn.append(path)
        if not found.whole or not (found.alone or self._fresh[path].trusted):
            self._hot.append((path, time.monotonic()))
        return True

    def _note(self, path: str, data: bytes, now: os.stat_result, started: int) -> None:
        state = FileState(now.st_mode, blob_id(data))
        trusted = max(now.st_mtime_ns, now.st_ctime_ns) < started - RACY_NS
        self._manifest.files[path] = state
        self._fresh[path] = Seen(now.st_mode, now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, state, trusted)
        if self._keep is not None:
            self._keep(path, data, state.blob)

    def _settle(self) -> None:
        """Read files that had just changed and may have a writer until two readings agree or the fourth has failed.

        The stat alone cannot tell: a file system sets mtime when a write starts, so that a file that is half written
        looks the same before and after the reading. A reading during which nobody can have written ends the matter.
        """
        for _ in range(4):
            if not self._hot:
                return
            hot, self._hot = self._hot, []
            time.sleep(max(0.0, SETTLE_S - (time.monotonic() - hot[-1][1])))
            for path, _ in hot:
                before = self._manifest.files[path]
                started = time.time_ns()
                try:
                    with opened_parent(self.root, path) as fd:
                        found = read_file(path.rpartition("/")[2], fd, lease=bool(self._leases))
                except (OSError, NotAFileError):
                    self._forget(path)
                    continue
                if not found.whole or blob_id(found.data) != before.blob or found.stat.st_mode != before.mode:
                    self._note(path, found.data, found.stat, started)
                    if not found.alone:
                        self._hot.append((path, time.monotonic()))
        self._manifest.unstable.extend(sorted(path for path, _ in self._hot))

    def _forget(self, path: str) -> None:
        """Drop a file that went away while the workspace was read."""
        del self._manifest.files[path]
        del self._fresh[path]
        self._manifest.unstable.append(path)
        self._manifest.bare = sorted(self._manifest.dirs.keys() - covered_dirs(self._manifest.files))
