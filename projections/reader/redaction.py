"""A reader that shows nobody's key, e-mail or name, wherever they may stand.

Everything that a page, a twin or a chart shows was read by it: so this is the one door.
A text passes it where its name is one of :data:`SHOWN`; every other is hidden, those of
events that are invented later too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from seat_ledger.domain.values import shown
from seat_ledger.errors import NotFound
from seat_ledger.projections.reader import AccountFacts, Knowledge, Names, Row
from seat_ledger.projections.reader.pool import PooledReader
from seat_ledger.store.wrapping import Secret

HIDDEN = "…"
_HIDDEN_USER = re.compile(r"user-([0-9]{1,18})", re.ASCII)
_USER_ID = re.compile(r"user:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OWN_ACTORS = frozenset({"system:import"})
"""Actors that the program itself writes; any other may be called like a person."""

SHOWN = frozenset(
    {
        *("topic", "seat_type", "hub", "account_key", "mode", "granularity"),
        *("time_zone", "term_start", "invoice", "period", "from", "until", "kind"),
        *("currency", "quantity", "quantity_exact", "unit_price", "amount", "digest"),
        *("verdict", "cause", "invoiced_quantity", "ledger_quantity"),
        *(
            "difference",
            "first_date",
            "tzdata",
            "tree_root",
            "label",
            "day",
            "starts",
            "voids",
        ),
    }
)
"""Texts that name things and amounts, never people: columns, and fields of details."""
_SEAT_TYPE = re.compile(r"[a-z0-9_-]{1,40}/[a-z0-9_-]{1,40}", re.ASCII)
"""A product that is one of the ledger's own; what a vendor calls one is free text."""
_BY_THING = frozenset({"unit_prices"})
"""What maps things, as they are shown, to amounts."""


class RedactedReader(PooledReader):
    """A reader for those who may not know whom a seat belonged to.

    A person is ``user-`` and the position of the event that added them, in links too.
    """

    def run(self, statement: bytes, params: Mapping[str, Any]) -> Iterator[Row]:
        """The rows of a statement without any text that may name a person."""
        for row in super().run(statement, params):
            yield _redacted(row)

    def stream(
        self, room: str, name: str, known_at: Knowledge | None = None, **params: Any
    ) -> Iterator[Row]:
        """The rows of a question; none are selected by a text that is hidden."""
        texts = [text for text in params.values() if isinstance(text, Secret)]
        if room == "users" and texts:
            return iter(())
        if params.get("actors") is not None:
            params["actors"] = [
                actor for actor in params["actors"] if _actor(actor) == actor
            ]
        return super().stream(room, name, known_at, **params)

    def account(self, key: str, known_at: Knowledge) -> AccountFacts:
        """An account, called as its key."""
        facts = super().account(key, known_at)
        return facts._replace(name=facts.key)

    def accounts(
        self, known_at: Knowledge, account_nos: Collection[int] | None = None
    ) -> list[AccountFacts]:
        """Accounts that are known, called as their keys."""
        return [
            account._replace(name=account.key)
            for account in super().accounts(known_at, account_nos)
        ]

    def names(
        self,
        user_nos: Iterable[int],
        known_at: Knowledge | None = None,  # noqa: ARG002  the number never changes
    ) -> Names:
        """A number in place of key, e-mail and name, whatever that was."""
        texts = {"email": None, "name": None, "kind": None}
        numbers = set(user_nos)
        return Names({n: {"user_key": f"user-{n}", **texts} for n in numbers}, {})

    def actors(self, actors: Iterable[str]) -> dict[str, str]:
        """Users among the actors by their numbers; the others as they came in."""
        stored = set(actors)
        ids = [actor[5:] for actor in stored if actor.startswith("user:")]
        rows = self.ask("users", "actors", user_ids=ids) if ids else []
        numbers = {f"user:{row['user_id']}": row["user_no"] for row in rows}
        return {
            actor: f"user:user-{numbers[actor]}" if actor in numbers else actor
            for actor in stored
        }

    def numbers_called(
        self, account: AccountFacts, reference: str
    ) -> tuple[list[int], set[int]]:
        """The user of a number, if it is one of the account. Raises NotFound."""
        match = _HIDDEN_USER.fullmatch(reference)
        if not match or not self._is_of(account, int(match[1])):
            raise NotFound(
                "user_not_found",
                f"{account.key} has no user {shown(reference)}.",
                try_="names are hidden here: write user- and a number",
            )
        return [int(match[1])], {int(match[1])}

    def _is_of(self, account: AccountFacts, user_no: int) -> bool:
        rows = self.ask("users", "account_of", user_nos=[user_no])
        return any(row["account_no"] == account.no for row in rows)


def _actor(actor: str) -> str:
    """An actor as it is stored: users by their ids, of others the program's own."""
    if actor in _OWN_ACTORS or _USER_ID.fullmatch(actor):
        return actor
    return f"system:{HIDDEN}"


def _redacted(value: Any, name: str = "") -> Any:
    """A value without its texts, but those of a name that is shown."""
    if isinstance(value, str):
        if name == "actor":
            return _actor(value)
        is_type = name == "product" and _SEAT_TYPE.fullmatch(value)
        return value if is_type or name in SHOWN else HIDDEN
    if isinstance(value, dict):
        if name in _BY_THING:
            return value
        return {key: _redacted(part, key) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(part, name) for part in value]
    return value
