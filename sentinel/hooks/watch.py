"""Watch a folder and check every file that is written, by whatever program."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.errors import UsageError
from sentinel.findings import CheckResult

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel


def _folder_in(sentinel: Sentinel, folder: Path) -> Path:
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {found}: expected a folder to watch")
    full = folder.resolve()
    if full != sentinel.root and sentinel.root not in full.parents:
        raise UsageError(f"{folder} is not in {sentinel.root}, which is guarded: use Sentinel(root={str(folder)!r})")
    return full


def changes(sentinel: Sentinel, folder: Path, stop: threading.Event | None = None) -> Iterator[CheckResult]:
    """Yield a result for every file that is written under ``folder``, until ``stop`` is set.

    A file that was deleted or moved away gives a result without findings.

    Raises:
        UsageError: the folder does not exist or is not in the project, or watchfiles is not installed.
    """
    folder = _folder_in(sentinel, folder)
    try:
        import watchfiles
    except ImportError as error:
        raise UsageError("watching needs watchfiles: pip install 'agent-vcr-nb[watch]'") from error
    sentinel.index()
    options: dict[str, Any] = {
        "stop_event": stop,
        "debounce": 100,
        "step": 20,
        "rust_timeout": 200,
        # Its own filter looks at every part of the path: a project anywhere below `.venv` or `.tox` would not be seen.
        "watch_filter": None,
        "yield_on_timeout": True,
    }
    started = False
    for batch in watchfiles.watch(folder, **options):
        if not started:
            # What was written between reading the project and watching it comes with no event.
            started = True
            yield from sentinel.sweep(folder)
        for path in sorted({Path(name) for _, name in batch}):
            yield from _looked_at(sentinel, path)


def _looked_at(sentinel: Sentinel, path: Path) -> Iterator[CheckResult]:
    """Results for what stands at a path now. An event only says that it is time to look."""
    try:
        if path.is_dir():
            # Files of a folder that was moved here, or filled as it was made, come with no events of their own.
            results = [] if sentinel.ignores(path / "any.py") else sentinel.sweep(path)
        elif not path.exists():
            results = sentinel.forget(path)
        elif path.is_symlink() or sentinel.ignores(path) or sentinel.is_current(path):
            results = []
        else:
            results = [sentinel.check_file(path)]
    except (FileNotFoundError, UsageError):
        if path.exists():
            raise
        results = sentinel.forget(path)  # it went while it was looked at
    yield from results


class Watcher:
    """A watch in a thread of its own; results go to the Sentinel's ``on_result`` and recorder."""

    def __init__(self, sentinel: Sentinel, folder: Path) -> None:
        self._stop = threading.Event()
        self.error: BaseException | None = None
        sentinel.index()
        self._thread = threading.Thread(target=self._run, args=(sentinel, folder), name="sentinel-watch", daemon=True)
        self._thread.start()

    def _run(self, sentinel: Sentinel, folder: Path) -> None:
        try:
            for _ in changes(sentinel, folder, self._stop):
                pass
        except BaseException as error:
            self.error = error
            raise

    def stop(self) -> None:
        """End the watch and wait for it."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(sentinel: Sentinel, folder: Path) -> Watcher:
    """Watch a folder from now on; call ``stop()`` on the result to end it.

    Raises:
        UsageError: there is no such folder in the project.
    """
    return Watcher(sentinel, _folder_in(sentinel, folder))
