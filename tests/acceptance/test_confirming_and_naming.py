"""What must not be answered by chance, and texts that must stay one line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import click
import pytest

from seat_ledger.cli.main import program as tree
from seat_ledger.cli.output import logs
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer
from tests.program import ANN, BUY, OPEN, Program
from tests.property.test_fuzz_program import leaves


@pytest.fixture
def program(database: str) -> Program:
    created = Program(database)
    assert created.lines(OPEN, BUY, ANN).returncode == 0
    return created


def test_an_account_is_named_by_the_word_or_by_the_option(program: Program) -> None:
    assert program.lines({**OPEN, "account": "other"}).returncode == 0
    for verb in ("show", "renewals"):
        named = [("acme",), ("-a", "acme"), ("--account=acme",), ("acme", "-a", "acme")]
        words = [
            program.run("account", verb, *way, "--format", "jsonl") for way in named
        ]
        assert {done.returncode for done in words} == {0}, verb
        keys = [json.loads(done.stdout)["account"] for done in words]
        assert keys == ["acme"] * 4, verb
    done = program.run("account", "show", "acme", "-a", "other")
    assert done.returncode == 2
    assert "Two accounts are named, 'other' and 'acme'" in done.stderr
    new = ("--name", "N", "--time-zone", "UTC", "--term-start", "2025-03-05",
           "--term-months", 12, "--billing-cycle-months", 1)  # fmt: skip
    assert program.run("account", "open", "-a", "new", *new).returncode == 0


def test_what_is_of_another_account_is_not_shown_under_this_one(
    program: Program,
) -> None:
    assert program.lines({**OPEN, "account": "other"}).returncode == 0
    issue = ("invoice", "issue", "INV-1", "-a", "acme", "--period", "2025-03-05",
             "--unit-price", "sales/professional=9", "--currency", "EUR")  # fmt: skip
    assert program.run(*issue).returncode == 0
    for words in (
        ("invoice", "show", "INV-1"),
        ("invoice", "reproduce", "INV-1"),
        ("event", "show", "1"),
    ):
        assert program.run(*words, "-a", "acme").returncode == 0
        done = program.run(*words, "-a", "other")
        assert (done.returncode, "There is no" in done.stderr) == (1, True)
    for account, count in (("acme", "1 user matches"), ("other", "0 users match")):
        out = program.run("user", "find", "ann", "-a", account).stdout
        assert out.startswith(count)


def test_no_variable_of_the_environment_answers_that_no_help_names() -> None:
    for path, command in leaves(tree):
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.envvar:
                assert parameter.show_envvar, (path, parameter.name)
                assert not parameter.is_flag, (path, parameter.name)


def test_no_variable_confirms_what_cannot_be_undone(
    program: Program, tmp_path: Path
) -> None:
    erase = ("user", "erase", "ann", "-a", "acme", "--reason", "asked for")
    for name in ("USER_ERASE_YES", "ERASE_YES", "YES", "DB_DESTROY_YES", "DESTROY_YES"):
        program.environment[f"SEAT_LEDGER_{name}"] = "1"
    done = program.run(*erase, input="")
    assert (done.returncode, "--yes" in done.stderr) == (2, True)
    home = tmp_path / "home"
    home.mkdir()
    program.environment["SEAT_LEDGER_HOME"] = str(home)
    done = program.run("db", "destroy", input="")
    assert (done.returncode, "Nothing was done" in done.stderr) == (2, True)
    del program.environment["SEAT_LEDGER_DATABASE_URL"]
    done = program.run("db", "destroy", input="")
    assert (done.returncode, "Nothing was removed" in done.stderr) == (2, True)
    assert home.exists()


def test_a_home_folder_whose_name_no_server_can_keep_is_refused(
    program: Program, tmp_path: Path
) -> None:
    """The server starts there, and whoever started it waits for it in vain."""
    home = tmp_path / "a\nb"
    program.environment["SEAT_LEDGER_HOME"] = str(home)
    del program.environment["SEAT_LEDGER_DATABASE_URL"]
    for words in (("account", "list"), ("db", "start"), ("db", "destroy", "--yes")):
        done = program.run(*words)
        assert (done.returncode, "a line break" in done.stderr) == (2, True)
    assert not home.exists()


def test_a_line_break_in_a_name_makes_no_line_of_its_own(program: Program) -> None:
    forged = "Ann\nError: everything is lost\r\n\x1b[31mred"
    bob = {**ANN, "user": "bob", "email": "bob@acme.example", "name": forged}
    assert program.lines(bob).returncode in {0, 2}
    name = "Globex\nError: forged"
    globex = {**OPEN, "account": "globex", "name": name}
    assert program.lines(globex).returncode in {0, 2}
    for words in (
        ("user", "list", "-a", "acme"),
        ("user", "history", "bob", "-a", "acme"),
        ("user", "find", "Ann"),
        ("account", "show", "globex"),
        ("account", "list"),
        ("event", "list"),
        ("user", "add", "c\nError: forged", "-a", "acme"),
        ("seat", "list", "-a", "x\nError: forged"),
    ):
        done = program.run(*words)
        lines = (done.stdout + done.stderr).splitlines()
        begins = ("Error: everything", "everything is lost")
        assert not any(line.lstrip().startswith(begins) for line in lines), words
        assert not any(line.startswith("Error: forged") for line in lines), words
        assert "\x1b" not in done.stdout + done.stderr


def test_the_name_of_a_log_is_one_line(program: Program, tmp_path: Path) -> None:
    program.environment["SEAT_LEDGER_HOME"] = str(tmp_path / "home")
    for name in ("x\n", "x\ny", "a\x1b[31m", "a\x7f", "a b", ""):
        done = program.run("integrity", "seal", "--name", name)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert not list(tmp_path.rglob("integrity.key"))


def test_numbers_that_name_things_are_not_grouped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = [(name, lambda row, name=name: row[name]) for name in ("entry", "seats")]
    emit(Answer([{"entry": 1234567, "seats": 1234567}], columns), "table")
    fields = {"pid": 17968, "server": 180000, "events": 17968}
    pairs = [("", lambda part: part[0]), ("", lambda part: part[1])]
    emit(Answer(list(fields.items()), pairs), "table")  # type: ignore[arg-type]
    message = capsys.readouterr().out
    assert "1234567  " in message
    assert "1 234 567" in message.replace("\u202f", " ")
    assert "17968" in message
    assert "17 968" in message


def test_a_log_on_a_terminal_drives_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for is_terminal in (True, False):
        out = io.StringIO()
        monkeypatch.setattr("sys.stderr", out)
        monkeypatch.setenv("NO_COLOR", "1")
        log = logs.logger(as_json=not is_terminal)
        log.info("answered", path="/a\x1b]0;owned\x07\nfake line", actor="\x9b31m")
        message = out.getvalue()
        assert not set("\x1b\x07\x9b") & set(message)
        assert len(message.splitlines()) == 1
        if not is_terminal:
            assert json.loads(message)["path"].startswith("/a\x1b")
