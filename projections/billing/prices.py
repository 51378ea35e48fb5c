"""What a price is for: a period, a whole window, or each period of a window (R91)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.domain.counting_rules import TIME, WITH_GRANULARITY, measure
from seat_ledger.domain.money import Currency, rounded
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.billing.bounds import bounds_of, quantity_ends
from seat_ledger.projections.billing.figures import as_known, microseconds, quantity
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import AccountFacts, AccountQuestion, Row

Rule = tuple[str, str | None]
PriceFor = Literal["period", "window"]


@dataclass(frozen=True)
class Priced:
    """By which rules to count, and what a seat costs.

    Without `rules` the account's policy applies (R50), with `granularity` in place of
    its own where it has one. A price is for one seat and one whole period: by seat
    type, or `single` where one type alone is asked about. `price_for` says that it is
    meant for a window as a whole.
    """

    rules: Sequence[Rule] | None = None
    prices: Mapping[str, Fraction] = field(default_factory=dict)
    currency: Currency = field(default_factory=lambda: Currency.named(None))
    granularity: str | None = None
    single: Fraction | None = None
    price_for: PriceFor = "period"

    def by_policy(self, mode: str, granularity: str | None) -> Rule:
        """The rule of a policy, by the granularity that was asked for."""
        return mode, granularity and (self.granularity or granularity)

    def price(self, seat_type: str) -> Fraction | None:
        """What a seat of a type costs."""
        return self.prices.get(seat_type, self.single)

    @property
    def is_priced(self) -> bool:
        """Whether anything has a price."""
        return bool(self.prices) or self.single is not None

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


def check_one_period(
    account: AccountFacts, window: BillingPeriod, price_for: PriceFor
) -> None:
    """Refuse one price for a window over several periods. Raises InvalidInput."""
    touched = periods_in(account, window)
    if len(touched) > 1 and price_for == "period":
        raise InvalidInput(
            f"The window from {window.label} until {window.until} touches "
            f"{len(touched)} billing periods, but a price is for one.",
            try_=f"--period {touched[0].label} and each other period by itself, or "
            "--price-for window if the price is for the whole window",
        )


def amounts_by_period(
    question: AccountQuestion, window: BillingPeriod, how: Priced
) -> dict[tuple[str, Rule], Row]:
    """What a window over several periods costs, by seat type and rule (R91).

    Each period's part is priced by its share of that period, and rounded; then they
    are added, with what windows leave open of them (R89). Nothing where the window
    lies in one period.
    """
    reader, account, known_at, _ = question
    touched = {period.index: period for period in periods_in(account, window)}
    if len(touched) < 2 or how.price_for == "window" or not how.is_priced:
        return {}
    parts = [_part(period, window) for period in touched.values()]
    rows = as_known(reader, [row_of(account, part) for part in parts], known_at)
    between = bounds_of(question, parts)
    policy = account.policy_at(window.starts)
    totals: dict[tuple[str, Rule], dict[str, Fraction]] = {}
    for row in rows:
        whole, seat_type = touched[row["period_no"]], str(row["seat_type"])
        price = how.price(seat_type)
        open_ = between.get((account.no, row["period_no"], seat_type))
        for rule in how.rules or [how.by_policy(*policy)]:
            if price is None:
                continue
            total = totals.setdefault((seat_type, rule), dict.fromkeys(_AMOUNTS, _ZERO))
            share = _share(row, whole, rule) * price
            ends = quantity(row, *rule), *quantity_ends(row, open_, rule)
            for name, end in zip(_AMOUNTS, ends, strict=True):
                total[name] += Fraction(rounded(end * share, how.currency.places))
    places = how.currency.places
    return {
        key: {name: rounded(amount, places) for name, amount in total.items()}
        for key, total in totals.items()
    }


_ZERO = Fraction(0)
_AMOUNTS = ("amount", "amount_least", "amount_most")


def _part(period: BillingPeriod, window: BillingPeriod) -> BillingPeriod:
    """What of a period lies in a window, as if it were a period."""
    return BillingPeriod(
        period.index,
        max(period.label, window.label),
        max(period.starts, window.starts),
        min(period.ends, window.ends),
        period.zone,
        min(period.until, window.until),
    )


def _share(row: Row, whole: BillingPeriod, rule: Rule) -> Fraction:
    """Which share of its period a part is: in the rule's dates, or in time."""
    if measure(*rule).over == TIME:
        length = {"starts": whole.starts, "ends": whole.ends}
        return Fraction(microseconds(row), microseconds(length))
    return Fraction(int(row["days"]), len(whole.days))
