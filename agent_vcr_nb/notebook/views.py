"""The views that ``%vcr`` shows below its text: one of each for the life of the kernel, and what a click in them does.

A chart brings its program (5 MB) to the browser each time that one is made, so a word that is said again feeds the one
there is. The text above is what stays in the saved notebook; the views add no other form of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.ledger import CostLedger
from agent_vcr_nb.notebook.displaying import display_widget

if TYPE_CHECKING:
    from agent_vcr_nb.core.player import VCRPlayer
    from agent_vcr_nb.notebook.findings_table import FindingsTable
    from agent_vcr_nb.notebook.fork_dag import ForkDAG
    from agent_vcr_nb.notebook.ledger_view import CostLedgerView


class Views:
    """Makes, feeds and shows the views; `choose` is called with session and frame when one is clicked."""

    def __init__(self, choose: Callable[[str, int], None]) -> None:
        self._choose = choose
        self.dag: ForkDAG | None = None
        self.ledger: CostLedgerView | None = None
        self.findings: FindingsTable | None = None

    def show_dag(self, directory: Path, session: str | None) -> None:
        """Show the fork graph of a folder with a session selected."""
        from agent_vcr_nb.notebook.fork_dag import ForkDAG

        if self.dag is None:
            self.dag = ForkDAG(directory, session)
            self.dag.on_choose = self._choose
        else:
            self.dag.load(directory, session)
        display_widget(self.dag)

    def show_ledger(self, ledger: CostLedger) -> None:
        """Show a ledger."""
        from agent_vcr_nb.notebook.ledger_view import CostLedgerView

        if self.ledger is None:
            self.ledger = view = CostLedgerView(ledger)
            view.on_choose = lambda frame: self._choose(view.session, frame)
        else:
            self.ledger.load(ledger)
        display_widget(self.ledger)

    def show_findings(self, findings: Iterable[Mapping[str, Any]], player: VCRPlayer | None) -> None:
        """Show findings; a session says which of its frames wrote a file."""
        from agent_vcr_nb.notebook.findings_table import FindingsTable, frames_that_checked

        frames = frames_that_checked(player) if player else {}
        if self.findings is None:
            self.findings = FindingsTable(findings, frames)
        else:
            self.findings.load(findings, frames)
        if player is not None:
            session = player.session_id
            self.findings.on_jump = lambda frame: self._choose(session, frame)
        display_widget(self.findings)

    def tell_fork(self, session: str, frame: int) -> None:
        """Let the graph on show have a new fork, selected."""
        if self.dag is not None:
            self.dag.refresh(session, frame)
