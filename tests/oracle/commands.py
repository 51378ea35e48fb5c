"""What each command does to the list of entries, or why it is refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.oracle.calendar import months_after
from tests.oracle.terms import renewal_day

if TYPE_CHECKING:
    from tests.oracle.model import Entry, Oracle, State

CLOSING = {"unassign_seat", "revoke_hub_access", "remove_user"}
WORDS = {
    "seat": {"seat_taken"},
    "hub": {"hub_seat_held"},
    "life": {"seat_not_under_contract"},
    "access": {"access_revoked", "seat_held"},
    "access_overlap": {"access_overlap"},
    "membership": {"user_not_present", "hub_access_held", "seat_held"},
    "permission": {"user_not_present", "timeline_invalid"},
    "odd": {"timeline_invalid", "no_seat_held", "nothing_to_do"},
    "reduction": {"reserved_for_reduction", "not_enough_unassigned"},
    "key": {"user_key_taken"},
    "email": {"email_taken", "user_key_taken"},
}
FIXED = {"AccountOpened", "TimeZoneChanged", "ContractRenewed", "InvoiceIssued"}
FIXED |= {"UserErased"}  # nothing could bring back what it destroyed


class Attempt:
    """One command tried on one account."""

    def __init__(self, oracle: Oracle, command: dict[str, Any], now: datetime) -> None:
        self.oracle, self.command, self.now = oracle, command, now
        self.new: list[Entry] = []
        self.due = 0
        self.next = 10**9 + len(oracle.entries)

    # -- tools --

    @property
    def entries(self) -> list[Entry]:
        return [*self.oracle.entries, *self.new]

    def state(self) -> State:
        from tests.oracle.model import State, holding_entries

        return State(holding_entries(self.entries))

    def add(self, topic: str, at: datetime, **given: Any) -> Entry:
        from tests.oracle.model import Entry

        self.next += 1
        user, seat = given.pop("user", None), given.pop("seat", None)
        entry = Entry(self.next, topic, at, user, seat, tuple(given.items()))
        self.new.append(entry)
        return entry

    def refuse(self, *codes: str) -> None:
        from tests.oracle.model import Refused

        raise Refused(*codes)

    # -- the whole --

    def run(self) -> None:
        command = self.command
        if command["op"] == "open_account":
            self.open()
            return
        if self.oracle.opened is None:
            self.refuse("account_not_found")
        self.check_actor()
        lines = command["commands"] if command["op"] == "batch" else [command]
        lines = [
            {
                "effective_at": command.get("effective_at"),
                "reason": command.get("reason"),
                **{k: v for k, v in line.items() if v is not None},
            }
            for line in lines
        ]
        timed = [(self.when(line), line) for line in lines]
        calm = {"reverse", "erase_user"}  # no renewal is processed by these
        stops = command.get("renewal")  # the contract is to change at it (R96)
        self.renew([at for at, line in timed if line["op"] not in calm], stops)
        if command["op"] != "renew":
            for place, (at, line) in enumerate(ordered := self.order(timed)):
                closed = self.oracle_with_new().closed()
                if closed and at >= closed.at and line["op"] not in calm:
                    self.refuse("account_closed")
                getattr(self, line["op"])(line, at, ordered[place + 1 :])
        else:
            self.due = 0
        self.judge({line["op"] for _, line in timed})

    def judge(self, ops: set[str]) -> None:
        found = self.oracle_with_new().violations(self.state())
        if found:
            codes = set().union(*(WORDS[word] for word in found))
            if "reverse" in ops:
                codes.add("reversal_blocked")
            self.refuse(*codes)

    def oracle_with_new(self) -> Oracle:
        """The oracle as if the new entries were recorded (renewals count in it)."""
        from tests.oracle.model import Oracle

        tried = Oracle()
        tried.entries, tried.opened = self.entries, self.oracle.opened
        tried.people = self.oracle.people
        return tried

    def order(self, timed: list[Any]) -> list[Any]:
        def place(item: Any) -> Any:
            at, line = item
            if line["op"] == "reverse":
                return (0, self.now.min.replace(tzinfo=self.now.tzinfo), 0)
            last = 1 if line["op"] == "close_account" else 2
            return (1, at, 0 if line["op"] in CLOSING else last)

        return sorted(timed, key=place) if len(timed) > 1 else timed

    def when(self, line: dict[str, Any]) -> datetime:
        if line.get("effective_at") is None or line["op"] == "reverse":
            return self.now
        at = datetime.fromisoformat(line["effective_at"])
        if at > self.now + timedelta(minutes=5):
            self.refuse("effective_in_future")
        if at < self.oracle.opened.at:
            self.refuse("before_term")
        return at

    def check_actor(self) -> None:
        actor = self.command.get("actor") or "system:x"
        if actor.startswith("system:"):
            return
        state = self.oracle.state()
        ids = self.oracle.present(actor[5:], self.now, state)
        if (
            not ids
            or not state.members[ids[0]][0] <= self.now < state.members[ids[0]][1]
        ):
            self.refuse("unknown_actor", "not_permitted")
        may = {"super_admin": False, "account_access": False}
        for entry in sorted(state.entries, key=lambda e: (e.at, e.position)):
            mine = entry.user == ids[0] and entry.at <= self.now
            if mine and entry.topic in ("UserAdded", "PermissionsChanged"):
                for name in may:
                    if dict(entry.facts).get(name) is not None:
                        may[name] = entry[name]
        if not any(may.values()):
            self.refuse("unknown_actor", "not_permitted")

    def renew(self, times: list[datetime], stops: int | None = None) -> None:
        if not times:
            return
        while True:
            tried = self.oracle_with_new()
            number = len(tried.renewals()) + 1
            at = tried.renewal_at(number)
            if at > max(times) or number == stops:
                break
            state = self.state()
            self.add("ContractRenewed", at, renewal=number)
            for seat_type in sorted({seat[0] for seat in state.lives}):
                wanted = sum(
                    r.quantity
                    for r in tried.requests(state, seat_type)
                    if r.entry["renewal"] == number and r.renewal_at is not None
                )
                seats = tried.retirable(state, seat_type, at)
                for seat in seats[::-1][:wanted]:
                    self.add("SeatRetired", at, seat=seat)
        self.due = len(self.new)

    # -- operations --

    def open(self) -> None:
        from tests.oracle.calendar import Zones
        from tests.oracle.model import date

        if self.oracle.opened is not None:
            self.refuse("account_exists")
        command = self.command
        start = date.fromisoformat(command["term_start"])
        at = min(Zones(command["time_zone"], []).bound(start)[0], self.now)
        if command.get("effective_at"):
            at = datetime.fromisoformat(command["effective_at"])
        self.add(
            "AccountOpened",
            at,
            time_zone=command["time_zone"],
            term_start=start,
            term_months=command["term_months"],
            billing_cycle_months=command["billing_cycle_months"],
        )

    def user(self, reference: str, at: datetime) -> int:
        state = self.state()
        found = self.oracle.present(reference, at, state)
        if len(found) > 1:
            self.refuse("ambiguous_user")
        if found:
            return found[0]
        if self.oracle.known_names(reference):
            self.refuse("user_not_present", "user_not_found")
        self.refuse("user_not_found")
        raise AssertionError

    def set_time_zone(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        zones = self.oracle.zones()
        if zones.changes and at < zones.changes[-1][0]:
            self.refuse("zone_change_order", "nothing_to_do")
        if zones.at(at) == line["time_zone"]:
            self.refuse("nothing_to_do")
        self.add("TimeZoneChanged", at, time_zone=line["time_zone"])

    def add_user(self, line: dict[str, Any], at: datetime, later: Any) -> None:
        if line.get("super_admin") and line.get("seats"):
            self.refuse("super_admin_seats")
        user = len(self.oracle.people) + 1
        self.oracle.people[user] = {
            "key": line["user"],
            "email": line.get("email") or "",
            "name": line["name"],
            "service": line.get("kind") == "service",
        }
        self.add(
            "UserAdded",
            at,
            user=user,
            super_admin=line.get("super_admin", False),
            account_access=line.get("account_access", False),
        )
        for seat_type in line.get("seats") or ():
            self.give(user, seat_type, at, later, buy=line.get("buy_if_needed"))

    def set_permissions(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        user = self.user(line["user"], at)
        self.add(
            "PermissionsChanged",
            at,
            user=user,
            super_admin=line.get("super_admin"),
            account_access=line.get("account_access"),
        )

    def live(self, user: int, hub: str, at: datetime) -> list[Any]:
        return [
            a
            for a in self.state().access
            if a.user == user and a.subject == hub and a.starts <= at < a.ends
        ]

    def grant_hub_access(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        user = self.user(line["user"], at)
        if self.live(user, line["hub"], at):
            self.refuse("nothing_to_do", "user_not_present")
        self.add("HubAccessGranted", at, user=user, hub=line["hub"])

    def revoke_hub_access(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        from tests.oracle.model import FAR

        user = self.user(line["user"], at)
        if not any(a.ends is FAR for a in self.live(user, line["hub"], at)):
            self.refuse("nothing_to_do")
        self.add("HubAccessRevoked", at, user=user, hub=line["hub"])

    def erase_user(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        """The person reads as erased, at any position; once is enough."""
        if not line.get("reason"):
            self.refuse("reason_required")
        user = self.user(line["user"], at)
        if any(h.user == user and h.ends > at for h in self.state().holdings):
            self.refuse("seat_held")
        if not any(e.topic == "UserErased" and e.user == user for e in self.entries):
            self.add("UserErased", at, user=user)

    def remove_user(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        from tests.oracle.model import FAR

        user = self.user(line["user"], at)
        if self.state().members[user][1] is not FAR:
            self.refuse("user_not_present")
        self.add("UserRemoved", at, user=user)

    def buy_seats(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        if at < self.oracle.bound(0)[0]:
            self.refuse("before_term")
        self.buy(line["seat_type"], line["quantity"], at)

    def buy(self, seat_type: str, quantity: int, at: datetime) -> None:
        if at < self.oracle.bound(0)[0]:
            self.refuse("before_term")
        for _ in range(quantity):
            numbers = [
                e.seat[1]
                for e in self.entries
                if e.topic == "SeatPurchased" and e.seat[0] == seat_type
            ]
            seat = (seat_type, len(numbers) + 1)
            self.add("SeatPurchased", at, seat=seat)
            closed = self.oracle_with_new().closed()
            if closed:
                self.add("SeatRetired", closed.at, seat=seat, closing=True)

    def reduce_seats(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        tried = self.oracle_with_new()
        renewal = tried.renewal_after(at)
        if renewal <= len(tried.renewals()):
            self.refuse("renewal_processed")
        self.add(
            "SeatReductionRequested",
            at,
            seat_type=line["seat_type"],
            quantity=line["quantity"],
            renewal=renewal,
        )

    def cancel_reduction(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        tried = self.oracle_with_new()
        renewal = tried.renewal_after(at)
        if renewal <= len(tried.renewals()):
            self.refuse("renewal_processed")
        pending = [
            r
            for r in tried.requests(self.state(), line["seat_type"])
            if r.entry.at <= at < r.ends and r.entry["renewal"] >= renewal
        ]
        if not pending:
            self.refuse("no_pending_reduction")
        latest = max(pending, key=lambda r: (r.entry.at, r.entry.position))
        if latest.renewal_at is None:
            self.refuse("cancellation_exists")
        self.add(
            "SeatReductionCancelled",
            at,
            seat_type=line["seat_type"],
            request=latest.entry.position,
        )

    def assign_seat(self, line: dict[str, Any], at: datetime, later: Any) -> None:
        user, seat_type = self.user(line["user"], at), line["seat_type"]
        if line.get("seat"):
            number = int(line["seat"].split("#")[1])
            ever = [
                e
                for e in self.entries
                if e.topic == "SeatPurchased" and e.seat == (seat_type, number)
            ]
            if not ever:
                self.refuse("seat_not_found", "nothing_to_do", "user_not_present")
            self.let_in(user, seat_type, at)
            self.add("SeatAssigned", at, user=user, seat=(seat_type, number))
        else:
            self.give(user, seat_type, at, later, buy=line.get("buy_if_needed"))

    def let_in(self, user: int, seat_type: str, at: datetime) -> None:
        hub = seat_type.split("/", maxsplit=1)[0]
        if not self.live(user, hub, at):
            starts, ends = self.state().members.get(user, (at, at))
            if not starts <= at < ends:
                self.refuse("user_not_present")
            self.add("HubAccessGranted", at, user=user, hub=hub)

    def give(
        self, user: int, seat_type: str, at: datetime, later: Any, *, buy: Any
    ) -> None:
        self.let_in(user, seat_type, at)
        until = self.until(user, seat_type, at, later)
        seat = self.lowest(seat_type, at, until)
        if seat is None and not buy:
            self.refuse("no_free_seat", "reserved_for_reduction", "hub_seat_held")
        if buy and (seat is None or not self.leaves_enough(user, seat, at)):
            self.buy(seat_type, 1, at)
            seat = self.lowest(seat_type, at, until)
            if seat is None:
                self.refuse("no_free_seat")
        self.add("SeatAssigned", at, user=user, seat=seat)

    def leaves_enough(self, user: int, seat: Any, at: datetime) -> bool:
        entry = self.add("SeatAssigned", at, user=user, seat=seat)
        enough = self.oracle_with_new()._enough(self.state(), seat[0])
        self.new.remove(entry)
        return enough

    def until(self, user: int, seat_type: str, at: datetime, later: Any) -> datetime:
        from tests.oracle.model import FAR

        for when, line in later:
            if (
                line["op"] == "unassign_seat"
                and line["seat_type"] == seat_type
                and when > at
                and self.user(line["user"], when) == user
            ):
                return when
        return FAR

    def lowest(self, seat_type: str, starts: datetime, ends: datetime) -> Any:
        from tests.oracle.model import Interval, overlap

        state = self.state()
        wish = Interval(starts, ends, 0, None, 0, None)
        for seat in sorted(s for s in state.lives if s[0] == seat_type):
            life = state.lives[seat]
            if not (life[0] <= starts and ends <= life[1]):
                continue
            if not any(overlap(wish, h) for h in state.holdings if h.subject == seat):
                return seat
        return None

    def unassign_seat(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        from tests.oracle.model import FAR

        user = self.user(line["user"], at)
        live = [
            h
            for h in self.state().holdings
            if h.user == user
            and h.subject[0] == line["seat_type"]
            and h.ends is FAR
            and h.starts <= at
        ]
        if not live:
            self.refuse("no_seat_held")
        seat = min(live, key=lambda h: h.starts).subject
        self.add("SeatUnassigned", at, user=user, seat=seat)

    def change_contract(self, line: dict[str, Any], _: datetime, __: Any) -> None:
        """R96."""
        tried, number = self.oracle_with_new(), line["renewal"]
        held = {e.position for e in self.state().entries}
        changes = [
            e
            for e in self.entries
            if e.topic == "ContractChanged" and e.position in held
        ]
        if number <= len(tried.renewals()):
            self.refuse("renewal_processed")
        if any(e["renewal"] > number for e in changes):
            self.refuse("contract_change_order")
        before = [s for s in tried.stretches() if s.number <= number][-1]
        start = renewal_day(tried.stretches(), number)
        cycle = line.get("billing_cycle_months") or before.cycle
        anchor = line.get("anchor") and date.fromisoformat(line["anchor"])
        if anchor and anchor >= months_after(start, cycle):
            self.refuse("anchor_too_late")
        terms = line.get("term_months"), line.get("billing_cycle_months"), anchor
        same = before.term, before.cycle, before.anchor
        if all(new in (None, old) for new, old in zip(terms, same, strict=True)):
            self.refuse("nothing_to_do")
        term, months = terms[:2]
        facts = {"renewal": number, "term_months": term, "anchor": anchor}
        instant = tried.zones().bound(start)[0]
        self.add("ContractChanged", instant, **facts, billing_cycle_months=months)

    def close_account(self, line: dict[str, Any], at: datetime, _: Any) -> None:
        """R97."""
        from tests.oracle.model import FAR

        state, codes = self.state(), set()
        if at <= self.oracle.bound(0)[0]:
            codes.add("before_term")
        if any(e.at > at for e in self.oracle_with_new().renewals()):
            codes.add("renewal_processed")
        if any(starts > at for starts, _ in state.lives.values()):
            codes.add("recorded_after_closing")
        held = [h for h in state.holdings if h.ends > at]
        ended = [h for h in held if h.ends is FAR and h.starts <= at]
        if len(ended) < len(held) or (held and not line.get("end_holdings")):
            codes.add("seat_held")
        if codes:
            self.refuse(*codes)
        self.add("AccountClosed", at)
        for h in ended:
            self.add("SeatUnassigned", at, user=h.user, seat=h.subject, closing=True)
        for seat, (_, ends) in state.lives.items():
            if ends > at:
                self.add("SeatRetired", at, seat=seat, closing=True)

    def check_contract(self, root: Entry, entry: Entry) -> None:
        """R47, R97: what was built on the contract stays."""
        tried = self.oracle_with_new()
        closed = tried.closed()
        if root.topic == "ContractChanged":
            held = self.state().entries
            later = [
                e
                for e in held
                if e.topic == "ContractChanged" and e["renewal"] > root["renewal"]
            ]
            done = root["renewal"] <= len(tried.renewals())
            if later or closed or done:
                self.refuse("reversal_blocked")
        if root.topic == "AccountClosed" and entry is not root:
            self.refuse("reversal_blocked")
        if root.topic == "SeatRetired" and closed:
            self.refuse("reversal_blocked")

    def ended_with(self, closing: Entry) -> list[int]:
        """What ended with the account, and holds: it is reversed with the closing."""
        held = {e.position for e in self.state().entries}
        return [
            e.position
            for e in self.oracle.entries
            if dict(e.facts).get("closing")
            and e.at == closing.at
            and e.position > closing.position
            and e.position in held
        ]

    def reverse(self, line: dict[str, Any], _: datetime, __: Any) -> None:
        if not line.get("reason"):
            self.refuse("reason_required")
        positions = [line.get("entry")]
        if line.get("entry_key"):
            known = self.oracle.commands.get(line["entry_key"])
            positions = known[1] if known else []
            if not positions:
                self.refuse("entry_not_found")
        done: set[int] = set()
        for position in positions:
            if position not in done:
                done |= set(self.reverse_one(position))

    def reverse_one(self, position: int) -> list[int]:
        named = [e for e in self.oracle.entries if e.position == position]
        if not named:
            self.refuse("entry_not_found")
        entry = root = named[0]
        while root.topic == "EntryReversed":
            root = next(e for e in self.entries if e.position == root["entry"])
        if entry.topic in FIXED:
            self.refuse("not_reversible")
        if not self.holds(entry):
            self.refuse("already_reversed")
        self.check_reduction(root)
        self.check_contract(root, entry)
        ended = self.ended_with(root) if entry.topic == "AccountClosed" else []
        self.add("EntryReversed", root.at, user=root.user, entry=position)
        for also in ended:
            self.reverse_one(also)
        return [position, *ended]

    def holds(self, entry: Entry) -> bool:
        reversals = [e for e in self.entries if e.topic == "EntryReversed"]
        return not any(self.holds(r) for r in reversals if r["entry"] == entry.position)

    def check_reduction(self, root: Entry) -> None:
        """R47: what a cancellation or a renewal was based on stays."""
        if root.topic == "SeatReductionRequested":
            request = root
        elif root.topic == "SeatReductionCancelled":
            request = next(e for e in self.entries if e.position == root["request"])
        else:
            return
        tried = self.oracle_with_new()
        if request["renewal"] <= len(tried.renewals()):
            self.refuse("reversal_blocked")
        cancels = [
            e
            for e in self.entries
            if e.topic == "SeatReductionCancelled"
            and e["request"] == request.position
            and self.holds(e)
        ]
        if root is request and cancels:
            self.refuse("reversal_blocked")
        again = root is not request and not self.holds(root)
        if again and (cancels or not self.holds(request)):
            self.refuse("reversal_blocked")
