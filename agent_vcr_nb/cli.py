"""``vcr``: words to a verb, its result as text or JSON, its exit code.

0 fine or the same, 1 a difference, regression or finding, 2 a wrong call, 3 cannot compare or cannot resume.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from agent_vcr_nb.core.errors import VCRError
from agent_vcr_nb.verbs.catalogue import VERBS
from agent_vcr_nb.verbs.commands import command_of
from agent_vcr_nb.verbs.definition import Place, Verb
from agent_vcr_nb.verbs.text import for_terminal


def _act(verb: Verb, **words: Any) -> None:
    """Run the verb and show its result; ends the process with its exit code."""
    as_json, debug = words.pop("as_json"), words.pop("debug")
    place = Place(
        Path(words.pop("directory")),
        show=lambda text: click.echo(for_terminal(text), err=as_json, color=_colour()),
        complain=lambda text: click.echo(text, err=True, color=_colour()),
    )
    try:
        # What the agent prints must not stand among the JSON.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            result = verb.run(place, **words)
    except (VCRError, OSError) as error:
        if debug:
            raise
        # Of the system's errors: a folder that cannot be written, a full disk.
        message = str(error) if isinstance(error, VCRError) else f"{error.filename}: {error.strerror or error}"
        if as_json:
            click.echo(_json({"error": message, "type": type(error).__name__}))
        else:
            click.echo(f"vcr {verb.name}: {message}", err=True)
        sys.exit(error.exit_code if isinstance(error, VCRError) else 3)
    if as_json:
        click.echo(_json(result.to_dict()))
    else:
        click.echo(for_terminal(result.text()), color=_colour())
    sys.exit(result.exit_code)


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def _colour() -> bool | None:
    """False where NO_COLOR is set (no-color.org); None leaves it to whether a terminal reads."""
    return False if os.environ.get("NO_COLOR") else None


def _with_common_options(command: click.Command) -> click.Command:
    command.params += [
        click.Option(
            ["--dir", "directory"],
            default=".vcr",
            envvar="AGENT_VCR_DIR",
            show_default=True,
            help="folder of the sessions",
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="print JSON"),
        click.Option(["--debug"], is_flag=True, help="show the traceback of an error"),
    ]
    return command


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        import agent_vcr_nb

        click.echo(f"vcr {agent_vcr_nb.__version__}")
        context.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n  vcr record -- python app.py && vcr ls && vcr show my_run\n"
    "\b\nTab completion of words, options, sessions, frames, steps and state paths (bash; also zsh, fish):\n"
    '  eval "$(_VCR_COMPLETE=bash_source vcr)"',
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def main() -> None:
    """Record an agent's run, look at any step, edit the past, resume."""


for _verb in VERBS:
    main.add_command(_with_common_options(command_of(_verb, _act)))


if __name__ == "__main__":
    main()
