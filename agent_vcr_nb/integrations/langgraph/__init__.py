"""LangGraph: record any graph unchanged, rewind to before any frame, edit, resume.

``install()`` records every graph of the process while a session records; ``VCRLangGraph(recorder).wrap_graph(graph)``
one graph. ``player.resume(graph, ResumeConfig(from_frame=7))`` goes on before frame 7.
"""

from __future__ import annotations

from agent_vcr_nb.integrations.langgraph import values
from agent_vcr_nb.integrations.langgraph.patch import VCRLangGraph, install, uninstall, vcr_record

__all__ = ["VCRLangGraph", "install", "uninstall", "vcr_record"]

values.register_types()
