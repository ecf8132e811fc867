"""Code guardian for the files that an agent writes; usable without agent_vcr_nb.

Public names are resolved when first used: a hook is a process a write, and needs none where a daemon answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentinel.config import Config
    from sentinel.errors import ConfigError, IndexFileError, SentinelError, UsageError
    from sentinel.findings import CheckResult, Finding, Related
    from sentinel.guardian import Sentinel

_HOME = {
    "CheckResult": "findings",
    "Config": "config",
    "ConfigError": "errors",
    "Finding": "findings",
    "IndexFileError": "errors",
    "Related": "findings",
    "Sentinel": "guardian",
    "SentinelError": "errors",
    "UsageError": "errors",
}

__all__ = [
    "CheckResult",
    "Config",
    "ConfigError",
    "Finding",
    "IndexFileError",
    "Related",
    "Sentinel",
    "SentinelError",
    "UsageError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sentinel' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    value = getattr(import_module(f"sentinel.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
