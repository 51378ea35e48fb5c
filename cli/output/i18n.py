"""The languages of console, reports and letters: texts as data, figures as read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any

from seat_ledger.domain import local_times
from seat_ledger.domain.calendar import ZoneHistory, local_time
from seat_ledger.domain.counting_rules import COUNTING_RULES, CountingRule

LANGUAGES = ("en", "nl")
MINUS = "\u2212"
_RANGE = re.compile(r"\s*([A-Za-z*]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([0-9.]+))?\s*")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


@cache
def catalogue(language: str) -> dict[str, str]:
    """Every text of a language, by its key."""
    file = resources.files(__package__).joinpath("texts", f"{language}.json")
    texts: dict[str, str] = json.loads(file.read_text("utf-8"))
    rules = COUNTING_RULES.items()
    return texts | {f"rule_{mode}": _sentence(rule, language) for mode, rule in rules}


def _sentence(rule: CountingRule, language: str) -> str:
    words = rule.words[language]
    return f"{words[0].upper()}{words[1:]}."


def chosen(accepted: str) -> str:
    """The language that a browser's ``Accept-Language`` likes best of ours."""
    liked = sorted(_ranges(accepted), key=lambda pair: -pair[1])
    for name, weight in liked:
        if weight > 0 and name in LANGUAGES:
            return name
        if weight > 0 and name == "*":
            break
    return LANGUAGES[0]


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    for part in accepted.split(",")[:20]:
        match = _RANGE.fullmatch(part)
        if match:
            try:
                yield match[1].lower(), float(match[2] or 1)
            except ValueError:
                continue


class Words:
    """One language: its texts, its months, its numbers."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = catalogue(language)
        self._months = self._texts["months"].split()
        self._short = self._texts["months_short"].split()

    def __call__(self, key: str, **values: Any) -> str:
        """A text with its gaps filled in. A key that is missing is a bug."""
        text = self._texts[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self._texts

    def counted(self, key: str, count: int, **values: Any) -> str:
        """A text in the singular or the plural."""
        which = "one" if count == 1 else "many"
        return self(f"{key}.{which}", count=self.number(count), **values)

    def day(self, day: date) -> str:
        """A date, spelled out."""
        return f"{day.day} {self._months[day.month - 1]} {day.year}"

    def column(self, title: str) -> str:
        """The title of a report's column."""
        return self(f"column_{title.replace(' ', '_')}")

    def instant(self, instant: datetime | None, zones: ZoneHistory) -> str:
        """An instant in figures, as the account's clocks show it."""
        if instant is None:
            return self("present")
        text = local_times.local(instant, zones)
        return self.date(text[:10]) + text[10:]

    def month(self, day: date) -> str:
        """A month, as an axis shows it."""
        return f"{self._short[day.month - 1]} {day.year}"

    def moment(self, instant: datetime | None, zones: ZoneHistory) -> str:
        """Date and time as the account's clocks show it, without the zone."""
        if instant is None:
            return self("present")
        wall = local_time(instant.astimezone(UTC), zones.at(instant))
        return f"{self._day(wall)} {_clock(wall)}"

    def spelled(self, instant: datetime, zones: ZoneHistory) -> str:
        """The same with the zone, for a sentence."""
        wall = local_time(instant.astimezone(UTC), zones.at(instant))
        return f"{self.day(wall)} {_clock(wall)} ({zones.at(instant)})"

    def _day(self, wall: datetime) -> str:
        return f"{wall.day} {self._short[wall.month - 1]} {wall.year}"

    def number(self, value: int | str | None) -> str:
        """A whole or decimal number, grouped and pointed as the language does it."""
        if value is None:
            return self("none")
        return self._grouped(str(value), self("thousands"), MINUS)

    def figure(self, value: object) -> str:
        """The same in what is passed on: English as the command line prints it."""
        return self._grouped(str(value), self("figure_thousands"), "-")

    def _grouped(self, text: str, thousands: str, minus: str) -> str:
        if not _DECIMAL.fullmatch(text):
            return text
        whole, point, decimals = text.partition(".")
        sign, whole = (minus, whole[1:]) if whole.startswith("-") else ("", whole)
        groups = f"{int(whole):,}".replace(",", thousands)
        return sign + groups + (self("decimal") if point else "") + decimals

    def money(self, amount: object, code: str | None) -> str:
        """An amount with its currency, where that is known."""
        return " ".join(filter(None, (self.figure(amount), code)))

    def date(self, day: date | str) -> str:
        """A date in figures; a text that is none as it is."""
        try:
            day = date.fromisoformat(day) if isinstance(day, str) else day
        except ValueError:
            return str(day)
        return self("date_form", year=day.year, month=day.month, day=day.day)

    def dates(self, text: str) -> str:
        """A period's label in figures, or the first and the last date of a range."""
        first, dots, last = text.partition("..")
        if not dots:
            return self.date(text)
        return self("dates_form", first=self.date(first), last=self.date(last))

    def listed(self, texts: Sequence[str]) -> str:
        """Texts as one: with commas, and a word before the last."""
        return self("and").join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))

    def span(self, seconds: float) -> str:
        """A length of time: days, hours and minutes."""
        minutes, left = divmod(int(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        parts = [(days, "d"), (hours, self("hour_short")), (minutes, "min")]
        text = [f"{self.number(count)} {unit}" for count, unit in parts if count]
        return " ".join(text) or f"{left} s"


def _clock(wall: datetime) -> str:
    if wall.microsecond:
        return f"{wall:%H:%M:%S.%f}".rstrip("0")
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


@cache
def words_of(language: str) -> Words:
    """The words of a language."""
    return Words(language)
