"""A daemon that holds a project's index in memory, so that a hook is answered in milliseconds.

It listens on a Unix socket in a folder of the user's own. A request is one line of JSON, so is the answer:
``{"hook": "claude-code", "event": {...}}`` gives ``{"code": 2, "text": "..."}``; ``{"stop": true}`` ends it.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sentinel import store
from sentinel.errors import SentinelError, UsageError
from sentinel.guardian import Sentinel
from sentinel.hooks import claude_code

MAX_REQUEST = 64_000_000
MAX_SOCKET_PATH = 100
"""Unix allows a socket 104 to 108 characters, by system."""
HOOKS: dict[str, Callable[[Sentinel, dict[str, Any]], claude_code.Answer]] = {
    "claude-code": claude_code.handle,
    "openhands": claude_code.handle_openhands,
}


def socket_path(root: Path) -> Path:
    """Where the daemon of a project listens, in a folder of the user's own.

    Raises:
        UsageError: the folder belongs to another user.
    """
    bases = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")
    names = [Path(base) / f"agent-sentinel-{os.getuid()}" / store.name_for(root) for base in bases if base]
    path = next((name for name in names if len(os.fsencode(name)) <= MAX_SOCKET_PATH), names[-1])
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise UsageError(f"{path.parent} belongs to another user: remove it, or set XDG_RUNTIME_DIR")
    return path


def ask(root: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """The running daemon's answer; None when none is running.

    Raises:
        SentinelError: the daemon answered with an error.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(socket_path(root)))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as reader:
            answer: dict[str, Any] = json.loads(reader.readline())
    if "error" in answer:
        raise SentinelError(answer["error"])
    return answer


def answer(sentinel: Sentinel, hook: str, event: dict[str, Any]) -> claude_code.Answer:
    """Answer a hook by the daemon, or here with the stored index when none is running."""
    served = ask(sentinel.root, {"hook": hook, "event": event})
    if served is not None:
        return claude_code.Answer(int(served["code"]), str(served["text"]))
    if sentinel.load_index():
        return _and_store(sentinel, hook, event)
    path = claude_code.event_path(event)
    sentinel.index(skip="" if path is None else sentinel.project.relative(path))
    return _and_store(sentinel, hook, event)


def _and_store(sentinel: Sentinel, hook: str, event: dict[str, Any]) -> claude_code.Answer:
    given = HOOKS[hook](sentinel, event)
    sentinel.store_index()
    return given


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, sentinel: Sentinel) -> None:
        super().__init__(path, _Request)
        self.sentinel = sentinel
        self.lock = threading.Lock()


class _Request(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        line = self.rfile.readline(MAX_REQUEST)
        if line:
            self.wfile.write(json.dumps(self._reply(line)).encode() + b"\n")

    def _reply(self, line: bytes) -> dict[str, Any]:
        """Every request is answered; one that cannot be is answered with what is wrong."""
        try:
            request = json.loads(line)
            if request.get("stop"):
                threading.Thread(target=self.server.shutdown).start()
                return {"code": 0, "text": ""}
            hook = HOOKS.get(request.get("hook"))
            if hook is None:
                return {"error": f"no hook is called {request.get('hook')!r}: known are {', '.join(HOOKS)}"}
            with self.server.lock:
                code, text = hook(self.server.sentinel, request.get("event") or {})
            return {"code": code, "text": text}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}


def serve(sentinel: Sentinel, started: Callable[[str], None]) -> None:
    """Answer requests until stopped; ``started`` is called with the socket's path once it listens.

    Raises:
        UsageError: another daemon serves this project already.
    """
    path = socket_path(sentinel.root)
    if path.exists():
        if _listens(path):
            raise UsageError(f"a daemon for {sentinel.root} is running already: stop it with `sentinel serve --stop`")
        path.unlink()
    if not sentinel.load_index():
        sentinel.index()
    sentinel.sweep()
    with _Server(str(path), sentinel) as server:
        started(str(path))
        try:
            server.serve_forever(poll_interval=0.1)
        finally:
            path.unlink(missing_ok=True)
            sentinel.store_index()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True
