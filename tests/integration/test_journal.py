"""Catch-up and plans: exactly once, nothing skipped, keys pushed down."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.events import EVENT_CLASSES
from seat_ledger.projections.engine import catch_up, generations, installation
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store import recorder, schema
from seat_ledger.store.mapper import read_event, state_of
from tests.support.waiting import wait_for_end, wait_for_waiter

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
PRO = "sales/professional"


def fill(ledger: CommandService, accounts: int = 3) -> None:
    for n in range(accounts):
        key = f"a{n}"
        ledger.open_account(
            key,
            name=key,
            time_zone="UTC",
            term_start="2025-03-05",
            term_months=12,
            billing_cycle_months=1,
        )
        ledger.buy_seats(key, seat_type=PRO, quantity=5, effective_at="2025-03-05")
        ledger.add_user(
            key,
            user="ann",
            email="ann@x.example",
            name="Ann",
            seats=[PRO],
            effective_at="2025-03-06",
        )


def journal(conninfo: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "SELECT position, event, account_id, user_id FROM projection.journal "
            "ORDER BY position"
        ).fetchall()


def test_the_journal_can_decode_every_event_and_names_the_append_lock() -> None:
    assert set(installation.TOPICS) >= set(EVENT_CLASSES)
    assert installation.APPEND_LOCK == recorder.APPEND_LOCK


@pytest.mark.both_versions
def test_catch_up_takes_each_event_once(database: str, ledger: CommandService) -> None:
    fill(ledger)
    threads = [
        threading.Thread(target=ConnectedReader(database, catch_up=False).catch_up)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = journal(database)
    with psycopg.connect(database) as connection:
        count = connection.execute(
            "SELECT count(*) FROM ledger.stored_events"
        ).fetchone()
    assert count == (len(rows),)
    with ConnectedReader(database):
        assert journal(database) == rows


def test_a_question_says_so_when_a_rebuild_is_the_shorter_way(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger)
    with ConnectedReader(database, catch_up=False) as reader:
        missing = reader.store_head
    monkeypatch.setattr(catch_up, "REBUILD_IS_FASTER", missing - 1)
    with pytest.raises(
        schema.SchemaMismatch, match=f"are {missing} events behind"
    ) as message:
        ConnectedReader(database)
    assert "projection rebuild" in (message.value.try_ or "")
    with ConnectedReader(database, patient=True) as reader:
        assert reader.head == missing
    ledger.buy_seats("a0", seat_type=PRO, quantity=2)
    with ConnectedReader(database) as reader:
        assert reader.head == reader.store_head > missing


@pytest.mark.both_versions
@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM seat_holding_at(1000000) WHERE account_no = 1 "
        "AND seat_type = 2 AND number = 1",
        "SELECT * FROM seat_holding_at(1000000) WHERE account_no = 1 "
        "AND user_no = ANY (ARRAY[7::bigint])",
        "SELECT * FROM seat_at(1000000) WHERE account_no = 1",
        "SELECT * FROM seat_count_at(1000000) WHERE account_no = 1",
        "SELECT * FROM membership_at(1000000) WHERE user_no = ANY (ARRAY[7::bigint])",
        "SELECT * FROM hub_access_at(1000000) WHERE user_no = ANY (ARRAY[7::bigint])",
        "SELECT * FROM reduction_at(1000000) WHERE account_no = 1",
    ],
)
def test_definitions_are_inlined_and_keys_pushed_down(
    database: str, question: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        generations.use(connection, generations.served(connection).number)
        connection.execute(
            "INSERT INTO journal (position, recorded_at, effective_at, account_no, "
            "user_no, version, topic, seat_type, number, actor) "
            "SELECT n, now(), now(), n % 500, n, n, 'SeatAssigned', "
            "2, 1, 'system:x' FROM generate_series(1, 20000) AS n"
        )
        connection.execute("ANALYZE journal")
        rows = connection.execute("EXPLAIN " + question).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan
    assert "Function Scan" not in plan, plan


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda f: f.stem)
def test_stored_events_of_every_version_are_read_for_ever(file: Path) -> None:
    topic, _ = file.stem.rsplit("-v", 1)
    event = read_event(uuid4(), 1, topic, file.read_bytes().strip())
    assert topic == event.TOPIC
    assert json.loads(state_of(event))["v"] == EVENT_CLASSES[topic].VERSION


def test_every_event_version_has_a_stored_example() -> None:
    stems = {file.stem for file in GOLDEN.glob("*.json")}
    for topic, event_class in EVENT_CLASSES.items():
        for version in range(1, event_class.VERSION + 1):
            assert f"{topic}-v{version}" in stems


def test_migrating_twice_changes_nothing_and_an_edited_history_is_refused(
    empty_database: str,
) -> None:
    names = [
        f"{migration.number:04}_{migration.name}" for migration in schema.migrations()
    ]
    assert schema.migrate(empty_database) == names
    assert schema.migrate(empty_database) == []
    assert len({*schema.status(empty_database)}) == 1
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE ledger.schema_migration SET digest = 'x'")
    with pytest.raises(schema.SchemaMismatch, match="not this program's"):
        schema.migrate(empty_database)


SHAPE = """
SELECT 'column', table_name, column_name, data_type, is_nullable, column_default,
       collation_name
  FROM information_schema.columns
 WHERE table_schema = 'ledger'
 UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid),
       NULL, NULL, NULL
  FROM pg_constraint
 WHERE connamespace = 'ledger'::regnamespace
 UNION ALL
SELECT 'index', tablename, indexname, indexdef, NULL, NULL, NULL
  FROM pg_indexes
 WHERE schemaname = 'ledger'
 UNION ALL
SELECT 'function', proname, md5(prosrc), NULL, NULL, NULL, NULL
  FROM pg_proc
 WHERE pronamespace = 'ledger'::regnamespace
 ORDER BY 1, 2, 3, 4
"""


@pytest.mark.both_versions
def test_migrating_from_any_earlier_version_gives_the_schema_of_a_fresh_install(
    database: str, empty_database: str
) -> None:
    """With events of every version in the store, and each step as the last one."""
    for migration in schema.migrations():
        schema.migrate(empty_database, up_to=migration.number)
        with psycopg.connect(empty_database) as connection:
            connection.execute(
                "INSERT INTO ledger.stored_events "
                "(originator_id, originator_version, topic, state, recorded_at) "
                "VALUES (gen_random_uuid(), 1, 'x', '', now())"
            )
    assert schema.migrate(empty_database) == []
    assert_same_schema(database, empty_database)


@pytest.mark.long
@pytest.mark.both_versions
@pytest.mark.parametrize(
    "since", [migration.number for migration in schema.migrations()[:-1]]
)
def test_migrating_in_one_step_gives_the_schema_of_a_fresh_install(
    database: str, empty_database: str, since: int
) -> None:
    schema.migrate(empty_database, up_to=since)
    assert schema.migrate(empty_database)
    assert_same_schema(database, empty_database)


def assert_same_schema(*databases: str) -> None:
    shapes = []
    for conninfo in databases:
        with psycopg.connect(conninfo) as connection:
            shapes.append(connection.execute(SHAPE).fetchall())
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 40


def test_r78_an_instant_waits_for_appends_in_flight(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, 1)
    answered = threading.Event()
    result = []

    def ask() -> None:
        with ConnectedReader(database) as reader:
            result.append(reader.knowledge(reader.database_now()))
        answered.set()

    connecting = psycopg.connect(database, autocommit=True)
    with connecting as appender, appender.transaction():
        appender.execute("SELECT pg_advisory_xact_lock(%s)", [recorder.APPEND_LOCK])
        thread = threading.Thread(target=ask)
        thread.start()
        wait_for_waiter(appender, recorder.APPEND_LOCK)
        assert not answered.is_set()
    wait_for_end([thread])
    assert result[0].position == 9


def test_r78_an_instant_between_two_appends_never_changes_its_answer(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, 1)
    with ConnectedReader(database) as reader:
        instant = reader.database_now()
        before = reader.knowledge(instant)
    fill_more = ledger.buy_seats("a0", seat_type=PRO, quantity=1)
    with ConnectedReader(database) as reader:
        assert reader.knowledge(instant).position == before.position
        assert reader.knowledge().position == fill_more.positions[-1]
