"""The widgets by name; each can be used alone, and `VCRDebugger` joins them."""

from agent_vcr_nb.notebook.debugger import VCRDebugger
from agent_vcr_nb.notebook.findings_table import FindingsTable
from agent_vcr_nb.notebook.fork_dag import ForkDAG
from agent_vcr_nb.notebook.ledger_view import CostLedgerView
from agent_vcr_nb.notebook.scrubber import FrameScrubber
from agent_vcr_nb.notebook.tree import StateTree

__all__ = ["CostLedgerView", "FindingsTable", "ForkDAG", "FrameScrubber", "StateTree", "VCRDebugger"]
