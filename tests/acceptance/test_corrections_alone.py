"""Invoices of corrections alone (R100), to the cent; E36 stands in RULES.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_voided_invoices import APR, FEB, MAR, PRO, Billed


@pytest.fixture
def billed(database: str, tmp_path: Path) -> Billed:
    return Billed(database, tmp_path)


def alone(billed: Billed, invoice: str, *words: Any) -> dict[str, Any]:
    """Issue corrections alone by the command line."""
    return billed.json("invoice", "issue", invoice, "-a", "e", *words)


def test_e36_corrections_in_the_currency_of_what_they_correct(billed: Billed) -> None:
    only = ("invoice", "issue", "INV-C", "-a", "e", "--corrections-only")
    billed.refused("nothing_to_correct", *only)
    in_dollars = {
        "op": "issue_invoice", "account": "e", "unit_prices": {PRO: "100.00"},
        "currency": "USD",
    }  # fmt: skip
    march = {**in_dollars, "invoice": "INV-2", "period": MAR}
    billed.record({**march, "effective_at": "2025-04-05"})
    billed.buy(2, "2025-02-19")  # February: 11 instead of 10; March: 12

    april = {**in_dollars, "invoice": "INV-3", "period": APR}
    billed.refused(
        "invoice_currency", "invoice", "issue", "INV-3", "-a", "e", "--period", APR,
        "--unit-price", f"{PRO}=100.00", "--currency", "USD",
    )  # fmt: skip
    error = billed.refused("invoice_currency", *only)
    assert error["message"].startswith("The invoices of e are in EUR and USD; ")
    assert error["try"] == "give --currency"
    issued = alone(billed, "INV-C", "--corrections-only", "--currency", "EUR")
    (row,) = [r for r in issued["rows"] if r["event"] == "InvoiceIssued"]
    assert "period" not in row["data"]
    assert billed.lines("INV-C") == [("correction", FEB, "1", "90.00", "90.00")]

    billed.record({**april, "effective_at": "2025-05-05"})
    assert billed.lines("INV-3") == [
        ("correction", MAR, "2", "100.00", "200.00"),
        ("period", APR, "12", "100.00", "1200.00"),
    ]
    again = (*only[:2], "INV-D", *only[3:], "--currency", "EUR")
    billed.refused("nothing_to_correct", *again)
    document = billed.json("invoice", "show", "INV-C")
    assert (document["period"], document["mode"], document["amount"]) == (
        None, None, "90.00",
    )  # fmt: skip
    listed = billed.listed()["INV-C"]
    assert (listed["period"], listed["lines"], listed["corrections"]) == (None, 1, 1)
    shown = billed.run("invoice", "show", "INV-C").out
    assert "INV-C of e for corrections alone comes to 90.00 EUR." in shown
    # A void takes it back, and what it corrected is due again.
    billed.do("void_invoice", invoice="INV-C", reason="wrong")
    alone(billed, "INV-E", "--corrections-only", "--currency", "EUR")
    assert billed.lines("INV-E") == [
        ("correction", FEB, "1", "90.00", "90.00"),
        ("void", FEB, "-1", "90.00", "-90.00"),
    ]
    assert billed.total(FEB) == 990
    for invoice in billed.listed():
        assert billed.run("invoice", "reproduce", invoice).status == 0


def test_r94_a_void_of_corrections_alone_speaks_of_no_period(billed: Billed) -> None:
    billed.buy(1, "2025-02-19")
    alone(billed, "INV-C", "--corrections-only")
    void = ("invoice", "void", "INV-C", "-a", "e", "--reason", "again")
    words = billed.run(*void).out
    assert "what it billed" in words
    assert "period" not in words


def test_a_closed_account_is_corrected_without_a_further_period(billed: Billed) -> None:
    billed.do("close_account", effective_at="2025-03-05")
    entries = billed.json("event", "list", "-a", "e")["rows"]
    bought = next(r["position"] for r in entries if r["event"] == "SeatPurchased")
    billed.do("reverse", entry=bought, reason="never delivered")
    command = {"op": "issue_invoice", "account": "e", "corrections_only": True}
    billed.record({**command, "invoice": "INV-2"})
    assert billed.lines("INV-2") == [("correction", FEB, "-1", "90.00", "-90.00")]
    # The same of a file that is only tried (R101).
    file = billed.folder / "tried.jsonl"
    buy = {"op": "reverse", "account": "e", "entry": bought + 1, "reason": "neither"}
    file.write_text(f"{json.dumps(buy)}\n{json.dumps({**command, 'invoice': 'INV-3'})}")
    rows = billed.json("import", file, "--dry-run")["rows"]
    assert [row["outcome"] for row in rows] == ["would_record"] * 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give either 'period' or 'corrections_only'"),
        (
            {"period": FEB, "corrections_only": True},
            "give either 'period' or 'corrections_only'",
        ),
    ],
)
def test_what_is_neither_or_both_is_refused(
    billed: Billed, fields: dict[str, Any], message: str
) -> None:
    file = billed.folder / "bad.jsonl"
    line = {"op": "issue_invoice", "account": "e", "invoice": "X", **fields}
    file.write_text(json.dumps(line))
    done = billed.run("import", file)
    assert done.status == 2
    assert message in done.err
