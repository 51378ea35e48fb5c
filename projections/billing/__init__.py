"""What to bill: periods of the one calendar, and the seats that count in them.

Quantities are exact rationals until output (R51). The figures come from the
definitions of counts and holdings, the bounds and local dates from
:mod:`seat_ledger.domain.calendar`; no figure depends on a clock (R75).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod
from seat_ledger.domain.money import exactly, plain
from seat_ledger.domain.values import FOREVER, as_word, shown
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound
from seat_ledger.projections.billing.figures import as_known, kept, quantity, seconds
from seat_ledger.projections.billing.prices import Priced, amounts_by_period
from seat_ledger.projections.periods import PeriodRow, row_of
from seat_ledger.projections.reader import AccountFacts, Knowledge, Reader, Row

__all__ = ["Priced"]

_MICROSECOND = timedelta(microseconds=1)
_LONGEST = 36_525
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class CountsQuery:
    """Which periods are asked for: a label, a window of dates, a term, or all begun."""

    label: str | None = None
    window: tuple[date, date] | None = None
    term: bool = False


class Counts(NamedTuple):
    """The rows of a question, and whether a renewal is due (R38)."""

    rows: list[Row]
    renewal_due: bool


def periods(account: AccountFacts, known: Knowledge, now: datetime) -> Counts:
    """Every billing period of the account that has begun and exists (R38)."""
    if not account.known:
        return Counts([], renewal_due=False)
    upto = known.moment(now)
    rows = [
        {
            "period": period.label.isoformat(),
            "from": period.starts,
            "until": period.ends,
            "days": len(period.days),
            "seconds": seconds(period.starts, period.ends),
            "time_zone": period.zone,
        }
        for period in existing(account, upto)
    ]
    return Counts(rows, account.renewal_due(upto))


def settled(
    account: AccountFacts, known: Knowledge, now: datetime, wanted: CountsQuery
) -> datetime:
    """The instant from which on an answer about periods is what it is now.

    It is the last bound before now, or the last record; as known at it, the same is
    answered for ever.
    """
    upto = known.moment(now)
    begun = existing(account, upto)
    bounds = [at for period in begun for at in (period.starts, period.ends)]
    if wanted.window is not None:
        period = window(account, *wanted.window)
        bounds += [period.starts, period.ends]
    last = [bound for bound in bounds if bound <= upto]
    return max([*last, known.recorded_at or upto])


def existing(account: AccountFacts, upto: datetime) -> Iterator[BillingPeriod]:
    """The periods that begin before an instant, in terms that have begun (R38)."""
    horizon = account.calendar.renewal(account.renewals + 1).instant
    yield from account.calendar.periods_before(min(horizon, upto + _MICROSECOND))


def counts(  # noqa: PLR0913, PLR0917  who asks, and what
    reader: Reader,
    account: AccountFacts | None,
    known: Knowledge,
    now: datetime,
    wanted: CountsQuery,
    how: Priced,
) -> Counts:
    """Billable seats, a row per account, period, seat type and rule.

    Of one account, or of every account, where those without such a period are passed
    over. Raises NotFound (``unknown_period``), CommandRefused (``renewal_due``), and
    InvalidInput for a price or granularity that cannot be meant.
    """
    upto = known.moment(now)
    accounts = [account] if account else reader.accounts(known)
    known_accounts = [one for one in accounts if one.known]
    figures = list(_figures(reader, known_accounts, known, wanted, upto, account))
    how.check_types(str(found["seat_type"]) for found in figures)
    if figures:
        how.check_granularity(found["granularity"] for found in figures)
    rows = [row for found in figures for row in figure_rows(found, how, upto)]
    if wanted.window is not None:
        for one in known_accounts:
            _price_periods(reader, one, known, wanted.window, how, rows)
    due = any(one.renewal_due(upto) for one in known_accounts)
    return Counts(rows, due)


def _price_periods(  # noqa: PLR0913, PLR0917  whose window, how, and the rows
    reader: Reader,
    account: AccountFacts,
    known: Knowledge,
    dates: tuple[date, date],
    how: Priced,
    rows: list[Row],
) -> None:
    """Price a window over several periods period by period, in its rows (R91)."""
    whole = window(account, *dates)
    amounts = amounts_by_period(reader, account, known, whole, how)
    for row in rows:
        rule = row["mode"], row["granularity"]
        amount = amounts.get((str(row["seat_type"]), rule))
        if amount is not None and row["account"] == account.key:
            row |= {"amount": amount, "price_for": "periods"}


def _figures(  # noqa: PLR0913, PLR0917  what is asked of, and how far
    reader: Reader,
    accounts: list[AccountFacts],
    known: Knowledge,
    wanted: CountsQuery,
    upto: datetime,
    one: AccountFacts | None,
) -> Iterator[Row]:
    """The figures asked for: kept where they are, else counted as known.

    Of `one` account a period that it does not have is refused.
    """
    if wanted.window or wanted.term or known.position != reader.head:
        asked = [
            (account, row)
            for account in accounts
            for row in wanted_periods(account, wanted, upto, lenient=one is None)
        ]
        keys = {account.no: account.key for account, _ in asked}
        rows = as_known(reader, [row for _, row in asked], known)
        label = (lambda _: None) if wanted.window else (lambda row: row["label"])
        for row in rows:
            yield {**row, "account_key": keys[row["account_no"]], "label": label(row)}
        return
    first, until = date.min, date.max
    if wanted.label is not None:
        first, until = span_of(wanted.label)
        upto = FOREVER
        if one is not None:
            period = labelled(one, wanted.label)
            first, until = period.label, period.label + timedelta(days=1)
    yield from kept(
        reader,
        None if one is None else [one.no],
        from_label=first,
        until_label=until,
        upto=upto,
    )


def wanted_periods(
    account: AccountFacts, wanted: CountsQuery, upto: datetime, *, lenient: bool
) -> list[PeriodRow]:
    """The periods asked for, of one account; a window is one without a label."""
    if wanted.window is not None:
        found = [window(account, *wanted.window)]
    elif wanted.label is not None:
        try:
            found = [labelled(account, wanted.label)]
        except (NotFound, CommandRefused):
            if lenient:
                return []
            raise
    else:
        found = list(existing(account, upto))
        if wanted.term:
            begins = account.calendar.renewal(account.renewals).instant
            ends = account.calendar.renewal(account.renewals + 1).instant
            every = account.calendar.periods_before(ends)
            found = [period for period in every if period.ends > begins]
    return [row_of(account, period) for period in found]


def figure_rows(found: Row, how: Priced, upto: datetime) -> Iterator[Row]:
    """A row of the answer per rule, from a row of figures."""
    rules = how.rules or [how.by_policy(found["mode"], found["granularity"])]
    price = how.price(str(found["seat_type"]))
    price_for = "window" if found["label"] is None else "period"
    for mode, granularity in rules:
        exact = quantity(found, mode, granularity)
        yield {
            "account": found["account_key"],
            "seat_type": found["seat_type"],
            "period": found["label"].isoformat() if found["label"] else None,
            "from": found["starts"],
            "until": found["ends"],
            "days": found["days"],
            "seconds": seconds(found["starts"], found["ends"]),
            "complete": found["ends"] <= upto,
            "mode": mode,
            "granularity": granularity,
            **{name: int(found[name]) for name in _CONTRACTED},
            "quantity": plain(exact),
            "quantity_exact": exactly(exact),
            **{name: int(found[name]) for name in _ASSIGNED},
            "idle_seat_days": int(found["idle_days"]),
            "unit_price": None if price is None else how.currency.shown(price),
            "amount": None if price is None else how.currency.amount(exact, price),
            "forecast": found["starts"] > upto,
            "price_for": None if price is None else price_for,
        }


_CONTRACTED = ("opening", "purchased", "retired", "closing")
_ASSIGNED = ("assigned_opening", "assigned_peak", "assigned_closing")


def span_of(label: str) -> tuple[date, date]:
    """The dates that a label, a date or a month, can stand for. Raises InvalidInput."""
    if not (_DAY.fullmatch(label) or _MONTH.fullmatch(label)):
        raise InvalidInput(
            f"{shown(label)} is not a label of a period.",
            try_="write its first local date, such as 2025-03-05",
        )
    try:
        if len(label) == 10:
            day = date.fromisoformat(label)
            return day, day + timedelta(days=1)
        month = date.fromisoformat(f"{label}-01")
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{shown(label)} is not a date of the calendar.") from error
    return month, (month + timedelta(days=31)).replace(day=1)


def labelled(account: AccountFacts, label: str) -> BillingPeriod:
    """The period of a label: its first local date, or its month.

    Raises InvalidInput, NotFound (``unknown_period``), CommandRefused
    (``renewal_due``).
    """
    calendar = account.calendar
    period = calendar.period_named(label)
    if period is None:
        raise NotFound(
            "unknown_period",
            f"{account.key} has no billing period {label}.",
            try_=f"seat-ledger billing periods --account {as_word(account.key)}",
        )
    horizon = calendar.renewal(account.renewals + 1)
    if period.starts >= horizon.instant:
        raise CommandRefused(
            "renewal_due",
            f"The period {label} of {account.key} lies beyond the renewal of "
            f"{horizon.day}, which is not recorded.",
            try_=f"seat-ledger account renew --account {as_word(account.key)}",
        )
    return period


def window(account: AccountFacts, first: date, until: date) -> BillingPeriod:
    """One window of local dates, as if it were a period."""
    if until <= first:
        raise InvalidInput(
            f"The window from {first} until {until} is empty.",
            try_="the end is excluded: name the date after the last",
        )
    if (until - first).days > _LONGEST or first.year < 2 or until.year > 9998:
        raise InvalidInput(
            f"The window from {first} until {until} is longer than a century, or "
            "lies outside the calendar.",
        )
    starts, ends = account.zones.bound(first), account.zones.bound(until)
    found = BillingPeriod(-1, first, starts.instant, ends.instant, starts.zone, until)
    if not found.days:
        raise InvalidInput(
            f"No date from {first} until {until} exists in {starts.zone}: "
            "its clocks skipped them.",
            try_="name a longer window",
        )
    return found
