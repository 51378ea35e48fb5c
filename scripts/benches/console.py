"""The bench of the console: its pages at a steady rate, its start, and its memory.

The server runs on one core of its own; requests come at fixed instants, and each is
timed from its instant on, so that a slow answer is not hidden by the wait for it.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from scripts.benches.projections import BIN, filled, rebuilt

RATE = 20
SECONDS = 30
CLIENTS = 8
MANY = 10_000


def bench_console(conninfo: str, events: int) -> dict[str, Any]:
    """Seat, user and account pages, as known now and as known before."""
    filled(conninfo, events)
    rebuilt(conninfo)
    asked = addresses(conninfo)
    with serving(conninfo) as (port, process, first):
        figures: dict[str, Any] = {
            "events": events,
            "first_answer_seconds": round(first, 3),
            "requests_per_second": RATE,
        }
        ask(port, [one for kind in asked.values() for one in kind[:50]])
        for kind, paths in asked.items():
            took = steadily(port, paths[: RATE * SECONDS])
            for part in (50, 95, 99):
                at = took[min(len(took) - 1, len(took) * part // 100)]
                figures[f"{kind}_p{part}_ms"] = round(at, 1)
        mixed = [path for paths in zip(*asked.values(), strict=True) for path in paths]
        ask(port, (mixed * MANY)[: MANY // 10])
        before = resident(process.pid)
        began = time.perf_counter()
        ask(port, (mixed * MANY)[:MANY])
        figures["requests"] = MANY
        figures["most_requests_per_second"] = round(
            MANY / (time.perf_counter() - began), 1
        )
        figures["memory_before_mib"] = round(before, 1)
        figures["memory_after_mib"] = round(resident(process.pid), 1)
    return figures


def addresses(conninfo: str) -> dict[str, list[str]]:
    """Six hundred pages of each kind, chosen by chance over all accounts."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT position, set_config('search_path', 'projection_' || number, "
            "false) FROM projection.generation WHERE state = 'served'"
        ).fetchone()
        assert row is not None
        head: int = row[0]
        rows = connection.execute(
            "SELECT account.account_key, held.seat_type || '#' || held.number, "
            "person.user_key, held.assigned FROM seat_holding AS held "
            "JOIN account USING (account_no) "
            "JOIN user_directory AS person USING (user_no) "
            "WHERE held.assigned IS NOT NULL AND NOT held.reversed "
            "ORDER BY hashint8(held.entry) LIMIT 600"
        ).fetchall()
    random = Random(5)
    found: dict[str, list[str]] = {}
    for account, seat, user, assigned in rows:
        then = {"known_at": min(head, assigned + random.randrange(200))}
        pages = {
            "seat": ("seat", {"account": account, "seat": seat}),
            "seat_known_at": ("seat", {"account": account, "seat": seat, **then}),
            "user": ("user", {"account": account, "user": user}),
            "user_known_at": ("user", {"account": account, "user": user, **then}),
            "account": ("account", {"account": account}),
            "account_known_at": ("account", {"account": account, **then}),
        }
        for kind, (page, params) in pages.items():
            path = f"/{page}?{urllib.parse.urlencode(params)}"
            found.setdefault(kind, []).append(path)
    return found


@contextmanager
def serving(
    conninfo: str,
) -> Iterator[tuple[int, subprocess.Popen[str], float]]:
    """The real command on the last core: its port, and seconds to its first answer."""
    core = max(os.sched_getaffinity(0))
    command = [BIN / "seat-ledger", "serve", "--port", "0", "--quiet"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_CORE, str(core), *map(str, command)],
        env={**os.environ, "SEAT_LEDGER_DATABASE_URL": conninfo},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        told = next(line for line in process.stderr if line.startswith("Serving"))
        threading.Thread(target=process.stderr.read, daemon=True).start()
        port = urllib.parse.urlsplit(told.split()[2]).port
        assert port is not None
        ask(port, ["/"])
        yield port, process, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(10)


_ON_CORE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.execv(sys.argv[2], sys.argv[2:])
"""


def _get(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    told = answer.read()
    assert answer.status == 200, (path, told)


def ask(port: int, paths: list[str]) -> None:
    """Ask for all, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for path in paths:
        _get(connection, path)
    connection.close()


def steadily(port: int, paths: list[str]) -> list[float]:
    """Ask at a fixed rate; the milliseconds of each from its instant on, sorted."""
    took: list[float] = []
    begins = time.perf_counter() + 0.2

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for place in range(number, len(paths), CLIENTS):
            due = begins + place / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            _get(connection, paths[place])
            took.append((time.perf_counter() - due) * 1000)
        connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == len(paths)
    return sorted(took)


def resident(pid: int) -> float:
    """The memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


BENCHES = {"console": bench_console}
EVENTS = {"console": 400_000}
