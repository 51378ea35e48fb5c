"""A vendor's own file, as it comes: read, explained, or refused in words (R65)."""

from __future__ import annotations

import json
import re
import shlex
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import openpyxl
import pytest

from seat_ledger.cli.inputs.bill_words import BillReading, match_header
from tests.audits import HEADER, OPENED, Book, operation
from tests.program import PRO, Program

BILL = """Invoice No;Customer;Invoice Date;Billing Period;Product;Seats;Price;Net Amount
INV-1;e;01.07.2025;01.06.2025 - 30.06.2025;Sales Professional;1;€ 1.030,00;€ 1.030,00
INV-1;e;01.08.2025;01.07.2025 - 31.07.2025;SALES_PROFESSIONAL;2;€ 1.030,00;€ 2.060,00
Total;;;;;;;€ 3.090,00
"""
DATES = ("--date-format", "DD.MM.YYYY")


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    """One seat from 1 June 2025 on; monthly, in UTC."""
    return Book(Program(database), tmp_path)


def audited(book: Book, text: str, *words: str) -> Any:
    file = book.folder / "bill.csv"
    file.write_text(text)
    return book.program.run("invoice", "audit", file, *words)


def rows(done: Any) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return result


def test_a_vendors_headers_dates_sums_and_total_are_understood(book: Book) -> None:
    done = audited(book, BILL, *DATES, "--format", "json")
    assert done.returncode == 3, done.stderr
    first, second = rows(done)
    assert (first["verdict"], first["currency"], first["seat_type"]) == (
        "match", "EUR", "sales/professional")  # fmt: skip
    assert (second["verdict"], second["difference"]) == ("over", "1030.00")
    assert "bill.csv:4: a total of 3,090.00, which is right" in done.stderr


def test_what_a_bill_lacks_is_answered_with_the_words_to_add(book: Book) -> None:
    """A German bill without a date of issue; then one whose headers are nobody's."""
    text = (
        "Rechnung;Kunde;Leistungszeitraum;Produkt;Menge;Einzelpreis;Gesamtbetrag\n"
        "R-1;e;01.06.2025 - 30.06.2025;Sales Professional;2;90,00 €;180,00 €\n"
        "Summe;;;;;;180,00 €\n"
    )
    done = audited(book, text)
    assert done.returncode == 2
    assert "the column issued_at is missing." in done.stderr
    assert "add --set issued_at=2026-04-05" in done.stderr
    letter = book.folder / "letter.md"
    words = (*DATES, "--set", "issued_at=2025-07-01", "--letter", letter)
    assert audited(book, text, *words).returncode == 3
    assert "1 of them does not agree with it." in letter.read_text()
    text = text.replace("Rechnung;", "Rechnungs-Ref;").replace("Gesamtbetrag", "Wert")
    done = audited(book, text)
    assert done.returncode == 2
    assert "--column invoice=rechnungs-ref" in done.stderr
    assert "--column amount=NAME" in done.stderr
    assert "Not used so far: 'wert'." in done.stderr


HEADERS = {
    "account": "Kundennr.|KUNDENNUMMER|Kunden-Nr|Customer #|Klantnummer|N° client",
    "invoice": "Rechnungs-Nr.|Rechnungsnummer|Invoice No.|Factuurnr.|N° de facture",
    "issued_at": "Rechnungsdatum|Date of issue|Factuurdatum|Date de facturation",
    "period": "Leistungszeitraum|Billing-Period|Période de facturation|Periode van",
    "seat_type": "Produktname|License Type|Omschrijving|Désignation",
    "quantity": "Stückzahl|Qty.|Aantal|Quantité",
    "unit_price": "Preis pro Einheit|Stückpreis|Stueckpreis|Stukprijs|Prix unitaire",
    "amount": "Nettobetrag (EUR)|Betrag [€]|Net amount|Montant HT|Bedrag excl. btw",
}


def test_headers_of_four_languages_are_known_however_they_are_written() -> None:
    for ours, names in HEADERS.items():
        for name in names.split("|"):
            match = match_header([name.lower(), "x"], BillReading())
            assert match.columns == {ours: name.lower()}, name


def test_all_that_a_bill_lacks_is_named_at_once(book: Book) -> None:
    """No date of issue, dates in a form to be stated, two that may be the account."""
    text = (
        "Rechnungs-Nr.;Kundennummer;Kunde;Zeitraum;Produkt;Menge;Preis;Wertt\n"
        "R-1;e;E;06/01/2025 - 06/30/2025;Sales Professional;1;90,00;90,00\n"
    )
    done = audited(book, text, "--explain-file")
    assert done.returncode == 2
    for words in (
        "the columns issued_at, amount are missing.",
        "Both 'kunde' and 'kundennummer' may be account.",
        "--column account=kunde",
        "--set issued_at=2026-04-05",
        "--column amount=NAME --date-format MM/DD/YYYY",
    ):
        assert words in done.stderr, done.stderr
    done = audited(book, text, "--column", "amount=wert")
    assert "Did you mean 'wertt'?" in done.stderr


def test_a_total_that_does_not_add_up_is_reported(book: Book) -> None:
    text = BILL.replace("3.090,00", "3.100,00")
    text = text.replace("PROFESSIONAL;2", "PROFESSIONAL;1")
    text = text.replace("€ 2.060,00", "€ 1.030,00")
    letter = book.folder / "letter.md"
    done = audited(book, text, *DATES, "--letter", letter)
    assert done.returncode == 3
    message = "A total in line 4 is 3100.00, but the lines above it add up to 2060.00."
    assert message in " ".join(done.stdout.split("\n\n")[0].split())
    assert message in letter.read_text()
    document = json.loads(audited(book, text, *DATES, "--format", "json").stdout)
    assert document["wrong_totals"] == [
        {"line": 4, "amount": "3100.00", "added_amount": "2060.00"}
    ]
    right = text.replace("3.100,00", "2.060,00").replace("PROFESSIONAL;2", "X;1")
    done = audited(book, right, *DATES, "--format", "json")
    assert json.loads(done.stdout)["wrong_totals"] == []


def test_what_was_understood_is_shown_before_anything_is_judged(book: Book) -> None:
    text = BILL.replace("SALES_PROFESSIONAL", "Sales Profesional")
    done = audited(book, text, *DATES, "--explain-file")
    assert done.returncode == 0, done.stderr
    for words in (
        "bill.csv has 2 lines",
        "account is the column 'customer'",
        "Dates are read as DD.MM.YYYY",
        "Separated by semicolons",
        "Did you mean sales/professional? --alias",
    ):
        assert words in done.stdout
    assert "verdict" not in done.stdout
    many = text + "".join(text.splitlines(keepends=True)[1:3]) * 40
    done = audited(book, many, *DATES, "--explain-file")
    assert "has 82 lines; the first 60 are read as below" in done.stdout
    every = audited(book, many, *DATES, "--explain-file", "--format", "csv").stdout
    assert len(every.splitlines()) == 83
    alias = ("--alias", "Sales Profesional=sales/professional")
    again = audited(book, text, *DATES, *alias, "--format", "json")
    assert [row["verdict"] for row in rows(again)] == ["match", "over"]


def test_a_range_that_is_no_period_is_a_finding_that_names_both(book: Book) -> None:
    """R65: the ledger has no such period; what it has in those dates is not claimed."""
    text = BILL.replace("30.06.2025", "20.06.2025").replace(
        "01.07.2025 - 31.07.2025", "01.07.2025 \u2013 01.08.2025"
    )
    first, second = rows(audited(book, text, *DATES, "--format", "json"))
    assert (first["verdict"], first["period"]) == (
        "unexpected",
        "2025-06-01..2025-06-20",
    )
    assert (first["ledger_quantity"], first["difference"]) == ("1", "0.00")
    assert first["events"] == [2]
    assert (second["verdict"], second["period"]) == ("over", "2025-07-01")
    done = audited(book, text, *DATES, "--findings")
    text_ = " ".join(done.stdout.split())
    assert (
        "1 sales/professional billed. That is no period of the account: its own there "
        "is 2025-06-01 to 2025-06-30. In the dates that are billed the ledger has 1. "
        "The amount is the same."
    ) in text_
    assert "missing" not in text_
    for ends, own in (
        ("31.07.2025", "2025-06-01 to 2025-06-30 and 2025-07-01 to 2025-07-31"),
        ("15.12.2025", "7, from 2025-06-01 to 2025-12-31"),
    ):
        longer = text.replace("20.06.2025", ends)
        done = audited(book, longer, *DATES, "--findings")
        text_ = " ".join(done.stdout.split())
        assert f"no period of the account: its own there are {own}." in text_
    early = text.replace("01.06.2025 - 20.06.2025", "01.02.2025 - 10.02.2025")
    row = rows(audited(book, early, *DATES, "--format", "json"))[0]
    assert (row["verdict"], row["difference"]) == ("unexpected", "1030.00")
    for ends, refusal in (("20.13.2025", "is not a date"), ("31.05.2025", "before it")):
        done = audited(book, text.replace("20.06.2025", ends), *DATES)
        assert (done.returncode, refusal in done.stderr) == (2, True), done.stderr


@pytest.fixture
def quarterly(book: Book) -> Book:
    """Two seats of ``q`` from 1 June 2025 on, billed by the quarter, in UTC."""
    book.program.lines(
        {**operation("open_account", "2025-06-01"), "account": "q", "name": "Q",
         "time_zone": "UTC", "term_start": "2025-06-01", "term_months": 12,
         "billing_cycle_months": 3},
        {**operation("buy_seats", "2025-06-01", seat_type=PRO, quantity=2),
         "account": "q"},
    )  # fmt: skip
    return book


def test_dates_that_are_billed_by_their_period_too_are_owed_once(
    quarterly: Book,
) -> None:
    """R65: a bill has a quarter, and two of its months again."""
    head = "invoice,account,issued_at,period,seat_type,quantity,unit_price,amount\n"
    bill = head + "".join(
        f"I1,q,2025-09-01,{period},{PRO},2,10,20\n"
        for period in ("2025-07", "2025-06", "2025-08", "2025-08-01..2025-09-01")
    )
    lines = rows(audited(quarterly, bill, "--format", "json"))
    assert [
        (row["period"], row["verdict"], row["ledger_amount"], row["difference"])
        for row in lines
    ] == [
        ("2025-07-01..2025-07-31", "unexpected", "0.00", "20.00"),
        ("2025-06-01", "match", "20.00", "0.00"),
        ("2025-08-01..2025-08-31", "unexpected", "0.00", "20.00"),
        ("2025-08-01..2025-09-01", "unexpected", "0.00", "20.00"),
    ]
    assert [row["dates_billed_twice"] for row in lines] == [31, 0, 31, 31]
    text = " ".join(audited(quarterly, bill, "--findings").stdout.split())
    assert (
        "its own there is 2025-06-01 to 2025-08-31. All of these dates are billed by "
        "another line too, and owed to that. The vendor owes q 20.00."
    ) in text
    alone = head + f"I1,q,2025-09-01,2025-07,{PRO},2,10,20\n" * 2
    first, second = rows(audited(quarterly, alone, "--format", "json"))
    assert (first["difference"], second["difference"]) == ("0.00", "20.00")


def test_a_figure_is_owed_once_however_its_rule_is_written(quarterly: Book) -> None:
    """R65: by the account's policy, or by the same rule in whole or in part."""
    written = (",", "contracted,", "contracted,day", ",day")
    for first, second in permutations(written, 2):
        lines = quarterly.audit(
            f"q,I1,2025-09-01,2025-06,{PRO},2,10,20,{first}",
            f"q,I2,2025-09-02,2025-06,{PRO},2,10,20,{second}",
            header=f"{HEADER},mode,granularity",
        )
        assert [(row["verdict"], row["ledger_amount"]) for row in lines] == [
            ("match", "20.00"), ("over", "0.00"),
        ], (first, second)  # fmt: skip


def test_each_date_is_owed_once_however_a_bill_divides_them(quarterly: Book) -> None:
    """R65: on random bills at one a date and seat, by periods, months and ranges."""
    draw, begin = Random(65), date(2025, 6, 1)
    for _ in range(12):
        bill, dates, types = [HEADER], set[date](), (PRO, "sales/starter")
        for number in range(draw.randint(2, 9)):
            period, span = _drawn(draw, begin)
            amount = 2 * len(span)
            kind = types[draw.random() < 0.2]  # of which the ledger has none
            dates |= set(span) if kind == PRO else set()
            issued = f"2026-01-{draw.randint(1, 9):02d}"
            bill.append(
                f"q,I{number % 3},{issued},{period},{kind},2,{len(span)},{amount}"
            )
        done = quarterly.program.run(
            "invoice", "audit", quarterly.file(*bill[1:]), "--format", "json"
        )
        owed = [row["ledger_amount"] for row in rows(done)]
        assert sum(map(Decimal, owed)) == 2 * len(dates), bill


def _drawn(draw: Random, begin: date) -> tuple[str, list[date]]:
    """A period as a bill writes it: a quarter, a month, or a range; and its dates."""
    month = draw.randint(0, 5)
    first = date(2025 + (5 + month) // 12, (5 + month) % 12 + 1, 1)
    kind = draw.choice(["quarter", "month", "range", "range"])
    if kind == "range":
        first = begin + timedelta(draw.randint(0, 150))
        until = first + timedelta(draw.choice([1, 7, 13, 45]))
        text = f"{first}..{until - timedelta(days=1)}"
        if (until - timedelta(days=1)).day == first.day and until - first > timedelta(
            1
        ):
            return _drawn(draw, begin)
    else:
        months = 3 if kind == "quarter" else 1
        first = first if kind == "month" else date(2025, draw.choice([6, 9]), 1)
        if kind == "month" and first.month in {6, 9}:
            return _drawn(draw, begin)  # its label is the quarter's
        text = f"{first:%Y-%m}"
        until = (first.replace(day=1) + timedelta(days=31 * months)).replace(day=1)
    return text, [first + timedelta(n) for n in range((until - first).days)]


def test_a_period_before_all_calendars_is_unexpected(book: Book) -> None:
    """R65: one line of a bill, and not all of it refused."""
    head = "invoice,account,issued_at,period,seat_type,quantity,unit_price,amount\n"
    for period in ("0001-02", "0001-02-01..0001-02-28", "0001-01-01", "9998-12-31"):
        bill = f"{head}I1,e,2025-09-01,{period},{PRO},2,10,20\n"
        bill += f"I2,e,2025-09-01,2025-07,{PRO},1,10,10\n"
        done = audited(book, bill, "--format", "json")
        assert [row["verdict"] for row in rows(done)] == ["unexpected", "match"], period
        for words in (("--findings",), ("--letter", book.folder / "a.md")):
            done = audited(book, bill, *map(str, words))
            assert done.returncode == 3, done.stderr


def test_a_month_in_which_no_period_begins_is_all_its_dates(quarterly: Book) -> None:
    """R65: of an account that is billed by the quarter."""
    book = quarterly
    head = "invoice,account,issued_at,period,seat_type,quantity,unit_price,amount\n"
    bill = f"{head}I1,q,2025-09-01,2025-07,{PRO},2,10,20\n"
    (row,) = rows(audited(book, bill, "--format", "json"))
    assert row["period"] == "2025-07-01..2025-07-31"
    assert (row["verdict"], row["difference"]) == ("unexpected", "0.00")
    done = audited(book, bill.replace("-07,", "-06,"), "--format", "json")
    assert [row["verdict"] for row in rows(done)] == ["match"]


def test_a_day_of_a_month_s_price_is_held_against_what_a_seat_of_it_cost(
    book: Book,
) -> None:
    """R65: of daily lines the ledger's amounts are a day's, not a month's."""
    head, *_ = BILL.splitlines()
    days = "".join(
        f"INV-1;e;01.07.2025;{day:02d}.06.2025 - {day:02d}.06.2025;Sales Professional;"
        f"2;€ 1.030,00;€ 68,67\n"
        for day in range(1, 31)
    )
    lines = rows(audited(book, f"{head}\n{days}", *DATES, "--format", "json"))
    assert [(line["ledger_amount"], line["difference"]) for line in lines] == [
        ("34.34", "34.33")
    ] * 30


def test_a_head_above_the_columns_and_a_tax_below_the_lines_are_left_out(
    book: Book,
) -> None:
    text = (
        "Rechnung R-1 der Firma;;;;;;;\n;;;;;;;\n"
        f"{BILL}MwSt. 19 %;;;;;;;587,10\nGesamtbetrag;;;;;;;3.677,10\n"
    )
    done = audited(book, text, *DATES)
    for words in (
        "bill.csv:3: the names of the columns are here",
        "bill.csv:6: a total of 3,090.00, which is right",
        "bill.csv:7: a tax of 587.10",
        "bill.csv:8: a total of 3,677.10, which is right",
    ):
        assert words in done.stderr, done.stderr
    done = audited(book, text.replace("3.677,10", "3.677,11"), *DATES)
    assert "A total in line 8 is 3677.11, but the lines above it add up to 3677.10" in (
        " ".join(done.stdout.split())
    )
    taxed = BILL.replace("Total;", "TVA 20 %;")
    done = audited(book, taxed, *DATES, "--format", "json")
    assert len(rows(done)) == 2
    for unknown in ("a;b;c\n1;2;3\n", "a;b;c\n"):
        done = audited(book, unknown)
        assert done.returncode == 2
        assert "bill.csv:1: the columns account, invoice" in done.stderr


def test_an_account_is_known_by_its_key_and_name_in_any_case(book: Book) -> None:
    for name in ("E", "e", "E."):
        text = BILL.replace(";e;", f";{name};")
        found = rows(audited(book, text, *DATES, "--format", "json"))
        assert {row["account"] for row in found} == {"e"}, name
    book.record(operation("open_account", "2025-05-01T00:00:00Z", name="Acme BV",
        time_zone="UTC", term_start="2025-05-01", term_months=12,
        billing_cycle_months=1) | {"account": "acme"})  # fmt: skip
    done = audited(book, BILL.replace(";e;", ";acne;"), *DATES, "--explain-file")
    assert "Did you mean acme? --alias" in done.stdout


def test_an_account_is_known_in_any_case_however_many_a_bill_names(
    book: Book,
) -> None:
    """The same line has the same answer in a long bill and in a short one."""
    opened = operation("open_account", "2025-05-01T00:00:00Z", name="-",
        time_zone="UTC", term_start="2025-05-01", term_months=12,
        billing_cycle_months=1)  # fmt: skip
    keys = [f"c{n}" for n in range(105)]
    book.record(*({**opened, "account": key, "name": f"no. {key}"} for key in keys))
    head, line = BILL.splitlines()[:2]
    lines = [line.replace(";e;", f";{key};") for key in (*keys, "E", "C7")]
    done = audited(book, "\n".join((head, *lines)), *DATES, "--format", "json")
    read = {row["line"]: row["account"] for row in rows(done) if row["line"]}
    assert (read[len(lines)], read[len(lines) + 1]) == ("e", "c7")


def test_a_column_of_ends_is_held_against_the_period_too(book: Book) -> None:
    header = "account,invoice,issued_at,from,to,seat_type,quantity,unit_price,amount"
    lines = [
        f"e,I,2025-08-01,{span},sales/professional,1,30.00,30.00"
        for span in ("2025-06-01,2025-06-30", "2025-07-01,2025-07-15")
    ]
    done = audited(book, "\n".join([header, *lines]), "--format", "json")
    verdicts = [(row["verdict"], row["period"]) for row in rows(done)]
    assert verdicts == [
        ("match", "2025-06-01"),
        ("unexpected", "2025-07-01..2025-07-15"),
    ]


def test_ranges_of_iso_dates_need_no_stated_format(book: Book) -> None:
    iso = re.sub(r"(\d\d)\.(\d\d)\.(\d{4})", r"\3-\2-\1", BILL)
    assert "2025-06-01 - 2025-06-30" in iso
    stated = rows(audited(book, BILL, *DATES, "--format", "json"))
    assert rows(audited(book, iso, "--format", "json")) == stated


def test_dates_need_a_stated_format(book: Book) -> None:
    done = audited(book, BILL)
    assert done.returncode == 2
    assert "--date-format DD.MM.YYYY" in done.stderr
    done = audited(book, BILL, "--date-format", "MM/DD/YYYY")
    assert (done.returncode, "is not a date as MM/DD/YYYY" in done.stderr) == (2, True)


TWO_FORMS = """Invoice No;Customer;Invoice Date;Billing Period;Product;Qty;Price;Amount
INV-1;e;2025-07-01;01.06.2025 \u2013 30.06.2025;Sales Professional;1;30,00;30,00
INV-1;e;01.08.2025;2025-07-01 - 2025-07-31;Sales Professional;2;30,00;60,00
INV-2;e;2025-09-01 09:30;2025-08;Sales Professional;1;30,00;30,00
"""


def two_forms(book: Book, suffix: str) -> Path:
    """A bill whose dates are of two forms; in a workbook, ISO's are dates of cells."""
    path = book.folder / f"two{suffix}"
    if suffix == ".csv":
        path.write_text(TWO_FORMS)
        return path
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for line in TWO_FORMS.splitlines():
        sheet.append([as_cell(text) for text in line.split(";")])
    workbook.save(path)
    return path


def as_cell(text: str) -> Any:
    """A text as a workbook has it: an instant or a number where it is one."""
    for kind in (datetime.fromisoformat, lambda text: float(text.replace(",", "."))):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_iso_dates_are_read_beside_the_stated_form(book: Book, suffix: str) -> None:
    path = two_forms(book, suffix)
    done = book.program.run("invoice", "audit", path)
    assert (done.returncode, "--date-format DD.MM.YYYY" in done.stderr) == (2, True)
    words = ("invoice", "audit", path, *DATES, "--format", "json")
    done = book.program.run(*words, "--explain-file")
    assert done.returncode == 0, done.stderr
    assert [(row["issued_at"][:10], row["period"]) for row in rows(done)] == [
        ("2025-07-01", "2025-06-01..2025-06-30"),
        ("2025-08-01", "2025-07-01..2025-07-31"),
        ("2025-09-01", "2025-08"),
    ]
    letter = book.folder / "letter.md"
    done = book.program.run(*words, "--letter", letter)
    assert [row["verdict"] for row in rows(done)] == ["match", "over", "match"]
    assert "1 of them does not agree with it." in letter.read_text()


SPELLED = """Rechnungsnummer;Kunde;Rechnungsdatum;Zeitraum;Produkt;Menge;Preis;Betrag
INV-1;e;1. Juli 2025;Juni 2025;Sales Professional;1;30,00;30,00
INV-1;e;August 1, 2025;1 July 2025 - 31 July 2025;Sales Professional;1;30,00;30,00
INV-1;e;1er sept. 2025;du 1 août 2025 au 31 août 2025;sales/professional;1;30,00;30,00
INV-1;e;1 okt. 2025;van 1 sept. 2025 t/m 30 sept. 2025;Sales Professional;1;30,00;30,00
"""


def test_months_that_are_spelled_out_need_no_format(book: Book) -> None:
    done = audited(book, SPELLED, "--format", "json")
    assert [row["verdict"] for row in rows(done)] == ["match"] * 4, done.stderr
    beside = audited(book, SPELLED, *DATES, "--format", "json")
    assert rows(beside) == rows(done)
    explained = rows(audited(book, SPELLED, "--format", "json", "--explain-file"))
    assert explained[0]["period"] == "2025-06"
    assert explained[2]["period"] == "2025-08-01..2025-08-31"
    dates = [row["issued_at"] for row in explained]
    assert dates == ["2025-07-01", "2025-08-01", "2025-09-01", "2025-10-01"]
    done = audited(book, SPELLED.replace("1. Juli 2025", "1. Ju 2025"))
    assert (done.returncode, "'1. Ju 2025'" in done.stderr) == (2, True)
    for more in ((), DATES):
        done = audited(book, SPELLED.replace("Juni 2025", "Sommer 2025"), *more)
        assert (done.returncode, "its quarter (2026-Q1)" in done.stderr) == (2, True)


def test_a_quarter_is_its_dates(quarterly: Book) -> None:
    head = "invoice,account,issued_at,period,seat_type,quantity,unit_price,amount\n"
    bill = f"{head}I1,q,2025-09-01,Q3 2025,{PRO},2,10,20\n"
    (row,) = rows(audited(quarterly, bill, "--format", "json"))
    assert (row["period"], row["verdict"]) == ("2025-07-01..2025-09-30", "unexpected")


def test_a_year_of_two_digits_is_advised_and_read(book: Book) -> None:
    text = re.sub(r"\.20(\d\d)", r".\1", BILL)
    assert "01.06.25 - 30.06.25" in text
    done = audited(book, text)
    assert (done.returncode, "--date-format DD.MM.YY\n" in done.stderr) == (2, True)
    done = audited(book, text, "--date-format", "DD.MM.YY", "--format", "json")
    assert [row["verdict"] for row in rows(done)] == ["match", "over"], done.stderr


def test_a_currency_behind_the_name_of_a_column_is_that_of_all_lines(
    book: Book,
) -> None:
    text = BILL.replace("€ ", "").replace("Net Amount", "Net Amount (EUR)")
    explained = audited(book, text, *DATES, "--explain-file")
    assert "currency is 'EUR' in every line." in explained.stdout
    found = rows(audited(book, text, *DATES, "--format", "json"))
    assert {row["currency"] for row in found} == {"EUR"}
    text = text.replace("(EUR)", "(net)")
    done = audited(book, text, *DATES)
    assert "--set currency=EUR names it" in done.stdout


def test_taxes_are_known_however_they_are_written(book: Book) -> None:
    for tax in ("zzgl. 19 % USt", "19,0 % MwSt.", "plus VAT", "BTW 21%", "inkl. MwSt"):
        text = BILL.replace("Total;", f"{tax};;;;;;;€ 587,10\nTotal;")
        done = audited(book, text, *DATES, "--format", "json")
        assert len(rows(done)) == 2, (tax, done.stderr)
        assert "a tax of 587.10; it is left out" in done.stderr


@pytest.mark.parametrize("wrap", ["1.030;90,00;92.700,00", "1.030.000;0,50;515.000"])
def test_a_number_of_a_line_shows_what_stands_between_thousands(
    book: Book, wrap: str
) -> None:
    header = "account;invoice;issued_at;period;seat_type;quantity;unit_price;amount"
    line = f"e;I;2025-07-01;2025-06-01;sales/professional;{wrap}"
    (row,) = rows(audited(book, f"{header}\n{line}\n", "--format", "json"))
    assert row["invoiced_quantity"] == wrap.partition(";")[0].replace(".", "")
    comma = line.replace(",", "x").replace(".", ",").replace("x", ".")
    (row,) = rows(audited(book, f"{header}\n{comma}\n", "--format", "json"))
    assert row["invoiced_quantity"] == wrap.partition(";")[0].replace(".", "")
    alone = line.replace(wrap, "1.030;0,50;515,00")
    done = audited(book, f"{header}\n{alone}\n")
    assert (done.returncode, "can mean 1030 or 1.030" in done.stderr) == (2, True)


def test_numbers_of_cells_stand_beside_texts_with_commas(book: Book) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    header = "account invoice issued_at period seat_type quantity unit_price amount"
    sheet.append(header.split())
    day = datetime.fromisoformat("2025-07-01")
    period = datetime.fromisoformat("2025-06-01")
    for quantity, price, amount in (
        (1.5, "30,00", 45.0000000000005),
        (1.039, "30,00", "31,17"),
    ):
        sheet.append(["e", 7.5, day, period, PRO, quantity, price, amount])
    path = book.folder / "cells.xlsx"
    workbook.save(path)
    done = book.program.run("invoice", "audit", path, "--format", "json")
    read = [(r["invoice"], r["invoiced_quantity"]) for r in rows(done) if r["line"]]
    assert read == [("7.5", "1.5"), ("7.5", "1.039")], done.stderr


def test_a_cell_says_its_currency_and_places_by_its_format(book: Book) -> None:
    """R65: of several sheets the one that names the columns is read."""
    workbook = openpyxl.Workbook()
    workbook.active.append(["Dear customer"])
    workbook.active.title = "Cover"
    sheet = workbook.create_sheet("Lines")
    header = "account invoice issued_at period seat_type quantity unit_price amount"
    sheet.append(header.split())
    formats = {
        '#,##0.00 "\u20ac"': "EUR",
        "#,##0.00\\ [$\u20ac-407];[Red]-#,##0.00": "EUR",
        '_-* #,##0.00 "EUR"_-': "EUR",
        "[$USD] #,##0.00": "USD",
        "[$$-409]#,##0.00": "USD",
        '"$"#,##0.00': None,
        '0.00 "PCS"': None,
    }
    for format_ in formats:
        sheet.append(["e", "I1", "2025-07-01", "2025-06-01", PRO, 1, 30, 30])
        sheet.cell(sheet.max_row, 8).number_format = format_
    path = book.folder / "formats.xlsx"
    workbook.save(path)
    words = ("invoice", "audit", path, "--explain-file")
    explained = rows(book.program.run(*words, "--format", "json"))
    assert [row["currency"] for row in explained] == [*formats.values()]
    assert {(row["unit_price"], row["amount"]) for row in explained} == {
        ("30", "30.00")
    }
    shown = book.program.run(*words).stdout
    assert "the sheet 'Lines' is read, not 'Cover'" in shown
    assert "Separated by" not in shown
    workbook.active.append(header.split())
    workbook.save(path)
    done = book.program.run(*words)
    assert (done.returncode, "several of them name" in done.stderr) == (2, True)


def test_an_account_is_offered_by_its_first_word(book: Book) -> None:
    book.record({**OPENED, "account": "zenith", "name": "Zenith BV"})
    done = audited(book, BILL.replace("Sales Professional", "Sales Pro"), *DATES,
                   "--explain-file")  # fmt: skip
    assert "Did you mean sales/professional? --alias" in done.stdout
    text = BILL.replace("-1;e;", "-1;ZENITH Holding International;")
    done = audited(book, text.replace("Sales Prof", "Sales Hub Prof"), *DATES,
                   "--explain-file")  # fmt: skip
    assert "Did you mean zenith? --alias" in done.stdout
    command = shlex.split(done.stdout.partition("Try: seat-ledger ")[2])
    done = book.program.run(*command, "--format", "json")
    assert {row["account"] for row in rows(done)} == {"zenith"}
    assert {row["seat_type"] for row in rows(done)} == {PRO}


def test_a_form_of_which_two_readings_are_left_is_refused(book: Book) -> None:
    done = audited(book, BILL, "--date-format", "YYYY-DD-MM")
    assert done.returncode == 2
    assert "'YYYY-DD-MM' is not a format of dates" in done.stderr


def test_columns_and_values_can_be_reported(book: Book) -> None:
    text = (
        "when,what,how many,each,sum,cost\n"
        "2025-06-01,sales/professional,1,30.00,30.00,9\n"
    )
    message = ("--set", "account=e", "--set", "invoice=I", "--set",
            "issued_at=2025-07-01", "--column", "period=when", "--column",
            "seat_type=what", "--column", "quantity=how many", "--column",
            "unit_price=each", "--column", "amount=sum")  # fmt: skip
    (row,) = rows(audited(book, text, *message, "--format", "json"))
    assert (row["verdict"], row["invoice"]) == ("match", "I")


def test_columns_that_are_named_are_understood_before_anything_is_judged(
    book: Book,
) -> None:
    text = BILL.replace("Net Amount", "Worth")
    named = ("--column", "amount=worth", "--explain-file")
    done = audited(book, text, *DATES, *named)
    assert done.returncode == 0, done.stderr
    assert "amount is the column 'worth'" in done.stdout


def test_two_names_for_one_column_are_refused(book: Book) -> None:
    text = BILL.replace("Net Amount", "Net Amount;Total").replace("Total;;", "Sum;;")
    done = audited(book, text, *DATES, "--explain-file")
    assert done.returncode == 2
    assert "may be amount" in done.stderr
    assert "--column amount=" in done.stderr


def test_a_workbook_is_read_like_a_file(book: Book) -> None:
    xlsxwriter = pytest.importorskip("xlsxwriter")
    path = book.folder / "bill.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        for number, line in enumerate(BILL.splitlines()):
            for place, cell in enumerate(line.split(";")):
                sheet.write_string(number, place, cell)
    done = book.program.run("invoice", "audit", path, *DATES, "--format", "json")
    assert [row["verdict"] for row in rows(done)] == ["match", "over"]
