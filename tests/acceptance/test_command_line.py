"""The real command: what it prints, and how it ends, for good input and bad."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

PROGRAM = Path(sys.executable).parent / "seat-ledger"
PRO = "sales/professional"


class Program:
    """The program over one database."""

    def __init__(self, conninfo: str) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "SEAT_LEDGER_DATABASE_URL": conninfo,
        }

    def run(self, *words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *map(str, words)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    def json(self, *words: Any) -> dict[str, Any]:
        done = self.run(*words, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lines(self, *commands: dict[str, Any] | str) -> Any:
        text = "".join(
            (c if isinstance(c, str) else json.dumps(c)) + "\n" for c in commands
        )
        return self.run("import", "-", "--format", "json", input=text)


@pytest.fixture
def program(database: str) -> Program:
    return Program(database)


OPEN = {
    "op": "open_account",
    "account": "acme",
    "name": "Acme BV",
    "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}
BUY = {
    "op": "buy_seats",
    "account": "acme",
    "seat_type": PRO,
    "quantity": 3,
    "effective_at": "2025-03-05",
}
ANN = {
    "op": "add_user",
    "account": "acme",
    "user": "ann",
    "email": "ann@acme.example",
    "name": "Ann",
    "effective_at": "2025-03-05",
}
GIVE = {
    "op": "assign_seat",
    "account": "acme",
    "user": "ann",
    "seat_type": PRO,
    "effective_at": "2025-03-06",
}


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


def test_seat_who_answers_in_the_contracts_shape(acme: Program) -> None:
    words = ("seat", "who", f"{PRO}#1", "--account", "acme")
    document = acme.json(*words, "--as-of", "2025-03-10")
    assert document["schema_version"] == 1
    assert document["as_of"] == "2025-03-09T23:00:00Z"
    assert document["known_at"]["position"] == 7
    (row,) = document["rows"]
    assert list(row) == ["account", "seat", "purchased", "holder"]
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


# -- bad input: a clear error, nothing half written, no traceback --


def head(program: Program) -> int:
    conninfo = program.environment["SEAT_LEDGER_DATABASE_URL"]
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
    return row[0]


def field(**fields: Any) -> dict[str, Any]:
    return {**GIVE, **fields}


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('{"op": "buy_se', 2),
        ("[1, 2]", 2),
        ({"op": "fly", "account": "acme"}, 2),
        ({**BUY, "colour": "red"}, 2),
        ({**BUY, "quantity": 0}, 2),
        ({**BUY, "quantity": -1}, 2),
        ({**BUY, "quantity": 10**9}, 2),
        ({**BUY, "quantity": 1.5}, 2),
        ({**BUY, "account": "nobody"}, 1),
        ({**BUY, "seat_type": "sales/gold"}, 1),
        ({**BUY, "effective_at": "2999-01-01"}, 1),
        ({**BUY, "effective_at": "2025-03-30 02:30"}, 1),
        ({**BUY, "effective_at": "tomorrow-ish"}, 2),
        ({**GIVE, "user": "nobody"}, 1),
        ({**GIVE, "actor": "user:nobody"}, 1),
        ({**GIVE, "actor": "ann"}, 2),
        ({**OPEN, "account": "b", "time_zone": "Europe/Atlantis"}, 1),
        ({**ANN, "user": "bob", "email": "not an address"}, 1),
        ({**ANN, "user": "b b", "email": "b@acme.example"}, 2),
        ({**ANN, "user": "bob", "email": "b@acme.example", "name": "B\x00b"}, 2),
        ({**ANN, "user": "bob", "email": "b@acme.example", "name": "B" * 2001}, 2),
        ('{"op": "renew", "account": "acme", "reason": "\\ud800"}', 2),
        ({**GIVE, "reason": "x\x00"}, 2),
        ({**GIVE, "idempotency_key": "x\x00"}, 2),
        ({"op": "reverse", "account": "acme", "entry": 2**70, "reason": "x"}, 2),
    ],
)
def test_a_bad_line_is_told_with_its_number(
    acme: Program, line: Any, status: int
) -> None:
    before = head(acme)
    done = acme.lines(line)
    assert done.returncode == status, done.stderr
    assert ":1:" in done.stderr
    assert "Traceback" not in done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert row["outcome"] == "refused"
    assert row["message"]
    assert head(acme) == before


def test_quotes_emoji_and_line_breaks_come_back_as_given(acme: Program) -> None:
    reason = '"it\'s" — 🎈\nsecond\tline'
    words = ("seat", "unassign", "ann", PRO, "-a", "acme")
    acme.json(*words, "--effective-at", "2025-04-01", "--reason", reason)
    (row,) = acme.json("event", "list", "--from-position", 8)["rows"]
    assert row["reason"] == reason
    table = acme.run("event", "list", "--from-position", 8)
    assert "\tline" not in table.stdout


def test_terminal_escapes_are_shown_harmless(acme: Program) -> None:
    words = ("seat", "unassign", "ann", PRO, "-a", "acme", "--reason", "\x1b[31mred")
    done = acme.run(*words, "--effective-at", "2025-04-01")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in acme.run("event", "list").stdout


def test_an_expected_refusal_is_met(acme: Program) -> None:
    taken = {**GIVE, "seat": f"{PRO}#1", "expect": "refused"}
    assert acme.lines(taken).returncode == 0
    done = acme.lines({**BUY, "expect": "refused"})
    assert done.returncode == 1
    assert json.loads(done.stdout)["rows"][0]["code"] == "expected_refusal"


def test_an_import_stops_at_a_refusal_or_keeps_going(acme: Program) -> None:
    lines = (BUY, {**GIVE, "user": "nobody"}, BUY)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = acme.run("import", "-", "--format", "json", input=text)
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["rows"]) == 2
    done = acme.run("import", "-", "--format", "json", "--keep-going", input=text)
    assert done.returncode == 1
    outcomes = [row["outcome"] for row in json.loads(done.stdout)["rows"]]
    assert outcomes == ["repeated", "refused", "recorded"]


def test_files_that_are_no_command_files(acme: Program, tmp_path: Path) -> None:
    assert acme.run("import", tmp_path).returncode == 2
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    done = acme.run("import", empty)
    assert (done.returncode, "empty" in done.stderr) == (0, True)
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(b"{}"))
    done = acme.run("import", packed)
    assert done.returncode == 2
    assert "compressed" in done.stderr
    assert acme.run("import", tmp_path / "none").returncode == 2
    long = tmp_path / "long"
    long.write_bytes(b"x" * 3_000_000)
    done = acme.run("import", long)
    assert done.returncode == 2
    assert len(done.stderr) < 1000


def test_a_huge_file_is_streamed(acme: Program) -> None:
    def endless() -> Iterator[bytes]:
        renew = {"op": "renew", "account": "acme", "effective_at": "2025-03-07"}
        line = json.dumps(renew).encode() + b" " * 1000 + b"\n"
        for _ in range(30_000):
            yield line

    child = subprocess.Popen(
        [PROGRAM, "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=acme.environment,
    )
    for line in endless():
        child.stdin.write(line)
    peak = int(
        next(
            line.split()[1]
            for line in Path(f"/proc/{child.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
    )
    out, _ = child.communicate(timeout=60)
    assert b"30,000 recorded" in out
    assert peak < 300_000


def test_a_broken_pipe_is_quiet(acme: Program) -> None:
    acme.lines(*[{**BUY, "quantity": 3000}])
    command = f"{PROGRAM} event list --format jsonl | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command],
        env=acme.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_an_interrupted_import_resumes(acme: Program, tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text("".join(json.dumps(BUY) + "\n" for _ in range(40_000)))
    child = subprocess.Popen(
        [PROGRAM, "import", file],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=acme.environment,
    )
    while head(acme) < 2000:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in told
    assert (head(acme) - 7) % 3 == 0
    file.write_text("".join(json.dumps(BUY) + "\n" for _ in range(4000)))
    rows = acme.json("import", file)["rows"]
    assert rows[0]["outcome"] == "repeated"


def test_errors_as_json_stand_last_on_stderr(acme: Program) -> None:
    done = acme.run("seat", "who", f"{PRO}#99", "-a", "acme", "--format", "json")
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["type"] == "error"
    assert (told["code"], told["exit"]) == ("seat_not_found", 1)
    assert done.returncode == 1


def test_an_unreachable_database_is_exit_10(program: Program) -> None:
    url = "postgresql://u:s3cret@127.0.0.1:1/x"
    program.environment["SEAT_LEDGER_DATABASE_URL"] = url
    for words in (("account", "list"), ("account", "renew", "-a", "x")):
        done = program.run(*words)
        assert done.returncode == 10
        assert "s3cret" not in done.stderr
        assert "Traceback" not in done.stderr


def test_a_named_database_is_migrated_only_when_asked(empty_database: str) -> None:
    program = Program(empty_database)
    assert program.run("account", "list").returncode == 12
    assert program.run("account", "renew", "-a", "x").returncode == 12
    assert program.run("db", "migrate").returncode == 0
    assert program.run("account", "list").returncode == 0


def test_a_newer_schema_is_told(program: Program, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO ledger.schema_migration (number, name, digest) "
            "VALUES (999, 'later', 'x')"
        )
    done = program.run("seat", "buy", PRO, 1, "-a", "acme")
    assert done.returncode == 12
    assert "newer" in done.stderr
    assert program.run("account", "list").returncode == 12


def test_usage_errors_are_exit_2(program: Program) -> None:
    for words in (("seat",), ("seat", "bbuy"), ("seat", "buy", PRO, "many", "-a", "x")):
        assert program.run(*words).returncode == 2


def test_r78_a_position_beyond_the_head_is_refused(acme: Program) -> None:
    words = ("seat", "list", "-a", "acme", "--known-at", "999", "--format", "json")
    done = acme.run(*words)
    assert done.returncode == 1
    assert json.loads(done.stderr)["code"] == "position_beyond_head"


def test_an_erasure_asks_first_and_leaves_nobody_to_be_read(program: Program) -> None:
    assert program.lines(OPEN, BUY, ANN).returncode == 0
    erase = ("user", "erase", "ann", "-a", "acme", "--reason", "asked for")
    unanswered = program.run(*erase, input="")
    assert (unanswered.returncode, "--yes" in unanswered.stderr) == (2, True)
    declined = program.run(*erase, input="n\n")
    assert (declined.returncode, "Ann" in declined.stderr) == (1, True)
    dry = program.run(*erase, "--dry-run")
    assert (dry.returncode, "Would record 1 event" in dry.stdout) == (0, True)
    done = program.json(*erase, "--yes")
    assert done["erased"].startswith("erased-")
    assert [row["user"] for row in done["rows"]] == [done["erased"]]
    assert program.run(*erase, "--yes").returncode == 1
    again = program.json("user", "erase", done["erased"], *erase[3:], "--yes")
    assert (again["rows"], again["erased"]) == ([], done["erased"])
    listed = program.json("event", "list")["rows"]
    assert {row["user"] for row in listed if row["user"]} == {done["erased"]}
    in_file = program.lines({"op": "erase_user", "account": "acme", "user": "ann"})
    assert (in_file.returncode, "user erase" in in_file.stderr) == (2, True)
