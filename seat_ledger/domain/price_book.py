"""The price book: what one seat of a type costs for one whole billing period (R90).

A price holds from its effective time on. The account's own goes before the one for all
accounts, and the price in force at a period's start applies to the whole period. The
write side reads it from its events, the read side from the journal: the rule is here.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from seat_ledger.domain.values import iso, utc
from seat_ledger.errors import CommandRefused

if TYPE_CHECKING:
    from seat_ledger.domain.events import PriceSet


class ListPrice(NamedTuple):
    """A price at its place in the order of application (R70).

    `entry` is what recorded it: a position, or a version of its stream. With a
    `first_date` it holds from that local date on, wherever the account is.
    """

    effective_at: datetime
    entry: int
    seat_type: str
    currency: str
    unit_price: str
    first_date: date | None = None

    def is_in_force(self, starts: datetime, label: date) -> bool:
        """Whether it was set by the start of a period, which is on that local date."""
        if self.first_date is not None:
            return self.first_date <= label
        return self.effective_at <= starts


class PriceList:
    """The prices of one stream, in the order of application."""

    def __init__(self, prices: Iterable[ListPrice] = ()) -> None:
        self.prices = sorted(prices)

    def add(self, price: ListPrice) -> None:
        """Let a price hold."""
        insort(self.prices, price)

    def remove(self, price: ListPrice) -> None:
        """Take a price out: it no longer holds."""
        self.prices.remove(price)

    def in_force(self, starts: datetime, label: date) -> list[ListPrice]:
        """The last price by the start of a period, of each type and currency."""
        last = {
            (price.seat_type, price.currency): price
            for price in self.prices
            if price.is_in_force(starts, label)
        }
        return list(last.values())


def prices_in_force(
    own: PriceList, for_all: PriceList, starts: datetime, label: date
) -> dict[tuple[str, str], ListPrice]:
    """By type and currency: the price that applies to a period of an account (R90)."""
    return {
        (price.seat_type, price.currency): price
        for prices in (for_all, own)
        for price in prices.in_force(starts, label)
    }


def list_price(event: PriceSet) -> ListPrice:
    """A recorded price at its place in its list."""
    return ListPrice(
        utc(event.effective_at),
        event.originator_version,
        event.seat_type,
        event.currency,
        event.unit_price,
        event.first_date,
    )


def check_new_price(prices: PriceList, price: ListPrice, where: str) -> None:
    """Refuse a price that is in force then already (R27, R90).

    Raises CommandRefused (``nothing_to_do``).
    """
    label = price.first_date or price.effective_at.date()
    for current in prices.in_force(price.effective_at, label):
        if current[2:5] == price[2:5]:
            raise CommandRefused(
                "nothing_to_do",
                f"{price.seat_type} already costs {price.unit_price} "
                f"{price.currency} in {where}, since {iso(current.effective_at)}.",
                try_="leave it as it is",
            )
