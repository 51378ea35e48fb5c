"""How people write moments: instants, local times, dates, months, quarters, today."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from seat_ledger.calendar import (
    ZoneHistory,
    local_date,
    local_time,
    parse_instant,
    resolve_date,
)
from seat_ledger.errors import InvalidInput
from seat_ledger.values import shown

UTC_ZONES = ZoneHistory("UTC")
_QUARTER = re.compile(r"(\d{4})-?[qQ]([1-4])", re.ASCII)
_POSITION = re.compile(r"#?(\d{1,18})", re.ASCII)


def moment(text: str, zones: ZoneHistory, now: datetime) -> datetime:
    """Read a moment, in the account's zones where it names none (R11).

    Raises InvalidInput, CommandRefused (``nonexistent_time``, ``ambiguous_time``).
    """
    word = text.strip()
    if word == "now":
        return now
    if word in {"today", "yesterday"}:
        today = local_date(now, zones.at(now))
        return resolve_date(today - timedelta(days=word == "yesterday"), zones)
    quarter = _QUARTER.fullmatch(word)
    if quarter:
        first = date(max(1, int(quarter[1])), 3 * int(quarter[2]) - 2, 1)
        return resolve_date(first, zones)
    return parse_instant(word, zones)


def knowledge(text: str, zones: ZoneHistory, now: datetime) -> int | datetime:
    """Read "known at": a position, or a moment."""
    position = _POSITION.fullmatch(text.strip())
    if position:
        return int(position[1])
    return moment(text, zones, now)


def day(text: str) -> date:
    """Read a local date. Raises InvalidInput."""
    try:
        if len(text) == 7:
            return date.fromisoformat(f"{text}-01")
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{shown(text)} is no date.", try_="write a date such as 2025-03-05"
        ) from error


def local(instant: datetime | None, zones: ZoneHistory) -> str:
    """An instant as people of the account read it; "present" for an open end."""
    if instant is None:
        return "present"
    wall = _wall(instant, zones)
    if wall.second or wall.microsecond:
        return wall.isoformat(" ")
    return wall.strftime("%Y-%m-%d %H:%M")


def spelled(instant: datetime, zones: ZoneHistory) -> str:
    """An instant in a sentence: date, time and zone."""
    wall = _wall(instant, zones)
    time = (
        f"{wall:%H:%M}" if not (wall.second or wall.microsecond) else f"{wall:%H:%M:%S}"
    )
    return f"{wall.day} {wall:%B} {wall.year} {time} {zones.at(instant)}"


def _wall(instant: datetime, zones: ZoneHistory) -> datetime:
    return local_time(instant.astimezone(UTC), zones.at(instant))
