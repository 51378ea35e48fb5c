"""Tables filled from nothing, by the definitions themselves."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from seat_ledger.projections import periods
from seat_ledger.projections.engine.contracts import facts_of_each
from seat_ledger.projections.engine.figures_query import counting
from seat_ledger.projections.engine.registry import BY_NAME, RowSource
from seat_ledger.projections.engine.sql_files import filled, part, queries

_Connection = psycopg.Connection[Any]

_OF_ACCOUNTS = """
SELECT *
  FROM ({rows}) AS fresh
 WHERE account_no >= %(first)s::bigint
   AND account_no <= %(last)s::bigint
"""
_SETTINGS = {
    "seat_count": (
        b"SET LOCAL enable_hashagg = off",
        b"SET LOCAL enable_indexscan = off",
    ),
    "seat_holding": (b"SET LOCAL enable_hashagg = off",),
}
"""Settings where the planner misjudges: one sort serves grouping and window, and
leaves the rows in the order in which indexes and checks want them; the whole journal is
read as it lies, not by an index."""


def fill(
    connection: _Connection, name: str, first: int, last: int, known_at: int
) -> int:
    """Fill a table for a range of accounts; return the number of rows."""
    projection = BY_NAME[name]
    if projection.source is RowSource.FIGURES:
        rows = counting("stored", "stored")
    else:
        rows = filled(_OF_ACCOUNTS, rows=part(projection.rows(from_tables=True)))
    for setting in _SETTINGS.get(name, ()):
        connection.execute(setting)
    params = {"first": first, "last": last, "known_position": known_at}
    return connection.execute(projection.filling(rows), params).rowcount


def fill_periods(connection: _Connection, known_at: int) -> int:
    """Fill the billing periods of every account; return the number of rows."""
    with connection.cursor(row_factory=dict_row) as cursor:
        contracts = cursor.execute(
            queries("accounts", "queries.sql")["contracts"],
            {"known_position": known_at},
        ).fetchall()
    names = ", ".join(periods.PeriodRow._fields)
    copying = f"COPY billing_period ({names}) FROM STDIN (FORMAT binary)"
    rows = 0
    with connection.cursor() as cursor, cursor.copy(copying.encode()) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8))
        for account in facts_of_each(contracts, known_at):
            encoded = list(periods.binary_rows(account))
            copy.write(b"".join(encoded))
            rows += len(encoded)
        copy.write(b"\xff\xff")
    return rows
