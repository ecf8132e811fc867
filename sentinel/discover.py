"""Find the files of a project: what .gitignore and the configuration leave, each once."""

from __future__ import annotations

import os
import stat
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
_Spec = tuple[str, "pathspec.GitIgnoreSpec"]


def files(target: Path, exclude: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield the files under ``target`` that Sentinel reads, sorted, tests last; a single file is itself.

    Links are not followed, so a loop ends and a file is seen once.

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
    found = list(_walk(target.resolve(), exclude))
    yield from sorted(found, key=lambda file: (is_test(file.relative_to(target.resolve())), str(file)))


def is_test(path: Path) -> bool:
    """True for files of a test suite: code there is never the original that others should reuse."""
    return path.name.startswith("test_") or path.stem.endswith("_test") or "tests" in path.parts


def _walk(root: Path, exclude: tuple[str, ...]) -> Iterator[Path]:
    specs: dict[str, list[_Spec]] = {str(root): _inherited(root)}
    if exclude:
        specs[str(root)].append((str(root), pathspec.GitIgnoreSpec.from_lines(exclude)))
    for folder, names, file_names in os.walk(root):
        active = specs.pop(folder)
        if ".gitignore" in file_names:
            active = [*active, _read_spec(folder)]
        kept = []
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name in _SKIPPED or os.path.islink(path) or os.path.exists(os.path.join(path, "pyvenv.cfg")):
                continue
            if not _ignored(path + "/", active):
                kept.append(name)
                specs[path] = active
        names[:] = kept
        for name in file_names:
            path = os.path.join(folder, name)
            if can_check(name) and not _ignored(path, active) and _is_regular(path):
                yield Path(path)


def _is_regular(path: str) -> bool:
    """False for links, and for pipes and devices, which can be read for ever."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _read_spec(folder: str) -> _Spec:
    with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as file:
        return folder, pathspec.GitIgnoreSpec.from_lines(file)


def _ignored(path: str, specs: list[_Spec]) -> bool:
    return any(spec.match_file(path[len(folder) + 1 :]) for folder, spec in specs)


def _inherited(root: Path) -> list[_Spec]:
    """The .gitignore files from above ``root`` to the repository; none when they ignore ``root`` itself."""
    if (root / ".git").exists():
        return []
    above: list[_Spec] = []
    for folder in root.parents:
        if (folder / ".gitignore").is_file():
            above.append(_read_spec(str(folder)))
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
    if exclude:
        specs.append((str(root), pathspec.GitIgnoreSpec.from_lines(exclude)))
    folder = root
    for part in parts:
        if (folder / ".gitignore").is_file():
            specs.append(_read_spec(str(folder)))
        folder = folder / part
        if _ignored(str(folder) + ("/" if folder.is_dir() else ""), specs):
            return True
    return False
