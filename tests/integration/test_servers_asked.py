"""What a server is, is asked: its version, what it allows, and who else is there."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from seat_ledger.projections.engine.locks import APPEND_LOCK
from seat_ledger.store import schema, session
from seat_ledger.store.embedded import server_user
from seat_ledger.store.session import LIMITS
from tests.in_process import Program
from tests.program import ANN, BUY, GIVE, OPEN
from tests.support.places import folder_for_servers
from tests.support.waiting import drop_login, wait_until

pytestmark = pytest.mark.both_versions


def fetch(conninfo: str, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(question.encode()).fetchall()


def drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        drop_login(connection, name)


def run(conninfo: str, *statements: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def doctor(program: Program) -> dict[str, dict[str, Any]]:
    """The rows of doctor, by check."""
    rows = json.loads(program.run("doctor", "--format", "json").out)["rows"]
    return {row["check"]: row for row in rows}


@pytest.fixture
def maker(server: str, empty_database: str) -> Iterator[str]:
    """A login that may make roles and owns the database, and no superuser."""
    name = f"maker_{uuid.uuid4().hex[:8]}"
    database = empty_database.rpartition("dbname=")[2]
    run(
        server,
        f"CREATE ROLE {name} LOGIN CREATEROLE",
        f"ALTER DATABASE {database} OWNER TO {name}",
    )
    roles = fetch(server, "SELECT rolname FROM pg_roles WHERE rolname ~ '^seat_led'")
    for (role,) in roles:
        if role != "seat_ledger":
            run(server, f"GRANT {role} TO {name} WITH ADMIN OPTION")
    if int(str(fetch(server, "SHOW server_version_num")[0][0])) >= 160000:
        for (role,) in roles:
            if role != "seat_ledger":
                run(server, f"GRANT {role} TO {name} WITH SET FALSE, INHERIT FALSE")
    yield make_conninfo(empty_database, user=name)
    run(server, f"ALTER DATABASE {database} OWNER TO seat_ledger")
    run(empty_database, f"REASSIGN OWNED BY {name} TO seat_ledger")
    run(empty_database, f"DROP OWNED BY {name} CASCADE")
    run(server, f"DROP OWNED BY {name} CASCADE")
    drop(server, name)


def test_who_may_make_roles_and_is_no_superuser_migrates_with_roles(
    maker: str, tmp_path: Path
) -> None:
    message: list[str] = []
    schema.migrate(maker, report=message.append)
    assert not any("may not create the ledger's roles" in item for item in message), (
        message
    )
    owners = fetch(
        maker,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class "
        "WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r'",
    )
    assert owners == [("seat_ledger_owner",)]
    program = Program(maker, tmp_path)
    assert program.run("db", "migrate").status == 0
    program.record(OPEN, BUY, ANN, GIVE)


def test_what_a_login_could_not_grant_is_reported(
    server: str, empty_database: str
) -> None:
    name = f"plain_{uuid.uuid4().hex[:8]}"
    database = empty_database.rpartition("dbname=")[2]
    run(
        server,
        f"CREATE ROLE {name} LOGIN",
        f"GRANT CREATE ON DATABASE {database} TO {name}",
    )
    done = Program(make_conninfo(empty_database, user=name), Path("/tmp"))
    message = done.json("db", "migrate")
    assert "may not create the ledger's roles" in message["lacking"][0]
    run(empty_database, f"DROP OWNED BY {name} CASCADE")
    drop(server, name)


def test_who_has_no_role_may_not_connect_to_a_database_of_the_ledgers_alone(
    server: str, empty_database: str
) -> None:
    name = f"nobody_{uuid.uuid4().hex[:8]}"
    run(server, f"CREATE ROLE {name} LOGIN")
    stranger = make_conninfo(empty_database, user=name)
    run(empty_database, "CREATE TABLE theirs (n integer)")
    schema.migrate(empty_database)
    assert fetch(stranger, "SELECT 1") == [(1,)]
    run(empty_database, "DROP TABLE theirs")
    schema.migrate(empty_database)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        fetch(stranger, "SELECT 1")
    run(server, f"GRANT seat_ledger_reader TO {name}")
    assert fetch(stranger, "SELECT 1") == [(1,)]
    drop(server, name)


def test_a_publication_of_all_tables_stops_nothing(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record(OPEN, BUY, ANN, GIVE)
    program.json("seat", "list", "-a", "acme")
    run(database, "CREATE PUBLICATION everything FOR ALL TABLES")
    program.record({**ANN, "user": "bob", "email": "bob@acme.example"})
    assert len(program.json("user", "list", "-a", "acme")["rows"]) == 2
    assert program.json("projection", "rebuild")["switched"]
    erase = ("user", "erase", "bob", "-a", "acme", "--yes", "--reason", "asked to")
    assert program.run(*erase).status == 0
    assert program.json("projection", "verify")["complete"]
    message = doctor(program)["publications"]
    assert not message["ok"]
    assert "everything sends ledger.person_key" in message["found"]


def test_tables_of_before_are_let_published_by_migrating(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record(OPEN)
    tables = fetch(
        database,
        "SELECT oid::regclass::text FROM pg_class WHERE relreplident = 'f'",
    )
    run(
        database,
        *(f"ALTER TABLE {item} REPLICA IDENTITY DEFAULT" for (item,) in tables),
    )
    run(database, "CREATE PUBLICATION everything FOR ALL TABLES")
    assert "db migrate" in doctor(program)["publications"]["try"]
    assert program.run("db", "migrate").status == 0
    program.record(BUY, ANN, GIVE)
    assert program.json("seat", "list", "-a", "acme")["rows"]


def test_what_can_only_be_read_says_so_and_answers_what_it_knows(
    server: str, database: str, tmp_path: Path
) -> None:
    program, name = Program(database, tmp_path), database.rpartition("dbname=")[2]
    program.record(OPEN, BUY, ANN, GIVE)
    program.json("seat", "list", "-a", "acme")
    program.record({**ANN, "user": "bob", "email": "bob@acme.example"})
    run(server, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({**BUY, "quantity": 7}))
    for words in (
        ("seat", "buy", "sales/starter", "1", "-a", "acme"),
        ("import", file),
        ("projection", "run"),
        ("projection", "rebuild"),
        ("integrity", "seal"),
        ("db", "migrate"),
    ):
        done = program.run(*words)
        assert done.status == 1, (words, done.err)
        assert "only be read" in done.err, words
        assert "seat_ledger_projector" not in done.err, words
    users = program.run("user", "list", "-a", "acme")
    assert users.status == 0
    assert "not the latest" in users.out
    assert "bob" not in users.out
    message = program.json("user", "list", "-a", "acme")
    assert message["store_head"] > message["known_at"]["position"]
    assert "read only" in doctor(program)["server"]["found"]
    run(server, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert "(now)" in program.run("user", "list", "-a", "acme").out


@pytest.mark.parametrize("lock", [7365617431, 7365617432])
def test_who_holds_a_lock_is_named(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: int
) -> None:
    monkeypatch.setitem(LIMITS, "lock_timeout", "200ms")
    program = Program(database, tmp_path)
    program.record(OPEN, BUY)
    with psycopg.connect(
        database, application_name="a forgotten one", autocommit=True
    ) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [lock])
        pid = holder.info.backend_pid
        words = ("seat", "list", "-a", "acme")
        if lock == APPEND_LOCK:
            words = ("seat", "buy", "sales/starter", "1", "-a", "acme")
        done = program.run(*words)
        assert done.status == 1
        assert f"a forgotten one, server process {pid}, since 20" in done.err
        assert f"pg_terminate_backend({pid})" in done.err
    assert program.run(*words).status == 0


@pytest.mark.parametrize(
    "table", ["ledger.stored_events", "ledger.digest_key", "projection.generation"]
)
def test_who_locks_a_table_is_named(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setitem(LIMITS, "lock_timeout", "200ms")
    program = Program(database, tmp_path)
    program.record(OPEN)
    with psycopg.connect(database, application_name="an admin") as holder:
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        buying = program.run("seat", "buy", "sales/starter", "1", "-a", "acme")
        asking = program.run("seat", "list", "-a", "acme")
        for done in (buying, asking):
            if done.status:
                assert "an admin, server process" in done.err
        assert buying.status or asking.status


POOLER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


@pytest.mark.skipif(not Path(POOLER).exists(), reason="no pgbouncer is here")
@pytest.mark.parametrize(("mode", "status"), [("transaction", 1), ("session", 0)])
def test_a_pooler_that_lends_server_processes_by_transactions_is_refused(
    database: str, tmp_path: Path, mode: str, status: int
) -> None:
    """Through one by sessions, everything is as without."""
    Program(database, tmp_path).record(OPEN, BUY)
    with pooler(database, mode) as address:
        done = Program(address, tmp_path).run("account", "list")
        assert done.status == status, done.err
        if status:
            assert "pooler" in done.err
            assert "session mode" in done.err


@pytest.mark.skipif(not Path(POOLER).exists(), reason="no pgbouncer is here")
def test_a_pool_of_few_sessions_is_enough_or_the_wait_ends_in_a_sentence(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_own_sessions", {})
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path))
    Program(database, tmp_path).record(OPEN, BUY)
    erase = ("user", "erase", "ann", "-a", "acme", "--reason", "x", "--yes")
    with pooler(database, "session", size=3) as address:
        Program(address, tmp_path).record(ANN)
        assert Program(address, tmp_path).run(*erase).status == 0
    monkeypatch.setattr(session, "_own_sessions", {})
    monkeypatch.setattr(session, "LONGEST_SILENCE", 0.5)
    with pooler(database, "session", size=1) as address:
        done = Program(address, tmp_path).run("account", "list")
        assert (done.status, "no session left" in done.err) == (10, True)


@contextmanager
def pooler(database: str, mode: str, *, size: int = 20) -> Iterator[str]:
    named = conninfo_to_dict(database)
    folder = folder_for_servers("slp-")
    folder.chmod(0o755)
    (folder / "users.txt").write_text('"seat_ledger" ""\n')
    (folder / "pooler.ini").write_text(
        f"[databases]\n* = host={named['host']} port={named['port']}\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nauth_type = trust\n"
        f"unix_socket_dir = {folder}\npool_mode = {mode}\nmax_client_conn = 20\n"
        f"default_pool_size = {size}\n"
        f"auth_file = {folder}/users.txt\n"
    )
    user = server_user()
    whom = {} if user is None else {"user": user.uid, "group": user.gid}
    if user is not None:
        shutil.chown(folder, user.uid, user.gid)
    process = subprocess.Popen(
        [POOLER, "-q", folder / "pooler.ini"],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **whom,
    )
    try:
        wait_until(
            lambda: (folder / ".s.PGSQL.6432").exists() or process.poll() is not None
        )
        assert process.poll() is None
        yield make_conninfo(database, host=str(folder), port=6432)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_command_that_records_opens_two_connections(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(database, tmp_path)
    program.record(OPEN)
    connect, opened = session.LedgerConnection.connect, []

    def counted(*words: Any, **options: Any) -> session.LedgerConnection:
        connection = connect(*words, **options)
        opened.append(connection)
        return connection

    monkeypatch.setattr(session.LedgerConnection, "connect", counted)
    bought = program.run("seat", "buy", BUY["seat_type"], 3, "--account", "acme")
    assert "Recorded 3 events" in bought.out
    assert len(opened) == 2
