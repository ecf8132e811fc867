"""Other programs that show notebooks and their widgets: Voilà and marimo, each with a folder of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat


class Host:
    """A server on a free port that shows one notebook, started with `python -m` and these words; a context manager."""

    def __init__(self, folder: Path, *words: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.base = f"http://127.0.0.1:{self.port}"
        self.folder, self.log = folder, folder / "host.log"
        self._words = [word.replace("PORT", self.port) for word in words]

    def __enter__(self) -> Host:
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._words], cwd=self.folder, env=self._environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", int(self.port)), timeout=1):
                    return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{self._words[0]} did not start:\n{self.log.read_text()[-4000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MARIMO"))}
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            environment[name] = str(self.folder / name.lower())
        # Kernels look for the default one here, and a server reads who may enter.
        environment["JUPYTER_PLATFORM_DIRS"] = "1"
        return environment


def voila(folder: Path, cell: str) -> Host:
    """Return Voilà on a notebook of one cell."""
    write_notebook(folder / "shown.ipynb", cell)
    options = ["--no-browser", "--port=PORT", "--Voila.ip=127.0.0.1"]
    return Host(folder, "voila", "shown.ipynb", *options)


def marimo(folder: Path, cell: str) -> Host:
    """Return marimo on an app of one cell."""
    body = textwrap.indent(cell.strip(), "    ")
    (folder / "shown.py").write_text(
        f"import marimo\n\napp = marimo.App()\n\n\n@app.cell\ndef _():\n{body}\n    return\n"
    )
    return Host(
        folder, "marimo", "--yes", "run", "shown.py", "--headless", "--host=127.0.0.1", "--port=PORT", "--no-token"
    )


def write_notebook(path: Path, *cells: str) -> None:
    """Write a notebook of code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(made, path)
