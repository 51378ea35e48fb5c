"""The parts that a figure opens into: one for each interval that counts (R51, R63).

Each counting rule is said once more here, of intervals instead of sums; whoever shows
the parts holds their sum against the figure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.lazy import lazy
from seat_ledger.projections.billing.intervals import CountedInterval

_MICROSECOND = timedelta(microseconds=1)


class Part(NamedTuple):
    """What one interval adds to a figure.

    `starts` and `ends` are the interval's, clipped to the period, or to the date
    that it counts on (`on`). `at` is the instant at which it counts, where a rule
    looks at one. `dates` is the number of local dates that it adds.
    """

    interval: CountedInterval
    starts: datetime
    ends: datetime
    quantity: Fraction
    at: datetime | None = None
    on: date | None = None
    dates: int | None = None


class Days:
    """A period with its local dates as half-open intervals (R09, R10)."""

    def __init__(self, period: BillingPeriod) -> None:
        self.period = period
        self.starts_at, self.ends_at = period.starts, period.ends
        self.dates = [day for day, _ in period.days]
        self.starts = [start for _, start in period.days]

    def __len__(self) -> int:
        return len(self.starts)

    @lazy
    def spans(self) -> list[tuple[datetime, datetime]]:
        """Each date, clipped to the period."""
        bounds = [self.starts_at, *self.starts[1:], self.ends_at]
        return list(pairwise(bounds))

    def of(self, instant: datetime) -> int:
        """Which of the dates an instant lies on, counted from 0."""
        return max(0, bisect_right(self.starts, instant) - 1)

    def touched(self, starts: datetime, ends: datetime) -> range:
        """The dates that some time between two instants lies on."""
        return range(self.of(starts), max(1, bisect_left(self.starts, ends)))

    def share(self, elapsed: timedelta) -> Fraction:
        """A length of time as a share of the period."""
        whole = self.ends_at - self.starts_at
        return Fraction(elapsed // _MICROSECOND, whole // _MICROSECOND)

    def clipped(self, interval: CountedInterval) -> tuple[datetime, datetime]:
        """The part of an interval that lies within the period."""
        return max(interval.starts, self.starts_at), min(interval.ends, self.ends_at)


def highest(
    held: Iterable[CountedInterval], starts: datetime, ends: datetime
) -> tuple[datetime, int]:
    """The earliest instant of a time at which most are held at once, and how many."""
    steps: Counter[datetime] = Counter()
    for interval in held:
        if interval.touches(starts, ends):
            steps[max(interval.starts, starts)] += 1
            steps[min(interval.ends, ends)] -= 1
    top, at, now = 0, starts, 0
    for instant in sorted(steps):
        now += steps[instant]
        if now > top:
            top, at = now, instant
    return at, top


def contracted_days(lives: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Each seat by the dates on which it is under contract at any instant."""
    for life in lives:
        starts, ends = days.clipped(life)
        dates = len(days.touched(starts, ends))
        yield Part(life, starts, ends, Fraction(dates, len(days)), dates=dates)


def elapsed(intervals: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Each interval by its time within the period."""
    for interval in intervals:
        starts, ends = days.clipped(interval)
        yield Part(interval, starts, ends, days.share(ends - starts))


def peak(held: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Who held seats when most were held at once."""
    at, _ = highest(held, days.starts_at, days.ends_at)
    for interval in held:
        if interval.starts <= at < interval.ends:
            yield Part(interval, *days.clipped(interval), Fraction(1), at=at)


def snapshot_end(held: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Who held seats just before the end."""
    for interval in held:
        if interval.ends >= days.ends_at:
            yield Part(interval, *days.clipped(interval), Fraction(1), at=days.ends_at)


def rises(
    held: list[CountedInterval], days: Days, remaining: Callable[[datetime], Fraction]
) -> Iterator[Part]:
    """Who held seats at the start, and each rise above the highest number so far.

    Of those that begin at the instant of a rise, as many count as it rises by: first
    on the seats that nobody held just before, the lowest numbers first.
    """
    ended = {(interval.number, interval.ends) for interval in held}
    steps: Counter[datetime] = Counter()
    begun: dict[datetime, list[CountedInterval]] = {}
    for interval in held:
        at = max(interval.starts, days.starts_at)
        begun.setdefault(at, []).append(interval)
        steps[at] += 1
        steps[interval.ends] -= 1
    top = now = 0
    for at in sorted(steps):
        now += steps[at]
        if now > top and at < days.ends_at:
            new = sorted(
                begun[at],
                key=lambda interval: ((interval.number, at) in ended, interval.number),
            )
            share = remaining(at) if at > days.starts_at else Fraction(1)
            for interval in new[: now - top]:
                yield Part(interval, *days.clipped(interval), share, at=at)
            top = now


def rises_by_day(held: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Rises count from their date on."""
    return rises(held, days, lambda at: Fraction(len(days) - days.of(at), len(days)))


def rises_by_second(held: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Rises count from their instant on."""
    return rises(held, days, lambda at: days.share(days.ends_at - at))


def day_peak(held: list[CountedInterval], days: Days) -> Iterator[Part]:
    """For each local date, who held seats when most were held at once on it."""
    on_day: list[list[CountedInterval]] = [[] for _ in days.spans]
    for interval in held:
        for day in days.touched(*days.clipped(interval)):
            on_day[day].append(interval)
    for day, (starts, ends) in enumerate(days.spans):
        at, _ = highest(on_day[day], starts, ends)
        for interval in on_day[day]:
            if interval.starts <= at < interval.ends:
                clipped = max(interval.starts, starts), min(interval.ends, ends)
                share = Fraction(1, len(days))
                yield Part(
                    interval, *clipped, share, at=at, on=days.dates[day], dates=1
                )


def day_touch(held: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Each holding by the dates that its user does not touch with an earlier one."""
    seen: dict[int | None, set[int]] = {}
    for interval in sorted(
        held, key=lambda interval: (interval.starts, interval.number)
    ):
        starts, ends = days.clipped(interval)
        before = seen.setdefault(interval.user_no, set())
        new = set(days.touched(starts, ends)) - before
        before |= new
        share = Fraction(len(new), len(days))
        yield Part(interval, starts, ends, share, dates=len(new))


def distinct(held: list[CountedInterval], days: Days) -> Iterator[Part]:
    """Each user once, by the first holding; further ones add nothing."""
    seen: set[int | None] = set()
    for interval in sorted(
        held, key=lambda interval: (interval.starts, interval.number)
    ):
        quantity = Fraction(interval.user_no not in seen)
        seen.add(interval.user_no)
        yield Part(interval, *days.clipped(interval), quantity)


Rule = Callable[[list[CountedInterval], Days], Iterator[Part]]
_RULES: dict[tuple[str, str | None], Rule] = {
    ("contracted", "day"): contracted_days,
    ("contracted", "second"): elapsed,
    ("peak", None): peak,
    ("snapshot_end", None): snapshot_end,
    ("start_plus_rises", "day"): rises_by_day,
    ("start_plus_rises", "second"): rises_by_second,
    ("time_weighted", None): elapsed,
    ("day_peak", None): day_peak,
    ("day_touch", None): day_touch,
    ("distinct", None): distinct,
}


def parts_of(
    intervals: Sequence[CountedInterval],
    period: BillingPeriod,
    rule: tuple[str, str | None],
) -> list[Part]:
    """The parts of a figure; they add up to it exactly.

    `intervals` are one type's: lives for ``contracted``, holdings for every other
    rule. Parts come by date, seat number and time.
    """
    days = Days(period)
    counted = [
        interval
        for interval in intervals
        if interval.touches(period.starts, period.ends)
    ]
    parts = _RULES[rule](counted, days)
    return sorted(
        parts,
        key=lambda part: (
            part.on or date.min,
            part.interval.number,
            part.starts,
            part.interval.opened,
        ),
    )
