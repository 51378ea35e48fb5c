"""Tables filled from nothing, by the definitions themselves."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from seat_ledger.projections import periods
from seat_ledger.projections.engine.contracts import facts_of
from seat_ledger.projections.engine.figures_query import counting
from seat_ledger.projections.engine.sql_files import queries

_Connection = psycopg.Connection[Any]
_FROM_KEPT = {
    "current_assignment": b"""
        SELECT account_no, seat_type, number, user_no, held_from, assigned_position
          FROM seat_holding
         WHERE NOT reversed
           AND held_until IS NULL
           AND account_no >= %(first)s::bigint
           AND account_no <= %(last)s::bigint""",
    "billable_seats": counting("stored", "stored"),
}
"""Tables that are made of others of the same generation."""


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
    params = {"first": first, "last": last, "known": known_at}
    table = sql.Identifier(name)
    if name in _FROM_KEPT:
        rows: Any = sql.SQL(_text(_FROM_KEPT[name]))
    else:
        rows = sql.SQL(
            "SELECT * FROM {} WHERE account_no >= %(first)s AND account_no <= %(last)s"
        ).format(sql.SQL("{}(%(known)s::bigint)").format(sql.Identifier(f"{name}_at")))
    for setting in _SETTINGS.get(name, ()):
        connection.execute(setting)
    return connection.execute(
        sql.SQL("INSERT INTO {} {}").format(table, rows), params
    ).rowcount


def fill_periods(connection: _Connection, known_at: int) -> int:
    """Fill the billing periods of every account; return the number of rows."""
    statements = queries("periods", "refresh.sql")
    params = {"known": known_at}
    reversed_ = {
        row[0]
        for row in connection.execute(statements["all_policies_reversed"], params)
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        entries = cursor.execute(statements["all_contracts"], params).fetchall()
    rows = 0
    names = ", ".join(periods.PeriodRow._fields)
    with (
        connection.cursor() as cursor,
        cursor.copy(
            f"COPY billing_period ({names}) FROM STDIN (FORMAT binary)".encode()
        ) as copy,
    ):
        copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8))
        for _, of_account in groupby(entries, key=lambda row: row["account_no"]):
            account = facts_of(list(of_account), known_at, reversed_)
            encoded = list(periods.binary_rows(account))
            copy.write(b"".join(encoded))
            rows += len(encoded)
        copy.write(b"\xff\xff")
    return rows


def _text(query: bytes) -> Any:
    """A query of the package's files; never anything from outside."""
    return query.decode()
