"""The ``%vcr`` magic."""

from __future__ import annotations

from typing import Any


def load(ipython: Any) -> None:
    """Register the magic."""


def unload(ipython: Any) -> None:
    """Remove the magic."""
