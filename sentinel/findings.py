"""What Sentinel says about code: the finding, and the result of checking one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

Severity = Literal["critical", "warning"]
MODULE = "<module>"
FEEDBACK_LIMIT = 5
LINE_LIMIT = 300
"""Characters of a path or a message that an agent is told: a name may be as long as the file."""
_RANK = {"critical": 0, "warning": 1}


@dataclass(frozen=True, slots=True)
class Related:
    """The other place that a finding is about: the function that exists already."""

    path: str
    """Path of the other file, relative to the project's root, with forward slashes."""
    line: int
    """Line of its ``def``, from 1."""
    symbol: str
    """Qualified name inside that file, e.g. ``User.save``."""
    similarity: float
    """Share of both bodies that is the same, 0 to 1; 1.0 when only names or constants differ."""
    cell: int | None = None
    """Number of the notebook's cell, from 1, that ``line`` counts in; None outside notebooks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong in one file. ``to_dict()`` has exactly these fields and is JSON."""

    rule: str
    """The rule's name, e.g. ``too-complex``; what ``ignore`` and ``# sentinel: ignore[...]`` take."""
    code: str
    """The standard rule it stands for, e.g. ``C901``; what ``# noqa:`` takes. Empty where there is none."""
    severity: Severity
    """``critical`` or ``warning``."""
    message: str
    """An instruction that an agent can act on. Never holds a secret's value."""
    path: str
    """Path of the file, relative to the project's root, with forward slashes."""
    line: int
    """First line, from 1; of the cell when ``cell`` is set."""
    end_line: int
    """Last line of the function or statement, from 1."""
    symbol: str
    """Qualified name of the function or class it is in, ``<module>`` outside of all."""
    body_hash: str
    """Hash of the text it is about without indentation: the same after the lines have moved."""
    value: float | None = None
    """What was measured (lines, complexity, parameters); None for a rule that measures nothing."""
    limit: float | None = None
    """The threshold that ``value`` is over."""
    cell: int | None = None
    """Number of the notebook's cell, from 1; None outside notebooks."""
    related: Related | None = None
    """The function that exists already; set by the duplicate rules only."""

    @property
    def key(self) -> str:
        """Identity across moved lines and files (what a baseline stores): rule, qualified name, body hash."""
        text = f"{self.rule}\0{self.symbol}\0{self.body_hash}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    @property
    def place(self) -> str:
        """``path:line``, or ``path:cell 3:line`` in a notebook."""
        cell = "" if self.cell is None else f"cell {self.cell}:"
        return f"{self.path}:{cell}{self.line}"

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON values, with its ``key``."""
        return {**asdict(self), "key": self.key}


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by severity, then by how far over the limit, then by place."""

    def order(finding: Finding) -> tuple[int, float, str, int, str]:
        over = 1.0
        if finding.value is not None and finding.limit:
            over = finding.value / finding.limit
        return (_RANK[finding.severity], -over, finding.path, finding.line, finding.rule)

    return sorted(findings, key=order)


class Known(NamedTuple):
    """What is remembered of a finding, to tell old debt from new."""

    rule: str
    symbol: str
    value: float
    body_hash: str

    @classmethod
    def of(cls, finding: Finding) -> Known:
        """What to remember of a finding."""
        return cls(finding.rule, finding.symbol, finding.value or 0.0, finding.body_hash)


_NAMES_ONE_THING = frozenset({"unused-import", "unused-local"})
"""Rules whose hash is that of a name: another hash is another finding, in the same function too."""


def compare(before: Sequence[Known], after: Sequence[Finding]) -> tuple[list[Finding], list[Known]]:
    """Match findings over a write: those that are new or have a larger value, and those that are gone.

    The same text is the same finding, also under another name or in another class; then the same rule in the
    same function. So moved, renamed and touched code is not reported as new for what was wrong with it before.
    """
    left = list(before)
    new = sorted(after, key=lambda finding: -(finding.value or 0.0))
    caused: list[Finding] = []
    for key in (_text_and_place, _text, _place):
        known: dict[tuple[str, ...], list[Known]] = {}
        for item in sorted(left, key=lambda item: item.value):
            known.setdefault(key(item), []).append(item)
        open_, new = new, []
        for finding in open_:
            same = known.get(key(finding))
            if not same:
                new.append(finding)
            elif same.pop().value < (finding.value or 0.0):
                caused.append(finding)
        left = [item for items in known.values() for item in items]
    return [*caused, *new], left


def _text_and_place(item: Known | Finding) -> tuple[str, ...]:
    return (item.rule, item.symbol, item.body_hash)


def _text(item: Known | Finding) -> tuple[str, ...]:
    return (item.rule, item.body_hash)


def _place(item: Known | Finding) -> tuple[str, ...]:
    if item.symbol == MODULE or item.rule in _NAMES_ONE_THING:
        return _text_and_place(item)
    return (item.rule, item.symbol)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check of one file found."""

    path: str
    """Path of the file, relative to the project's root."""
    findings: tuple[Finding, ...]
    """Everything that holds for the file now, by line."""
    caused: tuple[Finding, ...]
    """The part that this write added or made worse, worst first."""
    fixed: tuple[Finding, ...] = ()
    """What the file had before this write and has no more."""

    @property
    def clean(self) -> bool:
        """True when nothing at all is found in the file."""
        return not self.findings

    def feedback(self, limit: int = FEEDBACK_LIMIT) -> str:
        """The text for an agent: what its write caused, at most ``limit`` lines, worst first; or empty."""
        return feedback([self], limit)


def feedback(results: Sequence[CheckResult], limit: int = FEEDBACK_LIMIT) -> str:
    """The text for an agent about several files: at most ``limit`` lines over all of them, worst first; or empty.

    Paths, names and messages come out of what the agent wrote: they stay on their line and are cut where they are
    longer than anyone reads.
    """
    touched = [result for result in results if result.caused]
    if not touched:
        return ""
    caused = worst_first(finding for result in touched for finding in result.caused)
    where, again = f"{len(touched)} files", "sentinel scan"
    if len(touched) == 1:
        where = _one_line(touched[0].path)
        again = f"sentinel scan {where}"
    lines = [f"[sentinel] this write left {len(caused)} to fix in {where}:"]
    for finding in caused[:limit]:
        lines.append(f"  {_one_line(finding.place)} {finding.severity} {finding.rule}: {_one_line(finding.message)}")
    if len(caused) > limit:
        lines.append(f"  and {len(caused) - limit} more: see them with `{again}`")
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text for a terminal: one line, with what would steer the terminal or reorder the line written as escapes."""
    return text if text.isprintable() else "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _one_line(text: str) -> str:
    text = plain(text)
    return text if len(text) <= LINE_LIMIT else f"{text[:LINE_LIMIT]}… ({len(text):,} characters)"
