"""The seat types of the tables, by number and by name (R80, R81)."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from seat_ledger.domain.seat_types import (
    CATALOGUE_ID,
    STARTING_TYPES,
    unknown_seat_type,
)
from seat_ledger.domain.values import SeatType
from seat_ledger.projections.engine.sql_files import queries

CATALOGUE: dict[str, Any] = {"catalogue": CATALOGUE_ID, "starting": []}
"""What decodes the types that were added; those of the start come with the table."""

STARTING: dict[str, Any] = {**CATALOGUE, "starting": list(STARTING_TYPES)}
"""The same, with those of the start."""


class SeatTypes(NamedTuple):
    """Every seat type that was ever added: the tables hold its number, all else its
    name.
    """

    names: dict[int | None, str | None]
    numbers: dict[str, int]

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> SeatTypes:
        """The seat types of the tables that a connection reads."""
        rows = connection.execute(queries("catalogue", "queries.sql")["numbers"])
        names: dict[int | None, str | None] = dict(rows.fetchall())
        numbers = {str(name): no or 0 for no, name in names.items()}
        return cls({None: None, **names}, numbers)

    def number(self, seat_type: str) -> int:
        """A seat type's number; 0, which no row has, where there is none so called."""
        return self.numbers.get(seat_type, 0)

    def check(self, *seat_types: str) -> None:
        """Raise NotFound (``unknown_seat_type``) where one was never added (R81)."""
        for seat_type in seat_types:
            if seat_type not in self.numbers:
                raise unknown_seat_type(seat_type, self.numbers)

    @property
    def all(self) -> list[SeatType]:
        """Every type, in the order in which they were added."""
        return [SeatType(name) for name in self.numbers]
