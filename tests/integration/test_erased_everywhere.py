"""After an erasure the whole data folder holds nobody who was erased.

The server logs every statement with all that it is given, as an operator may have it
do; persons are asked for by key, e-mail and name, analysed, rebuilt into a second
generation, and erased by the command and by the library. Then every file is searched.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused
from seat_ledger.importing.files import import_file
from seat_ledger.projections.engine import installation, user_directory
from seat_ledger.projections.engine import rebuild as engine
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.engine.user_directory import PERSONAL
from seat_ledger.projections.engine.verify import verify
from seat_ledger.store import schema, statistics, tools
from seat_ledger.store.statistics import columns_with_statistics
from tests.in_process import Program
from tests.support.acme import TERMS
from tests.support.waiting import files_below

LOGGED = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_error_verbosity": "verbose",
    "log_temp_files": "0",
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_verbose": "on",
    "auto_explain.log_settings": "on",
    "auto_explain.log_nested_statements": "on",
}
BY_COMMAND, BY_LIBRARY, ALIVE = 4, 12, 60


class Marked:
    """Persons whose key, e-mail and name can be found wherever they stand."""

    def __init__(self, count: int) -> None:
        self.mark = f"zq{uuid4().hex[:10]}"
        self.persons = [
            {
                "user": f"{self.mark}k{n}",
                "email": f"{self.mark}E{n}@x.example",
                "name": f"Name {self.mark}n{n}",
            }
            for n in range(count)
        ]


@pytest.fixture
def logged_database(database: str, server: str) -> Iterator[str]:
    """A database whose server logs all that it is sent."""
    name = database.rpartition("dbname=")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        for setting, value in LOGGED.items():
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(name),
                    sql.SQL(".").join(map(sql.Identifier, setting.split("."))),
                    sql.Literal(value),
                )
            )
        try:
            yield database
        finally:
            connection.execute(
                sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(name))
            )


def open_account(ledger: CommandService, key: str) -> None:
    ledger.open_account(
        key,
        name="Acme BV",
        time_zone="UTC",
        term_start="2025-03-05",
        term_months=12,
        billing_cycle_months=1,
    )


def folder_of(conninfo: str) -> Path:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return Path(row[0])


def settle(conninfo: str) -> None:
    """What an operator does: VACUUM, and the checkpoints after which WAL is gone."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM")
        for _ in range(2):
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")


def holding(folder: Path, marks: list[bytes]) -> dict[str, list[bytes]]:
    """Every file of a folder that holds one of the marks, in any case."""
    result: dict[str, list[bytes]] = {}
    for file, whole in files_below(folder):
        lower = whole.lower()
        own = [mark for mark in marks if mark in whole or mark.lower() in lower]
        if own:
            result[str(file.relative_to(folder))] = own[:3]
    return result


def ask_for_everybody(program: Program, account: str, marked: Marked) -> None:
    for person in marked.persons[:3]:
        for reference in (person["user"], person["email"]):
            words = ("user", "history", reference, "-a", account)
            program.json(*words)
            assert program.json("user", "find", reference)["rows"]
        assert program.json("user", "find", person["name"])["rows"]


def keys_of(conninfo: str) -> dict[str, bytes]:
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT name.user_key, held.key FROM ledger.person_key AS held "
            "JOIN ledger.user_name AS name USING (user_id)"
        ).fetchall()
    return {key: bytes(secret) for key, secret in rows}


def analyze(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ANALYZE")


@pytest.mark.both_versions
def test_an_erased_person_stands_in_no_file_of_the_server(
    logged_database: str, tmp_path: Path
) -> None:
    database, program = logged_database, Program(logged_database, tmp_path)
    removed, alive = Marked(BY_COMMAND + BY_LIBRARY), Marked(ALIVE)
    with CommandService(database) as ledger:
        open_account(ledger, "acme")
        lines = [
            json.dumps({"op": "add_user", "account": "acme", **person}).encode()
            for person in [*removed.persons[5:], *alive.persons]
        ]
        outcomes = {item.outcome for item in import_file(ledger, lines)}
        assert outcomes == {"recorded"}
        for person in removed.persons[:5]:
            ledger.add_user("acme", **person)
        ledger.grant_hub_access(
            "acme", user=alive.persons[0]["user"], hub="sales",
            idempotency_key="k-1",
        )  # fmt: skip
        ask_for_everybody(program, "acme", removed)
        analyze(database)
        assert rebuild(database).error is None
        analyze(database)
        assert {item.status for item in verify(database, full=True).rows} == {"same"}
        keys = keys_of(database)
        for n, person in enumerate(removed.persons):
            if n < BY_COMMAND:
                reference = person["email"] if n % 2 else person["user"]
                words = ("user", "erase", reference, "-a", "acme", "--reason", "asked")
                assert program.run(*words, "--yes").status == 0
            else:
                done = ledger.erase_user("acme", user=person["user"], reason="asked")
                assert done.cleared
    assert program.run("projection", "run").status == 0
    settle(database)
    marks = [removed.mark.encode()]
    for person in removed.persons:
        secret = keys[person["user"]]
        marks += [secret, secret.hex().encode()]
    folder = folder_of(database)
    assert holding(folder, marks) == {}
    logged = files_below(folder / "log")
    assert any(b"ledger.unwrapped" in whole for _, whole in logged)
    dump = tmp_path / "dump"
    dump.mkdir()
    assert tools.run(database, "pg_dump", ("-f", os.fspath(dump / "all.sql"))) == 0
    assert holding(dump, marks) == {}
    assert holding(folder, [alive.mark.encode()])  # the search finds what is there


HARMLESS = {
    *("account_reader.login", "account_reader.granted_by", "api_token.token_id"),
    *("api_token.accounts", "api_token.created_by", "dead_letter.subscription_id"),
    *("invoice_number.invoice", "recorded_command.command_key"),
    *("schema_migration.name", "schema_migration.digest", "sealed_checkpoint.note"),
    *("sealed_tile.hashes", "snapshots.topic", "stored_events.topic"),
    *("subscription.subscription_id", "subscription.state", "subscription.created_by"),
}
"""What may be copied into statistics: names of things and logins, topics, hashes."""


NUMBERS = "int2 int4 int8 _int8 bool timestamptz uuid"
"""Types that hold no text of anybody's."""


@pytest.mark.parametrize("origin", ["as it is now", "0.1.0"])
def test_of_each_column_it_is_known_whether_statistics_may_copy_it(
    empty_database: str, tmp_path: Path, origin: str
) -> None:
    """A migration that adds a text decides: quiet, or harmless. A store that an earlier
    version made and filled is then as quiet as a new one.
    """
    if origin == "0.1.0":
        restore_dump(empty_database, origin, tmp_path)
        with psycopg.connect(empty_database, autocommit=True) as connection:
            connection.execute("ANALYZE")
    schema.migrate(empty_database)
    with psycopg.connect(empty_database) as connection:
        rows = connection.execute(
            "SELECT class.relname || '.' || its.attname, its.attstattarget = 0, "
            "EXISTS (SELECT FROM pg_statistic WHERE starelid = its.attrelid "
            "AND staattnum = its.attnum) "
            "FROM pg_attribute AS its JOIN pg_class AS class ON class.oid = attrelid "
            "JOIN pg_type AS type ON type.oid = its.atttypid "
            "WHERE class.relnamespace = 'ledger'::regnamespace AND class.relkind = 'r' "
            "AND its.attnum > 0 AND NOT its.attisdropped "
            "AND type.typname <> ALL (%s)",
            [NUMBERS.split()],
        ).fetchall()
    quiet = {f"ledger.{column}" for column, is_quiet, _ in rows if is_quiet}
    secret = {".".join(column) for column in statistics.SECRET_COLUMNS}
    assert quiet == secret
    assert {column for column, is_quiet, _ in rows if not is_quiet} == HARMLESS
    assert [
        column for column, is_quiet, is_copied in rows if is_quiet and is_copied
    ] == []


def restore_dump(conninfo: str, version: str, folder: Path) -> None:
    """A store as an earlier version left it."""
    golden = Path(__file__).parents[1] / "golden" / f"store-{version}.sql.gz"
    dump = folder / "store.sql"
    dump.write_bytes(gzip.decompress(golden.read_bytes()))
    words = ("-q", "-v", "ON_ERROR_STOP=1", "-f", os.fspath(dump))
    assert tools.run(conninfo, "psql", words) == 0


@pytest.mark.both_versions
def test_an_upgrade_removes_what_analyze_copied_before(empty_database: str) -> None:
    schema.migrate(empty_database, up_to=8)
    mark = f"zq{uuid4().hex[:10]}"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger.user_name SELECT gen_random_uuid(), "
            "gen_random_uuid(), %(mark)s || n, %(mark)s || n || '@x.example' "
            "FROM generate_series(1, 50) AS n",
            {"mark": mark},
        )
        connection.execute(
            "INSERT INTO ledger.person_key SELECT user_id, "
            "sha256(user_key::bytea) FROM ledger.user_name"
        )
        connection.execute("ANALYZE")
        assert columns_with_statistics(connection, PERSONAL)
        folder = folder_of(empty_database)
        schema.migrate(empty_database)
        installation.install(empty_database)
        connection.execute("DELETE FROM ledger.user_name")
        connection.execute("ANALYZE")
        assert not columns_with_statistics(connection, PERSONAL)
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT pg_relation_filepath('pg_statistic')")
        (path,) = row.fetchone() or (None,)
    assert mark.encode() not in (folder / str(path)).read_bytes()


@pytest.mark.both_versions
def test_generations_of_before_are_prevented_from_copying_persons(
    database: str, ledger: CommandService
) -> None:
    open_account(ledger, "acme")
    for person in Marked(3).persons:
        ledger.add_user("acme", **person)
    with psycopg.connect(database, autocommit=True) as connection:
        assert rebuild(database).error is None
        for (number,) in connection.execute(
            "SELECT number FROM projection.generation"
        ).fetchall():
            for column in PERSONAL:
                connection.execute(
                    f"ALTER TABLE projection_{number}.user_directory "
                    f"ALTER COLUMN {column} SET STATISTICS -1".encode()
                )
        connection.execute("ANALYZE")
        assert len(columns_with_statistics(connection, PERSONAL)) > 4
        assert not installation.install(database)
        assert not columns_with_statistics(connection, PERSONAL)


def test_an_erasure_that_was_cut_off_after_its_append_is_completed_by_repeating(
    database: str, ledger: CommandService, tmp_path: Path
) -> None:
    open_account(ledger, "acme")
    marked, program = Marked(2), Program(database, tmp_path)
    for person in marked.persons:
        ledger.add_user("acme", **person)
    assert program.run("projection", "run").status == 0
    assert rebuild(database).error is None
    done = ledger.erase_user("acme", user=marked.persons[0]["user"], reason="asked")
    erased_name, other = (item["name"] for item in marked.persons)
    assert names_in_generations(database) == {erased_name: 2, other: 2}
    words = ("user", "erase", str(done.erased), "-a", "acme", "--reason", "again")
    assert program.run(*words, "--yes").status == 0
    assert names_in_generations(database) == {str(done.erased): 2, other: 2}


@pytest.mark.parametrize("moment", ["_figures", "_switch"])
def test_tables_that_are_created_while_somebody_is_erased_hold_nobody_erased(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The served tables do not come to the erasure meanwhile; the new ones forget."""
    monkeypatch.setattr(installation, "_TRIES", 1)  # a second each
    open_account(ledger, "acme")
    marked = Marked(2)
    for person in marked.persons:
        ledger.add_user("acme", **person)
    assert rebuild(database).error is None
    erased: list[str] = []
    phase = getattr(engine._Rebuild, moment)

    def meanwhile(self: Any) -> None:
        done = ledger.erase_user("acme", user=marked.persons[0]["user"], reason="asked")
        erased.append(str(done.erased))
        with psycopg.connect(database) as making:
            created = user_directory.directories(making)[-1]
            statement = sql.SQL("LOCK TABLE {} IN SHARE MODE").format(created)
            making.execute(statement)  # as an index's making holds it
            assert not installation.forget(database).files
        phase(self)

    monkeypatch.setattr(engine._Rebuild, moment, meanwhile)
    assert rebuild(database).error is None
    assert names_in_generations(database) == {
        erased[0]: 2,
        marked.persons[1]["name"]: 2,
    }
    assert no_dead_rows(database)


def no_dead_rows(conninfo: str) -> bool:
    """Whether the served directory's file holds its rows alone, none of before."""
    with psycopg.connect(conninfo) as connection:
        directory = user_directory.directories(connection)[-1]
        statement = sql.SQL("SELECT ctid::text FROM {}").format(directory)
        places = {row[0] for row in connection.execute(statement)}
    return places == {f"(0,{n})" for n in range(1, len(places) + 1)}


def names_in_generations(conninfo: str) -> dict[str, int]:
    """How many generations call a person so."""
    result: dict[str, int] = {}
    with psycopg.connect(conninfo) as connection:
        for directory in user_directory.directories(connection):
            statement = sql.SQL("SELECT name FROM {}").format(directory)
            for (name,) in connection.execute(statement).fetchall():
                result[name] = result.get(name, 0) + 1
    return result


@pytest.mark.parametrize("key", ["erased-41cffb4ce939", "Erased-x"])
def test_nobody_is_called_like_somebody_erased(
    ledger: CommandService, key: str
) -> None:
    open_account(ledger, "acme")
    with pytest.raises(CommandRefused) as refused:
        ledger.add_user("acme", user=key, email="x@x.example", name="X")
    assert refused.value.code == "key_reserved"


@pytest.mark.both_versions
def test_an_erasure_waits_for_older_transactions_or_says_that_it_did_not(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever database of the server: one that is open sees what was removed."""
    monkeypatch.setattr(statistics, "LONGEST_WAIT", 0.2)
    ledger.open_account("acme", **TERMS)
    for user in ("ann", "bob"):
        ledger.add_user("acme", user=user, email=f"{user}@x.example", name=user)
    elsewhere = re.sub(r"dbname=\S+", "dbname=postgres", database)
    with psycopg.connect(elsewhere) as other:
        other.execute("SELECT pg_current_xact_id()")
        done = ledger.erase_user("acme", user="ann", reason="asked for")
        assert done.cleared is False
    monkeypatch.undo()
    assert ledger.erase_user("acme", user="bob", reason="asked for").cleared is True
