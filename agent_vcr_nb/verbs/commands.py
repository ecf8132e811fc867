"""Click commands made of verbs; what a face does with the result is the face's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from agent_vcr_nb.verbs.definition import Argument, Option, Verb


def command_of(verb: Verb, act: Callable[..., Any], *, session_known: bool = False) -> click.Command:
    """Return the click command of a verb: it calls ``act(verb, **words)``.

    With `session_known` a session may be left out: words that are too few for all places leave the first one free.
    """
    parameters: list[click.Parameter] = [_argument(argument, session_known) for argument in verb.arguments]
    parameters += [_option(option) for option in verb.options]
    epilog = f"\b\nExample:\n  {verb.example}"
    kind = (
        _SessionFirst if session_known and verb.arguments[:1] and verb.arguments[0].kind == "session" else click.Command
    )
    return kind(
        verb.name,
        params=parameters,
        callback=lambda **words: act(verb, **words),
        help=verb.help,
        epilog=epilog,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


class _SessionFirst(click.Command):
    """A command whose first word, a session, is there only when the others have theirs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        arguments = [p for p in self.params if isinstance(p, click.Argument)]
        takes_value = {name for p in self.params if isinstance(p, click.Option) and not p.is_flag for name in p.opts}
        plain, skip = 0, False
        for word in args:
            if skip:
                skip = False
            elif word.startswith("-") and len(word) > 1:
                skip = word in takes_value
            else:
                plain += 1
        needed = sum(argument.required or n > 0 for n, argument in enumerate(arguments) if n)
        optional_last = bool(arguments[1:]) and not arguments[-1].required
        first = next((w for w in args if not w.startswith("-")), "")
        if arguments[0].name == "session" and (plain <= needed and (not optional_last or first.isdigit() or not plain)):
            args = ["", *args]  # an empty word stands for the current session
        return super().parse_args(ctx, args)


def _argument(argument: Argument, session_known: bool) -> click.Argument:
    kind = click.INT if argument.kind == "number" else click.STRING
    required = argument.required and not (session_known and argument.kind == "session" and argument.name == "session")
    return click.Argument([argument.name], type=kind, required=required, nargs=-1 if argument.many else 1, default=None)


def _option(option: Option) -> click.Option:
    names = [f"--{option.name}", option.parameter]
    if option.short:
        names.insert(0, f"-{option.short}")
    if option.flag:
        return click.Option(names, is_flag=True, default=False, help=option.help)
    kind: Any = (
        click.Choice(option.choices) if option.choices else click.INT if option.kind == "number" else click.STRING
    )
    return click.Option(
        names,
        type=kind,
        multiple=option.many,
        default=option.default,
        show_default=bool(option.choices),
        help=option.help,
    )
