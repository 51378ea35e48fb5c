"""What idle seats cost, and what to give up by when (R15, R17, R91)."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.program import PRO, Program

START = "sales/starter"
TERM = {"term_months": 12, "billing_cycle_months": 1}
ON = ("-a", "e")


def line(op: str, at: str, **fields: Any) -> dict[str, Any]:
    return {"op": op, "account": "e", "effective_at": at, **fields}


def user(key: str, at: str) -> dict[str, Any]:
    return line("add_user", at, user=key, email=f"{key}@e.example", name=key)


def give(key: str, at: str) -> dict[str, Any]:
    return line("assign_seat", at, user=key, seat_type=PRO)


@pytest.fixture(scope="module")
def e(shared_database: str) -> Program:
    """Six seats from 5 March 2025 in Amsterdam; four held, one until 18 June 14:00."""
    program = Program(shared_database)
    begin = "2025-03-05"
    contract = {"term_start": begin, "time_zone": "Europe/Amsterdam", **TERM}
    opening = line("open_account", begin, name="E; BV, of", **contract)
    other = opening | {"account": "f", "name": "F", "term_start": "2025-05-01"}
    other |= {"effective_at": "2025-05-01"}
    users = [user(key, begin) for key in "abcd"]
    seats = [give(key, begin) for key in "abcd"]
    done = program.lines(
        opening,
        other,
        line("buy_seats", begin, seat_type=PRO, quantity=6),
        line("buy_seats", begin, seat_type=START, quantity=1),
        *users,
        *seats,
        line(
            "unassign_seat", "2025-06-18T14:00", user="d", seat_type=PRO, reason="left"
        ),
    )
    assert done.returncode == 0, done.stderr
    return program


PRICED = ("--unit-price", f"{PRO}=90.00", "--currency", "EUR")


def test_an_idle_seat_costs_its_dates_at_the_price_of_each_period(e: Program) -> None:
    words = ("billing", "idle", *ON, "--as-of", "2025-07-10", *PRICED)
    rows = {row["seat"]: row for row in e.json(*words)["rows"]}
    freed = rows[f"{PRO}#4"]
    # 17 of the 30 dates from 5 June: 51.00. 5 of the 31 from 5 July: 14.52.
    assert (freed["idle_days"], freed["amount"]) == (22, "65.52")
    # The other 26 of the 31 dates from 5 July: 75.48. Seven periods of 90.00 more.
    assert freed["amount_until_renewal"] == "705.48"
    assert (freed["renewal"], freed["days_until_renewal"]) == ("2026-03-05", 238)
    assert rows[f"{START}#1"]["amount"] is None
    text = e.run(*words).stdout
    cost = "They cost 814.56 EUR so far, and 2116.44 EUR more until 2026-03-05; 1 seat"
    assert f"{cost} not priced." in text


def test_an_idle_seat_of_a_period_costs_its_idle_dates(e: Program) -> None:
    words = ("billing", "idle", *ON, "--period", "2025-06", *PRICED)
    rows = {row["seat"]: row for row in e.json(*words)["rows"]}
    freed = rows[f"{PRO}#4"]  # held until 14:00 of the first date
    assert (freed["idle_days"], freed["amount"]) == (16, "48.00")
    assert rows[f"{PRO}#6"]["amount"] == "90.00"
    assert freed["amount_until_renewal"] is None
    unpriced = e.json(*words[:-4])["rows"]
    assert {row["amount"] for row in unpriced} == {None}


def test_one_price_for_two_types_is_refused(e: Program) -> None:
    done = e.run("billing", "idle", *ON, "--unit-price", "90", "--as-of", "2025-07")
    assert (done.returncode, f"{START}=90.00" in done.stderr) == (2, True)


def test_advice_keeps_what_was_needed_lately_and_says_what_is_saved(
    e: Program,
) -> None:
    words = ("account", "advise", *ON, "--as-of", "2025-07-10", *PRICED)
    first, second = e.json(*words)["rows"]
    assert (first["seat_type"], first["purchased"], first["assigned"]) == (PRO, 6, 3)
    assert (first["most_held"], first["reduce_by"]) == (4, 2)  # four until 18 June
    assert first["reduce_before"] == "2026-03-04T23:00:00Z"
    assert (first["saved_per_period"], first["saved_per_term"]) == ("180.00", "2160.00")
    assert first["amount_until_renewal"] == "2116.44"  # of all three that nobody holds
    assert (second["reduce_by"], second["saved_per_term"]) == (1, None)
    text = e.run(*words).stdout
    assert text.startswith("e can give up 3 seats, before 5 March 2026 00:00 Europe")
    assert f"2160.00 EUR a term; 1 seat of them not priced ({START})." in text
    text = e.run("account", "advise", *ON, "--as-of", "2025-07-10").stdout
    assert "What that saves is not known: they are not priced." in text
    (ever, _) = e.json(*words, "--idle-for", 2**31)["rows"]  # more than there are
    assert (ever["most_held"], ever["reduce_by"]) == (4, 2)
    (lately, _) = e.json(*words, "--idle-for", "14")["rows"]
    assert (lately["most_held"], lately["reduce_by"]) == (3, 3)


def test_r19_what_is_advised_is_accepted_and_no_longer_advised_then(
    database: str,
) -> None:
    program = Program(database)
    soon = {"term_start": "2026-01-05", "term_months": 240, "billing_cycle_months": 1}
    opening = line("open_account", "2026-01-05", name="E", time_zone="UTC", **soon)
    buy = line("buy_seats", "2026-01-05", seat_type=PRO, quantity=5)
    lines = [user("a", "2026-01-05"), give("a", "2026-01-05")]
    assert program.lines(opening, buy, *lines).returncode == 0
    text = program.run("account", "advise", *ON).stdout
    command = text.split("Try: seat-ledger ")[1].strip()
    assert command == f"seat reduce {PRO} 4 --account e"
    assert program.run(*shlex.split(command)).returncode == 0
    (row,) = program.json("account", "advise", *ON)["rows"]
    assert (row["pending_reduction"], row["reduce_by"]) == (4, 0)
    assert "nothing to give up" in program.run("account", "advise").stdout


def test_renewals_are_in_order_and_within_a_time(e: Program) -> None:
    words = ("account", "renewals", "--as-of", "2025-12-10")
    first, second = e.json(*words)["rows"]
    assert (first["account"], first["date"], first["in_days"]) == (
        "e",
        "2026-03-05",
        85,
    )
    assert (second["account"], second["renewal"], second["available"]) == ("f", 1, 0)
    assert (first["purchased"], first["assigned"], first["available"]) == (7, 3, 4)
    (only,) = e.json(*words, "--within", "3mo", *ON)["rows"]
    assert only == first
    assert e.json(*words, "--within", "84d")["rows"] == []
    assert e.run(*words, "--within", "84d").stdout.startswith("No contract renews with")
    assert e.run(*words, "--within", "soon").returncode == 2


def test_r91_a_renewal_costs_each_period_of_its_term_at_the_price_of_its_start(
    e: Program, tmp_path: Path
) -> None:
    book = tmp_path / "prices.csv"
    lines = [f"{PRO},90.00,EUR,2025-03-05", f"{PRO},99.99,EUR,2026-09-05"]
    head = "seat_type,unit_price,currency,from"
    book.write_text("\n".join([head, *lines, ""]), "utf-8")
    words = ("account", "renewals", "--as-of", "2025-12-10", "--prices", book)
    document = e.json(*words, *ON)
    (row,) = document["rows"]
    # Six periods from 5 March 2026 of 6 seats at 90.00, then six at 99.99.
    assert (row["to_renew"], row["not_priced"]) == (7, 1)
    assert (row["unit_price"], row["currency"]) == (None, "EUR")
    assert row["amount"] == "6839.64"
    assert document["totals"] == [{"currency": "EUR", "amount": "6839.64"}]
    priced = [
        (line["period"], line["periods"], line["unit_price"], line["amount"])
        for line in row["renewal_lines"]
        if line["seat_type"] == PRO
    ]
    assert priced == [
        ("2026-03-05", 6, "90.00", "3240.00"),
        ("2026-09-05", 6, "99.99", "3599.64"),
    ]
    text = e.run(*words, *ON).stdout
    assert "The next term costs 6839.64 EUR; 1 seat not priced." in text
    line = f"{PRO}: 6 seats at 99.99 EUR for 6 periods from 2026-09-05: 3599.64 EUR."
    assert line in text
    assert f"{START}: 1 seat not priced." in text


def test_r93_a_renewal_without_a_price_is_not_counted_as_nothing(e: Program) -> None:
    words = ("account", "renewals", "--as-of", "2025-12-10")
    document = e.json(*words)
    assert document["totals"] == []
    assert {row["amount"] for row in document["rows"]} == {None}
    assert "Without prices nothing is said of money" in e.run(*words).stdout
    text = e.run(*words, *PRICED).stdout
    assert "Their next terms cost 6480.00 EUR; 1 seat not priced." in text
    assert "total EUR" in text


def test_renewals_go_into_a_calendar(e: Program, tmp_path: Path) -> None:
    file = tmp_path / "renewals.ics"
    words = ("account", "renewals", "--as-of", "2025-12-10", "--calendar")
    assert e.run(*words, file).returncode == 0
    text = file.read_bytes().decode()
    assert all(len(part.encode()) <= 75 for part in text.split("\r\n"))
    lines = text.replace("\r\n ", "").split("\r\n")
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 2
    assert "DTSTART;VALUE=DATE:20260305" in lines
    assert "SUMMARY:e: renewal 1\\, 4 seats unused" in lines
    assert any(
        row.startswith("DESCRIPTION:E\\; BV\\, of: 3 of 7 seats") for row in lines
    )
    assert lines.count("TRIGGER:-P30D") == 2
    assert "cost" not in text
    priced = tmp_path / "priced.ics"
    assert e.run(*words, priced, *PRICED).returncode == 0
    unfolded = priced.read_bytes().decode().replace("\r\n ", "")
    assert "The next term costs 6480.00 EUR\\; 1 seat not priced." in unfolded
    e.run(*words, file)
    assert file.read_bytes().decode() == text  # an entry keeps its UID: replaced
    assert e.run(*words, tmp_path / "renewals.csv").returncode == 2
