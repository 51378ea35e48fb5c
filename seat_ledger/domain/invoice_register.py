"""Which invoices an account has: what each billed, and which of them are voided.

An issued invoice never changes. One that is voided bills its period no more: the next
invoice credits it whole, and the period may be issued again (R94).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from seat_ledger.domain.aggregate import mark
from seat_ledger.domain.events import InvoiceIssued, InvoiceVoided
from seat_ledger.domain.intervals import Mark
from seat_ledger.domain.nearest import did_you_mean, nearest
from seat_ledger.domain.values import iso, shown, utc
from seat_ledger.errors import CommandRefused, EntryRef, NotFound


class InvoicedPeriod(NamedTuple):
    """A period as it was invoiced: its first local date, and its bounds."""

    label: date
    starts: datetime
    ends: datetime


class Invoiced(NamedTuple):
    """An invoice, by the entry of this version; of corrections alone it has no period.

    `lines` counts the invoice's lines; `credits` are the numbers of the voided
    invoices that it credits.
    """

    version: int
    invoice: str
    period: InvoicedPeriod | None
    currency: str
    issued_at: datetime
    lines: int
    credits: tuple[str, ...]


class InvoiceRegister:
    """The invoices of one account in the order of recording, and their voids."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.invoices: list[Invoiced] = []
        self.voids: dict[str, Mark] = {}

    # -- what holds -----------------------------------------------------------

    @property
    def valid(self) -> list[Invoiced]:
        """The invoices that are not voided."""
        if not self.voids:
            return self.invoices
        return [
            invoice for invoice in self.invoices if invoice.invoice not in self.voids
        ]

    @property
    def periods(self) -> list[tuple[Invoiced, InvoicedPeriod]]:
        """The invoices of periods that are not voided, each with its period."""
        return [
            (invoice, invoice.period)
            for invoice in self.valid
            if invoice.period is not None
        ]

    def of_period(self, label: date) -> Invoiced | None:
        """The invoice of a period, by the period's first local date; none voided."""
        matches = (entry for entry, period in self.periods if period.label == label)
        return next(matches, None)

    def ever_of_period(self, label: date) -> Invoiced | None:
        """The last invoice of a period, voided ones included."""
        for entry in reversed(self.invoices):
            if entry.period is not None and entry.period.label == label:
                return entry
        return None

    def named(self, number: str) -> Invoiced | None:
        """The invoice of a number."""
        return next((entry for entry in self.invoices if entry.invoice == number), None)

    @property
    def latest(self) -> tuple[Invoiced, InvoicedPeriod] | None:
        """The invoice whose period ends last, with that period; none voided."""
        return max(self.periods, key=lambda entry: entry[1].ends, default=None)

    @property
    def currencies(self) -> list[str]:
        """The currencies of the account's invoices, as they first came."""
        return list(dict.fromkeys(invoice.currency for invoice in self.invoices))

    @property
    def credits_due(self) -> list[Invoiced]:
        """The voided invoices that no valid invoice credits yet (R94)."""
        if not self.voids:
            return []
        credited = {number for entry in self.valid for number in entry.credits}
        return [
            entry
            for entry in self.invoices
            if entry.invoice in self.voids
            and entry.invoice not in credited
            and entry.lines
        ]

    # -- what may happen --------------------------------------------------------

    def check_void(self, key: str, number: str, at: datetime) -> Invoiced:
        """The invoice of a number, if it can be voided (R94).

        Raises NotFound (``invoice_not_found``), CommandRefused (``invoice_voided``,
        ``invoice_not_issued``).
        """
        invoice = self.named(number)
        if invoice is None:
            near = nearest(number, (entry.invoice for entry in self.invoices))
            raise NotFound(
                "invoice_not_found",
                f"{key} has no invoice {shown(number)}.",
                try_=f"{did_you_mean(near)}see 'seat-ledger invoice list'",
            )
        if number in self.voids:
            raise CommandRefused(
                "invoice_voided",
                f"{number} of {key} is already voided, and cannot be voided twice.",
                try_="seat-ledger invoice list",
                blockers=(EntryRef(self.stream, self.voids[number].version),),
            )
        if at < invoice.issued_at:
            raise CommandRefused(
                "invoice_not_issued",
                f"{number} of {key} was issued at {iso(invoice.issued_at)}; it cannot "
                f"be voided at {iso(at)}.",
                try_="give an effective time after it was issued",
                blockers=(EntryRef(self.stream, invoice.version),),
            )
        return invoice

    # -- letting entries hold, and not ------------------------------------------

    def issued(self, event: InvoiceIssued) -> None:
        """Remember that a period was invoiced."""
        credited = dict.fromkeys(line.voids for line in event.lines if line.voids)
        period = None
        if event.period and event.from_ and event.until:
            bounds = utc(event.from_), utc(event.until)
            period = InvoicedPeriod(event.period, *bounds)
        self.invoices.append(
            Invoiced(
                event.originator_version,
                event.invoice,
                period,
                event.currency,
                utc(event.effective_at),
                len(event.lines),
                tuple(credited),
            )
        )

    def not_issued(self, _: InvoiceIssued) -> None:
        """Forget an invoice that was only pending."""
        self.invoices.pop()

    def voided(self, event: InvoiceVoided) -> None:
        """Let an invoice bill nothing any more."""
        self.voids[event.invoice] = mark(event)

    def not_voided(self, event: InvoiceVoided) -> None:
        """Forget a void that was only pending."""
        del self.voids[event.invoice]
