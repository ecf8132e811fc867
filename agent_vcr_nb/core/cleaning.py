"""What a recording shows of a value that is no state: encoded, without secrets, and only what says something."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from agent_vcr_nb.core.encoding import MAX_SAFE_INT, TAG, Json, encode, escape, unescape
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.tables import printable
from agent_vcr_nb.core.updates import told_by_output


class Cleaner:
    """Turns names, figures, arguments and edits into what may stand in a file."""

    def __init__(self, redactor: Redactor | None) -> None:
        self.redactor = redactor

    def figures_and_update(
        self, figures: dict[str, Any], update: Any, output_state: dict[str, Any] | None
    ) -> tuple[Json, Json]:
        """Return a step's figures, and what it returned, cleaned in one go.

        What of `update` stands in the output state as it is is told by its key.
        """
        # A step that was not annotated has numbers alone: nothing to encode or to look through.
        plain = {key: value for key, value in figures.items() if self._is_plain_number(key, value)}
        if update is None and len(plain) == len(figures):
            return plain, None
        same = told_by_output(update, output_state)
        rest = {key: value for key, value in figures.items() if key not in plain}
        cleaned, told = self.values(rest, {**update, **dict.fromkeys(same)} if same else update)
        if same:
            told = self.value(update) if TAG in told else told | {k: v for k, v in same.items() if k in told}
        return plain | cleaned, told

    def _is_plain_number(self, key: str, value: Any) -> bool:
        if type(value) is float:
            return math.isfinite(value) and not (self.redactor and self.redactor.is_secret_key(key))
        return (
            type(value) is int
            and 0 <= value <= MAX_SAFE_INT
            and not (self.redactor and self.redactor.is_secret_key(key))
        )

    def value(self, value: Any) -> Json:
        """Return a value as the recording shows it: encoded, without secrets."""
        tree = encode(value)
        return self.redactor.tree(tree) if self.redactor else tree

    def values(self, *values: Any) -> list[Json]:
        """Return values as `value` does, at the cost of one look for all."""
        trees = [encode(value) for value in values]
        return self.redactor.tree(trees) if self.redactor else trees

    def operation(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operation of an edit without secrets, also where its path names one; its value is JSON already."""
        cleaned = dict(operation)
        if self.redactor and "value" in cleaned:
            keys = [unescape(token) for token in str(cleaned.get("path", "")).split("/")[1:]]
            cleaned["value"] = self.redactor.below(keys, cleaned["value"])
        return cleaned

    def text(self, text: str) -> str:
        """Return a text without secrets, and without what UTF-8 cannot hold."""
        return self.redactor.text(printable(text)) if self.redactor else printable(text)

    def pointer(self, path: str) -> str:
        """Return a key or a JSON Pointer without secrets; each of its tokens is escaped."""
        if "~" not in path and path.isascii() and not (self.redactor and self.redactor.may_change(path)):
            return path
        return "/".join(escape(self.text(unescape(token))) for token in path.split("/"))

    def arguments(self, argv: Sequence[str]) -> Json:
        """Return a command line without secrets."""
        return encode(self.redactor.arguments(argv) if self.redactor else list(argv))


def known(data: dict[str, Any]) -> dict[str, Any]:
    """Return the members that say something."""
    return {name: value for name, value in data.items() if value is not None and value != [] and value != {}}
