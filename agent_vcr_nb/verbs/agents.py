"""Finds the agent that a user names: ``module:name``, ``file.py:name``, a name of the notebook, a recorded script."""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
import threading
import traceback
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import CannotResumeError, UsageError
from agent_vcr_nb.core.fork import RUN, command_at, copy_before
from agent_vcr_nb.core.policy import ResumePolicy
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.resume import INTEGRATIONS
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.verbs.definition import Place

MOST_NAMES = 20
HOW = "--agent module:name, --agent path/to/file.py:name, or in a notebook --agent NAME"


def find_agent(place: Place, named: str | None, recording: Recording, frame: int = 0) -> Any:
    """Return the agent to run, by name or as the recording of a frame tells.

    Raises UsageError for a wrong name, CannotResumeError where none is known.
    """
    if named is None:
        if place.agent is not None:
            return place.agent
        if command_at(recording, frame):
            return Script()
        known = ", ".join(agent_names(place.agents))
        why = f"As far as is known, {place.unknown}" if place.unknown else "The recording does not tell"
        raise CannotResumeError(
            f"{recording.session_id}: which agent is to run? {why}. Pass it with {HOW}"
            + (f". That may be here: {known}" if known else "")
        )
    if ":" not in named and named.partition(".")[0] in place.agents:
        return named_here(place.agents, named)
    module_name, colon, path = named.partition(":")
    if not (colon and module_name and path):
        known = ", ".join(
            sorted(name for name, value in place.agents.items() if callable(value) and name[0] != "_")[:10]
        )
        raise UsageError(f"agent {named!r}: expected {HOW}" + (f". Callable names here: {known}" if known else ""))
    found: Any = _module(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise UsageError(f"agent {named!r}: {module_name} has no {path!r}")
        found = getattr(found, name)
    return found


def named_here(names: Mapping[str, Any], named: str) -> Any:
    """Return what a name of a notebook is, such as ``agent`` or ``bot.run``; raises UsageError where it is nothing."""
    first, *rest = named.split(".")
    if first not in names:
        raise UsageError(f"agent {named!r}: {first} is not defined here")
    found = names[first]
    for name in rest:
        if not hasattr(found, name):
            raise UsageError(f"agent {named!r}: {first} is a {type(found).__name__} and has no {name!r}")
        found, first = getattr(found, name), f"{first}.{name}"
    return found


def agent_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the names of a notebook that may be agents: functions of its own, steps by name, graphs."""
    names = [name for name, value in list(namespace.items()) if name[:1] != "_" and _may_be_agent(value)]
    return names[-MOST_NAMES:]


def _may_be_agent(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        return value.__module__ == "__main__"
    if isinstance(value, Mapping):
        return bool(value) and all(map(callable, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        pairs = [item[1] if isinstance(item, tuple) and len(item) == 2 else item for item in value[:50]]
        return bool(pairs) and all(map(callable, pairs))
    if isinstance(value, type):
        return False
    framework = any(cls.__module__.partition(".")[0] in INTEGRATIONS for cls in type(value).__mro__)
    return (framework and hasattr(value, "invoke")) or hasattr(type(value), "__vcr_resume__")


def _module(name: str) -> Any:
    # As `python -m` does, so that a module beside the user is found.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        if name.endswith(".py"):
            return _from_file(Path(name))
        return importlib.import_module(name)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name is not None and name.startswith(error.name):
            raise UsageError(f"no module {name!r} here or on the path ({error})") from error
        raise CannotResumeError(f"the agent's module {name} cannot be imported: {_why(error)}") from error


def _why(error: BaseException) -> str:
    """Return what an import failed with, and where."""
    if isinstance(error, SystemExit):
        return f"it ends the program (sys.exit({error.code!r})); put that below if __name__ == '__main__'"
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):  # names its place itself
        return said
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{said} ({where.filename}, line {where.lineno})"


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its dataclasses look for themselves there
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return module


class Script:
    """A program that was recorded with ``vcr record -- python app.py``: to resume it is to run it again."""

    def __vcr_replay__(self, tape: Tape) -> Iterator[Callable[[], Any]]:
        """Yield what runs the program again, once for each time that it was recorded."""
        for began in (0, *(int(line["frames"]) for line in tape.lines(RUN))):
            if began < len(tape.heads):
                yield partial(_run_to_its_end, _command(tape, began))

    def __vcr_resume__(self, recorder: VCRRecorder, tape: Tape, policy: ResumePolicy) -> None:
        """Run the program; its steps are served or run as the policy says."""
        command = _command(tape, policy.target)
        began = _run_of(tape, policy.target)
        copy_before(recorder, tape, began)
        policy.copied(began)
        _run_to_its_end(command)


class ProgramError(Exception):
    """A program that was run again has exited with an error."""


def _run_to_its_end(command: Sequence[str]) -> None:
    """Run a program again; one that exits with an error has failed, as an agent fails that raises."""
    running = set(threading.enumerate())
    try:
        run_script(command)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise ProgramError(f"the program exited with {end.code}") from None
    wait_for_threads(running)


def _command(tape: Tape, frame: int) -> list[str]:
    """Return the command that recorded a frame; raises CannotResumeError where it cannot be run again."""
    command = command_at(tape.recording, frame)
    if not command:
        raise CannotResumeError(f"{tape.session_id} frame {frame} was not recorded with vcr record. Pass {HOW}")
    hidden = [word for word in command if "[REDACTED:" in word]
    if hidden:
        raise CannotResumeError(
            f"{tape.session_id}: the program was called with {hidden[0]}, a secret that was not stored, so it "
            f"cannot be run again from the recording. Name the agent itself: {HOW}"
        )
    return command


def _run_of(tape: Tape, target: int) -> int:
    """Return the frame with which the run of the program began that `target` is of: a session may hold several."""
    ends = [int(end["frames"]) for end in tape.lines("end") if isinstance(end.get("frames"), int)]
    ends += [int(line["frames"]) for line in tape.lines(RUN)]
    return max((frames for frames in ends if frames <= target), default=tape.first)


def run_script(command: Sequence[str]) -> None:
    """Run ``app.py ARGS`` or ``-m module ARGS`` in this process as if by ``python``; raises what it raises."""
    as_module = command[0] == "-m"
    program, arguments = (command[1], command[2:]) if as_module else (command[0], command[1:])
    with _as_main([program, *arguments], "" if as_module else str(Path(program).resolve().parent)):
        if as_module:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program, run_name="__main__")


def wait_for_threads(running: Collection[threading.Thread]) -> None:
    """Wait for the threads that a program has started, as Python does at its end; those `running` before are not its.

    Their steps belong to the run.
    """
    while mine := [one for one in threading.enumerate() if one not in running and not one.daemon]:
        mine[0].join()


@contextmanager
def _as_main(argv: list[str], folder: str) -> Iterator[None]:
    saved_argv, saved_path = sys.argv, list(sys.path)
    sys.argv, sys.path[:] = argv, [folder or str(Path.cwd()), *sys.path]
    try:
        yield
    finally:
        sys.argv, sys.path[:] = saved_argv, saved_path


def script_of(words: Sequence[str]) -> list[str]:
    """Return what `run_script` takes from the words after ``--``; raises UsageError for what is no Python program."""
    words = list(words)
    if words and Path(words[0]).name.startswith("python"):
        asked = words.pop(0)
        if "/" in asked and Path(asked).resolve() != Path(sys.executable).resolve():
            raise UsageError(f"{asked} is another Python than the one vcr runs with: use {sys.executable}")
    if words[:1] == ["-m"] and len(words) > 1:
        return words
    if words and words[0].endswith(".py"):
        if not Path(words[0]).is_file():
            raise UsageError(f"no file {words[0]}")
        return words
    raise UsageError("record what? Expected: vcr record -- python app.py ARGS, or -- python -m module ARGS")
