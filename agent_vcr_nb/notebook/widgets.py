"""The widgets by name; each can be used alone, and `VCRDebugger` joins them."""

from agent_vcr_nb.notebook.scrubber import FrameScrubber
from agent_vcr_nb.notebook.tree import StateTree

__all__ = ["FrameScrubber", "StateTree"]
