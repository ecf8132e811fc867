"""Find the files of a project: what .gitignore and the configuration leave, each once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pathspec

from sentinel.errors import UsageError
from sentinel.languages import can_check
from sentinel.reading import language_of

_SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".vcr", ".tox", ".nox", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    | {".hypothesis", ".ipynb_checkpoints", "__pycache__", "__pypackages__", "node_modules", "site-packages"}
)
_TEST_FOLDERS = frozenset({"tests", "__tests__"})
_Spec = tuple[str, "pathspec.GitIgnoreSpec"]


def files(target: Path, exclude: tuple[str, ...] = (), root: Path | None = None) -> Iterator[Path]:
    """Yield the files under ``target`` that Sentinel reads, sorted, tests last; a single file is itself.

    Links are not followed, so a loop ends and a file is seen once. A folder that may not be read is yielded
    itself: whoever reads it finds out why.

    Args:
        target: a folder, or one file, which is then yielded even if it is ignored.
        exclude: patterns of paths to leave out, as in a .gitignore in ``root``.
        root: the project's folder; ``target`` itself when None.

    Raises:
        UsageError: ``target`` does not exist, or is a file of a kind that Sentinel does not read.
    """
    if target.is_file():
        if language_of(target.name) is None:
            raise UsageError(
                f"{target} is no file that Sentinel reads: expected Python, a notebook, JS, TS, Go, Rust or Java"
            )
        yield target
        return
    if not target.is_dir():
        raise UsageError(f"{target} does not exist: expected a folder or a file to scan")
    top = target.resolve()
    found = list(_walk(top, _excluded(top, exclude, top if root is None else root.resolve())))
    yield from sorted(found, key=lambda file: (is_test(str(file.relative_to(top))), str(file)))


def is_test(path: str) -> bool:
    """True for files of a test suite: code there is never the original that others should reuse."""
    folder, _, name = path.replace(os.sep, "/").rpartition("/")
    stem = name.partition(".")[0]
    if name.startswith("test_") or name == "conftest.py" or stem.endswith("_test"):
        return True
    if ".test." in name or ".spec." in name or "src/test/" in path:
        return True
    return not _TEST_FOLDERS.isdisjoint(folder.split("/"))


def _excluded(top: Path, exclude: tuple[str, ...], root: Path) -> _Spec | None:
    """What the configuration leaves out; None when ``top`` was asked for though it is left out itself."""
    base = root if top.is_relative_to(root) else top
    spec = str(base), pathspec.GitIgnoreSpec.from_lines(exclude)
    return None if not exclude or (top != base and _ignored(f"{top}/", [spec])) else spec


def _walk(root: Path, excluded: _Spec | None) -> Iterator[Path]:
    specs: dict[str, list[_Spec]] = {str(root): _inherited(root)}
    out = [] if excluded is None else [excluded]
    closed: list[OSError] = []
    for folder, names, file_names in os.walk(root, onerror=closed.append):
        active = specs.pop(folder)
        if ".gitignore" in file_names:
            active = [*active, _read_spec(folder)]
        paths = {name: os.path.join(folder, name) for name in sorted(names)}
        names[:] = [name for name in paths if _is_entered(paths[name], active, out)]
        specs.update((paths[name], active) for name in names)
        for path in (os.path.join(folder, name) for name in file_names if can_check(name)):
            if not _ignored(path, active) and not _ignored(path, out) and not os.path.islink(path):
                yield Path(path)
    yield from (Path(os.fsdecode(error.filename)) for error in closed)


def _is_entered(path: str, active: list[_Spec], out: list[_Spec]) -> bool:
    """True for a folder of the project's own: no link, environment or cache, and not ignored."""
    if os.path.basename(path) in _SKIPPED or os.path.islink(path) or os.path.exists(f"{path}/pyvenv.cfg"):
        return False
    return not _ignored(f"{path}/", active) and not _ignored(f"{path}/", out)


def _read_spec(folder: str) -> _Spec:
    with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as file:
        return folder, pathspec.GitIgnoreSpec.from_lines(file)


def _ignored(path: str, specs: list[_Spec]) -> bool:
    """What the deepest .gitignore with a pattern for the path says of it."""
    for folder, spec in reversed(specs):
        said = spec.check_file(path[len(folder) + 1 :]).include
        if said is not None:
            return said
    return False


def _inherited(root: Path) -> list[_Spec]:
    """The .gitignore files from above ``root`` to the repository; none when they ignore ``root`` itself."""
    if (root / ".git").exists():
        return []
    above: list[_Spec] = []
    for folder in root.parents:
        if (folder / ".gitignore").is_file():
            above.insert(0, _read_spec(str(folder)))
        if (folder / ".git").exists():
            return [] if _ignored(str(root) + "/", above) else above
    return []


def is_ignored(file: Path, root: Path, exclude: tuple[str, ...] = ()) -> bool:
    """True when a walk from ``root`` would not come to ``file``."""
    try:
        parts = file.relative_to(root).parts
    except ValueError:
        return False
    if any(part in _SKIPPED for part in parts[:-1]):
        return True
    specs = _inherited(root)
    out: list[_Spec] = [(str(root), pathspec.GitIgnoreSpec.from_lines(exclude))]
    folder = root
    for part in parts:
        if (folder / ".gitignore").is_file():
            specs.append(_read_spec(str(folder)))
        folder = folder / part
        path = str(folder) + ("/" if folder.is_dir() else "")
        if _ignored(path, specs) or _ignored(path, out):
            return True
    return False
