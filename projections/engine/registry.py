"""What projections there are, in the order in which they are made, and their versions.

A projection is a table, in the folder of its room: ``tables.sql`` says what one row
means and which questions its indexes serve, ``definition.sql`` computes the rows from
the journal as a function of the knowledge position, ``view.sql`` shows them to other
clients. Its version is the digest of what its rows depend on.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import NamedTuple

from seat_ledger.domain.calendar import TZDATA_VERSION
from seat_ledger.domain.seat_types import STARTING_TYPES
from seat_ledger.projections.engine.sql_files import queries, statements, text

TOPICS = (
    "AccountOpened",
    "TimeZoneChanged",
    "BillingPolicyChanged",
    "SeatPurchased",
    "SeatReductionRequested",
    "SeatReductionCancelled",
    "ContractRenewed",
    "SeatRetired",
    "SeatAssigned",
    "SeatUnassigned",
    "UserAdded",
    "PermissionsChanged",
    "HubAccessGranted",
    "HubAccessRevoked",
    "UserRemoved",
    "EntryReversed",
    "InvoiceIssued",
    "InvoiceVoided",
    "UserErased",
    "SeatTypeAdded",
    "SeatTypeWithdrawn",
)
"""The events that the journal can decode; a test holds them to the write side's."""


class Projection(NamedTuple):
    """A table, the room that it lives in, its key, and what it is computed from."""

    name: str
    room: str
    key: tuple[str, ...]
    needs: tuple[str, ...] = ()


PROJECTIONS = (
    Projection("seat_type", "catalogue", ("added", "type_no")),
    Projection("account", "accounts", ("account_no",)),
    Projection("person", "users", ("user_no",), ("account",)),
    Projection("user_directory", "users", ("user_no",), ("person",)),
    Projection("journal", "journal", ("position",), ("account", "person", "seat_type")),
    Projection("seat", "holdings", ("account_no", "seat_type", "number"), ("journal",)),
    Projection("seat_holding", "holdings", ("entry",), ("journal",)),
    Projection(
        "current_assignment", "assignments", ("assigned_position",), ("seat_holding",)
    ),
    Projection("seat_count", "counts", ("account_no", "seat_type", "at"), ("journal",)),
    Projection("billing_period", "periods", ("account_no", "period_no"), ("journal",)),
    Projection(
        "billable_seats",
        "billing",
        ("account_no", "seat_type", "period_no"),
        ("seat_holding", "seat_count", "billing_period"),
    ),
)
BY_NAME = {projection.name: projection for projection in PROJECTIONS}
ROOMS = tuple(dict.fromkeys(projection.room for projection in PROJECTIONS))
_FILES = ("tables.sql", "decode.sql", "definition.sql", "figures.sql")


@cache
def versions() -> dict[str, str]:
    """By projection: the digest of its definition."""
    digests: dict[str, str] = {}
    for projection in PROJECTIONS:
        parts = [text(projection.room, file) for file in _FILES]
        parts += [digests[name] for name in projection.needs]
        if projection.name == "account":
            parts += TOPICS
        if projection.name == "seat_type":
            parts += STARTING_TYPES
        if projection.name == "billing_period":
            parts.append(TZDATA_VERSION)
        whole = "\x00".join(parts)
        digests[projection.name] = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return digests


def indexes(name: str) -> list[bytes]:
    """The statements that make a room's indexes on one of its tables."""
    sql = queries(BY_NAME[name].room, "tables.sql")["indexes"].decode()
    return [
        statement
        for statement in statements(sql)
        if f" ON {name} ".encode() in _flat(statement)
    ]


def _flat(sql: bytes) -> bytes:
    return b" ".join(sql.split())
