"""The pool of connections to one database, and the snapshots that are kept in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import InterfaceError, OperationalError
from eventsourcing.postgres import ConnectionPool, PostgresDatastore
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from seat_ledger.domain.head import Head
from seat_ledger.domain.snapshot import SNAPSHOT_TOPIC, AccountSnapshot, WrittenSnapshot
from seat_ledger.store.connection import become
from seat_ledger.store.recorder import SCHEMA
from seat_ledger.store.session import LedgerConnection
from seat_ledger.store.wrapping import open_wrapping

for _name in ("psycopg", "psycopg.pool"):  # the library silences them at import
    logging.getLogger(_name).setLevel(logging.NOTSET)
# What fails is raised; its records are for an application that has a handler for them.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


class LedgerDatastore(PostgresDatastore):
    """A pool over the whole connection string.

    The library takes host, port, user, password and database name only, and drops
    TLS settings, services and options without a word.
    """

    def __init__(self, conninfo: str, pool_size: int = 8) -> None:
        super().__init__("", "", "", "", "", schema=SCHEMA)
        self.losses = 0
        self.idle_in_transaction_session_timeout = 60
        self.pool_open_timeout = None
        self.pool = ConnectionPool(
            conninfo,
            connection_class=LedgerConnection,
            kwargs={"row_factory": dict_row},
            min_size=0,  # else the first to ask has a second one made
            max_size=pool_size,
            open=False,
            configure=self.after_connect_func(),
            timeout=15,
            num_workers=1,
            reconnect_timeout=15,
        )

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """A connection of the pool; what failed on the way is counted.

        The library asks again by itself in places: who holds on to what was read must
        learn of it all the same.
        """
        try:
            with super().get_connection() as connection:
                yield connection
        except (InterfaceError, OperationalError):
            self.losses += 1
            raise

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """Prepare a connection: autocommit, and a limit for idle transactions."""
        milliseconds = int(self.idle_in_transaction_session_timeout * 1000)

        def after_connect(connection: Connection[Any]) -> None:
            connection.autocommit = True
            become(connection, "writer")
            open_wrapping(connection)
            connection.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, false)",
                [f"{milliseconds}ms"],
            )

        return after_connect


class SnapshotStore:
    """The latest snapshot of each account: a cache beside the events."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self.datastore = datastore

    def latest(self, account_id: UUID) -> AccountSnapshot | None:
        """The latest snapshot, if there is one that this program can read."""
        with self.datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT originator_version AS version, topic, state "
                "FROM ledger.snapshots WHERE originator_id = %s",
                [account_id],
            ).fetchone()
        if row is None or row["topic"] != SNAPSHOT_TOPIC:
            return None
        document = orjson.loads(bytes(row["state"]))
        return AccountSnapshot(account_id, row["version"], document)

    def keep(self, snapshot: WrittenSnapshot, head: Head) -> None:
        """Keep an account as it was at a head, if it came by that head.

        Not over a later snapshot, and not where the head is none of the account's last
        ones: after an older backup was restored, what is to be kept never was.
        """
        with self.datastore.get_connection() as connection:
            connection.execute(
                "INSERT INTO ledger.snapshots AS kept "
                "(originator_id, originator_version, topic, state) "
                "SELECT %s, %s, %s, %s FROM ledger.account_head "
                "WHERE account_id = %s AND marks[1 + changes - %s] = %s "
                "ON CONFLICT (originator_id) DO UPDATE SET "
                "originator_version = excluded.originator_version, "
                "topic = excluded.topic, state = excluded.state "
                "WHERE kept.originator_version < excluded.originator_version",
                [
                    snapshot.originator_id,
                    snapshot.originator_version,
                    SNAPSHOT_TOPIC,
                    snapshot.state,
                    snapshot.originator_id,
                    *head,
                ],
            )
