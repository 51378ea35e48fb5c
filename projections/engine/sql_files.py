"""SQL in files: a file holds named queries, each under a line ``-- name --``."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)
_AS_KNOWN = re.compile(rb"\b(seat|seat_holding|seat_count)_at\(%\(known\)s::bigint\)")


def text(*path: str) -> str:
    """A file of this package, as it is; nothing where there is none."""
    file = resources.files("seat_ledger.projections").joinpath(*path)
    return file.read_text("utf-8") if file.is_file() else ""


@cache
def queries(*path: str) -> dict[str, bytes]:
    """The queries of a file of this package, by name."""
    parts = _NAME.split(text(*path))[1:]
    return {
        name: sql.strip().rstrip(";").encode()
        for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }


@cache
def question(room: str, name: str, *, from_tables: bool) -> bytes:
    """A question of a room's ``queries.sql``.

    It is written over the definitions, which are functions of the knowledge
    position. What is known at the checkpoint is kept in tables with the same rows:
    with `from_tables` the question reads them instead.
    """
    sql = queries(room, "queries.sql")[name]
    return _AS_KNOWN.sub(rb"\1", sql) if from_tables else sql


def statements(sql: str) -> list[bytes]:
    """The statements of a text without functions, one by one."""
    parts = (part.strip() for part in re.split(r";\s*$", sql, flags=re.MULTILINE))
    return [part.encode() for part in parts if part]
