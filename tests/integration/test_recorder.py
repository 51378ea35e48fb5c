"""The store: the library's own recorder tests, and the traps that were avoided."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.tests.persistence import ApplicationRecorderTestCase

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused, OutcomeUnknown, Unavailable
from seat_ledger.store.datastore import LedgerDatastore
from seat_ledger.store.recorder import Appended, LedgerRecorder
from seat_ledger.store.settings import Settings
from seat_ledger.store.store_status import APPEND_LOCK
from tests.support.waiting import wait_for_end, wait_for_waiter


class TestLibraryCases(ApplicationRecorderTestCase):
    @pytest.fixture(autouse=True)
    def open_recorder(self, database: str) -> None:
        self.datastore = LedgerDatastore(database)
        yield
        self.datastore.close()

    def create_recorder(self) -> LedgerRecorder:
        return FromOne(self.datastore)


class FromOne(LedgerRecorder):
    """Some cases of the library begin a stream at 0; here it begins at 1."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        if stored_events and stored_events[0].originator_version == 0:
            stored_events = [
                replace(
                    stored_event, originator_version=stored_event.originator_version + 1
                )
                for stored_event in stored_events
            ]
        return super().insert_events(stored_events, **kwargs)


def any_event(version: int = 1) -> StoredEvent:
    return StoredEvent(uuid4(), version, "Tested", b"{}")


def test_events_are_never_changed_or_removed(database: str) -> None:
    LedgerRecorder(LedgerDatastore(database)).insert_events([any_event()])
    for statement in (
        "UPDATE ledger.stored_events SET topic = 'x'",
        "DELETE FROM ledger.stored_events",
        "TRUNCATE ledger.stored_events",
    ):
        with (
            psycopg.connect(database) as connection,
            pytest.raises(psycopg.errors.RestrictViolation),
        ):
            connection.execute(statement)


def test_r01_events_of_one_append_have_one_recorded_at(database: str) -> None:
    recorder = LedgerRecorder(LedgerDatastore(database))
    recorder.insert_events([any_event() for _ in range(3)])
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT DISTINCT recorded_at FROM ledger.stored_events"
        ).fetchall()
    assert len(rows) == 1


def test_r01_r78_recorded_at_goes_on_from_the_last_when_the_clock_steps_back(
    database: str,
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO ledger.stored_events "
            "(originator_id, originator_version, topic, state, recorded_at) "
            "VALUES (gen_random_uuid(), 1, 'x', '', now() + interval '1 hour')"
        )
    recorder = LedgerRecorder(LedgerDatastore(database))
    recorder.insert_events([any_event()])
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT recorded_at FROM ledger.stored_events ORDER BY notification_id"
        ).fetchall()
    assert rows[1][0] - rows[0][0] == timedelta(microseconds=1)


@pytest.mark.both_versions
def test_an_append_waits_for_the_append_lock(database: str) -> None:
    recorder = LedgerRecorder(LedgerDatastore(database))
    done = threading.Event()

    def append() -> None:
        recorder.insert_events([any_event()])
        done.set()

    with psycopg.connect(database, autocommit=True) as holder, holder.transaction():
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        thread = threading.Thread(target=append)
        thread.start()
        wait_for_waiter(holder, APPEND_LOCK)
        assert not done.is_set()
    wait_for_end([thread])


def test_a_tailing_reader_misses_no_position(database: str) -> None:
    recorder = LedgerRecorder(LedgerDatastore(database))
    stop, seen = threading.Event(), []

    def tail() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            last = 0
            while True:
                ended = stop.is_set()
                rows = connection.execute(
                    "SELECT notification_id FROM ledger.stored_events "
                    "WHERE notification_id > %s ORDER BY 1",
                    [last],
                ).fetchall()
                seen.extend(row[0] for row in rows)
                last = seen[-1] if seen else 0
                if ended:
                    return

    def append() -> None:
        for _ in range(60):
            recorder.insert_events([any_event(), any_event()])

    tailing = threading.Thread(target=tail)
    writers = [threading.Thread(target=append) for _ in range(4)]
    for thread in (tailing, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    tailing.join()
    assert len(seen) == 480


def test_the_librarys_database_functions_stay_off(database: str) -> None:
    with CommandService(database) as ledger:
        assert ledger.accounts.recorder.datastore.enable_db_functions is False


def test_tls_settings_of_the_address_are_retained() -> None:
    conninfo = "host=127.0.0.1 port=1 dbname=x user=x sslmode=verify-full"
    assert "sslmode=verify-full" in LedgerDatastore(conninfo).pool.conninfo


def test_an_unreachable_server_is_reported_without_its_password() -> None:
    with pytest.raises(Unavailable) as message:
        CommandService("postgresql://u:s3cret@127.0.0.1:1/x").renew("acme")
    assert "s3cret" not in str(message.value)


def test_the_same_version_twice_is_a_conflict(database: str) -> None:
    recorder = LedgerRecorder(LedgerDatastore(database))
    event = any_event()
    recorder.insert_events([event])
    with pytest.raises(IntegrityError):
        recorder.insert_events([event])


OPEN = {
    "op": "open_account",
    "account": "acme",
    "name": "Acme",
    "time_zone": "UTC",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}
BUY = {
    "op": "buy_seats",
    "account": "acme",
    "seat_type": "sales/professional",
    "quantity": 2,
    "effective_at": "2025-03-05",
}


def test_a_lost_reply_to_commit_doubles_nothing_and_is_no_conflict(
    ledger: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.execute(OPEN)
    original, lost = LedgerRecorder.append, []

    def append(self: LedgerRecorder, *fields: Any) -> Appended:
        done = original(self, *fields)
        if not lost:
            lost.append(done.positions)
            raise OutcomeUnknown
        return done

    monkeypatch.setattr(LedgerRecorder, "append", append)
    result = ledger.execute(BUY)
    assert result.positions == lost[0]
    assert not result.repeated
    assert ledger.accounts.recorder.max_notification_id() == 3


def test_the_driver_may_log_again(database: str) -> None:
    assert logging.getLogger("psycopg.pool").level == logging.NOTSET
    assert database


def test_a_refused_command_leaves_a_cached_account_as_it_was(
    ledger: CommandService,
) -> None:
    ledger.execute(OPEN)
    ledger.execute(BUY)
    account = ledger.accounts.workspaces["acme"].account
    version, free = account.version, list(account.pool(BUY["seat_type"]).free)
    lines = [
        {**{k: v for k, v in BUY.items() if k != "account"}, "quantity": 5},
        {"op": "reduce_seats", "seat_type": BUY["seat_type"], "quantity": 9},
    ]
    with pytest.raises(CommandRefused):
        ledger.batch("acme", effective_at="2025-04-01", commands=lines)
    assert ledger.accounts.workspaces["acme"].account is account
    assert account.version == version
    assert account.pool(BUY["seat_type"]).free == free
    assert account.pending == []


def test_a_snapshot_restores_the_account_it_was_taken_of(database: str) -> None:
    with CommandService(database, Settings(snapshot_every=1)) as ledger:
        ledger.execute(OPEN)
        ledger.execute(BUY)
        before = ledger.accounts.workspaces["acme"].account
        loaded = ledger.accounts.stored.load(before.id)
    assert loaded.snapshot_at == before.version == 3
    assert loaded.pools.keys() == before.pools.keys()
    assert loaded.calendar == before.calendar
