"""Time-travel debugger for AI agents in Jupyter.

Public names are resolved when first used, so that ``import agent_vcr_nb`` costs a few milliseconds and
loads neither Jupyter nor pandas, plotly, git or an agent framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "VCRRecorder": "core.recorder",
    "AsyncVCRRecorder": "core.async_recorder",
    "VCRPlayer": "core.player",
    "AsyncVCRPlayer": "core.async_player",
    "ResumeConfig": "core.resume",
    "ResumeMode": "core.policy",
    "Frame": "core.frame",
    "FrameType": "core.frame",
    "FrameMetadata": "core.frame",
    "Session": "core.frame",
    "CostLedger": "core.ledger",
    "ACIDWorkspace": "workspace.acid",
    "MergeConflictError": "workspace.errors",
    "Redactor": "core.redact",
    "DivergedError": "core.errors",
    "step": "integrations.functions",
    "annotate": "integrations.functions",
    "now": "integrations.functions",
    "uuid4": "integrations.functions",
    "random": "integrations.functions",
    "register": "core.encoding",
    "install": "integrations.installing",
    "uninstall": "integrations.installing",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("agent-vcr-nb")
    if name not in _HOME:
        raise AttributeError(f"module 'agent_vcr_nb' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"agent_vcr_nb.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%vcr``; called by ``%load_ext agent_vcr_nb``."""
    from agent_vcr_nb.notebook.magics import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Remove ``%vcr`` again; called by ``%unload_ext agent_vcr_nb``."""
    from agent_vcr_nb.notebook.magics import unload

    unload(ipython)
