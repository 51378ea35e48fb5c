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
from scripts.benches.stores import beside, filled, floor, number, rebuilt, removed

SAMPLE = 10_000


def bench_rebuild(conninfo: str, events: int) -> dict[str, Any]:
    """Every projection from nothing, with indexes and checks, then once more beside
    an appender.
    """
    filled(conninfo, events)
    size = number(conninfo, "SELECT pg_total_relation_size('ledger.stored_events')")
    floor_wall, floor_cpu = floor(conninfo)
    document = rebuilt(conninfo)
    floor_after, _ = floor(conninfo)
    with _watching(conninfo), appending(conninfo) as quiet:
        time.sleep(max(10.0, document["seconds"]))
    with _watching(conninfo) as seen, appending(conninfo) as busy:
        rebuilt(conninfo)
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
        "server_cpu_seconds": document["server_cpu_seconds"],
        "client_cpu_seconds": round(document["client_cpu_seconds"], 2),
        "phases": document["phases"],
        "rows": sum(row["rows"] for row in document["rows"]),
        "peak_mib": round(document["peak_mib"], 1),
        "extra_disk_times_events_table": round(seen["disk"] / size, 2),
        "extra_wal_times_events_table": round(seen["wal"] / size, 2),
        "append_lock_longest_ms": round(seen["append"] * 1000, 1),
        "served_view_lock_longest_ms": round(seen["views"] * 1000, 1),
        "append_p50_ms": round(busy["p50"], 2),
        "append_p50_without_rebuild_ms": round(quiet["p50"], 2),
        "append_p999_ms": round(busy["p999"], 2),
        "append_p999_without_rebuild_ms": round(quiet["p999"], 2),
        "times_append_p999": round(busy["p999"] / quiet["p999"], 2),
    }


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

_DISK = b"""
SELECT pg_database_size(current_database())
           + (SELECT coalesce(sum(size), 0) FROM pg_ls_tmpdir()),
       (SELECT sum(size) FROM pg_ls_waldir())
"""


@contextmanager
def _watching(conninfo: str) -> Iterator[dict[str, float]]:
    """Sample locks and disk while something runs; longest times, largest growth."""
    seen = {"append": 0.0, "views": 0.0, "disk": 0.0, "wal": 0.0}
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
                sizes = connection.execute(_DISK).fetchone()
                for name, size, old in zip(("disk", "wal"), sizes, before, strict=True):
                    seen[name] = max(seen[name], float(size - old))


def bench_scaling(conninfo: str, events: int) -> dict[str, Any]:
    """Events a second with eight times the events, against these."""
    other = beside(conninfo, "small")
    filled(other, events)
    small = rebuilt(other)
    removed(conninfo, other)
    other = beside(conninfo, "large")
    filled(other, events * 8)
    large = rebuilt(other)
    removed(conninfo, other)
    cpu = [
        None
        if one["server_cpu_seconds"] is None
        else (one["server_cpu_seconds"] + one["client_cpu_seconds"]) / one["events"]
        for one in (small, large)
    ]
    return {
        "events": large["events"],
        "small_events": small["events"],
        "events_per_second": large["events_per_second"],
        "small_events_per_second": small["events_per_second"],
        "times_small": round(
            large["events_per_second"] / small["events_per_second"], 3
        ),
        "times_small_by_cpu": round(cpu[0] / cpu[1], 3) if cpu[0] and cpu[1] else None,
        "peak_mib": round(large["peak_mib"], 1),
    }


BENCHES = {"rebuild": bench_rebuild, "scaling": bench_scaling}
EVENTS = {"rebuild": 400_000, "scaling": 100_000}
