"""The ``sentinel`` command: parse, call, print. Exit 0 clean, 1 findings, 2 usage."""

from __future__ import annotations

import json
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
from sentinel.hooks.claude_code import CLAUDE_CODE_SETTINGS, parse
from sentinel.hooks.watch import changes
from sentinel.serve import HOOKS, answer, ask
from sentinel.serve import serve as serve_forever

_LIMITS = (
    "max_function_lines",
    "max_complexity",
    "max_cognitive",
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


def _sentinel_for(target: Path, limits: dict[str, Any]) -> tuple[Sentinel, list[Path]]:
    """A Sentinel for the project around ``target``, and the files to look at."""
    if not target.exists():
        raise UsageError(f"{target} does not exist: expected a folder or a file")
    root = configuration.find_root(target)
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    config = replace(configuration.load(root), **given)
    found = list(files(target, config.exclude, root))
    if not found:
        raise UsageError(f"{target} holds nothing to scan: no file in a language that is read, or all are ignored")
    return Sentinel(config=config, root=root), found


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
@click.option("--format", "form", type=click.Choice(list(report.FORMATS)), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there instead of printing.")
@click.option("--no-baseline", is_flag=True, help="Report known findings too.")
@click.option("--alone", is_flag=True, help="Do not look for copies of what stands elsewhere in the project.")
@_limit_options
def scan(target: Path, form: str, output: Path | None, no_baseline: bool, alone: bool, **limits: int | None) -> int:
    """Check every file of a folder, or one file."""
    sentinel, found = _sentinel_for(target, limits)
    findings: list[Finding] = sentinel.scan(target, alone=alone)
    if not no_baseline:
        known = known_findings.read(sentinel.root / sentinel.config.baseline)
        findings = known_findings.unknown(findings, known)
    text = report.FORMATS[form](findings, len(found))
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8", errors="surrogateescape")
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
@click.argument("target", type=click.Path(path_type=Path), default=".")
def watch(target: Path) -> int:
    """Check every file that is written under a folder, until Ctrl-C. Exit 1 when findings are left."""
    sentinel = Sentinel(root=configuration.find_root(target)) if target.is_dir() else None
    if sentinel is None:
        raise UsageError(f"{target} does not exist: expected a folder to watch")
    sentinel.index()
    click.echo(f"watching {target}", err=True)
    left: set[str] = set()
    for result in changes(sentinel, target):
        click.echo(result.feedback(sentinel.config.feedback) or f"[sentinel] {result.path}: nothing new to fix")
        (left.add if result.caused else left.discard)(result.path)
    return 1 if left else 0


@_commands.command()
@click.argument("agent", type=click.Choice(list(HOOKS)))
@click.option("--root", type=click.Path(path_type=Path), help="The project; found from the event without it.")
@click.option("--settings", is_flag=True, help="Print what to put into .claude/settings.json.")
def hook(agent: str, root: Path | None, settings: bool) -> int:
    """Answer one hook event from stdin: exit 2 and a text on stderr make the agent correct itself."""
    if settings:
        click.echo(json.dumps(CLAUDE_CODE_SETTINGS, indent=2))
        return 0
    event = parse(sys.stdin.read())
    folder = Path(event.get("cwd") or ".") if root is None else root
    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist: expected the project's folder")
    given = answer(Sentinel(root=configuration.find_root(folder)), agent, event)
    if given.text:
        click.echo(given.text, err=True)
    return given.code


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
@click.option("--stop", is_flag=True, help="Stop the running daemon.")
def serve(target: Path, stop: bool) -> int:
    """Hold the project's index in memory and answer hooks from it, until Ctrl-C."""
    if not target.is_dir():
        raise UsageError(f"{target} does not exist: expected the project's folder")
    root = configuration.find_root(target)
    if stop:
        if ask(root, {"stop": True}) is None:
            raise UsageError(f"no daemon is running for {root}")
        return 0
    serve_forever(Sentinel(root=root), lambda path: click.echo(f"serving {root} at {path}"))
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
