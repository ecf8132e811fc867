"""The ``sentinel`` command: reads arguments, calls one function, prints. Exit 0 clean, 1 findings, 2 usage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from sentinel import baseline as known_findings
from sentinel import config as configuration
from sentinel import report
from sentinel.catalogue import RULES
from sentinel.discover import files
from sentinel.errors import SentinelError, UsageError
from sentinel.findings import Finding
from sentinel.guardian import Sentinel

_LIMITS = (
    "max_function_lines",
    "max_complexity",
    "max_parameters",
    "max_nesting",
    "max_returns",
    "max_branches",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="agent-vcr-nb")
def _commands() -> None:
    """Guard the code that an agent writes."""


def _limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name in reversed(_LIMITS):
        option = "--" + name.replace("_", "-")
        command = click.option(option, name, type=click.IntRange(min=0), help="Overrides pyproject.toml.")(command)
    return command


def _sentinel_for(target: Path, limits: dict[str, int | None]) -> tuple[Sentinel, list[Path]]:
    """A Sentinel for the project around ``target``, and the files to look at."""
    if not target.exists():
        raise UsageError(f"{target} does not exist: expected a folder or a file")
    root = configuration.find_root(target)
    config = replace(configuration.load(root), **{name: value for name, value in limits.items() if value is not None})
    found = list(files(target, config.exclude))
    if not found:
        raise UsageError(f"{target} holds nothing to scan: no file in a language that is read, or all are ignored")
    return Sentinel(config=config, root=root), found


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
@click.option("--format", "form", type=click.Choice(list(report.FORMATS)), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there instead of printing.")
@click.option("--no-baseline", is_flag=True, help="Report known findings too.")
@_limit_options
def scan(target: Path, form: str, output: Path | None, no_baseline: bool, **limits: int | None) -> int:
    """Check every file of a folder, or one file."""
    sentinel, found = _sentinel_for(target, limits)
    findings: list[Finding] = sentinel.scan(target)
    if not no_baseline:
        known = known_findings.read(sentinel.root / sentinel.config.baseline)
        findings = known_findings.unknown(findings, known)
    text = report.FORMATS[form](findings, len(found))
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")
    elif text:
        click.echo(text)
    return 1 if findings else 0


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
def baseline(target: Path) -> int:
    """Take all present findings as known: later scans report only new ones."""
    sentinel, _ = _sentinel_for(target, {})
    file = sentinel.root / sentinel.config.baseline
    count = known_findings.write(file, sentinel.scan(target))
    click.echo(f"{count} findings are known now: {file}")
    return 0


@_commands.command()
def rules() -> int:
    """List every rule."""
    for rule in RULES.values():
        click.echo(f"{rule.name:<22} {rule.code:<8} {rule.severity:<9} {rule.summary}")
    return 0


def main(argv: list[str] | None = None) -> None:
    """Run the command and exit."""
    try:
        code = _commands.main(args=argv, prog_name="sentinel", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except SentinelError as error:
        click.echo(f"sentinel: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
