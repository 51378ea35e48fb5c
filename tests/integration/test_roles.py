"""What each role cannot do, and that commands work under the smallest of them."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file
from seat_ledger.integrity import service
from seat_ledger.integrity.note import Signer
from seat_ledger.projections.engine import installation
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.store import access, guards, schema
from seat_ledger.store.connection import connect
from tests.program import run_program
from tests.support.waiting import drop_login

DENIED = psycopg.errors.InsufficientPrivilege
EVENTS = "ledger.stored_events"
NEW = (
    f"INSERT INTO {EVENTS} (originator_id, originator_version, topic, state, "
    "recorded_at) VALUES (gen_random_uuid(), 1, 'X', '', now())"
)
KEY = "INSERT INTO ledger.person_key VALUES (gen_random_uuid(), ''::bytea)"

MAY_NOT = {
    "reader": [
        f"SELECT state FROM {EVENTS}",
        "SELECT * FROM ledger.person_key",
        "SELECT * FROM ledger.user_name",
        "SELECT * FROM ledger.recorded_command",
        "SELECT * FROM ledger.snapshots",
        "SELECT * FROM ledger.sealed_checkpoint",
        NEW,
        "UPDATE projection.generation SET position = 0",
        "DELETE FROM {served}.journal",
        "TRUNCATE {served}.user_directory",
        "CREATE TABLE projection.mine (n int)",
        "CREATE SCHEMA mine",
    ],
    "projector": [
        NEW,
        f"UPDATE {EVENTS} SET topic = 'X'",
        f"DELETE FROM {EVENTS}",
        f"TRUNCATE {EVENTS}",
        KEY,
        "DELETE FROM ledger.person_key",
        "UPDATE ledger.user_name SET user_key = 'x'",
        "SELECT * FROM ledger.digest_key",
        "DELETE FROM ledger.sealed_checkpoint",
        "SELECT nextval('ledger.stored_events_notification_id_seq')",
        "CREATE TABLE ledger.mine (n int)",
    ],
    "writer": [
        f"UPDATE {EVENTS} SET topic = 'X'",
        f"DELETE FROM {EVENTS}",
        f"TRUNCATE {EVENTS}",
        f"ALTER TABLE {EVENTS} DISABLE TRIGGER ALL",
        "DELETE FROM ledger.user_name",
        "UPDATE ledger.person_key SET key = ''",
        "DELETE FROM ledger.recorded_command",
        "UPDATE ledger.recorded_command SET positions = '{{}}'",
        "DELETE FROM ledger.invoice_number",
        "UPDATE ledger.sealed_checkpoint SET note = ''",
        "DELETE FROM ledger.sealed_checkpoint",
        "UPDATE ledger.digest_key SET key = ''",
        "INSERT INTO ledger.schema_migration VALUES (99, 'x', 'x')",
        "SELECT * FROM projection.journal",
        "DROP TABLE ledger.snapshots",
        "CREATE SCHEMA mine",
    ],
    "owner": [
        "CREATE ROLE mine",
        "SELECT * FROM projection.journal",
        "CREATE SCHEMA mine",
        "SET session_replication_role = replica",
    ],
}
MAY = {
    "reader": ["SELECT * FROM projection.journal", "SELECT * FROM projection.seat"],
    "projector": [f"SELECT state FROM {EVENTS}", "CREATE SCHEMA mine"],
    "writer": [f"SELECT state FROM {EVENTS}", NEW],
    "owner": ["CREATE TABLE ledger.mine (n int)"],
}
CASES = [
    (role, statement)
    for role, statements in MAY_NOT.items()
    for statement in statements
]


def run_as(conninfo: str, role: str, statement: str) -> None:
    """Run a statement as a role, and take it back."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT max(number) FROM projection.generation")
        served = f"projection_{row.fetchone()[0]}"  # type: ignore[index]
        connection.execute(f"SET ROLE seat_ledger_{role}")
        try:
            connection.execute(statement.format(served=served))
        finally:
            connection.rollback()


@pytest.mark.both_versions
def test_what_each_role_cannot_do(database: str) -> None:
    for role, statements in MAY.items():
        for statement in statements:
            run_as(database, role, statement)
    let_through = []
    for role, statement in CASES:
        try:
            run_as(database, role, statement)
        except DENIED:
            continue
        let_through.append((role, statement))
    assert let_through == []


RIGHTS = """
SELECT class.relname, role.name, array_agg(may.what ORDER BY may.what)
  FROM pg_class AS class
 CROSS JOIN unnest(ARRAY['reader', 'account_reader', 'projector', 'writer'])
       AS role(name)
 CROSS JOIN unnest(ARRAY['DELETE', 'INSERT', 'TRIGGER', 'TRUNCATE', 'UPDATE'])
       AS may(what)
 WHERE class.relnamespace = 'ledger'::regnamespace
   AND class.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND has_table_privilege('seat_ledger_' || role.name, class.oid, may.what)
 GROUP BY class.relname, role.name
"""
ADDED_TO = {
    *("account_head", "invoice_number", "person_key", "recorded_command"),
    *("sealed_checkpoint", "sealed_tile", "snapshots", "stored_events", "user_name"),
}
MOVED = {"account_head", "snapshots"}
"""Where accounts are, and a cache: what an append moves on."""
DELIVERED = {
    ("subscription", "projector"): {"INSERT", "UPDATE"},
    ("dead_letter", "projector"): {"DELETE", "INSERT", "UPDATE"},
}


@pytest.mark.both_versions
def test_no_role_changes_more_of_any_table_than_it_must(database: str) -> None:
    """Of every table that there is: a new one gives nothing that is not listed here.

    Nothing that was sealed, signed or recorded can be removed or changed.
    """
    expected = {(table, "writer"): {"INSERT"} for table in ADDED_TO}
    for table in MOVED:
        expected[table, "writer"] |= {"UPDATE"}
    expected["person_key", "writer"] |= {"DELETE"}  # which is what an erasure is
    expected |= DELIVERED
    with psycopg.connect(database) as connection:
        rows = connection.execute(RIGHTS).fetchall()
    assert {(table, role): set(may) for table, role, may in rows} == expected


@pytest.mark.parametrize("role", ["writer", "owner"])
@pytest.mark.parametrize("change", ["UPDATE {} SET topic = 'X'", "TRUNCATE {}"])
def test_nobody_changes_events_by_an_ordinary_statement(
    database: str, role: str, change: str
) -> None:
    """The owner has the right; a trigger still refuses it."""
    with pytest.raises((DENIED, psycopg.errors.RestrictViolation)):
        run_as(database, role, change.format(EVENTS))


class Login:
    """A login of the server that is a member of some roles, and runs the program."""

    def __init__(self, conninfo: str, name: str) -> None:
        self.name = name
        self.conninfo = conninfo.replace("user=seat_ledger", f"user={name}")

    def run(self, *words: Any) -> dict[str, Any]:
        done = self.try_(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def try_(self, *words: Any) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "SEAT_LEDGER_DATABASE_URL": self.conninfo,
        }
        return run_program([*words, "--format", "json"], environment)


@pytest.fixture
def login(server: str) -> Iterator[Any]:
    """Makes logins that are members of roles."""
    created = []

    def make(conninfo: str, *roles: str, options: str = "") -> Login:
        name = f"t_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN {options}")
            created.append(name)
            for role in roles:
                connection.execute(f"GRANT seat_ledger_{role} TO {name}")
        return Login(conninfo, name)

    yield make
    with psycopg.connect(server, autocommit=True) as connection:
        for name in created:
            drop_login(connection, name)


OPEN = ("account", "open", "acme", "--name", "Acme", "--time-zone", "UTC")
TERMS = ("--term-start", "2025-03-05", "--term-months", 240)
CYCLE = ("--billing-cycle-months", 1)


@pytest.mark.both_versions
def test_nobody_reads_new_tables_by_default_privileges(database: str) -> None:
    """A database that gives every new table to everybody gives none of the ledger's."""
    on = ("TABLES", "SELECT"), ("SCHEMAS", "USAGE")
    words = "ALTER DEFAULT PRIVILEGES FOR ROLE seat_ledger_projector"
    with psycopg.connect(database, autocommit=True) as connection:
        for kind, right in on:
            connection.execute(f"{words} GRANT {right} ON {kind} TO PUBLIC".encode())
        try:
            assert rebuild(database).error is None
        finally:
            for kind, right in on:
                statement = f"{words} REVOKE {right} ON {kind} FROM PUBLIC"
                connection.execute(statement.encode())
        rows = connection.execute(
            "SELECT class.oid::regclass::text FROM pg_class AS class "
            "JOIN pg_namespace AS space ON space.oid = class.relnamespace "
            "CROSS JOIN LATERAL aclexplode(class.relacl || space.nspacl) AS item "
            "WHERE space.nspname ~ '^projection' AND item.grantee = 0"
        ).fetchall()
    assert rows == []


STRICT = (
    "ALTER DEFAULT PRIVILEGES FOR ROLE seat_ledger_projector "
    "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES FOR ROLE seat_ledger_projector "
    "GRANT SELECT ON TABLES TO seat_ledger_account_reader",
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC",
    "GRANT UPDATE ON ALL SEQUENCES IN SCHEMA ledger TO seat_ledger_reader",
    "GRANT EXECUTE ON FUNCTION ledger.rewrite_person_keys() "
    "TO PUBLIC, seat_ledger_reader",
)


@pytest.mark.both_versions
def test_default_privileges_take_nothing_and_give_no_role_more(
    database: str, login: Any
) -> None:
    """Where functions are nobody's by default, as is advised, each role works still."""
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in STRICT:
            connection.execute(statement.encode())
        assert access.grant(connection).granted
        assert guards.strangers(connection) == {}
    assert rebuild(database).error is None
    writer, reader = login(database, "writer"), login(database, "reader")
    writer.run(*OPEN, *TERMS, *CYCLE)
    login(database, "projector").run("projection", "run")
    assert reader.run("account", "show", "acme", "--known-at", "now")
    for statement in (
        "SELECT setval('ledger.stored_events_notification_id_seq', 1)",
        "SELECT ledger.rewrite_person_keys()",
    ):
        with pytest.raises(DENIED):
            run_as(database, "reader", statement)
    with pytest.raises(DENIED):
        run_as(database, "account_reader", "SELECT * FROM {served}.journal")


@pytest.mark.both_versions
def test_rights_of_others_on_the_write_side_are_named(
    database: str, login: Any
) -> None:
    """On columns and functions too; `doctor` warns."""
    name = login(database, "reader").name
    with psycopg.connect(database, autocommit=True) as connection:
        for words in (
            "USAGE ON SCHEMA ledger", "SELECT (key) ON ledger.person_key",
            "EXECUTE ON FUNCTION ledger.rewrite_person_keys()",
            "USAGE ON SEQUENCE ledger.stored_events_notification_id_seq",
        ):  # fmt: skip
            connection.execute(f"GRANT {words} TO {name}".encode())
        named = guards.strangers(connection)
        connection.execute(f"DROP OWNED BY {name}".encode())
        assert guards.strangers(connection) == {}
    assert named == {
        name: [
            "ledger.person_key",
            "ledger.stored_events_notification_id_seq",
            "the function ledger.rewrite_person_keys",
            "the schema ledger",
        ]
    }


@pytest.mark.both_versions
def test_only_logins_that_reach_this_database_can_put_code_into_it(
    database: str, login: Any
) -> None:
    """The server's other databases have projectors of their own."""
    writer = login(database, "writer", "reader")
    projector = login(database, "projector")
    with psycopg.connect(database, autocommit=True) as connection:
        here = connection.info.dbname

        def exposed_once(statement: str) -> list[str]:
            connection.execute(statement.encode())
            with connect(writer.conninfo) as session:
                return access.exposed_to(session)[2]

        on_here, name = f"CONNECT ON DATABASE {here}", projector.name
        exposed_once(f"GRANT {on_here} TO seat_ledger_writer")
        assert exposed_once(f"REVOKE {on_here} FROM PUBLIC") == []
        assert exposed_once(f"GRANT {on_here} TO {name}") == [name]
        assert exposed_once(f"REVOKE {on_here} FROM {name}") == []
        # The owner of a database may allow itself to connect, from another database.
        assert exposed_once(f"ALTER DATABASE {here} OWNER TO {name}") == [name]
        assert exposed_once(f"ALTER DATABASE {here} OWNER TO seat_ledger") == []


@pytest.mark.both_versions
def test_commands_work_under_the_smallest_role(
    database: str, login: Any, tmp_path: Path
) -> None:
    results = tmp_path / "results.json"
    writer = login(database, "writer")
    writer.run(*OPEN, *TERMS, *CYCLE)
    writer.run("seat", "buy", "sales/professional", 2, "-a", "acme")
    lines = [{"op": "buy_seats", "account": "acme", "seat_type": "sales/starter"}]
    with CommandService(writer.conninfo) as ledger:
        raw = (json.dumps({**line, "quantity": 1}).encode() for line in lines)
        assert [line.outcome for line in import_file(ledger, raw)] == ["recorded"]
    signer = Signer.generate("log")
    assert service.seal(writer.conninfo, signer) is not None
    assert service.verify(writer.conninfo, signer.verifier).findings == []
    service.prove(writer.conninfo, signer.verifier, 2)

    reader = login(database, "reader")
    seats = ("seat", "list", "-a", "acme")
    assert reader.run("account", "list")["known_at"]["position"] == 0
    projector = login(database, "projector")
    assert projector.run("projection", "run")["rows"][0]["checkpoint"] == 4
    assert projector.run("projection", "rebuild", "--results", results)["switched"]
    assert len(reader.run(*seats)["rows"]) == 3
    assert len(reader.run(*seats, "--known-at", "2")["rows"]) == 1
    assert reader.run("event", "list")["rows"][-1]["position"] == 4
    assert reader.run("projection", "status")["rows"][0]["state"] == "current"
    assert projector.run("projection", "verify", "--full")["complete"]


@pytest.mark.parametrize("words", [("run",), ("run", "--follow")])
def test_who_may_only_read_learns_that_nothing_was_caught_up(
    database: str, login: Any, words: tuple[str, ...]
) -> None:
    """Nor does it take the place of a follower that could."""
    login(database, "writer").run(*OPEN, *TERMS, *CYCLE)
    done = login(database, "reader").try_("projection", *words)
    assert done.returncode == 1
    message = json.loads(done.stderr.splitlines()[-1])
    assert message["code"] == "not_allowed"
    assert "seat_ledger_projector" in message["try"]
    assert (
        login(database, "projector").run("projection", "run")["rows"][0]["before"] == 0
    )


def test_a_login_with_every_role_uses_the_one_that_the_work_needs(
    database: str, login: Any
) -> None:
    everybody = login(database, *access.ROLES)
    for role in ("writer", "projector", "reader"):
        with connect(everybody.conninfo, role=role) as connection:
            row = connection.execute("SELECT current_user, session_user").fetchone()
            assert row == (f"seat_ledger_{role}", everybody.name)
    everybody.run(*OPEN, *TERMS, *CYCLE)
    assert everybody.run("account", "list")["rows"][0]["account"] == "acme"


def test_a_login_that_may_not_make_roles_goes_on_with_a_sentence(
    empty_database: str, server: str, login: Any
) -> None:
    """Roles of other databases of the server are there; this login is in none."""
    alone = login(empty_database)
    with psycopg.connect(server, autocommit=True) as connection:
        name = empty_database.rpartition("dbname=")[2]
        connection.execute(f"ALTER DATABASE {name} OWNER TO {alone.name}")
    schema.migrate(alone.conninfo)
    installation.install(alone.conninfo)
    with connect(alone.conninfo, autocommit=True) as connection:
        result = access.grant(connection)
        assert (result.granted, len(result.unavailable)) == (False, 1)
        assert "CREATEROLE" in result.unavailable[0]
    alone.run(*OPEN, *TERMS, *CYCLE)
    assert alone.run("account", "list")["rows"][0]["account"] == "acme"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.both_versions
@pytest.mark.parametrize("attribute", ["LOGIN", "CREATEDB", "BYPASSRLS"])
def test_a_role_of_our_name_that_can_do_more_gets_no_rights(
    database: str, attribute: str
) -> None:
    """Roles are the whole server's: somebody else may have made one of that name."""
    with psycopg.connect(database) as connection:
        connection.execute(f"ALTER ROLE seat_ledger_reader {attribute}".encode())
        with pytest.raises(psycopg.Error, match="seat_ledger_reader is not Seat"):
            access.grant(connection)
        connection.rollback()
        assert access.grant(connection).granted


def test_a_login_that_is_a_member_of_the_roles_migrates(
    empty_database: str, server: str, login: Any
) -> None:
    """As on a server of somebody else's, where nobody of ours is a superuser."""
    owner = login(empty_database, *access.ROLES)
    name = empty_database.rpartition("dbname=")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} OWNER TO {owner.name}")
    schema.migrate(owner.conninfo)
    installation.install(owner.conninfo)
    run_as(empty_database, "writer", NEW)
    with pytest.raises(DENIED):
        run_as(empty_database, "writer", f"DELETE FROM {EVENTS}")
    owner.run(*OPEN, *TERMS, *CYCLE)
    assert owner.run("account", "list")["rows"][0]["account"] == "acme"
    with psycopg.connect(empty_database) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'ledger'::regnamespace "
            "AND relkind = 'r' AND relowner <> 'seat_ledger_owner'::regrole"
        ).fetchone()
        assert row == (0,)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_owner_of_the_write_side_alone_migrates_it(
    database: str, login: Any
) -> None:
    owner = login(database, "owner")
    done = owner.run("db", "migrate")
    assert any("seat_ledger_projector" in item for item in done["lacking"])
