"""Fork graph, ledger and findings: one of each for the life of a kernel, made when first asked for, and linked.

A chart brings its program (5 MB) to the browser each time that one is made, so the words of ``%vcr`` and the tabs of
the debugger show the same ones, fed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.ledger import CostLedger
from agent_vcr_nb.notebook.displaying import display_widget

if TYPE_CHECKING:
    from agent_vcr_nb.core.player import VCRPlayer
    from agent_vcr_nb.notebook.expression_plot import ExpressionPlot
    from agent_vcr_nb.notebook.findings_table import FindingsTable
    from agent_vcr_nb.notebook.fork_dag import ForkDAG
    from agent_vcr_nb.notebook.ledger_view import CostLedgerView
    from agent_vcr_nb.verbs.printing import Printed

NO_FINDINGS = (
    "Nothing is recorded here. Sentinel(recorder) records what it finds in the files of an agent while it runs; "
    "%vcr findings src checks a folder now."
)


class Views:
    """Makes, feeds and shows the views; `choose` is called with session and frame when one is clicked."""

    def __init__(self, choose: Callable[[str, int], None]) -> None:
        self.choose = choose
        self.dag: ForkDAG | None = None
        self.ledger: CostLedgerView | None = None
        self.findings: FindingsTable | None = None
        self.plot: ExpressionPlot | None = None
        self._recorded_in = ""
        """The session whose recorded findings are on show; empty where others are."""

    @property
    def any(self) -> bool:
        """Whether one of them was made."""
        return any(view is not None for view in (self.dag, self.ledger, self.findings))

    # --------------------------------------------------------------------------------------------- fed

    def dag_of(self, directory: Path, session: str | None, frame: int | None = None) -> ForkDAG:
        """Return the fork graph of a folder, with a session selected."""
        from agent_vcr_nb.notebook.fork_dag import ForkDAG

        if self.dag is None:
            self.dag = ForkDAG(directory, session)
            self.dag.on_choose = lambda session, frame: self.choose(session, frame)
        elif self.dag.directory != directory:
            self.dag.load(directory, session)
        if session is not None:
            self.dag.refresh(session, frame)
        return self.dag

    def ledger_of(self, ledger: CostLedger, directory: Path | None = None) -> CostLedgerView:
        """Return the view of a ledger, with the sessions of a folder to group by."""
        from agent_vcr_nb.notebook.ledger_view import CostLedgerView

        if self.ledger is None:
            self.ledger = view = CostLedgerView(ledger, directory)
            view.on_choose = lambda session, frame: self.choose(session, frame)
        else:
            self.ledger.load(ledger, directory)
        return self.ledger

    def findings_of(
        self, findings: Iterable[Mapping[str, Any]], player: VCRPlayer | None, root: Path | None = None
    ) -> FindingsTable:
        """Return the table of findings, with paths below `root`; a session says which of its frames wrote a file."""
        from agent_vcr_nb.notebook.findings_table import FindingsTable, frames_that_checked

        self._recorded_in = ""
        frames = frames_that_checked(player, root) if player else {}
        if self.findings is None:
            self.findings = FindingsTable(findings, frames)
        else:
            self.findings.load(findings, frames)
        self.findings.hint = "no findings"
        if player is not None:
            session = player.session_id
            self.findings.on_jump = lambda frame: self.choose(session, frame)
        return self.findings

    def findings_in(self, player: VCRPlayer) -> FindingsTable:
        """Return the table of what Sentinel found while a session was recorded."""
        from agent_vcr_nb.notebook.findings_table import recorded_findings

        table = self.findings_of(recorded_findings(player), player)
        table.hint = NO_FINDINGS
        self._recorded_in = player.session_id
        return table

    # --------------------------------------------------------------------------------------------- shown below a word

    def show_dag(self, directory: Path, session: str | None) -> None:
        """Show the fork graph of a folder with a session selected."""
        display_widget(self.dag_of(directory, session))

    def show_ledger(self, ledger: CostLedger, directory: Path | None = None) -> None:
        """Show a ledger."""
        display_widget(self.ledger_of(ledger, directory))

    def show_findings(
        self, findings: Iterable[Mapping[str, Any]], player: VCRPlayer | None, root: Path | None = None
    ) -> None:
        """Show findings, with paths below `root`; a session says which of its frames wrote a file."""
        display_widget(self.findings_of(findings, player, root))

    def show_plot(self, printed: Printed) -> None:
        """Show the values of an expression by frame, where they are numbers."""
        from agent_vcr_nb.notebook.expression_plot import ExpressionPlot

        if len(printed.numbers) < 2:
            return
        if self.plot is None:
            self.plot = plot = ExpressionPlot(printed)
            plot.on_choose = lambda session, frame: self.choose(session, frame)
        else:
            self.plot.load(printed)
        display_widget(self.plot)

    # --------------------------------------------------------------------------------------------- linked

    def tell_fork(self, session: str, frame: int) -> None:
        """Let the graph on show have a new fork, selected."""
        if self.dag is not None:
            self.dag.refresh(session, frame)

    def follow(self, player: VCRPlayer, frame: int) -> None:
        """Select a session and a frame in the views there are; those of another folder are left as they are."""
        session, directory = player.session_id, Path(player.recording.path).parent
        if (
            self.dag is not None
            and self.dag.directory == directory
            and (self.dag.session, self.dag.frame)
            != (
                session,
                frame,
            )
        ):
            self.dag.refresh(session, frame)
        if self.ledger is not None:
            if self.ledger.session != session:
                self.ledger_of(CostLedger.of(player), directory)
            self.ledger.frame = frame
        if self._recorded_in not in ("", session):
            self.findings_in(player)
