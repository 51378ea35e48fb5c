"""What a price is for: a period, a whole window, or each period of a window (R91)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Literal, NamedTuple

from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.domain.counting_rules import TIME, WITH_GRANULARITY, measure
from seat_ledger.domain.money import Currency, exactly, plain, rounded
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.billing.bounds import (
    Bounds,
    FigureKey,
    bounds_of_rows,
    quantity_ends,
    unseen,
)
from seat_ledger.projections.billing.figures import as_known, microseconds, quantity
from seat_ledger.projections.billing.price_book import (
    NO_PRICE,
    PriceBook,
    UnitPrice,
    recorded,
    start_of,
)
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
)

Rule = tuple[str, str | None]
PriceFor = Literal["period", "window"]


@dataclass(frozen=True)
class Priced:
    """By which rules to count, and what a seat costs.

    Without `rules` the account's policy applies (R50), with `granularity` in place of
    its own where it has one. A price is for one seat and one whole period: by seat
    type, or `single` where one type alone is asked about. `price_for` says that it is
    meant for a window as a whole. Before the `books` a price that is given applies,
    and the first of them that has one (R90).
    """

    rules: Sequence[Rule] | None = None
    prices: Mapping[str, Fraction] = field(default_factory=dict)
    currency: Currency = field(default_factory=lambda: Currency.named(None))
    granularity: str | None = None
    single: Fraction | None = None
    price_for: PriceFor = "period"
    books: Sequence[PriceBook] = ()

    def with_book(
        self,
        reader: ConnectedReader,
        known_at: Knowledge,
        account_nos: Iterable[int] | None,
    ) -> Priced:
        """The same with the recorded prices of some accounts, as known (R90)."""
        book = recorded(reader, known_at, account_nos)
        return replace(self, books=(*self.books, book)) if book.has_prices else self

    def by_policy(self, mode: str, granularity: str | None) -> Rule:
        """The rule of a policy, by the granularity that was asked for."""
        return mode, granularity and (self.granularity or granularity)

    def is_fixed(self, seat_type: str) -> bool:
        """Whether the price of a type is given with the question."""
        return self.prices.get(seat_type, self.single) is not None

    @property
    def has_fixed(self) -> bool:
        """Whether any price is given with the question."""
        return bool(self.prices) or self.single is not None

    def price(
        self, account: tuple[int, str], seat_type: str, period: tuple[datetime, date]
    ) -> UnitPrice | None:
        """What a seat of a type costs in a period of an account (R90).

        A price that is given without a currency is in that of the price book.
        """
        fixed = self.prices.get(seat_type, self.single)
        if fixed is None:
            return self._listed(account, seat_type, period)
        currency = self.currency
        if currency.code is None:
            with suppress(InvalidInput):
                if listed := self._listed(account, seat_type, period):
                    currency = listed.currency
        return UnitPrice(fixed, currency)

    def _listed(
        self, account: tuple[int, str], seat_type: str, period: tuple[datetime, date]
    ) -> UnitPrice | None:
        for book in self.books:
            price = book.find(account, seat_type, period, self.currency.code)
            if price is not None:
                return price
        return None

    def check_types(self, seat_types: Iterable[str]) -> None:
        """Refuse a price without a type where there is more than one.

        Raises InvalidInput.
        """
        several = sorted(set(seat_types) - set(self.prices))
        if self.single is not None and len(several) > 1:
            price = self.currency.shown(self.single)
            raise InvalidInput(
                f"The price {price} does not name a seat type, and the answer has "
                f"{', '.join(several)}.",
                try_=" ".join(
                    f"--unit-price {seat_type}={price}" for seat_type in several
                ),
            )

    def check_granularity(self, modes: Iterable[str | None]) -> None:
        """Refuse a granularity where no rule of the policy has one (R50).

        Raises InvalidInput.
        """
        if self.rules is None and self.granularity and not any(modes):
            raise InvalidInput(
                "The account's policy counts by a mode that has no granularity: omit "
                "--granularity.",
                try_=f"name a --mode that has one: {' or '.join(WITH_GRANULARITY)}",
            )


def periods_in(account: AccountFacts, window: BillingPeriod) -> list[BillingPeriod]:
    """The billing periods that share time with a window, in order."""
    every = account.calendar.periods_before(window.ends)
    return [period for period in every if period.ends > window.starts]


_AMOUNTS = ("amount", "amount_least", "amount_most")


class WindowPrice(NamedTuple):
    """What a window costs: the part of each period that it touches, and their sum.

    With what windows leave open of the `amounts` (R89); they are None where a part
    with seats has no price. `unit_price` is what all parts have in common.
    """

    amounts: Row
    unit_price: Row
    parts: list[Row]

    @property
    def is_priced(self) -> bool:
        """Whether any part has a price."""
        return any(part["unit_price"] for part in self.parts)

    def fields(self) -> Row:
        """What a row of figures has of it."""
        return {
            **self.unit_price,
            **self.amounts,
            "price_for": "periods",
            "price_parts": self.parts,
        }


RulePrices = dict[tuple[str, Rule], WindowPrice]
"""What a window costs, by seat type and rule."""


def by_period(
    question: AccountQuestion, window: BillingPeriod, how: Priced
) -> RulePrices:
    """What a window costs period by period, by seat type and rule (R91).

    Each period's part is priced by its share of that period at that period's price,
    and rounded; then they are added. Nothing for a price that is given for the window:
    by word, or because the window lies in one period.
    """
    return by_period_of_each([(question, window)], how)[question.account.no]


def by_period_of_each(
    windows: Sequence[tuple[AccountQuestion, BillingPeriod]], how: Priced
) -> dict[int, RulePrices]:
    """The same of the windows of several accounts, as known at one position."""
    if not windows:
        return {}
    reader, _, known_at, _ = windows[0][0]
    wholes = {
        question.account.no: {
            period.index: period for period in periods_in(question.account, window)
        }
        for question, window in windows
    }
    selected = [
        row_of(question.account, part_within(period, window))
        for question, window in windows
        for period in wholes[question.account.no].values()
    ]
    between = bounds_of_rows(reader, selected, known_at)
    rows = as_known(reader, selected, known_at)
    figures: dict[int, list[Row]] = {}
    for row in [*rows, *unseen(rows, selected, between)]:
        figures.setdefault(row["account_no"], []).append(row)
    return {
        question.account.no: _window_prices(
            question.account,
            window,
            how,
            wholes[question.account.no],
            figures.get(question.account.no, []),
            between,
        )
        for question, window in windows
    }


def _window_prices(  # noqa: PLR0913, PLR0917  a window, its figures, and how
    account: AccountFacts,
    window: BillingPeriod,
    how: Priced,
    touched: Mapping[int, BillingPeriod],
    rows: Iterable[Row],
    between: Mapping[FigureKey, Bounds],
) -> RulePrices:
    """What a window costs, from the figures of its parts."""
    is_whole = len(touched) < 2 or how.price_for == "window"
    policy = account.policy_at(window.starts)
    by_type: dict[tuple[str, Rule], list[tuple[UnitPrice | None, Row]]] = {}
    for row in rows:
        whole, seat_type = touched[row["period_no"]], str(row["seat_type"])
        if is_whole and how.is_fixed(seat_type):
            continue
        price = how.price((account.no, account.key), seat_type, start_of(whole))
        open_ = between.get((account.no, row["period_no"], seat_type))
        for rule in how.rules or [how.by_policy(*policy)]:
            share = share_of(part_within(whole, window), whole, rule)
            ends = quantity(row, *rule), *quantity_ends(row, open_, rule)
            part = _priced_part(whole, [share * end for end in ends], price)
            by_type.setdefault((seat_type, rule), []).append((price, part))
    return {key: _sum(parts) for key, parts in by_type.items()}


def _priced_part(
    period: BillingPeriod, shares: Sequence[Fraction], price: UnitPrice | None
) -> Row:
    """What of a period lies in a window, priced; its share in whole seats, and the
    least and the most of it.
    """
    amounts = [price and price.currency.amount(share, price.value) for share in shares]
    return {
        "period": period.label.isoformat(),
        "quantity": plain(shares[0]),
        "quantity_exact": exactly(shares[0]),
        **(NO_PRICE if price is None else price.fields()),
        **dict(zip(_AMOUNTS, amounts, strict=True)),
    }


def _sum(priced: Sequence[tuple[UnitPrice | None, Row]]) -> WindowPrice:
    parts = [part for _, part in priced]
    prices = [price for price, part in priced if price or part["quantity"] != "0"]
    currencies = {price and price.currency for price in prices}
    first = prices[0] if prices else None
    if len(currencies) != 1 or first is None:
        return WindowPrice(dict.fromkeys(_AMOUNTS), NO_PRICE, parts)
    fields = [price.fields() for price in prices if price is not None]
    unit_price = {
        name: value if all(other[name] == value for other in fields) else None
        for name, value in fields[0].items()
    }
    return WindowPrice(
        {name: _added(parts, name, first.currency) for name in _AMOUNTS},
        unit_price,
        parts,
    )


def _added(parts: Sequence[Row], name: str, currency: Currency) -> str:
    """The sum of one amount of the parts."""
    amounts = (Fraction(part[name] or 0) for part in parts)
    return rounded(sum(amounts, Fraction(0)), currency.places)


def part_within(period: BillingPeriod, window: BillingPeriod) -> BillingPeriod:
    """What of a period lies in a window, as if it were a period."""
    return BillingPeriod(
        period.index,
        max(period.label, window.label),
        max(period.starts, window.starts),
        min(period.ends, window.ends),
        period.zone,
        min(period.until, window.until),
    )


def share_of(part: BillingPeriod, whole: BillingPeriod, rule: Rule) -> Fraction:
    """Which share of its period a part is: in the rule's dates, or in time."""
    if measure(*rule).over == TIME:
        lengths = ({"starts": p.starts, "ends": p.ends} for p in (part, whole))
        return Fraction(*map(microseconds, lengths))
    return Fraction(len(part.days), len(whole.days))
