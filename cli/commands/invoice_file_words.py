"""What is understood of a vendor's file: said before anything is judged by it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

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

_SHOWN = 5


def about_accounts(question: Question, keys: Collection[str]) -> None:
    """Note the accounts of a bill; the times of a bill for one are on its clock."""
    question.is_about(keys)
    for key in keys if len(keys) == 1 else ():
        if question.reader.aside_of(key) is not None:
            continue
        if question.reader.has_account(key, question.knowledge):
            question.is_about_only(key)


def explained_file(
    question: Question, invoices: InvoiceFile, names: NameResolver
) -> Answer:
    """What is understood of a file, with its first lines as they are read."""
    lines = invoices.lines()
    first = [*islice(lines, _SHOWN)]
    count, accounts = len(first), {line.account for line in first}
    for line in lines:
        accounts.add(line.account)
        count += 1
    about_accounts(question, accounts)
    rows = [
        {
            "line": line.no,
            "account": line.account,
            "invoice": line.invoice,
            "issued_at": line.issued,
            "period": line.period,
            "seat_type": line.seat_type,
            "quantity": line.quantity.text,
            "unit_price": line.unit_price.text,
            "amount": line.amount.text,
            "currency": line.currency,
        }
        for line in first
    ]
    notes = [*understood(invoices, names), *names.hints()]
    reading = invoices.reading
    meant = {name: near for name, near in names.aliases.items() if near}
    reading = replace(reading, aliases={**reading.aliases, **meant})
    return question.answer(
        rows,
        [
            *cells("line", "account", "invoice", "issued_at", "period"),
            *cells("type=seat_type", "quantity", "price=unit_price", "amount"),
            *cells("currency"),
        ],
        sentence=f"{invoices.path.name} has {counted(count, 'line')}; the first are "
        "read as below. Nothing is judged yet.",
        notes=notes,
        next_command=f"seat-ledger invoice audit {as_word(str(invoices.path))}"
        f"{options_of_reading(reading)} --findings",
        extra={
            "lines": count,
            "columns": invoices.columns,
            "ignored": invoices.ignored,
        },
        header=tuple(rows[0]) if rows else (),
    )
