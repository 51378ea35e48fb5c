"""Several commands as one step, from a file."""

from __future__ import annotations

import json
from typing import Any

import click

from cli.session import option_account
from cli.writing import options_of_writing, record
from seat_ledger.errors import InvalidInput


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@option_account
@options_of_writing
def batch(file: Any, account: str, *, dry_run: bool, **shared: Any) -> None:
    """Record the commands of a file as one step: all of them or none.

    FILE is JSON Lines, a command a line without its account, or - for stdin.
    """
    given = {name: value for name, value in shared.items() if value is not None}
    command = {"op": "batch", "account": account, "commands": _lines(file), **given}
    record(command, dry_run)


def _lines(file: Any) -> list[Any]:
    lines = []
    for number, text in enumerate(file, start=1):
        if text.strip():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError as error:
                raise InvalidInput(f"Line {number} is no JSON: {error}.") from error
    return lines
