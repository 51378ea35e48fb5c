"""The benches of billing: audits of many lines, a figure opened, a report."""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from scripts.benches.projections import BIN, filled, rebuilt
from seat_ledger.commands.service import CommandService
from seat_ledger.domain.money import rounded
from seat_ledger.importing.files import import_file
from seat_ledger.projections.billing.figures import quantity
from seat_ledger.projections.reader import ConnectedReader

HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"
PRO = "sales/professional"
_CHILD = """
import resource, subprocess, sys
with open(sys.argv[1], "w") as out:
    done = subprocess.run(sys.argv[2:], stdout=out, stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
sys.stderr.write(done.stderr)
"""


def bench_audit(conninfo: str, events: int) -> dict[str, Any]:
    """An audit of 100,000 lines with 1,000 times of issue, and of a million lines.

    A store of fewer than 4,000,000 events has not as many figures. Lines are right but
    for one in a hundred. Each is issued just after its period (`audit`), or at any time
    at all (`audit_any_issue`): then half of the figures are counted again as known at
    issue.
    """
    filled(conninfo, events)
    rebuilt(conninfo)
    figures: dict[str, Any] = {"events": events, "issues": 1_000}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name, random_issue, times in (
            ("audit", False, 1),
            ("audit_any_issue", True, 1),
            ("audit_million_lines", False, 10),
        ):
            made = _invoices(conninfo, path / "invoices.csv", random_issue, times)
            seconds, peak, cpu, found = _audited(conninfo, path)
            assert found[0] == made, (found, made)
            figures[f"{name}_lines"] = made
            figures[f"{name}_findings"] = found[1]
            figures[f"{name}_peak_mib"] = round(peak, 1)
            figures[f"{name}_cpu_seconds"] = round(cpu, 2)
            figures[f"{name}_seconds"] = round(seconds, 2)
    return figures


_DUE = """
SELECT account.account_key, period.label, counted.seat_type::text AS seat_type,
       counted.*, period.starts, period.ends, period.days
  FROM billing_period AS period
  JOIN account USING (account_no)
  JOIN billable_seats AS counted USING (account_no, period_no)
 WHERE period.account_no = ANY (%(accounts)s)
   AND period.ends <= %(at)s
   AND period.ends > %(at)s - interval '32 days'
"""


def _invoices(conninfo: str, path: Path, random_issue: bool, times: int) -> int:
    """Write the file; return how many lines it has."""
    random, made, billed = Random(11), 0, set()
    with ConnectedReader(conninfo) as reader, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.split(","))
        cursor = reader.connection.cursor(row_factory=psycopg.rows.dict_row)
        numbers = reader.connection.execute("SELECT account_no FROM account").fetchall()
        accounts = [number for (number,) in numbers]
        for n in range(1_000):
            position = reader.head * (n + 100) // 1_100
            row = reader.connection.execute(
                "SELECT effective_at FROM journal WHERE position = %s", [position]
            ).fetchone()
            issued = random.randint(1, reader.head) if random_issue else position
            some = random.sample(accounts, min(len(accounts), 400))
            asked = {"at": row[0], "accounts": some}
            due_now = cursor.execute(_DUE, asked).fetchall()
            new = [due for due in due_now if _figure(due) not in billed][:100]
            billed.update(map(_figure, new))
            for due in new:
                exact = quantity(due, "contracted", "day")
                wrong = random.random() < 0.01
                shown = rounded(exact + wrong, 6)
                amount = rounded((exact + wrong) * 18, 2)
                line = [due["account_key"], f"INV-{n}", issued, due["label"]]
                line += [due["seat_type"], shown, "18.00", amount]
                for _ in range(times):
                    writer.writerow(line)
                    made += 1
    return made


def _figure(due: dict[str, Any]) -> tuple[Any, ...]:
    return due["account_no"], due["label"], due["seat_type"]


def _audited(
    conninfo: str, folder: Path
) -> tuple[float, float, float, tuple[int, int]]:
    """Seconds, peak MiB and CPU of the real command; its lines and findings."""
    command = [BIN / "seat-ledger", "--database", conninfo, "invoice", "audit"]
    command += [folder / "invoices.csv", "--format", "jsonl"]
    out = folder / "audit.jsonl"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, out, *map(str, command)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    status, peak, cpu = done.stdout.split()
    assert status == "3", done.stderr
    lines = findings = 0
    with out.open() as rows:
        for text in rows:
            row = json.loads(text)
            lines += row["line"] is not None
            findings += row["verdict"] != "match"
    return seconds, float(peak), float(cpu), (lines, findings)


def bench_report(conninfo: str, _: int) -> dict[str, Any]:
    """A report on an account of 500 seats and two years, as a page and a workbook."""
    events = _two_years(conninfo)
    figures: dict[str, Any] = {"events": events, "seats": 500}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("html", "xlsx"):
            command = [BIN / "seat-ledger", "--database", conninfo, "report"]
            command += ["--account", "shop", "--unit-price", f"{PRO}=90.00"]
            command += ["--output", f"{folder}/shop.{kind}"]
            took = []
            for _n in range(3):
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                took.append(time.perf_counter() - began)
            size = Path(folder, f"shop.{kind}").stat().st_size
            figures[f"{kind}_mib"] = round(size / 1024**2, 2)
            figures[f"report_{kind}_seconds"] = round(statistics.median(took), 2)
    return figures


def _two_years(conninfo: str) -> int:
    """500 seats bought over two years, 450 people who hold them in turn."""
    random = Random(3)
    shop = {"account": "shop"}
    at = "2024-01-05T00:00:00Z"
    lines: list[dict[str, Any]] = [
        {"op": "open_account", **shop, "name": "Shop", "time_zone": "Europe/Amsterdam",
         "term_start": "2024-01-05", "term_months": 12, "billing_cycle_months": 1},
        {"op": "buy_seats", **shop, "seat_type": PRO, "quantity": 400,
         "effective_at": "2024-01-05"},
    ]  # fmt: skip
    lines += [
        {"op": "add_user", **shop, "user": f"u{n}", "name": f"User {n}",
         "email": f"u{n}@shop.example", "effective_at": "2024-01-05"}
        for n in range(450)
    ]  # fmt: skip
    idle, held = [f"u{n}" for n in range(450)], []
    for day in range(720):
        at = time.strftime("%Y-%m-%d", time.gmtime(1704499200 + 86400 * day))
        if day % 7 == 0 and day < 700:
            lines.append(
                {"op": "buy_seats", **shop, "seat_type": PRO, "quantity": 1,
                 "effective_at": at}
            )  # fmt: skip
        for _ in range(4):
            giving = len(held) < 380 and (not held or random.random() < 0.6)
            source, target = (idle, held) if giving else (held, idle)
            user = source.pop(random.randrange(len(source)))
            target.append(user)
            op = "assign_seat" if giving else "unassign_seat"
            lines.append(
                {"op": op, **shop, "user": user, "seat_type": PRO, "effective_at": at}
            )
    events = 0
    with CommandService(conninfo) as ledger:
        for outcome in import_file(ledger, (json.dumps(one).encode() for one in lines)):
            assert outcome.outcome == "recorded", outcome
            events += len(outcome.positions)
    return events


BENCHES = {"audit": bench_audit, "report": bench_report}
EVENTS = {"audit": 400_000}
