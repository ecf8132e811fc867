"""``vcr``: words to a verb, its result as text or JSON, its exit code.

0 fine or the same, 1 a difference, regression or finding, 2 a wrong call, 3 cannot compare or cannot resume.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from agent_vcr_nb.core.errors import UsageError, VCRError
from agent_vcr_nb.verbs.catalogue import VERBS
from agent_vcr_nb.verbs.commands import command_of
from agent_vcr_nb.verbs.definition import Place, Result, Verb
from agent_vcr_nb.verbs.text import for_terminal, json_text

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells tell it; 141 is that of a program whose reader has gone."""
READER_GONE = 141


def _act(verb: Verb, **words: Any) -> None:
    """Run the verb and show its result; ends the process with its exit code."""
    as_json, debug = words.pop("as_json"), words.pop("debug")
    try:
        result = _run(verb, as_json, words)
        if as_json:
            click.echo(_json(result.to_dict()))
        else:
            _say(result.text(), err=verb.beside_a_program)
    except BrokenPipeError:
        _leave_reader()
    except Exception as error:
        if debug:
            raise
        sys.exit(_tell(verb, error, as_json))
    sys.exit(result.exit_code)


def _run(verb: Verb, as_json: bool, words: dict[str, Any]) -> Result:
    place = Place(
        Path(words.pop("directory")),
        show=lambda text: _say(text, err=as_json),
        complain=lambda text: _say(text, err=True),
    )
    if place.directory.exists() and not place.directory.is_dir():
        raise UsageError(f"--dir {place.directory}: a file, and a folder of sessions is expected")
    if place.directory.exists() and not os.access(place.directory, os.R_OK | os.X_OK):
        raise UsageError(f"--dir {place.directory}: you may not read this folder")
    with _output_kept_free() if as_json else contextlib.nullcontext():
        return verb.run(place, **words)


@contextlib.contextmanager
def _output_kept_free() -> Iterator[None]:
    """Send what the agent and its child processes print to the error output: JSON stands alone."""
    if sys.stdout is None:  # `>&-`: nobody reads
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _tell(verb: Verb, error: Exception, as_json: bool) -> int:
    """Show an error in one line; returns the exit code."""
    if isinstance(error, VCRError):
        message, code = str(error), error.exit_code
    elif isinstance(error, OSError):  # a folder that cannot be written, a full disk
        place = f"{error.filename}: " if error.filename else ""
        message, code = f"{place}{error.strerror or error}", 3
    else:
        message, code = f"unexpected {type(error).__name__}: {error} (--debug shows where)", 3
    if as_json:
        with contextlib.suppress(OSError):  # a full disk takes the error no more than the result
            click.echo(_json({"error": message, "type": type(error).__name__}))
            return code
    _say(f"vcr {verb.name}: {message}", err=True)
    return code


def _say(text: str, *, err: bool) -> None:
    """Print text for reading; what the terminal's encoding has no sign for becomes ``?``."""
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    readable = for_terminal(text).encode(encoding, "replace").decode(encoding)
    click.echo(readable, err=err, color=False if os.environ.get("NO_COLOR") else None)


def _leave_reader() -> NoReturn:
    """End quietly where what read the output has gone, as after ``| head -1``."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(READER_GONE)


def _json(value: Any) -> bytes:
    """Return JSON in UTF-8, whatever the terminal's encoding."""
    import orjson

    try:
        return json_text(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str)).encode()
    except TypeError:  # nested deeper than orjson goes, or a number of more than 64 bits
        import json

        return json.dumps(value, indent=2, default=str).encode()


class _Vcr(click.Group):
    """The command; with ``--json``, a call that cannot be understood is JSON too."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run the command line; ends the process."""
        words = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in words[: words.index("--") if "--" in words else len(words)]
        options["standalone_mode"] = False
        try:
            sys.exit(super().main(words, *more, **options) or 0)
        except click.Abort:
            message, code = "interrupted", INTERRUPTED
            if not as_json:
                click.echo(f"vcr: {message}", err=True)
        except click.ClickException as error:
            message, code = error.format_message(), error.exit_code
            if not as_json:
                error.show()
        if as_json:
            click.echo(_json({"error": message, "type": "UsageError" if code == 2 else "KeyboardInterrupt"}))
        sys.exit(code)


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
    cls=_Vcr,
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
