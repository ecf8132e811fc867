"""A real JupyterLab server in a folder of its own, and one notebook of it in a page."""

from __future__ import annotations

import ast
import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.browser.program import Program, write_notebook

TOKEN = "only-on-this-machine"
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none", "kernelShutdown": True},
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}
# What Chromium is started with.
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OF_JUPYTERLAB = ("Command 'filebrowser:open-path' not registered.",)
"""What JupyterLab throws by itself now and then: its router asks for the file browser before that has started."""
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"


class Server(Program):
    """JupyterLab, with no configuration but ours."""

    homes = (*Program.homes, "JUPYTER_RUNTIME_DIR")

    def __init__(self, root: Path) -> None:
        self.notebooks = root / "notebooks"
        super().__init__(root, self.notebooks)

    def words(self) -> Sequence[str]:
        """Return what stands after `python -m`; makes the folder of notebooks and writes the settings."""
        self.notebooks.mkdir()
        for plugin, settings in SETTINGS.items():
            path = self.root / "settings/@jupyterlab" / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.notebooks,
            "IdentityProvider.token": TOKEN,
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "LabApp.extension_manager": "readonly",
            "JupyterNotebookApp.expose_app_in_browser": True,
        }
        flags = ["--no-browser", "--allow-root", "--expose-app-in-browser"]
        return ["jupyterlab", *flags, *(f"--{name}={value}" for name, value in options.items())]

    def environment(self) -> dict[str, str]:
        """Return the variables, with JupyterLab's folders."""
        folders = {"SETTINGS": "settings", "WORKSPACES": "workspaces"}
        own = {f"JUPYTERLAB_{name}_DIR": str(self.root / folder) for name, folder in folders.items()}
        return super().environment() | own

    def is_up(self) -> bool:
        """Tell whether it answers."""
        with urllib.request.urlopen(f"{self.base}/api?token={TOKEN}", timeout=1):
            return True


class Watch:
    """What a page complained about: errors that it threw, and addresses outside the server that it asked for."""

    def __init__(self, page: object, server: object) -> None:
        self.errors: list[str] = []
        self.strangers: list[str] = []
        at_home = (server.base, server.base.replace("http", "ws"), "data:", "blob:")
        page.on("pageerror", lambda error: str(error) in OF_JUPYTERLAB or self.errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith(at_home) or self.strangers.append(request.url))

    def check(self) -> None:
        """Fail when there was anything."""
        assert self.errors == [], self.errors
        assert self.strangers == [], self.strangers


@dataclass(frozen=True)
class Notebook:
    """One notebook in JupyterLab's single-document page."""

    page: object
    server: Server
    name: str

    def write(self, cells: list[str]) -> None:
        """Write the notebook file with these code cells."""
        write_notebook(self.server.notebooks / self.name, *cells)

    def open(self, address: str = "") -> None:
        """Open it, at another address than JupyterLab's if one is given, and wait until its kernel is idle."""
        self.page.goto(f"{self.server.base}/{address or f'doc/tree/{self.name}?reset&token={TOKEN}'}")
        self.page.wait_for_function(
            "() => { const shown = window.jupyterapp?.shell?.currentWidget;"
            " return shown?.context?.isReady && shown.sessionContext?.session?.kernel?.status === 'idle' }",
            timeout=60_000,
        )

    def command(self, name: str, **arguments: object) -> None:
        """Run a command of JupyterLab and wait for its end."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => true)", [name, arguments]
        )

    def run_all(self) -> None:
        """Run all cells, wait for their end and fail when one of them failed."""
        self.command("notebook:run-all-cells")
        failures = self.page.locator("[data-mime-type='application/vnd.jupyter.stderr']")
        assert failures.all_inner_texts() == []

    def run(self, *cells: int) -> None:
        """Run cells, counted from 0, each to its end."""
        for cell in cells:
            self._select(cell)
            self.command("notebook:run-cell")

    def start(self, cell: int) -> None:
        """Run a cell without waiting for its end."""
        self._select(cell)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")

    def _select(self, cell: int) -> None:
        self.page.evaluate(f"() => {{ window.jupyterapp.shell.currentWidget.content.activeCellIndex = {cell} }}")

    def restart_kernel(self) -> None:
        """Restart the kernel, so that it forgets everything."""
        self.page.evaluate(f"() => {KERNEL}.restart()")

    def value(self, expression: str) -> object:
        """Return the JSON value of an expression in the kernel, now."""
        answer = self._evaluate(expression)
        assert answer["status"] == "ok", answer
        return _json_of(answer)

    def expect_value(self, expression: str, expected: object, seconds: float = 10) -> None:
        """Wait until an expression has a value in the kernel: its main shell may run ahead of widget messages.

        Until then the expression may fail, as `table.selected["rule"]` does while nothing is selected.
        """
        deadline = time.monotonic() + seconds
        answer = self._evaluate(expression)
        while not _answers(answer, expected) and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)
            answer = self._evaluate(expression)
        assert _answers(answer, expected), f"{expression} is {answer}, expected {expected}"

    def _evaluate(self, expression: str) -> dict:
        return self.page.evaluate(
            f"async (expression) => (await {KERNEL}.requestExecute({{code: '', silent: true,"
            " store_history: false, user_expressions: {value: expression}}).done).content.user_expressions.value",
            f"__import__('json').dumps({expression})",
        )

    def output(self, cell: int) -> object:
        """Return the output area of a cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea-output")

    def use_theme(self, name: str) -> None:
        """Switch the theme: "JupyterLab Light" or "JupyterLab Dark"."""
        self.command("apputils:change-theme", theme=name)
        is_light = "true" if name.endswith("Light") else "false"
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{is_light}'")


def _answers(answer: dict, expected: object) -> bool:
    return answer["status"] == "ok" and _json_of(answer) == expected


def _json_of(answer: dict) -> object:
    return json.loads(ast.literal_eval(answer["data"]["text/plain"]))


def shows(tree: object, frame: int) -> None:
    """Wait until the tree shows a frame."""
    from playwright.sync_api import expect

    expect(tree).to_have_attribute("data-frame", str(frame))
    expect(tree).to_have_attribute("data-ready", "true")
