"""Reports to pass on: one file each, the same bytes from the same inputs."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.audits import HEADER, LEFT, TIMED, Book, june
from tests.program import PRO, Program


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    made = Book(Program(database), tmp_path)
    made.say(LEFT)
    made.file(
        f"{june('1', '30.00', 5)},time_weighted",
        f"{june('9', '9.00', 5, '=cmd|<b>&')},peak",
        header=TIMED,
    )
    return made


def report(book: Book, name: str, **environment: str) -> bytes:
    book.program.environment |= environment
    target = book.folder / name
    words = ("invoice", "audit", book.folder / "invoices.csv", "--report", target)
    done = book.program.run(*words)
    assert done.returncode == 3, done.stderr
    return target.read_bytes()


class Page(HTMLParser):
    """What a page is made of: its tags, what it would fetch, and its text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_a_page_answers_first_and_needs_nothing_else(book: Book) -> None:
    content = report(book, "out.html")
    page = Page(content)
    assert page.fetched == []
    assert "script" not in page.tags
    assert b"url(" not in content
    assert b"@import" not in content
    told = re.sub(r"\s+", " ", page.text)
    for words in (
        "0 of 2 lines of invoices.csv match; 1 over, 1 under.",
        "time_weighted; a seat counts for the time in which it was held.",
        "Time zone UTC",
        "position 6, recorded 20",
        "Right then, and corrected later (issued at position 5",
        "SeatUnassigned",
        "who held which seat, 1 seat",
        "A (a): 2025-06-01 00:00 to 2025-06-16 00:00",
        "=cmd|<b>&",
    ):
        assert words in told, words
    assert page.tags.count("svg") == 2
    assert page.tags.count("desc") == 2
    assert "b" not in page.tags[: page.tags.index("footer")]


def test_the_same_inputs_give_the_same_bytes(book: Book) -> None:
    for name in ("out.html", "out.xlsx"):
        first = report(book, name, TZ="Asia/Tokyo", LANG="C", LC_ALL="C")
        manifest = (book.folder / "manifest.json").read_bytes()
        second = report(book, name, TZ="America/Lima", LANG="de_DE.UTF-8", LC_ALL="")
        assert first == second, name
        assert (book.folder / "manifest.json").read_bytes() == manifest


def test_a_manifest_has_the_digests_the_cut_off_and_the_command(book: Book) -> None:
    content = report(book, "out.html")
    manifest = json.loads((book.folder / "manifest.json").read_text())
    assert manifest["files"] == [
        {
            "name": "out.html",
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
    ]
    assert manifest["inputs"][0]["name"] == "invoices.csv"
    assert manifest["known_at"]["position"] == 6
    assert manifest["command"][-4:] == ["--known-at", "6", "--report", "out.html"]
    assert manifest["version"]
    assert "host=" not in json.dumps(manifest)


def test_a_workbook_has_real_dates_and_numbers_and_no_formula(book: Book) -> None:
    report(book, "out.xlsx")
    sheets = openpyxl.load_workbook(book.folder / "out.xlsx")
    assert sheets.sheetnames == [
        "Cover",
        "Summary",
        "Lines",
        "Holders",
        "Events",
        "Provenance",
    ]
    for sheet in sheets:
        assert sheet.freeze_panes == "A2"
        kinds = {cell.data_type for row in sheet.iter_rows() for cell in row}
        assert "f" not in kinds
    lines = sheets["Lines"]
    header = [cell.value for cell in lines[1]]
    first = dict(zip(header, (cell.value for cell in lines[2]), strict=True))
    assert first["period"] == datetime(2025, 6, 1)  # noqa: DTZ001
    assert (first["ledger"], first["difference"]) == (0.5, 15)
    second = dict(zip(header, (cell.value for cell in lines[3]), strict=True))
    assert second["invoice"] == "=cmd|<b>&"
    holders = list(sheets["Holders"].values)
    assert holders[1][1:4] == (f"{PRO}#1", "a", "A")
    assert holders[1][5] == datetime(2025, 6, 16)  # noqa: DTZ001
    events = list(sheets["Events"].values)
    assert events[1][:5] == (
        "2",
        "INV-6",
        PRO,
        6,
        "SeatUnassigned",
    )


def test_a_refused_audit_leaves_nothing(book: Book) -> None:
    book.file("e,INV,5,2025-06-01,x,y,z,w", header=HEADER)
    words = ("invoice", "audit", book.folder / "invoices.csv", "--report")
    before = sorted(book.folder.iterdir())
    assert book.program.run(*words, book.folder / "out.html").returncode == 2
    assert book.program.run(*words, book.folder / "out.pdf").returncode == 2
    assert book.program.run(*words, book.folder / "no" / "out.html").returncode == 2
    assert sorted(book.folder.iterdir()) == before


def test_a_report_of_an_account_opens_into_parts_that_add_up(book: Book) -> None:
    target = book.folder / "e.xlsx"
    done = book.program.run(
        "report", "-a", "e", "--period", "2025-06", "--mode", "time_weighted",
        "--unit-price", f"{PRO}=30.00", "--currency", "EUR", "-o", target,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Altogether 15.00 EUR." in done.stdout
    sheets = openpyxl.load_workbook(target)
    line = list(sheets["Lines"].values)[1]
    assert line[7] == 0.5
    parts = list(sheets["Events"].values)[1:]
    assert [(row[3], row[4], row[7], row[8]) for row in parts] == [
        (f"{PRO}#1", "a", 0.5, 15)
    ]
    assert json.loads((book.folder / "manifest.json").read_text())["command"] == [
        "seat-ledger", "report", "--account", "e", "--period", "2025-06", "--mode",
        "time_weighted", "--currency", "EUR", "--unit-price", f"{PRO}=30.00",
        "--known-at", "6", "--output", "e.xlsx",
    ]  # fmt: skip
