"""What a figure is counted from: a type's intervals in a period, with their entries.

Lives are the times in which seats are under contract, holdings the times in which
users hold them. Both are of the entries that hold, as known (R53, R63).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from seat_ledger.domain.values import FOREVER
from seat_ledger.projections.reader import Knowledge, Reader, Row, utc


class CountedInterval(NamedTuple):
    """A seat under contract (`user_no` None) or held: ``[starts, ends)``.

    `opened` and `closed` are the positions of the entries that begin and end it; an
    open end is :data:`FOREVER`.
    """

    seat_type: str
    number: int
    user_no: int | None
    starts: datetime
    ends: datetime
    opened: int
    closed: int | None

    @property
    def is_empty(self) -> bool:
        """Whether it lasts no time: visible in history, billable nowhere (R03)."""
        return self.starts == self.ends

    @property
    def seat(self) -> str:
        """The seat, as people write it."""
        return f"{self.seat_type}#{self.number}"

    def touches(self, starts: datetime, ends: datetime) -> bool:
        """Whether some of its time lies within ``[starts, ends)``."""
        return max(self.starts, starts) < min(self.ends, ends)


class CountedSpan(NamedTuple):
    """Which intervals are asked for: of an account and some types, in some time."""

    account_no: int
    seat_types: Sequence[str]
    starts: datetime
    ends: datetime


def lives(reader: Reader, span: CountedSpan, known: Knowledge) -> list[CountedInterval]:
    """When seats are under contract, by type and number."""
    rows = reader.ask("holdings", "lives_within", known, **_given(span))
    return [
        CountedInterval(
            row["seat_type"],
            row["number"],
            None,
            utc(row["purchased_at"]),
            utc(row["retires_at"]) or FOREVER,
            row["purchased"],
            row["retired"],
        )
        for row in rows
    ]


def holdings(
    reader: Reader, span: CountedSpan, known: Knowledge
) -> list[CountedInterval]:
    """When seats are held, by type, number and time; empty holdings included."""
    rows = reader.ask("holdings", "within", known, **_given(span))
    return [
        CountedInterval(
            row["seat_type"],
            row["number"],
            row["user_no"],
            utc(row["held_from"]),
            utc(row["held_until"]) or FOREVER,
            row["assigned"],
            row["unassigned"],
        )
        for row in rows
    ]


def _given(span: CountedSpan) -> Row:
    return {**span._asdict(), "seat_types": list(map(str, span.seat_types))}


class Reversal(NamedTuple):
    """A reversal, and the entry at the end of its chain."""

    position: int
    root: int


def reversals(
    reader: Reader, account_no: int, since: Knowledge, known: Knowledge
) -> list[Reversal]:
    """The account's reversals that were recorded between two states of knowledge."""
    rows = reader.ask(
        "billing",
        "reversals_between",
        account_no=account_no,
        since=since.position,
        upto=known.position,
    )
    return [Reversal(row["position"], row["root"]) for row in rows]


def reach(
    reader: Reader, account_no: int, since: Knowledge, known: Knowledge
) -> datetime | None:
    """The last instant before all that was recorded between two states of knowledge.

    What differs between them lasts beyond it; None where nothing was recorded.
    """
    rows = reader.ask(
        "billing",
        "earliest_change",
        account_nos=[account_no],
        since=since.position,
        upto=known.position,
    )
    return utc(rows[0]["since"]) - timedelta(microseconds=1) if rows else None


def changes(
    before: Iterable[CountedInterval],
    after: Iterable[CountedInterval],
    between: Sequence[Reversal],
    within: tuple[datetime, datetime],
    since: int,
) -> set[int]:
    """The entries by which intervals differ inside a period, recorded after `since`.

    What differs outside the period only, such as an end that comes later, is no
    difference; but both sides hold what ends before the period, from :func:`reach`
    on, since an end that comes too early to show is what makes one.
    """
    before, after = list(before), list(after)
    was, now = ({_inside(one, within): one for one in side if _shows(one, within)}
                for side in (before, after))  # fmt: skip
    differs = {was[key].opened for key in was.keys() - now.keys()}
    differs |= {now[key].opened for key in now.keys() - was.keys()}
    gone, come = (_entries(side, differs, within[1]) for side in (before, after))
    turned = gone ^ come
    return {position for position in come if position > since} | {
        reversal.position for reversal in between if reversal.root in turned
    }


def _shows(one: CountedInterval, within: tuple[datetime, datetime]) -> bool:
    return one.starts < within[1] and one.ends > within[0]


def _inside(
    one: CountedInterval, within: tuple[datetime, datetime]
) -> tuple[object, ...]:
    """What of an interval can be seen inside a period."""
    starts, ends = within
    return (
        one.seat_type,
        one.number,
        one.user_no,
        max(one.starts, starts),
        min(one.ends, ends),
        one.opened if one.starts >= starts else None,
        one.closed if one.ends < ends else None,
    )


def _entries(
    found: Iterable[CountedInterval], differs: set[int], until: datetime
) -> set[int]:
    """The entries of the intervals that differ, as far as they lie before an end."""
    entries: set[int] = set()
    for one in found:
        if one.opened in differs:
            entries.add(one.opened)
            if one.closed is not None and one.ends < until:
                entries.add(one.closed)
    return entries
