"""Verbs about frames: a session's timeline, a state, what differs, and when a path changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from agent_vcr_nb.core.delta import lookup
from agent_vcr_nb.core.divergence import FramePair, align, first_divergence
from agent_vcr_nb.core.encoding import Json
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, UsageError
from agent_vcr_nb.core.lineage import sessions
from agent_vcr_nb.core.payload import frame_payload, frame_summary, session_payload
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.core.query import Change, deep_changes
from agent_vcr_nb.core.tape import Tape
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.text import (
    counted,
    json_text,
    milliseconds,
    one_line,
    outcome,
    paint,
    printable,
    provenance,
    table,
)

MOST_KEYS = 20
"""Keys of a state that an error lists."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What `show` shows of a session."""

    session: dict[str, Any]
    frames: list[dict[str, Any]]
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the header and a summary a frame."""
        return {"session": self.session, "frames": self.frames}

    def text(self) -> str:
        """Return a line a frame."""
        rows = [
            (
                str(f["number"]),
                "  " * f["depth"] + f["name"],
                "" if f["type"] == "node" else f["type"],
                outcome(f["status"]),
                milliseconds(f["latency_ms"]),
                "" if f["tokens"] is None else f"{f['tokens']:,}",
                provenance(f["provenance"]),
                one_line(f["error"], 60)[1:-1] if f["error"] else "",
            )
            for f in self.frames
        ]
        session = self.session
        title = f"{session['session_id']}: {counted(session['frames'], 'frame')}"
        if session["parent_session_id"]:
            title += f", forked from {session['parent_session_id']} before frame {session['forked_from_frame']}"
        return title + "\n" + table(rows, ("frame", "step", "type", "status", "time", "tokens", "", "error"))


@dataclass(frozen=True, slots=True)
class FrameShown:
    """What `show` shows of one frame."""

    frame: dict[str, Any]
    resumable: bool
    reason: str
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the frame with its states."""
        return {**self.frame, "resumable": self.resumable, "reason": self.reason}

    def text(self) -> str:
        """Return what is known of the frame, and what it changed."""
        f = self.frame
        lines = [
            f"frame {f['number']}  {paint(f['key'], 'bold')}  {outcome(f['status'])}  {provenance(f['provenance'])}"
        ]
        known = {**f["metadata"]}
        trace = known.pop("traceback", None)
        lines += [f"  {name}: {one_line(value, 100)}" for name, value in known.items()]
        if f["lossy"]:
            lines.append(paint(f"  could not be stored: {', '.join(f['lossy'])}", "yellow"))
        lines += ["input", _pretty(f["input_state"])]
        if f["output_state"] is not None:
            lines += ["changed by the step", changes_text(deep_changes(f["input_state"] or {}, f["output_state"]))]
        lines += [paint(f"  {why}", "dim") for why in f["missing"].values()]
        if trace:
            lines.append(paint(printable(trace).rstrip(), "red"))
        if not self.resumable:
            lines.append(paint(f"cannot be resumed: {self.reason}", "yellow"))
        return "\n".join(lines)


def show(place: Place, session: str | None = None, frame: int | None = None) -> Timeline | FrameShown:
    """Show a session's frames, or one frame with its input and what it changed."""
    player = place.player(session)
    if frame is not None:
        from agent_vcr_nb.core.resume import can_resume  # brings asyncio, which a list does not need

        player.recording.place(frame)
        resumable, reason = can_resume(Tape(player.recording, frame), frame)
        return FrameShown(frame_payload(player, frame), resumable, reason)
    return Timeline(session_payload(player), [frame_summary(player, n) for n in range(len(player))])


@dataclass(frozen=True, slots=True)
class StateShown:
    """What `state` shows."""

    state: Json
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the state, or what stands at the path, under ``state``."""
        return {"state": self.state}

    def text(self) -> str:
        """Return it as indented JSON."""
        return _pretty(self.state)


def state(place: Place, session: str | None, frame: int, *, output: bool = False, path: str = "") -> StateShown:
    """Show the state before a frame (with `output`, after it), or what stands at a path in it."""
    player = place.player(session)
    side = "output" if output else "input"
    tree = player.state_json(frame, side)
    pointer = path if not path or path.startswith("/") else f"/{path}"
    try:
        return StateShown(lookup(tree, pointer) if pointer else tree)
    except (KeyError, IndexError, ValueError, TypeError):
        raise UsageError(
            f"{player.session_id} frame {frame}: nothing at {pointer}; {_there(tree, pointer, side)}"
        ) from None


def _there(tree: Json, pointer: str, side: str) -> str:
    """Return what stands at the last place on the way to `pointer` that there is."""
    place = pointer
    while place:
        place = place.rpartition("/")[0]
        try:
            found = lookup(tree, place) if place else tree
        except (KeyError, IndexError, ValueError, TypeError):
            continue
        where = place or f"the {side} state"
        if isinstance(found, dict):
            more = f" and {len(found) - MOST_KEYS} more" if len(found) > MOST_KEYS else ""
            return f"{where} has: {', '.join(list(found)[:MOST_KEYS]) or 'no keys'}{more}"
        if isinstance(found, list):
            return f"{where} is a list of {counted(len(found), 'item')}"
        return f"{where} is {one_line(found, 40)}"
    return f"the {side} state is {one_line(tree, 40)}"


@dataclass(frozen=True, slots=True)
class StateDiff:
    """What differs between the states after two frames."""

    a: str
    b: str
    changes: list[dict[str, Any]]

    @property
    def exit_code(self) -> int:
        """1 when anything differs."""
        return 1 if self.changes else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the changes from the first to the second."""
        return {"a": self.a, "b": self.b, "changes": self.changes}

    def text(self) -> str:
        """Return a line a change."""
        if not self.changes:
            return f"{self.a} and {self.b}: the same state"
        return f"from {self.a} to {self.b}\n{changes_text(self.changes)}"


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Two runs side by side."""

    a: str
    b: str
    pairs: list[FramePair]
    first: FramePair | None

    @property
    def exit_code(self) -> int:
        """1 when any step differs; 3 when none does and some cannot be compared."""
        return 1 if self.first else 3 if self.damaged else 0

    @property
    def damaged(self) -> int:
        """How many steps cannot be read in one of the runs."""
        return sum(pair.verdict == "damaged" for pair in self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """Return the pairs and the first that differs."""
        return {
            "a": self.a,
            "b": self.b,
            "first_divergence": self.first.to_dict() if self.first else None,
            "damaged": self.damaged,
            "pairs": [pair.to_dict() for pair in self.pairs],
        }

    def text(self) -> str:
        """Return the first divergence, and a line a step."""
        if self.first is None and not self.damaged:
            return f"{self.a} and {self.b}: the same in {counted(len(self.pairs), 'step')}"
        rows = [
            (
                "" if p.a is None else str(p.a),
                "" if p.b is None else str(p.b),
                "  " * p.key.count("/") + p.node_name,
                _VERDICT[p.verdict],
                first_change(p),
            )
            for p in self.pairs
        ]
        where = "the same as far as they can be compared"
        if self.first is not None:
            where = f"first divergence: {self.first.key} ({SAID[self.first.verdict]})"
        unknown = f"; {counted(self.damaged, 'step')} cannot be read in one of them, see vcr verify" * bool(
            self.damaged
        )
        return "\n".join(
            [
                f"{self.a} and {self.b}: {where}{unknown}",
                table(rows, (f"{self.a}"[:24], f"{self.b}"[:24], "step", "", "where")),
            ]
        )


SAID = {
    "input": "it was given another input",
    "output": "same input, another output",
    "outcome": "it did not end in the same way",
    "only_a": "only in the first run",
    "only_b": "only in the second run",
    "damaged": "it cannot be read in one of them",
}
_VERDICT = {
    "same": "=",
    "input": paint("input differs", "yellow"),
    "output": paint("output differs", "magenta"),
    "outcome": paint("outcome differs", "red"),
    "only_a": paint("only in first", "red"),
    "only_b": paint("only in second", "green"),
    "damaged": paint("damaged", "red"),
}


def first_change(pair: FramePair) -> str:
    """Return the first place at which a step differs, in words; empty where none is told."""
    if not pair.changes:
        return " → ".join(pair.outcomes)
    change = pair.changes[0]
    more = f" (+{len(pair.changes) - 1} more)" if len(pair.changes) > 1 else ""
    before, after = one_line(change.get("before"), 30), one_line(change.get("value"), 30)
    return f"{change['path']}: {before} → {after}{more}"


def diff(place: Place, a: str, b: str | None = None, c: str | None = None) -> StateDiff | RunDiff:
    """Compare two frames (``SESSION 3 7``, in a notebook ``3 7``) or two sessions step by step (``ONE OTHER``).

    One session alone is compared with the notebook's current one, or with the session it was forked from.
    """
    if c is not None and b is not None:
        player = place.player(a)
        return _frame_diff(player, b, c)
    if b is not None and a.isdigit() and b.isdigit() and place.session is not None:
        return _frame_diff(place.player(None), a, b)
    a, b = (a, b) if b is not None else two_sessions(place, a)
    one, other = place.player(a), place.player(b)
    pairs = align(one.recording, other.recording)
    return RunDiff(one.recording.session_id, other.recording.session_id, pairs, first_divergence(pairs))


def two_sessions(place: Place, named: str) -> tuple[str, str]:
    """Return what one session is compared with, and itself; raises UsageError where nothing suggests itself."""
    session = place.player(named).session
    if place.session not in (None, session.session_id):
        return str(place.session), named
    if session.parent_session_id:
        return session.parent_session_id, named
    forks = [info.session_id for info in sessions(place.directory) if info.parent_session_id == session.session_id]
    there = f"its forks: {', '.join(forks[:5])}" if forks else "it has no forks"
    raise UsageError(
        f"compare {named} with what? Name two sessions (diff {named} OTHER) or two of its frames (diff {named} 3 7); "
        f"{there}"
    )


def _frame_diff(player: VCRPlayer, a: str, b: str) -> StateDiff:
    trees = []
    for word in (a, b):
        if not word.isdigit():
            raise UsageError(f"{word!r} is no frame number; diff takes SESSION FRAME FRAME, or SESSION SESSION")
        try:
            trees.append(player.state_json(int(word), "output"))
        except FrameNotFoundError:
            trees.append(player.state_json(int(word), "input"))  # failed: the state it failed on
    name = player.session_id
    return StateDiff(f"{name} frame {a}", f"{name} frame {b}", deep_changes(*trees))


@dataclass(frozen=True, slots=True)
class ChangesOfPath:
    """What `when` shows."""

    session_id: str
    path: str
    changes: list[Change]
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON-ready values."""
        changes = [{name: getattr(change, name) for name in Change.__slots__} for change in self.changes]
        return {"session_id": self.session_id, "path": self.path, "changes": changes}

    def text(self) -> str:
        """Return a line a frame that changed it."""
        rows = [
            (
                str(c.frame),
                c.node_name,
                "before it ran" if c.side == "input" else "by the step",
                paint(c.op, {"add": "green", "remove": "red"}.get(c.op, "yellow")),
                "" if c.op == "add" else one_line(c.before, 40),
                "" if c.op == "remove" else one_line(c.after, 60),
            )
            for c in self.changes
        ]
        return table(rows, ("frame", "step", "changed", "", "before", "after"))


def when(place: Place, session: str | None, path: str) -> ChangesOfPath:
    """Show every frame that changed what stands at a state path, such as ``plan`` or ``/messages/0/content``."""
    player = place.player(session)
    return ChangesOfPath(player.session_id, path, player.when(path))


def changes_text(changes: list[dict[str, Any]]) -> str:
    """Return a line a change: sign, path, and what stood and stands there."""
    if not changes:
        return paint("  nothing", "dim")
    lines = []
    for change in changes:
        before, after = one_line(change.get("before"), 60), one_line(change.get("value"), 80)
        if change["op"] == "add":
            lines.append(paint(f"  + {change['path']} = {after}", "green"))
        elif change["op"] == "remove":
            lines.append(paint(f"  - {change['path']} = {before}", "red"))
        else:
            lines.append(f"  {paint('~', 'yellow')} {change['path']}: {before} → {after}")
    return "\n".join(lines)


def _pretty(tree: Json) -> str:
    try:
        return json_text(orjson.dumps(tree, option=orjson.OPT_INDENT_2))
    except TypeError as error:  # deeper than the encoder goes
        raise RecordingError(f"the state cannot be shown: {error}") from error
