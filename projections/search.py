"""One search for accounts, users, seats, invoices and entries: what support types.

Rows are dictionaries with the keys of the command line; `kind` says what was found:
``account``, ``user``, ``seat``, ``invoice`` or ``entry``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from seat_ledger.domain.values import SeatRef, account_id, fold, parse_seat
from seat_ledger.errors import LedgerError
from seat_ledger.projections.reader import Knowledge, Reader, Row
from seat_ledger.store.wrapping import Secret

_POSITION = re.compile(r"#?([0-9]{1,18})", re.ASCII)
_LAST = chr(0x10FFFF)


@dataclass(frozen=True)
class Sought:
    """What is looked for: where one may look, how many, and what is known.

    `accounts` None means all. `quick` looks at beginnings only, by indexes.
    """

    text: str
    known_at: Knowledge
    accounts: Collection[str] | None = None
    limit: int = 20
    quick: bool = False
    hidden: bool = False


def find(reader: Reader, sought: Sought) -> list[Row]:
    """What the text may mean, the likeliest first; at most `limit` of each kind."""
    text = sought.text.strip()
    if not text:
        return []
    numbers = numbers_of(reader, sought.accounts)
    rows = [*_entries(reader, sought, text, numbers)]
    rows += _invoices(reader, sought, text, numbers)
    account, others = _addressed(reader, sought, text)
    rows += _seats(reader, sought, account, others or text, numbers)
    if not account:
        rows += _accounts(reader, sought, text, numbers)
    if not sought.hidden:
        within = _numbers(reader, sought, account) if account else numbers
        rows += _users(reader, sought, others if account else text, within)
    return rows


def numbers_of(reader: Reader, keys: Collection[str] | None) -> list[int] | None:
    """The numbers of the accounts that may be seen; None for all."""
    if keys is None:
        return None
    ids = [account_id(key) for key in keys]
    rows = reader.ask("accounts", "numbers", account_ids=Secret.ids(ids))
    return [row["account_no"] for row in rows]


def _addressed(reader: Reader, sought: Sought, text: str) -> tuple[str, str]:
    """The account that a text begins with, and what follows a slash or a space."""
    key, _, others = text.partition("/")
    if others and _called(reader, sought, key):
        return key, others
    words = text.split()
    if len(words) == 2 and _called(reader, sought, words[0]):
        return words[0], words[1]
    return "", text


def _called(reader: Reader, sought: Sought, key: str) -> list[Row]:
    """The account of a key; one that may not be looked at is not asked for (R76)."""
    if sought.accounts is not None and key not in sought.accounts:
        return []
    ids = Secret.ids([account_id(key)])
    return reader.ask("accounts", "numbers", account_ids=ids)


def _numbers(reader: Reader, sought: Sought, key: str) -> list[int]:
    return [row["account_no"] for row in _called(reader, sought, key)]


def _row(kind: str, account: str, **fields: Any) -> Row:
    empty = dict.fromkeys(("user", "email", "name", "seat", "invoice", "position"))
    return {"kind": kind, "account": account, **empty, **fields}


def _entries(
    reader: Reader, sought: Sought, text: str, numbers: list[int] | None
) -> Iterator[Row]:
    position = _POSITION.fullmatch(text)
    if position is None:
        return
    only = {"positions": [int(position[1])], "account_nos": numbers}
    for row in reader.ask("journal", "entries", sought.known_at, **only):
        key = reader.account_keys([row["account_no"]])[row["account_no"]]
        event = str(row["topic"])
        yield _row("entry", key, name=event, position=row["position"])


def _invoices(
    reader: Reader, sought: Sought, text: str, numbers: list[int] | None
) -> Iterator[Row]:
    """The invoice of this very number."""
    until_position = sought.known_at.position
    named: dict[str, Any] = {"invoice": Secret(text), "until_position": until_position}
    for row in reader.ask("billing", "issued_as", **named, account_nos=numbers):
        yield _row("invoice", row["account_key"], invoice=text)


def _seats(
    reader: Reader, sought: Sought, account: str, text: str, numbers: list[int] | None
) -> Iterator[Row]:
    seat = _seat(text)
    if seat is None:
        return
    within = _numbers(reader, sought, account) if account else numbers
    for row in reader.ask(
        "accounts",
        "with_seat",
        seat_type=str(seat.seat_type),
        number=seat.number,
        account_nos=within,
        after="",
        limit=sought.limit,
    ):
        yield _row("seat", row["account_key"], seat=str(seat))


def _seat(text: str) -> SeatRef | None:
    try:
        return parse_seat(text)
    except LedgerError:
        return None


def _accounts(
    reader: Reader, sought: Sought, text: str, numbers: list[int] | None
) -> list[Row]:
    rows = reader.ask(
        "accounts",
        "containing",
        sought.known_at,
        text=Secret(text),
        by_name=not sought.hidden,
        account_nos=numbers,
        after="",
        limit=sought.limit,
    )
    exact = _called(reader, sought, text)
    others = [row for row in rows if row["account_key"] != text]
    return [
        _row("account", row["account_key"], name=None if sought.hidden else row["name"])
        for row in [*exact, *others][: sought.limit]
    ]


def _users(
    reader: Reader, sought: Sought, text: str, numbers: list[int] | None
) -> list[Row]:
    folded = fold(text)
    matches = reader.ask(
        "users",
        "beginning",
        folded=Secret(folded),
        folded_beyond=Secret(folded + _LAST),
        account_nos=numbers,
        limit=sought.limit,
    )
    if not sought.quick:
        seen = {row["user_no"] for row in matches}
        more = reader.ask(
            "users",
            "containing",
            folded=Secret(folded),
            account_nos=numbers,
            after=0,
            limit=sought.limit,
        )
        matches += [row for row in more if row["user_no"] not in seen]
    exact = [
        row for row in matches if folded in {fold(row["user_key"]), fold(row["email"])}
    ]
    others = [row for row in matches if row not in exact]
    chosen = [*exact, *others][: sought.limit]
    chosen = [row for row in chosen if row["user_no"] <= sought.known_at.position]
    keys = reader.account_keys(row["account_no"] for row in chosen)
    return [
        _row(
            "user",
            keys[row["account_no"]],
            user=row["user_key"],
            email=row["email"],
            name=row["name"],
        )
        for row in chosen
    ]
