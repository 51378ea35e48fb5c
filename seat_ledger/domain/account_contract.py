"""How an account's contract changes and ends (R96, R97).

A part of :class:`~seat_ledger.domain.account.Account`, of which both are methods.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from seat_ledger.domain.account_state import AccountState
from seat_ledger.domain.aggregate import Act, blocked, nothing_to_do
from seat_ledger.domain.calendar import ContractTerms, add_months
from seat_ledger.domain.events import (
    AccountClosed,
    ContractChanged,
    LedgerEvent,
    SeatPurchased,
    SeatRetired,
    SeatUnassigned,
)
from seat_ledger.domain.intervals import Interval
from seat_ledger.domain.seats import Seat
from seat_ledger.domain.values import FOREVER, SeatRef, as_word, iso, utc
from seat_ledger.domain.wording import counted
from seat_ledger.errors import CommandRefused, EntryRef

MOST_NAMED = 5
"""How many holders a refusal names at most."""


class NewTerms(NamedTuple):
    """What a contract is to be from a renewal on; None: as before."""

    renewal: int
    term_months: int | None
    billing_cycle_months: int | None
    anchor: date | None


class AccountContract(AccountState):
    """The account's contract: what may happen to its terms, and to it as a whole."""

    # -- changing ---------------------------------------------------------------

    def change_contract(self, terms: NewTerms, act: Act) -> None:
        """Have other lengths, or another anchor, from a renewal on (R96).

        Raises CommandRefused: ``account_closed``, ``renewal_processed``,
        ``contract_change_order``, ``anchor_too_late``, ``nothing_to_do``.
        """
        renewal, *_ = terms
        self._check_changeable(renewal, act.at)
        before = self.calendar.terms_from(renewal)
        start = self.calendar.renewal(renewal)
        cycle = terms.billing_cycle_months or before.billing_cycle_months
        if terms.anchor and terms.anchor >= add_months(start.day, cycle):
            raise CommandRefused(
                "anchor_too_late",
                f"The anchor {terms.anchor} lies a billing cycle or more after renewal "
                f"{renewal} of {self.account_key} ({start.day}).",
                try_="give a date before the renewal's, on the same day of the month",
            )
        if _is_as_before(terms, before):
            raise nothing_to_do(
                f"The contract of {self.account_key} is so from renewal {renewal} on."
            )
        self.trigger(ContractChanged, act.moved(start.instant), **terms._asdict())

    def _check_changeable(self, renewal: int, at: datetime) -> None:
        if renewal <= len(self.renewals):
            raise CommandRefused(
                "renewal_processed",
                f"Renewal {renewal} of {self.account_key} is processed; the contract "
                "changes at a later one.",
                try_=f"name renewal {len(self.renewals) + 1}",
                blockers=(EntryRef(self.key, self.renewals[renewal - 1].version),),
            )
        if self.closed is not None:
            raise self.is_closed("Its contract", at)
        later = [change for change in self.contract_changes if change[0] > renewal]
        if later:
            raise CommandRefused(
                "contract_change_order",
                f"The contract of {self.account_key} already changes at renewal "
                f"{later[0][0]}; an earlier change cannot be added.",
                try_="reverse that change first",
                blockers=(EntryRef(self.key, later[0][1]),),
            )

    # -- ending -----------------------------------------------------------------

    def close(self, act: Act, *, end_holdings: bool) -> None:
        """End the account at an instant, and its holdings if that is asked (R97).

        Raises CommandRefused: ``account_closed``, ``before_term``, ``seat_held``,
        ``renewal_processed``, ``period_invoiced``, ``recorded_after_closing``.
        """
        self._check_closable(act.at)
        held = [
            seat.track.intervals[-1]
            for seat in self._seats()
            if seat.track.intervals and seat.track.intervals[-1].ends > act.at
        ]
        ended = [h for h in held if h.ends is FOREVER and h.starts <= act.at]
        if len(ended) < len(held) or (held and not end_holdings):
            raise self._still_held(held, ended, act.at)
        self.trigger(AccountClosed, act, holdings=len(ended))
        for holding in ended:
            ref = SeatRef(*holding.subject)
            facts = {"seat_type": ref.seat_type, "number": ref.number}
            self.trigger(SeatUnassigned, act, **facts, user=holding.user)
        for seat in self._seats():
            if seat.life is not None and seat.life.ends > act.at:
                self.retire_with_account(seat, act)

    def _check_closable(self, at: datetime) -> None:
        if self.closed is not None:
            raise self.is_closed("It", at)
        starts = self.calendar.renewal(0).instant
        if at <= starts:
            raise CommandRefused(
                "before_term",
                f"The term of {self.account_key} begins at {iso(starts)}; the account "
                f"cannot be closed at {iso(at)}.",
                try_="give an effective time in the term",
            )
        self.billing.check_not_invoiced(self.account_key, "The end of the account", at)
        if self.renewals and self.renewals[-1].at > at:
            raise CommandRefused(
                "renewal_processed",
                f"Renewal {len(self.renewals)} of {self.account_key} "
                f"({iso(self.renewals[-1].at)}) is processed; the account cannot end "
                f"before it, at {iso(at)}.",
                try_="close it from that renewal on",
                blockers=(EntryRef(self.key, self.renewals[-1].version),),
            )
        later = [s for s in self._seats() if s.life and s.life.starts > at]
        if later:
            raise CommandRefused(
                "recorded_after_closing",
                f"{later[0].ref} of {self.account_key} was bought after {iso(at)}.",
                try_="reverse the purchase first, or close the account later",
                blockers=tuple(
                    EntryRef(self.key, seat.purchased.version)
                    for seat in later[:MOST_NAMED]
                    if seat.purchased
                ),
            )

    def _still_held(
        self, held: list[Interval], ended: list[Interval], at: datetime
    ) -> CommandRefused:
        in_way = [holding for holding in held if holding not in ended] or held
        hint = "add --end-holdings, or unassign the seats first"
        if len(ended) < len(held):
            hint = "reverse what ends or begins these holdings after that instant"
        return CommandRefused(
            "seat_held",
            f"At {iso(at)} or after, {counted(len(held), 'seat is', 'seats are')} held "
            f"in {self.account_key}.",
            try_=hint,
            blockers=tuple(EntryRef(self.key, h.opened) for h in in_way[:MOST_NAMED]),
            holders=tuple(in_way[:MOST_NAMED]),
        )

    def retire_with_account(self, seat: Seat, act: Act) -> None:
        """Have a seat leave the contract where the account ends."""
        assert self.closed is not None
        seat_type, number = seat.ref
        ended = act.moved(self.closed.at)
        self.trigger(SeatRetired, ended, seat_type=seat_type, number=number)

    def end_with_account(self, act: Act) -> None:
        """Retire where the account ended what a reversal brought back (R97)."""
        if self.closed is None:
            return
        for seat in self._seats():
            if seat.life is not None and seat.life.ends > self.closed.at:
                self.retire_with_account(seat, act)

    def is_closed(self, what: str, at: datetime) -> CommandRefused:
        """The refusal of what would be effective at or after the account's end."""
        assert self.closed is not None
        return CommandRefused(
            "account_closed",
            f"{self.account_key} has been closed since {iso(self.closed.at)}. {what} "
            f"cannot be effective at {iso(at)}.",
            try_="give an earlier effective time, or reverse the closing: "
            f"seat-ledger event list --account {as_word(self.account_key)}",
            blockers=(EntryRef(self.key, self.closed.version),),
        )

    def ended_with(self, closing: AccountClosed) -> list[EntryRef]:
        """What ended with the account: holdings and seats, so as to hold again."""
        version = closing.originator_version
        versions = list(range(version + 1, version + 1 + closing.holdings))
        versions += [
            mark.version
            for seat in self._seats()
            for mark in seat.retired
            if self.closed and mark.at == self.closed.at and mark.version > version
        ]
        return [
            EntryRef(self.key, version) for version in versions if self.holds(version)
        ]

    def _seats(self) -> list[Seat]:
        return [seat for name in sorted(self.pools) for seat in self.pools[name].seats]

    # -- reversals --------------------------------------------------------------

    def check_contract_reversal(self, root: LedgerEvent) -> None:
        """Refuse to touch what the contract was built on since (R47, R97)."""
        if isinstance(root, ContractChanged):
            later = [c for c in self.contract_changes if c[0] > root.renewal]
            if root.renewal <= len(self.renewals):
                in_way = self.renewals[root.renewal - 1]
                message = f"Renewal {root.renewal} is processed."
                raise blocked(message, self, in_way)
            if later or self.closed:
                version = later[0][1] if later else self.closed.version  # type: ignore[union-attr]
                message = "The contract changed or ended later."
                raise CommandRefused(
                    "reversal_blocked", message,
                    try_="reverse the conflicting entry first",
                    blockers=(EntryRef(self.key, version),),
                )  # fmt: skip
        elif isinstance(root, AccountClosed):
            self._check_reopening(root)
        elif isinstance(root, SeatRetired) and self.closed is not None:
            raise blocked(
                f"The seat would run on after {self.account_key} ended.",
                self,
                self.closed,
            )
        elif (
            isinstance(root, SeatPurchased)
            and root.originator_version in self.reversed
            and self.closed is not None
            and utc(root.effective_at) > self.closed.at
        ):
            message = f"The seat would be bought after {self.account_key} ended."
            raise blocked(message, self, self.closed)

    def _check_reopening(self, closing: AccountClosed) -> None:
        if closing.originator_version in self.reversed:
            raise CommandRefused(
                "reversal_blocked",
                f"The closing of {self.account_key} retired seats that run on since.",
                try_="close the account again",
            )
        assert self.closed is not None
        at = self.closed.at
        register = self.billing.register
        later = [i.version for i in register.invoices if i.issued_at >= at]
        later += [mark.version for mark in register.voids.values() if mark.at >= at]
        later = [version for version in later if version > self.closed.version]
        if later:
            raise CommandRefused(
                "reversal_blocked",
                f"Invoices of {self.account_key} were issued or voided after it was "
                "closed.",
                try_="open another account",
                blockers=tuple(EntryRef(self.key, v) for v in later[:MOST_NAMED]),
            )


def _is_as_before(terms: NewTerms, before: ContractTerms) -> bool:
    """Whether from the renewal on everything would be as it is."""
    old = before.term_months, before.billing_cycle_months, before.anchor
    return all(new in {None, value} for new, value in zip(terms[1:], old, strict=True))
