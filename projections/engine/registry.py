"""What projections there are, in the order in which they are made, and their versions.

A projection is a table, in the folder of its room: ``tables.sql`` says what one row
means and which questions its indexes serve, ``view.sql`` shows it to other clients. Its
rows come from the journal, by a function of the knowledge position that stands in
``definition.sql``, or from other tables, by a block of ``rows.sql``. Its version is the
digest of what its rows depend on. Everything else follows from its entry here.
"""

from __future__ import annotations

import hashlib
from enum import Enum, auto
from functools import cache
from typing import NamedTuple

from psycopg import sql

from seat_ledger.domain.calendar import TZDATA_VERSION
from seat_ledger.domain.seat_types import STARTING_TYPES
from seat_ledger.projections.engine.sql_files import (
    filled,
    part,
    queries,
    statements,
    text,
)

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
    "ContractChanged",
    "AccountClosed",
    "UserErased",
    "SeatTypeAdded",
    "SeatTypeWithdrawn",
    "SnapshotObserved",
    "UnassignmentRequested",
    "UnassignmentCancelled",
    "PriceSet",
    "UserRenamed",
    "FindingOpened",
    "FindingNoted",
    "FindingSettled",
)
"""The events that the journal can decode; a test holds them to the write side's."""


class RowSource(Enum):
    """What the rows of a projection are computed from."""

    STORE = auto()
    """The stored events, decoded."""
    PERSONS = auto()
    """Those that add users, decrypted by the program."""
    JOURNAL = auto()
    """The journal, by the function ``<name>_at`` of the knowledge position."""
    TABLES = auto()
    """Other projections, by a block of its name in ``rows.sql``."""
    CALENDAR = auto()
    """The billing calendar, computed by the program."""
    FIGURES = auto()
    """The counting query (:mod:`.figures_query`)."""


SEAT = ("account_no", "seat_type", "number")
TYPE = ("account_no", "seat_type")


class Projection(NamedTuple):
    """A table, the room that it lives in, its key, and what it is computed from.

    `touched_by` are the columns by which a batch of events touches its rows, where
    catch-up computes them anew by the rule for all tables.
    """

    name: str
    room: str
    key: tuple[str, ...]
    needs: tuple[str, ...] = ("journal",)
    source: RowSource = RowSource.JOURNAL
    touched_by: tuple[str, ...] = ()

    def rows(self, *, from_tables: bool) -> bytes:
        """A query for its rows: of the tables that it needs, or as known at `known`."""
        if self.source is RowSource.TABLES:
            return with_sources(
                queries(self.room, "rows.sql")[self.name], from_tables=from_tables
            )
        return filled("SELECT * FROM {definition}", definition=self.as_known)

    @property
    def as_known(self) -> sql.SQL:
        """Its definition, as known at `known`."""
        return part(f"{self.name}_at(%(known_position)s::bigint)")

    @property
    def decoded(self) -> bytes:
        """A query for the rows that a range of the store's events makes."""
        return queries(self.room, "decode.sql")[self.name]

    def filling(self, rows: bytes) -> bytes:
        """A statement that adds the rows of a query to the table."""
        return filled(
            "INSERT INTO {table} {rows}",
            table=sql.Identifier(self.name),
            rows=part(rows),
        )

    def indexes(self) -> list[bytes]:
        """The statements that make its indexes."""
        return statements(queries(self.room, "tables.sql")[f"indexes of {self.name}"])


PROJECTIONS = (
    Projection("seat_type", "catalogue", ("added", "type_no"), (), RowSource.STORE),
    Projection("account", "accounts", ("account_no",), (), RowSource.STORE),
    Projection("person", "users", ("user_no",), ("account",), RowSource.STORE),
    Projection(
        "user_directory", "users", ("position",), ("person",), RowSource.PERSONS
    ),
    Projection(
        "journal",
        "journal",
        ("position",),
        ("account", "person", "seat_type"),
        RowSource.STORE,
    ),
    Projection("seat", "holdings", SEAT, touched_by=SEAT),
    Projection("seat_holding", "holdings", ("entry",), touched_by=SEAT),
    Projection(
        "current_assignment",
        "assignments",
        ("assigned_position",),
        ("seat_holding",),
        RowSource.TABLES,
        touched_by=SEAT,
    ),
    Projection("seat_count", "counts", (*TYPE, "at"), touched_by=TYPE),
    Projection(
        "billing_period",
        "periods",
        ("account_no", "period_no"),
        source=RowSource.CALENDAR,
    ),
    Projection(
        "billable_seats",
        "billing",
        (*TYPE, "period_no"),
        ("seat_holding", "seat_count", "billing_period"),
        RowSource.FIGURES,
    ),
)
BY_NAME = {projection.name: projection for projection in PROJECTIONS}
ROOMS = tuple(dict.fromkeys(projection.room for projection in PROJECTIONS))
DEFINING_ROOMS = ("journal", *(room for room in ROOMS if room != "journal"))
"""The rooms in the order of their definitions: all others read the journal's."""

DECODED = {
    projection.name
    for projection in PROJECTIONS
    if projection.source in {RowSource.STORE, RowSource.PERSONS}
}
"""What comes from the store itself; all else is computed from the journal."""

_FILES = ("tables.sql", "decode.sql", "definition.sql", "rows.sql", "figures.sql")


def with_sources(block: bytes, *, from_tables: bool, **parts: sql.SQL) -> bytes:
    """A query over definitions, as known at `known` or read from the stored tables.

    What is known at the checkpoint is stored in tables with the same rows, under the
    names that stand in braces in the query; `parts` are pieces that questions share.
    """
    definitions = [row for row in PROJECTIONS if row.source is RowSource.JOURNAL]
    return filled(
        block,
        **parts,
        **{
            projection.name: part(projection.name)
            if from_tables
            else projection.as_known
            for projection in definitions
        },
    )


@cache
def question(room: str, name: str, *, from_tables: bool) -> bytes:
    """A question of a room's ``queries.sql``, to the tables or as known at `known`.

    What several share stands in the room's ``parts.sql``, under a name in braces.
    """
    block = queries(room, "queries.sql")[name]
    parts = {name: part(shared) for name, shared in queries(room, "parts.sql").items()}
    return with_sources(block, from_tables=from_tables, **parts)


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
