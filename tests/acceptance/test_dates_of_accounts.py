"""A list of several accounts shows each one's own dates; what has a time, one clock."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest

from tests.program import PRO, Program

EAST, WEST = "Pacific/Auckland", "America/Los_Angeles"
START, PRICED = "2025-03-31", "2025-05-02"
OWN = "Dates are those of each account's own time zone."


@pytest.fixture
def ledger(database: str) -> Program:
    """An account far to the east, one far to the west, each with its own price."""
    program = Program(database)
    done = program.lines(
        *({"op": "open_account", "account": key, "name": key, "time_zone": zone,
           "term_start": START, "term_months": 240, "billing_cycle_months": 1}
          for key, zone in (("kea", EAST), ("orca", WEST))),
        *({"op": "set_price", "account": key, "seat_type": PRO, "currency": "EUR",
           "unit_price": "9.00", "effective_at": PRICED} for key in ("kea", "orca")),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program


def test_a_list_of_accounts_has_the_dates_that_they_renew_on(ledger: Program) -> None:
    text = ledger.run("account", "list").stdout
    assert text.count("2045-03-31") == 2
    assert "2045-03-30" not in text
    assert OWN in text
    rows = ledger.json("account", "list")["rows"]
    assert [row["renewal_date"] for row in rows] == ["2045-03-31"] * 2
    assert rows[0]["next_renewal"] == "2045-03-30T11:00:00Z"


def test_a_list_of_prices_has_the_dates_that_they_hold_from(ledger: Program) -> None:
    for words in (("list",), ("history",), ("list", "-a", "kea")):
        text = ledger.run("price", *words).stdout
        assert PRICED in text, words
        assert "2025-05-01" not in text, words
    text = ledger.run("price", "list", "--format", "csv").stdout
    dates = [row["from_date"] for row in csv.DictReader(io.StringIO(text))]
    assert dates == [PRICED, PRICED]


def test_a_price_that_begins_within_a_date_shows_its_time(ledger: Program) -> None:
    done = ledger.lines({
        "op": "set_price", "account": "kea", "seat_type": PRO, "currency": "EUR",
        "unit_price": "10.00", "effective_at": "2025-06-01T09:30:00Z",
    })  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = ledger.json("price", "history")["rows"]
    assert [row["from_date"] for row in rows] == [PRICED, None, PRICED]
    text = ledger.run("price", "history").stdout
    assert f"2025-06-01 21:30 {EAST}" in text


def test_a_workbook_has_them_as_dates(ledger: Program, tmp_path: Path) -> None:
    for words, column, day in (
        (("account", "list"), "renewal_date", "2045-03-31"),
        (("price", "list"), "from_date", PRICED),
    ):
        path = tmp_path / f"{words[0]}.xlsx"
        done = ledger.run(*words, "--output", str(path))
        assert done.returncode == 0, done.stderr
        head, *rows = openpyxl.load_workbook(path)["Rows"].values
        place = head.index(column)
        assert [str(row[place])[:10] for row in rows] == [day, day]


def test_what_needs_attention_has_the_dates_of_its_account(ledger: Program) -> None:
    near = ("account", "attention", "--as-of", "2045-01-15")
    for words in (near, (*near, "--kind", "near")):
        text = ledger.run(*words).stdout
        assert "2045-03-31" in text
        assert "2045-03-30" not in text
