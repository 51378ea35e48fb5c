"""The embedded server: real processes, real folders, as root and as somebody else."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import Unavailable
from seat_ledger.store import schema
from seat_ledger.store.embedded import EmbeddedServer, EmbeddedServerError, binaries
from tests.conftest import VERSIONS
from tests.support.places import folder_for_servers
from tests.support.waiting import AT_MOST, wait_until

ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    result = folder_for_servers("sle-")
    result.chmod(0o755)
    yield result
    for version in VERSIONS:
        home = result / version
        if home.exists():
            EmbeddedServer(home, binaries=VERSIONS[version]).destroy()
    shutil.rmtree(result, ignore_errors=True)


def modes(path: Path) -> dict[Path, int]:
    return {parent: parent.stat().st_mode for parent in path.parents}


@pytest.mark.parametrize("version", list(VERSIONS))
def test_it_starts_answers_and_stops_and_opens_no_folder(
    folder: Path, version: str
) -> None:
    server = EmbeddedServer(folder / version, binaries=VERSIONS[version])
    before = modes(folder / version)
    url = server.ensure_running()
    assert modes(folder / version) == before
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
        assert row == ("",)
    assert server.status().running
    assert server.data.stat().st_mode & 0o077 == 0
    assert server.socket_dir.stat().st_mode & 0o077 == 0
    assert server.stop()
    assert not server.is_running()
    assert not server.stop()


def test_a_killed_server_is_started_again_with_what_it_had(folder: Path) -> None:
    server = EmbeddedServer(folder / "pg18")
    with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    os.kill(server.status().pid, signal.SIGKILL)
    wait_until(lambda: not server.is_running())
    with psycopg.connect(server.ensure_running()) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_server_whose_socket_folder_was_cleaned_away_is_started_anew(
    folder: Path,
) -> None:
    server = EmbeddedServer(folder / "pg18", binaries=VERSIONS["pg18"])
    server.ensure_running()
    first = server.status().pid
    shutil.rmtree(server.socket_dir)
    with psycopg.connect(server.ensure_running()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.status().pid != first


def test_a_server_whose_socket_folder_was_cleaned_away_is_stopped(
    folder: Path,
) -> None:
    server = EmbeddedServer(folder / "pg18", binaries=VERSIONS["pg18"])
    server.ensure_running()
    shutil.rmtree(server.socket_dir)
    assert server.stop()
    assert not (server.data / "postmaster.pid").exists()


def test_a_server_is_located_where_it_listens_from_another_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nightly job has no XDG_RUNTIME_DIR where the login shell has one."""
    server = EmbeddedServer(folder / "pg18", binaries=VERSIONS["pg18"])
    first = server.ensure_running()
    elsewhere = EmbeddedServer(folder / "pg18", binaries=VERSIONS["pg18"])
    monkeypatch.setattr(
        EmbeddedServer, "_next_socket_dir", lambda _: folder / "elsewhere"
    )
    assert elsewhere.ensure_running() == first
    assert elsewhere.is_running()


def test_a_stale_pid_file_with_a_number_in_use_does_not_hurt(folder: Path) -> None:
    server = EmbeddedServer(folder / "pg18")
    server.ensure_running()
    server.stop()
    pid_file = server.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.data}\n1\n5432\n\n\n0 0\n")
    assert server.ensure_running()


def test_two_starters_at_the_same_moment(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from seat_ledger.store.embedded import EmbeddedServer;"
        "print(EmbeddedServer(Path(sys.argv[1])).ensure_running())"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", code, folder / "pg18"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    urls = {starter.communicate(timeout=AT_MOST)[0] for starter in starters}
    assert len(urls) == 1
    assert [starter.returncode for starter in starters] == [0, 0, 0]


def test_a_server_that_is_stopping_is_waited_for_and_started_again(
    folder: Path,
) -> None:
    """Its socket still takes connections, and refuses each."""
    server = EmbeddedServer(folder / "pg18")
    with psycopg.connect(server.ensure_running()) as last:
        pid = server.status().pid
        os.kill(pid, signal.SIGTERM)  # ends once nobody is connected
        wait_until(lambda: not server.is_running())
        with ThreadPoolExecutor(1) as pool:
            url = pool.submit(server.ensure_running)
            with pytest.raises(TimeoutError):
                url.result(0.2)
            last.close()
            with psycopg.connect(url.result(AT_MOST)) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.status().pid != pid


@pytest.mark.parametrize("sign", ['"', "$", "`"])
def test_a_home_that_no_server_could_be_started_in_is_refused(
    folder: Path, sign: str
) -> None:
    server = EmbeddedServer(folder / f"a{sign}b")
    with pytest.raises(EmbeddedServerError, match="cannot be the home folder"):
        server.ensure_running()
    assert not server.home.exists()


def test_a_server_that_goes_away_between_two_commands(folder: Path) -> None:
    server = EmbeddedServer(folder / "pg18")
    url = server.ensure_running()
    schema.migrate(url)
    opening = {"name": "A", "time_zone": "UTC", "term_start": "2025-03-05"}
    with CommandService(url) as ledger:
        ledger.open_account("a", **opening, term_months=12, billing_cycle_months=1)
        buy = {"seat_type": "sales/starter", "quantity": 1}
        ledger.buy_seats("a", **buy)
        server.stop()
        pool = ledger.accounts.recorder.datastore.pool
        pool.timeout = 1  # seconds, not fifteen
        with pytest.raises(Unavailable):
            ledger.buy_seats("a", **buy)
        pool.timeout = AT_MOST
        server.ensure_running()
        assert ledger.buy_seats("a", **buy).events[0].event.number == 2


def test_a_home_with_a_long_name_has_a_short_socket(folder: Path) -> None:
    server = EmbeddedServer(folder / ("x" * 120) / "pg18")
    try:
        server.ensure_running()
        assert len(str(server.socket_dir)) < 90
    finally:
        server.destroy()


@pytest.mark.skipif(not ROOT, reason="only root runs the server as somebody else")
def test_a_closed_home_is_refused_and_stays_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match="cannot reach"):
        EmbeddedServer(closed / "home").ensure_running()
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not ROOT, reason="only root can mount")
def test_a_full_disk_is_reported_and_leaves_nothing_half_done(folder: Path) -> None:
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", small], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        server = EmbeddedServer(small / "home")
        with pytest.raises(EmbeddedServerError, match=r"(?i)space|disk"):
            server.ensure_running()
        assert not server.data.exists()
        assert not (small / "home" / "data.partial").exists()
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.skipif(not ROOT, reason="this runs as an ordinary user already")
def test_an_ordinary_user_needs_no_rights(folder: Path) -> None:
    python = "/usr/bin/python3.11"
    if not Path(python).exists():
        pytest.skip("no Python that another user can reach")
    nobody = pwd.getpwnam("nobody")
    home = folder / "nobody"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    code = (
        "from seat_ledger.store.embedded import EmbeddedServer;"
        "server = EmbeddedServer(); server.ensure_running();"
        "print(server.home, server.stop()); server.destroy()"
    )
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    done = subprocess.run(
        [python, "-B", "-c", code],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        env={
            "HOME": str(home),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{REPOSITORY}:{packages}",
        },
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission" in done.stderr or "No module" in done.stderr:
        pytest.skip("the packages lie where another user cannot reach them")
    assert done.stdout.split() == [f"{home}/.local/share/seat-ledger", "True"]


@pytest.mark.skipif(not ROOT, reason="only root can become somebody without a name")
def test_a_user_without_a_name_gets_a_sentence(folder: Path) -> None:
    home = folder / "nameless"
    home.mkdir()
    os.chown(home, 54321, 54321)
    code = (
        "from seat_ledger.store.embedded import *\n"
        "try: EmbeddedServer().ensure_running()\n"
        "except EmbeddedServerError as error: print(error)"
    )
    done = subprocess.run(
        ["/usr/bin/python3.11", "-B", "-c", code],
        user=54321,
        group=54321,
        extra_groups=[],
        env={
            "SEAT_LEDGER_HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
        },
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        pytest.skip("no Python or package that another user can reach")
    assert "has no name" in done.stdout or "No PostgreSQL" in done.stdout


def test_where_there_are_no_binaries_a_sentence_says_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "binaries_at_hand", lambda: iter(()))
    with pytest.raises(EmbeddedServerError) as refused:
        EmbeddedServer(folder / "pg18").ensure_running()
    assert "No PostgreSQL is available for this platform" in refused.value.message
    assert "--database" in refused.value.try_
    assert not (folder / "pg18" / "data").exists()
