"""The end of a run: readers that leave, outputs that are full, closed or not UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.test_bad_input import in_a_shell
from tests.program import ANN, BUY, GIVE, OPEN, PROGRAM, Program

HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"
LINE = "acme,INV-{},2025-04-06,2025-03-05,sales/professional,{},90.00,900.00\n"
FORMS = ("table", "json", "jsonl", "csv")
NAME = "Ann Ångström 座席 🪑"
ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-16")


@pytest.fixture
def acme(database: str) -> Program:
    program = Program(database)
    ann = {**ANN, "name": NAME}
    assert program.lines(OPEN, BUY, ann, GIVE).returncode == 0
    return program


@pytest.fixture
def invoices(tmp_path: Path) -> Path:
    """A file of invoices that do not match, longer than a pipe holds."""
    file = tmp_path / "invoices.csv"
    file.write_text(HEADER + "".join(LINE.format(n, 7) for n in range(900)))
    return file


def left_alone(program: Program, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command whose reader is gone before it writes anything."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return program.run(*words, stdout=writing)
    finally:
        os.close(writing)


@pytest.mark.parametrize("form", FORMS)
def test_findings_are_the_same_whoever_reads_them(
    acme: Program, invoices: Path, form: str
) -> None:
    done = left_alone(acme, "invoice", "audit", invoices, "--format", form)
    assert (done.returncode, done.stderr) == (3, "")
    script = f"PROGRAM invoice audit {invoices} --format {form} | head -n 1"
    piped = in_a_shell(acme, f'{script}; echo "${{PIPESTATUS[0]}}"')
    assert piped.stdout.splitlines()[-1] == "3"
    assert piped.stderr == ""
    nothing = left_alone(acme, "event", "list", "--format", form)
    assert (nothing.returncode, nothing.stderr) == (0, "")


@pytest.mark.parametrize("form", FORMS)
def test_every_check_that_finds_ends_with_its_status(acme: Program, form: str) -> None:
    acme.environment["SEAT_LEDGER_DATABASE_URL"] = "postgresql://x@127.0.0.1:1/x"
    done = left_alone(acme, "doctor", "--format", form)
    assert (done.returncode, done.stderr) == (3, "")


def test_a_failure_that_nobody_can_read_is_still_one(acme: Program) -> None:
    for closed in ("2>&-", "2> /dev/full", "2> >(exec true)"):
        for words, status in (
            ("seat bbuy", 2),
            ("seat list -a nobody --format json", 1),
        ):
            done = in_a_shell(acme, f"PROGRAM {words} {closed}; echo $?")
            assert done.stdout == f"{status}\n", (closed, words, done.stderr)


@pytest.mark.parametrize("form", FORMS)
def test_a_full_output_is_reported_in_a_sentence(acme: Program, form: str) -> None:
    for words in ("event list", "help", "db url", "seat list -a acme"):
        options = [] if words in {"help", "db url"} else ["--format", form]
        with Path("/dev/full").open("wb") as full:
            done = acme.run(*words.split(), *options, stdout=full.fileno())
        assert done.returncode == 1, (words, done.stderr)
        assert "No space left on device" in done.stderr
        assert "bug" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_what_was_recorded_before_the_output_failed_is_reported(acme: Program) -> None:
    buy = "PROGRAM seat buy sales/starter 1 -a acme > /dev/full"
    done = in_a_shell(acme, buy)
    assert (done.returncode, "stays recorded" in done.stderr) == (1, True)
    rows = acme.json("seat", "list", "-a", "acme")["totals"]
    assert [row["seat_type"] for row in rows].count("sales/starter") == 1


CLOSED = {
    "<&-": (("seat list -a acme", 0), ("import - --format json", 2)),
    ">&-": (("event list --format json", 0), ("seat list -a nobody", 1)),
    "2>&-": (("seat list -a acme", 0), ("seat list -a nobody", 1)),
    ">&- 2>&-": (("seat list -a acme", 0), ("import - --format json", 2)),
    "<&- >&- 2>&-": (("event list --format json", 0), ("seat list -a nobody", 1)),
}


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("closed", CLOSED)
def test_a_stream_that_is_closed_at_the_start_is_no_bug(
    acme: Program, closed: str, every: bool
) -> None:
    all_calls = {call for calls in CLOSED.values() for call in calls}
    for words, status in all_calls if every else CLOSED[closed]:
        stdin = "" if "<&-" in closed else "< /dev/null"
        done = in_a_shell(acme, f"PROGRAM {words} {stdin} {closed}")
        assert done.returncode == status, (words, closed, done.stderr)
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_output_that_is_not_utf_8_cuts_nothing(
    acme: Program, encoding: str, every: bool
) -> None:
    def run(form: str) -> bytes:
        done = subprocess.run(
            [PROGRAM, "user", "list", "-a", "acme", "--format", form],
            env=acme.environment | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        return done.stdout

    codec = encoding if encoding == "utf-16" else "ascii"
    document = json.loads(run("json").decode(codec))
    assert [row["name"] for row in document["rows"]] == [NAME]
    assert "Ann " in run("table").decode(encoding)
    if every or encoding == ENCODINGS[-1]:
        (line,) = run("jsonl").decode(codec).splitlines()
        assert json.loads(line)["name"] == NAME
        assert NAME in run("csv").decode("utf-8")


@pytest.mark.parametrize("locale", ["C", "de_DE.ISO-8859-1", "no such one"])
def test_a_locale_that_is_not_utf_8_is_no_bug(acme: Program, locale: str) -> None:
    acme.environment |= {
        "LC_ALL": locale,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    assert acme.json("user", "list", "-a", "acme")["rows"][0]["name"] == NAME
    done = acme.run("user", "list", "-a", "acme")
    assert (done.returncode, done.stderr) == (0, "")
    failed = acme.run("user", "history", "Ångström", "-a", "acme", "--format", "json")
    message = json.loads(failed.stderr.splitlines()[-1])
    assert failed.returncode == message["exit"]
    assert failed.returncode in {1, 2}  # not found, or not readable in that locale


def test_a_file_name_that_is_no_text_can_be_reported(
    acme: Program, tmp_path: Path
) -> None:
    name = os.fsencode(tmp_path) + b"/a\xffb.csv"
    for form in FORMS:
        done = subprocess.run(
            [PROGRAM, "export", "journal", "--output", name, "--format", form],
            env=acme.environment,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        if form == "json":
            assert json.loads(done.stdout)["rows"][0]["file"].endswith("a\udcffb.csv")
