"""What windows leave open of a figure: its least and its most (R89).

An entry that was derived from a dated list happened somewhere in its window. The figure
counts its end; here it is counted with each window closed at the one end or the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.projections.billing.figures import nothing, quantity
from seat_ledger.projections.periods import PeriodRow, row_of
from seat_ledger.projections.reader import (
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
)
from seat_ledger.projections.reader.windows import named_windows

FigureKey = tuple[int, int, str]
"""An account, a period of it, and a seat type."""


class Bounds(NamedTuple):
    """A figure with all windows closed at the one end, and at the other."""

    least: Row
    most: Row


def quantity_ends(
    figure: Row, between: Bounds | None, rule: tuple[str, str | None]
) -> tuple[Fraction, Fraction]:
    """The least and the most that a rule makes of a figure; where no window bears on
    it both are what it is.
    """
    ends = [quantity(end, *rule) for end in (figure, *(between or ()))]
    return min(ends), max(ends)


def bounds_of(
    question: AccountQuestion, periods: Iterable[BillingPeriod]
) -> dict[FigureKey, Bounds]:
    """The bounds of an account's figures; nothing where nothing of it was derived."""
    reader, account, known_at, _ = question
    return bounds_of_rows(
        reader, [row_of(account, period) for period in periods], known_at
    )


def bounds_of_rows(
    reader: ConnectedReader, selected: Sequence[PeriodRow], known_at: Knowledge
) -> dict[FigureKey, Bounds]:
    """The same of periods as rows, of some accounts."""
    open_accounts = with_windows(reader, {row.account_no for row in selected}, known_at)
    reached = [row for row in selected if row.account_no in open_accounts]
    return bounds(reader, reached, known_at)


def with_windows(
    reader: ConnectedReader, account_nos: Iterable[int], known_at: Knowledge
) -> set[int]:
    """The accounts among some of which anything was derived from lists."""
    rows = reader.ask(
        "billing", "with_windows", known_at, account_nos=list(account_nos)
    )
    return {row["account_no"] for row in rows}


def bounds(
    reader: ConnectedReader, selected: Sequence[PeriodRow], known_at: Knowledge
) -> dict[FigureKey, Bounds]:
    """The bounds of the figures of some periods, which follow each other by account."""
    if not selected:
        return {}
    periods = {(row.account_no, row.period_no): row for row in selected}
    ends: list[dict[FigureKey, Row]] = []
    for end in ("least", "most"):
        rows = reader.count(end, selected, known_at)
        ends.append(
            {
                (row["account_no"], row["period_no"], row["seat_type"]): {
                    **periods[row["account_no"], row["period_no"]]._asdict(),
                    **row,
                }
                for row in rows
            }
        )
    least, most = ends
    between = {}
    for key in least.keys() | most.keys():
        zero = nothing(periods[key[:2]], key[2])
        between[key] = Bounds(least.get(key, zero), most.get(key, zero))
    return between


def unseen(
    figures: Iterable[Row],
    periods: Iterable[PeriodRow],
    between: Mapping[FigureKey, Bounds],
) -> list[Row]:
    """The figures of nothing that windows reach, beside those that there are (R89).

    What a list shows to have been bought or taken between two nights may have been so
    in the period before, in which nothing of the type is recorded.
    """
    present = {
        (row["account_no"], row["period_no"], row["seat_type"]) for row in figures
    }
    of = {(row.account_no, row.period_no): row for row in periods}
    return [
        nothing(of[key[:2]], key[2])
        for key in between
        if key not in present and key[:2] in of
    ]


def windows_across(
    question: AccountQuestion,
    ends: datetime,
    seat_type: str,
    *,
    of_contract: bool,
    besides: Collection[int | None],
) -> list[Row]:
    """What is dated at an instant or later, and may have happened before it (R89).

    Of the seats of a type: purchases if a figure is `of_contract`, else who came and
    who left. `besides` are the entries that are shown already.
    """
    rows = question.ask(
        "billing",
        "windows_across",
        ends=ends,
        seat_types=[seat_type],
        topics=[topic for topic, of in _TOPICS.items() if of is of_contract],
    )
    rows = [row for row in rows if row["position"] not in besides]
    return named_windows(question, rows)


_TOPICS = {"SeatPurchased": True, "SeatAssigned": False, "SeatUnassigned": False}
"""What may have a window, and whether that is of the contract."""
