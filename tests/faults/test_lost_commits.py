"""The reply to a COMMIT, or its request, is lost, and the server stays away.

What is said then claims no more than is known; JSON is whole; and the way on that is
named works: by the command line, and from Python.
"""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger import SeatLedger
from seat_ledger.cli.commands import import_file
from seat_ledger.commands import execution
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import OutcomeUnknown
from seat_ledger.importing import chunk as chunks
from tests.faults.proxy import Proxy
from tests.in_process import Done, Program
from tests.oracle.stored import damage
from tests.program import BUY, PRO

LINES = "".join(json.dumps({**BUY, "quantity": 1}) + "\n" for _ in range(6))
KEY = ("--idempotency-key", "k")
BOTH = pytest.mark.parametrize("what", ["the reply", "the request"])


@pytest.fixture
def proxy(acme: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(execution, "_pause", lambda *_: 0.0)
    monkeypatch.setattr(chunks, "PAUSE", 0.0)
    monkeypatch.setenv("SEAT_LEDGER_IMPORT_CHUNK", "2")
    with Proxy(acme) as result:
        result.not_waited_for(monkeypatch)
        yield result


def lose(proxy: Proxy, what: str, of: bytes = b"ledger.begin_append") -> None:
    """Lose the next COMMIT of an append, and all connections with it."""
    proxy.lose, proxy.of, proxy.is_final, proxy.lost = what, of, True, 0


def count(conninfo: str, table: str = "stored_events") -> int:
    with psycopg.connect(conninfo) as connection:
        statement = f"SELECT count(*) FROM ledger.{table}"
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def unknown(done: Done) -> dict[str, Any]:
    """The failure of a command of which nobody can tell what became."""
    assert done.status == 10, done.err
    message: dict[str, Any] = json.loads(done.err.splitlines()[-1])
    assert message["code"] == "outcome_unknown", message
    assert "Nothing" not in message["message"]
    assert "not recorded" not in message["message"]
    assert "/catalogue" not in done.err
    return message


@BOTH
def test_r73_a_lost_commit_of_a_command_is_unknown_until_it_is_repeated(
    proxy: Proxy, acme: str, tmp_path: Path, what: str
) -> None:
    steps = tmp_path / "steps.jsonl"
    steps.write_text(json.dumps({k: BUY[k] for k in BUY if k != "account"}) + "\n")
    program = Program(proxy.conninfo, tmp_path)
    of_acme = ("-a", "acme")
    for n, words in enumerate(
        (
            ("seat", "buy", PRO, 2, *of_acme),
            ("batch", steps, *of_acme),
            ("seat", "assign", "ann", PRO, *of_acme),
        )
    ):
        keyed = (*words, *KEY[:1], f"k{n}", "--format", "json")
        before = count(acme)
        lose(proxy, what)
        message = unknown(program.run(*keyed))
        assert proxy.lost == 1
        assert "repeat it with the same idempotency key" in message["try"]
        written = count(acme) - before
        assert (written > 0) == (what == "the reply"), words
        proxy.is_final = False
        assert program.run(*keyed).status == 0
        once = count(acme) - before
        assert once in {written, once if what == "the request" else written}
        assert program.run(*keyed).status == 0
        assert count(acme) - before == once > 0
    assert damage(acme) == []


@BOTH
def test_a_lost_commit_without_a_key_names_where_to_look(
    proxy: Proxy, acme: str, tmp_path: Path, what: str
) -> None:
    """Nor is a chore repeated blindly: it would be put together from another state."""
    wishes = tmp_path / "wishes.csv"
    wishes.write_text(f"user,seat_type,ticked\nann,{PRO},yes\n")
    program = Program(proxy.conninfo, tmp_path)
    for words, place in (
        (("seat", "buy", PRO, 2, "-a", "acme"), "event list -a acme'"),
        (
            ("price", "set", PRO, "90.00", "--currency", "EUR", "--for-all"),
            "event list'",
        ),
        (("seat", "save", wishes, "-a", "acme"), "event list'"),
        (("user", "offboard", "bob", "-a", "acme"), "event list'"),
        (("catalogue", "add", "copilot/business"), "event list'"),
    ):
        before = count(acme)
        lose(proxy, what)
        message = unknown(program.run(*words, "--format", "json"))
        proxy.is_final = False
        assert place in message["try"]
        assert (count(acme) > before) == (what == "the reply")


@BOTH
def test_a_lost_commit_of_an_erasure_is_completed_as_the_message_says(
    proxy: Proxy, acme: str, tmp_path: Path, what: str
) -> None:
    program = Program(acme, tmp_path)
    program.json("user", "list", "-a", "acme")
    words = ("-a", "acme", "--yes", "--reason", "asked", "--format", "json")
    lose(proxy, what)
    done = Program(proxy.conninfo, tmp_path).run("user", "erase", "bob", *words)
    assert "erase again the user whom it names" in unknown(done)["try"]
    last = program.json("event", "list", "-a", "acme")["rows"][-1]
    who = "bob"
    if what == "the reply":
        assert last["event"] == "UserErased"
        who = last["user"]
        assert who.startswith("erased-")
    again = program.run("user", "erase", who, *words)
    assert again.status == 0, again.err
    assert count(acme, "person_key") == 1
    with psycopg.connect(acme) as connection:
        row = connection.execute(
            "SELECT count(*) FROM projection_1.user_directory "
            "WHERE email = 'bob@acme.example'"
        ).fetchone()
    assert row == (0,)


@BOTH
@pytest.mark.parametrize("form", ["json", "jsonl", "table"])
def test_a_lost_commit_of_a_file_is_unknown_from_a_line_on(
    proxy: Proxy, acme: str, tmp_path: Path, what: str, form: str
) -> None:
    file = tmp_path / "file.jsonl"
    file.write_text(LINES)
    before = count(acme)
    lose(proxy, what, b"ledger.claim_account")
    program = Program(proxy.conninfo, tmp_path)
    done = program.run("import", file, "--format", form)
    assert done.status == 10
    assert "It is unknown whether line 1 and some lines after it" in done.err
    assert "import the same file again" in done.err
    if form != "table":
        unknown(done)
    if form == "json":
        assert json.loads(done.out)["rows"] == []
    elif form == "jsonl":
        assert done.out == ""
    else:
        assert "recorded" not in done.out
    written = count(acme) - before
    assert written == (2 if what == "the reply" else 0)
    proxy.is_final = False
    rows = program.json("import", file)["rows"]
    outcomes = [row["outcome"] for row in rows]
    assert outcomes == ["repeated"] * written + ["recorded"] * (6 - written)
    assert count(acme) - before == 6


@BOTH
def test_a_lost_commit_is_unknown_from_python_too(
    proxy: Proxy, acme: str, what: str
) -> None:
    key = {"idempotency_key": "k"}
    with SeatLedger.open(proxy.conninfo) as ledger:
        for record in (
            functools.partial(ledger.execute, {**BUY, **key}),
            functools.partial(
                ledger.execute,
                {"op": "batch", "account": "acme", "idempotency_key": "b"}
                | {"commands": [{k: BUY[k] for k in BUY if k != "account"}]},
            ),
        ):
            before = count(acme)
            lose(proxy, what)
            with pytest.raises(OutcomeUnknown) as report:
                record()
            assert "all of it was recorded, or nothing" in report.value.message
            assert not report.value.wrote_nothing
            proxy.is_final = False
            assert record().repeated == (what == "the reply")
            assert count(acme) - before == BUY["quantity"]


@BOTH
def test_a_token_and_a_subscription_that_nobody_knows_are_named(
    proxy: Proxy, acme: str, tmp_path: Path, what: str
) -> None:
    program = Program(proxy.conninfo, tmp_path)
    for words, table, of in (
        (
            ("token", "create", "--actor", "system:x", "--role", "writer"),
            "api_token",
            b"INSERT INTO ledger.api_token",
        ),
        (
            ("subscription", "add", "https://hooks.example/seats"),
            "subscription",
            b"INSERT INTO ledger.subscription",
        ),
    ):
        lose(proxy, what, of)
        message = unknown(program.run(*words, "--format", "json"))
        assert proxy.lost == 1
        assert count(acme, table) == (what == "the reply")
        proxy.is_final = False
        stop = message["try"].rpartition("seat-ledger ")[2].split()
        assert program.run(*stop).status == (what == "the request")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", ["json", "table"])
def test_an_import_that_a_signal_stops_ends_whole(
    acme: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    form: str,
) -> None:
    """The lines that were read are recorded and reported; exit 130 names the last."""
    monkeypatch.setenv("SEAT_LEDGER_IMPORT_CHUNK", "2")
    original = import_file.lines_of

    def lines_of(*words: Any, **options: Any) -> Iterator[bytes | None]:
        for n, line in enumerate(original(*words, **options)):
            if n == 4:
                os.kill(os.getpid(), number)
            yield line

    monkeypatch.setattr(import_file, "lines_of", lines_of)
    file = tmp_path / "file.jsonl"
    file.write_text(LINES)
    done = Program(acme, tmp_path).run("import", file, "--format", form)
    monkeypatch.undo()
    assert done.status == 130
    assert "interrupted at line 4. What follows was not recorded" in done.err
    again = Program(acme, tmp_path).json("import", file)["rows"]
    if form == "json":
        assert json.loads(done.err.splitlines()[-1])["code"] == "interrupted"
        assert [row["line"] for row in json.loads(done.out)["rows"]] == [1, 2, 3, 4]
    else:
        assert "Interrupted. 4 lines: 4 recorded." in done.out
    assert [row["outcome"] for row in again] == ["repeated"] * 4 + ["recorded"] * 2


@pytest.mark.parametrize("is_trial", [False, True])
def test_a_command_that_is_interrupted_claims_nothing(
    acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trial: bool
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(CommandService, "execute", interrupt)
    words = ("seat", "buy", PRO, 1, "-a", "acme", "--format", "json")
    words += ("--dry-run",) * is_trial
    done = Program(acme, tmp_path).run(*words)
    assert done.status == 130
    message = json.loads(done.err.splitlines()[-1])
    assert message["code"] == "interrupted"
    assert ("may have been recorded" in message["message"]) is not is_trial
