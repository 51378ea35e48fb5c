"""Reports to pass on: one file each, the same bytes from the same inputs."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.audits import HEADER, LEFT, OPENED, START, TIMED, Book, june, operation
from tests.program import PRO, Program


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    created = Book(Program(database), tmp_path)
    created.record(LEFT)
    created.file(
        f"{june('1', '30.00', 5)},time_weighted",
        f"{june('9', '9.00', 5, '=cmd|<b>&')},peak",
        header=TIMED,
    )
    return created


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
    message = re.sub(r"\s+", " ", page.text)
    for words in (
        "0 of 2 lines of invoices.csv match; 1 over, 1 under.",
        "time_weighted; a seat counts for the time in which it was held.",
        "Time zone UTC",
        "position 6, recorded 20",
        "Right then, and corrected later (issued at position 5",
        "Seat unassigned",
        "who held which seat, 1 seat",
        "A (a): 2025-06-01 00:00 to 2025-06-16 00:00",
        "=cmd|<b>&",
    ):
        assert words in message, words
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
            **{
                name: manifest[name]
                for name in ("version", "command", "known_at", "tzdata", "inputs")
            },
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
        "Charts",
        "Findings",
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
    header, *findings = list(sheets["Findings"].values)
    rows = [dict(zip(header, values, strict=True)) for values in findings]
    owed = {row["invoice"]: (row["owed by"], row["owed amount"]) for row in rows}
    assert owed[first["invoice"]] == ("vendor", 15)
    assert all(row["invoice"] in row["finding"] for row in rows)
    facts = dict(list(sheets["Cover"].values)[1:])
    assert facts["Owed"].startswith("the vendor owes ")
    holders = list(sheets["Holders"].values)
    assert holders[1][1:4] == (f"{PRO}#1", "a", "A")
    assert holders[1][6:8] == (
        datetime(2025, 6, 16),  # noqa: DTZ001
        "2025-06-16T00:00:00Z",
    )
    events = sheets["Events"]
    assert [cell.value for cell in events[1]][:9] == [
        "line", "invoice", "account", "period", "seat type", "position", "event",
        "effective", "effective, exactly",
    ]  # fmt: skip
    assert [cell.value for cell in events[2]][:7] == [
        2, "INV-6", "e", datetime(2025, 6, 1), PRO, 6, "Seat unassigned",  # noqa: DTZ001
    ]  # fmt: skip


def test_a_workbook_keeps_microseconds_beside_its_dates(book: Book) -> None:
    report(book, "out.xlsx")
    (entry,) = book.program.json("event", "show", 6)["rows"]
    sheets = openpyxl.load_workbook(book.folder / "out.xlsx")
    header, first = list(sheets["Events"].values)[:2]
    message = dict(zip(header, first, strict=True))
    assert message["recorded, exactly"] == entry["recorded_at"]
    date = message["recorded"].replace(tzinfo=UTC)
    assert abs(date - datetime.fromisoformat(entry["recorded_at"])).total_seconds() < 1


def test_no_text_becomes_a_formula_when_its_cell_is_edited(book: Book) -> None:
    for text in ("=1+1", "+1", "-1", "@x", "'=quoted"):
        book.record(
            {**OPENED, "account": text, "name": text},
            operation(
                "buy_seats", "2025-06-01", account=text, seat_type=PRO, quantity=1,
                reason=text,
            ),
        )  # fmt: skip
        target = book.folder / "out.xlsx"
        words = ("report", "-a", text, "--period", "2025-06", "-o", target)
        done = book.program.run(*words)
        assert done.returncode == 0, done.stderr
        marked = set()
        for sheet in openpyxl.load_workbook(target):
            for cell in (cell for row in sheet.iter_rows() for cell in row):
                assert cell.data_type != "f"
                if str(cell.value).startswith(("=", "+", "-", "@")):
                    assert cell.quotePrefix, (sheet.title, cell.value)
                    marked.add(sheet.title)
        assert marked == ({"Cover", "Events"} if text[0] != "'" else set())


def test_each_report_of_a_folder_stands_in_its_manifest(book: Book) -> None:
    report(book, "out.html")
    report(book, "out.xlsx")
    words = ("report", "-a", "e", "--period", "2025-06", "--known-at", 5)
    assert book.program.run(*words, "-o", book.folder / "e.html").returncode == 0
    message = json.loads((book.folder / "manifest.json").read_text())
    assert [file["name"] for file in message["files"]] == [
        "e.html",
        "out.html",
        "out.xlsx",
    ]
    for file in message["files"]:
        content = (book.folder / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["command"][-1] == file["name"]
    assert [file["known_at"]["position"] for file in message["files"]] == [5, 6, 6]
    assert message["command"] == message["files"][0]["command"]
    before = (book.folder / "manifest.json").read_bytes()
    assert book.program.run(*words, "-o", book.folder / "e.html").returncode == 0
    assert (book.folder / "manifest.json").read_bytes() == before


def test_what_is_no_manifest_is_not_overwritten(book: Book) -> None:
    other = book.folder / "manifest.json"
    other.write_text('{"name": "a web page"}')
    words = ("invoice", "audit", book.folder / "invoices.csv", "--report")
    done = book.program.run(*words, book.folder / "out.html")
    assert done.returncode == 2
    assert "it is not a manifest of reports" in done.stderr
    assert other.read_text() == '{"name": "a web page"}'
    assert not (book.folder / "out.html").exists()


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
    assert "In total 15.00 EUR." in done.stdout
    sheets = openpyxl.load_workbook(target)
    line = list(sheets["Lines"].values)[1]
    assert line[7] == 0.5
    header, *parts = list(sheets["Events"].values)
    (part,) = (dict(zip(header, row, strict=True)) for row in parts)
    assert [part[name] for name in ("rule", "seat", "user", "quantity", "amount")] == [
        "time_weighted", f"{PRO}#1", "a", 0.5, 15,
    ]  # fmt: skip
    assert json.loads((book.folder / "manifest.json").read_text())["command"] == [
        "seat-ledger", "report", "--account", "e", "--period", "2025-06", "--mode",
        "time_weighted", "--currency", "EUR", "--unit-price", f"{PRO}=30.00",
        "--known-at", "6", "--output", "e.xlsx",
    ]  # fmt: skip


def test_the_command_in_the_manifest_makes_the_report_again(book: Book) -> None:
    target = book.folder / "e.html"
    assert book.program.run("report", "-a", "e", "-o", target).returncode == 0
    first = target.read_bytes()
    message = json.loads((book.folder / "manifest.json").read_text())["command"]
    book.record(operation("buy_seats", "2025-06-03", seat_type=PRO, quantity=1))
    done = book.program.run(*message[1:-1], target)
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == first


def test_a_total_says_what_has_no_price(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=START, quantity=1))
    done = book.program.run(
        "report", "-a", "e", "--period", "2025-06", "--unit-price", f"{PRO}=30.00",
        "-o", book.folder / "e.html",
    )  # fmt: skip
    message = "In total 30.00, without sales/starter, which have no price."
    assert message in done.stdout


def test_a_chart_counts_those_that_held_seats_before_it_begins(book: Book) -> None:
    target = book.folder / "window.html"
    window = ("--from", "2025-06-10", "--until", "2025-07-01")
    done = book.program.run("report", "-a", "e", *window, "--output", target)
    assert done.returncode == 0, done.stderr
    message = "at most 1 assigned at once; at the end 1 purchased and 0 assigned."
    assert message in target.read_text()
