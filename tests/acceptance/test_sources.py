"""From a vendor's file to an answer, by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seat_ledger.sources.shipped import shipped_text
from tests.program import Program
from tests.sources.exported import EXPORTS

AUDIT = "github-copilot-audit"
PRO = "sales/professional"
OPENED = {
    "op": "open_account",
    "account": "acme",
    "name": "Acme BV",
    "time_zone": "UTC",
    "term_start": "2026-10-01",
    "term_months": 12,
    "billing_cycle_months": 1,
}
REPORT = (
    "date,product,sku,quantity,unit_type,applied_cost_per_quantity,net_amount,"
    "organization\n"
    "2026-10-30,copilot,copilot_business,0.0645161290,seats,19.00,1.2258064510,org\n"
    "2026-10-31,copilot,copilot_business,0.0645161290,seats,19.00,1.2258064510,org\n"
)


@pytest.fixture
def program(database: str) -> Program:
    return Program(database)


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """The mapping of the audit log, for a seat type that every catalogue has."""
    file = tmp_path / "sales.toml"
    file.write_text(shipped_text(AUDIT).replace("copilot/business", PRO))
    return file


def test_a_log_becomes_commands_and_the_commands_answers(
    program: Program, sales: Path, tmp_path: Path
) -> None:
    log = EXPORTS / f"{AUDIT}.jsonl"
    done = program.run("convert", log, "--with", sales, "--account", "acme")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "6 rows read: 3 mapped, 3 ignored, 0 refused.",
        "  ignored 1: access ends with the cycle; copilot.cfb_seat_cancelled says when "
        "it did",
        "  ignored 1: says what is intended; copilot.cfb_seat_added says who holds a "
        "seat",
        "  ignored 1: the same row again",
    ]
    commands = json.dumps(OPENED) + "\n" + done.stdout
    for outcomes in (["recorded"] * 4, ["repeated"] * 4):
        file = tmp_path / "commands.jsonl"
        file.write_text(commands)
        rows = program.json("import", file)["rows"]
        assert [row["outcome"] for row in rows] == outcomes
    (row,) = program.json("seat", "who", f"{PRO}#1", "--account", "acme",
                          "--as-of", "2026-10-30T12:00:00Z")["rows"]  # fmt: skip
    assert row["holder"]["user"] == "gh-4001"
    assert row["holder"]["email"] == "4001+mokafor@users.noreply.github.com"
    assert row["holder"]["assigned_by"]["actor"] == "system:github-77"


def test_r82_a_row_that_no_rule_names_leaves_nothing_to_import(
    program: Program, sales: Path
) -> None:
    content = (EXPORTS / f"{AUDIT}.jsonl").read_text()
    content += content.splitlines()[-1].replace("seat_added", "seat_lost") + "\n"
    done = program.run("convert", "-", "--with", sales, "-a", "acme", input=content)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "7 rows read: 4 mapped, 2 ignored, 1 refused."
    assert lines[-2] == (
        "Error: -:7: no rule names this row: action = 'copilot.cfb_seat_lost'."
    )


def test_a_log_without_a_row_is_converted_and_that_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "log.jsonl"
    empty.touch()
    for words in (("okta-system-log",), ("github-copilot-audit",)):
        done = Program("").run("convert", empty, "--with", *words, "-a", "acme")
        assert (done.returncode, done.stdout) == (0, "")
        assert "the file has none" in done.stderr
        assert "An export that failed looks the same" in done.stderr


def test_convert_needs_no_database() -> None:
    program = Program("postgresql://nobody@127.0.0.1:1/nothing")
    log = EXPORTS / f"{AUDIT}.jsonl"
    assert program.run("convert", log, "--with", AUDIT).returncode == 0
    for words in (("list",), ("show", AUDIT), ("check", log), ("draft", log)):
        done = program.run("source", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_source_check_tells_a_file_that_fits_from_one_that_does_not(
    program: Program, tmp_path: Path
) -> None:
    log = EXPORTS / f"{AUDIT}.jsonl"
    (row,) = program.json("source", "check", log)["rows"]
    assert row == {"name": AUDIT, "kind": "events", "fits": True, "reads": True,
                   "problem": None}  # fmt: skip
    bad = tmp_path / "bad.jsonl"
    bad.write_text(log.read_text().replace("cfb_seat_added", "cfb_seat_lost"))
    done = program.run("source", "check", bad)
    assert done.returncode == 2
    assert "has the columns of github-copilot-audit, and a row stops it" in done.stdout
    other = tmp_path / "an other.csv"
    other.write_text("a,b\n1,2\n")
    done = program.run("source", "check", other)
    assert done.returncode == 1
    assert "fits no shipped mapping" in done.stdout
    assert f"seat-ledger source draft '{other}'" in done.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the-file:1: the file is empty."),
        (b"[]", "the-file has no row that says what its fields are."),
        (b'[{"id":1},{"i', "the-file:1: this is not JSON"),
        ('{"id":1}'.encode("utf-16-le"), "the-file:1: the file holds NUL bytes"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_fits_nothing_for_that_reason(
    program: Program, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "the-file"
    file.write_bytes(content)
    for words in ("check", "draft"):
        done = program.run("source", words, file)
        assert done.returncode == 2
        assert message in done.stderr
        assert not done.stdout


def test_a_shipped_mapping_can_be_copied_and_changed(program: Program) -> None:
    done = program.run("source", "show", AUDIT, "--toml")
    assert done.stdout == shipped_text(AUDIT)
    assert program.run("source", "show", "nothing").returncode == 2
    page = program.run("source", "show", AUDIT).stdout
    assert page.startswith("# github-copilot-audit: ")


def test_a_bill_is_converted_and_audited(program: Program, tmp_path: Path) -> None:
    mapping, bill, commands, lines = (
        tmp_path / name for name in ("m.toml", "b.csv", "c.jsonl", "l.csv")
    )
    mapping.write_text(
        shipped_text("github-usage-report").replace("copilot/business", PRO)
    )
    bill.write_text(REPORT)
    bought = {"op": "buy_seats", "account": "acme", "seat_type": PRO, "quantity": 2,
              "effective_at": "2026-10-30"}  # fmt: skip
    commands.write_text("\n".join(map(json.dumps, (OPENED, bought))))
    assert program.run("import", commands).returncode == 0
    words = ("invoice", "convert", bill, "--with", mapping, "-a", "acme")
    done = program.run(*words, "--issued-at", "2026-11-02T00:00:00Z")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        f"acme,github-2026-10,2026-11-02T00:00:00Z,2026-10-01,{PRO},0.129032,19.00,2.45,"
        "USD"
    )
    assert (
        f"2026-10, {PRO}: no row for 29 of 31 dates, the first is 2026-10-01."
        in done.stderr
    )
    lines.write_text(done.stdout)
    (row,) = program.json("invoice", "audit", lines)["rows"]
    assert (row["verdict"], row["ledger_amount"]) == ("match", "2.45")


def test_a_bill_is_audited_as_it_comes(program: Program, tmp_path: Path) -> None:
    """R65: what has other bounds than the ledger's period is a finding in words."""
    names = ("m.toml", "b.csv", "c.jsonl")
    mapping, bill, commands = (tmp_path / name for name in names)
    mapping.write_text(
        shipped_text("github-usage-report").replace("copilot/business", PRO)
    )
    bill.write_text(REPORT)
    bought = {"op": "buy_seats", "account": "acme", "seat_type": PRO, "quantity": 2,
              "effective_at": "2026-10-30"}  # fmt: skip
    shifted = {**OPENED, "account": "shifted", "term_start": "2026-09-05"}
    commands.write_text("\n".join(map(json.dumps, (OPENED, bought, shifted))))
    assert program.run("import", commands).returncode == 0
    words = ("invoice", "audit", bill, "--with", mapping)
    issued = ("--set", "issued_at=2026-11-02T00:00:00Z")
    acme = ("--set", "account=acme")

    shown = program.run(*words, *issued, *acme, "--explain-file")
    assert shown.returncode == 0, shown.stderr
    for text in (
        "Read by the mapping",
        "2 rows read: 2 mapped",
        "no row for 29 of 31 dates",
        "2026-10-01..2026-10-31",
        f"--with {mapping}",
    ):
        assert text in shown.stdout
    (row,) = program.json(*words, *issued, *acme)["rows"]
    assert (row["line"], row["verdict"]) == (2, "match")
    assert (row["period"], row["ledger_amount"]) == ("2026-10-01", "2.45")

    done = program.run(*words, *issued, "--set", "account=shifted", "--findings")
    assert done.returncode == 3, done.stderr
    found = " ".join(done.stdout.split())
    assert "2026-10-01 to 2026-10-31" in found, done.stdout
    own = "2026-09-05 to 2026-10-04 and 2026-10-05 to 2026-11-04"
    assert f"its own there are {own}." in found

    text = mapping.read_text().replace('[account]\nfrom = "{organization}"', "")
    mapping.write_text(text)
    for more, refusal in (
        (acme, "--set issued_at="),
        (issued, "add --set account="),
        ((*issued, *acme, "--date-format", "DD.MM.YYYY"), "leave out --column"),
        ((*issued, *acme, "--set", "quantity=1"), "the mapping says quantity"),
    ):
        done = program.run(*words, *more)
        assert done.returncode == 2, more
        assert refusal in done.stderr


def test_a_month_that_is_no_period_is_refused_with_both_named(
    program: Program, tmp_path: Path
) -> None:
    bill, commands = tmp_path / "b.csv", tmp_path / "c.jsonl"
    bill.write_text(REPORT)
    commands.write_text(json.dumps({**OPENED, "term_start": "2026-09-05"}))
    assert program.run("import", commands).returncode == 0
    words = ("invoice", "convert", bill, "--with", "github-usage-report", "-a", "acme")
    done = program.run(*words, "--issued-at", "2026-11-02T00:00:00Z")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "b.csv:2: the vendor bills the month 2026-10; the period of acme is that of 30 "
        "days from 2026-09-05." in done.stderr
    )
    bill.write_text(REPORT.replace("2026-10", "2099-10"))
    done = program.run(*words, "--issued-at", "2026-11-02T00:00:00Z")
    assert "bills the month 2099-10; acme has no period then that has" in done.stderr
    unknown = program.run(*words[:-1], "nobody", "--issued-at", "2026-11-02T00:00:00Z")
    assert unknown.returncode == 1
