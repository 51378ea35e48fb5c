"""What the read side hands over to be recorded as an invoice.

Issuing needs both sides: figures come from the projections as known at a position,
and the write side records them only if the account has not moved since. These are
the words they share; neither side knows more of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Literal, NamedTuple

LineKind = Literal["period", "correction", "void"]


class InvoiceRequest(NamedTuple):
    """Which invoice is asked for: a period of an account, and what a seat costs.

    `period` is the first local date of a period that the account has, whatever way
    it was named, and None for corrections alone, of what was invoiced in the
    `currency` (R100); `unit_prices` are decimals as they were given, by seat type.
    """

    account: str
    invoice: str
    period: date | None
    unit_prices: Mapping[str, str]
    currency: str


class Figure(NamedTuple):
    """What one seat type comes to: in the invoiced period, or as a correction (R43);
    or the `nth` line of the voided invoice `voids`, taken back (R94).

    `quantity` is exact, and of a correction what is now more or less than invoiced.
    `unit_price` and `amount` are decimals, and None where no price is known.
    `entries` are the positions of the entries that a correction comes from.
    """

    kind: LineKind
    period: date
    seat_type: str
    quantity: Fraction
    unit_price: str | None
    amount: str | None
    entries: tuple[int, ...] = ()
    voids: str | None = None
    nth: int = 0

    @property
    def place(self) -> tuple[date, str, str, str, int]:
        """Its place among the lines: by period, kind and type (R64)."""
        return self.period, self.kind, self.seat_type, self.voids or "", self.nth

    @property
    def lacks_price(self) -> bool:
        """Whether there is something to bill, and no price for it (R64)."""
        return self.quantity != 0 and (self.unit_price is None or self.amount is None)


Bounds = tuple[date | None, datetime | None, datetime | None, str | None, str | None]
"""Of what an invoice is computed: period, bounds, mode and granularity."""

NO_PERIOD: Bounds = (None, None, None, None, None)
"""Of corrections alone (R100)."""


class InvoiceDraft(NamedTuple):
    """An invoice as computed, to be recorded (R60).

    `cut_off` is the position up to which the ledger was known, `tzdata` the version
    of the zone data, `digest` the SHA-256 of the inputs in hexadecimal. `figures`
    may hold what makes no line, in any order: see :meth:`lines`. `tree_size` and
    `tree_root` name the checkpoint that the cut-off is sealed in, if it is. Of
    corrections alone there are neither bounds nor a mode (R100). A `trial` has no
    figures, and is recorded nowhere (R101).
    """

    period: date | None
    starts: datetime | None
    ends: datetime | None
    mode: str | None
    granularity: str | None
    cut_off: int
    tzdata: str
    digest: str
    figures: tuple[Figure, ...]
    tree_size: int | None = None
    tree_root: str | None = None
    trial: bool = False

    def lines(self) -> list[Figure]:
        """The lines, in order. No quantity, no line (R64); no amount, none (R44)."""
        return [figure for figure in self._in_order() if _is_line(figure)]

    def corrections(self) -> list[Figure]:
        """The corrections that make no line, because they change no amount (R44)."""
        return [
            figure
            for figure in self._in_order()
            if figure.kind == "correction" and not _is_line(figure)
        ]

    def _in_order(self) -> list[Figure]:
        return sorted(self.figures, key=lambda figure: figure.place)


def _is_line(figure: Figure) -> bool:
    if figure.kind != "correction":
        return figure.quantity != 0 or figure.kind == "void"
    return figure.lacks_price or (
        figure.amount is not None and Fraction(figure.amount) != 0
    )


ComputeInvoice = Callable[[InvoiceRequest], InvoiceDraft]
"""Computes the figures at the store's head; may raise any error of the ledger."""
