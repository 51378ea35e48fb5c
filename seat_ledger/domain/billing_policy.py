"""An account's billing: the policies that hold, and the periods that were invoiced.

A part of the account, which decides with it: by which rule a period is counted
(R50), and that nothing an invoice was built on changes afterwards (R09, R47, R64).
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from typing import Any

from seat_ledger.domain.aggregate import mark, nothing_to_do
from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.domain.events import BillingPolicyChanged, PriceSet
from seat_ledger.domain.intervals import Mark
from seat_ledger.domain.invoice_draft import Figure, InvoiceDraft, InvoiceRequest
from seat_ledger.domain.invoice_register import (
    Invoiced,
    InvoicedPeriod,
    InvoiceRegister,
)
from seat_ledger.domain.money import places_of, rounded
from seat_ledger.domain.price_book import PriceList, list_price
from seat_ledger.domain.values import DEFAULT_POLICY, BillingPolicy, fields_of, iso, utc
from seat_ledger.domain.wording import enumerated
from seat_ledger.errors import CommandRefused, EntryRef, IntegrityFailure


class Billing:
    """The policies of one account in the order of application, and its invoices."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.policies: list[tuple[Mark, BillingPolicy]] = []
        self.prices = PriceList()
        self.register = InvoiceRegister(stream)

    # -- what holds -----------------------------------------------------------

    def policy_at(self, instant: datetime) -> BillingPolicy:
        """The policy in force at an instant (R50, R70)."""
        entry = self._in_force(instant)
        return entry[1] if entry is not None else DEFAULT_POLICY

    def _in_force(self, instant: datetime) -> tuple[Mark, BillingPolicy] | None:
        before = [entry for entry in self.policies if entry[0].at <= instant]
        return before[-1] if before else None

    # -- what may happen --------------------------------------------------------

    def check_policy(self, key: str, policy: BillingPolicy, at: datetime) -> None:
        """Refuse a policy that is in force already, or comes too late (R27, R50)."""
        self.check_not_invoiced(key, "The billing policy", at)
        if self.policy_at(at) == policy:
            raise nothing_to_do(
                f"The billing policy of {key} is already {policy} at {iso(at)}."
            )

    def check_not_invoiced(self, key: str, what: str, at: datetime) -> None:
        """Refuse a change before the end of an invoiced period (R09, R50)."""
        latest = self.register.latest
        if latest is not None and at < latest[1].ends:
            raise self._period_invoiced(
                f"{what} of {key} cannot change at {iso(at)}: {_is_invoiced(*latest)}.",
                f"give an effective time of {iso(latest[1].ends)} or later",
                latest[0],
            )

    def check_reversal(self, key: str, policy: BillingPolicyChanged) -> None:
        """Refuse to reverse a policy that an invoice used (R47).

        One that was reversed holds again only where no invoice is touched (R50).
        """
        version = policy.originator_version
        if all(mark.version != version for mark, _ in self.policies):
            at = utc(policy.effective_at)
            self.check_not_invoiced(key, "The billing policy", at)
            return
        for invoice, period in self.register.periods:
            used = self._in_force(period.starts)
            if used is not None and used[0].version == version:
                raise self._period_invoiced(
                    f"An invoice used this billing policy of {key}: "
                    f"{_is_invoiced(invoice, period)}.",
                    "set the right policy from then on; an issued invoice never "
                    "changes",
                    invoice,
                )

    def check_price_reversal(self, key: str, price: PriceSet) -> None:
        """Refuse to reverse a price that an invoice used (R90)."""
        version = price.originator_version
        for invoice, period in self.register.periods:
            used = any(
                current.entry == version and current.currency == invoice.currency
                for current in self.prices.in_force(period.starts, period.label)
            )
            if used and version < invoice.version:
                raise self._period_invoiced(
                    f"An invoice used this price of {key}: "
                    f"{_is_invoiced(invoice, period)}.",
                    "set the right price from then on; an issued invoice never changes",
                    invoice,
                )

    def _period_invoiced(
        self, message: str, try_: str, in_way: Invoiced
    ) -> CommandRefused:
        blockers = (EntryRef(self.stream, in_way.version),)
        return CommandRefused("period_invoiced", message, try_=try_, blockers=blockers)

    def check_period(
        self, key: str, period: BillingPeriod, *, at: datetime, now: datetime
    ) -> None:
        """Refuse a period that is invoiced, or has not ended by both clocks (R64)."""
        invoiced = self.register.of_period(period.label)
        if invoiced is not None:
            raise CommandRefused(
                "period_already_invoiced",
                f"The period {period.label} of {key} already has the invoice "
                f"{invoiced.invoice}.",
                try_="record the correction: it becomes a line of the next invoice; "
                "or void the invoice, and issue the period again",
                blockers=(EntryRef(self.stream, invoiced.version),),
            )
        if period.ends > min(at, now):
            clock = "effective time" if at < now else "database's clock"
            raise CommandRefused(
                "period_not_ended",
                f"The period {period.label} of {key} ends at {iso(period.ends)}; "
                f"by the {clock} it is {iso(min(at, now))}.",
                try_="issue the invoice once the period has ended",
            )

    # -- what an invoice says -----------------------------------------------------

    def currency_to_correct(self, key: str) -> str:
        """The one currency of what corrections alone can be of (R100).

        Raises CommandRefused (``nothing_to_correct``, ``invoice_currency``).
        """
        currencies = self.register.currencies
        if not currencies:
            raise CommandRefused(
                "nothing_to_correct",
                f"{key} has no invoice that could be corrected.",
                try_="issue an invoice for a period",
            )
        if len(currencies) > 1:
            raise CommandRefused(
                "invoice_currency",
                f"The invoices of {key} are in {enumerated(currencies)}; corrections "
                "alone are in the currency of what they correct.",
                try_="give --currency",
            )
        return currencies[0]

    def facts(
        self,
        request: InvoiceRequest,
        period: BillingPeriod | None,
        draft: InvoiceDraft,
    ) -> dict[str, Any]:
        """What is recorded of an invoice as computed (R60); of corrections alone
        without a `period` (R100).

        Raises CommandRefused: ``price_missing``, ``invoice_currency``,
        ``nothing_to_correct``; IntegrityFailure where the figures are not this
        account's.
        """
        self._check_prices(request, draft)
        self._check_currency(request, draft)
        own = {} if period is None else self._of_period(period)
        _check_draft(request, own, draft)
        if not draft.trial:
            self._check_credits(request, draft)
            if period is None and not draft.lines():
                raise _nothing_to_correct(request)
        zero = rounded(Fraction(0), places_of(request.currency))
        return {
            "invoice": request.invoice,
            **own,
            "currency": request.currency,
            "unit_prices": dict(sorted(request.unit_prices.items())),
            **fields_of(draft, "cut_off", "tzdata", "tree_size", "tree_root", "digest"),
            "lines": [
                {
                    **_figure(line),
                    **fields_of(line, "kind", "unit_price", "amount", "voids"),
                    "entries": line.entries or None,
                }
                for line in draft.lines()
            ],
            "corrections": [
                {**_figure(left_out), "amount": zero, "entries": left_out.entries}
                for left_out in draft.corrections()
            ],
        }

    def _of_period(self, period: BillingPeriod) -> dict[str, Any]:
        """The bounds of a period, and the policy by which it is counted."""
        policy = self.policy_at(period.starts)
        return {
            "period": period.label,
            "from_": period.starts,
            "until": period.ends,
            "time_zone": period.zone,
            "mode": policy.mode,
            "granularity": policy.granularity,
            "dates": tuple(asdict(run) for run in period.in_runs()),
        }

    def _check_prices(self, request: InvoiceRequest, draft: InvoiceDraft) -> None:
        missing = [line for line in draft.lines() if line.lacks_price]
        if missing:
            figures = ", ".join(
                f"{line.seat_type} in the period {line.period}" for line in missing
            )
            types = dict.fromkeys(line.seat_type for line in missing)
            raise CommandRefused(
                "price_missing",
                f"{request.invoice} has no price for what it bills: {figures}.",
                try_="give a unit price for " + enumerated(types),
            )

    def _check_currency(self, request: InvoiceRequest, draft: InvoiceDraft) -> None:
        """A difference of euros is no line of an invoice in dollars (R43, R94)."""
        for line in draft.lines():
            if line.kind == "period":
                continue
            corrected = (
                self.register.named(line.voids)
                if line.voids
                else self.register.ever_of_period(line.period)
            )
            if corrected is None:
                raise _not_ours(request, f"{line.period} has no invoice to correct")
            if corrected.currency != request.currency:
                verb = "credit" if line.voids else "correct"
                raise CommandRefused(
                    "invoice_currency",
                    f"{request.invoice} is to be in {request.currency}, but would "
                    f"{verb} {corrected.invoice}, which is in {corrected.currency}.",
                    try_=f"issue this invoice in {corrected.currency}; the next one "
                    "can be in another currency",
                    blockers=(EntryRef(self.stream, corrected.version),),
                )

    def _check_credits(self, request: InvoiceRequest, draft: InvoiceDraft) -> None:
        """Every voided invoice that is not credited yet is credited whole (R94)."""
        lines = Counter(line.voids for line in draft.lines() if line.kind == "void")
        due = {
            entry.invoice: entry.lines
            for entry in self.register.credits_due
            if request.period is not None or entry.currency == request.currency
        }
        if lines != due:
            raise _not_ours(request, "other invoices are voided than it credits")

    # -- letting entries hold, and not ------------------------------------------

    def set_policy(self, event: BillingPolicyChanged) -> None:
        """Let a policy hold."""
        insort(self.policies, _policy(event))

    def set_price(self, event: PriceSet) -> None:
        """Let a price hold."""
        self.prices.add(list_price(event))

    def unset_price(self, event: PriceSet) -> None:
        """Take a price out: it no longer holds."""
        self.prices.remove(list_price(event))

    def unset_policy(self, event: BillingPolicyChanged) -> None:
        """Take a policy out: it no longer holds."""
        self.policies.remove(_policy(event))


def _policy(event: BillingPolicyChanged) -> tuple[Mark, BillingPolicy]:
    return mark(event), BillingPolicy(event.mode, event.granularity)


def _is_invoiced(by: Invoiced, period: InvoicedPeriod) -> str:
    return (
        f"the period {period.label} until {iso(period.ends)} is invoiced by "
        f"{by.invoice}"
    )


def _figure(figure: Figure) -> dict[str, Any]:
    exact = figure.quantity
    return {
        "period": figure.period,
        "seat_type": figure.seat_type,
        "quantity": f"{exact.numerator}/{exact.denominator}",
    }


def _check_draft(
    request: InvoiceRequest, own: Mapping[str, Any], draft: InvoiceDraft
) -> None:
    """The figures are of this period, by its rule and price, each of them once."""
    terms = (draft.period, draft.starts, draft.ends, draft.mode, draft.granularity)
    names = ("period", "from_", "until", "mode", "granularity")
    if terms != tuple(own.get(name) for name in names):
        raise _not_ours(request, "other bounds or another policy")
    places = [figure.place for figure in draft.figures]
    if len(set(places)) < len(places):
        raise _not_ours(request, "a figure appears twice")
    for line in draft.lines():
        _check_amount(request, line)
        if line.kind == "period" and line.period != draft.period:
            raise _not_ours(request, f"a {line.kind} of {line.period}")
        if (line.kind == "void") != (line.voids is not None):
            raise _not_ours(request, f"a {line.kind} of {line.voids}")


def _check_amount(request: InvoiceRequest, line: Figure) -> None:
    """Rounded once, to the currency's places (R51)."""
    assert line.unit_price is not None
    assert line.amount is not None
    places = places_of(request.currency)
    price, amount = Fraction(line.unit_price), Fraction(line.amount)
    right = rounded(amount, places) == line.amount
    if line.kind == "period":
        listed = _price(request.unit_prices, line.seat_type)
        right = (
            rounded(line.quantity * price, places) == line.amount and price == listed
        )
    if not right:
        raise _not_ours(
            request, f"{line.seat_type} comes to {line.amount} {request.currency}"
        )


def _price(prices: Mapping[str, str], seat_type: str) -> Fraction | None:
    return Fraction(prices[seat_type]) if seat_type in prices else None


def _nothing_to_correct(request: InvoiceRequest) -> CommandRefused:
    return CommandRefused(
        "nothing_to_correct",
        f"Nothing that {request.account} was invoiced in {request.currency} is to be "
        f"corrected or credited; {request.invoice} would have no line.",
        try_="issue an invoice for a period, or leave it",
    )


def _not_ours(request: InvoiceRequest, why: str) -> IntegrityFailure:
    return IntegrityFailure(
        f"What was computed for {request.invoice} of {request.account} does not agree "
        f"with the account: {why}. Nothing was recorded.",
        try_="seat-ledger projection verify",
    )
