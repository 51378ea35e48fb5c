"""Several processes that share the lines of a file record what one does."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from seat_ledger.cli.commands import import_file
from seat_ledger.commands import repository
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import InvalidInput
from seat_ledger.importing import files, sharing
from seat_ledger.importing.lines import LineOutcome
from seat_ledger.importing.sharing import in_process, in_thread
from tests.conftest import TEMPLATE, _database
from tests.drafts import PRO, computed
from tests.in_process import Program

STARTER, COPILOT = "sales/starter", "copilot/business"
ACCOUNTS = [f"a{n}" for n in range(5)]
STORED = """
SELECT topic, originator_version, convert_from(state, 'UTF8')::jsonb
       - ARRAY['user', 'nonce', 'sealed']
  FROM ledger.stored_events ORDER BY notification_id
"""


def opening(account: str) -> dict[str, Any]:
    return {"op": "open_account", "account": account, "name": account,
            "time_zone": "UTC", "term_start": "2025-03-05", "term_months": 12,
            "billing_cycle_months": 1}  # fmt: skip


def history(random: Random, count: int) -> list[bytes]:
    """Lines of every kind, many of which are refused, in whatever order."""
    lines: list[Any] = [opening(account) for account in ACCOUNTS]
    for n in range(count):
        at = {"effective_at": f"2025-04-{1 + n * 27 // count:02}"}
        account, user = random.choice(ACCOUNTS), f"u{random.randrange(4)}"
        seat_type = random.choice([PRO, PRO, STARTER, COPILOT])
        buy = {"op": "buy_seats", "seat_type": seat_type, "quantity": 2}
        add = {"op": "add_user", "user": user, "email": f"{user}@x.example"}
        choices: list[dict[str, Any]] = [
            {**buy, **at},
            {"op": "buy_seats", "seat_type": PRO, "quantity": random.choice([1, 1, 2]),
             "effective_at": "2025-04-01",
             "idempotency_key": f"key-{random.randrange(3)}"},
            {**add, "name": user.upper(), **at},
            {"op": "assign_seat", "user": user, "seat_type": seat_type, **at},
            {"op": "assign_seat", "user": user, "seat_type": PRO, **at},
            {"op": "unassign_seat", "user": user, "seat_type": PRO, **at},
            {"op": "unassign_seat", "user": user, "seat_type": PRO, **at,
             "expect": "refused"},
            {"op": "remove_user", "user": user, **at},
            {"op": "reverse", "entry": random.randrange(1, 2 * n + 9), "reason": "r"},
            {"op": "reverse", "entry_key": f"key-{random.randrange(3)}", "reason": "r"},
        ]  # fmt: skip
        choice = {"account": account, **random.choice(choices)}
        if random.random() < 0.05:
            choice = {"op": "issue_invoice", "account": account, "period": "2025-03-05",
                      "invoice": f"INV-{random.randrange(4)}", "currency": "EUR",
                      "unit_prices": {PRO: "90.00"},
                      "effective_at": "2025-05-02"}  # fmt: skip
        lines.append(choice)
    at = {"effective_at": "2025-04-09T12:00:00Z"}
    add, withdraw = "add_seat_type", "withdraw_seat_type"
    lines.insert(count // 2, {"op": add, "seat_type": COPILOT, **at})
    lines.insert(count * 3 // 4, {"op": withdraw, "seat_type": STARTER, **at})
    lines.insert(count // 3, {"op": add, "account": ACCOUNTS[0]})
    written = [json.dumps(line).encode() + b"\n" for line in lines]
    for odd in (b"\n", b"{\n", b"[1]\n", b'{"op": "renew", "account": 7}\n'):
        written.insert(random.randrange(len(written)), odd)
    return written


def recorded(
    conninfo: str, lines: list[bytes], **options: Any
) -> tuple[list[LineOutcome], list[Any]]:
    compute = computed(conninfo, {PRO: 2})
    with CommandService(conninfo) as ledger:
        outcomes = list(
            files.import_file(ledger, lines, compute_invoice=compute, **options)
        )
    with psycopg.connect(conninfo) as connection:
        return outcomes, connection.execute(STORED).fetchall()


def same(one: Any, other: Any) -> None:
    for rows, others in zip(one, other, strict=True):
        for row, another in zip(rows, others, strict=True):
            assert row == another


Fresh = Callable[[], str]


@pytest.fixture
def fresh(server: str) -> Iterator[Fresh]:
    opened = []

    def make() -> str:
        opened.append(_database(server, TEMPLATE))
        return next(opened[-1])

    yield make
    for database in opened:
        next(database, None)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_recorded_and_told_is_the_same_line_by_line(
    fresh: Fresh, seed: int
) -> None:
    lines, chunk = history(Random(seed), 250), (11, 90, 2000)[seed]
    one, other = fresh(), fresh()
    shared = {"workers": 3, "start": in_thread}
    alone = recorded(one, lines, keep_going=True, chunk=37)
    same(recorded(other, lines, keep_going=True, chunk=chunk, **shared), alone)
    outcomes, _ = alone
    words = {outcome.outcome for outcome in outcomes}
    assert words == {"recorded", "refused", "repeated"}
    assert len({outcome.code for outcome in outcomes}) > 8
    again = recorded(one, lines, keep_going=True)
    same(recorded(other, lines, keep_going=True, **shared), again)


@pytest.mark.parametrize("chunk", [7, 2000])
def test_nothing_behind_the_refused_line_is_recorded_whoever_decides_it(
    fresh: Fresh, chunk: int
) -> None:
    buy = {"op": "buy_seats", "seat_type": PRO, "quantity": 1}
    lines = [opening(account) for account in ACCOUNTS]
    lines += [
        {**buy, "account": ACCOUNTS[n % 5], "effective_at": f"2025-04-{1 + n // 5:02}"}
        for n in range(100)
    ]
    lines.insert(60, {**buy, "account": "a3", "seat_type": "no/such"})
    lines.insert(80, {**buy, "account": "a1", "seat_type": "no/such"})
    written = [json.dumps(line).encode() for line in lines]
    shared = {"workers": 3, "start": in_thread}
    alone = recorded(fresh(), written, chunk=chunk)
    both = recorded(fresh(), written, chunk=chunk, **shared)
    same(both, alone)
    assert [outcome.line for outcome in both[0]] == list(range(1, 62))
    assert both[0][-1].stops
    assert len(both[1]) == 60


def test_who_was_first_elsewhere_is_decided_on_again_and_others_go_on(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = fresh()
    buy = {"op": "buy_seats", "seat_type": PRO, "quantity": 1}
    lines = [opening(account) for account in ACCOUNTS]
    lines += [
        {**buy, "account": ACCOUNTS[n % 5], "effective_at": f"2025-04-{1 + n // 5:02}"}
        for n in range(100)
    ]
    written = [json.dumps(line).encode() for line in lines]
    original, appends, starts = repository.append_many, [], []
    with CommandService(database) as ledger, CommandService(database) as other:

        def append_many(*fields: Any) -> Any:
            appends.append(fields)
            if len(appends) in {3, 8}:
                command = {**buy, "account": ACCOUNTS[0], "effective_at": "2025-05-01"}
                other.execute(command)
            return original(*fields)

        def start(task: Any) -> Any:
            starts.append(task)
            return in_thread(task)

        monkeypatch.setattr(repository, "append_many", append_many)
        shared = {"workers": 2, "start": start}
        outcomes = list(files.import_file(ledger, written, chunk=10, **shared))
    assert {outcome.outcome for outcome in outcomes} == {"recorded"}
    assert [outcome.line for outcome in outcomes] == list(range(1, 106))
    with psycopg.connect(database) as connection:
        assert len(connection.execute(STORED).fetchall()) == 105 + 2
    assert len(starts) >= 4


def test_a_worker_that_is_killed_costs_time_and_no_line(fresh: Fresh) -> None:
    lines = history(Random(5), 60)
    alone = recorded(fresh(), lines, keep_going=True)
    started = []

    def start(task: Any) -> Any:
        connection, process = in_process(task)
        started.append(process)
        if len(started) <= 2:  # the first ones
            os.kill(process.pid, signal.SIGKILL)
        return connection, process

    both = recorded(fresh(), lines, keep_going=True, chunk=20, workers=2, start=start)
    same(both, alone)
    assert len(started) == 4
    assert all(process.exitcode is not None for process in started)


def test_a_failure_that_is_no_conflict_is_raised_with_its_line(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Exception):
        pass

    def read_content(*_: Any) -> Any:
        raise Broken("a bug")

    monkeypatch.setattr(sharing.worker, "read_content", read_content)
    shared = {"workers": 2, "start": in_thread}
    with pytest.raises(RuntimeError, match="a bug") as raised:
        recorded(fresh(), [json.dumps(opening("a0")).encode()], **shared)
    assert "Broken" in raised.value.__notes__[0]


def test_the_program_takes_as_many_processes_as_it_is_given(
    fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def start(task: Any) -> Any:
        started.append(task)
        return in_thread(task)

    monkeypatch.setattr(sharing, "in_process", start)
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b"".join(history(Random(7), 80)))
    rows = []
    for workers in ("1", "2"):
        program = Program(fresh(), tmp_path)
        words = ("import", file, "--keep-going", "--format", "json")
        done = program.run(*words, "--workers", workers)
        assert done.status == 1
        rows.append(json.loads(done.out)["rows"])
        assert len(started) == (0 if workers == "1" else 2)
    assert rows[0] == rows[1]
    monkeypatch.setattr(import_file, "WORTH_PROCESSES", 1)
    with file.open("rb") as stream:
        assert import_file._workers(stream) == import_file.cores()
    with Path(os.devnull).open("rb") as stream:
        assert import_file._workers(stream) == 1
    with pytest.raises(InvalidInput):
        recorded(fresh(), [], workers=0)
