"""JupyterLab once a session, one Chromium, and one page a module."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.lab import FLAGS, Notebook, Server, Watch

INSTALL = "apt-get update && apt-get install -y chromium"
ARTIFACTS = Path(__file__).parent.parent / "artifacts"


def find_chromium() -> str:
    """Return the path of the system's Chromium; without one skip with the line that installs it, and fail in CI."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is not None:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"no Chromium for the browser tests. Install it: {INSTALL}")
    pytest.skip(f"no Chromium. To run the browser tests: {INSTALL}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The system's Chromium, headless, with an empty profile."""
    found = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, chromium: object) -> Iterator[Server]:
    """JupyterLab, started when Chromium is there."""
    with Server(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def page(chromium: object) -> Iterator[object]:
    """A page with a profile of its own, for the tests of one module: JupyterLab takes seconds to load."""
    context = chromium.new_context(viewport={"width": 1200, "height": 1300}, service_workers="block")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def notebook(page: object, server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    """Writes and opens a notebook of cells; at the end no page error and no request to elsewhere is forgiven."""
    watch = Watch(page, server)
    numbers = itertools.count()

    def make(*cells: str) -> Notebook:
        made = Notebook(page, server, f"{request.module.__name__.rpartition('.')[2]}_{next(numbers)}.ipynb")
        made.write(list(cells))
        made.open()
        return made

    yield make
    watch.check()


@pytest.fixture
def picture(page: object) -> Callable[..., None]:
    """Keeps a picture of the page in tests/artifacts, for a person to look at."""

    def take(name: str, of: object = page) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        of.screenshot(path=ARTIFACTS / f"{name}.png")

    return take


@pytest.fixture
def slider(page: object) -> object:
    """The scrubber's strip."""
    return page.get_by_role("slider", name="Frame")


@pytest.fixture
def tree(page: object) -> object:
    """The state tree."""
    return page.get_by_test_id("vcr-tree")
