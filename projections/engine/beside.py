"""What a rebuild, a verification and a count have in common with an engine beside the
server: shares of the accounts, and the events by which it computes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import psycopg

from seat_ledger.projections.engine.sql_files import queries

LAST = 2**62
"""No position and no number of an account is as large."""

_POSITIONS_AT_ONCE = 65_536

E_co = TypeVar("E_co", covariant=True)


class Beside(Protocol):
    """Computes in the server's stead what comes from the journal.

    Of ranges of accounts by number, each a share. Raises LedgerError where it cannot.
    """

    @property
    def shares(self) -> range:
        """The shares, by number."""

    def read(self, connection: psycopg.Connection[Any], after: int, until: int) -> None:
        """Take the events of some positions."""


class BesideMaker(Protocol[E_co]):
    """Makes one, for bounds of the ranges and the position to compute as known at."""

    name: str

    def __call__(
        self, bounds: Sequence[int], known_at: int
    ) -> AbstractContextManager[E_co]:
        """Make it; it is at work inside the block."""


def account_bounds(connection: psycopg.Connection[Any], parts: int) -> list[int]:
    """The numbers before the first account, and of the last of each of some ranges with
    about as many events; there are fewer where one account has very many.
    """
    statement = queries("engine", "checks.sql")["account_ranges"]
    shares = [n / parts for n in range(1, parts)]
    row = connection.execute(statement, {"shares": shares}).fetchone()
    return sorted({0, *((row and row[0]) or ()), LAST})


def position_ranges(until: int) -> Iterator[tuple[int, int]]:
    """Positions up to one, so many as are read together."""
    for after in range(0, until, _POSITIONS_AT_ONCE):
        yield after, min(until, after + _POSITIONS_AT_ONCE)
