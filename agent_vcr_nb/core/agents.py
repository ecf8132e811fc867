"""Agents that are a list or mapping of named steps, each from state to state, sync or async."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import types
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, TypeAlias

from agent_vcr_nb.core.errors import UsageError

NamedSteps: TypeAlias = "list[tuple[str, Callable[[Any], Any]]]"

Walk: TypeAlias = "Generator[tuple[Callable[[Any], Any], Any], Any, Any]"
"""Yields a function and what to call it with, is sent what it returned or thrown what it raised, returns the result."""


def named_steps(agent: Mapping[str, Any] | Sequence[Any]) -> NamedSteps:
    """Return (name, function) of each step of an agent; raises UsageError for what is no step.

    A function that carries ``@step`` is taken without it: the walk records the step itself.
    """
    pairs = list(agent.items()) if isinstance(agent, Mapping) else list(agent)
    steps = []
    for item in pairs:
        name, function = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        if not callable(function):
            raise UsageError(f"the agent's step {item!r}: expected a function, or a pair of a name and a function")
        own = getattr(function, "__vcr_step__", None) or getattr(function, "__name__", type(function).__name__)
        steps.append((str(name or own), undecorated(function)))
    return steps


def undecorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what ``@step`` was put on, bound as `function` is; other functions as they are."""
    if not hasattr(function, "__vcr_step__"):
        return function
    inner: Callable[..., Any] = function.__wrapped__  # type: ignore[attr-defined]
    owner = getattr(function, "__self__", None)
    return inner if owner is None else types.MethodType(inner, owner)


def is_async(function: Any) -> bool:
    """Tell whether calling this gives something to await."""
    # An object with an async __call__ is no coroutine function itself; its class says so.
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def drive(walk: Walk, *, asynchronous: bool) -> Any:
    """Run a walk to its end and return its result, or an awaitable of it."""
    if asynchronous:
        return _drive_async(walk)
    try:
        function, given = next(walk)
        while True:
            try:
                value = function(given)
                value = wait_for(value) if inspect.isawaitable(value) else value
            except BaseException as error:
                function, given = walk.throw(error)
            else:
                function, given = walk.send(value)
    except StopIteration as end:
        return end.value


async def _drive_async(walk: Walk) -> Any:
    try:
        function, given = next(walk)
        while True:
            try:
                value = function(given)
                value = await value if inspect.isawaitable(value) else value
            except BaseException as error:
                function, given = walk.throw(error)
            else:
                function, given = walk.send(value)
    except StopIteration as end:
        return end.value


def wait_for(awaitable: Awaitable[Any]) -> Any:
    """Run an awaitable to its end, also where a loop is running already, as in a notebook."""

    async def main() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    results: list[Any] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            results.append(context.run(asyncio.run, main()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in errors:
        raise error
    return results[0]
