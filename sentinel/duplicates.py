"""Which function of the project a function repeats, if any, and what to do about it."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from sentinel.index import Entry, Index, similarity

MIN_TOKENS = {"exact": 22, "renamed": 28, "constants": 30, "reordered": 30, "near": 45}
MIN_STATEMENTS = {"exact": 2, "renamed": 3, "constants": 3, "reordered": 5, "near": 5}
MANY_STATEMENTS = 6
"""So many are no chance, also when each is short."""
_ASYNC = re.compile(r"(?i)_?async_?|_?sync_?")
MANY = 100
"""Of more functions with one body the first are looked at: a project of 4,000 of them is read in seconds."""
NAME_SIMILARITY = 0.2
NAME_STATEMENTS = 3
RULE_OF = {
    "exact": "duplicate-function",
    "renamed": "duplicate-function",
    "constants": "duplicate-constants",
    "reordered": "near-duplicate",
    "near": "near-duplicate",
    "name": "reimplemented-name",
}


class Match(NamedTuple):
    """The older function that a function repeats."""

    kind: str
    """``exact``, ``renamed``, ``constants``, ``reordered``, ``near`` or ``name``."""
    entry: Entry
    similarity: float


def find(index: Index, entry: Entry, near: float) -> Match | None:
    """The best match among older functions; ``near`` is the share of two bodies that makes them alike."""
    mark = entry.mark
    for kind in ("exact", "renamed", "constants", "reordered"):
        enough = mark.tokens >= MIN_TOKENS[kind] or mark.statements >= MANY_STATEMENTS
        if not enough or mark.statements < MIN_STATEMENTS[kind]:
            continue
        equal = islice(index.equal(kind, mark), MANY)
        found = [other for other in equal if _comparable(index, entry, other, kind)]
        if found:
            return Match(kind, min(found, key=lambda other: other.rank), 1.0)
    if mark.tokens >= MIN_TOKENS["near"] and mark.statements >= MIN_STATEMENTS["near"]:
        best = _nearest(index, entry, near)
        if best is not None:
            return best
    return _same_name(index, entry)


def _nearest(index: Index, entry: Entry, threshold: float) -> Match | None:
    mine: set[int] | None = None
    size = len(entry.mark.shingles)
    best: Match | None = None
    for other in index.alike(entry.mark):
        theirs = other.mark.shingles
        if min(size, len(theirs)) < threshold * max(size, len(theirs)):
            continue
        if not _comparable(index, entry, other, "near"):
            continue
        mine = mine or set(entry.mark.shingles)
        shared = len(mine.intersection(theirs))
        share = shared / (size + len(theirs) - shared)
        if share >= threshold and (best is None or share > best.similarity):
            best = Match("near", other, share)
    return best


def _same_name(index: Index, entry: Entry) -> Match | None:
    """A top-level function of the same name, arity and half of the content elsewhere: implemented twice."""
    if entry.is_method or "." in entry.qualname or entry.name.startswith("_") or entry.name == "main":
        return None
    if entry.mark.statements < NAME_STATEMENTS:
        return None
    for other in islice(index.alive(index.by_name.get(entry.name, ())), MANY):
        if "." in other.qualname or other.mark.statements < NAME_STATEMENTS or other.path == entry.path:
            continue
        if abs(other.parameters - entry.parameters) > 1 or not _comparable(index, entry, other, "name"):
            continue
        share = similarity(entry.mark, other.mark)
        if share >= NAME_SIMILARITY:
            return Match("name", other, share)
    return None


def _comparable(index: Index, entry: Entry, other: Entry, kind: str) -> bool:
    """False for pairs that are alike on purpose, and for the one that is the older itself."""
    if other is entry or other.rank >= entry.rank or entry.mark.is_async != other.mark.is_async:
        return False
    if entry.path == other.path and _nested(entry.qualname, other.qualname):
        return False
    if not (entry.is_method and other.is_method and entry.name == other.name):
        return True
    if kind not in ("exact", "renamed") and _twins(entry.owner, other.owner):
        return False
    return not _override(index, entry, other, kind)


def _twins(one: str, other: str) -> bool:
    """True for ``Client`` and ``AsyncClient``: what differs in them differs for the sake of that."""
    return one != other and _ASYNC.sub("", one) == _ASYNC.sub("", other)


def _nested(one: str, other: str) -> bool:
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def _override(index: Index, entry: Entry, other: Entry, kind: str) -> bool:
    """True when one method overrides the other, or both override a third and differ."""
    mine = index.ancestors(entry.owner) | {entry.owner}
    theirs = index.ancestors(other.owner) | {other.owner}
    if entry.owner in theirs or other.owner in mine:
        return True
    return kind not in ("exact", "renamed") and bool(mine & theirs & index.bases.keys())


def message(index: Index, entry: Entry, match: Match) -> str:
    """What to do, as an instruction."""
    other = match.entry
    cell, line = index.place(other)
    where = f"{other.qualname}() already exists in {other.path}:{'' if cell is None else f'cell {cell}:'}{line}"
    if match.kind in ("exact", "renamed"):
        return f"{where} - reuse it: {_reuse(entry, other)}"
    return where + _ADVICE[match.kind].format(round(match.similarity * 100))


def _reuse(entry: Entry, other: Entry) -> str:
    """How to use the other function instead of a copy of it."""
    if entry.is_method or other.is_method:
        return "delete this copy and call one shared method or function"
    if other.path == entry.path:
        return "delete this copy and call it"
    if other.path.endswith(".ipynb"):
        return "move it into a module and import it in both places"
    return "delete this copy and import it"


_ADVICE = {
    "constants": ", only constants differ - reuse it: make them parameters and delete this copy",
    "reordered": ", with the same statements in another order - reuse it: extract what both share",
    "near": ", {} % of the body is the same - reuse it: extract what both share",
    "name": " and does a similar thing - reuse it, or give this one a name that says how it differs",
}
