"""The embedded server of one home: found or made, started and stopped.

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
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from seat_ledger.store import marks
from seat_ledger.store.embedded.binaries import (
    find_binaries,
    major_version,
    run,
    usable_binaries,
)
from seat_ledger.store.embedded.folders import (
    PORT,
    SOCKET_FILE,
    TEMPORARY_PREFIX,
    EmbeddedServerError,
    ServerUser,
    check_home,
    check_socket_folder,
    default_home,
    explaining,
    make_home,
    make_socket_folder,
    nominal_socket_folder,
    server_name,
    server_uid,
    server_user,
    takes_connections,
)

ROLE = DATABASE = "seat_ledger"
START_TIMEOUT = 60
_OWN_NAMES = {
    *("lock", "made", "data.partial", "binaries", "named", "ledgers", "socket"),
}
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
_PASSING = {"starting", "stopping"}
_STARTING = "the database system is"  # starting up, or not yet accepting connections
_LITTLE_SPACE = 64  # megabytes: one segment of the WAL has 16
_TELLING = re.compile(r"no space|fatal|error|could not", re.IGNORECASE)


@dataclass(frozen=True)
class EmbeddedStatus:
    """What is known of the server and its folders."""

    running: bool
    initialised: bool
    home: Path
    data: Path
    socket_dir: Path | None
    pid: int | None
    version: str | None
    binaries: Path | None


class EmbeddedServer:
    """One embedded server, by its home folder."""

    def __init__(
        self, home: Path | None = None, *, binaries: Path | None = None
    ) -> None:
        self.home = (home or default_home()).absolute()
        self.data = self.home / "data"
        self._binaries = binaries
        self._created = self.home / "made"  # the database is made, not only its server

    # -- questions --------------------------------------------------------------

    @property
    def socket_dir(self) -> Path | None:
        """The folder of the server's socket: where the server that works on the data
        says it is, else where the next one is going to be, if that is known.
        """
        stated = self._stated_by_server(_SOCKET_DIR)
        return Path(stated) if stated.startswith("/") else self._next_socket_dir()

    def _next_socket_dir(self) -> Path | None:
        return nominal_socket_folder(self.home)

    def url(self) -> str:
        """The connection string of the ledger's database.

        libpq asks the system who listens, and sends nothing to anybody else.
        """
        host, peer = quote(f"{self.socket_dir}", safe="/"), quote(server_name())
        return (
            f"postgresql://{ROLE}@/{DATABASE}?host={host}&port={PORT}"
            f"&requirepeer={peer}&fallback_application_name={marks.EMBEDDED}"
        )

    def is_running(self) -> bool:
        """Whether the server takes connections now: not while it starts or stops.

        Raises EmbeddedServerError where somebody else has taken the server's place.
        """
        folder = self.socket_dir
        if folder is None:
            return False
        try:
            is_there = takes_connections(folder)
            return is_there and self._stated_by_server(_STATE) not in _PASSING
        except EmbeddedServerError:
            if _working_in(self.data) or folder == self._next_socket_dir():
                raise
            return False  # the note of a server that ended: its place is not used again

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
        line = self._stated_by_server(_PID)
        return int(line) if line.isdigit() else None

    def _stated_by_server(self, line: int) -> str:
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
                try_="run as the user who created it, or set SEAT_LEDGER_HOME to a "
                "folder of your own",
            ) from error

    # -- starting ---------------------------------------------------------------

    def ensure_running(self) -> str:
        """Return the connection string of a running server, made if need be.

        Raises EmbeddedServerError with what stands in the way.
        """
        self._check_ours()
        if not (self._created.exists() and self.is_running()):
            with explaining(
                f"The embedded server cannot be set up in {self.home}",
                "free some space there, or set SEAT_LEDGER_HOME to a folder that you "
                "may write to",
            ):
                self._set_up()
        return self.url()

    def _check_ours(self) -> None:
        """Raise EmbeddedServerError where somebody else's data stand in the place."""
        check_home(self.home)
        self._data_version()  # says so where they cannot be read at all
        if marks.is_there(self.data) and not marks.is_ours(self.data):
            raise EmbeddedServerError(
                f"The folder {self.data} was not created by Seat Ledger: its data "
                "belong to something else. Nothing was started, stopped or removed.",
                try_="set SEAT_LEDGER_HOME to a folder of the ledger's own",
            )

    def _set_up(self) -> None:
        make_home(self.home)
        with self._lock():
            if not self.is_running():
                self._start()
            if not self._created.exists():
                self._make_database()
                self._created.touch()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One starter at a time; a second one waits, and finds it running."""
        with explaining(
            f"The home folder {self.home} cannot be used",
            "set SEAT_LEDGER_HOME to a folder that you may write to",
        ):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            descriptor = os.open(self.home / "lock", flags, 0o600)
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
        folder = make_socket_folder(self.home, user)
        try:
            if self._data_version() is None:
                self._created.unlink(missing_ok=True)
                self._initialise(binaries, user)
            self._check_data(binaries)
            self._launch(binaries, user, folder)
        except EmbeddedServerError:
            with suppress(OSError):
                folder.rmdir()
            raise

    def _check_reachable(self, user: ServerUser | None) -> None:
        if user is None:
            return
        reached = run(["/bin/sh", "-c", 'cd -- "$0"', os.fspath(self.home)], user)
        if reached.returncode != 0:
            raise EmbeddedServerError(
                f"The user {user.name}, as which root runs PostgreSQL, cannot reach "
                f"the home folder {self.home}.",
                try_="set SEAT_LEDGER_HOME to a folder that this user can reach, such "
                "as /var/lib/seat-ledger",
            )

    def _initialise(self, binaries: Path, user: ServerUser | None) -> None:
        """Make the data folder beside its place, and move it there when whole."""
        making = self.home / "data.partial"
        marks.remove(making)
        if marks.is_there(making):
            raise EmbeddedServerError(
                f"{making} was not created by Seat Ledger, and is in the way.",
                try_="move it, or set SEAT_LEDGER_HOME to a folder of the ledger's own",
            )
        try:
            with explaining(
                f"The data folder {self.data} cannot be created",
                "free some disk space, or set SEAT_LEDGER_HOME to another folder",
            ):
                making.mkdir(mode=0o755)
                marks.mark(making)
                partial = making / "data"
                self._initialise_at(partial, binaries, user)
                marks.mark(partial)
                partial.rename(self.data)
        finally:
            marks.remove(making)

    def _initialise_at(
        self, folder: Path, binaries: Path, user: ServerUser | None
    ) -> None:
        folder.mkdir(mode=0o700)
        if user is not None:
            os.chown(folder, user.uid, user.gid)
        command: list[Path | str] = [binaries / "initdb", "-D", folder, "-U", ROLE]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C"]
        result = run([*command, "--no-instructions"], user)
        if result.returncode != 0:
            raise EmbeddedServerError(*_initdb_failed(result))
        settings = "".join(f"{name} = {to}\n" for name, to in _settings())
        with (folder / "postgresql.conf").open("a") as file:
            file.write(f"\n# Of the seat ledger.\n{settings}")

    def _check_data(self, binaries: Path) -> None:
        version, program = self._data_version(), major_version(binaries)
        if version != str(program):
            raise EmbeddedServerError(
                f"The data folder {self.data} is of PostgreSQL {version}; the "
                f"binaries at hand are of {program}.",
                try_=f"install PostgreSQL {version}, or dump and restore the ledger",
            )
        owner, expected = self.data.stat().st_uid, server_uid()
        if owner != expected:
            raise EmbeddedServerError(
                f"The data folder {self.data} belongs to user id {owner}, but the "
                f"server would run as {expected}.",
                try_="run as the user who created it, or set SEAT_LEDGER_HOME to "
                "another folder",
            )

    def _launch(self, binaries: Path, user: ServerUser | None, folder: Path) -> None:
        """Start the server, and wait until it takes connections."""
        log = self.data / "start.log"
        # A recycled segment holds what it logged, erased persons too, until it is used.
        options = f"-c unix_socket_directories={folder} -c wal_recycle=off"
        command: list[Path | str] = [
            binaries / "pg_ctl",
            "start",
            "-D",
            self.data,
            "-w",
        ]
        command += ["-t", str(START_TIMEOUT), "-l", log, "-o", options]
        started = run(command, user)
        deadline = time.monotonic() + START_TIMEOUT
        while not self.is_running():
            if started.returncode != 0 or time.monotonic() > deadline:
                raise self._not_working(
                    f"PostgreSQL did not start: {_last_line(started, log)}"
                )
            time.sleep(0.05)

    def _not_working(self, message: str) -> EmbeddedServerError:
        """What became of a start, and how full the disk is where that may be why."""
        reading = f"read {self.data / 'start.log'} and the files in {self.data / 'log'}"
        free = shutil.disk_usage(self.data).free >> 20
        if free >= _LITTLE_SPACE:
            return EmbeddedServerError(message, try_=reading)
        return EmbeddedServerError(
            f"{message.rstrip('.')}. Of the disk that holds {self.home}, {free} MB are "
            "free.",
            try_=f"free some disk space there; else {reading}",
        )

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
                self._remove_socket(self.socket_dir)
                pid_file.unlink(missing_ok=True)
            elif self._is_cut_off():
                self._stop_by_pid()
            time.sleep(0.05)
        return False

    def _is_cut_off(self) -> bool:
        """Whether a server is ready on a socket that is gone."""
        ready, folder = self._stated_by_server(_STATE) == "ready", self.socket_dir
        return ready and (folder is None or not (folder / SOCKET_FILE).exists())

    def _remove_socket(self, folder: Path | None) -> None:
        """Remove what an ended server left in a folder of ours."""
        with suppress(EmbeddedServerError, OSError):
            if folder is not None and check_socket_folder(folder):
                for file in folder.glob(".s.PGSQL.*"):
                    file.unlink(missing_ok=True)
                if folder.name.startswith(TEMPORARY_PREFIX):
                    folder.rmdir()

    def _make_database(self) -> None:
        import psycopg  # noqa: PLC0415  only at a start

        from seat_ledger.store.session import LedgerConnection  # noqa: PLC0415

        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                with LedgerConnection.connect(
                    self.url(), dbname="postgres", autocommit=True
                ) as connection:
                    row = connection.execute(
                        "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                    ).fetchone()
                    if row is None:
                        connection.execute(f"CREATE DATABASE {DATABASE}")
                break
            except psycopg.OperationalError as error:
                is_starting = "FATAL" not in f"{error}" or _STARTING in f"{error}"
                if time.monotonic() > deadline or not is_starting:
                    raise self._not_working(
                        f"PostgreSQL started, but accepts no connection: {error}"
                    ) from error
                time.sleep(0.1)
            except psycopg.Error as error:
                raise self._not_working(
                    f"The database {DATABASE} cannot be created: {error}"
                ) from error

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
        user, folder = server_user(), self.socket_dir
        command: list[Path | str] = [self._usable_binaries(user) / "pg_ctl", "stop"]
        command += ["-D", self.data, "-m", "fast", "-w", "-t", str(START_TIMEOUT)]
        stopped = run(command, user)
        if stopped.returncode != 0 and _working_in(self.data):
            raise EmbeddedServerError(
                f"PostgreSQL did not stop: {_last_line(stopped, None)}",
                try_="stop the programs that use it, and try again",
            )
        # Its id file is gone a little before it is.
        deadline = time.monotonic() + START_TIMEOUT
        while _working_in(self.data) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._remove_socket(folder)

    def destroy(self) -> None:
        """Stop the server and remove what it made: data, socket folder, copies.

        Signed checkpoints are set aside, not removed: they are of another ledger than
        the next one here, and prove what this one was.
        """
        self._check_ours()
        if self.home.exists() and self._data_version() is None:
            names = {child.name for child in self.home.iterdir()} - _OWN_NAMES
            if any(
                not name.startswith(("integrity.", "checkpoints")) for name in names
            ):
                raise EmbeddedServerError(
                    f"{self.home} does not look like a home folder of Seat Ledger. "
                    "Nothing was removed.",
                    try_="check SEAT_LEDGER_HOME",
                )
        self.stop()
        for folder in ("data", "data.partial", "binaries"):
            marks.remove(self.home / folder)
        with suppress(OSError):  # empty it is ours; what else is in it is not
            (self.home / "socket").rmdir()
        checkpoints = self.home / "checkpoints"
        if checkpoints.exists():
            checkpoints.rename(
                f"{checkpoints}.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
            )
        self._created.unlink(missing_ok=True)
        (self.home / "lock").unlink(missing_ok=True)

    def _find_binaries(self) -> Path | None:
        return self._binaries or find_binaries(self._data_version())

    def _usable_binaries(self, user: ServerUser | None) -> Path:
        return usable_binaries(self._find_binaries(), user, self.home)


def _working_in(folder: Path) -> list[int]:
    """The live processes whose working folder it is, as far as one may see."""
    processes = []
    real = folder.resolve()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == real:
                processes.append(int(link.parent.name))
        except OSError:
            continue
    return processes


def _settings() -> Iterator[tuple[str, str]]:
    yield from _SETTINGS.items()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    yield "shared_buffers", f"'{max(64, min(2048, memory // 8))}MB'"
    from seat_ledger.store.settings import read_settings  # noqa: PLC0415  slow

    if read_settings().embedded_wal == "minimal":
        yield "wal_level", "minimal"
        yield "max_wal_senders", "0"


def _initdb_failed(result: subprocess.CompletedProcess[str]) -> tuple[str]:
    output = (result.stderr or result.stdout).strip()
    if "could not look up effective user ID" in output:
        return (
            f"The user id {os.geteuid()} has no name on this machine, and PostgreSQL "
            "does not run for a user without one. Run as a named user, or name a "
            "database with --database.",
        )
    line = next(
        (line for line in output.splitlines() if _TELLING.search(line)),
        output.splitlines()[-1] if output else "no reason given",
    )
    return (
        f"PostgreSQL could not create its data folder: {line.strip()}. What was begun "
        "has been removed; free some disk space or set SEAT_LEDGER_HOME, and try "
        "again.",
    )


def _last_line(result: subprocess.CompletedProcess[str], log: Path | None) -> str:
    lines = (result.stderr + result.stdout).strip().splitlines()
    if log is not None:
        with suppress(OSError):
            lines += log.read_text(errors="replace").strip().splitlines()[-20:]
    lines = [line for line in lines if _TELLING.search(line)] or lines
    return " / ".join(line.strip() for line in lines[-2:]) or "no reason given"
