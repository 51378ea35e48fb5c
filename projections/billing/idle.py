"""Seats that are paid for and held by nobody: since when, and who freed them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod, local_date
from seat_ledger.domain.values import FOREVER
from seat_ledger.projections.billing.bounds import bounds_of
from seat_ledger.projections.billing.breakdown import Days
from seat_ledger.projections.billing.idle_cost import NO_COST, IdleCost
from seat_ledger.projections.billing.intervals import (
    CountedInterval,
    CountedSpan,
    holdings,
    lives,
)
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader, Row

_DAY = timedelta(days=1)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


TimeSpan = tuple[datetime, datetime]


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

    @property
    def entries(self) -> tuple[int | None, int | None]:
        """The entries by which somebody left the seat, and somebody took it."""
        freed, taken = self.freed, self.taken
        return freed and freed.closed, taken and taken.opened

    def clipped(self, within: TimeSpan) -> TimeSpan:
        """What of it lies within a time."""
        return max(self.starts, within[0]), min(self.ends, within[1])


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
    days, within = Days(period), (period.starts, period.ends)
    stretches = list(_stretches(question, within))
    spans = []
    for stretch, held in stretches:
        idle = _idle_dates(stretch, held, days)
        first = days.dates[idle[0]] if idle else period.label
        until = days.dates[idle[-1]] + _DAY if idle else first
        ends = stretch.clipped(within)
        spans.append(IdleSpan(stretch, *ends, len(idle), first, until))
    cost = IdleCost(question, how or Priced(), period.ends)
    rows = _readable(question.reader, spans)
    cost.how.check_types(row["seat_type"] for row in rows)
    open_ = _open(
        question.reader,
        stretches,
        spans,
        lambda stretch, held: len(_idle_dates(stretch, held, days)),
    )
    return [
        {
            **row,
            **NO_COST,
            **cost.of_span(row["seat_type"], span.first, span.until),
            **ends,
        }
        for row, span, ends in zip(rows, spans, open_, strict=True)
    ]


def open_idle_days(question: AccountQuestion, period: BillingPeriod) -> list[Row]:
    """The least and the most idle days of each seat type that windows leave open (R89).

    When a seat was bought is one of them, which no stretch shows: a seat that was
    bought earlier than its list says may have stood idle until somebody took it.
    """
    between = bounds_of(question, [period])
    rows = []
    for key in sorted(between, key=itemgetter(2)):
        days = [max(0, int(end["idle_days"])) for end in between[key]]
        if min(days) < max(days):
            rows.append(
                {
                    "seat_type": key[2],
                    "idle_days_least": min(days),
                    "idle_days_most": max(days),
                }
            )
    return rows


def _idle_dates(
    stretch: Stretch, held: Sequence[CountedInterval], days: Days
) -> list[int]:
    """The dates of a period that lie in a stretch and are touched by no holding."""
    starts, ends = stretch.clipped((days.starts_at, days.ends_at))
    if starts >= ends:
        return []
    return [
        day
        for day in days.touched(starts, ends)
        if not any(interval.touches(*days.spans[day]) for interval in held)
    ]


def _open(
    reader: ConnectedReader,
    stretches: Sequence[tuple[Stretch, list[CountedInterval]]],
    spans: Sequence[IdleSpan],
    count: Callable[[Stretch, Sequence[CountedInterval]], int],
) -> Iterator[Row]:
    """What windows leave open of each stretch: its ends (R85), and its dates (R89)."""
    windows = reader.windows(
        entry for stretch, _ in stretches for entry in stretch.entries
    )
    for (stretch, held), span in zip(stretches, spans, strict=True):
        from_after, until_after = (windows.get(entry) for entry in stretch.entries)
        shorter = _moved(stretch, held, (stretch.starts, until_after or stretch.ends))
        longer = _moved(stretch, held, (from_after or stretch.starts, stretch.ends))
        dates = [span.days, count(*shorter), count(*longer)]
        is_later = until_after is not None and until_after < span.ends
        yield {
            "from_after": from_after if span.starts == stretch.starts else None,
            "until_after": until_after if is_later else None,
            "idle_days_least": min(dates),
            "idle_days_most": max(dates),
        }


def _moved(
    stretch: Stretch, held: Sequence[CountedInterval], ends: TimeSpan
) -> tuple[Stretch, list[CountedInterval]]:
    """A stretch with other ends, and the holdings beside it as they are then."""
    moved = [
        interval._replace(
            starts=ends[1] if interval is stretch.taken else interval.starts,
            ends=ends[0] if interval is stretch.freed else interval.ends,
        )
        for interval in held
    ]
    return stretch._replace(starts=ends[0], ends=max(ends)), moved


def idle_at(question: AccountQuestion, how: Priced | None = None) -> list[Row]:
    """The seats that nobody held at a moment; `idle_days` are local dates until then.

    `until` is when somebody took the seat, or it was retired; None while it lasts. With
    prices: what they have cost, and will cost until the renewal at which they can go.
    Raises NotFound for the price of a seat type that there is not.
    """
    as_of = question.as_of
    if how is not None:
        question.reader.types.check(*how.prices)
    moment = (as_of, as_of + timedelta(microseconds=1))
    zone = question.account.zones.at(as_of)
    today = local_date(as_of, zone)

    def since(stretch: Stretch) -> date:
        return local_date(stretch.starts, zone)

    stretches = list(_stretches(question, moment))
    spans = [
        IdleSpan(
            stretch,
            stretch.starts,
            stretch.ends,
            (today - since(stretch)).days,
            since(stretch),
            today,
        )
        for stretch, _ in stretches
    ]
    cost = IdleCost(question, how or Priced())
    rows = _readable(question.reader, spans)
    open_ = _open(
        question.reader,
        stretches,
        spans,
        lambda stretch, _: (
            (local_date(min(as_of, stretch.ends), zone) - since(stretch)).days
        ),
    )
    cost.how.check_types(row["seat_type"] for row in rows)
    return [
        {
            **row,
            **cost.of_span(row["seat_type"], span.first, span.until),
            **cost.ahead(row["seat_type"], row["until"]),
            **ends,
        }
        for row, span, ends in zip(rows, spans, open_, strict=True)
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


def _readable(reader: ConnectedReader, spans: list[IdleSpan]) -> list[Row]:
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
