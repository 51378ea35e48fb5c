"""Lines with the figures that they bill, alone or together with others."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import NamedTuple

from seat_ledger.projections.billing.audit.contracts import Contract
from seat_ledger.projections.billing.audit.line_store import Spool
from seat_ledger.projections.billing.audit.lines import AuditedLine
from seat_ledger.projections.billing.audit.verdict import ZERO, Shares, slack_of, tally
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import Row


class Billed(NamedTuple):
    """A line with the period that it bills; without a number, one that is missing.

    `period` is None where the ledger knows none of this label. `position` is that of
    the issue. A line that bills its figure together with others has `shares` in it,
    and one of an invoice with others `shares_then`, of what was left at issue; each has
    its first line, the last to be asked for. `is_paid`: an earlier invoice bills the
    figure in full.
    """

    line: AuditedLine
    contract: Contract | None
    period: PeriodRow | None
    label: str
    position: int
    shares: Shares | None = None
    is_first: bool = True
    shares_then: Shares | None = None
    is_first_then: bool = True
    is_paid: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether the ledger bills what no line does."""
        return self.line.no == 0


class Bundle:
    """The lines of one figure, met from the last one back."""

    def __init__(
        self, spool: Spool, billed: Billed, place: Row, figure: Fraction
    ) -> None:
        self.spool, self.lines = spool, place["of_figure"]
        self.parts = partial(spool.of_figure, billed.line, place)
        self.bill = bill = tally(self.parts(), figure)
        self.of_invoice = 0
        self.before = bill.total
        self.now: Shares | None = None
        if bill.together:
            self.now = Shares(self.parts, bill.total, bill.slack)
        self.then: Shares | None = None

    def next(self, billed: Billed, place: Row) -> Billed:
        """The next line with its shares."""
        if not self.of_invoice:
            self._begin(billed.line, place)
        self.lines, self.of_invoice = self.lines - 1, self.of_invoice - 1
        is_first_then = self.of_invoice == 0
        return billed._replace(
            shares=self.now,
            is_first=self.lines == 0 if self.bill.together else is_first_then,
            shares_then=self.then,
            is_first_then=is_first_then,
            is_paid=self._is_paid(billed),
        )

    def _begin(self, line: AuditedLine, place: Row) -> None:
        """An invoice's lines: what they bill, and what earlier ones billed before."""
        self.of_invoice = lines = place["of_invoice"]
        total, slack = line.quantity.value, slack_of(line.quantity)
        parts = partial(self.spool.of_invoice, line, place)
        if self.bill.together and lines == self.lines:
            total, slack = self.before, self.bill.slack
        elif lines > 1:
            alone = tally(parts(), ZERO)
            total, slack = alone.total, alone.slack
        self.before -= total
        if self.bill.together:
            self.then = Shares(parts, total, self.bill.slack, self.before)
        else:
            self.now = Shares(parts, total, slack) if lines > 1 else None
            self.then = Shares(parts, total, slack) if lines > 1 else None

    def _is_paid(self, billed: Billed) -> bool:
        """Whether an earlier invoice bills the figure in full."""
        if self.bill.together or self.bill.paid_by is None:
            return False
        return self.bill.paid_by < (billed.position, billed.line.invoice)
