"""Verify: the served tables held against the store, and what differs named."""

from __future__ import annotations

import json

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import LedgerError
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine.registry import BY_NAME
from seat_ledger.projections.engine.verify import verify
from seat_ledger.projections.lake.bulk import TablesByDuckDB
from seat_ledger.projections.lake.engine import Engine
from seat_ledger.store.connection import connect
from tests.integration.tables import catch_up, differences, fill
from tests.program import Program


def test_verify_names_the_first_row_that_differs(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    program = Program(database)
    assert program.run("projection", "verify", "--full").returncode == 0
    with connect(database, autocommit=True) as connection:
        generations.use(connection, generations.served(connection).number)
        connection.execute("UPDATE seat SET retires_at = NULL WHERE number = 4")
        connection.execute("DELETE FROM seat_count WHERE seats_purchased = 4")
        connection.execute(
            "INSERT INTO current_assignment SELECT 999, seat_type, number, user_no, "
            "held_from, 999 FROM current_assignment LIMIT 1"
        )
    done = program.run("projection", "verify", "--full", "--format", "json")
    assert done.returncode == 3
    result = {
        row["projection"]: row["found"]
        for row in json.loads(done.stdout)["rows"]
        if row["status"] == "differs" and row["check"] == "every row"
    }
    assert result.keys() == {"seat", "seat_count", "current_assignment"}
    assert "number 4" in result["seat"]
    assert "assigned_position 999" in result["current_assignment"]
    assert "retires_at is null, computed 2026-03-04T23:00:00+00:00" in result["seat"]
    sampled = program.run("projection", "verify", "--sample", "1")
    assert sampled.returncode == 3
    short = program.run("projection", "verify", "--max-duration", "0")
    assert "ran out before the end, after 0 of 2 accounts." in short.stdout


def test_verify_claims_no_more_than_it_compared(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    program = Program(database)
    message = program.run("projection", "verify", "--sample", "1").stdout
    assert "What was compared, with 1 of 2 accounts, matches the store" in message
    for engine in ("postgresql", "duckdb"):
        words = ("--full", "--max-duration", "0", "--engine", engine)
        text = program.json("projection", "verify", *words)
        assert (text["full"], text["complete"]) == (True, False)
        assert (text["accounts"], text["of_accounts"]) == (0, 2)
    done = program.run("projection", "verify", "--sample", "1", "--engine", "duckdb")
    assert done.returncode == 2
    assert "use it with --full" in done.stderr


TAMPERED = {
    "seat_type": "exclusive = NOT exclusive",
    "account": "name = name || '!'",
    "person": "user_no = user_no + 1000",
    "user_directory": "email = 'somebody@else.example'",
    "journal": "recorded_at = recorded_at + interval '1 second'",
    "seat": "purchased_position = purchased_position + 1",
    "seat_holding": "user_no = user_no + 1",
    "current_assignment": "held_from = held_from - interval '1 second'",
    "seat_count": "freed = freed + 1",
    "billing_period": "days = days + 1",
    "billable_seats": "holders = holders + 1",
}


def test_verify_names_the_first_differing_row_of_each_projection(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    assert TAMPERED.keys() == BY_NAME.keys()
    with connect(database, autocommit=True) as connection:
        generations.use(connection, generations.served(connection).number)
        for name, change in TAMPERED.items():
            key = ", ".join(BY_NAME[name].key)
            first = connection.execute(
                f"SELECT {key} FROM {name} ORDER BY {key} LIMIT 1"
            ).fetchone()
            where = " AND ".join(f"{part} = %s" for part in BY_NAME[name].key)
            connection.execute(f"CREATE TEMP TABLE kept AS TABLE {name}")
            connection.execute(f"UPDATE {name} SET {change} WHERE {where}", first)
            rows = verify(database, full=True).rows
            by_duckdb = verify(database, full=True, beside=TablesByDuckDB)
            assert by_duckdb.rows == rows, name
            result = {
                row.projection: row.difference
                for row in rows
                if row.check == "every row" and row.status == "differs"
            }
            assert name in result
            assert str(first[0]) in result[name], result[name]
            assert "somebody" not in result[name]
            connection.execute(f"TRUNCATE {name}")
            connection.execute(f"INSERT INTO {name} TABLE kept")
            connection.execute("DROP TABLE kept")
    assert differences(database) == []


@pytest.mark.parametrize("state", [b'{"v":1,"effe', b'{"v":9}'])
def test_verify_finds_an_event_that_cannot_be_read_any_more(
    database: str, ledger: CommandService, state: bytes
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger.stored_events SET state = %s WHERE notification_id = 3",
            [state],
        )
    program = Program(database)
    done = program.run("projection", "verify", "--full", "--format", "json")
    assert done.returncode == 3, done.stderr
    rows = [row for row in program.parse(done)["rows"] if row["status"] == "differs"]
    at_once = ["events are readable"] if b'"v":9' in state else []
    assert [row["check"] for row in rows] == [*at_once, "every row"]
    message = "event at position 3 (SeatPurchased, account acme) cannot be read"
    for row in rows:
        assert row["projection"] == "journal"
        assert message in row["found"]


@pytest.mark.parametrize("lost", ["billable_seats", "seat"])
def test_a_full_verification_by_duckdb_fails_where_it_cannot_compute(
    database: str,
    ledger: CommandService,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    make = Engine.make

    def make_too_much(engine: Engine, name: str) -> None:
        if name == lost:
            engine.db.execute("SELECT list(range) FROM range(100000000)").fetchall()
        make(engine, name)

    monkeypatch.setattr(Engine, "make", make_too_much)
    with pytest.raises(LedgerError, match="DuckDB could not compute the tables"):
        verify(database, full=True, beside=TablesByDuckDB)
