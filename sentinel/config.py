"""The thresholds, and where they come from: ``[tool.sentinel]`` in the project's pyproject.toml."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sentinel.catalogue import RULES, name_of
from sentinel.client import find_root as find_root
from sentinel.client import is_project as is_project
from sentinel.errors import ConfigError

BASELINE_NAME = ".sentinel-baseline.json"


@dataclass(frozen=True, slots=True)
class Config:
    """What to look for. Every field is an entry of ``[tool.sentinel]``, written with dashes."""

    max_function_lines: int = 40
    """Lines from ``def`` to the function's last line, without the docstring."""
    max_complexity: int = 8
    """Cyclomatic complexity, counted as ruff's C901."""
    max_cognitive: int = 15
    """Cognitive complexity."""
    max_parameters: int = 5
    """Parameters without self and cls, keyword-only ones included."""
    max_nesting: int = 4
    """Blocks inside blocks."""
    max_returns: int = 6
    """Return statements."""
    max_branches: int = 12
    """Branches, counted as ruff's PLR0912."""
    near_duplicate: float = 0.6
    """Share of two bodies that makes a near duplicate, 0 to 1."""
    feedback: int = 5
    """How many findings an agent is told after one write."""
    ignore: tuple[str, ...] = ()
    """Rules that are off, by name or standard code."""
    exclude: tuple[str, ...] = ()
    """Paths that are not looked at, as .gitignore patterns."""
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Rules that are off for paths: a table ``"tests/*" = ["too-complex"]`` in pyproject.toml."""
    baseline: str = BASELINE_NAME
    """File of known findings, relative to the project's root."""

    def __post_init__(self) -> None:
        for name in (*self.ignore, *(rule for _, rules in self.per_file_ignores for rule in rules)):
            rule_name(name)


def rule_name(name: str) -> str:
    """The rule's own name for a name or a standard code.

    Raises:
        ConfigError: no rule is called so; the message names the nearest.
    """
    known = name_of(name)
    if known is not None:
        return known
    near = difflib.get_close_matches(name, list(RULES), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"no rule is called {name!r}: {hint}`sentinel rules` lists them all")


def load(root: Path) -> Config:
    """Read ``[tool.sentinel]`` of ``root/pyproject.toml``; the defaults where there is none.

    Raises:
        ConfigError: the file is no TOML, or an entry is unknown or of the wrong type.
    """
    file = root / "pyproject.toml"
    if not file.is_file():
        return Config()
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    table = document.get("tool", {}).get("sentinel", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: [tool.sentinel] is {type(table).__name__}, expected a table")
    return from_table(table, str(file))


def from_table(table: dict[str, Any], origin: str) -> Config:
    """Make a Config of the entries of a TOML table; ``origin`` names the file in errors."""
    known = {field.name.replace("_", "-"): field for field in fields(Config)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{origin}: [tool.sentinel] has the unknown entry {name!r}: {hint}")
        values[known[name].name] = _checked(name, value, known[name].default, origin)
    return Config(**values)


def _checked(name: str, value: Any, default: Any, origin: str) -> Any:
    if name == "per-file-ignores":
        if not isinstance(value, dict) or not all(isinstance(rules, list) for rules in value.values()):
            raise ConfigError(f"{origin}: {name!r} is {value!r}, expected a table of pattern = [rules]")
        return tuple((pattern, tuple(rules)) for pattern, rules in value.items())
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{origin}: {name!r} is {value!r}, expected a list of strings")
        return tuple(value)
    accepted = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise ConfigError(f"{origin}: {name!r} is {value!r}, expected {type(default).__name__}")
    if not isinstance(value, str) and value < 0:
        raise ConfigError(f"{origin}: {name!r} is {value!r}, expected 0 or more")
    return value
