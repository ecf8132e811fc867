"""Records the frameworks that a process uses, those imported later included: ``agent_vcr_nb.install()``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

INTEGRATIONS = {"langgraph.pregel": "agent_vcr_nb.integrations.langgraph"}
"""By the module that brings what is to be recorded: the integration whose ``install`` and ``uninstall`` do it."""


def install() -> None:
    """Record every agent of this process from here on, while a session records; nothing is imported for its sake.

    A framework that is not imported yet is taken care of when it is. A second call changes nothing; `uninstall`
    undoes it.
    """
    for module, integration in INTEGRATIONS.items():
        if module in sys.modules:
            importlib.import_module(integration).install()
    if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def uninstall() -> None:
    """Give all frameworks their own methods back."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Watch)]
    for integration in INTEGRATIONS.values():
        if integration in sys.modules:
            sys.modules[integration].uninstall()


class _Watch(MetaPathFinder):
    """Sees a framework being imported, and installs its integration right after."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as Python would, with a loader that tells when it is loaded."""
        if fullname not in INTEGRATIONS:
            return None
        for finder in sys.meta_path:
            if not isinstance(finder, _Watch):
                spec = finder.find_spec(fullname, path, target)
                if spec is not None and spec.loader is not None:
                    spec.loader = _InstallAfter(spec.loader, INTEGRATIONS[fullname])
                    return spec
        return None


class _InstallAfter(Loader):
    """Loads a module with its own loader and installs the integration then."""

    def __init__(self, loader: Loader, integration: str) -> None:
        self._loader, self._integration = loader, integration

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Do as the own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Do as the own loader, then install."""
        self._loader.exec_module(module)
        importlib.import_module(self._integration).install()

    def __getattr__(self, name: str) -> Any:
        """Give what else the own loader has, such as the source for a traceback."""
        return getattr(self._loader, name)
