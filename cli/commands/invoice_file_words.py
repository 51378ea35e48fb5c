"""What is understood of a vendor's file: said before anything is judged by it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from seat_ledger.cli.options.bills import (
    NameResolver,
    options_of_reading,
    understood,
)
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted

if TYPE_CHECKING:
    from seat_ledger.cli.inputs.invoice_file import InvoiceFile
    from seat_ledger.cli.options.session import Question
    from seat_ledger.projections.billing.audit import Spool

IN_A_TABLE = 60
"""As many rows a table shows of a bill."""


def about_accounts(question: Question, keys: Collection[str]) -> None:
    """Note the accounts of a bill; the times of a bill for one are on its clock."""
    question.is_about(keys)
    for key in keys if len(keys) == 1 else ():
        if question.reader.aside_of(key) is not None:
            continue
        if question.reader.has_account(key, question.knowledge):
            question.is_about_only(key)


def explained_file(
    question: Question, invoices: InvoiceFile, names: NameResolver, spool: Spool
) -> Answer:
    """What is understood of a file, with its lines as they are read."""
    count = spool.keep(invoices.lines())
    about_accounts(question, [*spool.accounts()])
    notes = [*understood(invoices, names), *names.hints()]
    reading = invoices.reading
    meant = {name: near for name, near in names.aliases.items() if near}
    reading = replace(reading, aliases={**reading.aliases, **meant})
    first = [] if count <= IN_A_TABLE else [*islice(_rows(spool), IN_A_TABLE)]
    has = f"{invoices.path.name} has {counted(count, 'line')}"
    how_many = (
        f"the first {IN_A_TABLE} are"
        if first
        else ("it is" if count == 1 else "they are")
    )
    if first:
        notes.append("--format csv has every line.")
    return question.answer(
        _rows(spool),
        [
            *cells("line", "account", "invoice", "issued_at", "period"),
            *cells("type=seat_type", "quantity", "price=unit_price", "amount"),
            *cells("currency"),
        ],
        sentence=f"{has}; {how_many} read as below. Nothing is judged yet.",
        notes=notes,
        next_command=f"seat-ledger invoice audit {as_word(str(invoices.path))}"
        f"{options_of_reading(reading)} --findings",
        extra={
            "lines": count,
            "columns": invoices.columns,
            "ignored": invoices.ignored,
        },
        flat=True,
        header=_HEADER,
        in_table=first or None,
    )


_HEADER = (
    *("line", "account", "invoice", "issued_at", "period", "seat_type", "quantity"),
    *("unit_price", "amount", "currency"),
)


def _rows(spool: Spool) -> Iterator[dict[str, Any]]:
    """The lines of a file as they are read, in its order."""
    for line in spool.lines_as_read():
        cells = (
            *(line.no, line.account, line.invoice, line.issued, line.period),
            *(line.seat_type, line.quantity.text, line.unit_price.text),
            *(line.amount.text, line.currency),
        )
        yield dict(zip(_HEADER, cells, strict=True))
