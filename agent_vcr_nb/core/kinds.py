"""What can be known of an agent before it runs: its framework, the names of its steps, how it is called."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent_vcr_nb.core.agents import named_steps
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError, UsageError
from agent_vcr_nb.core.steps import live_agents
from agent_vcr_nb.core.tape import Tape

INTEGRATIONS = {"langgraph": "agent_vcr_nb.integrations.langgraph.resuming"}
"""By the package that an agent's class comes from: the module whose ``prepare(agent, tape, policy)`` checks that the
agent can go on from the policy's target, and returns a function from recorder to result that does. It is imported when
such an agent is resumed, never before."""


def integration_of(agent: Any) -> Any:
    """Return the module that resumes and replays agents of this one's framework, or None for plain Python."""
    for cls in type(agent).__mro__:
        module = INTEGRATIONS.get(cls.__module__.partition(".")[0])
        if module is not None:
            return importlib.import_module(module)
    return None


def check_step_names(tape: Tape, agent: Any, names: Sequence[str]) -> None:
    """Raise UsageError for a name that is no step of the recording nor of the agent, so that a typo runs nothing.

    Of a program, and of a graph's tools, the steps that were not recorded are not known: there only a name that looks
    like a known one is taken for a typo.
    """
    known = {tape.name(number) for number in range(len(tape.heads))}
    recorded, all_known = sorted(known), True
    integration = integration_of(agent)
    if hasattr(agent, "__vcr_resume__"):
        all_known = False
    elif integration is not None:
        known |= set(integration.step_names(agent))
        all_known = False
    elif isinstance(agent, Mapping | Sequence) and not isinstance(agent, str):
        known |= {name for name, _ in named_steps(agent)}
    else:
        known |= set(live_agents)
    for name in names:
        close = difflib.get_close_matches(name, known, 1)
        if name not in known and (all_known or close):
            hint = f" Did you mean {close[0]}?" if close else ""
            raise UsageError(
                f"{tape.session_id}: no step {name!r} to mock or skip.{hint} Recorded: {', '.join(recorded)}"
            )


def called_by_guess(tape: Tape, agent: Any, failure: DivergedError) -> CannotResumeError | None:
    """Return the error of a function without @step that was called with a state and takes a part of it; else None.

    How such a function is called is not recorded, so it gets the input state of its first step. A parameter that has
    the name of one of the keys tells that it wants that key's value instead.
    """
    try:
        first = next(iter(inspect.signature(agent).parameters), None)
    except (TypeError, ValueError):  # a builtin: it says nothing of itself
        return None
    if failure.frame != tape.first or first not in tape.input(tape.first):
        return None
    name = getattr(agent, "__name__", type(agent).__name__)
    return CannotResumeError(
        f"{tape.session_id}: {name} carries no @step, so how it was called is not recorded. It was called with the "
        f"input state of frame {tape.first} ({tape.key(tape.first)}; keys: {', '.join(tape.input(tape.first))}), and "
        f"it takes {first!r}: expected "
        f"{failure.expected}, found {failure.found}. Put @step on {name} and record again, or pass a function of that "
        "one state that calls it as it was called."
    )


def one_argument(agent: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a function of one argument: an agent that takes none is called without it."""
    try:
        takes = inspect.signature(agent).parameters
    except (TypeError, ValueError):  # a builtin: it says nothing of itself
        return agent
    return agent if takes else lambda _: agent()
