"""Known findings that are left for later: a file of keys, so that a scan reports only what is new."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sentinel.errors import IndexFileError
from sentinel.findings import Finding

VERSION = 1


def write(file: Path, findings: Iterable[Finding]) -> int:
    """Store findings as known and return how many; moved lines and renamed files leave them known."""
    known: dict[str, dict[str, str | int]] = {}
    for finding in findings:
        entry = known.setdefault(
            finding.key, {"rule": finding.rule, "symbol": finding.symbol, "path": finding.path, "count": 0}
        )
        entry["count"] = int(entry["count"]) + 1
    document = {"version": VERSION, "findings": dict(sorted(known.items()))}
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return sum(int(entry["count"]) for entry in known.values())


def read(file: Path) -> Counter[str]:
    """Keys of the known findings with how often each stands; empty when there is no baseline.

    Raises:
        IndexFileError: the file is no baseline.
    """
    if not file.is_file():
        return Counter()
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise IndexFileError(f"{file}: baseline version {document['version']}, expected {VERSION}: write it anew")
        return Counter({key: int(entry["count"]) for key, entry in document["findings"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexFileError(f"{file} is no baseline ({error}): write it anew with `sentinel baseline`") from error


def unknown(findings: Iterable[Finding], known: Counter[str]) -> list[Finding]:
    """The findings that the baseline does not hold."""
    left = Counter(known)
    fresh = []
    for finding in findings:
        if left[finding.key] > 0:
            left[finding.key] -= 1
        else:
            fresh.append(finding)
    return fresh
