"""Every error of the package, as one tree.

    VCRError                     exit code of `vcr` when it reaches the command line
    ├── UsageError               2  a wrong argument: which, what was found, what is expected
    │   ├── SessionNotFoundError 2
    │   ├── FrameNotFoundError   2
    │   └── EditError            2  a patch or value that does not fit the state
    ├── RecordingError           3  a file that cannot be read as a recording
    │   └── ImportFormatError    3  a foreign recording that cannot be read: file and place
    ├── CannotResumeError        3  the recording or the agent does not allow it, with the reason
    ├── DivergedError            3  the agent departed from its recording before the resume point
    │   └── StaleRecordingError  3  a ghost replay met a step that is not as recorded; it was not run
    ├── CannotCompareError       3  two runs that cannot be held against each other, with the reason
    ├── WorkspaceError           3  file transactions
    └── RecordedStepError        -  stands for a recorded exception whose class is not known here

A message names the thing, what was found, what was expected and the next step. Faces print it unchanged.
`Cancelled` stands beside the tree: it ends a run as KeyboardInterrupt does.
"""

from __future__ import annotations

from typing import Any


class VCRError(Exception):
    """Base of all errors that are meant for the user."""

    exit_code = 3


class UsageError(VCRError):
    """The request itself is wrong."""

    exit_code = 2


class SessionNotFoundError(UsageError):
    """No session of that name in the directory."""


class FrameNotFoundError(UsageError):
    """No frame of that number, node or label in the session."""


class EditError(UsageError):
    """An edit that cannot be applied to the state it was meant for."""


class RecordingError(VCRError):
    """A file that cannot be read as a recording."""


class ImportFormatError(RecordingError):
    """A foreign recording that cannot be read; the message names file and place."""


class CannotResumeError(VCRError):
    """A resume that the recording or the agent does not allow."""


class CannotCompareError(VCRError):
    """Two runs that cannot be held against each other."""


class WorkspaceError(VCRError):
    """A file transaction that was refused or could not be finished."""


class DivergedError(VCRError):
    """The agent departed from its recording before the frame it was to be resumed at.

    Attributes hold what the message says: ``session``, ``frame`` (number in the recording, or None when the
    step is not in it), ``key`` of the step, ``expected`` and ``found``.
    """

    def __init__(self, session: str, frame: int | None, key: str, *, expected: Any, found: Any, next_step: str) -> None:
        self.session, self.frame, self.key = session, frame, key
        self.expected, self.found = expected, found
        place = f"frame {frame} ({key})" if frame is not None else f"step {key}"
        super().__init__(f"{session} {place}: expected {expected}, found {found}. {next_step}")


class StaleRecordingError(DivergedError):
    """A ghost replay met something that is not as recorded; it was not run, and nothing after it."""


class RecordedStepError(Exception):
    """A recorded exception is raised again, and its class is not known in this process.

    ``type_name`` is the class that was recorded. Import its module before you resume, and the real class is raised.
    """

    def __init__(self, type_name: str, message: str) -> None:
        self.type_name = type_name
        super().__init__(f"{type_name}: {message}")


class Cancelled(BaseException):
    """The user ended the run. No ``except Exception`` of an agent stops it, as with KeyboardInterrupt."""

    def __init__(self, words: str = "the run was cancelled by the user") -> None:
        super().__init__(words)
