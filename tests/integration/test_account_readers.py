"""Readers of single accounts: what they see, and that they see nothing else.

Three accounts; the login may read two of them. What anybody else is allowed is what
it was: the real tables have no row-level security at all.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.projections.engine import generations, installation
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.engine.registry import PROJECTIONS
from seat_ledger.store import account_readers
from seat_ledger.store.connection import connect
from tests.integration.tables import PRO, catch_up, fill, poison
from tests.integration.test_roles import DENIED
from tests.program import Program, run_program
from tests.support.places import is_newest
from tests.support.waiting import drop_login

OWN, OTHER = ("acme", "bolt"), "other"
REFUSED = (
    DENIED,
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.WrongObjectType,
)
"""No right to it, or a view over a function, which takes neither rows nor policies."""
EVERY_VIEW = """
SELECT view.relname, 'security_invoker=true' = ANY (view.reloptions)
  FROM pg_class AS view
 WHERE view.relnamespace = %s::regnamespace AND view.relkind = 'v'
"""
FUNCTIONS = """
SELECT made.proname
  FROM pg_proc AS made
 WHERE made.pronamespace = %s::regnamespace
   AND made.proretset
   AND pg_get_function_identity_arguments(made.oid) = 'known_position bigint'
"""


@pytest.fixture
def login(database: str, server: str) -> Iterator[str]:
    """The connection string of a login that may read two of three accounts."""
    with CommandService(database) as ledger:
        fill(ledger, *OWN, OTHER)
    with connect(database, role="projector", autocommit=True) as connection:
        installation.catch_up(connection)
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
    for account in OWN:
        assert account_readers.let_read(database, name, account).is_new
    yield database.replace("user=seat_ledger", f"user={name}")
    with psycopg.connect(server, autocommit=True) as connection:
        drop_login(connection, name)


def served(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        return generations.served(connection).number


def ask(conninfo: str, statement: str, *fields: Any) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(statement, fields or None).fetchall()


def names(conninfo: str, kind: str, schema: str) -> list[str]:
    return [row[0] for row in ask(conninfo, kind, schema)]


@pytest.mark.both_versions
def test_it_sees_its_accounts_in_every_view_table_and_function(
    database: str, login: str
) -> None:
    for account in (*OWN, OTHER):  # so that every view has rows of each
        poison(database, "SeatPurchased", b'{"v":1,', account=account)
    catch_up(database)
    again = rebuild(database)
    assert again.error is None
    number = served(database)
    own, real = f"projection_{number}_own", f"projection_{number}"
    views = dict(ask(database, EVERY_VIEW, "projection_own"))
    assert set(views) == set(dict(ask(database, EVERY_VIEW, "projection")))
    assert all(views.values())
    for view in views.keys() - {"seat_type"}:  # the catalogue is of no account
        rows = f"SELECT account FROM projection_own.{view}"
        assert {row[0] for row in ask(login, rows)} == set(OWN), view
        every = f"SELECT count(*) FROM projection.{view} WHERE account = ANY (%s)"
        (expected,) = ask(database, every, list(OWN))
        (seen,) = ask(login, f"SELECT count(*) FROM projection_own.{view}")
        assert seen == expected
    mine = "SELECT account_no FROM projection_{}.account WHERE account_key = ANY (%s)"
    numbers = {row[0] for row in ask(database, mine.format(number), list(OWN))}
    tables = [projection.name for projection in PROJECTIONS] + ["set_aside"]
    tables.remove("seat_type")
    functions = [f"{item}(1000000)" for item in names(database, FUNCTIONS, own)]
    assert len(functions) >= 8
    for item in [*tables, *functions]:
        rows = f"SELECT DISTINCT account_no FROM {own}.{item}"
        assert {row[0] for row in ask(login, rows)} <= numbers, item
        (seen,) = ask(login, f"SELECT count(*) FROM {own}.{item}")
        every = f"SELECT count(*) FROM {real}.{item} WHERE account_no = ANY (%s)"
        assert [seen] == ask(database, every, list(numbers)), item


@pytest.mark.both_versions
def test_it_sees_nothing_else(database: str, login: str) -> None:
    number = served(database)
    denied = [
        *(f"SELECT * FROM projection_{number}.{item.name}" for item in PROJECTIONS),
        *(
            f"SELECT * FROM projection.{view}"
            for view, _ in ask(database, EVERY_VIEW, "projection")
        ),
        *(
            f"SELECT * FROM projection_{number}.{item}(1000000)"
            for item in names(database, FUNCTIONS, f"projection_{number}")
        ),
        *(
            f"SELECT * FROM ledger.{table}"
            for (table,) in ask(
                database,
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace "
                "= 'ledger'::regnamespace AND relname <> 'schema_migration'",
            )
        ),
        "SELECT ledger.next_recorded_at()",
        "SELECT last_value FROM ledger.stored_events_notification_id_seq",
        "SELECT nextval('ledger.stored_events_notification_id_seq')",
        "SELECT moved_at, failed_reason FROM projection.generation",
        "SELECT * FROM projection.rebuild",
        "INSERT INTO ledger.account_reader SELECT session_user, account_id "
        f"FROM projection_{number}_own.account",
        "DELETE FROM ledger.account_reader",
        f"INSERT INTO projection_{number}_own.account SELECT * "
        f"FROM projection_{number}_own.account",
        f"DELETE FROM projection_{number}_own.journal",
        f"TRUNCATE projection_{number}_own.journal",
        f"ALTER TABLE projection_{number}_own.journal DISABLE ROW LEVEL SECURITY",
        f"CREATE POLICY mine ON projection_{number}_own.journal USING (true)",
        "SET ROLE seat_ledger_reader",
        "SET ROLE seat_ledger_projector",
        "CREATE SCHEMA mine",
    ]
    let_through = []
    for statement in denied:
        try:
            ask(login, statement)
        except REFUSED:
            continue
        let_through.append(statement)
    assert let_through == []
    keys = f"SELECT account_key FROM projection_{number}_own.account"
    with psycopg.connect(login) as connection:
        connection.execute("SET row_security = off")
        assert {row[0] for row in connection.execute(keys).fetchall()} == set(OWN)
    for table in ("ledger.account_reader", "pg_catalog.pg_statistic"):
        with pytest.raises(DENIED):
            ask(login, f"SELECT count(*) FROM {table}")


@pytest.mark.both_versions
def test_no_function_of_its_own_sees_what_is_hidden(database: str, login: str) -> None:
    """A cheap function that tells what it is given sees no row of another account."""
    number = served(database)
    message = []
    with psycopg.connect(login, autocommit=True) as connection:
        connection.add_notice_handler(lambda text: message.append(text.message_primary))
        connection.execute(
            "CREATE FUNCTION pg_temp.peek(anyelement) RETURNS boolean "
            "LANGUAGE plpgsql COST 0.0000001 AS "
            "$$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
        )
        for where in (
            f"projection_{number}_own.account WHERE pg_temp.peek(account_key)",
            "projection_own.journal WHERE pg_temp.peek(account)",
            "projection_own.user_directory WHERE pg_temp.peek(account) "
            "AND pg_temp.peek(user_id)",
            f"projection_{number}_own.entry_at(1000) WHERE pg_temp.peek(account_no)",
            f"projection_{number}_own.journal AS one JOIN "
            f"projection_{number}_own.journal AS two USING (position) "
            "WHERE pg_temp.peek(one.account_no) OR pg_temp.peek(two.details)",
        ):
            connection.execute(f"SELECT 1 FROM {where}")
            connection.execute(f"SELECT 1 / (count(*) + 1) FROM {where}")
        statistics = connection.execute(
            "SELECT count(*) FROM pg_stats WHERE schemaname LIKE 'projection%'"
        ).fetchone()
        assert statistics == (0,)
        number_of = f"SELECT account_no FROM projection_{number}.account "
        number_of += "WHERE account_key = %s"
        (hidden,) = ask(database, number_of, OTHER)[0]
        ids = "SELECT user_id FROM projection.user_directory WHERE account = %s"
        secret = {
            OTHER,
            str(hidden),
            *(str(item[0]) for item in ask(database, ids, OTHER)),
        }
    assert len(message) > 20
    assert secret & set(message) == set()


def test_nobody_elses_tables_know_of_it(database: str) -> None:
    """The planner goes by policies and parents where there are some: there are none."""
    number = served(database)
    guarded = "SELECT count(*) FILTER (WHERE relrowsecurity), count(*) FROM pg_class "
    guarded += "WHERE relkind = %s AND relnamespace = %s::regnamespace"
    many = len(PROJECTIONS) + 1  # and the accounts set aside
    assert ask(database, guarded, "r", f"projection_{number}") == [(0, many)]
    assert ask(database, guarded, "r", f"projection_{number}_own") == [(0, 0)]
    assert ask(database, guarded, "v", f"projection_{number}_own") == [(0, many)]
    assert ask(database, "SELECT count(*) FROM pg_inherits") == [(0,)]


RELATIONS = """
SELECT space.nspname, made.relname, its.attname, its.atttypid::regtype::text
  FROM pg_class AS made
  JOIN pg_namespace AS space ON space.oid = made.relnamespace
  JOIN pg_attribute AS its ON its.attrelid = made.oid
 WHERE (space.nspname = 'ledger' OR space.nspname LIKE 'projection%%')
   AND made.relkind IN ('r', 'v', 'm', 'p')
   AND its.attnum > 0
   AND NOT its.attisdropped
   AND has_schema_privilege(space.oid, 'USAGE')
   AND has_column_privilege(made.oid, its.attnum, 'SELECT')
 ORDER BY 1, 2, its.attnum
"""
CALLED = """
SELECT space.nspname || '.' || made.proname
       || CASE made.pronargs WHEN 0 THEN '()' ELSE '(1000000)' END
  FROM pg_proc AS made
  JOIN pg_namespace AS space ON space.oid = made.pronamespace
 WHERE space.nspname LIKE 'projection%_own'
   AND made.proretset
   AND has_function_privilege(made.oid, 'EXECUTE')
"""
PLANNERS = (
    "",
    "SET enable_seqscan = off",
    "SET enable_indexscan = off; SET enable_bitmapscan = off",
    "SET enable_hashjoin = off; SET enable_mergejoin = off",
)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def plan_of(connection: Any, statement: str, *fields: Any) -> list[dict[str, Any]]:
    explain = f"EXPLAIN (ANALYZE, VERBOSE, BUFFERS, FORMAT JSON) {statement}"
    row = connection.execute(explain, fields or None).fetchone()
    return list(nodes(row[0][0]["Plan"]))


@pytest.mark.both_versions
@pytest.mark.parametrize("people", [1, pytest.param(4, marks=pytest.mark.long)])
def test_no_plan_tells_of_rows_that_it_does_not_see(
    database: str, login: str, people: int
) -> None:
    """What a plan counts and estimates is the same whatever others hold."""
    others = [
        {"user": f"zoe{n}", "email": f"zoe{n}@other.example", "name": f"Zoe {n}"}
        for n in range(people)
    ]
    with CommandService(database) as ledger:
        for item in others:
            ledger.add_user(OTHER, **item)
    assert run(database, "user", "list", "-a", OTHER).returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ANALYZE")
    guesses = {OTHER} | {value for item in others for value in item.values()}
    for planner in PLANNERS if people > 1 or is_newest(database) else PLANNERS[:1]:
        with psycopg.connect(login, autocommit=True) as connection:
            connection.execute(planner)
            columns = connection.execute(RELATIONS).fetchall()
            functions = [row[0] for row in connection.execute(CALLED).fetchall()]
            assert len({row[:2] for row in columns}) > 20
            assert len(functions) > 15
            for schema, table, column, _ in columns:
                wrong = guessed(connection, f"{schema}.{table}", column, guesses)
                assert wrong == [], (planner, schema, table, column, wrong)
            for function in functions:
                assert reads(plan_of(connection, f"SELECT * FROM {function}")) == set()


def guessed(connection: Any, table: str, column: str, guesses: set[str]) -> list[Any]:
    """Guesses of others' values that a plan tells from a value that nobody has."""
    statement = f"SELECT 1 FROM {table} WHERE {column}::text = %s"
    nobody = reported_by(plan_of(connection, statement, "nobody has this"))
    return [
        (guess, result)
        for guess in sorted(guesses)
        if (result := reported_by(plan_of(connection, statement, guess))) != nobody
    ]


_COUNTED = re.compile("Rows|Loops|Node Type|Heap Fetches|Workers|Batches")


def reported_by(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the nodes of a plan count and estimate."""
    return [
        {name: value for name, value in node.items() if _COUNTED.search(name)}
        for node in plan
    ]


def reads(plan: list[dict[str, Any]]) -> set[str]:
    """The tables that a plan reads, but for the catalog."""
    return {
        f"{node['Schema']}.{node['Relation Name']}"
        for node in plan
        if "Relation Name" in node and node["Schema"] != "pg_catalog"
    }


@pytest.mark.both_versions
def test_no_statistic_and_no_message_of_a_plan_reaches_it(
    database: str, login: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ANALYZE")
    messages: list[str] = []
    with psycopg.connect(login, autocommit=True) as connection:
        connection.add_notice_handler(lambda item: messages.append(str(item)))
        for view in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
            seen = (
                f"SELECT count(*) FROM {view} WHERE schemaname ~ '^(ledger|projection)'"
            )
            seen += " AND tablename NOT IN ('generation', 'schema_migration')"
            assert connection.execute(seen).fetchone() == (0,), view
        for setting in ("debug_print_plan", "debug_print_rewritten"):
            connection.execute(f"SET {setting} = on")
        connection.execute("SET client_min_messages = log")
        connection.execute("SELECT account FROM projection_own.user_directory")
        tables = "SELECT oid::text FROM pg_class WHERE relkind IN ('r', 'i') "
        tables += "AND relnamespace = %s::regnamespace"
        connection.execute("SET client_min_messages = warning")
        hidden = [
            row[0]
            for row in connection.execute(tables, [f"projection_{served(database)}"])
        ]
        relations = re.findall(r":relid (\d+)", " ".join(messages))
        assert set(relations) & set(hidden) == set()


def test_a_right_that_is_taken_back_ends_at_once(database: str, login: str) -> None:
    name = login.rpartition("user=")[2].split()[0]
    with psycopg.connect(login, autocommit=True) as connection:
        seen = "SELECT account FROM projection_own.account ORDER BY 1"
        assert connection.execute(seen).fetchall() == [("acme",), ("bolt",)]
        assert account_readers.stop_reading(database, name, "bolt")
        assert connection.execute(seen).fetchall() == [("acme",)]
        assert not account_readers.stop_reading(database, name, "bolt")
    left = account_readers.granted(database)
    assert [(item.login, item.account, item.works) for item in left] == [
        (name, "acme", True)
    ]


def run(conninfo: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = Program(conninfo).environment
    del environment["SEAT_LEDGER_HOME"]
    return run_program([*words, "--format", "json"], environment)


def test_reading_commands_answer_of_its_accounts_and_others_state_why_not(
    database: str, login: str
) -> None:
    for words in (
        ("account", "show", "acme"),
        ("account", "show", "acme", "--known-at", "3"),
        ("seat", "list", "-a", "acme"),
        ("seat", "who", f"{PRO}#1", "-a", "acme", "--as-of", "2025-04-01"),
        ("user", "history", "ann", "-a", "bolt"),
        ("event", "list", "-a", "acme"),
        ("billing", "counts", "-a", "acme", "--mode", "all"),
        ("billing", "counts", "-a", "acme", "--known-at", "2100-01-01T00:00:00Z"),
    ):
        mine, everybodys = run(login, *words), run(database, *words)
        assert mine.returncode == 0, mine.stderr
        theirs = json.loads(everybodys.stdout)["rows"]
        assert json.loads(mine.stdout)["rows"] == theirs
    keys = [
        row["account"]
        for row in json.loads(run(login, "account", "list").stdout)["rows"]
    ]
    assert keys == ["acme", "bolt"]
    result = json.loads(run(login, "user", "find", "ann").stdout)["rows"]
    assert {row["account"] for row in result} == set(OWN)
    every = json.loads(run(login, "event", "list").stdout)["rows"]
    assert {row["account"] for row in every} == set(OWN)
    doctor = json.loads(run(login, "doctor").stdout)["rows"]
    assert [row for row in doctor if not row["ok"]] == []
    assert "reader of single accounts" in str(doctor)
    for words, code in (
        (("account", "show", OTHER), "account_not_found"),
        (("seat", "list", "-a", OTHER), "account_not_found"),
        (("seat", "buy", PRO, "1", "-a", "acme"), "not_allowed"),
        (("projection", "status"), "not_allowed"),
        (("projection", "rebuild", "--results", os.devnull), "not_allowed"),
        (
            ("user", "erase", "ann", "-a", "acme", "--yes", "--reason", "x"),
            "not_allowed",
        ),
        (("account", "let-read", "me", "-a", OTHER), "ledger_error"),
    ):
        refused = run(login, *words)
        message = json.loads(refused.stderr.splitlines()[-1])
        assert (refused.returncode, message["code"]) == (1, code), (words, message)


def test_r74_it_learns_of_its_own_accounts_that_are_set_aside_and_of_no_other(
    database: str, login: str
) -> None:
    own = poison(database, "SeatPurchased", b'{"v":1,', account=OWN[0])
    hidden = poison(database, "SeatPurchased", b'{"v":1,', account=OTHER)
    with connect(database, role="projector", autocommit=True) as connection:
        installation.catch_up(connection)
        assert len(installation.aside(connection)) == 2
    seen = ask(login, "SELECT account, position FROM projection_own.set_aside")
    assert seen == [(OWN[0], own)]
    assert run(login, "seat", "list", "-a", OWN[1]).returncode == 0
    for words in (("seat", "list", "-a", OWN[0]), ("account", "list")):
        done = run(login, *words)
        assert done.returncode == 12, done.stderr
        message = json.loads(done.stdout)["set_aside"]
        assert [(item["account"], item["position"]) for item in message] == [
            (OWN[0], own)
        ]
        assert f"position {hidden}" not in done.stdout + done.stderr
        assert f'"{OTHER}"' not in done.stdout
