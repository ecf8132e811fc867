"""What one chunk of a file tells, in lines of the chunk, so that it is kept while others change."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field

OWN_MEANING = {"eval-used": "eval", "exec-used": "exec"}
"""Rules about a builtin, which are silent in a file that gives its name another meaning."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A body in five degrees of likeness, blind to formatting, comments, docstring and annotations."""

    exact: int
    """Hash of the normalised tokens."""
    renamed: int
    """The same with local names numbered in order of appearance."""
    constants: int
    """The same as ``renamed`` with each constant replaced by its type."""
    reordered: int
    """Hash of the statements in any order, local names blind."""
    shingles: array[int]
    """Sorted 32-bit hashes of all runs of five tokens, local names blind."""
    tokens: int
    statements: int
    control: int
    """Branches, loops and handlers: 0 for a plain list of calls."""
    is_async: bool
    """True when it awaits, or defines a function that does."""


@dataclass(frozen=True, slots=True)
class FunctionFact:
    """One function or method of a chunk."""

    name: str
    qualname: str
    line: int
    """Line of ``def`` in the chunk, from 1."""
    end_line: int
    head: tuple[int, int]
    """First decorator's line and last line of the signature: where a comment can silence the function."""
    body_hash: str
    is_method: bool
    parameters: int
    fingerprint: Fingerprint | None
    """None for functions that nobody can reuse: trivial, abstract, overloads, setters."""


@dataclass(frozen=True, slots=True)
class RawFinding:
    """A finding before it is placed in its file."""

    rule: str
    line: int
    end_line: int
    head: tuple[int, int]
    symbol: str
    message: str
    body_hash: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class ImportFact:
    """A name that an import binds at module level."""

    name: str
    shown: str
    """The import as a reader finds it, e.g. ``json.loads as read``."""
    line: int
    head: tuple[int, int]
    """First and last line of its statement: where a comment can silence it."""

    @property
    def is_submodule(self) -> bool:
        """True for ``import a.b``, which binds ``a``."""
        return self.shown.startswith(f"{self.name}.")


@dataclass(frozen=True, slots=True)
class Ignore:
    """A comment that silences rules on its line; ``rules`` is empty when it silences all."""

    line: int
    rules: frozenset[str]


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """All that the rules need to know of one chunk."""

    findings: tuple[RawFinding, ...] = ()
    functions: tuple[FunctionFact, ...] = ()
    imports: tuple[ImportFact, ...] = ()
    used: frozenset[str] = frozenset()
    bound: frozenset[str] = frozenset()
    """Names that the module defines or imports here, of those in ``OWN_MEANING``."""
    taken: frozenset[tuple[str, str]] = frozenset()
    """Last part of a module's name and what is imported from it."""
    classes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Class names with the last parts of their bases' names."""
    ignores: tuple[Ignore, ...] = ()


@dataclass(slots=True)
class Chunk:
    """A run of lines that parses on its own, and where it starts."""

    text: str
    start: int
    """Lines of the file before it: absolute line = start + relative line."""
    owner: str = ""
    """Name of the class whose body it is a part of; empty at module level."""
    is_head: bool = False
    """True for the first line(s) of a class whose body is split into chunks."""
    facts: ChunkFacts | None = field(default=None, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """What decides the facts."""
        return (self.owner, self.text)


def text_hash(lines: list[str]) -> str:
    """Hash of lines without their indentation: unchanged when code moves or is indented."""
    text = "\n".join([line.strip() for line in lines])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def unused_import(fact: ImportFact, symbol: str = "") -> RawFinding:
    """The finding for an import that nothing uses."""
    message = f"{fact.shown!r} is imported and never used - delete it"
    return RawFinding("unused-import", fact.line, fact.line, fact.head, symbol, message, text_hash([fact.shown]))
