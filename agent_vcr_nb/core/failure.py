"""What a frame tells of an exception: class, message, and the traceback through the user's own code."""

from __future__ import annotations

import traceback
from pathlib import Path

from agent_vcr_nb.core.frame import FrameMetadata

_OURS = str(Path(__file__).parent.parent)
_LONGEST = 8000


def note_error(metadata: FrameMetadata, error: BaseException | str | None) -> None:
    """Fill the error fields of `metadata`; nothing for None."""
    if error is None:
        return
    if not isinstance(error, BaseException):
        metadata.error_type, metadata.error_message = "Error", str(error)
        return
    metadata.error_type = type(error).__name__
    try:
        metadata.error_message = str(error)
    except Exception as problem:  # a user's __str__
        metadata.error_message = f"<str failed: {type(problem).__name__}>"
    if error.__traceback__ is not None:
        metadata.traceback = _through_user_code(error)


def _through_user_code(error: BaseException) -> str:
    """Return the traceback without this package's own frames, which tell a user nothing."""
    told: traceback.TracebackException | None = traceback.TracebackException.from_exception(error)
    whole = told
    while told is not None:
        kept = [line for line in told.stack if not line.filename.startswith((_OURS, "<frozen runpy>"))]
        told.stack = traceback.StackSummary.from_list(kept)
        told = told.__cause__ or told.__context__
    return "".join(whole.format() if whole else ())[-_LONGEST:]
