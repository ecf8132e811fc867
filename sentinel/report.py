"""Findings as text, JSON, SARIF 2.1.0 and GitHub annotations."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sentinel.catalogue import RULES
from sentinel.findings import Finding, plain, worst_first


def as_text(findings: Sequence[Finding], files: int) -> str:
    """One line a finding under its file, worst first, and a sum."""
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        by_path.setdefault(finding.path, []).append(finding)
    lines: list[str] = []
    for path in sorted(by_path):
        lines.append(plain(path))
        for item in worst_first(by_path[path]):
            cell = "" if item.cell is None else f"cell {item.cell}:"
            lines.append(f"  {cell}{item.line:<5} {item.severity.upper():<8}  {plain(item.message)}  [{_label(item)}]")
    counts = Counter(finding.severity for finding in findings)
    warnings = "1 warning" if counts["warning"] == 1 else f"{counts['warning']} warnings"
    total = f"{counts['critical']} critical, {warnings}" if findings else "clean"
    lines.append(f"{_files(files)}: {total}")
    return "\n".join(lines)


def _label(finding: Finding) -> str:
    return f"{finding.rule} {finding.code}".strip()


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def as_json(findings: Sequence[Finding], files: int) -> str:
    """An object with ``files`` (how many were read) and ``findings`` (fields of `Finding`)."""
    document = {"files": files, "findings": [finding.to_dict() for finding in findings]}
    return json.dumps(document, indent=2)


def as_github(findings: Sequence[Finding], files: int) -> str:
    """Workflow commands that GitHub shows beside the lines of a pull request."""
    lines = []
    for item in findings:
        level = "error" if item.severity == "critical" else "warning"
        place = f"file={_property(item.path)},line={item.line},endLine={item.end_line}"
        lines.append(f"::{level} {place},title={_property(item.rule)}::{_escape(item.message)}")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(findings: Sequence[Finding], files: int) -> str:
    """A SARIF 2.1.0 log. Source: OASIS SARIF 2.1.0."""
    names = sorted({finding.rule for finding in findings})
    driver: dict[str, Any] = {
        "name": "sentinel",
        "version": _version(),
        "rules": [_sarif_rule(name) for name in names],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding, names.index(finding.rule)) for finding in findings],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def _version() -> str:
    try:
        return version("agent-vcr-nb")
    except PackageNotFoundError:
        return "0"


def _sarif_rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    level = "error" if rule.severity == "critical" else "warning"
    found: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": rule.summary},
        "defaultConfiguration": {"level": level},
    }
    if rule.code:
        found["properties"] = {"standardRule": rule.code}
    return found


def _sarif_result(finding: Finding, rule_index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": "error" if finding.severity == "critical" else "warning",
        "message": {"text": finding.message},
        "locations": [_location(finding.path, finding.line, finding.end_line, finding.symbol)],
        "partialFingerprints": {"sentinelKey/v1": finding.key},
    }
    if finding.related is not None:
        other = finding.related
        result["relatedLocations"] = [_location(other.path, other.line, other.line, other.symbol)]
    return result


def _location(path: str, line: int, end_line: int, symbol: str) -> dict[str, Any]:
    from urllib.parse import quote

    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(os.fsencode(path))},
            "region": {"startLine": line, "endLine": end_line},
        },
        "logicalLocations": [{"fullyQualifiedName": symbol}],
    }


FORMATS: dict[str, Callable[[Sequence[Finding], int], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}
