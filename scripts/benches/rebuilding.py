"""A rebuild against the floor, beside an appender, and against the library."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from scripts.benches.appending import appending
from scripts.benches.library import library_runner
from scripts.benches.stores import (
    beside,
    filled,
    floor,
    number,
    own_memory,
    rebuilt,
    removed,
)
from seat_ledger.projections.lake import bulk

SAMPLE = 10_000
TIMES = 8
"""So many times the events of the small store has the large one."""

ENGINES = ("postgresql", *(["duckdb"] if bulk.available() else []))


def bench_rebuild(conninfo: str, events: int) -> dict[str, Any]:
    """Every projection from nothing, with indexes and checks, by each engine.

    Once alone between two floors, and once beside an appender; then of an eighth of
    the events, against these.
    """
    filled(conninfo, events)
    size = number(conninfo, "SELECT pg_total_relation_size('ledger.stored_events')")
    alone = {engine: _between_floors(conninfo, engine) for engine in ENGINES}
    slowest = max(figures["seconds"] for figures in alone.values())
    with appending(conninfo) as quiet:
        time.sleep(max(10.0, min(slowest, 30.0)))
    seen = {engine: _beside_an_appender(conninfo, engine, size) for engine in ENGINES}
    library = library_runner(conninfo, min(SAMPLE, events))
    small = _of_fewer(conninfo, events // TIMES)
    return {
        "events": events,
        "floor_seconds": round(min(one["floor_seconds"] for one in alone.values()), 3),
        "library_events_per_second": round(library),
        "append_p50_without_rebuild_ms": round(quiet["p50"], 2),
        "append_p999_without_rebuild_ms": round(quiet["p999"], 2),
        **{
            engine: {
                **alone[engine],
                "times_library": round(alone[engine]["events_per_second"] / library, 1),
                f"times_events_per_second_of_1_in_{TIMES}": round(
                    alone[engine]["events_per_second"]
                    / small[engine]["events_per_second"],
                    3,
                ),
                **seen[engine],
                "times_append_p999": round(
                    seen[engine]["append_p999_ms"] / quiet["p999"], 2
                ),
            }
            for engine in ENGINES
        },
    }


def _between_floors(conninfo: str, engine: str) -> dict[str, Any]:
    before = floor(conninfo)
    document = rebuilt(conninfo, engine)
    after = floor(conninfo)
    wall, cpu = map(min, zip(before, after, strict=True))
    client, server = document["client_cpu_seconds"], document["server_cpu_seconds"]
    used = client + (server or 0.0)
    return {
        "events": document["events"],
        "seconds": document["seconds"],
        "events_per_second": document["events_per_second"],
        "floor_seconds": round(wall, 3),
        "floor_cpu_seconds": round(cpu, 3),
        "times_floor": round(document["seconds"] / wall, 2),
        "times_floor_by_cpu": round(used / cpu, 2),
        "server_cpu_seconds": server,
        "client_cpu_seconds": round(client, 2),
        "cpu_us_an_event": round(used / document["events"] * 1e6, 2),
        "phases": document["phases"],
        "rows": sum(row["rows"] for row in document["rows"]),
        "client_peak_mib": round(document["peak_mib"], 1),
    }


def _beside_an_appender(conninfo: str, engine: str, size: int) -> dict[str, Any]:
    with _watching(conninfo) as seen, appending(conninfo) as busy:
        document = rebuilt(conninfo, engine)
    return {
        "peak_mib_with_servers": round(document["peak_mib"] + seen["memory"] / 2**20),
        "extra_disk_times_events_table": round(seen["disk"] / size, 2),
        "extra_wal_times_events_table": round(seen["wal"] / size, 2),
        "append_lock_longest_ms": round(seen["append"] * 1000, 1),
        "served_view_lock_longest_ms": round(seen["views"] * 1000, 1),
        "append_p50_ms": round(busy["p50"], 2),
        "append_p999_ms": round(busy["p999"], 2),
    }


def _of_fewer(conninfo: str, events: int) -> dict[str, dict[str, Any]]:
    """The same rebuilds of a store with so many events."""
    other = beside(conninfo, "small")
    filled(other, events)
    documents = {engine: rebuilt(other, engine) for engine in ENGINES}
    removed(conninfo, other)
    return documents


_LOCKS = b"""
SELECT bool_or(held.locktype = 'advisory'
               AND ((held.classid::bigint << 32) | held.objid::bigint) = 7365617431),
       bool_or(held.mode = 'AccessExclusiveLock' AND named.relkind = 'v')
  FROM pg_locks AS held
  JOIN pg_stat_activity AS who ON who.pid = held.pid
  LEFT JOIN pg_class AS named ON named.oid = held.relation
 WHERE who.application_name = 'seat-ledger'
   AND who.pid <> pg_backend_pid()
   AND EXISTS (
       SELECT 1
         FROM pg_locks AS own
        WHERE own.pid = who.pid
          AND own.locktype = 'advisory'
          AND ((own.classid::bigint << 32) | own.objid::bigint) = 7365617434)
"""
"""Whether the one who rebuilds holds or awaits the append lock, or a view's."""

_WORKERS = b"""
SELECT work.pid
  FROM pg_stat_activity AS work
 WHERE work.application_name = 'seat-ledger'
   AND work.datname = current_database()
   AND work.pid <> pg_backend_pid()
"""
"""The server's processes that work for whoever rebuilds."""

_DISK = b"""
SELECT pg_database_size(current_database())
           + (SELECT coalesce(sum(size), 0) FROM pg_ls_tmpdir()),
       (SELECT sum(size) FROM pg_ls_waldir())
"""


@contextmanager
def _watching(conninfo: str) -> Iterator[dict[str, float]]:
    """Sample locks and disk while something runs; longest times, largest growth."""
    seen = {"append": 0.0, "views": 0.0, "disk": 0.0, "wal": 0.0, "memory": 0.0}
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(conninfo, seen, done))
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _watch(conninfo: str, seen: dict[str, float], done: threading.Event) -> None:
    since: dict[str, float | None] = {"append": None, "views": None}
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET application_name = 'watch'")
        before = connection.execute(_DISK).fetchone()
        turn = 0
        while not done.wait(0.008):
            taken = connection.execute(_LOCKS).fetchone()
            now = time.perf_counter()
            for name, is_taken in zip(("append", "views"), taken, strict=True):
                began = since[name] if is_taken else None
                since[name] = (began or now) if is_taken else None
                if began is not None:
                    seen[name] = max(seen[name], now - began)
            turn += 1
            if turn % 50 == 0:
                pids = [pid for (pid,) in connection.execute(_WORKERS).fetchall()]
                used = sum(own_memory(pid) for pid in pids)
                seen["memory"] = max(seen["memory"], used)
                sizes = connection.execute(_DISK).fetchone()
                for name, size, old in zip(("disk", "wal"), sizes, before, strict=True):
                    seen[name] = max(seen[name], float(size - old))


def bench_scaling(conninfo: str, events: int) -> dict[str, Any]:
    """Events a second with eight times the events, against these, by each engine."""
    small = _by_engine(conninfo, "small", events)
    large = _by_engine(conninfo, "large", events * TIMES)
    return {
        "events": events * TIMES,
        "small_events": events,
        **{
            engine: {
                "events_per_second": large[engine]["events_per_second"],
                "small_events_per_second": small[engine]["events_per_second"],
                "times_small": round(
                    large[engine]["events_per_second"]
                    / small[engine]["events_per_second"],
                    3,
                ),
                "times_small_by_cpu": _paces(small[engine], large[engine]),
                "peak_mib": round(large[engine]["peak_mib"], 1),
            }
            for engine in ENGINES
        },
    }


def _by_engine(conninfo: str, name: str, events: int) -> dict[str, dict[str, Any]]:
    other = beside(conninfo, name)
    filled(other, events)
    documents = {engine: rebuilt(other, engine) for engine in ENGINES}
    removed(conninfo, other)
    return documents


def _paces(small: dict[str, Any], large: dict[str, Any]) -> float | None:
    """Events of the large store for the CPU of one of the small."""
    if None in {small["server_cpu_seconds"], large["server_cpu_seconds"]}:
        return None
    cpu = [
        (one["server_cpu_seconds"] + one["client_cpu_seconds"]) / one["events"]
        for one in (small, large)
    ]
    return round(cpu[0] / cpu[1], 3)


BENCHES = {"rebuild": bench_rebuild, "scaling": bench_scaling}
EVENTS = {"rebuild": 400_000, "scaling": 100_000}
