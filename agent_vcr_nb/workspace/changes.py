"""Shows what changed in the files between two savepoints, as git tells it: patches, renames, binary files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.workspace.errors import StoreError
from agent_vcr_nb.workspace.git import git_environment
from agent_vcr_nb.workspace.line import Line
from agent_vcr_nb.workspace.plan import shown
from agent_vcr_nb.workspace.store import Savepoint, Store

if TYPE_CHECKING:
    import git


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is not the same in two savepoints."""

    path: str
    """Relative, as in a `Manifest`; the new one of a rename."""
    kind: str
    """added, deleted, renamed, changed, or mode: the same content with other permission bits."""
    before: str | None
    """The old path of a rename, else None."""
    modes: tuple[int | None, int | None]
    """Permission bits before and after; None where there is no such file."""
    patch: str | None
    """Unified diff of the content, empty where only name or mode changed; None for a binary file."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "path": shown(self.path),
            "kind": self.kind,
            "before": None if self.before is None else shown(self.before),
            "modes": [None if mode is None else f"{mode:04o}" for mode in self.modes],
            "patch": self.patch,
        }

    def text(self) -> str:
        """Return path and patch for reading."""
        name = shown(self.path) if self.before is None else f"{shown(self.before)} -> {shown(self.path)}"
        was, now = self.modes
        mode = f" (mode {was:04o} -> {now:04o})" if was is not None and now is not None and was != now else ""
        content = " (binary)" if self.patch is None else ""
        return f"{self.kind:<22} {name}{mode}{content}\n{self.patch or ''}".rstrip("\n")


@dataclass(frozen=True, slots=True)
class Changes:
    """What lies between two savepoints."""

    before: Savepoint
    after: Savepoint
    files: tuple[Change, ...]
    """Sorted by path."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        ends = {"before": self.before.to_dict(), "after": self.after.to_dict()}
        return {**ends, "files": [change.to_dict() for change in self.files]}

    def text(self) -> str:
        """Return every file with its patch."""
        head = f"from savepoint {self.before.number} to {self.after.number}"
        if not self.files:
            return f"{head}: the files are the same"
        return "\n".join([head, *(change.text() for change in self.files)])


def between(line: Line, first: int, second: int | None = None) -> Changes:
    """Return what changed from one savepoint to another; with one number, what changed since the one before it.

    Raises WorkspaceError for a number without a savepoint, StoreError when the store cannot be read.
    """
    if second is None:
        second = line.find(first).number
        first = max((number for number in line.savepoints if number < second), default=second)
    return compare(line.store, line.find(first), line.find(second))


def compare(store: Store, before: Savepoint, after: Savepoint) -> Changes:
    """Return what changed from one savepoint to another.

    Raises StoreError when the store cannot be read.
    """
    import git  # 0.1 s, and nothing else needs it

    for name in ("GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"):
        if name in os.environ:  # GitPython looks for the objects there, whatever it is told
            raise StoreError(f"{name} is set for another repository: unset it to compare savepoints.")
    modes = [
        {path: stat.S_IMODE(state.mode) for path, state in store.manifest(savepoint).files.items()}
        for savepoint in (before, after)
    ]
    with git.Repo(store.git.repository) as repository:
        repository.git.update_environment(**_environment(store))
        try:
            found = repository.commit(before.commit).diff(repository.commit(after.commit), create_patch=True)
        except (git.exc.GitError, ValueError) as error:
            raise StoreError(f"savepoints {before.number} and {after.number} could not be compared: {error}") from error
        files: dict[str, Change] = {}
        for one in found:
            change = _change(one, *modes)
            known = files.get(change.path)  # git tells of a file that became a link as deleted and added
            files[change.path] = change if known is None else _joined(known, change)
    for path in modes[0].keys() & modes[1].keys() - files.keys():
        if modes[0][path] != modes[1][path]:
            files[path] = Change(path, "mode", None, (modes[0][path], modes[1][path]), "")
    return Changes(before, after, tuple(files[path] for path in sorted(files)))


def _change(found: git.Diff, before: dict[str, int], after: dict[str, int]) -> Change:
    old, new = (os.fsdecode(path or b"") for path in (found.a_rawpath, found.b_rawpath))
    path = new or old
    text = found.diff if isinstance(found.diff, bytes) else (found.diff or "").encode()
    binary = text.startswith(b"Binary files ") and text.rstrip().endswith(b" differ")
    patch = None if binary else text.decode("utf-8", "replace")
    if found.new_file:
        return Change(path, "added", None, (None, after[path]), patch)
    if found.deleted_file:
        return Change(path, "deleted", None, (before[path], None), patch)
    modes = (before[old], after[new])
    if found.renamed_file:
        return Change(path, "renamed", old, modes, patch)
    return Change(path, "changed" if binary or text else "mode", None, modes, patch)


def _joined(gone: Change, came: Change) -> Change:
    patch = None if gone.patch is None or came.patch is None else gone.patch + came.patch
    return Change(came.path, "changed", None, (gone.modes[0], came.modes[1]), patch)


def _environment(store: Store) -> dict[str, str]:
    """Return what git must see. GitPython adds it to the process's own variables, so strangers there are blanked."""
    strangers = {name: "" for name in os.environ if name.startswith("GIT_")}
    if "GIT_WORK_TREE" in strangers:  # git takes no empty one
        strangers["GIT_WORK_TREE"] = str(store.git.repository)
    return {**strangers, **git_environment(store.git.repository)}
