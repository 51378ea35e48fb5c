"""A vendor's bill becomes lines to audit: rows of one figure are added up exactly.

Sums are fractions; they are rounded only where the mapping says that the vendor does,
once for each line.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.money import rounded
from seat_ledger.domain.values import check_invoice_number, shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.conversion import accounts
from seat_ledger.sources.fields import Fields, as_text, getter
from seat_ledger.sources.mapping import BILL, LINE, Rule, Sums
from seat_ledger.sources.reading import SourceReader
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.rules import RuleBook, checked_op
from seat_ledger.sources.tally import RowTally
from seat_ledger.sources.times import ACCOUNT_ZONE, parser
from seat_ledger.sources.values import Values, checked_seat_type

HEADER = (
    "account", "invoice", "issued_at", "period", "seat_type", "quantity",
    "unit_price", "amount", "currency",
)  # fmt: skip
MOST_PLACES = 12
_DECIMAL = re.compile(
    r"(-?)(\d{1,15})(?:\.(\d{1,15}))?(?:[eE]([+-]?\d{1,2}))?", re.ASCII
)


class Month(NamedTuple):
    """A calendar month of the vendor."""

    year: int
    month: int

    @property
    def first(self) -> date:
        """Its first date."""
        return date(self.year, self.month, 1)

    @property
    def days(self) -> int:
        """How many dates it has."""
        return monthrange(self.year, self.month)[1]

    @property
    def dates(self) -> str:
        """Its first and last date, as a bill's line has them."""
        return f"{self.first}..{self.first.replace(day=self.days)}"

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"


class BilledMonth(NamedTuple):
    """What is added up: a month's seats of a type on one invoice."""

    account: str
    invoice: str
    month: Month
    seat_type: str


@dataclass
class BillLine:
    """The sum of a figure; `line` is the first of its rows.

    `places` are the most decimals that its rows have: quantity, price, amount.
    """

    line: int
    unit_price: Fraction
    quantity: Fraction = Fraction(0)
    amount: Fraction = Fraction(0)
    places: tuple[int, int, int] = (0, 0, 0)
    dates: set[date] = field(default_factory=set)

    def missing_dates(self, month: Month) -> list[date]:
        """The dates of the month for which there is no row."""
        days = (date(month.year, month.month, n + 1) for n in range(month.days))
        return [day for day in days if day not in self.dates]


class Bill:
    """A bill, read once. `account`, `invoice` and `issued_at` replace the mapping's."""

    def __init__(
        self,
        reader: SourceReader,
        file: str,
        *,
        account: str | None = None,
        invoice: str | None = None,
        issued_at: str | None = None,
    ) -> None:
        mapping = reader.mapping
        if mapping.kind != BILL or mapping.sums is None:
            raise InvalidInput(
                f"The mapping {mapping.source} reads no bill.",
                try_="seat-ledger source list",
            )
        self.reader, self.file, self.sums = reader, file, mapping.sums
        self.issued_at, self.tally = issued_at, RowTally()
        self.lines: dict[BilledMonth, BillLine] = {}
        self._values = Values(mapping)
        self._account = accounts(self._values, account)
        self._invoice = self._number(invoice)
        self._rules = RuleBook(mapping, self._of_rule)
        self._numbers = _Decimals(self.sums)
        self._date = getter(self.sums.date.from_)
        self._parse_date = parser(self.sums.date.format, ACCOUNT_ZONE)

    def _number(self, invoice: str | None) -> Callable[[Fields], str]:
        if invoice is not None:
            number = check_invoice_number(invoice)
            return lambda _: number
        if self.sums.invoice is None:
            raise InvalidInput(
                f"The mapping {self.reader.mapping.source} does not say which invoice "
                "the rows are of.",
                try_="give --invoice",
            )
        return self._values.required(self.sums.invoice, "invoice")

    def _of_rule(self, rule: Rule, what: str) -> Callable[[Fields], str]:
        checked_op(rule.op, (LINE,), what)
        if set(rule.fields) != {"seat_type"}:
            raise InvalidInput(f"{what}: line has the field seat_type, and no other.")
        text_of = self._values.required(rule.fields["seat_type"], "seat_type")
        return lambda row: checked_seat_type(text_of(row))

    def read(self) -> dict[BilledMonth, BillLine]:
        """Add up all rows. Raises InvalidInput with the line that cannot be read."""
        reader, tally = self.reader, self.tally
        try:
            for line, fields in reader.entries():
                tally.entries += 1
                if fields is None:
                    tally.ignored[reader.shape.none or ""] += 1
                    continue
                rule = self._rules.rule_for(fields)
                if rule.make is None:
                    tally.ignored[rule.ignore or ""] += 1
                    continue
                self._add(line, fields, rule.make(fields))
                tally.mapped += 1
        except UnreadableRow as error:
            tally.refused += 1
            raise reader.located(error, self.file) from error
        finally:
            tally.rows = reader.rows
        return self.lines

    def _add(self, line: int, row: Fields, seat_type: str) -> None:
        day = self._day(row)
        month = Month(day.year, day.month)
        dated = {**row, "month": str(month)}
        figure = BilledMonth(self._account(row), self._invoice(dated), month, seat_type)
        quantity, *places = self._numbers.read(row, self.sums.quantity)
        price, *price_places = self._numbers.read(row, self.sums.unit_price)
        amount, *money_places = self._numbers.read(row, self.sums.amount)
        total = self.lines.setdefault(figure, BillLine(line, price))
        if total.unit_price != price:
            raise UnreadableRow(
                f"the price of {seat_type} is {float(price):g} here, and "
                f"{float(total.unit_price):g} in line {total.line}.",
                "expected: one price for a type in a month; a discount is a row of "
                "its own, or part of the amount",
            )
        total.quantity += quantity
        total.amount += amount
        of_row = (*places, *price_places, *money_places)
        most = map(max, total.places, of_row)
        total.places = (next(most), next(most), next(most))
        total.dates.add(day)

    def _day(self, row: Fields) -> date:
        value = self._date(row)
        if value is None or value == "":
            raise UnreadableRow(
                f"the date {self.sums.date.from_} is missing.", "expected: a date"
            )
        return date.fromisoformat(self._parse_date(value).text[:10])

    def rows(self) -> list[dict[str, str]]:
        """The lines of the audit's file, in the order of accounts and months."""
        sums = self.sums
        return [
            {
                "account": figure.account,
                "invoice": figure.invoice,
                "issued_at": self.issued_at or "",
                "period": figure.month.first.isoformat(),
                "seat_type": figure.seat_type,
                "quantity": self._written(
                    total.quantity, sums.quantity_places, total.places[0]
                ),
                "unit_price": self._written(total.unit_price, None, total.places[1]),
                "amount": self._written(
                    total.amount, sums.amount_places, total.places[2]
                ),
                "currency": sums.currency or "",
            }
            for figure, total in sorted(self.lines.items())
        ]

    def _written(self, value: Fraction, places: int | None, exact: int) -> str:
        if places is None and exact > MOST_PLACES:
            raise InvalidInput(
                f"{self.file}: a sum has {exact} decimals; an audit reads "
                f"{MOST_PLACES}.",
                try_="say in [sums] to how many places the vendor rounds",
            )
        return rounded(value, exact if places is None else places)


class _Decimals:
    """Numbers as the bill writes them; what could be two numbers is refused."""

    def __init__(self, sums: Sums) -> None:
        self._comma = sums.decimal == ","

    def read(self, row: Fields, path: str) -> tuple[Fraction, int]:
        """The number of a field, exactly, and its decimal places."""
        text = as_text(getter(path)(row), path).strip()
        plain = text.replace(",", ".") if self._comma and "." not in text else text
        match = _DECIMAL.fullmatch(plain)
        if match is None or (self._comma and "." in text):
            raise UnreadableRow(
                f"{path} {shown(text)} is not a number with a decimal "
                f"{'comma' if self._comma else 'point'}.",
                "expected: a price such as 19.00, without thousands and currency; "
                "'decimal' in [sums] of the mapping says which sign it has",
            )
        sign, whole, part, exponent = match.groups()
        places = len(part or "") - int(exponent or 0)
        value = Fraction(int(f"{sign}{whole}{part or ''}")) / Fraction(10) ** places
        return value, max(places, 0)


def check_months(
    lines: dict[BilledMonth, BillLine],
    is_period: Callable[[str, Month], str | None],
    file: str,
) -> None:
    """Refuse a vendor's month that is not a period of the account.

    `is_period` gives the account's period as text where it is another one.
    """
    for figure, line in lines.items():
        other = is_period(figure.account, figure.month)
        if other is not None:
            raise InvalidInput(
                f"{file}:{line.line}: the vendor bills the month {figure.month}; "
                f"{other}.",
                try_="audit such a bill by hand: its lines belong to parts of two "
                "periods",
                line=line.line,
            )
