"""What the store refuses by: all of it is known, and missed where it is gone."""

from __future__ import annotations

import psycopg
import pytest

from seat_ledger.errors import IntegrityFailure
from seat_ledger.store import guards
from tests.program import BUY, OPEN, Program

WITHOUT = {
    "all triggers disabled": "ALTER TABLE ledger.stored_events DISABLE TRIGGER ALL",
    "one trigger disabled": "ALTER TABLE ledger.stored_events "
    "DISABLE TRIGGER stored_events_go_on",
    "a trigger for replicas alone": "ALTER TABLE ledger.stored_events "
    "ENABLE REPLICA TRIGGER stored_events_append_only",
    "a trigger dropped": "DROP TRIGGER fold_with_key ON ledger.user_name",
    "a primary key dropped": "ALTER TABLE ledger.stored_events "
    "DROP CONSTRAINT stored_events_pkey",
    "a unique index dropped": "DROP INDEX ledger.stored_events_notification_id_idx",
    "a check dropped": "ALTER TABLE ledger.identity "
    "DROP CONSTRAINT identity_single_check",
}


def test_everything_that_guards_the_store_is_known(database: str) -> None:
    """A migration that adds a key, a check or a trigger adds it to the list."""
    with psycopg.connect(database) as connection:
        result = {row[0] for row in connection.execute(guards._AT_WORK)}
        assert result == guards.GUARDS
        guards.check(connection)


@pytest.mark.parametrize("removed", WITHOUT)
def test_nothing_is_recorded_where_the_store_would_take_anything(
    database: str, removed: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(WITHOUT[removed])
        with pytest.raises(IntegrityFailure):
            guards.check(connection)


def test_a_restore_without_what_follows_the_data_records_nothing(
    database: str,
) -> None:
    """Refused by every command that records, and told by doctor."""
    program = Program(database)
    assert program.lines(OPEN).returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(WITHOUT["all triggers disabled"])
        done = program.lines(BUY)
        assert done.returncode == 3, done.stderr
        assert "stored_events_go_on" in done.stderr
        assert "guards" in [
            row["check"]
            for row in program.parse(program.run("doctor", "--format", "json"))["rows"]
            if row["ok"] is False
        ]
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
        assert row == (1,)


ATTACHED = {
    "row security": "ALTER TABLE ledger.stored_events ENABLE ROW LEVEL SECURITY",
    "forced row security": "ALTER TABLE ledger.account_reader FORCE ROW LEVEL SECURITY",
    "a rule": "CREATE RULE swallow AS ON INSERT TO ledger.stored_events "
    "DO INSTEAD NOTHING",
    "a trigger": "CREATE FUNCTION ledger.swallow() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER swallow BEFORE INSERT "
    "ON ledger.person_key FOR EACH ROW EXECUTE FUNCTION ledger.swallow()",
    "a trigger that copies keys": "CREATE FUNCTION ledger.copy() RETURNS trigger "
    "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER copy AFTER INSERT "
    "ON ledger.person_key FOR EACH ROW EXECUTE FUNCTION ledger.copy()",
    "a table that adds events": "CREATE TABLE public.more () "
    "INHERITS (ledger.stored_events)",
    "a foreign key that removes": "CREATE TABLE public.other (id uuid PRIMARY KEY); "
    "ALTER TABLE ledger.person_key ADD FOREIGN KEY (user_id) "
    "REFERENCES public.other ON DELETE CASCADE",
}
WATCHING = {
    "an audit's trigger": "CREATE FUNCTION public.note() RETURNS trigger "
    "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER note AFTER INSERT "
    "ON ledger.stored_events FOR EACH ROW EXECUTE FUNCTION public.note()",
    "an event trigger": "CREATE FUNCTION public.mind() RETURNS event_trigger "
    "LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER mind ON ddl_command_end "
    "EXECUTE FUNCTION public.mind()",
}


@pytest.mark.both_versions
@pytest.mark.parametrize("attached", ATTACHED)
def test_nothing_is_recorded_where_somebody_swallows_or_hides_rows(
    database: str, attached: str
) -> None:
    program = Program(database)
    assert program.lines(OPEN).returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(ATTACHED[attached])
    done = program.lines(BUY)
    assert done.returncode == 3, done.stderr
    assert "Somebody attached" in done.stderr


@pytest.mark.both_versions
@pytest.mark.parametrize("attached", WATCHING)
def test_what_runs_beside_the_store_is_told_and_stops_nothing(
    database: str, attached: str
) -> None:
    program = Program(database)
    assert program.lines(OPEN).returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(WATCHING[attached])
    assert program.lines(BUY).returncode == 0
    rows = program.parse(program.run("doctor", "--format", "json"))["rows"]
    (guarded,) = (row for row in rows if row["check"] == "guards")
    assert guarded["ok"] is True
    assert "Somebody attached" in guarded["found"]


def test_hidden_events_are_no_empty_store(database: str) -> None:
    """Where a policy hides rows, whoever reads all accounts is told so."""
    program = Program(database)
    assert program.lines(OPEN, BUY).returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(ATTACHED["row security"])
    for words in (
        ("account", "list"),
        ("event", "list"),
        ("integrity", "seal"),
        ("projection", "rebuild", "--results", "/dev/null"),
    ):
        done = program.run(*words)
        assert done.returncode not in {0, 70}, (words, done.stdout)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE ledger.stored_events DISABLE ROW LEVEL SECURITY"
        )
    assert len(program.json("account", "list")["rows"]) == 1


def test_a_sequence_at_its_end_is_told(database: str) -> None:
    program = Program(database)
    assert program.lines(OPEN).returncode == 0
    sequence = "ledger.stored_events_notification_id_seq"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT setval(%s, %s)", [sequence, 2**63 - 1])
        done = program.lines(BUY)
        assert done.returncode == 1, done.stderr
        assert "maximum value of sequence" in done.stderr
        rows = program.parse(program.run("doctor", "--format", "json"))["rows"]
        assert "at its end" in next(
            row["found"] for row in rows if row["check"] == "positions"
        )
        connection.execute("SELECT setval(%s, 1)", [sequence])
    assert program.lines(BUY).returncode == 0
