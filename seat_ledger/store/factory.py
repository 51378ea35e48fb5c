"""How the library is given our datastore, recorder, mapper and snapshots."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.application import Application
from eventsourcing.persistence import (
    InfrastructureFactory,
    InterfaceError,
    OperationalError,
    StoredEvent,
)
from eventsourcing.postgres import ConnectionPool, PostgresDatastore
from eventsourcing.utils import Environment, EnvType
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from seat_ledger.domain.events import LedgerEvent
from seat_ledger.domain.head import Head
from seat_ledger.domain.snapshot import SNAPSHOT_TOPIC, AccountSnapshot, WrittenSnapshot
from seat_ledger.store.connection import become
from seat_ledger.store.mapper import LedgerMapper
from seat_ledger.store.recorder import SCHEMA, LedgerRecorder
from seat_ledger.store.session import LedgerConnection
from seat_ledger.store.wrapping import open_wrapping

for _name in ("psycopg", "psycopg.pool"):  # the library silences them at import
    logging.getLogger(_name).setLevel(logging.NOTSET)


class LedgerDatastore(PostgresDatastore):
    """A pool over the whole connection string.

    The library takes host, port, user, password and database name only, and drops
    TLS settings, services and options without a word.
    """

    def __init__(self, conninfo: str, *, pool_size: int = 8) -> None:
        super().__init__("", "", "", "", "", schema=SCHEMA)
        self.losses = 0
        self.idle_in_transaction_session_timeout = 60
        self.pool_open_timeout = None
        self.pool = ConnectionPool(
            conninfo,
            connection_class=LedgerConnection,
            kwargs={"row_factory": dict_row},
            min_size=1,
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


class LedgerFactory(InfrastructureFactory[Any]):
    """Constructs the recorder; the schema is made by migrations alone."""

    def __init__(
        self,
        datastore: LedgerDatastore,
        env: Environment,
        recorder_class: type[LedgerRecorder] = LedgerRecorder,
    ) -> None:
        super().__init__(env)
        self.datastore = datastore
        self.recorder_class = recorder_class

    def application_recorder(self) -> LedgerRecorder:
        """The recorder over the migrated schema."""
        return self.recorder_class(self.datastore)

    def aggregate_recorder(self, purpose: str = "events") -> LedgerRecorder:
        """Not used: snapshots have a store of their own."""
        raise NotImplementedError("snapshots have a store of their own")

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> Any:
        """Not used: projections keep checkpoints of their own."""
        raise NotImplementedError("projections keep checkpoints of their own")

    def process_recorder(self) -> Any:
        """Not used: projections keep checkpoints of their own."""
        raise NotImplementedError("projections keep checkpoints of their own")

    def close(self) -> None:
        """Close the pool."""
        self.datastore.close()


class LedgerStore(Application[UUID]):
    """The library's application over one database: recorder, mapper and events.

    Nothing of it comes from the environment: settings have a place of their own.
    """

    name = "stored"
    recorder: LedgerRecorder

    def __init__(
        self,
        conninfo: str,
        pool_size: int = 8,
        recorder_class: type[LedgerRecorder] = LedgerRecorder,
    ) -> None:
        self.conninfo = conninfo
        self.datastore = LedgerDatastore(conninfo, pool_size=pool_size)
        self.recorder_class = recorder_class
        self.snapshot_store = SnapshotStore(self.datastore)
        super().__init__({})

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """The library's switches."""
        switches = {
            "IS_SNAPSHOTTING_ENABLED": "y",
            "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
            "CREATE_TABLE": "n",
        }
        return Environment(name, {**switches, **(env or {})})

    def construct_factory(self, env: Environment) -> LedgerFactory:
        """The factory over the whole connection string."""
        return LedgerFactory(self.datastore, env, self.recorder_class)

    def construct_mapper(self) -> LedgerMapper:
        """The mapper that validates on read and write."""
        return LedgerMapper(lambda user_id: self.recorder.person_key(user_id))  # noqa: PLW0108  the recorder comes later

    def construct_snapshot_store(self) -> Any:
        """Snapshots are read by the library's repository, from our own table."""
        return self.snapshot_store

    def event_of(self, stored: StoredEvent) -> LedgerEvent:
        """A stored event, read. Raises DamagedStream."""
        event = self.mapper.to_domain_event(stored)
        assert isinstance(event, LedgerEvent)
        return event


class SnapshotStore:
    """The latest snapshot of each account: a cache beside the events."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self.datastore = datastore

    def get(self, originator_id: UUID, **_: Any) -> Iterator[AccountSnapshot]:
        """The latest snapshot, if there is one that this program can read."""
        with self.datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT originator_version, topic, state FROM ledger.snapshots "
                "WHERE originator_id = %s",
                [originator_id],
            ).fetchone()
        if row is not None and row["topic"] == SNAPSHOT_TOPIC:
            yield AccountSnapshot(
                originator_id,
                row["originator_version"],
                orjson.loads(bytes(row["state"])),
            )

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
