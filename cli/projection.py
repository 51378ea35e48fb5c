"""The tables that answers come from."""

from __future__ import annotations

import click

from cli.render import Answer, emit
from cli.session import Session, option_database, option_format


@click.group(epilog="Example: seat-ledger projection status")
def group() -> None:
    """The tables that answers come from."""


@group.command()
@option_database
@option_format
def status() -> None:
    """How far the projections are behind the store."""
    from projections import engine  # noqa: PLC0415
    from seat_ledger.store.connection import connect  # noqa: PLC0415

    session = click.get_current_context().find_object(Session)
    assert session is not None
    with connect(session.conninfo(), autocommit=True) as connection:
        rows = engine.status(connection)
    names = ("projection", "version", "checkpoint", "head", "lag_events", "lag_seconds")
    columns = [(name, lambda row, name=name: row[name]) for name in names]
    emit(Answer(rows, columns), session.format)


@group.command()
@option_database
@option_format
def run() -> None:
    """Catch up to the head as it is now."""
    session = click.get_current_context().find_object(Session)
    assert session is not None
    with session.reader() as reader:
        row = {"checkpoint": reader.head}
    said = f"Caught up to position {reader.head}."
    emit(Answer([row], sentence=said), session.format)
