"""What waits for somebody in each account, and how that is followed as events come.

Renewals, seats that nobody holds and what they cost, open findings, late facts since
the last invoice, and lists that did not come. All of it is read once; from then on only
the accounts that something was recorded of, or that time changes, are read again.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from seat_ledger.domain.money import Currency
from seat_ledger.domain.values import FOREVER
from seat_ledger.errors import InvalidInput
from seat_ledger.lazy import lazy
from seat_ledger.projections.billing import kept_findings
from seat_ledger.projections.billing.price_book import PriceBook, recorded, start_of
from seat_ledger.projections.reader import (
    AccountFacts,
    ConnectedReader,
    Knowledge,
    Row,
    utc,
)

MOST_RECORDED = 20_000
"""Events since the state before, beyond which all accounts are read again."""
FIRST_LIST = timedelta(days=35)
"""How long the second list of an account may take."""


class IdleSeats(NamedTuple):
    """Seats that nobody holds, and what they cost in one whole period of the account.

    Without a price the currency is None, and the amount nothing that counts (R93).
    """

    currency: Currency | None
    seats: int
    amount: Fraction


class InvoicedSpan(NamedTuple):
    """Up to which position the invoices knew, and up to which instant they bill."""

    cut_off: int
    ends: datetime


class AccountAttention(NamedTuple):
    """What waits in one account; `changes_at` is when time alone changes it.

    `renewal` is the next one, or the one that is due: from `due_at` on a renewal, or an
    unassignment at a period's end, waits to be recorded (R38, R98).
    """

    account: AccountFacts
    renewal: Row
    due_at: datetime
    idle: tuple[IdleSeats, ...] = ()
    findings: tuple[Row, ...] = ()
    invoiced: InvoicedSpan | None = None
    late: int = 0
    lists: tuple[datetime, ...] = ()
    changes_at: datetime = FOREVER

    @property
    def instants(self) -> tuple[datetime, ...]:
        """When time alone changes what is said of it."""
        return self.changes_at, self.due_at, self.list_due

    @property
    def list_due(self) -> datetime:
        """When its next list is overdue: after twice the time between the last two.

        FOREVER for an account of which no list ever came.
        """
        if not self.lists:
            return FOREVER
        if len(self.lists) == 1:
            return self.lists[0] + FIRST_LIST
        last, before = self.lists
        return last + max(2 * (last - before), timedelta(days=1))


@dataclass(frozen=True)
class Attention:
    """What waits in the accounts, as known at a position, from a moment on.

    `changes_at` is when time alone changes it. `computed` keeps what was made of it.
    """

    generation: int
    position: int
    as_of: datetime
    accounts: Mapping[int, AccountAttention]
    computed: dict[Hashable, Any] = field(default_factory=dict, compare=False)

    @lazy
    def changes_at(self) -> datetime:
        """The next instant at which anything of it is different."""
        return min(
            (
                instant
                for waiting in self.accounts.values()
                for instant in waiting.instants
                if instant > self.as_of
            ),
            default=FOREVER,
        )


def attention(
    reader: ConnectedReader,
    known_at: Knowledge,
    as_of: datetime,
    account_nos: Collection[int] | None = None,
) -> Attention:
    """Of some accounts or of every one, read anew."""
    accounts = _read(reader, known_at, as_of, account_nos, {})
    return Attention(reader.generation, known_at.position, as_of, accounts)


def advanced(
    before: Attention, reader: ConnectedReader, known_at: Knowledge, as_of: datetime
) -> Attention | None:
    """A state of all accounts brought forward, to a later position and moment.

    None where so much came since that all of it has to be read anew.
    """
    if before.generation != reader.generation or before.position > known_at.position:
        return None
    as_of = max(as_of, before.as_of)
    entries = reader.ask(
        "attention",
        "recorded",
        known_at,
        since=before.position,
        limit=MOST_RECORDED + 1,
    )
    if not entries and as_of < before.changes_at:
        if before.position == known_at.position:
            return before
        return replace(before, position=known_at.position)
    of_all = any(not entry["account_no"] for entry in entries)  # a price, or a type
    if of_all or len(entries) > MOST_RECORDED:
        return None
    late = _late_since(before, entries)
    numbers = {entry["account_no"] for entry in entries}
    numbers |= {
        no for no, state in before.accounts.items() if state.changes_at <= as_of
    }
    read = _read(reader, known_at, as_of, numbers, late) if numbers else {}
    accounts = {**before.accounts, **read}
    return Attention(reader.generation, known_at.position, as_of, accounts)


def _late_since(before: Attention, entries: Iterable[Row]) -> dict[int, int]:
    """How many entries are late by now, where the invoices are the same as before."""
    late = {no: state.late for no, state in before.accounts.items()}
    for entry in entries:
        number = entry["account_no"]
        state = before.accounts.get(number)
        if state is None or entry["topic"] in {"InvoiceIssued", "InvoiceVoided"}:
            late.pop(number, None)
        elif number in late and state.invoiced is not None:
            late[number] += entry["effective_at"] < state.invoiced.ends
    return late


def _read(
    reader: ConnectedReader,
    known_at: Knowledge,
    as_of: datetime,
    account_nos: Collection[int] | None,
    late: Mapping[int, int],
) -> dict[int, AccountAttention]:
    """What waits in some accounts; of some it is known how many entries are late."""
    every = {
        account.no: account
        for account in reader.accounts(known_at, account_nos)
        if account.is_known and account.opened_at <= as_of
    }
    numbers = [*every]
    moment = {"account_nos": numbers, "as_of": as_of}
    prices = recorded(reader, known_at, None if account_nos is None else numbers)
    counts = _by_account(reader.ask("attention", "counts", known_at, **moment))
    lists = _by_account(reader.ask("attention", "lists", known_at, **moment))
    rows = reader.ask("attention", "invoiced", known_at, account_nos=numbers)
    invoiced = {
        row["account_no"]: InvoicedSpan(row["cut_off"], utc(row["ends"]))
        for row in rows
        if row["ends"] is not None
    }
    uncounted = {no: last for no, last in invoiced.items() if no not in late}
    counted = {**late, **_late(reader, known_at, uncounted)}
    findings = _findings(reader, known_at, every, of_all=account_nos is None)
    read = {}
    for no, account in every.items():
        idle, changes_at = _idle(account, counts.get(no, []), prices, as_of)
        read[no] = AccountAttention(
            account,
            account.next_renewal(as_of),
            account.due_at,
            idle,
            tuple(findings.get(account.key, ())),
            invoiced.get(no),
            counted.get(no, 0) if no in invoiced else 0,
            tuple(map(utc, lists[no][0]["taken_at"])) if no in lists else (),
            changes_at,
        )
    return read


def _by_account(rows: Iterable[Row]) -> dict[int, list[Row]]:
    by_account: dict[int, list[Row]] = {}
    for row in rows:
        by_account.setdefault(row["account_no"], []).append(row)
    return by_account


def _late(
    reader: ConnectedReader, known_at: Knowledge, invoiced: Mapping[int, InvoicedSpan]
) -> dict[int, int]:
    """How many entries came after the invoices, of what they bill already (R45)."""
    if not invoiced:
        return {}
    rows = reader.ask(
        "attention",
        "late",
        known_at,
        account_nos=[*invoiced],
        cut_offs=[last.cut_off for last in invoiced.values()],
        ends=[last.ends for last in invoiced.values()],
        first=min(last.cut_off for last in invoiced.values()),
    )
    return {row["account_no"]: row["entries"] for row in rows}


def _findings(
    reader: ConnectedReader,
    known_at: Knowledge,
    accounts: Mapping[int, AccountFacts],
    *,
    of_all: bool,
) -> dict[str, list[Row]]:
    """The findings of some accounts that are not settled, by their keys (R93)."""
    numbers: Sequence[int | None] = [None] if of_all else [*accounts]
    open_: dict[str, list[Row]] = {}
    for number in numbers:
        for row in kept_findings.listed(reader, known_at, number):
            if row["state"] != "settled":
                open_.setdefault(row["account"], []).append(row)
    return open_


def _idle(
    account: AccountFacts, counts: Iterable[Row], prices: PriceBook, as_of: datetime
) -> tuple[tuple[IdleSeats, ...], datetime]:
    """The seats that nobody holds, by currency; and when time alone changes that."""
    changes = [utc(row["changes_at"]) for row in counts if row["changes_at"]]
    unused = {
        row["seat_type"]: row["purchased"] - row["assigned"]
        for row in counts
        if row["purchased"]
    }
    unused = {seat_type: seats for seat_type, seats in unused.items() if seats}
    sums: dict[Currency | None, IdleSeats] = {}
    if unused and (prices.for_all.prices or account.no in prices.own):
        period = account.calendar.period_at(as_of)
        changes.append(period.ends)
        start = start_of(period)
    for seat_type, seats in unused.items():
        currency, amount = None, Fraction(0)
        price = None
        if account.no in prices.own or prices.for_all.prices:
            try:
                price = prices.find((account.no, account.key), seat_type, start, None)
            except InvalidInput:  # in several currencies: which one, nobody said
                price = None
        if price is not None:
            currency, amount = price.currency, price.value * seats
        before = sums.get(currency, IdleSeats(currency, 0, Fraction(0)))
        sums[currency] = IdleSeats(
            currency, before.seats + seats, before.amount + amount
        )
    return tuple(sums.values()), min(changes, default=FOREVER)
