"""What ANALYZE copied of persons, before it was kept from it.

The server keeps values of each column in ``pg_statistic``, where no erasure reaches
them. A new generation is made with none for the directory (:mod:`.user_directory`);
here those of earlier versions are made so, and what is there is removed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg

from seat_ledger.projections.engine.user_directory import PERSONAL, directories, quiet
from seat_ledger.store.connection import connect
from seat_ledger.store.statistics import rewrite_statistics

_Connection = psycopg.Connection[Any]
_COLUMNS = """
SELECT space.nspname, class.relname, attribute.attname, stats.inherited,
       attribute.attrelid, attribute.attnum,
       attribute.attstattarget IS NOT DISTINCT FROM 0 AS is_quiet
  FROM pg_catalog.pg_attribute AS attribute
  JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
  LEFT JOIN pg_catalog.pg_stats AS stats
    ON stats.schemaname = space.nspname
   AND stats.tablename = class.relname
   AND stats.attname = attribute.attname
 WHERE space.nspname ~ '^projection_[0-9]+(_own)?$'
   AND class.relname = 'user_directory'
   AND class.relkind = 'r'
   AND attribute.attname = ANY (%s)
"""
_REMOVE = """
DELETE FROM pg_catalog.pg_statistic
 WHERE starelid = %s AND staattnum = %s AND stainherit = %s
"""


def remove_personal(conninfo: str) -> None:
    """Let no generation's statistics hold a person, as far as the login may.

    What it may not, ``seat-ledger doctor`` names; a rebuild makes tables without.
    """
    with connect(conninfo, role="projector", autocommit=True) as connection:
        columns = connection.execute(_COLUMNS, [list(PERSONAL)]).fetchall()
        if not all(column[6] for column in columns):
            for directory in directories(connection):
                with suppress(psycopg.errors.UndefinedTable):
                    quiet(connection, directory)
        copied = [column for column in columns if column[3] is not None]
        if copied and connection.info.server_version >= 180000:
            for schema, table, column, inherited, *_ in copied:
                connection.execute(
                    "SELECT pg_catalog.pg_clear_attribute_stats(%s, %s, %s, %s)",
                    [schema, table, column, inherited],
                )
    if copied:
        with connect(conninfo, autocommit=True) as connection:
            with suppress(psycopg.errors.InsufficientPrivilege):
                for _, _, _, inherited, table, number, _ in copied:
                    connection.execute(_REMOVE, [table, number, inherited])
            rewrite_statistics(connection)
