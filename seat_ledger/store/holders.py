"""Who holds a lock up, in words: asked when somebody has waited in vain for one."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg
from psycopg.rows import tuple_row

from seat_ledger.store.session import LedgerConnection

_HOLDERS = """
SELECT held.pid, activity.usename, activity.application_name,
       coalesce(activity.xact_start, activity.state_change, activity.backend_start)
  FROM pg_catalog.pg_locks AS held
  JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
  LEFT JOIN pg_catalog.pg_class AS class ON class.oid = held.relation
  LEFT JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
 WHERE held.granted
   AND held.pid <> pg_catalog.pg_backend_pid()
   AND held.database = (
       SELECT oid
         FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database())
   AND (held.locktype = 'advisory'
        AND held.objsubid = 1
        AND held.classid::pg_catalog.int8 << 32 | held.objid::pg_catalog.int8
            BETWEEN %(first)s AND %(last)s
        OR held.locktype = 'relation'
        AND (space.nspname = 'ledger' OR space.nspname LIKE 'projection%%'))
 ORDER BY pg_catalog.cardinality(ARRAY(
              SELECT 1
                FROM pg_catalog.pg_locks AS waiting
               WHERE NOT waiting.granted
                 AND held.pid = ANY (pg_catalog.pg_blocking_pids(waiting.pid)))) DESC,
          held.mode = 'AccessShareLock',
          held.locktype <> 'advisory',
          4 NULLS LAST
 LIMIT 1
"""
"""Whoever has it for longest, and first who is known to be waited for."""

FIRST_LOCK, LAST_LOCK = 7365617430, 7365617449
"""The numbers of all advisory locks of the ledger's."""


class Holder(NamedTuple):
    """Who has a lock of the ledger's."""

    pid: int
    login: str | None
    program: str | None
    since: Any

    def __str__(self) -> str:
        """In words, as they stand in a sentence."""
        program = self.program or "an unnamed program"
        since = f", since {self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else ""
        return (
            f"{self.login or 'somebody'} ({program}, server process {self.pid}{since})"
        )


def holder(conninfo: str) -> Holder | None:
    """Who holds the ledger's locks now, if it can be asked."""
    params = {"first": FIRST_LOCK, "last": LAST_LOCK}
    try:
        with (
            LedgerConnection.connect(conninfo, autocommit=True) as connection,
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            row = cursor.execute(_HOLDERS, params).fetchone()
    except psycopg.Error:
        return None
    return None if row is None else Holder(*row)
