"""What of an agent is alive in this kernel: the function that a run began with."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.steps import live_agents
from agent_vcr_nb.core.tape import Tape


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


def live_agent(tape: Tape, frame: int) -> Any:
    """Return the function of this kernel that the frame's run began with, where that was a step; else None."""
    if not 0 <= frame < len(tape.heads):
        return None
    root = tape.root_of(frame)
    alone = root == frame and not tape.has_children(root)
    return None if alone else live_agents.get(str((tape.heads[root] or {}).get("node_name")))
