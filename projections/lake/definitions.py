"""The definitions as DuckDB reads them: generated from the repository's own SQL files.

A definition is one SELECT in a function of the knowledge position (see the README of
the projections). Its body is taken as it stands; what differs is the head. DuckDB has
it as a table macro, whose columns are named by the table's, or by those that the
function returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from seat_ledger.projections.engine.registry import BY_NAME, DEFINING_ROOMS, ROOMS
from seat_ledger.projections.engine.sql_files import queries, text

_FUNCTION = re.compile(
    r"CREATE FUNCTION (?P<name>[a-z_]+)\((?P<known>[a-z_]+) bigint\)\s+"
    r"RETURNS (?:SETOF (?P<table>[a-z_]+)|TABLE \((?P<columns>[^)]+)\))\s+"
    r"LANGUAGE sql STABLE\s+BEGIN ATOMIC\s+(?P<body>.*?);\s+END;",
    re.DOTALL,
)
_TABLE = re.compile(r"CREATE TABLE ([a-z_]+) \((.*?)\n\)", re.DOTALL)
_COLUMN = re.compile(r'^ {4}"?([a-z_]+)"? [a-z]', re.MULTILINE)
_OF_ACCOUNTS = "= ANY (%(accounts)s::bigint[])"
_OF_PERIODS = "IN (SELECT account_no FROM period_rows)"
_PARAM = re.compile(r"%\((\w+)\)s")


class Definition(NamedTuple):
    """A function of the knowledge position, and the columns of its rows."""

    name: str
    position: str
    columns: tuple[str, ...]
    body: str

    def macro(self) -> str:
        """The statement that makes it in DuckDB."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        head = f'CREATE OR REPLACE MACRO {self.name}("{self.position}") AS TABLE '
        return head + f"SELECT * FROM (\n{self.body}\n) AS t({names})"  # noqa: S608


@cache
def tables() -> dict[str, tuple[str, ...]]:
    """The columns of every table, in order."""
    return {
        name: tuple(_COLUMN.findall(columns.split("CONSTRAINT")[0]))
        for room in ROOMS
        for name, columns in _TABLE.findall(text(room, "tables.sql"))
    }


def definitions(journal: tuple[str, ...]) -> Iterator[Definition]:
    """Every definition, each behind those that it reads.

    `journal` are the columns of the journal there is: a lake has not all of them.
    """
    known_columns = {**tables(), "journal": journal}
    for room in DEFINING_ROOMS:
        for match in _FUNCTION.finditer(text(room, "definition.sql")):
            name, position, table, columns, body = match.groups()
            names = (
                known_columns[table]
                if table
                else tuple(re.findall(r'^ {4}"?([a-z_]+)"? ', columns, re.MULTILINE))
            )
            yield Definition(name, position, names, body)


def rows_of(name: str) -> str:
    """A query for a projection's rows as known, from the journal or from tables."""
    projection = BY_NAME[name]
    return as_text(projection.rows(from_tables=True))


def as_text(block: bytes) -> str:
    """A block of a file as it stands, for :func:`bound`."""
    return block.decode()


def bound(statement: str, params: Mapping[str, Any] = {}) -> str:
    """A statement with whole numbers, or nothing, in place of its named parameters."""
    filled = _PARAM.sub(lambda match: _literal(params[match[1]]), statement)
    return filled.replace("%%", "%")


def _literal(value: int | None) -> str:
    return "NULL" if value is None else str(int(value))


def bounded(source: str) -> dict[str, str]:
    """What the counts with closed windows follow from, each behind those that it reads;
    of the accounts of ``period_rows``.
    """
    texts = queries("billing", "bounds.sql")
    blocks = {
        "bounded": texts[f"{source}_held"],
        "bounded_seat": texts[f"{source}_seats"],
        "seat_holding": b"SELECT *, false AS reversed FROM (%s) AS held"
        % texts["bounded_held"],
        "seat_count": texts["bounded_steps"],
    }
    return {
        name: as_text(block).replace(_OF_ACCOUNTS, _OF_PERIODS)
        for name, block in blocks.items()
    }


def figures() -> str:
    """The portable text of the figures, over its sources."""
    return queries("billing", "figures.portable.sql")["figures"].decode()
