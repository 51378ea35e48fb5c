"""The order of a list: its own, or that of a column which the address names.

``sort=amount`` is upwards, ``sort=-amount`` downwards; what has no value stands last
either way. The order stays with the filters, from page to page and in the twins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.request import PageRequest
from seat_ledger.domain.values import fold, shown

T = TypeVar("T")
Key = Callable[[Any], Any]
"""What a row is compared by in a column; None where it has nothing there."""


def text(name: str) -> Key:
    """By a text, without regard to case."""
    return lambda row: None if row[name] is None else fold(row[name])


def value(name: str) -> Key:
    """By a number, a date or an instant."""
    return lambda row: row[name]


def money(name: str) -> Key:
    """By an amount, those of each currency together."""

    def key(row: Any) -> Any:
        if row[name] is None:
            return None
        return row["currency"] or "", Decimal(row[name])

    return key


class Sorting:
    """How a list is ordered, by one of `columns`; one without a key is its own order.

    Raises InvalidInput for a column that the list cannot be sorted by.
    """

    def __init__(
        self,
        request: PageRequest,
        page: str,
        identity: Mapping[str, str],
        columns: Mapping[str, Key | None],
    ) -> None:
        self._request, self._page, self._columns = request, page, columns
        self._plain = dict(identity)
        stated = request.params.get("sort", "")
        self.column, self.is_down = stated.removeprefix("-"), stated.startswith("-")
        if stated and self.column not in columns:
            raise UnreadableRequest(
                "sort", column=shown(self.column), columns=", ".join(columns)
            )
        self.identity = {**self._plain, "sort": stated} if stated else self._plain

    def applied(self, rows: Sequence[T]) -> list[T]:
        """The rows in this order."""
        key = self._columns[self.column] if self.column else None
        if key is None:
            return list(reversed(rows) if self.is_down else rows)
        there = [row for row in rows if key(row) is not None]
        empty = [row for row in rows if key(row) is None]
        return [*sorted(there, key=key, reverse=self.is_down), *empty]

    def address(self, column: str) -> str:
        """The list by a column; by the one that it is sorted by the other way."""
        turn = "-" if column == self.column and not self.is_down else ""
        sort = {"sort": f"{turn}{column}"}
        return self._request.url(self._page, **{**self._plain, **sort})
