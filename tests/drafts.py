"""Invoices as the read side would compute them, with quantities that a test chooses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import psycopg

from seat_ledger.domain.calendar import TZDATA_VERSION, BillingCalendar, ZoneHistory
from seat_ledger.domain.invoice_draft import (
    ComputeInvoice,
    Figure,
    InvoiceDraft,
    InvoiceRequest,
)
from seat_ledger.domain.money import places_of, rounded

PRO = "sales/professional"
MONTHLY = BillingCalendar(date(2025, 3, 5), 12, 1, ZoneHistory("UTC"))
DIGEST = hashlib.sha256(b"inputs").hexdigest()


def head_of(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT max(notification_id) FROM ledger.stored_events"
        ).fetchone()
    return row[0]


def computed(
    conninfo: str,
    quantities: dict[str, Fraction | int] | None = None,
    corrections: Sequence[Figure] = (),
    *,
    policy: tuple[str, str | None] = ("contracted", "day"),
    calendar: BillingCalendar = MONTHLY,
) -> ComputeInvoice:
    """What gives an invoice these quantities, as known at the store's head."""

    def compute(request: InvoiceRequest) -> InvoiceDraft:
        period = calendar.period_named(request.period.isoformat())
        figures = [
            figure(request, seat_type, Fraction(quantity))
            for seat_type, quantity in (quantities or {PRO: 10}).items()
        ]
        return InvoiceDraft(
            period.label,
            period.starts,
            period.ends,
            *policy,
            head_of(conninfo),
            TZDATA_VERSION,
            DIGEST,
            (*figures, *corrections),
        )

    return compute


def figure(request: InvoiceRequest, seat_type: str, quantity: Fraction) -> Figure:
    price = request.unit_prices.get(seat_type)
    amount = None
    if price is not None:
        amount = rounded(quantity * Fraction(price), places_of(request.currency))
    return Figure("period", request.period, seat_type, quantity, price, amount)


def correction(
    period: str,
    quantity: Fraction | int,
    amount: str | None,
    *,
    price: str | None = "90.00",
    of: str = PRO,
) -> Figure:
    label = date.fromisoformat(period)
    return Figure("correction", label, of, Fraction(quantity), price, amount, (2,))
