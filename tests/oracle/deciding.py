"""What a command adds to the list of entries, or every reason why it may not.

A command is tried on a copy of the list: due renewals first, then its lines, and at the
end the whole timeline is judged (R27, R28). Nothing is decided earlier than it must be:
a line is refused by itself only where it would not know what to record.

Choices where the rules leave room:

- in a batch, closings come before everything else of the same instant, and everything
  else keeps the order listed;
- an unassignment (or revocation) ends the earliest holding (access) that began at or
  before its time and has no end of its own, which after a reversal in the same batch
  may be one before another holding of the same seat;
- `buy_if_needed` buys when no seat is free, or when the seat taken, for as long as it
  is taken, would leave fewer unassigned than are pending;
- reversing a request or a cancellation, or reversing such a reversal, is refused once
  its renewal was processed;
- a key that recorded nothing (`renew` with none due) names no entry;
- a user who is known, but neither present at the time nor before it, may be refused as
  `user_not_found` or `user_not_present`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.books import Book, contract, renewals, zones
from tests.oracle.contract import Contract
from tests.oracle.dates import (
    FAR,
    AmbiguousTime,
    NonexistentTime,
    Zones,
    months_after,
    names,
)
from tests.oracle.entries import REVERSAL, Entry, Names, Person, Seat, holding, holds
from tests.oracle.notices import Notice, notices
from tests.oracle.timeline import Interval, Timeline
from tests.oracle.validity import (
    retirable,
    too_few_at_an_instant,
    too_few_to_retire,
    violations,
)

HUBS = ("sales", "service")
TYPES = tuple(
    f"{hub}/{tier}"
    for hub in HUBS
    for tier in ("starter", "professional", "enterprise")
)
MODES = {
    "contracted": ("day", "second"),
    "peak": (None,),
    "snapshot_end": (None,),
    "start_plus_rises": ("day", "second"),
    "time_weighted": (None,),
    "day_peak": (None,),
    "day_touch": (None,),
    "distinct": (None,),
}
CLOSING = {"unassign_seat", "revoke_hub_access", "remove_user"}
TIMELESS = {"reverse", "erase_user"}
"""No renewal is processed by these, and they are recorded of ended accounts too."""
FIXED = {"AccountOpened", "TimeZoneChanged", "ContractRenewed", "InvoiceIssued"}
FIXED |= {"UserErased"}
PLANS = {"SeatReductionRequested", "SeatReductionCancelled"}
NOTICES = {"UnassignmentRequested", "UnassignmentCancelled"}
AHEAD = timedelta(minutes=5)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
ORDERLY = 10**15  # tentative positions lie beyond every real one


class Refused(Exception):
    """A line cannot say what to record; any of the codes would be right."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = set(codes)


@dataclass
class Outcome:
    """What became of a command: entries (due renewals first), or refusal codes."""

    accepted: bool
    codes: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    due: int = 0
    repeated: bool = False

    @property
    def own(self) -> list[Entry]:
        """The entries that are the command's result (R37)."""
        return self.entries[self.due :]


@dataclass
class Line:
    """One operation, and when it takes effect."""

    fields: dict[str, Any]
    at: datetime

    @property
    def op(self) -> str:
        return str(self.fields["op"])

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def get(self, name: str, default: Any = None) -> Any:
        value = self.fields.get(name)
        return default if value is None else value


class Attempt:
    """A command tried on an account; `problems` is every code found justified."""

    def __init__(self, book: Book, command: dict[str, Any], now: datetime) -> None:
        self.book, self.command, self.now = book, command, now
        self.new: list[Entry] = []
        self.later: list[Line] = []
        self.together: list[Entry] = []  # reversed with an account's end (R97)
        self.problems: set[str] = set()
        self.due = 0
        self._current: tuple[int, Timeline, Contract] | None = None

    # -- the whole --

    def run(self) -> Outcome:
        """Try the command."""
        if bad_form(self.command):
            return Outcome(accepted=False, codes={"invalid_input"})
        if self.command["op"] == "open_account":
            self._attempt(lambda: self.open_account(self.command))
        elif self.book.opened is None:
            self.problems.add("account_not_found")
        else:
            self._run_on_an_account()
        if self.problems:
            return Outcome(accepted=False, codes=self.problems)
        return Outcome(accepted=True, entries=self.new, due=self.due)

    def _run_on_an_account(self) -> None:
        self._attempt(self.check_actor)
        lines = in_order([line for line in map(self.line, self.lines()) if line])
        times = [line.at for line in lines if line.op not in TIMELESS]
        self.renew_what_is_due(times, self.command.get("renewal"))
        if self.command["op"] == "renew":
            self.due = 0
            return
        for place, line in enumerate(lines):
            self.later = lines[place + 1 :]
            self._attempt(lambda line=line: self.decide(line))  # type: ignore[misc]
        self.judge(reversing=any(line.op == "reverse" for line in lines))

    def decide(self, line: Line) -> None:
        """R97: what is effective after an account's end is refused."""
        if line.op not in TIMELESS:
            if line.at >= self.contract.closed_at:
                raise Refused("account_closed")
            self.unassign_what_is_due(line.at)
        getattr(self, line.op)(line)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Refused as refused:
            self.problems |= refused.codes

    def lines(self) -> list[dict[str, Any]]:
        """The lines; what they do not carry they take from the batch."""
        command = self.command
        if command["op"] != "batch":
            return [command]
        shared = {k: command[k] for k in ("effective_at", "reason") if k in command}
        return [shared | line for line in command["commands"]]

    def judge(self, *, reversing: bool) -> None:
        """R27, R42: the timeline with the command must be valid, past and future."""
        broken = violations(self.timeline, self.contract)
        for violation in broken:
            self.problems |= violation.codes
        if broken and reversing:
            self.problems.add("reversal_blocked")

    # -- what is known so far, this command's lines included --

    @property
    def entries(self) -> list[Entry]:
        return [*self.book.entries, *self.new]

    @property
    def current(self) -> tuple[int, Timeline, Contract]:
        """What follows from all the entries, once for each number of them."""
        if self._current is None or self._current[0] != len(self.new):
            timeline = Timeline(holding(self.entries))
            self._current = len(self.new), timeline, contract(self.entries)
        return self._current

    @property
    def timeline(self) -> Timeline:
        return self.current[1]

    @property
    def contract(self) -> Contract:
        return self.current[2]

    @property
    def renewals(self) -> int:
        return renewals(self.entries)

    def add(self, topic: str, at: datetime, **fields: Any) -> Entry:
        position = ORDERLY + len(self.new)
        entry = Entry(position, topic, at, fields)
        self.new.append(entry)
        return entry

    # -- time and actor --

    def line(self, fields: dict[str, Any]) -> Line | None:
        """The line with its effective time, or None when it has none to go by."""
        try:
            return Line(fields, self.time(fields))
        except Refused as refused:
            self.problems |= refused.codes
            return None

    def time(self, fields: dict[str, Any]) -> datetime:
        """R11, R12, R39; a reversal's own time is ignored (R37)."""
        text = fields.get("effective_at")
        if text is None or fields["op"] in TIMELESS:
            return self.now
        at = resolved(text, zones(self.book.entries))
        if at > self.now + AHEAD:
            raise Refused("effective_in_future")
        if self.book.opened is not None and at < self.book.opened.at:
            raise Refused("before_term")
        return at

    def check_actor(self) -> None:
        """R36: the permission in force at the moment of recording."""
        actor = self.command.get("actor") or "system:oracle"
        if actor.startswith("system:"):
            return
        timeline = self.book.timeline()
        person = timeline.meant(actor.removeprefix("user:"), self.now)
        if person is None:
            raise Refused("unknown_actor")
        if not timeline.member(person, self.now):
            raise Refused("unknown_actor", "not_permitted")
        if not any(timeline.permissions(person, self.now).values()):
            raise Refused("not_permitted")

    def someone(self, reference: str, at: datetime) -> Person:
        """The user that a reference means at a time (R35)."""
        people = self.timeline.all_meant(reference, at)
        if len(people) > 1:
            raise Refused("ambiguous_user")
        if people:
            return people[0]
        raise Refused("user_not_found", "user_not_present")

    def member(self, reference: str, at: datetime, *also: str) -> Person:
        """The same, present at the time."""
        person = self.someone(reference, at)
        if not self.timeline.member(person, at):
            raise Refused("user_not_present", *also)
        return person

    # -- account --

    def open_account(self, command: dict[str, Any]) -> None:
        """R39: opened when the term starts, or now where that lies ahead."""
        if (command.get("actor") or "system:").startswith("user:"):
            self.problems.add("unknown_actor")
        if self.book.opened is not None:
            raise Refused("account_exists")
        zone = command["time_zone"]
        if zone not in names():
            raise Refused("unknown_time_zone")
        start = date.fromisoformat(command["term_start"])
        at = min(Zones(zone).bound(start)[0], self.now)
        if command.get("effective_at") is not None:
            at = resolved(command["effective_at"], Zones(zone))
        if at > self.now + AHEAD:
            raise Refused("effective_in_future")
        self.add(
            "AccountOpened",
            at,
            account_key=command["account"],
            name=command["name"],
            time_zone=zone,
            term_start=start,
            term_months=command["term_months"],
            billing_cycle_months=command["billing_cycle_months"],
        )

    def set_time_zone(self, line: Line) -> None:
        """R09."""
        zone, moved = line["time_zone"], zones(self.entries)
        codes = set()
        if zone not in names():
            codes.add("unknown_time_zone")
        if any(line.at < at for at, _ in moved.changes):
            codes.add("zone_change_order")
        if moved.at(line.at) == zone:
            codes.add("nothing_to_do")
        if codes:
            raise Refused(*codes)
        self.add("TimeZoneChanged", line.at, time_zone=zone)

    def set_billing_policy(self, line: Line) -> None:
        """R50."""
        mode = line["mode"]
        granularity = line.get("granularity", MODES[mode][0])
        if self.timeline.policy(line.at) == (mode, granularity):
            raise Refused("nothing_to_do")
        self.add("BillingPolicyChanged", line.at, mode=mode, granularity=granularity)

    def renew_what_is_due(self, times: list[datetime], change: int | None) -> None:
        """R37, R21, R98: process renewals, and unassignments before them, up to the
        latest of the times; a renewal at which the contract is to change waits (R96).
        """
        while times:
            number = self.renewals + 1
            at = self.contract.renewal(number)
            self.unassign_what_is_due(min(at, max(times)))
            if at > max(times) or number == change:
                break
            self.renewal(number, at)
        self.due = len(self.new)

    def unassign_what_is_due(self, latest: datetime) -> None:
        """R98: in order of instants, as ordinary unassignments."""
        waiting = [n for n in self.notices() if n.waits and n.due_at <= latest]
        for notice in sorted(waiting, key=lambda notice: notice.due_at):
            request = notice.entry
            fields = {**seat_fields(request.seat), "user": request["user"]}
            self.add("SeatUnassigned", notice.due_at, **fields, request=request)

    def notices(self) -> list[Notice]:
        return notices(self.timeline, self.contract, self.entries)

    def renewal(self, number: int, at: datetime) -> None:
        """R21: the pending number of seats is retired, the highest numbers first."""
        before = self.timeline
        self.add("ContractRenewed", at, renewal=number)
        for seat_type in TYPES:
            pending = sum(
                request.quantity
                for request in before.requests
                if request.entry["seat_type"] == seat_type
                and request.entry["renewal"] == number
                and request.cancelled is None
            )
            lives = retirable(before, at, seat_type)
            lives.sort(key=lambda life: life.seat, reverse=True)
            for life in lives[:pending]:
                self.add("SeatRetired", at, **seat_fields(life.seat), renewal=number)

    # -- users --

    def add_user(self, line: Line) -> None:
        """R34, R35, S7."""
        types = line.get("seats", [])
        codes = unknown(*types)
        if line.get("super_admin", False) and types:
            codes.add("super_admin_seats")
        kind, email = line.get("kind", "person"), line.get("email", "")
        if not EMAIL.fullmatch(email) and (email or kind == "person"):
            codes.add("invalid_email")
        if codes:
            raise Refused(*codes)
        person = Person(Names(line["user"], email, line["name"]), kind)
        self.add(
            "UserAdded",
            line.at,
            user=person,
            super_admin=line.get("super_admin", False),
            account_access=line.get("account_access", False),
        )
        for seat_type in types:
            self.give(line, person, seat_type)

    def rename_user(self, line: Line) -> None:
        """R95: another key, e-mail or name from a time on; the person stays."""
        person = self.member(line["user"], line.at)
        names, codes = self.timeline.names(person, line.at), set()
        parts = {"key": "new_user", "email": "email", "name": "name"}
        fields = {part: line.get(name) for part, name in parts.items()}
        changes = {part: text for part, text in fields.items() if text is not None}
        if self.is_erased(person):  # there is no key to encrypt another name with
            codes.add("user_erased")
        if "email" in changes and not EMAIL.fullmatch(changes["email"]):
            codes.add("invalid_email")
        if all(getattr(names, part) == text for part, text in changes.items()):
            codes.add("nothing_to_do")
        if codes:
            raise Refused(*codes)
        self.add("UserRenamed", line.at, user=person, **changes)

    def erase_user(self, line: Line) -> None:
        """The person reads as erased, at any position; once is enough."""
        codes: set[str] = set()
        if not line.get("reason"):
            codes.add("reason_required")
        try:
            person = self.someone(line["user"], line.at)
        except Refused as refused:
            raise Refused(*codes, *refused.codes) from None
        holdings = self.timeline.holdings
        if any(h.person is person and h.ends > line.at for h in holdings):
            codes.add("seat_held")
        if codes:
            raise Refused(*codes)
        if not self.is_erased(person):
            self.add("UserErased", line.at, user=person)

    def is_erased(self, person: Person) -> bool:
        """Whether nobody can say any more who that was."""
        return person in [e["user"] for e in self.entries if e.topic == "UserErased"]

    def set_permissions(self, line: Line) -> None:
        """R46: at the instant of the removal too."""
        person = self.someone(line["user"], line.at)
        membership = self.timeline.membership(person)
        if membership is None or line.at > membership.ends:
            raise Refused("user_not_present")
        fields = {
            name: line[name]
            for name in ("super_admin", "account_access")
            if line.get(name) is not None
        }
        self.add("PermissionsChanged", line.at, user=person, **fields)

    def grant_hub_access(self, line: Line) -> None:
        hub = known_hub(line["hub"])
        person = self.member(line["user"], line.at)
        if self.timeline.access(person, hub, line.at) is not None:
            raise Refused("nothing_to_do")
        self.add("HubAccessGranted", line.at, user=person, hub=hub)

    def revoke_hub_access(self, line: Line) -> None:
        hub = known_hub(line["hub"])
        person = self.someone(line["user"], line.at)
        unended = self.unended(
            "HubAccessGranted",
            "HubAccessRevoked",
            lambda e: e["user"] is person and e["hub"] == hub,
            line.at,
        )
        if not unended:
            present = self.timeline.member(person, line.at)
            raise Refused("nothing_to_do", *absent(present))
        self.add("HubAccessRevoked", line.at, user=person, hub=hub)

    def remove_user(self, line: Line) -> None:
        person = self.member(line["user"], line.at)
        self.add("UserRemoved", line.at, user=person)

    # -- seats --

    def buy_seats(self, line: Line) -> None:
        seat_type = known_type(line["seat_type"])
        for _ in range(line["quantity"]):
            self.buy(seat_type, line.at)

    def buy(self, seat_type: str, at: datetime) -> None:
        """R39: from the first instant of the term on; numbers are never reused."""
        if at < self.contract.start():
            raise Refused("before_term")
        ever = [e for e in self.entries if e.topic == "SeatPurchased"]
        number = 1 + sum(1 for e in ever if e["seat_type"] == seat_type)
        self.add("SeatPurchased", at, seat_type=seat_type, number=number)
        if self.timeline.closing is not None:  # all seats are retired then (R97)
            self.retire((seat_type, number), self.contract.closed_at)

    def retire(self, seat: Seat, at: datetime) -> None:
        """R97: a seat ends with the account."""
        self.add("SeatRetired", at, **seat_fields(seat), closing=True)

    def reduce_seats(self, line: Line) -> None:
        """R17, R37: aims at the first renewal after its time."""
        seat_type = known_type(line["seat_type"])
        renewal = self.contract.renewal_after(line.at)
        if renewal <= self.renewals:
            raise Refused("renewal_processed")
        self.add(
            "SeatReductionRequested",
            line.at,
            seat_type=seat_type,
            quantity=line["quantity"],
            renewal=renewal,
        )

    def cancel_reduction(self, line: Line) -> None:
        """R18: takes back the latest request that is pending at its time."""
        seat_type = known_type(line["seat_type"])
        pending = self.timeline.pending(line.at, seat_type)
        codes = set()
        if self.contract.renewal_after(line.at) <= self.renewals:
            codes.add("renewal_processed")
        if not pending:
            codes.add("no_pending_reduction")
        elif pending[-1].cancelled is not None:
            codes.add("cancellation_exists")
        elif pending[-1].carried_out is not None:
            codes.add("renewal_processed")
        if codes:
            raise Refused(*codes)
        request = pending[-1].entry
        self.add(
            "SeatReductionCancelled", line.at, seat_type=seat_type, request=request
        )

    def assign_seat(self, line: Line) -> None:
        seat_type = known_type(line["seat_type"])
        if line.get("seat") is None:
            person = self.member(line["user"], line.at)
            self.give(line, person, seat_type)
            return
        seat = parsed(line["seat"])
        codes: set[str] = set()
        if seat not in [e.seat for e in self.entries if e.topic == "SeatPurchased"]:
            codes.add("seat_not_found")
        try:
            person = self.member(line["user"], line.at)
        except Refused as refused:
            codes |= refused.codes
        if codes:
            raise Refused(*codes)
        self.let_in(person, seat_type, line.at)
        self.add("SeatAssigned", line.at, **seat_fields(seat), user=person)

    def let_in(self, person: Person, seat_type: str, at: datetime) -> None:
        """R25: grant access to the hub where it is missing at that time."""
        hub = seat_type.split("/", maxsplit=1)[0]
        if self.timeline.access(person, hub, at) is None:
            self.add("HubAccessGranted", at, user=person, hub=hub)

    def give(self, line: Line, person: Person, seat_type: str) -> None:
        """R26, R20: the lowest seat that is free, or one bought where needed."""
        at, buying = line.at, line.get("buy_if_needed", False)
        self.let_in(person, seat_type, at)
        until = self.until(person, seat_type)
        seat = self.lowest(seat_type, at, until)
        short = seat is not None and self.leaves_too_few(seat, person, at, until)
        if buying and (seat is None or short):
            self.buy(seat_type, at)
            seat = self.lowest(seat_type, at, until)
        if seat is None:
            raise Refused(
                "no_free_seat", *self.also_wrong(person, seat_type, at, until)
            )
        self.add("SeatAssigned", at, **seat_fields(seat), user=person)

    def until(self, person: Person, seat_type: str) -> datetime:
        """R26: the unassignment of that user and type later in the batch, or never."""
        for line in self.later:
            ends = line.op == "unassign_seat" and line["seat_type"] == seat_type
            if ends and self.timeline.meant(line["user"], line.at) is person:
                return line.at
        return FAR

    def lowest(self, seat_type: str, starts: datetime, ends: datetime) -> Seat | None:
        """The lowest-numbered seat that is under contract and free all that time."""
        timeline = self.timeline
        for life in sorted(timeline.lives, key=lambda life: life.seat):
            wish = Interval(starts, ends, life.opened, None)
            held = [h for h in timeline.holdings if h.seat == life.seat]
            free = not any(holding.meets(wish) for holding in held)
            if life.seat_type == seat_type and life.covers(wish) and free:
                return life.seat
        return None

    def leaves_too_few(
        self, seat: Seat, person: Person, starts: datetime, ends: datetime
    ) -> bool:
        """R20: whether holding the seat would leave too few to retire."""
        number, facts = len(self.entries), {**seat_fields(seat), "user": person}
        trial = [Entry(2 * ORDERLY + number, "SeatAssigned", starts, facts)]
        if ends != FAR:
            trial.append(Entry(2 * ORDERLY + number, "SeatUnassigned", ends, facts))
        timeline = Timeline(holding([*self.entries, *trial]))
        span = Interval(starts, ends, trial[0], None)
        short = too_few_at_an_instant(timeline, seat[0], span)
        return bool(short or too_few_to_retire(timeline, self.contract, seat[0]))

    def also_wrong(
        self, person: Person, seat_type: str, starts: datetime, ends: datetime
    ) -> set[str]:
        """What else forbids the assignment for which no seat is free."""
        entry = Entry(0, "", starts, {"seat_type": seat_type})
        wish, codes = Interval(starts, ends, entry, None), set()
        for held in self.timeline.holdings:
            if held.person is person and held.hub == wish.hub and held.meets(wish):
                codes.add("hub_seat_held")
        if self.timeline.pending(starts, seat_type):
            codes.add("reserved_for_reduction")
        return codes

    def unassign_seat(self, line: Line) -> None:
        """R27: ends the open-ended holding of that type that is live at its time."""
        seat_type = known_type(line["seat_type"])
        person = self.someone(line["user"], line.at)
        unended = self.unended(
            "SeatAssigned",
            "SeatUnassigned",
            lambda e: e["user"] is person and e["seat_type"] == seat_type,
            line.at,
        )
        if not unended:
            present = self.timeline.member(person, line.at)
            raise Refused("no_seat_held", *absent(present))
        fields = {**seat_fields(unended[0].seat), "user": person}
        if line.get("at_period_end"):
            self.request_unassignment(line, fields)
        else:
            self.add("SeatUnassigned", line.at, **fields)

    def request_unassignment(self, line: Line, fields: dict[str, Any]) -> None:
        """R98: for the end of the period in which the request is effective."""
        person, seat_type = fields["user"], fields["seat_type"]
        if any(n.pending(line.at) for n in self.notices_of(person, seat_type)):
            raise Refused("unassignment_pending")
        period = self.contract.period_of(line.at)
        self.add("UnassignmentRequested", line.at, **fields, period=period)

    def cancel_unassignment(self, line: Line) -> None:
        """R98: takes back the request that is pending at its time."""
        seat_type = known_type(line["seat_type"])
        person = self.someone(line["user"], line.at)
        own = self.notices_of(person, seat_type)
        pending = [notice for notice in own if notice.pending(line.at)]
        if not pending:
            present = self.timeline.member(person, line.at)
            raise Refused("no_pending_unassignment", *absent(present))
        notice = pending[-1]
        if notice.cancelled is not None:
            raise Refused("cancellation_exists")
        if notice.carried_out is not None:
            raise Refused("unassignment_carried_out")
        fields = {**seat_fields(notice.entry.seat), "user": person}
        request = notice.entry
        self.add("UnassignmentCancelled", line.at, **fields, request=request)

    def notices_of(self, person: Person, seat_type: str) -> list[Notice]:
        return [
            notice
            for notice in self.notices()
            if notice.entry["user"] is person and notice.entry["seat_type"] == seat_type
        ]

    def unended(
        self, opens: str, closes: str, mine: Callable[[Entry], bool], at: datetime
    ) -> list[Entry]:
        """What was opened at or before a time and not ended before it opened again."""
        entries = [e for e in self.timeline.of(opens, closes) if mine(e)]
        intervals = self.timeline.holdings + self.timeline.accesses
        endless = [interval.opened for interval in intervals if interval.open]
        unended = []
        for entry in entries:
            number = entry.fields.get("number")
            same = [e for e in entries if e.fields.get("number") == number]
            after = same[same.index(entry) + 1 :]
            again = bool(after) and after[0].topic == opens
            if entry.topic == opens and entry.at <= at and (again or entry in endless):
                unended.append(entry)
        return unended

    # -- the contract --

    def change_contract(self, line: Line) -> None:
        """R96: from one of the renewals on, recorded before it is processed."""
        number, current = line["renewal"], self.contract
        before, day = current.terms_from(number), current.date_of_renewal(number)
        at, codes = current.zones.bound(day)[0], set()
        if number <= self.renewals:
            codes.add("renewal_processed")
        if at >= current.closed_at:  # it is effective then, whatever the line says
            codes.add("account_closed")
        if current.terms[-1].number > number:
            codes.add("contract_change_order")
        cycle = line.get("billing_cycle_months")
        anchor = line.get("anchor") and date.fromisoformat(line["anchor"])
        if anchor and anchor >= months_after(day, cycle or before.cycle_months):
            codes.add("anchor_too_late")
        changes = {
            "term_months": (line.get("term_months"), before.term_months),
            "billing_cycle_months": (cycle, before.cycle_months),
            "anchor": (anchor, before.anchor),
        }
        if all(new in {None, old} for new, old in changes.values()):
            codes.add("nothing_to_do")
        if codes:
            raise Refused(*codes)
        fields = {name: new for name, (new, _) in changes.items()}
        self.add("ContractChanged", at, renewal=number, **fields)

    def close_account(self, line: Line) -> None:
        """R97: seats are retired, and holdings end where that is asked for."""
        timeline, at, codes = self.timeline, line.at, set()
        if timeline.closing is not None:
            codes.add("account_closed")
        if at <= self.contract.start():
            codes.add("before_term")
        if any(e.at > at for e in timeline.of("ContractRenewed")):
            codes.add("renewal_processed")
        if any(life.starts > at for life in timeline.lives):
            codes.add("recorded_after_closing")
        held = [holding for holding in timeline.holdings if holding.ends > at]
        ended = [h for h in held if h.open and h.starts <= at]
        if len(ended) < len(held) or (held and not line.get("end_holdings")):
            codes.add("seat_held")
        if codes:
            raise Refused(*codes)
        self.add("AccountClosed", at)
        for held_on in ended:
            fields = {**seat_fields(held_on.seat), "user": held_on.person}
            self.add("SeatUnassigned", at, **fields, closing=True)
        for life in timeline.lives:
            if life.ends > at:
                self.retire(life.seat, at)

    # -- corrections --

    def reverse(self, line: Line) -> None:
        """R40, R47: the entry named, or every entry that a key recorded."""
        codes: set[str] = set()
        if not line.get("reason"):
            codes.add("reason_required")
        named = self.named(line)
        if not named:
            codes.add("entry_not_found")
        reversed_entries: list[Entry] = []
        for entry in named:
            if entry in reversed_entries or entry in self.together:
                continue
            try:
                reversed_entries += self.reverse_one(entry)
            except Refused as refused:
                codes |= refused.codes
        if codes:
            raise Refused(*codes)
        if not any(later.op == "reverse" for later in self.later):
            self.retire_what_is_back()

    def retire_what_is_back(self) -> None:
        """R97: a seat that is there again ends with the account too."""
        closing = self.timeline.closing
        for life in self.timeline.lives if closing else ():
            if closing and life.ends > closing.at:
                self.retire(life.seat, closing.at)

    def named(self, line: Line) -> list[Entry]:
        key = line.get("entry_key")
        if key is not None:
            _, recorded = self.book.commands.get(key, ({}, []))
            return recorded
        return [e for e in self.book.entries if e.position == line["entry"]]

    def reverse_one(self, entry: Entry) -> list[Entry]:
        """The entries that are reversed by naming one."""
        root = entry.root
        if entry.topic in FIXED:
            raise Refused("not_reversible")
        if not holds(entry, self.entries):
            raise Refused("already_reversed")
        if root.topic in PLANS:
            request = (
                root if root.topic == "SeatReductionRequested" else root["request"]
            )
            if request["renewal"] <= self.renewals:
                raise Refused("reversal_blocked", "renewal_processed")
        if self.is_built_on(root, entry):
            raise Refused("reversal_blocked")
        together = self.ended_with(root) if entry.topic == "AccountClosed" else []
        for reversed_entry in [entry, *together]:
            root = reversed_entry.root
            added = self.add(REVERSAL, root.at, entry=reversed_entry, root=root)
            added.fields["holds"] = holds(root, self.entries)
        self.together += together
        return [entry, *together]

    def is_built_on(self, root: Entry, entry: Entry) -> bool:
        """R47, R97: a contract's later change or end, and what ended with it, stay."""
        closed = self.timeline.closing is not None
        if root.topic == "ContractChanged":
            later = self.contract.terms[-1].number > root["renewal"]
            return later or closed or root["renewal"] <= self.renewals
        if root.topic == "AccountClosed":
            return entry is not root
        if root.topic == "SeatPurchased" and not holds(root, self.entries):
            return root.at > self.contract.closed_at
        if root.topic in NOTICES:
            return self.is_decided(root)
        return closed and root.topic == "SeatRetired"

    def is_decided(self, root: Entry) -> bool:
        """R98: what was cancelled or carried out stays, and what was taken back."""
        request = root if root.topic == "UnassignmentRequested" else root["request"]
        notice = next((n for n in self.notices() if n.entry is request), None)
        if notice is None:  # it was reversed
            return root is not request
        if root is request:
            return notice.cancelled is not None or notice.carried_out is not None
        again = not holds(root, self.entries)
        ended = notice.cancelled is not None or notice.carried_out is not None
        return again and ended

    def ended_with(self, closing: Entry) -> list[Entry]:
        """What ended with the account, and is reversed with its end."""
        return [
            entry
            for entry in self.timeline.entries
            if entry.fields.get("closing")
            and entry.at == closing.at
            and entry.position > closing.position
        ]


def in_order(lines: list[Line]) -> list[Line]:
    """R28: reversals, then by effective time, and closings before the rest."""
    reversals = [line for line in lines if line.op == "reverse"]
    others = [line for line in lines if line.op != "reverse"]
    return reversals + sorted(others, key=lambda line: (line.at, place_of(line)))


def place_of(line: Line) -> int:
    """R28: closings, then the account's end, then the rest."""
    closes = line.op in CLOSING and not line.get("at_period_end")  # R98: ends nothing
    return 0 if closes else 1 if line.op == "close_account" else 2


def resolved(text: str, moved: Zones) -> datetime:
    try:
        return moved.resolve(text)
    except NonexistentTime:
        raise Refused("nonexistent_time") from None
    except AmbiguousTime:
        raise Refused("ambiguous_time") from None


def seat_fields(seat: Seat) -> dict[str, Any]:
    return {"seat_type": seat[0], "number": seat[1]}


def parsed(text: str) -> Seat:
    seat_type, number = text.split("#")
    return seat_type, int(number)


def known_type(seat_type: str) -> str:
    codes = unknown(seat_type)
    if codes:
        raise Refused(*codes)
    return seat_type


def unknown(*types: str) -> set[str]:
    return set() if set(types) <= set(TYPES) else {"unknown_seat_type"}


def known_hub(hub: str) -> str:
    if hub not in HUBS:
        raise Refused("unknown_hub")
    return hub


def absent(present: bool) -> list[str]:
    return [] if present else ["user_not_present"]


def bad_form(command: dict[str, Any]) -> bool:
    """CLI 4: what is no command at all."""
    lines = command["commands"] if command["op"] == "batch" else [command]
    return any(_bad_line(line) for line in lines)


def _bad_line(line: dict[str, Any]) -> bool:
    op, number = line["op"], line.get("quantity", 1)
    wrong = [
        type(number) is not int or not 1 <= number <= 10_000,
        not 1 <= line.get("term_months", 1) <= 240,
        not 1 <= line.get("billing_cycle_months", 1) <= 120,
        "seat" in line and bool(line.get("buy_if_needed")),
        "seat" in line and line["seat"].split("#")[0] != line["seat_type"],
        op == "reverse" and ("entry" in line) == ("entry_key" in line),
    ]
    return any(wrong)
