"""What has no address of its own making: how far the tables are, and a file's audit."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema_rs
import psycopg
import pytest
from openpyxl import Workbook
from prometheus_client.parser import text_string_to_metric_families
from psycopg.types.json import Jsonb

from seat_ledger.cli.api.openapi import document
from seat_ledger.cli.api.sent_files import WORKBOOK
from seat_ledger.cli.console.uploads import MOST_BYTES
from tests.api.api_server import Client, Replied, serving
from tests.console.served import HOSTILE_KEY
from tests.in_process import Program
from tests.program import PRO

STATUS, AUDIT = "/v1/projection/status", "/v1/invoice/audit"
HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"
LINE = f"acme,V-7,2025-04-05,2025-03-05,{PRO},62,90.00,5580.00\n"
OF_ANOTHER = LINE.replace("acme", "nobody")
PINNED = {"known_at": "80"}

Send = Callable[..., Replied]


@pytest.fixture
def send(api: Client) -> Send:
    def posted(body: bytes, kind: str = "text/csv", **params: Any) -> Replied:
        query = urlencode(params, doseq=True)
        return api.send("POST", f"{AUDIT}?{query}", body, **{"Content-Type": kind})

    return posted


def check_described(name: str, answered: Replied) -> None:
    schemas = {"components": document()["components"]}
    schema = {"$ref": f"#/components/schemas/{name}", **schemas}
    jsonschema_rs.validate(schema, answered.json())


def test_the_status_is_the_commands(program: Program, api: Client) -> None:
    answered = api.ask(STATUS)
    assert answered.status == 200, answered.text
    check_described("ProjectionStatus", answered)
    assert "ETag" not in answered.headers
    assert answered.headers["Cache-Control"] == "no-store"
    assert answered.json()["rows"] == program.json("projection", "status")["rows"]
    for form in ("csv", "jsonl"):
        done = program.run("projection", "status", "--format", form)
        assert api.ask(STATUS, format=form).text == done.out
    assert api.ask(STATUS, metrics="/tmp/x").problem() == (400, "invalid_input")
    assert api.post({}, STATUS).problem() == (405, "method_not_allowed")


def test_prometheus_reads_figures_and_no_names(program: Program, api: Client) -> None:
    """What stands in the nightly file, and how the server answers, by address."""
    api.ask("/v1/account/show", account="acme")
    api.ask("/v1/account/show", account="ann@acme.test")
    api.ask("/v1/ann@acme.test")
    answered = api.ask("/metrics")
    assert answered.status == 200, answered.text
    assert answered.headers["Content-Type"].startswith("text/plain")
    assert "acme" not in answered.text
    families = {
        family.name: family for family in text_string_to_metric_families(answered.text)
    }
    head = program.json("projection", "status")["rows"][0]["head"]
    (position,) = families["seat_ledger_store_position"].samples
    assert position.value == head
    assert "seat_ledger_renewals_due" in families
    counted = {
        (sample.labels["address"], sample.labels["status"]): sample.value
        for sample in families["seat_ledger_http_answers"].samples
        if sample.name.endswith("_total")
    }
    assert counted["/v1/account/show", "200"] >= 1
    assert counted["/v1/account/show", "404"] >= 1
    assert counted["other", "404"] >= 1
    assert api.post({}, "/metrics").problem() == (405, "method_not_allowed")


def test_figures_are_there_while_nothing_can_be_asked(program: Program) -> None:
    """Tables of another definition: how far they are is still known."""
    with psycopg.connect(program.conninfo, autocommit=True) as connection:
        saved = connection.execute(
            "SELECT number, versions FROM projection.generation WHERE state = 'served'"
        ).fetchone()
        assert saved is not None
        restore = "UPDATE projection.generation SET versions = %s WHERE number = %s"
        try:
            stale = {**saved[1], "journal": "of before"}
            connection.execute(restore, [Jsonb(stale), saved[0]])
            with serving(program.conninfo) as lately:
                assert lately.ask("/v1/account/list").status == 503
                answered = lately.ask("/metrics")
        finally:
            connection.execute(restore, [Jsonb(saved[1]), saved[0]])
    assert answered.status == 200
    assert "seat_ledger_store_position" in answered.text
    assert "seat_ledger_renewals_due" not in answered.text


@pytest.mark.parametrize("more", [{}, {"findings": "true"}, {"explain_file": "true"}])
@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_an_audit_is_the_commands(
    program: Program, send: Send, tmp_path: Path, more: dict[str, str], form: str
) -> None:
    """R62: byte for byte, also where the file names what the ledger does not have."""
    file = tmp_path / "lines.csv"
    file.write_text(HEADER + LINE + OF_ANOTHER)
    words = [f"--{name.replace('_', '-')}" for name in more]
    command = ("invoice", "audit", file, *words, "--known-at", "80")
    done = program.run(*command, "--format", form)
    answered = send(file.read_bytes(), **more, **PINNED, format=form)
    assert answered.status == 200, answered.text
    assert answered.text == done.out
    assert answered.headers.get("Seat-Ledger-Exit", "0") == str(done.status)
    if form == "json":
        check_described("InvoiceAudit", answered)


def test_a_workbook_is_read_and_options_are_the_commands(send: Send) -> None:
    book, content = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for line in (HEADER.replace("account", "Tenant"), LINE.replace("acme", "Acme!")):
        sheet.append(line.strip().split(","))
    book.save(content)
    options = {"column": "account=Tenant", "alias": "Acme!=acme", **PINNED}
    answered = send(content.getvalue(), WORKBOOK, **options)
    assert answered.status == 200, answered.text
    first = answered.json()["rows"][0]
    assert (first["account"], first["invoice"]) == ("acme", "V-7")


def test_what_cannot_be_audited_is_refused_and_nothing_is_recorded(
    program: Program, send: Send, api: Client
) -> None:
    head = program.json("event", "list", "--last", "1")["known_at"]["position"]
    good = (HEADER + LINE).encode()
    assert send(b"").problem() == (400, "invalid_input")
    assert send(b"\xff\xfe\x00").problem() == (400, "invalid_input")
    assert send(b"PK\x03\x04 cut off", WORKBOOK).problem() == (400, "invalid_input")
    assert send(good, "text/plain").problem() == (415, "unsupported_media_type")
    for name in ("keep", "report", "letter", "file", "prices", "language"):
        answered = send(good, **{name: "true"})
        assert answered.problem() == (400, "invalid_input"), name
    assert send(good, column="nothing").problem() == (400, "invalid_input")
    answered = send(b" " * (MOST_BYTES + 1))
    assert answered.problem() == (413, "body_too_large")
    assert api.ask(AUDIT).problem() == (405, "method_not_allowed")
    later = program.json("event", "list", "--last", "1")["known_at"]["position"]
    assert later == head


def test_a_token_of_an_account_audits_its_lines_alone(
    program: Program, api: Client
) -> None:
    """Another's line reads as that of an account which is none."""
    words = ("--actor", "system:billing", "--role", "reader", "--account", "acme")
    (token,) = program.json("token", "create", *words)["rows"]
    headers = {
        "Authorization": f"Bearer {token['token']}", "Content-Type": "text/csv"
    }  # fmt: skip

    def row_about(key: str) -> dict[str, Any]:
        lines = io.StringIO(HEADER)
        lines.seek(0, io.SEEK_END)
        for account in ("acme", key):
            csv.writer(lines).writerow([account, *LINE.strip().split(",")[1:]])
        body = lines.getvalue().encode()
        answered = api.send("POST", f"{AUDIT}?known_at=80", body, **headers)
        assert answered.status == 200, answered.text
        rows = answered.json()["rows"]
        assert {row["account"] for row in rows} == {"acme", key}
        return next({**row, "account": ""} for row in rows if row["account"] == key)

    assert row_about(HOSTILE_KEY) == row_about("nobody-at-all")
    for path in (STATUS, "/metrics"):
        answered = api.send("GET", path, **headers)
        assert answered.problem() == (403, "not_allowed")
