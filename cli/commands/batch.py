"""Several commands as one step, from a file."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.inputs.lines import lines_of
from seat_ledger.cli.options.session import option_account
from seat_ledger.cli.options.writing import options_of_writing, record
from seat_ledger.commands.messages import parse_line
from seat_ledger.errors import InvalidInput


@click.command()
@click.argument("file", type=click.File("rb"))
@option_account
@options_of_writing
def batch(file: Any, account: str, *, dry_run: bool, **shared: Any) -> None:
    """Record the commands of a file as one step: all of them or none.

    FILE is JSON Lines, a command a line without its account, or - for stdin.
    """
    given = {name: value for name, value in shared.items() if value is not None}
    command = {"op": "batch", "account": account, "commands": _commands(file), **given}
    record(command, dry_run)


def _commands(file: Any) -> list[dict[str, Any]]:
    """The lines of the file. Raises InvalidInput with the line that is wrong."""
    commands = []
    for number, text in enumerate(lines_of(file), start=1):
        if text and text.strip():
            try:
                commands.append(parse_line(text.rstrip(b"\r\n")))
            except InvalidInput as error:
                raise InvalidInput(
                    f"Line {number}: {error.message}", try_=error.try_
                ) from error
    if not commands:
        raise InvalidInput("The file is empty: it holds no command.")
    return commands
