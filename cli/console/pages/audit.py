"""An issued invoice held against the ledger, as ``invoice audit`` does it with a file.

Later invoices may have put a line right: what they say of the same periods is held
against the ledger together with it. Which lines are corrections is known here; of a
file only credits tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from seat_ledger.cli.console.request import PageRequest
from seat_ledger.domain.invoice_draft import Figure
from seat_ledger.domain.money import plain
from seat_ledger.projections.billing import audit, invoices
from seat_ledger.projections.billing.audit import AuditedLine, Spool, Summary, Written
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.reader import Row


def audited(request: PageRequest, invoice: Issued) -> tuple[list[Row], Summary]:
    """The rows of ``invoice audit`` for an invoice and for what corrected it since."""
    issued = invoices.issued(
        request.reader, request.account, request.knowledge.position
    )
    own = invoice.label and invoice.label.isoformat()
    with Spool() as spool:
        spool.keep(lines_of(invoice, issued))
        until = request.knowledge.moment(request.now)
        audit.audit(request.reader, spool, request.knowledge, until)
        rows = [
            row
            for row in spool.answers()
            if row["invoice"] == invoice.invoice or row["period"] == own
        ]
    summary = Summary()
    summary.count(rows)
    return rows, summary


def lines_of(invoice: Issued, issued: Iterable[Issued]) -> Iterator[AuditedLine]:
    """What all invoices say of the periods that one of them bills, as a file does.

    A correction is counted by the rule of the invoice that it corrects (R43).
    """
    every = list(issued)
    periods = {line.period for line in invoice.lines} | {invoice.label}
    rules = {
        of.period.label: (of.mode, of.granularity) for of in invoices.billed(every)
    }
    lines = [(other, line) for other in every for line in other.lines]
    for no, (other, line) in enumerate(lines, 1):
        if line.period in periods:
            yield _line(no, other, line, rules)


def _line(
    no: int,
    invoice: Issued,
    line: Figure,
    rules: dict[date, tuple[str, str | None]],
) -> AuditedLine:
    mode, granularity = rules[line.period]
    return AuditedLine(
        no,
        invoice.account,
        invoice.invoice,
        str(invoice.position),
        line.period.isoformat(),
        line.seat_type,
        Written(plain(line.quantity)),
        Written(line.unit_price or ""),
        Written(line.amount or "0"),
        mode,
        granularity,
        invoice.currency.code,
        corrects=line.kind != "period",
    )
