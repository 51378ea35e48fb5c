"""What figures come to together: a sum for each currency, and what has no price (R92).

A forecast is in no total, and nothing without a price is counted as nothing (R93).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.money import Currency, rounded
from seat_ledger.projections.reader import Row


class Total(NamedTuple):
    """The sum of the amounts in one currency, and how many figures it is of."""

    currency: str | None
    amount: str
    figures: int

    def __str__(self) -> str:
        """The sum as people read it: ``1170.00 EUR``."""
        return f"{self.amount} {self.currency}" if self.currency else self.amount


class Sum(NamedTuple):
    """The totals by currency, and the figures that have a quantity and no price."""

    totals: list[Total]
    not_priced: list[Row]

    @property
    def is_priced(self) -> bool:
        """Whether anything has a price."""
        return bool(self.totals)

    def fields(self) -> list[Row]:
        """The totals as a document has them."""
        return [total._asdict() for total in self.totals]


def summed(rows: Iterable[Row], *, with_forecast: bool = False) -> Sum:
    """What figures come to that are counted by one rule each."""
    amounts: dict[str | None, list[Fraction]] = {}
    not_priced = []
    for row in rows:
        if row["forecast"] and not with_forecast:
            continue
        if row["amount"] is not None:
            amounts.setdefault(row["currency"], []).append(Fraction(row["amount"]))
        elif row["quantity"] != "0":
            not_priced.append(row)
    totals = [
        Total(
            code,
            rounded(sum(of_currency, Fraction(0)), Currency.named(code).places),
            len(of_currency),
        )
        for code, of_currency in sorted(amounts.items(), key=lambda item: item[0] or "")
    ]
    return Sum(totals, not_priced)


def by_rule(rows: Iterable[Row]) -> list[Row]:
    """What each rule comes to, by currency: a row for each, without forecasts."""
    of_rule: dict[tuple[str, str | None], list[Row]] = {}
    for row in rows:
        of_rule.setdefault((row["mode"], row["granularity"]), []).append(row)
    sums = []
    for (mode, granularity), members in of_rule.items():
        together = summed(members)
        rule = {"mode": mode, "granularity": granularity}
        not_priced = {"not_priced": len(together.not_priced)}
        nothing = {"currency": None, "amount": None, "figures": 0}
        fields = together.fields() or [nothing]
        sums += [{**rule, **total, **not_priced} for total in fields]
    return sums


def added(rows: Iterable[Row], *names: str) -> list[Row]:
    """Amounts added up by currency, a row for each; what has no amount is in none.

    A sum is None where no row of the currency has such an amount (R93).
    """
    sums: dict[str | None, dict[str, Fraction | None]] = {}
    for row in rows:
        for name in names:
            if row[name] is None:
                continue
            nothing: dict[str, Fraction | None] = dict.fromkeys(names)
            of_currency = sums.setdefault(row["currency"], nothing)
            of_currency[name] = (of_currency[name] or Fraction()) + Fraction(row[name])
    return [
        {
            "currency": code,
            **{
                name: None
                if amount is None
                else rounded(amount, Currency.named(code).places)
                for name, amount in amounts.items()
            },
        }
        for code, amounts in sorted(sums.items(), key=lambda item: item[0] or "")
    ]


def changes_added(rows: Iterable[Row]) -> list[Row]:
    """What differences between two states come to; figures by several rules do not
    add up, and a forecast is in no sum.
    """
    rows = list(rows)
    figures = {(row["period"], row["seat_type"]) for row in rows}
    if len(figures) < len(rows):
        return []
    begun = [
        row
        for row in rows
        if not row["forecast"] and row["amount_difference"] is not None
    ]
    return added(begun, "amount_before", "amount_after", "amount_difference")


def grouped_by(rows: Iterable[Row], grouping: str) -> list[Row]:
    """What figures come to by the month or quarter that their period begins in, by type
    or by account: a row for each group and currency, without forecasts.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if not row["forecast"]:
            groups.setdefault(_group(row, grouping), []).append(row)
    sums = []
    for name, members in sorted(groups.items()):
        together = summed(members)
        fields = {"group": name, "not_priced": len(together.not_priced)}
        nothing = {"currency": None, "amount": None, "figures": 0}
        sums += [{**fields, **total} for total in together.fields() or [nothing]]
    return sums


def _group(row: Row, grouping: str) -> str:
    if grouping in {"type", "account"}:
        return str(row["seat_type" if grouping == "type" else "account"])
    year, month = str(row["period"])[:4], int(str(row["period"])[5:7])
    return f"{year}-{month:02}" if grouping == "month" else f"{year}q{(month + 2) // 3}"
