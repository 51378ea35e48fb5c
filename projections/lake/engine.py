"""The definitions run on DuckDB, over the journal of some accounts in memory."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from seat_ledger.domain.values import shown
from seat_ledger.errors import IntegrityFailure, InvalidInput
from seat_ledger.projections.engine.checks import CHECKS
from seat_ledger.projections.engine.contracts import facts_of_each
from seat_ledger.projections.engine.figures_query import BOUNDS
from seat_ledger.projections.engine.registry import question
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.lake.calendar_rows import CalendarRows
from seat_ledger.projections.lake.columns import arrow_types
from seat_ledger.projections.lake.definitions import (
    as_text,
    bound,
    bounded,
    definitions,
    figures,
    rows_of,
)
from seat_ledger.projections.periods import PeriodRow, as_period, existing

TABLES = (
    "seat",
    "seat_holding",
    "seat_count",
    "current_assignment",
    "billing_period",
    "billable_seats",
)
"""What is computed from the journal, in this order."""

COMPARED_LESS = {"billing_period": ("day_starts",)}
"""Columns that served tables alone have: in the lake dates are rows."""

_DEFINITIONS = {
    *("entry_at", "reversed_entry_at"),
    *("seat_at", "seat_holding_at", "seat_step_at", "seat_count_at"),
}
"""What the tables are computed by."""

_BY_COLUMN = {"details": "contract_at", "request": "unassignment_at"}
"""What a journal that has a column brings as well."""

UNREAD = {
    *("bucket", "recorded_at", "effective_after", "quantity", "request"),
    *("super_admin", "account_access", "hub", "actor_no"),
}
"""Columns of the journal that none of these reads."""

_CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    "memory_limit": "180MB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
"""It reads no file and fetches nothing; what has no room is spilled into scratch."""

_QUERIES = {
    name: block.decode() for name, block in queries("lake", "engine.sql").items()
}
_UNCOVERED = {"uncovered": "periods with instants that have no date"}
_UNDATED = {"gaps": "dates that do not follow the one before", **_UNCOVERED}
"""What to see of the calendar, and where it has new dates."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IN_BOTH = tuple(
    check
    for check in CHECKS
    if check.name not in {"journal_is_whole", "counts_equal_holdings"}
)
"""Checks whose text runs on both engines; that the journal is whole segments prove."""


class Engine:
    """A DuckDB in memory with the definitions, as known at a position."""

    def __init__(
        self,
        known_at: int,
        seat_types: Sequence[tuple[int, str]],
        *,
        scratch: str,
        unread: Collection[str] = UNREAD,
    ) -> None:
        import duckdb  # noqa: PLC0415  an extra
        import pyarrow as pa  # noqa: PLC0415

        self.known_at, self.events = known_at, 0
        self._positions: dict[str, int] = {}
        self.loads = 0
        self.calendar = CalendarRows()
        _check_is_text(scratch)
        self.db = duckdb.connect(config={**_CONFIGURATION, "temp_directory": scratch})
        for setting in _SETTINGS:
            self.db.execute(setting)
        types = arrow_types()
        self.schema = pa.schema([
            (name, kind) for name, kind in types.items() if name not in unread
        ])  # fmt: skip
        self.load_rows("journal", self.schema.empty_table())
        needed = _DEFINITIONS | {
            name for column, name in _BY_COLUMN.items() if column not in unread
        }
        for definition in definitions(tuple(self.schema.names)):
            if definition.name in needed:
                self.db.execute(definition.macro())
        self.db.execute("CREATE TABLE seat_type (type_no INTEGER, name VARCHAR)")
        if seat_types:
            self.db.executemany("INSERT INTO seat_type VALUES (?, ?)", list(seat_types))

    def close(self) -> None:
        """Free what it holds."""
        self.db.close()

    def load(self, journal: Any) -> None:
        """Take the journal of other accounts, as an Arrow table."""
        self.events = len(journal)
        self.loads += 1
        self._positions.clear()
        self.load_rows("journal", journal.select(self.schema.names))
        self._execute("CREATE OR REPLACE TABLE account AS " + _QUERIES["account"])

    def compute(self) -> Iterator[tuple[str, Any]]:
        """Each table with its rows, as Arrow tables in the order of the columns."""
        for name in TABLES:
            if name == "billing_period":
                self._periods()
            else:
                self.make(name)
            yield name, self.rows(f"SELECT * FROM {name}")  # noqa: S608

    def count(
        self, selected: Iterable[PeriodRow], source: str = "as_known"
    ) -> list[dict[str, Any]]:
        """The figures of some periods, in order of accounts; a seat type is its number.

        The source is one of those of the counting query that are as known.
        """
        for row in selected:
            self.calendar.add(row.account_no, as_period(row))
        self.take_calendar()
        if source in BOUNDS:
            self._positions.clear()
            for name, text in bounded(source).items():
                rows = bound(text, {"known_position": self.known_at})
                self._execute(f"CREATE OR REPLACE TABLE {name} AS {rows}")
        else:
            self.ensure("seat_holding")
            self.ensure("seat_count")
        self.make("billable_seats")
        return self.dicts("SELECT * FROM billable_seats")

    def ensure(self, name: str) -> None:
        """Make a table, unless it is there as known at the position."""
        if self._positions.get(name) != self.known_at:
            self.make(name)
            self._positions[name] = self.known_at

    def ask(self, statement: str, **params: int) -> list[dict[str, Any]]:
        """The rows of a text of this room, with whole numbers for its parameters."""
        return self.dicts(bound(statement, params))

    def rows_as_known(self, name: str) -> list[dict[str, Any]]:
        """The rows of one of the lake's own queries about accounts, as known."""
        return self.dicts(bound(_QUERIES[name], {"known": self.known_at}))

    def contracts(self) -> list[dict[str, Any]]:
        """The contract's events of every account that is known."""
        return [*map(_contract, self.rows_as_known("contracts"))]

    def to_be_carried_out(self) -> list[dict[str, Any]]:
        """The unassignments that are to be carried out (R98)."""
        text = question("holdings", "to_be_carried_out", from_tables=False)
        params = {"known_position": self.known_at}
        return self.dicts(bound(as_text(text).rstrip("; \n"), params))

    def make(self, name: str) -> None:
        """Make a table: by its definition, or of the figures by the portable text."""
        if name == "billable_seats":
            self._figures()
            return
        rows = bound(rows_of(name), {"known_position": self.known_at})
        self._execute(f"CREATE OR REPLACE TABLE {name} AS {rows}")

    def rows(self, statement: str) -> Any:
        """What a statement finds, as an Arrow table."""
        return self.db.sql(statement).to_arrow_table()

    def dicts(self, statement: str) -> list[dict[str, Any]]:
        """The same, each row by the names of its columns."""
        rows: list[dict[str, Any]] = self.rows(statement).to_pylist()
        return rows

    def types_of(self, name: str) -> dict[str, Any]:
        """The types of a table's columns, as Arrow has them."""
        schema = self.rows(f"SELECT * FROM {name} LIMIT 0").schema  # noqa: S608
        return {field.name: field.type for field in schema}

    def take_served(self, batches: Iterable[Any], types: dict[str, Any]) -> None:
        """Take rows of a served table, as the table ``served``."""
        import pyarrow as pa  # noqa: PLC0415

        schema = pa.schema(list(types.items()))
        self.load_rows("served", pa.Table.from_batches(batches, schema))

    def check(self) -> None:
        """Hold the tables to what must be so of them, as a rebuild in PostgreSQL does.

        Raises IntegrityFailure.
        """
        texts = queries("engine", "checks.sql")
        for check in CHECKS:
            if check.name == "counts_equal_holdings" and self._add_up():
                continue
            text = _QUERIES.get(check.name) or (
                as_text(texts[check.name]) if check in _IN_BOTH else None
            )
            if text is None:
                continue
            wrong = self.dicts(
                f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({bound(text)})"  # noqa: S608
            )
            for row in wrong:
                raise IntegrityFailure(
                    f"{check.projection}: {check.message(row)}.",
                    try_="seat-ledger integrity verify; seat-ledger projection rebuild",
                )

    def _add_up(self) -> bool:
        """Whether by type the hashed instants of all changes add up to nothing."""
        ((apart,),) = self.db.execute(_QUERIES["sums_apart"]).fetchall()
        return not apart

    # -- steps ------------------------------------------------------------------------

    def _periods(self) -> None:
        import pyarrow as pa  # noqa: PLC0415

        rows: list[tuple[Any, ...]] = []
        for account in facts_of_each(self.contracts(), self.known_at):
            for period in existing(account):
                mode, granularity = account.policy_at(period.starts)
                days = self.calendar.add(account.no, period)
                rows.append((
                    account.no, period.index, period.label, period.starts, period.ends,
                    period.until, days, period.zone, mode, granularity,
                ))  # fmt: skip
        instant = pa.timestamp("us", "UTC")
        schema = pa.schema([
            ("account_no", pa.int64()), ("period_no", pa.int32()),
            ("label", pa.date32()), ("starts", instant), ("ends", instant),
            ("until", pa.date32()), ("days", pa.int32()), ("time_zone", pa.string()),
            ("mode", pa.string()), ("granularity", pa.string()),
        ])  # fmt: skip
        columns = list(zip(*rows, strict=True)) or [()] * len(schema)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        self.load_rows("billing_period", pa.Table.from_arrays(arrays, schema=schema))
        self.take_calendar()

    def take_calendar(self) -> None:
        """Take the calendar's rows of the periods that were added to it."""
        rows = self.calendar.take()
        for name, taken in rows.items():
            self._calendar_rows(name, taken)
        self._check_dates(_UNDATED if len(rows["zone_date"]["starts"]) else _UNCOVERED)

    def _calendar_rows(self, name: str, columns: dict[str, Any]) -> None:
        import pyarrow as pa  # noqa: PLC0415

        texts = {"time_zone": pa.string()}
        table = pa.table({
            column: pa.array(values, texts.get(column, pa.int64()))
            for column, values in columns.items()
        })  # fmt: skip
        target = "period_rows" if name == "period" else name
        if name == "zone_date" and self._has(name):
            self.db.register("incoming", table)
            self._execute(f"INSERT INTO {name} SELECT * FROM incoming")  # noqa: S608
            self.db.unregister("incoming")
        else:
            self.load_rows(target, table)

    def _figures(self) -> None:
        sources = ", ".join(
            f"{name} AS ({_QUERIES[name]})" for name in ("period", "step", "held")
        )
        self._execute(
            f"CREATE OR REPLACE TABLE billable_seats AS WITH {sources}, {figures()}"
        )

    def _check_dates(self, checks: Mapping[str, str] = _UNDATED) -> None:
        """See that every instant of a period has a date. Raises IntegrityFailure."""
        for name, words in checks.items():
            ((count,),) = self.db.execute(_QUERIES[name]).fetchall()
            if count:
                raise IntegrityFailure(
                    f"The calendar has {count} {words}.",
                    try_="report this: it is a bug",
                )

    def _has(self, name: str) -> bool:
        rows = self.db.execute(
            "SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [name]
        ).fetchall()
        return bool(rows)

    def load_rows(self, name: str, rows: Any) -> None:
        """Take an Arrow table as a table of this name."""
        self.db.register("incoming", rows)
        self._execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608
        self.db.unregister("incoming")

    def _execute(self, statement: str) -> None:
        self.db.execute(statement).fetchall()


def _check_is_text(folder: str) -> None:
    """Raise InvalidInput for a folder whose name is bytes that are no text."""
    try:
        folder.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"The folder for temporary files, {shown(folder)}, has a name that is not "
            "UTF-8; DuckDB cannot use it.",
            try_="let TMPDIR name another folder",
        ) from error


def _contract(row: Mapping[str, Any]) -> dict[str, Any]:
    """A contract's event as the read side has it; names are not in a lake."""
    whole = json.loads(row["details"]) if row["details"] else {}
    if row["topic"] == "AccountOpened":
        whole["name"] = ""
    effective_at = _EPOCH + timedelta(microseconds=row["effective_at"])
    return {**row, "effective_at": effective_at, "details": whole}
