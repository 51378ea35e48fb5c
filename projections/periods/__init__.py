"""Billing periods as rows: the one calendar, handed to SQL.

SQL computes no bounds and no local dates of its own (ARCHITECTURE 3).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from seat_ledger.domain.calendar import (
    BillingPeriod,
    DateRun,
    first_instant,
    local_dates,
)
from seat_ledger.projections.periods.contract import AccountFacts


class PeriodRow(NamedTuple):
    """One row of the table; `day_starts` is the text of an array of instants."""

    account_no: int
    period_no: int
    label: date
    starts: datetime
    ends: datetime
    until: date
    days: int
    time_zone: str
    mode: str
    granularity: str | None
    day_starts: str

    @property
    def is_window(self) -> bool:
        """Whether it is dates that were named, and no period of the account."""
        return self.period_no < 0


def rows_of(account: AccountFacts) -> Iterator[PeriodRow]:
    """Every period that exists: those of the terms that have begun (R38)."""
    for period in existing(account):
        yield row_of(account, period)


def existing(account: AccountFacts) -> Iterator[BillingPeriod]:
    """Every period of the terms that have begun (R38)."""
    horizon = account.calendar.renewal(account.renewals + 1).instant
    return account.calendar.periods_before(horizon)


def row_of(account: AccountFacts, period: BillingPeriod) -> PeriodRow:
    """One period, or a window as if it were one."""
    days, day_starts = _dates(period)
    mode, granularity = account.policy_at(period.starts)
    return PeriodRow(
        account.no,
        period.index,
        period.label,
        period.starts,
        period.ends,
        period.until,
        days,
        period.zone,
        mode,
        granularity,
        day_starts,
    )


def as_period(row: PeriodRow) -> BillingPeriod:
    """The period of a row, with the dates that it has of an invoice (R61)."""
    period = BillingPeriod(
        row.period_no, row.label, row.starts, row.ends, row.time_zone, row.until
    )
    if row.day_starts == _dates(period)[1]:
        return period
    starts = [datetime.fromisoformat(text) for text in row.day_starts[1:-1].split(",")]
    runs = tuple(
        DateRun(row.label + timedelta(days=n), start, 1)
        for n, start in enumerate(starts)
    )
    return replace(period, runs=runs)


def _dates(period: BillingPeriod) -> tuple[int, str]:
    """How many local dates a period has, and their first instants as an array."""
    if period.runs is not None:
        return _array([_element(starts) for _, starts in period.days])
    return _dates_of(period.zone).array(period.label, period.until, period.ends)


def _array(texts: list[str]) -> tuple[int, str]:
    return len(texts), f"{{{','.join(texts)}}}"


_MOST_WRITTEN = 512
"""Periods of a zone whose dates are kept as text; many accounts have the same."""


class _ZoneDates:
    """The first instants of a zone's local dates, each computed once."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.starts: dict[int, datetime] = {}
        self.texts: dict[int, str] = {}
        self.items: dict[int, bytes] = {}
        self.arrays: dict[tuple[int, int], tuple[int, bytes]] = {}
        self.written: dict[tuple[date, date, datetime], tuple[int, str]] = {}

    def between(self, label: date, until: date, ends: datetime) -> list[int]:
        """The dates that exist and begin in ``[label, until)`` and before `ends`."""
        first, last = self._ordinals(label, until, ends)
        for ordinal in range(first, last):
            if ordinal not in self.starts:
                self._look_up(ordinal)
        items = self.items
        return [ordinal for ordinal in range(first, last) if ordinal in items]

    def array(self, label: date, until: date, ends: datetime) -> tuple[int, str]:
        """How many these are, and their first instants as an array has them."""
        key = (label, until, ends)
        if key not in self.written:
            if len(self.written) >= _MOST_WRITTEN:
                self.written.clear()
            days = self.between(label, until, ends)
            self.written[key] = _array([self.texts[ordinal] for ordinal in days])
        return self.written[key]

    def packed(self, label: date, until: date, ends: datetime) -> tuple[int, bytes]:
        """How many these are, and their first instants as elements of an array."""
        key = self._ordinals(label, until, ends)
        array = self.arrays.get(key)
        if array is None:
            days = self.between(label, until, ends)
            array = len(days), b"".join([self.items[ordinal] for ordinal in days])
            self.arrays[key] = array
        return array

    def _ordinals(self, label: date, until: date, ends: datetime) -> tuple[int, int]:
        """The dates from `label` on that begin before `until` and before `ends`."""
        first, last = label.toordinal(), until.toordinal()
        while last > first and self._start(last - 1) >= ends:
            last -= 1
        return first, last

    def _start(self, ordinal: int) -> datetime:
        if ordinal not in self.starts:
            self._look_up(ordinal)
        return self.starts[ordinal]

    def _look_up(self, ordinal: int) -> None:
        """Note a date; last of all that it is known, as other threads look there."""
        day = date.fromordinal(ordinal)
        start = first_instant(day, self.zone).astimezone(UTC)
        if local_dates(day, date.fromordinal(ordinal + 1), self.zone):
            self.texts[ordinal] = _element(start)
            self.items[ordinal] = _ITEM.pack(8, _microseconds(start))
        self.starts[ordinal] = start


def _element(start: datetime) -> str:
    """An instant as an array in text has it: without quotes, which cost to escape."""
    return start.isoformat()


_zones: dict[str, _ZoneDates] = {}


def _dates_of(zone: str) -> _ZoneDates:
    if zone not in _zones:
        _zones[zone] = _ZoneDates(zone)
    return _zones[zone]


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_TIMESTAMPTZ_OID = 1184
_ITEM = struct.Struct("!iq")
_HEAD = struct.Struct("!hiqiiiiiqiqiiii")
_ARRAY = struct.Struct("!iiiiii")
_INT = struct.Struct("!i")
_NULL = _INT.pack(-1)


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


@cache
def _bytes_of(text: str | None) -> bytes:
    if text is None:
        return _NULL
    encoded = text.encode()
    return _INT.pack(len(encoded)) + encoded


def binary_rows(account: AccountFacts) -> Iterator[bytes]:
    """The rows of an account in COPY's binary form, in the table's order."""
    for period in existing(account):
        yield binary_row(account, period)


def binary_row(account: AccountFacts, period: BillingPeriod) -> bytes:
    """One of them."""
    dates = _dates_of(period.zone)
    days, items = dates.packed(period.label, period.until, period.ends)
    mode, granularity = account.policy_at(period.starts)
    head = _HEAD.pack(
        len(PeriodRow._fields),
        8, account.no,
        4, period.index,
        4, period.label.toordinal() - _EPOCH_DAY,
        8, _microseconds(period.starts),
        8, _microseconds(period.ends),
        4, period.until.toordinal() - _EPOCH_DAY,
        4, days,
    )  # fmt: skip
    return (
        head
        + _bytes_of(period.zone)
        + _bytes_of(mode)
        + _bytes_of(granularity)
        + _ARRAY.pack(20 + len(items), 1, 0, _TIMESTAMPTZ_OID, days, 1)
        + items
    )


def columns(rows: Iterable[PeriodRow]) -> dict[str, list[Any]]:
    """The rows as one array a column, for ``unnest``."""
    items = list(rows)
    names = PeriodRow._fields
    return {name: [getattr(row, name) for row in items] for name in names}
