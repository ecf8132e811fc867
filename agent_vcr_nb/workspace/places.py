"""Says which directories may be used for transactions, and where the store of each lies."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.workspace.errors import UnsafeWorkspaceError

SYSTEM = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root"}
    | {"/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var"}
    | {"/Applications", "/Library", "/System", "/Users", "/Volumes", "/private"}
)
MAX_FILES = 50_000
MAX_BYTES = 1 << 30


_SAID_OTHERWISE = {
    "max_untracked_file_bytes": "say max_file_bytes; it holds for every file, whether git tracks it or not",
    "untracked_exclude_dirs": "name the directories in leave_out, as paths relative to the workspace; node_modules, "
    "virtual environments and caches are left out anyway",
}
"""Arguments of ai-agent-vcr's ACIDWorkspace that would not mean the same here -> what to say instead."""


def check_arguments(dirty_worktree_policy: str, others: Mapping[str, object]) -> None:
    """Raise UsageError for what cannot be had here and say what to use, TypeError for what nobody knows."""
    if dirty_worktree_policy != "allow":
        raise UsageError(
            f"dirty_worktree_policy={dirty_worktree_policy!r}: only 'allow' holds here. Uncommitted work is stored in "
            "savepoint 1 before anything else, and abort() brings it back, so it need not be refused. To insist on a "
            "clean tree, ask git before begin()."
        )
    for name in others:
        if name not in _SAID_OTHERWISE:
            raise TypeError(f"ACIDWorkspace() got an unexpected keyword argument {name!r}")
        raise UsageError(f"{name}: {_SAID_OTHERWISE[name]}.")


def store_home() -> Path:
    """Return the folder of all stores: ``$AGENT_VCR_HOME``, else ``agent-vcr`` in the user's data folder."""
    if chosen := os.environ.get("AGENT_VCR_HOME"):
        return Path(chosen).expanduser().resolve() / "workspaces"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser().resolve() / "agent-vcr" / "workspaces"


def store_of(workspace: Path) -> Path:
    """Return where the savepoints of a workspace lie unless its user chose another place."""
    digest = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:16]
    return store_home() / f"{workspace.name[:40]}-{digest}"


def resolve_workspace(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Return the real path of a directory that transactions may use.

    Raises UnsafeWorkspaceError for anything that is no directory, for system directories, the home directory and all
    above it, for places inside a ``.git`` and, unless `force`, for a mount point.
    """
    workspace = Path(path).expanduser().resolve()
    home = Path.home().resolve()
    reason = None
    if not workspace.is_dir():
        reason = "it is no directory"
    elif str(workspace) in SYSTEM:
        reason = "it is a system directory"
    elif workspace == home or workspace in home.parents:
        reason = "your home directory lies in it"
    elif any(part.lower() == ".git" for part in workspace.parts):
        reason = "it lies inside a .git directory"
    elif os.path.ismount(workspace) and not force:
        reason = "it is a mount point (pass force=True if you mean it)"
    if reason is not None:
        raise UnsafeWorkspaceError(f"{workspace} cannot be a workspace: {reason}. Choose the directory of one project.")
    return workspace


def check_store(store: Path, workspace: Path) -> None:
    """Raise UnsafeWorkspaceError when a store would lie in its own workspace, or the workspace in its store."""
    if store == workspace or workspace in store.parents:
        raise UnsafeWorkspaceError(
            f"the store {store} lies inside the workspace {workspace}: a rollback would roll back its own savepoints. "
            "Choose a store outside."
        )
    if store in workspace.parents:
        raise UnsafeWorkspaceError(f"the workspace {workspace} lies inside the store {store}: choose another store.")


def check_room(workspace: Path, store: Path, files: int, unread_bytes: int) -> None:
    """Raise UnsafeWorkspaceError when a workspace is too large, or the disk of its store too full."""
    below = next(path for path in (store, *store.parents) if path.exists())
    free = shutil.disk_usage(below).free
    reason = None
    if files > MAX_FILES:
        reason = f"it holds {files} files, the limit is {MAX_FILES}"
    elif unread_bytes > MAX_BYTES:
        reason = f"{unread_bytes / 1e9:.1f} GB would have to be stored, the limit is {MAX_BYTES / 1e9:.1f} GB"
    elif free < 2 * unread_bytes:
        reason = f"{unread_bytes / 1e6:.0f} MB would have to be stored and {below} has {free / 1e6:.0f} MB free"
    if reason is not None:
        raise UnsafeWorkspaceError(
            f"{workspace} is too large for a savepoint: {reason}. Name directories to leave out "
            "(ACIDWorkspace(..., leave_out=[...])), or pass force=True."
        )


def user_head(workspace: Path) -> str | None:
    """Return what HEAD of the user's own git repository says, as text, or None without one. Runs no git."""
    head = workspace / ".git" / "HEAD"
    try:
        text = head.read_text().strip()
        if not text.startswith("ref: "):
            return text
        ref = text[5:]
        loose = workspace / ".git" / ref
        if loose.is_file():
            return f"{ref} {loose.read_text().strip()}"
        for line in (workspace / ".git" / "packed-refs").read_text().splitlines():
            if line.endswith(f" {ref}"):
                return f"{ref} {line.split()[0]}"
        return ref
    except (OSError, ValueError):
        return None
