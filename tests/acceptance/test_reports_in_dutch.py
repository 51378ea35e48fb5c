"""Reports and letters in Dutch: no English word, the same figures (R93 in both)."""

from __future__ import annotations

import json
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from seat_ledger.cli.output.i18n import catalogue
from tests.audits import LEFT, START, Book, june, operation
from tests.program import PRO, Program

LINES = (
    june("3", "1230.50", 5),
    june("2", "60.00", "2025-07-01T00:00:00Z", "INV-2"),
    f"e,INV-3,5,2025-07-01,{PRO},1,30.00,30.00",
)
_WORD = re.compile(r"[a-z]{3,}")
_NAMES = {
    *("seat", "ledger", "html", "account", "invoice", "audit", "report", "letter"),
    *("finding", "list", "price", "set", "system", "import", "contracted", "invoices"),
    *("purchase", "test", "output", "known", "period", "language", "unit", "sales"),
    *("professional", "starter", "json", "manifest", "csv", "program", "style"),
}
"""What is typed, or is the name of something: the same in every language."""


@pytest.fixture(scope="module")
def book(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A ledger with idle seats, a late fact, a finding that is kept."""
    created = Book(Program(shared_database), tmp_path_factory.mktemp("reports"))
    created.record(
        LEFT,
        operation("set_time_zone", "2025-05-02", time_zone="Europe/Amsterdam"),
        operation("buy_seats", "2025-06-20", seat_type=PRO, quantity=2),
        operation("buy_seats", "2025-06-01", seat_type=START, quantity=1),
    )
    created.file(*LINES)
    audit(created, "--keep")
    return created


def audit(book: Book, *words: Any) -> None:
    file = book.folder / "invoices.csv"
    done = book.program.run("invoice", "audit", file, *words)
    assert done.returncode == 3, done.stderr


def written(book: Book, form: str, ending: str, language: str) -> Path:
    """A report or letter in a language, as a file."""
    target = book.folder / f"{form}-{language}.{ending}"
    words = ("--language", language)
    if form == "report":
        done = book.program.run(
            "report", "-a", "e", "--period", "2025-06", "--unit-price",
            f"{PRO}=1030.00", "--currency", "EUR", *words, "-o", target,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    else:
        audit(book, "--letter" if form == "letter" else "--report", target, *words)
    return target


class _Text(HTMLParser):
    """What is read of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.is_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.is_style = tag == "style"
        self.text += " ".join(str(value) for name, value in attrs if "label" in name)

    def handle_data(self, data: str) -> None:
        self.text += "" if self.is_style else f" {data}"


def text_of(path: Path) -> str:
    """The text of a page, of a letter, or of every cell and title of a workbook."""
    if path.suffix != ".xlsx":
        return _Text(path.read_text()).text
    book = openpyxl.load_workbook(path)
    cells = [cell for sheet in book for row in sheet.values for cell in row]
    return " ".join([*book.sheetnames, *(c for c in cells if isinstance(c, str))])


def figures_of(path: Path, language: str) -> list[str]:
    """The figures and dates of a text in one form, in order of size."""
    text = text_of(path)
    if language == "nl":
        text = re.sub(r"\b(\d\d)-(\d\d)-(\d{4})\b", r"\3-\2-\1", text)
        text = re.sub(r"(?<=\d)\.(?=\d{3}\b)(?!\d{3}Z)", "", text)
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    return sorted(re.findall(r"\d+(?:[.:/-]\d+)*", text))


FORMS = [
    *(("report", ending) for ending in ("html", "xlsx")),
    *(("audit", ending) for ending in ("html", "xlsx")),
    *(("letter", ending) for ending in ("html", "md")),
]


@pytest.mark.parametrize(("form", "ending"), FORMS)
def test_no_english_word_is_left_and_the_figures_are_the_same(
    book: Book, form: str, ending: str
) -> None:
    english, dutch = (written(book, form, ending, code) for code in ("en", "nl"))
    words = {
        code: set(_WORD.findall(" ".join(catalogue(code).values()).lower()))
        for code in ("en", "nl")
    }
    read = set(_WORD.findall(text_of(dutch).lower()))
    assert read & (words["en"] - words["nl"]) - _NAMES == set()
    assert len(set(_WORD.findall(text_of(english).lower())) & words["en"]) > 20
    if ending != "xlsx":
        assert figures_of(dutch, "nl") == figures_of(english, "en")
        return
    sheets = [openpyxl.load_workbook(path) for path in (english, dutch)]
    numbers = [
        [c for sheet in book for row in sheet.values for c in row if is_figure(c)]
        for book in sheets
    ]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) > 20


def is_figure(cell: object) -> bool:
    return isinstance(cell, (int, float, datetime))


def test_dutch_figures_dates_and_money_are_written_as_dutch_is(book: Book) -> None:
    text = text_of(written(book, "letter", "html", "nl"))
    assert "01-06-2025" in text
    assert re.search(r"Wilt u 1\.\d{3},\d\d crediteren", text)
    page = written(book, "report", "html", "nl").read_text()
    assert '<html lang="nl">' in page
    manifest = json.loads((book.folder / "manifest.json").read_text())
    assert "--language nl" in " ".join(manifest["command"])


def in_short(page: str) -> dict[str, str]:
    """What a manager reads, by its headings."""
    (block,) = re.findall(r'<dl class="facts short">(.*?)</dl>', page, re.DOTALL)
    return dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", block, re.DOTALL))


def test_a_report_opens_with_what_a_manager_has_to_know(book: Book) -> None:
    """Billed, changed, owed, to do, how sure; what has nothing to say is left out."""
    short = in_short(written(book, "report", "html", "en").read_text())
    assert list(short) == ["Billed", "Open findings", "To do", "How sure"]
    assert "in the period from 2025-06-01" in short["Billed"]
    assert "the vendor owes" in short["Open findings"]
    assert "seat-ledger finding list --account e" in short["To do"]
    assert "1 figure has no price" in short["How sure"]
    target = book.folder / "july.html"
    words = ("report", "-a", "e", "--period", "2025-07", "-o", target)
    assert book.program.run(*words).returncode == 0
    changed = in_short(target.read_text())["Change"]
    assert changed.startswith("+1.2667 sales/professional against the period from")


def test_a_report_of_a_period_in_progress_says_what_to_do_by_when(book: Book) -> None:
    """Idle seats with money, the next renewal, seats to give up and what that saves."""
    program = book.program
    opened = {
        **operation("open_account", "2025-01-01T00:00:00Z", name="F", time_zone="UTC"),
        "term_start": "2025-01-01",
        "term_months": 240,
        "billing_cycle_months": 1,
        "account": "f",
    }
    bought = operation("buy_seats", "2025-01-01", seat_type=PRO, quantity=3)
    done = program.lines(opened, {**bought, "account": "f"})
    assert done.returncode == 0, done.stderr
    target = book.folder / "f.html"
    words = ("--term", "--unit-price", "10.00", "--currency", "EUR", "-o", target)
    assert program.run("report", "-a", "f", *words).returncode == 0
    short = in_short(target.read_text())
    assert short["Unused"].startswith("3 seats are held by nobody on")
    assert "Until the renewal it costs" in short["Unused"]
    assert "On 2045-01-01: 3 seats renew" in short["Next renewal"]
    assert f"ask for 3 {PRO} fewer, which saves 7200.00 EUR" in short["To do"]
    assert "has not ended" in short["How sure"]


def test_an_audit_says_in_short_who_owes_whom_and_what_to_do(book: Book) -> None:
    short = in_short(written(book, "audit", "html", "en").read_text())
    assert list(short) == ["Invoiced", "Right", "Owed", "Why", "To do", "How sure"]
    assert "the vendor owes" in short["Owed"]
    assert "Have the vendor credit" in short["To do"]


def test_a_workbook_has_charts_of_seats_and_money_and_local_times(book: Book) -> None:
    """Times on the account's clock, their instants beside them in UTC."""
    sheets = openpyxl.load_workbook(written(book, "report", "xlsx", "nl"))
    assert "Grafieken" in sheets.sheetnames
    charts = sheets["Grafieken"]._charts
    assert len(charts) == 2
    values = [series.val.numRef.f for chart in charts for series in chart.series]
    assert all(reference.startswith("Grafieken!") for reference in values)
    assert len(values) == 3
    header, first = list(sheets["Boekingen"].values)[:2]
    part = dict(zip(header, first, strict=True))
    assert part["vanaf"] == datetime(2025, 6, 1, 2)  # noqa: DTZ001  local
    assert part["vanaf, exact"] == "2025-06-01T00:00:00Z"
    header, *rows = list(sheets["Regels"].values)
    place = [list(header).index(name) for name in ("seattype", "bedrag")]
    amounts = {row[place[0]]: row[place[1]] for row in rows}
    assert isinstance(amounts[PRO], float)
    money = sheets["Regels"].cell(2, place[1] + 1).number_format
    assert money == "#,##0.00####"
    audited = openpyxl.load_workbook(written(book, "audit", "xlsx", "en"))
    causes, amounts_ = audited["Charts"]._charts
    assert causes.series[0].cat is not None
    assert amounts_.series[0].val is not None
