"""Works out what a restore would do: which paths it deletes, writes, creates, and which it leaves alone and why."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from agent_vcr_nb.workspace.tree import Manifest, depth, parents


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore does, path by path."""

    delete: tuple[str, ...] = ()
    """Files that the savepoint does not have."""
    restore: tuple[str, ...] = ()
    """Files whose content or type goes back."""
    create: tuple[str, ...] = ()
    """Files that are missing now."""
    modes: tuple[tuple[str, int], ...] = ()
    """Files and directories that only get other permission bits."""
    remove_dirs: tuple[str, ...] = ()
    """Deepest first."""
    create_dirs: tuple[str, ...] = ()
    """Shallowest first."""
    set_aside: tuple[str, ...] = ()
    """Nested repositories that are moved out of the workspace; an undo brings them back."""
    bring_back: tuple[str, ...] = ()
    """Nested repositories that were set aside and return."""
    blocked: tuple[tuple[str, str], ...] = ()
    """Uncovered paths that stand where something has to be written, and why they are not covered."""
    left_alone: dict[str, str] = field(default_factory=dict)
    """Uncovered path -> reason."""
    notes: tuple[str, ...] = ()
    """What else to know, such as a git HEAD that has moved."""

    @property
    def is_empty(self) -> bool:
        """True when nothing would change."""
        files = (self.delete, self.restore, self.create, self.modes)
        return not any((*files, self.remove_dirs, self.create_dirs, self.set_aside, self.bring_back))

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values; names that are no UTF-8 are shown with backslashes."""
        names = ("delete", "restore", "create", "remove_dirs", "create_dirs", "set_aside", "bring_back")
        return {
            **{name: [shown(path) for path in getattr(self, name)] for name in names},
            "modes": {shown(path): f"{mode:04o}" for path, mode in self.modes},
            "blocked": {shown(path): why for path, why in self.blocked},
            "left_alone": {shown(path): why for path, why in sorted(self.left_alone.items())},
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """Return the plan for reading, one path a line."""
        lines: list[str] = []
        for title, paths in (
            ("delete", self.delete),
            ("restore", self.restore),
            ("create", self.create),
            ("remove directory", self.remove_dirs),
            ("create directory", self.create_dirs),
            ("set aside repository", self.set_aside),
            ("bring back repository", self.bring_back),
        ):
            lines.extend(f"{title:<22} {shown(path)}" for path in sorted(paths))
        lines.extend(f"{'set mode':<22} {shown(path)} {mode:04o}" for path, mode in sorted(self.modes))
        lines.extend(f"{'BLOCKED by':<22} {shown(path)} ({why})" for path, why in self.blocked)
        if not lines:
            lines.append("nothing to change: the files are as they were at the savepoint")
        lines.extend(f"{'left alone':<22} {shown(path)} ({why})" for path, why in sorted(self.left_alone.items()))
        lines.extend(f"{'note':<22} {note}" for note in self.notes)
        return "\n".join(lines)


def make_plan(
    now: Manifest, target: Manifest, *, is_aside: Callable[[str], bool] = bool, notes: tuple[str, ...] = ()
) -> Plan:
    """Return what turns `now` into `target`; `is_aside` tells which nested repositories can be brought back."""
    set_aside = tuple(sorted(set(now.repositories) - set(target.repositories)))
    left_alone = {path: why for path, why in now.left_out.items() if path not in set_aside}
    stays = covering(left_alone)
    delete = sorted(now.files.keys() - target.files.keys())
    write, modes = [], []
    for path, state in target.files.items():
        found = now.files.get(path)
        if found is state or found == state:
            continue
        # git does not store the mode of a link, and no system lets it be changed
        if found is not None and found.blob == state.blob and stat.S_IFMT(found.mode) == stat.S_IFMT(state.mode):
            modes.append((path, stat.S_IMODE(state.mode)))
        else:
            write.append(path)
    modes.extend((path, mode) for path, mode in target.dirs.items() if path in now.dirs and now.dirs[path] != mode)
    remove_dirs = sorted((now.dirs.keys() - target.dirs.keys()) - stays, key=lambda path: (-depth(path), path))
    create_dirs = sorted(target.dirs.keys() - now.dirs.keys(), key=lambda path: (depth(path), path))
    blocked = _blocked(left_alone, write, create_dirs)
    missing = sorted(set(target.repositories) - set(now.repositories))
    left_alone.update((path, "a git repository that was deleted") for path in missing if not is_aside(path))
    return Plan(
        delete=tuple(delete),
        restore=tuple(sorted(path for path in write if path in now.files)),
        create=tuple(sorted(path for path in write if path not in now.files)),
        modes=tuple(sorted(modes)),
        remove_dirs=tuple(remove_dirs),
        create_dirs=tuple(create_dirs),
        set_aside=set_aside,
        bring_back=tuple(path for path in missing if is_aside(path)),
        blocked=blocked,
        left_alone=left_alone,
        notes=notes,
    )


def covering(paths: Iterable[str]) -> set[str]:
    """Return every directory above the paths."""
    return {above for path in paths for above in parents(path)}


def _blocked(left_out: dict[str, str], writes: list[str], create_dirs: list[str]) -> tuple[tuple[str, str], ...]:
    """Return what is not covered and stands at a wanted path, above it, or below a wanted file."""
    files, places = set(writes), {*writes, *create_dirs}
    above = covering(places)
    return tuple(
        sorted(
            (path, why)
            for path, why in left_out.items()
            if path in places or path in above or any(parent in files for parent in parents(path))
        )
    )


def shown(path: str) -> str:
    """Return a path as it can be printed on one line anywhere."""
    plain = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in plain)
