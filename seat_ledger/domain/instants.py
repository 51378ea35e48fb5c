"""Instants as programs write them: with an offset, or local to an account (R11)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from seat_ledger.domain.calendar import ZoneHistory, resolve, resolve_date
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

_LOCAL = re.compile(
    r"(\d{4})-(\d{2})(?:-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6}))?)?)?)?",
    re.ASCII,
)
_WITH_OFFSET = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,6})?)?"
    r" ?(Z|z|[+-]\d{2}(:?\d{2})?)",
    re.ASCII,
)
_TIME = r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}"
_WRITE = "write 2026-03-14T09:30:00Z, 2026-03-14 09:30 (local) or 2026-03-14"
_REFUSED_FORMS = tuple(
    (re.compile(form, re.ASCII), reason)
    for form, reason in (
        (r"\d{8}([Tt ].*)?", "the date needs its hyphens"),
        (r"[-+]?\d+(\.\d+)?", "a number does not say in which unit and from when"),
        (r"\d{1,4}[/.]\d{1,2}[/.]\d{1,4}.*", "day and month cannot be told apart"),
        (_TIME + r":\d{2}[.,]\d{7,}.*", "it has more than six digits of fraction"),
        (_TIME + r".*[+-]\d{2}:?\d{2}:\d{2}", "its offset has seconds"),
        (_TIME + r"\S* \d{2}(:?\d{2})?", "in an address the '+' of an offset is %2B"),
        (_TIME + r".*[A-Za-z]{2,}.*", "an offset is a number or 'Z', not a name"),
        (r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}.*", "the time needs hours and minutes"),
        (r"\d{4}-\d{1,2}-\d{1,2}.*", "month and day have two digits each"),
    )
)
"""Forms that other programs write and that are refused, and why; the first counts."""


def parse_instant(text: str, zones: ZoneHistory) -> datetime:
    """Read an instant with offset, or a local time or date of the account (R11).

    A date or month stands for its first instant. Raises InvalidInput for another
    form, CommandRefused (``nonexistent_time``, ``ambiguous_time``).
    """
    instant = find_instant(text, zones)
    if instant is None:
        raise InvalidInput(
            f"{shown(text)} is not an instant{refused_form(text)}.",
            try_=_WRITE,
        )
    return instant


def find_instant(text: str, zones: ZoneHistory) -> datetime | None:
    """The same; None for another form."""
    if _WITH_OFFSET.fullmatch(text):
        return _with_offset(text)
    match = _LOCAL.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction = match.groups()
    try:
        wall = datetime(  # noqa: DTZ001  a wall-clock time
            int(year), int(month), int(day or 1), int(hour or 0), int(minute or 0),
            int(second or 0), int((fraction or "0").ljust(6, "0")),
        )  # fmt: skip
        return within(
            resolve_date(wall.date(), zones) if hour is None else resolve(wall, zones)
        )
    except (ValueError, OverflowError) as error:
        raise beyond(text, error) from error


def refused_form(text: str) -> str:
    """Why a form that other programs write is refused, as the end of a sentence."""
    reasons = (reason for form, reason in _REFUSED_FORMS if form.fullmatch(text))
    reason = next(reasons, "")
    return reason and f": {reason}"


def _with_offset(text: str) -> datetime:
    try:
        if text.endswith("Z") and "," not in text:
            return within(datetime.fromisoformat(text))
        day, clock = text[:10], text[11:].upper().replace(" ", "").replace(",", ".")
        read = datetime.fromisoformat(f"{day}T{clock}")
        return within(read.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise beyond(text, error) from error


def within(instant: datetime) -> datetime:
    """An instant that has a local time in every zone. Raises OverflowError."""
    if not 2 <= instant.year <= 9998:
        raise OverflowError("at the edge of the calendar")
    return instant


def beyond(text: str, error: Exception) -> InvalidInput:
    """What has the form of a date or time, and is none, or lies at the edge."""
    if isinstance(error, OverflowError) or text.strip()[:4] in {"0000", "9999"}:
        return InvalidInput(
            f"{shown(text)} lies outside the calendar, whose first instant is "
            "0002-01-01T00:00:00Z and whose last is just before 9999-01-01T00:00:00Z.",
            try_=_WRITE,
        )
    return InvalidInput(
        f"{shown(text)} is not a calendar date or time: it has a month, day, hour or "
        "minute that does not exist.",
        try_=_WRITE,
    )
