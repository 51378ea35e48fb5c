"""The page of an invoice: the verdicts of ``invoice audit``, in the same words."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from program import PRO, Program
from served import INVOICE, Console, filled, serving

from tests.support.waiting import wait_until

COLUMNS = (
    *("account", "invoice", "issued_at", "period", "seat_type", "quantity"),
    *("unit_price", "amount", "mode", "granularity", "currency"),
)


@pytest.fixture(scope="module")
def console(shared_database: str) -> Iterator[Console]:
    """A ledger whose first invoice billed a seat that was never bought."""
    written = filled(shared_database)
    bought = {"op": "buy_seats", "account": "acme", "quantity": 1,
              "seat_type": "service/starter", "effective_at": "2025-04-10"}  # fmt: skip
    second = {"op": "issue_invoice", "account": "acme", "invoice": "INV-8",
              "period": "2025-04-05", "currency": "EUR",
              "unit_prices": {PRO: "90.00", "service/starter": "18.00"}}  # fmt: skip
    entry = imported(written.conninfo, bought, second) - 1
    reversal = {"op": "reverse", "account": "acme", "entry": entry, "reason": "twice"}
    imported(written.conninfo, reversal)
    with serving(written.conninfo, "--quiet") as result:
        yield result


def imported(conninfo: str, *commands: dict[str, Any]) -> int:
    """Record commands; the last position."""
    done = Program(conninfo).lines(*commands)
    assert done.returncode == 0, done.stderr
    last: int = json.loads(done.stdout)["rows"][-1]["positions"][-1]
    return last


def audited_page(console: Console, invoice: str, head: int) -> Any:
    """The rows of an audit as known at a position, once the console has reached it."""
    query = {"invoice": invoice, "known_at": head}
    return wait_until(lambda: console.get("audit.json", **query).json().get("rows"))


def as_file(console: Console, path: Path, *invoices: str) -> Path:
    """The file that an auditor would make of issued invoices."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for invoice in invoices:
            message = console.output_of("invoice", "show", invoice)
            for line in message["rows"]:
                text = {**message, **line, "issued_at": message["position"]}
                writer.writerow({name: text[name] for name in COLUMNS})
    return path


def audited(console: Console, path: Path, head: int) -> list[dict[str, Any]]:
    words = ["invoice", "audit", path, "--known-at", head]
    done = Program(console.conninfo).run(*words, "--format", "json")
    rows = json.loads(done.stdout)["rows"]
    return [{**row, "line": None} for row in rows]


@pytest.mark.parametrize("invoice", [INVOICE, "INV-8"])
def test_an_audit_says_what_the_command_says(
    console: Console, tmp_path: Path, invoice: str
) -> None:
    result = console.get("audit.json", invoice=invoice).json()
    message = audited(
        console,
        as_file(console, tmp_path / "i.csv", invoice),
        result["known_at"]["position"],
    )
    assert [{**row, "line": None} for row in result["rows"]] == message
    assert result["findings"] == (invoice == "INV-8")


def test_the_page_says_it_in_words(console: Console) -> None:
    page = console.get("invoice", invoice="INV-8").text
    message = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "1 of 2 lines matches; 1 over. Invoiced 5,451.00 EUR" in message
    assert "a difference of 15.00 EUR" in message
    assert "over corrected later" in message
    dutch = console.get("invoice", invoice="INV-8", lang="nl").text
    message = " ".join(re.sub(r"<[^>]*>", " ", dutch).split())
    assert "te veel later gecorrigeerd" in message


def test_as_known_when_it_was_issued_it_is_right(console: Console) -> None:
    position = console.output_of("invoice", "show", "INV-8")["position"]
    result = console.get("audit.json", invoice="INV-8", known_at=position).json()
    assert {row["verdict"] for row in result["rows"]} == {"match"}


def test_what_a_later_invoice_put_right_is_right(
    console: Console, tmp_path: Path
) -> None:
    third = {"op": "issue_invoice", "account": "acme", "invoice": "INV-9",
             "period": "2025-05-05", "currency": "EUR",
             "unit_prices": {PRO: "90.00", "service/starter": "18.00"}}  # fmt: skip
    head = imported(console.conninfo, third)
    rows = audited_page(console, "INV-8", head)
    assert {row["verdict"] for row in rows} == {"match"}
    assert {row["invoice"] for row in rows} == {"INV-8", "INV-9"}
    path = as_file(console, tmp_path / "all.csv", "INV-8", "INV-9")
    message = audited(console, path, head)
    assert {row["verdict"] for row in message} == {"match"}


def test_a_correction_that_was_not_the_last_word_is_under_by_the_remainder(
    console: Console,
) -> None:
    """Another seat of March is told once INV-10 has billed a first one."""
    message = {"op": "buy_seats", "account": "acme", "quantity": 1, "seat_type": PRO,
            "effective_at": "2025-03-10"}  # fmt: skip
    tenth = {"op": "issue_invoice", "account": "acme", "invoice": "INV-10",
             "period": "2025-06-05", "currency": "EUR",
             "unit_prices": {PRO: "90.00", "service/starter": "18.00"}}  # fmt: skip
    head = imported(console.conninfo, message, tenth, message)
    assert [
        (row["invoice"], row["verdict"], row["cause"])
        for row in audited_page(console, INVOICE, head)
        if (row["period"], row["seat_type"]) == ("2025-03-05", PRO)
    ] == [
        (INVOICE, "match", "none"),
        ("INV-10", "under", "corrected_later"),
    ]
