"""Who may stand in the embedded server's place: nobody else, whatever they plant."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from seat_ledger.errors import Unavailable
from seat_ledger.store.connection import connect
from seat_ledger.store.embedded import EmbeddedServer, EmbeddedServerError
from seat_ledger.store.embedded.folders import SOCKET_FILE, server_user
from tests.support.places import folder_for_servers

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can act as two users")
NOBODY = pwd.getpwnam("nobody")
LISTEN = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
print("ready", flush=True)
while True:
    with listener.accept()[0] as client:
        print(client.recv(4096), flush=True)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = folder_for_servers("sle-")
    folder.chmod(0o755)
    yield folder / "home"
    EmbeddedServer(folder / "home").destroy()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def listening(folder: Path, uid: int) -> Iterator[subprocess.Popen[str]]:
    """A program of a user's that takes what is sent to the server's socket."""
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c", LISTEN, folder / SOCKET_FILE],
        user=uid,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def received(process: subprocess.Popen[str]) -> set[str]:
    """What the program was sent; a connection that sends nothing is no harm."""
    process.kill()
    assert process.stdout is not None
    return set(process.stdout.read().splitlines()) - {"b''"}


def planted(folder: Path, uid: int, mode: int = 0o700) -> Path:
    folder.mkdir(parents=True)
    folder.chmod(mode)
    os.chown(folder, uid, -1)
    return folder


@needs_root
def test_a_socket_folder_of_somebody_else_is_refused_and_gets_nothing(
    home: Path,
) -> None:
    folder = planted(home / "socket", NOBODY.pw_uid)
    with listening(folder, NOBODY.pw_uid) as stranger:
        with pytest.raises(EmbeddedServerError, match="somebody else created"):
            EmbeddedServer(home).ensure_running()
        assert received(stranger) == set()
    shutil.rmtree(folder)


@needs_root
@pytest.mark.parametrize("mode", [0o750, 0o707, 0o777, 0o1777])
def test_a_socket_folder_that_is_open_to_others_is_refused(
    home: Path, mode: int
) -> None:
    user = server_user()
    folder = planted(home / "socket", user.uid if user else os.geteuid(), mode)
    with pytest.raises(EmbeddedServerError, match="not a private folder"):
        EmbeddedServer(home).ensure_running()
    shutil.rmtree(folder)


def test_a_link_in_place_of_the_socket_folder_is_refused(home: Path) -> None:
    home.mkdir()
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (home / "socket").symlink_to(elsewhere)
    with pytest.raises(EmbeddedServerError, match="not a private folder"):
        EmbeddedServer(home).ensure_running()
    (home / "socket").unlink()


@needs_root
def test_who_took_the_place_of_an_ended_server_is_passed_by(home: Path) -> None:
    """After a restart of the machine the folder in a shared place can be anybody's."""
    server = EmbeddedServer(home)
    server.ensure_running()
    server.stop()
    shared = planted(home.parent / "seat-ledger-left", NOBODY.pw_uid, 0o755)
    note = server.data / "postmaster.pid"
    note.write_text(f"{2**22 - 1}\n{server.data}\n1\n5432\n{shared}\n\n0 0\nready\n")
    with listening(shared, NOBODY.pw_uid) as stranger:
        assert not server.is_running()
        with psycopg.connect(server.ensure_running()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert server.socket_dir == home / "socket"
        assert received(stranger) == set()


@needs_root
def test_a_peer_that_is_not_the_servers_user_gets_nothing(home: Path) -> None:
    """Even in a folder of ours: who listens is asked of the system."""
    server = EmbeddedServer(home)
    url = server.ensure_running()
    server.stop()
    with listening(home / "socket", 0) as stranger:
        with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
            server.ensure_running()
        with pytest.raises(Unavailable, match="requirepeer"):
            connect(url)
        assert received(stranger) == set()
    (home / "socket" / SOCKET_FILE).unlink()


@needs_root
def test_a_home_that_somebody_else_created_is_refused(home: Path) -> None:
    planted(home, NOBODY.pw_uid)
    with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
        EmbeddedServer(home).ensure_running()
    os.chown(home, 0, -1)
    home.chmod(0o777)
    with pytest.raises(EmbeddedServerError, match="Everybody may write"):
        EmbeddedServer(home).ensure_running()
    home.chmod(0o755)


@needs_root
@pytest.mark.parametrize("kind", ["folder", "open folder", "link"])
def test_a_home_that_somebody_else_could_replace_is_refused(
    home: Path, kind: str
) -> None:
    """Whoever has a folder or a link on the way to it can put another there."""
    above = home.parent / "above"
    if kind == "link":
        home.mkdir(mode=0o755)
        above.symlink_to(home)
        os.chown(above, NOBODY.pw_uid, -1, follow_symlinks=False)
        named = above
    else:
        planted(above, NOBODY.pw_uid if kind == "folder" else 0)
        above.chmod(0o755 if kind == "folder" else 0o777)
        named = above / "home"
    with pytest.raises(EmbeddedServerError, match="On the way to the home"):
        EmbeddedServer(named).ensure_running()
    assert kind == "link" or not named.exists()


def test_no_name_in_a_shared_folder_can_be_foreseen() -> None:
    """Where the home's name is too long for a socket, the folder's name is new."""
    root = folder_for_servers("sle-")
    root.chmod(0o755)
    server = EmbeddedServer(root / ("x" * 120))
    try:
        folders = set()
        for _ in range(2):
            server.ensure_running()
            assert server.socket_dir is not None
            folders.add(server.socket_dir)
            assert server.socket_dir.stat().st_mode & 0o077 == 0
            server.stop()
        assert len(folders) == 2
        assert not any(folder.exists() for folder in folders)
    finally:
        server.destroy()
        shutil.rmtree(root, ignore_errors=True)


def test_a_home_whose_name_needs_quoting_works(home: Path) -> None:
    server = EmbeddedServer(home.parent / "it's, a home & more")
    try:
        with psycopg.connect(server.ensure_running()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.destroy()
