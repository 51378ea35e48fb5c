"""The seats of an account: each with its life and holders, pooled by type.

State without decisions: the account's entries make it, and what changed since the
last judgement is noted beside it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import date, datetime

from seat_ledger.domain import intervals
from seat_ledger.domain.intervals import Life, Mark, Track
from seat_ledger.domain.values import FOREVER, SeatRef


class Seat:
    """One purchased place: its life under contract and its holdings."""

    __slots__ = ("life", "purchased", "ref", "retired", "track")

    def __init__(self, ref: SeatRef) -> None:
        self.ref = ref
        self.purchased: Mark | None = None
        self.retired: tuple[Mark, ...] = ()
        self.life: Life | None = None
        self.track = Track(ref)

    def live(self, purchased: Mark | None, retired: tuple[Mark, ...]) -> None:
        """Take over its `life`: from its purchase to its retirement; None when it
        never was.
        """
        self.purchased, self.retired = purchased, retired
        ends, closed = retired[0] if retired else (FOREVER, 0)
        self.life = purchased and Life(purchased.at, ends, purchased.version, closed)

    @property
    def is_free_at_last(self) -> bool:
        """Whether it is under contract and unassigned after all that is recorded."""
        return (
            self.purchased is not None and not self.retired and not self.track.open_ends
        )

    def is_free(self, starts: datetime, ends: datetime) -> bool:
        """Whether ``[starts, ends)`` lies in its life and meets no holding."""
        life = self.life
        if life is None or not (life.starts <= starts and ends <= life.ends):
            return False
        held = self.track.intervals
        if not held or held[-1].ends <= starts:
            return True
        return not intervals.in_way(held, starts, ends)


@dataclass
class Request:
    """A requested reduction that holds: how many, for which renewal, if cancelled."""

    mark: Mark
    quantity: int
    renewal: int
    cancelled: Mark | None = None

    def pending_at(self, instant: datetime) -> bool:
        """Whether it is requested and not cancelled at an instant."""
        return self.mark.at <= instant and (
            self.cancelled is None or self.cancelled.at > instant
        )


@dataclass
class UnassignmentRequest:
    """A requested unassignment that holds: of whom, from which seat, when (R98).

    `carried_out` is the unassignment that names it, whether that holds or not.
    """

    mark: Mark
    seat: SeatRef
    user: str
    period: date
    reason: str | None = None
    cancelled: Mark | None = None
    carried_out: Mark | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is neither cancelled nor carried out."""
        return self.cancelled is None and self.carried_out is None


@dataclass
class SeatPool:
    """All seats of one type, with those that are free at last, and its requests."""

    seats: list[Seat] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    last_change: datetime | None = None

    def refresh(self, seat: Seat) -> None:
        """Keep the list of free seats in step with a changed seat."""
        number = seat.ref.number
        place = bisect_left(self.free, number)
        listed = place < len(self.free) and self.free[place] == number
        if seat.is_free_at_last and not listed:
            insort(self.free, number)
        elif listed and not seat.is_free_at_last:
            del self.free[place]

    def first_free(self, starts: datetime, ends: datetime) -> Seat | None:
        """The lowest-numbered seat that is free all the time (R26)."""
        numbers = self.free if ends is FOREVER else range(1, len(self.seats) + 1)
        for number in numbers:
            seat = self.seats[number - 1]
            if seat.is_free(starts, ends):
                return seat
        return None


class TouchedSeats:
    """What a command changed, and from which instant on: what is to be judged."""

    def __init__(self) -> None:
        self.seats: dict[SeatRef, datetime] = {}
        self.users: dict[tuple[str, str], datetime] = {}
        self.pools: dict[str, tuple[datetime, datetime]] = {}

    def seat(self, ref: SeatRef, at: datetime) -> None:
        """A seat's life or holdings changed at an instant."""
        since = self.seats.get(ref)
        if since is None or at < since:
            self.seats[ref] = at
        self.pool(ref.seat_type, at)

    def user(self, user: str, hub: str, at: datetime) -> None:
        """A user's holdings in a hub changed at an instant."""
        since = self.users.get((user, hub))
        if since is None or at < since:
            self.users[user, hub] = at

    def pool(self, seat_type: str, at: datetime) -> None:
        """The number of unassigned or reserved seats changed at an instant."""
        span = self.pools.get(seat_type)
        self.pools[seat_type] = (
            (at, at) if span is None else (min(span[0], at), max(span[1], at))
        )
