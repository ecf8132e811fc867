"""Tab completion of ``%vcr`` and ``%%vcr``: words, options, sessions, frames, steps, state paths, agents."""

from __future__ import annotations

import re
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from agent_vcr_nb.notebook.desk import Desk
from agent_vcr_nb.verbs.agents import agent_names
from agent_vcr_nb.verbs.completing import Lookup, candidates

_LINE = re.compile(r"\s*(?P<percent>%%?)vcr\s+(?P<words>.*)", re.DOTALL)


class Completion:
    """One matcher of IPython's completer, for the lines that begin with the magic."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

        @context_matcher(identifier="agent_vcr_nb")  # type: ignore[untyped-decorator,unused-ignore]
        def matcher(context: CompletionContext) -> SimpleMatcherResult:
            return self.match(context.text_until_cursor)

        self._matcher = matcher

    def register(self, ipython: Any) -> None:
        """Let the completer of a shell ask here first."""
        ipython.Completer.custom_matchers.append(self._matcher)

    def unregister(self, ipython: Any) -> None:
        """Take it out again."""
        matchers = ipython.Completer.custom_matchers
        matchers[:] = [one for one in matchers if one is not self._matcher]

    def match(self, line: str) -> SimpleMatcherResult:
        """Return what may stand at the end of a line; nothing for a line that is not ours."""
        found = _LINE.match(line)
        if found is None:
            return {"completions": []}
        *words, fragment = re.split(r"\s+", found["words"])
        if found["percent"] == "%%":
            words = ["cell", *words]
        offered = self._candidates(words, fragment)
        if offered is None:
            return {"completions": []}
        return {
            "completions": [SimpleCompletion(text=word, type="magic") for word in offered],
            "matched_fragment": fragment,
            "ordered": True,
            "suppress": True,
        }

    def _candidates(self, words: list[str], fragment: str) -> list[str] | None:
        desk = self.desk
        if not words:
            return [name for name in desk.verbs if name.startswith(fragment)]
        verb = desk.verbs.get(words[0])
        if verb is None:
            return []
        current = desk.current()
        look = Lookup(desk.directory, current, desk.frame(), agent_names(desk.namespace()))
        if verb.name in ("record", "cell") and len(words) == 1 and not fragment.startswith("-"):
            return look.of("session", fragment)
        return candidates(verb, words[1:], fragment, look, current)
