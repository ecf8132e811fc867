"""Carries out a plan: first writes every new file beside the workspace's, then moves them in, path by path.

Nothing that a user sees changes before all content lies on the same disk. No path is followed through a link, nothing
is removed but by moving it into the staging directory, and from there only what the store holds is deleted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from agent_vcr_nb.workspace.errors import ConflictError
from agent_vcr_nb.workspace.plan import Plan, covering
from agent_vcr_nb.workspace.reading import blob_id, opened_parent, read_file
from agent_vcr_nb.workspace.renames import exchange, move_to_free_name
from agent_vcr_nb.workspace.scan import Seen
from agent_vcr_nb.workspace.tree import FileState, Manifest

STAGING = ".~vcr-restore"
"""Directory at the top of a workspace while a restore runs. The journal tells a recovery that it is ours."""


class Restore:
    """One run of a plan in one directory."""

    def __init__(
        self,
        root: Path,
        plan: Plan,
        now: Manifest,
        target: Manifest,
        seen: Mapping[str, Seen],
        blobs: Callable[[Iterable[str]], Iterator[bytes]],
        aside: Path,
    ) -> None:
        self.plan = plan
        self.now = now
        self.target = target
        self.conflicts: dict[str, str] = {}
        """Path -> what was found there; its owner's version stays."""
        self._seen = seen
        self._blobs = blobs
        self._aside = aside
        self._root_path = root
        self._writes = (*plan.restore, *plan.create)

    # -------------------------------------------------------------------------------------------- nothing changed yet

    def stage(self) -> None:
        """Write the files to come into the staging directory, and check that nothing stands in their way.

        Raises ConflictError or OSError; the workspace is then as it was, but for the staging directory.
        """
        os.mkdir(self._root_path / STAGING, 0o700)
        wanted = [self.target.files[path] for path in self._writes]
        with self._staging() as fd:
            for number, (state, data) in enumerate(
                zip(wanted, self._blobs(state.blob for state in wanted), strict=True)
            ):
                _write_new(f"part{number}", fd, data, state)
                os.rename(f"part{number}", f"new{number}", src_dir_fd=fd, dst_dir_fd=fd)
        self._check()

    def _check(self) -> None:
        changed = [path for path in (*self.plan.delete, *self._writes) if not self._as_seen(path)]
        if changed:
            raise ConflictError(
                f"changed while the rollback was prepared: {', '.join(changed[:5])}. Nothing was rolled back; "
                "try again when nobody is writing these files.",
                changed,
            )

    def _as_seen(self, path: str) -> bool:
        """Tell whether the disk still holds at a path what the safety savepoint holds."""
        known = self._seen.get(path) if path in self.now.files else None
        try:
            with self._parent(path) as (fd, name):
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return known is None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return known is None
            raise
        if known is None:
            return path in self.now.dirs and stat.S_ISDIR(found.st_mode)
        now = (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        return now == known[:5]

    # -------------------------------------------------------------------------------------------- the changes

    def apply(self) -> None:
        """Make the changes. A path that somebody else changed meanwhile is left alone and noted in `conflicts`."""
        for path in self.plan.set_aside:
            self._set_aside(path)
        self._unlock_dirs()
        with self._staging() as staging:
            for number, path in enumerate(self.plan.delete):
                self._each(path, self._delete, f"old{number}", staging)
            for path in self.plan.remove_dirs:
                self._each(path, self._remove_dir)
            for path in self.plan.create_dirs:
                self._each(path, self._create_dir)
            for number, path in enumerate(self._writes):
                self._each(path, self._place, f"new{number}", staging)
        for path in self.plan.bring_back:
            self._bring_back(path)
        for path, mode in sorted(self._modes.items(), key=lambda item: -item[0].count("/")):
            self._each(path, self._set_mode, mode)

    def _each(self, path: str, change: Callable[..., None], *args: object) -> None:
        try:
            change(path, *args)
        except (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            self.conflicts[path] = error.strerror or str(error)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ELOOP):
                raise
            self.conflicts[path] = error.strerror or str(error)

    def _unlock_dirs(self) -> None:
        """Make read-only directories writable where something in them changes; they are locked again at the end."""
        self._modes = dict(self.plan.modes)
        changing = (*self.plan.delete, *self._writes, *self.plan.remove_dirs, *self.plan.create_dirs)
        for folder in sorted({path.rpartition("/")[0] for path in changing} - {""}):
            mode = self.now.dirs.get(folder, 0o700)
            if mode & 0o300 != 0o300:
                self._set_mode(folder, mode | 0o700)
                if folder in self.target.dirs:
                    self._modes[folder] = self.target.dirs[folder]
        for folder in self.plan.create_dirs:
            self._modes[folder] = self.target.dirs[folder]

    def _delete(self, path: str, aside: str, staging: int) -> None:
        with self._parent(path) as (fd, name):
            if not self._as_seen(path):
                self.conflicts[path] = "changed meanwhile"
                return
            move_to_free_name(name, fd, aside, staging)
            if not self._is_what_we_took(path, aside, staging):
                move_to_free_name(aside, staging, name, fd)
                self.conflicts[path] = "changed meanwhile"

    def _place(self, path: str, new: str, staging: int) -> None:
        with self._parent(path) as (fd, name):
            if path not in self.now.files:
                move_to_free_name(new, staging, name, fd)
            elif not self._as_seen(path):
                self.conflicts[path] = "changed meanwhile"
            elif exchange(new, staging, name, fd) and not self._is_what_we_took(path, new, staging):
                exchange(new, staging, name, fd)
                self.conflicts[path] = "changed meanwhile"

    def _is_what_we_took(self, path: str, name: str, staging: int) -> bool:
        """Compare what was moved away with what was read; its ctime is new since the rename."""
        found = os.stat(name, dir_fd=staging, follow_symlinks=False)
        known = self._seen[path]
        return (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino) == (
            known.mode,
            known.size,
            known.mtime_ns,
            known.inode,
        )

    def _remove_dir(self, path: str) -> None:
        with self._parent(path) as (fd, name):
            os.rmdir(name, dir_fd=fd)

    def _create_dir(self, path: str) -> None:
        with self._parent(path) as (fd, name):
            os.mkdir(name, 0o700, dir_fd=fd)

    def _set_mode(self, path: str, mode: int) -> None:
        with self._parent(path) as (fd, name):
            try:
                opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=fd)
            except PermissionError:
                # our own file without the right to read it: fchmod needs a descriptor that we cannot have
                if not stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                    os.chmod(name, mode, dir_fd=fd)
                return
            try:
                os.fchmod(opened, mode)
            finally:
                os.close(opened)

    # -------------------------------------------------------------------------------------------- nested repositories

    def _set_aside(self, path: str) -> None:
        """Move a nested repository into the store, where `_bring_back` finds it."""
        place = self._aside / blob_id(os.fsencode(path))
        self._aside.mkdir(mode=0o700, exist_ok=True)
        if os.path.lexists(place):
            place.rename(place.with_name(f"{place.name}-{os.stat(place).st_mtime_ns}"))
        with self._parent(path) as (fd, name):
            try:
                os.rename(name, place, src_dir_fd=fd)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy_aside(path, place)
                with self._staging() as staging:
                    os.rename(name, f"repository-{place.name}", src_dir_fd=fd, dst_dir_fd=staging)

    def _copy_aside(self, path: str, place: Path) -> None:
        """Copy to the store's disk, complete under its name or not there at all."""
        partial = place.with_name(place.name + ".part")
        shutil.rmtree(partial, ignore_errors=True)
        source = self._root_path / path
        if source.is_dir():
            shutil.copytree(source, partial, symlinks=True)
        else:
            shutil.copy2(source, partial, follow_symlinks=False)
        partial.rename(place)

    def _bring_back(self, path: str) -> None:
        place = self._aside / blob_id(os.fsencode(path))
        with self._parent(path) as (fd, name):
            try:
                move_to_free_name(str(place), -100, name, fd)  # -100 is AT_FDCWD: the path is absolute
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.copytree(place, self._root_path / path, symlinks=True)
                shutil.rmtree(place)

    # -------------------------------------------------------------------------------------------- the end

    def known_blobs(self) -> set[str]:
        """Return the object ids of what can lie in the staging directory: what goes, and what comes."""
        goes = (self.now.files[path].blob for path in (*self.plan.delete, *self.plan.restore))
        return {*goes, *(self.target.files[path].blob for path in self._writes)}

    def differences(self) -> set[str]:
        """Read every path of the plan again and return those that are not as the savepoint has them."""
        plan = self.plan
        changed = (*plan.delete, *self._writes, *plan.remove_dirs, *plan.create_dirs, *(path for path, _ in plan.modes))
        return {path for path in changed if self._found(path) != self._wanted(path)}

    def _wanted(self, path: str) -> FileState | int | None:
        return self.target.files[path] if path in self.target.files else self.target.dirs.get(path)

    def _found(self, path: str) -> FileState | int | None:
        """Return a file's state, a directory's mode, or None for nothing."""
        try:
            with self._parent(path) as (fd, name):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    return stat.S_IMODE(mode)
                found = read_file(name, fd)
                return FileState(found.stat.st_mode, blob_id(found.data))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise

    @contextlib.contextmanager
    def _staging(self) -> Iterator[int]:
        with opened_parent(self._root_path, f"{STAGING}/x") as fd:
            yield fd

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        with opened_parent(self._root_path, path) as fd:
            yield fd, path.rpartition("/")[2]


def clear_staging(root: Path, known: set[str], rescued: Path) -> list[Path]:
    """Remove the staging directory; return where files went whose content the store does not hold.

    `known` are the object ids that the store holds. Anything else was written by somebody at the very moment when it
    was moved away; it is kept in the folder `rescued`.
    """
    kept: list[Path] = []
    try:
        with opened_parent(root, f"{STAGING}/x") as fd:
            for name in sorted(os.listdir(fd)):
                if name.startswith("repository-"):
                    shutil.rmtree(root / STAGING / name)
                    continue
                if name.startswith("part"):  # half-written by us
                    os.unlink(name, dir_fd=fd)
                    continue
                data = read_file(name, fd).data
                if blob_id(data) in known:
                    os.unlink(name, dir_fd=fd)
                    continue
                rescued.mkdir(mode=0o700, exist_ok=True)
                place = rescued / f"{os.urandom(4).hex()}-{name}"
                place.write_bytes(data)
                kept.append(place)
                os.unlink(name, dir_fd=fd)
    except FileNotFoundError:
        return kept
    os.rmdir(root / STAGING)
    return kept


def _write_new(name: str, fd: int, data: bytes, state: FileState) -> None:
    if stat.S_ISLNK(state.mode):
        os.symlink(data, os.fsencode(name), dir_fd=fd)
        return
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=fd)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fchmod(file, stat.S_IMODE(state.mode))
    finally:
        os.close(file)


def differences(now: Manifest, target: Manifest, plan: Plan) -> set[str]:
    """Return the paths that are not as the savepoint has them and that the plan did not promise to leave."""
    if now.files == target.files and now.dirs == target.dirs:
        return set()
    files = {path for path in now.files.keys() | target.files.keys() if now.files.get(path) != target.files.get(path)}
    stays = covering(now.left_out) - target.dirs.keys()
    dirs = {path for path in now.dirs.keys() | target.dirs.keys() if now.dirs.get(path) != target.dirs.get(path)}
    return (files | (dirs - stays)) - plan.left_alone.keys()
