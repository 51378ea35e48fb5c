"""Accounts that are set aside: their tables end before an event that cannot be read.

No rule crosses accounts, so the others go on (R74). A generation keeps its own list, in
the table ``set_aside``; what decodes leaves out what stands from those positions on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import namedtuple_row

from seat_ledger.domain.values import fields_of
from seat_ledger.projections.engine.sql_files import queries

_Connection = psycopg.Connection[Any]
_SQL = queries("accounts", "set_aside.sql")
_STORED = queries("journal", "decode.sql")

EVERYTHING: dict[str, Any] = {"aside": [], "aside_from": [], "only": None}
"""The scope of a decoding that leaves nothing out."""


class SetAside(NamedTuple):
    """An account whose tables end before `position`, and the event that stands there.

    `account_key` is the account's id where the key cannot be read; `streams` are those
    with events that cannot be read.
    """

    account_no: int
    account_id: UUID
    account_key: str
    position: int
    stream: UUID
    version: int
    topic: str
    reason: str
    since: datetime
    streams: list[UUID]

    def sentence(self) -> str:
        """What stands in the way, since when, and what is known all the same."""
        return (
            f"Account {self.account_key} has been set aside since "
            f"{self.since:%Y-%m-%d %H:%M:%S %Z}: its event at position "
            f"{self.position} ({self.topic}, version {self.version} of stream "
            f"{self.stream}) cannot be read: {self.reason}. Answers about it are as "
            f"of position {self.position - 1}; other accounts are not affected."
        )

    def moved_to(self, position: int, reason: str, origin: StoredOrigin) -> SetAside:
        """The same account, set aside at another position."""
        streams = [*self.streams, *{origin.stream}.difference(self.streams)]
        moved = self._replace(position=position, reason=reason, streams=streams)
        return moved._replace(
            stream=origin.stream, version=origin.version, topic=origin.topic
        )

    def document(self) -> dict[str, Any]:
        """As people and files get it."""
        return {
            "account": self.account_key,
            "position": self.position,
            "event": self.topic,
            "stream": str(self.stream),
            **fields_of(self, "version", "reason", "since"),
        }


class StoredOrigin(NamedTuple):
    """Whose event stands at a position; an account is None where nobody can tell."""

    topic: str
    stream: UUID
    version: int
    account_no: int | None
    account_id: UUID | None
    account_key: str | None


def listed(connection: _Connection) -> tuple[SetAside, ...]:
    """The accounts that are set aside in the generation of the search path."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows = cursor.execute(_SQL["rows"]).fetchall()
    accounts = [SetAside(*row) for row in rows]
    return tuple(
        account._replace(since=account.since.astimezone(UTC)) for account in accounts
    )


def scope_of(connection: _Connection) -> dict[str, Any]:
    """What decoding leaves out: the streams, and from which position on each."""
    return _leaving_out(connection.execute(_SQL["streams"]).fetchall())


def scope_within(connection: _Connection, account_no: int) -> dict[str, Any]:
    """The scope of one account that is set aside alone, with nothing of it left out."""
    rows = connection.execute(_SQL["streams"]).fetchall()
    others = _leaving_out([row for row in rows if row[2] != account_no])
    return {**others, "only": [row[0] for row in rows if row[2] == account_no]}


def _leaving_out(rows: list[Any]) -> dict[str, Any]:
    aside = {"aside": [row[0] for row in rows], "aside_from": [row[1] for row in rows]}
    return {**EVERYTHING, **aside}


def origin_of(connection: _Connection, position: int) -> StoredOrigin:
    """Whose the event at a position is, however damaged it may be."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        row: Any = cursor.execute(_STORED["stored"], {"position": position}).fetchone()
        if row is None:
            return StoredOrigin("?", UUID(int=0), 0, None, None, None)
        topic = row.topic or "?"
        for account_id in (row.account_id, row.stream, _account_in(row.state)):
            if account_id is None:
                continue
            opened: Any = cursor.execute(
                _STORED["opening"], {"account_id": account_id}
            ).fetchone()
            if opened is not None:
                key = opened.account_key or _key_in(opened.state) or str(account_id)
                number = opened.account_no
                return StoredOrigin(
                    topic, row.stream, row.version, number, account_id, key
                )
    return StoredOrigin(topic, row.stream, row.version, None, None, None)


def note(
    connection: _Connection, origin: StoredOrigin, position: int, reason: str
) -> bool:
    """Set an event's account aside at its position; whether that changed anything."""
    row = {**origin._asdict(), "position": position, "reason": reason}
    return connection.execute(_SQL["note"], row).rowcount > 0


def resume(connection: _Connection, account_no: int) -> None:
    """Let what stands from the account's position on be read again."""
    connection.execute(_SQL["resume"], {"account_no": account_no})


def note_again(connection: _Connection, accounts: Iterable[SetAside]) -> None:
    """Set accounts aside that were so before, in other tables."""
    for row in accounts:
        connection.execute(_SQL["again"], row._asdict())


def _account_in(state: bytes | None) -> UUID | None:
    """The account that a user's event names, where it can be read so far."""
    try:
        return UUID(_fields(state)["account"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _key_in(state: bytes | None) -> str | None:
    """The key that an opening names, where it can be read so far."""
    try:
        key = _fields(state)["account_key"]
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(key, str) and 0 < len(key) <= 100 and key.isprintable():
        return key
    return None


def _fields(state: bytes | None) -> Any:
    return orjson.loads(state or b"")
