"""A vendor's invoices audited by upload: read in memory, or refused in a sentence."""

from __future__ import annotations

import base64
import functools
import http.client
import io
import re
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from html import unescape
from pathlib import Path

import pytest
from openpyxl import Workbook
from program import PRO, Program
from served import Answered, Console, filled, serving

from tests.support.waiting import AT_MOST

VENDORS = """Customer;Invoice number;Invoice date;Billing period;Product;Qty;Price;Total
acme;V-7;05.04.2025;05.03.2025 - 04.04.2025;Sales Professional;62;90,00;5580,00
acme;V-7;05.04.2025;05.03.2025 - 04.04.2025;Service Starter;1,0323;18,00;18,58
Total;;;;;;;5598,58
"""
DOTTED = {"date_format": "DD.MM.YYYY"}
LINE = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"


@pytest.fixture(scope="module")
def ledger(shared_database: str) -> str:
    filled(shared_database)
    return shared_database


@pytest.fixture(scope="module")
def console(ledger: str) -> Iterator[Console]:
    with serving(ledger, "--quiet") as result:
        yield result


def words_of(page: Answered) -> str:
    main = page.text[page.text.index("<main") : page.text.index("</main>")]
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", main).split()))


def letters(page: Answered) -> dict[str, str]:
    """What the page carries to be taken away, by name."""
    held = re.findall(r'<a download="([^"]*)" href="data:[^,]*,([^"]*)"', page.text)
    return {unescape(name): base64.b64decode(text).decode() for name, text in held}


def test_from_a_vendors_file_to_a_letter(console: Console) -> None:
    """R62: semicolons, other headers, ranges of dates, a total; the findings first."""
    page = console.send(VENDORS.encode(), "vendor.csv", **DOTTED)
    assert page.status == 200, words_of(page)
    text = words_of(page)
    assert "1 of 2 lines matches; 1 over" in text
    assert "62 sales/professional billed, but the ledger has 60" in text
    assert text.index("The vendor owes") < text.index("1 line matches")
    assert ":4: a total of 5,598.58, which is right" in text
    taken = letters(page)
    assert taken.keys() == {
        "letter-vendor.html", "letter-vendor.md", "audit-vendor.csv"
    }  # fmt: skip
    assert "Please credit 180.00" in taken["letter-vendor.md"]
    assert taken["letter-vendor.html"].startswith("<!DOCTYPE html>")
    lines = console.output_of
    assert lines("finding", "list")["rows"]  # those of the story, and no more
    assert len(lines("finding", "list")["rows"]) == 1


def test_the_twin_of_the_command(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "vendor.csv"
    file.write_text(VENDORS)
    taken = letters(console.send(VENDORS.encode(), "vendor.csv", **DOTTED))
    command = ("invoice", "audit", file, "--date-format", "DD.MM.YYYY")
    printed = Program(console.conninfo).run(*command, "--format", "csv").stdout
    assert taken["audit-vendor.csv"].splitlines() == printed.splitlines()


def test_a_workbook_and_an_earlier_state(console: Console) -> None:
    book = Workbook()
    book.active.append(LINE.strip().split(","))
    book.active.append(
        ["acme", "V-8", "2025-04-05", "2025-03-05", PRO, 60, "90.00", "5400.00"]
    )
    book.active.append(
        [
            "acme",
            "V-8",
            "2025-04-05",
            "2025-03-05",
            "service/starter",
            "1.0323",
            18,
            18.58,
        ]
    )
    held = io.BytesIO()
    book.save(held)
    page = console.send(held.getvalue(), "bill.xlsx")
    assert "All 2 lines match the ledger" in words_of(page)
    page = console.send(held.getvalue(), "bill", params={"known_at": 3, "lang": "nl"})
    assert "up to entry 3" not in page.text
    assert "lang=nl" in page.text
    assert "known_at=3" in page.text


def test_what_cannot_be_read_is_said_beside_the_form(console: Console) -> None:
    page = console.send(VENDORS.encode(), "vendor.csv", columns="amount=Total")
    assert page.status == 400
    text = words_of(page)
    assert "vendor.csv:2" in text
    assert "“How it writes dates” DD.MM.YYYY" in text
    assert "amount=Total</textarea>" in page.text
    dutch = console.send(b"", "empty.csv", params={"lang": "nl"})
    assert dutch.status == 400
    assert "Bestand controleren" in dutch.text
    assert console.send(b"x", columns="oops").status == 400
    assert 'role="alert"' in console.send(b"\x00\x01\x02", "noise.csv").text


@functools.cache
def bomb() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (80 << 20))
    return held.getvalue()


def entities() -> bytes:
    book = Workbook()
    book.active.append(["account"])
    held, hostile = io.BytesIO(), io.BytesIO()
    book.save(held)
    with zipfile.ZipFile(held) as source, zipfile.ZipFile(hostile, "w") as target:
        for member in source.infolist():
            text = source.read(member)
            if "sheet1" in member.filename:
                entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
                text = text.replace(b"<worksheet", entity + b"<worksheet", 1)
            target.writestr(member, text)
    return hostile.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        (bomb, "bomb.xlsx", "unpacks to more than 64 MiB"),
        (bomb, "bomb.csv", "unpacks to more than 64 MiB"),
        (lambda: b"PK\x03\x04 cut", "cut.xlsx", "is a damaged workbook"),
        (entities, "entities.xlsx", "declares entities of its own"),
        (lambda: b"<html>", "page.xlsx", "is not a workbook"),
        (lambda: b"%PDF-1.7 \x00\xff", "bill.pdf", "the file is not UTF-8"),
        (lambda: LINE.encode() + b"\n" * 50_001, "long.csv", "more than 50,000 rows"),
    ],
    ids=["bomb", "bomb by another name", "cut", "entities", "page", "pdf", "long"],
)
def test_a_hostile_file_is_refused_with_a_sentence(
    console: Console, content: Callable[[], bytes], name: str, text: str
) -> None:
    page = console.send(content(), name)
    assert page.status == 400
    assert text in words_of(page)
    assert "root:" not in page.text
    assert "<form" in page.text


def posted(
    console: Console, headers: dict[str, str], body: bytes = b""
) -> tuple[int, str]:
    """A request that no form of ours makes."""
    at = urllib.parse.urlsplit(console.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=AT_MOST)
    connection.putrequest("POST", "/check")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    with suppress(BrokenPipeError, ConnectionResetError):  # it may be refused before
        connection.send(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_a_form_of_another_site_is_not_read(console: Console) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "0"}
    own = {**kind, "Origin": console.url}
    for headers in (
        kind,
        {**kind, "Origin": "null"},
        {**kind, "Origin": "https://elsewhere.example"},
        {**own, "Sec-Fetch-Site": "cross-site"},
        {**own, "Sec-Fetch-Site": "same-site"},
        {**own, "Sec-Fetch-Site": "none"},
    ):
        status, text = posted(console, headers)
        assert status == 403, headers
        assert "did not come from a page of this server" in text
    assert posted(console, {**kind, "Sec-Fetch-Site": "same-origin"})[0] == 400
    assert console.send(b"x", token="1.0").status == 400
    old = console.send(b"x", token="9999999999.abc")
    assert "not of this server" in old.text


def test_a_body_that_is_too_long_is_not_read(console: Console) -> None:
    own = {"Origin": console.url, "Content-Type": "multipart/form-data; boundary=x"}
    status, text = posted(console, {**own, "Content-Length": str(100 << 20)})
    assert (status, "more than 5 MiB" in text) == (413, True)
    status, _ = posted(console, {**own, "Transfer-Encoding": "chunked"})
    assert status == 411
    kind = {"Origin": console.url, "Content-Type": "text/csv", "Content-Length": "1"}
    assert posted(console, kind, b"x")[0] == 415


def test_nothing_else_takes_a_post(console: Console) -> None:
    for address in ("account", "check.json", "checked", ""):
        answer = console.get(address, method="POST")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


def test_only_of_accounts_that_one_may_see(ledger: str) -> None:
    """R76: a file that names another account says nothing of whether it is there."""
    options = ("--trusted-proxy", "127.0.0.1", "--accounts-header", "X-Accounts")
    line = "{},V-7,2025-04-05,2025-03-05,sales/professional,60,90.00,5400.00\n"
    with serving(ledger, *options, "--quiet") as proxied:
        who = {"X-Forwarded-User": "ann", "X-Accounts": "acme"}
        mine = proxied.send((LINE + line.format("acme")).encode(), headers=who)
        assert "1 of 1 line matches; 1 missing" in words_of(mine)
        texts = []
        for key in ("%3Cb%3E", "nowhere"):
            lines = LINE + line.format(urllib.parse.unquote(key))
            answer = proxied.send(lines.encode(), headers=who)
            assert answer.status == 404
            texts.append(answer.text)
        assert texts[0] == texts[1]
        token = re.findall(r'name="token" value="([^"]*)"',
                           proxied.get("check", headers=who).text)[0]  # fmt: skip
        other = {**who, "X-Forwarded-User": "bob"}
        assert proxied.send(b"x", headers=other, token=token).status == 400


def test_people_are_hidden_in_findings_too(ledger: str) -> None:
    rule = "mode,granularity"
    lines = LINE.strip() + f",{rule}\n"
    lines += f"acme,V-9,2025-08-06,2025-07-05,{PRO},9,90.00,810.00,peak,\n"
    with serving(ledger, "--redact", "--quiet") as redacted:
        page = redacted.send(lines.encode())
        assert page.status == 200, words_of(page)
        assert "user-" in page.text
        taken = "".join(letters(page).values())
        for name in ("grace", "Grace", "ann@"):
            assert name not in words_of(page)
            assert name not in taken
