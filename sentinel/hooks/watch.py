"""Watch a folder and check every file that is written, by whatever program."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.discover import is_ignored
from sentinel.errors import UsageError
from sentinel.findings import CheckResult
from sentinel.languages import can_check

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel


def changes(sentinel: Sentinel, folder: Path, stop: threading.Event | None = None) -> Iterator[CheckResult]:
    """Yield a result for every file that is written under ``folder``, until ``stop`` is set.

    Raises:
        UsageError: the folder does not exist, or watchfiles is not installed.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist: expected a folder to watch")
    try:
        import watchfiles
    except ImportError as error:
        raise UsageError("watching needs watchfiles: pip install 'agent-vcr-nb[watch]'") from error
    sentinel.index()
    watching = False
    options: dict[str, Any] = {
        "stop_event": stop,
        "debounce": 100,
        "step": 20,
        "rust_timeout": 200,
        "raise_interrupt": False,
    }
    for batch in watchfiles.watch(folder, yield_on_timeout=True, **options):
        if not watching:
            # What was written between reading the project and watching it comes with no event.
            watching = True
            yield from sentinel.sweep()
        for change, name in sorted(batch):
            path = Path(name)
            if not _is_guarded(sentinel, path):
                continue
            if change is watchfiles.Change.deleted or not path.is_file():
                sentinel.project.forget(sentinel.project.relative(path))
            else:
                yield sentinel.check_file(path)


def _is_guarded(sentinel: Sentinel, path: Path) -> bool:
    return can_check(path.name) and not is_ignored(path, sentinel.root, sentinel.config.exclude)


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
    """Watch a folder from now on; call ``stop()`` on the result to end it."""
    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist: expected a folder to watch")
    return Watcher(sentinel, folder)
