"""The benches of the read side: figures as ratios to a floor within one run.

The floor is the time in which psycopg reads the same events, all columns, by binary
COPY; beside it stands the eventsourcing library's own ProjectionRunner, keeping one
table of holdings over a sample of the same events.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from projections import engine, generation
from projections.reader import Reader
from scripts.benches.generator import BYTES_AN_EVENT, history, write
from scripts.benches.library import library_runner
from seat_ledger.application import SeatLedger

BIN = Path(sys.executable).parent
PRO = "sales/professional"
SAMPLE = 20_000


def filled(conninfo: str, events: int, *, giant: int = 0, accounts: int = 0) -> int:
    """Fill a store with a generated history; say what it takes on the disk."""
    accounts = accounts or max(20, events // 400)
    print(
        f"{events:,} events over {accounts:,} accounts: about "
        f"{events * BYTES_AN_EVENT * 4 >> 20:,} MiB of disk while it runs.",
        file=sys.stderr,
    )
    return write(conninfo, history(events, accounts, giant=giant))


def floor(conninfo: str) -> tuple[float, float]:
    """Wall and CPU seconds in which psycopg reads every event by binary COPY."""
    best = (float("inf"), float("inf"))
    for _ in range(2):
        with psycopg.connect(conninfo) as connection:
            wall, cpu = time.perf_counter(), time.process_time()
            with connection.cursor().copy(
                "COPY (SELECT * FROM ledger.stored_events) TO STDOUT (FORMAT binary)"
            ) as copy:
                for _data in copy:
                    pass
            best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
    return best


def rebuilt(conninfo: str) -> tuple[dict[str, Any], float]:
    """The real command in a process of its own: its document and peak MiB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [BIN / "seat-ledger", "--database", conninfo, "projection"]
        command += ["rebuild", "--format", "json"]
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, *map(str, command)],
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
        )
    peak, _, document = done.stdout.partition("\n")
    return json.loads(document), float(peak)


_CHILD = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
print(done.stdout)
"""


def bench_rebuild(conninfo: str, events: int) -> dict[str, Any]:
    """Every projection from nothing, with indexes and checks, beside an appender."""
    filled(conninfo, events)
    size = _number(conninfo, "SELECT pg_total_relation_size('ledger.stored_events')")
    floor_wall, floor_cpu = floor(conninfo)
    document, peak = rebuilt(conninfo)
    with _watching(conninfo) as seen:
        rebuilt(conninfo)
    floor_after, _ = floor(conninfo)
    quiet = appended(conninfo, 5.0)
    stop = threading.Event()
    busy: dict[str, float] = {}
    thread = threading.Thread(target=lambda: busy.update(appended(conninfo, stop=stop)))
    thread.start()
    rebuilt(conninfo)
    stop.set()
    thread.join()
    library = library_runner(conninfo, min(SAMPLE, events))
    floor_seconds = min(floor_wall, floor_after)
    return {
        "events": document["events"],
        "seconds": document["seconds"],
        "events_per_second": document["events_per_second"],
        "floor_seconds": round(floor_seconds, 3),
        "floor_cpu_seconds": round(floor_cpu, 3),
        "times_floor": round(document["seconds"] / floor_seconds, 2),
        "library_events_per_second": round(library),
        "times_library": round(document["events_per_second"] / library, 1),
        "phases": document["phases"],
        "rows": sum(row["rows"] for row in document["rows"]),
        "peak_mib": round(peak, 1),
        "extra_disk_times_events_table": round(seen["extra"] / size, 2),
        "append_lock_longest_ms": round(seen["append"] * 1000, 1),
        "served_view_lock_longest_ms": round(seen["views"] * 1000, 1),
        "append_p999_ms": round(busy["p999"], 2),
        "append_p999_without_rebuild_ms": round(quiet["p999"], 2),
        "append_p50_ms": round(busy["p50"], 2),
        "append_p50_without_rebuild_ms": round(quiet["p50"], 2),
    }


_LOCKS = """
SELECT bool_or(held.locktype = 'advisory'
               AND ((held.classid::bigint << 32) | held.objid::bigint) = 7365617431),
       bool_or(held.mode = 'AccessExclusiveLock' AND named.relkind = 'v')
  FROM pg_locks AS held
  JOIN pg_stat_activity AS who ON who.pid = held.pid
  LEFT JOIN pg_class AS named ON named.oid = held.relation
 WHERE who.application_name = 'seat-ledger'
   AND who.pid <> pg_backend_pid()
"""


@contextmanager
def _watching(conninfo: str) -> Iterator[dict[str, float]]:
    """Sample locks and disk: how long the append lock and a view's were taken."""
    seen = {"append": 0.0, "views": 0.0, "extra": 0.0}
    done = threading.Event()

    def look() -> None:
        since: dict[str, float | None] = {"append": None, "views": None}
        with psycopg.connect(
            conninfo, autocommit=True, application_name="watch"
        ) as connection:
            before = _size(connection)
            turn = 0
            while not done.is_set():
                row = connection.execute(_LOCKS).fetchone()
                now = time.perf_counter()
                for name, taken in zip(("append", "views"), row, strict=True):
                    began = since[name]
                    if not taken:
                        since[name] = None
                    elif began is None:
                        since[name] = now
                    else:
                        seen[name] = max(seen[name], now - began)
                turn += 1
                if turn % 100 == 0:
                    seen["extra"] = max(seen["extra"], _size(connection) - before)
                done.wait(0.004)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _size(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return row[0]


def _number(conninfo: str, question: str) -> Any:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(question).fetchone()[0]


def appended(
    conninfo: str, seconds: float = 0.0, *, stop: threading.Event | None = None
) -> dict[str, float]:
    """Append commands one by one, a hundred a second; latencies in milliseconds."""
    took: list[float] = []
    ends = time.perf_counter() + seconds
    with SeatLedger(conninfo) as ledger:
        key = f"clock-{time.time_ns()}"
        ledger.open_account(
            key, name=key, time_zone="UTC", term_start="2026-01-05", term_months=240,
            billing_cycle_months=1,
        )  # fmt: skip
        while (stop is None and time.perf_counter() < ends) or (
            stop is not None and not stop.is_set()
        ):
            began = time.perf_counter()
            ledger.buy_seats(key, seat_type=PRO, quantity=1)
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(0.01)
    took.sort()
    return {"p50": took[len(took) // 2], "p999": took[int(len(took) * 0.999)]}


def bench_scaling(conninfo: str, events: int) -> dict[str, Any]:
    """Events a second with eight times the events, against these."""
    filled(conninfo, events)
    small, _ = rebuilt(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA projection CASCADE")
        for schema in ("projection_1", "projection_2"):
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.execute("ALTER TABLE ledger.stored_events DISABLE TRIGGER ALL")
        connection.execute(
            "TRUNCATE ledger.stored_events, ledger.user_name, ledger.person_key, "
            "ledger.account_head"
        )
        connection.execute("ALTER TABLE ledger.stored_events ENABLE TRIGGER ALL")
    engine.install(conninfo)
    filled(conninfo, events * 8)
    big, _ = rebuilt(conninfo)
    return {
        "events": big["events"],
        "small_events": small["events"],
        "events_per_second": big["events_per_second"],
        "small_events_per_second": small["events_per_second"],
        "times_small": round(big["events_per_second"] / small["events_per_second"], 3),
    }


def bench_catchup(conninfo: str, events: int) -> dict[str, Any]:
    """A burst over many accounts, one event, and one on a giant account."""
    giant = min(400_000, events)
    filled(conninfo, events + giant, giant=giant)
    rebuilt(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        keys = _busy_accounts(connection, 100)
        _burst(conninfo, keys, 10_000)
        burst = _caught_up(connection)[0]
        one = statistics.median(
            _one_event(conninfo, connection, keys[n % 10])[0] for n in range(15)
        )
        of_giant = [_one_event(conninfo, connection, "shop-00000") for _ in range(15)]
    few = _few_accounts(conninfo)
    return {
        "events": events + giant,
        "burst_events": 10_000,
        "burst_accounts": 100,
        "burst_seconds": round(burst, 2),
        "one_event_ms": round(one * 1000, 1),
        "one_event_with_a_tenth_of_the_accounts_ms": round(few * 1000, 1),
        "times_a_tenth": round(one / few, 2),
        "giant_events": giant,
        "giant_one_event_ms": round(
            statistics.median(took for took, _ in of_giant) * 1000, 1
        ),
        "giant_one_event_rows_written": max(rows for _, rows in of_giant),
    }


def _few_accounts(conninfo: str) -> float:
    """One event's catch-up in a store with a tenth of the accounts and events."""
    name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        events = connection.execute(
            "SELECT count(*) FROM ledger.stored_events"
        ).fetchone()[0]
        connection.execute(f"CREATE DATABASE {name}_few")
    few = conninfo.replace(f"/{name}?", f"/{name}_few?")
    from seat_ledger.store import schema  # noqa: PLC0415

    schema.migrate(few)
    engine.install(few)
    filled(few, max(4000, events // 10))
    rebuilt(few)
    with psycopg.connect(few, autocommit=True) as connection:
        keys = _busy_accounts(connection, 10)
        return statistics.median(
            _one_event(few, connection, keys[n % 10])[0] for n in range(15)
        )


def _busy_accounts(connection: psycopg.Connection[Any], many: int) -> list[str]:
    generation.use(connection, generation.served(connection).number)
    rows = connection.execute(
        "SELECT account_key FROM account WHERE account_key <> 'shop-00000' "
        "ORDER BY account_no DESC OFFSET 20 LIMIT %s",
        [many],
    ).fetchall()
    return [row[0] for row in rows]


def _burst(conninfo: str, keys: list[str], events: int) -> None:
    """Commands of one event each, spread over some accounts, not caught up."""
    random = Random(3)

    def lines() -> Iterator[bytes]:
        for key in keys:
            yield json.dumps({"op": "renew", "account": key}).encode()
        for n in range(events // 2):
            key = random.choice(keys)
            user = {"user": f"burst-{n}", "email": f"b{n}@x.example", "name": "B"}
            yield json.dumps({"op": "add_user", "account": key, **user}).encode()
            seat = {"seat_type": PRO, "quantity": 1}
            yield json.dumps({"op": "buy_seats", "account": key, **seat}).encode()

    with SeatLedger(conninfo) as ledger:
        for outcome in ledger.import_lines(lines()):
            assert outcome.outcome == "recorded", outcome


def _one_event(
    conninfo: str, connection: psycopg.Connection[Any], key: str
) -> tuple[float, int]:
    with SeatLedger(conninfo) as ledger:
        ledger.execute({"op": "renew", "account": key})
        _caught_up(connection)
        ledger.buy_seats(key, seat_type=PRO, quantity=1)
    return _caught_up(connection)


def _caught_up(connection: psycopg.Connection[Any]) -> tuple[float, int]:
    """Seconds of a catch-up, and rows that it wrote or removed."""
    before = _written(connection)
    began = time.perf_counter()
    engine.catch_up(connection, patient=True)
    took = time.perf_counter() - began
    return took, _written(connection) - before


def _written(connection: psycopg.Connection[Any]) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables "
        "WHERE schemaname LIKE 'projection%'"
    ).fetchone()
    return int(row[0])


def bench_follow(conninfo: str, events: int) -> dict[str, Any]:
    """From commit to visible, with a follower and 200 events a second."""
    filled(conninfo, events)
    rebuilt(conninfo)
    follower = subprocess.Popen(
        [BIN / "seat-ledger", "--database", conninfo, "projection", "run", "--follow"],
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(1.5)
        seen = _visible_after(conninfo, per_second=200, seconds=20)
    finally:
        follower.terminate()
        follower.wait()
    return {
        "events": events,
        "appended": len(seen),
        "per_second": 200,
        "visible_p50_ms": round(seen[len(seen) // 2], 1),
        "visible_p99_ms": round(seen[int(len(seen) * 0.99)], 1),
    }


def _visible_after(conninfo: str, per_second: int, seconds: float) -> list[float]:
    committed: list[tuple[int, float]] = []
    visible: list[tuple[int, float]] = []
    done = threading.Event()

    def watch() -> None:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            while not done.is_set():
                row = connection.execute(
                    "SELECT position FROM projection.generation WHERE state = 'served'"
                ).fetchone()
                visible.append((row[0], time.perf_counter()))
                time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    with SeatLedger(conninfo) as ledger:
        keys = [f"tick-{time.time_ns()}-{n}" for n in range(20)]
        for key in keys:
            ledger.open_account(
                key, name=key, time_zone="UTC", term_start="2026-01-05",
                term_months=240, billing_cycle_months=1,
            )  # fmt: skip
        began = time.perf_counter()
        for n in range(int(per_second * seconds)):
            wait = began + n / per_second - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            made = ledger.buy_seats(keys[n % 20], seat_type=PRO, quantity=1)
            committed.append((made.positions[-1], time.perf_counter()))
    time.sleep(1)
    done.set()
    thread.join()
    took, looks = [], iter(visible)
    position, at = next(looks)
    for wanted, when in committed:
        while position < wanted:
            position, at = next(looks)
        took.append(max(0.0, at - when) * 1000)
    return sorted(took)


def bench_questions(conninfo: str, events: int) -> dict[str, Any]:
    """Who held a seat at a moment, now and as known before, in the database."""
    filled(conninfo, events)
    rebuilt(conninfo)
    random = Random(5)
    with Reader(conninfo) as reader:
        seats = reader.connection.execute(
            "SELECT account_no, seat_type::text, number, purchased_at FROM seat "
            "ORDER BY hashint8(account_no * 1000 + number) LIMIT 1500"
        ).fetchall()
        figures: dict[str, Any] = {"events": events}
        for name, earlier in (("who", False), ("who_known_at", True)):
            took = []
            for account_no, seat_type, number, bought in seats:
                position = random.randrange(reader.head // 2, reader.head)
                known = reader.knowledge(position if earlier else None)
                at = bought + timedelta(days=random.randrange(300))
                began = time.perf_counter()
                rows = reader.ask(
                    "holdings", "of_seat", known, account_no=account_no,
                    seat_type=seat_type, number=number,
                )  # fmt: skip
                assert all(row["held_from"] or at for row in rows)
                took.append((time.perf_counter() - began) * 1000)
            took.sort()
            figures[f"{name}_p50_ms"] = round(took[len(took) // 2], 3)
            figures[f"{name}_p99_ms"] = round(took[int(len(took) * 0.99)], 3)
    return figures


BENCHES = {
    "rebuild": bench_rebuild,
    "scaling": bench_scaling,
    "catchup": bench_catchup,
    "follow": bench_follow,
    "questions": bench_questions,
}
EVENTS = {"rebuild": 400_000, "scaling": 100_000, "catchup": 400_000}
"""For a quick look; the real figures are taken with --events 4000000."""
