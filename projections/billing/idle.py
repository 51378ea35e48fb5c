"""Seats that are paid for and held by nobody: since when, and who freed them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod, local_date
from seat_ledger.domain.values import FOREVER
from seat_ledger.projections.billing.breakdown import Days
from seat_ledger.projections.billing.idle_cost import NO_COST, IdleCost
from seat_ledger.projections.billing.intervals import (
    CountedInterval,
    CountedSpan,
    holdings,
    lives,
)
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.reader import AccountQuestion, Reader, Row

_DAY = timedelta(days=1)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Stretch(NamedTuple):
    """A time in which a seat is under contract and nobody holds it.

    `freed` is the holding that ended as it began, `taken` the one that begins as it
    ends; both None at the ends of the seat's own life.
    """

    life: CountedInterval
    starts: datetime
    ends: datetime
    freed: CountedInterval | None
    taken: CountedInterval | None


class IdleSpan(NamedTuple):
    """What of a stretch is asked about, and its idle dates: ``[first, until)``."""

    stretch: Stretch
    starts: datetime
    ends: datetime
    days: int
    first: date
    until: date


def idle_within(
    question: AccountQuestion, period: BillingPeriod, how: Priced | None = None
) -> list[Row]:
    """The stretches that lie in a period; `idle_days` add up to R55's figure.

    A local date is idle if the seat was under contract on it and held at no instant.
    """
    days = Days(period)
    stretches = _stretches(question, (period.starts, period.ends))
    spans = []
    for stretch, held in stretches:
        starts, ends = (
            max(stretch.starts, period.starts),
            min(stretch.ends, period.ends),
        )
        idle = [
            day
            for day in days.touched(starts, ends)
            if not any(interval.touches(*days.spans[day]) for interval in held)
        ]
        first = days.dates[idle[0]] if idle else period.label
        until = days.dates[idle[-1]] + _DAY if idle else first
        spans.append(IdleSpan(stretch, starts, ends, len(idle), first, until))
    cost = IdleCost(question, how or Priced(), period.ends)
    rows = _readable(question.reader, spans)
    cost.how.check_types(row["seat_type"] for row in rows)
    return [
        {**row, **NO_COST, **cost.of_span(row["seat_type"], span.first, span.until)}
        for row, span in zip(rows, spans, strict=True)
    ]


def idle_at(question: AccountQuestion, how: Priced | None = None) -> list[Row]:
    """The seats that nobody held at a moment; `idle_days` are local dates until then.

    `until` is when somebody took the seat, or it was retired; None while it lasts. With
    prices: what they have cost, and will cost until the renewal at which they can go.
    """
    as_of = question.as_of
    moment = (as_of, as_of + timedelta(microseconds=1))
    spans = []
    for stretch, _ in _stretches(question, moment):
        if stretch.starts <= as_of < stretch.ends:
            zone = question.account.zones.at(as_of)
            since = local_date(stretch.starts, zone)
            today = local_date(as_of, zone)
            days = (today - since).days
            ends = (stretch.starts, stretch.ends)
            spans.append(IdleSpan(stretch, *ends, days, since, today))
    cost = IdleCost(question, how or Priced())
    rows = _readable(question.reader, spans)
    cost.how.check_types(row["seat_type"] for row in rows)
    return [
        {
            **row,
            **cost.of_span(row["seat_type"], span.first, span.until),
            **cost.ahead(row["seat_type"], row["until"]),
        }
        for row, span in zip(rows, spans, strict=True)
    ]


def _stretches(
    question: AccountQuestion, within: tuple[datetime, datetime]
) -> Iterator[tuple[Stretch, list[CountedInterval]]]:
    """Each idle stretch that shares time with `within`, and its seat's holdings.

    Who held the seat before, and who takes it after, may lie far outside: all that
    was ever held is looked at, whatever the time that is asked about.
    """
    ever = CountedSpan(question.reader.types.all, _BEGINNING, FOREVER)
    by_seat = {
        seat: [interval for interval in held if not interval.is_empty]
        for seat, held in groupby(
            holdings(question, ever), lambda interval: interval.seat
        )
    }
    for life in lives(question, ever._replace(starts=within[0], ends=within[1])):
        held = by_seat.get(life.seat, [])
        for stretch in _between(life, held):
            if max(stretch.starts, within[0]) < min(stretch.ends, within[1]):
                yield stretch, held


def _between(
    life: CountedInterval, held: Sequence[CountedInterval]
) -> Iterator[Stretch]:
    """The times of a life between its holdings, which come in order."""
    before: CountedInterval | None = None
    for interval in held:
        starts = before.ends if before else life.starts
        if starts < interval.starts:
            yield Stretch(life, starts, interval.starts, before, interval)
        before = interval
    starts = before.ends if before else life.starts
    if starts < life.ends:
        yield Stretch(life, starts, life.ends, before, None)


def _readable(reader: Reader, spans: list[IdleSpan]) -> list[Row]:
    held = [
        interval
        for span in spans
        for interval in (span.stretch.freed, span.stretch.taken)
        if interval
    ]
    people = reader.people(
        interval.user_no for interval in held if interval.user_no is not None
    )
    acts = reader.acts(
        entry
        for interval in [*held, *(span.stretch.life for span in spans)]
        for entry in (interval.opened, interval.closed)
    )

    def user(interval: CountedInterval | None) -> object:
        return (
            people[interval.user_no]["user"] if interval and interval.user_no else None
        )

    return [
        {
            "seat": stretch.life.seat,
            "seat_type": stretch.life.seat_type,
            "from": starts,
            "until": None if ends == FOREVER else ends,
            "idle_days": days,
            "last_user": user(stretch.freed),
            "freed_by": acts[stretch.freed.closed if stretch.freed else None],
            "next_user": user(stretch.taken),
            "taken_by": acts[stretch.taken.opened if stretch.taken else None],
            "purchased_by": acts[stretch.life.opened],
            "idle_since": stretch.starts,
        }
        for stretch, starts, ends, days, *_ in spans
    ]
