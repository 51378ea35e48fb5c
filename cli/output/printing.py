"""An answer printed in the form of the session: as a table, JSON, JSON Lines or CSV."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import click

from seat_ledger.cli.output.layout import View
from seat_ledger.cli.output.render import Answer, csv_chunks, json_chunks, to_json
from seat_ledger.cli.output.streams import write_data


def emit(answer: Answer, form: str = "") -> None:
    """Print an answer to stdout, and end with its exit code where that is not 0.

    The form is that of the session, if none is named.

    What was found is known before anything is printed, and stays found when whoever
    reads the answer leaves before its end.
    """
    context = click.get_current_context(silent=True)
    session: Any = context.obj if context is not None else None
    if session is not None and answer.exit_code:
        session.exit_code = answer.exit_code
    try:
        view = session.view if session is not None else View()
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
    elif form == "jsonl":
        for row in answer.rows:
            write_data(to_json(row) + "\n", is_json=True)
    else:
        as_json = form == "json"
        text = json_chunks(answer) if as_json else csv_chunks(answer, view=view)
        with closing(text) as chunks:
            for chunk in chunks:
                write_data(chunk, is_json=as_json)
    sys.stdout.flush()
