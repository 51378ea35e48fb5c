"""Events in the order of the store, for whoever hands them on.

They are read from the store itself, so that neither a rebuild nor an account that is
set aside changes what comes, or when. The order of positions is that of commits:
whoever has read up to one has missed nothing before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import class_row

from seat_ledger.domain.values import account_id, iso
from seat_ledger.errors import CommandRefused

CHANNEL = "stored_events"
AT_ONCE = 200

_READ = """
SELECT notification_id AS position, originator_id AS stream, topic, recorded_at, state
  FROM ledger.stored_events
 WHERE notification_id > %(after)s::bigint
   AND (%(only)s::bigint IS NULL OR notification_id = %(only)s::bigint)
 ORDER BY notification_id
 LIMIT %(limit)s
"""
_HEAD = "SELECT coalesce(max(notification_id), 0) FROM ledger.stored_events"
_OPENED = """
SELECT state
  FROM ledger.stored_events
 WHERE originator_id = %(account_id)s AND originator_version = 1
"""
_LEDGER = "SELECT ledger_id FROM ledger.identity"

Connection = psycopg.Connection[Any]


class FedEvent(NamedTuple):
    """An event as it is stored."""

    position: int
    stream: UUID
    topic: str
    recorded_at: datetime
    state: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """What it says; nothing where that cannot be read (R74)."""
        try:
            fields = orjson.loads(self.state)
        except orjson.JSONDecodeError:
            return {}
        return fields if isinstance(fields, dict) else {}

    @property
    def time(self) -> str:
        """When it was recorded, in UTC, as programs write it."""
        return iso(self.recorded_at.astimezone(UTC))


class EventFeed:
    """Reads events after a position, on a connection in autocommit mode."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._keys: dict[UUID, str | None] = {}
        row = connection.execute(_LEDGER).fetchone()
        self.ledger_id = UUID(str(row[0])) if row is not None else UUID(int=0)

    def head(self) -> int:
        """The last position of the store."""
        row = self.connection.execute(_HEAD).fetchone()
        return int(row[0]) if row is not None else 0

    def check_recorded(self, position: int) -> None:
        """Refuse a position beyond the head. Raises CommandRefused."""
        head = self.head()
        if position > head:
            raise CommandRefused(
                "position_beyond_head",
                f"The ledger is at position {head}; {position} is beyond it.",
                try_="omit --after to begin with what comes next",
            )

    def has_account(self, key: str) -> bool:
        """Whether an account was ever opened under the key."""
        params = {"account_id": account_id(key)}
        return self.connection.execute(_OPENED, params).fetchone() is not None

    def after(self, position: int, limit: int = AT_ONCE) -> list[FedEvent]:
        """The next events, in order."""
        return self._read(after=position, only=None, limit=limit)

    def at(self, position: int) -> FedEvent | None:
        """One event."""
        return next(iter(self._read(after=position - 1, only=position, limit=1)), None)

    def _read(self, **params: Any) -> list[FedEvent]:
        with self.connection.cursor(row_factory=class_row(FedEvent)) as cursor:
            return cursor.execute(_READ, params).fetchall()

    def account_of(self, event: FedEvent) -> str | None:
        """The key of the event's account; None for what is of no account."""
        named = event.fields.get("account")
        try:
            account_id = UUID(str(named)) if named else event.stream
        except ValueError:
            return None
        if account_id not in self._keys:
            row = self.connection.execute(
                _OPENED, {"account_id": account_id}
            ).fetchone()
            self._keys[account_id] = _key_in(bytes(row[0])) if row else None
        return self._keys[account_id]

    def listen(self) -> None:
        """Be woken by appends from now on."""
        self.connection.execute(f"LISTEN {CHANNEL}".encode())

    def wait(self, seconds: float) -> None:
        """Wait for an append, or so long."""
        for _ in self.connection.notifies(timeout=seconds, stop_after=1):
            return

    def every(self, after: int) -> Iterator[FedEvent]:
        """Every event after a position, up to the head as it is then."""
        while events := self.after(after):
            yield from events
            after = events[-1].position


def _key_in(state: bytes) -> str | None:
    """The key that an account was opened with."""
    try:
        key = orjson.loads(state).get("account_key")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return key if isinstance(key, str) else None
