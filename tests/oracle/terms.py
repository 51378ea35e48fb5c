"""Dates of periods and renewals, where a contract changes at renewals (R06, R96).

From each change on the candidates are all dates that lie whole cycles (or terms) after
the anchor; those after the renewal count. Plain lists, built anew for each question.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from tests.oracle.calendar import months_after

Change = dict[str, Any]


class Stretch:
    """From one renewal on: where it begins, and how it is counted."""

    def __init__(  # noqa: PLR0917  where it begins, and how it counts
        self, number: int, day: date, anchor: date, base: int, term: int, cycle: int
    ) -> None:
        self.number, self.day, self.anchor, self.base = number, day, anchor, base
        self.term, self.cycle = term, cycle

    def renewals(self) -> Iterator[tuple[int, date, int]]:
        """Number, date and months after the anchor of the renewals that follow."""
        number, months = self.number, self.base
        while True:
            months += self.term
            day = months_after(self.anchor, months)
            if day > self.day:
                number += 1
                yield number, day, months

    def periods(self) -> Iterator[date]:
        """The first dates of the periods, the renewal's own first."""
        yield self.day
        months = self.base
        while True:
            day = months_after(self.anchor, months)
            if day > self.day:
                yield day
            months += self.cycle


def stretches(opened: Any, changes: list[Change]) -> list[Stretch]:
    """One for the opening, and one for each renewal at which something changes."""
    start = opened["term_start"]
    found = [
        Stretch(
            0, start, start, 0, opened["term_months"], opened["billing_cycle_months"]
        )
    ]
    for number in sorted({change["renewal"] for change in changes}):
        before = found[-1]
        day, months = next(
            (day, months) for n, day, months in before.renewals() if n == number
        )
        after = Stretch(number, day, before.anchor, months, before.term, before.cycle)
        for change in changes:
            if change["renewal"] == number:
                after.term = change.get("term_months") or after.term
                after.cycle = change.get("billing_cycle_months") or after.cycle
                if change.get("anchor"):
                    after.anchor, after.base = change["anchor"], 0
        found.append(after)
    return found


def renewal_day(found: list[Stretch], number: int) -> date:
    """The date of a renewal."""
    own = [stretch for stretch in found if stretch.number <= number][-1]
    if own.number == number:
        return own.day
    return next(day for n, day, _ in own.renewals() if n == number)


def period_days(found: list[Stretch]) -> Iterator[date]:
    """The first dates of all periods, without end."""
    for stretch, following in zip(found, [*found[1:], None], strict=True):
        for day in stretch.periods():
            if following is not None and day >= following.day:
                break
            yield day
