"""How projections are installed and kept up to date with the event store.

Catch-up copies what is new into the journal, in position order, exactly once: rows
and checkpoint change in one transaction, under one lock. Everything else is computed
from the journal by the definitions, which are functions of the knowledge position.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any, NamedTuple

import psycopg

from projections.queries import queries
from seat_ledger.errors import IntegrityFailure, SchemaMismatch
from seat_ledger.store.connection import connect

APPEND_LOCK = 7365617431
"""The lock that every append holds; the store names it too, and a test compares."""

CATCH_UP_LOCK = 7365617432
BATCH = 50_000

TOPICS = (
    "AccountOpened",
    "TimeZoneChanged",
    "BillingPolicyChanged",
    "SeatPurchased",
    "SeatReductionRequested",
    "SeatReductionCancelled",
    "ContractRenewed",
    "SeatRetired",
    "SeatAssigned",
    "SeatUnassigned",
    "UserAdded",
    "PermissionsChanged",
    "HubAccessGranted",
    "HubAccessRevoked",
    "UserRemoved",
    "EntryReversed",
    "InvoiceIssued",
)
"""The events that the journal can decode; a test holds them to the write side's."""

_Connection = psycopg.Connection[Any]


class Progress(NamedTuple):
    """How far the projections are, and how far the store is."""

    checkpoint: int
    head: int


def install(conninfo: str) -> bool:
    """Make the projections' tables and definitions; return whether anything changed.

    Tables of another version are dropped and filled anew: they hold nothing that the
    event store does not.
    """
    with connect(conninfo, autocommit=True) as connection:
        if _installed(connection) == version():
            return False
        with connection.transaction():
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [CATCH_UP_LOCK])
            connection.execute("DROP SCHEMA IF EXISTS projection CASCADE")
            connection.execute("CREATE SCHEMA projection")
            connection.execute(_definitions().encode())
            connection.execute(
                "INSERT INTO projection.checkpoint (version, position) VALUES (%s, 0)",
                [version()],
            )
        return True


def version() -> str:
    """What tells these definitions from others."""
    return hashlib.sha256(_definitions().encode()).hexdigest()[:16]


def _definitions() -> str:
    names: list[tuple[str, ...]] = [("engine.sql",)]
    names += [(room, "tables.sql") for room in ("accounts", "users", "journal")]
    names += [
        (r, "definition.sql") for r in ("journal", "holdings", "users", "accounts")
    ]
    root = resources.files("projections")
    return "\n".join(root.joinpath(*name).read_text("utf-8") for name in names)


def _installed(connection: _Connection) -> str | None:
    found = connection.execute(
        "SELECT to_regclass('projection.checkpoint') IS NOT NULL"
    ).fetchone()
    if found is None or not found[0]:
        return None
    row = connection.execute("SELECT version FROM projection.checkpoint").fetchone()
    return row[0] if row else None


def progress(connection: _Connection) -> Progress:
    """How far projections and store are. Raises SchemaMismatch (exit 12)."""
    try:
        row = connection.execute(
            "SELECT version, position, "
            "coalesce((SELECT max(notification_id) FROM ledger.stored_events), 0) "
            "FROM projection.checkpoint"
        ).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise SchemaMismatch(
            "The database has no schema of the seat ledger, or an older one.",
            try_="seat-ledger db migrate",
        ) from error
    if row is None or row[0] != version():
        raise SchemaMismatch(
            "The projections are of another version than the program.",
            try_="seat-ledger db migrate",
        )
    return Progress(row[1], row[2])


def catch_up(connection: _Connection) -> int:
    """Bring the journal to the head as it is now; return the position reached.

    The connection is in autocommit mode. A role that may not write leaves the tables
    as they are. Raises IntegrityFailure for an event that cannot be decoded (R74).
    """
    found = progress(connection)
    if found.checkpoint >= found.head or not _may_write(connection):
        return found.checkpoint
    position = found.checkpoint
    while position < found.head:
        position = _one_batch(connection, found.head)
    return position


def _may_write(connection: _Connection) -> bool:
    row = connection.execute(
        "SELECT has_table_privilege('projection.checkpoint', 'UPDATE') "
        "AND NOT current_setting('transaction_read_only')::boolean"
    ).fetchone()
    return bool(row and row[0])


def _one_batch(connection: _Connection, head: int) -> int:
    """Decode the next events, all of them or none; return the new checkpoint."""
    named = queries("journal", "decode.sql")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [CATCH_UP_LOCK])
        row = connection.execute(
            "SELECT position FROM projection.checkpoint"
        ).fetchone()
        assert row is not None
        after = row[0]
        if after >= head:
            return int(after)
        reach = {
            "after": after,
            "upto": min(head, after + BATCH),
            "topics": list(TOPICS),
        }
        unreadable = connection.execute(named["unreadable"], reach).fetchone()
        if unreadable is not None:
            raise IntegrityFailure(
                f"The event at position {unreadable[0]} ({unreadable[1]}) is of a type "
                "or version that this program does not know. The projections stop "
                "before it; nothing is skipped.",
                try_="use the program version that wrote it",
            )
        for step in ("decode", "latest", "directory"):
            connection.execute(named[step], reach)
        connection.execute(
            "UPDATE projection.checkpoint "
            "SET position = %s, moved_at = clock_timestamp()",
            [reach["upto"]],
        )
    return int(reach["upto"])


def status(connection: _Connection) -> list[dict[str, Any]]:
    """Checkpoint against the store's real head, and how long the oldest event waits."""
    found = progress(connection)
    row = connection.execute(
        "SELECT (SELECT count(*) FROM ledger.stored_events "
        "WHERE notification_id > %(checkpoint)s), "
        "(SELECT extract(epoch FROM clock_timestamp() - recorded_at) "
        "FROM ledger.stored_events WHERE notification_id > %(checkpoint)s "
        "ORDER BY notification_id LIMIT 1)",
        {"checkpoint": found.checkpoint},
    ).fetchone()
    assert row is not None
    return [
        {
            "projection": name,
            "version": version(),
            "checkpoint": found.checkpoint,
            "head": found.head,
            "lag_events": row[0],
            "lag_seconds": float(row[1] or 0),
        }
        for name in ("journal", "user_directory")
    ]
