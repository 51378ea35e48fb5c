"""What a process does until it is killed, telling each act that was acknowledged.

Each function runs in a process of its own. `told` is a file that outlives it: a line
"go" before the first act, a line of JSON for each act that was acknowledged, and a
line "end" where the work ran out before the kill.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file
from seat_ledger.importing.sharing import in_thread
from seat_ledger.integrity import service
from seat_ledger.integrity.keys import Keys
from seat_ledger.projections.engine import catch_up as catching_up
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.store.connection import connect
from tests.drafts import computed

STARTER, PRO = "sales/starter", "sales/professional"
SERVICE = "service/starter"
LINES = 72
MONTHS = 13

Report = Callable[[Any], None]


def commands(turn: int) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Commands without end, each with the names of its events."""
    yield opening(turn), ["AccountOpened"]
    for n in itertools.count(1):
        user, quantity = f"u{(n - 1) // 3}", 1 + n % 5
        add = {"op": "add_user", "user": user, "name": user}
        add |= {"email": f"{user}@x.example", "seats": [PRO], "buy_if_needed": True}
        both = [
            {"op": "buy_seats", "seat_type": SERVICE, "quantity": 1},
            {"op": "assign_seat", "user": user, "seat_type": SERVICE},
        ]
        step: tuple[dict[str, Any], list[str]] = (
            (
                {"op": "buy_seats", "seat_type": STARTER, "quantity": quantity},
                ["SeatPurchased"] * quantity,
            ),
            (add, ["HubAccessGranted", "SeatAssigned", "SeatPurchased", "UserAdded"]),
            (
                {"op": "batch", "commands": both},
                ["HubAccessGranted", "SeatAssigned", "SeatPurchased"],
            ),
        )[(n - 1) % 3]
        yield {**step[0], **common(turn, n), "effective_at": "2025-03-10"}, step[1]


def common(turn: int, n: int) -> dict[str, Any]:
    return {"account": f"a{turn}", "idempotency_key": f"{turn}-{n}"}


def opening(turn: int) -> dict[str, Any]:
    command = {"op": "open_account", "name": "Any", "time_zone": "UTC"}
    command |= {"term_start": "2025-03-05", "term_months": MONTHS}
    return {**command, "billing_cycle_months": 1, **common(turn, 0)}


def lines(turn: int) -> tuple[list[bytes], dict[str, list[str]]]:
    """A file of commands, and the events of each by its key."""
    written, expected = [], {}
    for _, (command, topics) in zip(range(LINES), commands(turn), strict=False):
        written.append(json.dumps(command).encode())
        expected[command["idempotency_key"]] = topics
    return written, expected


def append(conninfo: str, turn: int, report: Report) -> None:
    """Record commands one by one, without end."""
    with CommandService(conninfo) as ledger:
        report("go")
        for command, _ in commands(turn):
            result = ledger.execute(command)
            report([command["idempotency_key"], list(result.positions)])


def import_(conninfo: str, turn: int, report: Report) -> None:
    """Import a file, a few lines at a time; in turn as several processes do."""
    written, expected = lines(turn)
    keys = list(expected)
    is_shared = turn // len(ACTS) % 2
    shared: dict[str, Any] = {"workers": 2, "start": in_thread} if is_shared else {}
    with CommandService(conninfo) as ledger:
        report("go")
        for outcome in import_file(ledger, written, chunk=6, **shared):
            report([keys[outcome.line - 1], list(outcome.positions)])


def issue_invoices(conninfo: str, turn: int, report: Report) -> None:
    """Invoice one period after the other."""
    compute = computed(conninfo, {PRO: 2})
    with CommandService(conninfo) as ledger:
        ledger.execute(opening(turn))
        report("go")
        for month in range(MONTHS - 2):
            period = date(2025 + (2 + month) // 12, (2 + month) % 12 + 1, 5)
            command = {"op": "issue_invoice", "period": period.isoformat()}
            command |= {"invoice": f"INV-{turn}-{month}", "currency": "EUR"}
            command |= {"unit_prices": {PRO: "90.00"}, "effective_at": "2026-03-04"}
            command |= common(turn, month + 1)
            result = ledger.execute(command, compute_invoice=compute)
            report([command["idempotency_key"], list(result.positions)])


def catch_up(conninfo: str, _: int, report: Report) -> None:
    """Catch up in many small steps."""
    catching_up.BATCH = 10
    with connect(conninfo, autocommit=True) as connection:
        report("go")
        report(["checkpoint", [catching_up.catch_up(connection).checkpoint]])


def rebuild_(conninfo: str, _: int, report: Report) -> None:
    """Rebuild again and again."""
    report("go")
    while True:
        result = rebuild(conninfo, workers=2)
        if result.error is not None:
            raise result.error
        report(["generation", [result.generation]])


def seal(conninfo: str, turn: int, report: Report) -> None:
    """Seal after each command, with the checkpoint kept elsewhere too."""
    signer = Keys(FOLDER[0] / "key").signer("faults.example/seats")
    with CommandService(conninfo) as ledger:
        report("go")
        for command, _ in commands(turn):
            ledger.execute(command)
            sealed = service.seal(conninfo, signer, [FOLDER[0] / "kept"], processes=1)
            assert sealed is not None
            report(["sealed", [sealed.checkpoint.size]])


FOLDER: list[Path] = []
"""Where a process may keep files beside what it tells."""

ACTS: dict[str, Callable[[str, int, Report], None]] = {
    "append": append,
    "import": import_,
    "invoice": issue_invoices,
    "catch-up": catch_up,
    "rebuild": rebuild_,
    "seal": seal,
}


def work(act: str, conninfo: str, turn: int, message: Path) -> None:
    """What the process runs: an act, telling what was acknowledged."""
    FOLDER[:] = [message.parent]
    descriptor = os.open(message, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def report(what: Any) -> None:
        os.write(descriptor, json.dumps(what).encode() + b"\n")

    ACTS[act](conninfo, turn, report)
    report("end")
