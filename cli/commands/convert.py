"""A source's log as command lines: read before anything is recorded (R82)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.inputs.mapping_file import mapping_named
from seat_ledger.cli.options import completing
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import escape_unseen, harmless, print_message
from seat_ledger.cli.output.streams import write_data
from seat_ledger.importing.undisturbed import undisturbed
from seat_ledger.sources.conversion import Conversion
from seat_ledger.sources.reading import SourceReader

if TYPE_CHECKING:
    from seat_ledger.sources.tally import RowTally

_PIECE = 1 << 16
MAPPING = click.option(
    "--with",
    "mapping",
    metavar="MAPPING",
    shell_complete=completing.mappings,
    required=True,
    help="A name from 'source list', or a mapping of your own (TOML).",
)
ACCOUNT = click.option(
    "--account",
    "-a",
    metavar="KEY",
    help="The account of the rows, if the file is of one account of the source.",
)
USER = click.option(
    "--user",
    metavar="KEY",
    help="The user whom the file is about, if the mapping asks for one.",
)
STREAM = click.option(
    "--stream",
    metavar="NAME",
    help="Which stream to read from Singer or Airbyte messages.",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@MAPPING
@ACCOUNT
@USER
@STREAM
def convert(
    file: Path,
    mapping: str,
    account: str | None,
    user: str | None,
    stream: str | None,
) -> None:
    """Turn a source's log of events into the lines of a command file, on stdout.

    Nothing is recorded, and no database is needed. The lines come in the order of their
    times, once the whole file is read; a row that no rule of the mapping names stops
    it (exit 2), and nothing is printed then. A log without a row has no line, which is
    said. What became of the rows is on stderr.
    """
    with input_file(file, "name a file that the source exported, or -") as opened:
        reader = SourceReader(
            opened,
            mapping_named(mapping),
            options={"--user": user} if user is not None else None,
            message_stream=stream,
        )
        conversion = Conversion(reader, harmless(file.name), account=account)
        try:
            with heartbeat("Converting"), undisturbed():
                for piece in _pieces(conversion.lines()):
                    text = piece.decode()
                    if sys.stdout.isatty():
                        text = escape_unseen(text)
                    write_data(text, is_json=True)
        finally:
            print_tally(conversion.tally)


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size > _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def print_tally(tally: RowTally) -> None:
    """Say on stderr what became of the rows of a file."""
    for line in tally.lines():
        print_message(line)
