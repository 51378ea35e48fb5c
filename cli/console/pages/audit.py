"""An issued invoice held against the ledger, as ``invoice audit`` does it with a file.

Later invoices may have put a line right: what they say of the same periods is held
against the ledger together with it. Which lines are corrections is known here; of a
file only credits tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from seat_ledger.cli.console.request import PageRequest
from seat_ledger.domain.money import plain
from seat_ledger.projections.billing import audit, invoices
from seat_ledger.projections.billing.audit import AuditedLine, Spool, Summary, Written
from seat_ledger.projections.billing.invoices import Issued, IssuedLine
from seat_ledger.projections.reader import Row


def audited(asked: PageRequest, found: Issued) -> tuple[list[Row], Summary]:
    """The rows of ``invoice audit`` for an invoice and for what corrected it since."""
    issued = invoices.issued(asked.reader, asked.account, asked.known.position)
    own = found.period.label.isoformat()
    with Spool() as spool:
        spool.keep(lines_of(found, issued))
        upto = asked.known.moment(asked.now)
        audit.audit(asked.reader, spool, asked.known, upto)
        rows = [
            row
            for row in spool.answers()
            if row["invoice"] == found.invoice or row["period"] == own
        ]
    summary = Summary()
    summary.count(rows)
    return rows, summary


def lines_of(found: Issued, issued: Iterable[Issued]) -> Iterator[AuditedLine]:
    """What all invoices say of the periods that one of them bills, as a file does.

    A correction is counted by the rule of the invoice that it corrects (R43).
    """
    every = list(issued)
    periods = {line.period for line in found.lines} | {found.period.label}
    rules = {one.period.label: one.rule for one in every}
    said = [(one, line) for one in every for line in one.lines]
    for no, (one, line) in enumerate(said, 1):
        if line.period in periods:
            yield _line(no, one, line, rules)


def _line(
    no: int, one: Issued, line: IssuedLine, rules: dict[date, tuple[str, str | None]]
) -> AuditedLine:
    mode, granularity = rules[line.period]
    return AuditedLine(
        no,
        one.account,
        one.invoice,
        str(one.position),
        line.period.isoformat(),
        line.seat_type,
        Written(plain(line.quantity)),
        Written(line.unit_price or ""),
        Written(line.amount or "0"),
        mode,
        granularity,
        one.currency.code,
        corrects=line.kind == "correction",
    )
