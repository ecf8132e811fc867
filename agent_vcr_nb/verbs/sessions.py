"""Verbs about whole sessions: list them, check them, their forks, their ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import RecordingError, UsageError
from agent_vcr_nb.core.journal import SUFFIX
from agent_vcr_nb.core.ledger import CostLedger, Totals
from agent_vcr_nb.core.lineage import Branch, SessionInfo, lineage, session_ids, session_info
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.text import counted, edited, outcome, paint, provenance, table


@dataclass(frozen=True, slots=True)
class SessionList:
    """What `ls` shows."""

    directory: Path
    sessions: list[SessionInfo]
    chosen_from: bool = False
    """True when there may be others than these."""
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the sessions as JSON-ready values."""
        return {"directory": str(self.directory), "sessions": [info.to_dict() for info in self.sessions]}

    def text(self) -> str:
        """Return a line a session."""
        if not self.sessions and self.chosen_from:
            return f"no such sessions in {self.directory}; `vcr ls` lists all"
        if not self.sessions:
            return f"no sessions in {self.directory}. Record one with: vcr record -- python app.py"
        rows = [
            (
                info.session_id,
                outcome(info.outcome),
                str(info.frames),
                "" if info.tokens is None else f"{info.tokens:,}",
                (info.created_at or "")[:19].replace("T", " "),
                f"{info.parent_session_id} before {info.forked_from_frame}" if info.parent_session_id else "",
                info.problem or " ".join(map(str, info.tags)),
            )
            for info in self.sessions
        ]
        return table(rows, ("session", "outcome", "frames", "tokens", "created (UTC)", "forked from", ""))


def ls(place: Place, *, tag: Sequence[str] = (), outcome: str | None = None, limit: int | None = None) -> SessionList:
    """List the sessions, the newest first: those with all of these tags and this outcome, at most `limit`."""
    found = (session_info(place.directory / f"{name}{SUFFIX}") for name in session_ids(place.directory))
    wanted = (
        info for info in found if all(one in info.tags for one in tag) and (outcome is None or info.outcome == outcome)
    )
    chosen = list(islice(wanted, limit))
    return SessionList(place.directory, chosen, chosen_from=bool(tag or outcome))


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found."""

    reports: list[dict[str, Any]]

    @property
    def exit_code(self) -> int:
        """1 when anything is not as it was written."""
        return 0 if all(report["ok"] for report in self.reports) else 1

    def to_dict(self) -> dict[str, Any]:
        """Return a report a session."""
        return {"sessions": self.reports}

    def text(self) -> str:
        """Return a line a session and a line an issue."""
        lines = []
        for report in self.reports:
            verdict = (
                paint("✓ whole", "green")
                if report["ok"]
                else paint(f"✗ {counted(len(report['issues']), 'issue')}", "red")
            )
            running = f", {report['running']} not ended" if report["running"] else ""
            lines.append(f"{report['session_id']}: {verdict}, {counted(report['frame_count'], 'frame')}{running}")
            lines += [f"  {issue}" for issue in report["issues"]]
            if report["processes"]:
                lines.append(f"  recorded by {len(report['processes'])} processes at once, shown by time:")
                lines += [f"    {told}" for told in report["processes"]]
        return "\n".join(lines) or "no sessions"


def verify(place: Place, session: str | None = None) -> Verified:
    """Check every line of a session, or of all, against its checksum, and that every state can be read.

    Raises UsageError for a folder that does not exist: a check of nothing must not pass for a check.
    """
    if not place.directory.is_dir():
        raise UsageError(f"no folder {place.directory}: nothing was checked")
    named = session or place.session
    # A file of the folder may have a name that no session can be given.
    files = [place.directory / f"{name}{SUFFIX}" for name in session_ids(place.directory)]
    return Verified([_report(path) for path in ([place.path(named)] if named else files)])


_NOTHING_READ = {"ok": False, "frame_count": 0, "skipped_lines": 0, "running": 0, "processes": []}


def _report(path: Path) -> dict[str, Any]:
    """Return what is wrong with a file, named as the file is: a copy has the session's id of the original."""
    try:
        report = VCRPlayer.load(path).verify_integrity()
    except RecordingError as error:  # it cannot be opened, or is of a format of the future
        report = {**_NOTHING_READ, "issues": [str(error)]}
    return {**report, "session_id": path.name.removesuffix(SUFFIX)}


@dataclass(frozen=True, slots=True)
class Dag:
    """What `dag` shows."""

    branches: list[Branch]
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the trees of forks."""
        return {"branches": [branch.to_dict() for branch in self.branches]}

    def text(self) -> str:
        """Return the trees, a line a session."""
        return "\n".join(line for branch in self.branches for line in _tree(branch, "", "")) or "no sessions"


def _tree(branch: Branch, first: str, rest: str) -> list[str]:
    info = branch.info
    line = f"{first}{paint(info.session_id, 'bold')}  {outcome(info.outcome)}  {counted(info.frames, 'frame')}"
    line += f"  {info.problem}" if info.problem else ""
    if info.parent_session_id:
        edits = ", ".join(edited(operation, 40) for operation in info.edit)
        line += f"  from before frame {info.forked_from_frame}"
        line += f"  {paint('edit', 'magenta')} {edits}" if edits else ""
        line += f"  “{info.reason}”" if info.reason else ""
    lines = [line]
    for n, fork in enumerate(branch.forks):
        last = n == len(branch.forks) - 1
        lines += _tree(fork, rest + ("╰─ " if last else "├─ "), rest + ("   " if last else "│  "))
    return lines


def dag(place: Place, session: str | None = None) -> Dag:
    """Show which session was forked from which, where, and with what edit."""
    name = session or place.session
    return Dag(lineage(place.directory, place.player(name).recording.session_id if name else None))


@dataclass(frozen=True, slots=True)
class LedgerShown:
    """What `ledger` shows."""

    ledger: CostLedger
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as JSON-ready values."""
        return self.ledger.to_dict()

    def text(self) -> str:
        """Return a line a call of a model, and the sums."""
        ledger = self.ledger
        rows = [
            (
                str(e.frame),
                e.node_name,
                e.model or "unknown model",
                _count(e.tokens_input),
                _count(e.tokens_output),
                _count(e.tokens),
                "unknown" if e.cost_usd is None else f"${e.cost_usd:.6f}",
                provenance(e.provenance),
            )
            for e in ledger.entries
        ]
        if not rows:
            return f"{ledger.session_id}: no frame says that it used a model"
        head = ("frame", "step", "model", "input", "output", "tokens", "cost", "")
        return "\n".join(
            [
                table(rows, head),
                "",
                sum_in_words("spent (live)", ledger.live),
                sum_in_words("saved (replayed, mocked)", ledger.saved),
            ]
        )


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"


def sum_in_words(title: str, totals: Totals) -> str:
    """Return a line with the calls, tokens and money of a sum."""
    text = f"{title}: {counted(totals.calls, 'call')}, {counted(totals.tokens, 'token')}, ${totals.cost_usd:.6f}"
    if totals.unknown_cost:
        text += f" and {totals.unknown_cost} of unknown cost"
    return text


def ledger(place: Place, session: str | None = None) -> LedgerShown:
    """Show tokens and money by call, with what ran live and what a replay saved apart."""
    return LedgerShown(CostLedger.of(place.player(session)))
