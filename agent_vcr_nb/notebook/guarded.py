"""An anywidget whose callbacks cannot fail in silence, and are answered while a cell runs where the kernel can.

Jupyter shows neither the output nor the exceptions of a widget's callbacks anywhere: here they become the widget's
``error``, which it shows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from agent_vcr_nb.core.errors import VCRError

STATIC = Path(__file__).parent / "static"

Handler = Callable[[dict[str, Any]], None]


class GuardedWidget(anywidget.AnyWidget):
    """Base of the widgets: a table of handlers by message kind, one lock, one place for errors."""

    error = traitlets.Unicode("", help="What went wrong last, as the widget shows it; empty when nothing did.").tag(
        sync=True
    )
    epoch = traitlets.Int(0, help="Counts the sources shown; a message of an earlier one is ignored.").tag(sync=True)
    group = traitlets.Unicode("", help="Widgets of one page with the same group share the selected frame.").tag(
        sync=True
    )

    def __init__(self, *, lock: threading.RLock | None = None, **traits: Any) -> None:
        # Callbacks come in other threads than the user's code when the kernel runs them in a subshell; widgets that
        # read one source share its lock.
        self.lock = lock or threading.RLock()
        super().__init__(**traits)
        self.handlers: dict[str, Handler] = {}
        answer_while_busy(self.comm)
        self.on_msg(self._receive)

    def say(self, kind: str, **content: Any) -> None:
        """Send a message to every view of the widget."""
        self.send({"kind": kind, "epoch": self.epoch, **content})

    def explain(self, error: BaseException | None) -> None:
        """Show an error in the widget, or take it away (None)."""
        self.error = "" if error is None else in_words(error)

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        try:
            with self.lock:
                self.handlers[content["kind"]](content)
        except Exception as error:
            self.explain(error)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take in traits that the browser changed; what an observer raises is shown in the widget."""
        try:
            super().set_state(sync_data)
        except Exception as error:
            self.explain(error)


def in_words(error: BaseException) -> str:
    """Return an error as a user reads it: our own messages as they are, others with their class."""
    return str(error) if isinstance(error, VCRError) else f"{type(error).__name__}: {error}"


def answer_while_busy(comm: Any) -> None:
    """Let a widget's messages be handled while a cell runs.

    ipykernel 7.4 sends them to the shell that published last on the comm, which is the busy one; 7.0 to 7.3 use a
    subshell by themselves, and kernels before 7 have none. The attribute is private: a test says when it is gone.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None
