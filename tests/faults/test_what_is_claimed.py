"""What is said of a failure follows from where it happened, and no more is claimed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from seat_ledger.cli.options import session
from seat_ledger.commands import execution, repository
from seat_ledger.commands.execution import CommandExecution
from seat_ledger.commands.repository import AccountRepository
from seat_ledger.commands.service import CommandService
from seat_ledger.commands.stored_accounts import StoredAccounts
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.errors import LedgerError, OutcomeUnknown, Unavailable
from seat_ledger.importing import chunk as chunks
from seat_ledger.importing.files import import_file
from seat_ledger.projections.engine import user_directory
from seat_ledger.store.recorder import LedgerRecorder
from tests.faults.conftest import BOB
from tests.in_process import Done, Program, run
from tests.oracle.stored import damage
from tests.program import ANN, BUY, GIVE, OPEN, PRO
from tests.support.waiting import end, wait_for_end, wait_until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_pause", lambda *_: 0.0)
    monkeypatch.setattr(chunks, "PAUSE", 0.0)


def unreachable(*_: Any, **__: Any) -> Any:
    raise psycopg.OperationalError("server closed the connection unexpectedly")


def test_a_lost_commit_that_cannot_be_settled_is_reported_as_unknown(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply to COMMIT is lost, and the database is not reached again."""
    original = LedgerRecorder.append

    def append(self: LedgerRecorder, *fields: Any) -> Any:
        original(self, *fields)
        monkeypatch.setattr(LedgerRecorder, "peek", lambda *_: fail())
        raise OutcomeUnknown

    def fail() -> None:
        raise Unavailable("The database cannot be reached.")

    monkeypatch.setattr(LedgerRecorder, "append", append)
    with CommandService(acme) as ledger, pytest.raises(OutcomeUnknown) as report:
        ledger.execute({**BUY, "idempotency_key": "k"})
    assert "Nothing" not in report.value.message
    assert "all of it was recorded, or nothing" in report.value.message
    assert "the same idempotency key" in str(report.value.try_)
    monkeypatch.undo()
    with CommandService(acme) as ledger:
        assert ledger.execute({**BUY, "idempotency_key": "k"}).repeated
    assert damage(acme) == []


def test_nothing_of_it_was_written_is_stated_where_that_is_known(acme: str) -> None:
    limited = f"{acme} options='-c lock_timeout=50ms'"
    with psycopg.connect(acme) as holder, CommandService(limited) as ledger:
        holder.execute("LOCK TABLE ledger.recorded_command")
        with pytest.raises(Unavailable) as report:
            ledger.execute(BUY)
    assert report.value.message.endswith("Nothing was written.")


@pytest.mark.parametrize("is_embedded", [False, True])
def test_a_question_that_fails_claims_nothing_and_names_who_holds_it_up(
    acme: str, monkeypatch: pytest.MonkeyPatch, is_embedded: bool
) -> None:
    """The embedded server's address is known only once it was reached."""
    address = f"{acme} options='-c lock_timeout=50ms'"
    server = SimpleNamespace(ensure_running=lambda: address)
    monkeypatch.setattr(session, "embedded_server", lambda: server)
    named = [] if is_embedded else ["--database", address]
    with psycopg.connect(acme) as holder:
        holder.execute("LOCK TABLE ledger.stored_events IN ACCESS EXCLUSIVE MODE")
        done = run("seat", "list", "-a", "acme", *named)
    assert done.status == 1
    assert "what it needs is locked by" in done.err
    assert "the local server/" not in done.err
    assert "Nothing" not in done.err


def test_an_erasure_whose_tables_cannot_follow_says_that_it_is_recorded(
    acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_directory, "forget", unreachable)
    words = ("-a", "acme", "--yes", "--reason", "asked", "--format", "json")
    done = Program(acme, tmp_path).run("user", "erase", "bob", *words)
    assert done.status == 10
    erased = json.loads(done.out)["erased"]
    assert erased.startswith("erased-")
    message = json.loads(done.err.splitlines()[-1])
    assert "The erasure is recorded" in message["message"]
    assert "Nothing" not in done.err
    with psycopg.connect(acme) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.person_key").fetchone()
    assert row == (1,)
    monkeypatch.undo()
    assert Program(acme, tmp_path).run("user", "erase", erased, *words).status == 0


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "table"])
def test_an_import_that_fails_tells_whole_what_is_recorded_and_names_the_line(
    acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The server refuses from the third append on."""
    original, appends = repository.append_many, []

    def append_many(*fields: Any) -> Any:
        appends.append(fields)
        if len(appends) > 2:
            raise Unavailable("The database cannot be reached.")
        return original(*fields)

    monkeypatch.setattr(repository, "append_many", append_many)
    monkeypatch.setenv("SEAT_LEDGER_IMPORT_CHUNK", "2")
    file = tmp_path / "file.jsonl"
    file.write_text("".join(json.dumps(BUY) + "\n" for _ in range(8)))
    done = Program(acme, tmp_path).run("import", file, "--format", form)
    assert done.status == 10
    assert "Line 5 and those after it were not recorded" in done.err
    assert "nothing is recorded twice" in done.err
    assert rows(done, form) == [1, 2, 3, 4]
    monkeypatch.undo()
    again = Program(acme, tmp_path).run("import", file, "--format", "json")
    outcomes = [row["outcome"] for row in json.loads(again.out)["rows"]]
    assert outcomes == ["repeated"] * 4 + ["recorded"] * 4


def rows(done: Done, form: str) -> list[int]:
    """The lines that an import told of; in words it counts them."""
    if form == "json":
        return [row["line"] for row in json.loads(done.out)["rows"]]
    if form == "jsonl":
        return [json.loads(line)["line"] for line in done.out.splitlines()]
    if form == "csv":
        return [int(line.partition(",")[0]) for line in done.out.splitlines()[1:]]
    assert "4 lines: 4 recorded" in done.out
    return [1, 2, 3, 4]


def test_of_several_commands_those_before_the_one_that_fails_are_told(
    acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is recorded on its own: nothing says that nothing was written."""
    program = Program(acme, tmp_path)
    program.record(*({**OPEN, "account": key, "term_months": 1} for key in "bcd"))
    due = program.json("account", "renew", "--due", "--dry-run")["rows"]
    original, done = CommandService.execute, []

    def execute(self: CommandService, *fields: Any, **options: Any) -> Any:
        done.append(fields)
        if len(done) > 2:
            error = Unavailable("The database cannot be reached. Nothing was written.")
            error.wrote_nothing = True
            raise error
        return original(self, *fields, **options)

    monkeypatch.setattr(CommandService, "execute", execute)
    failed = program.run("account", "renew", "--due", "--format", "json")
    monkeypatch.undo()
    assert failed.status == 10
    message = json.loads(failed.err.splitlines()[-1])
    assert "Nothing was written" not in message["message"]
    assert "What was recorded before it stays: 2 steps." in message["message"]
    again = program.json("account", "renew", "--due")
    assert len(again["rows"]) == len(due) - 2


class Failing:
    """A step that fails once, wherever it stands between deciding and recording."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, of: type, name: str) -> None:
        self.has_failed = False
        original: Callable[..., Any] = getattr(of, name)

        def step(*fields: Any, **named: Any) -> Any:
            if not self.has_failed:
                self.has_failed = True
                raise Unavailable("The database cannot be reached.")
            return original(*fields, **named)

        monkeypatch.setattr(of, name, step)


STEPS = [
    (AccountRepository, name)
    for name in (
        "prepared",
        "hand_over",
        "snapshot_due",
        "refresh",
        "workspace",
        "shed",
    )
]
STEPS += [(CommandExecution, "_decide"), (StoredAccounts, "load_user")]
STEPS += [
    (LedgerRecorder, name)
    for name in ("peek", "heads_of", "user_ids", "many_user_ids", "recorded_commands")
]
STEPS += [
    (UnitOfWork, "user"),
    (UnitOfWork, "learn"),
    (UnitOfWork, "move"),
    (chunks.Chunk, "settle"),
]


@pytest.mark.parametrize(("of", "name"), STEPS)
def test_whatever_step_fails_nothing_stays_in_memory(
    acme: str, monkeypatch: pytest.MonkeyPatch, of: type, name: str
) -> None:
    """A command, and a file, that meet it; and what is decided after it."""
    eve = {**ANN, "user": "eve", "email": "eve@acme.example"}
    lines = [BUY, {**BOB, "user": "bo", "email": "bo@acme.example"}, eve]
    with CommandService(acme) as ledger:
        ledger.execute({**BUY, "quantity": 1}, dry_run=True)
        Failing(monkeypatch, of, name)
        attempt(lambda: ledger.execute(GIVE))
        attempt(lambda: ledger.execute({**BOB, "user": "ann"}))
        Failing(monkeypatch, of, name)
        files = (json.dumps(line).encode() for line in lines)
        attempt(lambda: list(import_file(ledger, files, chunk=1, keep_going=True)))
        monkeypatch.undo()
        attempt(lambda: ledger.execute(GIVE))
        attempt(lambda: ledger.execute({**eve, "idempotency_key": "eve"}))
        ledger.execute({**GIVE, "user": "bob", "idempotency_key": "bob"})
    assert damage(acme) == []


def attempt(act: Callable[[], Any]) -> None:
    """Do something that may be refused, or fail."""
    try:
        act()
    except LedgerError:
        return


def test_an_import_survives_its_first_append_being_terminated(database: str) -> None:
    """The secret of the digests is locked, and the waiting process terminated."""
    lines = [json.dumps(line).encode() for line in (OPEN, BUY, ANN, GIVE, BOB)]
    message: list[str] = []
    with CommandService(database) as ledger, psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE ledger.digest_key IN ACCESS EXCLUSIVE MODE")

        def import_() -> None:
            message.extend(
                line.outcome for line in import_file(ledger, lines, keep_going=True)
            )

        thread = threading.Thread(target=import_)
        thread.start()
        with psycopg.connect(database, autocommit=True) as other:
            end(other, wait_until(lambda: waiting(other)))
        holder.rollback()
        wait_for_end([thread])
    assert message == ["recorded"] * 5
    assert damage(database) == []


def waiting(connection: psycopg.Connection[Any]) -> list[int]:
    """The server processes that wait for the table."""
    rows = connection.execute(
        "SELECT pid FROM pg_locks "
        "WHERE NOT granted AND relation = 'ledger.digest_key'::regclass"
    ).fetchall()
    return [pid for (pid,) in rows]


def test_what_is_wrong_with_a_store_is_noticed(acme: str) -> None:
    """Each kind of damage is told, and an undamaged store has none."""
    assert damage(acme) == []
    with psycopg.connect(acme) as connection:
        (account, user) = connection.execute(
            "SELECT (SELECT originator_id FROM ledger.stored_events "
            "WHERE topic = 'AccountOpened'), (SELECT originator_id "
            "FROM ledger.stored_events WHERE topic = 'UserAdded' LIMIT 1)"
        ).fetchone() or ("", "")
        connection.execute("SET session_replication_role = replica")
        held = {"seat_type": PRO, "number": 1, "user": str(user)}
        nobody = {**held, "user": str(account)}
        for version, topic, facts, word in (
            (9, "SeatAssigned", held, "version 9"),
            (5, "SeatAssigned", nobody, "never added"),
            (5, "SeatAssigned", held, "R25"),
            (5, "SeatUnassigned", held, "R46d"),
            (5, "SeatPurchased", {"seat_type": PRO, "number": 9}, "seat 9"),
            (5, "SeatPurchased", {"seat_type": PRO, "number": 4}, "by no command"),
        ):
            connection.execute("SAVEPOINT before")
            state = {"effective_at": "2025-04-01T00:00:00Z", "actor": "system:x"}
            connection.execute(
                "INSERT INTO ledger.stored_events (originator_id, originator_version, "
                "topic, state, recorded_at) VALUES (%s, %s, %s, %s, clock_timestamp())",
                [account, version, topic, json.dumps(state | facts).encode()],
            )
            connection.commit()
            assert any(word in item for item in damage(acme)), (word, damage(acme))
            connection.execute(
                "DELETE FROM ledger.stored_events WHERE originator_id = %s "
                "AND originator_version IN (5, 9)",
                [account],
            )
            connection.commit()
