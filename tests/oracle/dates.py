"""Local dates by looking at the clocks: when does a date begin, and what is midnight.

Everything starts from *stretches*: while does a zone's clock stand at one offset from
UTC. They are found by asking the zone hour by hour and narrowing each change down to
the second; nothing here knows any rule of daylight saving time (R10).

Choices where the rules leave room:

- a period is labelled with the date that its first bound is computed from, also where
  the clocks skipped that date;
- a date at which a period's end comes before the date begins in the zone of the first
  bound (possible when an account moves by a day and more) is not one of its dates;
- a command that gives a date without a time means the bound of that date (R05, R09).
"""

from __future__ import annotations

import calendar
import importlib.resources
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

FAR = datetime.max.replace(tzinfo=UTC)
EARLY = datetime.min.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DATE = re.compile(r"\d{4}-\d\d-\d\d")
MONTH = re.compile(r"\d{4}-\d\d")


class NonexistentTime(Exception):
    """No instant has this local time (R11)."""


class AmbiguousTime(Exception):
    """Two instants have this local time (R11)."""


@cache
def names() -> frozenset[str]:
    """The zones that there are."""
    listed = importlib.resources.files("tzdata").joinpath("zones")
    return frozenset(listed.read_text(encoding="utf-8").split())


@cache
def place(name: str) -> ZoneInfo:
    """The pinned data of one zone."""
    folder = importlib.resources.files("tzdata")
    with folder.joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@dataclass(frozen=True)
class Stretch:
    """While a clock stands `offset` ahead of UTC: [starts, ends)."""

    starts: datetime
    ends: datetime
    offset: timedelta


def offset_at(instant: datetime, name: str) -> timedelta:
    offset = instant.astimezone(place(name)).utcoffset()
    assert offset is not None
    return offset


@cache
def stretches(name: str, day: date) -> tuple[Stretch, ...]:
    """The stretches from two UTC days before `day` to three days after it."""
    starts = datetime(day.year, day.month, day.day, tzinfo=UTC) - 2 * DAY
    end = starts + 5 * DAY
    passed, here = [], starts
    while here < end:
        following = here + HOUR
        if offset_at(following, name) != offset_at(starts, name):
            change = _change_between(here, following, name)
            passed.append(Stretch(starts, change, offset_at(starts, name)))
            starts = change
        here = following
    return (*passed, Stretch(starts, end, offset_at(starts, name)))


def _change_between(before: datetime, after: datetime, name: str) -> datetime:
    """The first second at which the clock stands as it does `after`."""
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if offset_at(middle, name) == offset_at(before, name):
            before = middle
        else:
            after = middle
    return after


@cache
def first_instant(day: date, name: str) -> datetime:
    """The first instant whose local date is `day`, or the next one if none is (R05)."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for stretch in stretches(name, day):
        begins = max(stretch.starts, midnight - stretch.offset)
        if begins < stretch.ends:
            return begins
    raise AssertionError((day, name))


@cache
def exists(day: date, name: str) -> bool:
    """Whether a clock there ever showed this date."""
    return first_instant(day, name).astimezone(place(name)).date() == day


def months_after(anchor: date, months: int) -> date:
    """The anchor's day of the month, or the month's last day (R06, R07)."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    length = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor.day, length))


@dataclass(frozen=True)
class LocalDate:
    """One local date as an interval [starts, ends) (R10)."""

    date: date
    starts: datetime
    ends: datetime


def dates_between(
    first: date, until: date, name: str, ends: datetime
) -> list[LocalDate]:
    """The dates that exist from `first` to before `until`; the last ends at `ends`."""
    days = [first + n * DAY for n in range((until - first).days)]
    begun = [(day, first_instant(day, name)) for day in days if exists(day, name)]
    begun = [(day, starts) for day, starts in begun if starts < ends]
    followed = [starts for _, starts in begun[1:]] + [ends]
    return [
        LocalDate(day, starts, stops)
        for (day, starts), stops in zip(begun, followed, strict=True)
    ]


@dataclass(frozen=True)
class Zones:
    """The zone an account was opened in, and each change as (effective at, zone)."""

    first: str
    changes: tuple[tuple[datetime, str], ...] = ()

    def at(self, instant: datetime) -> str:
        """The zone in force at an instant."""
        zone = self.first
        for at, moved in self.changes:
            if at <= instant:
                zone = moved
        return zone

    def bound(self, day: date) -> tuple[datetime, str]:
        """The first instant of a date, and the zone that it is a date of (R09)."""
        zone = self.first
        for at, moved in self.changes:
            if first_instant(day, zone) > at and first_instant(day, moved) > at:
                zone = moved
        return first_instant(day, zone), zone

    def readings(self, local: datetime) -> list[datetime]:
        """Every instant at which the clocks of the account showed `local`."""
        starts = [EARLY, *(at for at, _ in self.changes)]
        ends = [*(at for at, _ in self.changes), FAR]
        zones = [self.first, *(zone for _, zone in self.changes)]
        instants = set()
        for begins, stops, zone in zip(starts, ends, zones, strict=True):
            for stretch in stretches(zone, local.date()):
                instant = local.replace(tzinfo=UTC) - stretch.offset
                shown = stretch.starts <= instant < stretch.ends
                if shown and begins <= instant < stops:
                    instants.add(instant)
        return sorted(instants)

    def resolve(self, text: str) -> datetime:
        """The instant that a text means in this account (R11)."""
        if DATE.fullmatch(text):
            return self.bound(date.fromisoformat(text))[0]
        if MONTH.fullmatch(text):
            return self.bound(date.fromisoformat(f"{text}-01"))[0]
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        instants = self.readings(at)
        if not instants:
            raise NonexistentTime
        if len(instants) > 1:
            raise AmbiguousTime
        return instants[0]


@dataclass(frozen=True)
class Period:
    """A stretch of an account's time that is counted: [starts, ends)."""

    label: date
    starts: datetime
    ends: datetime
    zone: str
    dates: tuple[LocalDate, ...]

    @property
    def seconds(self) -> int:
        return (self.ends - self.starts) // timedelta(seconds=1)
