"""Commands that a text names for somebody to run, and whether they run."""

from __future__ import annotations

import re
import shlex

import click

from seat_ledger.cli.main import program
from seat_ledger.cli.options.session import Session

COMMAND = re.compile(
    r"(?<!\S)'seat-ledger (?P<quoted>(?:[^'\n]|'[^'\s]+')*?)'(?![\w/])"
    r"|(?<![\w'/])seat-ledger (?P<bare>[a-z][^\n]*?)(?=$|\n|   |; |, then | \(|\))"
)


def named_in(text: str) -> list[str]:
    """The words of each command that a text names, without the program's name."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [
        (result["quoted"] or result["bare"]).strip().rstrip(".")
        for result in COMMAND.finditer(joined)
    ]


def unusable(text: str) -> list[tuple[str, str]]:
    """The commands that an answer names and that do not run as they stand, with why.

    FILE stands for a file of the reader's own.
    """
    why = ((command, why_not(command)) for command in named_in(text))
    return [
        (command, reason)
        for command, reason in why
        if reason and "'FILE' does not exist" not in reason
    ]


def why_not(command: str) -> str:
    """Why a command does not run; '' where it does."""
    words, node = shlex.split(command), click.Context(program, obj=Session())
    result: click.Command = program
    while isinstance(result, click.Group) and words:
        inner = result.get_command(node, words[0])
        if inner is None:
            return f"unknown command '{words[0]}'"
        result, node = inner, click.Context(inner, parent=node)
        words = words[1:]
    if isinstance(result, click.Group):
        return "it is a group"
    try:
        result.make_context(command, words, parent=node)
    except click.exceptions.Exit:  # --help ends so
        return ""
    except click.ClickException as refused:
        return refused.format_message()
    return ""
