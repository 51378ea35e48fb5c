"""Files of invoice lines as they come: read, or refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from seat_ledger.cli.inputs.invoice_file import InvoiceFile
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.billing.audit.lines import AuditedLine, Written

PRO = "sales/professional"
HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"
GOOD = f"e,INV-6,5,2025-06-01,{PRO},1,30.00,30.00"
LINE = AuditedLine(
    2, "e", "INV-6", "5", "2025-06-01", PRO, Written("1"), Written("30.00"),
    Written("30.00"), None, None, None,
)  # fmt: skip


def lines_of(folder: Path, content: bytes) -> list[AuditedLine]:
    path = folder / "bad.csv"
    path.write_bytes(content)
    return list(InvoiceFile(path).lines())


@pytest.mark.parametrize("wrap", ["bom", "crlf", "semicolons", "tabs", "sep", "quoted"])
def test_files_as_they_arrive_are_read(tmp_path: Path, wrap: str) -> None:
    line = GOOD
    text = f"{HEADER}\n{line}\n\n,,,,,,,\n"
    if wrap == "bom":
        text = "\ufeff" + text
    elif wrap == "crlf":
        text = text.replace("\n", "\r\n")
    elif wrap in {"semicolons", "sep"}:
        text = text.replace(",", ";").replace("30.00", "30,00")
        text = f"sep=;\n{text}" if wrap == "sep" else text
    elif wrap == "tabs":
        text = text.replace(",", "\t")
    else:
        text = text.replace(",30.00,30.00", ',"30,00","30,00"')
    (read,) = lines_of(tmp_path, text.encode())
    assert read == LINE._replace(no=3 if wrap == "sep" else 2)


def with_cell(name: str, cell: str) -> bytes:
    cells = dict(zip(HEADER.split(","), GOOD.split(","), strict=True))
    return f"{HEADER}\n{','.join({**cells, name: cell}.values())}\n".encode()


@pytest.mark.parametrize(
    ("content", "report"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (f"{HEADER}\n\n,,,,,,,\n".encode(), "has no lines"),
        (f"{HEADER}\r{GOOD}\r".encode(), "bad.csv:1: lines end with a carriage"),
        (f"{HEADER}\n{GOOD}\r{GOOD}\r".encode(), "bad.csv:2: lines end with a"),
        (HEADER.replace(",amount", "").encode(), "column amount is missing"),
        (f"{HEADER},period\n".encode(), "appears twice"),
        (with_cell("quantity", "=1+1"), "bad.csv:2: quantity '=1+1' is a formula"),
        (with_cell("quantity", '"1,000"'), "can mean 1000 or 1.000"),
        (with_cell("quantity", "1e3"), "is not a number"),
        (with_cell("quantity", "9" * 13), "is not a number"),
        (with_cell("quantity", ""), "the cell quantity is empty"),
        (with_cell("amount", "about 30"), "is not a number"),
        (with_cell("unit_price", "-30.00"), "below zero"),
        (with_cell("period", "June"), "not a period label"),
        (with_cell("period", "2025-02-30"), "not a calendar date"),
        (with_cell("issued_at", "01/07/2025"), "not an instant"),
        (with_cell("amount", "30.00,5"), "9 cells"),
        (with_cell("amount", '"30'), "cannot be read as CSV"),
        (with_cell("invoice", "x" * 2001), "2,001 characters"),
        (with_cell("invoice", "x" * 2_000_000), "more than 1,000,000 bytes"),
        (with_cell("invoice", "a\0b"), "NUL"),
        (f"{HEADER}\n".encode() + b"\xff\xfe", "bad.csv:2: byte 1"),
        ((HEADER + "\n" + HEADER).encode("utf-16"), "not UTF-8"),
        (f"{HEADER},mode\n{GOOD},peek\n".encode(), "unknown counting mode"),
        (
            f"{HEADER},currency\n{GOOD},EURO\n".encode(),
            "no currency 'EURO'",
        ),
        (
            f"{HEADER}\n{GOOD}\n".encode()
            + with_cell("amount", '"30,00"').split(b"\n")[1],
            "a point in line 2 but a comma in line 3",
        ),
        (
            with_cell("quantity", "1.250").replace(b"30.00", b'"30,00"'),
            "can mean 1250 or 1.250",
        ),
        (
            with_cell("quantity", "1.000")
            .replace(b"30.00", b"30.000")
            .replace(b",", b";"),
            "can mean 1000 or 1.000",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, content: bytes, report: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        lines_of(tmp_path, content)
    assert report in refused.value.message
    assert refused.value.try_


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1039.35", "1039.35"),
        ("1,039.35", "1039.35"),
        ("1.039,35", "1039.35"),
        ("-0,5", "-0.5"),
        ("0,125", "0.125"),
        ("1039,350", "1039.350"),
        ("1.234567", "1.234567"),
    ],
)
def test_decimals_are_read_either_way(tmp_path: Path, written: str, read: str) -> None:
    content = with_cell("amount", f'"{written}"').replace(b",30.00,", b",30,")
    (line,) = lines_of(tmp_path, content)
    assert line.amount.text == read


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text(f"{HEADER},Remark\n{GOOD},paid\n")
    file = InvoiceFile(path)
    assert [line.no for line in file.lines()] == [2]
    assert file.ignored == ["remark"]


def test_a_cell_over_two_lines_keeps_the_count(tmp_path: Path) -> None:
    long = GOOD.replace("INV-6", '"INV\n6"')
    lines = lines_of(tmp_path, f"{HEADER}\n{long}\n{GOOD}\n".encode())
    assert [(line.no, line.invoice) for line in lines] == [(2, "INV\n6"), (4, "INV-6")]


@pytest.mark.parametrize(
    ("written", "period"),
    [
        *((text, "2026-01-01..2026-03-31") for text in (
            "2026-Q1", "2026Q1", "Q1 2026", "q1/2026", "1. Quartal 2026", "T1 2026",
            "1e kwartaal 2026", "Quarter 1, 2026", "1st quarter 2026", "2026 Q1",
        )),
        ("Q4 2026", "2026-10-01..2026-12-31"),
        ("2026", "2026-01-01..2026-12-31"),
        *((text, "2026-03") for text in (
            "03/2026", "3.2026", "Mar-2026", "M\u00e4rz 2026", "mrt 2026", "2026-03",
        )),
    ],
)  # fmt: skip
def test_periods_as_vendors_write_them(
    tmp_path: Path, written: str, period: str
) -> None:
    line = GOOD.replace("2025-06-01", f'"{written}"')
    (read,) = lines_of(tmp_path, f"{HEADER}\n{line}\n".encode())
    assert read.period == period
