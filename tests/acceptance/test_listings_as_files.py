"""Any listing as a file: --output, and what a spreadsheet reads of it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from seat_ledger.cli.output import files
from seat_ledger.cli.output.csv_headers import DATES, DECIMALS, HEADERS
from seat_ledger.cli.output.render import at
from tests.in_process import Program, run
from tests.program import ANN, BUY, GIVE, OPEN, PRO

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
HOSTILE = '=HYPERLINK("http://x")'
ODD = {**ANN, "user": "odd", "email": "odd@acme.example", "name": HOSTILE}
ON = ("-a", "acme")
COUNTS = ("billing", "counts", *ON, "--unit-price", f"{PRO}=90.00", "--year", "2025")
LISTINGS = [
    COUNTS,
    ("billing", "idle", *ON, "--unit-price", f"{PRO}=90", "--period", "2025-06"),
    ("billing", "periods", *ON),
    ("event", "list"),
    ("event", "list", *ON),
    ("seat", "list", *ON),
    ("seat", "history", f"{PRO}#1", *ON),
    ("user", "list", *ON),
    ("account", "list"),
    ("account", "renewals", "--within", "1d"),
]


@pytest.fixture
def acme(database: str, tmp_path: Path) -> Program:
    program = Program(database, tmp_path)
    commands = tmp_path / "commands.jsonl"
    lines = (OPEN, BUY, ANN, ODD, GIVE)
    commands.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = program.run("import", commands)
    assert done.status == 0, done.err
    return program


def sheet_of(target: Path, name: str = "Rows") -> Any:
    return openpyxl.load_workbook(target)[name]


def expected(name: str, value: Any, zone: Any) -> Any:
    """What a spreadsheet shows of a value of JSON."""
    if value is None or value == "":
        return None
    if name in DECIMALS:
        return pytest.approx(float(value))
    if name in DATES and isinstance(value, str) and len(value) == 10:
        return datetime.combine(date.fromisoformat(value), datetime.min.time())
    if isinstance(value, str) and value.endswith("Z") and value[10:11] == "T":
        wall = datetime.fromisoformat(value).astimezone(zone).replace(tzinfo=None)
        return wall.replace(microsecond=wall.microsecond // 1000 * 1000)
    return value


def shown(cell: Any) -> Any:
    value = cell.value
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def test_a_listing_as_a_workbook_holds_what_json_says(
    acme: Program, tmp_path: Path
) -> None:
    summed = 0
    for number, words in enumerate(LISTINGS):
        target = tmp_path / f"{number}.xlsx"
        done = acme.run(*words, "--output", target)
        assert done.status == 0, (words, done.err)
        assert not done.out
        document = json.loads(acme.run(*words, "--format", "json").out)
        header, *lines = list(sheet_of(target).iter_rows())
        names = [cell.value for cell in header]
        assert tuple(names) == HEADERS[" ".join(words[:2])]
        assert all(cell.font.b for cell in header)
        assert sheet_of(target).freeze_panes == "A2"
        zone = AMSTERDAM if "acme" in words else UTC
        for row, line in zip(document["rows"], lines, strict=False):
            for name, cell in zip(names, line, strict=True):
                assert cell.data_type != "f"
                value = at(row, name)
                if str(value).startswith(("[", "{")):  # is read as people write it
                    assert "{" not in str(cell.value), (words, name)
                    assert "[" not in str(cell.value), (words, name)
                    continue
                wanted = expected(name.rpartition(".")[2], value, zone)
                got = shown(cell)
                if isinstance(wanted, datetime):
                    assert abs((got - wanted).total_seconds()) < 0.002, (words, name)
                else:
                    assert got == wanted, (words, name)
        totals = document.get("totals", []) if "amount" in names else []
        sums = [total for total in totals if "amount" in total]
        summed += len(sums)
        assert len(lines) == len(document["rows"]) + len(sums)
        for total, line in zip(sums, lines[len(document["rows"]) :], strict=True):
            cells = dict(zip(names, line, strict=True))
            assert cells["amount"].value == pytest.approx(float(total["amount"]))
            assert cells["currency"].value == total["currency"]
            assert cells[names[0]].value == "total"
            assert cells["amount"].font.b
    assert summed >= 2


OPERATIONS = [
    ("token", "list"),
    ("subscription", "list"),
    ("account", "readers"),
    ("projection", "status"),
    ("projection", "verify"),
    ("doctor",),
]
"""What an operator lists, whatever it reads through."""


def test_a_list_in_a_cell_is_read_as_people_write_it(
    acme: Program, tmp_path: Path
) -> None:
    """CSV has it as JSON, for programs; a workbook with commas, whatever begins it."""
    target = tmp_path / "users.xlsx"
    assert acme.run("user", "list", *ON, "--output", target).status == 0
    header, *lines = sheet_of(target).values
    cells = {line[header.index("user")]: line for line in lines}
    assert cells["ann"][header.index("seats")] == f"{PRO}#1"
    assert cells["ann"][header.index("hubs")] == "sales"
    assert acme.run("account", "show", "acme", "--output", target).status == 0
    (line,) = [
        dict(zip(header, cells, strict=True))
        for header, *rows in [sheet_of(target).values]
        for cells in rows
    ]
    assert f"seat type {PRO}, purchased" in line["totals"]
    assert "{" not in line["totals"]
    assert '"[""sales""]"' in acme.run("user", "list", *ON, "--format", "csv").out


def test_what_an_operator_lists_is_a_workbook_too(
    acme: Program, tmp_path: Path
) -> None:
    """The rows of JSON under CSV's columns, and the exit code of the listing."""
    done = acme.run("token", "create", "--actor", "system:a", "--role", "reader")
    assert done.status == 0, done.err
    for number, words in enumerate(OPERATIONS):
        target = tmp_path / f"operations-{number}.xlsx"
        done = acme.run(*words, "--output", target)
        printed = acme.run(*words, "--format", "json")
        assert done.status == printed.status, (words, done.err)
        assert not done.out
        rows = json.loads(printed.out)["rows"]
        header, *lines = list(sheet_of(target).values)
        assert len(lines) == len(rows), words
        if rows:
            assert header == HEADERS[" ".join(words)], words
    target = tmp_path / "sources.xlsx"
    assert run("source", "list", "--output", target).status == 0
    assert len(list(sheet_of(target).values)) > 10
    first = list(sheet_of(tmp_path / "operations-0.xlsx").values)[1]
    assert "system:a" in first


def test_money_has_its_places_and_a_text_is_no_formula(
    acme: Program, tmp_path: Path
) -> None:
    target = tmp_path / "out.xlsx"
    assert acme.run(*COUNTS, "--output", target).status == 0
    header, first, *_ = list(sheet_of(target).iter_rows())
    cells = dict(zip([cell.value for cell in header], first, strict=True))
    assert cells["unit_price"].number_format == "#,##0.00"
    about = {row[1].value for row in sheet_of(target, "About").iter_rows()}
    assert any("Times in Europe/Amsterdam." in str(text) for text in about)
    assert acme.run("user", "list", *ON, "--output", target).status == 0
    every = [cell for row in sheet_of(target).iter_rows() for cell in row]
    hostile = [cell for cell in every if cell.value == HOSTILE]
    assert [cell.data_type for cell in hostile] == ["s"]
    assert hostile[0].quotePrefix
    words = ("user", "list", *ON, "--columns", "name,user", "--output", target)
    assert acme.run(*words).status == 0
    assert [cell.value for cell in next(sheet_of(target).iter_rows())] == [
        "name",
        "user",
    ]


def test_the_other_endings_hold_what_their_formats_print(
    acme: Program, tmp_path: Path
) -> None:
    for form in ("csv", "json", "jsonl"):
        target = tmp_path / f"out.{form}"
        words = ("event", "list", *ON, "--until", "2026")
        done = acme.run(*words, "--output", target)
        assert done.status == 0, done.err
        assert f"8 rows written to {target}." in done.err
        assert target.stat().st_mode & 0o777 == 0o600
        assert target.read_text() == acme.run(*words, "--format", form).out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert len(rows) == 8


def test_what_cannot_be_written_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No database is there: the file's name is looked at first."""
    words = ("account", "list", "--database", "postgresql:///nowhere?host=/nowhere")
    done = run(*words, "--output", tmp_path / "out.pdf")
    assert done.status == 2
    assert "An answer is written as .xlsx, .csv, .json or .jsonl, not as" in done.err
    done = run(*words, "--output", tmp_path / "no" / "out.csv")
    assert "there is no such folder" in done.err
    done = run(*words, "--format", "csv", "--output", tmp_path / "out.xlsx")
    assert done.status == 2
    assert "the file's name says the format" in done.err
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    done = run(*words, "--output", tmp_path / "out.xlsx")
    assert "needs the package xlsxwriter" in done.err
    assert "seat-ledger[reports]" in done.err
    assert not list(tmp_path.iterdir())
