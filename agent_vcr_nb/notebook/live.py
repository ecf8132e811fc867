"""What of an agent is alive in this kernel: the graph, the step or the function that a run began with."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent_vcr_nb.core.errors import RecordingError, UsageError
from agent_vcr_nb.core.kinds import integration_of
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.steps import live_agents
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.notebook.callers import Callers
from agent_vcr_nb.verbs.agents import named_here


class Tapes:
    """Keeps the recording that was asked for last, and opens it anew only when its file has changed.

    What the buttons ask of it takes a tenth of a millisecond a frame, at every rest of the selection.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamp: object = None
        self._tape: Tape | None = None

    def of(self, path: Path) -> Tape:
        """Return the recording at a path by key; raises RecordingError when it cannot be read."""
        with self._lock:
            stat = path.stat()
            stamp = (path, stat.st_mtime_ns, stat.st_size)
            if self._tape is None or stamp != self._stamp:
                self._tape, self._stamp = Tape(Recording(path)), stamp
            return self._tape


class Live(NamedTuple):
    """The agent of a frame, where it is alive here and no other can be meant."""

    agent: Any = None
    why: str = ""
    """Why there is none, for a user to act on; empty where nothing is known."""


def live_agent(tape: Tape, frame: int, names: Mapping[str, Any]) -> Live:
    """Return what the run of a frame began with, among the `names` of the notebook and the steps of this kernel."""
    if not 0 <= frame < len(tape.heads) or tape.heads[frame] is None:
        return Live()
    root, callers = tape.root_of(frame), Callers(tape.recording)
    caller, name = callers.at(root), tape.name(root)
    beside = [n for n in range(len(tape.heads)) if tape.is_outermost(n) and callers.at(n) == caller]
    if beside and all(_is_of_framework(tape, number) for number in beside):
        return _graph(tape, root, names)
    is_agent = tape.has_children(root) and not _is_of_framework(tape, root)
    is_alone = {tape.name(number) for number in beside} == {name}
    if caller.known and caller.name:
        return _step(name, names) if is_agent and is_alone else _called(caller.name, tape, names)
    if is_agent or (caller.known and is_alone):
        return _step(name, names)
    if caller.known:
        return Live(why=f"its steps were called by a cell, one by one: choose {name} to run that one alone")
    return Live()


def _is_of_framework(tape: Tape, number: int) -> bool:
    """Tell whether a framework ran the step: it was begun, and no function was called as the step."""
    return not tape.call(number) and tape.recording.has_start(number)


def _graph(tape: Tape, root: int, names: Mapping[str, Any]) -> Live:
    """Return the one graph here that has the nodes of the run of a graph that `root` is of."""
    nodes: set[str] = set()
    found = {}
    for name, value in list(names.items()):
        integration = None if name[:1] == "_" else integration_of(value)
        if integration is None or not hasattr(value, "invoke"):
            continue
        nodes = nodes or _nodes(tape, root, integration.first_frames(tape))
        if nodes <= set(integration.step_names(value)):
            found[id(value)] = name, value
    if len(found) == 1:
        return Live(next(iter(found.values()))[1])
    if not found:
        return Live(why=f"no graph here has the node {tape.name(root)} and those that ran with it")
    return Live(why=f"that may be {' or '.join(name for name, _ in found.values())}")


def _nodes(tape: Tape, root: int, starts: list[int]) -> set[str]:
    """Return the names of the nodes that ran in the same run of a graph as `root`."""
    first = max((start for start in starts if start <= root), default=0)
    stop = min((start for start in starts if start > root), default=len(tape.heads))
    inside = (number for number in range(first, stop) if tape.is_outermost(number))
    return {tape.name(number) for number in inside if _is_of_framework(tape, number)}


def _step(name: str, names: Mapping[str, Any]) -> Live:
    """Return the step of a name; of a method, bound to the one object here that has it."""
    function = live_agents.get(name)
    if function is None:
        return Live(why=f"the step {name} is not defined here: run the cell that defines it")
    if next(iter(inspect.signature(function).parameters), "") not in ("self", "cls"):
        return Live(function)
    method = function.__name__
    found = {}
    for known, value in list(names.items()):
        own = inspect.getattr_static(value if isinstance(value, type) else type(value), method, None)
        if known[:1] != "_" and getattr(own, "__func__", own) is function:
            is_class = isinstance(value, type)
            if is_class == isinstance(own, classmethod):
                found[id(value)] = f"{known}.{method}", getattr(value, method)
    if len(found) == 1:
        return Live(next(iter(found.values()))[1])
    several = " or ".join(name for name, _ in found.values())
    return Live(why=f"that may be {several}" if found else f"no object here has the method {method}")


def _called(name: str, tape: Tape, names: Mapping[str, Any]) -> Live:
    """Return the function that a cell called, where it can be called again with the state that its first step got."""
    module, _, function = name.rpartition(":")
    if module and module not in sys.modules:
        return Live(why=f"it was {name}, and {module} is not imported here")
    try:
        agent = named_here(vars(sys.modules[module]) if module else names, function)
        state = tape.recording.state(0, "input")
    except UsageError:
        return Live(why=f"it was {name}, which is not defined here: run the cell that defines it")
    except RecordingError as error:
        return Live(why=str(error))
    takes = [each for each in inspect.signature(agent).parameters.values() if each.default is each.empty]
    if len(takes) > 1 or (takes and takes[0].name in state):
        return Live(
            why=f"it was {name}({', '.join(each.name for each in takes)}), which carries no @step, so what it was "
            "called with is not recorded: put @step on it and record again"
        )
    return Live(agent)
