"""A project under guard: its index, what was known of each file, and the check of one file against both."""

from __future__ import annotations

import gc
import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pathspec import GitIgnoreSpec

from sentinel import duplicates
from sentinel.catalogue import RULES
from sentinel.config import Config, rule_name
from sentinel.discover import files
from sentinel.facts import RawFinding
from sentinel.files import FileFacts, analyse, is_silenced
from sentinel.findings import MODULE, CheckResult, Finding, Known, Related, compare, worst_first
from sentinel.index import Entry, FileRecord, Index
from sentinel.reading import Document, from_bytes, from_text, read_file

PARALLEL_FROM = 60
"""Fewer files are analysed faster than a second process starts."""


class Project:
    """Checks files of one folder. ``root`` is what paths in findings are relative to."""

    def __init__(self, root: Path, config: Config) -> None:
        self.root = root.resolve()
        self.config = config
        self.index = Index()
        self.facts: dict[str, FileFacts] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}
        self.stamps: dict[str, tuple[int, int]] = {}
        """Time of change (ns) and size of each file that was read from disk, when it was read."""
        self._off = {rule_name(name) for name in config.ignore}
        self._off_for = [
            (GitIgnoreSpec.from_lines([pattern]), {rule_name(name) for name in rules})
            for pattern, rules in config.per_file_ignores
        ]

    def relative(self, path: Path | str) -> str:
        """The name of a file in findings: relative to the root, or absolute when it lies outside."""
        full = os.path.abspath(os.path.join(self.root, path))
        resolved = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        inside = resolved.startswith(str(self.root) + os.sep)
        return (os.path.relpath(resolved, self.root) if inside else resolved).replace(os.sep, "/")

    def check(self, document: Document, *, whole: bool = False) -> CheckResult:
        """Check a document as it is now, and remember it as the state before the next check."""
        path = document.path
        with _collector_paused():
            before = self._before(path)
            earlier = self.facts.get(path)
            facts = analyse(document, self.config, earlier.cache() if earlier else None, whole=whole)
            if facts.problem is not None:
                # The file is broken for now: what stood in it stays known until it parses again.
                self.index.files.setdefault(path, FileRecord(known=before))
                now = tuple(self._place(facts, []))
                return self._result(path, before, now, remember=False)
            self.facts[path] = facts
            entries = self._index(facts)
            now = tuple(self._place(facts, entries))
            return self._result(path, before, now, remember=True)

    def check_path(self, path: str, content: str | bytes | None = None) -> CheckResult:
        """Check one file; an original that it is said to repeat is first looked at again on disk."""
        full = self.root / path
        if content is None:
            self.stamps[path] = _stamp(full)
        before = self._before(path)
        result = self.check(_read(path, full, content))
        stale = {item.related.path for item in result.findings if item.related} & self.stamps.keys() - {path}
        changed = [name for name in stale if self.stamps[name] != _stamp(self.root / name)]
        for name in changed:
            self.refresh(name)
        if not changed:
            return result
        again = self.check(_read(path, full, content))
        return replace(again, caused=tuple(worst_first(compare(before, again.findings)[0])), fixed=result.fixed)

    def is_current(self, path: str) -> bool:
        """True when the file is known as it is on disk."""
        return path in self.index.files and self.stamps.get(path) == _stamp(self.root / path)

    def refresh(self, path: str) -> CheckResult | None:
        """Look at a file again; None when it is gone, and then it is forgotten."""
        if not (self.root / path).is_file():
            self.forget(path)
            return None
        return self.check_path(path)

    def withdraw(self, path: str) -> None:
        """The content that was checked last is not written: what it held is no original, what was told is known."""
        known = self.index.files[path].known
        if self.refresh(path) is None:
            self.index.files[path] = FileRecord(known=known)

    def sweep(self, paths: Iterable[Path], under: str = "") -> list[CheckResult]:
        """Check the files that changed since they were read, forget those under a folder that are gone."""
        names = {self.relative(file): file for file in paths}
        gone = [path for path in self.stamps if path not in names and _is_under(path, under)]
        results = [result for path in gone for result in self.forget(path)]
        changed = [path for path, file in names.items() if self.stamps.get(path) != _stamp(file)]
        return results + [result for path in changed for result in self._checked_or_gone(path)]

    def _checked_or_gone(self, path: str) -> list[CheckResult]:
        try:
            return [self.check_path(path)]
        except FileNotFoundError:  # deleted since it was listed
            return self.forget(path)

    def _result(self, path: str, before: list[Known], now: tuple[Finding, ...], *, remember: bool) -> CheckResult:
        earlier = self.findings.get(path, ())
        fixed: tuple[Finding, ...] = ()
        self.findings[path] = now
        if remember:
            gone = Counter(compare([Known.of(item) for item in earlier], now)[1])
            fixed = tuple(_take(gone, earlier))
            self.index.files[path].known = [Known.of(item) for item in now]
        return CheckResult(path, now, tuple(worst_first(compare(before, now)[0])), fixed)

    def _before(self, path: str) -> list[Known]:
        record = self.index.files.get(path)
        if record is not None:
            return record.known
        committed = self._committed(path)
        if committed is None:
            return []
        facts = analyse(committed, self.config)
        entries = self._index(facts)
        known = [Known.of(item) for item in self._place(facts, entries)]
        self.index.files[path].known = known
        return known

    def _committed(self, path: str) -> Document | None:
        """The file as the last commit has it: the state before a write that nobody saw coming."""
        if os.path.isabs(path) or not (self.root / ".git").exists():
            return None
        command = ["git", "-C", str(self.root), "show", f"HEAD:./{path}"]
        shown = subprocess.run(command, capture_output=True, check=False)
        return from_bytes(path, shown.stdout) if shown.returncode == 0 else None

    def _index(self, facts: FileFacts) -> list[Entry]:
        document = facts.document
        self.index.set_taken(document.path, facts.taken())
        return self.index.update(document.path, facts.functions(), facts.classes(), document.cells)

    def _place(self, facts: FileFacts, entries: list[Entry]) -> list[Finding]:
        """All findings of a file, duplicates included, in the order of its lines."""
        document = facts.document
        off = self._off.union(facts.silent, *(rules for spec, rules in self._off_for if spec.match_file(document.path)))
        placed: list[tuple[int, Finding]] = []
        for raw, start, ignores in facts.raw_findings(partial(self.index.is_taken, document.path)):
            if raw.rule not in off and not is_silenced(raw, ignores):
                placed.append((start + raw.line, _finding(document, raw, start)))
        placed.extend(self._duplicates(facts, entries, off))
        placed.sort(key=lambda item: (item[0], item[1].rule))
        return [finding for _, finding in placed]

    def _duplicates(self, facts: FileFacts, entries: list[Entry], off: set[str]) -> Iterator[tuple[int, Finding]]:
        by_place = {}
        for chunk in facts.chunks:
            if chunk.facts is not None:
                for fact in chunk.facts.functions:
                    by_place[fact.qualname, chunk.start + fact.line] = (
                        fact,
                        chunk.start,
                        chunk.facts.ignores,
                    )
        for entry in entries:
            match = duplicates.find(self.index, entry, self.config.near_duplicate)
            if match is None:
                continue
            fact, start, ignores = by_place[entry.qualname, entry.line]
            text = duplicates.message(self.index, entry, match)
            rule = duplicates.RULE_OF[match.kind]
            raw = RawFinding(rule, fact.line, fact.end_line, fact.head, entry.qualname, text, fact.body_hash)
            if raw.rule in off or is_silenced(raw, ignores):
                continue
            other = match.entry
            cell, line = self.index.place(other)
            related = Related(other.path, line, other.qualname, round(match.similarity, 3), cell)
            yield entry.line, replace(_finding(facts.document, raw, start), related=related)

    def build(self, paths: Iterable[Path], *, skip: str = "", processes: int = 0) -> None:
        """Index files and keep what is found in them as known; ``skip`` names one file to leave out."""
        todo = [(file, name) for file in paths if (name := self.relative(file)) != skip]
        self.stamps.update((name, _stamp(file)) for file, name in todo)
        with _collector_paused():
            checked: list[FileFacts] = []
            for facts in _analyse_all(todo, self.config, processes):
                path = facts.document.path
                if facts.problem is None:
                    self._index(facts)
                else:
                    # Seen, so that a sweep by another process does not take it for new.
                    before = self._before(path)
                    self.index.files.setdefault(path, FileRecord(known=before))
                checked.append(facts)
            for facts in checked:
                path = facts.document.path
                record = self.index.files[path]
                entries = [self.index.entries[number] for number in record.ids]
                found = tuple(self._place(facts, [] if facts.problem else entries))
                self.findings[path] = found
                if facts.problem is None:
                    record.known = [Known.of(item) for item in found]

    def forget(self, path: str) -> list[CheckResult]:
        """A file is gone: its functions are no originals any more. A result when something was found in it."""
        found = self.findings.pop(path, ())
        self.index.remove(path)
        self.facts.pop(path, None)
        self.stamps.pop(path, None)
        return [CheckResult(path, (), (), found)] if found else []

    def forget_under(self, path: str) -> list[CheckResult]:
        """A file or a folder is gone."""
        gone = [name for name in [*self.index.files, *self.findings] if _is_under(name, path)]
        return [result for name in gone for result in self.forget(name)]

    def scan(self, target: Path, *, with_rest: bool = False) -> list[Finding]:
        """Check every file under ``target`` anew and return all findings, by place.

        ``with_rest`` reads the rest of the project first, so that copies of what stands there are found; a
        target that the project ignores is looked at by itself.
        """
        wanted = list(files(target, self.config.exclude, self.root))
        rest = list(files(self.root, self.config.exclude)) if with_rest else []
        self.build(dict.fromkeys([*rest, *wanted]) if set(wanted) & set(rest) else wanted)
        paths = {self.relative(file) for file in wanted}
        return [item for path in sorted(paths & self.findings.keys()) for item in self.findings[path]]


def _is_under(path: str, folder: str) -> bool:
    return folder in ("", path, ".") or path.startswith(folder + "/")


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:  # gone, or in a folder that may not be entered: reading it says so
        return (0, -1)
    return (status.st_mtime_ns, status.st_size)


def _read(path: str, full: Path, content: str | bytes | None) -> Document:
    """The document for a check: given content, or the file on disk."""
    if content is None:
        return read_file(full, path)
    return from_bytes(path, content) if isinstance(content, bytes) else from_text(path, content)


def _finding(document: Document, raw: RawFinding, start: int) -> Finding:
    rule = RULES[raw.rule]
    cell, line = document.cell_at(start + raw.line)
    _, end = document.cell_at(start + raw.end_line)
    return Finding(
        rule.name,
        rule.code,
        rule.severity,
        raw.message,
        document.path,
        line,
        max(line, end),
        raw.symbol or MODULE,
        raw.body_hash,
        raw.value,
        raw.limit,
        cell,
    )


def _take(counted: Counter[Known], findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings that are counted, each as often as it is."""
    for finding in findings:
        if counted[Known.of(finding)] > 0:
            counted[Known.of(finding)] -= 1
            yield finding


def _analyse_lean(items: list[tuple[Path, str]], config: Config) -> list[FileFacts]:
    """For another process: without the text, which nobody needs again, and without files that are gone by now."""
    gc.disable()
    lean = []
    for file, path in items:
        try:
            facts = analyse(read_file(file, path), config)
        except FileNotFoundError:
            continue
        for chunk in facts.chunks:
            chunk.text = ""
        facts.document = replace(facts.document, text="")
        lean.append(facts)
    return lean


def _analyse_all(items: list[tuple[Path, str]], config: Config, processes: int) -> Iterator[FileFacts]:
    """Analyse files in order, in as many processes as there are processors."""
    workers = processes or len(os.sched_getaffinity(0))
    if len(items) < PARALLEL_FROM or workers < 2:
        for item in items:
            yield from _analyse_lean([item], config)
        return
    size = 20
    batches = [items[at : at + size] for at in range(0, len(items), size)]
    with ProcessPoolExecutor(workers) as pool:
        for batch in pool.map(partial(_analyse_lean, config=config), batches):
            yield from batch


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A garbage collection over a large index pauses a check for a second; nothing here makes cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
