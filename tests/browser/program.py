"""A server of a test: a program of this Python on a free port, started and ended with a `with` block."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SECONDS_TO_START = 60
SECONDS_TO_END = 15


class Program:
    """Runs `python -m WORDS` in a folder until the block ends; what it prints is in `log`.

    A subclass says with `words` what is run, with `homes` which variables name a folder of the program's own, and with
    `is_up` when it can be used.
    """

    homes: tuple[str, ...] = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder, self.log = root, folder, root / "program.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.base = f"http://127.0.0.1:{self.port}"

    def words(self) -> Sequence[str]:
        """Return what stands after `python -m`."""
        raise NotImplementedError

    def is_up(self) -> bool:
        """Tell whether it answers; raises OSError where nothing listens yet."""
        with socket.create_connection(("127.0.0.1", int(self.port)), timeout=1):
            return True

    def environment(self) -> dict[str, str]:
        """Return the variables of this process without those of other Jupyters, and the program's own folders."""
        known = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MARIMO"))}
        # Kernels look for the default one here, and a server reads who may enter.
        return known | {name: str(self.root / name.lower()) for name in self.homes} | {"JUPYTER_PLATFORM_DIRS": "1"}

    def __enter__(self) -> Program:
        words = list(self.words())
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=self.folder, env=self.environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self.is_up():
                    return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        raise RuntimeError(f"{words[0]} did not start:\n{self.log.read_text()[-4000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def write_notebook(path: Path, *cells: str) -> None:
    """Write a notebook of code cells."""
    import nbformat

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(made, path)
