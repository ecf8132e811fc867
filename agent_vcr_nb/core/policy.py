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

from agent_vcr_nb.core.errors import DivergedError
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


@dataclass(frozen=True, slots=True)
class Run:
    """Run the step."""

    provenance: Provenance = Provenance.LIVE


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
        return Run()


@dataclass
class ResumePolicy:
    """Serves the recording before frame `target`, lets it run on its edited input, and follows `mode` from there."""

    tape: Tape
    target: int
    edit: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """From the input state of the target to the one it is to run on; None where nothing is edited."""
    patch: Sequence[Mapping[str, Any]] = ()
    """The same as RFC 6902 operations."""
    mode: ResumeMode = ResumeMode.FORK
    mocks: Mapping[str, Any] = field(default_factory=dict)
    """Step name to output state, or to a function from input state to output state."""
    skip: Sequence[str] = ()
    """Steps that are not run from the target on: they return what was recorded."""
    volatile: frozenset[str] = frozenset()
    """Keys that may differ in an input that is otherwise as recorded."""
    target_key: str = ""
    """Key under which the target will be asked for, where that is not its recorded one."""
    served: list[int] = field(default_factory=list)
    """Frames of the recording that were served, in the order of the calls."""
    reached: bool = False
    """True from when the target is about to run."""
    diverged: DivergedError | None = None
    """Kept, because the agent may catch the error that it gets."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._used: set[int] = set()
        self.target_key = self.target_key or self.tape.key(self.target)
        self._following = self.mode is ResumeMode.REPLAY

    def decide(self, call: Call) -> Decision:
        """Return what to do with `call`; raises DivergedError before the target."""
        with self._lock:
            try:
                return self._after(call) if self.reached else self._before(call)
            except DivergedError as error:
                self.diverged = error
                raise

    def keep(self, numbers: Sequence[int]) -> None:
        """Count frames as served that the framework of the agent gives back itself."""
        with self._lock:
            self._used.update(numbers)
            self.served.extend(numbers)

    def recall(self, key: str) -> tuple[Any] | None:
        """Return what had been drawn under this key before the target started, or while the recording is followed."""
        with self._lock:
            drawn = self.tape.drawn.get(key)
            if drawn is None:
                return None
            earlier = not self.reached and drawn["before"] <= self.target
            return (self.tape.value(drawn),) if earlier or (self.reached and self._following) else None

    def _before(self, call: Call) -> Decision:
        if call.key == self.target_key:
            self._check_nothing_is_missing()
            self.reached = True
            return self._at_target(call)
        if self.tape.is_inside(self.target_key, call.key):
            return Run()  # an ancestor is entered again, or the target would never be reached
        number = self.tape.find(call.key)
        if number is None:
            raise DivergedError(
                self.tape.session_id,
                None,
                call.key,
                expected=f"a step that was recorded before frame {self.target} ({self.target_key})",
                found="one that is not in the recording",
                next_step="The agent's code has changed before the resume point. Resume at an earlier frame.",
            )
        if not self.tape.ended_before(number, self.target):
            return Run()  # ran beside the target: its effects on shared state are not in the target's input
        number = self._matching(number, call)
        return self._serve(number)

    def _matching(self, number: int, call: Call) -> int:
        """Return the recorded frame with this call's input: its own, or one of a sibling that raced with it."""
        if self.tape.inherited_edit(number):
            return number  # the agent passes its own input here, and the recorded one was edited
        found = call.encoded()
        difference = self.tape.input_difference(number, found, self.volatile)
        if number not in self._used and difference is None:
            return number
        for other in self.tape.racing_siblings(number):
            if other not in self._used and self.tape.input_difference(other, found, self.volatile) is None:
                return other
        if difference is None:
            return number
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
        self._used.add(number)
        self.served.append(number)
        error = self.tape.error(number)
        output = self.tape.output(number) if error is None else None
        return Return(Provenance.REPLAYED, output, error, self.tape, number, self.tape.returned_value(number))

    def _check_nothing_is_missing(self) -> None:
        for number in self.tape.required_before(self.target):
            if number not in self._used:
                raise DivergedError(
                    self.tape.session_id,
                    number,
                    self.tape.key(number),
                    expected=f"this step to be called before frame {self.target} ({self.target_key})",
                    found="the resume point reached without it",
                    next_step="The agent's code has changed. Resume at this frame or an earlier one.",
                )

    def _at_target(self, call: Call) -> Decision:
        if call.name in self.mocks:
            return self._mocked(call)
        if self.edit is None:
            return self._after(call)
        edited = self.edit(call.input_state)
        self._following = False
        return Edit(edited, self.patch)

    def _after(self, call: Call) -> Decision:
        if call.name in self.mocks:
            return self._mocked(call)
        number = self.tape.find(call.key)
        if call.name in self.skip:
            if number is not None and self.tape.status(number) is Status.OK:
                return self._serve(number)
            return Return(Provenance.MOCKED, call.input_state)
        if self._following:
            if (
                number is not None
                and self.tape.status(number) is Status.OK
                and self.tape.input_difference(number, call.encoded(), self.volatile) is None
            ):
                return self._serve(number)
            if number is None or not self.tape.has_children(number):
                self._following = False
        return Run()

    def _mocked(self, call: Call) -> Return:
        given = self.mocks[call.name]
        output = given(call.input_state) if callable(given) else given
        state = dict(output) if isinstance(output, Mapping) else {"result": output}
        return Return(Provenance.MOCKED, state, wrapped=not isinstance(output, Mapping))
