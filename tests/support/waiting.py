"""Waiting for a state, whatever else the machine has to do meanwhile.

No test assumes what a thread or process is doing at a moment, nor how long anything
takes: it waits for what it can see, and gives up only when that never comes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg import sql

T = TypeVar("T")
Connection = psycopg.Connection[tuple[object, ...]]

AT_MOST = 300.0
"""Seconds after which any test gives up waiting: more than a busy machine needs."""

_ADVISORY = """
SELECT pid
  FROM pg_locks
 WHERE granted = %(granted)s
   AND locktype = 'advisory'
   AND classid::bigint << 32 | objid::bigint = %(lock)s
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def wait_until(state: Callable[[], T], *, every: float = 0.01) -> T:
    """Wait until it is so, and return what it is; fail when it never is."""
    deadline = time.monotonic() + AT_MOST
    while not (current := state()):
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(every)
    return current


def paths_below(folder: Path) -> set[Path]:
    """Every path below a folder in which another process may be writing.

    What has gone while we look is left out: ``rglob`` would fail there.
    """
    return {
        Path(parent) / name
        for parent, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }


def files_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below such a folder, with its content, as far as it is still there."""
    for path in sorted(paths_below(folder)):
        with suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.read_bytes()


def wait_for_end(threads: Iterable[threading.Thread]) -> None:
    """Wait for threads; fail when one does not end."""
    for thread in threads:
        thread.join(AT_MOST)
        assert not thread.is_alive()


def end(connection: Connection, pids: Iterable[int]) -> None:
    """End server processes, whatever they are doing; return when they have ended."""
    statement = "SELECT pg_terminate_backend(%s, %s)"
    for pid in pids:
        connection.execute(statement, [pid, round(AT_MOST * 1000)])


def end_others(connection: Connection, database: str | None = None) -> None:
    """End the server processes of all other clients of a database, ours by default."""
    rows = connection.execute(
        "SELECT pid FROM pg_stat_activity "
        "WHERE datname = coalesce(%s, current_database()) AND pid <> pg_backend_pid()",
        [database],
    ).fetchall()
    end(connection, (pid for (pid,) in rows))


def end_holder(connection: Connection, lock: int) -> None:
    """End the server process that holds an advisory lock."""
    ((pid,),) = connection.execute(
        _ADVISORY, {"lock": lock, "granted": True}
    ).fetchall()
    end(connection, [pid])


def wait_for_waiter(connection: Connection, lock: int) -> None:
    """Wait until a server process waits for an advisory lock that another holds."""
    fields = {"lock": lock, "granted": False}
    wait_until(lambda: connection.execute(_ADVISORY, fields).fetchall())


def has_ended(connection: Connection, pid: int) -> bool:
    """Whether a server process is no more."""
    statement = "SELECT FROM pg_stat_activity WHERE pid = %s"
    return connection.execute(statement, [pid]).fetchone() is None


def drop_login(connection: Connection, name: str) -> None:
    """Drop a login that owns nothing, once its last session has ended: until then the
    server may still be removing its temporary objects.
    """
    sessions = "SELECT FROM pg_stat_activity WHERE usename = %s"
    wait_until(lambda: connection.execute(sessions, [name]).fetchone() is None)
    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def start_of_a_month_under_way() -> date:
    """A day on which a month began that ends in two weeks at the earliest.

    The first of this month will not do: while a test runs, the next may begin.
    """
    day = datetime.now(UTC).date() - timedelta(days=10)
    return day.replace(day=min(day.day, 28))
