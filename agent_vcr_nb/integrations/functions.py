"""Plain Python: ``@step`` records a function's calls, and lets a resume serve them; `now`, `uuid4` and `random` repeat.

A step that takes one mapping has that mapping as its input state, any other has its parameters by name (a method's
``self`` left out). A mapping that is returned is the output state, any other value is ``{"result": value}``.
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import random as _random
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from agent_vcr_nb.core.agents import is_async
from agent_vcr_nb.core.errors import CannotResumeError, UsageError
from agent_vcr_nb.core.frame import FrameType
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.steps import active_recorder, current_scope, live_agents
from agent_vcr_nb.integrations.in_place import Watch, copied_keys, handed_on, repeat, update

P = ParamSpec("P")
R = TypeVar("R")

_MAPPING, _NAMED = "mapping", "named"
"""How a step was called: with one state, or with its parameters by name."""
_ITSELF, _AWAITED, _COPIED = "itself", "awaited", "copied:"
"""What it returned: the state it was given, what its caller awaits, under a key a copy of something it was given."""
_VAR_POSITIONAL, _VAR_KEYWORD = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


@overload
def step(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def step(*, name: str | None = None, type: str = "node") -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def step(function: Any = None, /, *, name: str | None = None, type: str = "node") -> Any:
    """Record each call of a function, sync or async, as a frame: ``@step`` or ``@step(name="search", type="tool")``.

    Calls nest; loops, ``asyncio.gather`` and threads are told apart. What the function raises is recorded and raised
    again. Without a recorder that records, the function is called as it is. Raises UsageError for what has no one
    result (a generator function, a class, a property) and for an unknown `type` (node, tool, llm, error, checkpoint).
    """
    if function is None:
        return lambda function: step_of(function, name, type)
    return step_of(function, name, type)


def step_of(function: Any, name: str | None, kind: str) -> Any:
    """Return `function` as a step; of a static or class method, given as such, the same kind of method."""
    if isinstance(function, staticmethod | classmethod):
        return type(function)(_Wrapping(function.__func__, name, kind).wrapper())
    return _Wrapping(function, name, kind).wrapper()


class _Wrapping:
    """What is known of a decorated function once, so that a call costs little."""

    def __init__(self, function: Callable[..., Any], name: str | None, kind: str) -> None:
        self.name = name or _name_of(function)
        self.signature = _signature(function, self.name)
        try:
            self.frame_type = FrameType(kind)
        except ValueError:
            names = ", ".join(member.value for member in FrameType)
            raise UsageError(f"@step type {kind!r}: expected one of {names}") from None
        self.function = function
        self.awaits = is_async(inspect.unwrap(function)) and not is_async(function)
        """A decorator between has hidden that the function is a coroutine function."""
        parameters = list(self.signature.parameters)
        # A method is told by its first parameter: at decoration time it is still a plain function.
        self.bound_to = parameters[0] if parameters and parameters[0] in ("self", "cls") else None
        own = parameters[1:] if self.bound_to else parameters
        plain = own and self.signature.parameters[own[0]].kind not in (_VAR_POSITIONAL, _VAR_KEYWORD)
        self.first = own[0] if plain else None
        """The parameter that may take a state: the first one."""

    def wrapper(self) -> Callable[..., Any]:
        function = self.function
        if is_async(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True  # a notebook shows the user's own frames
                recorder = active_recorder()
                if recorder is None:
                    return await function(*args, **kwargs)
                call = _Call(self, recorder, args, kwargs)
                if call.step.returned:
                    return await call.served_later()
                with call.step.running():
                    try:
                        value = await function(*call.args, **call.kwargs)
                    except BaseException as error:
                        call.fail(error)
                        raise
                call.finish(value)
                return value

            wrapped: Any = run_async
        else:

            @functools.wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                recorder = active_recorder()
                if recorder is None:
                    return function(*args, **kwargs)
                call = _Call(self, recorder, args, kwargs)
                if call.step.returned:
                    return call.served_later() if call.was_awaited else call.served()
                with call.step.running():
                    try:
                        value = function(*call.args, **call.kwargs)
                    except BaseException as error:
                        call.fail(error)
                        raise
                if inspect.iscoroutine(value):
                    return call.finish_later(value)
                call.finish(value)
                return value

            wrapped = run
        wrapped.__vcr_step__ = self.name
        wrapped.__vcr_call__ = self._call_again
        live_agents[self.name] = wrapped
        return wrapped  # type: ignore[no-any-return]

    def _call_again(self, agent: Callable[..., Any], state: dict[str, Any], style: list[str]) -> Any:
        """Call `agent`, which is the step or a method bound to its object, as it was called when it was recorded.

        Raises CannotResumeError when its parameters are others now.
        """
        names = [name for name in self.signature.parameters if name != self.bound_to]
        if self.bound_to and getattr(agent, "__self__", None) is None:
            method = getattr(self.function, "__qualname__", self.name)
            raise CannotResumeError(
                f"the agent given is the method {method} without its object. "
                f"Pass it bound, as in my_object.{_name_of(self.function)}."
            )
        arguments = {names[0]: state} if style[:1] == [_MAPPING] and names else state
        unknown = [name for name in arguments if name not in names]
        if unknown:
            raise CannotResumeError(
                f"the agent {self.name} was recorded with the parameters {', '.join(arguments)}, and has "
                f"{', '.join(names) or 'none'} now. Resume with the code that was recorded, or record again."
            )
        bound = self.signature.bind_partial()
        if self.bound_to:
            bound.arguments[self.bound_to] = None
        bound.arguments.update({name: arguments[name] for name in names if name in arguments})
        return agent(*bound.args[bool(self.bound_to) :], **bound.kwargs)


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _signature(function: Any, name: str) -> inspect.Signature:
    """Return the parameters of what may be a step; raises UsageError with what to decorate instead."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"@step on the generator {name}: a step has one result. "
            "Decorate a function that consumes the generator and returns what it gave."
        )
    if isinstance(function, type):
        raise UsageError(f"@step on the class {name}: decorate the methods that are steps.")
    if not callable(function):
        raise UsageError(f"@step on a {type(function).__name__}: expected a function. Put @step nearest to the def.")
    try:
        return inspect.signature(function)
    except ValueError:
        raise UsageError(
            f"@step on {name}: Python does not know its parameters. Decorate a function that calls it."
        ) from None


class _Call:
    """One call of a step: what the recorder was told of it, and the arguments it is to run with."""

    __slots__ = ("_awaits", "_bound", "_own", "_recorder", "_watch", "args", "kwargs", "state", "step")

    def __init__(
        self, wrapping: _Wrapping, recorder: VCRRecorder, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._recorder, self.args, self.kwargs = recorder, args, kwargs
        self._awaits = wrapping.awaits
        try:
            bound = self._bound = wrapping.signature.bind(*args, **kwargs)
        except TypeError:
            wrapping.function(*args, **kwargs)  # says what is wrong with the call in Python's own words
            raise
        given = {name: value for name, value in bound.arguments.items() if name != wrapping.bound_to}
        only = next(iter(given)) if len(given) == 1 else None
        self.state: Any = None
        """The one mapping that the step is called with, or None."""
        if only is not None and only == wrapping.first and isinstance(given[only], Mapping):
            self.state = given[only]
            self.step = recorder.begin(wrapping.name, self.state, wrapping.frame_type, call=(_MAPPING,))
            edited, self._own = {only: self.step.input_state}, self.state
        else:
            bound.apply_defaults()
            named = {name: value for name, value in bound.arguments.items() if name != wrapping.bound_to}
            self.step = recorder.begin(wrapping.name, named, wrapping.frame_type, call=(_NAMED,))
            edited, self._own = self.step.input_state, named
        # The caller's own objects: what a step changes in an edited copy is seen by nobody else.
        self._watch = None if self.step.returned else Watch(bound.arguments)
        if self.step.edited:
            bound.arguments.update(edited)
            self.args, self.kwargs = bound.args, bound.kwargs

    def served(self) -> Any:
        """Do again what the step changed in place and return what it had returned; raises what it had raised."""
        repeat(self.step.served_changes(), self._bound.arguments)
        state = self.step.output()
        if _ITSELF in self.step.served_call and type(self.state) is dict:
            update(self.state, state)
            return self.state
        value = state["result"] if self.step.wrapped_result and state.keys() == {"result"} else state
        call = self.step.served_call
        copied = [told.removeprefix(_COPIED) for told in call if told.startswith(_COPIED)]
        return handed_on(value, self._own, copied) if call else value

    @property
    def was_awaited(self) -> bool:
        """True when the step, though no coroutine function, gives its value to who awaits it."""
        call = self.step.served_call
        return _AWAITED in call if call else self._awaits

    async def served_later(self) -> Any:
        """Do as `served`, for who awaits it: a step that had been cancelled waits until it is cancelled again."""
        import asyncio

        try:
            return self.served()
        except asyncio.CancelledError:
            # At once it would come from the step itself, and asyncio.wait_for would not tell it as a TimeoutError.
            await asyncio.sleep(2 * self.step.served_seconds + 1)
            raise

    async def finish_later(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await what the step returned, and record that as its value."""
        self.step.call = (*self.step.call, _AWAITED)
        with self.step.running():
            try:
                value = await coroutine
            except BaseException as error:
                self.fail(error)
                raise
        self.finish(value)
        return value

    def finish(self, value: Any) -> None:
        """Record what the step returned."""
        if value is self.state and value is not None:
            self.step.call = (*self.step.call, _ITSELF)
        else:
            self._note_changes()
            self._recorder.guarded(self._note_copies, value)
        self.step.finish(value)

    def _note_copies(self, value: Any) -> None:
        found = (f"{_COPIED}{self._recorder.clean(key)}" for key in copied_keys(value, self._own))
        self.step.call = (*self.step.call, *found)

    def fail(self, error: BaseException) -> None:
        """Record what the step raised."""
        self._note_changes()
        self.step.fail(error)

    def _note_changes(self) -> None:
        if self._watch is not None:
            self._recorder.guarded(self._keep_changes, self._watch)

    def _keep_changes(self, watch: Watch) -> None:
        self.step.changes = watch.changes(self._recorder.stored)


def annotate(**figures: Any) -> None:
    """Say something of the step that runs: ``annotate(model="gpt-4o-mini", tokens_input=812, tokens_output=64)``.

    Fields of `FrameMetadata` (model, tokens, cost_usd) go to the ledger, anything else is kept with the frame. Outside
    of a recorded step it does nothing.
    """
    scope = current_scope.get()
    if scope is not None:
        scope.figures.update(figures)


def _drawn(name: str, draw: Callable[[], Any]) -> Any:
    recorder = active_recorder()
    return draw() if recorder is None else recorder.draw(name, draw)


def now(tz: dt.tzinfo | None = dt.UTC) -> dt.datetime:
    """Return the current time; a resume gets the recorded one for what was asked before its frame."""
    moment: dt.datetime = _drawn("now", lambda: dt.datetime.now(dt.UTC))
    return moment.astimezone(tz) if tz else moment.astimezone().replace(tzinfo=None)


def uuid4() -> uuid.UUID:
    """Return a random UUID; a resume gets the recorded one for what was asked before its frame."""
    drawn: uuid.UUID = _drawn("uuid4", uuid.uuid4)
    return drawn


def random() -> float:
    """Return a random number in [0, 1); a resume gets the recorded one for what was asked before its frame."""
    drawn: float = _drawn("random", _random.random)
    return drawn
