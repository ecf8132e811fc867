"""The side of a hook's process: read the event, find its project, ask the project's daemon.

It loads little, for it runs at every write: what checks code is loaded only where no daemon answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from sentinel.errors import SentinelError, UsageError

MAX_SOCKET_PATH = 100
"""Unix allows a socket 104 to 108 characters, by system."""
PATIENCE_S = 30.0
"""Seconds that a hook waits for the daemon: agents give a hook a minute."""
PROJECT_VARIABLES = {"claude-code": "CLAUDE_PROJECT_DIR", "openhands": "OPENHANDS_PROJECT_DIR"}
"""By agent: the project's folder in the environment of its hooks. An event's folder follows the agent's ``cd``."""


def parse(text: bytes) -> dict[str, Any]:
    """The event of a hook.

    Raises:
        UsageError: the text is no JSON object, or the object is no event.
    """
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"stdin holds no JSON ({error}): expected the event of a hook") from error
    if not isinstance(event, dict):
        raise UsageError(f"stdin holds {type(event).__name__}: expected the JSON object of a hook's event")
    for name, kind in (("tool_input", dict), ("cwd", str), ("working_dir", str)):
        if not isinstance(event.get(name), (kind, type(None))):
            found = type(event[name]).__name__
            raise UsageError(f"the event's {name!r} holds {found}: expected {kind.__name__}")
    return event


def project_of(agent: str, event: dict[str, Any], given: Path | None = None) -> Path:
    """The root of the project that an event is about; ``given`` comes before what the event says.

    Raises:
        UsageError: there is no such folder.
    """
    named = os.environ.get(PROJECT_VARIABLES[agent]) or event.get("cwd") or event.get("working_dir") or "."
    folder = Path(named) if given is None else given
    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist: expected the project's folder")
    return find_root(folder)


def find_root(start: Path) -> Path:
    """The nearest folder upwards with pyproject.toml or .git; without one, the folder of ``start`` itself."""
    folder = start.resolve() if start.is_dir() else start.resolve().parent
    for candidate in (folder, *folder.parents):
        if is_project(candidate):
            return candidate
    return folder


def is_project(folder: Path) -> bool:
    """True for a folder that says of itself that it is a project's."""
    return (folder / "pyproject.toml").is_file() or (folder / ".git").exists()


def name_for(root: Path) -> str:
    """A short name for a project's folder."""
    return hashlib.blake2b(str(root).encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


def own_folder(longest: int = MAX_SOCKET_PATH) -> Path:
    """A folder of the user's own that every process of the machine finds.

    Raises:
        UsageError: other users can write to it.
    """
    bases = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp")
    names = [Path(base) / f"agent-sentinel-{os.getuid()}" for base in bases if base and Path(base).is_dir()]
    folder = next((name for name in names if len(os.fsencode(name)) <= longest), names[-1])
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UsageError(f"{folder} is open to other users: remove it, or set XDG_RUNTIME_DIR")
    return folder


def socket_path(root: Path) -> Path:
    """Where the daemon of a project listens; raises UsageError when other users can write there."""
    name = name_for(root)
    return own_folder(MAX_SOCKET_PATH - len(name) - 1) / name


def ask(root: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """The running daemon's answer; None when none is running, or it was ended before it answered.

    Raises:
        SentinelError: the daemon answered with an error, or not in time.
    """
    path = socket_path(root)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as reader:
                line = reader.readline()
        except TimeoutError as error:
            message = f"the daemon at {path} does not answer: end it, and start `sentinel serve` again"
            raise SentinelError(message) from error
        except (FileNotFoundError, ConnectionError):
            return None
    if not line.endswith(b"\n"):
        return None
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise SentinelError(answer["error"])
    return answer
