"""What a server is, is asked: its version, what it allows, and who else is there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from seat_ledger.store import schema
from tests.in_process import Program
from tests.program import ANN, BUY, GIVE, OPEN

pytestmark = pytest.mark.both_versions


def fetch(conninfo: str, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(question.encode()).fetchall()


def run(conninfo: str, *statements: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


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
    run(server, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def test_who_may_make_roles_and_is_no_superuser_migrates_with_roles(
    maker: str, tmp_path: Path
) -> None:
    told: list[str] = []
    schema.migrate(maker, tell=told.append)
    assert not any("may not make the roles" in one for one in told), told
    owners = fetch(
        maker,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class "
        "WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r'",
    )
    assert owners == [("seat_ledger_owner",)]
    program = Program(maker, tmp_path)
    assert program.run("db", "migrate").status == 0
    program.record(OPEN, BUY, ANN, GIVE)


def test_what_a_login_could_not_give_is_told(server: str, empty_database: str) -> None:
    name = f"plain_{uuid.uuid4().hex[:8]}"
    database = empty_database.rpartition("dbname=")[2]
    run(
        server,
        f"CREATE ROLE {name} LOGIN",
        f"GRANT CREATE ON DATABASE {database} TO {name}",
    )
    done = Program(make_conninfo(empty_database, user=name), Path("/tmp"))
    told = done.json("db", "migrate")
    assert "may not make the roles" in told["lacking"][0]
    run(empty_database, f"DROP OWNED BY {name} CASCADE")
    run(server, f"DROP ROLE {name}")


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
    run(server, f"DROP ROLE {name}")
