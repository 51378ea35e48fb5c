"""Which schemas of a database are the ledger's, and what stands in its place.

Asked for before a schema is made, given to a role, or dropped: a name alone says
nothing (``ownership.sql``).
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import tuple_row

from seat_ledger.errors import SchemaMismatch

GENERATION_MARK = "A generation of the seat ledger's tables: one set of all of them."
SERVED_MARK = "Views of the seat ledger's, for readers of single accounts."
MARKS = (
    GENERATION_MARK,
    SERVED_MARK,
    "The write side: what happened, in the order of recording.",
    "The read side: views of the generation that is served, for any client.",
)
"""Comments on schemas that the ledger writes when it makes them."""

_JOURNAL = ["position", "recorded_at", "effective_at"]
_KNOWN_TABLES = (
    ("^ledger$", "schema_migration", ["number", "name", "digest", "applied_at"]),
    ("^projection$", "generation", ["number", "state", "versions", "position"]),
    ("^projection(_[0-9]+)?_own$", "journal", _JOURNAL),
    ("^projection_[0-9]+$", "journal", [*_JOURNAL, "account_no", "idempotency_key"]),
)
"""What only the ledger makes: a table of these columns in a schema of this name."""

FIXED = ("ledger", "projection", "projection_own")
"""Schemas that cannot have another name; of generations another number is taken."""

_CREATES = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+|UNLOGGED\s+|MATERIALIZED\s+)*"
    r"(?:TABLE|VIEW|FUNCTION|PROCEDURE|TYPE|DOMAIN|SEQUENCE|AGGREGATE)\s+"
    r"(?:IF\s+NOT\s+EXISTS\s+)?ledger\.(\w+)|\bRENAME\s+TO\s+(\w+)",
    re.IGNORECASE,
)


class Space(NamedTuple):
    """A schema of a name that the ledger uses."""

    name: str
    ours: bool
    owned: bool
    holds: list[str]

    @property
    def is_free(self) -> bool:
        """Whether nothing is in it, and the login may do with it what it likes."""
        return self.owned and not self.holds


@cache
def _queries() -> dict[str, bytes]:
    text = resources.files(__package__).joinpath("ownership.sql").read_text("utf-8")
    parts = re.split(r"^-- ([a-z]+) --$", text, flags=re.MULTILINE)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {name: query.strip().rstrip(";").encode() for name, query in pairs}


def spaces(connection: psycopg.Connection[Any]) -> list[Space]:
    """Every schema of a name that the ledger uses."""
    tables = [
        {"schema": schema, "table": table, "columns": columns}
        for schema, table, columns in _KNOWN_TABLES
    ]
    params = {"marks": list(MARKS), "tables": json.dumps(tables)}
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_queries()["schemas"], params).fetchall()
    return [Space(*row) for row in rows]


def ours(connection: psycopg.Connection[Any]) -> list[str]:
    """The names of the ledger's own schemas."""
    return [space.name for space in spaces(connection) if space.ours]


def check(connection: psycopg.Connection[Any], migrations: tuple[str, ...]) -> None:
    """Raise SchemaMismatch where somebody else's things stand in the ledger's place.

    `made` are the texts of the migrations: what they make may be in the schema.
    """
    for space in spaces(connection):
        if space.name in FIXED and not space.ours and not space.is_free:
            raise SchemaMismatch(
                f"The database has a schema {space.name!r} that is not Seat Ledger's: "
                f"it contains {_listed(space.holds)}. Nothing was changed.",
                try_="name another database, or rename that schema",
            )
    names = {"schema_migration"}
    for text in migrations:
        names |= {table or routine for table, routine in _CREATES.findall(text)}
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_queries()["foreign"], {"names": [*names]}).fetchall()
    if rows:
        raise SchemaMismatch(
            "The schema 'ledger' contains objects that are not Seat Ledger's: "
            f"{_listed([row[0] for row in rows])}. Nothing was changed.",
            try_="move it to another schema: ALTER … SET SCHEMA …",
        )


def dependents(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """Views of somebody else's that would go with a schema."""
    params = {"schema": schema, "ours": ours(connection)}
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_queries()["dependents"], params).fetchall()
    return [row[0] for row in rows]


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing, and belongs to another role"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
