"""Bad input: a clear error, nothing half written, never a traceback."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.cli.options import environment
from tests.program import ANN, BUY, GIVE, OPEN, PRO, PROGRAM, Program
from tests.support.waiting import AT_MOST, wait_until


@pytest.fixture
def program(database: str) -> Program:
    return Program(database)


@pytest.fixture
def acme(program: Program) -> Program:
    done = program.lines(OPEN, BUY, ANN, GIVE)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def refusing(shared_database: str) -> Program:
    """The same, for tests that record nothing."""
    program = Program(shared_database)
    done = program.lines(OPEN, BUY, ANN, GIVE)
    assert done.returncode == 0, done.stderr
    return program


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
        (json.dumps(BUY)[:-1] + ', "quantity": 3}', 2),
        (json.dumps({**BUY, "reason": 'a "b"'})[:-1] + ', "reas\\u006fn": "c"}', 2),
        ('{"op": "batch", "account": "acme", "commands": [{"op": 1, "op": 2}]}', 2),
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
def test_a_bad_line_is_reported_with_its_number(
    refusing: Program, line: Any, status: int
) -> None:
    before = head(refusing)
    done = refusing.lines(line)
    assert done.returncode == status, done.stderr
    assert ":1:" in done.stderr
    assert "Traceback" not in done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert row["outcome"] == "refused"
    assert row["message"]
    assert head(refusing) == before


def test_quotes_emoji_and_line_breaks_read_back_as_entered(acme: Program) -> None:
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


def test_files_that_are_no_command_files(refusing: Program, tmp_path: Path) -> None:
    assert refusing.run("import", tmp_path).returncode == 2
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    done = refusing.run("import", empty)
    assert (done.returncode, "empty" in done.stderr) == (2, True)
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(b"{}"))
    done = refusing.run("import", packed)
    assert done.returncode == 2
    assert "compressed" in done.stderr
    assert refusing.run("import", tmp_path / "none").returncode == 2
    long = tmp_path / "long"
    long.write_bytes(b"x" * 3_000_000)
    done = refusing.run("import", long)
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
    out, _ = child.communicate(timeout=AT_MOST)
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
    wait_until(lambda: head(acme) >= 2000, every=0.05)
    child.send_signal(signal.SIGINT)
    _, message = child.communicate(timeout=AT_MOST)
    assert child.returncode == 130
    assert b"Traceback" not in message
    lines, part = divmod(head(acme) - 7, 3)
    assert part == 0
    file.write_text("".join(json.dumps(BUY) + "\n" for _ in range(lines + 50)))
    rows = acme.json("import", file)["rows"]
    outcomes = [row["outcome"] for row in rows]
    assert outcomes == ["repeated"] * lines + ["recorded"] * 50


def test_errors_as_json_stand_last_on_stderr(acme: Program) -> None:
    done = acme.run("seat", "who", f"{PRO}#99", "-a", "acme", "--format", "json")
    message = json.loads(done.stderr.splitlines()[-1])
    assert message["type"] == "error"
    assert (message["code"], message["exit"]) == ("seat_not_found", 1)
    assert done.returncode == 1


def test_an_unreachable_database_is_exit_10(program: Program) -> None:
    url = "postgresql://u:s3cret@127.0.0.1:1/x"
    program.environment["SEAT_LEDGER_DATABASE_URL"] = url
    for words in (("account", "list"), ("account", "renew", "-a", "x")):
        done = program.run(*words)
        assert done.returncode == 10
        assert "s3cret" not in done.stderr
        assert "Traceback" not in done.stderr
    done = program.run("doctor")
    assert done.returncode == 3
    assert done.stdout.count("127.0.0.1:1/x") == 1
    assert "s3cret" not in done.stdout


def test_a_named_database_is_migrated_only_when_requested(empty_database: str) -> None:
    program = Program(empty_database)
    assert program.run("account", "list").returncode == 12
    assert program.run("account", "renew", "-a", "x").returncode == 12
    assert program.run("db", "migrate").returncode == 0
    assert program.run("account", "list").returncode == 0


def test_a_newer_schema_is_reported(program: Program, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO ledger.schema_migration (number, name, digest) "
            "VALUES (999, 'later', 'x')"
        )
    done = program.run("seat", "buy", PRO, 1, "-a", "acme")
    assert done.returncode == 12
    assert "newer" in done.stderr
    for words in (("account", "list"), ("projection", "status"), ("db", "migrate")):
        assert program.run(*words).returncode == 12


def test_usage_errors_are_exit_2(program: Program) -> None:
    for words in (("seat",), ("seat", "bbuy"), ("seat", "buy", PRO, "many", "-a", "x")):
        assert program.run(*words).returncode == 2


def test_r78_a_position_beyond_the_head_is_refused(refusing: Program) -> None:
    words = ("seat", "list", "-a", "acme", "--known-at", "999", "--format", "json")
    done = refusing.run(*words)
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


SURROGATE = os.fsdecode(b"a\xffb")
LONG = "x" * 2001
TERM = (
    "--time-zone=UTC",
    "--term-start=2025-03-05",
    "--term-months=12",
    "--billing-cycle-months=1",
)
TEXTS = {
    "name": ("account", "open", "b", *TERM, "--name"),
    "account": ("account", "renew", "--account"),
    "reason": ("account", "renew", "-a", "acme", "--reason"),
    "actor": ("account", "renew", "-a", "acme", "--actor"),
    "key": ("account", "renew", "-a", "acme", "--idempotency-key"),
    "at": ("account", "renew", "-a", "acme", "--effective-at"),
    "e-mail": ("user", "add", "b", "-a", "acme", "--name", "B", "--email"),
    "user": ("user", "remove", "-a", "acme"),
    "hub": ("user", "grant", "ann", "-a", "acme"),
    "seat": ("seat", "assign", "ann", PRO, "-a", "acme", "--seat"),
    "entry key": ("event", "reverse", "-a", "acme", "--reason", "x", "--key"),
    "who": ("seat", "who", "-a", "acme", "--user"),
    "whose": ("seat", "list", "--account"),
    "find": ("user", "find"),
    "history": ("user", "history", "-a", "acme"),
    "as-of": ("seat", "list", "-a", "acme", "--as-of"),
    "login": ("account", "let-read", "-a", "acme"),
    "no reader": ("account", "stop-reading", "-a", "acme"),
    "readers": ("account", "readers", "--account"),
}  # fmt: skip


@pytest.mark.parametrize("field", TEXTS)
def test_no_way_in_takes_a_surrogate_or_an_over_long_text(
    refusing: Program, field: str
) -> None:
    before = head(refusing)
    for text in (SURROGATE, LONG):
        done = refusing.run(*TEXTS[field], text)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr) < 500
    assert head(refusing) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xff\xfe\n", "batch.jsonl:1: "),
        (b"[" * 100_000, "batch.jsonl:1: "),
        (gzip.compress(b"{}", mtime=0), "compressed"),
        (b'\n{"op": "buy_seats", "quantity": NaN}\n', "batch.jsonl:2: "),
        (b'\n{"op": "reverse", "entry": 1, "entry": 2}\n', "batch.jsonl:2: The field "),
        (b'{"op": "renew"}\n', "batch.jsonl:1: renew is not allowed in a batch"),
        (b'{"op": "remove_user", "user": "\\ud800"}\n', "batch.jsonl:1: "),
    ],
)
def test_a_batch_file_that_cannot_be_read(
    refusing: Program, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "batch.jsonl"
    file.write_bytes(content)
    done = refusing.run("batch", file, "-a", "acme")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ("", 2, "ticks.csv:1: the file is empty"),
        ("user,seat_type\nann,x\n", 2, "header"),
        (f"user,seat_type,ticked,mail\nann,{PRO},yes,a@b\n", 2, "column 'mail'"),
        (
            f"user,seat_type,ticked\nann,{PRO},maybe\n",
            2,
            "ticks.csv:2: refused (ticked = 'maybe'): ticked is yes or no.",
        ),
        (f"user,seat_type,ticked\nann,{PRO}\n", 2, "ticks.csv:2: "),
        (f"user,seat_type,ticked\na\0n,{PRO},yes\n", 2, "NUL"),
        (f"user,seat_type,ticked\nann,{PRO},no\nann,{PRO},yes\n", 2, "ticks.csv:3: "),
        (
            f"user,seat_type,ticked\nann@acme.example,{PRO},no\nann,{PRO},yes\n",
            2,
            "ticks.csv:3: the row differs from line 2 about 'ann'",
        ),
        ("user,seat_type,ticked\nann,sales/gold,no\n", 1, "seat type"),
        (f"user,seat_type,ticked\nnobody,{PRO},no\n", 1, "nobody"),
    ],
)
def test_a_file_of_ticks_that_cannot_be_saved(
    refusing: Program, tmp_path: Path, content: str, status: int, message: str
) -> None:
    file = tmp_path / "ticks.csv"
    file.write_text(content)
    done = refusing.run("seat", "save", file, "-a", "acme")
    assert (done.returncode, message in done.stderr) == (status, True), done.stderr


def test_an_import_that_failed_says_so_as_json_at_the_end(acme: Program) -> None:
    done = acme.lines("x")
    message = json.loads(done.stderr.splitlines()[-1])
    assert (message["code"], message["exit"]) == ("invalid_input", 2)
    assert "-:1:" in message["message"]
    words = ("import", "-", "--keep-going", "--format", "jsonl")
    done = acme.run(*words, input=f"x\n{json.dumps(BUY)}\n")
    message = json.loads(done.stderr.splitlines()[-1])
    assert (message["code"], message["exit"]) == ("lines_refused", 1)
    assert len(done.stdout.splitlines()) == 2


def in_a_shell(program: Program, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script.replace("PROGRAM", str(PROGRAM))],
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_import_whose_output_is_closed_says_that_it_stopped(acme: Program) -> None:
    script = (
        f"for n in $(seq 6000); do echo '{json.dumps(BUY)}'; done > \"$TMP\"; "
        'PROGRAM import "$TMP" --format jsonl | head -n 1; echo "${PIPESTATUS[0]}"'
    )
    done = in_a_shell(acme, f"TMP=$(mktemp); {script}; rm $TMP")
    assert done.stdout.splitlines()[-1] == "1"
    assert "output_closed" in done.stderr
    assert "nothing is recorded twice" in done.stderr


def test_an_output_that_is_full_or_closed_is_no_bug(acme: Program) -> None:
    done = in_a_shell(acme, "PROGRAM event list --format json > /dev/full")
    assert (done.returncode, "No space left" in done.stderr) == (1, True)
    done = in_a_shell(acme, "PROGRAM event list >&- 2>&-")
    assert done.returncode == 0


UNREADABLE = (
    *(("POOL_SIZE", value) for value in ("0", "-1", "x", "1.5", "1e3", "9" * 30)),
    *((name, "x") for name in sorted(environment.OF_STORE)),
)


def test_a_setting_that_cannot_be_read_is_refused_by_every_command(
    acme: Program,
) -> None:
    """Also by those that would not need it: it was meant to do something."""
    before = dict(acme.environment)
    for name, value in UNREADABLE:
        acme.environment = before | {environment.PREFIX + name: value}
        for words in (("seat", "list", "-a", "acme"), ("db", "status"), ("doctor",)):
            done = acme.run(*words)
            assert done.returncode == 2, (name, value, words)
            assert f"{name} is '{value[:20]}" in done.stderr
            assert "Try: unset " in done.stderr
    acme.environment = before | {"SEAT_LEDGER_POOL_SIZE": "", "TZ": "Nowhere/No"}
    done = acme.run("seat", "list", "-a", "acme")
    assert done.returncode == 0
    assert "Times in Europe/Amsterdam." in done.stdout
    acme.environment = before | {"SEAT_LEDGER_WITNES": "/mnt/elsewhere"}
    done = acme.run("doctor", "--format", "json")
    (row,) = (r for r in acme.parse(done)["rows"] if r["check"] == "environment")
    assert "SEAT_LEDGER_WITNES" in row["found"]
    assert row["try"]


def test_a_range_of_events_without_any_says_so(refusing: Program) -> None:
    for words, sentence in (
        (("--from-position", 99), "No events from position 99."),
        (
            ("--until-position", 0, "-a", "acme"),
            "No events of acme up to position 0.",
        ),
        (("--late",), "No late events."),
    ):
        assert refusing.run("event", "list", *words).stdout.startswith(sentence)
    done = refusing.run("event", "list", "--from-position", 3, "--until-position", 2)
    assert (done.returncode, "is before" in done.stderr) == (2, True)
