"""Whatever the console refuses, it refuses in the visitor's language, to the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from program import PRO
from served import Answered, Console, Filled, filled, serving

DUTCH = {"Accept-Language": "nl"}
HELD = {"account": "acme", "seat": f"{PRO}#1"}
FIGURE = {"account": "acme", "period": "2025-03-05", "seat_type": PRO}
EACH: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nowhere", {}),
    ("nowhere/at/all", {}),
    ("report.pdf", {"account": "acme"}),
    ("report.html", {}),
    ("report.html", {"account": "nobody"}),
    ("report.html", {"account": "acme", "period": "2025-03-07"}),
    ("account", {}),
    ("account", {"account": "nobody"}),
    ("account", {"account": "a/b"}),
    ("account", {"account": "acme", "as_of": "whenever"}),
    ("account", {"account": "acme", "as_of": "2025-02-30"}),
    ("account", {"account": "acme", "as_of": "2025-03-30 02:30"}),
    ("account", {"account": "acme", "as_of": "2025-10-26 02:30"}),
    ("account", {"account": "acme", "known_at": "whenever"}),
    ("account", {"account": "acme", "known_at": "999999"}),
    ("seat", {"account": "acme"}),
    ("seat", {**HELD, "seat": "seven"}),
    ("seat", {**HELD, "seat": "sales/gold#1"}),
    ("seat", {**HELD, "seat": f"{PRO}#99999"}),
    ("seat", {**HELD, "seat": f"{PRO}#0"}),
    ("who", {**HELD, "seat": f"{PRO}#99999"}),
    ("user", {"account": "acme"}),
    ("user", {"account": "acme", "user": "nobody"}),
    ("user", {"account": "acme", "user": "nobody@acme.test"}),
    ("event", {}),
    ("event", {"position": "x"}),
    ("event", {"position": "999999"}),
    ("event", {"position": "0"}),
    ("events", {"account": "acme", "type": "SeatStolen"}),
    ("events", {"account": "acme", "user": "nobody"}),
    ("events", {"account": "acme", "seat": "seven"}),
    ("events", {"account": "acme", "since": "whenever"}),
    ("events", {"account": "acme", "until": "whenever"}),
    ("events", {"account": "acme", "actor": "nobody"}),
    ("period", {"account": "acme"}),
    ("period", {"account": "acme", "period": "then"}),
    ("period", {"account": "acme", "period": "2025-03-07"}),
    ("period", {"account": "acme", "period": "2024-03-05"}),
    ("period", {"account": "acme", "period": "2099-03-05"}),
    ("explain", {"account": "acme", "period": "2025-03-05"}),
    ("explain", {**FIGURE, "seat_type": "sales/gold"}),
    ("explain", {**FIGURE, "seat_type": "gold"}),
    ("explain", {**FIGURE, "mode": "guessed"}),
    ("explain", {**FIGURE, "mode": "contracted", "granularity": "month"}),
    ("explain", {**FIGURE, "mode": "peak", "granularity": "day"}),
    ("explain", {**FIGURE, "unit_price": "dear"}),
    ("explain", {**FIGURE, "unit_price": "90", "currency": "EURO"}),
    ("explain", {**FIGURE, "unit_price": "-1"}),
    ("invoices", {"sort": "colour"}),
    ("invoices", {"skip": "-1"}),
    ("invoices", {"account": "nobody"}),
    ("invoice", {}),
    ("invoice", {"invoice": "INV-404"}),
    ("audit", {"invoice": "INV-404"}),
    ("idle", {"account": "acme", "unit_price": "x"}),
    ("idle", {"account": "acme", "unit_price": "sales/gold=9"}),
    ("idle", {"account": "acme", "unit_price": "9", "currency": "EURO"}),
    ("idle", {}),
    ("compare", {"account": "acme", "before": "whenever"}),
    ("compare", {"account": "acme", "before": "999999"}),
    ("compare", {"account": "acme", "before": "20", "unit_price": "sales/gold=9"}),
    ("compare", {}),
    ("compare", {"account": "acme", "before": "2", "unit_price": "9"}),
    ("renewals", {"within": "soon"}),
    ("renewals", {"account": "nobody"}),
    ("renewals", {"as_of": "9999-12-31"}),
    ("attention", {"kind": "noise"}),
    ("attention", {"known_at": "999999"}),
    ("search", {"q": "a" * 401}),
    ("search", {"q": "a\x01b"}),
    ("findings", {"sort": "colour"}),
    ("accounts", {"sort": "colour"}),
    ("users", {"account": "acme", "sort": "colour"}),
    ("seats", {"account": "acme", "sort": "colour"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def written(shared_database: str) -> Filled:
    return filled(shared_database)


@pytest.fixture(scope="module")
def console(written: Filled) -> Iterator[Console]:
    with serving(written.conninfo, "--quiet") as result:
        yield result


HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"
LINE = f"acme,V-1,2025-04-05,2025-03-05,{PRO},60,90.00,5400.00"


def bill(**cells: str) -> str:
    """A file of one line, in which some cells are others."""
    names = HEADER.split(",")
    values = dict(zip(names, LINE.split(","), strict=True)) | cells
    header = [*names, *(name for name in cells if name not in names)]
    return ",".join(header) + "\n" + ",".join(values[name] for name in header) + "\n"


BILLS: dict[str, tuple[str | bytes, dict[str, str]]] = {
    "empty": ("", {}),
    "header": (HEADER + "\n", {}),
    "columns": ("account,invoice,period\nacme,V-1,2025-03-05\n", {}),
    "a column": (bill().replace("issued_at", "issue"), {}),
    "an unused column": (bill(extra="x").replace("issued_at", "issue"), {}),
    "twice": (bill().replace("issued_at", "period"), {}),
    "NUL": (b"a\x00b\n", {}),
    "bytes": (HEADER.encode() + b"\n\xff\n", {}),
    "CR": (bill().replace("\n", "\r"), {}),
    "quotes": (HEADER + '\n"acme"x,\n', {}),
    "cells": (HEADER + "\nacme,V-1\n", {}),
    "long cell": (bill(invoice="x" * 3000), {}),
    "long line": (HEADER + "\n" + "x" * 1_000_001, {}),
    "long file": (HEADER + "\n" * 50_001, {}),
    "empty cell": (bill(quantity=""), {}),
    "word": (bill(quantity="many"), {}),
    "formula": (bill(quantity="=1+1"), {}),
    "thousands": (bill(quantity='"1,039"'), {}),
    "both signs": (bill(quantity='"1,5"', amount="2.50"), {}),
    "comma": (bill(quantity="1.039", unit_price='"2,50"', amount='"9,5"'), {}),
    "semicolons": (
        bill(quantity="1.039", unit_price="2", amount="3").replace(",", ";"), {}
    ),
    "range": (bill(period="2025-03..2025-04"), {}),
    "backwards": (bill(period="2025-04-04..2025-03-05"), {}),
    "date": (bill(period="2025-13-01"), {}),
    "label": (bill(period="March"), {}),
    "dotted": (bill(period="05.03.2025"), {}),
    "price": (bill(unit_price="-1"), {}),
    "mode": (bill(mode="guessed"), {}),
    "granularity": (bill(mode="contracted", granularity="month"), {}),
    "no granularity": (bill(mode="peak", granularity="day"), {}),
    "currency": (bill(currency="EURO"), {}),
    "issued": (bill(issued_at="yesterday"), {}),
    "issued never": (bill(issued_at="2025-02-30"), {}),
    "no such column": (bill(), {"columns": "amount=Total"}),
    "two columns": (bill(qty="1", seats="2").replace("quantity,", "", 1), {}),
    "not our column": (bill(), {"columns": "colour=Total"}),
    "not our default": (bill(), {"defaults": "colour=red"}),
    "no pair": (bill(), {"aliases": "oops"}),
    "date format": (bill(), {"date_format": "DD/MM"}),
    "not as format": (bill(period="5/3/2025"), {"date_format": "DD.MM.YYYY"}),
}  # fmt: skip


def english_in(page: Answered) -> list[str]:
    """What a page in Dutch marks as English."""
    main = re.search("<main.*</main>", page.text, re.DOTALL)
    return re.findall('lang="en"[^>]*>([^<]*)', main[0] if main else page.text)


@pytest.mark.parametrize(("page", "params"), EACH)
def test_a_page_is_refused_in_dutch(
    console: Console, page: str, params: dict[str, Any]
) -> None:
    in_dutch = console.get(page, headers=DUTCH, **params)
    in_english = console.get(page, **params)
    assert in_dutch.status == in_english.status >= 400
    assert english_in(in_dutch) == []
    assert answer_of(in_dutch) != answer_of(in_english)


def answer_of(page: Answered) -> list[str]:
    return re.findall('<h1>(.*?)</h1>|class="answer">(.*?)</p>', page.text, re.DOTALL)


@pytest.mark.parametrize("name", BILLS)
def test_a_file_is_refused_in_dutch(console: Console, name: str) -> None:
    content, fields = BILLS[name]
    raw = content if isinstance(content, bytes) else content.encode()
    page = console.send(raw, headers=DUTCH, **fields)
    assert page.status == 400, page.text
    assert 'role="alert"' in page.text
    assert english_in(page) == []


def test_what_was_understood_of_a_file_is_in_dutch(console: Console) -> None:
    """Names that the ledger does not have, columns, a default, and lines of totals."""
    lines = """Rekening;invoice;period;product;quantity;unit_price;amount;extra
acme;V-1;05.03.2025;Sales Professional;60;90,00;5400,00;x
acme;V-1;05.03.2025;Sales Profesional;1;90,00;90,00;x
Total;;;;;;5490,00;
Total;;;;;;1,00;
"""
    page = console.send(
        lines.encode(),
        headers=DUTCH,
        date_format="DD.MM.YYYY",
        columns="account=Rekening",
        defaults="issued_at=2025-04-05",
    )
    assert page.status == 200, page.text
    assert english_in(page) == []
    for words in ("Gescheiden door puntkomma", "Bedoelt u", "het telt niet mee",
                  "maar de regels erboven zijn samen", "in elke regel",
                  "Niet gebruikte kolommen", "Datums worden gelezen als"):  # fmt: skip
        assert words in page.text
