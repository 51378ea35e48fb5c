"""The tables of a rebuild computed by DuckDB, a range of accounts at a time.

PostgreSQL decodes, keeps and serves; what comes from the journal is computed here by
the same definitions. Columns of numbers go out by COPY and rows come back by COPY, in
binary form. Of people nothing goes out but their numbers. What waits meanwhile is in a
file without a name, which ends with this process.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import pairwise
from typing import IO, Any, Self

import psycopg
from psycopg.rows import dict_row

from seat_ledger.errors import LedgerError
from seat_ledger.projections import periods
from seat_ledger.projections.engine.contracts import facts_of_each
from seat_ledger.projections.engine.registry import BY_NAME
from seat_ledger.projections.engine.sql_files import filled, part, queries
from seat_ledger.projections.engine.verify import FRESH, TableComparison
from seat_ledger.projections.lake import binary
from seat_ledger.projections.lake.columns import COLUMNS
from seat_ledger.projections.lake.engine import TABLES, Engine
from seat_ledger.projections.lake.served import compared_with_served
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.periods.contract import AccountFacts

Connection = psycopg.Connection[Any]

TOPICS = ("SeatPurchased", "SeatRetired", "SeatAssigned", "SeatUnassigned")
_REVERSED = "EntryReversed"
_KINDS = (*TOPICS, _REVERSED, _REVERSED)
"""A topic is sent as its place here; the last one is a reversal that holds."""

_READ = {
    *("account_no", "position", "effective_at", "user_no", "topic"),
    *("seat_type", "number", "root", "holds"),
}
"""The columns of the journal that the definitions of these tables read."""

_FIELDS = {
    "position": 8, "account_no": 8, "effective_at": 8, "who": 8, "seat_type": 4,
    "number": 4, "kind": 2,
}  # fmt: skip
"""What goes out of each event, and the bytes of it. Who is a user, or the entry that a
reversal is of."""


def available() -> bool:
    """Whether what this needs is installed."""
    return all(find_spec(package) for package in ("duckdb", "numpy", "pyarrow"))


class NoRoom(LedgerError):
    """Neither machine nor engine can do it: mostly memory or disk is missing."""


class TablesByDuckDB:
    """Computes the tables of ranges of accounts, several at a time.

    `bounds` are the numbers before the first account, and of the last of each range.
    """

    name = "duckdb"

    def __init__(self, bounds: Sequence[int], known_at: int) -> None:
        self.bounds, self.known_at = list(bounds), known_at
        self.types: dict[str, dict[str, str]] = {}
        self.free: list[Engine] = []

    @property
    def shares(self) -> range:
        """The ranges, by number."""
        return range(len(self.bounds) - 1)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            named = tempfile.TemporaryDirectory(prefix="seat-ledger-")
            self.folder = stack.enter_context(named)
            file = stack.enter_context(tempfile.TemporaryFile(buffering=0))
            self.spool = _Spool(self.bounds, file)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self.free:
            engine.close()
        self.stack.close()

    def read(self, connection: Connection, after: int, until: int) -> None:
        """Take the events of some positions from the journal."""
        statement = filled(
            b"COPY ({selected}) TO STDOUT (FORMAT binary)",
            selected=part(queries("lake", "export.sql")["columns"]),
        )
        params = {"after": after, "until_position": until}
        with (
            _failures_named(),
            connection.cursor() as cursor,
            cursor.copy(statement, params) as copy,
        ):
            for columns in binary.columns_of(map(bytes, copy), [*_FIELDS.values()]):
                self.spool.add(columns)

    def fill(self, connection: Connection, share: int) -> dict[str, int]:
        """Fill every table for a range of accounts; return the numbers of rows."""
        with _failures_named(), self._engine() as engine:
            rows = {"billing_period": self._periods(connection, engine, share)}
            engine.load_rows("journal", self.spool.events(share))
            for name in TABLES:
                if name != "billing_period":
                    engine.make(name)
                    rows[name] = self._copy(connection, engine, name)
        return rows

    def compare(
        self, connection: Connection, share: int, accounts: Sequence[int]
    ) -> Iterator[TableComparison]:
        """Hold the served tables of some accounts of a range against what is computed;
        but the billing periods, which are the one calendar's.
        """
        with _failures_named(), self._engine() as engine:
            for account in self._contracts(connection, share):
                for period in periods.existing(account):
                    engine.calendar.add(account.no, period)
            engine.take_calendar()
            engine.load_rows("journal", self.spool.events(share))
            for name in TABLES:
                if name != "billing_period":
                    engine.make(name)
                    compared, difference = compared_with_served(
                        connection, engine, name, accounts, fresh=FRESH
                    )
                    yield TableComparison(name, compared, difference)

    def count(self, share: int, selected: Sequence[PeriodRow]) -> list[dict[str, Any]]:
        """The figures of some periods of a range of accounts, in order of accounts."""
        with _failures_named(), self._engine() as engine:
            engine.load_rows("journal", self.spool.events(share))
            return engine.count(selected)

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        unread = COLUMNS.keys() - _READ
        try:
            engine = self.free.pop()
        except IndexError:
            engine = Engine(self.known_at, (), scratch=self.folder, unread=unread)
        try:
            yield engine
        finally:
            self.free.append(engine)

    def _periods(self, connection: Connection, engine: Engine, share: int) -> int:
        """Fill the billing periods, and let the engine know their dates."""
        encoded = []
        for account in self._contracts(connection, share):
            for period in periods.existing(account):
                engine.calendar.add(account.no, period)
                encoded.append(periods.binary_row(account, period))
        engine.take_calendar()
        _send(connection, "billing_period", periods.PeriodRow._fields, encoded)
        return len(encoded)

    def _contracts(self, connection: Connection, share: int) -> Iterator[AccountFacts]:
        """The accounts of a range that are known, by number."""
        first, last = self.bounds[share] + 1, self.bounds[share + 1]
        with connection.cursor(row_factory=dict_row) as cursor:
            contracts = cursor.execute(
                queries("accounts", "queries.sql")["contracts_between"],
                {"known_position": self.known_at, "first": first, "last": last},
            ).fetchall()
        return facts_of_each(contracts, self.known_at)

    def _copy(self, connection: Connection, engine: Engine, name: str) -> int:
        """Bring the rows of a table back, in the order of its key."""
        types = self._types(connection, name)
        key = ", ".join(f'"{column}"' for column in _ORDER.get(name, BY_NAME[name].key))
        table = engine.rows(f"SELECT * FROM {name} ORDER BY {key}")  # noqa: S608
        _send(connection, name, types, [binary.rows_of(table, types)])
        return len(table)

    def _types(self, connection: Connection, name: str) -> dict[str, str]:
        if name not in self.types:
            rows = connection.execute(
                queries("lake", "export.sql")["types"], {"name": name}
            ).fetchall()
            self.types[name] = dict(rows)
        return self.types[name]


_BY_SEAT = ("account_no", "seat_type", "number")
_ORDER = {
    "seat_holding": (*_BY_SEAT, "user_no", "held_from"),
    "current_assignment": _BY_SEAT,
}
"""Where rows of an account lie together other than by the key."""


def _send(
    connection: Connection, name: str, columns: Any, pieces: Sequence[bytes]
) -> None:
    statement = filled(
        b"COPY {table} ({columns}) FROM STDIN (FORMAT binary)",
        table=part(name),
        columns=part(", ".join(f'"{column}"' for column in columns)),
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(binary.HEAD)
        copy.write(b"".join(pieces))
        copy.write(binary.END)


@contextmanager
def _failures_named() -> Iterator[None]:
    """What this machine or the engine cannot do, as an error of the ledger."""
    import duckdb  # noqa: PLC0415

    try:
        yield
    except (duckdb.Error, OSError, MemoryError) as error:
        raise NoRoom(
            f"DuckDB could not compute the tables: {error}".rstrip(". \n")
            + ". The served tables are unchanged.",
            try_="make room in memory and in the folder for temporary files "
            f"({tempfile.gettempdir()}), or rebuild with --engine postgresql",
        ) from error


class _Spool:
    """Events on their way, by range of accounts, in a file without a name."""

    def __init__(self, bounds: Sequence[int], file: IO[bytes]) -> None:
        import numpy as np  # noqa: PLC0415

        self.lasts = np.array(bounds[1:], "i8")
        self.kind = np.dtype([(name, f"i{width}") for name, width in _FIELDS.items()])
        self.places: list[list[tuple[int, int]]] = [[] for _ in self.lasts]
        self.file = file
        self.size = 0
        self.lock = threading.Lock()

    def add(self, columns: Sequence[Any]) -> None:
        """Take events."""
        import numpy as np  # noqa: PLC0415

        shares = np.searchsorted(self.lasts, columns[1])
        order = np.argsort(shares, kind="stable")
        events = np.empty(len(order), self.kind)
        for name, column in zip(_FIELDS, columns, strict=True):
            events[name] = column[order]
        counts = np.bincount(shares, minlength=len(self.lasts))
        with self.lock:
            start, self.size = self.size, self.size + events.nbytes
        _write(self.file.fileno(), events.tobytes(), start)
        for share, (low, high) in enumerate(pairwise([0, *np.cumsum(counts)])):
            if low < high:
                place = start + int(low) * self.kind.itemsize
                self.places[share].append((place, int(high - low)))

    def events(self, share: int) -> Any:
        """The events of a range, as the journal that the definitions read."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        size = self.kind.itemsize
        blocks = [
            os.pread(self.file.fileno(), count * size, place)
            for place, count in self.places[share]
        ]
        events = np.frombuffer(b"".join(blocks), self.kind)
        column = {name: np.ascontiguousarray(events[name]) for name in _FIELDS}
        instants = pa.array(column["effective_at"] + binary.EPOCH)
        who = pa.array(column["who"])
        return pa.table(
            {
                "account_no": pa.array(column["account_no"]),
                "position": pa.array(column["position"]),
                "effective_at": instants.cast(pa.timestamp("us", "UTC")),
                "user_no": who,
                "topic": pa.DictionaryArray.from_arrays(
                    pa.array(column["kind"]), pa.array(_KINDS)
                ),
                "seat_type": pa.array(column["seat_type"]),
                "number": pa.array(column["number"]),
                "root": who,
                "holds": pa.array(column["kind"] == len(_KINDS) - 1),
            }
        )


def _write(descriptor: int, block: bytes, place: int) -> None:
    """Write all of it, also where the system takes less at once."""
    remaining = memoryview(block)
    while remaining:
        written = os.pwrite(descriptor, remaining, place)
        remaining, place = remaining[written:], place + written
