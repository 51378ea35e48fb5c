"""The bench of the API: questions at a steady rate, commands, and webhooks.

The server runs on one core of its own, and each question is timed from the instant at
which it was due. Commands are timed by HTTP and in process, one after the other, on two
accounts of the same making. A webhook is timed from the moment at which its command was
answered until its subscriber has it.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlencode

from scripts.benches.console import addresses, part_of, serving, steadily, told
from scripts.benches.generator import head
from scripts.benches.projections import BIN, filled, rebuilt
from seat_ledger.commands.service import CommandService
from seat_ledger.store import subscriptions, tokens
from tests.delivery.receiver import receiving
from tests.support.waiting import wait_until

RATE = 100
SECONDS = 20
COMMANDS = 400
CLIENTS = 8
EACH = 150
EVENTS_A_SECOND = 200
WEBHOOKS = 1000
PRO = "sales/professional"
WRITES = ("--api", "--allow-writes", "--rate-limit", "100000")


def bench_api(conninfo: str, events: int) -> dict[str, Any]:
    """Who, history and access; commands of one client and of eight; webhooks."""
    began = time.perf_counter()
    filled(conninfo, events)
    told("filled; rebuilding")
    rebuilt(conninfo)
    figures: dict[str, Any] = {
        "events": events,
        "prepared_seconds": round(time.perf_counter() - began, 1),
        "requests_per_second": RATE,
    }
    _, token = tokens.create(
        conninfo, "system:bench", may_write=True, accounts=None, ends_at=None
    )
    accounts = [f"bench-{n}" for n in range(CLIENTS + 2)]
    with CommandService(conninfo) as ledger:
        for account in accounts:
            _open(ledger, account)
    with serving(conninfo, *WRITES) as (port, _process, _first):
        figures |= answered(port, conninfo)
        told("commands")
        figures |= recorded(conninfo, port, token, accounts)
    told("webhooks")
    figures |= delivered(conninfo, accounts[0])
    return figures


def asked_of_api(conninfo: str) -> dict[str, Any]:
    """Who, history and access alone, of a ledger that is there."""
    figures = {"events": head(conninfo), "requests_per_second": RATE}
    with serving(conninfo, "--api", "--rate-limit", "100000") as (port, *_):
        return {**figures, **answered(port, conninfo)}


def answered(port: int, conninfo: str) -> dict[str, float]:
    """Each question at a steady rate: parts of the times, in milliseconds."""
    told("questions at a steady rate")
    figures = {}
    for kind, paths in questions(conninfo).items():
        steadily(port, paths[:100], RATE)
        took = steadily(port, list(islice(cycle(paths), RATE * SECONDS)), RATE)
        for part in (50, 95, 99):
            figures[f"{kind}_p{part}_ms"] = part_of(took, part)
    return figures


def questions(conninfo: str) -> dict[str, list[str]]:
    """The console's seats and users, asked of the API."""
    pages = addresses(conninfo)
    who = [path.replace("/seat?", "/v1/seat/who?") for path in pages["seat"]]
    seats = [path.replace("/seat?", "/v1/seat/history?") for path in pages["seat"]]
    access = [
        path.replace("/user?", "/v1/user/access?") + "&" + urlencode({"seat_type": PRO})
        for path in pages["user"]
    ]
    return {"who": who, "history": seats, "access": access}


def _open(ledger: CommandService, account: str) -> None:
    """An account with seats and users enough for all its commands."""
    start = "2025-01-05T00:00:00Z"
    ledger.execute(
        {"op": "open_account", "account": account, "name": account,
         "time_zone": "Europe/Amsterdam", "term_start": "2025-01-05",
         "term_months": 24, "billing_cycle_months": 1}
    )  # fmt: skip
    ledger.execute({"op": "buy_seats", "account": account, "seat_type": PRO,
                    "quantity": COMMANDS, "effective_at": start})  # fmt: skip
    people = [
        {"op": "add_user", "user": f"u{n}", "email": f"u{n}@{account}.test",
         "name": "U", "effective_at": start}
        for n in range(COMMANDS)
    ]  # fmt: skip
    ledger.execute({"op": "batch", "account": account, "commands": people})


def assignment(account: str, n: int) -> dict[str, Any]:
    return {"op": "assign_seat", "account": account, "user": f"u{n}",
            "seat_type": PRO, "effective_at": "2025-02-05T00:00:00Z"}  # fmt: skip


def recorded(
    conninfo: str, port: int, token: str, accounts: list[str]
) -> dict[str, Any]:
    """Milliseconds a command, in process and by HTTP; and how many of eight clients.

    In process and by HTTP in turn, so that a busy machine weighs on both alike.
    """
    own, other, *shared = accounts
    client = Poster(port, token)
    in_process, by_http = [], []
    with CommandService(conninfo) as ledger:
        for n in range(COMMANDS):
            in_process.append(_time_of(ledger.execute, assignment(own, n)))
            by_http.append(_time_of(client.post, assignment(other, n)))
    began = time.perf_counter()
    threads = [
        threading.Thread(target=_post_all, args=(port, token, account))
        for account in shared
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = CLIENTS * EACH / (time.perf_counter() - began)
    inside, outside = statistics.median(in_process), statistics.median(by_http)
    return {
        "command_in_process_ms": round(inside, 2),
        "command_by_http_ms": round(outside, 2),
        "times_in_process": round(outside / inside, 2),
        "commands_per_second_of_eight": round(rate, 1),
    }


def _time_of(act: Callable[[dict[str, Any]], Any], command: dict[str, Any]) -> float:
    """Milliseconds of a command."""
    began = time.perf_counter()
    act(command)
    return (time.perf_counter() - began) * 1000


def _post_all(port: int, token: str, account: str) -> None:
    client = Poster(port, token)
    for n in range(EACH):
        client.post(assignment(account, n))


class Poster:
    """A client that records, over one connection."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }

    def post(self, command: dict[str, Any]) -> None:
        body = json.dumps(command)
        self.connection.request("POST", "/v1/commands", body, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise SystemExit(f"{answer.status}: {text[:500]!r}")


def delivered(conninfo: str, account: str) -> dict[str, Any]:
    """Milliseconds from a commit to its webhook, at a steady rate of events."""
    with receiving() as receiver:
        with subscriptions.opened(conninfo) as connection:
            _, receiver.secret = subscriptions.add(
                connection, receiver.url, allow_private=True, after=None
            )
        command = [BIN / "seat-ledger", "deliver", "--quiet"]
        environment = {**os.environ, "SEAT_LEDGER_DATABASE_URL": conninfo}
        process = subprocess.Popen(command, env=environment)
        try:
            time.sleep(3)
            committed = _steady_commits(conninfo, account)
            wait_until(lambda: max(committed) in receiver.positions)
        finally:
            process.terminate()
            process.wait(10)
        came = {delivery.position: delivery.at for delivery in receiver.deliveries}
    took = sorted((came[p] - at) * 1000 for p, at in committed.items())
    return {
        "webhook_events_per_second": EVENTS_A_SECOND,
        **{f"webhook_p{part}_ms": part_of(took, part) for part in (50, 95, 99)},
    }


def _steady_commits(conninfo: str, account: str) -> dict[int, float]:
    """When each position was committed."""
    committed = {}
    begins = time.perf_counter()
    with CommandService(conninfo) as ledger:
        for n in range(WEBHOOKS):
            due = begins + n / EVENTS_A_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            result = ledger.execute(
                {"op": "buy_seats", "account": account, "seat_type": PRO, "quantity": 1}
            )
            committed[result.positions[-1]] = time.time()
    return committed


BENCHES = {"api": bench_api}
EVENTS = {"api": 400_000}
