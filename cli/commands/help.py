"""Help that belongs to no single command, and that of any command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from seat_ledger.cli.output import schemas
from seat_ledger.cli.output.pages import RULES, TOPICS, print_page, text_of, title_of

SCHEMA = "schema"


def _complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Topics and commands, and behind a command those of its group."""
    words = context.params.get("words") or ()
    names = _names(context, words)
    return [name for name in names if name.startswith(begun)]


def _names(context: click.Context, words: Sequence[str]) -> list[str]:
    """What may stand behind some words."""
    command: click.Command | None = context.find_root().command
    if words and words[0] == SCHEMA:
        return schemas.names() if len(words) == 1 else []
    for word in words:
        is_group = isinstance(command, click.Group)
        command = command.get_command(context, word) if is_group else None  # type: ignore[union-attr]
    inner = command.list_commands(context) if isinstance(command, click.Group) else []
    return inner if words else [*TOPICS, RULES, SCHEMA, *inner]


@click.command("help")
@click.argument(
    "words",
    metavar="[TOPIC | COMMAND... | schema [NAME]]",
    nargs=-1,
    shell_complete=_complete,
)
def help_(words: tuple[str, ...]) -> None:
    """Read about concepts, audits, operations and formats, or about a command.

    'help schema' lists the JSON Schemas: of what commands print with --format json,
    such as 'help schema billing counts', and of command files, 'help schema command'.
    """
    if words[:1] == (SCHEMA,):
        _print_schema(words[1:])
    elif len(words) == 1 and words[0] in {*TOPICS, RULES}:
        print_page(text_of(words[0]))
    elif words:
        print(_help_of(words))
    else:
        width = max(map(len, TOPICS)) + 2
        print("Topics, such as 'seat-ledger help concepts':\n")
        for name in [*TOPICS, RULES]:
            print(f"  {name:{width}}{title_of(name)}")
        print("\nCommands, such as 'seat-ledger help billing counts'.")
        print("JSON Schemas of documents and command files: 'seat-ledger help schema'.")


def _print_schema(words: Sequence[str]) -> None:
    """Print the schema of a command's document, or list all that there are."""
    if not words:
        print("JSON Schemas (2020-12), such as 'seat-ledger help schema seat who':\n")
        for name in schemas.names():
            print(f"  {name}")
        print(f"\n{_ABOUT_SCHEMAS}")
        return
    text = schemas.read(" ".join(words))
    if text is None:
        command, _ = _command_of(words)
        if not any(param.name == "dry_run" for param in command.params):
            raise click.UsageError(f"'{' '.join(words)}' prints no JSON document.")
        text = schemas.read(schemas.OF_RECORDING)
    print(text, end="")


_ABOUT_SCHEMAS = (
    "What records, such as 'seat buy', prints 'recorded'; each failure is 'error'; a "
    "line of a\ncommand file is 'command'. With --format jsonl each line is as "
    "#/$defs/row says.\nKeys are only ever added: ignore those that you do not know."
)


def _help_of(words: Sequence[str]) -> str:
    """The help of a command. Raises UsageError where there is none."""
    command, context = _command_of(words)
    return command.get_help(context)


def _command_of(words: Sequence[str]) -> tuple[click.Command, click.Context]:
    """A command by its words. Raises UsageError where there is none."""
    context = click.get_current_context().find_root()
    command: click.Command = context.command
    for place, word in enumerate(words):
        inner = None
        if isinstance(command, click.Group):
            inner = command.get_command(context, word)
        if inner is None:
            names = _names(context, words[:place])
            close = difflib.get_close_matches(word, names, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            what = "topic and no command" if not place else "command"
            raise click.UsageError(f"'{' '.join(words)}' is no {what}.{hint}")
        command, context = inner, click.Context(inner, info_name=word, parent=context)
    return command, context
