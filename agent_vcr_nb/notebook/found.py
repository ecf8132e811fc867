"""What ``%vcr findings`` finds: Sentinel's scan of a folder, without what its baseline knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_vcr_nb.core.errors import UsageError
from sentinel import baseline, report
from sentinel import config as configuration
from sentinel.discover import files
from sentinel.errors import SentinelError
from sentinel.findings import Finding
from sentinel.guardian import Sentinel


@dataclass(frozen=True, slots=True)
class Found:
    """What Sentinel found in a folder."""

    directory: Path
    findings: Sequence[Finding]
    files: int
    """Files that were read."""
    root: Path
    """What the paths of findings are relative to."""

    @property
    def exit_code(self) -> int:
        """1 when anything was found."""
        return 1 if self.findings else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON-ready values."""
        return {"directory": str(self.directory), "findings": [finding.to_dict() for finding in self.findings]}

    def text(self) -> str:
        """Return a line a finding, as ``sentinel scan`` prints it."""
        return report.FORMATS["text"](list(self.findings), self.files)


def scan(directory: str | Path) -> Found:
    """Check every file of a folder, or one file; raises UsageError where Sentinel cannot."""
    target = Path(directory)
    if not target.exists():
        raise UsageError(f"{target} does not exist: expected a folder or a file to check")
    try:
        root = configuration.find_root(target)
        sentinel = Sentinel(config=configuration.load(root), root=root)
        read = list(files(target, sentinel.config.exclude, root))
        known = baseline.read(root / sentinel.config.baseline)
        return Found(target, baseline.unknown(sentinel.scan(target), known), len(read), root)
    except SentinelError as error:
        raise UsageError(str(error)) from error
