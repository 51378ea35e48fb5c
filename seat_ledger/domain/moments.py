"""Moments and spans of time as people write them, on an account's clock (R11).

Each form names a span: ``2026`` a year, ``2026-03-14`` a date, ``9:30`` an instant. The
moment that it stands for is the span's first instant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from seat_ledger.domain.calendar import (
    ZoneHistory,
    add_months,
    local_date,
    resolve,
    resolve_date,
)
from seat_ledger.domain.instants import (
    beyond,
    find_instant,
    parse_instant,
    refused_form,
    within,
)
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

FORMS = (
    "2026-03-14 09:30, 2026-03-14T09:30+01:00, 9:30, 9:30+01, noon or yesterday 5pm; "
    "2026-03-14, 14.03.2026, 14 march, today, yesterday or monday; 2026-W11 or last "
    "week; 2026-03, march 2026, last march or last month; 2026-Q1, q1 or last quarter; "
    "2026 or last year; -30d, -2w, -3mo, -1y, -90min or -2h; +30d"
)
"""Every form of a moment, by example."""

_DAY = timedelta(days=1)
_MONTHS = (
    "january february march april may june july august september october november "
    "december"
)
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"


def _numbered(names: str) -> dict[str, int]:
    """Names, whole and by their first three letters, with their places from 0."""
    places = {name: place for place, name in enumerate(names.split())}
    return {**places, **{name[:3]: place for name, place in places.items()}}


_MONTH, _WEEKDAY = _numbered(_MONTHS), _numbered(_WEEKDAYS)
_UNITS = {
    "d": "day",
    "day": "day",
    "days": "day",
    "w": "week",
    "week": "week",
    "weeks": "week",
    "mo": "month",
    "month": "month",
    "months": "month",
    "quarter": "quarter",
    "quarters": "quarter",
    "y": "year",
    "year": "year",
    "years": "year",
}
_MINUTES = {
    "min": 1,
    "minute": 1,
    "minutes": 1,
    "h": 60,
    "hour": 60,
    "hours": 60,
}
_LENGTH = {"month": 1, "quarter": 3, "year": 12}
_AGO = re.compile(r"-(\d{1,6}) ?([a-z]+)|(\d{1,6}) ?([a-z]+) ago", re.ASCII)
_IN = re.compile(r"(?:\+|in )(\d{1,6}) ?([a-z]+)", re.ASCII)
_AHEAD = re.compile(r"(\d{1,6}) ?([a-z]+)", re.ASCII)
_CLOCK = re.compile(
    r"(?:(?P<dates>.*\S)[t ] *|)(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?"
    r"|noon|midnight|(?P<hour>0?[1-9]|1[0-2])(?P<minute>:\d{2})? ?(?P<half>[ap])m)"
    r"(?P<offset> ?(?:z|[+-]\d{1,2}(?::?\d{2})?))?",
    re.ASCII,
)


class Span(NamedTuple):
    """A half-open time: `begins` belongs to it and `ends` does not (R02)."""

    begins: datetime
    ends: datetime


def parse_moment(text: str, zones: ZoneHistory, now: datetime) -> datetime:
    """Read a moment in any of :data:`FORMS`; of a longer time its first instant.

    Raises InvalidInput, CommandRefused (``nonexistent_time``, ``ambiguous_time``).
    """
    instant = find_instant(text, zones)  # as programs write them, and fast
    return _span(text, zones, now).begins if instant is None else instant


def parse_span(text: str, zones: ZoneHistory, now: datetime) -> Span:
    """Read a time such as ``last march``, or ``2026-03..2026-05`` without its end."""
    first, dots, second = text.partition("..")
    if not dots:
        return _span(text, zones, now)
    span = Span(*(_span(part, zones, now).begins for part in (first, second)))
    if span.ends < span.begins:
        raise InvalidInput(
            f"{shown(text)} ends before it begins.",
            try_="write the earlier time first: 2026-03..2026-05",
        )
    return span


def parse_dates(text: str, today: date) -> tuple[date, date] | None:
    """The first date that a word means, and the one after its last; None for none."""
    word = " ".join(text.lower().replace(",", " ").split())
    for form, read in _FORMS:
        match = form.fullmatch(word)
        if match is not None:
            return read(match, today)
    return None


def parse_ahead(text: str, today: date) -> date:
    """The date that lies so far ahead: ``90d``, ``6w``. Raises InvalidInput."""
    match = _AHEAD.fullmatch(text.strip().lower())
    unit = _UNITS.get(match[2]) if match else None
    try:
        if match and unit:
            return _shifted(unit, today, int(match[1]))
    except (OverflowError, ValueError):
        pass
    raise InvalidInput(
        f"{shown(text)} is not a length of time.",
        try_="write days, weeks, months or years: 90d, 6w, 3mo or 1y",
    )


def _span(text: str, zones: ZoneHistory, now: datetime) -> Span:
    word = text.strip()
    lower = word.lower()
    try:
        if lower == "now":
            return Span(now, now)
        today = local_date(now, zones.at(now))
        dates = parse_dates(word, today)
        if dates is not None:
            first, following = (within(resolve_date(day, zones)) for day in dates)
            return Span(first, following)
        instant = _minutes_ago(lower, now) or _by_clock(lower, today, zones)
    except (ValueError, OverflowError) as error:
        raise beyond(text, error) from error
    if instant is None:
        raise _unreadable(word)
    return Span(instant, instant)


def _minutes_ago(word: str, now: datetime) -> datetime | None:
    """An instant some minutes or hours before now."""
    match = _AGO.fullmatch(word)
    unit = (match[2] or match[4]) if match else ""
    if match is None or unit not in _MINUTES:
        return None
    count = int(match[1] or match[3]) * _MINUTES[unit]
    return within(now - timedelta(minutes=count))


def _by_clock(word: str, today: date, zones: ZoneHistory) -> datetime | None:
    """A time of a day: of today where no date is named."""
    match = _CLOCK.fullmatch(word)
    if match is None:
        return None
    dates = parse_dates(match["dates"] or "today", today)
    if dates is None or dates[1] - dates[0] != _DAY:
        return None
    clock = {"noon": "12:00", "midnight": "00:00"}.get(
        match["clock"], match["clock"].replace(",", ".")
    )
    if match["half"]:
        hour = int(match["hour"]) % 12 + (12 if match["half"] == "p" else 0)
        clock = f"{hour:02}{match['minute'] or ':00'}"
    if clock[1] == ":":
        clock = f"0{clock}"
    wall = datetime.combine(dates[0], time.fromisoformat(clock))
    if match["offset"]:
        return parse_instant(f"{wall.isoformat()}{_padded(match['offset'])}", zones)
    return within(resolve(wall, zones))


def _padded(offset: str) -> str:
    """An offset whose hours have two digits."""
    return re.sub(r"^ ?([+-])(\d)(?!\d)", r"\g<1>0\2", offset).strip()


def _unreadable(word: str) -> InvalidInput:
    is_m = re.fullmatch(r"-?\d+ ?m( ago)?", word.lower(), re.ASCII)
    why = ": m is minutes or months, so write min or mo" if is_m else refused_form(word)
    if re.fullmatch(r"\+\d{1,2}(:?\d{2})?", word, re.ASCII):
        why = ": an offset from UTC belongs to a time, as in 9:30+01"
    return InvalidInput(
        f"{shown(word)} cannot be read as a moment{why}.",
        try_=f"write a moment such as {FORMS}; see 'seat-ledger help time'",
    )


# -- dates --------------------------------------------------------------------------


def _begin(unit: str, day: date) -> date:
    """The first date of the week, month, quarter or year that a day lies in."""
    if unit == "week":
        return day - _DAY * day.weekday()
    if unit == "day":
        return day
    length = _LENGTH[unit]
    return date(day.year, (day.month - 1) // length * length + 1, 1)


def _shifted(unit: str, day: date, count: int) -> date:
    if unit in _LENGTH:
        return add_months(day, _LENGTH[unit] * count)
    return day + _DAY * (count * (7 if unit == "week" else 1))


def _whole(unit: str, day: date) -> tuple[date, date]:
    """The week, month, quarter or year that a day lies in."""
    first = _begin(unit, day)
    return first, _shifted(unit, first, 1)


Match = re.Match[str]
Dates = tuple[date, date]


def _near(match: Match, today: date) -> Dates:
    """Last month, this week, next year."""
    count = {"last": -1, "this": 0, "next": 1}[match[1]]
    return _whole(match[2], _shifted(match[2], _begin(match[2], today), count))


def _ago(match: Match, today: date) -> Dates | None:
    """The date so many days, weeks, months or years ago."""
    unit = _UNITS.get(match[2] or match[4])
    count = int(match[1] or match[3])
    return _whole("day", _shifted(unit, today, -count)) if unit else None


def _in(match: Match, today: date) -> Dates | None:
    """The date so many days, weeks, months or years from today."""
    unit = _UNITS.get(match[2])
    return _whole("day", _shifted(unit, today, int(match[1]))) if unit else None


def _week(match: Match, today: date) -> Dates:
    """A week by its number as ISO 8601 counts them: of a year, or the latest."""
    number = int(match[2])
    if match[1]:
        return _whole("week", date.fromisocalendar(int(match[1]), number, 1))
    for year in range(today.year + 1, today.year - 8, -1):
        try:
            first = date.fromisocalendar(year, number, 1)
        except ValueError:
            continue  # this year has no week 53
        if first <= today:
            return _whole("week", first)
    raise ValueError(f"no year has a week {number}")


def _quarter(match: Match, today: date) -> Dates:
    """A quarter by its number: the latest; with "last" one that is over."""
    first = date(today.year, 3 * int(match[2]) - 2, 1)
    this = _begin("quarter", today)
    is_ahead = first > this or (bool(match[1]) and first == this)
    return _whole("quarter", _shifted("year", first, -1) if is_ahead else first)


def _weekday(match: Match, today: date) -> Dates:
    """The latest such weekday; with "last" not today."""
    back = (today.weekday() - _WEEKDAY[match[2]]) % 7
    return _whole("day", today - _DAY * (back or (7 if match[1] else 0)))


def _named_month(match: Match, today: date) -> Dates:
    """A month by its name: of a year, or the latest; with "last" one that is over."""
    month = _MONTH[match[2]] + 1
    if match[3]:
        return _whole("month", date(int(match[3]), month, 1))
    this = _begin("month", today)
    latest = date(today.year, month, 1)
    is_ahead = latest > this or (bool(match[1]) and latest == this)
    return _whole("month", _shifted("year", latest, -1) if is_ahead else latest)


def _named_date(match: Match, today: date) -> Dates:
    """A day of a month by its name: of a year, or the latest."""
    day, name = (match[1], match[2]) if match[1].isdigit() else (match[2], match[1])
    month = _MONTH[name] + 1
    if match[3]:
        return _whole("day", date(int(match[3]), month, int(day)))
    year = today.year - ((month, int(day)) > (today.month, today.day))
    return _whole("day", date(year, month, int(day)))


_DAY_NAMES, _MONTH_NAMES = "|".join(_WEEKDAY), "|".join(_MONTH)
_FORMS: list[tuple[re.Pattern[str], Callable[[Match, date], Dates | None]]] = [
    (re.compile(form, re.ASCII), read)
    for form, read in (
        (r"(\d{4})", lambda m, _: _whole("year", date(int(m[1]), 1, 1))),
        (
            r"(\d{4})-(\d{2})",
            lambda m, _: _whole("month", date(int(m[1]), int(m[2]), 1)),
        ),
        (
            r"(\d{4})-?q([1-4])",
            lambda m, _: _whole("quarter", date(int(m[1]), 3 * int(m[2]), 1)),
        ),
        (r"(last )?q([1-4])", _quarter),
        (r"(?:(\d{4})[- ]?w|(?:week |w))(\d{1,2})", _week),
        (
            r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})",
            lambda m, _: _whole("day", date(int(m[1]), int(m[3]), int(m[4]))),
        ),
        (
            r"(\d{1,2})\.(\d{1,2})\.(\d{4})",
            lambda m, _: _whole("day", date(int(m[3]), int(m[2]), int(m[1]))),
        ),
        ("today", lambda _, today: _whole("day", today)),
        ("yesterday", lambda _, today: _whole("day", today - _DAY)),
        ("tomorrow", lambda _, today: _whole("day", today + _DAY)),
        ("(last|this|next) (week|month|quarter|year)", _near),
        (f"(last )?({_DAY_NAMES})", _weekday),
        (rf"(last )?({_MONTH_NAMES})(?: (\d{{4}}))?", _named_month),
        (rf"(\d{{1,2}}) ({_MONTH_NAMES})(?: (\d{{4}}))?", _named_date),
        (rf"({_MONTH_NAMES}) (\d{{1,2}})(?: (\d{{4}}))?", _named_date),
        (_AGO.pattern, _ago),
        (_IN.pattern, _in),
    )
]
