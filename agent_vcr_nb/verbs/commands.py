"""Click commands made of verbs; what a face does with the result is the face's own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_vcr_nb.verbs.definition import Argument, Option, Verb

_NEGATIVE = re.compile(r"-[0-9]+")

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def command_of(verb: Verb, act: Callable[..., Any]) -> click.Command:
    """Return the click command of a verb: it calls ``act(verb, **words)``."""
    parameters: list[click.Parameter] = [_argument(argument) for argument in verb.arguments]
    parameters += [_option(option) for option in verb.options]
    return _Command(
        verb.name,
        params=parameters,
        callback=lambda **words: act(verb, **words),
        help=verb.help,
        epilog=f"\b\nExample:\n  {verb.example}",
        context_settings={
            "help_option_names": ["-h", "--help"],
            "max_content_width": 100,
            "ignore_unknown_options": any(argument.kind in ("value", "expression") for argument in verb.arguments),
        },
    )


class _Command(click.Command):
    """Takes a negative number for a wrong frame, not for an option; unless a value may begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of a command; raises click.UsageError."""
        words = args[: args.index("--") if "--" in args else len(args)]
        below = next((word for word in words if _NEGATIVE.fullmatch(word)), None)
        if below is not None and not ctx.ignore_unknown_options:
            raise click.UsageError(f"{below}: numbers begin at 0 here", ctx)
        return super().parse_args(ctx, args)


def _argument(argument: Argument) -> click.Argument:
    kind = click.INT if argument.kind == "number" else click.STRING
    # No default is given: one of None would count as a value, and a required word could be left out.
    nargs = -1 if argument.many else 1
    return click.Argument([argument.name], type=kind, required=argument.required, nargs=nargs, shell_complete=_complete)


def _complete(context: click.Context, parameter: click.Parameter, fragment: str) -> list[CompletionItem]:
    """Return what may stand for a parameter, when the shell asks."""
    from click.shell_completion import CompletionItem

    from agent_vcr_nb.verbs.completing import FILES, Lookup

    if parameter.name in FILES:
        return [CompletionItem(fragment, type="file")]
    # Of a line that ends with an option click gives the words by their place as it found them.
    places = [one.name for one in context.command.params if isinstance(one, click.Argument)]
    words = {**context.params, **dict(zip(places, context.args, strict=False))}
    directory = words.get("directory") or os.environ.get("AGENT_VCR_DIR", ".vcr")
    frame = str(words.get("frame"))
    session = words.get("session") or words.get("a") or words.get("first")
    look = Lookup(Path(directory), session, int(frame) if frame.isdigit() else None)
    return [CompletionItem(word) for word in look.of(parameter.name or "", fragment)]


def _option(option: Option) -> click.Option:
    names = [f"--{option.name}", option.parameter]
    if option.short:
        names.insert(0, f"-{option.short}")
    if option.flag:
        return click.Option(names, is_flag=True, default=False, help=option.help)
    kind: Any = click.INT if option.kind == "number" else click.STRING
    if option.choices:
        kind = click.Choice(option.choices, case_sensitive=False)
    return click.Option(
        names,
        type=kind,
        multiple=option.many,
        default=option.default,
        show_default=bool(option.choices),
        help=option.help,
        shell_complete=None if option.choices else _complete,
    )
