"""Rebuild: every projection made anew beside the served ones, checked, then switched.

The store is read up to a fixed ceiling, which is complete because position order is
commit order. Workers share the accounts between them. Nothing that is served is
touched until everything is made, indexed and checked; what was appended meanwhile is
caught up in the new tables before and inside the switch. Whatever goes wrong leaves
the served tables as they were.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Self

import psycopg

from projections import generation
from projections.catalogue import BY_NAME, PROJECTIONS, indexes
from projections.catch_up import advance, locked_advance
from projections.checks import CHECKS, digest_of
from projections.decoding import decode
from projections.filling import fill, fill_periods
from projections.generation import Served
from projections.locks import CATCH_UP_LOCK, REBUILD_LOCK
from projections.queries import queries
from seat_ledger.errors import IntegrityFailure, LedgerError, Locked
from seat_ledger.store.connection import connect

DEFAULT_WORKERS = max(1, min(4, os.cpu_count() or 1))
SMALL_ENOUGH = 2_000
"""So many events are caught up inside the switch at most."""

SWITCH_TIMEOUT = "100ms"
"""How long the switch may wait for a lock, and with it those behind it."""

_SETTINGS = {
    "work_mem": "256MB",
    "maintenance_work_mem": "384MB",
    "synchronous_commit": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "hash_mem_multiplier": "2",
    "random_page_cost": "4",
    "default_statistics_target": "30",
}

_Connection = psycopg.Connection[Any]
Tell = Callable[["Made"], None]


class Made(NamedTuple):
    """What became of one projection: ``ok``, ``error`` or ``skipped``."""

    projection: str
    rows: int
    digest: str | None
    seconds: float
    status: str
    reason: str | None = None

    def document(self) -> dict[str, Any]:
        """As people and files get it."""
        return {
            "projection": self.projection,
            "rows": self.rows,
            "digest": self.digest,
            "seconds": round(self.seconds, 3),
            "status": self.status,
            "reason": self.reason,
        }


@dataclass
class Result:
    """A rebuild, whole or failed; `document()` is what ``run_results.json`` holds."""

    generation: int = 0
    ceiling: int = 0
    events: int = 0
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    switched: bool = False
    handed_over: int = 0
    phases: dict[str, float] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    error: LedgerError | None = None

    def document(self) -> dict[str, Any]:
        """The whole outcome as plain values."""
        rows = [
            self.made.get(one.name, Made(one.name, 0, None, 0.0, "skipped"))
            for one in PROJECTIONS
        ]
        per_second = self.events / self.seconds if self.seconds else 0.0
        whole = "".join(row.digest or "" for row in rows)
        error = self.error
        return {
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(per_second),
            "ceiling": self.ceiling,
            "digest": digest_of([whole]) if error is None else None,
            "generation": self.generation,
            "switched": self.switched,
            "handed_over": self.handed_over,
            "phases": {name: round(took, 3) for name, took in self.phases.items()},
            "rows": [row.document() for row in rows],
            "error": None
            if error is None
            else {"code": error.code, "message": error.message, **error.details},
        }


def rebuild(
    conninfo: str, *, workers: int | None = None, tell: Tell = lambda _: None
) -> Result:
    """Rebuild all projections and serve them; the result holds the error, if any.

    `tell` is called as each projection is made. Raises Locked (exit 11) while another
    rebuild is at work.
    """
    result = Result()
    with connect(conninfo, autocommit=True) as connection, _alone(connection):
        try:
            _Rebuild(conninfo, connection, workers or DEFAULT_WORKERS, result, tell)()
        except LedgerError as error:
            result.error = error
        except psycopg.Error as error:
            result.error = IntegrityFailure(
                f"The database refused a step of the rebuild: {error}",
                try_="read the server's log; the served tables are unchanged",
            )
            result.error.__cause__ = error
    result.seconds = time.monotonic() - result.began
    return result


@contextmanager
def _alone(connection: _Connection) -> Iterator[None]:
    """Hold the one place for a rebuild, and say who does. Raises Locked."""
    row = connection.execute(
        "SELECT pg_try_advisory_lock(%s)", [REBUILD_LOCK]
    ).fetchone()
    if not (row and row[0]):
        raise _taken(connection)
    who = f"{_login()}@{socket.gethostname()}, process {os.getpid()}"
    connection.execute(
        "INSERT INTO projection.rebuild (backend, who) VALUES (pg_backend_pid(), %s) "
        "ON CONFLICT (single) DO UPDATE SET backend = excluded.backend, "
        "who = excluded.who, began_at = excluded.began_at",
        [who],
    )
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("DELETE FROM projection.rebuild")
            connection.execute("SELECT pg_advisory_unlock(%s)", [REBUILD_LOCK])


def _taken(connection: _Connection) -> Locked:
    row = connection.execute("SELECT who, began_at FROM projection.rebuild").fetchone()
    who, since = row or ("somebody", None)
    began = f" since {since:%Y-%m-%d %H:%M:%S %Z}" if since else ""
    return Locked(
        f"A rebuild is at work{began}: {who}. Nothing was begun.",
        try_="wait for it, or look with 'seat-ledger projection status'",
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.geteuid()}"


class _Rebuild:
    """One rebuild, phase by phase."""

    def __init__(
        self,
        conninfo: str,
        connection: _Connection,
        workers: int,
        result: Result,
        tell: Tell,
    ) -> None:
        self.conninfo = conninfo
        self.connection = connection
        self.workers = workers
        self.result = result
        self.tell = tell
        self.took: dict[str, float] = {}

    def __call__(self) -> None:
        self._clear()
        served = generation.served(self.connection)
        self.result.ceiling = served.head
        with self.connection.transaction():
            self.number = generation.make(self.connection)
        self.result.generation = self.number
        try:
            with _Crew(self.conninfo, self.number, self.workers) as crew:
                self.crew = crew
                for phase in (
                    self._names,
                    self._journal,
                    self._facts,
                    self._figures,
                    self._check,
                ):
                    began = time.monotonic()
                    phase()
                    name = phase.__name__.strip("_")
                    self.result.phases[name] = time.monotonic() - began
            self._mark(self.result.ceiling)
            self._switch()
        except BaseException:
            if not self.connection.closed and not self.result.switched:
                generation.drop(self.connection, self.number)
            raise

    def _clear(self) -> None:
        """Drop what a killed rebuild left, and all but the last generation."""
        for number in generation.numbers(self.connection, "building"):
            generation.drop(self.connection, number)
        for number in generation.numbers(self.connection, "kept"):
            generation.drop(self.connection, number)

    # -- phases --------------------------------------------------------------------

    def _names(self) -> None:
        """Accounts and users, by which everything else is numbered."""
        for room, name in (("accounts", "account"), ("users", "user_directory")):
            began = time.monotonic()
            rows = self._decode(room, name)
            self._index(name)
            self._done(name, rows, time.monotonic() - began)
        self.crew.one(_analyze, "account", "user_directory")

    def _decode(self, room: str, name: str) -> int:
        """Decode every event that makes rows of a table, a range a worker."""
        ranges = _split(self.result.ceiling, self.workers)
        made = self.crew.each(
            decode, [(after, upto, ((room, name),)) for after, upto in ranges]
        )
        return sum(one[name] for one in made)

    def _journal(self) -> None:
        """Every event decoded, a range of positions a worker; then indexed."""
        began = time.monotonic()
        ranges = _split(self.result.ceiling, self.workers)
        step = (("journal", "journal"),)
        made = self.crew.each(decode, [(after, upto, step) for after, upto in ranges])
        self.result.events = sum(one["journal"] for one in made)
        self._index("journal")
        self._done("journal", self.result.events, time.monotonic() - began)
        self.crew.one(_analyze, "journal")

    def _facts(self) -> None:
        """Seats, holdings, counts and periods, a range of accounts a worker."""
        self.ranges = self._account_ranges()
        names = ("seat", "seat_holding", "seat_count", "current_assignment")
        ceiling = self.result.ceiling
        periods = self.crew.beside(fill_periods, ceiling)
        self._fill(*names[:3])
        self._index("seat", "seat_holding", "seat_count")
        self._fill("current_assignment")
        self._index("current_assignment")
        began = time.monotonic()
        rows = periods.result()
        self._index("billing_period")
        self._done("billing_period", rows, time.monotonic() - began)
        self.crew.each(
            _analyze, [("seat", "seat_holding", "billing_period"), ("seat_count",)]
        )

    def _figures(self) -> None:
        """What counts of each account, period and type."""
        self._fill("billable_seats")
        self._index("billable_seats")
        self.crew.one(_analyze, "billable_seats", "current_assignment")

    def _check(self) -> None:
        """Hold the new tables against each other and the store; digest them."""
        given = {"ceiling": self.result.ceiling}
        checks = queries("checks.sql")
        waiting = [
            (check, self.crew.begin(_first_finding, checks[check.name], given))
            for check in CHECKS
        ]
        digests = [
            (one.name, self.crew.begin(_digest, one.name)) for one in PROJECTIONS
        ]
        for check, found in waiting:
            row = found.result()
            if row is not None:
                reason = check.told(row)
                made = self.result.made[check.projection]
                self.result.made[check.projection] = made._replace(
                    status="error", reason=reason
                )
                raise IntegrityFailure(
                    f"{check.projection}: {reason}. The served tables are unchanged.",
                    try_=f"seat-ledger event show {row['position']}",
                    projection=check.projection,
                    **{key: str(value) for key, value in row.items()},
                )
        for name, digest in digests:
            made = self.result.made[name]
            self.result.made[name] = made._replace(digest=digest.result())
        for one in PROJECTIONS:
            self.tell(self.result.made[one.name])

    # -- parts of them ---------------------------------------------------------------

    def _fill(self, *names: str) -> None:
        """Fill tables, each worker its accounts."""
        for name in names:
            began = time.monotonic()
            given = [
                (name, first, last, self.result.ceiling) for first, last in self.ranges
            ]
            rows = sum(self.crew.each(fill, given))
            self._done(name, rows, time.monotonic() - began)

    def _index(self, *names: str) -> None:
        """Make the indexes of tables, shared among the workers."""
        waiting = []
        for name in names:
            waiting += [
                (name, self.crew.begin(_execute, statement))
                for statement in indexes(name)
            ]
        for name, made in waiting:
            self.took[name] = self.took.get(name, 0.0) + made.result()

    def _done(self, name: str, rows: int, took: float) -> None:
        self.result.made[name] = Made(name, rows, None, took, "ok")

    def _account_ranges(self) -> list[tuple[int, int]]:
        """Ranges of accounts with about equally many events, one a worker."""
        row = self.crew.one(
            _ask,
            queries("checks.sql")["account_ranges"],
            {"shares": [n / self.workers for n in range(1, self.workers)]},
        )
        bounds = [0, *(row or ()), 2**62]
        return [(low + 1, high) for low, high in pairwise(bounds)]

    # -- serving -------------------------------------------------------------------

    def _mark(self, position: int) -> None:
        self.connection.execute(
            "UPDATE projection.generation SET position = %s, "
            "moved_at = clock_timestamp() WHERE number = %s",
            [position, self.number],
        )

    def _switch(self) -> None:
        """Catch up until little is missing, then hand over in one transaction."""
        began = time.monotonic()
        generation.use(self.connection, self.number)
        wait = 0.05
        while not self.result.switched:
            self._come_close()
            try:
                self._hand_over()
            except psycopg.errors.LockNotAvailable:
                time.sleep(wait)
                wait = min(wait * 1.5, 2.0)
        self.result.phases["switch"] = time.monotonic() - began

    def _come_close(self) -> None:
        """Catch the new tables up, while the old ones are served."""
        while True:
            row = self._positions()
            if row.head - row.checkpoint <= SMALL_ENOUGH:
                return
            advance(self.connection, self.number, row.head)

    def _positions(self) -> Served:
        found = generation.served(self.connection)
        row = self.connection.execute(
            "SELECT position FROM projection.generation WHERE number = %s",
            [self.number],
        ).fetchone()
        assert row is not None
        return found._replace(checkpoint=row[0])

    def _hand_over(self) -> None:
        """Switch the views, not before the new tables are as far as the old ones."""
        with self.connection.transaction():
            self.connection.execute(f"SET LOCAL lock_timeout = '{SWITCH_TIMEOUT}'")
            self.connection.execute("SELECT pg_advisory_xact_lock(%s)", [CATCH_UP_LOCK])
            served = generation.served(self.connection)
            position = self._positions().checkpoint
            while position < served.checkpoint:
                position = locked_advance(
                    self.connection, self.number, served.checkpoint
                )
            generation.serve(self.connection, self.number)
        self.result.switched = True
        self.result.handed_over = position - self.result.ceiling


class _Crew:
    """Connections that work side by side, each with a thread to wait for it."""

    def __init__(self, conninfo: str, number: int, size: int) -> None:
        self.conninfo, self.number, self.size = conninfo, number, size

    def __enter__(self) -> Self:
        self.connections = [self._connection() for _ in range(self.size)]
        self.aside = self._connection()
        self.free = list(self.connections)
        self.pool = ThreadPoolExecutor(self.size)
        self.pool_aside = ThreadPoolExecutor(1)
        return self

    def _connection(self) -> _Connection:
        connection = connect(self.conninfo, autocommit=True)
        for name, value in _SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        generation.use(connection, self.number)
        return connection

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            for connection in (*self.connections, self.aside):
                connection.cancel_safe(timeout=5)
        self.pool.shutdown(cancel_futures=True)
        self.pool_aside.shutdown(cancel_futures=True)
        for connection in (*self.connections, self.aside):
            connection.close()

    def begin(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        """Let the next free worker do something, in a transaction of its own."""

        def do() -> Any:
            connection = self.free.pop()
            try:
                with connection.transaction():
                    return work(connection, *given)
            finally:
                self.free.append(connection)

        return self.pool.submit(do)

    def beside(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        """Do something beside the workers: what the client itself is busy with."""

        def do() -> Any:
            with self.aside.transaction():
                return work(self.aside, *given)

        return self.pool_aside.submit(do)

    def one(self, work: Callable[..., Any], *given: Any) -> Any:
        """Let one worker do something, and wait."""
        return self.begin(work, *given).result()

    def each(
        self, work: Callable[..., Any], given: Sequence[tuple[Any, ...]]
    ) -> list[Any]:
        """Let the workers share something, and wait for all."""
        waiting = [self.begin(work, *one) for one in given]
        return [one.result() for one in waiting]


def _split(ceiling: int, parts: int) -> list[tuple[int, int]]:
    bounds = [ceiling * n // parts for n in range(parts + 1)]
    return list(pairwise(bounds))


def _execute(connection: _Connection, statement: bytes) -> float:
    began = time.monotonic()
    connection.execute(statement)
    return time.monotonic() - began


def _ask(connection: _Connection, statement: bytes, given: Any) -> Any:
    row = connection.execute(statement, given).fetchone()
    return row[0] if row else None


def _analyze(connection: _Connection, *names: str) -> None:
    for name in names:
        connection.execute(f"ANALYZE {BY_NAME[name].name}".encode())


def _first_finding(
    connection: _Connection, statement: bytes, given: dict[str, Any]
) -> dict[str, Any] | None:
    from psycopg.rows import dict_row  # noqa: PLC0415

    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, given).fetchone()


def _digest(connection: _Connection, name: str) -> str:
    row = connection.execute(queries("digests.sql")[name]).fetchone()
    assert row is not None
    return digest_of(map(str, row))
