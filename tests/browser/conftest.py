"""JupyterLab once a session, one Chromium, and a new page for every test."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.lab import Notebook, Server

INSTALL = "apt-get update && apt-get install -y chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTIFACTS = Path(__file__).parent.parent / "artifacts"


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The system's Chromium, headless, with an empty profile."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"no Chromium for the browser tests. Install it: {INSTALL}")
    if found is None:
        pytest.skip(f"no Chromium. To run the browser tests: {INSTALL}")
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


@pytest.fixture
def page(chromium: object) -> Iterator[object]:
    """An empty page of a new profile."""
    context = chromium.new_context(viewport={"width": 1200, "height": 1300}, service_workers="block")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def notebook(page: object, server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    """Makes and opens a notebook of cells; after the test no page error and no request to elsewhere is forgiven."""
    opened: list[Notebook] = []

    def make(*cells: str) -> Notebook:
        made = Notebook(page, server, re.sub(r"\W+", "_", request.node.name) + ".ipynb")
        made.write(list(cells))
        made.watch()
        made.open()
        opened.append(made)
        return made

    yield make
    for made in opened:
        assert made.errors == []
        assert made.strangers == []


@pytest.fixture
def picture(page: object) -> Callable[[str], None]:
    """Keeps a picture of the page in tests/artifacts, for a person to look at."""

    def take(name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / f"{name}.png")

    return take
