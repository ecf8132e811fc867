"""Every rule once: its name, the standard rule it stands for, how bad it is, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from sentinel.findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue."""

    name: str
    """What configuration and comments call it."""
    code: str
    """The rule of ruff (or its origin) that says the same; empty where none exists."""
    severity: Severity
    """How bad a finding is unless configured otherwise."""
    summary: str
    """One sentence for ``sentinel rules`` and SARIF."""
    also: tuple[str, ...] = ()
    """Further standard rules that it covers: ``# noqa`` and configuration take these too."""


_CRITICAL: Severity = "critical"
_WARNING: Severity = "warning"

RULES = {
    rule.name: rule
    for rule in (
        Rule("syntax-error", "E999", _CRITICAL, "The file does not parse."),
        Rule(
            "not-analysed",
            "",
            _WARNING,
            "The file is too deep, too large or not text, so nothing was checked.",
        ),
        Rule("duplicate-function", "", _CRITICAL, "The same function exists already, perhaps renamed."),
        Rule("duplicate-constants", "", _CRITICAL, "The same function exists already with other constants."),
        Rule("near-duplicate", "", _CRITICAL, "Most of this function exists already."),
        Rule("reimplemented-name", "", _WARNING, "A function of this name does a similar thing elsewhere."),
        Rule("function-too-long", "PLR0915", _CRITICAL, "A function has more lines than allowed."),
        Rule("too-complex", "C901", _CRITICAL, "Cyclomatic complexity, counted as ruff counts it."),
        Rule("too-cognitive", "", _WARNING, "Cognitive complexity after SonarSource: how hard it is to read."),
        Rule("too-many-parameters", "PLR0913", _WARNING, "A function takes more parameters than allowed."),
        Rule("nested-too-deep", "PLR1702", _WARNING, "Blocks are nested deeper than allowed."),
        Rule("too-many-returns", "PLR0911", _WARNING, "A function returns at more places than allowed."),
        Rule("too-many-branches", "PLR0912", _WARNING, "A function has more branches than allowed."),
        Rule("swallowed-exception", "S110", _CRITICAL, "An exception is caught and nothing is done.", ("S112",)),
        Rule("bare-except", "E722", _CRITICAL, "`except:` also catches KeyboardInterrupt and SystemExit."),
        Rule("mutable-default", "B006", _CRITICAL, "A mutable default is shared by all calls."),
        Rule("unused-import", "F401", _WARNING, "An import is never used."),
        Rule("unused-local", "F841", _WARNING, "A local variable is assigned and never used."),
        Rule("unreachable-code", "PLW0101", _WARNING, "Code after return, raise, break or continue."),
        Rule("stub-left", "", _WARNING, "A function was left empty, or holds a placeholder."),
        Rule("eval-used", "S307", _CRITICAL, "eval() runs any text as code."),
        Rule("exec-used", "S102", _CRITICAL, "exec() runs any text as code."),
        Rule("shell-used", "S602", _CRITICAL, "A command goes through a shell.", ("S604", "S605")),
        Rule("hardcoded-secret", "S105", _CRITICAL, "A key or password stands in the source.", ("S106", "S107")),
        Rule("ignore-without-reason", "", _WARNING, "`# sentinel: ignore[rule]` gives no reason."),
    )
}
DUPLICATE_RULES = frozenset({"duplicate-function", "duplicate-constants", "near-duplicate", "reimplemented-name"})
_BY_CODE = {code.lower(): rule.name for rule in RULES.values() for code in (rule.code, *rule.also) if code}


def name_of(name: str) -> str | None:
    """The rule's own name for that name or a standard code; None when no rule is called so."""
    return name if name in RULES else _BY_CODE.get(name.lower())
