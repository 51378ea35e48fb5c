"""What an invoice is to say (R43, R44, R64, R94, R100), from the rules alone.

Nothing is kept of what has been seen: each invoice asks anew what every period that
was ever invoiced comes to, and what its invoices that are not voided say of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.answers import View
from tests.oracle.counting import money
from tests.oracle.dates import Period
from tests.oracle.deciding import TYPES

PLACES = {"EUR": 2, "JPY": 0, "KWD": 3}


class Line(NamedTuple):
    """A line: of the invoice's own period, a correction, or a line taken back."""

    kind: str
    period: date
    seat_type: str
    quantity: Fraction
    price: Fraction | None
    amount: Fraction
    voids: str | None = None


@dataclass(eq=False)
class Invoice:
    """What was issued: of a period, by a rule, or of corrections alone."""

    number: str
    currency: str
    lines: list[Line]
    period: Period | None = None
    rule: tuple[str, str | None] = ("contracted", "day")
    voided: bool = False


@dataclass
class Request:
    """An invoice that is asked for; without a period it is of corrections alone."""

    number: str
    prices: dict[str, str]
    currency: str
    period: Period | None = None


@dataclass
class Register:
    """The invoices of one account, in the order of recording."""

    invoices: list[Invoice] = field(default_factory=list)

    @property
    def valid(self) -> list[Invoice]:
        return [invoice for invoice in self.invoices if not invoice.voided]

    def billing(self, period: date) -> Invoice | None:
        """The invoice of a period that is not voided."""
        return next((i for i in self.valid if _label(i) == period), None)

    def issue(self, request: Request, view: View) -> set[str]:
        """Issue an invoice, or say by which codes it is refused."""
        lines, codes = self.drafted(request, view)
        if not codes:
            rule = view.policy(request.period) if request.period else ("", None)
            self.invoices.append(
                Invoice(request.number, request.currency, lines, request.period, rule)
            )
        return codes

    def void(self, number: str) -> set[str]:
        """Have an invoice credited whole by the next, once (R94)."""
        invoice = next(i for i in self.invoices if i.number == number)
        if invoice.voided:
            return {"invoice_voided"}
        invoice.voided = True
        return set()

    # -- what it says --

    def drafted(self, request: Request, view: View) -> tuple[list[Line], set[str]]:
        codes = set()
        if request.period and self.billing(request.period.label):
            return [], {"period_already_invoiced"}
        lines = []
        if request.period:
            lines = self.of_period(request, request.period, view)
        elif not self.invoices:
            return [], {"nothing_to_correct"}
        for line in [*self.credits(), *self.corrections(request, view)]:
            own = self.currency_of(line) == request.currency
            if own:
                lines.append(line)
            elif request.period:
                codes.add("invoice_currency")
        if any(line.price is None for line in lines):
            codes.add("price_missing")
        if not request.period and not lines:
            codes.add("nothing_to_correct")
        return lines, codes

    def of_period(self, request: Request, period: Period, view: View) -> list[Line]:
        """R64: no quantity, no line."""
        lines = []
        for seat_type in TYPES:
            exact = view.quantity(seat_type, period, *view.policy(period))
            price = self.price(request, seat_type)
            amount = _amount(exact, price, request.currency)
            if exact:
                own = period.label, seat_type, exact
                lines.append(Line("period", *own, price, amount))
        return lines

    def credits(self) -> list[Line]:
        """R94: every line of what is voided and not credited by a valid invoice."""
        credited = {line.voids for invoice in self.valid for line in invoice.lines}
        return [
            Line("void", *line[1:3], -line.quantity, line.price, -line.amount, i.number)
            for i in self.invoices
            if i.voided and i.number not in credited
            for line in i.lines
        ]

    def corrections(self, request: Request, view: View) -> list[Line]:
        """R43: what each period comes to now, less what was issued for it; nothing,
        where its invoice is voided (R94).
        """
        lines = []
        for label in sorted({_label(i) for i in self.invoices if _label(i)}):
            for seat_type in TYPES:
                line = self.correction(label, seat_type, request, view)
                if line.amount or (line.price is None and line.quantity):
                    lines.append(line)
        return lines

    def correction(
        self, label: date, seat_type: str, request: Request, view: View
    ) -> Line:
        of, issued = self.billing(label), self.issued(label, seat_type)
        quantity = -sum((line.quantity for line in issued), Fraction(0))
        amount = -sum((line.amount for line in issued), Fraction(0))
        # The first line of a period and type fixes its price, the invoice's own first.
        own = [line for line in issued if line.kind == "period"]
        price = next((line.price for line in [*own, *issued]), None)
        if of is not None:
            assert of.period is not None
            price = price or self.price(request, seat_type)
            exact = view.quantity(seat_type, of.period, *of.rule)
            quantity += exact
            amount += _amount(exact, price, of.currency)
        return Line("correction", label, seat_type, quantity, price, amount)

    def issued(self, label: date, seat_type: str) -> list[Line]:
        """What valid invoices say of a period and type, credits apart."""
        return [
            line
            for invoice in self.valid
            for line in invoice.lines
            if line.kind != "void" and line[1:3] == (label, seat_type)
        ]

    def price(self, request: Request, seat_type: str) -> Fraction | None:
        text = request.prices.get(seat_type)
        return None if text is None else Fraction(text)

    def currency_of(self, line: Line) -> str:
        """That of what it credits or corrects."""
        credited = (i for i in self.invoices if i.number == line.voids)
        of_period = (i for i in self.invoices[::-1] if _label(i) == line.period)
        return next(credited if line.voids else of_period).currency


def _label(invoice: Invoice) -> date | None:
    return invoice.period and invoice.period.label


def _amount(exact: Fraction, price: Fraction | None, currency: str) -> Fraction:
    return Fraction(money(exact, str(price or 0), PLACES[currency]))
