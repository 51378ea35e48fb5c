"""A standby server: it answers as far as it has followed, and takes nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from seat_ledger.cli.console.access import Gate
from seat_ledger.cli.console.application import Console
from seat_ledger.commands.service import CommandService
from seat_ledger.projections.engine import installation
from seat_ledger.store import schema
from seat_ledger.store.connection import connect
from seat_ledger.store.embedded import EmbeddedServer
from seat_ledger.store.embedded.binaries import run, usable_binaries
from seat_ledger.store.embedded.folders import server_user
from tests.conftest import VERSIONS, newest_and_long
from tests.integration.tables import PRO, fill, head
from tests.program import Program
from tests.property.test_fuzz_program import answer_of
from tests.support.places import folder_for_servers
from tests.support.waiting import wait_until

WRITING: tuple[tuple[str, ...], ...] = (
    ("seat", "buy", PRO, "1", "-a", "acme"),
    ("user", "add", "zed", "-a", "acme", "--email", "z@x.example", "--name", "Zed"),
    ("integrity", "seal"),
    ("projection", "rebuild", "--results", "/dev/null"),
    ("db", "migrate"),
)
ASKING: tuple[tuple[str, ...], ...] = (
    ("seat", "list", "-a", "acme"),
    ("account", "list"),
    ("event", "list"),
    ("user", "list", "-a", "acme"),
    ("billing", "counts", "-a", "acme"),
)


@pytest.fixture(params=newest_and_long())
def standby(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that follows one with a small ledger."""
    folder, user = folder_for_servers("slf-"), server_user()
    folder.chmod(0o755)
    primary = EmbeddedServer(folder / "home", binaries=VERSIONS[request.param])
    copies = folder / "copies"
    copies.mkdir()
    binaries = usable_binaries(VERSIONS[request.param], user, copies)
    data, socket = folder / "standby", folder / "socket"
    for item in (data, socket):
        item.mkdir(mode=0o700)
        if user:
            shutil.chown(item, user.uid, user.gid)
    try:
        conninfo = primary.ensure_running()
        schema.migrate(conninfo)
        installation.install(conninfo)
        with CommandService(conninfo) as ledger:
            fill(ledger, "acme")
        with connect(conninfo, autocommit=True) as connection:
            installation.catch_up(connection)
        tool: list[Path | str] = [binaries / "pg_basebackup", "-D", data, "-R"]
        tool += ["-h", f"{primary.socket_dir}", "-U", "seat_ledger", "-c", "fast"]
        assert (copied := run(tool, user)).returncode == 0, copied.stderr
        options = f"-k {socket} -c listen_addresses="
        start: list[Path | str] = [binaries / "pg_ctl", "-D", data, "-w", "start"]
        started = run([*start, "-o", options, "-l", f"{data}/started.log"], user)
        assert started.returncode == 0, started.stdout
        followed = conninfo.replace(f"{primary.socket_dir}", f"{socket}")
        wait_until(lambda: has_followed(followed, head(conninfo)))
        yield followed
    finally:
        run([binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"], user)
        primary.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def has_followed(conninfo: str, position: int) -> bool:
    try:
        return head(conninfo) == position
    except psycopg.Error:  # it does not answer yet
        return False


def page_of(conninfo: str, path: bytes, question: bytes = b"") -> tuple[int, str]:
    console = Console(conninfo, Gate((), None, None), log=lambda *_, **__: None)
    try:
        status, body = asyncio.run(answer_of(console.application(), path, question))
    finally:
        console.close()
    return status, body.decode()


def test_a_standby_answers_says_what_it_is_and_takes_nothing(standby: str) -> None:
    program = Program(standby)
    for words in ASKING:
        done = program.run(*words)
        assert done.returncode == 0, (words, done.stderr)
        assert "as far as this standby server has caught up" in done.stdout, words
        assert "(now)" not in done.stdout
    for words in WRITING:
        done = program.run(*words)
        assert done.returncode in {1, 10}, (words, done.returncode, done.stderr)
        assert "standby" in done.stderr, (words, done.stderr)
    done = program.run("doctor")
    assert "a standby server" in done.stdout
    for path, question in ((b"/account", b"account=acme"), (b"/events", b"")):
        status, page = page_of(standby, path, question)
        assert status == 200, page
        assert "standby server" in page
        _, dutch = page_of(standby, path, question + b"&lang=nl")
        assert "standbyserver" in dutch
