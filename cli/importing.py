"""A file of commands, recorded line by line."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from cli.render import Answer, emit, harmless, say, to_json
from cli.session import Session, option_database, option_format
from seat_ledger.errors import InvalidInput

if TYPE_CHECKING:
    from seat_ledger.importer import LineOutcome

LONGEST = 1 << 20
EVERY = 30.0


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--keep-going", is_flag=True, help="Go on after a refused line; exit 1.")
@option_database
@option_format
def import_(file: Path, keep_going: bool) -> None:
    """Record the commands of a file: JSON Lines, or - for stdin.

    The same file again, corrected further down or made longer, repeats nothing.
    """
    from projections.billing.drafting import Drafting  # noqa: PLC0415

    session = click.get_current_context().find_object(Session)
    assert session is not None
    with (
        _opened(file) as stream,
        session.ledger() as ledger,
        Drafting(partial(session.reader, patient=True)) as drafting,
    ):
        outcomes = ledger.import_lines(
            _lines(stream),
            keep_going=keep_going,
            default_actor="system:import",
            compute_invoice=drafting,
        )
        status = _tell(outcomes, str(file), session.format, keep_going)
    if status:
        raise click.exceptions.Exit(status)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open the file. Raises InvalidInput in plain words."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except IsADirectoryError as error:
        raise InvalidInput(f"{file} is a folder; an import reads a file.") from error
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    with stream:
        yield stream


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream of any size; one that is too long is cut, and refused."""
    head = stream.readline(LONGEST + 2)
    if head.startswith(b"\x1f\x8b"):
        raise InvalidInput("The file is compressed (gzip).", try_="unpack it first")
    line = head
    while line:
        yield line
        if len(line) > LONGEST + 1 and not line.endswith(b"\n"):
            return
        line = stream.readline(LONGEST + 2)


def _tell(
    outcomes: Iterator[LineOutcome], file: str, form: str, keep_going: bool
) -> int:
    """Print what became of the lines as they come; return the exit status."""
    counted: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    status, shown_at = 0, time.monotonic()
    for outcome in outcomes:
        counted[outcome.outcome] += 1
        row = _row(outcome)
        if form == "jsonl":
            sys.stdout.write(to_json(row) + "\n")
        elif form != "table":
            rows.append(row)
        if outcome.stops:
            _refused(outcome, file)
            status = 1 if keep_going else outcome.exit_code
        if time.monotonic() - shown_at > EVERY:
            shown_at = time.monotonic()
            say(f"Line {outcome.line:,}: {_counts(counted)}.")
    if form in {"json", "csv"}:
        emit(Answer(rows), form)
    if not sum(counted.values()):
        say(f"{file} is empty: nothing was recorded.")
    elif form == "table":
        stopped = "Stopped. What stands before is recorded. " if status else ""
        emit(Answer([], sentence=f"{stopped}{_counts(counted)}."), form)
    return status


def _counts(counted: Counter[str]) -> str:
    lines = sum(counted.values())
    told = [f"{counted[word]:,} {word}" for word in sorted(counted)]
    return f"{lines:,} lines: {', '.join(told)}"


def _refused(outcome: LineOutcome, file: str) -> None:
    op = f" {outcome.op}" if outcome.op else ""
    say(
        f"{harmless(file)}:{outcome.line}:{op} refused ({outcome.code}): "
        f"{outcome.message}"
    )
    if outcome.try_:
        say(f"Try: {outcome.try_}")


def _row(outcome: LineOutcome) -> dict[str, Any]:
    return {
        "line": outcome.line,
        "op": outcome.op,
        "outcome": outcome.outcome,
        "positions": list(outcome.positions),
        "code": outcome.code,
        "message": outcome.message,
    }
