"""What a seat costs: the recorded prices as known, or those of a file (R90)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from typing import Literal, NamedTuple

from seat_ledger.domain.calendar import (
    BillingPeriod,
    ZoneHistory,
    first_instant,
    local_date,
)
from seat_ledger.domain.money import Currency
from seat_ledger.domain.price_book import ListPrice, PriceList
from seat_ledger.domain.wording import enumerated
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row, utc

PriceSource = Literal["given", "file", "account", "all"]
FOR_ALL = 0
"""The account number of what is recorded for all accounts."""
_NOBODY = PriceList()


class UnitPrice(NamedTuple):
    """What one seat of a type costs, and where that is from (R91).

    `entry` is the position that recorded it, `since` from when on it holds.
    """

    value: Fraction
    currency: Currency
    source: PriceSource = "given"
    entry: int | None = None
    since: datetime | date | None = None

    def fields(self) -> Row:
        """What a row of an answer says of it."""
        return {
            "unit_price": self.currency.shown(self.value),
            "currency": self.currency.code,
            "price_source": self.source,
            "price_entry": self.entry,
            "price_since": self.since,
        }


NO_PRICE: Row = dict.fromkeys(
    ("unit_price", "currency", "price_source", "price_entry", "price_since")
)
"""What a row says where there is no price."""


class PriceBook(NamedTuple):
    """Prices by account, under the key that `of_account` finds it by; and for all."""

    own: Mapping[Hashable, PriceList] = {}
    for_all: PriceList = _NOBODY
    is_file: bool = False

    @property
    def has_prices(self) -> bool:
        """Whether anything is in it."""
        return bool(self.own or self.for_all.prices)

    @property
    def choice(self) -> list[str]:
        """The currencies to choose from, as they were first recorded.

        Nothing where no seat type has prices in several: then each price speaks for
        itself.
        """
        lists = [prices.prices for prices in (*self.own.values(), self.for_all)]
        if not any(_has_several(prices) for prices in lists):
            return []
        every = sorted(
            (price for prices in lists for price in prices), key=attrgetter("entry")
        )
        return list(dict.fromkeys(price.currency for price in every))

    def find(
        self,
        account: tuple[int, str],
        seat_type: str,
        period: tuple[datetime, date],
        currency: str | None,
    ) -> UnitPrice | None:
        """The price that applies to a period: by its start, and its first date.

        The account is named by its number and key. Without a currency that of the one
        price that there is. Raises InvalidInput where there are several.
        """
        of_account = self.own.get(account[1 if self.is_file else 0], _NOBODY)
        for prices in (of_account, self.for_all):
            in_force = {
                price.currency: price
                for price in prices.in_force(*period)
                if price.seat_type == seat_type
                and (currency is None or price.currency == currency)
            }
            if len(in_force) > 1:
                codes = sorted(in_force)
                raise InvalidInput(
                    f"{seat_type} of {account[1]} has prices in "
                    f"{enumerated(codes)} on {period[1]}.",
                    try_=f"--currency {codes[0]}",
                )
            for price in in_force.values():
                return self._unit_price(price, is_own=prices is of_account)
        return None

    def _unit_price(self, price: ListPrice, *, is_own: bool) -> UnitPrice:
        currency = Currency.named(price.currency)
        value = Fraction(price.unit_price)
        if self.is_file:
            always = price.first_date == date.min
            since = None if always else price.first_date
            return UnitPrice(value, currency, "file", None, since)
        source: PriceSource = "account" if is_own else "all"
        begun = price.first_date or price.effective_at
        return UnitPrice(value, currency, source, price.entry, begun)


def _has_several(prices: Iterable[ListPrice]) -> bool:
    """Whether a seat type has prices in several currencies."""
    pairs = {(price.seat_type, price.currency) for price in prices}
    return len(pairs) > len({seat_type for seat_type, _ in pairs})


def recorded(
    reader: ConnectedReader, known_at: Knowledge, account_nos: Iterable[int] | None
) -> PriceBook:
    """The price book as known, of some accounts, or of every one (R90)."""
    if account_nos is None:
        return _recorded(reader, known_at, None)
    numbers = tuple(account_nos)
    name = "price book", numbers, known_at.position
    return reader.once(name, lambda: _recorded(reader, known_at, numbers))


def _recorded(
    reader: ConnectedReader, known_at: Knowledge, account_nos: Iterable[int] | None
) -> PriceBook:
    rows = _rows(reader, known_at, account_nos)
    lists: dict[Hashable, list[ListPrice]] = {}
    for row in rows:
        lists.setdefault(row["account_no"], []).append(
            ListPrice(
                utc(row["effective_at"]),
                row["position"],
                str(row["seat_type"]),
                row["currency"],
                row["unit_price"],
                row["first_date"],
            )
        )
    for_all = PriceList(lists.pop(FOR_ALL, ()))
    return PriceBook({no: PriceList(prices) for no, prices in lists.items()}, for_all)


def _rows(
    reader: ConnectedReader, known_at: Knowledge, account_nos: Iterable[int] | None
) -> list[Row]:
    """The prices of some accounts with those for all, or of every account."""
    if account_nos is None:
        return reader.ask("billing", "prices", known_at)
    numbers = [*account_nos, FOR_ALL]
    return reader.ask("billing", "prices_of", known_at, account_nos=numbers)


def listed(
    reader: ConnectedReader, known_at: Knowledge, account_no: int | None
) -> list[Row]:
    """The recorded prices, each with what ended it: of an account with those for all,
    or of every account.
    """
    numbers = None if account_no is None else [account_no]
    rows = _rows(reader, known_at, numbers)
    rows.sort(key=lambda row: (row["account_no"], row["seat_type"], row["currency"]))
    actors = reader.actors(row["actor"] for row in rows)
    nos = {row["account_no"] for row in rows} - {FOR_ALL}
    zones = {each.no: each.zones for each in reader.accounts(known_at, nos)}
    prices = [
        {
            "account": row["account_key"],
            "seat_type": row["seat_type"],
            "unit_price": row["unit_price"],
            "currency": row["currency"],
            "from": utc(row["effective_at"]),
            "first_date": row["first_date"] and row["first_date"].isoformat(),
            "until": None,
            "position": row["position"],
            "recorded_at": utc(row["recorded_at"]),
            "actor": actors[row["actor"]],
            "reason": row["reason"],
            "from_date": _first_date(row, zones.get(row["account_no"])),
            "until_date": None,
        }
        for row in rows
    ]
    _end_by_the_next(prices)
    return prices


def _end_by_the_next(prices: Sequence[Row]) -> None:
    """Let each price hold until the next of its account, type and currency."""
    for price, following in pairwise(prices):
        names = ("account", "seat_type", "currency")
        if all(price[name] == following[name] for name in names):
            price["until"] = following["from"]
            price["until_date"] = following["from_date"]


def _first_date(row: Row, zones: ZoneHistory | None) -> str | None:
    """The date of an account's calendar with whose beginning a price holds."""
    at = utc(row["effective_at"])
    if row["first_date"] is not None or zones is None:
        return row["first_date"] and str(row["first_date"])
    day = local_date(at, zones.at(at))
    return str(day) if first_instant(day, zones.at(at)) == at else None


def start_of(period: BillingPeriod) -> tuple[datetime, date]:
    """By what the price of a period is found: its start, and its first date."""
    return period.starts, period.label
