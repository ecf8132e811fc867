"""What ours is compared with, each in a virtual environment of its own, and the pipe to a worker process."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import venv
from pathlib import Path
from types import TracebackType
from typing import Any

PEER = "ai-agent-vcr==1.5.4"
ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")


class NotInstalled(Exception):
    """The peer cannot be had here; says why."""


@functools.cache
def python_with(*requirements: str) -> Path:
    """Return the interpreter of an environment that has packages, made at the first call; raises NotInstalled."""
    folder = ROOT / f".venv-bench-{requirements[0].partition('=')[0].lower()}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done, wanted = folder / "installed", "\n".join(requirements)
    if done.is_file() and done.read_text() == wanted:
        return python
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    outcome = subprocess.run(pip, capture_output=True, text=True)
    if outcome.returncode:
        last = (outcome.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise NotInstalled(f"{requirements[0]} could not be installed ({last[:160]})")
    done.write_text(wanted)
    return python


class Worker:
    """A worker process of one side (see worker.py); a command is called as a method with named arguments."""

    def __init__(self, side: str, folder: Path) -> None:
        own = folder / side
        own.mkdir(exist_ok=True)
        python = python_with(PEER) if side == "peer" else Path(sys.executable)
        self._process = subprocess.Popen(
            [str(python), str(WORKER), side, str(own)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=own,
        )

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self._ask, name)

    def _ask(self, command: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended at {command!r}; what it said stands above")
        return json.loads(answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
