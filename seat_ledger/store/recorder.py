"""The library's PostgreSQL recorder, with the ledger's own way of appending.

Position order must equal commit order, or a reader that tails the store skips
events for ever. Every write path takes the same advisory lock for that, in a
transaction that then assigns positions and ``recorded_at`` and commits: an append
here, and the bulk append of :mod:`seat_ledger.store.bulk`. The advisory lock does
not fight with VACUUM, ANALYZE or index builds as the library's table lock does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from seat_ledger.domain.clock import CarriedClock
from seat_ledger.domain.head import Head
from seat_ledger.domain.seat_types import CATALOGUE_ID
from seat_ledger.errors import SchemaMismatch
from seat_ledger.store.connection import committing
from seat_ledger.store.statistics import is_seen_by_nobody
from seat_ledger.store.store_status import APPEND_LOCK
from seat_ledger.store.wrapping import Secret, SecretBytes

REWRITE_TRIES = 5
"""How often a table is tried to be rewritten, a second each, after an erasure."""

SCHEMA = "ledger"


_ROWS = (
    "ROWS FROM (pg_catalog.unnest(%s::uuid[]), pg_catalog.unnest(%s::bigint[]), "
    "pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%b::bytea[])) "
    "AS event(originator_id, originator_version, topic, state)"
)
"""The events of an append. The library's type has another number in each database, and
a restored one may take the place of the one that a program began with.
"""

TAKE_NUMBER = (
    "INSERT INTO ledger.invoice_number (invoice, account_id, position) "
    "VALUES (%s, %s, %s)"
)
"""Fails where the number is taken, and the whole append with it (R64)."""


class UserName(NamedTuple):
    """What finds a user's id, and the key that opens who it is.

    Written with UserAdded, in the same transaction.
    """

    user_id: UUID
    user_key: str
    folded_key: str
    folded_email: str
    person_key: bytes


ADD_NAME = (
    "WITH kept AS (INSERT INTO ledger.person_key (user_id, key) "
    "VALUES (%s, ledger.unwrapped_bytes(%s))) "
    "INSERT INTO ledger.user_name "
    "(user_id, account_id, user_key, folded_key, folded_email) "
    "VALUES (%s, %s, ledger.unwrapped(%s), ledger.unwrapped(%s), "
    "ledger.unwrapped(%s))"
)
_ADD_COMMAND = (
    "INSERT INTO ledger.recorded_command "
    "VALUES (%s, %s, ledger.unwrapped_bytes(%s), '{}')"
)


class FurtherNames(NamedTuple):
    """What a user is called besides, folded: key and e-mail of a renaming (R95)."""

    user_id: UUID
    folded: tuple[str, ...]


ADD_FURTHER = (
    "UPDATE ledger.user_name SET folded_others = folded_others || ARRAY("
    "SELECT json_array_elements_text(ledger.unwrapped(%s)::json)) "
    "WHERE user_id = %s"
)


def add_further_names(
    connection: Cursor[Any] | Connection[Any], further: Iterable[FurtherNames]
) -> None:
    """Let renamed users be found by what they are called from now on, too."""
    for user_id, folded in further:
        texts = Secret(orjson.dumps(folded).decode())
        connection.execute(ADD_FURTHER, [texts, user_id])


class Erasure(NamedTuple):
    """A user whose key is destroyed with the append, and what is read instead."""

    user_id: UUID
    reads_as: str


class Append(NamedTuple):
    """What one command's append writes beside its events.

    `seen` is where the account was that the command was decided on, and `next` where
    it will be. `due` counts the events at the front that are no part of the command's
    result (R37). `invoice` is the number of the invoice that its last event issues. An
    `erasure` leaves no digest of the command that asked for it, which named the person.
    `catalogue` is where the catalogue was, where the decision rests on what it offers.
    """

    account_id: UUID
    seen: Head
    next: Head
    command_key: str
    digest: bytes
    due: int
    new_users: tuple[UserName, ...]
    invoice: str | None = None
    erasure: Erasure | None = None
    catalogue: Head | None = None
    further: tuple[FurtherNames, ...] = ()


class Appended(NamedTuple):
    """What an append recorded: the positions of all its events, and when."""

    positions: tuple[int, ...]
    recorded_at: datetime | None


def check_catalogue(cursor: Cursor[Any], rests_on: Iterable[tuple[int, int]]) -> None:
    """Refuse what was decided on another catalogue, under the append lock (R80).

    `rests_on` are the heads of the catalogue that the decisions saw. Raises
    IntegrityError.
    """
    for head in rests_on:
        cursor.execute(_OTHER_CATALOGUE, [CATALOGUE_ID, *head])
        if cursor.rowcount:
            raise IntegrityError("the catalogue moved")


_OTHER_CATALOGUE = (
    "SELECT 1 FROM (VALUES (1)) AS one(row) "
    "LEFT JOIN ledger.account_head AS types ON types.account_id = %s "
    "WHERE coalesce(types.changes, 0) <> %s OR coalesce(types.marks[1], 0) <> %s"
)
"""A row where the catalogue is not at a head."""


class Peek(NamedTuple):
    """Where an account is, a recorded command, and the database's clock.

    `continues` says that what was known of the account before is a part of what is
    there now; `catalogue` is where the catalogue is, `digest_key` the secret of the
    commands' digests.
    """

    head: Head
    catalogue: Head
    continues: bool
    now: datetime
    digest_key: bytes
    digest: bytes | None
    positions: tuple[int, ...]


_PEEK = (
    "(SELECT ledger.database_now()) AS now, "
    "(SELECT key FROM ledger.digest_key) AS digest_key, "
    "coalesce(head.changes, 0) AS changes, coalesce(head.marks[1], 0) AS mark, "
    "coalesce(head.marks[1 + head.changes - seen.changes] = seen.mark, false) "
    "AS continues, recorded.digest, recorded.positions, "
    "coalesce(types.changes, 0) AS catalogue_changes, "
    "coalesce(types.marks[1], 0) AS catalogue_mark"
)
_PEEK_JOINS = (
    "LEFT JOIN ledger.account_head AS head ON head.account_id = seen.account "
    "LEFT JOIN ledger.account_head AS types ON types.account_id = %(catalogue)s "
    "LEFT JOIN ledger.recorded_command AS recorded "
    "ON recorded.account_id = seen.account AND recorded.command_key = seen.key"
)


def _peek(row: DictRow) -> Peek:
    return Peek(
        Head(row["changes"], row["mark"]),
        Head(row["catalogue_changes"], row["catalogue_mark"]),
        row["continues"],
        row["now"],
        _digest_key(row["digest_key"]),
        bytes(row["digest"]) if row["digest"] is not None else None,
        tuple(row["positions"] or ()),
    )


class LedgerRecorder(PostgresApplicationRecorder):
    """Appends under the advisory lock, with ``recorded_at`` beside each event."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        *,
        events_table_name: str = "stored_events",
    ) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        table = Identifier(self.datastore.schema, self.events_table_name)
        event_type = Identifier(self.datastore.schema, self.stored_event_type_name)
        self.lock_table_statements = [
            SQL("SET LOCAL lock_timeout = '{0}s'").format(self.datastore.lock_timeout),
            SQL("SELECT pg_advisory_xact_lock({0})").format(APPEND_LOCK),
        ]
        insert = (
            "WITH clock AS MATERIALIZED (SELECT ledger.next_recorded_at() AS now) "
            "INSERT INTO {table} "
            "(originator_id, originator_version, topic, state, recorded_at) "
            "SELECT originator_id, originator_version, topic, state, "
            "(SELECT now FROM clock) FROM {rows} "
            "RETURNING notification_id, recorded_at"
        )
        self.select_events_statement = SQL(  # what lacks either is named, not a bug
            "SELECT originator_id, originator_version, coalesce(topic, '') AS topic, "
            "coalesce(state, '') AS state FROM {table} WHERE originator_id = %s"
        ).format(table=table)
        self.insert_events_statement = SQL(insert).format(
            table=table, rows=SQL("unnest(%s::{0}[])").format(event_type)
        )
        self.append_statement = SQL(
            "WITH stored AS ({insert}), kept AS ("
            "INSERT INTO ledger.recorded_command "
            "SELECT %s, %s, ledger.unwrapped_bytes(%s), coalesce("
            "(array_agg(notification_id ORDER BY notification_id))[%s:], '{{}}') "
            "FROM stored) "
            "SELECT notification_id, recorded_at FROM stored ORDER BY 1"
        ).format(insert=SQL(insert).format(table=table, rows=SQL(_ROWS)))

    def append(self, stored_events: Sequence[StoredEvent], append: Append) -> Appended:
        """Append the events of a command, and what belongs to it.

        Everything is written in one transaction, and nothing is tried again blindly:
        a lost reply to COMMIT is settled by asking for the command's key. Raises
        OutcomeUnknown then; whatever else is raised, nothing is written.
        """
        with self.datastore.get_connection() as connection:
            naming = self._commands_naming(connection, append)
            with committing(connection), connection.cursor() as cursor:
                return self._append(cursor, stored_events, append, naming)

    def _commands_naming(
        self, connection: Connection[DictRow], append: Append
    ) -> list[str]:
        """The commands that named a person who is to be erased, this one with them.

        Asked before the lock. If the account moves meanwhile the append is refused.
        """
        if append.erasure is None:
            return []
        rows = connection.execute(
            "SELECT command_key FROM ledger.commands_naming(%s, %s)",
            [append.erasure.user_id, append.account_id],
        )
        return [append.command_key, *(row["command_key"] for row in rows)]

    def _append(
        self,
        cursor: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],
        append: Append,
        naming: Sequence[str],
    ) -> Appended:
        """Take the append lock, claim the account, and write. The order matters."""
        cursor.execute(
            "SELECT ledger.begin_append(%s, %s, %s, %s, %s)",
            [APPEND_LOCK, append.account_id, *append.seen, append.next.mark],
        )
        if append.catalogue is not None and append.account_id != CATALOGUE_ID:
            check_catalogue(cursor, [append.catalogue])
        for name in append.new_users:
            cursor.execute(
                ADD_NAME,
                [
                    *(name.user_id, SecretBytes(name.person_key)),
                    *(name.user_id, append.account_id),
                    *map(Secret, (name.user_key, name.folded_key, name.folded_email)),
                ],
            )
        add_further_names(cursor, append.further)
        digest = SecretBytes(append.digest)
        command = [append.account_id, append.command_key, digest]
        if not stored_events:
            cursor.execute(_ADD_COMMAND, command)
            self._erase(cursor, append, naming)
            return Appended((), None)
        events = [
            [event.originator_id for event in stored_events],
            [event.originator_version for event in stored_events],
            [event.topic for event in stored_events],
            [event.state for event in stored_events],
        ]
        cursor.execute(self.append_statement, [*events, *command, append.due + 1])
        stored = cursor.fetchall()
        positions = tuple(row["notification_id"] for row in stored)
        if append.invoice is not None:
            cursor.execute(
                TAKE_NUMBER, [append.invoice, append.account_id, positions[-1]]
            )
        self._erase(cursor, append, naming)
        return Appended(positions, stored[0]["recorded_at"])

    def _erase(
        self, cursor: Cursor[DictRow], append: Append, naming: Sequence[str]
    ) -> None:
        """Destroy a person's key, where that is what the command asks."""
        if append.erasure is not None:
            user_id, reads_as = append.erasure
            cursor.execute(
                "SELECT ledger.erase_person(%s, %s, %s, %s)",
                [user_id, append.account_id, reads_as, list(naming)],
            )

    def rewrite_persons(self) -> bool:
        """Leave no older version of a person's key or names in the tables' files.

        False where somebody holds a table, or a transaction that could still see what
        was there, for longer than it may be waited for; what is erased is erased all
        the same, and only its old pages remain.
        """
        try:
            with self.datastore.get_connection() as connection:
                if not is_seen_by_nobody(connection):
                    return False
        except (PersistenceError, psycopg.Error):
            return False
        for table in ("person_keys", "user_names"):
            if not self._rewrite(SQL(f"SELECT ledger.rewrite_{table}()")):
                return False
        return True

    def _rewrite(self, statement: SQL) -> bool:
        """Run a rewriting statement, a few times where the table is in use."""
        for _ in range(REWRITE_TRIES):
            try:
                with self.datastore.get_connection() as connection:
                    connection.execute(statement)
            except (PersistenceError, psycopg.Error):
                time.sleep(0.1)
            else:
                return True
        return False

    def _fetch_ids_after_insert_events(
        self, curs: Cursor[DictRow], *_: Any, **__: Any
    ) -> Sequence[int] | None:
        return [row["notification_id"] for row in curs.fetchall()]

    # -- questions of the write side ------------------------------------------

    def peek(self, account_id: UUID, command_key: str | None, head: Head) -> Peek:
        """What a command must know first, in one round trip.

        `known` is where the account was when it was read. Raises SchemaMismatch where
        the secret of the digests is lost.
        """
        row = self._row(
            f"SELECT {_PEEK} FROM (VALUES (%(account)s::uuid, %(key)s, "  # noqa: S608
            "%(changes)s::bigint, %(mark)s::bigint)) "
            f"AS seen(account, key, changes, mark) {_PEEK_JOINS}",
            {
                "catalogue": CATALOGUE_ID,
                "account": account_id,
                "key": command_key,
                "changes": head.changes,
                "mark": head.mark,
            },
        )
        assert row is not None
        return _peek(row)

    def peek_many(self, seen: Sequence[tuple[UUID, str, Head]]) -> list[Peek]:
        """The same as :meth:`peek` of commands of many accounts, in one round trip."""
        rows = self._rows(
            f"SELECT {_PEEK} FROM ROWS FROM ("  # noqa: S608  of these words alone
            "pg_catalog.unnest(%(accounts)s::uuid[]), "
            "pg_catalog.unnest(%(keys)s::text[]), "
            "pg_catalog.unnest(%(changes)s::bigint[]), "
            "pg_catalog.unnest(%(marks)s::bigint[])) WITH ORDINALITY "
            f"AS seen(account, key, changes, mark, place) {_PEEK_JOINS} ORDER BY place",
            {
                "catalogue": CATALOGUE_ID,
                "accounts": [account for account, _, _ in seen],
                "keys": [key for _, key, _ in seen],
                "changes": [head.changes for _, _, head in seen],
                "marks": [head.mark for _, _, head in seen],
            },
        )
        return [_peek(row) for row in rows]

    def heads_of(
        self, accounts: Sequence[UUID]
    ) -> tuple[dict[UUID, Head], CarriedClock, bytes]:
        """Where many accounts are, the database's clock, and the digests' secret."""
        rows = self._rows(
            "SELECT pg_catalog.clock_timestamp() AS clock, "
            "(SELECT ledger.database_now()) AS now, "
            "(SELECT key FROM ledger.digest_key) AS digest_key, "
            "account_id, changes, coalesce(marks[1], 0) AS mark "
            "FROM (VALUES (1)) AS one(row) LEFT JOIN ledger.account_head "
            "ON account_id = ANY(%(accounts)s)",
            {"accounts": list(accounts)},
        )
        heads = {
            row["account_id"]: Head(row["changes"], row["mark"])
            for row in rows
            if row["account_id"]
        }
        clock = CarriedClock(rows[0]["clock"], rows[0]["now"])
        return heads, clock, _digest_key(rows[0]["digest_key"])

    def user_ids(self, account_id: UUID, name: str) -> tuple[list[UUID], list[UUID]]:
        """The ids of all users ever called so, folded: by key, and by e-mail."""
        return self.many_user_ids([(account_id, name)])[account_id, name]

    def many_user_ids(
        self, names: Sequence[tuple[UUID, str]]
    ) -> dict[tuple[UUID, str], tuple[list[UUID], list[UUID]]]:
        """The same as :meth:`user_ids` for many names of many accounts."""
        rows = self._rows(
            "WITH asked AS MATERIALIZED ("
            "SELECT * FROM unnest(%(accounts)s::uuid[], "
            "ARRAY(SELECT json_array_elements_text("
            "ledger.unwrapped(%(names)s)::json))) AS asked(account, name)) "
            "SELECT account, name, user_id, true AS by_key, false AS by_email "
            "FROM asked JOIN ledger.user_name "
            "ON account_id = account AND folded_key = name UNION ALL "
            "SELECT account, name, user_id, false, true "
            "FROM asked JOIN ledger.user_name "
            "ON account_id = account AND folded_email = name UNION ALL "
            "SELECT account, name, user_id, true, true "
            "FROM asked CROSS JOIN LATERAL ("
            "SELECT user_id FROM ledger.user_name "
            "WHERE account_id = account AND folded_others <> '{}' "
            "AND folded_others @> ARRAY[name] OFFSET 0) AS renamed",
            {
                "accounts": [account for account, _ in names],
                "names": Secret(orjson.dumps([name for _, name in names]).decode()),
            },
        )
        ids: dict[tuple[UUID, str], tuple[list[UUID], list[UUID]]] = {
            name: ([], []) for name in names
        }
        for row in rows:
            by_key, by_email = ids[row["account"], row["name"]]
            if row["by_key"] and row["user_id"] not in by_key:
                by_key.append(row["user_id"])
            if row["by_email"] and row["user_id"] not in by_email:
                by_email.append(row["user_id"])
        return ids

    def is_of_account(self, account_id: UUID, user_id: UUID) -> bool:
        """Whether the account ever had a user of this id."""
        query = (
            "SELECT 1 FROM ledger.user_name "
            "WHERE user_id = %(user)s AND account_id = %(account)s"
        )
        return self._row(query, {"user": user_id, "account": account_id}) is not None

    def person_key(self, user_id: UUID) -> bytes | None:
        """The key that opens a user's key, e-mail and name; None when destroyed."""
        query = "SELECT key FROM ledger.person_key WHERE user_id = %(user)s"
        row = self._row(query, {"user": user_id})
        return None if row is None else bytes(row["key"])

    def plain_entry(self, user_id: UUID) -> int | None:
        """The position of a user's UserAdded of version 1, which holds it in plain."""
        query = (
            "SELECT notification_id AS position FROM ledger.stored_events "
            "WHERE originator_id = %(user)s AND topic = 'UserAdded' "
            """AND substr(state, 1, 7) = '{"v":1,'::bytea"""
        )
        row = self._row(query, {"user": user_id})
        return None if row is None else row["position"]

    def streams_of(
        self, users: Sequence[UUID]
    ) -> dict[UUID, tuple[list[StoredEvent], bytes | None]]:
        """The events of users, and the key to each; who has none is left out."""
        rows = self._rows(
            "SELECT stored.*, held.key AS person_key "
            "FROM ledger.stored_events AS stored "
            "LEFT JOIN ledger.person_key AS held "
            "ON held.user_id = stored.originator_id "
            "WHERE stored.originator_id = ANY(%(users)s) "
            "ORDER BY originator_id, originator_version",
            {"users": list(users)},
        )
        streams: dict[UUID, tuple[list[StoredEvent], bytes | None]] = {}
        for row in rows:
            key = row["person_key"]
            stored, _ = streams.setdefault(
                row["originator_id"], ([], None if key is None else bytes(key))
            )
            stored.append(_stored(row))
        return streams

    def recorded_positions(self, account_id: UUID, key: str) -> list[int] | None:
        """The positions recorded under a key; None where nothing is."""
        stored = self.recorded_commands([account_id], [key]).get(1)
        return None if stored is None else list(stored[1])

    def recorded_commands(
        self, accounts: Sequence[UUID], keys: Sequence[str]
    ) -> dict[int, tuple[bytes, tuple[int, ...]]]:
        """Which of many commands are recorded already, with digest and positions.

        They are named by their place in what is asked, from 1 on.
        """
        rows = self._rows(
            "SELECT asked.place, digest, positions "
            "FROM ROWS FROM (json_array_elements_text(%(accounts)s::json), "
            "json_array_elements_text(%(keys)s::json)) "
            "WITH ORDINALITY AS asked(account, key, place) "
            "JOIN ledger.recorded_command AS recorded "
            "ON recorded.account_id = asked.account::uuid "
            "AND recorded.command_key = asked.key",
            {  # as JSON: thousands of them are written ten times as fast
                "accounts": orjson.dumps(accounts).decode(),
                "keys": orjson.dumps(keys).decode(),
            },
        )
        return {
            row["place"]: (bytes(row["digest"]), tuple(row["positions"]))
            for row in rows
        }

    def has_keys_of_bytes(self) -> bool:
        """Whether lines of files are recorded under the bytes of what stood before."""
        query = (
            "SELECT FROM ledger.recorded_command "
            "WHERE command_key >= 'import:' AND command_key < 'import;' LIMIT 1"
        )
        return self._row(query, {}) is not None

    def has_invoice(self, invoice: str) -> bool:
        """Whether an invoice of the store has this number (R64)."""
        query = "SELECT 1 FROM ledger.invoice_number WHERE invoice = %(invoice)s"
        return self._row(query, {"invoice": invoice}) is not None

    def head_of(self, account_id: UUID) -> tuple[Head, int]:
        """Where an account is, and the last position of it or its users."""
        row = self._row(
            "SELECT coalesce((SELECT changes FROM ledger.account_head "
            "WHERE account_id = %(account)s), 0) AS changes, "
            "coalesce((SELECT marks[1] FROM ledger.account_head "
            "WHERE account_id = %(account)s), 0) AS mark, "
            "coalesce(max(last.position), 0) AS position FROM ("
            "SELECT %(account)s::uuid AS stream UNION ALL "
            "SELECT user_id FROM ledger.user_name WHERE account_id = %(account)s"
            ") AS of_account CROSS JOIN LATERAL ("
            "SELECT notification_id AS position FROM ledger.stored_events "
            "WHERE originator_id = stream ORDER BY originator_version DESC LIMIT 1"
            ") AS last",
            {"account": account_id},
        )
        assert row is not None
        return Head(row["changes"], row["mark"]), row["position"]

    def at_position(self, position: int) -> StoredEvent | None:
        """The event at a position."""
        row = self.stored_at([position]).get(position)
        return None if row is None else row[0]

    def entry(self, stream: UUID, version: int) -> StoredEvent:
        """The event of a stream's version."""
        (event,) = self.select_events(stream, gt=version - 1, lte=version)
        assert isinstance(event, StoredEvent)
        return event

    def stored_at(self, positions: Sequence[int]) -> dict[int, tuple[Any, datetime]]:
        """Events and the instants of their recording, by position."""
        rows = self._rows(
            "SELECT * FROM ledger.stored_events "
            "WHERE notification_id = ANY(%(positions)s)",
            {"positions": list(positions)},
        )
        return {
            row["notification_id"]: (_stored(row), row["recorded_at"]) for row in rows
        }

    def positions_of(
        self, entries: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], int]:
        """The positions of entries that are named by stream and version.

        Where a damaged store has two of one name, it is the later one that is wrong:
        asked as a range, or the planner would stop at either.
        """
        rows = self._rows(
            "SELECT originator_id, originator_version, notification_id "
            "FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) AS asked(s, v) "
            "JOIN ledger.stored_events "
            "ON originator_id = asked.s "
            "AND originator_version BETWEEN asked.v AND asked.v "
            "ORDER BY notification_id",
            {
                "streams": [stream for stream, _ in entries],
                "versions": [version for _, version in entries],
            },
        )
        return {
            (str(row["originator_id"]), row["originator_version"]): row[
                "notification_id"
            ]
            for row in rows
        }

    def _row(self, query: str, params: dict[str, Any]) -> DictRow | None:
        with self.datastore.get_connection() as connection:
            return connection.execute(query, params, prepare=True).fetchone()

    def _rows(self, query: str, params: dict[str, Any]) -> list[DictRow]:
        with self.datastore.get_connection() as connection:
            return connection.execute(query, params, prepare=True).fetchall()


def _stored(row: DictRow) -> StoredEvent:
    """A row of the store as the library has it."""
    return StoredEvent(
        row["originator_id"],
        row["originator_version"],
        row["topic"] or "",
        bytes(row["state"] or b""),
    )


def _digest_key(key: bytes | None) -> bytes:
    """The secret in the digests of commands. Raises SchemaMismatch where lost."""
    if key is None:
        raise SchemaMismatch(
            "The secret in the digests of commands (ledger.digest_key) is missing.",
            try_="restore the table from its own backup; if that is lost, have a new "
            "one made: seat-ledger db migrate",
        )
    return bytes(key)
