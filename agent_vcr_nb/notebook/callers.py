"""Which function a cell called: the agent, where it is no step itself. Seen on the stack, kept in the recording."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from agent_vcr_nb.core.errors import VCRError
from agent_vcr_nb.core.lineage import find_session
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.steps import Step

CALLER = "caller"
"""Kind of the line that says what called the outermost steps from a frame on."""
OURS = "agent_vcr_nb."
# A task or thread begins here: what the cell called is not what called the step.
_ELSEWHERE = ("asyncio.events", "threading")


class Caller(NamedTuple):
    """What called an outermost step."""

    known: bool = False
    """False where it was not seen, or has no name by which it could be found again."""
    name: str = ""
    """``agent``, ``bot.run`` or ``module:agent``; empty for the cell itself."""


class NotebookRecorder(VCRRecorder):
    """Records as `VCRRecorder` does, and notes which function of the notebook calls the outermost steps."""

    def __init__(self, *args: Any, namespace: Callable[[], Mapping[str, Any]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._namespace = namespace
        self._noted: Caller | None = None

    def begin(self, *args: Any, **options: Any) -> Step:
        """Begin a step as `VCRRecorder` does."""
        if options.get("placement") is None and self.scope_here() is self._root:
            self.guarded(self._note_caller, sys._getframe(1))
        return super().begin(*args, **options)

    def _note_caller(self, frame: types.FrameType) -> None:
        caller = caller_in(frame, self._namespace())
        if caller != self._noted:
            self._noted = caller
            self.note(CALLER, {"frames": self._writer.next_number, "name": caller.name if caller.known else None})


def caller_in(frame: types.FrameType | None, names: Mapping[str, Any]) -> Caller:
    """Return which function the cell called that has come to this frame of the stack."""
    inner: types.FrameType | None = None
    while frame is not None and frame.f_globals.get("__name__") not in _ELSEWHERE:
        name = frame.f_code.co_name
        if name == "<module>" and frame.f_globals is names:
            is_step = inner is None or str(inner.f_globals.get("__name__")).startswith(OURS)
            found = "" if is_step or inner is None else _name_of(inner, names)
            return Caller(found is not None, found or "")
        if not name.startswith("<"):  # a comprehension is not what was called
            inner = frame
        frame = frame.f_back
    return Caller()


def _name_of(frame: types.FrameType, names: Mapping[str, Any]) -> str | None:
    """Return the name by which the function that runs in a frame is found again; None where there is none."""
    code = frame.f_code
    mine = {name: value for name, value in list(names.items()) if name[:1] != "_"}
    found = [name for name, value in mine.items() if isinstance(value, types.FunctionType) and value.__code__ is code]
    if found:
        return found[-1] if len({id(mine[name]) for name in found}) == 1 else None
    is_method = "." in code.co_qualname.rpartition("<locals>.")[2]
    if is_method and code.co_argcount:
        owner = frame.f_locals.get(code.co_varnames[0])
        return next((f"{name}.{code.co_name}" for name, value in mine.items() if value is owner), None)
    module = str(frame.f_globals.get("__name__"))
    known = getattr(sys.modules.get(module), code.co_name, None)
    return f"{module}:{code.co_name}" if getattr(known, "__code__", None) is code else None


class Callers:
    """What called the outermost steps of a recording; of a fork, what called its parent's."""

    def __init__(self, recording: Recording) -> None:
        seen: set[str] = set()
        until: int | None = None
        self._lines: list[tuple[int, Caller]] = []
        while recording.session_id not in seen and not self._lines:
            seen.add(recording.session_id)
            for line in recording.others(CALLER):
                first, name = _number(line.get("frames")), line.get("name")
                if until is None or first <= until:
                    self._lines.append((first, Caller(name is not None, str(name or ""))))
            until = _number(recording.header.get("forked_from_frame"))
            with contextlib.suppress(VCRError):
                parent = str(recording.header.get("parent_session_id"))
                recording = Recording(find_session(parent, recording.path.parent))

    def at(self, frame: int) -> Caller:
        """Return what called an outermost step."""
        return next((caller for first, caller in reversed(self._lines) if first <= frame), Caller())


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
