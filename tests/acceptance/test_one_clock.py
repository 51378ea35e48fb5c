"""A table has one clock, and says once which it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.program import PRO, Program

ZONED = {
    "op": "open_account", "account": "z", "name": "Z", "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1,
}  # fmt: skip
UTC_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?Z")
TABLES = [
    "account show z",
    "billing counts -a z --period 2025-03",
    f"billing explain -a z --period 2025-03 --seat-type {PRO}",
    "billing idle -a z --period 2025-03",
    "billing idle -a z",
    "billing periods -a z",
    "billing policy -a z",
    "event list -a z",
    "event show 1",
    "event show 3",
    "event replay -a z",
    f"seat history {PRO}#1 -a z",
    "seat list -a z",
    f"seat who {PRO}#1 -a z --as-of 2025-04-01",
    "user history u -a z",
    "user list -a z",
    f"user access u {PRO} -a z",
]


@pytest.fixture(scope="module")
def program(shared_database: str) -> Program:
    result = Program(shared_database)
    at = {"account": "z", "effective_at": "2025-03-05T09:00:00+01:00"}
    done = result.lines(
        ZONED,
        {"op": "buy_seats", "seat_type": PRO, "quantity": 1, **at},
        {"op": "add_user", "user": "u", "email": "u@z.example", "name": "U", **at},
        {"op": "assign_seat", "user": "u", "seat_type": PRO, **at},
    )
    assert done.returncode == 0, done.stderr
    return result


def test_a_repeated_result_is_on_the_accounts_clock(program: Program) -> None:
    buy = f"seat buy {PRO} 1 -a z --effective-at 2025-04-01 --idempotency-key k"
    erase = "user erase gone -a z --yes --reason gdpr --idempotency-key e"
    add = "user add gone -a z --email gone@z.example --name G"
    assert program.run(*add.split()).returncode == 0
    for words in (buy, buy, erase, erase):
        done = program.run(*words.split())
        assert done.returncode == 0, done.stderr
        assert (" 2025-04-01 00:00 " in done.stdout) == (words == buy)
        assert done.stdout.count("Times in ") == 1
        assert "Times in UTC" not in done.stdout


@pytest.mark.parametrize("words", TABLES)
def test_a_table_is_on_the_accounts_clock(program: Program, words: str) -> None:
    done = program.run(*words.split())
    assert done.returncode == 0, done.stderr
    assert not UTC_TIME.search(done.stdout), done.stdout
    assert done.stdout.count("Times in ") == 1
    assert "Times in Europe/Amsterdam." in done.stdout


def test_the_journal_shows_local_times_and_json_stays_utc(program: Program) -> None:
    words = ("event", "list", "-a", "z", "--from-position", "4")
    assert "2025-03-05 09:00" in program.run(*words).stdout
    (row,) = [
        row for row in program.json(*words)["rows"] if row["event"] == "SeatAssigned"
    ]
    assert row["effective_at"] == "2025-03-05T08:00:00Z"
    assert row["recorded_at"].endswith("Z")


def test_a_command_echoes_on_the_accounts_clock(program: Program) -> None:
    words = ("seat", "buy", PRO, "1", "-a", "z", "--effective-at", "2025-06-01 10:00")
    for more in ((), ("--dry-run",)):
        message = program.run(*words, *more).stdout
        assert "2025-06-01 10:00" in message
        assert "Times in Europe/Amsterdam." in message
        assert not UTC_TIME.search(message)
    events = program.json(*words, "--dry-run")["rows"]
    assert events[0]["effective_at"] == "2025-06-01T08:00:00Z"
    assert not UTC_TIME.search(program.run("event", "show", "2").stdout)


REFUSED = {
    f"seat assign u {PRO} -a z --effective-at 2024-03-06": "2025-03-05 00:00; nothing "
    "can be effective at 2024-03-06 00:00.",
    f"seat unassign u {PRO} -a z --effective-at 2025-03-05": "2025-03-05 00:00: they",
    f"seat assign v {PRO} --seat {PRO}#1 -a z --effective-at 2025-10-26T01:30Z": (
        "u and v at 2025-10-26 02:30+01:00"
    ),
    "user remove v -a z --effective-at 2099-01-01": "2099-01-01 00:00 is more than",
}


def test_a_refusal_is_on_the_accounts_clock(program: Program) -> None:
    """With the offset where clocks show a time twice."""
    at = "2025-03-05T09:00:00+01:00"
    words = ("--email", "v@z.example", "--name", "V", "--effective-at", at)
    assert program.run("user", "add", "v", "-a", "z", *words).returncode == 0
    for refused, part in REFUSED.items():
        done = program.run(*refused.split())
        assert done.returncode == 1, (refused, done.stdout)
        message = done.stderr.split("Try: ")[0]
        assert part in message
        assert message.count("Times in Europe/Amsterdam.") == 1
        assert not UTC_TIME.search(message), message


def test_a_change_of_zone_is_stated(program: Program) -> None:
    words = ("account", "set-time-zone", "Asia/Tokyo", "-a", "z", "--effective-at",
             "2025-10-01")  # fmt: skip
    assert "Times in Europe/Amsterdam, from 2025-10-01 in Asia/Tokyo." in (
        program.run(*words).stdout
    )


def test_an_audit_of_one_account_is_on_its_clock(
    program: Program, tmp_path: Path
) -> None:
    file = tmp_path / "bill.csv"
    line = f"2025-04-05,2025-03-05,{PRO},1,1,1"
    head = "invoice,account,issued_at,period,seat_type,quantity,unit_price,amount"
    for accounts, clock in (("z", "Europe/Amsterdam"), ("zq", "UTC"), ("q", "UTC")):
        lines = [f"I1,{account},{line}" for account in accounts]
        file.write_text("\n".join([head, *lines]))
        table = program.run("invoice", "audit", file).stdout
        assert f"Times in {clock}" in table, accounts


@pytest.mark.parametrize(
    ("zone", "key"), [("Pacific/Auckland", "east"), ("America/Los_Angeles", "west")]
)
def test_in_a_list_of_several_accounts_their_dates_are_their_own(
    program: Program, zone: str, key: str, tmp_path: Path
) -> None:
    """R04: a renewal, or a price, begins with a local date wherever it is read."""
    opened = {**ZONED, "account": key, "time_zone": zone, "term_start": "2025-03-31"}
    price = {
        "op": "set_price", "account": key, "seat_type": PRO, "unit_price": "9.00",
        "currency": "EUR",
    }  # fmt: skip
    done = program.lines(
        opened,
        {**price, "effective_at": "2025-03-31"},
        {**price, "unit_price": "8.00", "effective_at": "2025-04-30T12:30:00"},
    )
    assert done.returncode == 0, done.stderr
    row = line_of(program, "account list --as-of 2025-06-01", key)
    assert row.split()[-1] == "2026-03-31"
    assert UTC_TIME.search(row) is None
    first, second = lines_of(program, "price history", key)
    assert f" 2025-03-31 2025-04-30 12:30 {zone} " in " ".join(first.split())
    assert f" 2025-04-30 12:30 {zone} " in second
    bill = tmp_path / "bill.csv"
    bill.write_text(
        "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"
        f"{key},I,2025-05-01,2025-03-31,{PRO},1,1,1\n"
    )
    done = program.run("invoice", "audit", bill, "--explain-file")
    assert f"Times in {zone}." in done.stdout


def test_r91_the_price_of_an_amount_has_a_date_of_the_account(
    program: Program,
) -> None:
    on, at = {"account": "noon"}, "2025-03-05"
    buy = {"op": "buy_seats", **on, "seat_type": PRO, "quantity": 1, "effective_at": at}
    price = {"op": "set_price", **on, "seat_type": PRO, "unit_price": "9.00"}
    price |= {"currency": "EUR", "effective_at": at}
    opened = {**ZONED, **on, "time_zone": "Europe/Amsterdam", "term_start": at}
    done = program.lines({**opened, "effective_at": at}, buy, price)
    assert done.returncode == 0, done.stderr
    of_type = ("-a", "noon", "--seat-type", PRO)
    for words in (("counts", "--all"), ("explain", *of_type)):
        text = program.run("billing", *words, "--period", at).stdout
        assert f"Prices: {PRO} 9.00 EUR from {at}, the account's own" in text, words


def line_of(program: Program, words: str, key: str) -> str:
    return lines_of(program, words, key)[0]


def lines_of(program: Program, words: str, key: str) -> list[str]:
    """The lines of a list that are about an account."""
    text = program.run(*words.split()).stdout
    return [line for line in text.splitlines() if f" {key} " in line]
