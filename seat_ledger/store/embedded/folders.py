"""Where the embedded server lives, and whom its folders have to belong to.

Nothing here trusts a name: a folder is used when it is a real folder, belongs to the
user that it should belong to, and lets nobody else in.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from seat_ledger.errors import Unavailable, system_reason

PORT = 5432
MAX_SOCKET_PATH = 107
SOCKET_FILE = f".s.PGSQL.{PORT}"
TEMPORARY_PREFIX = "seat-ledger-"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
"""Paths that need no quoting in PostgreSQL's settings, a shell or an address."""


class EmbeddedServerError(Unavailable):
    """The embedded PostgreSQL cannot do what was asked."""

    code = "embedded_server"


class ServerUser(NamedTuple):
    """The system user that the server runs as."""

    uid: int
    gid: int
    name: str


@contextmanager
def explaining(failure: str, try_: str | None = None) -> Iterator[None]:
    """Turn what the system refuses into a sentence that begins with `failure`."""
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"{failure}: {system_reason(error)}.", try_=try_
        ) from error


def default_home() -> Path:
    """``SEAT_LEDGER_HOME``, or the user's data folder; root's is under /var/lib.

    Raises EmbeddedServerError where nothing says where the user's home is.
    """
    try:
        named = os.environ.get("SEAT_LEDGER_HOME")
        if named:
            return Path(named).expanduser().absolute()
        if os.geteuid() == 0:
            return Path("/var/lib/seat-ledger")
        data = os.environ.get("XDG_DATA_HOME")
        base = Path(data) if data else Path.home() / ".local" / "share"
        return base.absolute() / "seat-ledger"
    except RuntimeError as error:  # no HOME and no such user
        raise EmbeddedServerError(
            "The home folder of the ledger is unknown: neither the environment nor "
            "the machine's list of users names one.",
            try_="set SEAT_LEDGER_HOME to a folder of your own",
        ) from error


def server_user() -> ServerUser | None:
    """Whom root runs the server as; None for everybody else: themselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(entry.pw_uid, entry.pw_gid, name)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and there is no user 'postgres' or "
        "'nobody' to run it as.",
        try_="run the command as an ordinary user",
    )


def server_uid() -> int:
    """The user id that the server runs as."""
    user = server_user()
    return user.uid if user else os.geteuid()


def server_name() -> str:
    """The name of the user that the server runs as, for libpq's ``requirepeer``."""
    uid = server_uid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError as error:
        raise EmbeddedServerError(
            f"The user id {uid} has no name on this machine, and PostgreSQL does not "
            "run for a user without one.",
            try_="run as a named user, or name a database with --database",
        ) from error


def make_home(home: Path) -> None:
    """Make the home folder. Raises EmbeddedServerError."""
    with explaining(
        f"The home folder {home} cannot be created",
        "set SEAT_LEDGER_HOME to a folder that you may write to",
    ):
        _check_way_to(home)
        if not home.exists():
            home.mkdir(parents=True, mode=0o755, exist_ok=True)
            if os.geteuid() != 0:
                home.chmod(0o700)
    check_home(home)


def check_home(home: Path) -> None:
    """Make sure that nobody else made the home, or may put something into it.

    Nor another one in its place. A home that is not there yet is right.
    """
    if special := [sign for sign in '"$`' if sign in os.fspath(home)]:
        raise EmbeddedServerError(
            f"PostgreSQL's pg_ctl reads {special[0]} in a folder's name as something "
            f"else: {home} cannot be the home folder.",
            try_="set SEAT_LEDGER_HOME to a folder with a plainer name",
        )
    _check_way_to(home)
    try:
        status = home.stat()
    except OSError:
        return
    if status.st_uid not in {os.geteuid(), 0, server_uid()}:
        raise EmbeddedServerError(
            f"The home folder {home} belongs to somebody else, user id "
            f"{status.st_uid}.",
            try_="set SEAT_LEDGER_HOME to a folder of your own",
        )
    if status.st_mode & stat.S_IWOTH:
        raise EmbeddedServerError(
            f"Everybody may write to the home folder {home}.",
            try_=f"look at what is in it, then chmod o-w {home}, or set "
            "SEAT_LEDGER_HOME to another folder",
        )


def _check_way_to(home: Path) -> None:
    """Make sure that all folders and links on the way to the home are trusted ones."""
    trusted = {os.geteuid(), 0, server_uid(), Path("/").stat().st_uid}
    links = [place for place in (home, *home.parents) if place.is_symlink()]
    for place in (*links, *home.parents, *home.resolve().parents):
        try:
            status = place.lstat()
        except OSError:
            continue
        is_open = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
        if status.st_uid not in trusted or (is_open and stat.S_ISDIR(status.st_mode)):
            whose = (
                f"belongs to user id {status.st_uid}"
                if status.st_uid not in trusted
                else "everybody may write to"
            )
            raise EmbeddedServerError(
                f"On the way to the home folder {home} is {place}, which {whose}: "
                "somebody else could put another ledger in its place.",
                try_="set SEAT_LEDGER_HOME to a folder of your own",
            )


def nominal_socket_folder(home: Path) -> Path | None:
    """The socket folder inside the home; None where its path does not suit."""
    folder = home / "socket"
    length = len(os.fsencode(folder / SOCKET_FILE))
    if length > MAX_SOCKET_PATH or not _PLAIN_PATH.fullmatch(os.fspath(folder)):
        return None
    return folder


def make_socket_folder(home: Path, user: ServerUser | None) -> Path:
    """Make a private folder for the socket, or take the one that is there.

    It is in the home. Where that name is too long or needs quoting it is a new folder
    of an unforeseeable name: the server's lock file tells the others where it is.
    """
    folder = nominal_socket_folder(home)
    with explaining("The folder for the server's socket cannot be created"):
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=_short_base()))
        elif not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
        else:
            check_socket_folder(folder, {os.geteuid(), server_uid()})
        if user is not None:
            os.chown(folder, user.uid, user.gid, follow_symlinks=False)
    return folder


def _short_base() -> Path:
    """A folder with a short name in which the socket's folder may be made."""
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return Path("/run")
    runtime = os.environ.get("XDG_RUNTIME_DIR") or ""
    if len(os.fsencode(runtime)) < 60 and _PLAIN_PATH.fullmatch(runtime):
        try:
            status = Path(runtime).stat()
        except OSError:
            pass
        else:
            if runtime.startswith("/") and status.st_uid == os.geteuid():
                return Path(runtime)
    return Path("/tmp")  # noqa: S108  the folder in it gets a name of its own


def check_socket_folder(folder: Path, owners: set[int] | None = None) -> bool:
    """Whether the folder is there. Raises EmbeddedServerError where it is not ours.

    Ours is a folder, no link to one, of the server's user, closed to all others.
    """
    try:
        status = folder.lstat()
    except OSError:
        return False
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid not in (owners or {server_uid()})
        or stat.S_IMODE(status.st_mode) & 0o077
    ):
        raise EmbeddedServerError(
            f"The socket folder {folder} is not a private folder of the server's "
            "user: somebody else created or changed it. Nothing was sent there.",
            try_="remove it, or set SEAT_LEDGER_HOME to another folder",
        )
    return True


def takes_connections(folder: Path) -> bool:
    """Whether our server takes connections in the folder now.

    Raises EmbeddedServerError where the folder or who listens there is not ours.
    """
    if not check_socket_folder(folder):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        try:
            client.connect(os.fspath(folder / SOCKET_FILE))
            peer = _peer_uid(client)
        except OSError:
            return False
    if peer not in {None, server_uid()}:
        raise EmbeddedServerError(
            f"The program that listens in {folder} belongs to somebody else, user id "
            f"{peer}. Nothing was sent there.",
            try_="end that program, or set SEAT_LEDGER_HOME to another folder",
        )
    return True


def _peer_uid(client: socket.socket) -> int | None:
    """The user id at the other end, where the system tells it."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    peer = client.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", peer)[1]
    return uid
