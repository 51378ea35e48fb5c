"""Opening a figure into its parts: who, which seat, from when to when, by which events.

Every part names the entries that open and close its interval, and who recorded them,
why and when; parts add up to the figure exactly, and their amounts to the amount
(R51, R63).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.money import Currency, allotted, exactly, plain, rounded
from seat_ledger.domain.values import FOREVER
from seat_ledger.errors import IntegrityFailure
from seat_ledger.projections.billing import Priced, figure_rows
from seat_ledger.projections.billing.bounds import (
    bounds_of_rows,
    unseen,
    windows_across,
)
from seat_ledger.projections.billing.breakdown import Part, parts_of
from seat_ledger.projections.billing.figures import as_known, quantity, stored
from seat_ledger.projections.billing.intervals import (
    CountedInterval,
    CountedSpan,
    holdings,
    lives,
)
from seat_ledger.projections.billing.price_book import (
    PriceBook,
    UnitPrice,
    start_of,
)
from seat_ledger.projections.billing.prices import (
    PriceFor,
    WindowPrice,
    by_period,
    part_within,
    periods_in,
    share_of,
)
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Row,
)


class FigureQuery(NamedTuple):
    """Which figure: a period or window, a seat type, a rule, and what a seat costs.

    Without a rule the account's policy at the period's start applies (R50), and without
    a `price` what the `books` say of the period (R90). A window over several periods is
    priced period by period (R91).
    """

    period: BillingPeriod
    seat_type: str
    rule: tuple[str, str | None] | None = None
    price: Fraction | None = None
    currency: Currency = Currency(None, 2)
    window: bool = False
    price_for: PriceFor = "period"
    books: Sequence[PriceBook] = ()

    def priced(self, question: AccountQuestion) -> Priced:
        """By which rule to count, and at which prices."""
        rules = [self.rule] if self.rule else None
        fixed = {} if self.price is None else {self.seat_type: self.price}
        how = Priced(
            rules, fixed, self.currency, price_for=self.price_for, books=self.books
        )
        return how.with_book(question.reader, question.known_at, [question.account.no])


class Explanation(NamedTuple):
    """A figure, as `billing counts` shows it, and its parts.

    `figure` is None where the type was neither under contract nor held. `highest` is
    where a ``peak`` is reached: instant, number, and the entry that brought it.
    `windows` are those of what is dated after the period, and may have happened in it.
    """

    figure: Row | None
    rule: tuple[str, str | None]
    rows: list[Row]
    highest: Row | None
    windows: Sequence[Row] = ()


def explain(question: AccountQuestion, query: FigureQuery) -> Explanation:
    """Open one figure. Raises IntegrityFailure where the parts do not add up, and
    InvalidInput for a price that cannot be meant.
    """
    reader, account, known_at, _ = question
    reader.types.check(query.seat_type)
    rule = query.rule or account.policy_at(query.period.starts)
    period = row_of(account, query.period)
    between = bounds_of_rows(reader, [period], known_at)
    figures = _figures(question, query)
    matches = [
        row
        for row in [*figures, *unseen(figures, [period], between)]
        if str(row["seat_type"]) == query.seat_type
    ]
    parts = opened(question, query.period, query.seat_type, rule)
    counted = quantity(matches[0], *rule) if matches else Fraction(0)
    _check_sum(account, query, parts, counted)
    how = replace(query.priced(question), rules=[rule])
    start = start_of(query.period)
    by_periods = _by_period(question, query, how)
    price = None
    if not query.window or (by_periods is None and how.is_fixed(query.seat_type)):
        price = how.price((account.no, account.key), query.seat_type, start)
    rows = part_rows(reader, parts, price)
    if by_periods is not None:
        amounts = _amounts_by_period(question, query, how, parts)
        rows = [{**row, "amount": amounts.get(n)} for n, row in enumerate(rows)]
    highest = _highest(rule, parts, reader)
    if not matches:
        return Explanation(None, rule, rows, None)
    label = None if query.window else query.period.label
    named = {**matches[0], "account_key": account.key, "label": label}
    key = account.no, query.period.index, query.seat_type
    figure = next(iter(figure_rows(named, how, question.moment, between.get(key))))
    if by_periods is not None:
        figure |= by_periods.fields()
    entries = {row[name] for row in rows for name in ("opened_by", "closed_by")}
    windows = windows_across(
        question,
        query.period.ends,
        query.seat_type,
        of_contract=is_of_contract(rule[0]),
        besides=entries,
    )
    return Explanation(figure, rule, rows, highest, windows)


def _by_period(
    question: AccountQuestion, query: FigureQuery, how: Priced
) -> WindowPrice | None:
    """What a window costs period by period; None where it is not priced so (R91)."""
    if not query.window:
        return None
    assert how.rules is not None
    prices = by_period(question, query.period, how)
    price = prices.get((query.seat_type, how.rules[0]))
    return price if price is not None and price.is_priced else None


def _amounts_by_period(
    question: AccountQuestion, query: FigureQuery, how: Priced, parts: Sequence[Part]
) -> dict[int, str]:
    """What each part of a window costs, from the parts of each period in it.

    Nothing where a period's parts are no parts of the window: a peak of a period may
    be reached at another time than that of the window.
    """
    account, rules = question.account, how.rules
    assert rules is not None
    places = {_same(part): n for n, part in enumerate(parts)}
    sums = dict.fromkeys(range(len(parts)), Fraction(0))
    precision = 0
    for whole in periods_in(account, query.period):
        within = part_within(whole, query.period)
        inner = opened(question, within, query.seat_type, rules[0])
        price = how.price((account.no, account.key), query.seat_type, start_of(whole))
        if not inner:
            continue
        if price is None or not {_same(part) for part in inner} <= places.keys():
            return {}
        share = share_of(within, whole, rules[0]) * price.value
        numbers = [part.interval.number for part in inner]
        precision = price.currency.places
        amounts = allotted([p.quantity * share for p in inner], precision, numbers)
        for part, amount in zip(inner, amounts, strict=True):
            sums[places[_same(part)]] += Fraction(amount)
    return {n: rounded(amount, precision) for n, amount in sums.items()}


def _same(part: Part) -> tuple[object, ...]:
    """What makes a part of a period the same as one of a window."""
    interval = part.interval
    return interval.number, interval.opened, part.on, part.at


def _figures(question: AccountQuestion, query: FigureQuery) -> list[Row]:
    """The figures of the period: kept where they are, else counted as known."""
    reader, account, known_at, _ = question
    period = query.period
    if query.window or known_at.position != reader.head:
        return as_known(reader, [row_of(account, period)], known_at)
    labels = period.label, period.label + timedelta(days=1)
    return stored(reader, account.no, labels, period.starts)


def opened(
    question: AccountQuestion,
    period: BillingPeriod,
    seat_type: str,
    rule: tuple[str, str | None],
) -> list[Part]:
    """The parts of a figure by a rule, as known."""
    span = CountedSpan([seat_type], period.starts, period.ends)
    find = lives if is_of_contract(rule[0]) else holdings
    return parts_of(find(question, span), period, rule)


def _check_sum(
    account: AccountFacts, query: FigureQuery, parts: Sequence[Part], counted: Fraction
) -> None:
    total = sum((part.quantity for part in parts), Fraction(0))
    if total != counted:
        raise IntegrityFailure(
            f"{query.seat_type} of {account.key} in the period {query.period.label}: "
            f"the parts add up to {exactly(total)}, but the figure is "
            f"{exactly(counted)}.",
            try_="seat-ledger projection verify --full",
        )


def part_rows(
    reader: ConnectedReader, parts: Sequence[Part], price: UnitPrice | None
) -> list[Row]:
    """Parts as rows, with people, entries and amounts."""
    people = reader.people(
        part.interval.user_no for part in parts if part.interval.user_no is not None
    )
    entries = [
        entry
        for part in parts
        for entry in (part.interval.opened, part.interval.closed)
    ]
    acts, windows = reader.acts(entries), reader.windows(entries)
    reaching = _reaching(parts)
    amounts: Sequence[str | None] = [None] * len(parts)
    if price is not None:
        shares = [part.quantity * price.value for part in parts]
        numbers = [part.interval.number for part in parts]
        amounts = allotted(shares, price.currency.places, numbers)
    return [
        {
            **_row(part, amount, people, acts),
            "held_after": windows.get(part.interval.opened),
            "until_after": windows.get(part.interval.closed),
            "at_after": windows.get(reaching.get(part.at)),
        }
        for part, amount in zip(parts, amounts, strict=True)
    ]


def _row(
    part: Part,
    amount: str | None,
    people: dict[int, Row],
    acts: dict[int | None, Row | None],
) -> Row:
    interval = part.interval
    opening, closing = acts[interval.opened], acts[interval.closed]
    assert opening is not None
    user = people[interval.user_no] if interval.user_no is not None else {"user": None}
    return {
        "seat": interval.seat,
        "user": user["user"],
        "from": part.starts,
        "until": part.ends,
        "opened_by": interval.opened,
        "closed_by": interval.closed,
        "quantity": plain(part.quantity),
        "quantity_exact": exactly(part.quantity),
        "amount": amount,
        "actor": opening["actor"],
        "reason": opening["reason"],
        "recorded_at": opening["recorded_at"],
        "opened_at": interval.starts,
        "closed_at": _end(interval),
        "closing": None
        if closing is None
        else {name: closing[name] for name in ("actor", "reason", "recorded_at")},
        "at": part.at,
        "date": part.on.isoformat() if part.on else None,
        "dates": part.dates,
    }


def _end(interval: CountedInterval) -> datetime | None:
    return None if interval.ends == FOREVER else interval.ends


def _highest(
    rule: tuple[str, str | None], parts: Sequence[Part], reader: ConnectedReader
) -> Row | None:
    """Where the peak is reached, and by which entry; None where seats were held on."""
    if rule[0] != "peak" or not parts:
        return None
    at = parts[0].at
    entry = _reaching(parts).get(at)
    return {
        "at": at,
        "held": len(parts),
        "entry": entry,
        "at_after": reader.windows([entry]).get(entry),
    }


def _reaching(parts: Sequence[Part]) -> dict[datetime | None, int]:
    """By instant at which parts count: the last entry by which one began then."""
    reaching: dict[datetime | None, int] = {}
    for part in parts:
        at, opened = part.at, part.interval.opened
        if at is not None and part.interval.starts == at:
            reaching[at] = max(opened, reaching.get(at, opened))
    return reaching
