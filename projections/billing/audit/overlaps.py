"""Dates that several lines of a bill name: each date of a seat type is owed once (R65).

A line may bill a period of the account, or dates that are none. What is owed for a
period is owed to the lines that name it. To lines of other dates only those dates are
owed that neither a billed period nor an earlier line has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from seat_ledger.projections.billing.audit.lines import Span
from seat_ledger.projections.periods import PeriodRow


class BilledLabel(NamedTuple):
    """What lines bill of a seat type: a label, and its dates as known."""

    label: str
    seat_type: str
    period: PeriodRow

    @property
    def span(self) -> Span:
        """Its dates."""
        return self.period.label, self.period.until


class TakenDates:
    """The dates that lines bill of one seat type."""

    def __init__(self) -> None:
        self._firsts: list[date] = []
        self._untils: list[date] = []

    def take(self, first: date, until: date) -> list[Span]:
        """Take dates; return those that were free, in order."""
        begin = bisect_left(self._untils, first)
        end = bisect_right(self._firsts, until)
        free, cursor = [], first
        for taken, released in zip(
            self._firsts[begin:end], self._untils[begin:end], strict=True
        ):
            if cursor < taken:
                free.append((cursor, taken))
            cursor = max(cursor, released)
        if cursor < until:
            free.append((cursor, until))
        self._firsts[begin:end] = [min([first, *self._firsts[begin:end]])]
        self._untils[begin:end] = [max([until, *self._untils[begin:end]])]
        return free


def free_dates(billed: Iterable[BilledLabel]) -> dict[tuple[str, str], list[Span]]:
    """By label and seat type, which of a line's dates are owed to it.

    `billed` is what one account's lines bill, in the order of their issue. What is owed
    all its dates is left out.
    """
    taken: dict[str, TakenDates] = {}
    free: dict[tuple[str, str], list[Span]] = {}
    for item in sorted(billed, key=lambda item: item.period.is_window):
        spans = taken.setdefault(item.seat_type, TakenDates()).take(*item.span)
        if item.period.is_window and spans != [item.span]:
            free[item.label, item.seat_type] = spans
    return free
