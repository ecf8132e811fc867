"""The ``sentinel`` command: parse, call, print. Exit 0 clean, 1 findings, 2 usage.

A hook is a process a write, so each command imports what it needs by itself.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sentinel import client
from sentinel.errors import SentinelError, UsageError

if TYPE_CHECKING:
    from sentinel.guardian import Sentinel

_LIMITS = (
    "max_function_lines",
    "max_complexity",
    "max_cognitive",
    "max_parameters",
    "max_nesting",
    "max_returns",
    "max_branches",
)
_FORMATS = ("text", "json", "sarif", "github")
_HOOK_FAILED = 1
"""To an agent, exit 2 of a hook is an answer that blocks it. What is wrong with the hook is told to the user."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="agent-vcr-nb")
def _commands() -> None:
    """Guard the code that an agent writes."""


def _limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name in reversed(_LIMITS):
        option = "--" + name.replace("_", "-")
        command = click.option(option, name, type=click.IntRange(min=0), help="Overrides pyproject.toml.")(command)
    return command


def _sentinel_for(target: Path, limits: dict[str, Any]) -> tuple[Sentinel, int]:
    """A Sentinel for the project around ``target``, and how many files there are to look at."""
    from dataclasses import replace

    from sentinel import config as configuration
    from sentinel.discover import files
    from sentinel.guardian import Sentinel

    if not target.exists():
        raise UsageError(f"{target} does not exist: expected a folder or a file")
    root = client.find_root(target)
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    config = replace(configuration.load(root), **given)
    found = len(list(files(target, config.exclude, root)))
    if not found:
        raise UsageError(f"{target} holds nothing to scan: no file in a language that is read, or all are ignored")
    return Sentinel(config=config, root=root), found


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error


def _folder(target: Path, purpose: str) -> Path:
    if not target.is_dir():
        found = "is a file" if target.exists() else "does not exist"
        raise UsageError(f"{target} {found}: expected {purpose}")
    return client.find_root(target)


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there instead of printing.")
@click.option("--no-baseline", is_flag=True, help="Report known findings too.")
@click.option("--alone", is_flag=True, help="Do not look for copies of what stands elsewhere in the project.")
@_limit_options
def scan(target: Path, form: str, output: Path | None, no_baseline: bool, alone: bool, **limits: int | None) -> int:
    """Check every file of a folder, or one file."""
    from sentinel import baseline as known_findings
    from sentinel import report

    sentinel, found = _sentinel_for(target, limits)
    findings = sentinel.scan(target, alone=alone)
    if not no_baseline:
        known = known_findings.read(sentinel.root / sentinel.config.baseline)
        findings = known_findings.unknown(findings, known)
    text = report.FORMATS[form](findings, found)
    if output is not None:
        _write(output, text + "\n")
    elif text:
        click.echo(text)
    return 1 if findings else 0


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
def baseline(target: Path) -> int:
    """Take all present findings as known: later scans report only new ones."""
    from sentinel import baseline as known_findings

    sentinel, _ = _sentinel_for(target, {})
    file = sentinel.root / sentinel.config.baseline
    count = known_findings.write(file, sentinel.scan(target))
    click.echo(f"{count} findings are known now: {file}")
    return 0


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
def watch(target: Path) -> int:
    """Check every file that is written under a folder, until Ctrl-C. Exit 1 when findings are left."""
    from sentinel.findings import plain
    from sentinel.guardian import Sentinel
    from sentinel.hooks.watch import changes

    sentinel = Sentinel(root=_folder(target, "a folder to watch"))
    sentinel.index()
    click.echo(f"watching {plain(str(target))}", err=True)
    left: dict[str, set[tuple[str, str]]] = {}
    with suppress(KeyboardInterrupt):
        for result in changes(sentinel, target):
            caused = {(item.rule, item.symbol) for item in result.caused}
            present = {(item.rule, item.symbol) for item in result.findings}
            left[result.path] = caused | (left.get(result.path, set()) & present)
            clean = "nothing new to fix" if (sentinel.root / result.path).exists() else "deleted"
            click.echo(result.feedback(sentinel.config.feedback) or f"[sentinel] {plain(result.path)}: {clean}")
    return 1 if any(left.values()) else 0


@_commands.command()
@click.argument("agent", type=click.Choice(list(client.PROJECT_VARIABLES)))
@click.option("--root", type=click.Path(path_type=Path), help="The project; found from the event without it.")
@click.option("--settings", is_flag=True, help="Print what to put into the agent's configuration.")
def hook(agent: str, root: Path | None, settings: bool) -> int:
    """Answer one hook event from stdin: exit 2 and a text on stderr make the agent correct itself.

    --settings prints the entry for .claude/settings.json or .openhands/hooks.json. `sentinel serve`, left running,
    makes answers faster. What is wrong with the hook itself exits with 1, which agents show to their user.
    """
    if settings:
        from sentinel.serve import HOOKS

        protocol = HOOKS[agent]
        click.echo(json.dumps(protocol.settings(_own_command()), indent=2))
        click.echo(f"put this into {protocol.settings_file} of the project", err=True)
        return 0
    if sys.stdin.isatty():
        raise UsageError("an agent gives the event on stdin: --settings prints what to put into its configuration")
    event = client.parse(sys.stdin.buffer.read())
    project = client.project_of(agent, event, root)
    given = client.ask(project, {"hook": agent, "event": event})
    if given is None:
        from sentinel.serve import answer

        given = answer(project, agent, event)._asdict()
    if given["text"]:
        click.echo(given["text"], err=True)
    return int(given["code"])


def _own_command() -> str:
    """How a shell starts this program."""
    import shlex

    running = Path(sys.argv[0]).absolute()
    return "sentinel" if shutil.which("sentinel") else shlex.quote(str(running))


@_commands.command()
@click.argument("target", type=click.Path(path_type=Path), default=".")
@click.option("--stop", is_flag=True, help="Stop the running daemon.")
def serve(target: Path, stop: bool) -> int:
    """Hold the project's index in memory and answer hooks from it, until Ctrl-C."""
    root = _folder(target, "the project's folder")
    if stop:
        if client.ask(root, {"stop": True}) is None:
            raise UsageError(f"no daemon is running for {root}")
        return 0
    from sentinel.findings import plain
    from sentinel.guardian import Sentinel
    from sentinel.serve import serve as serve_forever

    signal.signal(signal.SIGTERM, _interrupted)
    try:
        serve_forever(Sentinel(root=root), lambda path: click.echo(plain(f"serving {root} at {path}")))
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    return 0


def _interrupted(number: int, frame: Any) -> NoReturn:
    """SIGTERM ends the daemon as Ctrl-C does: the socket is removed and the index kept."""
    raise KeyboardInterrupt


@_commands.command()
def rules() -> int:
    """List every rule."""
    from sentinel.catalogue import RULES

    for rule in RULES.values():
        click.echo(f"{rule.name:<22} {rule.code:<8} {rule.severity:<9} {rule.summary}")
    return 0


def main(argv: list[str] | None = None) -> None:
    """Run the command and exit."""
    is_hook = (sys.argv[1:] if argv is None else argv)[:1] == ["hook"]
    try:
        code = _commands.main(args=argv, prog_name="sentinel", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(_HOOK_FAILED if is_hook else error.exit_code)
    except SentinelError as error:
        from sentinel.findings import plain

        click.echo(f"sentinel: {plain(str(error))}", err=True)
        sys.exit(_HOOK_FAILED if is_hook else error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
