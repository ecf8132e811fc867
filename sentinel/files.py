"""One file from text to findings that need no other file, keeping the chunks that did not change."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sentinel import suppress
from sentinel.analysis import ChunkAnalysis
from sentinel.chunks import parse_chunk, split, split_tree
from sentinel.config import Config
from sentinel.facts import OWN_MEANING, Chunk, ChunkFacts, FunctionFact, Ignore, RawFinding, unused_import
from sentinel.reading import Document

Cache = Mapping[tuple[str, str], ChunkFacts]


@dataclass(slots=True)
class FileFacts:
    """A file's chunks, or why it has none."""

    document: Document
    chunks: list[Chunk] = field(default_factory=list)
    problem: RawFinding | None = None
    silent: frozenset[str] = frozenset()
    """Rules that a comment silences in the whole file."""

    def cache(self) -> dict[tuple[str, str], ChunkFacts]:
        """Facts by what decides them, for the next check of the same file."""
        return {chunk.key: chunk.facts for chunk in self.chunks if chunk.facts is not None}

    def functions(self) -> list[tuple[FunctionFact, int]]:
        """Functions with the number of lines before their chunk; none of a generated file."""
        if self.document.generated:
            return []
        return [(fact, chunk.start) for chunk, facts in self._pairs() for fact in facts.functions]

    def classes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Classes with the names of their bases."""
        return tuple(item for _, facts in self._pairs() for item in facts.classes)

    def taken(self) -> frozenset[tuple[str, str]]:
        """What the file imports from other modules."""
        return frozenset().union(*(facts.taken for _, facts in self._pairs()))

    def _pairs(self) -> Iterator[tuple[Chunk, ChunkFacts]]:
        for chunk in self.chunks:
            if chunk.facts is not None:
                yield chunk, chunk.facts

    def raw_findings(self, is_taken: Callable[[str], bool]) -> Iterator[tuple[RawFinding, int, tuple[Ignore, ...]]]:
        """Findings with the lines before their chunk and the chunk's silencing comments.

        ``is_taken`` tells of a name whether another file imports it from here: then it is no unused import.
        """
        if self.problem is not None:
            yield self.problem, 0, ()
            return
        used: set[str] = set()
        silent: set[str] = {"stub-left"} if self.document.is_interface else set()
        for _, facts in self._pairs():
            used |= facts.used
            silent.update(rule for rule, name in OWN_MEANING.items() if name in facts.bound)
        for chunk, facts in self._pairs():
            for raw in facts.findings:
                if raw.rule not in silent:
                    yield raw, chunk.start, facts.ignores
        if not self.document.is_package:
            yield from self._unused_imports(used, is_taken)

    def _unused_imports(
        self, used: set[str], is_taken: Callable[[str], bool]
    ) -> Iterator[tuple[RawFinding, int, tuple[Ignore, ...]]]:
        imports = [(item, chunk.start, facts.ignores) for chunk, facts in self._pairs() for item in facts.imports]
        renamed = {item.shown.partition(" as ")[0] for item, _, _ in imports if item.name in used}
        for item, start, ignores in imports:
            # `import numpy as np` and `import numpy.testing`: the second is there for np.testing.
            if item.name not in used and not (item.is_submodule and item.name in renamed) and not is_taken(item.name):
                yield unused_import(item), start, ignores


def analyse(document: Document, config: Config, known: Cache | None = None, *, whole: bool = False) -> FileFacts:
    """Analyse a document; ``known`` has the facts of earlier chunks, ``whole`` parses all of it anyway."""
    if document.problem:
        return FileFacts(document, problem=_problem("not-analysed", 1, document.problem))
    if document.language != "python":
        from sentinel import languages  # it makes FileFacts

        return languages.analyse(document, config)
    silent = suppress.of_file(document.text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in checked code is no warning of ours
            chunks = _changed_only(document.text, config, known) if known and not whole else None
            if chunks is None:
                chunks = _whole(document.text, config, known or {})
        return FileFacts(document, chunks, silent=silent)
    except SyntaxError as error:
        version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        message = f"does not parse as {version}: {error.msg} - fix it before anything else"
        return FileFacts(document, problem=_problem("syntax-error", error.lineno or 1, message), silent=silent)
    except (RecursionError, MemoryError, ValueError) as error:
        message = f"nothing was checked, an expression is too deep for the parser: {error}"
        return FileFacts(document, problem=_problem("not-analysed", 1, message))


def _problem(rule: str, line: int, message: str) -> RawFinding:
    return RawFinding(rule, line, line, (line, line), "", message, "")


def _changed_only(text: str, config: Config, known: Cache) -> list[Chunk] | None:
    """Parse the chunks that are new; None when the split was wrong or the file does not parse."""
    chunks = split(text)
    for chunk in chunks:
        chunk.facts = known.get(chunk.key)
        if chunk.facts is None:
            try:
                statements, offset = parse_chunk(chunk)
            except SyntaxError:
                return None
            chunk.facts = ChunkAnalysis(chunk, statements, offset, config).facts()
    return chunks


def _whole(text: str, config: Config, known: Cache) -> list[Chunk]:
    chunks = []
    for chunk, statements in split_tree(text, ast.parse(text)):
        chunk.facts = known.get(chunk.key)
        if chunk.facts is None:
            chunk.facts = ChunkAnalysis(chunk, statements, chunk.start, config).facts()
        chunks.append(chunk)
    return chunks


def is_silenced(raw: RawFinding, ignores: tuple[Ignore, ...]) -> bool:
    """True when a comment of the chunk silences the finding."""
    return bool(ignores) and suppress.silenced(raw.rule, raw.line, raw.head, ignores)
