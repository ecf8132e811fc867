"""Runs an agent again from before a frame: earlier steps are served, the rest runs live into a fork.

Three kinds of agent are known here; those of a framework are known by the integration that `INTEGRATIONS` names:

* a function whose inner functions carry ``@step``: it is called from its start, and each step that had ended before the
  resume point returns what was recorded without running;
* a list or mapping of named steps, each from state to state: those before the frame are served, the others run;
* any other function from state to state: it is called once, with the state before the frame.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent_vcr_nb.core.agents import NamedSteps, Walk, drive, is_async, named_steps, undecorated, wait_for
from agent_vcr_nb.core.edit import StateEdit, patched
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError, EditError, UsageError
from agent_vcr_nb.core.fork import copy_before, fork_id, inherited_metadata
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.kinds import INTEGRATIONS, called_by_guess, check_step_names, integration_of, one_argument
from agent_vcr_nb.core.policy import ResumeMode, ResumePolicy
from agent_vcr_nb.core.processes import why_not_alone
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.steps import choosing
from agent_vcr_nb.core.tape import Tape

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
    problem = why_not_alone(tape.recording, number)
    if problem:
        return False, problem
    around = next((outer for outer in tape.ancestors(tape.key(number)) if tape.find(outer) is None), None)
    if around is not None:
        return False, f"the frame of {around}, which it ran inside, is damaged: `vcr verify` tells more"
    return True, ""


def resume(recording: Recording, agent: Any, config: ResumeConfig, recorder: VCRRecorder | None = None) -> Resumed:
    """Run `agent` from before ``config.from_frame``; a coroutine function is awaited in a loop of its own.

    Raises before anything runs: FrameNotFoundError, EditError for an edit that does not fit, CannotResumeError with the
    reason, UsageError for an agent of no known kind. Raises DivergedError when the agent leaves its recording before
    the frame. What the agent itself raises is in the result.
    """
    run = _Run(recording, agent, config, recorder)
    try:
        with choosing(run.recorder):
            result = run.start()
            result = wait_for(result) if inspect.isawaitable(result) else result
    except BaseException as error:
        return run.finish(None, error)
    return run.finish(result, None)


async def resume_async(
    recording: Recording, agent: Any, config: ResumeConfig, recorder: VCRRecorder | None = None
) -> Resumed:
    """Do as `resume`, awaiting an agent that is a coroutine function in the loop that runs."""
    run = _Run(recording, agent, config, recorder)
    try:
        with choosing(run.recorder):
            result = run.start()
            result = await result if inspect.isawaitable(result) else result
    except BaseException as error:
        return run.finish(None, error)
    return run.finish(result, None)


class _Run:
    """One resume: what is checked before it, the fork it records into, and what is made of its end."""

    def __init__(self, recording: Recording, agent: Any, config: ResumeConfig, recorder: VCRRecorder | None) -> None:
        recording.refresh()
        target = config.from_frame
        recording.place(target)
        self.tape = tape = Tape(recording, target)
        tape.supplied = config.state_overrides
        allowed, reason = can_resume(tape, target)
        if not allowed:
            raise CannotResumeError(f"{tape.session_id} frame {target} cannot be resumed: {reason}")
        self.agent = agent
        check_step_names(tape, agent, [*config.inject_mocks, *config.skip_nodes])
        operations = self._checked_edit(config)
        edit = StateEdit(config.state_overrides, config.patch)
        self.policy = ResumePolicy(
            tape,
            target,
            edit.apply if edit else None,
            operations,
            self._checked_mode(config),
            config.inject_mocks,
            config.skip_nodes,
            frozenset(config.volatile),
        )
        self._call = self._plan()
        self.recorder = recorder or VCRRecorder(recording.path.parent)
        self._policy_before = self.recorder.policy
        self.recorder.policy = self.policy
        fork = fork_id(self.recorder.output_dir, tape.session_id, config.new_session_id)
        self.recorder.start_session(
            fork,
            parent_session_id=tape.session_id,
            forked_from_frame=target,
            metadata=inherited_metadata(recording, target),
            edit=tape.inherited_edit(target) + operations,
            reason=config.reason,
        )

    def _checked_mode(self, config: ResumeConfig) -> ResumeMode:
        try:
            mode = ResumeMode(str(config.mode).lower())
        except ValueError:
            raise UsageError(f"mode {config.mode!r}: expected fork, replay or mock") from None
        if config.inject_mocks and mode is not ResumeMode.MOCK:
            raise UsageError(f"inject_mocks is for mode='mock', and the mode is {mode.value!r}")
        return mode

    def _checked_edit(self, config: ResumeConfig) -> list[dict[str, Any]]:
        """Return the edit as one patch; raises EditError when it does not fit the frame it is meant for."""
        tape, target = self.tape, config.from_frame
        edit = StateEdit(config.state_overrides, config.patch)
        if not edit:
            return []
        place = f"{tape.session_id} frame {target} ({tape.key(target)})"
        if tape.name(target) in (*config.skip_nodes, *config.inject_mocks):
            raise EditError(f"{place}: its input is edited, and skip_nodes or inject_mocks keep it from running")
        recorded = tape.recording.state(target, "input")
        operations = edit.as_patch(recorded)
        edited = patched(recorded, operations)
        if tape.call(target)[:1] == ["named"] and edited.keys() != recorded.keys():
            wrong = ", ".join(sorted(edited.keys() ^ recorded.keys()))
            raise EditError(
                f"{place}: the edit adds or removes {wrong}. The step is called with parameters by name: "
                f"{', '.join(recorded) or 'none'}. Change their values."
            )
        return operations

    def start(self) -> Any:
        """Call the agent; returns its result, or an awaitable of it."""
        return self._call()

    def finish(self, result: Any, error: BaseException | None) -> Resumed:
        """Close the fork and return what came of it; raises what kept the resume from reaching its frame."""
        self.recorder.close()
        self.recorder.policy = self._policy_before
        if error is not None and not isinstance(error, Exception):
            raise error  # KeyboardInterrupt and the like end more than the agent
        failure = self.policy.failure
        if failure is None and isinstance(error, CannotResumeError | EditError):
            failure = error
        if self._by_guess and isinstance(failure, DivergedError):
            failure = called_by_guess(self.tape, self.agent, failure) or failure
        if failure is None and not self.policy.reached:
            failure = self._not_reached(error)
        if failure is not None:
            self.recorder.discard()  # no run: only served frames, on the way to a step that was not reached
            if failure is error:
                raise failure
            raise failure from error
        session = self.recorder.get_session()
        fork = session.session_id if session else ""
        if error is not None:
            error.add_note(f"(recorded as {fork}, forked from {self.tape.session_id} at frame {self.policy.target})")
        return Resumed(fork, result, error, tuple(self.policy.served))

    def _not_reached(self, error: BaseException | None) -> DivergedError:
        ending = f"the agent ended with {type(error).__name__}: {error}" if error else "the agent ended without it"
        return DivergedError(
            self.tape.session_id,
            self.policy.target,
            self.tape.key(self.policy.target),
            expected="this step to be called",
            found=ending,
            next_step=self._advice,
        )

    _by_guess = False
    """The agent was called with the input of a step, because how it is called is not recorded."""
    _advice = "Pass the agent that was recorded, or one of the same steps."

    # -------------------------------------------------------------------------------------------- kinds of agents

    def _plan(self) -> Callable[[], Any]:
        agent, tape, target = self.agent, self.tape, self.policy.target
        if hasattr(agent, "__vcr_resume__"):
            return lambda: agent.__vcr_resume__(self.recorder, tape, self.policy)
        integration = integration_of(agent)
        if integration is not None:
            go_on = integration.prepare(agent, tape, self.policy)
            return lambda: go_on(self.recorder)
        if isinstance(agent, Mapping | Sequence) and not isinstance(agent, str):
            return self._plan_steps(named_steps(agent))
        if not callable(agent):
            raise UsageError(
                f"the agent is a {type(agent).__name__}: expected a function, a list or mapping of steps, or a graph"
            )
        root = tape.root_of(target)
        if not tape.call(target) and not tape.call(root):
            return self._plan_single()
        if not tape.recording.has_start(target) and tape.status(target) is not Status.RUNNING and root != target:
            raise CannotResumeError(
                f"{tape.session_id} frame {target} ({tape.key(target)}) was recorded when it was over, by a step "
                f"around it, so it cannot run by itself. Resume at frame {(tape.heads[target] or {}).get('parent')}."
            )
        if getattr(agent, "__vcr_step__", None):
            return self._plan_root(agent)
        return self._plan_function()

    def _plan_root(self, agent: Any) -> Callable[[], Any]:
        """Call the agent, which is a step itself, as it was called when it was recorded."""
        tape, target = self.tape, self.policy.target
        roots = [
            number
            for number in range(target + 1)
            if tape.is_outermost(number)
            and tape.name(number) == agent.__vcr_step__
            and (number == tape.root_of(target) or not tape.ended_before(number, target))
        ]
        if not roots:
            raise CannotResumeError(
                f"the agent given is the step {agent.__vcr_step__!r}, and frame {target} was recorded "
                f"inside {tape.name(tape.root_of(target))!r}. Pass that one."
            )
        root = roots[-1]
        style = tape.call(root)
        state = tape.input(root)

        def call_root() -> Any:
            copy_before(self.recorder, tape, root)
            self.policy.copied(root)
            return agent.__vcr_call__(agent, state, style)

        return call_root

    def _plan_function(self) -> Callable[[], Any]:
        """Call the agent from its start with the first frame's input, and again for each further run it recorded."""
        agent, tape = self.agent, self.tape
        self._by_guess = True
        self._advice = (
            f"The agent carries no @step, so it was called with the input of frame {tape.first}, whose keys are "
            f"{', '.join(tape.input(tape.first)) or 'none'}. Put @step on it and record again if it takes something "
            "else."
        )

        def runs() -> Walk:
            first: int | None = tape.first
            result = None
            while first is not None:
                problem: Exception | None = None
                try:
                    result = yield one_argument(agent), tape.input(first)
                except Exception as error:
                    problem = error
                first = self.policy.next_run(first)
                if first is None and problem is not None:
                    raise problem
            return result

        return lambda: drive(runs(), asynchronous=is_async(agent))

    def _plan_single(self) -> Callable[[], Any]:
        """Call the agent once, on the state before the target, and record that as the target's step."""
        tape, target = self.tape, self.policy.target
        name = tape.name(target)
        tape.input(target)

        def call_once() -> Any:
            copy_before(self.recorder, tape, target)
            self.policy.copied(target)
            before = [n for n in range(target) if n not in tape.elsewhere]
            self.policy.served += [n for n in before if tape.ended_before(n, target)]
            self.policy.asked_as = self.recorder.next_key(name)
            return self._drive([(name, undecorated(self.agent))])

        return call_once

    def _plan_steps(self, steps: NamedSteps) -> Callable[[], Any]:
        """Go through the steps: those before the target are served, the others run on the state so far."""
        tape, target = self.tape, self.policy.target
        self.policy.asks_for_all = True
        first_name = steps[0][0] if steps else ""
        starts = [n for n in range(target + 1) if tape.is_outermost(n) and tape.name(n) == first_name]
        # A list asks for a step as often as it names it; more of them were recorded by earlier runs.
        repeats = sum(name == first_name for name, _ in steps)
        root = starts[(len(starts) - 1) // repeats * repeats] if starts else 0

        def walk() -> Any:
            copy_before(self.recorder, tape, root)
            self.policy.copied(root)
            return self._drive(steps)

        return walk

    def _drive(self, steps: NamedSteps) -> Any:
        return drive(self._walk(steps), asynchronous=any(is_async(function) for _, function in steps))

    def _walk(self, steps: NamedSteps) -> Walk:
        state: dict[str, Any] = {}
        for name, function in steps:
            key = self.recorder.next_key(name)
            number = self.policy.target if key == self.policy.asked_as else self.tape.find(key)
            if number is not None and not self.policy.reached:
                state = self.tape.input(number)
            step = self.recorder.begin(name, state)
            if step.returned:
                state = step.output()
                continue
            try:
                with step.running():
                    value = yield function, step.input_state
            except BaseException as error:
                step.fail(error)
                raise
            step.finish(value)
            state = dict(value) if isinstance(value, Mapping) else {"result": value}
        return state
