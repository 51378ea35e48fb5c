"""Times as sources write them, turned into instants; none is ever guessed.

The mapping says how a time is written, and in which zone where it has no offset.
A two-digit year and a zone's abbreviation have no place in a format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from seat_ledger.domain.calendar import first_instant, instants_of, zone
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput, NotFound
from seat_ledger.sources.refusals import UnreadableRow

ACCOUNT_ZONE = "account"
"""A time is left local: the ledger reads it in the account's zone (R11)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  in UTC, as all of it
_UNITS = {"epoch s": 1_000_000, "epoch ms": 1_000, "epoch us": 1}
RFC3339 = "rfc3339"
_WRITTEN = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:[.,](\d{1,9}))?)?)"
    r"(Z|z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"(-?\d{1,18})(?:\.(\d{1,6})0*)?", re.ASCII)
_DIRECTIVE = re.compile(r"%(.)")
_ALLOWED = set("YmdHMSfzIpbB%")
_ABBREVIATION = re.compile(r"[A-Z]{2,5}([+-]?\d[A-Z]*)?", re.ASCII)
"""EST, CET, EST5EDT, GMT0: IANA has some, 'EST' without the summer time of a place."""
_SHORT_PLACES = frozenset({"GB", "NZ", "PRC", "ROC", "ROK", "UCT", "UTC"})
"""What IANA writes like an abbreviation and is one zone: Japan and Cuba are not."""
_REFUSED = {
    "y": "a two-digit year could mean two centuries: use %Y",
    "Z": "a zone's abbreviation could mean several zones: use %z or 'zone'",
}


class SourceTime(NamedTuple):
    """A time of a row: by what it is ordered, and as a command has it.

    `order` is in microseconds since 1970, of the wall clock where `text` is local.
    """

    order: int
    text: str


ParseTime = Callable[[Any], SourceTime]


def parser(form: str, zone_name: str | None) -> ParseTime:
    """How times of a form are read. Raises InvalidInput for a form that would guess."""
    check_zone(zone_name)
    if form in _UNITS:
        if zone_name is not None:
            raise InvalidInput(
                f"The format '{form}' counts from 1970 in UTC: it needs no zone.",
                try_="omit 'zone'",
            )
        return _epoch(_UNITS[form], form)
    if form == RFC3339:
        return _texts(lambda text: _rfc3339(text, zone_name), zone_name, form)
    _check_format(form, zone_name)
    whole = _whole(form)
    return _texts(
        lambda text: _by_format(text, form, whole, zone_name), zone_name, form
    )


def check_zone(name: str | None) -> None:
    """Refuse a zone that is none, or one that names no place. Raises InvalidInput."""
    if name is None or name == ACCOUNT_ZONE:
        return
    if _ABBREVIATION.fullmatch(name) and name not in _SHORT_PLACES:
        raise InvalidInput(
            f"The zone {shown(name)} names no place: an abbreviation could mean "
            "several zones.",
            try_="write an IANA name such as Europe/Amsterdam, UTC, or account",
        )
    try:
        zone(name)
    except NotFound as error:
        raise InvalidInput(error.message, try_=error.try_) from error


def _check_format(form: str, zone_name: str | None) -> None:
    directives = _DIRECTIVE.findall(form)
    for letter in directives:
        if letter not in _ALLOWED:
            reason = _REFUSED.get(letter, "it depends on a language or a place")
            raise InvalidInput(
                f"The format {shown(form)} has %{letter}: {reason}.",
                try_="write it like '%d/%m/%Y %H:%M'",
            )
    missing = [letter for letter in "Yd" if letter not in directives]
    if missing or not {"m", "b", "B"} & set(directives):
        raise InvalidInput(
            f"The format {shown(form)} does not say year, month and day.",
            try_="write it like '%d/%m/%Y %H:%M', 'rfc3339' or 'epoch ms'",
        )
    if ("z" in directives) == (zone_name is not None):
        what = (
            "has an offset and a zone"
            if zone_name
            else "has no offset, so the zone must be given"
        )
        raise InvalidInput(
            f"The format {shown(form)} {what}.",
            try_='give \'zone\', such as "Europe/Amsterdam", "UTC" or "account", '
            "or %z in the format; not both",
        )


def _epoch(factor: int, form: str) -> ParseTime:
    def parse(value: Any) -> SourceTime:
        if value.__class__ is not int:
            value = _count(value, factor, form)
        else:
            value *= factor
        try:
            text = (_NAIVE_EPOCH + timedelta(0, 0, value)).isoformat()
        except OverflowError as error:
            raise _not_as(value, form) from error
        return SourceTime(value, f"{text}Z")

    return parse


def _count(value: Any, factor: int, form: str) -> int:
    match = _NUMBER.fullmatch(str(value).strip())
    if match is None or isinstance(value, bool):
        raise _not_as(value, form)
    fraction = int((match[2] or "0").ljust(6, "0")) * factor
    if fraction % 1_000_000:
        raise _not_as(value, form)
    whole = int(match[1]) * factor
    return whole + (fraction // 1_000_000 if whole >= 0 else -fraction // 1_000_000)


def _texts(
    parse: Callable[[str], SourceTime], zone_name: str | None, form: str
) -> ParseTime:
    """Times that are texts; those of a workbook are dates already."""
    cached = lru_cache(maxsize=4096)(parse)

    def read(value: Any) -> SourceTime:
        if isinstance(value, datetime):
            return _of_wall(value, None, zone_name, value)
        if isinstance(value, date):
            return _of_date(value, zone_name)
        if not isinstance(value, str):
            raise _not_as(value, form)
        return cached(value.strip())

    return read


def _rfc3339(text: str, zone_name: str | None) -> SourceTime:
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise _not_as(text, RFC3339)
    day, clock, digits, offset = match.groups()
    try:
        if clock is None:
            return _of_date(date.fromisoformat(day), zone_name)
        # Microsoft writes seven digits; the ledger has six.
        seconds = clock.replace(",", ".").partition(".")[0]
        fraction = (digits or "0").ljust(6, "0")[:6]
        wall = datetime.fromisoformat(f"{day}T{seconds}").replace(
            microsecond=int(fraction)
        )
        return _of_wall(wall, offset, zone_name, text)
    except (ValueError, OverflowError) as error:
        raise _not_as(text, RFC3339) from error


def _whole(form: str) -> re.Pattern[str]:
    """What a time of a format looks like that is not cut off.

    strptime reads '09:1' as a minute past nine, and '2026111' as 1 November.
    """
    shape, was_number = "", False
    for match in re.finditer(r"%(.)|\s+|.", form, re.DOTALL):
        letter = match[1] or ""
        if letter in _WIDTHS:
            after = form[match.end() :]
            is_beside = was_number or (after[:1] == "%" and after[1:2] in _WIDTHS)
            shape += r"\d\d" if is_beside and letter in "mdHI" else _WIDTHS[letter]
        elif letter:
            shape += "%" if letter == "%" else ".+"
        else:
            shape += r"\s+" if match[0].isspace() else re.escape(match[0])
        was_number = letter in _WIDTHS
    return re.compile(shape, re.ASCII | re.IGNORECASE)


_WIDTHS = {
    "Y": r"\d{4}", "m": r"\d\d?", "d": r"\d\d?", "H": r"\d\d?", "I": r"\d\d?",
    "M": r"\d\d", "S": r"\d\d", "f": r"\d{1,6}",
}  # fmt: skip


def _by_format(
    text: str, form: str, whole: re.Pattern[str], zone_name: str | None
) -> SourceTime:
    if whole.fullmatch(text) is None:
        raise _not_as(text, form)
    try:
        read = datetime.strptime(text, form)  # noqa: DTZ007  the zone comes next
    except ValueError as error:
        raise _not_as(text, form) from error
    if read.tzinfo is not None:
        return _instant(read.astimezone(UTC))
    if not {"H", "I"} & set(_DIRECTIVE.findall(form)):
        return _of_date(read.date(), zone_name)
    return _of_wall(read, None, zone_name, text)


def _of_wall(
    wall: datetime, offset: str | None, zone_name: str | None, text: object
) -> SourceTime:
    if offset is not None:
        shift = "+00:00" if offset in "Zz" else offset
        return _instant(datetime.fromisoformat(f"{wall.isoformat()}{shift}"))
    _need_zone(text, zone_name)
    if zone_name == ACCOUNT_ZONE:
        return SourceTime(_order(wall.replace(tzinfo=UTC)), wall.isoformat())
    instants = instants_of(wall, str(zone_name))
    if len(instants) != 1:
        how = "comes twice" if instants else "does not exist"
        raise UnreadableRow(
            f"the local time {wall} {how} in {zone_name}.",
            "write an unambiguous time: export it with its offset, or in UTC",
        )
    return _instant(instants[0])


def _of_date(day: date, zone_name: str | None) -> SourceTime:
    _need_zone(day, zone_name)
    if zone_name == ACCOUNT_ZONE:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return SourceTime(_order(midnight), day.isoformat())
    return _instant(first_instant(day, str(zone_name)))


def _need_zone(text: object, zone_name: str | None) -> None:
    if zone_name is None:
        raise UnreadableRow(
            f"the time {shown(text)} has no offset, and the mapping names no zone.",
            "expected: a time such as 2026-10-02T09:14:00Z, or 'zone' in the mapping",
        )


def _instant(instant: datetime) -> SourceTime:
    instant = instant.astimezone(UTC)
    return SourceTime(_order(instant), instant.isoformat()[:-6] + "Z")


def _order(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _not_as(value: object, form: str) -> UnreadableRow:
    return UnreadableRow(
        f"{shown(value)} is not a time as the mapping says times are written.",
        f"expected: the format '{form}'",
    )
