"""Two commands at once: exactly one wins, and no rule is broken (R30, R33, R35)."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import threading
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.execution import CommandExecution
from seat_ledger.commands.handler import Caller
from seat_ledger.commands.messages import read_command
from seat_ledger.commands.repository import AccountRepository
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused, Conflict
from seat_ledger.importing.files import import_file
from seat_ledger.store.recorder import LedgerRecorder
from seat_ledger.store.settings import Settings
from tests.drafts import computed
from tests.support.waiting import AT_MOST, wait_for_end, wait_until

PRO = "sales/professional"


def processes() -> Any:
    """Where processes come from: forks of one that has imported what they run."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@pytest.fixture
def acme(database: str) -> str:
    with CommandService(database) as ledger:
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
    with CommandService(conninfo) as ledger:
        for n in range(rounds):
            for op in ("assign_seat", "unassign_seat"):
                fields = {"user": f"u{number}", "seat_type": PRO}
                command = {"op": op, "account": "acme", **fields}
                command["idempotency_key"] = f"{number}-{n}-{op}"
                with contextlib.suppress(CommandRefused):
                    accepted += ledger.execute(command).positions
    done.put(accepted)


def test_r30_processes_compete_for_the_last_seats(acme: str) -> None:
    context = processes()
    done: Any = context.Queue()
    workers = [context.Process(target=work, args=(acme, n, 12, done)) for n in range(6)]
    for worker in workers:
        worker.start()
    message = [position for _ in workers for position in done.get(timeout=AT_MOST)]
    for worker in workers:
        worker.join()
    assert len(message) == len(set(message))
    with psycopg.connect(acme) as connection:
        rows = connection.execute(
            "SELECT topic, convert_from(state, 'UTF8')::json ->> 'number', "
            "notification_id FROM ledger.stored_events "
            "WHERE topic IN ('SeatAssigned', 'SeatUnassigned') "
            "ORDER BY notification_id"
        ).fetchall()
    held: set[str] = set()
    for topic, number, position in rows:
        assert position in message
        if topic == "SeatAssigned":
            assert number not in held
            held.add(number)
        else:
            held.remove(number)
        assert len(held) <= 3


def invoice(conninfo: str, account: str, number: str, done: Any, ready: Any) -> None:
    """Issue one invoice as soon as all are ready; tell what became of it."""
    with CommandService(conninfo) as ledger:
        ready.wait(AT_MOST)
        try:
            ledger.issue_invoice(
                account,
                compute_invoice=computed(conninfo),
                invoice=number,
                period="2025-06-05",
                unit_prices={PRO: "90.00"},
                currency="EUR",
                effective_at="2025-12-05",
            )
        except CommandRefused as refused:
            done.put(refused.code)
        else:
            done.put("issued")


def issue_at_once(conninfo: str, expected: list[tuple[str, str]]) -> list[str]:
    """Issue invoices, each in a process of its own, at one time."""
    context = processes()
    done: Any = context.Queue()
    ready = context.Barrier(len(expected))
    workers = [
        context.Process(target=invoice, args=(conninfo, *item, done, ready))
        for item in expected
    ]
    for worker in workers:
        worker.start()
    message = [done.get(timeout=AT_MOST) for _ in workers]
    for worker in workers:
        worker.join()
    return sorted(message)


def test_r64_one_number_in_several_accounts_at_once_is_issued_once(acme: str) -> None:
    accounts = ["acme", "b", "c", "d"]
    with CommandService(acme) as ledger:
        for key in accounts[1:]:
            ledger.open_account(
                key,
                name=key,
                time_zone="UTC",
                term_start="2025-03-05",
                term_months=12,
                billing_cycle_months=1,
            )
    message = issue_at_once(acme, [(account, "INV-1") for account in accounts])
    assert message == ["invoice_number_taken"] * 3 + ["issued"]
    with psycopg.connect(acme) as connection:
        rows = connection.execute(
            "SELECT number.invoice, number.account_id = event.originator_id "
            "FROM ledger.invoice_number AS number JOIN ledger.stored_events AS event "
            "ON event.notification_id = number.position "
            "WHERE event.topic = 'InvoiceIssued'"
        ).fetchall()
    assert rows == [("INV-1", True)]


def test_r64_one_period_at_once_is_invoiced_once(acme: str) -> None:
    message = issue_at_once(acme, [("acme", f"INV-{n}") for n in range(4)])
    assert message == ["issued"] + ["period_already_invoiced"] * 3


def test_r64_the_store_itself_keeps_a_number_unique(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = LedgerRecorder.has_invoice
    blind = [True, True]

    def has_invoice(self: LedgerRecorder, number: str) -> bool:
        return False if blind and blind.pop() else original(self, number)

    command = {
        "op": "issue_invoice",
        "account": "acme",
        "invoice": "INV-1",
        "unit_prices": {PRO: "90.00"},
        "currency": "EUR",
        "effective_at": "2025-12-05",
    }
    monkeypatch.setattr(LedgerRecorder, "has_invoice", has_invoice)
    with CommandService(acme) as ledger:
        item, other = ({**command, "period": f"2025-0{n}-05"} for n in (5, 6))
        ledger.execute(item, compute_invoice=computed(acme))
        with pytest.raises(CommandRefused) as refused:
            ledger.execute(other, compute_invoice=computed(acme))
        assert refused.value.code == "invoice_number_taken"
        blind += [True]
        (outcome,) = import_file(
            ledger, [json.dumps(other).encode()], compute_invoice=computed(acme)
        )
    assert outcome.code == "invoice_number_taken"
    assert not blind


def interleaved(
    database: str, monkeypatch: pytest.MonkeyPatch, first: Any, second: Any
) -> list[str]:
    """Run `second` wholly between the decision and the append of `first`."""
    outcomes: list[str] = []
    original = AccountRepository.append
    between = threading.Event()

    def append(self: AccountRepository, *fields: Any) -> Any:
        if threading.current_thread() is main and not between.is_set():
            between.set()
            with CommandService(database) as other:
                outcomes.append(attempt(other, second))
        return original(self, *fields)

    main = threading.current_thread()
    monkeypatch.setattr(AccountRepository, "append", append)
    with CommandService(database) as ledger:
        outcomes.append(attempt(ledger, first))
    return outcomes


def attempt(ledger: CommandService, command: dict[str, Any]) -> str:
    try:
        ledger.execute(
            command if "seat_type" in command["op"] else {"account": "acme", **command}
        )
    except CommandRefused as refused:
        return refused.code
    return "done"


TAKE = {"op": "assign_seat", "user": "u1", "seat_type": PRO}
LEAVE = {"op": "remove_user", "user": "u1"}
LAST = {"op": "assign_seat", "user": "u2", "seat_type": PRO}
GRANT = {"op": "grant_hub_access", "user": "u1", "hub": "sales"}
FEWER = {"op": "reduce_seats", "seat_type": PRO, "quantity": 1}
SHARED = {"op": "batch", "commands": [GRANT, TAKE]}
UNBUY = {"op": "reverse", "entry_key": "one", "reason": "wrong"}
UNADD = {"op": "reverse", "entry_key": "eve", "reason": "wrong"}
EVE = {"op": "assign_seat", "user": "eve", "seat_type": PRO}


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (TAKE, LAST, "no_free_seat"),
        (LAST, TAKE, "no_free_seat"),
        (TAKE, LEAVE, "user_not_present"),
        (LEAVE, TAKE, "seat_held"),
        (GRANT, LEAVE, "user_not_present"),
        (LEAVE, GRANT, "hub_access_held"),
        (SHARED, LEAVE, "user_not_present"),
        (FEWER, TAKE, "not_enough_unassigned"),
        (TAKE, FEWER, "reserved_for_reduction"),
        (UNBUY, TAKE, "reversal_blocked"),
        (TAKE, UNBUY, "no_free_seat"),
        (UNADD, EVE, "reversal_blocked"),
        (EVE, UNADD, "user_not_found"),
    ],
    ids=lambda fields: fields if isinstance(fields, str) else fields["op"],
)
def test_r30_r33_of_two_commands_that_exclude_each_other_one_is_refused(
    acme: str,
    monkeypatch: pytest.MonkeyPatch,
    first: dict[str, Any],
    second: dict[str, Any],
    outcome: str,
) -> None:
    """The second runs wholly between the decision and the append of the first."""
    with CommandService(acme) as ledger:
        for user in ("u6", "u7"):
            ledger.assign_seat("acme", user=user, seat_type=PRO)
        ledger.reverse("acme", entry=4, reason="only the last is free")
        ledger.buy_seats("acme", seat_type=PRO, quantity=1, idempotency_key="one")
        ledger.add_user(
            "acme", user="eve", email="e@x.example", name="E", idempotency_key="eve"
        )
    message = interleaved(acme, monkeypatch, first, second)
    assert message[0] == "done"
    assert message[1] == outcome, message
    with CommandService(acme) as ledger:  # and it stays so for whoever comes later
        assert attempt(ledger, {**first, "idempotency_key": "again"}) == outcome


BUSINESS = "copilot/business"
WITHDRAW = {"op": "withdraw_seat_type", "seat_type": BUSINESS}
PURCHASES: list[dict[str, Any]] = [
    {"op": "buy_seats", "seat_type": BUSINESS, "quantity": 1},
    {"op": "assign_seat", "user": "u1", "seat_type": BUSINESS, "buy_if_needed": True},
]


@pytest.mark.parametrize("purchase", PURCHASES, ids=lambda command: command["op"])
def test_r80_nothing_is_bought_of_a_type_that_is_withdrawn_meanwhile(
    acme: str, monkeypatch: pytest.MonkeyPatch, purchase: dict[str, Any]
) -> None:
    """The withdrawal is recorded between the decision and the append of a purchase."""
    with CommandService(acme) as ledger:
        ledger.execute({"op": "add_seat_type", "seat_type": BUSINESS})
    outcomes = interleaved(acme, monkeypatch, purchase, WITHDRAW)
    assert outcomes == ["done", "seat_type_withdrawn"]
    with CommandService(acme) as ledger:
        assert attempt(ledger, purchase) == "seat_type_withdrawn"
        (outcome,) = import_file(
            ledger, [json.dumps({"account": "acme", **purchase}).encode()]
        )
    assert outcome.code == "seat_type_withdrawn"


def buy_and_withdraw(conninfo: str, sells: bool, rounds: int, done: Any) -> None:
    """Offer and withdraw a type, or buy of it line by line and by a file, in turn."""
    with CommandService(conninfo) as ledger:
        for n in range(rounds):
            with contextlib.suppress(CommandRefused):
                if sells:
                    op = ("withdraw_seat_type", "add_seat_type")[n % 2]
                    ledger.execute({"op": op, "seat_type": BUSINESS})
                elif n % 2:
                    ledger.execute({"account": "acme", **PURCHASES[0]})
                else:
                    line = json.dumps({"account": "acme", **PURCHASES[0]}).encode()
                    list(import_file(ledger, [line]))
    done.put(sells)


def test_r80_processes_that_withdraw_and_buy_at_once_keep_the_rule(acme: str) -> None:
    """In the order of recording, no purchase follows a withdrawal that holds for it."""
    with CommandService(acme) as ledger:
        ledger.execute({"op": "add_seat_type", "seat_type": BUSINESS})
    context = processes()
    done: Any = context.Queue()
    workers = [
        context.Process(target=buy_and_withdraw, args=(acme, sells, 40, done))
        for sells in (True, False)
    ]
    for worker in workers:
        worker.start()
    assert {done.get(timeout=AT_MOST) for _ in workers} == {True, False}
    for worker in workers:
        worker.join()
    with psycopg.connect(acme) as connection:
        rows = connection.execute(
            "SELECT topic, event ->> 'effective_at' FROM ledger.stored_events "
            "CROSS JOIN LATERAL (SELECT convert_from(state, 'UTF8')::json) "
            "AS stored(event) WHERE topic IN "
            "('SeatTypeAdded', 'SeatTypeWithdrawn', 'SeatPurchased') "
            "AND event ->> 'seat_type' = %s ORDER BY notification_id",
            [BUSINESS],
        ).fetchall()
    withdrawn, bought = None, 0
    for topic, at in rows:
        if topic == "SeatPurchased":
            assert withdrawn is None or at < withdrawn
            bought += 1
        else:
            withdrawn = at if topic == "SeatTypeWithdrawn" else None
    assert bought > 0
    assert sum(topic == "SeatTypeWithdrawn" for topic, _ in rows) > 5


def test_r35_one_key_cannot_be_added_twice_at_once(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = {"op": "add_user", "user": "eve", "email": "eve@x.example", "name": "Eve"}
    assert interleaved(acme, monkeypatch, add, add) == ["done", "user_key_taken"]


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a group"])
def test_r73_the_same_batch_while_its_names_are_looked_up_is_a_repetition(
    acme: str, monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    """What was read before and after somebody else's append refuses nothing."""
    batch = {"op": "batch", "account": "acme", "idempotency_key": "list", "commands": [
        {"op": "add_user", "user": "eve", "email": "eve@x.example", "name": "Eve"},
        {"op": "grant_hub_access", "user": "eve", "hub": "sales"}]}  # fmt: skip
    results: list[Any] = []
    original = AccountRepository.refresh
    between = threading.Event()

    def refresh(self: AccountRepository, *fields: Any, **options: Any) -> Any:
        if not between.is_set():
            between.set()
            with CommandService(acme) as other:
                results.append(other.execute(batch))
        return original(self, *fields, **options)

    monkeypatch.setattr(AccountRepository, "refresh", refresh)
    with CommandService(acme) as ledger:
        if together:
            command, caller = read_command(batch), Caller()
            results += ledger.execution.execute_together([(command, caller)])
        else:
            results.append(ledger.execute(batch))
    assert [result.repeated for result in results] == [False, True]
    assert results[0].positions == results[1].positions


def test_who_is_always_too_late_is_warned(
    acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = CommandExecution._decide

    def decide(self: CommandExecution, *fields: Any) -> Any:
        decision = original(self, *fields)
        with psycopg.connect(acme, autocommit=True) as connection:
            connection.execute("UPDATE ledger.account_head SET changes = changes + 1")
        return decision

    monkeypatch.setattr(CommandExecution, "_decide", decide)
    patient = Settings(tries=3)
    with CommandService(acme, patient) as ledger, pytest.raises(Conflict) as message:
        ledger.buy_seats("acme", seat_type=PRO, quantity=1)
    assert message.value.exit_code == 4


def test_an_import_and_a_command_at_once_lose_nothing(acme: str) -> None:
    lines = [
        b'{"op": "buy_seats", "account": "acme", "seat_type": "sales/starter", '
        b'"quantity": 1, "effective_at": "2025-04-01"}'
    ] * 300
    stop = threading.Event()
    bought = []

    def buy() -> None:
        with CommandService(acme) as ledger:
            while not stop.is_set():
                bought.append(ledger.buy_seats("acme", seat_type=PRO, quantity=1))
                stop.wait(0.02)

    thread = threading.Thread(target=buy)
    thread.start()
    wait_until(lambda: bought)
    with CommandService(acme) as ledger:
        outcomes = list(import_file(ledger, lines, chunk=20))
    stop.set()
    wait_for_end([thread])
    assert {outcome.outcome for outcome in outcomes} == {"recorded"}
    with psycopg.connect(acme) as connection:
        row = connection.execute(
            "SELECT count(*), count(DISTINCT convert_from(state, 'UTF8')::json "
            "->> 'number') FROM ledger.stored_events WHERE topic = 'SeatPurchased' "
            "AND convert_from(state, 'UTF8')::json ->> 'seat_type' = 'sales/starter'"
        ).fetchone()
    assert row == (300, 300)
    assert bought
