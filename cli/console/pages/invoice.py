"""Invoices: their lines and deltas, computed again, and held against what is known."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from seat_ledger.cli.console.pages.audit import audited
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.cli.output.render import Answer, document, to_json
from seat_ledger.errors import NotFound
from seat_ledger.projections.billing import invoice_computation, invoices
from seat_ledger.projections.billing.invoices import Issued


def invoices_page(asked: PageRequest) -> Page:
    """Invoices in the order of recording, of one account or of all."""
    if "account" in asked.params:
        facts = asked.account
        found = invoices.issued(asked.reader, facts, asked.known.position)
        title = asked.words("invoices_of", account=facts.key)
        identity = {"account": facts.key}
    else:
        found = _every(asked)
        title, identity = asked.words("invoices"), {}
    rows = invoices.listed(found)
    newest = rows[::-1]
    skip = asked.start(len(rows))

    def fill() -> dict[str, Any]:
        onward = asked.paged("invoices", skip, len(rows), **identity)
        return {"rows": newest[skip : skip + PAGE], **onward}

    return Page("invoices", title, asked.answer(rows), fill, identity)


def invoice(asked: PageRequest) -> Page:
    """An invoice as recorded; whether it comes out again; what it would be now."""
    found = _found(asked, asked["invoice"])
    asked.given["account"] = found.account
    asked.is_about([found.account])
    rows, said = invoices.document(found)

    def fill() -> dict[str, Any]:
        again = invoice_computation.reproduced(asked.reader, found)
        recorded = to_json(document(_answer(asked, found)))
        held, summary = audited(asked, found)
        computed = to_json(document(_answer(asked, again)))
        return {
            "said": said,
            "rows": rows,
            "found": found,
            "same": recorded == computed,
            "bytes": len(recorded.encode()),
            "differs": invoice_computation.differences(found, again),
            "held": held,
            "summary": summary,
            "others": any(
                (row["invoice"], row["period"]) != (found.invoice, said["period"])
                for row in held
            ),
        }

    title = asked.words("invoice_titled", invoice=found.invoice)
    identity = {"invoice": found.invoice}
    return Page("invoice", title, _answer(asked, found), fill, identity)


def audit(asked: PageRequest) -> Page:
    """The rows that ``invoice audit`` gives for the invoice."""
    found = _found(asked, asked["invoice"])
    page = invoice(asked)
    if not asked.wants_page:
        rows, summary = audited(asked, found)
        page.answer = asked.answer(rows, extra=summary.document())
    return page


def _every(asked: PageRequest) -> list[Issued]:
    """The invoices of every account that may be seen; no other is read."""
    only = asked.visitor.accounts
    if only is None:
        return invoices.issued_everywhere(asked.reader, asked.known)
    found: list[Issued] = []
    for key in only:
        with suppress(NotFound):
            facts = asked.reader.account(key, asked.known)
            found += invoices.issued(asked.reader, facts, asked.known.position)
    return sorted(found, key=lambda one: one.position)


def _found(asked: PageRequest, number: str) -> Issued:
    """The invoice, if it may be seen; else it is not there."""
    return invoices.find(asked.reader, number, asked.known, asked.account_nos)


def _answer(asked: PageRequest, found: Issued) -> Answer:
    """The document of ``invoice show``: the same whenever it is asked for (R61)."""
    rows, said = invoices.document(found)
    cut_off = asked.reader.knowledge(found.cut_off)
    return Answer(rows, known=(cut_off.position, cut_off.recorded_at), extra=said)
