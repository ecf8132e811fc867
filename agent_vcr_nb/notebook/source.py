"""Where the widgets read a run from: the little they ask of it.

A source is asked for summaries and single states only, so a session of any length costs the kernel and the browser
what is on show. `recorded.PlayerSource` is the one of a recording.
"""

from __future__ import annotations

from typing import Any, Protocol


class Source(Protocol):
    """A run that widgets can show."""

    @property
    def session_id(self) -> str:
        """Name of the session."""

    @property
    def count(self) -> int:
        """Number of frames known."""

    @property
    def origin(self) -> str:
        """Where the session comes from, as "forked from X before frame 3"; empty for one of its own."""

    def summaries(self, start: int, stop: int | None = None) -> list[dict[str, Any]]:
        """Return what a list shows of frames start..stop-1, in the shape of `core.payload.frame_summary`."""

    def state(self, number: int, side: str) -> str:
        """Return the encoded ``input`` or ``output`` state as JSON text; raises VCRError when there is none."""

    def writers(self, path: str) -> list[dict[str, Any]]:
        """Return {"frame", "key", "op", "side"} of every frame that changed the value at a JSON Pointer, in order.

        Raises VCRError when no frame has anything there.
        """

    def sessions(self) -> list[dict[str, str]]:
        """Return {"session", "words"} of the sessions beside this one, the parent first."""

    def same_step(self, number: int, side: str, session: str) -> tuple[str, str]:
        """Return state text and title of the frame that has frame `number`'s key in another session.

        Raises VCRError when that session, such a frame of it, or its state is not there.
        """

    def refresh(self) -> int:
        """Take in what was written since; returns how many frames came, ended or failed."""
