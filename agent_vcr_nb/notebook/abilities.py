"""Which buttons can work at a frame, and why the others cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from agent_vcr_nb.core.errors import VCRError
from agent_vcr_nb.core.ghost import can_replay
from agent_vcr_nb.core.lineage import session_ids
from agent_vcr_nb.core.recording import Recording
from agent_vcr_nb.core.resume import can_resume
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.notebook.live import Tapes
from agent_vcr_nb.verbs.agents import find_agent
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.files import savepoints

ACTIONS = (
    {"name": "resume", "label": "Resume from here", "key": "r", "hint": "Run the agent again from before this frame"},
    {"name": "fork", "label": "Fork", "key": "f", "hint": "Make a session that starts before this frame; run nothing"},
    {"name": "compare", "label": "Compare", "key": "", "hint": "Set this session beside another one, step by step"},
    {"name": "rollback", "label": "Roll back files", "key": "", "hint": "Show what bringing the files back would do"},
    {"name": "replay", "label": "Ghost replay", "key": "", "hint": "Run the agent on what was recorded, nothing live"},
)
RERUN = ("resume", "replay")
NO_AGENT = "which agent is to run? {}Choose one beside the buttons, or set debugger.agent"


class Abilities:
    """What can be done with one session; what costs time to find out is found out once for each state of its file."""

    def __init__(self, session: str, tapes: Tapes) -> None:
        self.session = session
        self.sessions: list[str] = []
        """Other sessions of the folder: the parent first, then the newest."""
        self._tapes = tapes
        self._lock = threading.Lock()
        self._of: Tape | None = None
        self._files = ""
        self._whole: tuple[bool, str] = (False, "")

    def look(self, place: Place, frame: int, agent: str) -> dict[str, str]:
        """Return by button why it cannot work, empty where it can; `agent` is a name chosen, or empty.

        Raises RecordingError for a session that cannot be read.
        """
        with self._lock:
            tape = self._tapes.of(place.path(self.session))
            recording = tape.recording
            self.sessions = _others(place, recording)
            if not len(recording):
                return every("no frames yet")
            if tape is not self._of:
                self._files = _told(lambda: savepoints(place, self.session))
                self._whole = can_replay(tape)
                self._of = tape
            frame = min(frame, len(recording) - 1)
            why = NO_AGENT.format(f"{place.unknown[:1].upper()}{place.unknown[1:]}. " if place.unknown else "")
            unknown = "" if agent else _told(lambda: find_agent(place, None, recording, frame), why)
            return every("") | {
                "resume": _first_of(can_resume(tape, frame), unknown),
                "replay": _first_of(self._whole, unknown),
                "compare": "" if self.sessions else "there is no other session in this folder",
                "rollback": self._files,
            }


def every(reason: str) -> dict[str, str]:
    """Return one reason for all buttons."""
    return {str(action["name"]): reason for action in ACTIONS}


def label_of(name: str) -> str:
    """Return what stands on a button."""
    return next((str(action["label"]) for action in ACTIONS if action["name"] == name), name)


def _first_of(allowed: tuple[bool, str], unknown: str) -> str:
    can, why = allowed
    return unknown if can else why


def _told(attempt: Callable[[], Any], instead: str = "") -> str:
    """Return why something cannot be done, in its own words or in others; empty when it can."""
    try:
        attempt()
    except VCRError as error:
        return instead or str(error)
    return ""


def _others(place: Place, recording: Recording) -> list[str]:
    names = [name for name in session_ids(place.directory) if name != recording.session_id]
    parent = recording.header.get("parent_session_id")
    return [*(name for name in names if name == parent), *(name for name in names if name != parent)]
