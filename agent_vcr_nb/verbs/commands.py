"""Click commands made of verbs; what a face does with the result is the face's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from agent_vcr_nb.verbs.definition import Argument, Option, Verb


def command_of(verb: Verb, act: Callable[..., Any]) -> click.Command:
    """Return the click command of a verb: it calls ``act(verb, **words)``."""
    parameters: list[click.Parameter] = [_argument(argument) for argument in verb.arguments]
    parameters += [_option(option) for option in verb.options]
    return click.Command(
        verb.name,
        params=parameters,
        callback=lambda **words: act(verb, **words),
        help=verb.help,
        epilog=f"\b\nExample:\n  {verb.example}",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _argument(argument: Argument) -> click.Argument:
    kind = click.INT if argument.kind == "number" else click.STRING
    # No default is given: one of None would count as a value, and a required word could be left out.
    return click.Argument([argument.name], type=kind, required=argument.required, nargs=-1 if argument.many else 1)


def _option(option: Option) -> click.Option:
    names = [f"--{option.name}", option.parameter]
    if option.short:
        names.insert(0, f"-{option.short}")
    if option.flag:
        return click.Option(names, is_flag=True, default=False, help=option.help)
    kind: Any = click.INT if option.kind == "number" else click.STRING
    if option.choices:
        kind = click.Choice(option.choices, case_sensitive=False)
    many, shown = option.many, bool(option.choices)
    return click.Option(names, type=kind, multiple=many, default=option.default, show_default=shown, help=option.help)
