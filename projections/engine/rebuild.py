"""Rebuild: every projection made anew beside the served ones, checked, then switched.

The store is read up to a fixed ceiling, which is complete because position order is
commit order. Workers share the accounts between them. Nothing that is served is
touched until everything is made, indexed and checked; what was appended meanwhile is
caught up in the new tables before and inside the switch. Whatever goes wrong leaves
the served tables as they were.

What comes from the journal is computed by the server, or by an engine beside it
(:class:`Bulk`); then a sample of the accounts is computed by both, and compared.

Accounts that were set aside before, or are named, may be set aside in the new tables
too, where they have to be; any other event that cannot be read ends the rebuild (R74).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from random import SystemRandom
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from seat_ledger.domain.values import as_word
from seat_ledger.errors import IntegrityFailure, LedgerError
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine.beside import (
    LAST,
    Beside,
    BesideMaker,
    account_bounds,
    position_ranges,
)
from seat_ledger.projections.engine.catch_up import may_not_write
from seat_ledger.projections.engine.checks import BY_CHECK, CHECKS, Check, table_digest
from seat_ledger.projections.engine.decode import (
    BEGUN_BEFORE,
    UnreadableEvent,
    check_readable,
    decode,
    open_persons,
    unreadable,
)
from seat_ledger.projections.engine.locks import alone
from seat_ledger.projections.engine.populate import fill, fill_periods
from seat_ledger.projections.engine.registry import BY_NAME, PROJECTIONS, RowSource
from seat_ledger.projections.engine.report import (
    POSTGRESQL,
    BuiltTable,
    RebuildResult,
    TableReporter,
)
from seat_ledger.projections.engine.resume import take_back
from seat_ledger.projections.engine.set_aside import (
    EVERYTHING,
    SetAside,
    listed,
    note_again,
    origin_of,
    scope_of,
)
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.engine.switch import switch
from seat_ledger.projections.engine.user_directory import erases, rewrite
from seat_ledger.projections.engine.verify import apart
from seat_ledger.projections.engine.worker_pool import WorkerPool
from seat_ledger.store.connection import connect, is_lost, unavailable

DEFAULT_WORKERS = max(1, min(4, os.cpu_count() or 1))
_Connection = psycopg.Connection[Any]
At = Callable[[str], None]
PHASES = {
    "names": "accounts and users",
    "journal": "the journal",
    "facts": "seats, holdings, counts and periods",
    "figures": "billable seats",
    "compare": "some accounts by both engines",
    "resume": "accounts that were set aside",
    "check": "checks and digests",
    "switch": "the switch",
}
"""What a rebuild does one after the other, and how people read it."""

_TABLES_AT_ONCE = 2
"""So many tables are filled from the journal side by side: those that take long."""


EVENTS_AT_ONCE = 160_000
"""About how many events an engine beside the server has in memory, each worker."""

_SAMPLE = (20, 100)
"""So many accounts are computed by both engines, or one of so many if that is more."""

_ACCOUNTS_AT_ONCE = 1_000
"""Of these so many in one statement: each reads every reversal of the journal."""


BESIDE_FROM = 1_000_000
"""From so many events on an engine beside the server is the quicker one."""


class Bulk(Beside, Protocol):
    """Computes the tables of a generation.

    Connections are in the generation, in a transaction.
    """

    def fill(self, connection: _Connection, share: int) -> dict[str, int]:
        """Fill the tables for a share, all events being taken; the rows of each."""


BulkMaker = BesideMaker[Bulk]


def rebuild(  # noqa: PLR0913  what may be asked for
    conninfo: str,
    *,
    workers: int | None = None,
    bulk: BulkMaker | None = None,
    report: TableReporter = lambda _: None,
    at: At = lambda _: None,
    named: Collection[str] = (),
    bulk_from: int = 0,
) -> RebuildResult:
    """Rebuild all projections and serve them; the result holds the error, if any.

    `named` are accounts, or positions of events, that may be set aside (R74). `bulk`
    makes the engine beside the server, if it is not to do everything itself, which it
    does where the store's head is before the position `bulk_from`. `report`
    is called as each projection is made, and again when it turns out wrong; `at` with
    what is being done. Raises Locked (exit 11) while another rebuild is at
    work.
    """
    result = RebuildResult()
    connecting = connect(conninfo, role="projector", autocommit=True)
    try:
        with connecting as connection, alone(connection):
            try:
                size = workers or DEFAULT_WORKERS
                of = _Rebuild(conninfo, connection, size, result, (report, at))
                of.named, of.bulk, of.bulk_from = frozenset(named), bulk, bulk_from
                result.engine = bulk.name if bulk else POSTGRESQL
                of()
            except LedgerError as error:
                result.fail(error, report)
    except psycopg.Error as error:
        result.fail(_refused(conninfo, error, result), report)
    except KeyboardInterrupt:
        if not result.switched:
            raise
        result.fail(_interrupted_late(), report)
    result.seconds = time.monotonic() - result.began
    return result


IN_SERVICE = "The new tables are in service."


def _interrupted_late() -> LedgerError:
    interrupted = LedgerError(
        f"The rebuild was interrupted at its very end. {IN_SERVICE}"
    )
    interrupted.code, interrupted.exit_code = "interrupted", 130
    return interrupted


def _refused(conninfo: str, error: psycopg.Error, result: RebuildResult) -> LedgerError:
    """What a failure of the database means for a rebuild."""
    if is_lost(error) or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return unavailable(conninfo, error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return may_not_write()
    message = error.diag.message_primary or str(error).strip()
    what = IN_SERVICE if result.switched else "The served tables are unchanged."
    failed = LedgerError(
        f"The database refused a step of the rebuild: {message}. {what}",
        try_="read the server's log, then rebuild again",
    )
    failed.__cause__ = error
    return failed


class _Rebuild:
    """One rebuild, phase by phase."""

    def __init__(
        self,
        conninfo: str,
        connection: _Connection,
        workers: int,
        result: RebuildResult,
        callbacks: tuple[TableReporter, At],
    ) -> None:
        self.conninfo = conninfo
        self.connection = connection
        self.workers = workers
        self.result = result
        self.report, self.at = callbacks
        self.named: frozenset[str] = frozenset()
        self.bulk: BulkMaker | None = None
        self.bulk_from = 0
        self.aside: dict[UUID, SetAside] = {}
        self.before: dict[UUID, SetAside] = {}
        self.stays: set[UUID] = set()
        self.resumed: set[UUID] = set()
        self.sample: list[Future[dict[str, str]]] = []

    def __call__(self) -> None:
        self._clear()
        served = generations.served(self.connection)
        self.result.ceiling = served.head
        if served.head < self.bulk_from:
            self.bulk, self.result.engine = None, POSTGRESQL
        self.before = {
            account.account_id: account
            for account in _aside_in(self.connection, served.number)
        }
        self.aside = dict(self.before)
        while not self._is_built():
            self.at("again, with an account set aside")
        try:
            self._phase("switch")
        except BaseException:
            self._drop_tables()
            raise

    def _is_built(self) -> bool:
        """Make the new tables; False where an account has to be set aside first."""
        self.result.tables.clear()
        self.analyzed: set[str] = set()
        self.sample = []
        self.result.resumed, self.resumed = [], set()
        with self.connection.transaction():
            self.number = generations.make(self.connection)
            note_again(self.connection, self.aside.values())
        generations.use(self.connection, self.number)
        self.result.generation = self.number
        try:
            with WorkerPool(self.conninfo, self.number, self.workers) as crew:
                self.crew = crew
                for name in PHASES:
                    if name not in {"switch", *self._left_out}:
                        self._phase(name)
        except IntegrityFailure as error:
            may = self._may_set_aside(error)
            self._drop_tables()
            if not may:
                raise
            return False
        except BaseException:
            self._drop_tables()
            raise
        return True

    @property
    def _left_out(self) -> set[str]:
        """The phases that one engine alone does not have."""
        return {"figures"} if self.bulk else {"compare"}

    def _drop_tables(self) -> None:
        """Remove the new tables; by a new connection where an interrupt closed ours.

        The library closes one whose statement ends in another way than by the
        cancellation that an interrupt asks for: at its lock timeout, for example.
        """
        if self.result.switched:
            return
        if not self.connection.closed:
            with suppress(psycopg.Error):
                generations.drop(self.connection, self.number)
        if not self.connection.closed:
            return
        with (
            suppress(psycopg.Error, LedgerError),
            connect(self.conninfo, role="projector", autocommit=True) as fresh,
        ):
            generations.drop(fresh, self.number)

    def _may_set_aside(self, error: IntegrityFailure) -> bool:
        """Whether the account of an event is one that may be set aside; then it is.

        Else the error says how to name it.
        """
        position = error.details.get("position")
        if not isinstance(position, int) or "events" in error.details:
            return False
        origin = origin_of(self.connection, position)
        if origin.account_id is None or origin.account_key is None:
            return False
        before = self.before.get(origin.account_id)
        words = {origin.account_key, str(origin.account_id), str(position)}
        if before is None and not words & self.named:
            key = as_word(origin.account_key)
            error.try_ = (
                "use the program version that wrote the event, or restore it from a "
                "backup; or continue without the account's later events: seat-ledger "
                f"projection rebuild --set-aside {key}"
            )
            return False
        reason = str(error.details.get("reason", error.message))
        if not isinstance(error, UnreadableEvent) or origin.account_id in self.resumed:
            self.stays.add(origin.account_id)  # reading on does not show what is wrong
        last = self.aside.get(origin.account_id)
        if last is None:
            now = _clock(self.connection)
            streams = [origin.stream]
            facts = {"position": position, "reason": reason, "streams": streams}
            last = SetAside(**{**origin._asdict(), **facts, "since": now})
            if before is not None:
                last = last._replace(since=before.since)
        elif position < last.position:
            last = last.moved_to(position, reason, origin)
        elif origin.stream not in last.streams:
            last = last._replace(streams=[*last.streams, origin.stream])
        else:
            return False
        self.aside[origin.account_id] = last
        return True

    def _phase(self, name: str) -> None:
        began = time.monotonic()
        self.at(PHASES[name])
        getattr(self, f"_{name}")()
        self.result.phases[name] = time.monotonic() - began

    def _clear(self) -> None:
        """Drop what a killed rebuild left, and all but the served generation.

        One that somebody still reads, or a dying worker still fills, is left for the
        next time.
        """
        for state in ("building", "kept"):
            for number in generations.numbers(self.connection, state):
                with suppress(psycopg.errors.LockNotAvailable):
                    generations.drop(self.connection, number)

    # -- phases --------------------------------------------------------------------

    def _names(self) -> None:
        """Accounts and users, by which everything else is numbered.

        Who the users are is opened beside what follows: nothing else needs it.
        """
        self.scope = self.crew.run(scope_of) if self.aside else EVERYTHING
        params = {**self.scope, "ceiling": self.result.ceiling}
        self.versions = self.crew.beside(_check_versions, params)
        self._decode("seat_type", workers=1)
        for name in ("account", "person"):
            try:
                self._decode(name)
            except psycopg.errors.UniqueViolation:
                twice = queries("engine", "checks.sql")[f"{name}_twice"]
                position = self.crew.run(_ask, twice, {})
                raise self.crew.run(unreadable, position, BEGUN_BEFORE, name) from None
        self._analyze_filled()
        self.directory = self.crew.beside(
            _timed, open_persons, 0, self.result.ceiling, None, self.scope
        )

    def _decode(self, name: str, workers: int | None = None) -> int:
        """Decode every event that makes rows of a table, a range a worker; index it."""
        began = time.monotonic()
        steps = (BY_NAME[name],)
        ranges = _split(self.result.ceiling, workers or 2 * self.workers)
        counts = self.crew.each(
            decode, [(after, until, steps, self.scope) for after, until in ranges]
        )
        rows: int = sum(count[name] for count in counts)
        self._done(name, rows, began)
        return rows

    def _journal(self) -> None:
        """Every event decoded."""
        if self.aside:
            self.scope = self.crew.run(scope_of)  # with the users that are known now
        self.result.events = self._decode("journal")
        self.versions.result()
        self._analyze_filled()
        astray = self.crew.run(_ask, queries("engine", "checks.sql")["astray"], {})
        if astray is not None:
            reason = "what it reverses is not an entry of its account"
            raise self.crew.run(unreadable, astray, reason, "journal")

    def _facts(self) -> None:
        """Seats, holdings, counts and periods, a range of accounts a worker."""
        if self.bulk is not None:
            self._compute(self.bulk)
            return
        self.ranges = self._account_ranges(self.workers)
        periods = self.crew.beside(_timed, fill_periods, self.result.ceiling)
        try:
            self._fill_from_journal()
        except psycopg.errors.NotNullViolation:
            self._find_unpaired()
            raise
        self._fill_from_tables()
        for name, task in (
            ("user_directory", self.directory),
            ("billing_period", periods),
        ):
            rows, took = task.result()
            self._done(name, rows, time.monotonic() - took)
        self._analyze_filled()

    def _figures(self) -> None:
        """What counts of each account, period and type."""
        self._fill_from_tables()
        self._analyze_filled()

    def _compare(self) -> None:
        """Compute some accounts by the server too, while the checks begin.

        Raises IntegrityFailure.
        """
        numbers = self.crew.run(_ask, b"SELECT array_agg(account_no) FROM account", {})
        numbers = numbers or []
        least, one_of = _SAMPLE
        sampled = min(len(numbers), max(least, len(numbers) // one_of))
        chosen = sorted(SystemRandom().sample(numbers, sampled))
        parts = [
            (self.result.ceiling, chosen[first : first + _ACCOUNTS_AT_ONCE])
            for first in range(0, sampled, _ACCOUNTS_AT_ONCE)
        ]
        self.sample = [self.crew.begin(apart, *part) for part in parts]
        self.result.compared = sampled
        if self.aside:
            self._await_sample()  # before accounts are taken back

    def _await_sample(self) -> None:
        """Raise IntegrityFailure where both engines differ on one of the accounts."""
        for part in self.sample:
            for name, difference in part.result().items():
                raise IntegrityFailure(
                    f"{difference}, where the table has it from the other engine. The "
                    "served tables are unchanged.",
                    try_="seat-ledger projection rebuild --engine postgresql; report "
                    "this: it is a bug",
                    projection=name,
                )

    def _resume(self) -> None:
        """Take accounts back that were set aside before, where nothing hinders now."""
        self.connection.execute(
            "UPDATE projection.generation SET position = %s WHERE number = %s",
            [self.result.ceiling, self.number],
        )
        for account_id, account in list(self.aside.items()):
            if account_id not in self.stays:
                left = take_back(self.connection, self.number, account)
                if left is None:
                    self.result.resumed.append(account)
                    self.resumed.add(account_id)
                    del self.aside[account_id]
                else:
                    self.aside[account_id] = left
        self.result.aside = sorted(
            self.aside.values(), key=lambda account: account.position
        )
        self.scope = self.crew.run(scope_of) if self.aside else EVERYTHING

    def _check(self) -> None:
        """Hold the new tables against each other and the store; digest them."""
        params = {**self.scope, "ceiling": self.result.ceiling}
        checks = queries("engine", "checks.sql")
        waiting = [
            (check, self.crew.begin(_first_finding, checks[check.name], params))
            for check in CHECKS
        ]
        longest_first = sorted(self.result.tables, key=self._rows_of, reverse=True)
        digests = [
            (name, self.crew.begin(table_digest, name)) for name in longest_first
        ]
        self._await_sample()
        findings = [(check, finding.result()) for check, finding in waiting]
        wrong = [(check, row) for check, row in findings if row is not None]
        for check, row in wrong:
            table = self.result.tables[check.projection]
            if table.status != "error":
                table = table._replace(status="error", reason=check.message(row))
                self.result.tables[check.projection] = table
                self.report(table)
        if wrong:
            raise self._finding(*wrong[0])
        for name, task in digests:
            table = self.result.tables[name]
            self.result.tables[name] = table._replace(digest=task.result())

    # -- parts of them ---------------------------------------------------------------

    def _compute(self, bulk: BulkMaker) -> None:
        """Fill what comes from the journal by an engine beside the server."""
        began, ceiling = time.monotonic(), self.result.ceiling
        parts = max(self.workers, self.result.events // EVENTS_AT_ONCE)
        bounds = self.crew.run(account_bounds, parts)
        with bulk(bounds, ceiling) as beside:
            self.crew.each(beside.read, [*position_ranges(ceiling)])
            try:
                filled = self.crew.each(beside.fill, [(no,) for no in beside.shares])
            except psycopg.errors.NotNullViolation:
                self._find_unpaired()
                raise
        rows, _ = self.directory.result()
        counted = {name: sum(counts[name] for counts in filled) for name in filled[0]}
        self._all_done({"user_directory": rows, **counted}, began)
        self._analyze_filled()

    def _fill_from_journal(self) -> None:
        """Fill what comes from the journal, table beside table, the longest first.

        Each share reads the whole journal.
        """
        shares = self._account_ranges(max(1, self.workers // _TABLES_AT_ONCE))
        names = [row.name for row in PROJECTIONS if row.source is RowSource.JOURNAL]
        parts = {
            name: [
                self.crew.begin(_timed, fill, name, first, last, self.result.ceiling)
                for first, last in shares
            ]
            for name in reversed(names)
        }
        for name in names:
            filled = [part.result() for part in parts[name]]
            took = sum(seconds for _, seconds in filled)
            began = time.monotonic() - took
            self._done(name, sum(rows for rows, _ in filled), began)

    def _find_unpaired(self) -> None:
        """Raise IntegrityFailure for an unassignment that nothing precedes."""
        statement = queries("engine", "checks.sql")["unpaired"]
        params = {"ceiling": self.result.ceiling}
        row = self.crew.run(_first_finding, statement, params)
        if row is not None:
            row["reason"] = "it ends no holding"
            raise self._finding(BY_CHECK["holdings_have_both_ends"], row)

    def _finding(self, check: Check, row: dict[str, Any]) -> IntegrityFailure:
        """What to say of the first row that should not be."""
        position = row["position"]
        topic = self.crew.run(origin_of, position).topic
        details = {key: str(value) for key, value in row.items()}
        return IntegrityFailure(
            f"{check.projection}: {check.message(row)}. The served tables are "
            "unchanged.",
            try_=f"seat-ledger event show {position}",
            **details
            | {"projection": check.projection, "topic": topic, "position": position},
        )

    def _fill_from_tables(self) -> None:
        """Fill what comes from tables that are there, each worker its accounts."""
        for projection in PROJECTIONS:
            name, built = projection.name, self.result.tables
            if (
                name not in built
                and projection.source in {RowSource.TABLES, RowSource.FIGURES}
                and built.keys() >= set(projection.needs)
            ):
                began, ceiling = time.monotonic(), self.result.ceiling
                ranges = [(name, first, last, ceiling) for first, last in self.ranges]
                self._done(name, sum(self.crew.each(fill, ranges)), began)

    def _done(self, name: str, rows: int, began: float) -> None:
        """Make the indexes of a table, shared among the workers, and report it."""
        self._all_done({name: rows}, began)

    def _all_done(self, rows_of: dict[str, int], began: float) -> None:
        """The same of some tables, of which the rows are counted, side by side."""
        longest_first = sorted(rows_of, key=lambda name: rows_of[name], reverse=True)
        indexes = [
            (statement,)
            for name in longest_first
            for statement in BY_NAME[name].indexes()
        ]
        self.crew.each(_execute, indexes)
        took = time.monotonic() - began
        for name, rows in rows_of.items():
            self.result.tables[name] = BuiltTable(name, rows, None, took, "ok")
            self.report(self.result.tables[name])

    def _rows_of(self, name: str) -> int:
        return self.result.tables[name].rows

    def _analyze_filled(self) -> None:
        """Give the planner statistics of the tables that were filled since."""
        filled = [(name,) for name in self.result.tables if name not in self.analyzed]
        self.analyzed.update(name for (name,) in filled)
        self.crew.each(_analyze, filled)

    def _account_ranges(self, parts: int) -> list[tuple[int, int]]:
        """Ranges of accounts with about equally many events."""
        bounds = self.crew.run(account_bounds, parts)
        return [(low + 1, high) for low, high in pairwise(bounds)]

    def _switch(self) -> None:
        """Serve the new tables, with what was appended meanwhile."""
        self.connection.execute(
            "UPDATE projection.generation SET position = %s, "
            "moved_at = clock_timestamp() WHERE number = %s",
            [self.result.ceiling, self.number],
        )
        position = switch(
            self.connection,
            self.number,
            lambda who: self.at(f"{PHASES['switch']}, waiting: {who}"),
        )
        self.result.switched = True
        self.result.handed_over = position - self.result.ceiling
        if erases(self.connection, self.result.ceiling, LAST):
            rewrite(self.connection)


def _aside_in(connection: _Connection, number: int) -> tuple[SetAside, ...]:
    """What is set aside in a generation, which may be of an older definition."""
    try:
        with connection.transaction():
            generations.use(connection, number)
            return listed(connection)
    except psycopg.errors.UndefinedTable:
        return ()


def _check_versions(connection: _Connection, params: dict[str, Any]) -> None:
    """Raise UnreadableEvent at the first event that does not follow its stream."""
    statement = queries("engine", "checks.sql")["broken_streams"]
    rows = connection.execute(statement, params).fetchall()
    if rows:
        broken = [row[0] for row in rows]
        everything = {
            **params,
            "after": 0,
            "until_position": params["ceiling"],
            "only": broken,
        }
        check_readable(connection, everything)


def _clock(connection: _Connection) -> datetime:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _split(ceiling: int, parts: int) -> list[tuple[int, int]]:
    bounds = [ceiling * n // parts for n in range(parts + 1)]
    return list(pairwise(bounds))


def _timed(
    connection: _Connection, work: Callable[..., int], *params: Any
) -> tuple[int, float]:
    began = time.monotonic()
    return work(connection, *params), time.monotonic() - began


def _execute(connection: _Connection, statement: bytes) -> None:
    connection.execute(statement)


def _ask(connection: _Connection, statement: bytes, params: Any) -> Any:
    row = connection.execute(statement, params).fetchone()
    return row[0] if row else None


def _analyze(connection: _Connection, name: str) -> None:
    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name)))


def _first_finding(
    connection: _Connection, statement: bytes, params: dict[str, Any]
) -> dict[str, Any] | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, params).fetchone()
