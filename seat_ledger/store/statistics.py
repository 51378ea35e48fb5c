"""The server's statistics: where values were copied that an erasure must reach."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

SECRET_COLUMNS = (
    ("ledger", "person_key", "key"),
    ("ledger", "digest_key", "key"),
    ("ledger", "user_name", "user_key"),
    ("ledger", "user_name", "folded_key"),
    ("ledger", "user_name", "folded_email"),
    ("ledger", "user_name", "folded_others"),
    ("ledger", "recorded_command", "digest"),
    ("ledger", "stored_events", "state"),
    ("ledger", "snapshots", "state"),
    ("ledger", "api_token", "digest"),
    ("ledger", "api_token", "actor"),
    ("ledger", "subscription", "url"),
    ("ledger", "subscription", "secret"),
    ("ledger", "subscription", "last_error"),
    ("ledger", "dead_letter", "error"),
)
"""Columns of the write side that an erasure clears, that help to undo it, or that hold
other secrets: no second place has their values.
"""

_COLUMNS_WITH_STATISTICS = """
SELECT DISTINCT format('%%I.%%I.%%I', space.nspname, tables.relname, its.attname)
  FROM pg_catalog.pg_attribute AS its
  JOIN pg_catalog.pg_class AS tables ON tables.oid = its.attrelid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = tables.relnamespace
 WHERE (space.nspname || '.' || tables.relname || '.' || its.attname = ANY (%(columns)s)
        OR (space.nspname ~ '^projection_[0-9]+(_own)?$'
            AND tables.relname = 'user_directory'
            AND its.attname = ANY (%(personal)s)))
   AND tables.relkind = 'r'
   AND (its.attstattarget IS DISTINCT FROM 0
        OR EXISTS (SELECT
                     FROM pg_catalog.pg_stats AS statistics
                    WHERE statistics.schemaname = space.nspname
                      AND statistics.tablename = tables.relname
                      AND statistics.attname = its.attname)
        OR EXISTS (SELECT
                     FROM pg_catalog.pg_statistic_ext AS extended
                    WHERE extended.stxrelid = tables.oid
                      AND (its.attnum = ANY (extended.stxkeys)
                           OR extended.stxexprs IS NOT NULL)))
 ORDER BY 1
"""


def columns_with_statistics(
    connection: psycopg.Connection[Any], personal: tuple[str, ...]
) -> list[str]:
    """The columns of personal data that ANALYZE copies, or has copied, values of.

    `personal` are those of the projections' directory.
    """
    columns = [".".join(column) for column in SECRET_COLUMNS]
    rows = connection.execute(
        _COLUMNS_WITH_STATISTICS, {"columns": columns, "personal": list(personal)}
    )
    return [row[0] for row in rows.fetchall()]


LONGEST_WAIT = 10.0
"""Seconds in which transactions may end that could still see what was removed."""

_IS_SEEN_BY_NOBODY = """
SELECT pg_snapshot_xmin(pg_current_snapshot()) > %(removal)s::text::xid8
       AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_stat_activity
            WHERE datname = current_database()
              AND pid <> pg_backend_pid()
              AND age(backend_xmin) > age(%(removal)s::text::xid8::xid))
"""


def is_seen_by_nobody(connection: psycopg.Connection[Any]) -> bool:
    """Wait until no older transaction can see what was removed; whether that is so.

    Rewriting a table copies a removed row too, as long as one that is running anywhere
    in the server could ask for it. The connection is in autocommit mode.
    """
    row = connection.execute("SELECT pg_current_xact_id()::text AS removal").fetchone()
    assert row is not None
    (removal,) = row.values() if isinstance(row, dict) else row
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        row = connection.execute(_IS_SEEN_BY_NOBODY, {"removal": removal}).fetchone()
        assert row is not None
        (is_so,) = row.values() if isinstance(row, dict) else row
        if is_so or time.monotonic() > deadline:
            return bool(is_so)
        time.sleep(0.05)


def rewrite_statistics(connection: psycopg.Connection[Any]) -> None:
    """Leave nothing of removed statistics in the catalog's file, where that may be.

    The owner of the database may; others are passed over by the server. The connection
    is in autocommit mode.
    """
    with (
        suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected),
        waiting_at_most(connection, "2s"),
    ):
        is_seen_by_nobody(connection)
        connection.execute("VACUUM (FULL) pg_catalog.pg_statistic")


@contextmanager
def waiting_at_most(connection: psycopg.Connection[Any], limit: str) -> Iterator[None]:
    """Let the statements of a connection in autocommit mode wait so long for a lock."""
    row = connection.execute("SELECT current_setting('lock_timeout')").fetchone()
    assert row is not None
    setting = "SELECT set_config('lock_timeout', %s, false)"
    connection.execute(setting, [limit])
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(setting, [row[0]])
