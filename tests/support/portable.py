"""The portable text of the figures, run in PostgreSQL beside the one that serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.lake.calendar_rows import CalendarRows
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import AccountFacts, ConnectedReader, Knowledge

_TYPES = {"time_zone": "text", "period_no": "integer", "days": "integer"}
_MICROS = "(extract(epoch FROM {0}) * 1000000)::bigint + 62135596800000000 AS {1}"
_SOURCES = f"""
step AS (
    SELECT account_no, seat_type, {_MICROS.format("at", "instant")}, seats_purchased,
           seats_assigned, bought, retired, filled, freed
      FROM seat_count_at(%(known_position)s::bigint)
     WHERE account_no = %(account)s::bigint),
held AS (
    SELECT account_no, seat_type, number, user_no,
           {_MICROS.format("held_from", "held_from")},
           {_MICROS.format("held_until", "held_until")}
      FROM seat_holding_at(%(known_position)s::bigint)
     WHERE account_no = %(account)s::bigint
       AND NOT reversed)
"""


def both(
    reader: ConnectedReader,
    account: AccountFacts,
    periods: Sequence[BillingPeriod],
    known_at: Knowledge,
) -> tuple[list[Any], list[Any]]:
    """The figures by the text that serves, and by the portable one, in one order."""
    selected = [row_of(account, period) for period in periods]
    served = reader.count("as_known", selected, known_at)
    return (
        sorted(map(_values, served), key=str),
        sorted(portable(reader, account, periods, known_at), key=str),
    )


def portable(
    reader: ConnectedReader,
    account: AccountFacts,
    periods: Sequence[BillingPeriod],
    known_at: Knowledge,
) -> list[Any]:
    rows, params = CalendarRows(), dict[str, Any]()
    for period in periods:
        rows.add(account.no, period)
    sources = []
    for table, columns in rows.take().items():
        names = ", ".join(columns)
        arrays = []
        for name, values in columns.items():
            params[f"{table}_{name}"] = values.tolist()
            arrays.append(f"%({table}_{name})s::{_TYPES.get(name, 'bigint')}[]")
        sources.append(
            f"{table} AS MATERIALIZED (SELECT * FROM unnest({', '.join(arrays)}) "
            f"AS rows({names}))"
        )
    figures = queries("billing", "figures.portable.sql")["figures"].decode()
    statement = f"WITH {', '.join(sources)}, {_SOURCES}, {figures}"
    params |= {"known_position": known_at.position, "account": account.no}
    return [_values(row) for row in reader.run(statement.encode(), params)]


def _values(row: Any) -> list[Any]:
    """A row, with numbers as they compare."""
    return [int(value) if name != "seat_type" else value for name, value in row.items()]
