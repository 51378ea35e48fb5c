"""Whole tables to take away, as known: flat rows with the same keys, as a stream.

Accounts are asked for some at a time, in the order of their keys, so that an export of
any size takes the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from seat_ledger.projections import billing, journal
from seat_ledger.projections.reader import (
    AccountFacts,
    ConnectedReader,
    Knowledge,
    Row,
    utc,
)

ACCOUNTS_AT_ONCE = 100


class Field(NamedTuple):
    """A column of an export: its name, and the kind of its values."""

    name: str
    kind: str


def _fields(**kinds: str) -> tuple[Field, ...]:
    return tuple(Field(name, kind) for name, kind in kinds.items())


FIELDS = {
    "journal": _fields(
        position="integer", recorded_at="instant", effective_at="instant", event="text",
        account="text", user="text", seat="text", actor="text", reason="text",
        reversed_by="integer", data="json", effective_after="instant",
    ),
    "holdings": _fields(
        account="text", seat="text", seat_type="text", number="integer", user="text",
        held_from="instant", held_until="instant", assigned="integer",
        unassigned="integer", reversed="flag", held_after="instant",
        until_after="instant",
    ),
    "counts": _fields(
        account="text", seat_type="text", at="instant", purchased="integer",
        assigned="integer", available="integer", at_after="instant",
    ),
    "periods": (
        Field("account", "text"), Field("period", "date"), Field("from", "instant"),
        Field("until", "instant"), Field("days", "integer"),
        Field("seconds", "integer"), Field("time_zone", "text"),
        Field("mode", "text"), Field("granularity", "text"),
    ),
}  # fmt: skip
"""What can be exported, and the columns of each."""


def exported(
    name: str,
    reader: ConnectedReader,
    account: AccountFacts | None,
    known_at: Knowledge,
    now: datetime,
) -> Iterator[Row]:
    """The rows of an export, of one account or of all."""
    if name == "journal":
        yield from journal.listed(reader, known_at, account=account)
        return
    accounts = [account] if account else reader.accounts(known_at)
    remaining = iter([facts for facts in accounts if facts.is_known])
    while batch := list(islice(remaining, ACCOUNTS_AT_ONCE)):
        if name == "holdings":
            yield from _holdings(reader, batch, known_at)
        elif name == "counts":
            yield from _counts(reader, batch, known_at)
        else:
            for facts in batch:
                yield from _periods(facts, known_at.moment(now))


def _by_account(
    reader: ConnectedReader,
    name: str,
    accounts: Sequence[AccountFacts],
    known_at: Knowledge,
) -> Iterator[Row]:
    """The rows of some accounts, each account's together, with its key."""
    keys = {account.no: account.key for account in accounts}
    rows = reader.ask("exports", name, known_at, account_nos=list(keys))
    by_number: dict[int, list[Row]] = {number: [] for number in keys}
    for row in rows:
        by_number[row["account_no"]].append(row)
    for number, of_account in by_number.items():
        yield from ({"account": keys[number], **row} for row in of_account)


def _holdings(
    reader: ConnectedReader, accounts: Sequence[AccountFacts], known_at: Knowledge
) -> Iterator[Row]:
    rows = list(_by_account(reader, "holdings", accounts, known_at))
    people = reader.people((row["user_no"] for row in rows), known_at)
    for row in rows:
        yield _flat(
            "holdings",
            row,
            seat=f"{row['seat_type']}#{row['number']}",
            user=people[row["user_no"]]["user"],
            held_from=utc(row["held_from"]),
            held_until=utc(row["held_until"]),
            held_after=utc(row["held_after"]),
            until_after=utc(row["until_after"]),
        )


def _counts(
    reader: ConnectedReader, accounts: Sequence[AccountFacts], known_at: Knowledge
) -> Iterator[Row]:
    for row in _by_account(reader, "counts", accounts, known_at):
        available = row["purchased"] - row["assigned"]
        yield _flat(
            "counts",
            row,
            at=utc(row["at"]),
            at_after=utc(row["at_after"]),
            available=available,
        )


def _flat(name: str, row: Row, **values: Any) -> Row:
    """A row of an export: its columns, from a row of the tables and computed values."""
    whole = {**row, **values}
    return {field.name: whole[field.name] for field in FIELDS[name]}


def _periods(account: AccountFacts, moment: datetime) -> Iterator[Row]:
    for period in billing.existing(account, moment):
        mode, granularity = account.policy_at(period.starts)
        yield {
            "account": account.key,
            "period": period.label,
            "from": period.starts,
            "until": period.ends,
            "days": len(period.days),
            "seconds": period.seconds,
            "time_zone": period.zone,
            "mode": mode,
            "granularity": granularity,
        }
