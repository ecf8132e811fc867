"""Code guardian for the files that an agent writes; usable without agent_vcr_nb."""

from sentinel.config import Config
from sentinel.errors import ConfigError, IndexFileError, SentinelError, UsageError
from sentinel.findings import CheckResult, Finding, Related
from sentinel.guardian import Sentinel

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
