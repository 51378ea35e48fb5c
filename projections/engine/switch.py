"""The switch: new tables take the place of the served ones, in one short transaction.

What was appended since the ceiling is caught up in the new tables before it, and the
last of it inside. Whoever reads a served view holds the switch up, so it waits for
its locks very briefly and tries again; readers and appends never wait for longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from seat_ledger.errors import Locked, OutcomeUnknown
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine.catch_up import (
    advance,
    locked_advance,
    set_account_aside,
)
from seat_ledger.projections.engine.decode import UnreadableEvent
from seat_ledger.projections.engine.generations import Connection, Served
from seat_ledger.projections.engine.locks import CATCH_UP_LOCK
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.engine.user_directory import directory_of, forget_in
from seat_ledger.store.connection import committing

SMALL_ENOUGH = 2_000
"""So many events are caught up inside the switch at most."""

LOCK_TIMEOUT = "100ms"
"""How long the switch may wait for a lock, and with it those behind it."""

PATIENCE = 600.0
"""Seconds after which a switch that never gets its locks is given up."""


def switch(
    connection: Connection, number: int, waits: Callable[[str], None] = lambda _: None
) -> int:
    """Serve a generation; return the position up to which it is caught up.

    `waits` is called with who stands in the way. Raises Locked when somebody
    does for longer than `PATIENCE`; the served tables are then as they were.
    """
    generations.use(connection, number)
    deadline, pause = time.monotonic() + PATIENCE, 0.05
    while True:
        _approach(connection, number)
        try:
            return _hand_over(connection, number)
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                "The connection was lost while the new tables were being put into "
                "service: either they are in service now, or the previous ones are.",
                try_="once the database answers: seat-ledger projection rebuild; its "
                "tables are right either way",
            ) from error
        except UnreadableEvent as error:  # it was recorded just now
            if not set_account_aside(connection, number, error):
                raise
        except psycopg.errors.LockNotAvailable as error:
            reader = _who_reads(connection)
            if time.monotonic() > deadline:
                raise Locked(
                    "The new tables are correct, but could not be put into service: "
                    f"{reader}. The served tables are unchanged.",
                    try_="end that reader, then rebuild again",
                ) from error
            waits(reader)
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)


def _approach(connection: Connection, number: int) -> None:
    """Catch the new tables up, while the old ones are served."""
    while True:
        row = _positions(connection, number)
        if row.head - row.checkpoint <= SMALL_ENOUGH:
            return
        advance(connection, number, row.head)


def _positions(connection: Connection, number: int) -> Served:
    served = generations.served(connection)
    row = connection.execute(
        "SELECT position FROM projection.generation WHERE number = %s", [number]
    ).fetchone()
    assert row is not None
    return served._replace(checkpoint=row[0])


def _hand_over(connection: Connection, number: int) -> int:
    """Switch the views, not before the new tables are as far as the old ones."""
    with committing(connection):
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [CATCH_UP_LOCK])
        served = generations.served(connection)
        position = _positions(connection, number).checkpoint
        goal = min(served.checkpoint, served.head)
        while position < goal:
            position = locked_advance(connection, number, goal)
        # The old tables may not have come to an erasure yet; it is not waited for.
        forget_in(connection, directory_of(number))
        generations.serve(connection, number)
    return position


def _who_reads(connection: Connection) -> str:
    row = connection.execute(queries("engine", "status.sql")["readers"]).fetchone()
    if row is None:
        return "somebody is catching up, or reading the served views"
    pid, name, program, since = row
    return (
        f"{name} ({program or 'an unnamed program'}, server process {pid}) has been "
        f"reading the served views since {since:%Y-%m-%d %H:%M:%S %Z}"
    )
