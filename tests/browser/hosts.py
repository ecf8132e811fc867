"""Other programs that show notebooks and their widgets: Voilà and marimo, each with a folder of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from tests.browser.program import Program, write_notebook


class Host(Program):
    """Shows one notebook, started with `python -m` and these words, in which PORT is its port."""

    homes = (*Program.homes, "XDG_CONFIG_HOME", "XDG_CACHE_HOME")

    def __init__(self, folder: Path, *words: str) -> None:
        super().__init__(folder, folder)
        self._words = words

    def words(self) -> Sequence[str]:
        """Return what stands after `python -m`."""
        return [word.replace("PORT", self.port) for word in self._words]


def voila(folder: Path, cell: str) -> Host:
    """Return Voilà on a notebook of one cell."""
    write_notebook(folder / "shown.ipynb", cell)
    options = ["--no-browser", "--port=PORT", "--Voila.ip=127.0.0.1"]
    return Host(folder, "voila", "shown.ipynb", *options)


def marimo(folder: Path, cell: str, theme: str = "light") -> Host:
    """Return marimo on an app of one cell."""
    (folder / "pyproject.toml").write_text(f'[tool.marimo.display]\ntheme = "{theme}"\n')
    body = textwrap.indent(cell.strip(), "    ")
    (folder / "shown.py").write_text(
        f"import marimo\n\napp = marimo.App()\n\n\n@app.cell\ndef _():\n{body}\n    return\n"
    )
    return Host(
        folder, "marimo", "--yes", "run", "shown.py", "--headless", "--host=127.0.0.1", "--port=PORT", "--no-token"
    )
