"""The bench of the console: its pages at a steady rate, its start, and its memory.

The server runs on one core of its own; requests come at fixed instants, and each is
timed from its instant on, so that a slow answer is not hidden by the wait for it. A
table on stderr sets the figures beside what is asked of them. Nothing waits for ever:
an answer that does not come in `PATIENCE` seconds ends the bench, and what takes longer
than `LONGEST` is cut short, and says so by the number of its requests. On a store that
is there, all of it takes about four minutes.
"""

from __future__ import annotations

import http.client
import os
import select
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psycopg

from scripts.benches import giant
from scripts.benches.generator import head, write
from scripts.benches.projections import BIN, filled, rebuilt

RATE = 20
SECONDS = 10
CLIENTS = 8
MANY = 10_000
PATIENCE = 60.0
LONGEST = 60.0
"""Seconds after which no more requests are made for the memory's sake."""
KINDS = ("seat", "user", "account")
SECONDS_OF_A_LIST = 6
WARM = 20
"""Requests of a kind before its pages are timed: plans and caches are made."""
PRICED = {"unit_price": "sales/professional=90.00", "currency": "EUR"}
LISTS: dict[str, dict[str, str]] = {
    "accounts": {},
    "attention_near": {"kind": "near"},
    "attention_idle": {"kind": "idle"},
    "renewals": {},
    "renewals_90d": {"within": "90d"},
    "findings": {},
    "invoices": {},
    "check": {},
    "events": {},
    "projections": {},
}
"""Pages over all accounts: the page's name is what stands before the first "_"."""
OF_AN_ACCOUNT: dict[str, dict[str, str]] = {
    "seats": {},
    "users": {},
    "periods": {},
    "idle": PRICED,
    "compare": {},
    "renewals_of_one": {},
    "events_of_one": {},
}
"""Pages of one account, each time another."""
GIANTS = 20
"""Times that each page of the giant account is asked for, one after the other."""


def bench_console(conninfo: str, events: int) -> dict[str, Any]:
    """Seat, user and account pages, as known now and as known before."""
    last = filled(conninfo, events)
    size = min(giant.EVENTS, events)
    write(conninfo, giant.giant_history(size, last))
    told("filled; rebuilding")
    rebuilt(conninfo)
    return asked_of_console(conninfo, size)


def asked_of_console(conninfo: str, size: int = giant.EVENTS) -> dict[str, Any]:
    """The pages of a ledger that is there, and has the giant account of this `size`."""
    asked, events = addresses(conninfo), head(conninfo)
    figures: dict[str, Any] = {"events": events, "requests_per_second": RATE}
    with serving(conninfo) as (port, process, first):
        figures["first_answer_seconds"] = round(first, 3)
        told("pages at a steady rate")
        figures |= paced(port, asked, SECONDS)
        told("lists and other pages at a steady rate")
        figures |= paced(port, lists(conninfo, asked, events), SECONDS_OF_A_LIST)
        told(f"{MANY:,} requests as fast as they go")
        figures |= many(port, process.pid, asked)
        told("pages of the giant account")
        figures |= of_giant(port, size)
    table(figures)
    return figures


def paced(port: int, asked: dict[str, list[str]], seconds: int) -> dict[str, float]:
    """Each kind of page at a fixed rate: parts of the times, in milliseconds."""
    figures = {}
    for kind, paths in asked.items():
        ask(port, paths[:WARM])
        took = steadily(port, list(islice(cycle(paths), RATE * seconds)))
        for part in (50, 95, 99):
            figures[f"{kind}_p{part}_ms"] = part_of(took, part)
        told(f"{kind}: p50 {part_of(took, 50)} ms, p95 {part_of(took, 95)} ms")
    return figures


def many(port: int, pid: int, asked: dict[str, list[str]]) -> dict[str, float]:
    """All kinds, one after the other: the rate, and the memory before and after."""
    mixed = [path for paths in zip(*asked.values(), strict=True) for path in paths]
    some = MANY // 10
    ask(port, list(islice(cycle(mixed), some)))
    before, began, made = resident(pid), time.perf_counter(), 0
    every = cycle(mixed)
    while made < MANY and time.perf_counter() - began < LONGEST:
        ask(port, list(islice(every, some)))
        made += some
        told(f"{made:,} of {MANY:,} requests, {resident(pid):.1f} MiB")
    return {
        "requests": made,
        "most_requests_per_second": round(made / (time.perf_counter() - began), 1),
        "memory_before_mib": round(before, 1),
        "memory_after_mib": round(resident(pid), 1),
    }


def of_giant(port: int, size: int) -> dict[str, Any]:
    """Pages of the giant account: time to the first byte, and the largest of them."""
    seat = f"{giant.TYPES[0]}#{giant.WANTED}"
    pages: dict[str, dict[str, str]] = {
        "account": {},
        "seat": {"seat": seat},
        "user": {"user": "u1"},
        "seats": {},
        "users": {},
        "periods": {},
    }
    figures: dict[str, Any] = {"giant_events": size}
    largest = 0
    for page, params in pages.items():
        query = urllib.parse.urlencode({"account": giant.KEY, **params})
        found = [
            (took, size) for took, size in ask(port, [f"/{page}?{query}"] * GIANTS)
        ]
        figures[f"giant_{page}_p95_ms"] = part_of(sorted(t for t, _ in found), 95)
        largest = max(largest, *(size for _, size in found))
    return {**figures, "giant_largest_page_kib": round(largest / 1024, 1)}


def part_of(took: list[float], part: int) -> float:
    """The time within which so many of a hundred answers came, of sorted times."""
    return round(took[min(len(took) - 1, len(took) * part // 100)], 1)


class Asked(NamedTuple):
    """What is asked of a figure: to be below it."""

    figure: str
    below: float


ASKED = (
    *(
        Asked(f"{kind}{then}_p95_ms", 50)
        for kind in KINDS
        for then in ("", "_known_at")
    ),
    *(
        Asked(f"{page}_p95_ms", 80)
        for page in ("attention", *LISTS, *OF_AN_ACCOUNT, "period", "search")
    ),
    Asked("first_answer_seconds", 1),
)


def table(figures: dict[str, Any]) -> None:
    """The figures beside what is asked of them, for people, on stderr."""
    for figure, below in ASKED:
        verdict = "kept" if figures[figure] < below else "MISSED"
        told(f"  {figure:28} {figures[figure]:9} below {below:4}  {verdict}")
    grown = figures["memory_after_mib"] - figures["memory_before_mib"]
    verdict = "kept" if grown < figures["memory_before_mib"] / 10 else "MISSED"
    told(f"  {'memory_growth_mib':28} {grown:9.1f} flat        {verdict}")
    told(f"  after {figures['requests']:,} requests; {MANY:,} are asked")


def told(text: str) -> None:
    """Say how far it is."""
    print(f"console: {text}", file=sys.stderr, flush=True)


def addresses(conninfo: str) -> dict[str, list[str]]:
    """Six hundred pages of each kind, chosen by chance over all ordinary accounts."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT position, set_config('search_path', 'projection_' || number, "
            "false) FROM projection.generation WHERE state = 'served'"
        ).fetchone()
        assert row is not None
        head: int = row[0]
        rows = connection.execute(
            "SELECT account.account_key, seat_type.name || '#' || held.number, "
            "person.user_key, held.assigned_position FROM seat_holding AS held "
            "JOIN account USING (account_no) "
            "JOIN user_directory AS person USING (user_no) "
            "JOIN seat_type ON seat_type.type_no = held.seat_type "
            "WHERE held.assigned_position IS NOT NULL AND NOT held.reversed "
            "AND account.account_key <> %s "
            "ORDER BY hashint8(held.entry) LIMIT 600",
            [giant.KEY],
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


def lists(
    conninfo: str, asked: dict[str, list[str]], head: int
) -> dict[str, list[str]]:
    """The start page, lists over all accounts, pages of an account, and the search."""
    parsed = [urllib.parse.urlsplit(path).query for path in asked["user"]]
    people = [dict(urllib.parse.parse_qsl(query)) for query in parsed]
    keys = [person["account"] for person in people]
    found = {"attention": ["/"]}
    found |= {name: [_address(name, params)] for name, params in LISTS.items()}
    for name, params in OF_AN_ACCOUNT.items():
        own = {"before": str(head // 2)} if name == "compare" else params
        found[name] = [_address(name, {"account": key, **own}) for key in keys]
    found["period"] = periods(conninfo)
    texts = [f"{person['account']} {person['user']}" for person in people]
    found["search"] = [_address("search", {"q": text}) for text in texts]
    return found


def periods(conninfo: str) -> list[str]:
    """The pages of six hundred billing periods that have ended, chosen by chance."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "SELECT set_config('search_path', 'projection_' || number, false) "
            "FROM projection.generation WHERE state = 'served'"
        )
        rows = connection.execute(
            "SELECT account.account_key, period.label FROM billing_period AS period "
            "JOIN account USING (account_no) WHERE account.account_key <> %s "
            "AND period.ends < now() "
            "ORDER BY hashint8(account_no + period_no) LIMIT 600",
            [giant.KEY],
        ).fetchall()
    return [
        _address("period", {"account": key, "period": label.isoformat()})
        for key, label in rows
    ]


def _address(name: str, params: dict[str, str]) -> str:
    return f"/{name.partition('_')[0]}?{urllib.parse.urlencode(params)}"


@contextmanager
def serving(
    conninfo: str, *options: str
) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """The real command on the last core: its port, and seconds to its first answer."""
    core = max(os.sched_getaffinity(0))
    command = [BIN / "seat-ledger", "serve", "--port", "0", "--quiet", *options]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_CORE, str(core), *map(str, command)],
        env={**os.environ, "SEAT_LEDGER_DATABASE_URL": conninfo},
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        port = _port_of(process)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        ask(port, ["/"])
        yield port, process, time.perf_counter() - began
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _port_of(process: subprocess.Popen[bytes]) -> int:
    """The port that it says it serves on. Ends the bench where it says none."""
    assert process.stderr is not None
    said, until = b"", time.monotonic() + PATIENCE
    while (left := until - time.monotonic()) > 0:
        if not select.select([process.stderr], [], [], left)[0]:
            break
        some = os.read(process.stderr.fileno(), 4096)
        said += some
        for line in said.decode(errors="replace").splitlines():
            if line.startswith("Serving on") and line.endswith(")."):
                port = urllib.parse.urlsplit(line.split()[2]).port
                assert port is not None
                return port
        if not some:
            break
    raise SystemExit(f"The console does not serve: {said.decode(errors='replace')}")


_ON_CORE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.execv(sys.argv[2], sys.argv[2:])
"""


def _connected(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[float, int]:
    """Milliseconds to the first byte of an answer, and how many bytes it has."""
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    first = (time.perf_counter() - began) * 1000
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered with {answer.status}: {text[:500]!r}")
    return first, len(text)


def ask(port: int, paths: list[str]) -> list[tuple[float, int]]:
    """Ask for all, one after the other: first byte in milliseconds, and size."""
    connection = _connected(port)
    found = [_get(connection, path) for path in paths]
    connection.close()
    return found


def steadily(port: int, paths: list[str], rate: float = RATE) -> list[float]:
    """Ask at a fixed rate; the milliseconds of each from its instant on, sorted."""
    took: list[float] = []
    wrong: list[BaseException] = []
    begins = time.perf_counter() + 0.2

    def client(number: int) -> None:
        connection = _connected(port)
        try:
            for place in range(number, len(paths), CLIENTS):
                due = begins + place / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                _get(connection, paths[place])
                took.append((time.perf_counter() - due) * 1000)
        except (OSError, http.client.HTTPException, SystemExit) as error:
            wrong.append(error)
        connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(f"At a steady rate: {wrong[0]!r}")
    return sorted(took)


def resident(pid: int) -> float:
    """The memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


BENCHES = {"console": bench_console}
EVENTS = {"console": 400_000}
