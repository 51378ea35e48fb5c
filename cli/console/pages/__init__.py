"""The pages of the console: each a function of what is asked."""

from __future__ import annotations

from collections.abc import Callable

from seat_ledger.cli.console.pages import (
    account,
    attention,
    billing,
    comparison,
    event,
    finding,
    invoice,
    operations,
    renewal,
    search,
    seat,
    upload,
    user,
)
from seat_ledger.cli.console.request import Page, PageRequest

PAGES: dict[str, Callable[[PageRequest], Page]] = {
    "attention": attention.attention_page,
    "search": search.search,
    "accounts": account.accounts_page,
    "account": account.account,
    "seats": account.seats,
    "seat": seat.seat,
    "who": seat.who,
    "users": user.users_page,
    "user": user.user,
    "events": event.events,
    "event": event.event,
    "periods": billing.periods,
    "period": billing.period,
    "explain": billing.explain_page,
    "invoices": invoice.invoices_page,
    "invoice": invoice.invoice,
    "audit": invoice.audit,
    "renewals": renewal.renewals,
    "idle": renewal.idle_page,
    "compare": comparison.compared,
    "findings": finding.findings,
    "check": upload.check,
    "projections": operations.projections,
}
"""By the first word of the address."""

COMMANDS = {
    "attention": "account attention",
    "accounts": "account list",
    "account": "account show",
    "seats": "seat list",
    "seat": "seat history",
    "who": "seat who",
    "users": "user list",
    "user": "user history",
    "events": "event list",
    "event": "event show",
    "periods": "billing periods",
    "period": "billing counts",
    "explain": "billing explain",
    "invoices": "invoice list",
    "invoice": "invoice show",
    "audit": "invoice audit",
    "renewals": "account renewals",
    "idle": "billing idle",
    "compare": "billing compare",
    "findings": "finding list",
}
"""The command that a page answers like, whose header its CSV has (CLI 2)."""
