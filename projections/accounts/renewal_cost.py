"""What renews: how many seats of each type, and what their next term costs (R90)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import groupby

from seat_ledger.domain.calendar import BillingCalendar, BillingPeriod, local_date
from seat_ledger.domain.money import rounded
from seat_ledger.errors import InvalidInput
from seat_ledger.projections import holdings
from seat_ledger.projections.billing.price_book import (
    NO_PRICE,
    UnitPrice,
    start_of,
)
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.reader import AccountFacts, AccountQuestion, Row

_COUNTS = ("purchased", "assigned", "available", "pending_reduction")
_ENDS = ("assigned_least", "assigned_most")


def renewals(questions: Sequence[AccountQuestion], how: Priced) -> list[Row]:
    """The next renewal of each of some accounts, what is pending for it, and its cost.

    `in_days` are local dates from the moment on; fewer than none for one that is due.
    """
    if not questions:
        return []
    reader, _, known_at, as_of = questions[0]
    numbers = [question.account.no for question in questions]
    totals = holdings.totals_of(reader, numbers, known_at, as_of)
    how = how.with_book(reader, known_at, numbers)
    how.check_types(row["seat_type"] for rows in totals.values() for row in rows)
    return [
        _renewal(question, totals[question.account.no], how) for question in questions
    ]


def _renewal(question: AccountQuestion, totals: list[Row], how: Priced) -> Row:
    account, as_of = question.account, question.as_of
    following = account.next_renewal(as_of)
    day = following["date"]
    today = local_date(as_of, account.zones.at(as_of))
    return {
        "account": account.key,
        "name": account.name,
        "renewal": following["number"],
        "date": day,
        "instant": following["instant"],
        "in_days": None if day is None else (day - today).days,
        **{name: sum(row[name] for row in totals) for name in _COUNTS},
        "renewal_due": account.renewal_due(as_of),
        **{name: sum(row[name] for row in totals) for name in _ENDS},
        **_money([] if day is None else [*_lines(account, totals, how, following)]),
    }


def _money(lines: list[Row]) -> Row:
    """The seats that renew, and what they cost; not priced are seats (R93)."""
    priced = [line for line in lines if line["amount"] is not None]
    currencies = {line["currency"] for line in priced}
    prices = {(line["unit_price"], line["currency"]) for line in priced}
    is_one = len(currencies) == 1
    return {
        "to_renew": _seats(lines),
        "unit_price": prices.pop()[0] if len(prices) == 1 else None,
        "currency": currencies.pop() if is_one else None,
        "amount": _sum(priced) if is_one else None,
        "not_priced": _seats(line for line in lines if line["amount"] is None),
        "renewal_lines": lines,
    }


def _seats(lines: Iterable[Row]) -> int:
    """How many seats lines are about: each type is counted once."""
    return sum({line["seat_type"]: line["to_renew"] for line in lines}.values())


def _sum(lines: list[Row]) -> str:
    amounts = [line["amount"] for line in lines]
    places = max(len(amount.partition(".")[2]) for amount in amounts)
    return rounded(sum(map(Fraction, amounts), Fraction(0)), places)


def _lines(
    account: AccountFacts, totals: list[Row], how: Priced, renewal: Row
) -> Iterator[Row]:
    """The seats of each type for the term, by the price of its periods (R90, R91)."""
    every = _periods(account.calendar, renewal["number"])
    begun = [period for period in every if period.starts >= renewal["instant"]]
    for row in totals:
        seats = row["purchased"] - row["pending_reduction"]
        if not seats:
            continue
        named, kind = (account.no, account.key), row["seat_type"]
        prices = [(_price(how, named, kind, p), p) for p in begun or every]
        for price, members in groupby(prices, key=lambda pair: pair[0]):
            periods = [period for _, period in members]
            count = len(periods) if begun else 0
            yield {
                "seat_type": kind,
                "to_renew": seats,
                "period": periods[0].label.isoformat(),
                "periods": count,
                **(NO_PRICE if price is None else price.fields()),
                "amount": price and _amount(price, seats, count),
            }


def _price(
    how: Priced, account: tuple[int, str], seat_type: str, period: BillingPeriod
) -> UnitPrice | None:
    """A price; None where there is none, or several of which none was chosen."""
    with suppress(InvalidInput):
        return how.price(account, seat_type, start_of(period))
    return None


def _amount(price: UnitPrice, seats: int, periods: int) -> str:
    """What seats cost for so many periods, each of which is rounded (R51)."""
    each = Fraction(price.currency.amount(Fraction(seats), price.value))
    return rounded(periods * each, price.currency.places)


def _periods(calendar: BillingCalendar, number: int) -> list[BillingPeriod]:
    """The periods of the term that a renewal begins, the one it lies in included;
    none where the calendar ends before.
    """
    with suppress(InvalidInput):
        until = calendar.renewal(number + 1).instant
        if calendar.closed_at is not None:
            until = min(until, calendar.closed_at)
        periods = [calendar.period_at(calendar.renewal(number).instant)]
        while periods[-1].ends < until:
            periods.append(calendar.period(periods[-1].index + 1))
        return periods
    return []
