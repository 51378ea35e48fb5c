"""A small ledger, and files of invoices to hold against it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seat_ledger.projections import billing
from seat_ledger.projections.billing import CountsQuery, Priced
from seat_ledger.projections.reader import ConnectedReader
from tests.program import PRO, Program

START = "sales/starter"
HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"


def operation(op: str, at: str, **fields: Any) -> dict[str, Any]:
    return {"op": op, "account": "e", "effective_at": at, **fields}


OPENED = operation(
    "open_account", "2025-05-01T00:00:00Z", name="E", time_zone="UTC",
    term_start="2025-05-01", term_months=12, billing_cycle_months=1,
)  # fmt: skip
BOUGHT = operation("buy_seats", "2025-06-01", seat_type=PRO, quantity=1)
A = operation("add_user", "2025-06-01", user="a", email="a@e.example", name="A")
ASSIGNED = operation("assign_seat", "2025-06-01", user="a", seat_type=PRO)
TRULY_LEFT = {
    "op": "unassign_seat",
    "user": "a",
    "seat_type": PRO,
    "effective_at": "2025-06-21",
}
LEFT = operation("unassign_seat", "2025-06-16", user="a", seat_type=PRO)


class Book:
    """The ledger of E21: ann holds the one seat from June on; and files to audit."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder
        self.conninfo = program.environment["SEAT_LEDGER_DATABASE_URL"]
        self.record(OPENED, BOUGHT, A, ASSIGNED)

    def record(self, *commands: dict[str, Any]) -> int:
        """Record commands; return the last position."""
        done = self.program.lines(*commands)
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["rows"]
        return max(position for row in rows for position in row["positions"])

    def file(self, *lines: str, header: str = HEADER) -> Path:
        path = self.folder / "invoices.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    def audit(
        self, *lines: str, header: str = HEADER, words: tuple[str, ...] = ()
    ) -> list[dict[str, Any]]:
        return self.document(*lines, header=header, words=words)["rows"]

    def document(
        self, *lines: str, header: str = HEADER, words: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        path = self.file(*lines, header=header)
        done = self.program.run("invoice", "audit", path, "--format", "json", *words)
        document = json.loads(done.stdout)
        wrong = any(row["verdict"] != "match" for row in document["rows"])
        assert done.returncode == (3 if wrong else 0), done.stderr
        return document

    def quantity(self, mode: str, position: int) -> str:
        """What `billing counts` says of June as known at a position."""
        how = Priced([(mode, "day" if mode == "contracted" else None)])
        with ConnectedReader(self.conninfo) as reader:
            known_at = reader.knowledge(position)
            account = reader.account("e", known_at)
            now = reader.database_now()
            result = billing.counts(
                reader, account, known_at, now, CountsQuery("2025-06", how=how)
            )
        return result.rows[0]["quantity"] if result.rows else "0"

    def refusal(self, content: bytes) -> dict[str, Any]:
        path = self.folder / "bad.csv"
        path.write_bytes(content)
        report = self.folder / "out.html"
        done = self.program.run(
            "invoice", "audit", path, "--report", report, "--format", "json"
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert not report.exists()
        assert "Traceback" not in done.stderr
        return json.loads(done.stderr.splitlines()[-1])


TIMED = f"{HEADER},mode"


def june(quantity: str, amount: str, issued: Any, invoice: str = "INV-6") -> str:
    return f"e,{invoice},{issued},2025-06-01,{PRO},{quantity},30.00,{amount}"
