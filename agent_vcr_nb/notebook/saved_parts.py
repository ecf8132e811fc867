"""The forks and the ledger of a session as text, for the view that is saved with the notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import click

from agent_vcr_nb.core.errors import VCRError
from agent_vcr_nb.core.lineage import find_session, session_ids
from agent_vcr_nb.notebook.looks import plain
from agent_vcr_nb.notebook.saved import Part
from agent_vcr_nb.verbs.definition import Place, Result
from agent_vcr_nb.verbs.sessions import LedgerShown, dag, ledger

MOST_CALLS = 100
MOST_SESSIONS = 300
"""Sessions in a folder whose tree of forks is drawn; of more it would take longer than a rest of the selection."""


class SavedParts:
    """Says what the verbs ``dag`` and ``ledger`` say; asks them again only when the session's file has changed."""

    def __init__(self) -> None:
        self._key: object = None
        self._parts: list[Part] = []

    def of(self, place: Place, session: str) -> list[Part]:
        """Return the parts of a session; one that cannot be told says why."""
        try:
            stat = find_session(session, place.directory).stat()
            names = session_ids(place.directory)
        except (VCRError, OSError) as error:
            return [Part("Forks and cost", str(error))]
        key = (place.directory, session, stat.st_mtime_ns, stat.st_size, len(names))
        if key != self._key:
            forks = f"{len(names)} sessions: %vcr dag shows them"
            if len(names) <= MOST_SESSIONS:
                forks = _told(lambda: dag(place, session))
            self._parts = [Part("Forks", forks), Part("Cost", _told(lambda: _shortened(ledger(place, session))))]
            self._key = key
        return self._parts


def _shortened(shown: LedgerShown) -> LedgerShown:
    """Return a ledger with its sums and its first calls: a table of thousands takes seconds to write."""
    return LedgerShown(replace(shown.ledger, entries=shown.ledger.entries[:MOST_CALLS]))


def _told(verb: Callable[[], Result]) -> str:
    try:
        result = verb()
    except VCRError as error:
        return str(error)
    return plain(click.unstyle(result.text()), keep_lines=True)
