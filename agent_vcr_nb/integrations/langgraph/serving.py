"""Gives recorded or mocked results to nodes, models and tools of a graph that is resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from agent_vcr_nb.core.policy import ResumePolicy
from agent_vcr_nb.integrations.langgraph.recorded import RecordedGraphs
from agent_vcr_nb.integrations.langgraph.run import GraphRun


@contextlib.contextmanager
def serving(graph: Any, run: GraphRun, policy: ResumePolicy, recorded: RecordedGraphs) -> Iterator[None]:
    """Within this block the graph asks the policy before it runs a node, a model or a tool."""
    yield
