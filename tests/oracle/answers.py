"""Answers as of an instant, knowing what was recorded up to a position.

Rows have the keys of the command line's contract (CLI 5) as far as they are facts:
instants, keys, names and positions. An open end is None.

Choices where the rules leave room:

- as known before it was opened, an account answers with nothing (R79);
- `user history` of a key or e-mail lists everyone who was ever called so, in the order
  in which they were added;
- a period has begun when it starts at or before the instant that is asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from itertools import takewhile
from typing import Any

from tests.oracle.books import Book, contract, renewals
from tests.oracle.contract import Contract
from tests.oracle.counting import Counted
from tests.oracle.dates import FAR, Period
from tests.oracle.deciding import MODES, TYPES
from tests.oracle.entries import Entry, Names, Seat, holds, recorded_until
from tests.oracle.timeline import Interval, Timeline

Row = dict[str, Any]


class RenewalDue(Exception):
    """The period lies beyond the last renewal that is recorded (R38)."""


@dataclass(frozen=True)
class View:
    """One account as known at a position (None: everything)."""

    book: Book
    position: int | None = None

    @property
    def entries(self) -> list[Entry]:
        return recorded_until(self.book.entries, self.position)

    @property
    def is_known(self) -> bool:
        """Whether the account had been recorded (R79)."""
        return bool(self.entries)

    @property
    def timeline(self) -> Timeline:
        return self.book.timeline(self.position)

    @property
    def contract(self) -> Contract:
        return contract(self.entries)

    @property
    def renewals(self) -> int:
        return renewals(self.entries)

    # -- seats --

    def seat_exists(self, seat: Seat) -> bool:
        """Whether it was bought at any position, reversed or not."""
        bought = [e for e in self.book.entries if e.topic == "SeatPurchased"]
        return seat in [entry.seat for entry in bought]

    def who(self, seat: Seat, as_of: datetime) -> Row:
        """Who held the seat, and whether it was under contract."""
        timeline = self.timeline
        life = timeline.life(seat)
        held = [
            holding
            for holding in timeline.holdings
            if holding.seat == seat and holding.contains(as_of)
        ]
        return {
            "seat": written(seat),
            "purchased": life is not None and life.contains(as_of),
            "holder": holder(timeline, held[0], as_of) if held else None,
        }

    def seats_of_user(self, reference: str, as_of: datetime) -> list[Row]:
        """The seats that the user meant as of the instant held then."""
        timeline = self.timeline
        person = timeline.meant(reference, as_of)
        held = [
            holding
            for holding in timeline.holdings
            if holding.person is person and holding.contains(as_of)
        ]
        return [
            {"seat": written(holding.seat), **holder(timeline, holding, as_of)}
            for holding in held
        ]

    def seat_history(self, seat: Seat, *, with_reversed: bool = False) -> list[Row]:
        """Every holding of the seat, empty ones included (R03)."""
        timeline = self.timeline
        rows = [history(timeline, h) for h in timeline.holdings if h.seat == seat]
        if with_reversed:
            rows += [reversed_row(e) for e in self._reversed() if e.seat == seat]
        return rows

    def user_history(self, reference: str, *, with_reversed: bool = False) -> list[Row]:
        """Every holding of everyone who was called so (R35)."""
        timeline = self.timeline
        people = list(dict.fromkeys(s.person for s in timeline.called(reference)))
        rows = [
            history(timeline, holding)
            for person in people
            for holding in timeline.holdings
            if holding.person is person
        ]
        if with_reversed:
            rows += [reversed_row(e) for e in self._reversed() if e["user"] in people]
        return rows

    def _reversed(self) -> list[Entry]:
        entries = self.entries
        assigned = [entry for entry in entries if entry.topic == "SeatAssigned"]
        return [entry for entry in assigned if not holds(entry, entries)]

    def seat_list(self, as_of: datetime) -> list[Row]:
        """The seats under contract, each with its holder."""
        lives = sorted(self.timeline.lives, key=lambda life: life.seat)
        return [
            {
                "seat": written(life.seat),
                "seat_type": life.seat_type,
                "holder": self.who(life.seat, as_of)["holder"],
                "purchased_at": life.starts,
                "retires_at": end(life.ends),
            }
            for life in lives
            if life.contains(as_of)
        ]

    def totals(self, as_of: datetime) -> list[Row]:
        """For each type under contract: bought, held, free, pending."""
        timeline, rows = self.timeline, []
        for seat_type in sorted(TYPES):
            purchased = len(timeline.under_contract(as_of, seat_type))
            assigned = len(timeline.held(as_of, seat_type))
            pending = [
                request
                for request in timeline.requests
                if request.entry["seat_type"] == seat_type and request.listed(as_of)
            ]
            if purchased:
                rows.append(
                    {
                        "seat_type": seat_type,
                        "purchased": purchased,
                        "assigned": assigned,
                        "available": purchased - assigned,
                        "pending_reduction": sum(r.quantity for r in pending),
                    }
                )
        return rows

    # -- users --

    def users(self, as_of: datetime) -> list[Row]:
        """The users present, with what they may do and what they hold."""
        timeline, rows = self.timeline, []
        for membership in timeline.memberships:
            if not membership.contains(as_of):
                continue
            person = membership.person
            held = [
                holding
                for holding in timeline.holdings
                if holding.person is person and holding.contains(as_of)
            ]
            access = [
                access.hub
                for access in timeline.accesses
                if access.person is person and access.contains(as_of)
            ]
            rows.append(
                {
                    **called(timeline.names(person, as_of)),
                    "hubs": sorted(access),
                    "seats": sorted(written(holding.seat) for holding in held),
                    **timeline.permissions(person, as_of),
                }
            )
        return sorted(rows, key=lambda row: row["user"])

    def user_access(self, reference: str, seat_type: str, as_of: datetime) -> Row:
        """Whether the user may use exactly this type, and because of what."""
        timeline = self.timeline
        person = timeline.meant(reference, as_of)
        if person is None or not timeline.member(person, as_of):
            return _allowed("not_a_user")
        hub = seat_type.split("/", maxsplit=1)[0]
        for holding in timeline.held(as_of, seat_type):
            if holding.person is person:
                return _allowed("holds_seat", holding)
        if timeline.access(person, hub, as_of) is None:
            return _allowed("no_hub_access")
        return _allowed("no_seat")

    # -- contract --

    def next_renewal(self, as_of: datetime) -> Row:
        """The first renewal after an instant, and the seats it would retire."""
        number = self.contract.renewal_after(as_of)
        pending = {
            seat_type: sum(r.quantity for r in self.timeline.pending(as_of, seat_type))
            for seat_type in TYPES
        }
        return {
            "renewal": number,
            "date": self.contract.date_of_renewal(number),
            "at": self.contract.renewal(number),
            "pending": {k: v for k, v in pending.items() if v},
        }

    def periods(self, now: datetime) -> list[Period]:
        """Every period that has begun, in terms that have begun (R38)."""
        horizon = self.contract.renewal(self.renewals + 1)
        return list(
            takewhile(
                lambda period: period.starts < horizon and period.starts <= now,
                self.contract.periods(),
            )
        )

    def period(self, label: str) -> Period:
        """The period of a label: its first date, or the month that it is."""
        horizon = self.contract.renewal(self.renewals + 1)
        periods = self.contract.periods()
        period = next(p for p in periods if p.label.isoformat() >= label)
        if period.starts >= horizon:
            raise RenewalDue
        return period

    def window(self, first: str, until: str) -> Period:
        """The time between two dates."""
        return self.contract.window(
            date.fromisoformat(first), date.fromisoformat(until)
        )

    def policy(self, period: Period) -> tuple[str, str | None]:
        """The policy in force at the period's start applies to all of it (R50)."""
        return self.timeline.policy(period.starts)

    def counts(self, period: Period, mode: str, granularity: str | None) -> list[Row]:
        """A row per seat type under contract or held at any instant of the period."""
        rows = []
        for seat_type in sorted(TYPES):
            counted = Counted.of(self.timeline, seat_type, period)
            if counted.lives or counted.holdings:
                rows.append(
                    {
                        "seat_type": seat_type,
                        "mode": mode,
                        "granularity": granularity,
                        "quantity": counted.quantity(mode, granularity),
                        **counted.figures(),
                    }
                )
        return rows

    def all_counts(self, period: Period) -> list[Row]:
        """Every mode in every granularity: ten rows a type."""
        return [
            row
            for mode, granularities in MODES.items()
            for granularity in granularities
            for row in self.counts(period, mode, granularity)
        ]

    def quantity(
        self,
        seat_type: str,
        period: Period,
        mode: str = "contracted",
        granularity: str | None = "day",
    ) -> Fraction:
        """One figure."""
        counted = Counted.of(self.timeline, seat_type, period)
        return counted.quantity(mode, granularity)


def written(seat: Seat) -> str:
    return f"{seat[0]}#{seat[1]}"


def end(instant: datetime) -> datetime | None:
    return None if instant == FAR else instant


def called(names: Names) -> Row:
    return {"user": names.key, "email": names.email, "name": names.name}


def holder(timeline: Timeline, holding: Interval, as_of: datetime) -> Row:
    """Who holds a seat, by the names of then, and by which entries."""
    closed = holding.closed
    return {
        **called(timeline.names(holding.person, as_of)),
        "held_from": holding.starts,
        "held_until": end(holding.ends),
        "assigned_by": holding.opened.position,
        "unassigned_by": None if closed is None else closed.position,
    }


def history(timeline: Timeline, holding: Interval) -> Row:
    """A holding, whoever it was by the key that is used last."""
    closed = holding.closed
    return {
        "seat": written(holding.seat),
        "user": timeline.names(holding.person, FAR).key,
        "held_from": holding.starts,
        "held_until": end(holding.ends),
        "assigned_by": holding.opened.position,
        "unassigned_by": None if closed is None else closed.position,
        "reversed": False,
    }


def reversed_row(entry: Entry) -> Row:
    """An assignment that never held."""
    return {
        "seat": written(entry.seat),
        "user": entry["user"].key,
        "held_from": entry.at,
        "assigned_by": entry.position,
        "reversed": True,
    }


def _allowed(code: str, holding: Interval | None = None) -> Row:
    return {
        "allowed": holding is not None,
        "code": code,
        "seat": written(holding.seat) if holding else None,
        "position": holding.opened.position if holding else None,
    }
