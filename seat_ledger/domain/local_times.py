"""Instants as people of an account read them: on its clock, which is named once."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from seat_ledger.domain.calendar import (
    ZoneHistory,
    instants_of,
    local_date,
    local_time,
    zone,
)

_INSTANT = re.compile(
    r"(?<!['\w])(?<!-at )\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z(?!['\w])",
    re.ASCII,
)
"""An instant of a sentence, as `iso` writes it: none that is quoted or to be typed."""


def local(instant: datetime, zones: ZoneHistory) -> str:
    """An instant as the account's clocks show it; with its offset where they show that
    time twice.
    """
    zone_name, moment = zones.at(instant), instant.astimezone(UTC)
    wall = local_time(moment, zone_name)
    text = wall.isoformat(" ", "auto" if wall.second or wall.microsecond else "minutes")
    if len(instants_of(wall, zone_name)) < 2:
        return text
    return text + moment.astimezone(zone(zone_name)).isoformat()[-6:]


def clock(zones: ZoneHistory) -> str:
    """In which zones times are, said once."""
    later = [
        f"from {local_date(change.effective_at, change.zone):%Y-%m-%d} in {change.zone}"
        for change in zones.changes
    ]
    return f"Times in {', '.join([zones.first, *later])}."


def in_local_times(text: str, zones: ZoneHistory) -> str:
    """A sentence whose instants are on the account's clock, which it names at the end.

    What somebody typed, and what is to be typed, stays as it is.
    """
    sentence, count = _INSTANT.subn(
        lambda match: local(datetime.fromisoformat(match[0]), zones), text
    )
    return f"{sentence} {clock(zones)}" if count else text
