"""Billing periods as rows: the one calendar, handed to SQL.

SQL computes no bounds and no local dates of its own (ARCHITECTURE 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from projections.contracts import AccountFacts
from seat_ledger.calendar import BillingPeriod, local_dates


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


_Dates = tuple[int, str]
_known_dates: dict[tuple[date, date, str, datetime], _Dates] = {}


def _dates(label: date, until: date, zone: str, ends: datetime) -> _Dates:
    """How many local dates a period has, and their first instants as an array."""
    key = (label, until, zone, ends)
    found = _known_dates.get(key)
    if found is None:
        starts = [at for _, at in local_dates(label, until, zone) if at < ends]
        written = ",".join(f'"{at.astimezone(UTC).isoformat(" ")}"' for at in starts)
        if len(_known_dates) > 100_000:
            _known_dates.clear()
        found = _known_dates[key] = (len(starts), f"{{{written}}}")
    return found


def columns(rows: Iterable[PeriodRow]) -> dict[str, list[Any]]:
    """The rows as one array a column, for ``unnest``."""
    kept = list(rows)
    names = PeriodRow._fields
    return {name: [getattr(row, name) for row in kept] for name in names}
