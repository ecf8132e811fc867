"""Runs an agent again from before a frame: earlier steps are served, the rest runs live into a fork.

Three kinds of agent are known here; those of a framework are known by the integration that `INTEGRATIONS` names:

* a function whose inner functions carry ``@step``: it is called from its start, and each step that had ended before the
  resume point returns what was recorded without running;
* a list or mapping of named steps, each from state to state: those before the frame are served, the others run;
* any other function from state to state: it is called once, with the state before the frame.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from agent_vcr_nb.core.edit import StateEdit
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError, EditError, UsageError
from agent_vcr_nb.core.fork import copy_before, free_fork_id, inherited_metadata
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.policy import ResumeMode, ResumePolicy
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.steps import choosing
from agent_vcr_nb.core.tape import Tape

INTEGRATIONS = {"langgraph": "agent_vcr_nb.integrations.langgraph.resuming"}
"""By the package that an agent's class comes from: the module whose ``prepare(agent, tape, policy)`` checks that the
agent can go on from the policy's target, and returns a function from recorder to result that does. It is imported when
such an agent is resumed, never before."""

__all__ = ["INTEGRATIONS", "ResumeConfig", "ResumeMode", "Resumed", "can_resume", "resume", "resume_async"]


@dataclass(slots=True)
class ResumeConfig:
    """Where to resume, with what change, and what runs from there on."""

    from_frame: int
    """The frame before which the run is rewound: it is the first to run again."""
    new_session_id: str | None = None
    """Id of the fork; ``<id>-fork1`` and so on when None."""
    state_overrides: Mapping[str, Any] = field(default_factory=dict)
    """Top-level keys to set in the input state of that frame."""
    mode: ResumeMode | str = ResumeMode.FORK
    skip_nodes: Sequence[str] = ()
    """Steps that do not run from there on: they return what was recorded, or the state as it is."""
    inject_mocks: Mapping[str, Any] = field(default_factory=dict)
    """With MOCK: step name to its output, or to a function from input state to output."""
    patch: Sequence[Mapping[str, Any]] = ()
    """RFC 6902 patch of the input state as it is stored, applied after the overrides."""
    reason: str | None = None
    """Why; kept in the fork's header."""
    volatile: Sequence[str] = ()
    """Keys that may differ in the inputs of served steps, such as ids of messages."""


@dataclass(slots=True)
class Resumed:
    """What came of a resume."""

    session_id: str
    """The fork."""
    result: Any
    """What the agent returned; None when it raised."""
    error: BaseException | None
    """What the agent raised, or None."""
    served: tuple[int, ...]
    """Frames of the parent whose steps were not executed again."""


class Resumable(Protocol):
    """An agent of a framework that knows how to run itself on a policy."""

    def __vcr_resume__(self, recorder: VCRRecorder, tape: Tape, policy: ResumePolicy) -> Any:
        """Run from before ``policy.target``; steps ask the recorder, which asks the policy."""


def can_resume(tape: Tape, number: int) -> tuple[bool, str]:
    """Tell whether a frame can be resumed at, and why not."""
    source = (tape.recording.header.get("metadata") or {}).get("imported_from")
    if source:
        return False, f"it was imported from {source}: to look at, compare and query, without an agent that could go on"
    if tape.status(number) is Status.DAMAGED:
        return False, "its line in the file is damaged"
    if len(tape.recording.segments) > 1:
        return False, "the session was written by several processes at once"
    return True, ""


def resume(recording: Recording, agent: Any, config: ResumeConfig, recorder: VCRRecorder | None = None) -> Resumed:
    """Run `agent` from before ``config.from_frame``; a coroutine function is awaited in a loop of its own.

    Raises before anything runs: FrameNotFoundError, EditError for an edit that does not fit, CannotResumeError with the
    reason, UsageError for an agent of no known kind. Raises DivergedError when the agent leaves its recording before
    the frame. What the agent itself raises is in the result.
    """
    run = _Run(recording, agent, config, recorder)
    return run.finish(*_outcome(run.start))


async def resume_async(
    recording: Recording, agent: Any, config: ResumeConfig, recorder: VCRRecorder | None = None
) -> Resumed:
    """Do as `resume`, awaiting an agent that is a coroutine function in the loop that runs."""
    run = _Run(recording, agent, config, recorder)
    with choosing(run.recorder):
        try:
            result = run.start()
            return run.finish(await result if inspect.isawaitable(result) else result, None)
        except Exception as error:
            return run.finish(None, error)


def _outcome(start: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        result = start()
        return (_wait_for(result) if inspect.isawaitable(result) else result), None
    except Exception as error:
        return None, error


def _wait_for(awaitable: Awaitable[Any]) -> Any:
    """Run an awaitable to its end, also where a loop is running already, as in a notebook."""

    async def main() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    outcome: list[Any] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: outcome.extend(_outcome(lambda: context.run(asyncio.run, main()))))
    thread.start()
    thread.join()
    result, error = outcome
    if error is not None:
        raise error
    return result


class _Run:
    """One resume: what is checked before it, the fork it records into, and what is made of its end."""

    def __init__(self, recording: Recording, agent: Any, config: ResumeConfig, recorder: VCRRecorder | None) -> None:
        recording.refresh()
        self.tape = tape = Tape(recording)
        target = config.from_frame
        recording.place(target)
        allowed, reason = can_resume(tape, target)
        if not allowed:
            raise CannotResumeError(f"{tape.session_id} frame {target} cannot be resumed: {reason}")
        self.agent, self.config = agent, config
        try:
            mode = ResumeMode(config.mode)
        except ValueError:
            raise UsageError(f"mode {config.mode!r}: expected fork, replay or mock") from None
        if config.inject_mocks and mode is not ResumeMode.MOCK:
            raise UsageError(f"inject_mocks is for mode='mock', and the mode is {mode.value!r}")
        edit = StateEdit(config.state_overrides, config.patch)
        # A frame that ran on an edited input is resumed on that input, though the agent will pass its own again.
        inherited = StateEdit(patch=tape.inherited_edit(target))
        operations = [*inherited.patch, *(edit.as_patch(recording.state(target, "input")) if edit else ())]
        self.policy = ResumePolicy(
            tape,
            target,
            (lambda state: edit.apply(inherited.apply(state))) if operations else None,
            operations,
            mode,
            config.inject_mocks,
            config.skip_nodes,
            frozenset(config.volatile),
        )
        self._call = self._plan()
        self.recorder = recorder or VCRRecorder(recording.path.parent)
        self.recorder.policy = self.policy
        self.recorder.start_session(
            config.new_session_id or free_fork_id(self.recorder.output_dir, tape.session_id),
            parent_session_id=tape.session_id,
            forked_from_frame=target,
            metadata=inherited_metadata(recording),
            edit=operations,
            reason=config.reason,
        )

    def start(self) -> Any:
        """Call the agent; returns its result, or an awaitable of it."""
        with choosing(self.recorder):
            return self._call()

    def finish(self, result: Any, error: BaseException | None) -> Resumed:
        """Close the fork and return what came of it; raises DivergedError when the frame was not reached."""
        self.recorder.close()
        diverged = self.policy.diverged
        if diverged is None and not self.policy.reached and not isinstance(error, CannotResumeError | EditError):
            key = self.tape.key(self.policy.target)
            ending = f"the agent ended with {type(error).__name__}: {error}" if error else "the agent ended without it"
            diverged = DivergedError(
                self.tape.session_id,
                self.policy.target,
                key,
                expected="this step to be called",
                found=ending,
                next_step="Pass the agent that was recorded, or one of the same steps.",
            )
        if diverged is not None:
            raise diverged from error
        if isinstance(error, CannotResumeError | EditError):
            raise error
        session = self.recorder.get_session()
        fork = session.session_id if session else ""
        if error is not None:
            error.add_note(f"(recorded as {fork}, forked from {self.tape.session_id} at frame {self.policy.target})")
        return Resumed(fork, result, error, tuple(self.policy.served))

    # -------------------------------------------------------------------------------------------- kinds of agents

    def _plan(self) -> Callable[[], Any]:
        agent, tape, target = self.agent, self.tape, self.policy.target
        if hasattr(agent, "__vcr_resume__"):
            return lambda: agent.__vcr_resume__(self.recorder, tape, self.policy)
        prepare = _prepare_of(agent)
        if prepare is not None:
            go_on = prepare(agent, tape, self.policy)
            return lambda: go_on(self.recorder)
        if isinstance(agent, Mapping | Sequence) and not isinstance(agent, str):
            return self._plan_steps(_named_steps(agent))
        if not callable(agent):
            raise UsageError(
                f"the agent is a {type(agent).__name__}: expected a function, a list or mapping of steps, or a graph"
            )
        if (tape.heads[target] or {}).get("call"):
            return self._plan_function()
        return self._plan_single()

    def _plan_function(self) -> Callable[[], Any]:
        """Call the agent from its start, as it was called when it was recorded."""
        agent, tape = self.agent, self.tape
        root = tape.root_of(self.policy.target)
        head = tape.heads[root] or {}
        if getattr(agent, "__vcr_step__", None) == head.get("node_name"):
            state, style = tape.input(root), list(head.get("call") or ())
            name, _, occurrence = tape.key(root).rpartition("#")

            def call_root() -> Any:
                self.recorder.occurred(name, int(occurrence) - 1)
                return agent.__vcr_call__(state, style)

            return call_root
        if getattr(agent, "__vcr_step__", None) and tape.key(self.policy.target) != tape.key(root):
            raise CannotResumeError(
                f"the agent given is the step {agent.__vcr_step__!r}, and frame {self.policy.target} was recorded "
                f"inside {head.get('node_name')!r}. Pass that one."
            )
        state = tape.input(0)
        return lambda: agent(state)

    def _plan_single(self) -> Callable[[], Any]:
        """Call the agent once, on the state before the target, and record that as the target's step."""
        tape, target = self.tape, self.policy.target
        name = str((tape.heads[target] or {}).get("node_name", "step"))

        def call_once() -> Any:
            copy_before(self.recorder, tape, target)
            self.policy.target_key = self.recorder.next_key(name)
            self.policy.reached = True
            return self._drive([(name, self.agent)], self._recorded_input(target))

        return call_once

    def _plan_steps(self, steps: list[tuple[str, Callable[[Any], Any]]]) -> Callable[[], Any]:
        """Go through the steps: those before the target are served, the others run on the state so far."""
        return lambda: self._drive(steps, {})

    def _recorded_input(self, number: int) -> dict[str, Any]:
        replaced = tuple(self.config.state_overrides) if number == self.policy.target else ()
        return self.tape.input(number, without=replaced)

    def _walk(self, steps: list[tuple[str, Callable[[Any], Any]]], state: dict[str, Any]) -> _Walk:
        for name, function in steps:
            number = None if self.policy.reached else self.tape.find(self.recorder.next_key(name))
            step = self.recorder.begin(name, state if number is None else self._recorded_input(number))
            if step.returned:
                state = step.output()
                continue
            try:
                with step.running():
                    value = yield function, step.input_state
            except Exception as error:
                step.fail(error)
                raise
            step.finish(value)
            state = dict(value) if isinstance(value, Mapping) else {"result": value}
        return state

    def _drive(self, steps: list[tuple[str, Callable[[Any], Any]]], state: dict[str, Any]) -> Any:
        walk = self._walk(steps, state)
        if any(inspect.iscoroutinefunction(function) for _, function in steps):
            return _drive_async(walk)
        try:
            function, state = next(walk)
            while True:
                try:
                    value = function(state)
                except Exception as error:
                    function, state = walk.throw(error)
                else:
                    function, state = walk.send(value)
        except StopIteration as end:
            return end.value


def _prepare_of(agent: Any) -> Callable[[Any, Tape, ResumePolicy], Callable[[VCRRecorder], Any]] | None:
    """Return how the framework that an agent's class comes from resumes it, or None for plain Python."""
    for cls in type(agent).__mro__:
        module = INTEGRATIONS.get(cls.__module__.partition(".")[0])
        if module is not None:
            return importlib.import_module(module).prepare  # type: ignore[no-any-return]
    return None


_Walk: TypeAlias = "Generator[tuple[Callable[[Any], Any], dict[str, Any]], Any, dict[str, Any]]"
"""Yields a step's function and the state to call it on, is sent what it returned, and returns the last state."""


async def _drive_async(walk: _Walk) -> Any:
    try:
        function, state = next(walk)
        while True:
            try:
                value = function(state)
                value = await value if inspect.isawaitable(value) else value
            except Exception as error:
                function, state = walk.throw(error)
            else:
                function, state = walk.send(value)
    except StopIteration as end:
        return end.value


def _named_steps(agent: Mapping[str, Any] | Sequence[Any]) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return (name, function) of each step of an agent; raises UsageError for what is no step."""
    pairs = list(agent.items()) if isinstance(agent, Mapping) else list(agent)
    steps = []
    for item in pairs:
        name, function = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        if not callable(function):
            raise UsageError(f"the agent's step {item!r}: expected a function, or a pair of a name and a function")
        steps.append((str(name or getattr(function, "__name__", type(function).__name__)), function))
    return steps
