"""Keep the index between processes, in the user's cache folder, as sorted arrays that load in a moment.

The file: a line that names format, Python and settings; a line of JSON with lengths; the arrays; a JSON tail.
A file of another format, Python or configuration does not fit and is built anew.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from array import array
from pathlib import Path
from typing import Any, Literal

import orjson

from sentinel.client import name_for, own_folder
from sentinel.facts import Fingerprint
from sentinel.findings import Known
from sentinel.index import KINDS, Entry, FileRecord, Index, Postings, hashes
from sentinel.project import Project

FORMAT = 2
_TypeCode = Literal["Q", "I"]
_ARRAYS: tuple[tuple[str, _TypeCode], ...] = (
    ("exact", "Q"),
    ("renamed", "Q"),
    ("constants", "Q"),
    ("reordered", "Q"),
    ("ends", "I"),
    ("shingles", "I"),
    *((f"postings_{kind}", "Q") for kind in KINDS),
)


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/agent-sentinel``, made for the user alone; where it cannot be made, a temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(Path.home(), ".cache")
    folder = Path(base) / "agent-sentinel"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:  # no home, or one that is read-only: an agent's container
        return own_folder()
    return folder if os.access(folder, os.W_OK) else own_folder()


def index_file(project: Project) -> Path:
    """Where the project's index is kept."""
    return cache_folder() / f"{name_for(project.root)}.index"


def _title(project: Project) -> bytes:
    settings = hashlib.blake2b(repr(project.config).encode(), digest_size=8).hexdigest()
    return f"sentinel-index {FORMAT} {sys.byteorder} {sys.version_info[:2]} {settings} {project.root}\n".encode()


def save(project: Project) -> None:
    """Write the index of a project; a reader sees the old one or the new one, never a part."""
    index = project.index
    arrays: dict[str, array[int]] = {name: array(code) for name, code in _ARRAYS}
    postings: dict[str, list[int]] = {kind: [] for kind in KINDS}
    rows: list[tuple[Any, ...]] = []
    files: list[tuple[Any, ...]] = []
    for path, record in index.files.items():
        known = [tuple(item) for item in record.known]
        taken = [f"{module} {name}" for module, name in record.taken]
        stamp = project.stamps.get(path)
        files.append((_to_json(path), len(record.ids), record.classes, known, record.cells, taken, stamp))
        for number in record.ids:
            entry = index.entries[number]
            _append(entry, len(rows), arrays, postings)
            rows.append(_row(entry))
    for kind in KINDS:
        arrays[f"postings_{kind}"] = array("Q", sorted(postings[kind]))
    tail = orjson.dumps({"files": files, "rows": rows, "next_age": index.next_age})
    lengths = {name: len(values) for name, values in arrays.items()}
    target = index_file(project)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_title(project))
        file.write(orjson.dumps(lengths) + b"\n")
        for name, _ in _ARRAYS:
            arrays[name].tofile(file)
        file.write(tail)
    os.replace(temporary, target)


def _to_json(path: str) -> str:
    """A path in characters that JSON holds: a file's name may be bytes that are no text."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("latin-1")


def _from_json(name: str) -> str:
    return name if name.isascii() else name.encode("latin-1").decode("utf-8", "surrogateescape")


def _pair(item: str) -> tuple[str, str]:
    module, _, name = item.partition(" ")
    return module, name


def _append(entry: Entry, number: int, arrays: dict[str, array[int]], postings: dict[str, list[int]]) -> None:
    mark = entry.mark
    arrays["exact"].append(mark.exact)
    arrays["renamed"].append(mark.renamed)
    arrays["constants"].append(mark.constants)
    arrays["reordered"].append(mark.reordered)
    arrays["shingles"].extend(mark.shingles)
    arrays["ends"].append(len(arrays["shingles"]))
    for kind, value in hashes(mark):
        postings[kind].append((value & 0xFFFFFFFF) << 32 | number)


def _row(entry: Entry) -> tuple[Any, ...]:
    mark = entry.mark
    flags = entry.is_method | mark.is_async << 1
    counts = (entry.parameters, mark.tokens, mark.statements, mark.control)
    return (entry.name, entry.qualname, entry.line, entry.age, entry.body_hash, flags, *counts)


def load(project: Project) -> bool:
    """Fill the project's empty index from its file; False when there is none that fits."""
    file = index_file(project)
    title = _title(project)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return False
    if not data.startswith(title):
        return False
    try:
        end = data.index(b"\n", len(title))
        lengths = orjson.loads(data[len(title) : end])
        at = end + 1
        arrays: dict[str, array[int]] = {}
        for name, code in _ARRAYS:
            values = array(code)
            size = lengths[name] * values.itemsize
            values.frombytes(data[at : at + size])
            if len(values) != lengths[name]:
                return False
            arrays[name] = values
            at += size
        tail = orjson.loads(data[at:])
    except (ValueError, KeyError):
        # Cut off or written by something else: it is only a cache, the caller reads the project anew.
        return False
    _fill(project, arrays, tail)
    return True


def _fill(project: Project, arrays: dict[str, array[int]], tail: dict[str, Any]) -> None:
    index = Index()
    index.next_age = tail["next_age"]
    for kind in KINDS:
        index.postings[kind] = Postings(arrays[f"postings_{kind}"])
    rows, entries = tail["rows"], index.entries
    for name, count, classes, known, cells, taken, stamp in tail["files"]:
        path = _from_json(name)
        numbers = list(range(len(entries), len(entries) + count))
        record = FileRecord(numbers, (), [Known(*item) for item in known], tuple(map(tuple, cells)))
        index.files[path] = record
        index.set_taken(path, frozenset(_pair(item) for item in taken))
        index.set_classes(path, record, tuple((name, tuple(bases)) for name, bases in classes))
        if stamp is not None:
            project.stamps[path] = tuple(stamp)
        for number in record.ids:
            entry = _entry(number, path, rows[number], arrays)
            entries.append(entry)
            if not entry.is_method and path.endswith(".py"):
                index.by_name.setdefault(entry.name, []).append(number)
    project.index = index


def _entry(number: int, path: str, row: list[Any], arrays: dict[str, array[int]]) -> Entry:
    name, qualname, line, age, body_hash, flags, parameters, tokens, statements, control = row
    start = arrays["ends"][number - 1] if number else 0
    mark = Fingerprint(
        arrays["exact"][number],
        arrays["renamed"][number],
        arrays["constants"][number],
        arrays["reordered"][number],
        arrays["shingles"][start : arrays["ends"][number]],
        tokens,
        statements,
        control,
        bool(flags & 2),
    )
    return Entry(number, path, name, qualname, line, age, body_hash, bool(flags & 1), parameters, mark)
