"""File tools of LangChain, LangGraph and CrewAI: what a write left to fix stands in the tool's own answer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.languages import can_check

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel

_PATH_ARGUMENTS = ("file_path", "path", "filename", "file_name", "file", "target_file", "notebook_path")
_FOLDER_ARGUMENTS = ("directory", "dir_path", "folder")
_FOLDER_ATTRIBUTES = ("root_dir", "directory", "base_dir")


def is_tool(target: Any) -> bool:
    """True for an object with a name that runs a function, as LangChain's and CrewAI's tools do."""
    return hasattr(target, "name") and (callable(getattr(target, "func", None)) or hasattr(target, "_run"))


def guard(sentinel: Sentinel, tool: Any) -> Any:
    """A copy of the tool whose answer ends with what its write left to fix."""
    copy = tool.model_copy() if hasattr(tool, "model_copy") else tool
    names = [name for name in ("func", "coroutine") if callable(getattr(tool, name, None))]
    # A tool without a function of its own is a subclass that overrides _run.
    for name in names or ("_run", "_arun"):
        method = getattr(tool, name, None)
        if callable(method):
            # Past pydantic's fields, where CrewAI and LangChain look the method up.
            object.__setattr__(copy, name, _guarded(sentinel, tool, method))
    return copy


def _guarded(sentinel: Sentinel, tool: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    def before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Path, bytes | None] | None:
        path = written_path(sentinel, tool, function, args, kwargs)
        if path is None:
            return None
        sentinel.remember(path)
        return path, path.read_bytes() if path.is_file() else None

    def after(answer: Any, seen: tuple[Path, bytes | None] | None) -> Any:
        if seen is None or not seen[0].is_file() or seen[0].read_bytes() == seen[1]:
            return answer
        feedback = sentinel.check_file(seen[0]).feedback(sentinel.config.feedback)
        return f"{answer}\n\n{feedback}" if feedback else answer

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        seen = before(args, kwargs)
        return after(function(*args, **kwargs), seen)

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        seen = before(args, kwargs)
        return after(await function(*args, **kwargs), seen)

    return call_async if inspect.iscoroutinefunction(function) else call


def written_path(
    sentinel: Sentinel, tool: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Path | None:
    """The code file that a call names, as an absolute path; None when it names none."""
    try:
        values = dict(inspect.signature(function).bind_partial(*args, **kwargs).arguments)
    except TypeError:
        values = {}
    for inner in [value for value in values.values() if isinstance(value, dict)]:
        values.update(inner)
    values.update(kwargs)
    name = next((str(values[key]) for key in _PATH_ARGUMENTS if values.get(key)), None)
    if name is None or not can_check(name):
        return None
    folders = [values.get(key) for key in _FOLDER_ARGUMENTS]
    folders += [getattr(tool, key, None) for key in _FOLDER_ATTRIBUTES]
    folder = next((Path(str(item)) for item in folders if item), Path.cwd())
    return (folder / name).resolve()
