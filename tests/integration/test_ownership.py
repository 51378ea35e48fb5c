"""What is not ours is neither used, owned, stopped nor removed, whatever its name."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from seat_ledger.store import marks, ownership
from seat_ledger.store.embedded import EmbeddedServer, EmbeddedServerError, server_user
from seat_ledger.store.embedded.binaries import usable_binaries
from tests.conftest import VERSIONS
from tests.program import Program
from tests.support.places import folder_for_servers


@pytest.fixture
def folder() -> Iterator[Path]:
    result = folder_for_servers("slo-")
    result.chmod(0o755)
    yield result
    shutil.rmtree(result, ignore_errors=True)


def as_server(*words: str | Path) -> None:
    user = server_user()
    whom = {} if user is None else {"user": user.uid, "group": user.gid}
    subprocess.run(
        [str(word) for word in words],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "HOME": "/"},
        **whom,
    )


@pytest.fixture
def elsewhere(folder: Path) -> Iterator[Path]:
    """A home above the data folder of somebody else's server, which runs."""
    home = folder / "app"
    sockets = folder / "sockets"
    for item in (home, sockets):
        item.mkdir()
        if (user := server_user()) is not None:
            shutil.chown(item, user.uid, user.gid)
    copies, data = folder / "copies", home / "data"
    copies.mkdir(mode=0o755)
    binaries = usable_binaries(VERSIONS["pg18"], server_user(), copies)
    as_server(binaries / "initdb", "-D", data, "--auth=trust", "-U", "someone")
    options = f"-c listen_addresses= -c unix_socket_directories={sockets}"
    as_server(binaries / "pg_ctl", "start", "-w", "-D", data, "-o", options)
    yield home
    as_server(binaries / "pg_ctl", "stop", "-w", "-m", "fast", "-D", data)


COMMANDS = (
    ("account", "list"),
    ("db", "start"),
    ("db", "status"),
    ("db", "migrate"),
    ("db", "stop"),
    ("db", "destroy", "--yes"),
    ("doctor",),
)


def test_another_servers_data_folder_is_not_used_stopped_or_removed(
    elsewhere: Path,
) -> None:
    program = Program("")
    del program.environment["SEAT_LEDGER_DATABASE_URL"]
    program.environment["SEAT_LEDGER_HOME"] = str(elsewhere)
    before = (elsewhere / "data" / "postmaster.pid").read_text()
    for words in COMMANDS:
        done = program.run(*words)
        assert done.returncode in {3, 10}, words
        assert "not created by Seat Ledger" in done.stderr + done.stdout, words
    assert (elsewhere / "data" / "postmaster.pid").read_text() == before
    assert {file.name for file in elsewhere.iterdir()} <= {"data", "lock"}


@pytest.mark.parametrize("name", ["data", "data.partial", "binaries"])
def test_a_folder_of_the_same_name_is_not_removed(folder: Path, name: str) -> None:
    theirs = folder / "home" / name
    theirs.mkdir(parents=True)
    (theirs / "report.txt").write_text("of somebody else")
    server = EmbeddedServer(folder / "home")
    with suppress(EmbeddedServerError):
        server.destroy()
    if name != "binaries":
        with pytest.raises(EmbeddedServerError, match="not created by"):
            server.ensure_running()
    assert (theirs / "report.txt").read_text() == "of somebody else"


def test_a_data_folder_of_before_there_were_marks_is_known(folder: Path) -> None:
    server = EmbeddedServer(folder / "home", binaries=VERSIONS["pg18"])
    try:
        server.ensure_running()
        server.stop()
        (server.data / marks.MARK).unlink()
        server.ensure_running()
        assert server.stop()
    finally:
        server.destroy()
    assert not server.data.exists()


FOREIGN = {
    "ledger": "CREATE SCHEMA ledger; CREATE TABLE ledger.book (n integer)",
    "projection": "CREATE SCHEMA projection; CREATE TABLE projection.slide (n integer)",
    "projection_own": "CREATE SCHEMA projection_own; "
    "CREATE TABLE projection_own.slide (n integer)",
}
EVERYTHING = """
SELECT space.nspname, space.nspowner, space.nspacl::text, class.relname,
       class.relowner, class.relacl::text
  FROM pg_namespace AS space
  LEFT JOIN pg_class AS class ON class.relnamespace = space.oid
 WHERE space.nspname !~ '^pg_' AND space.nspname <> 'information_schema'
 ORDER BY 1, 4
"""


@pytest.mark.both_versions
@pytest.mark.parametrize("name", list(FOREIGN))
def test_another_applications_schema_is_refused_by_name_and_left(
    empty_database: str, name: str
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(FOREIGN[name].encode())
        connection.execute("CREATE SCHEMA report")
        table = FOREIGN[name].rpartition("TABLE ")[2].split()[0]
        connection.execute(f"CREATE VIEW report.all AS SELECT * FROM {table}".encode())
        before = connection.execute(EVERYTHING.encode()).fetchall()
        program = Program(empty_database)
        for words in (("db", "migrate"), ("account", "list"), ("db", "migrate")):
            done = program.run(*words)
            assert done.returncode == 12, done.stderr
        assert f"'{name}' that is not Seat Ledger's" in done.stderr
        assert table.split(".")[1] in done.stderr
        assert connection.execute(EVERYTHING.encode()).fetchall() == before


@pytest.mark.both_versions
def test_schemas_that_look_like_generations_are_left_alone(
    empty_database: str,
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for number in (1, 2):
            connection.execute(f"CREATE SCHEMA projection_{number}".encode())
            connection.execute(f"CREATE TABLE projection_{number}.n (n int)".encode())
        before = connection.execute(EVERYTHING.encode()).fetchall()
        program = Program(empty_database)
        assert program.run("db", "migrate").returncode == 0
        assert program.run("db", "migrate").returncode == 0
        assert program.run("projection", "rebuild").returncode == 0
        assert program.run("projection", "rebuild").returncode == 0
        after = connection.execute(EVERYTHING.encode()).fetchall()
    assert set(before) <= set(after)


def test_a_view_of_somebody_elses_over_a_generation_survives_rebuilds(
    database: str,
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute("SELECT number FROM projection.generation").fetchone()
        assert row is not None
        connection.execute("CREATE SCHEMA report")
        seat = f"projection_{row[0]}.seat"
        connection.execute(f"CREATE VIEW report.seats AS TABLE {seat}".encode())
        program = Program(database)
        for _ in range(3):
            assert program.run("projection", "rebuild").returncode == 0
        assert connection.execute("SELECT * FROM report.seats").fetchall() == []
    assert "report.seats" in program.run("doctor", "--format", "json").stdout


@pytest.mark.both_versions
def test_a_ledger_of_before_there_were_marks_is_known(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        names = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(ledger|projection)'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f"COMMENT ON SCHEMA {name} IS NULL".encode())
        assert {space for (space,) in names} == {*ownership.ours(connection)}
        connection.execute("CREATE TABLE ledger.theirs (n integer)")
        done = Program(database).run("db", "migrate")
        assert done.returncode == 12
        assert "table theirs" in done.stderr
        connection.execute("DROP TABLE ledger.theirs")
        assert Program(database).run("db", "migrate").returncode == 0
