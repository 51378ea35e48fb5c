"""Invoices: their lines and deltas, computed again, and held against what is known."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from seat_ledger.cli.console import sorting
from seat_ledger.cli.console.pages.audit import audited
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.cli.output.render import Answer, document, to_json
from seat_ledger.errors import NotFound
from seat_ledger.projections.billing import invoice_computation, invoices
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.billing.totals import added

COLUMNS = {
    "invoice": sorting.text("invoice"),
    "account": sorting.text("account"),
    "period": sorting.value("period"),
    "amount": sorting.money("amount"),
    "recorded": sorting.value("recorded_at"),
}


def invoices_page(request: PageRequest) -> Page:
    """Invoices of one account or of all, in the order of recording or as asked."""
    if "account" in request.params:
        facts = request.account
        issued = invoices.issued(request.reader, facts, request.knowledge.position)
        title = request.words("invoices_of", account=facts.key)
        identity = {"account": facts.key}
    else:
        issued = _every(request)
        title, identity = request.words("invoices"), {}
    rows = invoices.listed(issued)
    order = sorting.Sorting(request, "invoices", identity, COLUMNS)
    rows = order.applied(rows)
    shown = rows if order.column else rows[::-1]
    skip = request.start(len(rows))

    def fill() -> dict[str, Any]:
        onward = request.paged("invoices", skip, len(rows), **order.identity)
        return {"rows": shown[skip : skip + PAGE], "order": order, **onward}

    answer = request.answer(rows, extra={"totals": added(rows, "amount")})
    return Page("invoices", title, answer, fill, order.identity)


def invoice(request: PageRequest) -> Page:
    """An invoice as recorded; whether it comes out again; what it would be now."""
    issued = _invoice(request, request["invoice"])
    request.options["account"] = issued.account
    request.is_about([issued.account])
    open_ = invoices.open_lines(request.reader, issued)
    rows, fields = invoices.document(issued, open_)

    def fill() -> dict[str, Any]:
        again = invoice_computation.reproduced(request.reader, issued)
        recorded = to_json(document(_answer(request, issued)))
        held, summary = audited(request, issued)
        computed = to_json(document(_answer(request, again)))
        return {
            "document": fields,
            "rows": rows,
            "invoice": issued,
            "same": recorded == computed,
            "bytes": len(recorded.encode()),
            "differs": invoice_computation.differences(issued, again),
            "held": held,
            "summary": summary,
            "others": any(
                (row["invoice"], row["period"]) != (issued.invoice, fields["period"])
                for row in held
            ),
        }

    title = request.words("invoice_titled", invoice=issued.invoice)
    identity = {"invoice": issued.invoice}
    return Page("invoice", title, _answer(request, issued), fill, identity)


def audit(request: PageRequest) -> Page:
    """The rows that ``invoice audit`` gives for the invoice."""
    issued = _invoice(request, request["invoice"])
    page = invoice(request)
    if not request.wants_page:
        rows, summary = audited(request, issued)
        page.answer = request.answer(rows, extra=summary.document())
    return page


def _every(request: PageRequest) -> list[Issued]:
    """The invoices of every account that may be seen; no other is read."""
    only = request.visitor.accounts
    if only is None:
        return invoices.issued_everywhere(request.reader, request.knowledge)
    issued: list[Issued] = []
    for key in only:
        with suppress(NotFound):
            facts = request.reader.account(key, request.knowledge)
            issued += invoices.issued(request.reader, facts, request.knowledge.position)
    return sorted(issued, key=lambda invoice: invoice.position)


def _invoice(request: PageRequest, number: str) -> Issued:
    """The invoice, if it may be seen; else it is not there."""
    return invoices.find(request.reader, number, request.knowledge, request.account_nos)


def _answer(request: PageRequest, issued: Issued) -> Answer:
    """The document of ``invoice show``: the same whenever it is asked for (R61)."""
    open_ = invoices.open_lines(request.reader, issued)
    rows, fields = invoices.document(issued, open_)
    cut_off = request.reader.knowledge(issued.cut_off)
    return Answer(rows, known_at=(cut_off.position, cut_off.recorded_at), extra=fields)
