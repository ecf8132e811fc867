"""The public face: one object that checks what an agent writes and tells it what to fix."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from sentinel import config as configuration
from sentinel.config import Config
from sentinel.discover import files, is_ignored
from sentinel.errors import UsageError
from sentinel.findings import CheckResult, Finding
from sentinel.project import Project
from sentinel.reading import language_of

if TYPE_CHECKING:
    import pandas


class Recorder(Protocol):
    """What Sentinel needs of a recorder: ``agent_vcr_nb.VCRRecorder`` has it."""

    def record_step(
        self,
        node_name: str,
        input_state: dict[str, Any],
        output_state: dict[str, Any],
        metadata: Any = None,
        frame_type: Any = "checkpoint",
    ) -> Any:
        """Record one step."""


class Sentinel:
    """Guards the code that an agent writes.

    Args:
        recorder: gets a frame for every check that finds or fixes something; None keeps no audit trail. One without
            a session is given one; one that was closed gets no more frames.
        config: thresholds; None reads ``[tool.sentinel]`` of the project.
        root: the project's folder; None finds it from the working directory.
        on_result: called with every result of a check.
    """

    def __init__(
        self,
        recorder: Recorder | None = None,
        config: Config | None = None,
        *,
        root: Path | str | None = None,
        on_result: Callable[[CheckResult], None] | None = None,
    ) -> None:
        self.root = configuration.find_root(Path.cwd()) if root is None else Path(root).resolve()
        if not self.root.is_dir():
            raise UsageError(f"{self.root} is no folder: expected the root of the project to guard")
        self.config = configuration.load(self.root) if config is None else config
        self.recorder = _checked(recorder)
        self.on_result = on_result
        self.project = Project(self.root, self.config)
        self._indexed = False
        self._lock = threading.RLock()

    def load_index(self) -> bool:
        """Load the stored index; False when there is none that fits. `sweep` finds what changed since."""
        from sentinel import store

        with self._lock:
            if self._indexed or not store.load(self.project):
                return False
            self._indexed = True
            return True

    def store_index(self) -> None:
        """Keep the index for the next process, in the user's cache folder: nothing goes into the project."""
        from sentinel import store

        with self._lock:
            store.save(self.project)

    def index(self, *, skip: str = "") -> None:
        """Read the whole project once, so that copies are recognised and old debt is known as old."""
        with self._lock:
            if not self._indexed:
                self._indexed = True
                self.project.build(files(self.root, self.config.exclude), skip=skip)

    def check_file(self, path: Path | str, content: str | bytes | None = None) -> CheckResult:
        """Check a file that was just written, as it is on disk or as ``content``.

        Raises:
            UsageError: there is no such file and no content, or its kind is not read.
        """
        name = self.project.relative(path)
        full = self.root / name
        if language_of(name) is None:
            raise UsageError(
                f"{path} is not read: expected Python, a notebook, JavaScript, TypeScript, Go, Rust or Java"
            )
        if content is None and not full.is_file():
            raise UsageError(f"{path} does not exist: expected a file in {self.root}, or its content")
        with self._lock:
            self.index(skip=name)
            result = self.project.check_path(name, content)
        return self._told(result)

    def remember(self, path: Path | str) -> None:
        """Take a file as it is on disk for the state before the next write: what stands there now is old."""
        name = self.project.relative(path)
        with self._lock:
            self.index(skip=name)
            readable = language_of(name) is not None and (self.root / name).is_file()
            if readable and not self.project.is_current(name):
                self.project.check_path(name)

    def withdraw(self, path: Path | str) -> None:
        """Say that content which was checked is not going to be written: others need not reuse what stands in it."""
        with self._lock:
            self.project.withdraw(self.project.relative(path))

    def ignores(self, path: Path | str) -> bool:
        """True for a file that a scan would not come to: ignored by git, excluded, or of a kind that is not read."""
        full = self.root / self.project.relative(path)
        return language_of(full.name) is None or is_ignored(full, self.root, self.config.exclude)

    def is_current(self, path: Path | str) -> bool:
        """True when a file was checked as it is on disk now."""
        return self.project.is_current(self.project.relative(path))

    def forget(self, path: Path | str) -> list[CheckResult]:
        """A file or folder is gone; a result for each of its files in which something was found."""
        with self._lock:
            results = self.project.forget_under(self.project.relative(path))
        return [self._told(result) for result in results]

    def sweep(self, folder: Path | str | None = None) -> list[CheckResult]:
        """Check every file that changed on disk since it was seen, whoever wrote it; forget deleted ones.

        ``folder`` is the part of the project to look at, all of it when None.
        """
        with self._lock:
            if not self._indexed:
                self.index()
                return []
            target = self.root if folder is None else self.root / folder
            under = "" if folder is None else self.project.relative(target)
            results = self.project.sweep(files(target, self.config.exclude, self.root), under)
        return [self._told(result) for result in results]

    def _told(self, result: CheckResult) -> CheckResult:
        self._record(result)
        if self.on_result is not None:
            self.on_result(result)
        return result

    def scan(self, directory: Path | str | None = None, *, alone: bool = False) -> list[Finding]:
        """Check every file of a folder, or one file (the whole project when None); all findings, by place.

        The rest of the project is read too, for what stands there already; not when ``alone``, nor when the
        root is no project (it has neither pyproject.toml nor .git).

        Raises:
            UsageError: the folder does not exist.
        """
        with self._lock:
            target = self.root if directory is None else Path(directory).resolve()
            inside = target != self.root and target.is_relative_to(self.root)
            with_rest = inside and not alone and not self._indexed and configuration.is_project(self.root)
            self._indexed = self._indexed or target == self.root or with_rest
            return self.project.scan(target, with_rest=with_rest)

    @property
    def findings(self) -> list[Finding]:
        """What holds now, over all files that were checked or scanned."""
        with self._lock:
            return [item for path in sorted(self.project.findings) for item in self.project.findings[path]]

    def to_pandas(self) -> pandas.DataFrame:
        """The findings as a table, a row each, with the columns of ``Finding``."""
        import pandas

        rows = [finding.to_dict() for finding in self.findings]
        return pandas.DataFrame(rows, columns=list(rows[0]) if rows else list(_COLUMNS))

    def attach(self, target: Any) -> Any:
        """Guard what writes files: a folder, an OpenHands conversation or event stream, file tools, or a ToolNode.

        Returns the guarded object: for tools new ones to give to the agent, for a folder a watch with ``stop()``,
        else ``target`` itself.

        Raises:
            UsageError: it is none of these.
        """
        from sentinel import hooks

        return hooks.attach(self, target)

    @property
    def is_indexed(self) -> bool:
        """True once the project was read, or its stored index was loaded."""
        return self._indexed

    def _record(self, result: CheckResult) -> None:
        """The audit trail: what was found and what was fixed, as a frame."""
        if self.recorder is None or not (result.findings or result.fixed):
            return
        output = {
            "findings": [finding.to_dict() for finding in result.findings],
            "caused": [finding.key for finding in result.caused],
            "fixed": [finding.to_dict() for finding in result.fixed],
            "clean": result.clean,
        }
        recorder = _recorder_here(self.recorder)
        if recorder is not None:
            checked = {"path": result.path, "root": str(self.root)}
            recorder.record_step("sentinel", checked, output, frame_type="checkpoint")


def _checked(recorder: Any) -> Any:
    recorder = getattr(recorder, "sync", recorder)  # an AsyncVCRRecorder: its own calls would have to be awaited
    if recorder is not None and not callable(getattr(recorder, "record_step", None)):
        raise UsageError(f"recorder is of type {type(recorder).__name__}: expected a VCRRecorder, or None")
    return recorder


def _recorder_here(recorder: Any) -> Recorder | None:
    """The recorder of the session that a finding belongs to; None when that is over.

    Of a VCRRecorder: while a run is resumed, findings belong to the new session.
    """
    if not hasattr(recorder, "here"):
        return cast("Recorder", recorder)
    if recorder.here() is None and recorder.get_session() is None:
        recorder.start_session()
    return cast("Recorder | None", recorder.here())


_COLUMNS = (*Finding.__dataclass_fields__, "key")
