"""Freezes what the savepoints of a store cover."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from agent_vcr_nb.workspace.errors import UnsafeWorkspaceError
from agent_vcr_nb.workspace.scan import Scope
from agent_vcr_nb.workspace.store import Store, write_durably


def frozen_scope(
    store: Store, workspace: Path, *, leave_out: Iterable[str], max_file_bytes: int | None, recordings: Path | None
) -> Scope:
    """Return what the store has covered from its first transaction on; it can become less, never more.

    Were it to become more, a rollback to an older savepoint would delete files that had only not been looked at.
    Recordings that lie in the workspace are left out: they must survive a rollback.
    Raises UnsafeWorkspaceError for a larger `max_file_bytes` than at first.
    """
    path = store.path / "scope.json"
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        known = {"path": str(workspace), "excluded": [], "max_file_bytes": max_file_bytes or Scope().max_file_bytes}
    max_file_bytes = max_file_bytes or known["max_file_bytes"]
    if max_file_bytes > known["max_file_bytes"]:
        raise UnsafeWorkspaceError(
            f"max_file_bytes={max_file_bytes}: the savepoints of {workspace} cover files up to "
            f"{known['max_file_bytes']} bytes, and going back would delete larger ones. Choose another store."
        )
    excluded = {*leave_out, *known["excluded"]}
    if recordings is not None and workspace in recordings.resolve().parents:
        excluded.add(recordings.resolve().relative_to(workspace).as_posix())
    scope = {**known, "excluded": sorted(excluded), "max_file_bytes": max_file_bytes}
    if scope != known or not path.exists():
        write_durably(path, json.dumps(scope).encode())
    return Scope(excluded=frozenset(excluded), max_file_bytes=max_file_bytes)
