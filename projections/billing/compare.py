"""Two states of knowledge side by side: which figures differ, and by which entries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.money import exactly, plain, rounded
from seat_ledger.projections.billing import (
    CountsQuery,
    Priced,
    selected_periods,
    window,
)
from seat_ledger.projections.billing.figures import as_known, quantity
from seat_ledger.projections.billing.intervals import (
    CountedInterval,
    CountedSpan,
    changes,
    holdings,
    lives,
    reach,
    reversals,
)
from seat_ledger.projections.billing.prices import check_one_period
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import AccountFacts, Knowledge, Reader, Row


class Side(NamedTuple):
    """An account as known at one of the two, and what its periods come to."""

    known_at: Knowledge
    account: AccountFacts
    periods: dict[date, PeriodRow]
    figures: dict[tuple[date, str], Row]


def compare(  # noqa: PLR0913, PLR0917  whose figures, which, and when
    reader: Reader,
    key: str,
    between: tuple[Knowledge, Knowledge],
    moment: datetime,
    query: CountsQuery,
    how: Priced,
) -> list[Row]:
    """The figures that differ, a row each; `upto` is the instant that both see.

    A figure of a period that did not exist as known at one of the two is null there.
    """
    reader.types.check(*how.prices)
    before, after = (
        _side(reader, key, known_at, moment, query) for known_at in between
    )
    figures = before.figures.keys() | after.figures.keys()
    how.check_types(seat_type for _, seat_type in figures)
    if query.window is not None and how.is_priced and after.account.is_known:
        whole = window(after.account, *query.window)
        check_one_period(after.account, whole, how.price_for)
    rows = []
    for label, seat_type in sorted(figures):
        by_rule = [_rules(side, (label, seat_type), how) for side in (before, after)]
        for rule in dict.fromkeys([*by_rule[0], *by_rule[1]]):
            was, now = (side.get(rule) for side in by_rule)
            if was != now:
                row = _row(after.account.key, label, seat_type, rule, was, now)
                row |= _money(how, seat_type, was, now)
                row["entries"] = _entries(
                    reader, before, after, label, seat_type, rule[0]
                )
                periods = before.periods | after.periods
                rows.append({**row, "forecast": periods[label].starts > moment})
    return rows


def _side(
    reader: Reader, key: str, known_at: Knowledge, moment: datetime, query: CountsQuery
) -> Side:
    account = reader.account(key, known_at)
    if not account.is_known:
        return Side(known_at, account, {}, {})
    periods = selected_periods(account, query, moment, lenient=True)
    rows = as_known(reader, periods, known_at)
    return Side(
        known_at,
        account,
        {period.label: period for period in periods},
        {(row["label"], str(row["seat_type"])): row for row in rows},
    )


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


def _row(  # noqa: PLR0913, PLR0917  the fields of a row
    account: str,
    label: date,
    seat_type: str,
    rule: tuple[str, str | None],
    was: Fraction | None,
    now: Fraction | None,
) -> Row:
    more = (now or Fraction(0)) - (was or Fraction(0))
    return {
        "account": account,
        "period": label.isoformat(),
        "seat_type": seat_type,
        "mode": rule[0],
        "granularity": rule[1],
        "quantity_before": None if was is None else plain(was),
        "quantity_after": None if now is None else plain(now),
        "difference": plain(more),
        "difference_exact": exactly(more),
    }


def _money(
    how: Priced,
    seat_type: str,
    was: Fraction | None,
    now: Fraction | None,
) -> Row:
    price = how.price(seat_type)
    names = ("amount_before", "amount_after", "amount_difference")
    if price is None:
        return dict.fromkeys(names)
    amounts = [
        None if exact is None else how.currency.amount(exact, price)
        for exact in (was, now)
    ]
    more = Fraction(amounts[1] or 0) - Fraction(amounts[0] or 0)
    return dict(zip(names, [*amounts, rounded(more, how.currency.places)], strict=True))


def _entries(  # noqa: PLR0913, PLR0917  between what, and of which figure
    reader: Reader,
    before: Side,
    after: Side,
    label: date,
    seat_type: str,
    mode: str,
) -> list[int]:
    """The entries recorded between the two that make the difference."""
    was, now = before.periods.get(label), after.periods.get(label)
    positions = set(_of_contract(reader, before, after, was, now))
    account_no, period = after.account.no, now or was
    assert period is not None
    find = lives if is_of_contract(mode) else holdings
    earliest = (
        reach(reader, account_no, before.known_at, after.known_at) or period.starts
    )

    def seen(side: Side, row: PeriodRow | None) -> list[CountedInterval]:
        if row is None:
            return []
        span = CountedSpan(account_no, [seat_type], min(row.starts, earliest), row.ends)
        return find(reader, span, side.known_at)

    positions |= changes(
        seen(before, was),
        seen(after, now),
        reversals(reader, account_no, before.known_at, after.known_at),
        (period.starts, period.ends),
        before.known_at.position,
    )
    return sorted(positions)


def _of_contract(
    reader: Reader,
    before: Side,
    after: Side,
    was: PeriodRow | None,
    now: PeriodRow | None,
) -> Iterable[int]:
    """The entries that moved the bounds, changed the rule, or made the period be."""
    topics = []
    if was is None or now is None:
        topics = ["AccountOpened", "ContractRenewed"]
    else:
        if (was.starts, was.ends) != (now.starts, now.ends):
            topics.append("TimeZoneChanged")
        if (was.mode, was.granularity) != (now.mode, now.granularity):
            topics.append("BillingPolicyChanged")
    if not topics:
        return []
    rows = reader.ask(
        "billing",
        "contract_between",
        account_no=after.account.no,
        since=before.known_at.position,
        until_position=after.known_at.position,
        topics=topics,
    )
    return [row["position"] for row in rows]
