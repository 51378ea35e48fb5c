"""Real PostgreSQL servers, one of each version, and a fresh database for each test.

Each worker has servers of its own: logins, roles and settings belong to the server, so
those of a test are seen by no other that runs meanwhile. The process that started the
tests stops them.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from seat_ledger.commands.service import CommandService
from seat_ledger.projections.engine import installation
from seat_ledger.store import schema
from seat_ledger.store.embedded import EmbeddedServer, binaries_at_hand
from tests.support.places import folder_for_servers
from tests.support.waiting import wait_until

FIFTEEN = Path("/usr/lib/postgresql/15/bin")
TEMPLATE = "ledger_template"
PROJECTOR = "seat_ledger_projector"
SETTINGS = (
    "fsync = off",
    "full_page_writes = off",
    "synchronous_commit = off",
    "max_wal_size = '512MB'",
    "shared_buffers = '128MB'",
)


def versions() -> dict[str, Path]:
    """The servers that are there: the embedded one, and the distribution's 15."""
    result = {"pg18": next(binaries_at_hand())}
    if (FIFTEEN / "postgres").exists():
        result["pg15"] = FIFTEEN
    return result


VERSIONS = versions()


def newest_and_long() -> list[Any]:
    """The newest server, and the others with -m long: for servers of a test's own."""
    newest, *others = VERSIONS
    return [newest, *(pytest.param(name, marks=pytest.mark.long) for name in others)]


settings.register_profile(  # a machine may have much to do
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("here")


def pytest_configure(config: pytest.Config) -> None:
    # Whoever starts the tests in the background may ignore these, and with them every
    # program that the tests start and end by a signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not hasattr(config, "workerinput"):
        home = folder_for_servers("slt-")
        home.chmod(0o755)
        os.environ["SEAT_LEDGER_TEST_HOME"] = f"{home}"


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    home = Path(os.environ["SEAT_LEDGER_TEST_HOME"])
    for version, binaries in VERSIONS.items():
        for folder in home.glob(f"*-{version}"):
            EmbeddedServer(folder, binaries=binaries).destroy()
    shutil.rmtree(home, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"PostgreSQL: {', '.join(VERSIONS)}")


def pytest_make_parametrize_id(val: object) -> str | None:
    """No bytes in a name: what is compressed differs from process to process."""
    return "bytes" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.path.parent.name != "property")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_versions")
        chosen = list(VERSIONS) if both else ["pg18"]
        metafunc.parametrize("server", chosen, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> str:
    """The connection string of a server's maintenance database."""
    return _serving(getattr(request, "param", "pg18"))


@functools.cache
def _serving(version: str) -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    home = Path(os.environ["SEAT_LEDGER_TEST_HOME"]) / f"{worker}-{version}"
    result = EmbeddedServer(home, binaries=VERSIONS[version])
    result.ensure_running()
    conninfo = f"host={result.socket_dir} port=5432 user=seat_ledger dbname=postgres"
    _set_for_tests(conninfo)
    result.stop()
    result.ensure_running()
    _make_template(conninfo)
    return conninfo


def _set_for_tests(conninfo: str) -> None:
    """Nothing here outlives the machine; and whoever drops a database looks through
    all the buffers.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for setting in SETTINGS:
            connection.execute(f"ALTER SYSTEM SET {setting}")


def _make_template(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        template = conninfo.replace("dbname=postgres", f"dbname={TEMPLATE}")
        schema.migrate(template)
        installation.install(template)
        connection.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")


@pytest.fixture
def empty_database(server: str) -> Iterator[str]:
    """A fresh database without a schema."""
    yield from _database(server, "template0")


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """A fresh, migrated database."""
    yield from _database(server, TEMPLATE)


@pytest.fixture
def other_database(server: str) -> Iterator[str]:
    """Another ledger on the same server."""
    yield from _database(server, TEMPLATE)


@pytest.fixture(scope="module")
def shared_database() -> Iterator[str]:
    """One migrated database for all the tests of a file."""
    yield from _database(_serving("pg18"), TEMPLATE)


@pytest.fixture(scope="module")
def second_database() -> Iterator[str]:
    """Another one, for the tests of a file that hold two against each other."""
    yield from _database(_serving("pg18"), TEMPLATE)


def _database(server: str, template: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:12]}"
    maintain(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    if template != "template0":  # rights on a database are not copied
        maintain(server, f"GRANT CREATE ON DATABASE {name} TO {PROJECTOR}")
    conninfo = server.replace("dbname=postgres", f"dbname={name}")
    if template == TEMPLATE:  # a copy is the same ledger, and each test has its own
        with psycopg.connect(conninfo) as connection:
            connection.execute(
                "UPDATE ledger.identity SET ledger_id = gen_random_uuid()"
            )
    yield conninfo
    _end_sessions(server, name)
    maintain(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = %s AND backend_type = 'client backend'"
)


def _end_sessions(server: str, name: str) -> None:
    """DROP DATABASE looks for the end of a session ten times a second only."""
    wait_until(lambda: not maintain(server, _SESSIONS, [name]).rowcount, every=0.001)


_maintaining: dict[str, psycopg.Connection[Any]] = {}


def maintain(
    server: str, statement: str, params: Sequence[object] | None = None
) -> psycopg.Cursor[Any]:
    """Execute on one connection to a server: a new one where a test has ended it."""
    if server in _maintaining:
        with suppress(psycopg.OperationalError):
            return _maintaining[server].execute(statement.encode(), params)
    _maintaining[server] = psycopg.connect(server, autocommit=True)
    return _maintaining[server].execute(statement.encode(), params)


@pytest.fixture
def ledger(database: str) -> Iterator[CommandService]:
    """The write side over a fresh database."""
    with CommandService(database) as opened:
        yield opened
