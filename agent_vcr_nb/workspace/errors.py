"""What can go wrong with a file transaction; all of it is a `WorkspaceError`.

WorkspaceError
├── UnsafeWorkspaceError   the directory or its store may not be used for transactions
├── BusyWorkspaceError     somebody else has the workspace open
├── StoreError             git, or the disk below it, failed; the workspace is as it was
└── ConflictError          files stand in the way or were changed meanwhile: which
    └── MergeConflictError two agents changed the same lines: which files, and both versions
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent_vcr_nb.core.errors import WorkspaceError


class UnsafeWorkspaceError(WorkspaceError):
    """The directory, or the place of its store, may not be used for transactions."""


class BusyWorkspaceError(WorkspaceError):
    """Another transaction has the workspace open."""


class StoreError(WorkspaceError):
    """The private git repository could not be read or written; no file of the workspace was touched."""


class ConflictError(WorkspaceError):
    """Files stand in the way of a restore, or were changed while it ran; ``files`` names them."""

    def __init__(self, message: str, files: Iterable[str]) -> None:
        self.files = tuple(files)
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Versions:
    """A file that two transactions changed in ways that do not fit together."""

    path: str
    base: bytes | None
    """Content when the isolated transaction began; None where the file did not exist."""
    main: bytes | None
    """Content in the workspace now; None where it was deleted."""
    mine: bytes | None
    """Content in the isolated transaction; None where it was deleted."""


class MergeConflictError(ConflictError):
    """An isolated transaction cannot be committed; ``versions`` holds both contents of every file in question."""

    def __init__(self, message: str, versions: Iterable[Versions]) -> None:
        self.versions = tuple(versions)
        super().__init__(message, [version.path for version in self.versions])
