"""A served table held against the same that DuckDB has computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from seat_ledger.projections.engine.registry import BY_NAME
from seat_ledger.projections.engine.sql_files import filled, part
from seat_ledger.projections.engine.verify import TABLE, difference_in_words
from seat_ledger.projections.lake.columns import record_batches
from seat_ledger.projections.lake.definitions import tables
from seat_ledger.projections.lake.engine import COMPARED_LESS, Engine


def compared_with_served(
    connection: Connection[Any],
    engine: Engine,
    name: str,
    accounts: Sequence[int],
    *,
    fresh: str,
) -> tuple[int, str | None]:
    """Compare a table of some accounts, both ways: how many rows the engine has, and
    the first that differs, in words; `fresh` is what its side is called.
    """
    columns = [
        column for column in tables()[name] if column not in COMPARED_LESS.get(name, ())
    ]
    types = engine.types_of(name)
    served_rows = _batches(connection, name, columns, accounts, types)
    engine.take_served(served_rows, types)
    key = ", ".join(f'"{part}"' for part in BY_NAME[name].key)
    names = ", ".join(f'"{column}"' for column in columns)
    listed = ", ".join(map(str, accounts)) or "-1"
    own = f"SELECT {names} FROM {name} WHERE account_no IN ({listed})"  # noqa: S608
    served = f"SELECT {names} FROM served"  # noqa: S608
    apart = engine.dicts(
        f"(SELECT '{TABLE}' AS side, * FROM ({served} EXCEPT ALL {own})"  # noqa: S608
        f" UNION ALL SELECT '{fresh}', * FROM ({own} EXCEPT ALL {served}))"
        f" ORDER BY {key}, side LIMIT 2"
    )
    (count,) = engine.dicts(f"SELECT count(*) AS compared FROM ({own})")  # noqa: S608
    if not apart:
        return count["compared"], None
    return count["compared"], difference_in_words(name, *map(_as_written, apart))


def _as_written(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its values as PostgreSQL writes them."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    return value.isoformat() if isinstance(value, date | datetime) else value


def _batches(
    connection: Connection[Any],
    name: str,
    columns: Sequence[str],
    accounts: Sequence[int],
    types: dict[str, Any],
) -> Iterator[Any]:
    """The served rows of some accounts."""
    names = ", ".join(f'"{column}"' for column in columns)
    statement = filled(
        b"COPY (SELECT {names} FROM {table} "
        b"WHERE account_no = ANY (%(accounts)s::bigint[])) "
        b"TO STDOUT (FORMAT csv, HEADER true)",
        names=part(names),
        table=part(name),
    )
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone TO 'UTC'")
        cursor.execute("SET LOCAL DateStyle TO 'ISO, YMD'")
        with cursor.copy(statement, {"accounts": list(accounts)}) as copy:
            pieces = (bytes(block) for block in copy)
            yield from record_batches(pieces, types)
