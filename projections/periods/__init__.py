"""Billing periods as rows: the one calendar, handed to SQL.

SQL computes no bounds and no local dates of its own (ARCHITECTURE 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from projections.contracts import AccountFacts
from seat_ledger.calendar import BillingPeriod, first_instant, local_dates


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


def rows_of(account: AccountFacts) -> Iterator[PeriodRow]:
    """Every period that exists: those of the terms that have begun (R38)."""
    calendar = account.calendar
    horizon = calendar.renewal(account.renewals + 1).instant
    for period in calendar.periods_before(horizon):
        yield row_of(account, period)


def row_of(account: AccountFacts, period: BillingPeriod) -> PeriodRow:
    """One period, or a window as if it were one."""
    days, day_starts = _dates(period.label, period.until, period.zone, period.ends)
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


class _ZoneDates:
    """The first instants of a zone's local dates, as text, each computed once."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.texts: dict[int, str | None] = {}
        self.starts: dict[int, datetime] = {}

    def between(self, label: date, until: date, ends: datetime) -> tuple[int, str]:
        """How many dates begin in ``[label, until)`` and before `ends`; as an array."""
        first, last = label.toordinal(), until.toordinal()
        texts = self.texts
        for ordinal in range(first, last):
            if ordinal not in texts:
                self._look_up(ordinal)
        found = [text for n in range(first, last) if (text := texts[n]) is not None]
        while last > first and self.starts[last - 1] >= ends:
            last -= 1
            if texts[last] is not None:
                found.pop()
        return len(found), f"{{{','.join(found)}}}"

    def _look_up(self, ordinal: int) -> None:
        day = date.fromordinal(ordinal)
        dates = local_dates(day, date.fromordinal(ordinal + 1), self.zone)
        start = first_instant(day, self.zone).astimezone(UTC)
        self.starts[ordinal] = start
        self.texts[ordinal] = f'"{start.isoformat(" ")}"' if dates else None


_zones: dict[str, _ZoneDates] = {}


def _dates(label: date, until: date, zone: str, ends: datetime) -> tuple[int, str]:
    """How many local dates a period has, and their first instants as an array."""
    if zone not in _zones:
        _zones[zone] = _ZoneDates(zone)
    return _zones[zone].between(label, until, ends)


def line_of(row: PeriodRow) -> str:
    """A row as a line of COPY's text form; none of its texts needs escaping."""
    return "\t".join("\\N" if value is None else str(value) for value in row) + "\n"


def columns(rows: Iterable[PeriodRow]) -> dict[str, list[Any]]:
    """The rows as one array a column, for ``unnest``."""
    kept = list(rows)
    names = PeriodRow._fields
    return {name: [getattr(row, name) for row in kept] for name in names}
