"""What idle seats cost: so far, and until the renewal at which they can go."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod, local_date
from seat_ledger.domain.money import Currency, rounded
from seat_ledger.domain.wording import enumerated
from seat_ledger.lazy import lazy
from seat_ledger.projections.billing.price_book import start_of
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.reader import AccountFacts, AccountQuestion, Row

_DAY = timedelta(days=1)
NO_COST: Row = dict.fromkeys(
    (
        *("unit_price", "currency", "amount", "renewal"),
        *("days_until_renewal", "amount_until_renewal"),
    )
)
"""The fields of the cost of an idle seat, with nothing in them."""


class SeatPrice(NamedTuple):
    """What a seat costs for one whole period (R90)."""

    value: Fraction
    currency: Currency


class IdleCost:
    """What local dates of seats cost at the prices of their periods (R91).

    Each period's dates are priced by their share of its dates, and rounded; then the
    periods are added. Priced is what lies before `until`; by default the next renewal.
    """

    def __init__(
        self, question: AccountQuestion, how: Priced, until: datetime | None = None
    ) -> None:
        self.account: AccountFacts = question.account
        self.as_of = question.as_of
        reader, account, known_at, _ = question
        self.how = how.with_book(reader, known_at, [account.no])
        self.until = until
        self._amounts: dict[tuple[str, date, date], str | None] = {}
        self._dates: dict[int, list[date]] = {}

    @lazy
    def today(self) -> date:
        """The local date of the moment that is asked about."""
        return self._local(self.as_of)

    @lazy
    def renewal(self) -> Row:
        """The renewal at which a seat can go that is given up now (R17)."""
        return self.account.next_renewal(self.as_of)

    def price(self, seat_type: str, period: BillingPeriod) -> SeatPrice | None:
        """What a seat of a type costs in a period; None where it has no price (R90)."""
        named = self.account.no, self.account.key
        price = self.how.price(named, seat_type, start_of(period))
        return None if price is None else SeatPrice(price.value, price.currency)

    def of_days(self, seat_type: str, first: date, until: date) -> str | None:
        """What one seat costs for some local dates; None without a price."""
        key = (seat_type, first, until)
        if key not in self._amounts:
            self._amounts[key] = self._priced(*key)
        return self._amounts[key]

    @lazy
    def next_period(self) -> BillingPeriod | None:
        """The period that a renewal's prices hold for: the first that ends after it."""
        instant = self.renewal["instant"]
        if instant is None or not self._all:
            return None
        last = self._all[-1]
        calendar = self.account.calendar
        return last if last.ends > instant else calendar.period(last.index + 1)

    def until_renewal(self, seat_type: str) -> str | None:
        """What one seat costs from the moment until the renewal."""
        return self.of_days(seat_type, self.today, self.renewal["date"])

    def of_span(self, seat_type: str, first: date, until: date) -> Row:
        """What one seat costs for some local dates, and by which price (R91).

        The price is None where the periods of the dates have different ones.
        """
        prices = {self.price(seat_type, p) for p in self._periods(first, until)}
        currencies = {price and price.currency.code for price in prices}
        price = prices.pop() if len(prices) == 1 else None
        return {
            "unit_price": price and price.currency.shown(price.value),
            "currency": currencies.pop() if len(currencies) == 1 else None,
            "amount": self.of_days(seat_type, first, until),
        }

    def ahead(self, seat_type: str, ends: datetime | None) -> Row:
        """What it will cost until the renewal, or until somebody takes the seat."""
        renewal = self.renewal["date"]
        last = [renewal or self.today, *([self._local(ends)] if ends else [])]
        until = max(self.today, min(last))
        return {
            "renewal": renewal,
            "days_until_renewal": (until - self.today).days,
            "amount_until_renewal": self.of_days(seat_type, self.today, until),
        }

    def _local(self, instant: datetime) -> date:
        return local_date(instant, self.account.zones.at(instant))

    def _of(self, period: BillingPeriod) -> list[date]:
        """The local dates of a period."""
        if period.index not in self._dates:
            self._dates[period.index] = [day for day, _ in period.days]
        return self._dates[period.index]

    @lazy
    def _all(self) -> list[BillingPeriod]:
        """Every period that begins before the end of what is priced."""
        calendar = self.account.calendar
        until = self.until or self.renewal["instant"] or calendar.closed_at
        return list(calendar.periods_before(until or self.as_of))

    def _periods(self, first: date, until: date) -> Iterator[BillingPeriod]:
        """The periods with a date of some; the one of a single date for none."""
        for period in self._all:
            if period.label < max(until, first + _DAY) and period.until > first:
                yield period

    def _priced(self, seat_type: str, first: date, until: date) -> str | None:
        total, currency = Fraction(0), None
        for period in self._periods(first, until):
            price = self.price(seat_type, period)
            if price is None:
                return None
            dates = self._of(period)
            days = max(0, bisect_left(dates, until) - bisect_left(dates, first))
            share = Fraction(days, len(dates))
            total += Fraction(price.currency.amount(share, price.value))
            currency = price.currency
        return None if currency is None else rounded(total, currency.places)


def sums(rows: Iterable[Row], name: str) -> list[tuple[str, str]]:
    """The sum of an amount in each currency, with its code; "" for none.

    What has no price is in none of them (R93).
    """
    totals: dict[str | None, Fraction] = {}
    for row in rows:
        if row[name] is not None:
            before = totals.get(row["currency"], Fraction(0))
            totals[row["currency"]] = before + Fraction(row[name])
    return [
        (rounded(total, Currency.named(code).places), code or "")
        for code, total in totals.items()
    ]


def sums_of(rows: Iterable[Row], name: str) -> str:
    """The same as people read it: ``12.00 EUR and 3.00 USD``."""
    return enumerated(" ".join(pair).rstrip() for pair in sums(rows, name))
