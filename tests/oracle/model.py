"""The rules of the ledger, written once more and as plainly as possible.

Entries are a list. Every question and every check starts again from that list, by
sweeping over all of it. Nothing here is fast, and nothing is the product's code.

Choices where the rules leave room: a holding's end is found by pairing the k-th
assignment of a user to a seat with the k-th unassignment; a user who is known but not a
member at the effective time is refused as `user_not_present`; a retirement stands
although its seat's purchase is reversed (only holdings must lie in a seat's life).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.oracle.calendar import Zones, dates_between, months_after
from tests.oracle.terms import Stretch, period_days, renewal_day, stretches

FAR = datetime.max.replace(tzinfo=__import__("datetime").UTC)
US = timedelta(microseconds=1)
HUBS = ("sales", "service")


@dataclass(frozen=True)
class Entry:
    position: int
    topic: str
    at: datetime
    user: int | None = None
    seat: tuple[str, int] | None = None
    facts: tuple[tuple[str, Any], ...] = ()
    line: int = 0

    def __getitem__(self, name: str) -> Any:
        return dict(self.facts)[name]


@dataclass(frozen=True)
class Interval:
    starts: datetime
    ends: datetime
    user: int
    subject: Any
    opened: int
    closed: int | None


class Refused(Exception):
    def __init__(self, *codes: str) -> None:
        super().__init__(codes)
        self.codes = set(codes)


@dataclass
class Outcome:
    accepted: bool
    codes: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    due: int = 0
    repeated: bool = False


def holding_entries(entries: list[Entry], known: int | None = None) -> list[Entry]:
    """The entries that hold, knowing those up to a position; no reversals."""
    seen = [e for e in entries if known is None or e.position <= known]
    reversals = [e for e in seen if e.topic == "EntryReversed"]

    def holds(position: int) -> bool:
        return not any(holds(r.position) for r in reversals if r["entry"] == position)

    return [e for e in seen if e.topic != "EntryReversed" and holds(e.position)]


def pairs(entries: list[Entry], opens: str, closes: str, key: Any) -> Any:
    """Intervals by pairing the k-th opening with the k-th closing, and what is odd."""
    groups: dict[Any, tuple[list[Entry], list[Entry]]] = {}
    for entry in sorted(entries, key=lambda e: (e.at, e.position)):
        if entry.topic in (opens, closes):
            group = groups.setdefault(key(entry), ([], []))
            group[entry.topic == closes].append(entry)
    intervals, odd = [], []
    for named, (begin, end) in groups.items():
        for k, entry in enumerate(begin):
            close = end[k] if k < len(end) else None
            ends = close.at if close else FAR
            if ends < entry.at or (k + 1 < len(begin) and begin[k + 1].at < ends):
                odd.append(close or entry)
            user, subject = named
            intervals.append(
                Interval(
                    entry.at,
                    ends,
                    user,
                    subject,
                    entry.position,
                    close.position if close else None,
                )
            )
        odd.extend(end[len(begin) :])
    return intervals, odd


class State:
    """Everything that follows from the entries that hold."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.holdings, self.odd = pairs(
            entries, "SeatAssigned", "SeatUnassigned", lambda e: (e.user, e.seat)
        )
        self.access, odd = pairs(
            entries,
            "HubAccessGranted",
            "HubAccessRevoked",
            lambda e: (e.user, e["hub"]),
        )
        self.odd += odd
        self.lives: dict[tuple[str, int], tuple[datetime, datetime]] = {}
        retired: dict[tuple[str, int], list[Entry]] = {}
        for entry in entries:
            if entry.topic == "SeatPurchased":
                self.lives[entry.seat] = (entry.at, FAR)
            elif entry.topic == "SeatRetired":
                retired.setdefault(entry.seat, []).append(entry)
        for seat, ends in retired.items():
            if len(ends) > 1:
                self.odd += ends
            elif seat in self.lives:
                self.lives[seat] = (self.lives[seat][0], ends[0].at)
        self.members: dict[int, tuple[datetime, datetime]] = {}
        for entry in entries:
            if entry.topic == "UserAdded":
                self.members[entry.user] = (entry.at, FAR)
        removed: dict[int, list[Entry]] = {}
        for entry in entries:
            if entry.topic == "UserRemoved":
                removed.setdefault(entry.user, []).append(entry)
        for user, ends in removed.items():
            if (
                user not in self.members
                or len(ends) > 1
                or ends[0].at < self.members[user][0]
            ):
                self.odd += ends
            else:
                self.members[user] = (self.members[user][0], ends[0].at)

    def held_at(self, instant: datetime) -> list[Interval]:
        return [h for h in self.holdings if h.starts <= instant < h.ends]

    def occupied_at(self, instant: datetime, seat_type: str) -> set[tuple[str, int]]:
        return {h.subject for h in self.held_at(instant) if h.subject[0] == seat_type}

    def under_contract(self, instant: datetime, seat_type: str) -> set[Any]:
        return {
            seat
            for seat, (starts, ends) in self.lives.items()
            if seat[0] == seat_type and starts <= instant < ends
        }


def overlap(one: Interval, other: Interval) -> bool:
    """R46: two that share an instant, or an empty one strictly inside the other."""
    if one.starts == one.ends:
        return other.starts < one.starts < other.ends
    if other.starts == other.ends:
        return one.starts < other.starts < one.ends
    return max(one.starts, other.starts) < min(one.ends, other.ends)


@dataclass
class Request:
    entry: Entry
    ends: datetime
    renewal_at: datetime | None

    @property
    def quantity(self) -> int:
        return self.entry["quantity"]


class Oracle:
    """One account."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.opened: Entry | None = None
        self.people: dict[int, dict[str, Any]] = {}
        self.commands: dict[str, tuple[dict[str, Any], list[int]]] = {}

    # -- facts --

    def zones(self, known: int | None = None) -> Zones:
        changes = [
            (e.at, e["time_zone"])
            for e in self.entries
            if e.topic == "TimeZoneChanged" and (known is None or e.position <= known)
        ]
        return Zones(self.opened["time_zone"], changes)

    def renewals(self, known: int | None = None) -> list[Entry]:
        return [
            e
            for e in self.entries
            if e.topic == "ContractRenewed" and (known is None or e.position <= known)
        ]

    def bound(
        self, months: int, known: int | None = None
    ) -> tuple[datetime, str, date]:
        day = months_after(self.opened["term_start"], months)
        return (*self.zones(known).bound(day), day)

    def stretches(self, known: int | None = None) -> list[Stretch]:
        """How the contract is counted from which renewal on (R96)."""
        changes = [
            dict(e.facts)
            for e in holding_entries(self.entries, known)
            if e.topic == "ContractChanged"
        ]
        return stretches(self.opened, changes)

    def closed(self, known: int | None = None) -> Entry | None:
        """The entry that ends the account, if one holds (R97)."""
        entries = holding_entries(self.entries, known)
        return next((e for e in entries if e.topic == "AccountClosed"), None)

    def renewal_at(self, number: int, known: int | None = None) -> datetime:
        """R06, R96; never, where the account ends before it (R97)."""
        day = renewal_day(self.stretches(known), number)
        at, closed = self.zones(known).bound(day)[0], self.closed(known)
        return FAR if closed and at > closed.at else at

    def renewal_after(self, instant: datetime) -> int:
        number = 1
        while self.renewal_at(number) <= instant:
            number += 1
        return number

    def requests(self, state: State, seat_type: str) -> list[Request]:
        found = []
        for entry in state.entries:
            if (
                entry.topic != "SeatReductionRequested"
                or entry["seat_type"] != seat_type
            ):
                continue
            cancelled = [
                e.at
                for e in state.entries
                if e.topic == "SeatReductionCancelled"
                and e["request"] == entry.position
            ]
            renewed = [
                e.at for e in self.renewals() if e["renewal"] == entry["renewal"]
            ]
            closed = self.closed()
            if cancelled:
                found.append(Request(entry, min(cancelled), None))
            elif renewed:
                found.append(Request(entry, renewed[0], None))
            elif closed:
                found.append(Request(entry, max(entry.at, closed.at), None))
            else:
                found.append(Request(entry, FAR, self.renewal_at(entry["renewal"])))
        return found

    # -- validity (R46, R35) --

    def violations(self, state: State) -> set[str]:
        found = set()
        if state.odd:
            found.add("odd")
        for n, one in enumerate(state.holdings):
            for other in state.holdings[n + 1 :]:
                if overlap(one, other):
                    if one.subject == other.subject:
                        found.add("seat")
                    if one.user == other.user and _hub(one) == _hub(other):
                        found.add("hub")
            life = state.lives.get(one.subject)
            if life is None or not (life[0] <= one.starts and one.ends <= life[1]):
                found.add("life")
            if not any(
                a.user == one.user
                and a.subject == _hub(one)
                and a.starts <= one.starts
                and one.ends <= a.ends
                for a in state.access
            ):
                found.add("access")
        for n, one in enumerate(state.access):
            for other in state.access[n + 1 :]:
                same = one.user == other.user and one.subject == other.subject
                if same and overlap(one, other):
                    found.add("access_overlap")
            member = state.members.get(one.user)
            if member is None or not (
                member[0] <= one.starts and one.ends <= member[1]
            ):
                found.add("membership")
        for entry in state.entries:
            if entry.topic in ("PermissionsChanged", "UserAdded"):
                member = state.members.get(entry.user)
                if member is None or not member[0] <= entry.at <= member[1]:
                    found.add("permission")
        asked = [e for e in state.entries if e.topic == "SeatReductionRequested"]
        for seat_type in {e["seat_type"] for e in asked}:
            if not self._enough(state, seat_type):
                found.add("reduction")
        found |= self._names(state)
        return found

    def _names(self, state: State) -> set[str]:
        found = set()
        members = list(state.members.items())
        for n, (one, (a, b)) in enumerate(members):
            for other, (c, d) in members[n + 1 :]:
                if max(a, c) < min(b, d):  # present at one time
                    if self.people[one]["key"] == self.people[other]["key"]:
                        found.add("key")
                    mails = {self.people[u]["email"].casefold() for u in (one, other)}
                    services = [self.people[u].get("service") for u in (one, other)]
                    if len(mails) == 1 and not any(services):  # R99
                        found.add("email")
        return found

    def _enough(self, state: State, seat_type: str) -> bool:
        requests = self.requests(state, seat_type)
        instants = {r.entry.at for r in requests} | {r.ends for r in requests}
        for holding in state.holdings:
            instants |= {holding.starts, holding.ends}
        for life in state.lives.values():
            instants |= set(life)
        for instant in instants - {FAR}:
            needed = sum(r.quantity for r in requests if r.entry.at <= instant < r.ends)
            free = state.under_contract(instant, seat_type) - state.occupied_at(
                instant, seat_type
            )
            if needed and len(free) < needed:
                return False
        for renewal in {r.renewal_at for r in requests if r.renewal_at}:
            needed = sum(
                r.quantity for r in requests if r.renewal_at and r.renewal_at <= renewal
            )
            if len(self.retirable(state, seat_type, renewal)) < needed:
                return False
        return True

    def retirable(self, state: State, seat_type: str, at: datetime) -> list[Any]:
        """Under contract before the renewal and unassigned from it on."""
        return sorted(
            seat
            for seat, (starts, ends) in state.lives.items()
            if seat[0] == seat_type
            and starts < at
            and ends is FAR
            and not any(h.subject == seat and h.ends > at for h in state.holdings)
        )

    # -- commands --

    def execute(self, command: dict[str, Any], now: datetime) -> Outcome:
        key = command.get("idempotency_key")
        if key in self.commands:
            same, _ = self.commands[key]
            if same == command:
                return Outcome(accepted=True, repeated=True)
            return Outcome(accepted=False, codes={"idempotency_conflict"})
        attempt = Attempt(self, command, now)
        try:
            attempt.run()
        except Refused as refused:
            return Outcome(accepted=False, codes=refused.codes)
        return Outcome(accepted=True, entries=attempt.new, due=attempt.due)

    def record(
        self, command: dict[str, Any], outcome: Outcome, positions: list[int]
    ) -> None:
        """Take the entries over, under the positions that the store gave them."""
        assert len(positions) == len(outcome.entries)
        moved = dict(zip((e.position for e in outcome.entries), positions, strict=True))
        for entry, position in zip(outcome.entries, positions, strict=True):
            facts = tuple(
                (k, moved.get(v, v) if k == "request" else v) for k, v in entry.facts
            )
            self.entries.append(replace(entry, position=position, facts=facts))
            if entry.topic == "AccountOpened":
                self.opened = self.entries[-1]
        if command.get("idempotency_key"):
            own = positions[outcome.due :]
            self.commands[command["idempotency_key"]] = (command, own)

    # -- answers --

    def state(self, known: int | None = None) -> State:
        return State(holding_entries(self.entries, known))

    def present(self, reference: str, at: datetime, state: State) -> list[int]:
        """Those called so, the present one or the last before first (R35)."""
        ids = [u for u, p in self.people.items() if p["key"] == reference]
        ids = ids or [
            u
            for u, p in self.people.items()
            if p["email"].casefold() == reference.casefold()
        ]
        mailed = [u for u in ids if self.people[u]["key"] != reference]
        if any(not self.people[u].get("service") for u in mailed):  # R99
            ids = [u for u in ids if not self.people[u].get("service")]
        members = [(state.members[u], u) for u in ids if u in state.members]
        now = [u for (a, b), u in members if a <= at < b]
        before = [u for (a, b), u in sorted(members) if a <= at]
        return now or before[-1:]

    def known_names(self, reference: str) -> bool:
        return any(
            p["key"] == reference or p["email"].casefold() == reference.casefold()
            for p in self.people.values()
        )

    def periods(self, known: int, upto: datetime) -> list[tuple[Any, ...]]:
        """(label, starts, ends, zone, next label) of the periods that exist."""
        horizon = self.renewal_at(len(self.renewals(known)) + 1, known)
        zones, closed = self.zones(known), self.closed(known)
        days = period_days(self.stretches(known))
        day, found = next(days), []
        for following in days:
            starts, zone = zones.bound(day)
            if starts >= horizon or starts > upto or (closed and starts >= closed.at):
                return found
            ends = zones.bound(following)[0]
            if closed and ends > closed.at:
                ends = closed.at
            found.append((day, starts, ends, zone, following))
            day = following
        raise AssertionError("periods have no end")

    def contracted(
        self, state: State, seat_type: str, period: tuple[Any, ...], granularity: str
    ) -> Fraction:
        day, starts, ends, zone, following = period
        lives = [life for seat, life in state.lives.items() if seat[0] == seat_type]
        if granularity == "second":
            held = sum(
                max(timedelta(), min(b, ends) - max(a, starts)) // US for a, b in lives
            )
            return Fraction(held, (ends - starts) // US)
        days = dates_between(day, following, zone, ends)
        touched = sum(
            1 for a, b in lives for begin, end in days if a < end and b > begin
        )
        return Fraction(touched, len(days))

    def figures(
        self, state: State, seat_type: str, period: tuple[Any, ...]
    ) -> dict[str, int]:
        day, starts, ends, zone, following = period
        lives = {s: v for s, v in state.lives.items() if s[0] == seat_type}
        held = [
            h for h in state.holdings if h.subject[0] == seat_type and h.starts < h.ends
        ]
        instants = [starts] + [h.starts for h in held if starts < h.starts < ends]
        days = dates_between(day, following, zone, ends)
        idle = sum(
            1
            for seat, (a, b) in lives.items()
            for begin, end in days
            if a < end
            and b > begin
            and not any(
                h.subject == seat and h.starts < end and h.ends > begin for h in held
            )
        )
        return {
            "opening": sum(1 for a, b in lives.values() if a <= starts < b),
            "purchased": sum(1 for a, _ in lives.values() if starts < a < ends),
            "retired": sum(1 for _, b in lives.values() if starts < b < ends),
            "closing": sum(1 for a, b in lives.values() if a < ends <= b),
            "assigned_opening": sum(1 for h in held if h.starts <= starts < h.ends),
            "assigned_peak": max(
                sum(1 for h in held if h.starts <= t < h.ends) for t in instants
            ),
            "assigned_closing": sum(1 for h in held if h.starts < ends <= h.ends),
            "idle_seat_days": idle,
        }


def _hub(interval: Interval) -> str:
    return interval.subject[0].split("/")[0]


from tests.oracle.commands import Attempt  # noqa: E402  the two are one model
