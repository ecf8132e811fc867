"""Merges an isolated transaction into the workspace: three ways, in the store, before any file is touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Set
from typing import Literal, TypeVar

from agent_vcr_nb.workspace.errors import MergeConflictError, Versions
from agent_vcr_nb.workspace.plan import shown
from agent_vcr_nb.workspace.store import Savepoint, Store
from agent_vcr_nb.workspace.tree import FileState, Manifest, covered_dirs

T = TypeVar("T")


Side = Literal["mine", "workspace"]
"""Whose version of a file stands: the transaction's, as it is now, or the workspace's."""


def merge(
    store: Store,
    base: tuple[Savepoint, Manifest],
    main: tuple[Savepoint, Manifest],
    mine: tuple[Savepoint, Manifest],
    take: Mapping[str, Side],
) -> Manifest:
    """Return what the workspace will hold when `mine` is merged into `main`.

    Lines of one file that only one side changed are taken from that side. Raises MergeConflictError when both changed
    the same lines or the same mode, or one changed what the other deleted, unless `take` decides for that path.
    """
    tree, ids = _merge_trees(store, base[0], main[0], mine[0])
    merged = Manifest(repositories=list(main[1].repositories))
    conflicts = set(ids)
    found = _entries(store, tree)
    known = base[1].files.keys() | main[1].files.keys() | mine[1].files.keys()
    for path in known | found.keys():
        states = (base[1].files.get(path), main[1].files.get(path), mine[1].files.get(path))
        if _is_guessed(*states, found=found.get(path)):
            conflicts.add(path)
        if path in found:
            mode, agreed = _pick(*(state and state.mode for state in states))
            if not agreed:
                conflicts.add(path)
            merged.files[path] = FileState(mode or _usual(found[path][0], store.umask()), found[path][1])
    if conflicts:
        conflicts = _whole(conflicts, known)
        if not conflicts <= take.keys():
            raise _conflict(store, conflicts - take.keys(), base[1], main[1], mine[1])
        sides = {"workspace": main[1].files, "mine": mine[1].files}
        merged.files = {path: state for path, state in merged.files.items() if path in known - conflicts}
        merged.files.update((path, sides[take[path]][path]) for path in conflicts if path in sides[take[path]])
        if broken := conflicts & (covered_dirs(merged.files) & merged.files.keys()):
            raise _conflict(store, broken, base[1], main[1], mine[1])
    merged.dirs = _merge_dirs(merged.files, base[1].dirs, main[1].dirs, mine[1].dirs, 0o777 & ~store.umask())
    merged.bare = sorted(merged.dirs.keys() - covered_dirs(merged.files))
    return merged


def _whole(conflicts: set[str], known: Set[str]) -> set[str]:
    """Return the conflicts with the paths above and below them, where one side has a file and one a directory.

    Without the names that git made up to show both (``a~SHA``), unless there is nothing else to tell.
    """
    near = {path for path in known for above in _above(path)[1:] if above in conflicts}
    near |= {above for path in conflicts for above in _above(path)[1:] if above in known}
    return ((conflicts | near) & known) or conflicts


def _is_guessed(
    base: FileState | None, main: FileState | None, mine: FileState | None, *, found: tuple[str, str] | None
) -> bool:
    """Tell whether git merged a path by what it took for a rename: that can carry lines into another agent's file."""
    before, ours, theirs = (state and state.blob for state in (base, main, mine))
    merged = found and found[1]
    if ours == before:
        return merged != theirs
    if theirs in (before, ours):
        return merged != ours
    return ours is None or theirs is None


def _merge_trees(store: Store, base: Savepoint, main: Savepoint, mine: Savepoint) -> tuple[str, list[str]]:
    """Return the merged tree and the paths in conflict. Savepoints have no parents: two commits with one are made."""
    sides = [
        store.git.run("commit-tree", side.tree, "-p", base.commit, "-m", "side of a merge").decode().strip()
        for side in (main, mine)
    ]
    code, out = store.git.ask("merge-tree", "--write-tree", "-z", "--no-messages", *sides, accept=(0, 1))
    tree, *records = out.split(b"\0")
    paths = sorted({os.fsdecode(record.partition(b"\t")[2]) for record in records if b"\t" in record})
    return tree.decode().strip(), paths if code else []


def _entries(store: Store, tree: str) -> dict[str, tuple[str, str]]:
    found = {}
    for entry in store.git.run("ls-tree", "-r", "-z", tree).split(b"\0"):
        if entry:
            head, _, name = entry.partition(b"\t")
            mode, _, blob = head.decode().split(" ")
            found[os.fsdecode(name)] = (mode, blob)
    return found


def _pick(base: T | None, main: T | None, mine: T | None) -> tuple[T | None, bool]:
    """Merge one value three ways; the flag is False when both sides changed it differently."""
    if main is None or mine is None:
        return (mine if main is None else main), True
    if mine in (base, main):
        return main, True
    return mine, main == base


def _usual(git_mode: str, umask: int) -> int:
    if git_mode == "120000":
        return 0o120777
    return stat.S_IFREG | ((0o777 if git_mode == "100755" else 0o666) & ~umask)


def _merge_dirs(
    files: Mapping[str, FileState],
    base: Mapping[str, int],
    main: Mapping[str, int],
    mine: Mapping[str, int],
    usual: int,
) -> dict[str, int]:
    """Merge directories: one that either side removed goes, unless a file or directory in it stays."""
    needed = covered_dirs(files)
    stays = {
        path
        for path in main.keys() | mine.keys()
        if (path not in base or (path in main and path in mine)) and path not in files
    }
    dirs = {}
    for path in needed | stays | covered_dirs(stays):
        mode, _ = _pick(base.get(path), main.get(path), mine.get(path))
        dirs[path] = usual if mode is None else mode
    return {path: mode for path, mode in dirs.items() if not any(above in files for above in _above(path))}


def _above(path: str) -> list[str]:
    return [path, *(path[:at] for at, char in enumerate(path) if char == "/")]


def _conflict(store: Store, paths: set[str], base: Manifest, main: Manifest, mine: Manifest) -> MergeConflictError:
    versions = []
    for path in sorted(paths):
        states = [manifest.files.get(path) for manifest in (base, main, mine)]
        contents = iter(store.git.blobs([state.blob for state in states if state is not None]))
        versions.append(Versions(path, *(None if state is None else next(contents) for state in states)))
    names = ", ".join(shown(path) for path in sorted(paths)[:10])
    return MergeConflictError(
        f"cannot commit: the workspace and this transaction both changed {names}. The workspace was not touched. "
        "error.versions holds both. Put what shall stand into the transaction's files and commit(take='mine'), or give "
        "yours up with commit(take='workspace'), or name a side for each file: commit(take={path: side}).",
        versions,
    )
