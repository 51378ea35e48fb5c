"""The real command: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

from tests.program import ANN, BUY, GIVE, OPEN, PRO, PROGRAM, Program
from tests.support.waiting import AT_MOST


@pytest.fixture
def program(database: str) -> Program:
    return Program(database)


@pytest.fixture
def acme(program: Program) -> Program:
    done = program.lines(OPEN, BUY, ANN, GIVE)
    assert done.returncode == 0, done.stderr
    return program


def test_import_tells_each_line(program: Program) -> None:
    done = program.lines(OPEN, BUY)
    rows = json.loads(done.stdout)["rows"]
    assert rows[0] == {
        "line": 1,
        "op": "open_account",
        "outcome": "recorded",
        "positions": [1],
        "code": None,
        "message": None,
    }
    assert rows[1]["positions"] == [2, 3, 4]


def test_the_same_file_again_longer_repeats_nothing(program: Program) -> None:
    program.lines(OPEN, BUY)
    rows = json.loads(program.lines(OPEN, BUY, ANN).stdout)["rows"]
    assert [row["outcome"] for row in rows] == ["repeated", "repeated", "recorded"]
    assert rows[1]["positions"] == [2, 3, 4]


def test_who_writes_lines_as_they_arrive_hears_of_each(program: Program) -> None:
    child = subprocess.Popen(
        [PROGRAM, "import", "-", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=program.environment,
    )
    watchdog = threading.Timer(AT_MOST, child.kill)
    watchdog.start()
    message = []
    for command in (OPEN, BUY):
        child.stdin.write(json.dumps(command).encode() + b"\n")
        child.stdin.flush()
        message.append(json.loads(child.stdout.readline())["positions"])
    child.communicate()
    watchdog.cancel()
    assert (child.returncode, message) == (0, [[1], [2, 3, 4]])


def test_seat_who_answers_in_the_contracts_shape(acme: Program) -> None:
    words = ("seat", "who", f"{PRO}#1", "--account", "acme")
    document = acme.json(*words, "--as-of", "2025-03-10")
    assert document["schema_version"] == 1
    assert document["as_of"] == "2025-03-09T23:00:00Z"
    assert document["known_at"]["position"] == 7
    (row,) = document["rows"]
    assert list(row) == ["account", "seat", "purchased", "holder", "windows"]
    holder = row["holder"]
    assert holder["user"] == "ann"
    assert holder["held_from"] == "2025-03-05T23:00:00Z"
    assert holder["held_until"] is None
    assert holder["assigned_by"]["actor"] == "system:import"
    assert holder["unassigned_by"] is None


def test_r79_as_known_before_it_was_bought(acme: Program) -> None:
    words = ("seat", "who", f"{PRO}#1", "--account", "acme", "--as-of", "2025-03-10")
    (row,) = acme.json(*words, "--known-at", "1")["rows"]
    assert (row["purchased"], row["holder"]) == (False, None)


def test_every_reading_command_answers_in_every_format(acme: Program) -> None:
    account = ("--account", "acme")
    for words in (
        ("seat", "list", *account),
        ("seat", "history", f"{PRO}#1", *account),
        ("seat", "who", "--user", "ann", *account),
        ("user", "list", *account),
        ("user", "find", "ANN"),
        ("user", "history", "ann@ACME.example", *account),
        ("user", "access", "ann", PRO, *account),
        ("account", "list"),
        ("account", "show", "acme"),
        ("event", "list"),
        ("event", "show", "1"),
        ("event", "replay", *account),
        ("billing", "periods", *account),
        ("billing", "counts", "--all", "--period", "2025-03"),
    ):
        for form in ("table", "json", "jsonl", "csv"):
            done = acme.run(*words, "--format", form)
            assert done.returncode == 0, (words, done.stderr)
            assert done.stdout.strip(), words
            assert "\x1b" not in done.stdout


def test_billing_counts_in_the_contracts_shape(acme: Program) -> None:
    words = ("billing", "counts", "--account", "acme", "--period", "2025-03-05")
    (row,) = acme.json(*words, "--unit-price", f"{PRO}=90.00")["rows"]
    assert list(row) == [
        "account",
        "seat_type",
        "period",
        "from",
        "until",
        "days",
        "seconds",
        "complete",
        "mode",
        "granularity",
        "opening",
        "purchased",
        "retired",
        "closing",
        "quantity",
        "quantity_exact",
        "assigned_opening",
        "assigned_peak",
        "assigned_closing",
        "idle_seat_days",
        "unit_price",
        "amount",
        "forecast",
        "price_for",
        *("currency", "price_source", "price_entry", "price_since", "price_parts"),
        *(
            f"{figure}_{end}"
            for figure in (
                "quantity",
                "assigned_opening",
                "assigned_peak",
                "assigned_closing",
                "idle_seat_days",
                "amount",
            )
            for end in ("least", "most")
        ),
    ]
    assert (row["quantity"], row["quantity_exact"], row["amount"]) == (
        "3",
        "3/1",
        "270.00",
    )


def test_commands_record_and_print_positions(acme: Program) -> None:
    words = ("seat", "unassign", "ann", PRO, "-a", "acme", "--reason", "moved")
    dry = acme.json(*words, "--dry-run")
    assert dry["rows"][0]["position"] is None
    document = acme.json(*words, "--effective-at", "2025-04-01")
    assert document["rows"][0]["event"] == "SeatUnassigned"
    assert document["positions"] == [8]


def test_r73_the_same_command_by_command_line_and_file(acme: Program) -> None:
    key = {"idempotency_key": "k"}
    command = {"op": "grant_hub_access", "account": "acme", "user": "ann"}
    rows = json.loads(acme.lines({**command, "hub": "service", **key}).stdout)["rows"]
    words = ("user", "grant", "ann", "service", "-a", "acme")
    document = acme.json(*words, "--idempotency-key", "k")
    assert document["repeated"]
    assert document["positions"] == rows[0]["positions"]


def test_seat_save_is_one_batch(acme: Program, tmp_path: Path) -> None:
    bob = {**ANN, "user": "bob", "email": "bob@acme.example"}
    assert acme.lines(bob).returncode == 0
    file = tmp_path / "wished.csv"
    file.write_text(f"user,seat_type,ticked\nann,{PRO},no\nbob,{PRO},yes\n")
    done = acme.run("seat", "save", file, "-a", "acme")
    assert done.returncode == 0, done.stderr
    held = acme.json("seat", "who", "--user", "bob", "-a", "acme")["rows"]
    assert [row["seat"] for row in held] == [f"{PRO}#1"]
    again = acme.run("seat", "save", file, "-a", "acme")
    assert "Nothing to do" in again.stdout


def test_r95_seat_save_renames_whom_its_file_calls_otherwise(
    acme: Program, tmp_path: Path
) -> None:
    """By the key, which stays; without those columns nobody is renamed."""
    bob = {**ANN, "user": "bob", "email": "bob@acme.example", "name": "Bob"}
    assert acme.lines(bob).returncode == 0
    file = tmp_path / "wished.csv"
    file.write_text(
        "user;seat_type;ticked;email;name\n"
        f"ann;{PRO};no;;\n"
        f"bob;{PRO};yes;robert@acme.example;Robert\n"
        "bob;service/starter;no;;\n"
    )
    rows = acme.json("seat", "save", file, "-a", "acme")["rows"]
    changes = {(row["event"], row["user"]) for row in rows}
    assert changes >= {
        ("SeatUnassigned", "ann"),
        ("UserRenamed", "bob"),
        ("SeatAssigned", "bob"),
    }
    (seat,) = acme.json("seat", "who", "--user", "bob", "-a", "acme")["rows"]
    assert seat["holder"]["email"] == "robert@acme.example"
    assert seat["holder"]["name"] == "Robert"
    assert "Nothing to do" in acme.run("seat", "save", file, "-a", "acme").stdout
    file.write_text(f"user,seat_type,ticked,name\nROBERT@acme.example,{PRO},yes,Rob\n")
    (row,) = acme.json("seat", "save", file, "-a", "acme")["rows"]
    assert (row["event"], row["data"]["name"]) == ("UserRenamed", "Rob")


def test_r23_seat_save_buys_nothing_and_moves_nobody(
    acme: Program, tmp_path: Path
) -> None:
    """A tick for another type of the hub needs the first one unticked by word."""
    file = tmp_path / "wished.csv"
    starter = "sales/starter"
    file.write_text(f"user,seat_type,ticked\nann,{starter},yes\n")
    words = ("seat", "save", file, "-a", "acme", "--effective-at", "2025-06-01")
    done = acme.run(*words)
    assert (done.returncode, f"No seat of {starter}" in done.stderr) == (1, True)
    bought = ("seat", "buy", starter, "1", "-a", "acme", "--effective-at")
    acme.json(*bought, "2025-05-01")
    done = acme.run(*words)
    assert (done.returncode, PRO in done.stderr) == (1, True), done.stderr
    file.write_text(f"user,seat_type,ticked\nann,{starter},yes\nann,{PRO},no\n")
    rows = acme.json(*words)["rows"]
    assert {row["event"] for row in rows} == {"SeatUnassigned", "SeatAssigned"}


@pytest.mark.parametrize("words", [("account", "list"), ("event", "list")])
def test_a_database_that_is_typed_goes_before_the_environments(
    acme: Program, empty_database: str, words: tuple[str, ...]
) -> None:
    """Wherever it is typed: before the command, or behind it."""
    here = acme.environment["SEAT_LEDGER_DATABASE_URL"]
    acme.environment["SEAT_LEDGER_DATABASE_URL"] = empty_database
    typed, away = ("--database", here), ("--database", empty_database)
    for form in ((*typed, *words), (*words, *typed), (*away, *words, *typed)):
        assert "acme" in acme.run(*form).stdout
    nothing = acme.run(*words, "--database", "")
    assert nothing.returncode == 2
    assert "names no database" in nothing.stderr


def test_an_error_names_the_options_that_are_typed(acme: Program) -> None:
    """Where a file gives fields, a command line has options of other names."""
    words = {
        ("user", "rename", "ann"): "Give --key, --email or --name.",
        ("user", "add", "x", "--name", "X"): "The field --email is missing.",
        ("seat", "buy", PRO, "0"): "QUANTITY is '0'",
        ("account", "change-contract", "--renewal", "1"): "Give --term-months,",
        ("invoice", "issue", "I-1"): "Give either --period or --corrections-only.",
    }
    for command, text in words.items():
        done = acme.run(*command, "--account", "acme")
        assert (done.returncode, text in done.stderr) == (2, True), done.stderr
