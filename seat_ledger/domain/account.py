"""The account: what may happen to its contract and its seats.

The aggregate decides from what it knows and never fetches; what it knows is
:mod:`.account_state`. Whether the timeline with a decision is valid (R46) is judged
afterwards, over account and users together, by :mod:`seat_ledger.commands.validation`;
what is refused here is what cannot even be written down: no free seat, nothing held,
nothing pending.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from seat_ledger.domain import intervals, validity
from seat_ledger.domain.account_contract import MOST_NAMED, AccountContract
from seat_ledger.domain.account_unassignments import AccountUnassignments
from seat_ledger.domain.aggregate import Act, blocked, nothing_to_do
from seat_ledger.domain.calendar import BillingCalendar, BillingPeriod
from seat_ledger.domain.events import (
    AccountOpened,
    BillingPolicyChanged,
    ContractRenewed,
    FindingNoted,
    FindingOpened,
    FindingSettled,
    HoldingEvent,
    InvoiceIssued,
    InvoiceVoided,
    LedgerEvent,
    PriceSet,
    SeatAssigned,
    SeatPurchased,
    SeatReductionCancelled,
    SeatReductionRequested,
    SeatRetired,
    SeatUnassigned,
    SnapshotObserved,
    TimeZoneChanged,
)
from seat_ledger.domain.intervals import Mark
from seat_ledger.domain.invoice_draft import InvoiceDraft, InvoiceRequest
from seat_ledger.domain.price_book import ListPrice, check_new_price
from seat_ledger.domain.seats import Request, Seat
from seat_ledger.domain.values import (
    FOREVER,
    MAX_EVENTS_PER_COMMAND,
    BillingPolicy,
    SeatRef,
    SeatType,
    as_word,
    iso,
)
from seat_ledger.domain.wording import counted
from seat_ledger.errors import CommandRefused, EntryRef


class Account(AccountContract, AccountUnassignments):
    """A customer's account. Opened once; everything else is one method a verb."""

    _renewal_ahead: tuple[BillingCalendar | None, int, datetime] = (None, 0, FOREVER)

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
                try_="set the zone from that instant or later",
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

    def set_price(
        self, seat_type: SeatType, unit_price: str, currency: str, act: Act
    ) -> None:
        """Say what a seat of a type costs from now on in this account (R90).

        Raises CommandRefused (``nothing_to_do``).
        """
        check_new_price(
            self.billing.prices,
            ListPrice(act.at, 0, seat_type, currency, unit_price),
            self.account_key,
        )
        self.trigger(
            PriceSet,
            act,
            seat_type=seat_type,
            unit_price=unit_price,
            currency=currency,
        )

    def period_to_invoice(
        self, label: str, *, at: datetime, now: datetime
    ) -> BillingPeriod:
        """The period of a label, if it can be invoiced (R64).

        Raises InvalidInput, NotFound (``unknown_period``), CommandRefused
        (``period_already_invoiced``, ``period_not_ended``).
        """
        period = self.calendar.period_of(self.account_key, label)
        self.billing.check_period(self.account_key, period, at=at, now=now)
        return period

    def issue_invoice(
        self,
        request: InvoiceRequest,
        period: BillingPeriod | None,
        draft: InvoiceDraft,
        act: Act,
    ) -> None:
        """Record an invoice as it was computed (R60); without a period one of
        corrections alone (R100).

        Raises CommandRefused: ``price_missing``, ``invoice_currency``,
        ``nothing_to_correct``.
        """
        facts = self.billing.facts(request, period, draft)
        self.trigger(InvoiceIssued, act, **facts)

    def void_invoice(self, number: str, act: Act) -> None:
        """Have an invoice credited whole by the next one (R94).

        Raises NotFound (``invoice_not_found``), CommandRefused (``invoice_voided``,
        ``invoice_not_issued``).
        """
        invoice = self.billing.register.check_void(self.account_key, number, act.at)
        self.trigger(InvoiceVoided, act, invoice=number, issued=invoice.version)

    def is_renewal_due(self, instant: datetime) -> bool:
        """Whether the next renewal lies at or before an instant, or an unassignment
        that was requested for a period's end (R98).
        """
        return self._next_renewal() <= instant or self.is_unassignment_due(instant)

    def _next_renewal(self) -> datetime:
        number = len(self.renewals) + 1
        calendar, following, instant = self._renewal_ahead
        if calendar is not self.calendar or following != number:
            instant = self.calendar.renewal(number).instant
            self._renewal_ahead = self.calendar, number, instant
        return instant

    def renew_until(
        self, instant: datetime, act: Act, *, before: int | None = None
    ) -> None:
        """Process each renewal that is due at an instant, in order (R21, R37); and what
        is to be unassigned by then (R98), at one instant before the renewal.

        None from the renewal `before` on: the contract is to change at it (R96).
        """
        while True:
            due, number = self._next_renewal(), len(self.renewals) + 1
            self.unassign_due(min(due, instant), act)
            if due > instant or number == before:
                return
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
            count = sum(
                request.quantity
                for request in pool.requests
                if request.renewal == renewal and request.cancelled is None
            )
            candidates = [
                seat
                for seat in (reversed(pool.seats) if count else ())
                if validity.can_retire(seat, instant)
            ]
            yield from candidates[:count]

    # -- seats ----------------------------------------------------------------

    def buy(self, seat_type: SeatType, quantity: int, act: Act) -> None:
        """Put more seats under contract (R14). Raises ``before_term`` (R39)."""
        term_start = self.calendar.renewal(0)
        if act.at < term_start.instant:
            raise CommandRefused(
                "before_term",
                f"Seats of {self.account_key} can be bought from the start of the "
                f"term, {term_start.day} ({iso(term_start.instant)}), not at "
                f"{iso(act.at)}.",
                try_="give an effective time within the term",
            )
        bought = len(self.pool(seat_type).seats)
        for number in range(bought + 1, bought + quantity + 1):
            self.trigger(
                SeatPurchased, act, seat_type=seat_type, number=number, **_window(act)
            )
            if self.closed is not None:  # it ends with the account (R97)
                self.retire_with_account(self.pool(seat_type).seats[-1], act)

    def reduce(self, seat_type: SeatType, quantity: int, act: Act) -> None:
        """Ask for fewer seats from the next renewal on (R16, R17, R37)."""
        renewal = self.calendar.renewal_after(act.at)
        self._check_unprocessed(renewal, "A reduction", act.at)
        self._check_retired_at_once(renewal, quantity)
        self.trigger(
            SeatReductionRequested,
            act,
            seat_type=seat_type,
            quantity=quantity,
            renewal=renewal,
        )

    def _check_retired_at_once(self, renewal: int, quantity: int) -> None:
        """Refuse a reduction where one renewal would retire too many seats."""
        pending = sum(
            request.quantity
            for pool in self.pools.values()
            for request in pool.requests
            if request.renewal == renewal and request.cancelled is None
        )
        if pending + quantity > MAX_EVENTS_PER_COMMAND:
            raise CommandRefused(
                "too_many_events",
                f"Renewal {renewal} of {self.account_key} would retire "
                f"{counted(pending + quantity, 'seat')}; at most "
                f"{MAX_EVENTS_PER_COMMAND:,} are retired at once.",
                try_="reduce the others at a later renewal",
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
                f"The reduction of {seat_type} was already cancelled at "
                f"{iso(latest.cancelled.at)}; an earlier cancellation cannot be added.",
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
                f"{self.account_key}, which has already been processed.",
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
            free = self.pool(seat_type).first_free(act.at, until)
            if free is None:
                raise self._no_free_seat(seat_type, act.at, until)
            seat = free.ref
        else:
            self.seat(seat)
        self._move(SeatAssigned, seat, user, act)
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
            f"on: {len(alive)} under contract, none of them unassigned throughout.",
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
        held = self.open_holding(user, seat_type, act.at, called=called)
        ref = SeatRef(*held.subject)
        self._move(SeatUnassigned, ref, user, act)
        return ref

    def release(self, user: str, seat: SeatRef, act: Act) -> None:
        """End the user's holding of a seat, which is known to have begun.

        Which one that is follows from the instants: holdings of one seat by one user
        pair by count.
        """
        self._move(SeatUnassigned, seat, user, act)

    def _move(
        self, event_class: type[HoldingEvent], seat: SeatRef, user: str, act: Act
    ) -> None:
        facts = {"seat_type": seat.seat_type, "number": seat.number, "user": user}
        if act.after is not None:
            facts["effective_after"] = act.after
        self.record(event_class, act, facts)

    def observe(self, act: Act, **facts: Any) -> None:
        """Record that a source listed who holds what (R86)."""
        self.trigger(SnapshotObserved, act, **facts)

    # -- findings of audits (R93) -------------------------------------------------

    def open_finding(self, act: Act, **facts: Any) -> None:
        """Keep a finding; nothing where the same one is kept."""
        line = facts["invoice"], facts["period"], facts["product"], facts["nth"]
        if not self.findings.is_registered(line, facts["difference"]):
            number = len(self.findings.findings) + 1
            self.trigger(FindingOpened, act, finding=number, **facts)

    def note_finding(self, act: Act, *, finding: int, **facts: Any) -> None:
        """Note something about an open finding. Raises ``finding_settled``."""
        self.findings.check_open(self.account_key, finding)
        self.trigger(FindingNoted, act, finding=finding, **facts)

    def settle_finding(self, act: Act, *, finding: int, **facts: Any) -> None:
        """Be done with an open finding. Raises ``finding_settled``."""
        self.findings.check_open(self.account_key, finding)
        self.trigger(FindingSettled, act, finding=finding, **facts)

    def check_reversal(self, root: LedgerEvent) -> None:
        """Refuse to touch a reduction that was cancelled or carried out, or a policy
        or price that an invoice used (R47, R90).
        """
        self.check_contract_reversal(root)
        self.check_unassignment_reversal(root)
        if isinstance(root, BillingPolicyChanged):
            self.billing.check_reversal(self.account_key, root)
            return
        if isinstance(root, PriceSet):
            self.billing.check_price_reversal(self.account_key, root)
            return
        if isinstance(root, SeatReductionRequested):
            request = self.request(root.seat_type, root.originator_version)
            in_way = request.cancelled
        elif isinstance(root, SeatReductionCancelled):
            request = self.request(root.seat_type, root.request)
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


def _window(act: Act) -> dict[str, datetime]:
    """The field of an event that was derived from a list (R85)."""
    return {} if act.after is None else {"effective_after": act.after}
