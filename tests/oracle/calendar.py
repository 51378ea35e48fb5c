"""Local dates and bounds by plain search: hour by hour, then minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@cache
def place(name: str) -> ZoneInfo:
    import importlib.resources

    path = importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def day_start(day: date, name: str) -> datetime:
    """The first instant whose local date is `day` or later, walking forward."""
    zone = place(name)
    instant = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=30)
    for step in (MINUTE, SECOND):
        while (instant + step).astimezone(zone).date() < day:
            instant += step
    return instant + SECOND


def months_after(anchor: date, months: int) -> date:
    year, month = anchor.year, anchor.month + months
    while month > 12:
        year, month = year + 1, month - 12
    day = anchor.day
    while True:
        try:
            return date(year, month, day)
        except ValueError:
            day -= 1


class Zones:
    """Zone changes as a list of (effective instant, zone), the first at no instant."""

    def __init__(self, first: str, changes: list[tuple[datetime, str]]) -> None:
        self.first, self.changes = first, changes

    def bound(self, day: date) -> tuple[datetime, str]:
        zone = self.first
        for at, new in self.changes:
            if day_start(day, zone) > at and day_start(day, new) > at:
                zone = new
        return day_start(day, zone), zone

    def at(self, instant: datetime) -> str:
        zone = self.first
        for at, new in self.changes:
            if at <= instant:
                zone = new
        return zone


def dates_between(
    first: date, until: date, zone: str, ends: datetime
) -> list[tuple[datetime, datetime]]:
    """Each existing local date as an interval; the last ends with the period."""
    starts = []
    day = first
    while day < until:
        begins = day_start(day, zone)
        if begins.astimezone(place(zone)).date() == day and begins < ends:
            starts.append(begins)
        day += timedelta(days=1)
    return list(zip(starts, [*starts[1:], ends], strict=True))
