"""Periods and renewals of a contract that may change at renewals, and end (R06, R96).

From each change on the candidates are all dates that lie whole cycles (or terms) after
the anchor; those after the renewal count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import count, islice
from typing import Any

from tests.oracle.dates import FAR, Period, Zones, dates_between, months_after

Change = dict[str, Any]


@dataclass(frozen=True)
class Terms:
    """From one renewal on: when it begins, and by what it counts."""

    number: int
    day: date
    anchor: date
    base: int  # months from the anchor to the day; 0 under a new anchor
    term_months: int
    cycle_months: int

    def days(self, steps: Iterator[int], months: int) -> Iterator[tuple[date, int]]:
        """The later dates that lie whole steps of so many months after the anchor."""
        for step in steps:
            day = months_after(self.anchor, self.base + step * months)
            if day > self.day:
                yield day, self.base + step * months

    def period_days(self) -> Iterator[date]:
        """The first dates of the periods: the day itself, then whole cycles."""
        yield self.day
        yield from (day for day, _ in self.days(count(0), self.cycle_months))

    def renewal(self, number: int) -> tuple[date, int]:
        """A later renewal by its number."""
        days = self.days(count(1), self.term_months)
        return next(islice(days, number - self.number - 1, None))

    def changed(self, number: int, changes: list[Change]) -> Terms:
        """What applies from a renewal at which something changes."""
        day, months = self.renewal(number)
        terms = replace(self, number=number, day=day, base=months)
        for change in changes:
            terms = replace(
                terms,
                term_months=change.get("term_months") or terms.term_months,
                cycle_months=change.get("billing_cycle_months") or terms.cycle_months,
            )
            if change.get("anchor"):
                terms = replace(terms, anchor=change["anchor"], base=0)
        return terms


def all_terms(opened: Terms, changes: list[Change]) -> tuple[Terms, ...]:
    """Those of the opening, and those of each renewal at which something changes."""
    terms = [opened]
    for number in sorted({change["renewal"] for change in changes}):
        own = [change for change in changes if change["renewal"] == number]
        terms.append(terms[-1].changed(number, own))
    return tuple(terms)


@dataclass(frozen=True)
class Contract:
    """What the bounds of an account follow from."""

    terms: tuple[Terms, ...]
    zones: Zones
    closed_at: datetime = FAR

    def terms_from(self, number: int) -> Terms:
        """The terms that apply from a renewal on."""
        return [terms for terms in self.terms if terms.number <= number][-1]

    def date_of_renewal(self, number: int) -> date:
        """The first date of the term that begins with a renewal."""
        terms = self.terms_from(number)
        return terms.day if terms.number == number else terms.renewal(number)[0]

    def renewal(self, number: int) -> datetime:
        """The instant of a renewal (R06); never, where the account ends (R97)."""
        at = self.zones.bound(self.date_of_renewal(number))[0]
        return FAR if at > self.closed_at else at

    def renewal_after(self, instant: datetime) -> int:
        """The number of the first renewal that lies after an instant (R17)."""
        return next(n for n in count(1) if self.renewal(n) > instant)

    def first_days(self) -> Iterator[date]:
        """The first dates of all periods, without end."""
        for n, terms in enumerate(self.terms):
            until = self.terms[n + 1].day if n + 1 < len(self.terms) else date.max
            for day in terms.period_days():
                if day >= until:
                    break
                yield day

    def start(self) -> datetime:
        """The first instant of the first term (R39)."""
        return self.zones.bound(self.terms[0].day)[0]

    def periods(self) -> Iterator[Period]:
        """Every period: without end, or up to the end of the account (R97)."""
        days = self.first_days()
        first = next(days)
        for until in days:
            if self.zones.bound(first)[0] >= self.closed_at:
                return
            yield self.window(first, until)
            first = until

    def period(self, k: int) -> Period:
        """Period k, counted from 0."""
        return next(islice(self.periods(), k, None))

    def period_of(self, instant: datetime) -> int:
        """The number of the period that contains an instant."""
        return next(k for k, p in enumerate(self.periods()) if instant < p.ends)

    def end_of(self, k: int) -> datetime:
        """When period k ends; with the account, where that ends before it begins."""
        period = next(islice(self.periods(), k, None), None)
        return period.ends if period else self.closed_at

    def window(self, first: date, until: date) -> Period:
        """The time from one date to another, with the dates in it (R09)."""
        starts, zone = self.zones.bound(first)
        ends = min(self.zones.bound(until)[0], self.closed_at)
        dates = tuple(dates_between(first, until, zone, ends))
        return Period(first, starts, ends, zone, dates)
