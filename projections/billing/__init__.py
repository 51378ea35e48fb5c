"""What to bill: periods of the one calendar, and the seats that count in them.

Quantities are exact rationals until output (R51). The intervals come from the
definitions of seat lives and holdings, the bounds and local dates from
:mod:`seat_ledger.calendar`; no figure depends on a clock (R75).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from projections.billing.money import Currency, plain, rounded
from projections.reader import AccountFacts, Knowledge, Reader, Row, utc
from seat_ledger.calendar import (
    BillingCalendar,
    BillingPeriod,
    resolve_date,
)
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound
from seat_ledger.values import shown

_MICROSECOND = timedelta(microseconds=1)
GRANULARITIES = ("day", "second")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)


class Span(NamedTuple):
    """Part of the time line of one seat: ``[starts, ends)``, open end None."""

    number: int
    starts: datetime
    ends: datetime | None


@dataclass(frozen=True)
class Wanted:
    """Which periods are asked for: a label, a window of dates, a term, or all begun."""

    label: str | None = None
    window: tuple[date, date] | None = None
    term: bool = False


class Answer(NamedTuple):
    """The rows of a question, and whether a renewal is due (R38)."""

    rows: list[Row]
    renewal_due: bool


def periods(account: AccountFacts, known: Knowledge, now: datetime) -> Answer:
    """Every billing period of the account that has begun and exists (R38)."""
    if not account.known:
        return Answer([], renewal_due=False)
    upto = moment(known, now)
    rows = [
        {
            "period": period.label.isoformat(),
            "from": period.starts,
            "until": period.ends,
            "days": len(period.days),
            "seconds": period.seconds,
            "time_zone": period.zone,
        }
        for period in existing(account, upto)
    ]
    return Answer(rows, account.renewal_due(upto))


def moment(known: Knowledge, now: datetime) -> datetime:
    """The instant that stands for "now" in an answer: that of the knowledge."""
    if known.is_head or known.recorded_at is None:
        return now
    return known.recorded_at


def existing(account: AccountFacts, upto: datetime) -> Iterator[BillingPeriod]:
    """The periods that begin before an instant, in terms that have begun (R38)."""
    horizon = account.calendar.renewal(account.renewals + 1).instant
    yield from account.calendar.periods_before(min(horizon, upto + _MICROSECOND))


def counts(  # noqa: PLR0913  each an option of its own
    reader: Reader,
    accounts: Iterable[AccountFacts],
    known: Knowledge,
    now: datetime,
    wanted: Wanted,
    *,
    granularities: tuple[str, ...] | None = None,
    prices: Mapping[str, Fraction] | None = None,
    currency: Currency | None = None,
    lenient: bool = False,
) -> Answer:
    """Billable seats in mode ``contracted``, a row per account, period and type.

    `lenient` passes over accounts that have no such period (``--all``). Raises
    NotFound (``unknown_period``), CommandRefused (``renewal_due``).
    """
    rows: list[Row] = []
    due = False
    upto = moment(known, now)
    for account in accounts:
        if not account.known:
            continue
        due = due or account.renewal_due(upto)
        try:
            found = _wanted(account, wanted, upto)
        except NotFound:
            if lenient:
                continue
            raise
        book = Book(reader, account, known)
        for period, has_label in found:
            rows.extend(
                _priced(row, has_label, prices or {}, currency)
                for row in book.rows(period, granularities or ("day",), upto)
            )
    return Answer(rows, due)


def _wanted(
    account: AccountFacts, wanted: Wanted, upto: datetime
) -> list[tuple[BillingPeriod, bool]]:
    """The periods asked for; a window is a period without a label."""
    if wanted.window is not None:
        return [(_window(account, *wanted.window), False)]
    if wanted.label is not None:
        return [(labelled(account, wanted.label), True)]
    found = list(existing(account, upto))
    if wanted.term:
        begins = account.calendar.renewal(account.renewals).instant
        ends = account.calendar.renewal(account.renewals + 1).instant
        every = account.calendar.periods_before(ends)
        found = [period for period in every if period.ends > begins]
    return [(period, True) for period in found]


def labelled(account: AccountFacts, label: str) -> BillingPeriod:
    """The period of a label: its first local date, or its month.

    Raises InvalidInput, NotFound (``unknown_period``), CommandRefused
    (``renewal_due``).
    """
    calendar = account.calendar
    if not (_DAY.fullmatch(label) or _MONTH.fullmatch(label)):
        raise InvalidInput(
            f"{shown(label)} is no label of a period.",
            try_="write its first local date, such as 2025-03-05",
        )
    try:
        day = date.fromisoformat(label if len(label) == 10 else f"{label}-01")
    except ValueError as error:
        raise InvalidInput(f"{shown(label)} is no date of the calendar.") from error
    period = _beginning_in(calendar, day, whole_month=len(label) == 7)
    if period is None:
        raise NotFound(
            "unknown_period",
            f"{account.key} has no billing period {label}.",
            try_=f"seat-ledger billing periods --account {account.key}",
        )
    horizon = calendar.renewal(account.renewals + 1)
    if period.starts >= horizon.instant:
        raise CommandRefused(
            "renewal_due",
            f"The period {label} of {account.key} lies beyond the renewal of "
            f"{horizon.day}, which is not recorded.",
            try_=f"seat-ledger account renew --account {account.key}",
        )
    return period


def _beginning_in(
    calendar: BillingCalendar, day: date, *, whole_month: bool
) -> BillingPeriod | None:
    """The period that begins on a date, or in its month."""
    start = calendar.term_start
    months = (day.year - start.year) * 12 + day.month - start.month
    k, rest = divmod(months, calendar.billing_cycle_months)
    if rest or k < 0:
        return None
    period = calendar.period(k)
    return period if whole_month or period.label == day else None


def _window(account: AccountFacts, first: date, until: date) -> BillingPeriod:
    """One window of local dates, as if it were a period."""
    if until <= first:
        raise InvalidInput(
            f"The window from {first} until {until} is empty.",
            try_="the end is excluded: name the date after the last",
        )
    starts, ends = (
        resolve_date(first, account.zones),
        resolve_date(until, account.zones),
    )
    zone = account.zones.at(starts)
    return BillingPeriod(-1, first, starts, ends, zone, until)


class Book:
    """The seats of an account as intervals, by type, as known."""

    def __init__(self, reader: Reader, account: AccountFacts, known: Knowledge) -> None:
        named = {"account_id": account.id, "known": known.position}
        self.account = account
        self.lives: dict[str, list[Span]] = {}
        for row in reader.ask("holdings", "lives", **named):
            span = Span(row["number"], utc(row["purchased_at"]), utc(row["retires_at"]))
            self.lives.setdefault(row["seat_type"], []).append(span)
        self.held: dict[str, list[Span]] = {}
        for row in reader.ask("holdings", "of_account", **named):
            span = Span(row["number"], utc(row["held_from"]), utc(row["held_until"]))
            self.held.setdefault(row["seat_type"], []).append(span)

    def rows(
        self, period: BillingPeriod, granularities: tuple[str, ...], upto: datetime
    ) -> Iterator[Row]:
        """A row per seat type under contract or held at any instant of the period."""
        for seat_type in sorted(self.lives):
            lives = list(within(self.lives[seat_type], period))
            held = list(within(self.held.get(seat_type, []), period))
            if not lives and not held:
                continue
            facts = {
                **_contract(lives, period),
                **_assigned(held, period),
                "idle_seat_days": _idle(lives, held, period),
            }
            for granularity in granularities:
                quantity = contracted(lives, period, granularity)
                yield {
                    "account": self.account.key,
                    "seat_type": seat_type,
                    "period": period.label.isoformat(),
                    "from": period.starts,
                    "until": period.ends,
                    "days": len(period.days),
                    "seconds": period.seconds,
                    "complete": period.ends <= upto,
                    "mode": "contracted",
                    "granularity": granularity,
                    **{
                        k: facts[k]
                        for k in ("opening", "purchased", "retired", "closing")
                    },
                    "quantity": plain(quantity),
                    "quantity_exact": f"{quantity.numerator}/{quantity.denominator}",
                    **{k: facts[k] for k in _ASSIGNED},
                    "exact": quantity,
                }


_ASSIGNED = (
    "assigned_opening",
    "assigned_peak",
    "assigned_closing",
    "idle_seat_days",
)


def within(spans: list[Span], period: BillingPeriod) -> Iterator[Span]:
    """The non-empty spans that share an instant with the period."""
    for span in spans:
        begun = span.starts < period.ends and span.starts != span.ends
        if begun and (span.ends is None or span.ends > period.starts):
            yield span


def contracted(lives: list[Span], period: BillingPeriod, granularity: str) -> Fraction:
    """The sum of the shares of the period in which seats are under contract (R53)."""
    if granularity == "second":
        elapsed = sum(
            (
                min(span.ends or period.ends, period.ends)
                - max(span.starts, period.starts)
                for span in lives
            ),
            timedelta(),
        )
        return Fraction(elapsed // _MICROSECOND, _length(period))
    days = [start for _, start in period.days]
    return Fraction(sum(len(_dates(span, days, period)) for span in lives), len(days))


def _length(period: BillingPeriod) -> int:
    return (period.ends - period.starts) // _MICROSECOND


def _dates(span: Span, days: list[datetime], period: BillingPeriod) -> range:
    """Which of the period's local dates a span touches at any instant."""
    first = bisect_right(days, max(span.starts, period.starts)) - 1
    ends = period.ends if span.ends is None else min(span.ends, period.ends)
    return range(max(first, 0), bisect_left(days, ends))


def _contract(lives: list[Span], period: BillingPeriod) -> dict[str, int]:
    """Opening, purchased, retired and closing seats (R55)."""
    starts, ends = period.starts, period.ends
    return {
        "opening": sum(1 for span in lives if span.starts <= starts),
        "purchased": sum(1 for span in lives if span.starts > starts),
        "retired": sum(1 for span in lives if span.ends and span.ends < ends),
        "closing": sum(1 for span in lives if span.ends is None or span.ends >= ends),
    }


def _assigned(held: list[Span], period: BillingPeriod) -> dict[str, int]:
    """Seats held at the start, at most at once, and just before the end (R53)."""
    steps: dict[datetime, int] = {}
    for span in held:
        starts = max(span.starts, period.starts)
        steps[starts] = steps.get(starts, 0) + 1
        if span.ends is not None:
            steps[span.ends] = steps.get(span.ends, 0) - 1
    count = peak = 0
    for instant in sorted(steps):
        if instant < period.ends:
            count += steps[instant]
            peak = max(peak, count)
    return {
        "assigned_opening": sum(1 for span in held if span.starts <= period.starts),
        "assigned_peak": peak,
        "assigned_closing": sum(
            1 for span in held if span.ends is None or span.ends >= period.ends
        ),
    }


def _idle(lives: list[Span], held: list[Span], period: BillingPeriod) -> int:
    """Local dates on which seats were under contract and held at no instant (R55)."""
    days = [start for _, start in period.days]
    by_seat: dict[int, set[int]] = {}
    for span in held:
        by_seat.setdefault(span.number, set()).update(_dates(span, days, period))
    return sum(
        len(set(_dates(span, days, period)) - by_seat.get(span.number, set()))
        for span in lives
    )


def _priced(
    row: Row, has_label: bool, prices: Mapping[str, Fraction], currency: Currency | None
) -> Row:
    """The row with its price and amount, rounded once (R51)."""
    exact: Fraction = row.pop("exact")
    if not has_label:
        row["period"] = None
    price = prices.get(row["seat_type"])
    if price is None:
        return {**row, "unit_price": None, "amount": None}
    places = currency or Currency.named(None)
    return {
        **row,
        "unit_price": places.shown(price),
        "amount": rounded(exact * price, places.places),
    }
