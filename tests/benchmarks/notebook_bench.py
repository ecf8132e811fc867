"""The debugger in JupyterLab in Chromium: first paint, stepping, and following a run of 200 frames a second.

Times are taken inside the page, from the event to the picture that follows: the network between this program and the
browser is not in them. Beside it stands MLflow's in-notebook trace view on runs of the same size (see `mlflow_view`),
but not in the gate: its server takes a minute and a gigabyte to install.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import mlflow_view
from tests.benchmarks.peer import NotInstalled
from tests.benchmarks.rows import Row, bounded, compared, not_measured, seconds
from tests.browser.lab import FLAGS, Notebook, Server

LONG_FRAMES, SHORT_FRAMES = 10_000, 266
PAINTS = 3
STEPS = 120
STATE_BYTES = 200_000
RATE, SECONDS = 200, 30

FIRST_PAINT = "first paint of 10,000 frames after the cell's end"
STEP = f"a step to its state of 200 kB shown, {STEPS} steps"
GAP = f"{RATE} frames/s for {SECONDS} s: longest gap between two pictures"
LOST = f"{RATE} frames/s for {SECONDS} s: frames on show of those recorded"
_BARS = ((FIRST_PAINT, "<= 1.5 s"), (f"{STEP}, p95", "<= 100 ms"), (GAP, "<= 200 ms"), (LOST, "all"))

SETUP = f"""
import time
from pathlib import Path
from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.notebook.debugger import VCRDebugger
from agent_vcr_nb.notebook.recorded import PlayerSource

def record(session, frames, size):
    if Path(".vcr", session + ".vcr").exists():
        return
    with VCRRecorder() as recorder:
        recorder.start_session(session)
        state = {{"n": 0, "text": "x" * 1000, "rows": ["y" * 1000] * (size // 1000)}}
        for n in range(frames):
            before, state = state, {{**state, "n": n + 1}}
            recorder.record_step(f"step_{{n % 7}}", before, state)

def debugger(session):
    return VCRDebugger(PlayerSource(VCRPlayer.load_by_id(session)))

def live():
    recorder.record_step("begin", {{}}, {{}})
    begun = time.perf_counter()
    for n in range({RATE * SECONDS}):
        recorder.record_step("work", {{"n": n}}, {{"n": n + 1}})
        ahead = begun + (n + 1) / {RATE} - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
    return time.perf_counter() - begun

record("short", {SHORT_FRAMES}, 1000)
record("long", {LONG_FRAMES}, 1000)
record("large", {STEPS + 1}, {STATE_BYTES})
"""
CELLS = (SETUP, "debugger('short')", "debugger('long')", "debugger('large')")
LIVE = (
    "recorder = VCRRecorder(); recorder.start_session('live')",
    "shown = debugger('live'); shown.follow(); shown",
    "took = live()",
    "shown.stop_following()",
)

# After the picture that shows a change: what is asked for in a frame callback runs after that frame was painted.
_PAGE = """
window.painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
window.until = (isSo) => new Promise((done) => {
  if (isSo()) return done();
  const observer = new MutationObserver(() => {
    if (isSo()) { observer.disconnect(); done(); }
  });
  observer.observe(document.body, {subtree: true, childList: true, attributes: true});
});
window.runCell = (cell) => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = cell;
  return window.jupyterapp.commands.execute("notebook:run-cell");
};
window.shows = (count) =>
  document.querySelector(".vcr-scrubber")?.dataset.count === String(count) &&
  document.querySelector(".vcr-tree")?.dataset.ready === "true";
"""
_PAINT = """async ([cell, count]) => {
  const begun = performance.now();
  await runCell(cell);
  const ended = performance.now();
  await until(() => shows(count));
  await painted();
  const now = performance.now();
  return [(now - ended) / 1000, (now - begun) / 1000];
}"""
_STEP = """async (steps) => {
  const slider = document.querySelector(".vcr-slider"), tree = document.querySelector(".vcr-tree"), taken = [];
  for (let frame = 1; frame <= steps; frame++) {
    const pressed = performance.now();
    slider.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true, cancelable: true}));
    await until(() => tree.dataset.frame === String(frame) && tree.dataset.ready === "true");
    await painted();
    taken.push((performance.now() - pressed) / 1000);
  }
  return taken;
}"""
_LIVE = """async ([cell, count]) => {
  let last = performance.now(), longest = 0, going = true;
  const look = (now) => {
    longest = Math.max(longest, now - last);
    last = now;
    if (going) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  await runCell(cell);
  await until(() => Number(document.querySelector(".vcr-scrubber").dataset.count) >= count);
  going = false;
  return longest / 1000;
}"""


def rows() -> list[Row]:
    """Return the rows of the table, MLflow's trace view beside ours."""
    return gate_rows() + _beside_mlflow()


def gate_rows() -> list[Row]:
    """Return the rows that have a bar."""
    chromium = _chromium()
    if chromium is None:
        return [not_measured(work, "no Chromium", bar) for work, bar in _BARS]
    with _lab(chromium) as lab:
        paints = [_first_paint(lab, f"paint{n}.ipynb", 2, LONG_FRAMES) for n in range(PAINTS)]
        steps = _steps(lab)
        gap, took, shown = _live(lab)
    p50, p95 = median(steps), sorted(steps)[int(len(steps) * 0.95)]
    recorded = RATE * SECONDS + 1
    lost: Row = {
        "work": LOST,
        "ours": f"{shown:,} of {recorded:,} ({RATE * SECONDS / took:.0f} a second)",
        "other": "",
        "ratio": None,
        "bar": "all",
        "ok": shown == recorded and took <= SECONDS * 1.02,
    }
    return [
        bounded(FIRST_PAINT, median(after_end for after_end, _ in paints), 1.5),
        bounded(f"{STEP}, p50", p50, 0.1),
        bounded(f"{STEP}, p95", p95, 0.1),
        bounded(GAP, gap, 0.2),
        lost,
    ]


def _beside_mlflow() -> list[Row]:
    """Both views on runs of 266 and 10,000 frames with states of 2 kB, in one browser."""
    works = ("from running the cell to the picture", "a step to its state shown")
    names = [f"{work}, {n:,} frames, beside MLflow's view" for n in (SHORT_FRAMES, LONG_FRAMES) for work in works]
    chromium = _chromium()
    if chromium is None:
        return [not_measured(name, "no Chromium", "") for name in names]
    try:
        with _lab(chromium) as lab, mlflow_view.tracking_server(lab) as show:
            found: list[tuple[float, float | None]] = []
            for cell, frames in ((1, SHORT_FRAMES), (2, LONG_FRAMES)):
                _, paint = _first_paint(lab, f"beside{frames}.ipynb", cell, frames)
                step = median(lab.page.evaluate(_STEP, 20))
                found += zip((paint, step), show(frames) or (None, None), strict=True)
    except NotInstalled as why:
        return [not_measured(name, str(why), "") for name in names]
    return [_beside(name, *pair) for name, pair in zip(names, found, strict=True)]


def _beside(name: str, ours: float, theirs: float | None) -> Row:
    if theirs is None:
        other = f"no trace after {mlflow_view.EXPORT_SECONDS} s"
        return {"work": name, "ours": seconds(ours), "other": other, "ratio": None, "bar": "", "ok": None}
    return compared(name, seconds(ours), seconds(theirs), ours / theirs, None)


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def _lab(chromium: str) -> Iterator[Any]:
    """A JupyterLab server with a `page` in Chromium."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="vcr-bench-") as name, sync_playwright() as playwright:
        root = Path(name).resolve()
        with Server(root) as server:
            browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
            page = browser.new_page(viewport={"width": 1200, "height": 1300})
            page.set_default_timeout(120_000)
            server.page = page
            yield server
            browser.close()


def _opened(lab: Any, name: str, *cells: str) -> Notebook:
    notebook = Notebook(lab.page, lab, name)
    notebook.write(list(cells))
    notebook.open()
    lab.page.evaluate(_PAGE)
    return notebook


def _first_paint(lab: Any, name: str, cell: int, count: int) -> tuple[float, float]:
    """Return the times from the end and from the start of a debugger's cell to its picture, in a new page."""
    _opened(lab, name, *CELLS).run(0)
    after_end, after_start = lab.page.evaluate(_PAINT, [cell, count])
    return after_end, after_start


def _steps(lab: Any) -> list[float]:
    """Return the times of steps one after the other, without a rest in which states could be fetched ahead."""
    _opened(lab, "steps.ipynb", *CELLS).run(0)
    lab.page.evaluate(_PAINT, [3, STEPS + 1])
    taken: list[float] = lab.page.evaluate(_STEP, STEPS)
    return taken


def _live(lab: Any) -> tuple[float, float, int]:
    """Return the longest gap between pictures, how long the recording took, and the frames on show after it."""
    notebook = _opened(lab, "live.ipynb", SETUP, *LIVE)
    notebook.run(0, 1, 2)
    gap = float(lab.page.evaluate(_LIVE, [3, RATE * SECONDS + 1]))
    notebook.run(4)
    shown = lab.page.evaluate("() => Number(document.querySelector('.vcr-scrubber').dataset.count)")
    return gap, float(notebook.value("took")), int(shown)
