"""The price book on a real store: recorded, as known, in every amount (R90 to R93)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.audits import START, Book, operation
from tests.program import PRO, Program

ACCOUNT = ("-a", "e")
JUNE = (*ACCOUNT, "--period", "2025-06")


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    """One seat of a type from 1 June 2025 on, held by a; monthly, in UTC."""
    return Book(Program(database), tmp_path)


def price(book: Book, amount: str, day: str, *whose: str, of: str = PRO) -> int:
    done = book.program.json("price", "set", of, amount, "--currency", "EUR",
                             "--effective-at", day, *(whose or ACCOUNT))  # fmt: skip
    position: int = done["positions"][0]
    return position


def document(book: Book, *words: str) -> dict[str, Any]:
    return book.program.json("billing", "counts", *words)


def test_r90_prices_apply_by_the_periods_start_and_as_known(book: Book) -> None:
    first = price(book, "80", "2025-06-01", "--for-all")
    second = price(book, "90", "2025-06-02")
    (june_row,) = document(book, *JUNE)["rows"]
    assert (june_row["unit_price"], june_row["amount"]) == ("80.00", "80.00")
    named = ("currency", "price_source", "price_entry", "price_for")
    assert [june_row[name] for name in named] == ["EUR", "all", first, "period"]
    july = (*ACCOUNT, "--period", "2025-07")
    (row,) = document(book, *july)["rows"]
    assert (row["amount"], row["price_source"], row["price_entry"]) == (
        "90.00", "account", second)  # fmt: skip
    assert row["price_since"] == "2025-06-02T00:00:00Z"
    (row,) = document(book, *july, "--known-at", str(second - 1))["rows"]
    assert (row["amount"], row["price_entry"]) == ("80.00", first)
    (row,) = document(book, *july, "--known-at", str(first - 1))["rows"]
    assert (row["amount"], row["unit_price"], row["currency"]) == (None, None, None)
    (row,) = document(book, *july, "--unit-price", "70")["rows"]
    assert (row["amount"], row["price_source"]) == ("70.00", "given")
    words = book.program.run("billing", "counts", *july).stdout
    assert f"90.00 EUR from 2025-06-02, the account's own (entry {second})" in words


def test_r90_explain_report_and_compare_use_the_book(book: Book) -> None:
    before = price(book, "90", "2025-06-01")
    figure = (*JUNE, "--seat-type", PRO)
    explained = book.program.json("billing", "explain", *figure)
    assert [part["amount"] for part in explained["rows"]] == ["90.00"]
    assert explained["figure"]["amount"] == "90.00"
    page = book.folder / "e.html"
    book.program.json("report", *JUNE, "-o", str(page))
    assert "In total 90.00 EUR." in page.read_text()
    after = price(book, "95", "2025-06-01")
    (row,) = book.program.json(
        "billing", "compare", *JUNE, "--known-at", str(before), "--known-at", str(after)
    )["rows"]
    names = ("difference", "amount_before", "amount_after", "amount_difference")
    assert [row[name] for name in names] == ["0", "90.00", "95.00", "5.00"]
    assert row["entries"] == [before, after]
    words = ("billing", "compare", *JUNE, "--known-at", str(before - 1))
    text = book.program.run(*words, "--known-at", str(before)).stdout
    assert "1 figure has a price in one of them alone." in text
    assert "90.00" in text
    then = book.program.run("price", "list", *ACCOUNT, "--as-of", "2025-05-20")
    assert then.stdout.startswith("No price is in force then.")


def test_r90_an_invoice_takes_its_prices_from_the_book(book: Book) -> None:
    entry = price(book, "90", "2025-06-01")
    issued = book.program.json("invoice", "issue", "INV-1", *JUNE)
    assert issued["rows"][-1]["data"]["unit_prices"] == {PRO: "90.00"}
    assert issued["rows"][-1]["data"]["currency"] == "EUR"
    shown = book.program.json("invoice", "show", "INV-1")
    assert [line["amount"] for line in shown["rows"]] == ["90.00"]
    assert book.program.run("invoice", "reproduce", "INV-1").returncode == 0
    done = book.program.run("event", "reverse", str(entry), *ACCOUNT, "--reason",
                            "wrong", "--format", "json")  # fmt: skip
    assert done.returncode == 1
    assert '"code": "period_invoiced"' in done.stderr
    later = price(book, "95", "2025-07-01")
    book.program.json("event", "reverse", str(later), *ACCOUNT, "--reason", "wrong")
    (row,) = document(book, *ACCOUNT, "--period", "2025-07")["rows"]
    assert row["unit_price"] == "90.00"


def test_r91_a_window_is_priced_at_each_periods_own_price(book: Book) -> None:
    """Half of June at 90.00 and ten days of July at 95.00: 45.00 + 30.65."""
    price(book, "90", "2025-06-01")
    price(book, "95", "2025-07-01")
    window = ("--from", "2025-06-16", "--until", "2025-07-11")
    (row,) = document(book, *ACCOUNT, *window)["rows"]
    assert (row["amount"], row["unit_price"], row["price_for"]) == (
        "75.65", None, "periods")  # fmt: skip
    parts = [(p["period"], p["unit_price"], p["amount"]) for p in row["price_parts"]]
    assert parts == [("2025-06-01", "90.00", "45.00"), ("2025-07-01", "95.00", "30.65")]
    (row,) = document(book, *ACCOUNT, "--from", "2025-06-16", "--until", "2025-07-01")[
        "rows"
    ]
    assert row["amount"] == "45.00"  # a recorded price is for the whole period


def test_r93_what_has_no_price_is_in_no_total_and_named(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=START, quantity=2))
    price(book, "90", "2025-06-01")
    answer = document(book, *JUNE)
    assert answer["totals"] == [{"currency": "EUR", "amount": "90.00", "figures": 1}]
    assert answer["not_priced"] == 1
    words = book.program.run("billing", "counts", *JUNE).stdout
    assert "90.00 EUR, without 1 figure that has no price (sales/starter)" in words


def test_r90_a_file_of_prices_goes_before_the_book(book: Book) -> None:
    price(book, "90", "2025-06-01")
    file = book.folder / "prices.csv"
    file.write_text("seat_type;unit_price;currency;account;from\n"
                    f"{PRO};80;EUR;;\n{PRO};85.50;EUR;e;2025-07-01\n")  # fmt: skip
    of_file = ("--prices", str(file))
    rows = document(book, *ACCOUNT, *of_file, "--from", "2025-06-01", "--until",
                    "2025-08-01")["rows"]  # fmt: skip
    assert rows[0]["amount"] == "165.50"
    (row,) = document(book, *JUNE, *of_file)["rows"]
    named = ("price_source", "price_entry", "price_since")
    assert [row[name] for name in named] == ["file", None, None]
    for text, problem in (
        ("seat_type,unit_price\n", "has no column currency"),
        (f"seat_type,unit_price,currency\n{PRO},1.2.3,EUR\n", "prices.csv:2:"),
        (f"seat_type,unit_price,currency,from\n{PRO},1,EUR,soon\n", "not a date"),
    ):
        file.write_text(text)
        done = book.program.run("billing", "counts", *JUNE, *of_file)
        assert (done.returncode, problem in done.stderr) == (2, True), done.stderr


def test_r90_two_currencies_need_one_to_be_named(book: Book) -> None:
    price(book, "90", "2025-06-01")
    book.program.json("price", "set", PRO, "99", "--currency", "USD", *ACCOUNT,
                      "--effective-at", "2025-06-01")  # fmt: skip
    done = book.program.run("billing", "counts", *JUNE)
    assert (done.returncode, "--currency EUR" in done.stderr) == (2, True)
    (row,) = document(book, *JUNE, "--currency", "USD")["rows"]
    assert (row["amount"], row["currency"]) == ("99.00", "USD")


def test_r90_the_book_is_listed_rebuilt_and_imported(book: Book) -> None:
    book.record(
        {"op": "set_price", "seat_type": PRO, "unit_price": "80", "currency": "EUR",
         "effective_at": "2025-06-01"},
        operation(
            "set_price", "2025-06-01", seat_type=PRO, unit_price="90", currency="EUR"
        ),
        operation(
            "set_price", "2025-07-01", seat_type=PRO, unit_price="95", currency="EUR"
        ),
    )  # fmt: skip
    listed = book.program.json("price", "list", *ACCOUNT)["rows"]
    assert [(row["account"], row["unit_price"]) for row in listed] == [
        (None, "80.00"), ("e", "95.00")]  # fmt: skip
    listed = book.program.json("price", "list", *ACCOUNT, "--as-of", "2025-06-15")
    assert [row["unit_price"] for row in listed["rows"]] == ["80.00", "90.00"]
    past = book.program.json("price", "history")["rows"]
    assert [row["until"] for row in past] == [None, "2025-07-01T00:00:00Z", None]
    book.program.json("projection", "rebuild")
    assert book.program.run("projection", "verify", "--full").returncode == 0
    assert book.program.json("price", "history")["rows"] == past
    stored = json.dumps(document(book, *JUNE)["rows"])
    assert '"amount": "90.00"' in stored


def test_r92_figures_are_added_up_by_month_quarter_and_type(book: Book) -> None:
    price(book, "90", "2025-06-01", "--for-all")
    answer = document(book, *ACCOUNT, "--year", "2025", "--by", "quarter")
    # One seat in each month from June on; it is retired nowhere.
    groups = [(row["group"], row["amount"]) for row in answer["groups"]]
    assert groups == [("2025q2", "90.00"), ("2025q3", "270.00"), ("2025q4", "270.00")]
    assert answer["totals"][0]["amount"] == "630.00"
    table = book.program.run(
        "billing", "counts", *ACCOUNT, "--year", "2025", "--by", "quarter"
    ).stdout
    assert "2025-Q3" in table
    assert {row["period"][:4] for row in answer["rows"]} == {"2025"}
    (row,) = document(book, *ACCOUNT, "--year", "2025", "--by", "type")["groups"]
    assert (row["group"], row["amount"], row["figures"]) == (PRO, "630.00", 7)
    table = book.program.run("billing", "counts", *ACCOUNT, "--year", "2025", "--by",
                             "month").stdout  # fmt: skip
    assert "7 figures by month come to 630.00 EUR." in table
    for words in (("--mode", "all", "--by", "type"), ("--year", "2025", "--term")):
        assert book.program.run("billing", "counts", *ACCOUNT, *words).returncode == 2
