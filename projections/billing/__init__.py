"""What to bill: periods of the one calendar, and the seats that count in them.

Quantities are exact rationals until output (R51). The figures come from the
definitions of counts and holdings, the bounds and local dates from
:mod:`seat_ledger.domain.calendar`; no figure depends on a clock (R75).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from seat_ledger.domain.calendar import PERIOD_LABEL, BillingPeriod, date_of
from seat_ledger.domain.money import exactly, plain
from seat_ledger.domain.values import FOREVER, as_word, shown
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound
from seat_ledger.projections.billing.bounds import (
    Bounds,
    FigureKey,
    bounds,
    quantity_ends,
    unseen,
    with_windows,
)
from seat_ledger.projections.billing.figures import (
    Counter,
    as_known,
    quantity,
    seconds,
    stored,
)
from seat_ledger.projections.billing.price_book import NO_PRICE, UnitPrice
from seat_ledger.projections.billing.prices import Priced, Rule, by_period_of_each
from seat_ledger.projections.periods import PeriodRow, row_of
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
)

__all__ = ["Priced"]

_MICROSECOND = timedelta(microseconds=1)
_LONGEST = 36_525


@dataclass(frozen=True)
class CountsQuery:
    """Which periods are asked for: a label, a window of dates, a term, or all begun;
    and `how` they are counted and priced.
    """

    label: str | None = None
    window: tuple[date, date] | None = None
    term: bool = False
    how: Priced = field(default_factory=Priced)


class Counts(NamedTuple):
    """The rows of a question, whether a renewal is due (R38), and whether windows bear
    on any of its figures (R89).
    """

    rows: list[Row]
    renewal_due: bool
    has_windows: bool = False


def periods(account: AccountFacts, known_at: Knowledge, now: datetime) -> Counts:
    """Every billing period of the account that has begun and exists (R38)."""
    if not account.is_known:
        return Counts([], renewal_due=False)
    moment = known_at.moment(now)
    rows = [
        {
            "period": period.label.isoformat(),
            "from": period.starts,
            "until": period.ends,
            "days": len(period.days),
            "seconds": seconds(period.starts, period.ends),
            "time_zone": period.zone,
        }
        for period in existing(account, moment)
    ]
    return Counts(rows, account.renewal_due(moment))


def settled(question: AccountQuestion, query: CountsQuery) -> datetime:
    """The instant from which on an answer about periods is what it is now.

    It is the last bound before now, or the last record; as known at it, the same is
    answered for ever.
    """
    account, moment = question.account, question.moment
    begun = existing(account, moment)
    bounds = [at for period in begun for at in (period.starts, period.ends)]
    if query.window is not None:
        period = window(account, *query.window)
        bounds += [period.starts, period.ends]
    last = [bound for bound in bounds if bound <= moment]
    return max([*last, question.known_at.recorded_at or moment])


def existing(account: AccountFacts, moment: datetime) -> Iterator[BillingPeriod]:
    """The periods that begin before an instant, in terms that have begun (R38)."""
    horizon = account.calendar.renewal(account.renewals + 1).instant
    yield from account.calendar.periods_before(min(horizon, moment + _MICROSECOND))


def counts(  # noqa: PLR0913  who, when, what, and by whom it is counted
    reader: ConnectedReader,
    account: AccountFacts | None,
    known_at: Knowledge,
    now: datetime,
    query: CountsQuery,
    *,
    counter: Counter | None = None,
) -> Counts:
    """Billable seats, a row per account, period, seat type and rule.

    Of one account, or of every account, where those without such a period are passed
    over. Raises NotFound (``unknown_period``), CommandRefused (``renewal_due``), and
    InvalidInput for a price or granularity that cannot be meant. A `counter` may count
    what is asked of very many accounts as known earlier.
    """
    how, moment = query.how, known_at.moment(now)
    reader.types.check(*how.prices)
    accounts = [account] if account else reader.accounts(known_at)
    questions = [
        AccountQuestion(reader, facts, known_at, now)
        for facts in accounts
        if facts.is_known
    ]
    from_tables = reader.has_tables and known_at.position == reader.head
    if query.window or query.term or not from_tables:
        figures = _as_known(questions, query, counter, lenient=account is None)
    else:
        figures = _stored(reader, account, query, moment)
    figures, open_figures = _with_windows(questions, query, figures)
    how.check_types(str(figure["seat_type"]) for figure in figures)
    how = how.with_book(reader, known_at, [account.no] if account else None)
    if figures:
        how.check_granularity(figure["granularity"] for figure in figures)
    rows = [
        row
        for figure in figures
        for row in figure_rows(figure, how, moment, open_figures.get(_key(figure)))
    ]
    if query.window is not None:
        _price_periods(questions, query.window, how, rows)
    due = any(question.account.renewal_due(moment) for question in questions)
    return Counts(rows, due, bool(open_figures))


def _key(figure: Row) -> FigureKey:
    return figure["account_no"], figure["period_no"], figure["seat_type"]


def _with_windows(
    questions: list[AccountQuestion], query: CountsQuery, figures: list[Row]
) -> tuple[list[Row], dict[FigureKey, Bounds]]:
    """Figures with those of nothing that windows reach, and what windows leave open of
    them; where anything is derived (R89).
    """
    if not questions:
        return figures, {}
    reader, _, known_at, _ = questions[0]
    numbers = [question.account.no for question in questions]
    open_accounts = with_windows(reader, numbers, known_at)
    if not open_accounts:
        return figures, {}
    of_each: dict[int, list[Row]] = {}
    for figure in figures:
        of_each.setdefault(figure["account_no"], []).append(figure)
    keys: dict[int, str] = {}
    selected: list[PeriodRow] = []
    reached: list[PeriodRow] = []
    for question in questions:
        account = question.account
        if account.no in open_accounts:
            keys[account.no] = account.key
            periods = selected_periods(account, query, question.moment, lenient=True)
            selected += periods
            reached += _without_gaps(account, periods, of_each.get(account.no, []))
    between = bounds(reader, reached, known_at)
    more = unseen(figures, selected, between)
    figures = sorted(
        [*figures, *_named(more, keys, query)],
        key=lambda row: (row["account_key"], row["period_no"], row["seat_type"]),
    )
    return figures, between


def _named(
    figures: Iterable[Row], keys: Mapping[int, str], query: CountsQuery
) -> list[Row]:
    """Figures with their accounts' keys; a window has no label."""
    return [
        {
            **row,
            "account_key": keys[row["account_no"]],
            "label": None if query.window else row["label"],
        }
        for row in figures
    ]


def _without_gaps(
    account: AccountFacts, periods: list[PeriodRow], figures: list[Row]
) -> list[PeriodRow]:
    """The periods asked for, those of figures, and those between them."""
    numbers = [period.period_no for period in periods]
    numbers += [figure["period_no"] for figure in figures]
    of = {period.period_no: period for period in periods}
    return [
        of.get(k) or row_of(account, account.calendar.period(k))
        for k in range(min(numbers, default=0), max(numbers, default=-1) + 1)
    ]


def _price_periods(
    questions: Sequence[AccountQuestion],
    dates: tuple[date, date],
    how: Priced,
    rows: Sequence[Row],
) -> None:
    """Price windows period by period, in their rows (R91)."""
    with_rows = {row["account"] for row in rows}
    selected_windows = [
        (question, window(question.account, *dates))
        for question in questions
        if question.account.key in with_rows
    ]
    prices = by_period_of_each(selected_windows, how)
    by_key = {
        question.account.key: prices[question.account.no]
        for question, _ in selected_windows
    }
    for row in rows:
        rule = row["mode"], row["granularity"]
        price = by_key[row["account"]].get((str(row["seat_type"]), rule))
        if price is not None and price.is_priced:
            row.update(price.fields())


def _as_known(
    questions: list[AccountQuestion],
    query: CountsQuery,
    counter: Counter | None,
    *,
    lenient: bool,
) -> list[Row]:
    """The figures asked for, counted as known; a missing period is passed over if
    that is `lenient`, and else refused.
    """
    if not questions:
        return []
    reader, _, known_at, _ = questions[0]
    periods = [
        row
        for question in questions
        for row in selected_periods(
            question.account, query, question.moment, lenient=lenient
        )
    ]
    keys = {question.account.no: question.account.key for question in questions}
    return _named(as_known(reader, periods, known_at, counter), keys, query)


def _stored(
    reader: ConnectedReader,
    account: AccountFacts | None,
    query: CountsQuery,
    moment: datetime,
) -> list[Row]:
    """The figures asked for, as they are stored for what is known now."""
    first, until = date.min, date.max
    if query.label is not None:
        first, until = span_of(query.label)
        moment = FOREVER
        if account is not None:
            period = labelled(account, query.label)
            first, until = period.label, period.label + timedelta(days=1)
    account_no = None if account is None else account.no
    return stored(reader, account_no, (first, until), moment)


def selected_periods(
    account: AccountFacts, query: CountsQuery, moment: datetime, *, lenient: bool
) -> list[PeriodRow]:
    """The periods asked for, of one account; a window is one without a label."""
    if query.window is not None:
        periods = [window(account, *query.window)]
    elif query.label is not None:
        try:
            periods = [labelled(account, query.label)]
        except (NotFound, CommandRefused):
            if lenient:
                return []
            raise
    else:
        periods = list(existing(account, moment))
        if query.term:
            begins = account.calendar.renewal(account.renewals).instant
            ends = account.calendar.renewal(account.renewals + 1).instant
            every = account.calendar.periods_before(ends)
            periods = [period for period in every if period.ends > begins]
    return [row_of(account, period) for period in periods]


def figure_rows(
    figure: Row, how: Priced, moment: datetime, between: Bounds | None = None
) -> Iterator[Row]:
    """A row of the answer per rule, from a row of figures; `between` bounds them."""
    rules = how.rules or [how.by_policy(figure["mode"], figure["granularity"])]
    seat_type, price = str(figure["seat_type"]), None
    price_for = "window" if figure["label"] is None else "period"
    if price_for == "period" or how.is_fixed(seat_type):
        account = figure["account_no"], figure["account_key"]
        start = figure["starts"], figure["label"] or figure["starts"].date()
        price = how.price(account, seat_type, start)
    length = {
        "account": figure["account_key"],
        "seat_type": figure["seat_type"],
        "period": figure["label"].isoformat() if figure["label"] else None,
        "from": figure["starts"],
        "until": figure["ends"],
        "days": figure["days"],
        "seconds": seconds(figure["starts"], figure["ends"]),
        "complete": figure["ends"] <= moment,
    }
    contracted = {name: int(figure[column]) for name, column in _CONTRACTED.items()}
    held = {name: int(figure[column]) for name, column in _HELD.items()}
    priced = {
        "forecast": figure["starts"] > moment,
        "price_for": None if price is None else price_for,
        **(NO_PRICE if price is None else price.fields()),
        "price_parts": None,
    }
    held_ends = _held_least_and_most(held, between)
    for mode, granularity in rules:
        exact = quantity(figure, mode, granularity)
        counted_as = plain(exact)
        yield {
            **length,
            "mode": mode,
            "granularity": granularity,
            **contracted,
            "quantity": counted_as,
            "quantity_exact": exactly(exact),
            **held,
            "unit_price": None,
            "amount": price and price.currency.amount(exact, price.value),
            **priced,
            "quantity_least": counted_as,
            "quantity_most": counted_as,
            **held_ends,
            "amount_least": None,
            "amount_most": None,
            **_least_and_most(figure, between, (mode, granularity), price),
        }


def _held_least_and_most(held: Row, between: Bounds | None) -> Row:
    """The bounds of who held seats, whatever the rule (R89)."""
    row: Row = {}
    for name, (least, most) in _HELD_ENDS.items():
        # A window may begin before a list bought the seat: that is no idle time.
        row[least] = row[most] = max(0, held[name])
        for end in between or ():
            value = max(0, int(end[_HELD[name]]))
            row[least], row[most] = min(row[least], value), max(row[most], value)
    return row


def _least_and_most(
    figure: Row, between: Bounds | None, rule: Rule, price: UnitPrice | None
) -> Row:
    """The bounds of what a rule counts and of what it costs, where windows bear on it
    or it has a price (R89).
    """
    if between is None and price is None:
        return {}
    least, most = quantity_ends(figure, between, rule)
    row: Row = {"quantity_least": plain(least), "quantity_most": plain(most)}
    if price is not None:
        row["amount_least"] = price.currency.amount(least, price.value)
        row["amount_most"] = price.currency.amount(most, price.value)
    return row


_CONTRACTED = {
    "opening": "opening",
    "purchased": "bought",
    "retired": "retired",
    "closing": "closing",
}
_HELD = {
    "assigned_opening": "assigned_opening",
    "assigned_peak": "assigned_peak",
    "assigned_closing": "assigned_closing",
    "idle_seat_days": "idle_days",
}
"""What depends on who held seats when, by the name in an answer."""
_HELD_ENDS = {name: (f"{name}_least", f"{name}_most") for name in _HELD}


def span_of(label: str) -> tuple[date, date]:
    """The dates that a label, a date or a month, can stand for. Raises InvalidInput."""
    first, is_date = date_of(label), len(label) == 10
    try:
        until = first + timedelta(days=1 if is_date else 31)
    except OverflowError as error:
        raise InvalidInput(
            f"{shown(label)} is not a calendar date.", try_=PERIOD_LABEL
        ) from error
    return first, until if is_date else until.replace(day=1)


def labelled(account: AccountFacts, label: str) -> BillingPeriod:
    """The period of a label: its first local date, or its month.

    Raises InvalidInput, NotFound (``unknown_period``), CommandRefused
    (``renewal_due``).
    """
    calendar = account.calendar
    period = calendar.period_of(account.key, label)
    horizon = calendar.renewal(account.renewals + 1)
    if period.starts >= horizon.instant:
        raise CommandRefused(
            "renewal_due",
            f"The period {label} of {account.key} is beyond the renewal of "
            f"{horizon.day}, which has not been recorded.",
            try_=f"seat-ledger account renew --account {as_word(account.key)}",
        )
    return period


def window(account: AccountFacts, first: date, until: date) -> BillingPeriod:
    """One window of local dates, as if it were a period."""
    if until <= first:
        raise InvalidInput(
            f"The window from {first} until {until} is empty.",
            try_="the end is excluded: name the date after the last one",
        )
    if (until - first).days > _LONGEST or first.year < 2 or until.year > 9998:
        raise InvalidInput(
            f"The window from {first} until {until} is longer than a century, or is "
            "outside the calendar.",
            try_="ask for windows of at most a hundred years",
        )
    starts, ends = account.zones.bound(first), account.zones.bound(until)
    period = BillingPeriod(-1, first, starts.instant, ends.instant, starts.zone, until)
    if not period.days:
        raise InvalidInput(
            f"No date from {first} until {until} exists in {starts.zone}: its clocks "
            "skipped them all.",
            try_="name a longer window",
        )
    return period
