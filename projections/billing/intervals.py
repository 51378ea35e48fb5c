"""What a figure is counted from: a type's intervals in a period, with their entries.

Lives are the times in which seats are under contract, holdings the times in which
users hold them. Both are of the entries that hold, as known (R53, R63).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from seat_ledger.domain.values import FOREVER
from seat_ledger.projections.billing.figures import first_changes
from seat_ledger.projections.reader import AccountQuestion, Knowledge, Row, utc


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
    """Which intervals are asked for: of some types, in some time."""

    seat_types: Sequence[str]
    starts: datetime
    ends: datetime


def lives(question: AccountQuestion, span: CountedSpan) -> list[CountedInterval]:
    """When seats are under contract, by type and number."""
    rows = question.ask("holdings", "lives_within", **_params(span))
    return [
        CountedInterval(
            row["seat_type"],
            row["number"],
            None,
            utc(row["purchased_at"]),
            utc(row["retires_at"]) or FOREVER,
            row["purchased_position"],
            row["retired_position"],
        )
        for row in rows
    ]


def holdings(question: AccountQuestion, span: CountedSpan) -> list[CountedInterval]:
    """When seats are held, by type, number and time; empty holdings included."""
    rows = question.ask("holdings", "within", **_params(span))
    return [
        CountedInterval(
            row["seat_type"],
            row["number"],
            row["user_no"],
            utc(row["held_from"]),
            utc(row["held_until"]) or FOREVER,
            row["assigned_position"],
            row["unassigned_position"],
        )
        for row in rows
    ]


def _params(span: CountedSpan) -> Row:
    return {**span._asdict(), "seat_types": list(map(str, span.seat_types))}


class Reversal(NamedTuple):
    """A reversal, and the entry at the end of its chain."""

    position: int
    root: int


class Between(NamedTuple):
    """What was recorded of an account between two states of knowledge, but for seats.

    Of the contract: positions, and which kind of event each is or reverses.
    """

    reversals: list[Reversal]
    of_contract: list[tuple[int, str]]


_OF_CONTRACT = (
    "AccountOpened",
    "BillingPolicyChanged",
    "ContractRenewed",
    "TimeZoneChanged",
)


def recorded_between(question: AccountQuestion, since: Knowledge) -> Between:
    """The account's reversals and what moved its periods or rules since a state."""
    rows = question.ask(
        "billing",
        "changes_between",
        account_nos=[question.account.no],
        since=since.position,
        until_position=question.known_at.position,
        topics=list(_OF_CONTRACT),
    )
    return Between(
        [
            Reversal(row["position"], row["root"])
            for row in rows
            if row["root"] is not None
        ],
        [
            (row["position"], row["topic"])
            for row in rows
            if row["topic"] in _OF_CONTRACT
        ],
    )


def reach(question: AccountQuestion, since: Knowledge) -> datetime | None:
    """The last instant before all that was recorded between two states of knowledge.

    What differs between them lasts beyond it; None where nothing was recorded.
    """
    number, until = question.account.no, question.known_at.position
    changed = first_changes(question.reader, [number], since.position, until)
    return changed[number] - timedelta(microseconds=1) if changed else None


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
    was, now = (
        {
            _inside(interval, within): interval
            for interval in side
            if _shows(interval, within)
        }
        for side in (before, after)
    )
    differs = {was[key].opened for key in was.keys() - now.keys()}
    differs |= {now[key].opened for key in now.keys() - was.keys()}
    entries_before, entries_after = (
        _entries(side, differs, within[1]) for side in (before, after)
    )
    turned = entries_before ^ entries_after
    return {position for position in entries_after if position > since} | {
        reversal.position for reversal in between if reversal.root in turned
    }


def _shows(interval: CountedInterval, within: tuple[datetime, datetime]) -> bool:
    return interval.starts < within[1] and interval.ends > within[0]


def _inside(
    interval: CountedInterval, within: tuple[datetime, datetime]
) -> tuple[object, ...]:
    """What of an interval can be seen inside a period."""
    starts, ends = within
    return (
        interval.seat_type,
        interval.number,
        interval.user_no,
        max(interval.starts, starts),
        min(interval.ends, ends),
        interval.opened if interval.starts >= starts else None,
        interval.closed if interval.ends < ends else None,
    )


def _entries(
    intervals: Iterable[CountedInterval], differs: set[int], until: datetime
) -> set[int]:
    """The entries of the intervals that differ, as far as they lie before an end."""
    entries: set[int] = set()
    for interval in intervals:
        if interval.opened in differs:
            entries.add(interval.opened)
            if interval.closed is not None and interval.ends < until:
                entries.add(interval.closed)
    return entries
