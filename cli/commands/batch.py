"""Several commands as one step, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import click

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.inputs.lines import lines_of
from seat_ledger.cli.options.session import option_account
from seat_ledger.cli.options.writing import options_of_writing, record
from seat_ledger.commands.messages import MAX_BATCH, parse_line
from seat_ledger.errors import InvalidInput


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@option_account
@options_of_writing
def batch(file: Path, account: str, *, dry_run: bool, **shared: Any) -> None:
    """Record the commands of a file as one step: all of them or none.

    FILE is JSON Lines, one command per line without its account, or - for stdin.
    """
    with input_file(file, "name a file of command lines, or -") as stream:
        commands = _commands(stream)
    command = {"op": "batch", "account": account, "commands": commands, **shared}
    record(command, dry_run)


def _commands(file: BinaryIO) -> list[dict[str, Any]]:
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
            if len(commands) > MAX_BATCH:
                raise InvalidInput(
                    f"The file contains more than {MAX_BATCH:,} commands, the limit "
                    "for one step.",
                    try_="split it, or record it line by line: seat-ledger import FILE",
                )
    if not commands:
        raise InvalidInput("The file is empty: it contains no command.")
    return commands
