"""The one seam: for each step, run it, return a recorded or given value, or run it on an edited input.

An integration asks ``recorder.begin(...)``, the recorder asks its policy. Recording is the policy that always says
`Run`; a resume is `ResumePolicy`, which serves what had ended before frame N started and lets the rest run.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from agent_vcr_nb.core.edit import StateEdit, fresh
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError, VCRError
from agent_vcr_nb.core.frame import Provenance, Status
from agent_vcr_nb.core.tape import Tape


class ResumeMode(enum.StrEnum):
    """What happens from the resume point on; before it every mode serves the recording."""

    FORK = "fork"
    """Everything runs live, the first step on the edited input."""
    REPLAY = "replay"
    """A step whose key and input are as recorded is served; from the first that is not, everything runs live."""
    MOCK = "mock"
    """The steps named in ``inject_mocks`` return the values given there, all others run live."""


@dataclass(frozen=True, slots=True)
class Call:
    """A step that is about to run."""

    key: str
    name: str
    input_state: dict[str, Any]
    encoded: Callable[[], Any]
    """Gives the input as the recording would show it: encoded and without secrets."""
    takes_state: bool = True
    """False when the input state is the parameters of a function by name: it is then no state to pass on."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run the step."""

    provenance: Provenance = Provenance.LIVE


RUN = Run()


@dataclass(frozen=True, slots=True)
class Edit:
    """Run the step on this input state instead of its own."""

    input_state: dict[str, Any]
    patch: Sequence[Mapping[str, Any]] = ()
    """What was changed, as RFC 6902; kept with the frame, so that it can be applied to the step's own input again."""


@dataclass(frozen=True, slots=True)
class Return:
    """Do not run the step: it has this output."""

    provenance: Provenance
    output_state: dict[str, Any] | None = None
    error: BaseException | None = None
    """Raised instead of an output: the recorded step had failed."""
    tape: Tape | None = None
    number: int | None = None
    """Frame of `tape` that is served, with all frames inside it."""
    wrapped: bool = False
    """True when the step's value was no mapping, so that `output_state` is ``{"result": value}``."""


Decision: TypeAlias = Run | Edit | Return


class Policy(Protocol):
    """Decides for each step."""

    def decide(self, call: Call) -> Decision:
        """Return what to do with `call`; raises DivergedError when the run has left its recording."""

    def recall(self, key: str) -> tuple[Any] | None:
        """Return the recorded value of a time, id or random number drawn under this key, or None to draw a new one."""


class RecordPolicy:
    """Runs everything."""

    def recall(self, key: str) -> tuple[Any] | None:
        """Return None."""
        return None

    def decide(self, call: Call) -> Decision:
        """Return `Run`."""
        return RUN


@dataclass
class ResumePolicy:
    """Serves the recording before frame `target`, lets it run on its edited input, and follows `mode` from there.

    Steps that ran at the same time under one name, in threads or tasks, are told apart by their inputs: which of them
    asks first may differ from run to run. A step of another branch that had ended before the target started is served
    also when it asks after the target has been reached.
    """

    tape: Tape
    target: int
    edit: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """From the input state of the target to the one it is to run on; None where nothing is edited."""
    patch: Sequence[Mapping[str, Any]] = ()
    """The same as RFC 6902 operations."""
    mode: ResumeMode = ResumeMode.FORK
    mocks: Mapping[str, Any] = field(default_factory=dict)
    """Step name to output state, to an exception, or to a function from input state to output state."""
    skip: Sequence[str] = ()
    """Steps that are not run from the target on: they return what was recorded."""
    volatile: frozenset[str] = frozenset()
    """Keys that may differ in an input that is otherwise as recorded."""
    asked_as: str = ""
    """Key under which the target will be asked for, where that is not its recorded one."""
    asks_for_all: bool = False
    """True where the agent is a list of steps: it asks also for steps that were recorded after they had run."""
    served: list[int] = field(default_factory=list)
    """Frames of the recording that were served, in the order of the calls."""
    reached: bool = False
    """True from when the target is about to run."""
    failure: VCRError | None = None
    """Why the resume cannot go on. Kept, and raised for every later step: the agent may catch what it gets."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._taken: set[int] = set()
        self._names: dict[str, str] = {}
        self._beside: set[str] = set()
        self.copied_up_to = 0
        """The frames before this one are in the fork without having been asked for."""
        self._following = self.mode is ResumeMode.REPLAY

    @property
    def target_key(self) -> str:
        """Key of the target in the recording."""
        return self.tape.key(self.target)

    def decide(self, call: Call) -> Decision:
        """Return what to do with `call`; raises DivergedError, CannotResumeError or EditError."""
        with self._lock:
            if self.failure is not None:
                raise self.failure
            try:
                return self._decide(call)
            except VCRError as error:
                self.failure = error
                raise

    def keep(self, numbers: Sequence[int]) -> None:
        """Count frames as served that the framework of the agent gives back itself."""
        with self._lock:
            self._taken.update(numbers)
            self.served.extend(numbers)

    def recall(self, key: str) -> tuple[Any] | None:
        """Return what had been drawn under this key before the target started, or while the recording is followed."""
        with self._lock:
            drawn = self.tape.drawn.get(self._key_in_recording(key))
            if drawn is None:
                return None
            earlier = drawn["before"] <= self.target
            return (self.tape.value(drawn),) if earlier or (self.reached and self._following) else None

    def copied(self, frames: int) -> None:
        """Take the frames before `frames` as given: they are in the fork without having been asked for."""
        self.copied_up_to = frames

    def next_run(self, after: int) -> int | None:
        """Return the frame at which another run of the same agent begins in the session, where one was left out."""
        if self.reached or self.failure is not None:
            return None
        for number in range(after + 1, self.target + 1):
            if number not in self._taken and self.tape.is_outermost(number):
                return number if self.tape.name(number) == self.tape.name(self.tape.first) else None
        return None

    def _decide(self, call: Call) -> Decision:
        key = self._key_in_recording(call.key)
        number = self._matching(key, call)
        self._names[call.key] = key if number is None else self.tape.key(number)
        if number is not None:
            self._taken.add(number)
        if self.reached:
            return self._after(call, number)
        return self._before(call, number)

    def _key_in_recording(self, key: str) -> str:
        """Return a key with the names that its parents have in the recording."""
        parent, slash, own = key.rpartition("/")
        return f"{self._names.get(parent, parent)}/{own}" if slash else key

    def _before(self, call: Call, number: int | None) -> Decision:
        if number == self.target or call.key == self.asked_as:
            self._check_nothing_is_missing()
            self.reached = True
            return self._at_target(call, number)
        if number is None:
            return self._unknown(call)
        if self.tape.is_inside(self.target_key, self.tape.key(number)):
            # An ancestor is entered again, or the target would never be reached.
            self._check_input(number, call)
            state, patch = self._edited_again(number, call)
            return Edit(state, patch) if patch else Run()
        if not self.tape.ended_before(number, self.target):
            self._beside.add(call.key)
            return Run()  # ran beside the target: its effects on shared state are not in the target's input
        self._check_input(number, call)
        return self._serve(number)

    def _unknown(self, call: Call) -> Run:
        """Let a step run that the recording does not have because its branch had not come so far; or raise."""
        if call.key.rpartition("/")[0] in self._beside or self.tape.was_overtaken(call.key, self.target):
            self._beside.add(call.key)
            return Run()
        lost = (number for number in range(self.target) if self.tape.heads[number] is None)
        damaged = next((number for number in lost if number not in self.tape.elsewhere), None)
        if damaged is not None:
            raise CannotResumeError(
                f"{self.tape.session_id} frame {damaged} is damaged, and may be {call.key}, which the agent asks for "
                f"before frame {self.target}: it cannot be served. Resume at a frame before {damaged}, or record "
                "again; `vcr verify` tells more."
            )
        raise DivergedError(
            self.tape.session_id,
            None,
            call.key,
            expected=f"a step that was recorded before frame {self.target} ({self.target_key})",
            found="one that is not in the recording",
            next_step="The agent's code has changed before the resume point. Resume at an earlier frame.",
        )

    def _matching(self, key: str, call: Call) -> int | None:
        """Return the recorded frame of this call: the one of its key, or a sibling that raced with it."""
        number = self.tape.find(key)
        racing = self.tape.racing(key)
        if self.reached and not self._following:
            racing = [other for other in racing if self.tape.ended_before(other, self.target)]
        if not racing:
            return number
        candidates = [] if number is None else [number]
        candidates += [other for other in racing if other != number]
        free = [other for other in candidates if other not in self._taken]
        found = call.encoded() if free else None
        for other in free:
            if self.tape.input_difference(other, found, self.volatile) is None:
                return other
        return number if number in free else None

    def _edited_again(self, number: int | None, call: Call) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
        """Return the input that the recorded frame ran on, and the patch that makes it of what the agent passes."""
        patch = self.tape.inherited_edit(number) if number is not None else []
        if number is None or not patch or self.tape.is_edited_already(number, call.encoded(), self.volatile):
            return call.input_state, []
        return StateEdit(patch=patch).apply(call.input_state), list(patch)

    def _check_input(self, number: int, call: Call) -> None:
        difference = self.tape.input_difference(number, call.encoded(), self.volatile)
        if difference is None:
            return
        path, expected, got = difference
        raise DivergedError(
            self.tape.session_id,
            number,
            call.key,
            expected=f"input {path or '/'} = {expected}",
            found=got,
            next_step=(
                "Something before this step gave another value than when it was recorded: code that changed, or a "
                "time, a random number or an id (use now(), random() and uuid4() of agent_vcr_nb for these). "
                f"Resume at frame {number} or earlier to run it again."
            ),
        )

    def _serve(self, number: int) -> Return:
        self.served.append(number)
        error = self.tape.error(number)
        output = self.tape.output(number) if error is None else None
        return Return(Provenance.REPLAYED, output, error, self.tape, number, self.tape.returned_value(number))

    def _check_nothing_is_missing(self) -> None:
        for number in self.tape.required_before(self.target, recorded_afterwards=self.asks_for_all):
            if number not in self._taken and number >= self.copied_up_to:
                raise DivergedError(
                    self.tape.session_id,
                    number,
                    self.tape.key(number),
                    expected=f"this step to be called before frame {self.target} ({self.target_key})",
                    found="the resume point reached without it",
                    next_step="The agent's code has changed. Resume at this frame or an earlier one.",
                )

    def _at_target(self, call: Call, number: int | None) -> Decision:
        if call.name in self.mocks:
            return self._mocked(call)
        # An integration that edits the input itself takes `edit` away: what is asked with is then as it is to be.
        made = self.edit is None and bool(self.patch)
        state, patch = (call.input_state, []) if made else self._edited_again(number, call)
        if self.edit is not None:
            self._following = False
            return Edit(self.edit(state), [*patch, *self.patch])
        decision = self._from_target_on(call, number)
        return Edit(state, patch) if patch and isinstance(decision, Run) else decision

    def _after(self, call: Call, number: int | None) -> Decision:
        if number is not None and number >= self.copied_up_to and self.tape.ended_before(number, self.target):
            self._check_input(number, call)
            return self._serve(number)  # of a branch that comes so far only now
        return self._from_target_on(call, number)

    def _from_target_on(self, call: Call, number: int | None) -> Decision:
        if call.name in self.mocks:
            return self._mocked(call)
        if call.name in self.skip:
            return self._skipped(call, number)
        if self._following:
            as_recorded = (
                number is not None and self.tape.input_difference(number, call.encoded(), self.volatile) is None
            )
            if number is not None and as_recorded and self.tape.status(number) is Status.OK:
                return self._serve(number)
            # A step that had failed after steps inside it: those may still be as recorded.
            if number is None or not as_recorded or not self.tape.has_children(number):
                self._following = False
        return Run()

    def _skipped(self, call: Call, number: int | None) -> Return:
        if number is not None and self.tape.status(number) is Status.OK:
            return self._serve(number)
        if not call.takes_state:
            raise CannotResumeError(
                f"{self.tape.session_id}: skip_nodes names {call.name!r}, and {call.key} has no recorded result to "
                "return. Give one with mode='mock' and inject_mocks."
            )
        return Return(Provenance.MOCKED, call.input_state)

    def _mocked(self, call: Call) -> Return:
        given = self.mocks[call.name]
        try:
            output = given(call.input_state) if callable(given) else fresh(given)
        except Exception as error:
            output = error
        if isinstance(output, BaseException):
            return Return(Provenance.MOCKED, error=output)
        state = dict(output) if isinstance(output, Mapping) else {"result": output}
        return Return(Provenance.MOCKED, state, wrapped=not isinstance(output, Mapping))
