"""One search for accounts, users, seats, invoices and entries: what support types.

Rows are dictionaries with the keys of the command line; `kind` says what was found:
``account``, ``user``, ``seat``, ``invoice`` or ``entry``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from seat_ledger.domain.values import account_id, fold, parse_seat
from seat_ledger.errors import LedgerError
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row
from seat_ledger.store.wrapping import Secret

_POSITION = re.compile(
    r"(?:#|(?:entry|position|boeking|positie)\s)?\s*"
    "([0-9]{1,3}(?:[,. \u00a0\u202f][0-9]{3}){1,5}|[0-9]{1,18})",
    re.ASCII | re.IGNORECASE,
)
"""An entry as pages and tables print it: ``#3437``, ``3,437``, ``entry 3.437``."""
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


def find(reader: ConnectedReader, sought: Sought) -> list[Row]:
    """What the text may mean, the likeliest first; at most `limit` of each kind."""
    return _Search(reader, sought).rows() if sought.text.strip() else []


def numbers_of(
    reader: ConnectedReader, keys: Collection[str] | None
) -> list[int] | None:
    """The numbers of the accounts that may be seen; None for all."""
    if keys is None:
        return None
    ids = [account_id(key) for key in keys]
    rows = reader.ask("accounts", "numbers", account_ids=Secret.ids(ids))
    return [row["account_no"] for row in rows]


def _most_exact(words: str) -> str:
    """Of a name with an e-mail beside it the e-mail; else all of it."""
    mails = [word.strip("<>") for word in words.split() if "@" in word]
    return mails[0] if len(mails) == 1 else words


class _Search:
    """One text looked for in each kind of thing."""

    def __init__(self, reader: ConnectedReader, sought: Sought) -> None:
        self.reader, self.sought = reader, sought
        self.text = sought.text.strip()
        self.numbers = numbers_of(reader, sought.accounts)

    def rows(self) -> list[Row]:
        """What the text may mean, entries first."""
        account, words = self._addressed()
        within = self._numbers(account) if account else self.numbers
        rows = [*self._entries(), *self._invoices(), *self._seats(words, within)]
        if not account:
            rows += self._accounts()
        if not self.sought.hidden:
            rows += self._users(words, within)
        return rows

    def _addressed(self) -> tuple[str, str]:
        """The account that the text begins or ends with, and the rest of it; without
        one the whole text. Of a person as tables print them the e-mail is looked for.
        """
        key, _, words = self.text.partition("/")
        if words and self._called(key):
            return key, words
        first, *others = self.text.split()
        if others and self._called(first):
            return first, _most_exact(" ".join(others))
        if others and self._called(others[-1]):
            return others[-1], _most_exact(" ".join([first, *others[:-1]]))
        return "", _most_exact(self.text)

    def _called(self, key: str) -> list[Row]:
        """The account of a key; one that may not be looked at is not asked for: R76."""
        if self.sought.accounts is not None and key not in self.sought.accounts:
            return []
        ids = Secret.ids([account_id(key)])
        return self.reader.ask("accounts", "numbers", account_ids=ids)

    def _numbers(self, key: str) -> list[int]:
        return [row["account_no"] for row in self._called(key)]

    def _entries(self) -> Iterator[Row]:
        position = _POSITION.fullmatch(self.text)
        if position is None:
            return
        number = int(re.sub("[^0-9]", "", position[1]))
        only = {"positions": [number], "account_nos": self.numbers}
        known_at = self.sought.known_at
        for row in self.reader.ask("journal", "entries", known_at, **only):
            key = self.reader.account_keys([row["account_no"]])[row["account_no"]]
            event = str(row["topic"])
            yield _row("entry", key, name=event, position=row["position"])

    def _invoices(self) -> Iterator[Row]:
        """The invoice of this very number."""
        for row in self.reader.ask(
            "billing",
            "issued_as",
            invoice=Secret(self.text),
            until_position=self.sought.known_at.position,
            account_nos=self.numbers,
        ):
            yield _row("invoice", row["account_key"], invoice=self.text)

    def _seats(self, words: str, within: list[int] | None) -> Iterator[Row]:
        try:
            seat = parse_seat(words)
        except LedgerError:
            return
        for row in self.reader.ask(
            "accounts",
            "with_seat",
            seat_type=str(seat.seat_type),
            number=seat.number,
            account_nos=within,
            after="",
            limit=self.sought.limit,
        ):
            yield _row("seat", row["account_key"], seat=str(seat))

    def _accounts(self) -> list[Row]:
        hidden, limit = self.sought.hidden, self.sought.limit
        rows = self.reader.ask(
            "accounts",
            "containing",
            self.sought.known_at,
            text=Secret(self.text),
            by_name=not hidden,
            account_nos=self.numbers,
            after="",
            limit=limit,
        )
        exact = self._called(self.text)
        others = [row for row in rows if row["account_key"] != self.text]
        return [
            _row("account", row["account_key"], name=None if hidden else row["name"])
            for row in [*exact, *others][:limit]
        ]

    def _users(self, words: str, within: list[int] | None) -> list[Row]:
        folded, limit = fold(words), self.sought.limit
        matches = self.reader.ask(
            "users",
            "beginning",
            folded=Secret(folded),
            folded_beyond=Secret(folded + _LAST),
            account_nos=within,
            limit=limit,
        )
        if not self.sought.quick:
            seen = {row["user_no"] for row in matches}
            more = self.reader.ask(
                "users",
                "containing",
                folded=Secret(folded),
                account_nos=within,
                after=0,
                limit=limit,
            )
            matches += [row for row in more if row["user_no"] not in seen]
        matches.sort(key=lambda row: folded not in _folded(row))
        position = self.sought.known_at.position
        accounts = {row["user_no"]: row["account_no"] for row in matches}
        chosen = [number for number in accounts if number <= position][:limit]
        keys = self.reader.account_keys(accounts[number] for number in chosen)
        people = self.reader.people(chosen, self.sought.known_at)
        return [
            _row("user", keys[accounts[number]], **_called(people[number]))
            for number in chosen
        ]


def _folded(row: Row) -> set[str]:
    """A user's key and e-mail, as they are compared."""
    return {fold(row[name]) for name in ("user_key", "email") if row[name]}


def _called(person: Row) -> Row:
    return {name: person[name] for name in ("user", "email", "name")}


def _row(kind: str, account: str, **fields: Any) -> Row:
    empty = dict.fromkeys(("user", "email", "name", "seat", "invoice", "position"))
    return {"kind": kind, "account": account, **empty, **fields}
