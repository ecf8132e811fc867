"""Ghost replay: a whole run again with every step served from its recording, nothing executed, nothing paid.

Steps are served whole, with what ran inside them. Only the agent itself is entered, so that its own code decides again
what to call: a function, a graph, a list of steps, or the one ``@step`` inside which all others were recorded. A step
that is not as recorded is a `StaleRecordingError`, never a live call.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.agents import NamedSteps, named_steps, wait_for
from agent_vcr_nb.core.errors import CannotResumeError, StaleRecordingError, UsageError, VCRError
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.kinds import called_by_guess, integration_of, one_argument
from agent_vcr_nb.core.policy import Call, Decision, Edit, ResumeMode, ResumePolicy, Return, Run
from agent_vcr_nb.core.query import first_difference
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.resume import can_resume
from agent_vcr_nb.core.steps import choosing
from agent_vcr_nb.core.tape import Tape, canonical, comparable

_AGAIN = "The agent's code has changed since: record it again, or resume at this frame to see what it does now."


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a ghost replay."""

    session_id: str
    result: Any
    """What the agent returned; of the last run where the session holds several."""
    error: Exception | None
    """What the agent raised, as it had when it was recorded."""
    served: tuple[int, ...]
    """Frames whose steps were served, without those inside them."""
    entered: tuple[int, ...]
    """Frames of the agent itself, whose own code ran."""


@dataclass
class GhostPolicy(ResumePolicy):
    """Serves every step of a recording; one that is not as recorded is a `StaleRecordingError`, and so are all after.

    ``target`` is no frame of the recording, but where an integration has to go on from one.
    """

    mode: ResumeMode = ResumeMode.REPLAY
    entered: list[int] = field(default_factory=list)
    """Frames of the agent itself, which ran again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._agents = agent_frames(self.tape)

    def recall(self, key: str) -> tuple[Any] | None:
        """Return what was drawn under this key when it was recorded."""
        drawn = self.tape.drawn.get(self._key_in_recording(key))
        return None if drawn is None else (self.tape.value(drawn),)

    def owed(self) -> list[int]:
        """Return the frames that were recorded and have not been asked for."""
        tape, taken = self.tape, self._taken
        asked = {number for served in taken for number in self._around(served)}
        whole = taken - set(self.entered)
        return [
            number
            for number in range(len(tape.heads))
            if number not in taken | asked
            and (self.asks_for_all or tape.recording.has_start(number))
            and not whole.intersection(self._around(number))
        ]

    def next_call(self) -> int | None:
        """Return the outermost frame with which another run of the agent began that has not been asked for, or None."""
        return next((number for number in self.owed() if self.tape.is_outermost(number)), None)

    def _around(self, number: int) -> list[int]:
        parts = self.tape.key(number).split("/")
        found = (self.tape.find("/".join(parts[:depth])) for depth in range(1, len(parts)))
        return [outer for outer in found if outer is not None]

    def _decide(self, call: Call) -> Decision:
        key = self._key_in_recording(call.key)
        number = self._matching(key, call)
        if number is None:
            raise self._unknown_step(call)
        self._names[call.key] = self.tape.key(number)
        self._taken.add(number)
        self._check_input(number, call)
        if number not in self._agents:
            return self._serve(number)
        self.entered.append(number)
        state, patch = self._edited_again(number, call)
        return Edit(state, patch) if patch else Run()

    def _serve(self, number: int) -> Return:
        if self.tape.status(number) is Status.RUNNING:
            raise CannotResumeError(
                f"{self.tape.session_id} frame {number} ({self.tape.key(number)}) had not ended when the recording "
                "did: there is nothing to serve. Resume at it to run it."
            )
        return super()._serve(number)

    def _unknown_step(self, call: Call) -> StaleRecordingError:
        owed = self.owed()
        expected = f"frame {owed[0]} ({self.tape.key(owed[0])}) next" if owed else "no further step"
        return StaleRecordingError(
            self.tape.session_id,
            None,
            call.key,
            expected=expected,
            found="a step that is not in the recording, which was not run",
            next_step=_AGAIN if owed else "The agent's code has changed since: record it again.",
        )

    def _check_input(self, number: int, call: Call) -> None:
        difference = self.tape.input_difference(number, call.encoded(), self.volatile)
        if difference is not None:
            path, expected, found = difference
            raise self.stale(number, f"input {path or '/'} = {expected}", found)

    def stale(self, number: int, expected: str, found: str) -> StaleRecordingError:
        """Return the error of a frame that is not as recorded."""
        key = self.tape.key(number)
        return StaleRecordingError(self.tape.session_id, number, key, expected=expected, found=found, next_step=_AGAIN)


def agent_frames(tape: Tape) -> set[int]:
    """Return the frames of the agent itself: of the one decorated function inside which all others were recorded."""
    outermost = [number for number in range(len(tape.heads)) if tape.is_outermost(number)]
    if len({tape.name(number) for number in outermost}) != 1:
        return set()
    return {number for number in outermost if tape.call(number) and tape.has_children(number)}


def can_replay(tape: Tape) -> tuple[bool, str]:
    """Tell whether a session can be replayed as a whole, and why not."""
    if not tape.heads:
        return False, "it has no frames"
    if len(tape.recording.segments) > 1:
        return False, "several processes recorded into it at once, and a replay follows one run; resume a frame instead"
    for number in range(len(tape.heads)):
        allowed, reason = can_resume(tape, number)
        if not allowed:
            return False, f"frame {number}: {reason}"
    return True, ""


def replay(
    recording: Recording,
    agent: Any,
    *,
    volatile: Sequence[str] = (),
    recorder: Callable[[Path], VCRRecorder] | None = None,
) -> Replayed:
    """Run `agent` again as it was recorded, with every step served; keys in `volatile` may differ in inputs.

    `recorder` makes what watches the run, in a folder that is removed after it: a replay leaves no session.

    A run that had failed is served up to its failure, which is raised again inside the agent and is then in the
    result. Raises CannotResumeError for a recording that cannot be served or an agent that does not fit it,
    StaleRecordingError where the agent asks for something else than was recorded; nothing is executed in its place.
    """
    recording.refresh()
    tape = Tape(recording)
    allowed, reason = can_replay(tape)
    if not allowed:
        raise CannotResumeError(f"{tape.session_id} cannot be replayed: {reason}")
    policy = GhostPolicy(tape, len(tape.heads), volatile=frozenset(volatile))
    with tempfile.TemporaryDirectory(prefix="vcr-replay-") as folder:
        watcher = recorder(Path(folder)) if recorder else VCRRecorder(Path(folder), ambient=False)
        watcher.policy = policy
        watcher.start_session(tape.session_id)
        try:
            return _Replay(tape, policy, watcher, agent).run()
        finally:
            watcher.close()


class _Replay:
    """One ghost replay: which calls of the agent make the recorded runs again, and what is checked after them."""

    def __init__(self, tape: Tape, policy: GhostPolicy, recorder: VCRRecorder, agent: Any) -> None:
        self.tape, self.policy, self.recorder, self.agent = tape, policy, recorder, agent
        self._error: Exception | None = None
        self._by_guess = False

    def run(self) -> Replayed:
        """Make the calls; raises what is told of in `replay`."""
        result = None
        for call in self._calls():
            try:
                with choosing(self.recorder):
                    result = call()
                    result = wait_for(result) if inspect.isawaitable(result) else result
            except Exception as error:
                self._error = self._error or error
            self._raise_failure()
            if isinstance(self._error, VCRError):
                raise self._error
        self._check_nothing_is_owed()
        self.recorder.close()
        self._check_the_agents_own_frames()
        policy = self.policy
        served = tuple(sorted(set(policy.served)))
        return Replayed(self.tape.session_id, result, self._error, served, tuple(policy.entered))

    def _raise_failure(self) -> None:
        failure = self.policy.failure
        if self._by_guess and isinstance(failure, StaleRecordingError):
            raise called_by_guess(self.tape, self.agent, failure) or failure
        if failure is not None:
            raise failure

    def _check_nothing_is_owed(self) -> None:
        owed = self.policy.owed()
        if owed:
            ending = f"it ended with {type(self._error).__name__}: {self._error}" if self._error else "it ended without"
            raise self.policy.stale(owed[0], "the agent to call this step", ending)

    def _check_the_agents_own_frames(self) -> None:
        session = self.recorder.get_session()
        now = Tape(Recording(self.recorder.output_dir / f"{session.session_id if session else ''}.vcr"))
        for number in self.policy.entered:
            again = now.find(self.tape.key(number))
            if again is None:
                raise self.policy.stale(number, "the agent's own frame", "none")
            before, after = self.tape.status(number), now.status(again)
            if before is not after:
                raise self.policy.stale(number, f"the agent to end with {before}", f"{after}: {self._error}")
            if before is Status.OK:
                self._check_output(number, now, again)

    def _check_output(self, number: int, now: Tape, again: int) -> None:
        volatile = self.policy.volatile
        recorded = canonical(self.tape.recording.state(number, "output"), volatile)
        found = canonical(now.recording.state(again, "output"), volatile)
        difference = first_difference(*comparable(recorded, found))
        if difference is not None:
            path, expected, got = difference
            raise self.policy.stale(number, f"the agent to return {path or '/'} = {expected}", got)

    # -------------------------------------------------------------------------------------------- kinds of agents

    def _calls(self) -> Iterator[Callable[[], Any]]:
        """Yield what makes each recorded run of the agent again, in order."""
        agent, tape = self.agent, self.tape
        integration = integration_of(agent)
        if hasattr(agent, "__vcr_replay__"):
            yield from agent.__vcr_replay__(tape)
        elif integration is not None:
            yield from self._graph_calls(integration)
        elif isinstance(agent, Mapping | Sequence) and not isinstance(agent, str):
            yield from self._step_calls(named_steps(agent))
        elif not callable(agent):
            raise UsageError(
                f"the agent is a {type(agent).__name__}: expected a function, a list or mapping of steps, or a graph"
            )
        elif not any(tape.recording.has_start(number) for number in range(len(tape.heads))):
            raise CannotResumeError(
                f"{tape.session_id} was recorded by hand, so a function would have to be run to replay it. "
                "Pass its steps as a list or mapping."
            )
        elif getattr(agent, "__vcr_step__", None):
            yield from self._root_calls()
        else:
            yield from self._function_calls()

    def _graph_calls(self, integration: Any) -> Iterator[Callable[[], Any]]:
        for first in integration.first_frames(self.tape):
            self.policy.target = first
            go_on = integration.prepare(self.agent, self.tape, self.policy)
            yield partial(go_on, self.recorder)

    def _step_calls(self, steps: NamedSteps) -> Iterator[Callable[[], Any]]:
        self.policy.asks_for_all = True
        yield lambda: self._walk(steps)
        while steps and self.policy.next_call() is not None and self._error is None:
            if self.tape.name(self.policy.next_call() or 0) != steps[0][0]:
                return
            yield lambda: self._walk(steps)

    def _walk(self, steps: NamedSteps) -> Any:
        state: dict[str, Any] | None = None
        for name, _ in steps:
            if state is None:
                number = self.tape.find(self.recorder.next_key(name))
                state = {} if number is None else self.tape.input(number)
            state = self.recorder.begin(name, state).output()
        return state

    def _root_calls(self) -> Iterator[Callable[[], Any]]:
        agent, tape = self.agent, self.tape
        name = agent.__vcr_step__
        roots = [n for n in range(len(tape.heads)) if tape.is_outermost(n) and tape.name(n) == name]
        if not roots:
            there = ", ".join(dict.fromkeys(tape.name(n) for n in range(len(tape.heads)) if tape.is_outermost(n)))
            raise CannotResumeError(
                f"{tape.session_id}: the agent given is the step {name!r}, and outermost there is {there}. Pass that."
            )
        for root in roots:
            yield partial(agent.__vcr_call__, agent, tape.input(root), tape.call(root))

    def _function_calls(self) -> Iterator[Callable[[], Any]]:
        self._by_guess = True
        first: int | None = 0
        while first is not None and self.tape.name(first) == self.tape.name(0):
            yield partial(one_argument(self.agent), self.tape.input(first))
            following = self.policy.next_call()
            first = following if following is not None and following > first else None
