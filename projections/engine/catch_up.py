"""Catch-up: what a batch of new events touched is computed anew, and nothing else.

Rows and checkpoint change in one transaction, under one lock, in position order: each
event counts exactly once, whoever catches up, and however often. The definitions are
the same as everywhere; only the keys are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier

from seat_ledger.domain.wording import counted
from seat_ledger.errors import DatabaseRefused, LedgerError, NotAllowed, SchemaMismatch
from seat_ledger.projections import periods
from seat_ledger.projections.engine import generations, set_aside
from seat_ledger.projections.engine.contracts import facts_of_each
from seat_ledger.projections.engine.decode import (
    Scope,
    UnreadableEvent,
    check_readable,
    decode,
    open_persons,
    unreadable,
)
from seat_ledger.projections.engine.figures_query import FIGURES, sources_of
from seat_ledger.projections.engine.generations import Served
from seat_ledger.projections.engine.locks import CATCH_UP_LOCK
from seat_ledger.projections.engine.merge_rows import replace
from seat_ledger.projections.engine.registry import PROJECTIONS, SEAT, TYPE, Projection
from seat_ledger.projections.engine.set_aside import EVERYTHING, scope_of
from seat_ledger.projections.engine.snapshot import settle
from seat_ledger.projections.engine.sql_files import filled, part, queries
from seat_ledger.projections.engine.user_directory import (
    erase_recorded,
    erases,
    forget,
    rewrite,
)
from seat_ledger.projections.periods.contract import AccountFacts

BATCH = 20_000
REBUILD_IS_FASTER = 400_000
"""With so many events missing, a rebuild is the shorter way."""

_LOCK = (
    "SELECT pg_advisory_xact_lock(%s), set_config('enable_mergejoin', 'off', true), "
    "set_config('idle_in_transaction_session_timeout', '60s', true)"
)
"""A merge with all reversals looks cheap to the planner: it hopes to end early. And who
holds the lock and does nothing with it is cut off.
"""

LARGE = 1_000
"""A batch of so many events may change what the planner has to know of the tables."""

REFUSED = (psycopg.DataError, psycopg.IntegrityError)
"""What the tables say of events that decode, and make no rows all the same."""

_FRESH = """
SELECT fresh.*
  FROM touched
 CROSS JOIN LATERAL (
       SELECT * FROM ({rows}) AS fresh WHERE {same} OFFSET 0) AS fresh
"""
_SCOPE = "({stored}) IN (SELECT {columns} FROM touched)"
_TOUCHED = {SEAT: "touched_seats", TYPE: "touched_types"}
"""The rule by which the rows that a batch touched are computed, by their columns."""

_Connection = psycopg.Connection[Any]
_REFRESH = queries("engine", "refresh.sql")
_STATUS = queries("engine", "status.sql")
_PERIODS = queries("periods", "refresh.sql")
_CONTRACTS = queries("accounts", "queries.sql")


def catch_up(connection: _Connection, *, patient: bool = False) -> Served:
    """Bring the served tables to the head as it is now; return where they are.

    The connection is in autocommit mode. A role that may not write leaves the tables
    as they are. Raises UnreadableEvent for an event of no account (R74);
    SchemaMismatch for tables of another definition, or, unless `patient`, when so much
    is missing that a rebuild is due.
    """
    served = _served(connection)
    head = served.head
    if served.checkpoint >= head or not may_write(connection):
        return served
    if head - served.checkpoint > REBUILD_IS_FASTER and not patient:
        _check_few_are_missing(connection, served.checkpoint)
    position, any_erased = (
        served.checkpoint,
        erases(connection, served.checkpoint, head),
    )
    while position < head:
        try:
            position = advance(connection, served.number, head)
        except Superseded:
            served = _served(connection)
            position = served.checkpoint
    if any_erased:
        rewrite(connection)
    return served._replace(checkpoint=position)


class Superseded(Exception):
    """The tables are not served any more; others are, and these may be dropped."""


def _served(connection: _Connection) -> Served:
    """The served tables, which names mean from now on. Raises SchemaMismatch."""
    served = generations.served(connection)
    generations.check(served)
    settle(connection, served.number)
    return served


def _check_few_are_missing(connection: _Connection, checkpoint: int) -> None:
    """Raise SchemaMismatch where so many events wait; positions may have gaps."""
    row = connection.execute(
        "SELECT count(*) FROM ledger.stored_events WHERE notification_id > %s",
        [checkpoint],
    ).fetchone()
    assert row is not None
    if row[0] > REBUILD_IS_FASTER:
        raise SchemaMismatch(
            f"The projections are {counted(row[0], 'event')} behind the store; "
            "rebuilding them is faster than catching up.",
            try_="seat-ledger projection rebuild",
        )


def may_write(connection: _Connection) -> bool:
    """Whether the session may move the checkpoint."""
    row = connection.execute(
        "SELECT has_table_privilege('projection.generation', 'UPDATE') "
        "AND NOT current_setting('transaction_read_only')::boolean"
    ).fetchone()
    return bool(row and row[0])


def is_read_only(connection: _Connection) -> bool:
    """Whether nobody may write in the session, whatever the role."""
    row = connection.execute(
        "SELECT current_setting('transaction_read_only')::boolean"
    ).fetchone()
    return bool(row and row[0])


def may_not_write(connection: _Connection | None = None) -> LedgerError:
    """What to say to who asked for nothing but to move the checkpoint."""
    if connection is not None and is_read_only(connection):
        return DatabaseRefused(
            "This server can only be read: it is a standby, or set to read only. "
            "Nothing was done.",
            try_="name the primary server",
        )
    return NotAllowed(
        "This login may read the projections, but not update them. Nothing was done.",
        try_="have the login granted the role seat_ledger_projector; see 'Who may do "
        "what' in the README",
    )


def advance(connection: _Connection, number: int, head: int) -> int:
    """Take the next batch of events, all of it or none; return the new checkpoint.

    An event that cannot be read, or whose rows the tables refuse, sets its account
    aside, and the others go on (R74). Where its account is not known it stops
    everything: what stands before is taken, and the event is noted, so that status
    shows what stops the projections since when.
    """
    while True:
        try:
            with connection.transaction():
                return locked_advance(connection, number, head)
        except UnreadableEvent as error:
            stopped = error
        except REFUSED as error:
            stopped = _first_refused(connection, number, head, error)
        if not set_account_aside(connection, number, stopped):
            _stop(connection, number, stopped)


def set_account_aside(
    connection: _Connection, number: int, stopped: UnreadableEvent
) -> bool:
    """Set the account of an event aside; False where nobody can tell whose it is.

    False too where the account is set aside there already, and the event should not
    have been met.
    """
    with connection.transaction():
        connection.execute(_LOCK, [CATCH_UP_LOCK])
        if _position(connection, number).position >= stopped.position:
            return True  # somebody else came past it meanwhile
        origin = set_aside.origin_of(connection, stopped.position)
        if origin.account_id is None:
            return False
        return set_aside.note(connection, origin, stopped.position, stopped.reason)


def _stop(connection: _Connection, number: int, stopped: UnreadableEvent) -> None:
    """Take what was recorded before an event of no account, and raise it."""
    after = _position(connection, number).position
    params = {"after": after, "position": stopped.position}
    row = connection.execute(_REFRESH["boundary"], params).fetchone()
    boundary = max(after, row[0] if row else 0)
    while _position(connection, number).position < boundary:
        advance(connection, number, boundary)
    connection.execute(
        "UPDATE projection.generation SET failed_position = %s, "
        "failed_reason = %s, failed_at = clock_timestamp() "
        "WHERE number = %s AND failed_position IS DISTINCT FROM %s",
        [stopped.position, stopped.message, number, stopped.position],
    )
    raise stopped


def _first_refused(
    connection: _Connection, number: int, head: int, error: Exception
) -> UnreadableEvent:
    """The first event whose rows the tables refuse.

    Mostly it is an unassignment that ends nothing. Else it is found by halving: first
    the command, then the event; inside a command that is right the tables may refuse
    what its end makes good.
    """
    after = _position(connection, number).position
    ends = _whole(connection, after + BATCH, head)
    position = _first_unpaired(connection, number, ends)
    if position is not None and position > after:
        return unreadable(connection, position, "it ends no holding", "seat_holding")

    def refusal(until: int) -> Exception | None:
        return _refusal(connection, number, until)

    def refusal_of_command(until: int) -> Exception | None:
        return refusal(_whole(connection, until, ends))

    until, error = _halve(after, ends, refusal_of_command, error)
    until, error = _halve(until - 1, _whole(connection, until, ends), refusal, error)
    if isinstance(error, UnreadableEvent):
        return error
    message = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    reason = f"its rows are refused: {message or error}"
    return unreadable(connection, until, reason, "journal")


def _first_unpaired(connection: _Connection, number: int, until: int) -> int | None:
    """The first unassignment of the next batch that ends nothing, if one does."""
    with connection.transaction(force_rollback=True):
        try:
            after, _, scope = _begin(connection, number, until)
            decode(connection, after, until, scope=scope)
        except UnreadableEvent:
            return None
        touched = TouchedKeys(connection, after, until)
        row = connection.execute(
            _REFRESH["unpaired"], {"known_position": until, **touched.arrays()}
        ).fetchone()
    return None if row is None else int(row[1])


def _halve(
    after: int, until: int, refusal: Callable[[int], Exception | None], error: Exception
) -> tuple[int, Exception]:
    """The first position after one that is refused, and why; `until` is, by `error`."""
    while until - after > 1:
        middle = (after + until) // 2
        failure = refusal(middle)
        if failure is None:
            after = middle
        else:
            until, error = middle, failure
    return until, error


def _refusal(connection: _Connection, number: int, until: int) -> Exception | None:
    """What stops the events up to a position, if anything does; nothing is kept."""
    try:
        with connection.transaction(force_rollback=True):
            locked_advance(connection, number, until)
    except (UnreadableEvent, *REFUSED) as refused:
        return refused
    return None


def locked_advance(connection: _Connection, number: int, head: int) -> int:
    """The same, inside the caller's transaction.

    A switch takes the same lock: what is served now is so until the end. Raises
    Superseded where another generation is.
    """
    after, until, scope = _begin(connection, number, head)
    if after >= until:
        return after
    check_readable(connection, {**scope, "after": after, "until_position": until})
    decode(connection, after, until, scope=scope)
    open_persons(connection, after, until, scope=scope)
    if until - after >= LARGE:
        _analyze_grown(connection, "journal")
    if erase_recorded(connection, after, until):
        forget(connection)
    refresh(connection, after, until)
    connection.execute(
        "UPDATE projection.generation SET position = %s, moved_at = clock_timestamp(), "
        "failed_position = NULL, failed_reason = NULL, failed_at = NULL "
        "WHERE number = %s",
        [until, number],
    )
    return until


@contextmanager
def alone_at_work(connection: _Connection) -> Iterator[None]:
    """Lock out whoever else catches up, in a transaction that is taken back.

    Events that stand for the moment keep every append waiting: whoever adds some waits
    for the lock before, not with them.
    """
    with connection.transaction(force_rollback=True):
        connection.execute(_LOCK, [CATCH_UP_LOCK])
        yield


def _begin(connection: _Connection, number: int, head: int) -> tuple[int, int, Scope]:
    """Lock out whoever else catches up: where the next batch begins and ends, of what.

    The transaction ends the lock.
    """
    connection.execute(_LOCK, [CATCH_UP_LOCK])
    after, leaves_out = _position(connection, number)
    if after >= head:
        return after, after, EVERYTHING
    until = _whole(connection, after + BATCH, head)
    return after, until, scope_of(connection) if leaves_out else EVERYTHING


class _Place(NamedTuple):
    """How far a generation is, and whether accounts of it are set aside."""

    position: int
    leaves_out: bool


def _position(connection: _Connection, number: int) -> _Place:
    """How far a generation is. Raises Superseded where it is not served any more."""
    try:
        row = connection.execute(
            "SELECT position, EXISTS (SELECT FROM set_aside) "
            "FROM projection.generation WHERE number = %s AND state <> 'kept'",
            [number],
        ).fetchone()
    except psycopg.errors.UndefinedTable as error:  # dropped since
        raise Superseded from error
    if row is None:
        raise Superseded
    return _Place(*row)


def _whole(connection: _Connection, until: int, head: int) -> int:
    """Where a batch ends: not inside a command, the events of which belong together.

    Those of one command were recorded at one instant (R01).
    """
    if until >= head:
        return head
    params = {"until_position": until, "furthest": min(head, until + BATCH)}
    row = connection.execute(_REFRESH["recorded_later"], params).fetchone()
    return params["furthest"] if row is None else int(row[0]) - 1


class TouchedKeys:
    """What a batch of events touched, as arrays for the queries."""

    def __init__(
        self,
        connection: _Connection,
        after: int,
        until: int,
        account_no: int | None = None,
    ) -> None:
        params = {"after": after, "until_position": until, "account_no": account_no}
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_REFRESH["touched"], params).fetchall()
        self.astray = [row["position"] for row in rows if row["kind"] == "astray"]
        self.seats = [row for row in rows if row["kind"] == "seat"]
        self.contracts = {
            row["account_no"]: row["since"] for row in rows if row["kind"] == "contract"
        }
        self.types: dict[tuple[int, str], datetime] = {}
        for row in self.seats:
            self._touch((row["account_no"], row["seat_type"]), row["since"])

    def _touch(self, key: tuple[int, str], since: datetime) -> None:
        self.types[key] = min(self.types.get(key, since), since)

    def add_contracts(self, connection: _Connection) -> None:
        """A contract that changed touches every type of its account."""
        if self.contracts:
            for account_no, seat_type in connection.execute(
                _REFRESH["types_of"], {"account_nos": list(self.contracts)}
            ).fetchall():
                self._touch((account_no, seat_type), self.contracts[account_no])

    def arrays(self) -> dict[str, Any]:
        """The arrays."""
        return {
            "seat_accounts": [row["account_no"] for row in self.seats],
            "seat_types": [row["seat_type"] for row in self.seats],
            "seat_numbers": [row["number"] for row in self.seats],
            "type_accounts": [account for account, _ in self.types],
            "types": [seat_type for _, seat_type in self.types],
            "sinces": list(self.types.values()),
            "account_nos": list(self.contracts),
        }


def refresh(
    connection: _Connection, after: int, until: int, account_no: int | None = None
) -> None:
    """Compute anew what the journal's rows of ``(after, upto]`` touched.

    Of one account, where it is named. Raises UnreadableEvent.
    """
    touched = TouchedKeys(connection, after, until, account_no)
    if touched.astray:
        reason = "what it reverses is not an entry of its account"
        raise unreadable(connection, min(touched.astray), reason, "journal")
    params = {"known_position": until, **touched.arrays()}
    if touched.seats:
        for projection in PROJECTIONS:
            if projection.touched_by:
                replace(
                    connection, projection.name, **_touched(projection), params=params
                )
                if until - after >= LARGE:
                    _analyze_grown(connection, projection.name)
    if touched.contracts:
        contracts = facts(connection, list(touched.contracts), until)
        replace_periods(connection, contracts)
        touched.add_contracts(connection)
    if touched.types:
        _refresh_figures(connection, touched)


def _analyze_grown(connection: _Connection, name: str) -> None:
    """Let the planner know a table that has grown much since it last looked.

    Of the indexes that lead with an account and a type it takes any where it knows
    nothing; by the wrong one each touched seat reads all entries of its account.
    """
    row = connection.execute(_STATUS["has_grown"], {"name": name}).fetchone()
    if row and row[0]:
        connection.execute(SQL("ANALYZE {}").format(Identifier(name)))


@cache
def _touched(projection: Projection) -> dict[str, Any]:
    """How the rows that a batch touched are computed, and which stored ones they are.

    The room's ``refresh.sql`` may say it in a way of its own.
    """
    own = queries(projection.room, "refresh.sql")
    columns = projection.touched_by
    keys = {
        "rows": part(projection.rows(from_tables=True)),
        "same": _joined(" AND ", "fresh.{0} = touched.{0}", columns),
        "stored": _joined(", ", "stored.{0}", columns),
        "columns": _joined(", ", "{0}", columns),
    }
    return {
        "ctes": (("touched", _REFRESH[_TOUCHED[columns]]),),
        "fresh": own.get(projection.name) or filled(_FRESH, **keys),
        "scope": own.get(f"scope of {projection.name}") or filled(_SCOPE, **keys),
    }


def _joined(separator: LiteralString, each: LiteralString, columns: Any) -> Composed:
    return SQL(separator).join(SQL(each).format(Identifier(name)) for name in columns)


def facts(
    connection: _Connection, account_nos: list[int], known_at: int
) -> list[AccountFacts]:
    """The contracts of some accounts, from the journal."""
    params = {"account_nos": account_nos, "known_position": known_at}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_CONTRACTS["contracts_of"], params)
        return list(facts_of_each(rows, known_at))


def replace_periods(connection: _Connection, accounts: Iterable[AccountFacts]) -> None:
    """Make the kept periods of some accounts those of the calendar."""
    contracts = list(accounts)
    rows = (row for account in contracts for row in periods.rows_of(account))
    params = {
        **periods.columns(rows),
        "account_nos": [account.no for account in contracts],
    }
    replace(
        connection,
        "billing_period",
        ctes=(),
        fresh=_PERIODS["billing_period"],
        scope=_PERIODS["scope of billing_period"],
        params=params,
    )


def _refresh_figures(connection: _Connection, touched: TouchedKeys) -> None:
    """Count anew from the earliest period that was touched, account by account."""
    params = touched.arrays()
    replace(
        connection,
        "billable_seats",
        ctes=tuple(sources_of("touched", "touched")),
        fresh=FIGURES,
        scope=queries("billing", "refresh.sql")["scope of billable_seats"],
        params={**params, "account_nos": params["type_accounts"]},
    )
