"""Parses JSON that may be broken: the damage is named by its place, and everything before it is kept."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from agent_vcr_nb.core.encoding import Json

MAX_BYTES = 256 << 20
"""A larger text is not read: it would need several times its size in memory."""
MAX_NESTING = 200
_INT_DIGITS = 4300
"""Python's own limit for turning digits into an int; longer ones are kept as a Decimal."""

_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[{}\[\],:])|(?P<word>[^\s{}\[\],:"]+))', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


def parse(raw: bytes) -> tuple[Json, str | None]:
    """Return a JSON value and None, or what stands before the damage (None for nothing) and what is wrong where."""
    problem = None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = f"line {line}, byte {error.start}: not UTF-8 ({raw[error.start : error.start + 1].hex()})"
        text = raw[: error.start].decode("utf-8-sig", "ignore")
    try:
        try:
            value = json.loads(text, parse_int=_integer)
        except json.JSONDecodeError as error:
            problem = problem or f"line {error.lineno} column {error.colno}: {error.msg}"
            kept = _before_damage(text, error.pos)
            if kept is None:
                return None, problem
            value = json.loads(kept, parse_int=_integer)
    except RecursionError:
        return None, f"nested deeper than {MAX_NESTING} levels: not read"
    except ValueError as error:  # what was kept is no JSON either
        return None, problem or str(error)
    if _nested_deeper(value, MAX_NESTING):
        return None, f"nested deeper than {MAX_NESTING} levels: not read"
    return value, problem


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def _nested_deeper(value: Json, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(item, dict | list) for item in level)


def _before_damage(text: str, end: int) -> str | None:
    """Return the text up to the last whole value before `end`, with what is open closed; None when there is none."""
    open_marks: list[str] = []
    at = cut = 0
    key_next = False
    while (token := _TOKEN.match(text, at)) is not None and token.end() <= end:
        at = token.end()
        mark = token["mark"]
        if mark in ("{", "["):
            open_marks.append(mark)
            key_next = mark == "{"
            cut = at
        elif mark in ("}", "]"):
            if not open_marks:
                break
            open_marks.pop()
            cut = at
        elif mark is not None:  # a comma or a colon
            key_next = mark == "," and bool(open_marks) and open_marks[-1] == "{"
        elif not key_next and (token["word"] is None or at < len(text)):
            cut = at  # a number at the very end may have lost digits
    if not cut:
        return None
    return text[:cut] + "".join(_CLOSING[mark] for mark in reversed(open_marks))
