"""What follows from the entries that hold: who held what, when.

The k-th opening of a thing is ended by its k-th closing, both counted in the order of
application (R70). Everything is an interval `[starts, ends)`; an open end is `FAR`.

Choices where the rules leave room:

- a seat whose purchase is reversed has no life; a retirement of it that still stands
  means nothing (R46 d speaks of unassignments, revocations and removals only);
- of two retirements of one seat that both hold, the second ends nothing that was open:
  such a timeline is not valid, though R46 (d) does not name retirements;
- a cancellation takes back a request that holds and that no other cancellation takes
  back; every other one ends nothing that was open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tests.oracle.dates import FAR
from tests.oracle.entries import Entry, Names, Person, Seat


@dataclass(frozen=True)
class Interval:
    """[starts, ends), and the entries that open and close it."""

    starts: datetime
    ends: datetime
    opened: Entry
    closed: Entry | None

    def contains(self, instant: datetime) -> bool:
        """Half-open: at its start, not at its end (R02)."""
        return self.starts <= instant < self.ends

    def covers(self, other: Interval) -> bool:
        """An empty interval may lie exactly where this one ends (R46)."""
        return self.starts <= other.starts and other.ends <= self.ends

    def meets(self, other: Interval) -> bool:
        """Whether both contain one instant, or an empty one lies strictly inside the
        other (R46)."""
        if self.empty or other.empty:
            return self.strictly_inside(other) or other.strictly_inside(self)
        return self.overlaps(other)

    def strictly_inside(self, other: Interval) -> bool:
        return other.starts < self.starts and self.ends < other.ends

    def overlaps(self, other: Interval) -> bool:
        """Whether both contain one instant."""
        later, sooner = max(self.starts, other.starts), min(self.ends, other.ends)
        return later < sooner

    @property
    def empty(self) -> bool:
        return self.starts == self.ends

    @property
    def open(self) -> bool:
        return self.closed is None

    @property
    def person(self) -> Person:
        person: Person = self.opened["user"]
        return person

    @property
    def seat(self) -> Seat:
        return self.opened.seat

    @property
    def seat_type(self) -> str:
        seat_type: str = self.opened["seat_type"]
        return seat_type

    @property
    def hub(self) -> str:
        """The hub of an access, or of the seat that is held."""
        if "hub" in self.opened.fields:
            return str(self.opened["hub"])
        return self.seat_type.split("/")[0]


@dataclass(frozen=True)
class Called:
    """While a user of the account is called so: [starts, ends) (R95)."""

    starts: datetime
    ends: datetime
    person: Person
    names: Names

    def overlaps(self, other: Called) -> bool:
        """Whether both contain one instant."""
        return max(self.starts, other.starts) < min(self.ends, other.ends)


@dataclass(frozen=True)
class Request:
    """A reduction, and until when it is pending (R16); an account's end ends it."""

    entry: Entry
    cancelled: Entry | None
    carried_out: Entry | None
    closed_at: datetime

    @property
    def quantity(self) -> int:
        quantity: int = self.entry["quantity"]
        return quantity

    @property
    def ends(self) -> datetime:
        ending = [e.at for e in (self.cancelled, self.carried_out) if e is not None]
        return min(ending, default=max(self.entry.at, self.closed_at))

    def pending(self, instant: datetime) -> bool:
        return self.entry.at <= instant < self.ends

    def listed(self, instant: datetime) -> bool:
        """Requested by an instant, neither cancelled nor carried out by then."""
        ending = [e.at for e in (self.cancelled, self.carried_out) if e is not None]
        return self.entry.at <= instant < min(ending, default=FAR)


class Timeline:
    """Lives of seats, holdings, accesses, memberships and reductions."""

    def __init__(self, entries: list[Entry]) -> None:
        """Take entries that hold, in the order of application."""
        self.entries = entries
        self.strays: list[Entry] = []  # closings that end nothing that was open
        self.lives = self._paired(
            "SeatPurchased", "SeatRetired", lambda e: e.seat, stray=False
        )
        self.holdings = self._paired(
            "SeatAssigned", "SeatUnassigned", lambda e: (e.seat, e["user"])
        )
        self.accesses = self._paired(
            "HubAccessGranted", "HubAccessRevoked", lambda e: (e["user"], e["hub"])
        )
        self.memberships = self._paired("UserAdded", "UserRemoved", lambda e: e["user"])
        self.closing = next(iter(self.of("AccountClosed")), None)
        self.strays += self._retired_again()
        self.requests = [
            self._request(entry) for entry in self.of("SeatReductionRequested")
        ]
        self.strays += self._stray_cancellations()

    def of(self, *topics: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.topic in topics]

    def _paired(
        self,
        opens: str,
        closes: str,
        thing: Callable[[Entry], Any],
        *,
        stray: bool = True,
    ) -> list[Interval]:
        closings: dict[Any, list[Entry]] = {}
        for entry in self.of(closes):
            closings.setdefault(thing(entry), []).append(entry)
        intervals = []
        for entry in self.of(opens):
            left = closings.get(thing(entry), [])
            close = left.pop(0) if left else None
            if close is not None and close.at < entry.at:
                self.strays.append(close)
            ends = FAR if close is None else max(close.at, entry.at)
            intervals.append(Interval(entry.at, ends, entry, close))
        if stray:
            self.strays += [entry for left in closings.values() for entry in left]
        return intervals

    def _retired_again(self) -> list[Entry]:
        seen, again = [], []
        for entry in self.of("SeatRetired"):
            if entry.seat in seen:
                again.append(entry)
            seen.append(entry.seat)
        return again

    def _request(self, entry: Entry) -> Request:
        cancelled = [
            e for e in self.of("SeatReductionCancelled") if e["request"] is entry
        ]
        renewed = [
            e for e in self.of("ContractRenewed") if e["renewal"] == entry["renewal"]
        ]
        return Request(
            entry,
            cancelled[0] if cancelled else None,
            renewed[0] if renewed else None,
            self.closing.at if self.closing else FAR,
        )

    def _stray_cancellations(self) -> list[Entry]:
        used = [request.cancelled for request in self.requests]
        return [e for e in self.of("SeatReductionCancelled") if e not in used]

    # -- at one instant --

    def under_contract(self, instant: datetime, seat_type: str) -> list[Interval]:
        """The lives of the seats of a type that contain the instant."""
        return [
            life
            for life in self.lives
            if life.seat_type == seat_type and life.contains(instant)
        ]

    def held(self, instant: datetime, seat_type: str) -> list[Interval]:
        return [
            holding
            for holding in self.holdings
            if holding.seat_type == seat_type and holding.contains(instant)
        ]

    def life(self, seat: Seat) -> Interval | None:
        return next((life for life in self.lives if life.seat == seat), None)

    def membership(self, person: Person) -> Interval | None:
        return next((m for m in self.memberships if m.person is person), None)

    def member(self, person: Person, instant: datetime) -> bool:
        membership = self.membership(person)
        return membership is not None and membership.contains(instant)

    def access(self, person: Person, hub: str, instant: datetime) -> Interval | None:
        """The user's access to the hub that contains the instant."""
        accesses = (
            access
            for access in self.accesses
            if access.person is person
            and access.hub == hub
            and access.contains(instant)
        )
        return next(accesses, None)

    def pending(self, instant: datetime, seat_type: str) -> list[Request]:
        return [
            request
            for request in self.requests
            if request.entry["seat_type"] == seat_type and request.pending(instant)
        ]

    def permissions(self, person: Person, instant: datetime) -> dict[str, bool]:
        """Each permission as last set at or before the instant (R70)."""
        permissions = {"super_admin": False, "account_access": False}
        for entry in self.of("UserAdded", "PermissionsChanged"):
            if entry["user"] is person and entry.at <= instant:
                for name in permissions:
                    if entry.fields.get(name) is not None:
                        permissions[name] = entry[name]
        return permissions

    def policy(self, instant: datetime) -> tuple[str, str | None]:
        """The billing policy in force (R50)."""
        policy: tuple[str, str | None] = ("contracted", "day")
        for entry in self.of("BillingPolicyChanged"):
            if entry.at <= instant:
                policy = entry["mode"], entry["granularity"]
        return policy

    # -- people (R35, R95) --

    def names(self, person: Person, instant: datetime) -> Names:
        """What a person is called at an instant."""
        if person.erased is not None:
            return person.erased
        names = person.added
        for entry in self.renamings(person):
            if entry.at <= instant:
                names = renamed(names, entry)
        return names

    def renamings(self, person: Person) -> list[Entry]:
        return [e for e in self.of("UserRenamed") if e["user"] is person]

    def all_called(self) -> list[Called]:
        """What everybody is called, while they are users of the account."""
        spans = []
        for membership in self.memberships:
            starts, ends, person = membership.starts, membership.ends, membership.person
            cuts = [e.at for e in self.renamings(person) if starts < e.at < ends]
            cuts = sorted({starts, *cuts})
            for begin, end in zip(cuts, [*cuts[1:], ends], strict=True):
                names = self.names(person, begin)
                spans.append(Called(begin, end, person, names))
        return spans

    def called(self, reference: str) -> list[Called]:
        """Whoever is called so at some time: by key, else by e-mail, persons first."""
        spans = self.all_called()
        by_key = [span for span in spans if span.names.key == reference]
        email = reference.casefold()
        by_email = [span for span in spans if span.names.email.casefold() == email]
        persons = [span for span in by_email if not span.person.is_service]
        return by_key or persons or by_email

    def all_meant(self, reference: str, instant: datetime) -> list[Person]:
        """Those called so at the instant, else the last who was before (R35)."""
        begun = [span for span in self.called(reference) if span.starts <= instant]
        current = [span.person for span in begun if instant < span.ends]
        last = sorted(begun, key=lambda span: (span.starts, span.ends))[-1:]
        return current or [span.person for span in last]

    def meant(self, reference: str, instant: datetime) -> Person | None:
        """The one that a reference means, if there is any."""
        return next(iter(self.all_meant(reference, instant)), None)


def renamed(names: Names, entry: Entry) -> Names:
    """The names after a renaming: what it does not give stays."""
    fields = {name: entry.fields.get(name) for name in ("key", "email", "name")}
    return replace(names, **{k: v for k, v in fields.items() if v is not None})
