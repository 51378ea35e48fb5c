"""Two states of knowledge side by side: which figures differ, and by which entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.money import Currency, exactly, plain, rounded
from seat_ledger.domain.values import FOREVER
from seat_ledger.projections.billing import (
    CountsQuery,
    Priced,
    selected_periods,
    window,
)
from seat_ledger.projections.billing.bounds import (
    Bounds,
    FigureKey,
    bounds,
    quantity_ends,
    unseen,
    with_windows,
)
from seat_ledger.projections.billing.figures import (
    as_known,
    first_changes,
    quantity,
    stored,
)
from seat_ledger.projections.billing.intervals import (
    CountedInterval,
    CountedSpan,
    changes,
    holdings,
    lives,
    reach,
    recorded_between,
)
from seat_ledger.projections.billing.price_book import (
    PriceBook,
    UnitPrice,
    recorded,
)
from seat_ledger.projections.billing.prices import Rule, WindowPrice, by_period
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import (
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
)


class Side(NamedTuple):
    """An account as known at one of the two, and what its periods come to."""

    question: AccountQuestion
    periods: dict[date, PeriodRow]
    figures: dict[tuple[date, str], Row]
    between: dict[FigureKey, Bounds]
    book: PriceBook = PriceBook()
    is_window: bool = False
    has_windows: bool = False

    def priced(self, how: Priced) -> Priced:
        """The same with the prices that were recorded, as known (R90)."""
        return replace(how, books=(*how.books, self.book))

    def price(self, how: Priced, label: date, seat_type: str) -> UnitPrice | None:
        """What a seat of the type costs in a period, as known (R90)."""
        account, period = self.question.account, self.periods.get(label)
        if period is None or (self.is_window and not how.is_fixed(seat_type)):
            return None  # a recorded price is for a whole period
        how = self.priced(how)
        return how.price((account.no, account.key), seat_type, (period.starts, label))


def compare(
    reader: ConnectedReader,
    key: str,
    between: tuple[Knowledge, Knowledge],
    moment: datetime,
    query: CountsQuery,
) -> list[Row]:
    """The figures that differ, a row each; `upto` is the instant that both see.

    A figure of a period that did not exist as known at one of the two is null there.
    """
    how = query.how
    reader.types.check(*how.prices)
    sides = _Sides(reader, key, moment, query)
    after = sides.newer(between[1])
    before = sides.older(between[0], after)
    account = after.question.account
    figures = before.figures.keys() | after.figures.keys()
    how.check_types(seat_type for _, seat_type in figures)
    by_periods = [_by_period(side, query, how) for side in (before, after)]
    rows = []
    for label, seat_type in sorted(figures):
        by_rule = [_rules(side, (label, seat_type), how) for side in (before, after)]
        for rule in dict.fromkeys([*by_rule[0], *by_rule[1]]):
            was, now = (side.get(rule) for side in by_rule)
            prices = [side.price(how, label, seat_type) for side in (before, after)]
            money = _money(prices, was, now)
            windows = [prices.get((seat_type, rule)) for prices in by_periods]
            if any(windows):
                money = _money_of_windows(windows, was, now)
            is_repriced = now and _value(prices[0]) != _value(prices[1])
            if was != now or is_repriced or _differs(money):
                row = _row(account.key, (label, seat_type), rule, was, now)
                row |= money
                if money["price_for"] is None and any(prices):
                    row["price_for"] = "window" if after.is_window else "period"
                for name, side in (("before", before), ("after", after)):
                    row |= _open(side, (label, seat_type), rule, name)
                row["entries"] = _priced_by(prices)
                period = (before.periods | after.periods)[label]
                row["forecast"] = period.starts > moment
                row["complete"] = period.ends <= moment
                rows.append(row)
    _name_entries(rows, before, after)
    return rows


class _Sides(NamedTuple):
    """What both states of knowledge are asked."""

    reader: ConnectedReader
    key: str
    moment: datetime
    query: CountsQuery

    def newer(self, known_at: Knowledge) -> Side:
        """The account as known at the later of the two."""
        side = self._of(known_at)
        if not side.question.account.is_known:
            return side
        periods = [*side.periods.values()]
        is_open = bool(with_windows(self.reader, [side.question.account.no], known_at))
        figures = (
            self._stored(side.question, periods)
            if self._is_stored(known_at)
            else as_known(self.reader, periods, known_at)
        )
        return self._with_figures(side, figures, is_open=is_open)

    def older(self, known_at: Knowledge, later: Side) -> Side:
        """The same earlier: what nothing between the two reaches is as it is later."""
        side = self._of(known_at)
        if not side.question.account.is_known:
            return side
        same = self._unchanged(side, later)
        figures = [row for key, row in later.figures.items() if key[0] in same]
        counted = [row for row in side.periods.values() if row.label not in same]
        if counted:
            figures += as_known(self.reader, counted, known_at)
        return self._with_figures(side, figures, is_open=later.has_windows)

    def _of(self, known_at: Knowledge) -> Side:
        account = self.reader.account(self.key, known_at)
        question = AccountQuestion(self.reader, account, known_at, self.moment)
        if not account.is_known:
            return Side(question, {}, {}, {})
        periods = selected_periods(account, self.query, self.moment, lenient=True)
        return Side(
            question,
            {period.label: period for period in periods},
            {},
            {},
            recorded(self.reader, known_at, [account.no]),
            self.query.window is not None,
        )

    def _with_figures(self, side: Side, figures: list[Row], *, is_open: bool) -> Side:
        periods = [*side.periods.values()]
        known_at = side.question.known_at
        between = bounds(self.reader, periods, known_at) if is_open else {}
        figures = figures + unseen(figures, periods, between)
        return side._replace(
            figures={(row["label"], str(row["seat_type"])): row for row in figures},
            between=between,
            has_windows=is_open,
        )

    def _is_stored(self, known_at: Knowledge) -> bool:
        is_head = known_at.position == self.reader.head
        return is_head and self.reader.has_tables and self.query.window is None

    def _stored(
        self, question: AccountQuestion, periods: Sequence[PeriodRow]
    ) -> list[Row]:
        """The figures of periods as they are stored, for what is known now."""
        if not periods:
            return []
        labels = [period.label for period in periods]
        span = min(labels), max(labels) + timedelta(days=1)
        moment = max(period.starts for period in periods)
        return stored(self.reader, question.account.no, span, moment)

    def _unchanged(self, side: Side, later: Side) -> set[date]:
        """The first periods whose figures are those of the later state, by label."""
        known_at, number = side.question.known_at, side.question.account.no
        until = later.question.known_at.position
        changes = first_changes(self.reader, [number], known_at.position, until)
        since = changes.get(number, FOREVER)
        same: set[date] = set()
        for label, period in side.periods.items():
            now = later.periods.get(label)
            if now is None or (now.starts, now.ends) != (period.starts, period.ends):
                break
            if period.ends > since:
                break
            same.add(label)
        return same


def _by_period(
    side: Side, query: CountsQuery, how: Priced
) -> dict[tuple[str, Rule], WindowPrice]:
    """What a window costs period by period, by seat type and rule (R91)."""
    account = side.question.account
    if query.window is None or not account.is_known:
        return {}
    whole = window(account, *query.window)
    prices = by_period(side.question, whole, side.priced(how))
    return {key: price for key, price in prices.items() if price.is_priced}


def _rules(
    side: Side, figure: tuple[date, str], how: Priced
) -> dict[tuple[str, str | None], Fraction]:
    """What the figure comes to by each rule asked for; nothing where it is not."""
    period = side.periods.get(figure[0])
    if period is None:
        return {}
    rules = how.rules or [how.by_policy(period.mode, period.granularity)]
    row = side.figures.get(figure)
    return {rule: quantity(row, *rule) if row else Fraction(0) for rule in rules}


def _open(side: Side, figure: tuple[date, str], rule: Rule, name: str) -> Row:
    """What windows leave open of a quantity on one side (R89); null without one."""
    names = (f"quantity_{name}_least", f"quantity_{name}_most")
    period, row = side.periods.get(figure[0]), side.figures.get(figure)
    if period is None or row is None:
        return dict.fromkeys(names, None if period is None else "0")
    between = side.between.get((period.account_no, period.period_no, figure[1]))
    ends = quantity_ends(row, between, rule)
    return dict(zip(names, map(plain, ends), strict=True))


def _row(
    account: str,
    figure: tuple[date, str],
    rule: tuple[str, str | None],
    was: Fraction | None,
    now: Fraction | None,
) -> Row:
    more = (now or Fraction(0)) - (was or Fraction(0))
    return {
        "account": account,
        "period": figure[0].isoformat(),
        "seat_type": figure[1],
        "mode": rule[0],
        "granularity": rule[1],
        "quantity_before": None if was is None else plain(was),
        "quantity_after": None if now is None else plain(now),
        "difference": plain(more),
        "difference_exact": exactly(more),
    }


def _money(
    prices: Sequence[UnitPrice | None], was: Fraction | None, now: Fraction | None
) -> Row:
    """What both come to, each at its price; no difference where one has none."""
    amounts = [
        None
        if exact is None or price is None
        else price.currency.amount(exact, price.value)
        for exact, price in zip((was, now), prices, strict=True)
    ]
    more = None
    unpriced = any(
        price is None and exact for exact, price in zip((was, now), prices, strict=True)
    )
    currencies = {price.currency for price in prices if price is not None}
    if len(currencies) == 1 and not unpriced:
        change = Fraction(amounts[1] or 0) - Fraction(amounts[0] or 0)
        more = rounded(change, currencies.pop().places)
    return {
        "amount_before": amounts[0],
        "amount_after": amounts[1],
        "amount_difference": more,
        "currency": next((p.currency.code for p in reversed(prices) if p), None),
        "price_for": None,
    }


def _money_of_windows(
    prices: Sequence[WindowPrice | None], was: Fraction | None, now: Fraction | None
) -> Row:
    """What a window comes to on both sides, priced period by period (R91)."""
    amounts = [price and price.amounts["amount"] for price in prices]
    codes = {
        part["currency"]
        for price in prices
        if price is not None
        for part in price.parts
        if part["currency"]
    }
    code = codes.pop() if len(codes) == 1 else None
    is_whole = all(
        amount is not None or not exact
        for amount, exact in zip(amounts, (was, now), strict=True)
    )
    more = None
    if is_whole:
        change = Fraction(amounts[1] or 0) - Fraction(amounts[0] or 0)
        more = rounded(change, Currency.named(code).places)
    return {
        "amount_before": amounts[0],
        "amount_after": amounts[1],
        "amount_difference": more,
        "currency": code,
        "price_for": "periods",
    }


def _differs(money: Row) -> bool:
    """Whether two states differ in money: by an amount, or by having one at all."""
    return bool(money["amount_before"] != money["amount_after"])


def _value(price: UnitPrice | None) -> tuple[Fraction, Currency] | None:
    """A price, wherever it is from."""
    return price and (price.value, price.currency)


def _priced_by(prices: Sequence[UnitPrice | None]) -> set[int]:
    """The entries that set the prices, where the two states have other prices."""
    was, now = prices
    if _value(was) == _value(now):
        return set()
    return {price.entry for price in (was, now) if price and price.entry}


def _name_entries(rows: Iterable[Row], before: Side, after: Side) -> None:
    """Name with each figure the entries recorded between the two that changed it."""
    by_source: dict[bool, dict[str, list[Row]]] = {}
    for row in rows:
        by_type = by_source.setdefault(is_of_contract(row["mode"]), {})
        by_type.setdefault(row["seat_type"], []).append(row)
    for by_lives, by_type in by_source.items():
        _name_entries_of(by_type, before, after, lives if by_lives else holdings)


_Find = Callable[[AccountQuestion, CountedSpan], list[CountedInterval]]


def _name_entries_of(
    by_type: dict[str, list[Row]], before: Side, after: Side, find: _Find
) -> None:
    """The same of figures that are counted from intervals of one kind."""
    since = before.question.known_at
    earliest = reach(after.question, since)
    between = recorded_between(after.question, since)
    starts = {
        date.fromisoformat(row["period"]) for of in by_type.values() for row in of
    }
    sides = [_seen(find, side, by_type, starts, earliest) for side in (before, after)]
    for seat_type, its in by_type.items():
        labels = {date.fromisoformat(row["period"]) for row in its}
        seen = [intervals.get(seat_type, []) for intervals in sides]
        named: dict[str, set[int]] = {}
        for label in labels:
            was, now = before.periods.get(label), after.periods.get(label)
            period = now or was
            assert period is not None
            kinds = _bearing_on(was, now)
            named[label.isoformat()] = {
                position for position, topic in between.of_contract if topic in kinds
            } | changes(
                seen[0] if was else [],
                seen[1] if now else [],
                between.reversals,
                (period.starts, period.ends),
                since.position,
            )
        for row in its:
            row["entries"] = sorted({*row["entries"], *named[row["period"]]})


def _seen(
    find: _Find,
    side: Side,
    seat_types: Iterable[str],
    labels: Iterable[date],
    earliest: datetime | None,
) -> dict[str, list[CountedInterval]]:
    """The intervals of some types that some periods count, from what changed first on;
    by type.
    """
    periods = [side.periods[label] for label in labels if label in side.periods]
    if not periods:
        return {}
    starts = min(period.starts for period in periods)
    ends = max(period.ends for period in periods)
    span = CountedSpan([*seat_types], min(starts, earliest or starts), ends)
    of_type: dict[str, list[CountedInterval]] = {}
    for interval in find(side.question, span):
        of_type.setdefault(interval.seat_type, []).append(interval)
    return of_type


_OF_BEING = {"AccountOpened", "ContractRenewed"}
_OF_BOUNDS = {"TimeZoneChanged"}
_OF_RULE = {"BillingPolicyChanged"}


def _bearing_on(was: PeriodRow | None, now: PeriodRow | None) -> set[str]:
    """The kinds that move a period's bounds, change its rule, or make it be."""
    if was is None or now is None:
        return _OF_BEING
    kinds: set[str] = set()
    if (was.starts, was.ends) != (now.starts, now.ends):
        kinds |= _OF_BOUNDS
    if (was.mode, was.granularity) != (now.mode, now.granularity):
        kinds |= _OF_RULE
    return kinds
