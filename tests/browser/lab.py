"""A real JupyterLab server in a folder of its own, and one notebook of it in a page."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat

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


class Server:
    """JupyterLab on a free port, with no configuration but ours; use as a context manager."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebooks = root / "notebooks"
        self.log = root / "lab.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.base = f"http://127.0.0.1:{probe.getsockname()[1]}"

    def __enter__(self) -> Server:
        self.notebooks.mkdir()
        self._write_settings()
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.base.rpartition(":")[2],
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.notebooks,
            "IdentityProvider.token": TOKEN,
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "LabApp.extension_manager": "readonly",
            "JupyterNotebookApp.expose_app_in_browser": True,
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command, env=self._environment(), cwd=self.notebooks, stdout=log, stderr=log
            )
        self._wait_until_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write_settings(self) -> None:
        for plugin, settings in SETTINGS.items():
            path = self.root / "settings/@jupyterlab" / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            environment[name] = str(self.root / name.lower())
        environment["JUPYTERLAB_SETTINGS_DIR"] = str(self.root / "settings")
        environment["JUPYTERLAB_WORKSPACES_DIR"] = str(self.root / "workspaces")
        environment["JUPYTER_PLATFORM_DIRS"] = "1"
        return environment

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.base}/api?token={TOKEN}", timeout=1).close()
                return
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-4000:]}")


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
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
        )
        nbformat.write(made, self.server.notebooks / self.name)

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
