"""The findings of an audit in words and money, and the vendor's letter (R62, R93)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.audits import START, Book, june, operation
from tests.program import PRO, Program

OVER = f"e,INV-1,2025-07-01T00:00:00Z,2025-06-01,{PRO},2,30.00,60.00"


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    """One seat from 1 June 2025 on; monthly, in UTC."""
    return Book(Program(database), tmp_path)


def audited(book: Book, *words: str, lines: tuple[str, ...] = (OVER,)) -> Any:
    return book.program.run("invoice", "audit", book.file(*lines), *words)


def test_a_finding_names_seats_dates_and_who_owes_whom(book: Book) -> None:
    """Bought on 29 June: 2 of 30 days; the vendor billed the whole month."""
    book.record(operation("buy_seats", "2025-06-29", seat_type=PRO, quantity=1))
    done = audited(book, "--findings", "--format", "json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    (finding,) = document["explained"]
    assert (finding["owed_by"], finding["owed_amount"]) == ("vendor", "28.00")
    text = finding["sentence"]
    assert "2 sales/professional billed, but the ledger has 1.0667." in text
    assert "The vendor owes e 28.00." in text
    assert "sales/professional#1 counts for the whole period." in text
    assert "sales/professional#2 was bought on 2025-06-29: 2 of 30 days (entry" in text
    assert [row["verdict"] for row in document["rows"]] == ["over"]


def test_a_finding_names_the_people_where_holdings_count(book: Book) -> None:
    book.record(operation("unassign_seat", "2025-06-16", user="a", seat_type=PRO))
    line = f"e,INV-1,2999-01-01T00:00:00Z,2025-06-01,{PRO},1,30.00,30.00,time_weighted"
    file = book.file(line, header="account,invoice,issued_at,period,seat_type,quantity,"
                                  "unit_price,amount,mode")  # fmt: skip
    text = book.program.run("invoice", "audit", file, "--findings").stdout
    assert "The vendor owes e 15.00." in text
    assert f"a held {PRO}#1 from 2025-06-01 until 2025-06-16" in text


def test_a_seat_that_was_bought_after_the_period_explains_too_much(book: Book) -> None:
    book.record(operation("buy_seats", "2025-07-03", seat_type=PRO, quantity=1))
    text = audited(book, "--findings").stdout
    assert f"{PRO}#2 was bought on 2025-07-03, after the period (entry" in text


def test_r90_a_missing_line_has_the_price_of_the_book(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=START, quantity=2))
    right = june("1", "30.00", "2025-07-01T00:00:00Z")
    done = audited(book, "--findings", lines=(right,))
    assert "It has no amount" in done.stdout
    assert "1 finding not priced" in done.stdout
    book.program.json("price", "set", START, "12.50", "--currency", "EUR", "-a", "e",
                      "--effective-at", "2025-06-01")  # fmt: skip
    (finding,) = json.loads(
        audited(book, "--findings", "--format", "json", lines=(right,)).stdout
    )["explained"]
    assert (finding["owed_by"], finding["owed_amount"], finding["currency"]) == (
        "customer", "25.00", "EUR")  # fmt: skip
    assert "e owes the vendor 25.00 EUR." in finding["sentence"]


def test_what_was_recorded_later_stands_with_its_actor_and_reason(book: Book) -> None:
    position = book.record(
        operation("buy_seats", "2025-06-01", seat_type=PRO, quantity=1)
    )
    issued = OVER.replace("2025-07-01T00:00:00Z", str(position))
    book.program.json("event", "reverse", str(position), "-a", "e", "--reason",
                      "entered twice", "--actor", "system:desk")  # fmt: skip
    text = audited(book, "--findings", lines=(issued,)).stdout
    assert (
        "Right when it was issued, and corrected since: the vendor owes 30.00." in text
    )
    assert "by system:desk, as of 2025-06-01: reversal of entry" in text
    assert "because entered twice" in text


def test_r04_what_was_recorded_later_has_the_accounts_local_dates(book: Book) -> None:
    def in_tokyo(op: str, at: str, **fields: Any) -> dict[str, Any]:
        return operation(op, at, **fields) | {"account": "j"}

    terms = {"term_start": "2025-05-01", "term_months": 12, "billing_cycle_months": 1}
    opened = in_tokyo(
        "open_account", "2025-05-01", name="J", time_zone="Asia/Tokyo", **terms
    )
    bought = in_tokyo("buy_seats", "2025-05-01", seat_type=PRO, quantity=1)
    issued = book.record(opened, bought)
    half_past_midnight = "2025-05-20T00:30:00"  # the 19th in UTC
    book.record(in_tokyo("buy_seats", half_past_midnight, seat_type=PRO, quantity=1))
    line = f"j,INV-2,{issued},2025-05-01,{PRO},1,30.00,30.00"
    text = audited(book, "--findings", lines=(line,)).stdout
    assert ", as of 2025-05-20: " in text, text


def test_of_many_findings_each_is_in_the_sums_and_in_what_is_written(
    book: Book,
) -> None:
    """1,002 findings: those of most money in words, all in letter and workbook."""
    many = [
        f"gone{n},INV-2,2025-07-01T00:00:00Z,2025-06-01,{PRO},1,{n}.25,{n}.25"
        for n in range(1, 1001)
    ]
    late = f"e,INV-1,2025-07-01T00:00:00Z,2025-07-01,{PRO},2,9000.00,18000.00"
    whole = OVER.replace("30.00,60.00", "30000.00,60000.00")
    owed = 1000 * 1001 / 2 + 1000 * 0.25 + 30000 + 9000
    letter, report = book.folder / "letter.md", book.folder / "report.xlsx"
    words = ("--findings", "--letter", str(letter), "--report", str(report))
    done = audited(book, *words, lines=(*many, whole, late))
    assert done.returncode == 3, done.stderr
    for text in (done.stdout, letter.read_text()):
        assert text.count(", period from 2025-0") == 200
        assert "802 more, each of a smaller amount, are among the lines" in text
        assert f"{PRO}#1 counts for the whole period." in text
    asked = f"Please credit {owed:.2f}"
    assert asked in letter.read_text().replace(",", "")
    assert letter.read_text().count("| INV-") == 1002
    sheet = openpyxl.load_workbook(report)["Findings"]
    amounts = [row[7] for row in sheet.iter_rows(values_only=True)]
    listed = [amount for amount in amounts if isinstance(amount, int | float)]
    assert len(listed) == 1002
    assert sum(listed) == owed


@pytest.mark.parametrize("ending", ["md", "html"])
def test_a_letter_to_the_vendor_says_what_to_credit(book: Book, ending: str) -> None:
    letter = book.folder / f"letter.{ending}"
    done = audited(book, "--letter", str(letter))
    assert done.returncode == 3, done.stderr
    text = letter.read_text()
    assert "Please credit 30.00, or tell us" in text
    assert "The vendor owes e 30.00." in text
    assert "Differences in invoice INV-1 for account e" in text


def test_a_letter_takes_what_a_file_says_for_text(book: Book) -> None:
    line = OVER.replace("INV-1", "<b>INV|1</b>")
    for ending, expected in (("html", "&lt;b&gt;INV|1"), ("md", "\\<b\\>INV\\|1")):
        letter = book.folder / f"letter.{ending}"
        audited(book, "--letter", str(letter), lines=(line,))
        assert expected in letter.read_text()
    done = audited(book, "--letter", str(book.folder / "letter.pdf"))
    assert done.returncode == 2


def test_findings_stand_before_what_matches(book: Book) -> None:
    right = june("1", "30.00", "2025-07-01T00:00:00Z")
    second = f"e,INV-2,2025-09-01T00:00:00Z,2025-07-01,{PRO},2,30.00,60.00"
    done = audited(book, lines=(right, second))
    table = done.stdout
    assert done.returncode == 3, done.stderr
    assert table.index("INV-2") < table.index("INV-6")


def listed(book: Book, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = book.program.json("finding", "list", *words)["rows"]
    return rows


def test_r93_the_same_audit_again_opens_nothing_twice(book: Book) -> None:
    done = audited(book, "--keep")
    assert (done.returncode, "1 finding opened, 0 kept already" in done.stderr) == (
        3,
        True,
    )
    (row,) = listed(book, "-a", "e")
    names = ("finding", "state", "invoice", "seat_type", "difference", "owed_by")
    assert [row[name] for name in names] == [1, "open", "INV-1", PRO, "30.00", "vendor"]
    done = audited(book, "--keep")
    assert "0 findings opened, 1 kept already" in done.stderr
    assert listed(book) == [row]


def test_r93_a_finding_of_dates_that_are_no_period_is_kept_as_well(book: Book) -> None:
    ranges = ("2025-06-01..2025-08-31", "2025-06-03..2025-06-04")
    lines = tuple(OVER.replace("2025-06-01", dates) for dates in ranges)
    for opened, kept in ((2, 0), (0, 2)):
        done = audited(book, "--keep", lines=lines)
        assert f"{opened} findings opened, {kept} kept already" in done.stderr
    assert {row["period"] for row in listed(book, "-a", "e")} == {*ranges}


def test_a_line_that_bills_again_what_others_bill_says_so(book: Book) -> None:
    """R65: the ledger has it, and owes it to the line before."""
    right = OVER.replace(",2,30.00,60.00", ",1,30.00,30.00")
    letter = book.folder / "letter.md"
    twice = (right, right.replace("INV-1", "INV-2"))
    done = audited(book, "--findings", "--letter", str(letter), lines=twice)
    text = " ".join(done.stdout.split())
    assert (
        f"1 {PRO} billed; what the ledger has in this period is billed by line 2 of "
        "INV-1 already. The vendor owes e 30.00."
    ) in text
    assert "| 1 | 0 (billed by line 2) | 30.00 |" in letter.read_text()
    assert "the ledger has 0" not in text


def test_r93_a_finding_is_noted_disputed_and_settled_by_a_credit(book: Book) -> None:
    audited(book, "--keep")
    account = ("-a", "e")
    before = book.program.json("finding", "note", "1", *account, "--note", "a letter",
                               "--disputed")["positions"][0]  # fmt: skip
    (row,) = listed(book)
    assert (row["state"], [note["note"] for note in row["notes"]]) == (
        "disputed", ["a letter"])  # fmt: skip
    done = book.program.run("finding", "settle", "1", *account)
    assert (done.returncode, "--credited-by" in done.stderr) == (2, True)
    book.program.json("finding", "settle", "1", *account, "--credited-by", "CN-7")
    assert listed(book) == []
    (row,) = listed(book, "--all")
    assert (row["state"], row["credited_by"]) == ("settled", "CN-7")
    (row,) = listed(book, "--known-at", str(before))
    assert row["state"] == "disputed"
    done = book.program.run("finding", "note", "1", *account, "--note", "x",
                            "--format", "json")  # fmt: skip
    assert (done.returncode, "finding_settled" in done.stderr) == (1, True)
    done = book.program.run("finding", "note", "9", *account, "--note", "x")
    assert done.returncode == 1
    audited(book, "--keep")
    assert listed(book) == [], "it is settled at this difference"
    three = OVER.replace(",2,30.00,60.00", ",3,30.00,90.00")
    audited(book, "--keep", lines=(three,))
    assert [row["finding"] for row in listed(book)] == [2]
    book.program.json("projection", "rebuild")
    assert [row["finding"] for row in listed(book, "--all")] == [1, 2]


def test_r93_what_is_not_priced_is_kept_so(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=START, quantity=2))
    audited(book, "--keep", lines=(june("1", "30.00", "2025-07-01T00:00:00Z"),))
    (row,) = listed(book)
    assert (row["verdict"], row["difference"], row["owed_by"]) == (
        "missing",
        None,
        None,
    )
    text = book.program.run("finding", "list").stdout
    assert "1 not priced" in text


def test_r93_findings_of_unknown_accounts_are_told_and_not_kept(book: Book) -> None:
    done = audited(book, "--keep", lines=(OVER, OVER.replace("e,INV", "nobody,INV")))
    assert "there is no such account: nobody" in done.stderr
    assert [row["account"] for row in listed(book)] == ["e"]
