"""The eventsourcing library's own ProjectionRunner, keeping one table of holdings."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking, TrackingRecorder
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import sql


class Account(Aggregate):
    """An account as the library's documentation would write it."""

    @event("Opened")
    def __init__(self) -> None:
        self.count = 0

    @event("Assigned")
    def assign(self, seat_type: str, number: int, user: str, at: str) -> None:
        self.count += 1

    @event("Unassigned")
    def unassign(self, seat_type: str, number: int, user: str, at: str) -> None:
        self.count += 1


class Ledger(Application[UUID]):
    """The library's own application."""


class Holdings(TrackingRecorder):
    """What the projection keeps."""


class PostgresHoldings(PostgresTrackingRecorder, Holdings):
    """One row a holding, changed event by event, tracked in one transaction."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.table = sql.Identifier(self.datastore.schema, "holdings")
        self.sql_create_statements.append(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} (account text, seat_type text, "
                "number int, holder text, held_from text, held_until text)"
            ).format(self.table)
        )
        self.sql_create_statements.append(
            sql.SQL(
                "CREATE INDEX IF NOT EXISTS holdings_by_seat ON {} "
                "(account, seat_type, number)"
            ).format(self.table)
        )

    def change(self, statement: Any, values: list[Any], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(sql.SQL(statement).format(self.table), values)

    def skip(self, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)


class HoldingsProjection(Projection[Holdings]):
    name = "holdings"

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.skip(tracking)

    @process_event.register
    def _(self, domain_event: Account.Assigned, tracking: Tracking) -> None:
        self.view.change(
            "INSERT INTO {} VALUES (%s, %s, %s, %s, %s, NULL)",
            [
                str(domain_event.originator_id), domain_event.seat_type,
                domain_event.number, domain_event.user, domain_event.at,
            ],
            tracking,
        )  # fmt: skip

    @process_event.register
    def _(self, domain_event: Account.Unassigned, tracking: Tracking) -> None:
        self.view.change(
            "UPDATE {} SET held_until = %s WHERE account = %s "
            "AND seat_type = %s AND number = %s AND held_until IS NULL",
            [
                domain_event.at, str(domain_event.originator_id),
                domain_event.seat_type, domain_event.number,
            ],
            tracking,
        )  # fmt: skip


def library_runner(conninfo: str, events: int) -> float:
    """Events a second of the ProjectionRunner over a sample of the same events."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS bare CASCADE")
        connection.execute("CREATE SCHEMA bare")
        rows = connection.execute(
            "SELECT originator_id, topic, convert_from(state, 'UTF8') "
            "FROM ledger.stored_events "
            "WHERE topic IN ('SeatAssigned', 'SeatUnassigned') "
            "ORDER BY notification_id LIMIT %s",
            [events],
        ).fetchall()
    env = _environment(conninfo)
    application = Ledger(env)
    accounts: dict[UUID, Account] = {}
    for originator_id, topic, state in rows:
        account = accounts.get(originator_id)
        if account is None:
            account = accounts[originator_id] = Account()
        said = json.loads(state)
        facts = (said["seat_type"], said["number"], said["user"], said["effective_at"])
        (account.assign if topic == "SeatAssigned" else account.unassign)(*facts)
    for account in accounts.values():
        application.save(account)
    head = application.recorder.max_notification_id()
    began = time.perf_counter()
    with ProjectionRunner(
        application_class=Ledger,
        projection_class=HoldingsProjection,
        view_class=PostgresHoldings,
        env=env,
    ) as runner:
        runner.wait(head, timeout=600)
    seconds = time.perf_counter() - began
    application.close()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA bare CASCADE")
    return head / seconds


def _environment(conninfo: str) -> dict[str, str]:
    info = psycopg.conninfo.conninfo_to_dict(conninfo)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": info["dbname"],
        "POSTGRES_HOST": info["host"],
        "POSTGRES_PORT": str(info["port"]),
        "POSTGRES_USER": info["user"],
        "POSTGRES_PASSWORD": "-",
        "POSTGRES_SCHEMA": "bare",
    }
