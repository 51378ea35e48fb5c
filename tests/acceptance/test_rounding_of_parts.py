"""Lines that share a figure are judged together, amounts too (R51, R65)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from tests.audits import Book, june, operation
from tests.program import PRO, Program


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    """The ledger bills one seat in June."""
    return Book(Program(database), tmp_path)


def part(
    quantity: str, amount: str, invoice: str = "INV-6", price: str = "10.00"
) -> str:
    line = june(quantity, amount, 5, invoice)
    return line.replace(",30.00,", f",{price},")


def billed(book: Book, *lines: str) -> list[tuple[str, str, str]]:
    rows = book.audit(*lines)
    return [(r["verdict"], r["difference"], r["ledger_amount"]) for r in rows]


THREE = [
    ["3.33", "3.33", "3.34"],
    ["3.34", "3.33", "3.33"],
    ["3.33", "3.34", "3.33"],
]


@pytest.mark.parametrize("amounts", THREE)
@pytest.mark.parametrize("quantities", [["0.333333"] * 3, ["0.33", "0.33", "0.34"]])
@pytest.mark.parametrize("invoices", ["AAA", "ABC"])
def test_r65_thirds_that_amount_to_the_whole_match(
    book: Book, amounts: list[str], quantities: list[str], invoices: str
) -> None:
    cells = zip(quantities, amounts, invoices, strict=True)
    result = billed(book, *(part(*three) for three in cells))
    assert result == [("match", "0.00", amount) for amount in amounts]


@pytest.mark.parametrize("seed", range(6))
def test_r65_daily_lines_that_amount_to_the_month_match(book: Book, seed: int) -> None:
    amounts = ["2.90"] * 10 + ["2.91"] * 20  # a thirtieth of 87.20 is 2.90666…
    Random(seed).shuffle(amounts)
    lines = [part("0.033333333333", amount, price="87.20") for amount in amounts]
    assert billed(book, *lines) == [("match", "0.00", amount) for amount in amounts]


@pytest.mark.parametrize("at", [0, 3, 6])
@pytest.mark.parametrize(
    ("quantity", "each", "rest"),
    [("0.142857", "42.86", "42.84"), ("0.14", "42.86", "42.84")],
)
def test_r65_one_of_the_lines_bears_what_rounding_the_others_leaves(
    book: Book, at: int, quantity: str, each: str, rest: str
) -> None:
    amounts = [each] * 6
    amounts.insert(at, rest)
    lines = [part(quantity, amount, price="300.00") for amount in amounts]
    assert billed(book, *lines) == [("match", "0.00", amount) for amount in amounts]


def test_r65_what_rounding_cannot_have_moved_is_reported(book: Book) -> None:
    amounts = ["42.86"] * 5 + ["42.76", "42.94"]  # 300.00 in all, but not by rounding
    lines = [part("0.142857", amount, price="300.00") for amount in amounts]
    words = [word for word, _, _ in billed(book, *lines)]
    assert "under" in words[5:]


def test_r65_lines_rounded_one_by_one_lose_cents_and_it_shows(book: Book) -> None:
    lines = [part("0.033333333333", "2.91", price="87.20")] * 30
    result = billed(book, *lines)
    over = [row for row in result if row[0] == "over"]
    assert len(over) == 10
    assert {row[1] for row in over} == {"0.01"}
    assert sum(Fraction(row[2]) for row in result) == Fraction("87.20")
    assert all(row[1] == "0.00" for row in result if row[0] == "match")


def test_r65_a_wrong_line_among_parts_is_the_one_that_is_reported(book: Book) -> None:
    lines = [part("0.5", "15.00", price="30.00"), part("0.5", "14.20", price="30.00")]
    assert billed(book, *lines) == [
        ("match", "0.00", "15.00"),
        ("under", "-0.80", "15.00"),
    ]


def test_r43_r65_a_credit_rounded_with_what_it_corrects_matches(book: Book) -> None:
    left = book.record(
        operation("unassign_seat", "2025-06-21", user="a", seat_type=PRO)
    )
    header = (
        "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount,mode"
    )
    lines = (
        f"e,A,5,2025-06-01,{PRO},1,10.00,10.00,time_weighted",
        f"e,B,{left},2025-06-01,{PRO},-0.333333333333,10.00,-3.33,time_weighted",
    )
    rows = book.audit(*lines, header=header)
    assert [(r["verdict"], r["difference"]) for r in rows] == [("match", "0.00")] * 2
