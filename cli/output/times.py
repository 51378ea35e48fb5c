"""How people write moments: instants, local times, dates, months, quarters, today."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from seat_ledger.domain import local_times
from seat_ledger.domain.calendar import (
    ZoneHistory,
    add_months,
    instants_of,
    local_time,
)
from seat_ledger.domain.moments import parse_dates, parse_moment
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

UTC_ZONES = ZoneHistory("UTC")
OWN_DATES = "Dates are those of each account's own time zone."
"""The note below dates of several accounts; what has a time is on one clock."""
_POSITION = re.compile(r"#?(\d{1,40})", re.ASCII)


def knowledge(text: str, zones: ZoneHistory, now: datetime) -> int | datetime:
    """Read "known at": a position, or a moment."""
    position = _POSITION.fullmatch(text.strip())
    if position:
        return int(position[1])
    return parse_moment(text, zones, now)


def day(text: str, today: date) -> date:
    """Read a local date, or the first of a longer time. Raises InvalidInput."""
    try:
        dates = parse_dates(text, today)
    except (ValueError, OverflowError):
        dates = None
    if dates is None:
        raise InvalidInput(
            f"{shown(text)} is not a date.",
            try_="write a date such as 2025-03-05, 2025-03, today, -30d or last march",
        )
    return dates[0]


def label(text: str, today: date) -> str:
    """A period's label as people write it: a date, or the month that it begins in.

    Raises InvalidInput.
    """
    try:
        dates = parse_dates(text, today)
    except (ValueError, OverflowError):
        return text  # a date that the calendar does not have is refused as one
    if dates is not None:
        first, following = dates
        if following - first == timedelta(days=1):
            return first.isoformat()
        if first.day == 1 and following == add_months(first, 1):
            return f"{first:%Y-%m}"
    raise InvalidInput(
        f"{shown(text)} is not a period label.",
        try_="write its first date or the month in which it begins, such as "
        "2025-03-05, 2025-03, march 2025 or last month; all of them: seat-ledger "
        "billing periods --account KEY",
    )


def local(instant: datetime | None, zones: ZoneHistory) -> str:
    """An instant as people of the account read it; "present" for an open end."""
    if instant is None:
        return "present"
    return local_times.local(instant, zones)


def day_or_time(instant: datetime, zones: ZoneHistory) -> str:
    """An instant in a list of several accounts: a local date where that begins then,
    else the time, with its zone.
    """
    wall = _wall(instant, zones)
    if wall.time() == time.min:
        return wall.date().isoformat()
    return f"{local(instant, zones)} {zones.at(instant)}"


def spelled(instant: datetime, zones: ZoneHistory) -> str:
    """An instant in a sentence: date, time and zone, with its offset where the clocks
    show that time twice.
    """
    wall = _wall(instant, zones)
    clock = (
        f"{wall:%H:%M}" if not (wall.second or wall.microsecond) else f"{wall:%H:%M:%S}"
    )
    if len(instants_of(wall, zones.at(instant))) > 1:
        clock += local_times.local(instant, zones)[-6:]
    return f"{wall.day} {wall:%B} {wall.year} {clock} {zones.at(instant)}"


def clock(zones: ZoneHistory) -> str:
    """In which zones the times of an answer are, said once below it."""
    return local_times.clock(zones)


def _wall(instant: datetime, zones: ZoneHistory) -> datetime:
    return local_time(instant.astimezone(UTC), zones.at(instant))


def span(seconds: float) -> str:
    """A length of time in words: ``9 h 12 min``."""
    if seconds <= 0:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days} d {hours_left} h"
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min"
