"""Every function of a project in memory, to be asked for functions like a given one in microseconds.

A stored index is one sorted array a kind of hash, searched by bisection: it loads without building a table.
What changed since then stands in small dictionaries beside it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sentinel.discover import is_test
from sentinel.facts import Fingerprint, FunctionFact
from sentinel.findings import Known
from sentinel.reading import cell_at

SKETCH = 20
"""The smallest shingles of a function: two functions that share few of them are not alike."""
COMMON = 150
"""A shingle that so many functions share says nothing."""
SAME_FUNCTION = 0.2
"""A function that keeps its name and this share of its body was edited; with less it is another one."""
_LOW = (1 << 32) - 1


@dataclass(slots=True, eq=False)
class Entry:
    """One function of the index."""

    id: int
    path: str
    name: str
    qualname: str
    line: int
    age: int
    """Order of first appearance: of two alike, the younger is the copy. An edit makes it no younger."""
    body_hash: str
    is_method: bool
    parameters: int
    mark: Fingerprint
    alive: bool = True

    @property
    def rank(self) -> tuple[bool, int]:
        """Of two alike the one of higher rank is the copy: a test is never what others should reuse."""
        return is_test(self.path), self.age

    @property
    def owner(self) -> str:
        """Name of the class that a method belongs to; empty for functions."""
        return self.qualname.rpartition(".")[0].rpartition(".")[2] if self.is_method else ""


class Postings:
    """Ids by 32-bit hash: a sorted array of ``hash << 32 | id`` and a dictionary of what was added since."""

    __slots__ = ("added", "base")

    def __init__(self, base: array[int] | None = None) -> None:
        self.base = array("Q") if base is None else base
        self.added: dict[int, list[int]] = {}

    def add(self, value: int, entry: int) -> None:
        """Add an entry under the low 32 bits of a hash."""
        self.added.setdefault(value & _LOW, []).append(entry)

    def discard(self, value: int, entry: int) -> None:
        """Take out an entry that was added; one of the stored array stays and is known as dead."""
        ids = self.added.get(value & _LOW)
        if ids is not None and entry in ids:
            ids.remove(entry)

    def find(self, value: int) -> list[int]:
        """Ids under a hash, dead ones included."""
        value &= _LOW
        base, low = self.base, value << 32
        at = bisect_left(base, low)
        ids = []
        stop = low + (1 << 32)
        while at < len(base) and base[at] < stop:
            ids.append(base[at] & _LOW)
            at += 1
        return ids + self.added.get(value, []) if value in self.added else ids


@dataclass(slots=True)
class FileRecord:
    """What the index holds of one file."""

    ids: list[int] = field(default_factory=list)
    classes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    known: list[Known] = field(default_factory=list)
    """What was found in the file when it was last seen."""
    cells: tuple[tuple[int, int], ...] = ()
    """Where the cells of a notebook start, as in `Document`."""
    taken: frozenset[tuple[str, str]] = frozenset()
    """What the file imports from other modules: the last part of a module's name, and the name."""


KINDS = ("exact", "renamed", "constants", "reordered", "sketch")


class Index:
    """All functions of a project by file and by likeness."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.files: dict[str, FileRecord] = {}
        self.postings = {kind: Postings() for kind in KINDS}
        self.by_name: dict[str, list[int]] = {}
        self.bases: dict[str, dict[str, tuple[str, ...]]] = {}
        self.takers: Counter[tuple[str, str]] = Counter()
        """How many files import a name from a module of that name."""
        self.next_age = 0

    def __len__(self) -> int:
        return sum(len(record.ids) for record in self.files.values())

    def update(
        self,
        path: str,
        functions: Sequence[tuple[FunctionFact, int]],
        classes: tuple[tuple[str, tuple[str, ...]], ...] = (),
        cells: tuple[tuple[int, int], ...] = (),
    ) -> list[Entry]:
        """Set the functions of a file, each with the number of lines before its chunk.

        Functions that did not change keep their entry; one that was edited keeps its age.
        """
        record = self.files.setdefault(path, FileRecord())
        record.cells = cells
        same: dict[tuple[str, str, int], list[Entry]] = {}
        earlier: dict[str, list[Entry]] = {}
        for number in record.ids:
            entry = self.entries[number]
            same.setdefault((entry.qualname, entry.body_hash, entry.mark.exact), []).append(entry)
            earlier.setdefault(entry.qualname, []).append(entry)
        kept: list[Entry] = []
        for fact, start in functions:
            if fact.fingerprint is None:
                continue
            twins = same.get((fact.qualname, fact.body_hash, fact.fingerprint.exact))
            if twins:
                entry = twins.pop(0)
                entry.line = start + fact.line
            else:
                entry = self._add(path, fact, start, earlier.get(fact.qualname, ()))
            kept.append(entry)
        for left in same.values():
            for entry in left:
                self._bury(entry)
        record.ids = [entry.id for entry in kept]
        self.set_classes(path, record, classes)
        return kept

    def _bury(self, entry: Entry) -> None:
        entry.alive = False
        for kind, value in hashes(entry.mark):
            self.postings[kind].discard(value, entry.id)
        named = self.by_name.get(entry.name, [])
        if entry.id in named:
            named.remove(entry.id)

    def _add(self, path: str, fact: FunctionFact, start: int, earlier: Sequence[Entry]) -> Entry:
        mark = fact.fingerprint
        assert mark is not None
        # What was written anew under an old name is as young as any other new function.
        ages = [entry.age for entry in earlier if similarity(entry.mark, mark) >= SAME_FUNCTION]
        age = min(ages, default=self.next_age)
        self.next_age += not ages
        entry = Entry(
            len(self.entries),
            path,
            fact.name,
            fact.qualname,
            start + fact.line,
            age,
            fact.body_hash,
            fact.is_method,
            fact.parameters,
            mark,
        )
        self.entries.append(entry)
        for kind, value in hashes(entry.mark):
            self.postings[kind].add(value, entry.id)
        if not entry.is_method and path.endswith(".py"):
            self.by_name.setdefault(entry.name, []).append(entry.id)
        return entry

    def set_classes(self, path: str, record: FileRecord, classes: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        """Set the classes of a file, by which overrides are told."""
        if record.classes == classes:
            return
        for name, _ in record.classes:
            self.bases.get(name, {}).pop(path, None)
        for name, bases in classes:
            self.bases.setdefault(name, {})[path] = bases
        record.classes = classes

    def set_taken(self, path: str, taken: frozenset[tuple[str, str]]) -> None:
        """Set what a file imports from other modules."""
        record = self.files.setdefault(path, FileRecord())
        self.takers.subtract(record.taken - taken)
        self.takers.update(taken - record.taken)
        record.taken = taken

    def is_taken(self, path: str, name: str) -> bool:
        """True when another file imports the name from a module that is called as this file is."""
        module = module_of(path)
        own = self.files[path].taken if path in self.files else frozenset()
        return any(self.takers[pair] > (pair in own) for pair in ((module, name), (module, "*")))

    def remove(self, path: str) -> None:
        """Forget a file that was deleted."""
        if path in self.files:
            self.set_taken(path, frozenset())
            self.update(path, ())
            del self.files[path]

    def move(self, old: str, new: str) -> None:
        """A file was renamed: its functions keep their age."""
        record = self.files.pop(old, None)
        if record is None:
            return
        self.remove(new)
        for number in record.ids:
            self.entries[number].path = new
        classes, record.classes = record.classes, ()
        for name, _ in classes:
            self.bases.get(name, {}).pop(old, None)
        self.files[new] = record
        self.set_classes(new, record, classes)

    def place(self, entry: Entry) -> tuple[int | None, int]:
        """Cell and line of a function; the cell is None outside notebooks."""
        return cell_at(self.files[entry.path].cells, entry.line)

    def alive(self, numbers: Iterable[int]) -> Iterator[Entry]:
        """The entries that still stand in their file."""
        for number in numbers:
            entry = self.entries[number]
            if entry.alive:
                yield entry

    def equal(self, kind: str, mark: Fingerprint) -> Iterator[Entry]:
        """Entries whose hash of this kind is the same."""
        value = getattr(mark, kind)
        for entry in self.alive(self.postings[kind].find(value)):
            if getattr(entry.mark, kind) == value:
                yield entry

    def alike(self, mark: Fingerprint, limit: int = 25) -> list[Entry]:
        """Entries that share at least two of the smallest shingles, those that share most first."""
        shared: dict[int, int] = {}
        for shingle in mark.shingles[:SKETCH]:
            ids = self.postings["sketch"].find(shingle)
            if len(ids) <= COMMON:
                for number in ids:
                    shared[number] = shared.get(number, 0) + 1
        best = sorted((-count, number) for number, count in shared.items() if count >= 2)
        return list(self.alive(number for _, number in best[:limit]))

    def ancestors(self, name: str) -> set[str]:
        """Names of all classes that a class inherits from, as far as the project defines them."""
        found: set[str] = set()
        open_names = [name]
        while open_names:
            for bases in self.bases.get(open_names.pop(), {}).values():
                open_names.extend(base for base in bases if base not in found)
                found.update(bases)
        return found


def module_of(path: str) -> str:
    """What an import calls a file: ``compat`` of ``pkg/compat.py``."""
    return path.rpartition("/")[2].partition(".")[0]


def similarity(one: Fingerprint, other: Fingerprint) -> float:
    """Share of both bodies that is the same: the Jaccard index of their shingles."""
    shared = len(set(one.shingles).intersection(other.shingles))
    return shared / max(1, len(one.shingles) + len(other.shingles) - shared)


def hashes(mark: Fingerprint) -> Iterator[tuple[str, int]]:
    """Kind and value of every hash that a function is found by."""
    yield "exact", mark.exact
    yield "renamed", mark.renamed
    yield "constants", mark.constants
    yield "reordered", mark.reordered
    for shingle in mark.shingles[:SKETCH]:
        yield "sketch", shingle
