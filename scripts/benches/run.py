"""The benches, by name: figures as ratios within one run.

Each bench runs on an embedded server of its own, with durable commits, that is removed
afterwards. Figures are medians where something is repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from scripts.benches import (
    api,
    billing,
    console,
    decoding,
    integrity,
    lake,
    phases,
    projections,
)
from scripts.benches.converting import bench_convert
from scripts.benches.reconciling import bench_snapshot
from scripts.benches.sealing import bench_sealing
from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file
from seat_ledger.projections.engine import installation
from seat_ledger.store import schema
from seat_ledger.store.embedded import EmbeddedServer

PRO = "sales/professional"
START = "2025-01-05T00:00:00Z"
BIN = Path(sys.executable).parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=["all", "projections", *BENCHES])
    parser.add_argument("--events", type=int)
    parser.add_argument(
        "--store",
        type=Path,
        metavar="HOME",
        help="ask the ledger of this home (api, console), and write nothing there",
    )
    given = parser.parse_args()
    if given.store is not None:
        of_store(given.name, given.store)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # let servers be stopped
    groups = {"all": list(BENCHES), "projections": list(projections.SHARED)}
    names = groups.get(given.name, [given.name])
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="slb-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder) / "home")
        try:
            for name in names:
                shared = len(names) > 1 and name in projections.SHARED
                conninfo = fresh(server, "projections" if shared else name)
                events = given.events or EVENTS.get(name, 200_000)
                figures = BENCHES[name](conninfo, events)
                print(json.dumps({"bench": name, **figures}), flush=True)
        finally:
            server.destroy()


def of_store(name: str, home: Path) -> None:
    """A bench that only asks, of a ledger that is there and is left as it is."""
    asking = {"api": api.asked_of_api, "console": console.asked_of_console}
    if name not in asking:
        sys.exit(f"--store is for {' and '.join(asking)}: {name} writes.")
    conninfo = EmbeddedServer(home).ensure_running()
    print(json.dumps({"bench": name, **asking[name](conninfo)}), flush=True)


def fresh(server: EmbeddedServer, name: str) -> str:
    url = server.ensure_running()
    with psycopg.connect(url, autocommit=True) as connection:
        there = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [f"bench_{name}"]
        ).fetchone()
        if not there:
            connection.execute(f"CREATE DATABASE bench_{name}")
    conninfo = url.replace("/seat_ledger?", f"/bench_{name}?")
    schema.migrate(conninfo)
    installation.install(conninfo)
    return conninfo


def history(commands: int, accounts: int) -> Iterator[dict[str, Any]]:
    """Valid commands, in the order of their effective times, one event each."""
    random = Random(7)
    state = [Shop(f"a{n}") for n in range(accounts)]
    for shop in state:
        yield from shop.opening()
    for n in range(commands - 2 * accounts):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1736100000 + 20 * n))
        yield random.choice(state).step(random, at)


class Shop:
    """One account of the generator, kept just well enough to stay valid."""

    def __init__(self, key: str) -> None:
        self.key, self.people, self.free = key, 0, 1
        self.idle: list[str] = []
        self.held: list[str] = []

    def say(self, op: str, at: str, **fields: Any) -> dict[str, Any]:
        return {"op": op, "account": self.key, **fields, "effective_at": at}

    def opening(self) -> Iterator[dict[str, Any]]:
        yield self.say(
            "open_account",
            START,
            name=self.key,
            time_zone="Europe/Amsterdam",
            term_start="2025-01-05",
            term_months=120,
            billing_cycle_months=1,
        )
        yield self.say("buy_seats", START, seat_type=PRO, quantity=1)

    def step(self, random: Random, at: str) -> dict[str, Any]:
        roll = random.random()
        if self.people < 5 or roll < 0.06:
            user = f"u{self.people}"
            self.people += 1
            self.idle.append(user)
            email = f"{user}@{self.key}.example"
            return self.say("add_user", at, user=user, email=email, name=user.upper())
        if roll < 0.12 or (not self.free and not self.held):
            self.free += 1
            return self.say("buy_seats", at, seat_type=PRO, quantity=1)
        if self.free and self.idle and (roll < 0.56 or not self.held):
            user = self.idle.pop(random.randrange(len(self.idle)))
            self.held.append(user)
            self.free -= 1
            return self.say("assign_seat", at, user=user, seat_type=PRO)
        user = self.held.pop(random.randrange(len(self.held)))
        self.idle.append(user)
        self.free += 1
        return self.say("unassign_seat", at, user=user, seat_type=PRO)


class Bare(Aggregate):
    """The library's own aggregate, with the fields of an assignment and no rule."""

    @event("Opened")
    def __init__(self) -> None:
        self.count = 0

    @event("Assigned")
    def assign(
        self, seat_type: str, number: int, user: str, effective_at: str, actor: str
    ) -> None:
        self.count += 1


def library_save(conninfo: str, events: int) -> float:
    """Events a second of the library's save(), 500 events a commit, no rules."""
    info = psycopg.conninfo.conninfo_to_dict(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bare")
    application: Application[Any] = Application(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": info["dbname"],
            "POSTGRES_HOST": info["host"],
            "POSTGRES_PORT": str(info["port"]),
            "POSTGRES_USER": info["user"],
            "POSTGRES_PASSWORD": "-",
            "POSTGRES_SCHEMA": "bare",
        }
    )
    aggregates = [Bare() for _ in range(500)]
    application.save(*aggregates)
    user = "41cffb4c-e939-4c04-a951-61fe524b73b7"
    started = time.perf_counter()
    for n in range(0, events, 500):
        for aggregate in aggregates:
            aggregate.assign(PRO, n, user, START, "system:import")
        application.save(*aggregates)
    seconds = time.perf_counter() - started
    application.close()
    return events / seconds


def bench_import(conninfo: str, events: int) -> dict[str, Any]:
    """One event a command, all rules, 500 accounts: one process, and one a core."""
    accounts = max(5, min(500, events // 400))
    library_before = library_save(conninfo, max(500, events // 10))
    file = Path(tempfile.gettempdir()) / f"bench-{os.getpid()}.jsonl"
    with file.open("w") as lines:
        for command in history(events, accounts):
            lines.write(json.dumps(command) + "\n")
    workers = len(os.sched_getaffinity(0))
    try:
        alone = imported(conninfo, file, 1)
        dropped(conninfo)
        shared = imported(fresh_like(conninfo), file, workers)
    finally:
        file.unlink()
    library = statistics.mean(
        [library_before, library_save(conninfo, max(500, events // 10))]
    )
    rates = [one["total"] / one["seconds"] for one in (alone, shared)]
    return {
        "events": alone["total"],
        "commands": alone["recorded"],
        "accounts": accounts,
        "seconds": round(alone["seconds"], 2),
        "events_per_second": round(rates[0]),
        "library_events_per_second": round(library),
        "times_library": round(rates[0] / library, 2),
        "client_cpu_us_per_command": alone["client_cpu_us"],
        "peak_mib": round(alone["peak"], 1),
        "workers": workers,
        "events_per_second_of_workers": round(rates[1]),
        "times_library_of_workers": round(rates[1] / library, 2),
        "client_cpu_us_per_command_of_workers": shared["client_cpu_us"],
    }


def dropped(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA bare CASCADE")


def fresh_like(conninfo: str) -> str:
    """Another database of the same server, as empty as this one was."""
    other = conninfo.replace("/bench_import?", "/bench_import_shared?")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench_import_shared")
    schema.migrate(other)
    installation.install(other)
    return other


def imported(conninfo: str, file: Path, workers: int) -> dict[str, Any]:
    """What a process of its own, with so many workers, came to."""
    module = "scripts.benches.importing"
    command = [sys.executable, "-m", module, conninfo, str(file), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def big_account(conninfo: str, key: str, seats: int, rounds: int) -> None:
    """An account whose seats were all held `rounds` times; one user stays idle."""

    def lines() -> Iterator[bytes]:
        shop = Shop(key)
        opening, _ = shop.opening()
        commands = [opening]
        commands.append(shop.say("buy_seats", START, seat_type=PRO, quantity=seats))
        for n in range(seats):
            user = f"u{n}"
            email = f"{user}@x.example"
            commands.append(
                shop.say("add_user", START, user=user, email=email, name=user)
            )
        for turn in range(rounds):
            for n in range(seats - 1):
                at = f"2025-02-{1 + 2 * turn:02}T00:00:00Z"
                user = f"u{n}"
                commands.append(shop.say("assign_seat", at, user=user, seat_type=PRO))
            for n in range(seats - 1):
                at = f"2025-02-{2 + 2 * turn:02}T00:00:00Z"
                user = f"u{n}"
                commands.append(shop.say("unassign_seat", at, user=user, seat_type=PRO))
        for command in commands:
            yield json.dumps(command).encode()

    with CommandService(conninfo) as ledger:
        for outcome in import_file(ledger, lines()):
            assert outcome.outcome == "recorded", outcome


def bench_assign(conninfo: str, _: int) -> dict[str, Any]:
    """One assign_seat on an account of 10,000 seats, beside one of 10 seats."""
    big_account(conninfo, "big", 10_000, 1)
    big_account(conninfo, "small", 10, 1)
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
    first = time.perf_counter()
    with CommandService(conninfo) as ledger:
        give(ledger, "big", 0)
        first = time.perf_counter() - first
        give(ledger, "small", 0)
        times: dict[str, list[float]] = {"big": [], "small": []}
        for n in range(1, 61):
            for key in times:
                started = time.perf_counter()
                give(ledger, key, n)
                times[key].append(time.perf_counter() - started)
    big, small = (statistics.median(times[key]) for key in ("big", "small"))
    process = process_time(conninfo)
    return {
        "events": row[0],
        "big_ms": round(big * 1000, 2),
        "small_ms": round(small * 1000, 2),
        "times_small": round(big / small, 2),
        "first_in_process_seconds": round(first, 3),
        "whole_process_seconds": round(process, 3),
    }


def give(ledger: CommandService, key: str, n: int) -> None:
    op = "assign_seat" if n % 2 == 0 else "unassign_seat"
    at = f"2025-03-{1 + n // 24:02}T{n % 24:02}:00:00Z"
    fields = {"account": key, "user": "u1", "seat_type": PRO, "effective_at": at}
    ledger.execute({"op": op, **fields})


def process_time(conninfo: str) -> float:
    """The whole of `seat-ledger seat assign` on the big account, median of 5."""
    seconds = []
    for n in range(6):
        verb = "unassign" if n % 2 == 0 else "assign"
        command = [BIN / "seat-ledger", "seat", verb, "u1", PRO, "-a", "big"]
        command += ["--effective-at", f"2025-04-{1 + n:02}", "--database", conninfo]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def bench_commands(conninfo: str, _: int) -> dict[str, Any]:
    """Whole processes, in turn: a question, its floor, and help."""
    big_account(conninfo, "shop", 20, 1)
    seat = [BIN / "seat-ledger", "seat", "who", f"{PRO}#1", "-a", "shop"]
    commands = {
        "who": [*seat, "--database", conninfo],
        "floor": [sys.executable, "-c", "import click, psycopg"],
        "help": [BIN / "seat-ledger", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _n in range(12):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(seen[2:]) for name, seen in times.items()}
    return {
        "events": 0,
        "seat_who_seconds": round(medians["who"], 3),
        "import_click_psycopg_seconds": round(medians["floor"], 3),
        "times_floor": round(medians["who"] / medians["floor"], 2),
        "help_seconds": round(medians["help"], 3),
    }


BENCHES: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "import": bench_import,
    "assign": bench_assign,
    "commands": bench_commands,
    "sealing": bench_sealing,
    "convert": bench_convert,
    "snapshot": bench_snapshot,
    **projections.BENCHES,
    **decoding.BENCHES,
    **phases.BENCHES,
    **billing.BENCHES,
    **integrity.BENCHES,
    **console.BENCHES,
    **api.BENCHES,
    **lake.BENCHES,
}
EVENTS = {
    "convert": 1_000_000,
    "snapshot": 100_000,
    **projections.EVENTS,
    **decoding.EVENTS,
    **phases.EVENTS,
    **billing.EVENTS,
    **integrity.EVENTS,
    **console.EVENTS,
    **api.EVENTS,
    **lake.EVENTS,
}

if __name__ == "__main__":
    main()
