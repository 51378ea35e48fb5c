"""Kept rows made equal to fresh ones, writing only what differs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import psycopg
from psycopg import sql

from seat_ledger.projections.engine.registry import BY_NAME, versions
from seat_ledger.projections.engine.sql_files import part, with_parts

_columns: dict[tuple[str, str], list[str]] = {}


def replace(  # noqa: PLR0913  what, where, from what
    connection: psycopg.Connection[Any],
    name: str,
    *,
    ctes: tuple[tuple[str, bytes], ...],
    fresh: bytes,
    scope: bytes,
    params: Mapping[str, Any],
) -> int:
    """Make the kept rows of a projection inside `scope` equal to those of `fresh`.

    `ctes` are named queries that both may use, `scope` a condition on ``stored``.
    Returns how many rows were written or removed.
    """
    columns = columns_of(connection, name)
    statement = _statement(name, tuple(columns), ctes, fresh, scope)
    row = connection.execute(statement, params).fetchone()
    return int(row[0]) if row else 0


def columns_of(connection: psycopg.Connection[Any], name: str) -> list[str]:
    """The columns of a projection's table, in order."""
    key = (name, versions()[name])
    if key not in _columns:
        cursor = connection.execute(
            sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(name))
        )
        assert cursor.description is not None
        _columns[key] = [column.name for column in cursor.description]
    return _columns[key]


@cache
def _statement(
    name: str,
    columns: tuple[str, ...],
    ctes: tuple[tuple[str, bytes], ...],
    fresh: bytes,
    scope: bytes,
) -> sql.Composed:
    key = BY_NAME[name].key
    others = [column for column in columns if column not in key]
    table = sql.Identifier(name)
    return sql.SQL(
        """
        WITH {ctes}
        fresh ({columns}) AS MATERIALIZED ({fresh}),
        removed AS (
            DELETE FROM {table} AS stored
             WHERE {scope}
               AND NOT EXISTS (SELECT 1 FROM fresh WHERE {same_key})
            RETURNING 1),
        written AS (
            INSERT INTO {table} AS stored
            SELECT {columns} FROM fresh
                ON CONFLICT ({key}) DO UPDATE SET {changes}
             WHERE ({stored}) IS DISTINCT FROM ({excluded})
            RETURNING 1)
        SELECT (SELECT count(*) FROM removed) + (SELECT count(*) FROM written)
        """
    ).format(
        ctes=with_parts(ctes) + sql.SQL(", ") if ctes else sql.SQL(""),
        fresh=part(fresh),
        table=table,
        scope=part(scope),
        columns=_list(columns),
        key=_list(key),
        same_key=sql.SQL(" AND ").join(
            sql.SQL("fresh.{0} = stored.{0}").format(sql.Identifier(column))
            for column in key
        ),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
            for column in others
        ),
        stored=_list(others, "stored"),
        excluded=_list(others, "excluded"),
    )


def _list(columns: Any, of: str | None = None) -> sql.Composed:
    names = [
        sql.Identifier(of, column) if of else sql.Identifier(column)
        for column in columns
    ]
    return sql.SQL(", ").join(names)
