"""Runs git on the private repository: with a built environment, so that no setting of the user's gets in."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from agent_vcr_nb.workspace.errors import StoreError

NEEDED = (2, 38)
"""``git merge-tree --write-tree`` came with 2.38."""

SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.fsmonitor": "false",
    "core.precomposeUnicode": "false",
    "core.protectNTFS": "false",
    "core.protectHFS": "false",
    "core.logAllRefUpdates": "false",
    "core.compression": "1",
    # A savepoint that was returned survives a power cut: pack, index and ref are flushed before git exits.
    "core.fsync": "all",
    "core.fsyncMethod": "fsync",
    "fastimport.unpackLimit": "1",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "all",
    "safe.directory": "*",
    "merge.directoryRenames": "false",
}

_DROPPED = frozenset({"LANGUAGE", "PAGER", "EDITOR", "VISUAL", "SSH_ASKPASS"})


def git_environment(repository: Path) -> dict[str, str]:
    """Return the environment for git: the user's without its GIT_* variables, and the settings above."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") and key not in _DROPPED}
    env.update(
        LC_ALL="C",
        TZ="UTC",
        GIT_DIR=str(repository),
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_CONFIG_SYSTEM=os.devnull,
        GIT_ATTR_NOSYSTEM="1",
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_LITERAL_PATHSPECS="1",
        GIT_PAGER="cat",
        GIT_CONFIG_COUNT=str(len(SETTINGS)),
    )
    for role in ("AUTHOR", "COMMITTER"):
        env[f"GIT_{role}_NAME"], env[f"GIT_{role}_EMAIL"] = "vcr", "vcr@localhost"
    for number, (key, value) in enumerate(SETTINGS.items()):
        env[f"GIT_CONFIG_KEY_{number}"], env[f"GIT_CONFIG_VALUE_{number}"] = key, value
    return env


class Git:
    """The git command, bound to one bare repository. It never runs inside a workspace."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository

    def run(self, *args: str, stdin: bytes = b"", accept: tuple[int, ...] = (0,)) -> bytes:
        """Return what ``git *args`` prints; raises StoreError for any exit code that is not accepted."""
        return self.ask(*args, stdin=stdin, accept=accept)[1]

    def ask(self, *args: str, stdin: bytes = b"", accept: tuple[int, ...] = (0,)) -> tuple[int, bytes]:
        """Return exit code and output of ``git *args``."""
        process = self.start(*args, extra={})
        out, err = process.communicate(stdin)
        if process.returncode not in accept:
            raise failed(args[0], process.returncode, err)
        return process.returncode, out

    def start(
        self, *args: str, stdin: IO[bytes] | int = subprocess.PIPE, extra: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``git *args`` with pipes at its three ends; raises StoreError when there is no git."""
        try:
            return subprocess.Popen(
                ["git", *args],
                env={**git_environment(self.repository), **(extra or {})},
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.repository.parent,
            )
        except FileNotFoundError:
            raise StoreError(
                f"git was not found on PATH: file transactions need git {'.'.join(map(str, NEEDED))} or later. "
                "Install it and try again; the workspace was not touched."
            ) from None
        except OSError as error:
            raise StoreError(f"git {args[0]} could not be started: {error}. The workspace was not touched.") from error

    def create(self) -> None:
        """Make the bare repository if it does not exist; raises StoreError for a git that is too old."""
        if self.repository.is_dir():
            return
        words = self.run("version").split()
        version = tuple(int(part) for part in words[2].split(b".")[:2])
        if version < NEEDED:
            found, needed = ".".join(map(str, version)), ".".join(map(str, NEEDED))
            raise StoreError(f"git {found} is too old: file transactions need git {needed} or later.")
        # Made under another name: an init that is killed must not look like a repository.
        fresh = self.repository.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        Git(fresh).run("init", "--quiet", "--bare", "--template=", "--initial-branch=none", str(fresh))
        fresh.rename(self.repository)

    def blobs(self, ids: Iterable[str]) -> Iterator[bytes]:
        """Yield the contents of blobs in the order asked for; raises StoreError for one that is missing."""
        with tempfile.TemporaryFile() as wanted:
            wanted.write(b"".join(blob.encode() + b"\n" for blob in ids))
            wanted.seek(0)
            process = self.start("cat-file", "--batch", "--buffer", stdin=wanted)
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                while header := process.stdout.readline().split():
                    if len(header) != 3:
                        raise StoreError(f"the store {self.repository} has lost object {header[0].decode()}")
                    size = int(header[2])
                    data = process.stdout.read(size)
                    process.stdout.read(1)
                    if len(data) != size:
                        break
                    yield data
            finally:
                process.stdout.close()
                error = process.stderr.read()
                process.stderr.close()
                code = process.wait()
            if code:
                raise failed("cat-file", code, error)


def failed(command: str, code: int, error: bytes) -> StoreError:
    """Return the error that tells how a git command ended."""
    how = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
    lines = error.decode(errors="replace").strip().splitlines() or ["no message"]
    return StoreError(f"git {command} {how}: {lines[0][:400]}. Nothing of this step was kept; try again.")
