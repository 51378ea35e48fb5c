"""What waits in accounts as rows: of each account, or summed over them by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from seat_ledger.domain.calendar import local_date
from seat_ledger.projections.attention import AccountAttention
from seat_ledger.projections.billing.idle_cost import sums
from seat_ledger.projections.reader import Row

NEAR_DAYS = 90
"""How many days ahead a renewal is near."""
_MOST_FIRST = {"idle", "late"}


class Moment(NamedTuple):
    """When it is asked for, and which date that is."""

    as_of: datetime
    today: date


def waiting_in(
    every: Iterable[AccountAttention], kind: str, moment: Moment
) -> list[Row]:
    """A row of each account in which something of a kind waits.

    Of seats and late entries the most come first, of all else what waits longest.
    """
    rows = [row for waiting in every for row in KINDS[kind](waiting, moment)]
    if kind in _MOST_FIRST:
        return sorted(rows, key=lambda row: (-row["count"], row["account"]))
    return sorted(rows, key=lambda row: (row["at"], row["account"]))


def summed(every: Iterable[AccountAttention], moment: Moment) -> list[Row]:
    """A row of each kind and currency, over the accounts in which it waits."""
    accounts, summed_rows = list(every), []
    for kind in KINDS:
        for code, rows in _by_currency(accounts, kind, moment).items():
            amounts = sums(rows, "amount")
            row = row_of(
                kind,
                sum(row["count"] for row in rows),
                min((row["at"] for row in rows if row["at"]), default=None),
                date=min((row["date"] for row in rows if row["date"]), default=None),
                accounts=len({row["account"] for row in rows}),
                amount=amounts[0][0] if amounts else None,
                currency=code,
            )
            summed_rows.append(row)
    return summed_rows


def _by_currency(
    accounts: Iterable[AccountAttention], kind: str, moment: Moment
) -> dict[str | None, list[Row]]:
    by_currency: dict[str | None, list[Row]] = {}
    for account in accounts:
        for row in KINDS[kind](account, moment):
            code = row["currency"] if row["amount"] is not None else None
            by_currency.setdefault(code, []).append(row)
    return by_currency


def row_of(kind: str, count: int, at: datetime | None = None, **fields: Any) -> Row:
    """A row: of an account, or of several together."""
    return {
        "kind": kind,
        "account": fields.get("account"),
        "count": count,
        "accounts": fields.get("accounts", 1),
        "amount": fields.get("amount"),
        "currency": fields.get("currency"),
        "at": at,
        "date": fields.get("date"),
    }


def _of_account(waiting: AccountAttention, kind: str, count: int, at: datetime) -> Row:
    """A row with an instant at which a date of the account begins: that date too."""
    account = waiting.account
    day = local_date(at, account.zones.at(at))
    return row_of(kind, count, at, account=account.key, date=day)


def _due(waiting: AccountAttention, moment: Moment) -> Iterator[Row]:
    if waiting.due_at <= moment.as_of:
        yield _of_account(waiting, "due", 1, waiting.due_at)


def _near(waiting: AccountAttention, moment: Moment) -> Iterator[Row]:
    day = waiting.renewal["date"]
    if day is not None and day <= moment.today + timedelta(days=NEAR_DAYS):
        yield _of_account(waiting, "near", 1, waiting.renewal["instant"])


def _idle(waiting: AccountAttention, _: Moment) -> Iterator[Row]:
    for idle in waiting.idle:
        price: Row = {}
        if idle.currency is not None:
            amount = idle.currency.amount(Fraction(1), idle.amount)
            price = {"amount": amount, "currency": idle.currency.code}
        yield row_of("idle", idle.seats, account=waiting.account.key, **price)


def _findings(waiting: AccountAttention, _: Moment) -> Iterator[Row]:
    for finding in waiting.findings:
        yield row_of(
            "finding",
            1,
            finding["recorded_at"],
            account=finding["account"],
            amount=finding["difference"],
            currency=finding["currency"],
        )


def _late(waiting: AccountAttention, _: Moment) -> Iterator[Row]:
    if waiting.late and waiting.invoiced is not None:
        yield _of_account(waiting, "late", waiting.late, waiting.invoiced.ends)


def _lists(waiting: AccountAttention, moment: Moment) -> Iterator[Row]:
    if waiting.list_due <= moment.as_of:
        yield row_of("list", 1, waiting.lists[0], account=waiting.account.key)


KINDS: Mapping[str, Callable[[AccountAttention, Moment], Iterator[Row]]] = {
    "due": _due,
    "near": _near,
    "idle": _idle,
    "finding": _findings,
    "late": _late,
    "list": _lists,
}
"""What may wait in an account, and the rows that say so."""
