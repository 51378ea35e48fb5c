"""A rebuild: complete or not at all, with everybody else at work meanwhile."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import Locked
from seat_ledger.projections.engine import generations, installation, switch
from seat_ledger.projections.engine import rebuild as rebuilding
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.engine.registry import PROJECTIONS
from seat_ledger.projections.engine.snapshot import pin
from seat_ledger.projections.engine.worker_pool import WorkerPool
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.connection import connect
from tests.integration.tables import (
    BOTH_ENGINES,
    ENGINES,
    PRO,
    WHOLE,
    catch_up,
    differences,
    digests,
    fill,
    head,
    poison,
    states_and_schemas,
)
from tests.program import Program
from tests.support.waiting import wait_for_end, wait_until


@BOTH_ENGINES
@pytest.mark.both_versions
def test_r71_a_rebuild_gives_the_tables_that_were_maintained(
    database: str, ledger: CommandService, bulk: Any
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    stored = digests(database)
    result = rebuild(database, bulk=bulk)
    assert result.error is None
    assert digests(database) == stored
    assert {name: created.digest for name, created in result.tables.items()} == stored
    assert (result.engine, result.compared) == (
        ("duckdb", 2) if bulk else ("postgresql", 0)
    )
    again = rebuild(database, workers=1, bulk=bulk)
    assert again.document()["digest"] == result.document()["digest"]


@BOTH_ENGINES
@pytest.mark.both_versions
def test_r72_commands_and_questions_go_on_through_a_rebuild_and_its_switch(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch, bulk: Any
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    seen: list[int] = []

    def go_on(_: Any = None) -> None:
        ledger.buy_seats("acme", seat_type=PRO, quantity=1)
        with ConnectedReader(database) as reader:
            assert reader.head == head(database)
            seen.append(reader.head)

    original, served = switch._hand_over, generations.serve

    def hand_over(*fields: Any) -> int:
        go_on()
        return original(*fields)

    def serve(connection: Any, number: int) -> None:
        served(connection, number)
        ledger.buy_seats("boats", seat_type=PRO, quantity=1)  # in the switch itself

    monkeypatch.setattr(switch, "_hand_over", hand_over)
    monkeypatch.setattr(generations, "serve", serve)
    result = rebuild(database, at=go_on, report=go_on, bulk=bulk)
    assert result.error is None
    assert result.switched
    assert seen == sorted(seen)
    assert result.ceiling < result.ceiling + result.handed_over == seen[-1]
    assert differences(database) == []
    assert catch_up(database) == head(database) == seen[-1] + 1
    assert differences(database) == []


def test_an_appender_and_a_follower_race_with_rebuilds(database: str) -> None:
    stop, failed = threading.Event(), []

    def append() -> None:
        try:
            with CommandService(database) as ledger:
                fill(ledger, "acme")
                while not stop.is_set():
                    ledger.buy_seats("acme", seat_type=PRO, quantity=1)
        except Exception as error:  # noqa: BLE001  whatever it is, the test tells
            failed.append(error)

    def ask() -> None:
        try:
            last = 0
            while not stop.is_set():
                with ConnectedReader(database) as reader:
                    rows = reader.ask("journal", "knowledge", position=reader.head)
                    assert bool(rows) == (reader.head > 0)
                    assert reader.head >= last
                    last = reader.head
        except Exception as error:  # noqa: BLE001  as above
            failed.append(error)

    threads = [threading.Thread(target=append), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    results = [rebuild(database, workers=2, bulk=bulk) for bulk in ENGINES * 2]
    stop.set()
    wait_for_end(threads)
    assert [result.error for result in results] == [None] * 4
    assert failed == []
    assert catch_up(database) == head(database)
    assert differences(database) == []


def test_who_catches_up_goes_on_in_what_a_rebuild_serves_meanwhile(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    with psycopg.connect(database, autocommit=True) as connection:
        before = generations.served(connection)
    for _ in range(2):
        assert rebuild(database).error is None
    ledger.buy_seats("acme", seat_type=PRO, quantity=1)
    looks = [before._replace(head=head(database))]
    look = generations.served
    monkeypatch.setattr(
        generations,
        "served",
        lambda *fields, **more: looks.pop() if looks else look(*fields, **more),
    )
    assert catch_up(database) == head(database)
    assert looks == []
    assert differences(database) == []


def test_a_failed_check_is_reported_with_its_position_and_serves_nothing(
    database: str, ledger: CommandService, tmp_path: Any
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    before = digests(database)
    twice = {**WHOLE, "seat_type": PRO, "number": 1}
    with psycopg.connect(database) as connection:
        (twice["user"],) = connection.execute(
            "SELECT user_id::text FROM projection.seat_holding WHERE number = 2"
        ).fetchone()
    position = poison(database, "SeatAssigned", twice)
    program = Program(database)
    results = tmp_path / "run_results.json"
    done = program.run("projection", "rebuild", "--results", results)
    assert done.returncode == 3
    assert re.search(
        rf"ERROR seat_holding .*position {position}: acme, {PRO}#1", done.stderr
    ), done.stderr
    document = json.loads(results.read_text())
    assert document["error"]["position"] == position
    assert document["error"]["account"] == "acme"
    assert "two holders at once" in document["error"]["reason"]
    by_name = {row["projection"]: row for row in document["rows"]}
    assert by_name["seat_holding"]["status"] == "error"
    assert "two holders at once" in by_name["seat_holding"]["reason"]
    assert digests(database) == before


def test_a_second_rebuild_learns_who_is_at_work_and_since_when(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    message: list[Any] = []
    program = Program(database)

    def ask(_: str) -> None:
        if not message:
            message.append(
                program.run("projection", "rebuild", "--results", "/dev/null/x")
            )
            message.append(program.run("projection", "status"))
            with pytest.raises(Locked):
                rebuild(database)

    assert rebuild(database, at=ask).error is None
    second, status = message
    assert re.search(
        r"since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC: .+, process \d+", second.stderr
    ), second.stderr
    assert "A rebuild has been running since 20" in status.stdout


@pytest.mark.parametrize("views", ["projection", "projection_own"])
def test_a_reader_who_holds_the_switch_up_is_named_and_waited_for(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch, views: str
) -> None:
    fill(ledger, "acme")
    report: list[str] = []
    with psycopg.connect(database, application_name="a report") as reader:
        reader.execute(f"SELECT count(*) FROM {views}.seat")
        monkeypatch.setattr(switch, "PATIENCE", 0.0)
        result = rebuild(database)
        assert isinstance(result.error, Locked)
        assert "a report" in result.error.message
        assert [state for state, _ in states_and_schemas(database)[0]] == ["served"]
        monkeypatch.setattr(switch, "PATIENCE", 60.0)

        def at(what: str) -> None:
            if "waiting" in what:
                report.append(what)
                reader.rollback()

        assert rebuild(database, at=at).error is None
    assert "a report" in report[0]


def test_workers_stand_back_and_never_step_forward(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server that stands further back already they stay there."""
    set_: list[int] = []
    monkeypatch.setattr(os, "getpriority", lambda _kind, _pid: 15)
    monkeypatch.setattr(os, "setpriority", lambda _kind, _pid, to: set_.append(to))
    with WorkerPool(database, 1, 1):
        assert set(set_) == {15}


def test_a_worker_s_session_stands_back_where_sessions_share_the_processors(
    database: str,
) -> None:
    """Niceness alone tells nothing across sessions, each in a group of its own."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with WorkerPool(database, 1, 1) as crew:
        grouped = Path(f"/proc/{crew.connections[0].info.backend_pid}/autogroup")
        message = grouped.read_text("ascii") if grouped.exists() else ""
        if os.geteuid() == 0 and message:
            assert message.split()[-1] == "10"
        mine = crew.pool.submit(lambda: os.getpriority(os.PRIO_PROCESS, 0)).result()
        assert mine == max(10, own)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_tables_are_vacuumed_when_they_are_served_and_not_while_they_are_filled(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    seen: dict[str, set[str]] = {}

    def look(what: str) -> None:
        with psycopg.connect(database) as connection:
            seen[what] = {
                name
                for (name,) in connection.execute(
                    "SELECT relname FROM pg_class "
                    "WHERE relnamespace = 'projection_2'::regnamespace "
                    "AND 'autovacuum_enabled=off' = ANY (reloptions)"
                )
            }

    assert rebuild(database, at=look).error is None
    look("served")
    assert seen["checks and digests"] == {projection.name for projection in PROJECTIONS}
    assert seen["served"] == set()


def test_the_last_generation_is_retained_and_older_ones_are_dropped(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    for number in (2, 3, 4):
        assert rebuild(database).error is None
        rows, schemas = states_and_schemas(database)
        assert rows == [("kept", number - 1), ("served", number)]
        assert schemas == [number - 1, number]


@pytest.mark.parametrize("begun", [True, False])
def test_who_has_begun_to_read_keeps_the_tables_whatever_is_rebuilt_meanwhile(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    monkeypatch.setattr(generations, "PATIENCE", 0.0)
    use = generations.use

    def rebuild_twice() -> None:
        monkeypatch.setattr(generations, "use", use)
        assert [rebuild(database).error for _ in range(2)] == [None] * 2

    def use_late(*fields: Any, **more: Any) -> None:
        rebuild_twice()  # between the look at what is served and the first question
        use(*fields, **more)

    if not begun:
        monkeypatch.setattr(generations, "use", use_late)
    with ConnectedReader(database, catch_up=False) as reader:
        if begun:
            rebuild_twice()
        assert [account.key for account in reader.accounts(reader.knowledge())] == [
            "acme"
        ]
        assert reader.generation == (1 if begun else 3)
    assert rebuild(database).error is None
    assert states_and_schemas(database)[1] == [3, 4]


WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"


def test_a_reader_whose_transaction_was_undone_goes_on(
    database: str, ledger: CommandService
) -> None:
    """What it had prepared is gone with the names that it knew, for both sides."""
    fill(ledger, "acme")
    catch_up(database)
    with connect(database, autocommit=True) as connection:
        for times in (1, 1, 8, 8):
            pin(connection)
            for _ in range(times):
                row = connection.execute("SELECT count(*) FROM account").fetchone()
                assert row == (1,)
            connection.execute("ROLLBACK")


def test_who_reads_on_in_a_retained_generation_and_its_drop_never_wait_for_each_other(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    assert rebuild(database).error is None
    connecting = connect(database, role="projector", autocommit=True)
    with psycopg.connect(database) as reader, connecting as other:
        reader.execute("SELECT FROM projection_1.seat_count")
        dropping = threading.Thread(target=generations.drop, args=(other, 1))
        dropping.start()
        with psycopg.connect(database, autocommit=True) as watching:
            wait_until(lambda: watching.execute(WAITING).fetchone() != (0,))
        for projection in PROJECTIONS:
            reader.execute(f"SELECT FROM projection_1.{projection.name}")
        reader.rollback()
        wait_for_end([dropping])
    assert states_and_schemas(database)[1] == [2]


def test_a_stale_definition_is_reported_and_rebuilt_when_requested(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE projection.generation "
            "SET versions = jsonb_set(versions, '{seat_count}', '\"older\"')"
        )
    program = Program(database)
    for words in (
        ("seat", "list", "--account", "acme"),
        ("projection", "run"),
        ("projection", "run", "--follow"),
        ("projection", "verify"),
    ):
        done = program.run(*words)
        assert done.returncode == 12, words
        assert "seat_count" in done.stderr
        assert "projection rebuild" in done.stderr
    rows = program.json("projection", "status")["rows"]
    stale = [row["projection"] for row in rows if row["state"] == "stale"]
    assert stale == ["seat_count"]
    side_by_side: list[Any] = []
    serve = rebuilding.switch

    def look(*fields: Any) -> int:
        side_by_side.append([state for state, _ in states_and_schemas(database)[0]])
        return serve(*fields)

    monkeypatch.setattr(rebuilding, "switch", look)
    assert rebuild(database).error is None
    assert side_by_side == [["served", "building"]]
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE projection.generation "
            "SET versions = jsonb_set(versions, '{journal}', '\"older\"')"
        )
    assert program.run("projection", "run", "--rebuild-stale").returncode == 0
    assert program.run("seat", "list", "--account", "acme").returncode == 0


def test_catching_up_twice_or_from_several_places_changes_nothing(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    stored = digests(database)
    written = (
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_all_tables"
    )
    with connect(database, autocommit=True) as connection, connection.transaction():
        installation.catch_up(connection)
        assert connection.execute(written).fetchone()[0] == 0
    assert digests(database) == stored


def test_other_clients_read_views_with_comments_and_nothing_else(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    poison(database, "SeatPurchased", b'{"v":1,')  # an account set aside has a row too
    catch_up(database)
    assert rebuild(database).error is None
    with psycopg.connect(database, autocommit=True) as connection:
        views = connection.execute(
            "SELECT relname, obj_description(oid) FROM pg_class "
            "WHERE relnamespace = 'projection'::regnamespace AND relkind = 'v'"
        ).fetchall()
        names = {name for name, _ in views}
        assert names >= {
            "journal", "seat_holding", "current_assignment", "seat_count",
            "billing_period", "billable_seats", "user_directory",
        }  # fmt: skip
        assert [name for name, comment in views if not comment] == []
        silent = connection.execute(
            "SELECT view.relname, part.attname "
            "FROM pg_class AS view JOIN pg_attribute AS part "
            "ON part.attrelid = view.oid "
            "WHERE view.relnamespace = 'projection'::regnamespace "
            "AND view.relkind = 'v' AND part.attnum > 0 "
            "AND col_description(view.oid, part.attnum) IS NULL"
        ).fetchall()
        assert silent == []
        connection.execute(f"SET ROLE {generations.READER_ROLE}")
        for name in names:
            assert connection.execute(f"SELECT * FROM projection.{name}").fetchone()
        for forbidden in (
            "DELETE FROM projection.seat",
            "UPDATE projection.generation SET position = 0",
            "CREATE TABLE projection.mine (n integer)",
            "SELECT state FROM ledger.stored_events",
            "SELECT email FROM ledger.user_name",
        ):
            with pytest.raises(
                (
                    psycopg.errors.InsufficientPrivilege,
                    psycopg.errors.UndefinedColumn,
                    psycopg.errors.ObjectNotInPrerequisiteState,
                )
            ):
                connection.execute(forbidden)
