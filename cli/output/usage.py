"""What to do after a command that was typed wrongly: what can stand there, and where
to read on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import click

from seat_ledger.cli.output.pages import TOPICS
from seat_ledger.domain.values import as_word

_MOST = 3


def unknown_command(context: click.Context, name: str) -> click.UsageError:
    """That the program has no such command, and what may be meant by its name."""
    program = context.command
    assert isinstance(program, click.Group)
    close = difflib.get_close_matches(name, program.list_commands(context), n=1)
    hints = [f"Did you mean '{close[0]}'?"] if close else []
    if not close:
        if topics := difflib.get_close_matches(name, TOPICS, n=1):
            page = as_word(topics[0])
            hints.append(f"There is a page: 'seat-ledger help {page}'.")
        if named := list(_commands_named(context, program, name)):
            names = " or ".join(f"'{words}'" for words in named[:_MOST])
            hints.append(f"Did you mean {names}?")
        hints.append("Topics: 'seat-ledger help'.")
    return click.UsageError(" ".join([f"Unknown command '{name}'.", *hints]), context)


def _commands_named(
    context: click.Context, program: click.Group, name: str
) -> Iterator[str]:
    """Commands of groups that have such a name, or an option of it."""
    with_option = []
    for noun in program.list_commands(context):
        command = program.get_command(context, noun)
        inner = command.commands if isinstance(command, click.Group) else {}
        if name in inner:
            yield f"{noun} {name}"
        if command is not None:
            named = {f"{noun} {verb}": item for verb, item in inner.items()}
            with_option += [
                f"{words} --{name}"
                for words, item in (named or {noun: command}).items()
                if any(f"--{name}" in param.opts for param in item.params)
            ]
    yield from with_option


def hint(error: click.ClickException) -> str | None:
    """What can be typed for what is missing; None where there is nothing to say."""
    if not isinstance(error, click.MissingParameter) or error.ctx is None:
        return None
    param, values = error.param, error.ctx.params
    name = param.name if param is not None else None
    if name == "account":
        user = values.get("user") or values.get("text")
        if isinstance(user, str):
            return (
                "add -a KEY; the accounts that have this user: seat-ledger user find "
                f"{as_word(user)}"
            )
        return "add -a KEY, such as -a acme; all accounts: seat-ledger account list"
    if name == "seat_type" and isinstance(param, click.Option):
        return (
            "name a type, such as --seat-type sales/professional; all types: "
            "seat-ledger catalogue list"
        )
    example = getattr(error.ctx.command, "epilog", None) or ""
    _, _, command = example.partition("seat-ledger ")
    words = " ".join(command.split("\n\n", maxsplit=1)[0].split())
    return f"seat-ledger {words}" if words else None
