"""What the ledger says of an invoice line: pure arithmetic over exact quantities.

A figure owes a line everything. Lines of one invoice, and corrections with what they
correct, are held against it together: each against what the others left, so that the
last should have put right what the earlier ones said, as a correction does (R43). Of
several invoices that bill a figure in full, the first is right. What a line bills of a
figure that others bill in full is `over` by all of it; `unexpected` is only what the
ledger bills nothing for (R65).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from projections.billing.audit.lines import Invoice, InvoiceLine, Part, Written
from seat_ledger.money import Currency, plain, rounded

ZERO = Fraction(0)


class Verdict(NamedTuple):
    """A line's verdict, the ledger's amount and the difference to it (R65)."""

    word: str
    ledger_amount: Fraction
    difference: Fraction

    @property
    def matches(self) -> bool:
        """Whether there is nothing to say of the line."""
        return self.word == "match"


def judge(
    line: InvoiceLine, owed: Fraction, places: int, *, is_billed: bool
) -> Verdict:
    """Hold a line against the quantity that the ledger owes it (R65).

    `is_billed`: the ledger bills something of the line's figure, to it or to others.
    """
    invoiced = line.quantity
    price = line.unit_price.value if line.unit_price.text else ZERO
    ledger_amount = half_up(owed * price, places)
    difference = line.amount.value - ledger_amount
    if owed == 0 and not is_billed:
        return Verdict("unexpected", ledger_amount, difference)
    sign = difference
    if not sign and half_up(owed, invoiced.places) != invoiced.value:
        sign = invoiced.value - owed
    word = "over" if sign > 0 else "under" if sign < 0 else "match"
    return Verdict(word, ledger_amount, difference)


def cause_of(verdict: Verdict, then: Verdict | None) -> str:
    """Whether a line was wrong with what was known at issue (R62), if anything was."""
    if verdict.matches:
        return "none"
    if then is None:
        return "not_known_at_issue"
    return "corrected_later" if then.matches else "wrong_at_issue"


class Tally(NamedTuple):
    """What several lines of one figure bill together.

    `together`: they are to be held against the figure as one, because they stand in one
    invoice, one of them is a credit or known to correct another, or they come to the
    figure. `paid_by` is the first invoice that bills the figure alone.
    """

    total: Fraction
    slack: Fraction
    together: bool
    paid_by: Invoice | None


def tally(lines: Iterable[Part], figure: Fraction) -> Tally:
    """Add up the lines of a figure, given from the first to the last."""
    total = slack = ZERO
    invoices, corrects = 0, False
    paid_by = None
    for invoice, some in groupby(lines, key=lambda line: line.invoice):
        part = part_slack = ZERO
        for line in some:
            part += line.quantity.value
            part_slack += slack_of(line.quantity)
            corrects |= line.corrects or line.quantity.value < 0
        invoices += 1
        total, slack = total + part, slack + part_slack
        if paid_by is None and abs(part - figure) <= part_slack:
            paid_by = invoice
    fits = abs(total - figure) <= slack
    return Tally(total, slack, invoices == 1 or corrects or fits, paid_by)


class Shares:
    """What is owed to each line of one figure, asked from the last line to the first.

    What the lines say too much is taken from the last ones, what they say too little is
    owed to the last. `earlier` is what was billed of the figure before them.
    """

    def __init__(
        self, total: Fraction, slack: Fraction, earlier: Fraction = ZERO
    ) -> None:
        self.total, self.slack, self.earlier = total, slack, earlier
        self.rest: Fraction | None = None

    def owed(self, line: Written, figure: Fraction, *, first: bool) -> Fraction:
        """What the ledger owes the next line towards the first.

        `figure` is the ledger's quantity by the line's rule.
        """
        said = line.value
        if self.rest is None:
            self.rest = self.total - self._left(figure)
        rest, slack = self.rest, self.slack
        if abs(rest) <= slack or first or rest < 0 or said <= 0:
            self.rest = ZERO
            return said - rest
        if abs(rest - said) <= slack:
            self.rest = rest - said
            return ZERO
        taken = min(rest, said)
        self.rest = rest - taken
        return said - taken

    def _left(self, figure: Fraction) -> Fraction:
        """What the lines can bill: nothing of a figure that was billed in full."""
        left = figure - self.earlier
        billed_in_full = self.earlier != 0 and left <= self.slack
        return ZERO if billed_in_full and self.total > 0 else left


def slack_of(line: Written) -> Fraction:
    """How far a shown quantity may lie from the exact one."""
    return Fraction(1, 2 * 10**line.places) if line.places else ZERO


def half_up(exact: Fraction, places: int) -> Fraction:
    """An exact value rounded as money is (R51)."""
    scale = 10**places
    below = 2 * exact.denominator
    whole = (2 * exact.numerator * scale + exact.denominator) // below
    return Fraction(whole, scale)


def money(amount: Fraction, currency: Currency) -> str:
    """An amount with the currency's places, and all that it has."""
    if 10**currency.places % amount.denominator == 0:
        return rounded(amount, currency.places)
    sign = "-" if amount < 0 else ""
    return sign + currency.shown(abs(amount))


__all__ = ["Shares", "Verdict", "cause_of", "judge", "money", "plain", "slack_of"]
