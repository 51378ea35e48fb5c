"""What is served, as one snapshot that no rebuild takes away while it is read."""

from __future__ import annotations

from itertools import count

import psycopg

from seat_ledger.errors import SchemaMismatch
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine.generations import Connection, Served
from seat_ledger.projections.engine.set_aside import listed

_TIMES = count()


def pin(connection: Connection, *, sees_store: bool = True) -> Served:
    """Begin a transaction that reads what is served; return what that is.

    Names mean its tables from now on. One of them is read at once, that of the accounts
    that are set aside: a rebuild drops no tables of which somebody reads one, and would
    drop the others before they are asked. Raises SchemaMismatch, also where the tables
    of what is served are missing.
    """
    missing: int | None = None
    while True:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        served = generations.served(connection, sees_store=sees_store)
        generations.check(served)
        settle(connection, served.number, own=not sees_store)
        try:
            return served._replace(aside=listed(connection))
        except psycopg.errors.UndefinedTable as error:  # two rebuilds were faster
            connection.execute("ROLLBACK")
            if served.number == missing:
                raise SchemaMismatch(
                    f"The tables that answers come from (generation {missing}) are "
                    "missing from the database. The recorded events are not affected.",
                    try_="seat-ledger projection rebuild",
                ) from error
            missing = served.number


def plan_by_accounts(connection: Connection) -> None:
    """Let a session's questions be planned for what they are about: a few accounts.

    A merge of an account's entries with the reversals of all looks cheap to the
    planner, which hopes to end early: it took 22 ms of 23, of 30,000 reversals.
    """
    connection.execute("SET enable_mergejoin = off")


def settle(connection: Connection, number: int, *, own: bool = False) -> None:
    """Let names mean a generation's tables, on a connection that may know another's.

    What was prepared for those names their types, and would fail on these. The driver
    forgets it too, but only for a text that it sees for the first time: hence a number.
    Raises IntegrityFailure where a policy would hide rows.
    """
    row = connection.execute("SELECT current_setting('search_path')").fetchone()
    path = [generations.schema_of(number, own=True)] * own
    path.append(generations.schema_of(number))
    if row != (", ".join(path),):
        generations.check_policies(connection, number)
        generations.use(connection, number, own=own)
        connection.execute(f"DEALLOCATE ALL -- {next(_TIMES)}".encode())
