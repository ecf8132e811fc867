"""A daemon that holds a project's index in memory, so that a hook is answered in milliseconds.

It listens on a Unix socket in a folder of the user's own. A request is one line of JSON, so is the answer:
``{"hook": "claude-code", "event": {...}}`` gives ``{"code": 2, "text": "..."}``; ``{"stop": true}`` ends it.
"""

from __future__ import annotations

import fcntl
import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentinel import config as configuration
from sentinel import store
from sentinel.client import name_for, socket_path
from sentinel.errors import SentinelError, UsageError
from sentinel.guardian import Sentinel
from sentinel.hooks.claude_code import CLAUDE_CODE, Answer, Protocol
from sentinel.hooks.openhands_hook import OPENHANDS

_STOPPING = {"code": 0, "text": "", "stopping": True}
MAX_REQUEST = 64_000_000
HOOKS: dict[str, Protocol] = {"claude-code": CLAUDE_CODE, "openhands": OPENHANDS}


def answer(root: Path, hook: str, event: dict[str, Any]) -> Answer:
    """Answer a hook in this process, from the stored index, which is kept up to date: one process at a time."""
    with open(store.cache_folder() / f"{name_for(root)}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sentinel = Sentinel(root=root)
        _read_project(sentinel, hook, event)
        given = HOOKS[hook].handle(sentinel, event)
        sentinel.store_index()
        return given


def _read_project(sentinel: Sentinel, hook: str, event: dict[str, Any]) -> None:
    """Load the stored index, or read all but the file that was written: only that is new."""
    if not sentinel.load_index():
        path = HOOKS[hook].path(event)
        sentinel.index(skip="" if path is None else sentinel.project.relative(path))


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, sentinel: Sentinel) -> None:
        super().__init__(path, _Request)
        os.chmod(path, 0o600)
        self._lock = threading.Lock()
        self._sentinel = sentinel
        self._configured = configuration.load(sentinel.root)

    def answer(self, hook: str, event: dict[str, Any]) -> Answer:
        """Answer an event, one at a time, by the configuration as it is now: pyproject.toml may have been edited."""
        with self._lock:
            root = self._sentinel.root
            configured = configuration.load(root)
            if configured != self._configured:
                self._sentinel, self._configured = Sentinel(root=root), configured
                _read_project(self._sentinel, hook, event)
            return HOOKS[hook].handle(self._sentinel, event)

    def service_actions(self) -> None:
        """Called between requests: a project that was moved or deleted needs no daemon."""
        if not self._sentinel.root.is_dir():
            threading.Thread(target=self.shutdown).start()

    def store_index(self) -> None:
        """Keep the index for the next daemon."""
        self._sentinel.store_index()


class _Request(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        line = self.rfile.readline(MAX_REQUEST)
        if line:
            reply = self._reply(line)
            self.wfile.write(json.dumps(reply).encode() + b"\n")
            if reply == _STOPPING:
                threading.Thread(target=self.server.shutdown).start()

    def _reply(self, line: bytes) -> dict[str, Any]:
        """Every request is answered; one that cannot be is answered with what is wrong."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or not isinstance(request.get("event", {}), dict):
                return {"error": "the request is no JSON object with an event: expected what `sentinel hook` sends"}
            if request.get("stop"):
                return _STOPPING
            hook = request.get("hook")
            if hook not in HOOKS:
                return {"error": f"no hook is called {hook!r}: known are {', '.join(HOOKS)}"}
            code, text = self.server.answer(hook, request.get("event", {}))
            return {"code": code, "text": text}
        except SentinelError as error:
            return {"error": str(error)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}


def serve(sentinel: Sentinel, started: Callable[[str], None]) -> None:
    """Answer requests until stopped; ``started`` is called with the socket's path once it listens.

    Raises:
        UsageError: another daemon serves this project already.
    """
    path = socket_path(sentinel.root)
    with _alone(path, sentinel.root):
        path.unlink(missing_ok=True)  # left by a daemon that was killed
        if not sentinel.load_index():
            sentinel.index()
        sentinel.sweep()
        with _Server(str(path), sentinel) as server:
            try:
                started(str(path))
                server.serve_forever(poll_interval=0.1)
            finally:
                path.unlink(missing_ok=True)
                server.store_index()


@contextmanager
def _alone(path: Path, root: Path) -> Iterator[None]:
    """Hold the project's lock, which the system lets go of when the process ends in whatever way."""
    with open(path.with_suffix(".lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"a daemon for {root} is running already: stop it with `sentinel serve --stop`"
            raise UsageError(message) from error
        yield
