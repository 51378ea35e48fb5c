"""Dates for a calendar program: an iCalendar file (RFC 5545) of whole days."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from seat_ledger import __version__
from seat_ledger.cli.output.render import harmless

_LINE = 75
"""The most bytes that a line may have; what follows goes on the next one."""
_SPECIAL = re.compile(r"[\\;,]")


class DayEntry(NamedTuple):
    """A whole day in a calendar: the same `uid` again replaces the entry.

    `remind_before` are how many days before it one is reminded.
    """

    uid: str
    day: date
    summary: str
    description: str
    remind_before: tuple[int, ...] = ()


def calendar_text(entries: Iterable[DayEntry], stamp: datetime) -> str:
    """The file; `stamp` is the instant for which it was written."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    lines.append(f"PRODID:-//Seat Ledger//{__version__}//EN")
    for entry in entries:
        lines += _event(entry, f"{stamp:%Y%m%dT%H%M%SZ}")
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _event(entry: DayEntry, stamp: str) -> Iterable[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{entry.uid}"
    yield f"DTSTAMP:{stamp}"
    yield f"DTSTART;VALUE=DATE:{entry.day:%Y%m%d}"
    yield f"DTEND;VALUE=DATE:{entry.day + timedelta(days=1):%Y%m%d}"
    yield f"SUMMARY:{_text(entry.summary)}"
    yield f"DESCRIPTION:{_text(entry.description)}"
    yield "TRANSP:TRANSPARENT"
    for days in entry.remind_before:
        yield "BEGIN:VALARM"
        yield "ACTION:DISPLAY"
        yield f"DESCRIPTION:{_text(entry.summary)}"
        yield f"TRIGGER:-P{days}D"
        yield "END:VALARM"
    yield "END:VEVENT"


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", harmless(text))


def _folded(line: str) -> Iterable[str]:
    """A long line as several; each but the first begins with a space."""
    part, size = "", 0
    for char in line:
        length = len(char.encode())
        if size + length > _LINE:
            yield part
            part, size = " ", 1
        part, size = part + char, size + length
    yield part
