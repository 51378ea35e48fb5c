"""The account: its contract, its seats and who holds them.

The aggregate decides from what it knows and never fetches. Whether the timeline
with a decision is valid (R46) is judged afterwards, over account and users
together, by :mod:`seat_ledger.judgement`; what is refused here is what cannot even
be written down: no free seat, nothing held, nothing pending.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from seat_ledger import intervals, timeline
from seat_ledger.aggregate import Act, Aggregate, Step, blocked, mark, nothing_to_do
from seat_ledger.billing import Billing
from seat_ledger.calendar import BillingCalendar, BillingPeriod, ZoneHistory
from seat_ledger.errors import CommandRefused, EntryRef, NotFound
from seat_ledger.events import (
    AccountOpened,
    BillingPolicyChanged,
    ContractRenewed,
    HoldingEvent,
    InvoiceIssued,
    LedgerEvent,
    SeatAssigned,
    SeatEvent,
    SeatPurchased,
    SeatReductionCancelled,
    SeatReductionRequested,
    SeatRetired,
    SeatUnassigned,
    TimeZoneChanged,
)
from seat_ledger.intervals import Interval, Life, Mark, Track
from seat_ledger.invoice import InvoiceDraft, InvoiceRequest
from seat_ledger.values import (
    FOREVER,
    BillingPolicy,
    SeatRef,
    SeatType,
    as_word,
    hub_of,
    iso,
    utc,
)

MOST_NAMED = 5
"""How many holders a refusal names at most."""


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
        if not held or held[-1].ends <= starts > held[-1].starts:
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
class Pool:
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
        if ends is FOREVER:
            candidates: Iterable[Seat] = (self.seats[n - 1] for n in self.free)
        else:
            candidates = self.seats
        return next((seat for seat in candidates if seat.is_free(starts, ends)), None)


class Account(Aggregate):
    """A customer's account. Opened once; everything else is one method a verb."""

    opening: AccountOpened
    account_key: str
    name: str
    opened_at: datetime

    def __init__(self, id_: UUID) -> None:
        super().__init__(id_)
        self.pools: dict[str, Pool] = {}
        self.held: dict[str, dict[str, list[Interval]]] = {}
        self.renewals: list[Mark] = []
        self.billing = Billing(self.key)
        self.touched = Touched()
        self.snapshot_at = 0

    # -- what it knows --------------------------------------------------------

    def pool(self, seat_type: str) -> Pool:
        """The seats of a type; an empty pool where none was ever bought."""
        pool = self.pools.get(seat_type)
        if pool is None:
            pool = self.pools[seat_type] = Pool()
        return pool

    def held_by(self, user: str, hub: str) -> list[Interval]:
        """A user's holdings in a hub, in order."""
        return self.held.get(user, {}).get(hub, [])

    def seat(self, ref: SeatRef) -> Seat:
        """A seat by its name. Raises NotFound (``seat_not_found``)."""
        seats = self.pool(ref.seat_type).seats
        if ref.number > len(seats):
            raise NotFound(
                "seat_not_found",
                f"{self.account_key} never bought {ref}; "
                f"{len(seats)} of that type were bought.",
                try_=f"seat-ledger seat list --account {as_word(self.account_key)}",
            )
        return seats[ref.number - 1]

    # -- contract -------------------------------------------------------------

    @classmethod
    def open(cls, id_: UUID, act: Act, **facts: Any) -> Account:
        """Open the account: zone, term and cycle are facts of the first event."""
        account = cls(id_)
        account.trigger(AccountOpened, act, **facts)
        return account

    def set_time_zone(self, time_zone: str, act: Act) -> None:
        """Move the bounds after this instant into another zone (R09)."""
        self.billing.check_not_invoiced(self.account_key, "The time zone", act.at)
        changes = self.zones.changes
        if changes and act.at < changes[-1].effective_at:
            raise CommandRefused(
                "zone_change_order",
                f"{self.account_key} has a zone change at "
                f"{iso(changes[-1].effective_at)}; an earlier one cannot be added.",
                try_="set the zone from that instant on or later",
            )
        if self.zones.at(act.at) == time_zone:
            raise nothing_to_do(f"The time zone of {self.account_key} is {time_zone}.")
        self.trigger(TimeZoneChanged, act, time_zone=time_zone)

    def set_billing_policy(self, policy: BillingPolicy, act: Act) -> None:
        """Count the periods that begin from now on by another rule (R27, R50)."""
        self.billing.check_policy(self.account_key, policy, act.at)
        self.trigger(
            BillingPolicyChanged, act, mode=policy.mode, granularity=policy.granularity
        )

    def period_to_invoice(
        self, label: str, *, at: datetime, now: datetime
    ) -> BillingPeriod:
        """The period of a label, if it can be invoiced (R64).

        Raises InvalidInput, NotFound (``unknown_period``), CommandRefused
        (``period_already_invoiced``, ``period_not_ended``).
        """
        period = self.calendar.period_named(label)
        if period is None:
            raise NotFound(
                "unknown_period",
                f"{self.account_key} has no billing period {label}.",
                try_="seat-ledger billing periods --account "
                + as_word(self.account_key),
            )
        self.billing.check_period(self.account_key, period, at=at, now=now)
        return period

    def issue_invoice(
        self,
        request: InvoiceRequest,
        period: BillingPeriod,
        draft: InvoiceDraft,
        act: Act,
    ) -> None:
        """Record an invoice as it was computed (R60). Raises ``price_missing``."""
        facts = self.billing.facts(request, period, draft)
        self.trigger(InvoiceIssued, act, **facts)

    def is_renewal_due(self, instant: datetime) -> bool:
        """Whether the next renewal lies at or before an instant."""
        return self._next_renewal() <= instant

    def _next_renewal(self) -> datetime:
        return self.calendar.renewal(len(self.renewals) + 1).instant

    def renew_until(self, instant: datetime, act: Act) -> None:
        """Process each renewal that is due at an instant, in order (R21, R37)."""
        while (due := self._next_renewal()) <= instant:
            number = len(self.renewals) + 1
            at_renewal = act.moved(due)
            self.trigger(ContractRenewed, at_renewal, renewal=number)
            for seat in self._retiring(number, due):
                self.trigger(
                    SeatRetired,
                    at_renewal,
                    seat_type=seat.ref.seat_type,
                    number=seat.ref.number,
                    renewal=number,
                )

    def _retiring(self, renewal: int, instant: datetime) -> Iterator[Seat]:
        """The seats that a renewal retires: the highest free numbers first (R21)."""
        for seat_type in sorted(self.pools):
            pool = self.pools[seat_type]
            wanted = sum(
                request.quantity
                for request in pool.requests
                if request.renewal == renewal and request.cancelled is None
            )
            candidates = [
                seat
                for seat in (reversed(pool.seats) if wanted else ())
                if timeline.can_retire(seat, instant)
            ]
            yield from candidates[:wanted]

    # -- seats ----------------------------------------------------------------

    def buy(self, seat_type: SeatType, quantity: int, act: Act) -> None:
        """Put more seats under contract (R14). Raises ``before_term`` (R39)."""
        term_start = self.calendar.renewal(0)
        if act.at < term_start.instant:
            raise CommandRefused(
                "before_term",
                f"Seats of {self.account_key} can be bought from the term's start on, "
                f"{term_start.day} ({iso(term_start.instant)}), not at {iso(act.at)}.",
                try_="give an effective time in the term",
            )
        bought = len(self.pool(seat_type).seats)
        for number in range(bought + 1, bought + quantity + 1):
            self.trigger(SeatPurchased, act, seat_type=seat_type, number=number)

    def reduce(self, seat_type: SeatType, quantity: int, act: Act) -> None:
        """Ask for fewer seats from the next renewal on (R16, R17, R37)."""
        renewal = self.calendar.renewal_after(act.at)
        self._check_unprocessed(renewal, "A reduction", act.at)
        self.trigger(
            SeatReductionRequested,
            act,
            seat_type=seat_type,
            quantity=quantity,
            renewal=renewal,
        )

    def cancel_reduction(self, seat_type: SeatType, act: Act) -> None:
        """Take back the latest reduction that is still pending (R18)."""
        renewal = self.calendar.renewal_after(act.at)
        self._check_unprocessed(renewal, "A cancellation", act.at)
        pending = [
            request
            for request in self.pool(seat_type).requests
            if request.pending_at(act.at) and request.renewal >= renewal
        ]
        if not pending:
            raise CommandRefused(
                "no_pending_reduction",
                f"{self.account_key} has no pending reduction of {seat_type} "
                f"at {iso(act.at)}.",
                try_=f"seat-ledger account show {as_word(self.account_key)}",
            )
        latest = max(pending, key=lambda request: request.mark)
        if latest.cancelled is not None:
            raise CommandRefused(
                "cancellation_exists",
                f"The reduction of {seat_type} is cancelled at "
                f"{iso(latest.cancelled.at)} already; an earlier cancellation cannot "
                "be added.",
                try_="reverse that cancellation first",
                blockers=(EntryRef(self.key, latest.cancelled.version),),
            )
        self.trigger(
            SeatReductionCancelled,
            act,
            seat_type=seat_type,
            request=latest.mark.version,
        )

    def _check_unprocessed(self, renewal: int, what: str, at: datetime) -> None:
        if renewal <= len(self.renewals):
            mark = self.renewals[renewal - 1]
            raise CommandRefused(
                "renewal_processed",
                f"{what} effective {iso(at)} concerns renewal {renewal} of "
                f"{self.account_key}, which is processed.",
                try_="reverse the seats it retired, or act on the next renewal",
                blockers=(EntryRef(self.key, mark.version),),
            )

    def assign(
        self,
        user: str,
        seat_type: SeatType,
        act: Act,
        *,
        seat: SeatRef | None = None,
        until: datetime = FOREVER,
    ) -> SeatRef:
        """Put the user in a seat: the named one, or the lowest that is free (R26).

        `until` is where the same batch ends the holding. Raises ``no_free_seat``,
        ``seat_not_found``.
        """
        if seat is None:
            found = self.pool(seat_type).first_free(act.at, until)
            if found is None:
                raise self._no_free_seat(seat_type, act.at, until)
            seat = found.ref
        else:
            self.seat(seat)
        self.trigger(
            SeatAssigned, act, seat_type=seat.seat_type, number=seat.number, user=user
        )
        return seat

    def _no_free_seat(
        self, seat_type: SeatType, starts: datetime, ends: datetime
    ) -> CommandRefused:
        pool = self.pool(seat_type)
        alive = [
            seat
            for seat in pool.seats
            if seat.life and seat.life.starts <= starts and ends <= seat.life.ends
        ]
        holders = [
            held
            for seat in alive
            for held in intervals.in_way(seat.track.intervals, starts, ends)[:1]
        ]
        named = holders[:MOST_NAMED]
        return CommandRefused(
            "no_free_seat",
            f"No seat of {seat_type} in {self.account_key} is free from {iso(starts)} "
            f"on: {len(alive)} under contract, none unassigned all the time.",
            try_="buy one with --buy-if-needed, or unassign somebody first",
            blockers=tuple(EntryRef(self.key, held.opened) for held in named),
            holders=tuple(named),
        )

    def unassign(
        self, user: str, seat_type: SeatType, act: Act, *, called: str
    ) -> SeatRef:
        """End the user's open-ended holding of that type (R27).

        `called` is the user's key. Raises CommandRefused (``no_seat_held``).
        """
        held = next(
            (
                held
                for held in reversed(self.held_by(user, seat_type.hub))
                if held.ends is FOREVER
                and held.starts <= act.at
                and held.subject[0] == seat_type
            ),
            None,
        )
        if held is None:
            raise CommandRefused(
                "no_seat_held",
                f"{called} of {self.account_key} holds no seat of {seat_type} at "
                f"{iso(act.at)} that is still open-ended.",
                try_=f"look with 'seat-ledger user history {called} --account "
                f"{self.account_key}'; a holding that has ended is changed by a batch "
                "of reverse and the right unassignment",
            )
        ref = SeatRef(*held.subject)
        self.trigger(
            SeatUnassigned, act, seat_type=ref.seat_type, number=ref.number, user=user
        )
        return ref

    def check_reversal(self, root: LedgerEvent) -> None:
        """Refuse to touch a reduction that was cancelled or carried out, or a policy
        that an invoice used (R47).
        """
        if isinstance(root, BillingPolicyChanged):
            self.billing.check_reversal(self.account_key, root)
            return
        if isinstance(root, SeatReductionRequested):
            request = self._request(root.seat_type, root.originator_version)
            in_way = request.cancelled
        elif isinstance(root, SeatReductionCancelled):
            request = self._request(root.seat_type, root.request)
            again = root.originator_version in self.reversed
            in_way = self._against_cancelling(request) if again else None
        else:
            return
        if request.renewal <= len(self.renewals):
            in_way = self.renewals[request.renewal - 1]
        if in_way is not None:
            raise blocked(
                f"The reduction of {request.quantity} {root.seat_type} for renewal "
                f"{request.renewal} was cancelled or carried out meanwhile.",
                self,
                in_way,
            )

    def _against_cancelling(self, request: Request) -> Mark | None:
        """What forbids that a reversed cancellation holds again."""
        if request.mark.version in self.reversed:
            return Mark(request.mark.at, self.reversals[request.mark.version][-1])
        return request.cancelled

    def _request(self, seat_type: str, version: int) -> Request:
        for request in self.pool(seat_type).requests:
            if request.mark.version == version:
                return request
        reversed_ = self.reversed[version]
        assert isinstance(reversed_, SeatReductionRequested)
        mark = Mark(utc(reversed_.effective_at), version)
        return Request(mark, reversed_.quantity, reversed_.renewal)

    # -- letting entries hold, and not ------------------------------------------

    def _opened(self, event: AccountOpened) -> None:
        self.opening = event
        self.account_key, self.name = event.account_key, event.name
        self.opened_at = utc(event.effective_at)
        self.term: tuple[date, int, int] = (
            event.term_start,
            event.term_months,
            event.billing_cycle_months,
        )
        self.set_zones(ZoneHistory(event.time_zone))

    def set_zones(self, zones: ZoneHistory) -> None:
        """Take over the zones, and the bounds that follow from them."""
        self.zones = zones
        self.calendar = BillingCalendar(*self.term, zones)

    def _zone_changed(self, event: TimeZoneChanged) -> None:
        self.set_zones(self.zones.changed(utc(event.effective_at), event.time_zone))

    def _zone_unchanged(self, _: TimeZoneChanged) -> None:
        self.set_zones(ZoneHistory(self.zones.first, self.zones.changes[:-1]))

    def _policy(self, event: BillingPolicyChanged) -> None:
        self.billing.set_policy(event)

    def _no_policy(self, event: BillingPolicyChanged) -> None:
        self.billing.unset_policy(event)

    def _invoiced(self, event: InvoiceIssued) -> None:
        self.billing.issued(event)

    def _not_invoiced(self, event: InvoiceIssued) -> None:
        self.billing.not_issued(event)

    def _renewed(self, event: ContractRenewed) -> None:
        self.renewals.append(mark(event))

    def _not_renewed(self, _: ContractRenewed) -> None:
        self.renewals.pop()

    def _seat_of(self, event: SeatEvent) -> Seat:
        pool = self.pool(event.seat_type)
        while len(pool.seats) < event.number:
            ref = SeatRef(SeatType(event.seat_type), len(pool.seats) + 1)
            pool.seats.append(Seat(ref))
        return pool.seats[event.number - 1]

    def _life_changed(self, seat: Seat, at: datetime) -> None:
        self.pools[seat.ref.seat_type].refresh(seat)
        self.touched.seat(seat.ref, at)

    def _purchased(self, event: SeatPurchased) -> None:
        seat = self._seat_of(event)
        purchased = mark(event)
        seat.live(purchased, seat.retired)
        self._life_changed(seat, purchased.at)

    def _not_purchased(self, event: SeatPurchased) -> None:
        seat = self._seat_of(event)
        seat.live(None, seat.retired)
        self._life_changed(seat, utc(event.effective_at))

    def undo(self, event: LedgerEvent) -> None:
        """Make a pending event never have been: the seat's number is free again."""
        super().undo(event)
        if isinstance(event, SeatPurchased):
            self.pools[event.seat_type].seats.pop()

    def _retired(self, event: SeatRetired) -> None:
        seat = self._seat_of(event)
        retired = mark(event)
        seat.live(seat.purchased, tuple(sorted((*seat.retired, retired))))
        self._life_changed(seat, retired.at)

    def _not_retired(self, event: SeatRetired) -> None:
        seat = self._seat_of(event)
        retired = mark(event)
        left = tuple(held for held in seat.retired if held != retired)
        seat.live(seat.purchased, left)
        self._life_changed(seat, utc(event.effective_at))

    def _requested(self, event: SeatReductionRequested) -> None:
        request = Request(mark(event), event.quantity, event.renewal)
        self.pool(event.seat_type).requests.append(request)
        self.touched.pool(event.seat_type, request.mark.at)

    def _not_requested(self, event: SeatReductionRequested) -> None:
        pool = self.pool(event.seat_type)
        pool.requests.remove(self._request(event.seat_type, event.originator_version))

    def _cancelled(self, event: SeatReductionCancelled) -> None:
        self._request(event.seat_type, event.request).cancelled = mark(event)

    def _not_cancelled(self, event: SeatReductionCancelled) -> None:
        self._request(event.seat_type, event.request).cancelled = None
        self.touched.pool(event.seat_type, utc(event.effective_at))

    def _assigned(self, event: SeatAssigned) -> None:
        seat = self._seat_of(event)
        self._moved(seat, event, seat.track.opening(event.user, mark(event)))

    def _unassigned(self, event: SeatUnassigned) -> None:
        seat = self._seat_of(event)
        self._moved(seat, event, seat.track.closing(event.user, mark(event)))

    def _not_moved(self, event: HoldingEvent) -> None:
        seat = self._seat_of(event)
        self._moved(seat, event, seat.track.without(event.user, mark(event)))

    def _moved(
        self, seat: Seat, event: HoldingEvent, changed: intervals.Changed
    ) -> None:
        """Keep the user's list, the free seats and what was touched in step."""
        seat_type = seat.ref.seat_type
        hubs = self.held.setdefault(event.user, {})
        held = hubs.setdefault(hub_of(seat_type), [])
        gone, come = changed
        for old in gone:
            intervals.remove(held, old)
        for new in come:
            intervals.insert(held, new)
        self.pools[seat_type].refresh(seat)
        at = utc(event.effective_at)
        self.touched.seat(seat.ref, at)
        self.touched.user(event.user, hub_of(seat_type), at)

    HOLD: ClassVar[dict[str, Step]] = {
        "AccountOpened": _opened,
        "TimeZoneChanged": _zone_changed,
        "BillingPolicyChanged": _policy,
        "InvoiceIssued": _invoiced,
        "ContractRenewed": _renewed,
        "SeatPurchased": _purchased,
        "SeatRetired": _retired,
        "SeatReductionRequested": _requested,
        "SeatReductionCancelled": _cancelled,
        "SeatAssigned": _assigned,
        "SeatUnassigned": _unassigned,
    }
    LET_GO: ClassVar[dict[str, Step]] = {
        "TimeZoneChanged": _zone_unchanged,
        "BillingPolicyChanged": _no_policy,
        "InvoiceIssued": _not_invoiced,
        "ContractRenewed": _not_renewed,
        "SeatPurchased": _not_purchased,
        "SeatRetired": _not_retired,
        "SeatReductionRequested": _not_requested,
        "SeatReductionCancelled": _not_cancelled,
        "SeatAssigned": _not_moved,
        "SeatUnassigned": _not_moved,
    }

    # -- what (e) of R46 needs ----------------------------------------------------

    def settle(self) -> None:
        """What was touched is judged, or needs no judgement: begin anew."""
        if not self.touched.pools:
            return
        for seat_type, (_, last) in self.touched.pools.items():
            pool = self.pool(seat_type)
            if pool.last_change is None or pool.last_change < last:
                pool.last_change = last
        self.touched = Touched()

    def keeps_its_reductions(self, seat_type: str) -> bool:
        """Whether pending reductions still find enough unassigned seats (R20)."""
        pool = self.pool(seat_type)
        if not pool.requests or self.is_enough_at_last(seat_type):
            return True
        reductions = self.reductions(seat_type)
        found = timeline.reduction_violations(
            self.key, seat_type, reductions, pool.seats
        )
        return next(found, None) is None

    def is_enough_at_last(self, seat_type: str) -> bool | None:
        """Whether enough seats stay unassigned, where only the last instant changed.

        None when the change reaches further back and all must be looked at.
        """
        first, last = self.touched.pools[seat_type]
        pool = self.pool(seat_type)
        if first != last or (pool.last_change is not None and last <= pool.last_change):
            return None
        needed = sum(
            request.quantity
            for request in pool.requests
            if request.renewal > len(self.renewals) and request.pending_at(last)
        )
        return len(pool.free) >= needed

    def reductions(self, seat_type: str) -> list[timeline.Reduction]:
        """Every request that holds, with the time in which it binds (R46 e)."""
        return [self._binding(request) for request in self.pool(seat_type).requests]

    def _binding(self, request: Request) -> timeline.Reduction:
        number, mark = request.renewal, request.mark
        ends, renewal_at = FOREVER, None
        if request.cancelled is not None:
            ends = request.cancelled.at
        elif number <= len(self.renewals):
            ends = self.renewals[number - 1].at
        else:
            renewal_at = self.calendar.renewal(number).instant
        return timeline.Reduction(
            mark.at, ends, request.quantity, mark.version, renewal_at
        )


class Touched:
    """What a command changed, and from which instant on: what is to be judged."""

    def __init__(self) -> None:
        self.seats: dict[SeatRef, datetime] = {}
        self.users: dict[tuple[str, str], datetime] = {}
        self.pools: dict[str, tuple[datetime, datetime]] = {}

    def seat(self, ref: SeatRef, at: datetime) -> None:
        """A seat's life or holdings changed at an instant."""
        known = self.seats.get(ref)
        if known is None or at < known:
            self.seats[ref] = at
        self.pool(ref.seat_type, at)

    def user(self, user: str, hub: str, at: datetime) -> None:
        """A user's holdings in a hub changed at an instant."""
        known = self.users.get((user, hub))
        if known is None or at < known:
            self.users[user, hub] = at

    def pool(self, seat_type: str, at: datetime) -> None:
        """The number of unassigned or reserved seats changed at an instant."""
        first, last = self.pools.get(seat_type, (at, at))
        self.pools[seat_type] = (min(first, at), max(last, at))
