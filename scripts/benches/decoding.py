"""What decoding costs in other ways, and what any rebuild has to pay.

Three ways from a stored state to a row of the journal: as it is done, from a generated
column that holds the fields, and by DuckDB beside the server. And what it takes to
bring in every table when its rows are ready: no rebuild into indexed tables takes less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

from scripts.benches.stores import ServerClock, floor, ready
from seat_ledger.projections.engine.checks import table_digest
from seat_ledger.projections.engine.registry import BY_NAME, PROJECTIONS
from seat_ledger.projections.engine.seat_types import CATALOGUE
from seat_ledger.projections.engine.set_aside import EVERYTHING
from seat_ledger.projections.lake import binary, bulk

Connection = psycopg.Connection[Any]

MOST = 400_000
_COMMON = "topic IN ('SeatAssigned', 'SeatUnassigned', 'SeatPurchased')"
_SETTINGS = {
    "work_mem": "256MB",
    "maintenance_work_mem": "384MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "wal_compression": "off",
}

_PREPARED = f"""
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE TYPE bench.fields AS (
    effective_at timestamptz, effective_after timestamptz, seat_type text,
    number integer, "user" uuid, actor text, reason text, idempotency_key text,
    correlation_id text);
CREATE FUNCTION bench.fields_of(state bytea) RETURNS bench.fields
LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN RETURN jsonb_populate_record(
    NULL::bench.fields, convert_from(state, 'UTF8')::jsonb); END$$;
CREATE TABLE bench.stored_events AS
SELECT * FROM ledger.stored_events
 WHERE {_COMMON} ORDER BY notification_id LIMIT {MOST};
CREATE TABLE bench.plain (LIKE bench.stored_events);
CREATE TABLE bench.typed (LIKE bench.stored_events,
    fields bench.fields GENERATED ALWAYS AS (bench.fields_of(state)) STORED);
CREATE TABLE bench.decoded (LIKE journal INCLUDING CONSTRAINTS);
CREATE INDEX ON bench.stored_events (notification_id);
ANALYZE bench.stored_events;
"""

_BY_FIELDS = """
INSERT INTO bench.decoded (
    position, recorded_at, effective_at, effective_after, account_no, user_no, version,
    topic, seat_type, number, actor, reason, idempotency_key, correlation_id)
SELECT stored.notification_id, stored.recorded_at, (fields).effective_at,
       (fields).effective_after, account.account_no, person.user_no,
       stored.originator_version, stored.topic::topic_name, kind.type_no,
       (fields).number, (fields).actor, (fields).reason, (fields).idempotency_key,
       (fields).correlation_id
  FROM bench.typed AS stored
  LEFT JOIN account ON account.account_id = stored.originator_id
  LEFT JOIN seat_type AS kind ON kind.name = (stored.fields).seat_type
  LEFT JOIN person ON person.user_id = (stored.fields)."user"
   AND person.account_no = account.account_no
"""

_OUT = """
COPY (SELECT array_agg(notification_id), array_agg(originator_version),
             array_agg(recorded_at), string_agg(state, '\\x0a'),
             string_agg(uuid_send(originator_id), ''),
             string_agg(topic::bytea, '\\x0a')
        FROM bench.stored_events
       GROUP BY notification_id / 65536
       ORDER BY notification_id / 65536) TO STDOUT (FORMAT binary)
"""

_BESIDE = """
SELECT stored.topic, account.account_no, person.user_no, kind.type_no,
       CAST(parsed.number AS INTEGER) AS number,
       CAST(parsed.effective_at AS TIMESTAMPTZ) AS effective_at, parsed.actor
  FROM (SELECT topic, stream, from_json(state, '{
            "effective_at": "VARCHAR", "effective_after": "VARCHAR",
            "seat_type": "VARCHAR", "number": "VARCHAR", "user": "VARCHAR",
            "actor": "VARCHAR", "reason": "VARCHAR", "idempotency_key": "VARCHAR",
            "correlation_id": "VARCHAR"}') AS parsed
          FROM stored) AS stored
  LEFT JOIN account ON account.account_id = stored.stream
  LEFT JOIN kind ON kind.name = parsed.seat_type
  LEFT JOIN person ON person.user_id = parsed."user"
"""


def bench_decoding(conninfo: str, events: int) -> dict[str, Any]:
    """CPU of client and server in µs an event: of all, and of the common kinds."""
    ready(conninfo, events)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        number = _set_up(connection)
        meter = _Meter(conninfo)
        total = _count(connection, "ledger.stored_events")
        common = _count(connection, "bench.stored_events")
        figures = {
            "events": total,
            "floor_us": round(floor(conninfo).cpu / total * 1e6, 2),
            "ready_rows_us": _ready_rows(connection, meter, number, total),
            "ready_rows_frozen_us": _ready_rows(
                connection, meter, number, total, frozen=True
            ),
            "common_events": common,
            **_in_postgresql(connection, meter, common),
            **(_beside(connection, meter, common) if bulk.available() else {}),
        }
        connection.execute("SET client_min_messages = warning")
        connection.execute("DROP SCHEMA bench CASCADE")
    return figures


class _Meter:
    """CPU of this process and of the server."""

    def __init__(self, conninfo: str) -> None:
        self.server = ServerClock(conninfo)

    def micros(self, work: Callable[[], object], events: int) -> float:
        """What some work takes, an event; the better of two goes."""
        return round(min(self.once(work), self.once(work)) / events * 1e6, 2)

    def once(self, work: Callable[[], object]) -> float:
        client, server = time.process_time(), self.server.seconds() or 0.0
        work()
        client = time.process_time() - client
        return client + (self.server.seconds() or 0.0) - server


def _set_up(connection: Connection) -> int:
    for name, value in _SETTINGS.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    row = connection.execute(
        "SELECT number FROM projection.generation WHERE state = 'served'"
    ).fetchone()
    assert row is not None
    connection.execute(f"SET search_path = projection_{row[0]}".encode())
    connection.execute("SET client_min_messages = warning")
    connection.execute(_PREPARED.encode())
    return int(row[0])


def _count(connection: Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def _ready_rows(
    connection: Connection,
    meter: _Meter,
    number: int,
    events: int,
    *,
    frozen: bool = False,
) -> dict[str, float]:
    """To copy every table in, index, analyse and digest it, when its rows are there.

    `frozen`: copied in the transaction that makes the table, as rows for everybody.
    """
    figures = dict.fromkeys(("copied", "indexed", "analysed", "digested"), 0.0)
    for projection in PROJECTIONS:
        name = projection.name
        with connection.cursor().copy(
            f"COPY {name} TO STDOUT (FORMAT binary)".encode()
        ) as out:
            rows = b"".join(map(bytes, out))
        table = f"bench.{name}"
        connection.execute(
            f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} "
            f"(LIKE {name} INCLUDING CONSTRAINTS INCLUDING STORAGE)".encode()
        )
        connection.execute(f"SET search_path = bench, projection_{number}".encode())
        steps: dict[str, Callable[[], object]] = {
            "copied": lambda: _copy_in(connection, table, rows, frozen=frozen),  # noqa: B023
            "indexed": lambda: [
                connection.execute(statement)
                for statement in projection.indexes()  # noqa: B023
            ],
            "analysed": lambda: connection.execute(f"ANALYZE {table}".encode()),  # noqa: B023
            "digested": lambda: table_digest(connection, name),  # noqa: B023
        }
        for step, work in steps.items():
            figures[step] += meter.once(work) / events * 1e6
        connection.execute(f"SET search_path = projection_{number}".encode())
    figures["together"] = sum(figures.values())
    return {step: round(micros, 2) for step, micros in figures.items()}


def _copy_in(
    connection: Connection, table: str, rows: bytes, *, frozen: bool = False
) -> None:
    copying = f"COPY {table} FROM STDIN (FORMAT binary, FREEZE {frozen})".encode()
    with connection.transaction():
        connection.execute(f"TRUNCATE {table}".encode())
        with connection.cursor().copy(copying) as copy:
            copy.write(rows)


def _in_postgresql(
    connection: Connection, meter: _Meter, events: int
) -> dict[str, float]:
    """As it is done, and from a generated column; what that costs to append."""
    journal = BY_NAME["journal"]
    statement = journal.filling(journal.decoded)
    for name, other in (
        (b"ledger.stored_events", b"bench.stored_events"),
        (b'INTO "journal"', b"INTO bench.decoded"),
    ):
        assert name in statement
        statement = statement.replace(name, other)
    everything = {**EVERYTHING, **CATALOGUE, "after": 0, "until_position": 1 << 62}

    def decode(statement: bytes, params: Any = None) -> None:
        connection.execute(b"TRUNCATE bench.decoded")
        connection.execute(statement, params)

    def append(table: str) -> None:
        connection.execute(f"TRUNCATE {table}".encode())
        columns = (
            "originator_id, originator_version, topic, state, notification_id, "
            "recorded_at"
        )
        connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} "
            "FROM bench.stored_events".encode()
        )

    plain = meter.micros(lambda: append("bench.plain"), events)
    typed = meter.micros(lambda: append("bench.typed"), events)
    connection.execute("ANALYZE bench.typed")
    return {
        "postgresql_us": meter.micros(lambda: decode(statement, everything), events),
        "generated_us": meter.micros(lambda: decode(_BY_FIELDS.encode()), events),
        "generated_append_us": round(typed - plain, 2),
    }


def _beside(connection: Connection, meter: _Meter, events: int) -> dict[str, float]:
    """By DuckDB: states out, decoded, and rows of the journal in."""
    import duckdb  # noqa: PLC0415  an extra

    engine = duckdb.connect(config={"threads": 1})
    engine.execute("SET TimeZone = 'UTC'")
    for name, question in (
        (
            "account",
            "SELECT account_no, uuid_send(account_id) AS account_id FROM account",
        ),
        ("person", "SELECT user_no, user_id::text AS user_id FROM person"),
        ("kind", "SELECT type_no, name FROM seat_type"),
    ):
        engine.register(name, _arrow(connection, question))
    states: list[Any] = []
    rows: list[bytes] = []

    def read() -> None:
        with connection.cursor().copy(_OUT.encode()) as copy:
            states[:] = _stored(b"".join(map(bytes, copy)))

    def decode() -> None:
        rows[:] = [_rows_of(engine, stored) for stored in states]

    copied = _bytes_of(connection, "bench.decoded")
    return {
        "beside_out_us": meter.micros(read, events),
        "beside_decoded_us": meter.micros(decode, events),
        "beside_in_us": meter.micros(lambda: _refill(connection, copied), events),
    }


def _arrow(connection: Connection, question: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    cursor = connection.execute(question.encode())
    names = [column.name for column in cursor.description or ()]
    columns = zip(*cursor.fetchall(), strict=True)
    return pa.table(dict(zip(names, map(list, columns), strict=True)))


def _stored(stream: bytes) -> list[Any]:
    """Blocks of stored events as Arrow tables, without a copy of the states."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    tables, place = [], len(binary.HEAD)
    while stream[place : place + 2] != binary.END:
        place += 2
        fields = []
        for _ in range(6):
            size = int.from_bytes(stream[place : place + 4], "big")
            fields.append(stream[place + 4 : place + 4 + size])
            place += 4 + size
        streams = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(fields[4]) // 16, [None, pa.py_buffer(fields[4])]
        )
        texts = []
        for field in (fields[3], fields[5]):
            ends = np.flatnonzero(np.frombuffer(field, "u1") == ord("\n"))
            offsets = np.empty(len(ends) + 2, "i4")
            offsets[0], offsets[1:-1], offsets[-1] = 0, ends + 1, len(field)
            texts.append(
                pa.StringArray.from_buffers(
                    len(ends) + 1, pa.py_buffer(offsets), pa.py_buffer(field)
                )
            )
        tables.append(
            pa.table(
                {"stream": streams.cast(pa.binary()), "state": texts[0],
                 "topic": texts[1].dictionary_encode()}
            )
        )  # fmt: skip
    return tables


_NUMBERS = {
    "account_no": "bigint",
    "user_no": "bigint",
    "type_no": "integer",
    "number": "integer",
    "effective_at": "timestamp with time zone",
}


def _rows_of(engine: Any, stored: Any) -> bytes:
    """The numbers of decoded events as rows; texts would cost a little more."""
    engine.register("stored", stored)
    table = engine.sql(_BESIDE).to_arrow_table()
    assert len(table) == len(stored)
    return binary.rows_of(table, _NUMBERS)


def _bytes_of(connection: Connection, table: str) -> bytes:
    copying = f"COPY {table} TO STDOUT (FORMAT binary)".encode()
    with connection.cursor().copy(copying) as copy:
        return b"".join(map(bytes, copy))


def _refill(connection: Connection, rows: bytes) -> None:
    _copy_in(connection, "bench.decoded", rows)


BENCHES = {"decoding": bench_decoding}
EVENTS = {"decoding": 400_000}
