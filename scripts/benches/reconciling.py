"""The bench of dated lists: many holders, and what changes in one night."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.benches.projections import BIN
from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file
from seat_ledger.projections.reader import ConnectedReader

SEAT_TYPE = "copilot/business"
NIGHT = 200
"""Changes of one night: half of them leave, half are new."""

_CHILD = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([done.returncode, used.ru_maxrss / 1024, cpu, done.stdout[-500:]]))
sys.stderr.write(done.stderr)
"""


def bench_snapshot(conninfo: str, holders: int) -> dict[str, Any]:
    """A list of an account that has its holders: checked, then recorded."""
    with CommandService(conninfo) as ledger:
        for outcome in import_file(ledger, _history(holders)):
            assert not outcome.stops, outcome
    with ConnectedReader(conninfo, patient=True):
        pass
    figures: dict[str, Any] = {"holders": holders, "changes": NIGHT}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        file = Path(folder) / "seats.json"
        file.write_text(_list(holders))
        for name, words in (("check", ["--check"]), ("record", [])):
            seconds, peak, cpu = _run(conninfo, file, words)
            figures[f"{name}_seconds"] = round(seconds, 2)
            figures[f"{name}_cpu_seconds"] = round(cpu, 2)
            figures[f"{name}_peak_mib"] = round(peak, 1)
    return figures


def _history(holders: int) -> Iterator[bytes]:
    """An account, and who holds its seats: a command of three events a holder."""
    yield _line({"op": "add_seat_type", "seat_type": SEAT_TYPE})
    account = {"account": "big"}
    yield _line({
        "op": "open_account", **account, "name": "Big", "time_zone": "UTC",
        "term_start": "2026-01-01", "term_months": 12, "billing_cycle_months": 1,
    })  # fmt: skip
    for first in range(0, holders, 10_000):
        quantity = min(10_000, holders - first)
        yield _line({"op": "buy_seats", **account, "seat_type": SEAT_TYPE,
                     "quantity": quantity, "effective_at": "2026-01-01"})  # fmt: skip
    for n in range(holders):
        yield _line({
            "op": "add_user", **account, "user": f"gh-{n}", "name": f"User {n}",
            "email": f"{n}+login{n}@users.noreply.github.com", "seats": [SEAT_TYPE],
            "effective_at": "2026-01-02",
        })  # fmt: skip


def _line(command: dict[str, Any]) -> bytes:
    return json.dumps(command).encode() + b"\n"


def _list(holders: int) -> str:
    half = NIGHT // 2
    seats = [
        {
            "created_at": "2025-12-01T08:00:00Z",
            "plan_type": "business",
            "pending_cancellation_date": None,
            "assignee": {"id": n, "login": f"login{n}"},
        }
        for n in range(half, holders + half)
    ]
    return json.dumps({"total_seats": len(seats), "seats": seats})


def _run(conninfo: str, file: Path, words: list[str]) -> tuple[float, float, float]:
    command = [
        str(BIN / "seat-ledger"), "snapshot", str(file), "--with",
        "github-copilot-seats", "-a", "big", "--taken-at", "2026-02-01T02:00Z",
        "--database", conninfo, *words,
    ]  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *command],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds = time.monotonic() - began
    code, peak, cpu, text = json.loads(done.stdout)
    assert code == (3 if words else 0), (code, text, done.stderr)
    return seconds, peak, cpu
