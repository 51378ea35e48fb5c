"""The server's statistics: where values were copied that an erasure must reach."""

from __future__ import annotations

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
    ("ledger", "recorded_command", "digest"),
)
"""The columns of the write side that an erasure clears, or that help to undo it."""

_KEPT = """
SELECT DISTINCT format('%%I.%%I.%%I', space.nspname, made.relname, its.attname)
  FROM pg_catalog.pg_attribute AS its
  JOIN pg_catalog.pg_class AS made ON made.oid = its.attrelid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = made.relnamespace
 WHERE (space.nspname || '.' || made.relname || '.' || its.attname = ANY (%(columns)s)
        OR (space.nspname ~ '^projection_[0-9]+(_own)?$'
            AND made.relname = 'user_directory'
            AND its.attname = ANY (%(personal)s)))
   AND made.relkind = 'r'
   AND (its.attstattarget IS DISTINCT FROM 0
        OR EXISTS (SELECT
                     FROM pg_catalog.pg_stats AS kept
                    WHERE kept.schemaname = space.nspname
                      AND kept.tablename = made.relname
                      AND kept.attname = its.attname)
        OR EXISTS (SELECT
                     FROM pg_catalog.pg_statistic_ext AS extended
                    WHERE extended.stxrelid = made.oid
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
    rows = connection.execute(_KEPT, {"columns": columns, "personal": list(personal)})
    return [row[0] for row in rows.fetchall()]


def rewrite_statistics(connection: psycopg.Connection[Any]) -> None:
    """Leave nothing of removed statistics in the catalog's file, where that may be.

    The owner of the database may; others are passed over by the server. The connection
    is in autocommit mode.
    """
    with (
        suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected),
        waiting_at_most(connection, "2s"),
    ):
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
