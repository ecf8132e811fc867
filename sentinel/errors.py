"""The errors that Sentinel raises, each meant for the user.

SentinelError            exit code 2
├── UsageError           a wrong path, rule name or argument
├── ConfigError          an entry of [tool.sentinel] that is not understood
└── IndexFileError       a stored index or baseline that cannot be read
"""

from __future__ import annotations


class SentinelError(Exception):
    """Base of all errors of this package; the message names the thing and the next step."""

    exit_code = 2


class UsageError(SentinelError):
    """The request itself is wrong."""


class ConfigError(SentinelError):
    """An entry of ``[tool.sentinel]`` is unknown or has the wrong type."""


class IndexFileError(SentinelError):
    """A stored index or baseline cannot be read."""
