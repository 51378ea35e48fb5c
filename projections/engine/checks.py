"""What must be so of rebuilt tables before they are served, and their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from psycopg import Connection, sql

from seat_ledger.projections.engine.sql_files import queries


class Check(NamedTuple):
    """A query of ``checks.sql`` that finds the first row that should not be."""

    name: str
    projection: str
    sentence: str

    def message(self, row: dict[str, Any]) -> str:
        """What is wrong, with where and when."""
        return self.sentence.format(**row)


_SEAT = "position {position}: {account}, {seat_type}#{number}: "
_TYPE = "position {position}: {account}, {seat_type}: "
CHECKS = (
    Check(
        "journal_is_whole",
        "journal",
        "the journal has {decoded} of the store's {events} events up to {position}",
    ),
    Check(
        "one_holder_at_once",
        "seat_holding",
        _SEAT + "two holders at once from {held_from} on",
    ),
    Check(
        "holdings_have_both_ends",
        "seat_holding",
        _SEAT + "an unassignment at {held_until} that ends no holding",
    ),
    Check(
        "holdings_within_seats",
        "seat_holding",
        _SEAT + "held from {held_from} while not under contract",
    ),
    Check(
        "counts_within_contract",
        "seat_count",
        _TYPE + "{assigned} seats held and {purchased} under contract at {at}",
    ),
    Check(
        "counts_equal_holdings",
        "seat_count",
        _TYPE + "the counts do not match the holdings",
    ),
)
"""Every check of a rebuild, in the order in which they are reported."""

BY_CHECK = {check.name: check for check in CHECKS}


def digest_of(parts: Iterable[str]) -> str:
    """A short digest, that shows a change, and nothing more."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


_OF_SEATS = {"journal": sql.SQL(" WHERE topic <> 'UserErased'")}
"""An erasure says nothing of seats and changes no digest; the directory shows it."""


def table_digest(connection: Connection[Any], name: str) -> str:
    """The digest of a projection's rows, whatever their order and generation."""
    columns = connection.execute(
        queries("engine", "checks.sql")["columns"], {"name": name}
    ).fetchall()
    values = [
        sql.SQL('{}::text COLLATE "C"' if is_word else "{}").format(
            sql.Identifier(column)
        )
        for column, is_word in columns
    ]
    row = connection.execute(
        sql.SQL(
            "SELECT count(*), sum(hash_record_extended(ROW({}), 0)) FROM {}{}"
        ).format(
            sql.SQL(", ").join(values),
            sql.Identifier(name),
            _OF_SEATS.get(name, sql.SQL("")),
        )
    ).fetchone()
    assert row is not None
    return digest_of(map(str, row))
