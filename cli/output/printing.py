"""An answer in the form of the session: printed, or written to the file it names."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from seat_ledger.cli.output.files import Partial
from seat_ledger.cli.output.layout import View
from seat_ledger.cli.output.render import (
    Answer,
    csv_chunks,
    json_chunks,
    print_message,
    to_json,
)
from seat_ledger.cli.output.streams import write_data
from seat_ledger.domain.wording import counted


def emit(answer: Answer, form: str = "") -> None:
    """Print an answer to stdout, and end with its exit code where that is not 0.

    The form is that of the session, if none is named; a session that names a file has
    the answer written there.

    What was found is known before anything is printed, and stays found when whoever
    reads the answer leaves before its end.
    """
    context = click.get_current_context(silent=True)
    session: Any = context.obj if context is not None else None
    if session is not None and answer.exit_code:
        session.exit_code = answer.exit_code
    try:
        view = session.view if session is not None else View()
        if session is not None and session.target is not None:
            _write(answer, session.format, view, session.target)
        else:
            _print(answer, form or session.format, view)
    finally:  # what the rows come from is closed after them
        close = getattr(answer.rows, "close", None)
        if close is not None:
            close()
    if answer.exit_code:
        raise click.exceptions.Exit(answer.exit_code)


def _print(answer: Answer, form: str, view: View) -> None:
    if form == "table":
        from seat_ledger.cli.output.tables import draw  # noqa: PLC0415  only where a table is shown

        draw(answer, view)
    else:
        with closing(_texts(answer, form, view)) as chunks:
            for chunk in chunks:
                write_data(chunk, is_json=form != "csv")
    sys.stdout.flush()


def _texts(answer: Answer, form: str, view: View) -> Generator[str, None, None]:
    """The data of an answer, piece by piece."""
    if form == "jsonl":
        yield from (to_json(row) + "\n" for row in answer.rows)
    elif form == "json":
        yield from json_chunks(answer)
    else:
        yield from csv_chunks(answer, view=view)


def _write(answer: Answer, form: str, view: View, target: Path) -> None:
    """Write an answer to a file, whole or not at all, and say so."""
    counter = _Counter(answer.rows)
    answer.rows = counter
    with Partial(target) as partial:
        if form == "xlsx":
            from seat_ledger.cli.output.listing import write_listing  # noqa: PLC0415

            write_listing(answer, partial.path, view)
        else:
            errors = "backslashreplace" if form == "csv" else "json-escape"
            with partial.path.open("w", encoding="utf-8", errors=errors) as file:
                file.writelines(_texts(answer, form, view))
        partial.place()
    if answer.sentence:
        print_message(answer.sentence)
    print_message(f"{counted(counter.count, 'row')} written to {target}.")


class _Counter:
    """Rows that are counted as they are read, and closed as they were."""

    def __init__(self, rows: Any) -> None:
        self.of = rows
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self.of:
            self.count += 1
            yield row

    def close(self) -> None:
        """Close what they come from, if it can be."""
        close = getattr(self.of, "close", None)
        if close is not None:
            close()
