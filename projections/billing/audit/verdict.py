"""What the ledger says of an invoice line: pure arithmetic over exact quantities.

A figure owes a line everything. Lines of one invoice, and corrections with what they
correct, are held against it together: each against what the others left, so that the
last should have put right what the earlier ones said, as a correction does (R43).
Their amounts too: the figure's is rounded once, and the lines' parts add up to it. Of
several invoices that bill a figure in full, the first is right. What a line bills of a
figure that others bill in full is `over` by all of it; `unexpected` is only what the
ledger bills nothing for (R65).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from seat_ledger.domain.money import Currency, plain, rounded
from seat_ledger.projections.billing.audit.lines import (
    AuditedLine,
    BilledShare,
    Invoice,
    Written,
)

ZERO = Fraction(0)


class Share(NamedTuple):
    """What the ledger owes a line: a quantity and, of lines that are held against a
    figure together, an amount. `is_shown`: the line shows that quantity, as far as
    the lines together show theirs.
    """

    owed: Fraction
    amount: Fraction | None = None
    is_shown: bool = False


class Verdict(NamedTuple):
    """A line's verdict, the ledger's amount and the difference to it (R65)."""

    word: str
    ledger_amount: Fraction
    difference: Fraction

    @property
    def matches(self) -> bool:
        """Whether there is nothing to say of the line."""
        return self.word == "match"


def judge(line: AuditedLine, share: Share, places: int, *, is_billed: bool) -> Verdict:
    """Hold a line against what the ledger owes it (R65).

    `is_billed`: the ledger bills something of the line's figure, to it or to others.
    """
    invoiced, owed = line.quantity, share.owed
    price = line.unit_price.value if line.unit_price.text else ZERO
    ledger_amount = share.amount
    if ledger_amount is None:
        ledger_amount = half_up(owed * price, places)
    difference = line.amount.value - ledger_amount
    if owed == 0 and not is_billed:
        return Verdict("unexpected", ledger_amount, difference)
    sign = difference
    agrees = share.is_shown or half_up(owed, invoiced.places) == invoiced.value
    if not sign and not agrees:
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


def tally(lines: Iterable[BilledShare], figure: Fraction) -> Tally:
    """Add up the lines of a figure, given from the last to the first."""
    total = slack = ZERO
    invoices, corrects = 0, False
    paid_by = None
    for invoice, of_invoice in groupby(lines, key=lambda line: line.invoice):
        part = part_slack = ZERO
        for line in of_invoice:
            part += line.quantity.value
            part_slack += slack_of(line.quantity)
            corrects |= line.corrects or line.quantity.value < 0
        invoices += 1
        total, slack = total + part, slack + part_slack
        if abs(part - figure) <= part_slack:
            paid_by = invoice
    fits = abs(total - figure) <= slack
    return Tally(total, slack, invoices == 1 or corrects or fits, paid_by)


class Shares:
    """What is owed to each line of one figure, asked from the last line to the first.

    What the lines say too much is taken from the last ones, what they say too little is
    owed to the last. `earlier` is what was billed of the figure before them. Their
    amounts come to the figure's, rounded once (R51): as they bill it where that adds
    up, else so that what a line's rounding leaves is carried to the next.
    """

    def __init__(
        self,
        lines: Callable[[], Iterable[BilledShare]],
        total: Fraction,
        slack: Fraction,
        earlier: Fraction = ZERO,
    ) -> None:
        self.lines = lines
        self.total, self.slack, self.earlier = total, slack, earlier
        self.remaining: Fraction | None = None
        self.carry = ZERO
        self.count = 0
        self.fits = self.is_as_billed = False

    def share(
        self,
        line: BilledShare | AuditedLine,
        figure: Fraction,
        places: int,
        *,
        first: bool,
    ) -> Share:
        """What the ledger owes the next line towards the first.

        `figure` is the ledger's quantity by the line's rule.
        """
        if self.remaining is None:
            self.remaining = self.total - self._left(figure)
            self.fits = abs(self.remaining) <= self.slack
            self.is_as_billed = self._adds_up(places)
        quantity = line.quantity
        owed = self._owed(quantity, self.remaining, first=first)
        amount = self._amount(line, owed, places, first=first)
        shown = self.fits and abs(quantity.value - owed) <= self.slack
        return Share(owed, amount, shown)

    def _owed(self, line: Written, remaining: Fraction, *, first: bool) -> Fraction:
        billed, slack = line.value, self.slack
        if abs(remaining) <= slack or first or remaining < 0 or billed <= 0:
            self.remaining = ZERO
            return billed - remaining
        if abs(remaining - billed) <= slack:
            self.remaining = remaining - billed
            return ZERO
        taken = min(remaining, billed)
        self.remaining = remaining - taken
        return billed - taken

    def _amount(
        self,
        line: BilledShare | AuditedLine,
        owed: Fraction,
        places: int,
        *,
        first: bool,
    ) -> Fraction:
        """The line's part of the amount that the ledger bills, in whole units."""
        price, billed = line.unit_price.value, line.amount.value
        exact = owed * price
        due, nearly = exact - self.carry, Fraction(1, 10**places)
        off = billed - due
        if self.is_as_billed:
            # Of lines rounded each, one may bear what the rounding leaves.
            off = billed - exact
            nearly = max(nearly, Fraction(self.count, 2 * 10**places))
            nearly += price * (self.slack + slack_of(line.quantity))
        amount = half_up(due, places)
        if not first and abs(off) < nearly and half_up(billed, places) == billed:
            amount = billed
        self.carry = amount - due
        return amount

    def _adds_up(self, places: int) -> bool:
        """Whether the lines, each near its part, bill together what the ledger does."""
        trial = Shares(self.lines, self.total, self.slack, self.earlier)
        trial.remaining, trial.is_as_billed = self.remaining, True
        trial.count = self.count = sum(1 for _ in self.lines())
        before: BilledShare | None = None
        for line in self.lines():
            if before is not None:
                assert trial.remaining is not None
                owed = trial._owed(before.quantity, trial.remaining, first=False)
                trial._amount(before, owed, places, first=False)
            before = line
        assert before is not None
        assert trial.remaining is not None
        owed = trial._owed(before.quantity, trial.remaining, first=True)
        return trial._amount(before, owed, places, first=True) == before.amount.value

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


__all__ = [
    "Share",
    "Shares",
    "Verdict",
    "cause_of",
    "judge",
    "money",
    "plain",
    "slack_of",
]
