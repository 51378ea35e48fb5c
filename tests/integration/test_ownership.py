"""What is not ours is neither used, owned, stopped nor removed, whatever its name."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from seat_ledger.store import marks
from seat_ledger.store.embedded import (
    EmbeddedServer,
    EmbeddedServerError,
    server_user,
)
from tests.conftest import VERSIONS
from tests.program import Program


@pytest.fixture
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="slo-", dir="/var/tmp"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found, ignore_errors=True)


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
    for one in (home, sockets):
        one.mkdir()
        if (user := server_user()) is not None:
            shutil.chown(one, user.uid, user.gid)
    binaries, data = VERSIONS["pg18"], home / "data"
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
        assert "not made by the seat ledger" in done.stderr + done.stdout, words
    assert (elsewhere / "data" / "postmaster.pid").read_text() == before
    assert {one.name for one in elsewhere.iterdir()} <= {"data", "lock"}


@pytest.mark.parametrize("name", ["data", "data.partial", "binaries"])
def test_a_folder_of_the_same_name_is_not_removed(folder: Path, name: str) -> None:
    theirs = folder / "home" / name
    theirs.mkdir(parents=True)
    (theirs / "report.txt").write_text("of somebody else")
    server = EmbeddedServer(folder / "home")
    with suppress(EmbeddedServerError):
        server.destroy()
    if name != "binaries":
        with pytest.raises(EmbeddedServerError, match="not made by"):
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
