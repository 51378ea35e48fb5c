"""A line of an invoice that was issued elsewhere, as its file says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from seat_ledger.domain.calendar import ZoneHistory, date_of
from seat_ledger.domain.counting_rules import (
    COUNTING_RULES,
    GRANULARITIES,
    MODES,
    WITH_GRANULARITY,
)
from seat_ledger.domain.instants import parse_instant
from seat_ledger.domain.money import Currency
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.billing import span_of

_POSITION = re.compile(r"#?(\d{1,18})", re.ASCII)
_UTC = ZoneHistory("UTC")


class Written(NamedTuple):
    """A decimal as it was written, with a point."""

    text: str

    @property
    def value(self) -> Fraction:
        """What it says, exactly."""
        return _exact(self.text)

    @property
    def places(self) -> int:
        """The decimal places that it shows."""
        return len(self.text.partition(".")[2])


@lru_cache(maxsize=16384)
def _exact(text: str) -> Fraction:
    whole, _, part = text.partition(".")
    return Fraction(int(whole + part), 10 ** len(part))


Span = tuple[date, date]
"""The first of some dates, and the one after the last."""


def range_of(first: date, until: date) -> str:
    """Dates as a bill writes them: the first and the last, ``2025-03-05..2025-04-04``.

    `until` is the one after the last.
    """
    return f"{first}..{until - timedelta(days=1)}"


class BilledDates(NamedTuple):
    """What a line bills: a period's label, and the last date, where it names one."""

    label: str
    last: date | None = None

    @classmethod
    def written(cls, text: str) -> BilledDates:
        """From a label, or from two dates as ``2025-03-05..2025-04-04``.

        Raises InvalidInput.
        """
        label, sign, end = text.partition("..")
        if not sign:
            span_of(label)
            return cls(label)
        for day in (label, end):
            if len(day) != len("2025-03-05"):
                raise InvalidInput(
                    f"{shown(text)} is not a range of dates.",
                    try_="write the first and the last, as 2025-03-05..2025-04-04",
                )
        last = date_of(end)
        if last < date_of(label):
            raise InvalidInput(
                f"the range {shown(text)} ends before it begins.",
                try_="correct its dates",
            )
        return cls(label, last)

    @staticmethod
    def of_month(text: str) -> str | None:
        """All dates of a month: ``2025-02`` as ``2025-02-01..2025-02-28``."""
        if len(text) != len("2025-02"):
            return None
        first, until = span_of(text)
        return range_of(first, until)

    @property
    def span(self) -> Span | None:
        """The dates of a range: the same day of a later month is after its last."""
        if self.last is None:
            return None
        first = date_of(self.label)
        is_next = self.last > first and self.last.day == first.day
        return first, self.last if is_next else self.last + timedelta(days=1)


Invoice = tuple[int, str]
"""An invoice by its position of issue and its number."""


class BilledShare(NamedTuple):
    """What a line bills of a figure, and whether it is known to correct another."""

    invoice: Invoice
    quantity: Written
    unit_price: Written
    amount: Written
    corrects: bool


class AuditedLine(NamedTuple):
    """One line: what was billed, when it was issued, and by which rule, if it says.

    `no` is its line in the file. `period` is a label as given, or a range of dates;
    `issued` a position or an instant as given. `corrects`: the line is known to correct
    an earlier one.
    """

    no: int
    account: str
    invoice: str
    issued: str
    period: str
    seat_type: str
    quantity: Written
    unit_price: Written
    amount: Written
    mode: str | None
    granularity: str | None
    currency: str | None
    corrects: bool = False

    @classmethod
    def checked(
        cls,
        no: int,
        named: Mapping[str, str],
        quantity: Written,
        unit_price: Written,
        amount: Written,
    ) -> AuditedLine:
        """A line whose cells can be read. Raises InvalidInput.

        What the ledger does not know (an account, a period, a type) is no fault of
        the file: it is a finding (R65).
        """
        BilledDates.written(named["period"])
        issued_at(named["issued_at"], _UTC)
        if unit_price.text.startswith("-"):
            raise InvalidInput(
                f"the unit_price {unit_price.text} is below zero.",
                try_="write a credit with a negative quantity and amount",
            )
        mode, granularity = _rule(named.get("mode"), named.get("granularity"))
        currency = named.get("currency") or None
        Currency.named(currency)
        return cls(
            no,
            named["account"],
            named["invoice"],
            named["issued_at"],
            named["period"],
            named["seat_type"],
            quantity,
            unit_price,
            amount,
            mode,
            granularity,
            currency,
        )

    def rule(self, policy: tuple[str, str | None]) -> tuple[str, str | None]:
        """By which rule the line is counted, where the account has this policy."""
        return rule_of((self.mode, self.granularity), policy)


def rule_of(
    named: tuple[str | None, str | None], policy: tuple[str, str | None]
) -> tuple[str, str | None]:
    """The rule that is named, what it leaves open as the account's policy has it."""
    mode = named[0] or policy[0]
    if mode not in WITH_GRANULARITY:
        return mode, None
    inherited = policy[1] if mode == policy[0] else None
    return mode, named[1] or inherited or COUNTING_RULES[mode].granularities[0]


def _rule(mode: str | None, granularity: str | None) -> tuple[str | None, str | None]:
    if mode and mode not in MODES:
        raise InvalidInput(
            f"unknown counting mode {shown(mode)}.",
            try_=f"use one of {', '.join(MODES)}",
        )
    if granularity and granularity not in GRANULARITIES:
        raise InvalidInput(
            f"unknown granularity {shown(granularity)}.", try_="use day or second"
        )
    if mode and granularity and mode not in WITH_GRANULARITY:
        raise InvalidInput(
            f"the mode {mode} has no granularity; omit it.",
            try_="leave the cell empty",
        )
    return mode or None, granularity or None


@lru_cache(maxsize=4096)
def issued_at(text: str, zones: ZoneHistory) -> int | datetime:
    """When an invoice was issued: a position, or an instant, local without an offset.

    Raises InvalidInput, or CommandRefused for a local time that is none or two (R11).
    """
    position = _POSITION.fullmatch(text)
    if position:
        return int(position[1])
    return parse_instant(text, zones)


def check_issued_at(text: str) -> None:
    """Refuse what is neither a position nor an instant. Raises InvalidInput."""
    issued_at(text, _UTC)
