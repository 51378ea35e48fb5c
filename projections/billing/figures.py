"""The figures of a period, and what each counting rule makes of them (R53).

A figure row holds exact whole numbers: seats, seat-days and seat-microseconds. A
quantity is one of them over the period's length, an exact rational until output (R51).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction

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
    since = first_changes(reader, list(accounts), known_at.position, reader.head)
    as_now: list[int] = []
    as_then: list[int] = []
    for number, periods in accounts.items():
        ends = max(period.ends for period in periods)
        reached = number in since and since[number] < ends
        (as_then if reached else as_now).append(number)
    return as_now, as_then


def first_changes(
    reader: ConnectedReader, account_nos: Sequence[int], since: int, until: int
) -> dict[int, datetime]:
    """From when on the seats of accounts may read differently between two positions.

    What was recorded between them reaches no further back; an account of which nothing
    was is left out.
    """
    if since >= until:
        return {}
    span: Row = {"since": since, "until_position": until}
    if len(account_nos) >= LEAST_ACCOUNTS:
        return _since(reader.ask("billing", "earliest_change_of_each", None, **span))
    numbers = list(account_nos)
    return reader.once(
        ("first changes", *numbers, since, until),
        lambda: _since(
            reader.ask("billing", "earliest_change", account_nos=numbers, **span)
        ),
    )


def _since(rows: Iterable[Row]) -> dict[int, datetime]:
    return {row["account_no"]: utc(row["since"]) for row in rows}


def stored(
    reader: ConnectedReader,
    account_no: int | None,
    labels: tuple[date, date],
    moment: datetime,
) -> list[Row]:
    """The kept figures of an account's periods, or of all accounts', that have begun.

    They are those whose label lies in ``[labels[0], labels[1])``.
    """
    span: Row = {"from_label": labels[0], "until_label": labels[1], "moment": moment}
    if account_no is None:
        rows = reader.ask("billing", "stored", **span)
    else:
        rows = reader.ask("billing", "stored_of", account_no=account_no, **span)
    return [
        {**row, "starts": utc(row["starts"]), "ends": utc(row["ends"])} for row in rows
    ]
