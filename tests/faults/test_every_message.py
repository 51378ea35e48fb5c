"""A connection lost at each message of each command: no damage, nothing lost.

The short form takes a few messages of every command, each time others of them; the
long form takes all: ``scripts/test -m long tests/faults/test_every_message.py``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from seat_ledger.cli.options.session import Session
from seat_ledger.commands import execution
from seat_ledger.commands.messages import OPERATIONS
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import LedgerError, OutcomeUnknown
from seat_ledger.importing import chunk as chunks
from seat_ledger.importing.files import import_file
from seat_ledger.importing.lines import LineOutcome
from tests.drafts import computed
from tests.faults.cutting import Cutter, Way, settled
from tests.oracle.stored import damage

PRO, STARTER = "sales/professional", "sales/starter"

EFFECTIVE = "2025-04-01"
OPEN = {
    "op": "open_account",
    "name": "Any",
    "time_zone": "UTC",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}
ANN = {"op": "add_user", "user": "ann", "email": "ann@x.example", "name": "Ann"}
BOB = {"op": "add_user", "user": "bob", "email": "bob@x.example", "name": "Bob"}
BUY = {"op": "buy_seats", "seat_type": PRO, "quantity": 3}
GIVE = {"op": "assign_seat", "user": "ann", "seat_type": PRO}
TAKE = {"op": "unassign_seat", "user": "ann", "seat_type": PRO}
REDUCE = {"op": "reduce_seats", "seat_type": PRO, "quantity": 1}
LET_IN = {"op": "grant_hub_access", "user": "bob", "hub": "service"}
BASE = [OPEN, BUY, ANN, BOB, GIVE]
INVOICE = {
    "op": "issue_invoice",
    "period": "2025-03-05",
    "unit_prices": {PRO: "90.00"},
    "currency": "EUR",
}
STEP = {
    "op": "batch",
    "commands": [TAKE, {**GIVE, "user": "bob"}, {**BUY, "quantity": 2}],
}

COMMANDS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "open": ([], OPEN),
    "zone": (BASE, {"op": "set_time_zone", "time_zone": "Europe/Amsterdam"}),
    "policy": (BASE, {"op": "set_billing_policy", "mode": "peak"}),
    "renew": ([*BASE, REDUCE], {"op": "renew", "effective_at": "2026-04-01"}),
    "add": (
        BASE,
        {**ANN, "user": "eve", "email": "eve@x.example"}
        | {"seats": [STARTER], "buy_if_needed": True},
    ),
    "permit": (
        BASE,
        {"op": "set_permissions", "user": "bob", "account_access": True},
    ),
    "grant": (BASE, LET_IN),
    "revoke": ([*BASE, LET_IN], {**LET_IN, "op": "revoke_hub_access"}),
    "remove": (BASE, {"op": "remove_user", "user": "bob"}),
    "erase": (BASE, {"op": "erase_user", "user": "bob", "reason": "asked"}),
    "buy": (BASE, BUY),
    "reduce": (BASE, REDUCE),
    "cancel": ([*BASE, REDUCE], {"op": "cancel_reduction", "seat_type": PRO}),
    "assign": (BASE, {**GIVE, "user": "bob"}),
    "unassign": (BASE, TAKE),
    "reverse": (BASE, {"op": "reverse", "entry_key": "setup-4", "reason": "wrong"}),
    "batch": (BASE, STEP),
    "invoice": (BASE, {**INVOICE, "effective_at": "2025-05-01"}),
    "invoice after a renewal": (
        [*BASE, REDUCE],
        {**INVOICE, "period": "2026-03-05", "effective_at": "2026-05-01"},
    ),
}
AT_END = {**TAKE, "at_period_end": True}
ISSUED = {**INVOICE, "effective_at": "2025-05-01"}
FINDING = {
    "op": "open_finding",
    "invoice": "V-1",
    "period": "2025-03-05",
    "product": "Pro",
    "verdict": "over",
    "cause": "wrong_at_issue",
    "invoiced_quantity": "4",
    "ledger_quantity": "3",
    "difference": "90.00",
    "currency": "EUR",
    "known_at": 5,
}
LIST = {"source": "list", "covers": [PRO], "digest": "0" * 64, "rows": 1}
COMMANDS |= {
    "at the period's end": (BASE, AT_END),
    "no longer at its end": (
        [*BASE, AT_END],
        {"op": "cancel_unassignment", "user": "ann", "seat_type": PRO},
    ),
    "rename": (BASE, {"op": "rename_user", "user": "bob", "new_user": "robert"}),
    "terms": (BASE, {"op": "change_contract", "renewal": 1, "term_months": 6}),
    "close": (
        BASE,
        {"op": "close_account", "end_holdings": True, "effective_at": "2025-06-01"},
    ),
    "void": (
        [*BASE, ISSUED],
        {"op": "void_invoice", "reason": "wrong", "effective_at": "2025-05-02"},
    ),
    "price": (
        BASE,
        {"op": "set_price", "seat_type": PRO, "unit_price": "9.00", "currency": "EUR"},
    ),
    "list": (
        BASE,
        {"op": "observe_snapshot", **LIST, "holders": 1, "totals": {PRO: 1}},
    ),
    "finding": (BASE, FINDING),
    "note": ([*BASE, FINDING], {"op": "note_finding", "finding": 1, "note": "n"}),
    "settle": (
        [*BASE, FINDING],
        {"op": "settle_finding", "finding": 1, "credited_by": "V-2"},
    ),
    "add type": ([OPEN], {"op": "add_seat_type"}),
    "withdraw type": ([OPEN, {"op": "add_seat_type"}], {"op": "withdraw_seat_type"}),
}
OF_NO_ACCOUNT = {"add_seat_type", "withdraw_seat_type"}
"""They are appended to a stream that all accounts share."""
LINES = [OPEN, BUY, ANN, GIVE, TAKE, BOB, {**GIVE, "user": "bob"}, LET_IN, REDUCE, BUY]
LATE = {"op": "add_user", "user": "zoe", "email": "zoe@x.example", "name": "Zoe"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before trying again."""
    monkeypatch.setattr(execution, "_pause", lambda *_: 0.0)
    monkeypatch.setattr(chunks, "PAUSE", 0.0)


@pytest.fixture(params=["cut", "terminate"])
def cutter(shared_database: str, request: pytest.FixtureRequest) -> Iterator[Cutter]:
    way: Way = request.param
    with Cutter(shared_database, way) as result:
        yield result


def at(command: dict[str, Any]) -> dict[str, Any]:
    """A command with an instant, unless it has one."""
    if command["op"] in {"reverse", "erase_user"}:
        return command
    return {"effective_at": EFFECTIVE, **command}


def placed(command: dict[str, Any], account: str, key: str) -> dict[str, Any]:
    """A command in its account, or about a type of its own in the catalogue."""
    if command["op"] in OF_NO_ACCOUNT:
        own = {"seat_type": f"hub/{account.lower()}", "idempotency_key": account + key}
        return {**command, **own}
    return {**command, "account": account, "idempotency_key": key}


def prepared(conninfo: str, account: str, setup: list[dict[str, Any]]) -> None:
    """Record what a command needs, undisturbed."""
    lines = [
        {"effective_at": "2025-03-05" if item is OPEN else "2025-03-06"}
        | placed(item, account, f"setup-{n}")
        | ({"invoice": account} if item is ISSUED else {})
        for n, item in enumerate(setup)
    ]
    with CommandService(conninfo) as ledger:
        outcomes = import_file(
            ledger,
            (json.dumps(item).encode() for item in lines),
            compute_invoice=computed(conninfo, {PRO: 2}),
        )
        assert {item.outcome for item in outcomes} <= {"recorded"}


def tried(
    ledger: CommandService, command: dict[str, Any], conninfo: str
) -> tuple[int, ...] | LedgerError:
    """What a command recorded, or how it failed."""
    compute = computed(conninfo, {PRO: 2})
    try:
        return ledger.execute(command, compute_invoice=compute).positions
    except LedgerError as error:
        return error


def disturbed(cutter: Cutter, name: str, number: int, *, is_warm: bool) -> bool:
    """Do a command, lose the connection at a message, and do it again.

    False where the command has fewer messages.
    """
    account = f"{cutter.way}-{name}-{number}-{is_warm}".replace(" ", "-")
    setup, command = COMMANDS[name]
    command = placed(at(command), account, "this")
    if command["op"] in {"issue_invoice", "void_invoice"}:
        command["invoice"] = account
    prepared(cutter.direct, account, setup)
    with CommandService(cutter.conninfo) as ledger:
        if is_warm and setup:
            ledger.execute({**at(LATE), "account": account}, dry_run=True)
        cutter.arm(number)
        first = tried(ledger, command, cutter.direct)
        has_cut = cutter.disarm()
        settled(cutter.direct)
        again = ledger.execute(command, compute_invoice=computed(cutter.direct))
        late = ledger.execute({**at(LATE), "account": account})
        assert late.positions
    if isinstance(first, LedgerError):
        assert first.exit_code in {1, 10}, first
        assert again.positions or name == "renew"
        if not isinstance(first, OutcomeUnknown):
            assert first.message.endswith("Nothing was written.")
            assert not again.repeated
    else:
        assert (again.positions, again.repeated) == (first, True)
    return has_cut


def disturbed_file(cutter: Cutter, number: int) -> bool:
    """The same with a file, two lines an append."""
    account = f"{cutter.way}-file-{number}"
    lines = [json.dumps({**at(item), "account": account}).encode() for item in LINES]
    report: list[LineOutcome] = []
    failed: LedgerError | None = None
    with CommandService(cutter.conninfo) as ledger:
        cutter.arm(number)
        try:
            report.extend(import_file(ledger, lines, chunk=2))
        except LedgerError as error:
            failed = error
        has_cut = cutter.disarm()
        settled(cutter.direct)
        again = list(import_file(ledger, lines, chunk=3))
    assert [item.line for item in again] == list(range(1, len(LINES) + 1))
    for before, after in zip(report, again, strict=False):
        assert before.outcome == "recorded", (before, report, failed, number)
        assert (after.outcome, after.positions) == ("repeated", before.positions)
    if failed is None:
        assert len(report) == len(LINES)
    elif report or "line" in failed.details:
        assert failed.details["line"] == len(report) + 1
        if "is not known" not in failed.message:
            assert {item.outcome for item in again[len(report) :]} == {"recorded"}
    return has_cut


def test_every_operation_is_among_the_commands() -> None:
    assert {command["op"] for _, command in COMMANDS.values()} == OPERATIONS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_survives_a_connection_lost_at_several_messages(
    cutter: Cutter, name: str
) -> None:
    stride = 17 if cutter.way == "cut" else 5
    for number in range(1 + list(COMMANDS).index(name) % stride, 10**6, stride):
        if not disturbed(cutter, name, number, is_warm=True):
            break
    assert damage(cutter.direct) == []


def test_a_file_survives_a_connection_lost_at_several_messages(cutter: Cutter) -> None:
    for number in range(1, 10**6, 5 if cutter.way == "cut" else 2):
        if not disturbed_file(cutter, number):
            break
    assert damage(cutter.direct) == []


@pytest.mark.parametrize("name", ["check_schema", "set_aside", "reader"])
def test_a_session_that_loses_its_connection_says_so_in_words(
    cutter: Cutter, name: str
) -> None:
    """Who opens it is the program, a server, or a program in Python (R74)."""
    session = Session()
    session.database = cutter.direct
    session.reader().connection.close()  # follows what other tests have recorded
    session.database = cutter.conninfo
    prepared(cutter.direct, f"{cutter.way}-{name}".replace("_", "-"), BASE)
    failures: list[LedgerError] = []
    for number in itertools.count(2, 11 if cutter.way == "cut" else 3):
        cutter.arm(number)
        try:
            opened = getattr(session, name)()
        except LedgerError as error:
            failures.append(error)
        else:
            if name == "reader":
                opened.connection.close()
        if not cutter.disarm():
            break
    assert {failure.exit_code for failure in failures} == {10}


@pytest.mark.long
@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_survives_a_connection_lost_at_any_message(
    cutter: Cutter, name: str, is_warm: bool
) -> None:
    for number in itertools.count(1):
        if not disturbed(cutter, name, number, is_warm=is_warm):
            break
    assert damage(cutter.direct) == []


@pytest.mark.long
def test_a_file_survives_a_connection_lost_at_any_message(cutter: Cutter) -> None:
    for number in itertools.count(1):
        if not disturbed_file(cutter, number):
            break
    assert damage(cutter.direct) == []
