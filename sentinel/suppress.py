"""Comments that silence rules: ``# sentinel: ignore[rule] reason``, and ruff's and flake8's ``# noqa``."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Sequence

from sentinel.catalogue import RULES, name_of
from sentinel.facts import Ignore, RawFinding, text_hash

_OURS = re.compile(r"(?:#|//|/\*)\s*sentinel:\s*ignore(?:\[([^\]]*)\])?[ \t]*([^\n]*)")
_CODES = r"[A-Z]+[0-9]+(?:[, \t]+[A-Z]+[0-9]+)*"
_NOQA = re.compile(rf"(?i)#\s*noqa(?::[ \t]*({_CODES}))?")
_WHOLE_FILE = re.compile(rf"(?im)^\s*#\s*(?:ruff|flake8):\s*noqa(?::[ \t]*({_CODES}))?\s*$")


def of_file(text: str) -> frozenset[str]:
    """The rules that ``# ruff: noqa`` or ``# flake8: noqa`` on a line of its own silences in the whole file."""
    if "noqa" not in text.lower():
        return frozenset()
    silent: set[str] = set()
    for found in _WHOLE_FILE.finditer(text):
        silent |= _rules_of(found[1]) if found[1] else RULES.keys()
    return frozenset(silent)


def read(text: str) -> tuple[list[Ignore], list[RawFinding]]:
    """The silencing comments of a chunk of Python, and a finding for each of ours that gives no reason."""
    if "sentinel:" not in text and "noqa" not in text.lower():
        return [], []
    return read_comments(comments(text))


def read_comments(found: Iterable[tuple[int, str]]) -> tuple[list[Ignore], list[RawFinding]]:
    """The same of comments that are found already, each with its line."""
    ignores: list[Ignore] = []
    findings: list[RawFinding] = []
    for line, comment in found:
        if ours := _OURS.search(comment):
            if ours[2].removesuffix("*/").strip():
                ignores.append(Ignore(line, _rules_of(ours[1] or "")))
            else:
                message = "without a reason this silences nothing - write `# sentinel: ignore[rule] reason`"
                body_hash = text_hash([comment])
                findings.append(RawFinding("ignore-without-reason", line, line, (line, line), "", message, body_hash))
        elif noqa := _NOQA.search(comment):
            ignores.append(Ignore(line, _rules_of(noqa[1] or "")))
    return ignores, findings


def _rules_of(names: str) -> frozenset[str]:
    """The rules that names or standard codes mean; an unknown one stays and matches nothing."""
    return frozenset(name_of(name) or name for name in re.split(r"[,\s]+", names) if name)


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
