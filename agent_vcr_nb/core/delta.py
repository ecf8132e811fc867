"""What changed between two states, as JSON Patch operations, at the cost of a comparison in C.

Operations are ``add``, ``remove`` and ``replace`` of RFC 6902 on the encoded state, and one more: ``append`` adds text
at the end of a string. A `Track` remembers the last state twice: as a shadow of the Python objects, to find changes
(a change made in place included, and 1, True and 1.0 told apart), and as a *mirror* of the redacted JSON, so that a
state written in full equals by construction what the operations lead to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import orjson

from agent_vcr_nb.core.encoding import MAX_SAFE_INT, Json, Notes, encode, escape, is_plain_dict, unescape
from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.shadow import Fields, copy_shadow, same, shade, unchanged

Op: TypeAlias = dict[str, Any]

GROWING_STRING = 64
"""Shorter strings are replaced: an ``append`` would be no shorter."""
MAX_SHIFT = 4
"""A window that slides over a list drops at most this many items at once; more is found as single changes."""

# ------------------------------------------------------------------------------------------------ the difference


class _Growth(NamedTuple):
    """A string that grew: redacted as a whole before it is known whether ``append`` may be written."""

    text: str


_MISSING = object()


def difference(shadow: Any, value: Any, path: str, ops: list[Op], notes: Notes) -> Any:
    """Add to `ops` what leads from `shadow` to `value`; return the new shadow, changed in place where possible."""
    kind = type(value)
    if kind is dict and type(shadow) is dict and is_plain_dict(value):
        return _dict_difference(shadow, value, path, ops, notes)
    if kind is list and type(shadow) is list:
        return _list_difference(shadow, value, path, ops, notes)
    if kind is str and type(shadow) is str and len(shadow) >= GROWING_STRING and value.startswith(shadow):
        ops.append({"op": "append", "path": path, "value": _Growth(value)})
        return value
    if type(shadow) is Fields and shadow.holds(value) and shadow.fields.keys() == value.__dict__.keys():
        shadow.fields = _dict_difference(shadow.fields, value.__dict__, f"{path}/v", ops, notes)
        return shadow
    ops.append({"op": "replace", "path": path, "value": _encode_at(value, path, notes)})
    return shade(value, path.count("/"))


def _encode_at(value: Any, path: str, notes: Notes) -> Json:
    if value is None or type(value) is bool or (type(value) is int and -MAX_SAFE_INT <= value <= MAX_SAFE_INT):
        return value
    inner = Notes()
    tree = encode(value, inner, path.count("/"))
    if inner.cyclic:
        raise RecordingError("where a cycle ends can be told of a whole state only")
    notes.large = notes.large or inner.large
    notes.lossy.extend(path + lost for lost in inner.lossy)
    return tree


def _dict_difference(
    shadow: dict[str, Any], value: dict[str, Any], path: str, ops: list[Op], notes: Notes
) -> dict[str, Any]:
    for key in [] if shadow.keys() <= value.keys() else [key for key in shadow if key not in value]:
        ops.append({"op": "remove", "path": f"{path}/{escape(key)}"})
        del shadow[key]
    for key, item in value.items():
        before = shadow.get(key, _MISSING)
        if before is _MISSING:
            here = f"{path}/{escape(key)}"
            ops.append({"op": "add", "path": here, "value": _encode_at(item, here, notes)})
            shadow[key] = shade(item, here.count("/"))
        elif not unchanged(before, item):
            shadow[key] = difference(before, item, f"{path}/{escape(key)}", ops, notes)
    return shadow


def _list_difference(shadow: list[Any], value: list[Any], path: str, ops: list[Op], notes: Notes) -> list[Any]:
    if len(value) > len(shadow) and same(shadow, value[: len(shadow)]):
        head, tail = len(shadow), 0
    else:
        _slide_window(shadow, value, path, ops)
        shorter = min(len(shadow), len(value))
        head = 0
        while head < shorter and unchanged(shadow[head], value[head]):
            head += 1
        tail = 0
        while tail < shorter - head and unchanged(shadow[-1 - tail], value[-1 - tail]):
            tail += 1
    old, new = len(shadow) - head - tail, len(value) - head - tail
    both = min(old, new)
    for n in range(head, head + both):
        if not unchanged(shadow[n], value[n]):
            shadow[n] = difference(shadow[n], value[n], f"{path}/{n}", ops, notes)
    for n in range(head + old - 1, head + both - 1, -1):
        ops.append({"op": "remove", "path": f"{path}/{n}"})
        del shadow[n]
    for n in range(head + both, head + new):
        place = "-" if n >= len(shadow) else n
        ops.append({"op": "add", "path": f"{path}/{place}", "value": _encode_at(value[n], f"{path}/{n}", notes)})
        shadow.insert(n, shade(value[n], path.count("/") + 1))
    return shadow


def _slide_window(shadow: list[Any], value: list[Any], path: str, ops: list[Op]) -> None:
    """Drop a few items at the front where the rest of the list then fits: a memory of the last n messages."""
    for shift in range(1, MAX_SHIFT + 1):
        kept = len(shadow) - shift
        if kept > 1 and len(value) >= kept and same(shadow[shift:], value[:kept]):
            ops.extend({"op": "remove", "path": f"{path}/0"} for _ in range(shift))
            del shadow[:shift]
            return


# ------------------------------------------------------------------------------------------------ applying


def apply(tree: Json, ops: Iterable[Op]) -> Json:
    """Return `tree` after the operations of a recording; changes it in place.

    Raises RecordingError for an operation that does not fit: a hand-edited or damaged file.
    """
    op: Any = None
    try:
        for op in ops:
            tree = _apply_one(tree, op["op"], op["path"], op.get("value"))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        told = f"{op.get('op')!r} at {op.get('path')!r}"[:300] if type(op) is dict else repr(op)[:300]
        raise RecordingError(f"operation {told} does not fit the state it changes ({error!r})") from error
    return tree


def _apply_one(tree: Json, op: str, path: str, value: Json) -> Json:
    if path == "":
        return _grown(tree, value) if op == "append" else value
    first, *tokens = path.split("/")
    if first:
        raise ValueError("a path starts with /")
    parent = tree
    for token in tokens[:-1]:
        parent = parent[_index(token)] if type(parent) is list else parent[unescape(token)]
    last: Any = unescape(tokens[-1])
    if type(parent) is list:
        if op == "add":
            place = len(parent) if last == "-" else _index(last)
            if place > len(parent):
                raise IndexError(f"the list has {len(parent)} items")
            parent.insert(place, value)
            return tree
        last = _index(last)
    elif type(parent) is not dict:
        raise TypeError(f"{type(parent).__name__} has no members")
    if op == "add":
        parent[last] = value
    elif op == "remove":
        del parent[last]
    elif op == "append":
        parent[last] = _grown(parent[last], value)
    elif op == "replace":
        parent[last]  # it must be there
        parent[last] = value
    else:
        raise ValueError("no such operation")
    return tree


_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")


def _index(token: str) -> int:
    """Return a token as an index; int() alone would take -1, which counts from the end."""
    if not _INDEX.fullmatch(token):
        raise ValueError(f"{token[:40]!r} is no index")
    return int(token)


def _grown(text: Json, more: Json) -> str:
    if type(text) is not str or type(more) is not str:
        raise TypeError("only text grows")
    return text + more


def lookup(tree: Json, path: str) -> Json:
    """Return what stands at a JSON Pointer; raises KeyError or IndexError where nothing does."""
    for token in path.split("/")[1:]:
        tree = tree[_index(token)] if type(tree) is list else tree[unescape(token)]
    return tree


# ------------------------------------------------------------------------------------------------ the track


class Section(NamedTuple):
    """One state as it is written: in full, or as operations on a state that is named."""

    full: bytes | None
    """The state as JSON, or None when it is told by `ops`."""
    base: str | None
    """Reference of the state that `ops` start from, such as ``"6.out"``."""
    ops: bytes
    """JSON array of operations; empty bytes when `full` is set."""


MOST_OPERATIONS = 2
"""Bytes of operations between two full states, as a multiple of the state's: disk against the time of a jump."""
SECTION_COST = 128
"""What a reader pays for a state beside its operations, as bytes: bounds the states between two full ones too."""
SMALL = 1024
"""A state of at most this many bytes is written in full: easy to read, and no memory is kept for it."""


class Track:
    """The last state of one line of states: what the next one is compared with."""

    __slots__ = ("full_bytes", "mirror", "ops_bytes", "ref", "shadow")

    def __init__(self, shadow: Any, mirror: Json, ref: str, full_bytes: int) -> None:
        self.shadow, self.mirror, self.ref = shadow, mirror, ref
        self.full_bytes, self.ops_bytes = full_bytes, 0

    def fits(self, state: dict[str, Any]) -> bool:
        """Tell whether half of the keys are shared, so that operations are likely shorter than the state."""
        mine = self.shadow
        if type(mine) is not dict or not is_plain_dict(state):
            return False
        if mine.keys() == state.keys():
            return True
        shared = len(mine.keys() & state.keys())
        return 2 * shared >= max(len(mine), len(state))

    def copy(self) -> Track:
        """Return a track that goes its own way from here: a branch that runs beside this one."""
        twin = Track(copy_shadow(self.shadow), orjson.loads(orjson.dumps(self.mirror)), self.ref, self.full_bytes)
        twin.ops_bytes = self.ops_bytes
        return twin

    def advance(self, state: Any, ref: str, notes: Notes, redactor: Redactor | None, to_blob: Any) -> Section:
        """Move on to `state` and return how to write it.

        In full when the operations since the last full state have reached twice its size: then all full states but
        the first cost at most half of what the operations do, and a reader applies at most two states' worth of them.
        """
        base = self.ref
        ops: list[Op] = []
        self.shadow = difference(self.shadow, state, "", ops, notes)
        raw = None if notes.large else self._settle_at_once(ops, redactor)
        if raw is None:
            written = [self._settle(op, redactor, to_blob if notes.large else None) for op in ops]
            raw = b"[" + b",".join(written) + b"]"
        self.ref = ref
        self.ops_bytes += len(raw) + SECTION_COST
        if self.ops_bytes > MOST_OPERATIONS * self.full_bytes:
            full = orjson.dumps(self.mirror)
            self.full_bytes, self.ops_bytes = len(full), 0
            return Section(full, None, b"")
        return Section(None, base, raw)

    def _settle_at_once(self, ops: list[Op], redactor: Redactor | None) -> bytes | None:
        """Apply operations that nothing is to be taken out of, and return them as JSON; None where one needs care.

        The common case, at a third of the cost: what is looked through for secrets is what is written.
        """
        keys: list[str] = []
        for op in ops:
            path = op["path"]
            if type(op.get("value")) is _Growth or "~" in path:
                return None
            keys.extend(path.split("/"))
        raw = orjson.dumps(ops)
        if redactor and not redactor.passes(raw, keys, [op.get("value") for op in ops]):
            return None
        self.mirror = apply(self.mirror, ops)
        return raw

    def _settle(self, op: Op, redactor: Redactor | None, to_blob: Any) -> bytes:
        """Redact one operation, apply it to the mirror, and return it as JSON."""
        tokens = [unescape(token) for token in op["path"].split("/")]
        value = op.get("value")
        if redactor and any(redactor.text(token) != token for token in tokens):
            raise RecordingError("a key that holds a secret has no place of its own in the recording")
        if type(value) is _Growth:
            # Redacted as a whole: a secret that arrives in two pieces must not lie in two halves on disk.
            text = encode(value.text)
            grown = redactor.below(tokens, text) if redactor else text
            before = lookup(self.mirror, op["path"])
            if type(grown) is str and type(before) is str and grown.startswith(before):
                op["value"] = grown[len(before) :]
            else:
                # Inline even where it was long enough for a file of its own: it may go on growing piece by piece.
                op["op"], op["value"] = "replace", grown
        elif value is not None:
            value = redactor.below(tokens, value) if redactor else value
            op["value"] = to_blob(value) if to_blob else value
        # As JSON first: a later operation may change a container that this one brought.
        raw = orjson.dumps(op)
        self.mirror = apply(self.mirror, (op,))
        return raw


_REDACTED_KEY = re.compile(rb'[{,]"[^"]*\[REDACTED:[^"]*":')


class Lane:
    """The tracks of one branch of execution, most recent first; states of different shape keep to their own."""

    MOST = 4

    def __init__(self, parent: Lane | None = None) -> None:
        self.tracks: list[Track] = []
        self._parent = parent
        self._last: Track | None = None

    def repeat(self) -> Section | None:
        """Return how to write the state that was written last once more, or None where that needs a comparison."""
        return None if self._last is None else Section(None, self._last.ref, b"[]")

    def write(self, state: dict[str, Any], ref: str, notes: Notes, redactor: Redactor | None, to_blob: Any) -> Section:
        """Return `state` as it is to be written under the reference `ref`."""
        self._last = None
        track = self._track_for(state)
        if track is not None:
            try:
                section = track.advance(state, ref, notes, redactor, to_blob)
                self._last = track
                return section
            except RecordingError:
                # Keys that redaction changed, or a cycle: no operation can tell it, so the state is written in full.
                self.tracks.remove(track)
                notes.lossy.clear()
            except BaseException:
                self.tracks.remove(track)  # half advanced: the next state starts anew
                raise
        tree = encode(state, notes)
        if redactor:
            tree = redactor.tree(tree)
        if notes.large:
            tree = to_blob(tree)
        raw = orjson.dumps(tree)
        if len(raw) > SMALL and not notes.cyclic and not _REDACTED_KEY.search(raw):
            self._last = Track(shade(state), tree, ref, len(raw))
            self.tracks.insert(0, self._last)
            del self.tracks[self.MOST :]
        return Section(raw, None, b"")

    def forget(self) -> None:
        """Drop all tracks, because what was written last did not reach the file."""
        self.tracks.clear()
        self._parent = self._last = None

    def _track_for(self, state: dict[str, Any]) -> Track | None:
        for n, track in enumerate(self.tracks):
            if track.fits(state):
                if n:
                    self.tracks.insert(0, self.tracks.pop(n))
                return track
        for track in self._parent.tracks if self._parent else ():
            if track.fits(state):
                twin = track.copy()
                self.tracks.insert(0, twin)
                del self.tracks[self.MOST :]
                return twin
        return None
