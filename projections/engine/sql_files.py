"""SQL in files: a file holds named blocks, each under a line ``-- name --``.

Blocks are put together as they are, never edited: what varies in one is a name in
braces, for which the caller gives another block or an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from psycopg import sql

_NAME = re.compile(r"^-- ([a-z_]+(?: of [a-z_]+)?) --$", re.MULTILINE)


def text(*path: str) -> str:
    """A file of this package, as it is; nothing where there is none."""
    file = resources.files("seat_ledger.projections").joinpath(*path)
    return file.read_text("utf-8") if file.is_file() else ""


@cache
def queries(*path: str) -> dict[str, bytes]:
    """The blocks of a file of this package, by name."""
    parts = _NAME.split(text(*path))[1:]
    return {
        name: sql.strip().rstrip(";").encode()
        for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }


def statements(block: bytes) -> list[bytes]:
    """The statements of a block without functions, one by one."""
    return [part for part in re.split(rb";\s*$\s*", block, flags=re.MULTILINE) if part]


def part(block: Any) -> sql.SQL:
    """A block as a part of another; never anything from outside the package."""
    return sql.SQL(block.decode() if isinstance(block, bytes) else block)


def filled(block: Any, **parts: sql.Composable) -> bytes:
    """A block with other blocks and identifiers in place of its names in braces."""
    return part(block).format(**parts).as_bytes(None)


def with_parts(parts: Iterable[tuple[str, bytes]]) -> sql.Composed:
    """Named queries that others use, as the list behind ``WITH``."""
    return sql.SQL(", ").join(
        sql.SQL("{} AS ({})").format(sql.Identifier(name), part(block))
        for name, block in parts
    )
