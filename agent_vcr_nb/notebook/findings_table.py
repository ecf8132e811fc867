"""What Sentinel finds in the code that an agent wrote, as a table to sort, filter and jump to a frame from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import traitlets

from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, UsageError
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.notebook.displaying import display_saved, display_widget
from agent_vcr_nb.notebook.guarded import STATIC, GuardedWidget
from agent_vcr_nb.notebook.looks import plain, shortened

NEEDED = ("rule", "severity", "message", "path", "line", "symbol", "key")
SAVED_ROWS = 100
MESSAGE_CHARACTERS = 2_000


class FindingsTable(GuardedWidget):
    """Read findings, each a dict as ``Finding.to_dict()`` gives it; a click on one sets ``selected``.

    `frames` says which frame wrote a path, for the button that sets ``frame``; see `frames_that_checked`. A finding's
    own ``frame`` comes first. Sorting and filtering are done in the page, so they work while the kernel is busy.
    """

    _esm = STATIC / "findings.js"
    _css = STATIC / "findings.css"
    findings: traitlets.List[Any] = traitlets.List(
        help="The findings on show, with ``frame`` each; set by `load`."
    ).tag(sync=True)
    selected: Any = traitlets.Dict(None, allow_none=True, help="The finding that was clicked last, or None.").tag(
        sync=True
    )
    frame = traitlets.Int(None, allow_none=True, help="The frame that was jumped to last, or None.").tag(sync=True)
    severity = traitlets.Enum(("", "critical", "warning"), "", help="The one severity on show; empty for all.").tag(
        sync=True
    )
    text = traitlets.Unicode("", help="Words that must all occur in a finding on show.").tag(sync=True)
    hint = traitlets.Unicode("no findings", help="What stands in place of the table when it is empty.").tag(sync=True)
    sort = traitlets.Enum(
        ("severity", "rule", "place", "symbol", "message", "frame"), "severity", help="The column that orders the rows."
    ).tag(sync=True)
    descending = traitlets.Bool(False, help="True for the last first.").tag(sync=True)

    def __init__(
        self, findings: Iterable[Mapping[str, Any]], frames: Mapping[str, int] | None = None, **traits: Any
    ) -> None:
        super().__init__(**{"group": uuid4().hex, **traits})
        self.handlers = {"jump": self._jump}
        self.on_jump: Callable[[int], None] = lambda frame: None
        """Called with the number of the frame each time that one is jumped to."""
        self.load(findings, frames)

    def load(self, findings: Iterable[Mapping[str, Any]], frames: Mapping[str, int] | None = None) -> None:
        """Show other findings; raises UsageError for one that lacks a field of ``Finding``."""
        rows = [_row(finding, frames or {}) for finding in findings]
        with self.lock, self.hold_sync():
            self.selected, self.frame = None, None
            self.findings = rows

    def _jump(self, message: dict[str, Any]) -> None:
        self.frame = int(message["frame"])
        self.on_jump(self.frame)

    def saved(self) -> tuple[str, str]:
        """Return the findings, the worst first, as HTML without scripts and as text."""
        ranks = {"critical": 0, "warning": 1}
        rows = sorted(self.findings, key=lambda row: (ranks.get(row["severity"], 2), row["path"], row["line"]))
        heading = f"{len(rows)} finding{'' if len(rows) == 1 else 's'}"
        shown = [
            [row["severity"], row["rule"], _place(row), row["symbol"], row["message"]] for row in rows[:SAVED_ROWS]
        ]
        rest = [f"and {len(rows) - SAVED_ROWS} more"] if len(rows) > SAVED_ROWS else []
        cells = ["".join(f'<td style="text-align: left;">{escape(cell)}</td>' for cell in row) for row in shown]
        html = f"<p>{heading}</p><table>{''.join(f'<tr>{line}</tr>' for line in cells)}</table>"
        text = "\n".join([heading, *("  ".join(row) for row in shown), *rest])
        html += "".join(f"<p>{line}</p>" for line in rest)
        return html, text

    def _ipython_display_(self) -> None:
        display_widget(self)
        display_saved(self.saved(), f"vcr-saved-{self.group}")


def frames_that_checked(player: VCRPlayer, root: Path | None = None) -> dict[str, int]:
    """Return which frame of a session wrote a path last, as far as the recording tells, by path.

    It tells where a step named ``sentinel`` checked a file (its input holds the ``path``): the frame that the check
    ran inside wrote it, or where it ran inside none the check itself is named. Paths are below `root`, or as they were
    recorded when it is None.
    """
    return {path: frame for path, frame, _ in _checks(player, root)}


def recorded_findings(player: VCRPlayer) -> list[dict[str, Any]]:
    """Return what Sentinel found when it last checked each file while the session was recorded."""
    last: dict[str, list[dict[str, Any]]] = {}
    for path, frame, number in _checks(player):
        try:
            found = player.state_json(number, "output").get("findings")
        except (FrameNotFoundError, RecordingError, AttributeError):
            continue  # damaged, or a step of the user's that has the same name
        rows = found if isinstance(found, list) else []
        last[path] = [{**row, "frame": frame} for row in rows if isinstance(row, dict) and not _missing(row)]
    return [row for rows in last.values() for row in rows]


def _checks(player: VCRPlayer, root: Path | None = None) -> Iterator[tuple[str, int, int]]:
    """Yield (path, frame that wrote it, frame of the check) of each check of a file."""
    for number in range(len(player)):
        head = player.head(number)
        if head.get("node_name") != "sentinel":
            continue
        try:
            state = player.state_json(number, "input")
        except (FrameNotFoundError, RecordingError):
            continue  # a damaged frame names no file, and the others still do
        path = state.get("path") if isinstance(state, dict) else None
        if isinstance(path, str):
            parent = head.get("parent")
            yield _below(root, state.get("root"), path), number if parent is None else int(parent), number


def _below(root: Path | None, recorded: Any, path: str) -> str:
    """A path that was recorded below one folder, told from another."""
    if root is None or not isinstance(recorded, str):
        return path
    full = Path(recorded, path)
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


def _missing(finding: Mapping[str, Any]) -> list[str]:
    return [name for name in NEEDED if name not in finding]


def _row(finding: Mapping[str, Any], frames: Mapping[str, int]) -> dict[str, Any]:
    missing = _missing(finding)
    if missing:
        raise UsageError(f"a finding lacks {', '.join(missing)}: give dicts as Finding.to_dict() returns them")
    row = {name: plain(value) if isinstance(value, str) else value for name, value in finding.items()}
    row["message"] = shortened(row["message"], MESSAGE_CHARACTERS)
    own = finding.get("frame")
    return {"code": "", "cell": None, "value": None, "limit": None, **row} | {
        "frame": frames.get(str(finding["path"])) if own is None else own
    }


def _place(row: Mapping[str, Any]) -> str:
    cell = "" if row["cell"] is None else f"cell {row['cell']}:"
    return f"{row['path']}:{cell}{row['line']}"
