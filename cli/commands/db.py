"""The database: the embedded server, and the schema."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.options.session import (
    confirm,
    current_session,
    embedded_server,
    option_database,
    options_of_answering,
    options_of_listing,
)
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import RECORD, Answer, cells
from seat_ledger.errors import InvalidInput, NotAllowed
from seat_ledger.projections.engine import installation
from seat_ledger.store import schema, tools
from seat_ledger.store.connection import connect


@click.group(epilog="Example: seat-ledger db status")
def group() -> None:
    """The database: start, stop, migrate."""


def _check_embedded(word: str) -> None:
    """Raise InvalidInput where another database is named: its server is not ours."""
    if current_session().database:
        raise InvalidInput(
            f"'db {word}' works only on the embedded server, but another database is "
            "named. Nothing was done.",
            try_="omit --database and unset SEAT_LEDGER_DATABASE_URL for the embedded "
            "server; use PostgreSQL's own tools for a server of your own",
        )


@group.command()
@options_of_answering
def start() -> None:
    """Start the embedded server, creating it if necessary."""
    _check_embedded("start")
    url = embedded_server().ensure_running()
    current_session().prepare()
    row = {"running": True, "url": url}
    emit(Answer([row], sentence=f"Running: {url}"))


@group.command()
@options_of_answering
def stop() -> None:
    """Stop the embedded server."""
    _check_embedded("stop")
    stopped = embedded_server().stop()
    sentence = "Stopped." if stopped else "It was not running."
    emit(Answer([{"stopped": stopped}], sentence=sentence))


@group.command()
@options_of_listing
def status() -> None:
    """Show whether the server is running, and the version of the schema."""
    row = _status()
    emit(Answer([row], RECORD, in_table=row.items()))


def _status() -> dict[str, Any]:

    session, row = current_session(), dict[str, Any]()
    if not session.database:
        server = embedded_server().status()
        row = {
            "kind": "embedded",
            "running": server.running,
            "home": str(server.home),
            "initialised": server.initialised,
            "pid": server.pid,
        }
        if not server.running:
            return row
    with connect(session.conninfo(), autocommit=True) as connection:
        applied, latest = schema.status_of(connection)
        version = connection.info.server_version // 10000
    row.setdefault("kind", "named")
    return {**row, "server": version, "schema": applied, "program": latest}


@group.command()
@option_database
def url() -> None:
    """Print the connection string (starting the embedded server if necessary)."""
    print(current_session().conninfo())


@group.command()
@options_of_answering
def migrate() -> None:
    """Bring the schema up to this program's version."""
    conninfo = current_session().conninfo()
    lacking: list[str] = []
    applied = schema.migrate(conninfo, report=lacking.append)
    projected = False
    try:
        projected = installation.install(conninfo)
    except NotAllowed as error:  # who only owns the write side has done their part
        lacking.append(f"{error.message} Try: {error.try_}.")
    rows = [{"applied": name} for name in applied]
    if projected:
        rows.append({"applied": "projections"})
    sentence = (
        f"Applied {len(rows)}." if rows else "Nothing to do: the schema is current."
    )
    columns = cells("applied")
    answer = Answer(
        rows, columns, sentence=sentence, extra={"lacking": lacking}, notes=lacking
    )
    emit(answer)


@group.command(context_settings={"ignore_unknown_options": True})
@click.argument("program")
@click.argument("words", metavar="[WORD]...", nargs=-1, type=click.UNPROCESSED)
@option_database
def tool(program: str, words: tuple[str, ...]) -> None:
    """Run one of PostgreSQL's programs on this database: pg_dump, pg_basebackup, psql.

    The program finds the database through its environment variables.
    """
    status = tools.run(current_session().conninfo(), program, words)
    if status:
        raise click.exceptions.Exit(1)


@group.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@option_database
def destroy(yes: bool) -> None:
    """Remove the embedded server with all its data. Asks first."""
    _check_embedded("destroy")
    server = embedded_server()
    if not yes:
        confirm(f"Remove {server.home} and every event in it?", "removed")
    server.destroy()
    print(f"Removed the server of {server.home} and all its events.")
    if server.home.exists() and (left := sorted(server.home.iterdir())):
        names = ", ".join(entry.name for entry in left)
        print(f"Left there, such as keys and signed checkpoints: {names}.")
