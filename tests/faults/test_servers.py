"""The server killed, and its disk full: what was acknowledged is there afterwards."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import Unavailable
from seat_ledger.projections.engine import installation
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.store import schema
from seat_ledger.store.connection import connect
from seat_ledger.store.embedded import EmbeddedServer
from tests.conftest import VERSIONS, newest_and_long
from tests.faults import acts
from tests.integration.tables import PRO, differences, fill, head
from tests.program import Program
from tests.support.places import folder_for_servers
from tests.support.waiting import AT_MOST, wait_for_end, wait_until

SMALL = "220m"
"""A disk for an empty server and little more."""


@pytest.fixture(params=newest_and_long())
def durable(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server with the settings of the product, not those of the tests."""
    folder = folder_for_servers("slf-")
    folder.chmod(0o755)
    server = EmbeddedServer(folder / "home", binaries=VERSIONS[request.param])
    install(server.ensure_running())
    yield server
    server.destroy()
    shutil.rmtree(folder, ignore_errors=True)


def install(conninfo: str) -> None:
    schema.migrate(conninfo)
    installation.install(conninfo)


def kill(server: EmbeddedServer) -> None:
    """SIGKILL of the server and all that it is made of, at once.

    It is stopped first, so that it starts nothing that we do not see.
    """
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: f"{pid} (postgres) T" in Path(f"/proc/{pid}/stat").read_text())
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for item in (pid, *map(int, children)):
        try:
            os.kill(item, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_until(lambda: not server.is_running())


def test_a_killed_server_has_every_acknowledged_command(
    durable: EmbeddedServer,
) -> None:
    conninfo = durable.ensure_running()
    acknowledged: dict[str, tuple[int, ...]] = {}
    for turn in range(2):
        enough, stop = threading.Event(), threading.Event()

        def work(turn: int, enough: threading.Event, stop: threading.Event) -> None:
            with CommandService(conninfo) as ledger:
                for command, _ in acts.commands(turn):
                    try:
                        result = ledger.execute(command)
                    except Unavailable:  # not acknowledged
                        continue
                    acknowledged[command["idempotency_key"]] = result.positions
                    if len(acknowledged) % 8 == 0:
                        enough.set()
                    if stop.is_set():
                        return

        thread = threading.Thread(target=work, args=(turn, enough, stop))
        thread.start()
        assert enough.wait(AT_MOST)
        kill(durable)
        assert durable.ensure_running() == conninfo
        stop.set()
        wait_for_end([thread])
        with psycopg.connect(conninfo) as connection:
            recorded = dict(
                connection.execute(
                    "SELECT command_key, positions FROM ledger.recorded_command"
                ).fetchall()
            )
            stored = connection.execute(
                "SELECT array_agg(notification_id) FROM ledger.stored_events"
            ).fetchone()
        for key, positions in acknowledged.items():
            assert recorded[key] == list(positions)
        assert sorted(itertools.chain(*recorded.values())) == sorted(stored[0])
        with connect(conninfo, autocommit=True) as connection:
            installation.catch_up(connection)
        assert differences(conninfo) == []


def answers(conninfo: str) -> bool:
    try:
        return head(conninfo) >= 0
    except psycopg.OperationalError:
        return False


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, that can be filled."""
    folder = folder_for_servers("sld-")
    folder.chmod(0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=755", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


def test_a_full_disk_refuses_in_words_and_loses_nothing(small_disk: Path) -> None:
    server = EmbeddedServer(small_disk / "home", binaries=VERSIONS["pg18"])
    try:
        conninfo = server.ensure_running()
        install(conninfo)
        with CommandService(conninfo) as ledger:
            fill(ledger, "acme")
        with connect(conninfo, autocommit=True) as connection:
            installation.catch_up(connection)
        program, before = Program(conninfo), head(conninfo)
        ballast = small_disk / "ballast"
        free = os.statvfs(small_disk)
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize))
        results = small_disk.parent / f"{small_disk.name}.json"
        for words in (
            ("seat", "buy", PRO, "10000", "--account", "acme"),
            ("projection", "rebuild", "--results", results),
        ):
            done = program.run(*words)
            assert done.returncode in {1, 10}, done.stderr
            assert "Traceback" not in done.stderr
        results.unlink()
        ballast.unlink()
        conninfo = server.ensure_running()
        wait_until(lambda: answers(conninfo))  # it may be at its recovery
        stored = head(conninfo)
        assert stored == before
        assert differences(conninfo) == []
        done = program.run("seat", "buy", PRO, "3", "--account", "acme")
        assert done.returncode == 0, done.stderr
        assert rebuild(conninfo).error is None
        assert differences(conninfo) == []
    finally:
        server.destroy()
