"""MLflow's trace view in a notebook cell, measured as the debugger is: its first paint, and a click on a span.

MLflow and a kernel for it lie in a virtual environment of their own. Its view is a frame that a tracking server fills.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import nbformat

from tests.benchmarks.peer import NotInstalled, python_with
from tests.browser.lab import Notebook

PEER = ("mlflow==3.17.2", "ipykernel>=7")
CLICKS = 20
START_SECONDS = 180
EXPORT_SECONDS = 60
"""How long a trace may take to reach the server completely, after its last span has ended."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

CELLS = (
    """
import mlflow
mlflow.set_tracking_uri("{address}")
mlflow.set_experiment("bench")
with mlflow.start_span("run"):
    for n in range({spans} - 1):
        with mlflow.start_span(f"step_{{n}}") as span:
            span.set_inputs({{"n": n, "text": "x" * 1000, "rows": ["y" * 1000], "mark": f"mark-{{n}}-"}})
            span.set_outputs({{"n": n + 1, "text": "x" * 1000, "rows": ["y" * 1000]}})
mlflow.flush_trace_async_logging()
import time
trace, deadline = None, time.monotonic() + {patience}
while trace is None and time.monotonic() < deadline:  # the server takes a while for the last of many spans
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
""",
    "trace",
)

_CLICK = """async (n) => {
  const find = (words) => document.evaluate(`//*[text()[contains(., '${words}')]]`, document, null, 9).singleNodeValue;
  const span = document.evaluate(`//*[text()='step_${n}']`, document, null, 9).singleNodeValue;
  const clicked = performance.now();
  span.click();
  await new Promise((done) => {
    const look = () => (find(`mark-${n}-`) ? setTimeout(done, 0) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  });
  return (performance.now() - clicked) / 1000;
}"""


@contextmanager
def tracking_server(lab: Any) -> Iterator[Callable[[int], tuple[float, float] | None]]:
    """Start MLflow's server; gives a function from spans to the seconds of (first paint, a click on a span).

    It gives None for a trace that the server has not got completely after `EXPORT_SECONDS`.

    `lab` is a running `Server` with the `page` to use. Raises NotInstalled.
    """
    python = python_with(*PEER)
    folder = lab.root / "mlflow"
    folder.mkdir()
    _add_kernel(lab.root / "jupyter_data_dir" / "kernels" / "mlflow", python)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = ["server", "--host=127.0.0.1", f"--port={port}", f"--backend-store-uri=sqlite:///{folder}/runs.db"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [str(python), "-m", "mlflow", *words, "--workers=1"],
            cwd=folder,
            env={**os.environ, **QUIET, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
            start_new_session=True,  # its own workers are to end with it
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_up(process, address)
        yield lambda spans: _measured(lab, address, spans)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _add_kernel(folder: Path, python: Path) -> None:
    folder.mkdir(parents=True)
    words = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": words, "display_name": "MLflow", "language": "python", "env": QUIET}
    (folder / "kernel.json").write_text(json.dumps(spec))


def _wait_until_up(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=2).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise NotInstalled(f"MLflow's server did not start within {START_SECONDS} s")


def _measured(lab: Any, address: str, spans: int) -> tuple[float, float] | None:
    notebook = Notebook(lab.page, lab, f"mlflow{spans}.ipynb")
    made = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(cell.format(address=address, spans=spans, patience=EXPORT_SECONDS))
            for cell in CELLS
        ],
        metadata={"kernelspec": {"name": "mlflow", "display_name": "MLflow", "language": "python"}},
    )
    nbformat.write(made, lab.notebooks / notebook.name)
    notebook.open()
    notebook.run(0)
    if not notebook.value("trace is not None"):
        return None
    begun = time.perf_counter()
    notebook.run(1)
    view = lab.page.frame_locator("iframe").first
    view.get_by_text("step_0", exact=True).first.wait_for()
    paint = time.perf_counter() - begun
    frame = next(frame for frame in lab.page.frames if "trace-renderer" in frame.url)
    return paint, median(frame.evaluate(_CLICK, n) for n in range(1, CLICKS + 1))
