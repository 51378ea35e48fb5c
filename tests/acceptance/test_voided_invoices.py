"""Invoices that are voided, credited and issued anew (R94), to the cent.

E30 and E31 are worked by hand in seat_ledger/RULES.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Program

PRO = "sales/professional"
FEB, MAR, APR = "2025-02-05", "2025-03-05", "2025-04-05"


class Billed(Program):
    """Ten seats from 5 February 2025 in Amsterdam, billed monthly; INV-1 is out."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        super().__init__(conninfo, folder)
        self.do(
            "open_account", name="E", time_zone="Europe/Amsterdam", term_start=FEB,
            term_months=12, billing_cycle_months=1,
        )  # fmt: skip
        self.buy(10, FEB)
        self.issue("INV-1", FEB, "2025-03-05")

    def do(self, op: str, **fields: Any) -> list[int]:
        return self.record({"op": op, "account": "e", **fields})

    def buy(self, quantity: int, at: str) -> None:
        self.do("buy_seats", seat_type=PRO, quantity=quantity, effective_at=at)

    def issue(
        self, invoice: str, period: str, at: str, price: str = "90.00", **fields: Any
    ) -> None:
        self.do(
            "issue_invoice", invoice=invoice, period=period, effective_at=at,
            unit_prices={PRO: price}, currency="EUR", **fields,
        )  # fmt: skip

    def void(self, invoice: str, at: str) -> int:
        fields = {"invoice": invoice, "effective_at": at, "reason": "wrong price"}
        return self.do("void_invoice", **fields)[0]

    def lines(self, invoice: str) -> list[tuple[str, ...]]:
        rows = self.json("invoice", "show", invoice)["rows"]
        names = ("kind", "period", "quantity", "unit_price", "amount")
        return [tuple(row[name] for name in names) for row in rows]

    def listed(self) -> dict[str, Any]:
        rows = self.json("invoice", "list")["rows"]
        return {row["invoice"]: row for row in rows}

    def total(self, period: str) -> float:
        """What all invoices together bill for a period."""
        lines = (line for invoice in self.listed() for line in self.lines(invoice))
        return sum(float(line[4]) for line in lines if line[1] == period)


@pytest.fixture
def billed(database: str, tmp_path: Path) -> Billed:
    return Billed(database, tmp_path)


def test_e30_an_invoice_is_voided_after_a_correction_and_issued_anew(
    billed: Billed,
) -> None:
    before = billed.run("invoice", "show", "INV-1", "--format", "json").out
    assert billed.lines("INV-1") == [("period", FEB, "10", "90.00", "900.00")]
    billed.buy(2, "2025-02-19")  # 14 of 28 dates: one seat more
    void = billed.void("INV-1", "2025-03-20")
    billed.issue("INV-1B", FEB, "2025-03-20", "80.00")
    assert billed.lines("INV-1B") == [
        ("period", FEB, "11", "80.00", "880.00"),
        ("void", FEB, "-10", "90.00", "-900.00"),
    ]
    assert billed.listed()["INV-1B"]["amount"] == "-20.00"
    assert billed.total(FEB) == 880
    row = billed.json("invoice", "show", "INV-1B")["rows"][1]
    assert (row["voids"], row["entries"]) == ("INV-1", [void])

    assert billed.run("invoice", "show", "INV-1", "--format", "json").out == before
    assert billed.listed()["INV-1"]["voided"] == void
    known_at = billed.json("invoice", "list", "--known-at", void - 1)["rows"]
    assert known_at[0]["voided"] is None
    for invoice in ("INV-1", "INV-1B"):
        assert billed.run("invoice", "reproduce", invoice).status == 0

    billed.issue("INV-2", MAR, "2025-04-05")
    assert billed.lines("INV-2") == [("period", MAR, "12", "90.00", "1080.00")]


def test_e31_a_void_takes_back_what_others_corrected(billed: Billed) -> None:
    billed.buy(2, "2025-02-19")
    billed.issue("INV-2", MAR, "2025-04-05")
    assert billed.lines("INV-2") == [
        ("correction", FEB, "1", "90.00", "90.00"),
        ("period", MAR, "12", "90.00", "1080.00"),
    ]
    billed.void("INV-1", "2025-04-20")
    billed.issue("INV-3", FEB, "2025-04-20", "80.00")
    assert billed.lines("INV-3") == [
        ("correction", FEB, "-1", "90.00", "-90.00"),
        ("period", FEB, "11", "80.00", "880.00"),
        ("void", FEB, "-10", "90.00", "-900.00"),
    ]
    assert billed.total(FEB) == 880
    billed.buy(1, "2025-03-03")  # 2 of 28 dates, at the price of the new invoice
    billed.issue("INV-4", APR, "2025-05-05")
    correction = billed.lines("INV-4")[0]
    assert correction == ("correction", FEB, "0.071428571429", "80.00", "5.71")


def test_a_correction_that_a_voided_invoice_carried_is_due_again(
    billed: Billed,
) -> None:
    billed.buy(2, "2025-02-19")
    billed.issue("INV-2", MAR, "2025-04-05")
    billed.issue("INV-3", APR, "2025-05-05")
    billed.void("INV-2", "2025-05-20")
    billed.issue("INV-4", "2025-05-05", "2025-06-05")
    assert billed.lines("INV-4") == [
        ("correction", FEB, "1", "90.00", "90.00"),
        ("void", FEB, "-1", "90.00", "-90.00"),
        ("void", MAR, "-12", "90.00", "-1080.00"),
        ("period", "2025-05-05", "12", "90.00", "1080.00"),
    ]
    assert (billed.total(FEB), billed.total(MAR)) == (990, 0)


def test_an_invoice_that_credited_another_may_be_voided_too(billed: Billed) -> None:
    billed.void("INV-1", "2025-03-20")
    billed.issue("INV-2", MAR, "2025-04-05")
    billed.void("INV-2", "2025-04-20")
    billed.issue("INV-3", MAR, "2025-04-20")
    assert billed.lines("INV-3") == [
        ("void", FEB, "-10", "90.00", "-900.00"),
        ("void", FEB, "10", "90.00", "900.00"),
        ("period", MAR, "10", "90.00", "900.00"),
        ("void", MAR, "-10", "90.00", "-900.00"),
    ]
    assert (billed.total(FEB), billed.total(MAR)) == (0, 900)


def test_what_cannot_be_voided_is_refused(billed: Billed) -> None:
    void = ("invoice", "void", "INV-1", "--account", "e")
    billed.refused("reason_required", *void)
    why = ("--reason", "wrong price")
    billed.refused("invoice_not_issued", *void, *why, "--effective-at", "2025-03-04")
    other = ("invoice", "void", "INV-9", "--account", "e")
    billed.refused("invoice_not_found", *other, *why)
    done = billed.run(*void, *why)
    assert done.status == 0
    assert "credits INV-1 whole" in done.out
    billed.refused("invoice_voided", *void, *why)
    position = billed.listed()["INV-1"]["voided"]
    billed.refused(
        "not_reversible", "event", "reverse", position, "--account", "e", *why
    )
    assert "Voided at position" in billed.run("invoice", "show", "INV-1").out


def test_a_credit_stands_in_an_invoice_of_its_currency(billed: Billed) -> None:
    billed.void("INV-1", "2025-03-20")
    dollars = {"currency": "USD", "expect": "refused"}
    fields = {"invoice": "INV-2", "period": MAR, "unit_prices": {PRO: "90.00"}}
    billed.do("issue_invoice", **fields, **dollars, effective_at="2025-04-05")


def test_a_policy_may_change_once_the_invoice_that_used_it_is_voided(
    billed: Billed,
) -> None:
    policy = {"mode": "peak", "effective_at": "2025-02-05"}
    billed.do("set_billing_policy", **policy, expect="refused")
    billed.void("INV-1", "2025-03-20")
    billed.do("set_billing_policy", **policy)
    billed.issue("INV-1B", FEB, "2025-03-21")
    assert billed.lines("INV-1B") == [("void", FEB, "-10", "90.00", "-900.00")]


def test_own_invoices_with_credits_audit_as_what_they_bill_together(
    billed: Billed, tmp_path: Path
) -> None:
    billed.void("INV-1", "2025-03-20")
    billed.issue("INV-1B", FEB, "2025-03-21", "80.00")
    file = tmp_path / "invoices.csv"
    rows = [
        f"e,{invoice},{at},{line[1]},{PRO},{line[2]},{line[3]},{line[4]}"
        for invoice, at in (("INV-1", "2025-03-05"), ("INV-1B", "2025-03-21"))
        for line in billed.lines(invoice)
    ]
    header = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"
    file.write_text("\n".join([header, *rows]) + "\n")
    done = billed.run("invoice", "audit", file, "--format", "json")
    assert done.status == 0, done.out
