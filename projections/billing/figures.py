"""The figures of a period, and what each counting rule makes of them (R53).

A figure row holds exact whole numbers: seats, seat-days and seat-microseconds. A
quantity is one of them over the period's length, an exact rational until output (R51).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from seat_ledger.domain.counting_rules import TIME, every_rule, measure
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import (
    ACCOUNTS_AT_ONCE,
    ConnectedReader,
    Knowledge,
    Row,
    utc,
)

_MICROSECOND = timedelta(microseconds=1)


def quantity(row: Row, mode: str, granularity: str | None) -> Fraction:
    """What a counting rule makes of a row of figures (R53)."""
    column, over = measure(mode, granularity)
    whole = 1 if over is None else microseconds(row) if over == TIME else int(row[over])
    return Fraction(int(row[column]), whole) if whole else Fraction(0)


_COLUMNS = {
    "opening",
    "bought",
    "retired",
    "closing",
    "assigned_opening",
    "assigned_closing",
    "idle_days",
    *(measure(*rule).column for rule in every_rule()),
}
"""What a row of figures counts."""


def nothing(period: PeriodRow, seat_type: str) -> Row:
    """The figure of a type that was neither under contract nor held in a period."""
    return {**period._asdict(), "seat_type": seat_type, **dict.fromkeys(_COLUMNS, 0)}


def microseconds(row: Row) -> int:
    """The length of a row's period."""
    elapsed: timedelta = row["ends"] - row["starts"]
    return elapsed // _MICROSECOND


def seconds(starts: datetime, ends: datetime) -> float | int:
    """Elapsed seconds, whole where they are (R10)."""
    elapsed = ends - starts
    whole = elapsed.days * 86400 + elapsed.seconds
    return whole + elapsed.microseconds / 1e6 if elapsed.microseconds else whole


Counter = Callable[
    [ConnectedReader, Sequence[PeriodRow], Knowledge], Iterable[Row] | None
]
"""Counts some periods of very many accounts elsewhere; None where it does not."""

LEAST_ACCOUNTS = 2 * ACCOUNTS_AT_ONCE
"""For fewer accounts PostgreSQL reads what it needs by its indexes."""

LEAST_PERIODS = 6
"""Of each, on average: for one period of each PostgreSQL looks at less."""


def as_known(
    reader: ConnectedReader,
    selected: Sequence[PeriodRow],
    known_at: Knowledge,
    counter: Counter | None = None,
) -> list[Row]:
    """The figures of some periods or windows, knowing the events up to a position.

    The periods of one account follow each other without gaps. Rows come in the order
    of the periods, then by seat type. Where much has to be counted as it was known, a
    `counter` is asked first.
    """
    by_period: dict[tuple[int, int], list[Row]] = {}
    accounts = _by_account(selected)
    as_now, as_then = _apart(reader, accounts, known_at)
    periods = [period for number in as_then for period in accounts[number]]
    is_much = _is_much(len(as_then), len(periods))
    if counter and reader.has_tables and as_then and is_much:
        elsewhere = counter(reader, periods, known_at)
        if elsewhere is not None:
            as_then = []
        for row in elsewhere or ():
            key = row["account_no"], row["period_no"]
            by_period.setdefault(key, []).append(row)
    for source, of in (("touched", as_now), ("as_known", as_then)):
        periods = [period for number in of for period in accounts[number]]
        for row in reader.count(source, periods, known_at):
            key = row["account_no"], row["period_no"]
            by_period.setdefault(key, []).append(row)
    return [
        {**period._asdict(), **row}
        for period in selected
        for row in sorted(
            by_period.get((period.account_no, period.period_no), []),
            key=lambda row: str(row["seat_type"]),
        )
    ]


def _is_much(accounts: int, periods: int) -> bool:
    return accounts >= LEAST_ACCOUNTS and periods >= LEAST_PERIODS * accounts


def _by_account(selected: Sequence[PeriodRow]) -> dict[int, list[PeriodRow]]:
    accounts: dict[int, list[PeriodRow]] = {}
    for period in selected:
        accounts.setdefault(period.account_no, []).append(period)
    return accounts


def _apart(
    reader: ConnectedReader, accounts: dict[int, list[PeriodRow]], known_at: Knowledge
) -> tuple[list[int], list[int]]:
    """The accounts whose periods nothing recorded later reaches, and the others.

    The figures of the first are what they are now, and read from what is kept.
    """
    if not reader.has_tables:
        return [], list(accounts)
    since: dict[int, datetime] = {}
    if known_at.position < reader.head:
        since_position, until = known_at.position, reader.head
        if len(accounts) >= LEAST_ACCOUNTS:
            rows = reader.ask(
                "billing",
                "earliest_change_of_each",
                since=since_position,
                until_position=until,
            )
        else:
            rows = reader.ask(
                "billing",
                "earliest_change",
                account_nos=list(accounts),
                since=since_position,
                until_position=until,
            )
        since = {row["account_no"]: row["since"] for row in rows}
    as_now: list[int] = []
    as_then: list[int] = []
    for number, periods in accounts.items():
        ends = max(period.ends for period in periods)
        reached = number in since and since[number] < ends
        (as_then if reached else as_now).append(number)
    return as_now, as_then


def stored(
    reader: ConnectedReader,
    account_nos: list[int] | None,
    *,
    from_label: Any,
    until_label: Any,
    moment: datetime,
) -> list[Row]:
    """The kept figures of the periods whose label lies in a span."""
    rows = reader.ask(
        "billing",
        "stored",
        account_nos=account_nos,
        from_label=from_label,
        until_label=until_label,
        moment=moment,
    )
    return [
        {**row, "starts": utc(row["starts"]), "ends": utc(row["ends"])} for row in rows
    ]
