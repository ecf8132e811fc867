"""What a workspace holds at one moment: files, directories, and what was left out and why."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class FileState(NamedTuple):
    """A file or symbolic link as a savepoint knows it."""

    mode: int
    """Type and permission bits, as ``st_mode`` has them."""
    blob: str
    """Object id of the content; of the target's text for a link."""

    @property
    def git_mode(self) -> str:
        """The mode that git's tree can express."""
        if stat.S_ISLNK(self.mode):
            return "120000"
        return "100755" if self.mode & 0o100 else "100644"


@dataclass(slots=True)
class Manifest:
    """Every covered path of a workspace at one moment. Paths are relative, with ``/`` and surrogate escapes."""

    files: dict[str, FileState] = field(default_factory=dict)
    dirs: dict[str, int] = field(default_factory=dict)
    """Permission bits of each directory."""
    bare: list[str] = field(default_factory=list)
    """Directories without a covered file at any depth: git's trees cannot hold them."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Path -> why it is not covered. A restore never touches these."""
    repositories: list[str] = field(default_factory=list)
    """Nested ``.git`` entries."""
    unstable: list[str] = field(default_factory=list)
    """Files that were being written while they were read."""

    def same_as(self, other: Manifest) -> bool:
        """Tell whether both hold the same files and directories."""
        return self.files == other.files and self.dirs == other.dirs and self.repositories == other.repositories


def parents(path: str) -> list[str]:
    """Return the directories above a path, nearest first."""
    found = []
    while "/" in path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found


def covered_dirs(paths: Iterable[str]) -> set[str]:
    """Return every directory that lies above one of the paths."""
    found: set[str] = set()
    for path in paths:
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in found:
                break
            found.add(path)
    return found


def drop_excluded(manifest: Manifest, excluded: Iterable[str]) -> None:
    """Take out of an older manifest what is left out today: a restore must not touch it."""
    for gone in excluded:
        below = gone + "/"
        for table in (manifest.files, manifest.dirs):
            for path in [path for path in table if path == gone or path.startswith(below)]:
                del table[path]


def depth(path: str) -> int:
    """Return how many directories lie above a path."""
    return path.count("/")
