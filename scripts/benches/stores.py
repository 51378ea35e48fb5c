"""Stores for the benches: filled once, rebuilt by the real command, and measured."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from scripts.benches.generator import BYTES_AN_EVENT, head, history, write
from seat_ledger.projections.engine import installation
from seat_ledger.store import schema

BIN = Path(sys.executable).parent
PRO = "sales/professional"
EVENTS_AN_ACCOUNT = 400


def this_month() -> str:
    """The first of this month: where the term of a new account begins."""
    return f"{datetime.now(UTC):%Y-%m}-01"


def filled(conninfo: str, events: int) -> int:
    """Fill a store with a generated history, unless it is; say what disk it takes."""
    last = head(conninfo)
    if last:
        return last
    accounts = max(20, events // EVENTS_AN_ACCOUNT)
    print(
        f"{events:,} events over {accounts:,} accounts: about "
        f"{events * BYTES_AN_EVENT * 4 >> 20:,} MiB of disk while it runs.",
        file=sys.stderr,
    )
    return write(conninfo, history(events, accounts))


def ready(conninfo: str, events: int) -> None:
    """A filled store whose projections are at its head."""
    last = filled(conninfo, events)
    served = _row(
        conninfo, "SELECT position FROM projection.generation WHERE state = 'served'"
    )
    if last - served[0] > 100_000:
        rebuilt(conninfo)
        return
    with psycopg.connect(conninfo, autocommit=True) as connection:
        installation.catch_up(connection, patient=True)


def beside(conninfo: str, name: str) -> str:
    """A second, empty database on the same server."""
    own = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {own}_{name}".encode())
        connection.execute(f"CREATE DATABASE {own}_{name}".encode())
    other = conninfo.replace(f"/{own}?", f"/{own}_{name}?")
    schema.migrate(other)
    installation.install(other)
    return other


def removed(conninfo: str, other: str) -> None:
    """Drop a second database, and free its disk."""
    name = psycopg.conninfo.conninfo_to_dict(other)["dbname"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


_STORED = (
    "COPY (SELECT originator_id, originator_version, topic, state, notification_id, "
    "recorded_at FROM ledger.stored_events) TO STDOUT (FORMAT binary)"
)


class Floor(NamedTuple):
    """Seconds in which every event is read, and CPU seconds of client and server."""

    wall: float
    cpu: float


def floor(conninfo: str) -> Floor:
    """What it takes psycopg to read the six stored columns by binary COPY, at best."""
    clock = ServerClock(conninfo)
    best = Floor(float("inf"), float("inf"))
    for _ in range(2):
        with psycopg.connect(conninfo) as connection:
            wall, cpu = time.perf_counter(), time.process_time()
            before = clock.seconds() or 0.0
            with connection.cursor().copy(_STORED) as copy:
                for _data in copy:
                    pass
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            cpu += (clock.seconds() or 0.0) - before
        best = Floor(min(best.wall, wall), min(best.cpu, cpu))
    return best


def rebuilt(conninfo: str, engine: str = "postgresql") -> dict[str, Any]:
    """Rebuild by the real command in a process of its own; return its document.

    With ``peak_mib`` and ``client_cpu_seconds`` of that process, and the CPU seconds
    of the server meanwhile, None where its processes cannot be seen.
    """
    return run_measured(conninfo, "projection", "rebuild", "--engine", engine)


def run_measured(conninfo: str, *words: Any) -> dict[str, Any]:
    """Run the real command in a process of its own; return its document, as above."""
    clock = ServerClock(conninfo)
    with tempfile.TemporaryDirectory() as folder:
        command = [BIN / "seat-ledger", "--database", conninfo, *words]
        command += ["--format", "json"]
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, *map(str, command)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed: {done.stderr}")
    used, _, document = done.stdout.partition("\n")
    peak, cpu = json.loads(used)
    server = clock.seconds()
    own = {"peak_mib": peak, "client_cpu_seconds": cpu, "server_cpu_seconds": server}
    return {**json.loads(document), **own}


_CHILD = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr + done.stdout)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
print(done.stdout)
"""


class ServerClock:
    """CPU seconds of all of a local server's processes since it was made."""

    def __init__(self, conninfo: str) -> None:
        self.server = _first_process(conninfo)
        self.began = self._now()

    def seconds(self) -> float | None:
        """Since then; None where the processes are not to be seen."""
        now = self._now()
        if now is None or self.began is None:
            return None
        return round(now - self.began, 2)

    def _now(self) -> float | None:
        if self.server is None:
            return None
        ticks = 0
        try:
            ticks += sum(int(n) for n in _stat(self.server)[11:15])
            for process in Path("/proc").glob("[0-9]*"):
                ticks += _ticks_of_child(process, self.server)
        except OSError:
            return None
        return ticks / 100


def _first_process(conninfo: str) -> int | None:
    """The server's first process: the parent of the one that serves a connection."""
    try:
        with psycopg.connect(conninfo) as connection:
            return int(_stat(connection.info.backend_pid)[1])
    except OSError:
        return None


def _stat(process: int) -> list[str]:
    text = Path(f"/proc/{process}/stat").read_text("utf-8")
    return text.rpartition(")")[2].split()


def _ticks_of_child(process: Path, parent: int) -> int:
    try:
        stat = _stat(int(process.name))
    except OSError:
        return 0
    return int(stat[11]) + int(stat[12]) if int(stat[1]) == parent else 0


def own_memory(process: int) -> int:
    """The bytes that a process shares with no other; 0 where it is not to be seen."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text("utf-8")
    except OSError:
        return 0
    lines = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(lines[name].split()[0]) for name in _OWN) * 1024


_OWN = ("Private_Clean", "Private_Dirty")


def _row(conninfo: str, question: str) -> Any:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(question.encode()).fetchone()


def number(conninfo: str, question: str) -> Any:
    """The one number that a question answers."""
    return _row(conninfo, question)[0]
