"""Values that a user writes in words: one rule for ``--set``, ``--mock`` and ``%vcr set``.

What is JSON is taken as JSON, to the digit. What is not is taken as text, so that ``plan=sqlite`` needs no quotes;
unless it was plainly meant to be something else, which is refused with the right spelling.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from agent_vcr_nb.core.encoding import Json, encode
from agent_vcr_nb.core.errors import UsageError

_SPELLED = {"True": "true", "False": "false", "None": "null", "NaN": None, "Infinity": None, "-Infinity": None}
"""What Python calls it, and what JSON does; None where JSON has no such value."""


def value_of(text: str, where: str) -> Json:
    """Return the value that `text` says, as encoded JSON; raises UsageError, which begins with `where`."""
    try:
        orjson.loads(text)  # the stricter parser decides what is JSON
    except ValueError as error:
        _refuse_mistaken(text, where, error)
        return text
    return json.loads(text, parse_int=_whole_number)


def pair_of(word: str, option: str) -> tuple[str, Json]:
    """Return (name, value) of ``name=VALUE`` after ``--option``; raises UsageError that shows how to write it."""
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise UsageError(f'--{option} {word!r}: expected NAME=VALUE, such as plan=sqlite or plan=\'["a", "b"]\'')
    return name, value_of(text, f"--{option} {name}")


def _whole_number(digits: str) -> Any:
    return encode(int(digits))  # one of more than 64 bits is stored with a tag


def _refuse_mistaken(text: str, where: str, error: ValueError) -> None:
    """Raise UsageError for what is no JSON and was hardly meant as text."""
    as_text = f"as a text it is written '\"{text}\"'"
    if text in _SPELLED:
        right = _SPELLED[text]
        known = f"JSON has no {text}" if right is None else f"{text} is written {right} in JSON"
        raise UsageError(f"{where}: {known}; {as_text}")
    if text[:1] in ("{", "[", '"'):
        raise UsageError(f"{where}: {text} is no JSON ({error}). Put JSON in single quotes: '{{\"a\": 1}}'")
    if len(text) > 1 and text[0] == text[-1] == "'":
        raise UsageError(f"{where}: the quotes of {text} are part of it here; {text[1:-1]} needs none, and {as_text}")
