"""The one calendar as rows for ``figures.portable.sql``, which computes no date.

Instants are whole microseconds since the year 1. The rows are

    ``period``      a row for each period
    ``period_key``  a row for each stretch of thirty days that a period touches
    ``zone_date``   a row for each UTC day that a local date touches

with the columns that are said there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
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
        self._added: list[tuple[int, int, int, int]] = []
        self._account_no = 0
        self._dates_before = 0
        self._spans: list[_Span] = []
        self._span_nos: dict[tuple[Any, ...], int] = {}

    def add(self, account_no: int, period: BillingPeriod) -> int:
        """Add a period, or a window as if it were one; return its number of dates.

        Those of an account follow each other without gaps.
        """
        if account_no != self._account_no:
            self._account_no, self._dates_before = account_no, 0
        span_no = self._span_no(period)
        self._added.append((account_no, period.index, span_no, self._dates_before))
        days = self._spans[span_no].days
        self._dates_before += days
        return days

    def _span_no(self, period: BillingPeriod) -> int:
        key: tuple[Any, ...]
        key = (period.zone, period.label, period.until, period.starts, period.ends)
        if period.runs is not None:
            key = (period.runs, period.starts, period.ends)
        number = self._span_nos.get(key)
        if number is None:
            number = self._span_nos[key] = len(self._spans)
            span = self._span_in_zone if period.runs is None else self._span_of_runs
            self._spans.append(span(period))
        return number

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

    def _span_of_runs(self, period: BillingPeriod) -> _Span:
        """The same of a period that brings its dates, as an invoice keeps them: they
        are those of a zone without a name, under the number of the span.
        """
        period_starts, ends = micros(period.starts), micros(period.ends)
        name = f"#{len(self._spans)}"
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

    def take(self) -> dict[str, dict[str, Any]]:
        """What was added since the last time, by table and column, as numpy arrays."""
        import numpy as np  # noqa: PLC0415  an extra

        spans = _columns(_Span, self._spans)
        account_no, period_no, span_no, before = _whole(self._added, 4)
        first = spans["starts"] - spans["starts"] % _STRETCH
        counts = -((first - spans["ends"]) // _STRETCH)
        repeated = np.repeat(np.arange(len(span_no)), counts[span_no])
        behind = np.cumsum(counts[span_no]) - counts[span_no]
        nth = np.arange(len(repeated)) - behind[repeated]
        of = span_no[repeated]
        bounds = ("starts", "ends", "days")
        taken = {
            "period": {
                "account_no": account_no,
                "period_no": period_no,
                **{name: spans[name][span_no] for name in bounds},
            },
            "period_key": {
                "account_no": account_no[repeated],
                "stretch": first[of] + nth * _STRETCH,
                "period_no": period_no[repeated],
                **{name: spans[name][of] for name in (*bounds, "time_zone")},
                "dates_before": before[repeated],
                **{name: spans[name][of] for name in _DATED},
            },
            "zone_date": _columns(ZoneDate, self._dates),
        }
        self._added, self._dates = [], []
        self._account_no = self._dates_before = 0
        return taken


_DATED = ("first_date_no", "first_date", "last_date")


def _whole(rows: Sequence[Any], width: int) -> Any:
    """Columns of whole numbers."""
    import numpy as np  # noqa: PLC0415

    return np.array(rows, "i8").reshape(-1, width).T


def _columns(kind: Any, rows: Sequence[Any]) -> dict[str, Any]:
    """Rows as arrays: of whole numbers, but for the time zone."""
    import numpy as np  # noqa: PLC0415

    names = [name for name in kind._fields if name != "time_zone"]
    at = [kind._fields.index(name) for name in names]
    numbers = _whole([itemgetter(*at)(row) for row in rows], len(names))
    zones = np.array([row.time_zone for row in rows], object)
    return {**dict(zip(names, numbers, strict=True)), "time_zone": zones}
