"""A vendor's own bill as lines to audit, by the mapping of its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.inputs.invoice_file import InvoiceFile
from seat_ledger.cli.inputs.mapping_file import mapping_named
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.billing.audit.lines import (
    AuditedLine,
    Written,
    check_issued_at,
)
from seat_ledger.sources.bills import Bill
from seat_ledger.sources.mapping import BILL, SourceMapping
from seat_ledger.sources.reading import SourceReader


@dataclass
class MappedBill(InvoiceFile):
    """A bill whose rows are added up by a mapping: a line for a month and seat type."""

    def lines(self) -> Iterator[AuditedLine]:
        """Every line, under the first of its rows. Raises InvalidInput.

        A line bills its month's dates, whether or not they are the account's period.
        """
        stated = self.reading.defaults
        check_issued_at(stated["issued_at"])
        mapping = mapping_named(self.reading.mapping or "")
        _check_stated(mapping, stated)
        with self._opened() as file:
            bill = Bill(
                SourceReader(file, mapping),
                self.path.name,
                account=stated.get("account"),
                invoice=stated.get("invoice"),
                issued_at=stated["issued_at"],
            )
            bill.read()
        self.remarks = [
            f"Read by the mapping {mapping.source}.",
            *(line.strip() for line in bill.tally.lines()),
            *missing_dates_in_words(bill),
        ]
        beginnings = {total.line for total in bill.lines.values()}
        is_numbered = len(beginnings) == len(bill.lines)
        figures = sorted(bill.lines.items())
        for n, ((figure, total), row) in enumerate(
            zip(figures, bill.rows(), strict=True), 1
        ):
            named = {**stated, **{name: text for name, text in row.items() if text}}
            named["period"] = figure.month.dates
            for kind in ("account", "seat_type"):
                named[kind] = self.meant(kind, named[kind])
            quantity, price, amount = (
                Written(row[name]) for name in ("quantity", "unit_price", "amount")
            )
            no = total.line if is_numbered else n
            try:
                line = AuditedLine.checked(no, named, quantity, price, amount)
            except InvalidInput as error:
                where = f"{self.path.name}:{total.line}"
                raise InvalidInput(
                    f"{where}: {error.message}", try_=error.try_
                ) from error
            yield line

    def _opened(self) -> AbstractContextManager[BinaryIO]:
        return input_file(self.path, "name a bill that the source exported, or -")


def _check_stated(mapping: SourceMapping, stated: Mapping[str, str]) -> None:
    """Refuse a mapping that leaves open what nobody says."""
    if mapping.kind != BILL or mapping.sums is None:
        return
    says = {"account": mapping.account, "invoice": mapping.sums.invoice}
    for name, rule in says.items():
        if rule is None and name not in stated:
            raise InvalidInput(
                f"The mapping {mapping.source} does not say which {name} the rows are "
                "of.",
                try_=f"add --set {name}=…",
            )


def missing_dates_in_words(bill: Bill) -> Iterator[str]:
    """The dates of its months for which a bill has no row."""
    for figure, line in bill.lines.items():
        missing = line.missing_dates(figure.month)
        if missing:
            yield (
                f"{figure.month}, {figure.seat_type}: no row for {len(missing)} of "
                f"{figure.month.days} dates, the first is {missing[0]}."
            )
