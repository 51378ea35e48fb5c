"""Two commands at once: exactly one wins, and no rule is broken (R30, R33, R35)."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from typing import Any

import psycopg
import pytest

from seat_ledger.application import SeatLedger
from seat_ledger.errors import CommandRefused, Conflict
from seat_ledger.settings import Settings

PRO = "sales/professional"


@pytest.fixture
def acme(database: str) -> str:
    with SeatLedger(database) as ledger:
        ledger.open_account(
            "acme",
            name="Acme",
            time_zone="UTC",
            term_start="2025-03-05",
            term_months=12,
            billing_cycle_months=1,
        )
        ledger.buy_seats("acme", seat_type=PRO, quantity=3, effective_at="2025-03-05")
        for n in range(8):
            key = f"u{n}"
            ledger.add_user(
                "acme",
                user=key,
                email=f"{key}@acme.example",
                name=key,
                effective_at="2025-03-05",
            )
    return database


def work(conninfo: str, number: int, rounds: int, done: Any) -> None:
    """Take and give back seats, as fast as it goes; tell what was accepted."""
    accepted = []
    with SeatLedger(conninfo) as ledger:
        for n in range(rounds):
            for op in ("assign_seat", "unassign_seat"):
                fields = {"user": f"u{number}", "seat_type": PRO}
                command = {"op": op, "account": "acme", **fields}
                command["idempotency_key"] = f"{number}-{n}-{op}"
                with contextlib.suppress(CommandRefused):
                    accepted += ledger.execute(command).positions
    done.put(accepted)


def test_r30_processes_compete_for_the_last_seats(acme: str) -> None:
    context = multiprocessing.get_context("spawn")
    done: Any = context.Queue()
    workers = [context.Process(target=work, args=(acme, n, 12, done)) for n in range(6)]
    for worker in workers:
        worker.start()
    told = [position for _ in workers for position in done.get(timeout=90)]
    for worker in workers:
        worker.join()
    assert len(told) == len(set(told))
    with psycopg.connect(acme) as connection:
        rows = connection.execute(
            "SELECT topic, convert_from(state, 'UTF8')::json ->> 'number', "
            "notification_id FROM ledger.stored_events "
            "WHERE topic IN ('SeatAssigned', 'SeatUnassigned') "
            "ORDER BY notification_id"
        ).fetchall()
    held: set[str] = set()
    for topic, number, position in rows:
        assert position in told
        if topic == "SeatAssigned":
            assert number not in held
            held.add(number)
        else:
            held.remove(number)
        assert len(held) <= 3


def interleaved(
    database: str, monkeypatch: pytest.MonkeyPatch, first: Any, second: Any
) -> list[str]:
    """Run `second` wholly between the decision and the append of `first`."""
    outcomes: list[str] = []
    original = SeatLedger._append
    between = threading.Event()

    def append(self: SeatLedger, *given: Any) -> Any:
        if threading.current_thread() is main and not between.is_set():
            between.set()
            with SeatLedger(database) as other:
                outcomes.append(attempt(other, second))
        return original(self, *given)

    main = threading.current_thread()
    monkeypatch.setattr(SeatLedger, "_append", append)
    with SeatLedger(database) as ledger:
        outcomes.append(attempt(ledger, first))
    return outcomes


def attempt(ledger: SeatLedger, command: dict[str, Any]) -> str:
    try:
        ledger.execute({"account": "acme", **command})
    except CommandRefused as refused:
        return refused.code
    return "done"


def test_r33_a_seat_and_a_removal_cannot_pass_each_other(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assign = {"op": "assign_seat", "user": "u1", "seat_type": PRO}
    remove = {"op": "remove_user", "user": "u1"}
    assert interleaved(acme, monkeypatch, assign, remove) == [
        "done",
        "user_not_present",
    ]


def test_r35_one_key_cannot_be_added_twice_at_once(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = {"op": "add_user", "user": "eve", "email": "eve@x.example", "name": "Eve"}
    assert interleaved(acme, monkeypatch, add, add) == ["done", "user_key_taken"]


def test_who_is_always_too_late_is_told_so(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SeatLedger.decide

    def decide(self: SeatLedger, *given: Any) -> Any:
        decision = original(self, *given)
        with psycopg.connect(acme, autocommit=True) as connection:
            connection.execute("UPDATE ledger.account_head SET changes = changes + 1")
        return decision

    monkeypatch.setattr(SeatLedger, "decide", decide)
    patient = Settings(tries=3)
    with SeatLedger(acme, patient) as ledger, pytest.raises(Conflict) as told:
        ledger.buy_seats("acme", seat_type=PRO, quantity=1)
    assert told.value.exit_code == 4


def test_an_import_and_a_command_at_once_lose_nothing(acme: str) -> None:
    lines = [
        b'{"op": "buy_seats", "account": "acme", "seat_type": "sales/starter", '
        b'"quantity": 1, "effective_at": "2025-04-01"}'
    ] * 300
    stop = threading.Event()
    bought = []

    def buy() -> None:
        with SeatLedger(acme) as ledger:
            while not stop.is_set():
                bought.append(ledger.buy_seats("acme", seat_type=PRO, quantity=1))
                stop.wait(0.02)

    thread = threading.Thread(target=buy)
    thread.start()
    with SeatLedger(acme) as ledger:
        outcomes = list(ledger.import_lines(lines, chunk=20))
    stop.set()
    thread.join()
    assert {outcome.outcome for outcome in outcomes} == {"recorded"}
    with psycopg.connect(acme) as connection:
        row = connection.execute(
            "SELECT count(*), count(DISTINCT convert_from(state, 'UTF8')::json "
            "->> 'number') FROM ledger.stored_events WHERE topic = 'SeatPurchased' "
            "AND convert_from(state, 'UTF8')::json ->> 'seat_type' = 'sales/starter'"
        ).fetchone()
    assert row == (300, 300)
    assert bought
