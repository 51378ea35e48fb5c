"""Several commands as one step, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import click

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.inputs.lines import lines_of
from seat_ledger.cli.options.session import option_account
from seat_ledger.cli.options.writing import options_of_writing, record
from seat_ledger.cli.output.render import harmless
from seat_ledger.commands.messages import MAX_BATCH, operation_of_batch, parse_line
from seat_ledger.errors import CommandRefused, InvalidInput


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@option_account
@options_of_writing
def batch(file: Path, account: str, *, dry_run: bool, **shared: Any) -> None:
    """Record the commands of a file as one step: all of them or none.

    FILE is JSON Lines, one command per line without its account, or - for stdin.
    """
    name = harmless(file.name)
    with input_file(file, "name a file of command lines, or -") as stream:
        commands = _commands(stream, name)
    lines = list(commands.values())
    try:
        record(
            {"op": "batch", "account": account, "commands": lines, **shared}, dry_run
        )
    except CommandRefused as error:
        if error.lines:
            numbers = list(commands)
            places = ",".join(str(numbers[line - 1]) for line in error.lines)
            error.message, error.lines = f"{name}:{places}: {error.message}", ()
        raise


def _commands(file: BinaryIO, name: str) -> dict[int, dict[str, Any]]:
    """The commands of the file by their lines. Raises InvalidInput, with the line."""
    commands = {}
    for number, text in enumerate(lines_of(file), start=1):
        if text and text.strip():
            try:
                commands[number] = parse_line(text.rstrip(b"\r\n"))
                operation_of_batch(commands[number])
            except InvalidInput as error:
                raise InvalidInput(
                    f"{name}:{number}: {error.message}", try_=error.try_
                ) from error
            if len(commands) > MAX_BATCH:
                raise InvalidInput(
                    f"{name} contains more than {MAX_BATCH:,} commands, the limit for "
                    "one step.",
                    try_="split it, or record it line by line: seat-ledger import FILE",
                )
    if not commands:
        raise InvalidInput(f"{name} is empty: it contains no command.")
    return commands
