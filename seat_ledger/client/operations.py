"""The operations of the ledger, as methods.

Written by `scripts/reference` from what the commands declare.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from seat_ledger.client.documents import Moment, Recording
from seat_ledger.client.threads import InThreads, in_thread


class Operations(ABC):
    """Every operation of a command file (CLI 4), by its word.

    All of them take `effective_at`, when it took effect for the customer (by default
    now); `reason`, why; `actor`, who does this: ``user:KEY`` or ``system:NAME``;
    `idempotency_key`: a repeated command with the same key is recorded only once (R73);
    `correlation_id`, what ties it to something elsewhere; and `dry_run`, which decides
    and records nothing.
    """

    @abstractmethod
    def _record(
        self, op: str, account: str | None, dry_run: bool, fields: dict[str, Any]
    ) -> Recording:
        """Record a command, or try it."""

    def open_account(
        self,
        account: str,
        *,
        name: str,
        time_zone: str,
        term_start: date | str,
        term_months: int,
        billing_cycle_months: int,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Open the account under the envelope's key (R39)."""
        return self._record(
            "open_account",
            account,
            dry_run,
            {
                "name": name,
                "time_zone": time_zone,
                "term_start": term_start,
                "term_months": term_months,
                "billing_cycle_months": billing_cycle_months,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def set_time_zone(
        self,
        account: str,
        *,
        time_zone: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Move later bounds to another zone (R09)."""
        return self._record(
            "set_time_zone",
            account,
            dry_run,
            {
                "time_zone": time_zone,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def set_billing_policy(
        self,
        account: str,
        *,
        mode: Literal[
            "contracted",
            "peak",
            "snapshot_end",
            "start_plus_rises",
            "time_weighted",
            "day_peak",
            "day_touch",
            "distinct",
        ],
        granularity: Literal["day", "second"] | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Count the periods that begin from now on by another rule (R50).

        Without a granularity the first of the mode's is meant, where it has any.
        """
        return self._record(
            "set_billing_policy",
            account,
            dry_run,
            {
                "mode": mode,
                "granularity": granularity,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def renew(
        self,
        account: str,
        *,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Process every renewal that is due (R37)."""
        return self._record(
            "renew",
            account,
            dry_run,
            {
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def add_user(
        self,
        account: str,
        *,
        user: str,
        name: str,
        email: str | None = None,
        kind: Literal["person", "service"] = "person",
        super_admin: bool = False,
        account_access: bool = False,
        seats: Sequence[str] = (),
        buy_if_needed: bool = False,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Add a user, with seats if asked (S6, S7)."""
        return self._record(
            "add_user",
            account,
            dry_run,
            {
                "user": user,
                "name": name,
                "email": email,
                "kind": kind,
                "super_admin": super_admin,
                "account_access": account_access,
                "seats": seats,
                "buy_if_needed": buy_if_needed,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def set_permissions(
        self,
        account: str,
        *,
        user: str,
        super_admin: bool | None = None,
        account_access: bool | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Change what a user may do; what is absent stays."""
        return self._record(
            "set_permissions",
            account,
            dry_run,
            {
                "user": user,
                "super_admin": super_admin,
                "account_access": account_access,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def grant_hub_access(
        self,
        account: str,
        *,
        user: str,
        hub: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Give a user access to a hub."""
        return self._record(
            "grant_hub_access",
            account,
            dry_run,
            {
                "user": user,
                "hub": hub,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def revoke_hub_access(
        self,
        account: str,
        *,
        user: str,
        hub: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Take away a user's access to a hub."""
        return self._record(
            "revoke_hub_access",
            account,
            dry_run,
            {
                "user": user,
                "hub": hub,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def remove_user(
        self,
        account: str,
        *,
        user: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Take a user out of the account (S10)."""
        return self._record(
            "remove_user",
            account,
            dry_run,
            {
                "user": user,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def rename_user(
        self,
        account: str,
        *,
        user: str,
        new_user: str | None = None,
        email: str | None = None,
        name: str | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Give a user another key, e-mail or name; the person stays (R95)."""
        return self._record(
            "rename_user",
            account,
            dry_run,
            {
                "user": user,
                "new_user": new_user,
                "email": email,
                "name": name,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def buy_seats(
        self,
        account: str,
        *,
        seat_type: str,
        quantity: int,
        effective_after: Moment | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Put more seats under contract."""
        return self._record(
            "buy_seats",
            account,
            dry_run,
            {
                "seat_type": seat_type,
                "quantity": quantity,
                "effective_after": effective_after,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def reduce_seats(
        self,
        account: str,
        *,
        seat_type: str,
        quantity: int,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Ask for fewer seats from the next renewal on (S11)."""
        return self._record(
            "reduce_seats",
            account,
            dry_run,
            {
                "seat_type": seat_type,
                "quantity": quantity,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def cancel_reduction(
        self,
        account: str,
        *,
        seat_type: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Take back the latest pending reduction (R18)."""
        return self._record(
            "cancel_reduction",
            account,
            dry_run,
            {
                "seat_type": seat_type,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def assign_seat(
        self,
        account: str,
        *,
        user: str,
        seat_type: str,
        seat: str | None = None,
        buy_if_needed: bool = False,
        add_if_needed: Mapping[str, str] | None = None,
        effective_after: Moment | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Give a user a seat (S3), bought first if asked (S5, S8).

        With `add_if_needed` somebody who is not a user at that time is added under
        the key.
        """
        return self._record(
            "assign_seat",
            account,
            dry_run,
            {
                "user": user,
                "seat_type": seat_type,
                "seat": seat,
                "buy_if_needed": buy_if_needed,
                "add_if_needed": add_if_needed,
                "effective_after": effective_after,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def unassign_seat(
        self,
        account: str,
        *,
        user: str,
        seat_type: str,
        at_period_end: bool = False,
        effective_after: Moment | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Take a seat from a user; it stays purchased (S11).

        With `at_period_end` the user holds it until the billing period ends (R98).
        """
        return self._record(
            "unassign_seat",
            account,
            dry_run,
            {
                "user": user,
                "seat_type": seat_type,
                "at_period_end": at_period_end,
                "effective_after": effective_after,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def cancel_unassignment(
        self,
        account: str,
        *,
        user: str,
        seat_type: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Take back the unassignment that is pending for a period's end (R98)."""
        return self._record(
            "cancel_unassignment",
            account,
            dry_run,
            {
                "user": user,
                "seat_type": seat_type,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def observe_snapshot(
        self,
        account: str,
        *,
        source: str,
        covers: Sequence[str],
        digest: str,
        rows: int,
        holders: int,
        totals: Mapping[str, int],
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Record that a source listed who holds what, at the effective time (R86)."""
        return self._record(
            "observe_snapshot",
            account,
            dry_run,
            {
                "source": source,
                "covers": covers,
                "digest": digest,
                "rows": rows,
                "holders": holders,
                "totals": totals,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def reverse(
        self,
        account: str,
        *,
        entry: int | None = None,
        entry_key: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Reverse an entry, or all that a command recorded (R40)."""
        return self._record(
            "reverse",
            account,
            dry_run,
            {
                "entry": entry,
                "entry_key": entry_key,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def issue_invoice(
        self,
        account: str,
        *,
        invoice: str,
        period: str | None = None,
        corrections_only: bool = False,
        unit_prices: Mapping[str, str | Decimal] | None = None,
        currency: str | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Invoice a period that has ended, once (R60, R64); or corrections alone (R100)."""
        return self._record(
            "issue_invoice",
            account,
            dry_run,
            {
                "invoice": invoice,
                "period": period,
                "corrections_only": corrections_only,
                "unit_prices": unit_prices,
                "currency": currency,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def add_seat_type(
        self,
        *,
        seat_type: str,
        exclusive: bool | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Add a seat type to the catalogue, or offer it again (R80, R81)."""
        return self._record(
            "add_seat_type",
            None,
            dry_run,
            {
                "seat_type": seat_type,
                "exclusive": exclusive,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def withdraw_seat_type(
        self,
        *,
        seat_type: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Stop the sale of a seat type (R80)."""
        return self._record(
            "withdraw_seat_type",
            None,
            dry_run,
            {
                "seat_type": seat_type,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def set_price(
        self,
        account: str | None = None,
        *,
        seat_type: str,
        unit_price: str | Decimal,
        currency: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Say what a seat of a type costs from now on, in the account or in all (R90)."""
        return self._record(
            "set_price",
            account,
            dry_run,
            {
                "seat_type": seat_type,
                "unit_price": unit_price,
                "currency": currency,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def open_finding(
        self,
        account: str,
        *,
        invoice: str,
        period: str,
        product: str,
        verdict: Literal["over", "under", "missing", "unexpected"],
        cause: Literal["wrong_at_issue", "corrected_later", "not_known_at_issue"],
        invoiced_quantity: str,
        ledger_quantity: str,
        known_at: int,
        nth: int = 1,
        difference: str | None = None,
        currency: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Keep a finding of an audit, unless it is kept already (R93)."""
        return self._record(
            "open_finding",
            account,
            dry_run,
            {
                "invoice": invoice,
                "period": period,
                "product": product,
                "verdict": verdict,
                "cause": cause,
                "invoiced_quantity": invoiced_quantity,
                "ledger_quantity": ledger_quantity,
                "known_at": known_at,
                "nth": nth,
                "difference": difference,
                "currency": currency,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def note_finding(
        self,
        account: str,
        *,
        finding: int,
        note: str,
        disputed: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Note something about a finding that is open (R93)."""
        return self._record(
            "note_finding",
            account,
            dry_run,
            {
                "finding": finding,
                "note": note,
                "disputed": disputed,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def settle_finding(
        self,
        account: str,
        *,
        finding: int,
        credited_by: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Be done with a finding: credited by an invoice, or for a reason (R93)."""
        return self._record(
            "settle_finding",
            account,
            dry_run,
            {
                "finding": finding,
                "credited_by": credited_by,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def change_contract(
        self,
        account: str,
        *,
        renewal: int,
        term_months: int | None = None,
        billing_cycle_months: int | None = None,
        anchor: date | str | None = None,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Have other lengths, or another anchor, from a renewal on (R96)."""
        return self._record(
            "change_contract",
            account,
            dry_run,
            {
                "renewal": renewal,
                "term_months": term_months,
                "billing_cycle_months": billing_cycle_months,
                "anchor": anchor,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def close_account(
        self,
        account: str,
        *,
        end_holdings: bool = False,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """End the account, its holdings with it if asked (R97)."""
        return self._record(
            "close_account",
            account,
            dry_run,
            {
                "end_holdings": end_holdings,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def void_invoice(
        self,
        account: str,
        *,
        invoice: str,
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Have an issued invoice credited whole by the next one (R94)."""
        return self._record(
            "void_invoice",
            account,
            dry_run,
            {
                "invoice": invoice,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )

    def batch(
        self,
        account: str,
        *,
        commands: Sequence[Mapping[str, Any]],
        effective_at: Moment | None = None,
        reason: str | None = None,
        actor: str | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        dry_run: bool = False,
    ) -> Recording:
        """Several operations as one step: all of them or none (S9, R28, R29)."""
        return self._record(
            "batch",
            account,
            dry_run,
            {
                "commands": commands,
                "effective_at": effective_at,
                "reason": reason,
                "actor": actor,
                "idempotency_key": idempotency_key,
                "correlation_id": correlation_id,
            },
        )


class AsyncOperations(InThreads):
    """The methods of :class:`Operations`, to be awaited."""

    open_account = in_thread(Operations.open_account)
    set_time_zone = in_thread(Operations.set_time_zone)
    set_billing_policy = in_thread(Operations.set_billing_policy)
    renew = in_thread(Operations.renew)
    add_user = in_thread(Operations.add_user)
    set_permissions = in_thread(Operations.set_permissions)
    grant_hub_access = in_thread(Operations.grant_hub_access)
    revoke_hub_access = in_thread(Operations.revoke_hub_access)
    remove_user = in_thread(Operations.remove_user)
    rename_user = in_thread(Operations.rename_user)
    buy_seats = in_thread(Operations.buy_seats)
    reduce_seats = in_thread(Operations.reduce_seats)
    cancel_reduction = in_thread(Operations.cancel_reduction)
    assign_seat = in_thread(Operations.assign_seat)
    unassign_seat = in_thread(Operations.unassign_seat)
    cancel_unassignment = in_thread(Operations.cancel_unassignment)
    observe_snapshot = in_thread(Operations.observe_snapshot)
    reverse = in_thread(Operations.reverse)
    issue_invoice = in_thread(Operations.issue_invoice)
    add_seat_type = in_thread(Operations.add_seat_type)
    withdraw_seat_type = in_thread(Operations.withdraw_seat_type)
    set_price = in_thread(Operations.set_price)
    open_finding = in_thread(Operations.open_finding)
    note_finding = in_thread(Operations.note_finding)
    settle_finding = in_thread(Operations.settle_finding)
    change_contract = in_thread(Operations.change_contract)
    close_account = in_thread(Operations.close_account)
    void_invoice = in_thread(Operations.void_invoice)
    batch = in_thread(Operations.batch)
