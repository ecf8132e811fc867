"""Comments that silence rules: ``# sentinel: ignore[rule] reason``, and ruff's and flake8's ``# noqa``."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Sequence

from sentinel.catalogue import RULES
from sentinel.facts import Ignore, RawFinding

_OURS = re.compile(r"#\s*sentinel:\s*ignore(?:\[([^\]]*)\])?[ \t]*([^\n]*)")
_NOQA = re.compile(r"(?i)#\s*noqa(?::[ \t]*([A-Z]+[0-9]+(?:[, \t]+[A-Z]+[0-9]+)*))?")
_WHOLE_FILE = re.compile(r"(?im)^\s*#\s*(?:ruff|flake8):\s*noqa\s*$")


def silences_file(text: str) -> bool:
    """True when ``# ruff: noqa`` or ``# flake8: noqa`` stands alone on a line."""
    return "noqa" in text and _WHOLE_FILE.search(text) is not None


def read(text: str) -> tuple[list[Ignore], list[RawFinding]]:
    """The silencing comments of a chunk, and a finding for each of ours that gives no reason."""
    if "sentinel:" not in text and "noqa" not in text.lower():
        return [], []
    ignores: list[Ignore] = []
    findings: list[RawFinding] = []
    for line, comment in comments(text):
        if ours := _OURS.search(comment):
            names = frozenset(name.strip() for name in (ours[1] or "").split(",") if name.strip())
            if ours[2].strip():
                ignores.append(Ignore(line, frozenset(map(_rule_of, names))))
            else:
                message = "without a reason this silences nothing - write `# sentinel: ignore[rule] reason`"
                raw = RawFinding("ignore-without-reason", line, line, (line, line), "", message, comment.strip())
                findings.append(raw)
        elif noqa := _NOQA.search(comment):
            codes = frozenset(re.split(r"[,\s]+", noqa[1].strip())) if noqa[1] else frozenset()
            ignores.append(Ignore(line, frozenset(map(_rule_of, codes))))
    return ignores, findings


def _rule_of(name: str) -> str:
    """The rule that a name or standard code means; an unknown one stays and matches nothing."""
    for rule in RULES.values():
        if rule.code and rule.code.lower() == name.lower():
            return rule.name
    return name


def comments(text: str) -> Iterable[tuple[int, str]]:
    """Line and text of each comment; strings that hold a # are none."""
    found: list[tuple[int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found.append((token.start[0], token.string))
    except (tokenize.TokenError, IndentationError):
        # A class's part is indented and ends early; its comments came before the error.
        done = found[-1][0] if found else 0
        for number, line in enumerate(text.split("\n"), start=1):
            if number > done and "#" in line:
                found.append((number, line[line.index("#") :]))
    return found


def silenced(rule: str, line: int, head: tuple[int, int], ignores: Sequence[Ignore]) -> bool:
    """True when a comment on the finding's line, or on its function's signature, silences the rule."""
    return any(
        (ignore.line == line or head[0] <= ignore.line <= head[1]) and (not ignore.rules or rule in ignore.rules)
        for ignore in ignores
    )
