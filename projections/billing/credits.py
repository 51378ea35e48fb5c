"""What voided invoices leave to the next one (R94).

Each of their lines is taken back. A correction that another invoice made to a voided
one corrects nothing any more, and is taken back too; one that a voided invoice made to
another is due again.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from seat_ledger.domain.invoice_draft import Figure
from seat_ledger.domain.money import rounded
from seat_ledger.projections.billing.invoices import BilledPeriod, Issued, balances


def in_currency(
    figures: Sequence[Figure], invoices: Sequence[Issued], code: str | None
) -> list[Figure]:
    """The figures that correct or credit what was invoiced in a currency (R100)."""
    numbers = {invoice.invoice: invoice.currency.code for invoice in invoices}
    labels = {invoice.label: invoice.currency.code for invoice in invoices}
    return [
        figure
        for figure in figures
        if code == (numbers[figure.voids] if figure.voids else labels[figure.period])
    ]


def valid(invoices: Sequence[Issued]) -> list[Issued]:
    """The invoices that are not voided."""
    return [invoice for invoice in invoices if invoice.voided is None]


def credits_due(invoices: Sequence[Issued]) -> list[Figure]:
    """The lines of voided invoices that no valid invoice credits yet, taken back."""
    credited = {line.voids for invoice in valid(invoices) for line in invoice.lines}
    return [
        figure
        for invoice in invoices
        if invoice.voided is not None and invoice.invoice not in credited
        for figure in _taken_back(invoice, invoice.voided.position)
    ]


def _taken_back(invoice: Issued, void: int) -> list[Figure]:
    places = invoice.currency.places
    return [
        Figure(
            "void",
            line.period,
            line.seat_type,
            -line.quantity,
            line.unit_price,
            rounded(-Fraction(line.amount or 0), places),
            (void,),
            invoice.invoice,
            nth,
        )
        for nth, line in enumerate(invoice.lines)
    ]


def corrections_of_voided(invoices: Sequence[Issued]) -> list[Figure]:
    """What valid invoices corrected in periods whose invoice is voided, taken back.

    Such a period is invoiced anew, or not at all.
    """
    in_force = valid(invoices)
    again = {invoice.label for invoice in in_force}
    voids = {
        invoice.label: invoice.voided.position
        for invoice in invoices
        if invoice.voided is not None
    }
    places = {
        line.period: invoice.currency.places
        for invoice in in_force
        for line in invoice.lines
    }
    return [
        Figure(
            "correction",
            label,
            seat_type,
            -balance.quantity,
            balance.unit_price,
            rounded(-balance.amount, places[label]),
            (voids[label],),
        )
        for (label, seat_type), balance in balances(in_force).items()
        if label not in again and (balance.quantity or balance.amount)
    ]


def due_again(
    invoices: Sequence[Issued], corrected_ones: Sequence[BilledPeriod], since: int
) -> dict[int, dict[str, set[int]]]:
    """The corrections that invoices voided since a position made to some others, by
    the position of what they corrected and by seat type: the entries that they came
    from.
    """
    by_period = {other.period.label: other.invoice for other in corrected_ones}
    due: dict[int, dict[str, set[int]]] = {}
    for invoice in invoices:
        if invoice.voided is None or invoice.voided.position <= since:
            continue
        for line in invoice.lines:
            corrected = by_period.get(line.period)
            if line.kind == "correction" and corrected is not None:
                by_type = due.setdefault(corrected.position, {})
                by_type.setdefault(line.seat_type, set()).update(line.entries)
    return due
