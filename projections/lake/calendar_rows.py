"""The one calendar as rows for ``figures.portable.sql``, which computes no date.

Instants are whole microseconds since the year 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from seat_ledger.domain.calendar import BillingPeriod, first_instant

_BEGIN = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000
_STRETCH = 30 * _DAY
_MARGIN = 2
"""Dates beside a period's own, so that every instant of it has one."""

EPOCH = 62_135_596_800_000_000
"""The microseconds from the year 1 to 1970."""


def micros(instant: datetime) -> int:
    """An instant as microseconds since the year 1."""
    return (instant - _BEGIN) // _MICROSECOND


class PeriodSpan(NamedTuple):
    """A row of ``period``."""

    account_no: int
    period_no: int
    starts: int
    ends: int
    days: int


class PeriodKey(NamedTuple):
    """A row of ``period_key``: a period, for a stretch of thirty days in it."""

    account_no: int
    stretch: int
    period_no: int
    starts: int
    ends: int
    days: int
    time_zone: str
    dates_before: int
    first_date_no: int
    first_date: int
    last_date: int


class ZoneDate(NamedTuple):
    """A row of ``zone_date``: a local date, for a UTC day that it touches."""

    time_zone: str
    utc_day: int
    starts: int
    ends: int
    date_no: int


class _Zone:
    """A time zone's dates, each looked up once, numbered outward from the first."""

    def __init__(self, name: str, pivot: int) -> None:
        self.name = name
        self.low = self.high = pivot
        self.starts: dict[int, int] = {}
        self.numbers: dict[int, int] = {pivot - 1: 0}

    def extend(self, low: int, high: int) -> Iterator[ZoneDate]:
        """Look up the dates from `low` up to `high`; the rows of those that are new."""
        new = [*range(low, self.low), *range(self.high, high)]
        for ordinal in reversed(range(low, self.low)):
            self.numbers[ordinal - 1] = self.numbers[ordinal] - self._look_up(ordinal)
        for ordinal in range(self.high, high):
            exists = self._look_up(ordinal)
            self.numbers[ordinal] = self.numbers[ordinal - 1] + exists
        self.low, self.high = min(low, self.low), max(high, self.high)
        for ordinal in new:
            starts, ends = self.starts[ordinal], self._start(ordinal + 1)
            if starts < ends:
                for utc_day in range(starts - starts % _DAY, ends, _DAY):
                    number = self.numbers[ordinal]
                    yield ZoneDate(self.name, utc_day, starts, ends, number)

    def _start(self, ordinal: int) -> int:
        if ordinal not in self.starts:
            day = date.fromordinal(ordinal)
            self.starts[ordinal] = micros(first_instant(day, self.name).astimezone(UTC))
        return self.starts[ordinal]

    def _look_up(self, ordinal: int) -> int:
        """1 for a date that exists; one that is skipped begins with the next: 0."""
        return int(self._start(ordinal) < self._start(ordinal + 1))

    def exists(self, ordinal: int) -> bool:
        return self.numbers[ordinal] > self.numbers[ordinal - 1]


class _Span(NamedTuple):
    """A period's bounds and dates, which periods of many accounts have in common."""

    starts: int
    ends: int
    days: int
    time_zone: str
    first_date_no: int
    first_date: int
    last_date: int


class CalendarRows:
    """Rows for periods as they are added, in order of account and period.

    Dates of a zone are made once: :meth:`take` returns those that are new since it was
    called last, with all rows of the periods.
    """

    def __init__(self) -> None:
        self._zones: dict[str, _Zone] = {}
        self._dates: list[ZoneDate] = []
        self._periods: list[PeriodSpan] = []
        self._keys: list[PeriodKey] = []
        self._account_no = 0
        self._dates_before = 0
        self._spans: dict[tuple[Any, ...], _Span] = {}

    def add(self, account_no: int, period: BillingPeriod) -> int:
        """Add a period, or a window as if it were one; return its number of dates.

        Those of an account follow each other without gaps.
        """
        if account_no != self._account_no:
            self._account_no, self._dates_before = account_no, 0
        span, before = self._span(account_no, period), self._dates_before
        starts, ends, days = span.starts, span.ends, span.days
        self._periods.append(PeriodSpan(account_no, period.index, starts, ends, days))
        self._keys += [
            PeriodKey(
                account_no, stretch, period.index, starts, ends, days, span.time_zone,
                before, span.first_date_no, span.first_date, span.last_date,
            )
            for stretch in range(starts - starts % _STRETCH, ends, _STRETCH)
        ]  # fmt: skip
        self._dates_before += days
        return days

    def _span(self, account_no: int, period: BillingPeriod) -> _Span:
        if period.runs is not None:
            return self._span_of_runs(account_no, period)
        key = (period.zone, period.label, period.until, period.starts, period.ends)
        span = self._spans.get(key)
        if span is None:
            span = self._spans[key] = self._span_in_zone(period)
        return span

    def _span_in_zone(self, period: BillingPeriod) -> _Span:
        starts, ends = micros(period.starts), micros(period.ends)
        first, last = period.label.toordinal(), period.until.toordinal() - 1
        low, high = first - _MARGIN, last + 1 + _MARGIN
        zone = self._zones.get(period.zone)
        if zone is None:
            zone = self._zones[period.zone] = _Zone(period.zone, low)
        if low < zone.low or high > zone.high:
            self._dates += zone.extend(min(low, zone.low), max(high, zone.high))
        while last > first and (zone.starts[last] >= ends or not zone.exists(last)):
            last -= 1
        while first < last and not zone.exists(first):
            first += 1
        if not zone.exists(first) or zone.starts[first] >= ends or last < first:
            no = zone.numbers[first]
            return _Span(starts, ends, 0, period.zone, no, starts, starts)
        first_no, last_no = zone.numbers[first], zone.numbers[last]
        return _Span(
            starts, ends, last_no - first_no + 1, period.zone, first_no,
            max(zone.starts[first], starts), max(zone.starts[last], starts),
        )  # fmt: skip

    def _span_of_runs(self, account_no: int, period: BillingPeriod) -> _Span:
        """The same of a period that brings its dates, as an invoice keeps them."""
        period_starts, ends = micros(period.starts), micros(period.ends)
        name = f"{account_no}/{period.index}"
        begins = [micros(start) for _, start in period.days]
        bounds = [*begins, max(ends, begins[-1] + 1)]
        bounds[0] = min(bounds[0], period_starts)
        for number, starts in enumerate(bounds[:-1]):
            until = bounds[number + 1]
            self._dates += [
                ZoneDate(name, utc_day, starts, until, number)
                for utc_day in range(starts - starts % _DAY, until, _DAY)
            ]
        return _Span(
            period_starts, ends, len(begins), name, 0,
            max(begins[0], period_starts), max(begins[-1], period_starts),
        )  # fmt: skip

    def take(self) -> dict[str, dict[str, list[Any]]]:
        """What was added since the last time, by table and column."""
        taken = {
            "period": _columns(PeriodSpan, self._periods),
            "period_key": _columns(PeriodKey, self._keys),
            "zone_date": _columns(ZoneDate, self._dates),
        }
        self._periods, self._keys, self._dates = [], [], []
        self._account_no = self._dates_before = 0
        return taken


def _columns(kind: Any, rows: Sequence[Any]) -> dict[str, list[Any]]:
    columns = zip(*rows, strict=True) if rows else [()] * len(kind._fields)
    return dict(zip(kind._fields, map(list, columns), strict=True))
