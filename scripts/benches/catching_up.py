"""What catching up costs, and how soon what is committed is seen."""

from __future__ import annotations

import json
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import psycopg

from scripts.benches.generator import history, write
from scripts.benches.stores import BIN, PRO, beside, ready, rebuilt, removed, this_month
from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file
from seat_ledger.projections.engine import generations, installation

GIANT = "giant-00000"
TURNS = 25
_Connection = psycopg.Connection[Any]


def bench_catchup(conninfo: str, events: int) -> dict[str, Any]:
    """A burst over many accounts, one event, and one on a giant account."""
    ready(conninfo, events)
    with _connected(conninfo) as connection:
        keys = _busy_accounts(connection, 100)
        _burst(conninfo, keys, 10_000)
        burst = _caught_up(connection)[0]
        one, few = _one_in_each(conninfo, connection, keys, events)
        giant, rows = _one_of_giant(conninfo, connection, min(400_000, events))
    return {
        "events": events,
        "burst_events": 10_000,
        "burst_accounts": 100,
        "burst_seconds": round(burst, 2),
        "one_event_ms": round(one, 1),
        "one_event_with_a_tenth_of_the_accounts_ms": round(few, 1),
        "times_a_tenth": round(one / few, 2),
        "giant_events": min(400_000, events),
        "giant_one_event_ms": round(giant, 1),
        "giant_one_event_rows_written": rows,
    }


def _connected(conninfo: str) -> _Connection:
    return psycopg.connect(conninfo, autocommit=True)


def _one_in_each(
    conninfo: str, connection: _Connection, keys: list[str], events: int
) -> tuple[float, float]:
    """One event's catch-up here, and with a tenth of the accounts, in turn; in ms."""
    other = beside(conninfo, "few")
    ready(other, max(4_000, events // 10))
    here: list[float] = []
    there: list[float] = []
    with _connected(other) as few:
        some = _busy_accounts(few, 10)
        for n in range(TURNS):
            key = keys[n % 10]
            here.append(_one_event(conninfo, connection, key)[0])
            there.append(_one_event(other, few, some[n % 10])[0])
    removed(conninfo, other)
    return _median_ms(here), _median_ms(there)


def _one_of_giant(
    conninfo: str, connection: _Connection, events: int
) -> tuple[float, int]:
    """One event on an account of very many: milliseconds, and rows written at most."""
    head = installation.catch_up(connection, patient=True).head
    made = history(events, 1, 9, giant=True, prefix="giant", after=head)
    write(conninfo, made)
    rebuilt(conninfo)
    seen = [_one_event(conninfo, connection, GIANT) for _ in range(TURNS)]
    return _median_ms([took for took, _ in seen]), max(rows for _, rows in seen)


def _median_ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000


def _busy_accounts(connection: _Connection, many: int) -> list[str]:
    generations.use(connection, generations.served(connection).number)
    rows = connection.execute(
        "SELECT account_key FROM account WHERE account_key LIKE 'shop-%%' "
        "ORDER BY account_no OFFSET 10 LIMIT %s",
        [many],
    ).fetchall()
    return [row[0] for row in rows]


def _burst(conninfo: str, keys: list[str], events: int) -> None:
    """Commands of one event each, spread over some accounts, not caught up."""
    random = Random(3)

    def lines() -> Iterator[bytes]:
        for n in range(events // 2):
            key = random.choice(keys)
            user = {"user": f"burst-{n}", "email": f"b{n}@x.example", "name": "B"}
            yield json.dumps({"op": "add_user", "account": key, **user}).encode()
            seat = {"seat_type": PRO, "quantity": 1}
            yield json.dumps({"op": "buy_seats", "account": key, **seat}).encode()

    with CommandService(conninfo) as ledger, _connected(conninfo) as connection:
        for key in keys:
            ledger.execute({"op": "renew", "account": key})
        installation.catch_up(connection, patient=True)
        for outcome in import_file(ledger, lines()):
            assert outcome.outcome == "recorded", outcome


def _one_event(conninfo: str, connection: _Connection, key: str) -> tuple[float, int]:
    with CommandService(conninfo) as ledger:
        ledger.execute({"op": "renew", "account": key})
        _caught_up(connection)
        ledger.buy_seats(key, seat_type=PRO, quantity=1)
    return _caught_up(connection)


def _caught_up(connection: _Connection) -> tuple[float, int]:
    """Seconds of a catch-up, and rows that it wrote or removed."""
    before = _written(connection)
    began = time.perf_counter()
    installation.catch_up(connection, patient=True)
    took = time.perf_counter() - began
    return took, _written(connection) - before


def _written(connection: _Connection) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables "
        "WHERE schemaname LIKE 'projection%'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def bench_follow(conninfo: str, events: int) -> dict[str, Any]:
    """From commit to visible, with a follower and 200 events a second."""
    ready(conninfo, events)
    follower = subprocess.Popen(
        [BIN / "seat-ledger", "--database", conninfo, "projection", "run", "--follow"],
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(1.5)
        seen, seconds = _visible_after(conninfo, per_second=200, seconds=20)
    finally:
        follower.terminate()
        follower.wait()
    return {
        "events": events,
        "appended": len(seen),
        "appended_per_second": round(len(seen) / seconds),
        "visible_p50_ms": round(seen[len(seen) // 2], 1),
        "visible_p99_ms": round(seen[int(len(seen) * 0.99)], 1),
    }


def _visible_after(
    conninfo: str, per_second: int, seconds: float
) -> tuple[list[float], float]:
    """Milliseconds from each commit until it is seen, sorted; and the whole time."""
    visible: list[tuple[int, float]] = []
    done = threading.Event()
    thread = threading.Thread(target=_look, args=(conninfo, visible, done))
    thread.start()
    try:
        committed = _tick(conninfo, per_second, int(per_second * seconds))
        _await(visible, committed[-1][0])
    finally:
        done.set()
        thread.join()
    took, looks = [], iter(visible)
    position, at = next(looks)
    for wanted, when in committed:
        while position < wanted:
            position, at = next(looks)
        took.append(max(0.0, at - when) * 1000)
    return sorted(took), committed[-1][1] - committed[0][1]


def _await(visible: list[tuple[int, float]], position: int) -> None:
    deadline = time.monotonic() + 120
    while visible[-1][0] < position:
        if time.monotonic() > deadline:
            raise SystemExit("The follower does not come after; see its log.")
        time.sleep(0.05)


def _look(
    conninfo: str, visible: list[tuple[int, float]], done: threading.Event
) -> None:
    """Note every two milliseconds how far the served tables are."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while not done.wait(0.002):
            row = connection.execute(
                "SELECT position FROM projection.generation WHERE state = 'served'"
            ).fetchone()
            assert row is not None
            visible.append((row[0], time.perf_counter()))


def _tick(conninfo: str, per_second: int, events: int) -> list[tuple[int, float]]:
    """Append events at a rate; the position of each, and when it was committed."""
    committed = []
    with CommandService(conninfo) as ledger:
        keys = [f"tick-{time.time_ns()}-{n}" for n in range(20)]
        for key in keys:
            ledger.open_account(
                key, name=key, time_zone="UTC", term_start=this_month(),
                term_months=12, billing_cycle_months=1,
            )  # fmt: skip
        began = time.perf_counter()
        for n in range(events):
            wait = began + n / per_second - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            made = ledger.buy_seats(keys[n % 20], seat_type=PRO, quantity=1)
            committed.append((made.positions[-1], time.perf_counter()))
    return committed


BENCHES = {"follow": bench_follow, "catchup": bench_catchup}
EVENTS = {"follow": 400_000, "catchup": 400_000}
