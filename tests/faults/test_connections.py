"""Replies lost, servers refusing and out of places, time limits, clocks, restores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused, Unavailable
from seat_ledger.importing.files import import_file
from seat_ledger.projections.engine import installation
from seat_ledger.projections.engine import rebuild as engine
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.connection import connect
from seat_ledger.store.recorder import LedgerRecorder
from seat_ledger.store.settings import Settings
from seat_ledger.store.store_status import APPEND_LOCK, store_status
from tests import in_process
from tests.acceptance.test_command_line import Program
from tests.drafts import computed
from tests.faults.proxy import Proxy
from tests.integration.tables import PRO, differences, fill, head
from tests.support.waiting import drop_login, end_others, has_ended, wait_until

BUY = {"op": "buy_seats", "account": "acme", "seat_type": PRO, "quantity": 2}
INVOICE = {
    "op": "issue_invoice",
    "account": "shop",
    "invoice": "INV-1",
    "period": "2025-03-05",
    "unit_prices": {PRO: "90.00"},
    "currency": "EUR",
}


@pytest.fixture
def acme(database: str) -> str:
    with CommandService(database) as ledger:
        fill(ledger, "acme")
        ledger.open_account(
            "shop",
            name="shop",
            time_zone="UTC",
            term_start="2025-03-05",
            term_months=24,
            billing_cycle_months=1,
        )
    return database


@pytest.fixture
def proxy(acme: str) -> Iterator[Proxy]:
    with Proxy(acme) as result:
        yield result


def command(ledger: CommandService, _: str) -> tuple[int, bool]:
    result = ledger.execute(BUY)
    return len(result.positions), result.repeated


def imported(ledger: CommandService, _: str) -> tuple[int, bool]:
    (outcome,) = import_file(ledger, [json.dumps(BUY).encode()])
    return len(outcome.positions), outcome.outcome == "repeated"


def invoiced(ledger: CommandService, conninfo: str) -> tuple[int, bool]:
    fields = {**INVOICE, "effective_at": "2026-03-06"}
    result = ledger.execute(fields, compute_invoice=computed(conninfo))
    return len(result.positions), result.repeated


@pytest.mark.parametrize("what", ["the reply", "the request"])
@pytest.mark.parametrize(
    ("path", "events"), [(command, 2), (imported, 2), (invoiced, 1)]
)
def test_a_lost_commit_is_no_false_conflict_and_doubles_nothing(
    acme: str,
    proxy: Proxy,
    path: Callable[[CommandService, str], tuple[int, bool]],
    events: int,
    what: str,
) -> None:
    with CommandService(proxy.conninfo) as ledger:
        ledger.renew("acme")  # so that nothing else comes with the command
        before = head(acme)
        proxy.lose = what
        assert path(ledger, acme) == (events, False)
    assert proxy.lost == 1
    assert head(acme) - before >= events
    with psycopg.connect(acme) as connection:
        stored = connection.execute(
            "SELECT count(*) FROM ledger.stored_events WHERE notification_id > %s",
            [before],
        ).fetchone()
    assert stored == (events,)


def test_a_catch_up_and_a_rebuild_survive_a_lost_commit(
    acme: str, proxy: Proxy
) -> None:
    for what in ("the reply", "the request"):
        proxy.lose = what
        with (
            pytest.raises((Unavailable, psycopg.OperationalError)),
            connect(proxy.conninfo, autocommit=True) as connection,
        ):
            installation.catch_up(connection)
        assert differences(acme) == []
        proxy.lose = what
        result = rebuild(proxy.conninfo)
        assert isinstance(result.error, Unavailable)
        with CommandService(acme) as ledger:
            ledger.execute(BUY)
    assert rebuild(acme).error is None
    assert differences(acme) == []


@pytest.mark.parametrize("is_final", [False, True])
@pytest.mark.parametrize("what", ["the reply", "the request"])
def test_r72_a_rebuild_that_loses_its_switch_leaves_whole_tables_in_service(
    acme: str, proxy: Proxy, what: str, is_final: bool
) -> None:
    """Nobody can tell which; the new ones are not taken for unserved and dropped."""
    program = Program(acme)
    before = program.json("account", "list")["rows"]
    proxy.lose, proxy.of, proxy.is_final = what, b"SET state = 'served'", is_final
    done = Program(proxy.conninfo).run("projection", "rebuild")
    assert proxy.lost == 1
    assert done.returncode == 10, done.stderr
    assert "unchanged" not in done.stdout + done.stderr
    assert "either they are in service now, or the previous ones" in done.stderr
    assert program.json("account", "list")["rows"] == before
    assert differences(acme) == []
    assert program.run("projection", "rebuild").returncode == 0
    assert program.json("account", "list")["rows"] == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, psycopg.errors.DiskFull])
def test_what_fails_behind_the_switch_is_no_rebuild_that_left_the_old_tables(
    acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type
) -> None:
    def fail(*_: Any) -> Any:
        raise error("no space")

    monkeypatch.setattr(engine, "erases", lambda *_: True)
    monkeypatch.setattr(engine, "rewrite", fail)
    done = in_process.Program(acme, tmp_path).run(
        "projection", "rebuild", "--format", "json"
    )
    monkeypatch.undo()
    assert done.status == (130 if error is KeyboardInterrupt else 1)
    document = json.loads(done.out)
    message = json.loads(done.err.splitlines()[-1])["message"]
    assert document["switched"]
    assert "unchanged" not in done.out + done.err
    assert "The new tables are in service." in message
    assert differences(acme) == []


def test_served_tables_that_are_missing_are_named_and_made_anew(acme: str) -> None:
    program = Program(acme)
    before = program.json("account", "list")["rows"]
    with psycopg.connect(acme) as connection:
        connection.execute("SET client_min_messages = warning")
        for own in ("_own", ""):
            connection.execute(f"DROP SCHEMA projection_1{own} CASCADE")
    done = program.run("account", "list")
    assert done.returncode == 12
    assert "are missing" in done.stderr
    assert "seat-ledger projection rebuild" in done.stderr
    assert program.run("projection", "rebuild").returncode == 0
    assert program.json("account", "list")["rows"] == before


def test_a_refused_connection_is_exit_10(acme: str) -> None:
    program = Program(make_conninfo(acme, port=1))
    for words in (
        ("seat", "list", "--account", "acme"),
        ("seat", "buy", PRO, "1", "--account", "acme"),
        ("projection", "run"),
    ):
        done = program.run(*words)
        assert done.returncode == 10, done.stderr
        assert "Traceback" not in done.stderr


def test_a_server_without_a_free_place_is_exit_10(acme: str, server: str) -> None:
    name = "one_place_only"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 0")
        try:
            program = Program(make_conninfo(acme, user=name))
            done = program.run("seat", "list", "--account", "acme")
        finally:
            drop_login(connection, name)
    assert done.returncode == 10
    assert "too many connections" in done.stderr


def test_an_exhausted_pool_waits_and_then_says_so(acme: str) -> None:
    with CommandService(acme, Settings(pool_size=1)) as ledger:
        pool = ledger.accounts.recorder.datastore.pool
        pool.timeout = 0.05
        before = head(acme)
        with (
            ledger.accounts.recorder.datastore.get_connection(),
            pytest.raises(Unavailable) as message,
        ):
            ledger.execute(BUY)
        assert head(acme) == before
        assert message.value.exit_code in {1, 10}
        assert ledger.execute(BUY).positions


def test_a_statement_time_limit_is_reported_and_nothing_is_written(acme: str) -> None:
    before = head(acme)
    limited = make_conninfo(acme, options="-c statement_timeout=100ms")
    with psycopg.connect(acme) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [APPEND_LOCK])
        done = Program(limited).run("seat", "buy", PRO, "1", "--account", "acme")
    assert done.returncode == 1
    assert "statement timeout" in done.stderr
    assert head(acme) == before


def test_an_idle_time_limit_is_reported_and_nothing_is_written(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is held up inside its append is cut off, and says so."""
    original, held_up = LedgerRecorder._append, []
    with CommandService(acme) as ledger:

        def slow(self: Any, cursor: Any, *fields: Any) -> Any:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            pid = cursor.connection.info.backend_pid
            with psycopg.connect(acme, autocommit=True) as other:
                held_up.append(wait_until(lambda: has_ended(other, pid)))
            return original(self, cursor, *fields)

        monkeypatch.setattr(LedgerRecorder, "_append", slow)
        before = head(acme)
        with pytest.raises(Unavailable):
            ledger.execute(BUY)
        monkeypatch.setattr(LedgerRecorder, "_append", original)
        assert held_up
        assert head(acme) == before
        assert len(ledger.execute(BUY).positions) == 2


def test_r01_r78_a_clock_that_leaps_ahead_and_steps_back(acme: str) -> None:
    """After a leap appends are recorded right after its instant, until it is over."""
    with connect(acme, autocommit=True) as connection:
        installation.catch_up(connection)
        connection.execute(
            "CREATE OR REPLACE FUNCTION ledger.leapt() RETURNS void LANGUAGE sql AS $$ "
            "INSERT INTO ledger.stored_events SELECT gen_random_uuid(), 1, topic, "
            "state, nextval(pg_get_serial_sequence('ledger.stored_events', "
            "'notification_id')), now() + interval '1 hour' FROM ledger.stored_events "
            "WHERE topic = 'AccountOpened' LIMIT 1 $$"
        )
        connection.execute("SELECT ledger.leapt()")
    leap = head(acme)
    with CommandService(acme) as ledger:
        ledger.execute(BUY)
        list(import_file(ledger, [json.dumps(BUY).encode()]))
    with psycopg.connect(acme) as connection:
        recorded = connection.execute(
            "SELECT recorded_at FROM ledger.stored_events ORDER BY notification_id"
        ).fetchall()
        status = installation.status(connection)[0]
    assert recorded == sorted(recorded)
    (leapt,), (command,), *_, (last,) = recorded[leap - 1 :]
    assert command - leapt == timedelta(microseconds=1)
    assert last - leapt == timedelta(microseconds=2)
    assert status["lag_seconds"] == 0
    now = datetime.now(UTC)
    with ConnectedReader(acme) as reader:
        assert reader.knowledge(now).position == leap - 1
        later = reader.knowledge(now + timedelta(hours=2)).position
        assert later == reader.head == head(acme)


def test_r78_a_list_up_to_an_instant_of_recording_is_noted(acme: str) -> None:
    """No append falls there later, even if the clock steps back; `doctor` sees one."""
    with connect(acme, autocommit=True) as connection:
        installation.catch_up(connection)
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    until = row[0].astimezone(UTC)
    listed = ("event", "list", "--clock", "recorded", "--until", until.isoformat())
    assert Program(acme).json(*listed)["rows"]
    with psycopg.connect(acme, autocommit=True) as connection:
        noted = connection.execute("SELECT until FROM ledger.answered").fetchone()
        assert noted == (until - timedelta(microseconds=1),)
        assert store_status(connection).clock_behind == timedelta(0)
        connection.execute("UPDATE ledger.answered SET until = now() + '1 day'")
        assert store_status(connection).clock_behind > timedelta(hours=23)


def test_an_older_backup_restored_under_a_running_program(
    acme: str, server: str
) -> None:
    """What was recorded since is gone, and is not mistaken for being there."""
    name = acme.split("dbname=")[1]
    with (
        CommandService(acme) as ledger,
        psycopg.connect(server, autocommit=True) as admin,
    ):
        ledger.execute({**BUY, "quantity": 3})
        with connect(acme, autocommit=True) as connection:
            installation.catch_up(connection)
        restore(admin, name, f"{name}_backup")
        ledger.execute({**BUY, "idempotency_key": "since"})
        ledger.add_user("acme", user="eve", email="e@x.example", name="E")
        restore(admin, f"{name}_backup", name)
        with pytest.raises(CommandRefused) as refused:
            ledger.assign_seat("acme", user="eve", seat_type=PRO)
        assert refused.value.code == "user_not_found"
        again = ledger.execute({**BUY, "idempotency_key": "since"})
        assert not again.repeated
        admin.execute(f"DROP DATABASE {name}_backup WITH (FORCE)")
    with connect(acme, autocommit=True) as connection:
        installation.catch_up(connection)
        gaps = connection.execute(
            "SELECT count(*) FROM (SELECT max(originator_version) - count(*) AS gap "
            "FROM ledger.stored_events GROUP BY originator_id) AS stream WHERE gap <> 0"
        ).fetchone()
    assert gaps == (0,)
    assert differences(acme) == []


def restore(admin: psycopg.Connection[Any], source: str, target: str) -> None:
    """Make a database what another one is now, whoever is connected."""
    admin.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
    end_others(admin, source)
    admin.execute(f"CREATE DATABASE {target} TEMPLATE {source}")


def test_projections_beyond_the_store_answer_nothing(acme: str) -> None:
    """The tables were kept, and the store restored to what it was before."""
    with connect(acme, autocommit=True) as connection:
        installation.catch_up(connection)
        connection.execute("UPDATE projection.generation SET position = 9999")
    program = Program(acme)
    done = program.run("seat", "list", "--account", "acme")
    assert done.returncode == 12
    assert "beyond the store's head" in done.stderr
    assert program.run("projection", "run", "--rebuild-stale").returncode == 0
    assert program.run("seat", "list", "--account", "acme").returncode == 0
