"""Invoices from what is known, reproduced, corrected later (R43 to R45, R60 to R64).

What is invoiced follows from the history alone; the real commands are run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.in_process import Program

PRO, STARTER = "sales/professional", "sales/starter"
OPEN = {
    "op": "open_account",
    "account": "e",
    "name": "E",
    "time_zone": "UTC",
    "term_start": "2025-06-01",
    "term_months": 12,
    "billing_cycle_months": 1,
}


class Customer:
    """Account E: one seat from 1 June 2025, which A holds."""

    def __init__(self, program: Program, mode: str = "time_weighted") -> None:
        self.program = program
        at = {"account": "e", "effective_at": "2025-06-01"}
        program.record(
            OPEN,
            {"op": "set_billing_policy", "mode": mode, **at, "expect": "refused"}
            if mode == "contracted"
            else {"op": "set_billing_policy", "mode": mode, **at},
            {"op": "buy_seats", "seat_type": PRO, "quantity": 1, **at},
            {"op": "add_user", "user": "a", "email": "a@x.example", "name": "A",
             "seats": [PRO], **at},
        )  # fmt: skip

    def do(self, op: str, at: str | None = None, **of: Any) -> list[int]:
        moment = {} if at is None else {"effective_at": at}
        return self.program.record({"op": op, "account": "e", **of, **moment})

    def left(self, at: str) -> int:
        return self.do("unassign_seat", at, user="a", seat_type=PRO)[0]

    def issue(self, number: str, period: str, *more: str, **of: str) -> dict[str, Any]:
        """Issue an invoice; its document."""
        done = self.program.run(*self.words(number, period, *more, **of))
        assert done.status == 0, done.err
        return self.program.json("invoice", "show", number)

    def words(
        self, number: str, period: str, *more: str, price: str = "30.00",
        currency: str = "EUR", at: str = "2026-01-01",
    ) -> list[str]:  # fmt: skip
        return [
            "invoice", "issue", number, "-a", "e", "--period", period, "--unit-price",
            f"{PRO}={price}", "--currency", currency, "--effective-at", at, *more,
        ]  # fmt: skip

    def lines(self, document: dict[str, Any]) -> list[tuple[Any, ...]]:
        names = ("kind", "period", "quantity_exact", "amount")
        return [tuple(line[name] for name in names) for line in document["rows"]]


@pytest.fixture
def e(database: str, tmp_path: Path) -> Customer:
    return Customer(Program(database, tmp_path))


def test_e21_e22_a_correction_and_the_correction_of_it(e: Customer) -> None:
    june = e.issue("INV-6", "2025-06")
    assert e.lines(june) == [("period", "2025-06-01", "1/1", "30.00")]
    late = e.left("2025-06-16")
    july = e.issue("INV-7", "2025-07")
    assert e.lines(july) == [("correction", "2025-06-01", "-1/2", "-15.00")]
    assert july["rows"][0]["entries"] == [late]
    assert july["amount"] == "-15.00"
    reversal, true = e.do(
        "batch",
        reason="left five days later",
        commands=[
            {"op": "reverse", "entry": late},
            {"op": "unassign_seat", "user": "a", "seat_type": PRO,
             "effective_at": "2025-06-21"},
        ],
    )  # fmt: skip
    august = e.issue("INV-8", "2025-08")
    assert e.lines(august) == [("correction", "2025-06-01", "1/6", "5.00")]
    assert august["rows"][0]["entries"] == [reversal, true]
    september = e.issue("INV-9", "2025-09")
    assert (september["rows"], september["corrections"]) == ([], [])
    assert e.program.json("invoice", "show", "INV-6") == june


def test_e21_r44_in_contracted_the_late_fact_makes_no_line_and_is_listed(
    database: str, tmp_path: Path
) -> None:
    e = Customer(Program(database, tmp_path), "contracted")
    e.issue("INV-6", "2025-06")
    late = e.left("2025-06-16")
    july = e.issue("INV-7", "2025-07")
    assert e.lines(july) == [("period", "2025-07-01", "1/1", "30.00")]
    assert july["corrections"] == [
        {
            "period": "2025-06-01",
            "seat_type": PRO,
            "quantity": "0",
            "amount": "0.00",
            "entries": [late],
            "quantity_exact": "0/1",
        }
    ]
    shown = e.program.run("invoice", "show", "INV-7").out
    assert f"does not change the amount (entries {late})" in shown
    assert e.issue("INV-8", "2025-08")["corrections"] == []  # told once


def test_r45_what_shows_in_no_invoiced_period_is_no_correction(e: Customer) -> None:
    e.issue("INV-6", "2025-06")
    e.left("2025-07-10")  # after the period
    e.do("buy_seats", "2025-07-01", seat_type=PRO, quantity=1)  # exactly at its end
    july = e.issue("INV-7", "2025-07")
    assert e.lines(july) == [("period", "2025-07-01", "9/31", "8.71")]
    assert july["corrections"] == []


def test_r43_a_correction_is_counted_by_the_rule_it_was_invoiced_by(
    e: Customer,
) -> None:
    e.issue("INV-6", "2025-06")
    e.do("set_billing_policy", "2025-07-01", mode="peak")
    e.left("2025-06-16")
    e.do("assign_seat", "2025-07-02", user="a", seat_type=PRO)
    july = e.issue("INV-7", "2025-07", price="100.00")
    assert (july["mode"], july["granularity"]) == ("peak", None)
    assert [(r["unit_price"], r["amount"]) for r in july["rows"]] == [
        ("30.00", "-15.00"),  # June at June's price and rule
        ("100.00", "100.00"),
    ]


def test_r43_a_type_without_a_line_has_the_price_of_the_invoice_that_carries_it(
    database: str, tmp_path: Path
) -> None:
    e = Customer(Program(database, tmp_path), "contracted")
    e.issue("INV-6", "2025-06")
    at = {"seat_type": STARTER}
    (late,) = e.do("buy_seats", "2025-06-16", quantity=1, **at)
    refused = e.program.refused("price_missing", *e.words("INV-7", "2025-07"))
    assert STARTER in refused["message"]
    july = e.issue("INV-7", "2025-07", "--unit-price", f"{STARTER}=10.00")
    assert [(r["kind"], r["seat_type"], r["amount"]) for r in july["rows"]] == [
        ("correction", STARTER, "5.00"),
        ("period", PRO, "30.00"),
        ("period", STARTER, "10.00"),
    ]
    assert july["rows"][0]["entries"] == [late]
    e.do("reverse", entry=late, reason="never bought")
    august = e.issue("INV-8", "2025-08", "--unit-price", f"{STARTER}=99.00")
    assert [(r["period"], r["unit_price"], r["amount"]) for r in august["rows"]] == [
        ("2025-06-01", "10.00", "-5.00"),  # at the price it was billed at
        ("2025-07-01", "10.00", "-10.00"),
        ("2025-08-01", "30.00", "30.00"),
    ]


def test_r43_invoices_issued_out_of_order_correct_each_other(e: Customer) -> None:
    e.issue("INV-7", "2025-07")
    late = e.left("2025-06-16")
    june = e.issue("INV-6", "2025-06")
    assert e.lines(june) == [
        ("period", "2025-06-01", "1/2", "15.00"),
        ("correction", "2025-07-01", "-1/1", "-30.00"),
    ]
    assert june["rows"][1]["entries"] == [late]


def test_r61_an_invoice_is_reproduced_byte_for_byte(e: Customer) -> None:
    e.issue("INV-6", "2025-06")
    shown = e.program.run("invoice", "show", "INV-6", "--format", "json").out
    e.left("2025-06-16")
    e.issue("INV-7", "2025-07")
    for number in ("INV-6", "INV-7"):
        again = e.program.run("invoice", "reproduce", number, "--format", "json")
        assert again.status == 0, again.err
        assert (
            again.out
            == e.program.run("invoice", "show", number, "--format", "json").out
        )
    assert e.program.run("invoice", "show", "INV-6", "--format", "json").out == shown
    document = json.loads(shown)
    assert document["known_at"]["position"] == document["cut_off"]
    message = e.program.run("invoice", "reproduce", "INV-6")
    assert message.out.startswith("INV-6 is reproduced, ")


@pytest.mark.parametrize(
    ("tampered", "named"),
    [
        ("UPDATE journal SET effective_at = '2025-06-11' WHERE topic = 'SeatAssigned'",
         "digest, lines"),
        ("UPDATE journal SET effective_at = '2025-05-20' WHERE topic = 'SeatAssigned'",
         "digest"),
    ],
)  # fmt: skip
def test_r61_an_invoice_that_is_not_reproduced_is_a_finding(
    e: Customer, database: str, tampered: str, named: str
) -> None:
    e.issue("INV-6", "2025-06")
    e.left("2025-06-16")
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(
            "SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n "
            "ON n.oid = c.relnamespace WHERE c.relname = 'journal' AND c.relkind = 'r'"
        ).fetchone()
        connection.execute(f"SET search_path = {row[0]}".encode())
        connection.execute(tampered.encode())
    done = e.program.run("invoice", "reproduce", "INV-6", "--format", "json")
    assert done.status == 3
    assert f"the same knowledge gives now: {named}" in done.err
    assert json.loads(done.out)["invoice"] == "INV-6"


def test_r64_what_cannot_be_invoiced_is_refused_and_leaves_no_trace(
    e: Customer,
) -> None:
    before = e.program.json("account", "list")["known_at"]
    for code, words in {
        "unknown_period": e.words("INV-1", "2025-06-02"),
        "period_not_ended": e.words("INV-1", "2025-06", at="2025-06-30"),
        "account_not_found": [
            "nobody" if w == "e" else w for w in e.words("I", "2025-06")
        ],
    }.items():
        e.program.refused(code, *words)
    for words in (
        e.words("INV-1", "june"),
        e.words("INV-1", "2025-06", currency="XXX"),
        e.words("INV-1", "2025-06", currency="eur"),
        e.words("INV-1", "2025-06", price="1e3"),
        e.words("INV 1\n", "2025-06"),
    ):
        e.program.refused("invalid_input", *words, status=2)
    dry = e.program.run(*e.words("INV-1", "2025-06"), "--dry-run")
    assert "would come to 30.00 EUR" in dry.out
    assert e.program.json("account", "list")["known_at"] == before
    e.program.refused("invoice_not_found", "invoice", "show", "INV-1")
    e.issue("INV-1", "2025-06")
    e.program.refused("period_already_invoiced", *e.words("INV-2", "2025-06"))
    e.program.refused("invoice_number_taken", *e.words("INV-1", "2025-07"))


@pytest.mark.parametrize(
    ("currency", "amount", "delta"),
    # 15.25 yen are 15, which is 16 less than was invoiced
    [("JPY", "31", "-16"), ("KWD", "30.500", "-15.250")],
)
def test_r51_lines_have_the_places_of_their_currency(
    e: Customer, currency: str, amount: str, delta: str
) -> None:
    june = e.issue("INV-6", "2025-06", price="30.5", currency=currency)
    assert june["rows"][0]["amount"] == amount
    e.left("2025-06-16")
    refused = e.program.refused("invoice_currency", *e.words("INV-7", "2025-07"))
    assert currency in refused["message"]
    july = e.issue("INV-7", "2025-07", currency=currency)
    assert july["rows"][0]["amount"] == delta


def test_r37_r38_a_renewal_inside_the_period_is_recorded_first(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record(
        {**OPEN, "term_start": "2025-03-05", "billing_cycle_months": 5},
        {"op": "buy_seats", "account": "e", "seat_type": PRO, "quantity": 10,
         "effective_at": "2025-03-05"},
        {"op": "reduce_seats", "account": "e", "seat_type": PRO, "quantity": 3,
         "effective_at": "2025-06-01"},
    )  # fmt: skip
    words = ["invoice", "issue", "INV-3", "-a", "e", "--period", "2026-01-05",
             "--unit-price", f"{PRO}=90.00", "--currency", "EUR",
             "--effective-at", "2026-06-05"]  # fmt: skip
    done = program.run(*words)
    assert done.status == 0, done.err
    result = program.json("invoice", "show", "INV-3")
    (line,) = result["rows"]
    assert (line["quantity_exact"], line["amount"]) == ("1234/151", "735.50")
    again = program.run("invoice", "reproduce", "INV-3", "--format", "json")
    assert again.status == 0
    words = ["billing", "explain", "-a", "e", "--period", "2026-01-05", "--seat-type",
             PRO, "--unit-price", "90.00"]  # fmt: skip
    parts = program.json(*words)["rows"]
    retired = [part for part in parts if part["closed_by"]]
    assert [part["quantity_exact"] for part in retired] == ["59/151"] * 3
    assert [part["seat"][-2:] for part in retired] == ["#8", "#9", "10"]


def test_a_list_and_a_show_as_known_before_the_invoice(e: Customer) -> None:
    issued = e.issue("INV-6", "2025-06")
    (row,) = e.program.json("invoice", "list")["rows"]
    assert (row["invoice"], row["amount"], row["lines"]) == ("INV-6", "30.00", 1)
    assert e.program.json("invoice", "list", "-a", "e")["rows"] == [row]
    before = issued["position"] - 1
    assert e.program.json("invoice", "list", "--known-at", before)["rows"] == []
    e.program.refused(
        "invoice_not_found", "invoice", "show", "INV-6", "--known-at", before
    )
    table = e.program.run("invoice", "show", "INV-6").out
    assert table.startswith("INV-6 of e for the period 2025-06-01 comes to 30.00 EUR.")
    assert (
        "Rule: time_weighted; from 2025-06-01 00:00 until 2025-07-01 00:00 UTC" in table
    )
    assert "Try: seat-ledger invoice reproduce INV-6" in table


def test_an_import_issues_invoices_from_what_stands_before_them(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    at = {"account": "e", "effective_at": "2025-06-01"}
    issue = {"op": "issue_invoice", "account": "e", "currency": "EUR",
             "unit_prices": {PRO: "30.00"}, "effective_at": "2025-12-01"}  # fmt: skip
    program.record(
        OPEN,
        {"op": "buy_seats", "seat_type": PRO, "quantity": 2, **at},
        {**issue, "invoice": "INV-6", "period": "2025-06-01"},
        {"op": "buy_seats", "account": "e", "seat_type": PRO, "quantity": 1,
         "effective_at": "2025-06-16"},
        {**issue, "invoice": "INV-6", "period": "2025-07", "expect": "refused"},
        {**issue, "invoice": "INV-7", "period": "2025-07"},
    )  # fmt: skip
    rows = program.json("invoice", "show", "INV-7")["rows"]
    assert [(row["kind"], row["amount"]) for row in rows] == [
        ("correction", "15.00"),
        ("period", "90.00"),
    ]
