"""Keeps savepoints in a private bare repository: each is one commit without parents under its own ref.

A savepoint exists when its ref does, which git writes last and renames into place. Without parents every savepoint
can be given up alone. What git's trees cannot hold stands in the commit's message, as JSON.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from agent_vcr_nb.workspace.errors import BusyWorkspaceError, StoreError
from agent_vcr_nb.workspace.git import Git, failed
from agent_vcr_nb.workspace.tree import FileState, Manifest

MAIN = "main"
"""The line of savepoints of the workspace itself; an isolated transaction has a line of its own."""


@dataclass(frozen=True, slots=True)
class Savepoint:
    """The workspace's files at one moment."""

    number: int
    """From 1, in the order of its line."""
    kind: str
    """begin, savepoint, auto (before a frame), safety (before a rollback), commit, fork."""
    label: str
    session: str | None
    """Session of the recording that it belongs to."""
    frame: int | None
    """First frame that it is tied to."""
    node: str | None
    created: dt.datetime
    commit: str
    """Id in the private store."""
    tree: str
    about: Mapping[str, Any] = field(repr=False, compare=False)
    """What git's tree cannot hold: modes, bare directories, what was left out."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        names = ("number", "kind", "label", "session", "frame", "node", "commit")
        return {**{name: getattr(self, name) for name in names}, "created": self.created.isoformat()}

    def text(self) -> str:
        """Return one line for a list."""
        where = "" if self.frame is None else f"  frame {self.frame}"
        name = self.label or self.node or ""
        return (
            f"{self.number:>4}  {self.created.astimezone():%Y-%m-%d %H:%M:%S}  {self.kind:<9}{where}  {name}".rstrip()
        )


class Store:
    """One workspace's repository and folders. Layout: ``repo.git``, ``lines/<line>/``, ``isolated/<line>/``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git = Git(path / "repo.git")

    @contextlib.contextmanager
    def creating(self) -> Iterator[None]:
        """Make the store's folders, readable for its owner alone, and the repository; others wait in the meantime."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self.path, 0o700)
        lock = Lock(self.path / "lock")
        lock.take(wait_s=60.0, what=f"the store {self.path}")
        try:
            self.git.create()
            self.umask()
            yield
        finally:
            lock.release()

    def line_folder(self, line: str) -> Path:
        """Return the folder with lock, journal and stats of a line."""
        return self.path / "lines" / line

    def lines(self) -> list[str]:
        """Return the names of all lines."""
        folder = self.path / "lines"
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    # -------------------------------------------------------------------------------------------- savepoints

    def savepoints(self, line: str) -> list[Savepoint]:
        """Return the savepoints of a line, oldest first."""
        out = self.git.run(
            "for-each-ref", "--format=%(refname:lstrip=3) %(objectname) %(tree) %(contents)%00", f"refs/heads/{line}/"
        )
        found = []
        for record in out.split(b"\0"):
            if record.strip():
                number, commit, tree, message = record.strip().decode("ascii").split(" ", 3)
                found.append(_savepoint(int(number), commit, tree, json.loads(message)))
        return sorted(found, key=lambda savepoint: savepoint.number)

    def manifest(self, savepoint: Savepoint) -> Manifest:
        """Read back what a savepoint holds."""
        about = savepoint.about
        modes, umask = about["modes"], about["umask"]
        manifest = Manifest(repositories=list(about["repositories"]))
        manifest.bare = list(about["bare"])
        for path in manifest.bare:
            manifest.dirs[path] = modes.get(path, 0o777 & ~umask)
        for entry in self.git.run("ls-tree", "-r", "-t", "-z", savepoint.tree).split(b"\0"):
            if not entry:
                continue
            head, _, name = entry.partition(b"\t")
            mode, _, blob = head.decode().split(" ")
            path = os.fsdecode(name)
            if mode == "040000":
                manifest.dirs[path] = modes.get(path, 0o777 & ~umask)
            elif mode == "120000":
                manifest.files[path] = FileState(0o120777, blob)
            else:
                usual = (0o777 if mode == "100755" else 0o666) & ~umask
                manifest.files[path] = FileState(0o100000 | modes.get(path, usual), blob)
        return manifest

    def delete(self, line: str, numbers: Iterable[int]) -> None:
        """Give up savepoints; their content stays on disk until `sweep`."""
        commands = "".join(f"delete refs/heads/{line}/{number}\n" for number in numbers)
        if commands:
            self.git.run("update-ref", "--stdin", stdin=commands.encode())

    def sweep(self) -> None:
        """Pack what is reachable and remove the rest for good. Nobody may be writing to the store."""
        self.git.run("repack", "-a", "-d", "-q")
        self.git.run("prune", "--expire=now")

    def size(self) -> int:
        """Return how many bytes the store takes on disk."""
        return sum((Path(top) / name).lstat().st_size for top, _, names in os.walk(self.path) for name in names)

    def packs(self) -> int:
        """Return how many packs there are: each savepoint adds one until `sweep` joins them."""
        return len(list((self.git.repository / "objects" / "pack").glob("*.pack")))

    def clear_leavings(self, below: str = "") -> None:
        """Remove locks and temporary packs of a git that was killed. The caller holds the locks of their owners."""
        for top, _, names in os.walk(self.git.repository / below):
            for name in names:
                if name.endswith(".lock") or name.startswith(
                    ("tmp_pack_", "tmp_idx_", "tmp_obj_", "fast_import_crash_")
                ):
                    os.unlink(os.path.join(top, name))

    def rewrite(self, line: str, savepoint: Savepoint, without: Iterable[str]) -> None:
        """Write a savepoint again without some paths, under the same number."""
        gone = sorted(without)
        about = dict(savepoint.about)
        about["modes"] = {path: mode for path, mode in about["modes"].items() if path not in gone}
        about["unstable"] = [path for path in about["unstable"] if path not in gone]
        writer = SavepointWriter(self)
        writer.write_commit(
            line, savepoint.number, savepoint.tree, [b"D " + quote(path) + b"\n" for path in gone], about
        )

    def umask(self) -> int:
        """Return the umask that the store takes for usual; modes that differ are written down one by one."""
        path = self.path / "umask"
        try:
            return int(path.read_text(), 8)
        except (OSError, ValueError):
            usual = os.umask(0o022)
            os.umask(usual)
            write_durably(path, f"{usual:03o}".encode())
            return usual


class SavepointWriter:
    """Writes one savepoint through one ``git fast-import``, which is started when there is something to write."""

    def __init__(self, store: Store, base: Manifest | None = None) -> None:
        self._store = store
        self._stored: Mapping[str, FileState] = {} if base is None else base.files
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: IO[bytes] | None = None
        self._sent: set[str] = set()

    def keep(self, path: str, data: bytes, blob: str) -> None:
        """Write a content, unless the savepoint before has it at this path or it was written a moment ago."""
        stored = self._stored.get(path)
        if blob not in self._sent and (stored is None or stored.blob != blob):
            self._sent.add(blob)
            self.send(b"blob\ndata %d\n" % len(data) + data + b"\n")

    def send(self, data: bytes) -> None:
        """Pass bytes to fast-import; raises StoreError when it has died."""
        if self._pipe is None:
            self._process = self._store.git.start("fast-import", "--quiet", "--done", "--date-format=raw", "--force")
            self._pipe = self._process.stdin
            assert self._pipe is not None
            self._pipe.write(b"feature done\n")
        try:
            self._pipe.write(data)
        except OSError:
            raise self._failure() from None

    def write(
        self, line: str, number: int, base: tuple[Savepoint, Manifest] | None, manifest: Manifest, about: dict[str, Any]
    ) -> Savepoint:
        """Finish the savepoint; when this returns it is on the disk, and when it raises there is none."""
        before = base[1].files if base else {}
        parts = [b"D %b\n" % quote(path) for path in before.keys() - manifest.files.keys()]
        for path, state in manifest.files.items():
            known = before.get(path)
            if known is not state and (known is None or known.blob != state.blob or known.git_mode != state.git_mode):
                parts.append(f"M {state.git_mode} {state.blob} ".encode() + quote(path) + b"\n")
        made = self.write_commit(line, number, base[0].tree if base else None, parts, about)
        self._flush_names(made, line)
        return made

    def _flush_names(self, made: Savepoint, line: str) -> None:
        """Flush the folders that a savepoint's names stand in: git flushes only what is in its files."""
        heads = self._store.git.repository / "refs" / "heads"
        try:
            for folder in (self._store.git.repository / "objects" / "pack", heads / line):
                flush_folder(folder)
            if made.number == 1:
                flush_folder(heads)
        except OSError as error:
            self._store.delete(line, [made.number])
            raise StoreError(
                f"savepoint {made.number} could not be flushed to the disk: {error}. It is gone."
            ) from error

    def write_commit(
        self, line: str, number: int, tree: str | None, changes: Iterable[bytes], about: dict[str, Any]
    ) -> Savepoint:
        """Write a commit without parents: `changes` to a tree, in the words of fast-import."""
        message = json.dumps(about)
        self.send(
            f"commit refs/heads/{line}/{number}\nmark :1\ncommitter vcr <vcr@localhost> {int(time.time())} +0000\n"
            f"data {len(message)}\n{message}\n".encode()
        )
        start = b"" if tree is None else f'M 040000 {tree} ""\n'.encode()
        self.send(start + b"".join(changes) + b'\nget-mark :1\nls :1 ""\ndone\n')
        words = self._finish().split()
        return _savepoint(number, words[0].decode(), words[3].decode(), about)

    def _finish(self) -> bytes:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            out, error = process.communicate()
        except BrokenPipeError:
            raise self._failure() from None
        if process.returncode or len(out.split()) < 4:
            raise failed("fast-import", process.returncode, error)
        self._process = None
        return out

    def _failure(self) -> StoreError:
        process, self._process = self._process, None
        assert process is not None
        assert process.stderr is not None
        error = process.stderr.read()
        _end(process)
        return failed("fast-import", process.returncode, error)

    def abandon(self) -> bool:
        """Stop writing; return whether anything was written, which then lies about (see Store.clear_leavings)."""
        if self._process is not None:
            self._process.kill()
            _end(self._process)
            self._process = None
        return self._pipe is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what it still held was for a process that is gone
    process.wait()


class Lock:
    """A file that one process holds at a time; the kernel gives it back when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._pid = 0

    def take(self, *, wait_s: float = 0.0, what: str = "the workspace") -> None:
        """Take the lock, or raise BusyWorkspaceError after waiting so long."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    owner = os.read(fd, 100).decode(errors="replace").strip() or "unknown"
                    os.close(fd)
                    raise BusyWorkspaceError(
                        f"{what} is open in another transaction (process {owner}): commit or abort that one first, "
                        "or begin an isolated one with begin(isolated=True)."
                    ) from None
                time.sleep(0.01)
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd, self._pid = fd, os.getpid()

    def release(self) -> None:
        """Give the lock back."""
        if self._fd is not None:
            if self.is_held:
                fcntl.flock(self._fd, fcntl.LOCK_UN)  # closing would not do while a forked child has it open too
            os.close(self._fd)
            self._fd = None

    @property
    def is_held(self) -> bool:
        """True in the process that took the lock; a forked child only inherits the descriptor."""
        return self._fd is not None and self._pid == os.getpid()


def _savepoint(number: int, commit: str, tree: str, about: Mapping[str, Any]) -> Savepoint:
    return Savepoint(
        number=number,
        kind=about["kind"],
        label=about["label"],
        session=about["session"],
        frame=about["frame"],
        node=about["node"],
        created=dt.datetime.fromisoformat(about["created"]),
        commit=commit,
        tree=tree,
        about=about,
    )


def quote(path: str) -> bytes:
    """Quote a path the way fast-import reads it."""
    out = bytearray(b'"')
    for byte in os.fsencode(path):
        if byte in b'"\\':
            out += b"\\" + bytes([byte])
        elif byte < 32 or byte == 127:
            out += b"\\%03o" % byte
        else:
            out.append(byte)
    return bytes(out + b'"')


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file so that after a power cut it holds the old or the new content, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
