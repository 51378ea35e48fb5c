"""What the entries of an account make together: its state, and how each changes it.

Every event of the account's stream has a step here that lets it hold, and one that
ends that. None of them decides: that is :mod:`seat_ledger.domain.account`.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import replace
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from seat_ledger.domain import intervals, validity
from seat_ledger.domain.aggregate import Aggregate, Steps, mark, no_step
from seat_ledger.domain.billing_policy import Billing
from seat_ledger.domain.calendar import BillingCalendar, ContractChange, ZoneHistory
from seat_ledger.domain.events import (
    AccountClosed,
    AccountOpened,
    BillingPolicyChanged,
    ContractChanged,
    ContractRenewed,
    FindingOpened,
    FindingSettled,
    HoldingEvent,
    InvoiceIssued,
    InvoiceVoided,
    LedgerEvent,
    PriceSet,
    SeatAssigned,
    SeatEvent,
    SeatPurchased,
    SeatReductionCancelled,
    SeatReductionRequested,
    SeatRetired,
    SeatUnassigned,
    TimeZoneChanged,
    UnassignmentCancelled,
    UnassignmentRequested,
)
from seat_ledger.domain.findings import FindingRegister
from seat_ledger.domain.intervals import Interval, Mark
from seat_ledger.domain.seats import (
    Request,
    Seat,
    SeatPool,
    TouchedSeats,
    UnassignmentRequest,
)
from seat_ledger.domain.values import FOREVER, SeatRef, SeatType, as_word, hub_of, utc
from seat_ledger.errors import NotFound


class AccountState(Aggregate):
    """An account as its entries have it: contract, seats, holders, reductions."""

    opening: AccountOpened
    account_key: str
    name: str
    opened_at: datetime

    def __init__(self, id_: UUID) -> None:
        super().__init__(id_)
        self.pools: dict[str, SeatPool] = {}
        self.held: dict[str, dict[str, list[Interval]]] = {}
        self.renewals: list[Mark] = []
        self.contract_changes: list[tuple[int, int, ContractChange]] = []
        self.closed: Mark | None = None
        self.unassignments: dict[int, UnassignmentRequest] = {}
        self.open_unassignments: dict[int, UnassignmentRequest] = {}
        self.billing = Billing(self.key)
        self.findings = FindingRegister()
        self.touched = TouchedSeats()
        self.snapshot_at = 0
        self.may_have_windows = False

    # -- what it knows --------------------------------------------------------

    def pool(self, seat_type: str) -> SeatPool:
        """The seats of a type; an empty pool where none was ever bought."""
        pool = self.pools.get(seat_type)
        if pool is None:
            pool = self.pools[seat_type] = SeatPool()
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

    def request(self, seat_type: str, version: int) -> Request:
        """A recorded request for a reduction, by its version; reversed ones too."""
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
        self.calendar = BillingCalendar(
            *self.term,
            zones,
            tuple(change for _, _, change in self.contract_changes),
            self.closed.at if self.closed else None,
        )

    def _calendar_changed(self) -> None:
        """Take over the contract's changes, and the bounds that follow from them."""
        self.set_zones(self.zones)

    def _contract_changed(self, event: ContractChanged) -> None:
        insort(self.contract_changes, _contract_change(event))
        self._calendar_changed()

    def _contract_not_changed(self, event: ContractChanged) -> None:
        self.contract_changes.remove(_contract_change(event))
        self._calendar_changed()

    def _closed(self, event: AccountClosed) -> None:
        self.closed = mark(event)
        self._calendar_changed()

    def _not_closed(self, event: AccountClosed) -> None:
        self.closed = None
        self._calendar_changed()
        for seat_type in self.pools:
            self.touched.pool(seat_type, utc(event.effective_at))

    def _zone_changed(self, event: TimeZoneChanged) -> None:
        self.set_zones(self.zones.changed(utc(event.effective_at), event.time_zone))

    def _zone_unchanged(self, _: TimeZoneChanged) -> None:
        self.set_zones(ZoneHistory(self.zones.first, self.zones.changes[:-1]))

    def _policy(self, event: BillingPolicyChanged) -> None:
        self.billing.set_policy(event)

    def _no_policy(self, event: BillingPolicyChanged) -> None:
        self.billing.unset_policy(event)

    def _finding_opened(self, event: FindingOpened) -> None:
        self.findings.opened(event)

    def _finding_not_opened(self, event: FindingOpened) -> None:
        self.findings.not_opened(event)

    def _finding_settled(self, event: FindingSettled) -> None:
        self.findings.settled(event)

    def _finding_not_settled(self, event: FindingSettled) -> None:
        self.findings.not_settled(event)

    def _priced(self, event: PriceSet) -> None:
        self.billing.set_price(event)

    def _not_priced(self, event: PriceSet) -> None:
        self.billing.unset_price(event)

    def _invoiced(self, event: InvoiceIssued) -> None:
        self.billing.register.issued(event)

    def _not_invoiced(self, event: InvoiceIssued) -> None:
        self.billing.register.not_issued(event)

    def _voided(self, event: InvoiceVoided) -> None:
        self.billing.register.voided(event)

    def _not_voided(self, event: InvoiceVoided) -> None:
        self.billing.register.not_voided(event)

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
        """Undo a pending event: the seat's number is free again, the request open."""
        super().undo(event)
        if isinstance(event, SeatPurchased):
            self.pools[event.seat_type].seats.pop()
        elif isinstance(event, SeatUnassigned) and event.request is not None:
            self.keep_request(event.request, carried_out=None)

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
        pool.requests.remove(self.request(event.seat_type, event.originator_version))

    def _cancelled(self, event: SeatReductionCancelled) -> None:
        self.request(event.seat_type, event.request).cancelled = mark(event)

    def _not_cancelled(self, event: SeatReductionCancelled) -> None:
        self.request(event.seat_type, event.request).cancelled = None
        self.touched.pool(event.seat_type, utc(event.effective_at))

    def _assigned(self, event: SeatAssigned) -> None:
        seat, assigned = self._seat_of(event), mark(event)
        changed = seat.track.opening(event.user, assigned)
        self._moved(seat, event, assigned.at, changed)

    def _unassigned(self, event: SeatUnassigned) -> None:
        seat, unassigned = self._seat_of(event), mark(event)
        changed = seat.track.closing(event.user, unassigned)
        self._moved(seat, event, unassigned.at, changed)
        if event.request is not None:
            self.keep_request(event.request, carried_out=unassigned)

    def _not_moved(self, event: HoldingEvent) -> None:
        seat, moved = self._seat_of(event), mark(event)
        self._moved(seat, event, moved.at, seat.track.without(event.user, moved))

    def _moved(
        self,
        seat: Seat,
        event: HoldingEvent,
        at: datetime,
        changed: intervals.Changed,
    ) -> None:
        """Keep the user's list, the free seats and what was touched in step."""
        seat_type = seat.ref.seat_type
        hub = hub_of(seat_type)
        hubs = self.held.setdefault(event.user, {})
        held = hubs.setdefault(hub, [])
        removed, added = changed
        for old in removed:
            intervals.remove(held, old)
        for new in added:
            intervals.insert(held, new)
        self.pools[seat_type].refresh(seat)
        self.touched.seat(seat.ref, at)
        self.touched.user(event.user, hub, at)
        if event.effective_after is not None:
            self.may_have_windows = True

    def _unassignment_requested(self, event: UnassignmentRequested) -> None:
        seat = SeatRef(SeatType(event.seat_type), event.number)
        self.keep_request(
            event.originator_version,
            UnassignmentRequest(
                mark(event), seat, event.user, event.period, event.reason
            ),
        )

    def _unassignment_not_requested(self, event: UnassignmentRequested) -> None:
        del self.unassignments[event.originator_version]
        self.open_unassignments.pop(event.originator_version, None)

    def _unassignment_cancelled(self, event: UnassignmentCancelled) -> None:
        self.keep_request(event.request, cancelled=mark(event))

    def _unassignment_not_cancelled(self, event: UnassignmentCancelled) -> None:
        self.keep_request(event.request, cancelled=None)

    def keep_request(
        self,
        version: int,
        request: UnassignmentRequest | None = None,
        **changed: Any,
    ) -> None:
        """Keep a requested unassignment, or what changed of it (R98)."""
        request = replace(request or self.unassignments[version], **changed)
        self.unassignments[version] = request
        if request.is_open:
            self.open_unassignments[version] = request
        else:
            self.open_unassignments.pop(version, None)

    STEPS: ClassVar[dict[type[LedgerEvent], Steps]] = {
        AccountOpened: (_opened, no_step),
        TimeZoneChanged: (_zone_changed, _zone_unchanged),
        BillingPolicyChanged: (_policy, _no_policy),
        PriceSet: (_priced, _not_priced),
        FindingOpened: (_finding_opened, _finding_not_opened),
        FindingSettled: (_finding_settled, _finding_not_settled),
        InvoiceIssued: (_invoiced, _not_invoiced),
        InvoiceVoided: (_voided, _not_voided),
        ContractRenewed: (_renewed, _not_renewed),
        ContractChanged: (_contract_changed, _contract_not_changed),
        AccountClosed: (_closed, _not_closed),
        SeatPurchased: (_purchased, _not_purchased),
        SeatRetired: (_retired, _not_retired),
        SeatReductionRequested: (_requested, _not_requested),
        SeatReductionCancelled: (_cancelled, _not_cancelled),
        SeatAssigned: (_assigned, _not_moved),
        SeatUnassigned: (_unassigned, _not_moved),
        UnassignmentRequested: (_unassignment_requested, _unassignment_not_requested),
        UnassignmentCancelled: (_unassignment_cancelled, _unassignment_not_cancelled),
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
        self.touched = TouchedSeats()

    def keeps_its_reductions(self, seat_type: str) -> bool:
        """Whether pending reductions still find enough unassigned seats (R20)."""
        pool = self.pool(seat_type)
        if not pool.requests or self.is_enough_at_last(seat_type):
            return True
        reductions = self.reductions(seat_type)
        violations = validity.reduction_violations(
            self.key, seat_type, reductions, pool.seats
        )
        return next(violations, None) is None

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

    def reductions(self, seat_type: str) -> list[validity.Reduction]:
        """Every request that holds, with the time in which it binds (R46 e)."""
        return [self._binding(request) for request in self.pool(seat_type).requests]

    def _binding(self, request: Request) -> validity.Reduction:
        number, mark = request.renewal, request.mark
        ends, renewal_at = FOREVER, None
        if request.cancelled is not None:
            ends = request.cancelled.at
        elif number <= len(self.renewals):
            ends = self.renewals[number - 1].at
        elif self.closed is not None:  # no renewal follows (R97)
            ends = max(mark.at, self.closed.at)
        else:
            renewal_at = self.calendar.renewal(number).instant
        return validity.Reduction(
            mark.at, ends, request.quantity, mark.version, renewal_at
        )


def _contract_change(event: ContractChanged) -> tuple[int, int, ContractChange]:
    """A change at its place: by renewal, and by version."""
    change = ContractChange(
        event.renewal, event.term_months, event.billing_cycle_months, event.anchor
    )
    return event.renewal, event.originator_version, change
