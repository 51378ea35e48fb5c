"""Verify: the served tables held against the store.

The cheap form compares counts, checkpoints and gaps. The full form computes every
projection anew from the stored events, account by account, and compares row for row;
the first row that differs is named. Both look at one snapshot, so that a follower may
go on meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from seat_ledger.domain.wording import counted
from seat_ledger.projections import periods
from seat_ledger.projections.engine.beside import (
    Beside,
    BesideMaker,
    account_bounds,
    position_ranges,
)
from seat_ledger.projections.engine.catch_up import facts
from seat_ledger.projections.engine.decode import (
    STEPS,
    Scope,
    UnreadableEvent,
    check_readable,
    naming_unreadable,
    persons,
)
from seat_ledger.projections.engine.figures_query import counting
from seat_ledger.projections.engine.merge_rows import columns_of
from seat_ledger.projections.engine.registry import (
    BY_NAME,
    DECODED,
    PROJECTIONS,
    Projection,
    RowSource,
)
from seat_ledger.projections.engine.seat_types import CATALOGUE, STARTING
from seat_ledger.projections.engine.set_aside import EVERYTHING, SetAside, scope_of
from seat_ledger.projections.engine.snapshot import pin
from seat_ledger.projections.engine.sql_files import filled, part, queries
from seat_ledger.projections.engine.user_directory import PERSONAL
from seat_ledger.store.connection import connect
from seat_ledger.store.wrapping import Secret, open_wrapping

ACCOUNTS_AT_ONCE = 50
_EVENTS_AT_ONCE = 250_000
"""About how many events a share has that is computed beside the server."""
_PERIODS = "billing_period"
TABLE = "the table"
FRESH = "the fresh computation"
_OF_ACCOUNTS = b"account_no = ANY (%(accounts)s::bigint[])"
_BEYOND = "{number} <= 0 OR {number} > %(known_position)s::bigint"
_RANGE = """({number} > %(after)s::bigint OR %(after)s::bigint = 0)
AND {number} <= %(until_position)s::bigint"""

_Connection = psycopg.Connection[Any]


class TableVerdict(NamedTuple):
    """What became of one comparison: ``same``, ``differs`` or ``not_reached``."""

    projection: str
    check: str
    status: str
    compared: int
    difference: str | None = None

    def document(self) -> dict[str, Any]:
        """As people and files get it."""
        document = self._asdict()
        difference = document.pop("difference")
        return {**document, "found": difference}


@dataclass
class ProjectionVerification:
    """Every comparison, and how far it came."""

    position: int
    aside: tuple[SetAside, ...] = ()
    scope: Scope = field(default_factory=lambda: EVERYTHING)
    rows: list[TableVerdict] = field(default_factory=list)
    accounts: int = 0
    of_accounts: int = 0
    complete: bool = True
    seconds: float = 0.0

    def sentence(self) -> str:
        """The answer in words, claiming no more than was compared."""
        wrong = [row for row in self.rows if row.status == "differs"]
        looked_at = f"{self.accounts:,} of {counted(self.of_accounts, 'account')}"
        if wrong:
            many = "1 comparison" if len(wrong) == 1 else f"{len(wrong)} comparisons"
            text = f"{many} found differences: {wrong[0].difference}"
        elif self.accounts < self.of_accounts:
            text = (
                f"What was compared, with {looked_at}, matches the store up to "
                "position "
            )
            text += f"{self.position}."
        else:
            text = f"The served tables match the store up to position {self.position}."
        if self.complete:
            return text
        return f"{text} Time ran out before the end, after {looked_at}."


def verify(
    conninfo: str,
    *,
    full: bool = False,
    sample: int | None = None,
    max_duration: float | None = None,
    beside: BesideMaker[Comparing] | None = None,
) -> ProjectionVerification:
    """Hold the served tables against the store. Raises SchemaMismatch.

    In full what comes from the journal may be computed `beside` the server.
    """
    began = time.monotonic()
    with connect(conninfo, role="projector", autocommit=True) as connection:
        open_wrapping(connection)
        served = pin(connection)
        result = ProjectionVerification(served.checkpoint, served.aside)
        result.scope = scope_of(connection) if served.aside else EVERYTHING
        _compare_counts(connection, result)
        _look_for_unreadable(connection, result)
        if full:
            ends = None if max_duration is None else began + max_duration
            _Full(connection, result, sample, ends, beside)()
    result.seconds = time.monotonic() - began
    return result


def apart(
    connection: _Connection, position: int, accounts: list[int]
) -> dict[str, str]:
    """Compute what comes from the journal anew, for some accounts, and compare it.

    With the tables of the search path, which are as known at the position. Returns the
    first difference of each table that has one, in words.
    """
    full = _Full(connection, ProjectionVerification(position), None, None)
    full.compare_computed(accounts)
    return full.different


def _compare_counts(connection: _Connection, result: ProjectionVerification) -> None:
    """Counts and gaps: whatever can be seen without computing anything anew."""
    for name, statement in queries("engine", "verify.sql").items():
        projection, _, check = name.partition("__")
        with connection.cursor(row_factory=dict_row) as cursor:
            params = {**result.scope, "known_position": result.position}
            row = cursor.execute(statement, params).fetchone()
        assert row is not None
        same = row["expected"] == row["actual"]
        difference = f"{row['actual']:,} kept, {row['expected']:,} expected"
        if row.get("position") is not None:
            difference += f", first at position {row['position']}"
        if check == "no_account_set_aside":
            difference = " ".join(account.sentence() for account in result.aside)
        result.rows.append(
            TableVerdict(
                projection,
                check.replace("_", " "),
                "same" if same else "differs",
                row["expected"],
                None if same else difference,
            )
        )


def _look_for_unreadable(
    connection: _Connection, result: ProjectionVerification
) -> None:
    """Types, versions and the order of versions in the whole store, taken or not yet.

    What is set aside already is reported by itself.
    """
    head = connection.execute(
        "SELECT coalesce(max(notification_id), 0) FROM ledger.stored_events"
    ).fetchone()
    until = head[0] if head else 0
    difference = None
    try:
        check_readable(
            connection, {**result.scope, "after": 0, "until_position": until}
        )
    except UnreadableEvent as error:
        difference = error.message
    status = "same" if difference is None else "differs"
    result.rows.append(
        TableVerdict("journal", "events are readable", status, until, difference)
    )


class TableComparison(NamedTuple):
    """How many rows of a table were compared, and the first difference, in words."""

    name: str
    compared: int
    difference: str | None


class Comparing(Beside, Protocol):
    """Computes anew, and compares, what comes from the journal but billing periods."""

    def compare(
        self, connection: _Connection, share: int, accounts: Sequence[int]
    ) -> Iterator[TableComparison]:
        """Compare every table of the accounts of a share, all events being taken."""


class _Full:
    """Everything computed anew, a few accounts at a time."""

    def __init__(
        self,
        connection: _Connection,
        result: ProjectionVerification,
        sample: int | None,
        ends: float | None,
        beside: BesideMaker[Comparing] | None = None,
    ) -> None:
        self.beside = beside
        self.connection = connection
        self.result = result
        self.sample = sample
        self.ends = ends
        self.compared = {projection.name: 0 for projection in PROJECTIONS}
        self.different: dict[str, str] = {}
        self.reached: set[str] = set()

    def __call__(self) -> None:
        if self.sample is None:
            self._compare_decoded()
        if self.beside is None:
            for accounts in batched(self._accounts()):
                if self._is_over():
                    break
                self.compare_computed(accounts)
                self.result.accounts += len(accounts)
        else:
            self._compare_beside(self.beside)
        if self.sample is None and self.result.complete:
            self._find_strays()
        for name, compared in self.compared.items():
            difference = self.different.get(name)
            reached = name in self.reached
            status = "differs" if difference else "same" if reached else "not_reached"
            self.result.rows.append(
                TableVerdict(name, "every row", status, compared, difference)
            )

    def _compare_beside(self, make: BesideMaker[Comparing]) -> None:
        """Compare what is computed beside the server; periods are computed here."""
        numbers, position = self._accounts(), self.result.position
        bounds = account_bounds(self.connection, 1 + position // _EVENTS_AT_ONCE)
        with make(bounds, position) as beside:
            for positions in position_ranges(position):
                if self._is_over():
                    return
                beside.read(self.connection, *positions)
            for share in beside.shares:
                if self._is_over():
                    return
                first, last = bounds[share], bounds[share + 1]
                accounts = [number for number in numbers if first < number <= last]
                self._compare_share(beside, share, accounts)
                self.result.accounts += len(accounts)

    def _compare_share(
        self, beside: Comparing, share: int, accounts: list[int]
    ) -> None:
        """Compare some accounts. Where their periods are not as stored PostgreSQL does
        all of it: what cannot be read is a finding there.
        """
        for batch in batched(accounts):
            with self._noting(_PERIODS):
                self._compare(_PERIODS, *self._fresh(BY_NAME[_PERIODS], batch))
        if _PERIODS in self.different:
            for batch in batched(accounts):
                self.compare_computed(batch, {*DECODED, _PERIODS})
            return
        for name, compared, difference in beside.compare(
            self.connection, share, accounts
        ):
            self.reached.add(name)
            self.compared[name] += compared
            if difference is not None:
                self._note(name, difference)

    def compare_computed(
        self, accounts: list[int], besides: Collection[str] = DECODED
    ) -> None:
        """Compare what is computed from the journal, for some accounts."""
        for projection in PROJECTIONS:
            if projection.name not in besides:
                with self._noting(projection.name):
                    self._compare(projection.name, *self._fresh(projection, accounts))

    def _find_strays(self) -> None:
        """Rows of no account, or of positions that the tables do not reach."""
        for projection in PROJECTIONS:
            scope = b"account_no NOT IN (SELECT account_no FROM account)"
            if projection.name in DECODED - {"person"}:
                scope = filled(_BEYOND, number=sql.Identifier(projection.key[0]))
            if projection.name == "seat_type":
                scope = b"added < 0 OR added > %(known_position)s::bigint"
            params = {"known_position": self.result.position}
            none = filled(
                "SELECT * FROM {table} WHERE false",
                table=sql.Identifier(projection.name),
            )
            self._compare(projection.name, none, scope, params)

    def _is_over(self) -> bool:
        over = self.ends is not None and time.monotonic() > self.ends
        if over:
            self.result.complete = False
        return over

    def _accounts(self) -> list[int]:
        """The accounts to look at; a sample is spread evenly, the same each time."""
        rows = self.connection.execute(
            "SELECT account_no FROM account ORDER BY account_no"
        ).fetchall()
        numbers = [row[0] for row in rows]
        self.result.of_accounts = len(numbers)
        if self.sample is not None:
            step = max(1, len(numbers) // self.sample)
            numbers = numbers[::step][: self.sample]
        return numbers

    # -- decoded from the store ------------------------------------------------------

    def _compare_decoded(self) -> None:
        """Accounts, users and the journal, a range of positions at a time."""
        after = 0
        while after < self.result.position and not self._is_over():
            until = min(self.result.position, after + 20_000)
            types = CATALOGUE if after else STARTING
            params = {
                **self.result.scope,
                **types,
                "after": after,
                "until_position": until,
            }
            for step in STEPS:
                fresh = step.decoded
                alone = filled(
                    "SELECT count(fresh) FROM ({fresh}) AS fresh", fresh=part(fresh)
                )
                with (
                    self._noting(step.name),
                    naming_unreadable(self.connection, alone, params, step.name),
                ):
                    self._compare(step.name, fresh, _in_range(step.name), params)
            with self._noting("user_directory"):
                self._compare_directory(after, until)
            after = until

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Go on where the rows cannot be computed anew: that is a finding as well."""
        try:
            with self.connection.transaction():
                yield
        except UnreadableEvent as error:
            reason = "the event at position {position} ({topic}, account {account}) "
            reason += "cannot be read: {reason}"
            if name == "user_directory" and "person" in self.different:
                reason = "cannot be computed, because person differs"
            self._note(name, reason.format(**error.details))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            self._note(
                name, f"cannot be computed: {error.diag.message_primary or error}"
            )

    def _note(self, name: str, difference: str) -> None:
        self.reached.add(name)
        self.different.setdefault(name, f"{name}: {difference}")

    def _compare_directory(self, after: int, until: int) -> None:
        """Who was added in a range of positions, opened anew.

        Whose erasure is not caught up yet is left out: the key is gone already.
        """
        statements = queries("users", "decode.sql") | queries("users", "personal.sql")
        added = persons(self.connection, after, until, self.result.scope)
        params = {
            "after": after,
            "until_position": until,
            "known_position": self.result.position,
            "persons": Secret(
                orjson.dumps([person._asdict() for person in added]).decode()
            ),
        }
        condition = part(statements["not_erased_later"])
        self._compare(
            "user_directory",
            filled(
                "{rows} WHERE {condition}",
                rows=part(statements["opened"]),
                condition=condition,
            ),
            filled(
                "{range} AND {condition}",
                range=part(_in_range("user_directory")),
                condition=condition,
            ),
            params,
        )

    # -- computed from the journal ----------------------------------------------------

    def _fresh(
        self, projection: Projection, accounts: list[int]
    ) -> tuple[bytes, bytes, dict[str, Any]]:
        """The rows that some accounts should have, and which ones are stored."""
        known_at = self.result.position
        params: dict[str, Any] = {"known_position": known_at, "accounts": accounts}
        if projection.source not in {RowSource.CALENDAR, RowSource.FIGURES}:
            rows = part(projection.rows(from_tables=False))
            fresh = filled(
                "SELECT * FROM ({rows}) AS fresh WHERE {of_accounts}",
                rows=rows,
                of_accounts=part(_OF_ACCOUNTS),
            )
            return fresh, _OF_ACCOUNTS, params
        contracts = facts(self.connection, accounts, known_at)
        columns = periods.columns(
            row for account in contracts for row in periods.rows_of(account)
        )
        if projection.source is RowSource.CALENDAR:
            fresh = queries("periods", "refresh.sql")["billing_period"]
            return fresh, _OF_ACCOUNTS, {**params, **columns}
        return counting("selected", "as_known"), _OF_ACCOUNTS, {**params, **columns}

    def _compare(
        self, name: str, fresh: bytes, scope: bytes, params: dict[str, Any]
    ) -> None:
        columns = columns_of(self.connection, name)
        statement = _comparison(name, columns, fresh, scope)
        with self.connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(statement, params).fetchone()
        assert row is not None
        self.reached.add(name)
        self.compared[name] += row["compared"]
        if row["apart"] is not None:
            self._note(name, difference_in_words(name, *row["apart"]))


def batched(accounts: Sequence[int]) -> Iterator[list[int]]:
    """Accounts, so many as are compared together."""
    for first in range(0, len(accounts), ACCOUNTS_AT_ONCE):
        yield list(accounts[first : first + ACCOUNTS_AT_ONCE])


def difference_in_words(
    name: str, first: dict[str, Any], *second: dict[str, Any]
) -> str:
    """The first difference: what the table has, and what it should.

    Personal data is left out: this goes into logs.
    """
    key = BY_NAME[name].key
    where = ", ".join(f"{part} {_value(first, part)}" for part in key)
    others = [part for part in first if part not in {*key, "side"}]
    hidden = set(PERSONAL) if name == "user_directory" else set()
    if not second or any(first[part] != second[0][part] for part in key):
        changes = [
            f"{part} {_value(first, part)}" for part in others if part not in hidden
        ]
        return f"only {first['side']} has {where}: {', '.join(changes)}"
    (stored,) = (row for row in (first, *second) if row["side"] == TABLE)
    (fresh,) = (row for row in (first, *second) if row["side"] != TABLE)
    changes = [
        f"{part} differs"
        if part in hidden
        else f"{part} is {_value(stored, part)}, computed {_value(fresh, part)}"
        for part in others
        if stored[part] != fresh[part]
    ]
    return f"{where}: {'; '.join(changes)}"


def _in_range(name: str) -> bytes:
    """A condition: a row of a table that comes from the store is of the range."""
    return filled(_RANGE, number=sql.Identifier(BY_NAME[name].key[0]))


def _value(row: dict[str, Any], part: str) -> Any:
    return "null" if row[part] is None else row[part]


def _comparison(
    name: str, columns: list[str], fresh: bytes, scope: bytes
) -> sql.Composed:
    """The first two rows that only one side has, and how many were compared."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(
        """
        WITH fresh ({names}) AS MATERIALIZED ({fresh}),
        cast_as_stored AS MATERIALIZED (
            SELECT {names} FROM {table} WHERE false
            UNION ALL
            SELECT {names} FROM fresh),
        stored AS MATERIALIZED (SELECT {names} FROM {table} WHERE {scope}),
        apart AS (
            (SELECT 'the table' AS side, {names} FROM stored
              EXCEPT ALL SELECT 'the table', {names} FROM cast_as_stored)
            UNION ALL
            (SELECT 'the fresh computation', {names} FROM cast_as_stored
              EXCEPT ALL SELECT 'the fresh computation', {names} FROM stored)),
        earliest AS (
            SELECT * FROM apart ORDER BY {key}, side LIMIT 2)
        SELECT (SELECT count(*) FROM fresh) AS compared,
               (SELECT json_agg(earliest ORDER BY {key}, side) FROM earliest) AS apart
        """
    ).format(
        names=names,
        fresh=part(fresh),
        table=sql.Identifier(name),
        scope=part(scope),
        key=sql.SQL(", ").join(map(sql.Identifier, BY_NAME[name].key)),
    )
