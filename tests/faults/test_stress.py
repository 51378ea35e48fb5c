"""Many processes on one account with few free seats (R30, R33, R73, R78).

Every accepted command is there once, in an order in which the oracle, which knows all
rules and none of the product's code, accepts each of them again.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused, Conflict
from seat_ledger.projections.engine import installation
from seat_ledger.store.connection import connect
from tests.integration.tables import differences
from tests.oracle.oracle import Oracle
from tests.support.waiting import AT_MOST

PRO, STARTER = "sales/professional", "sales/starter"
USERS = 12
SEATS = 3
OPEN = {
    "op": "open_account",
    "account": "acme",
    "name": "Acme",
    "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05",
    "term_months": 240,
    "billing_cycle_months": 1,
    "effective_at": "2025-03-05T00:00:00Z",
}


def instant(random: Random) -> str:
    """Now, or a moment of the last hour: late facts meet those of the others."""
    now = datetime.now(UTC).timestamp() - random.choice([0, 0, 0, 600, 3600])
    return datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")


def any_command(random: Random) -> dict[str, Any]:
    user, seat_type = f"u{random.randrange(USERS)}", random.choice([PRO, PRO, STARTER])
    other = f"u{random.randrange(USERS)}"
    give = {"op": "assign_seat", "user": user, "seat_type": seat_type}
    take = {"op": "unassign_seat", "user": user, "seat_type": seat_type}
    person = {"op": "add_user", "user": user, "name": user}
    person["email"] = f"{user}@x.example"
    swap = [take, {**give, "user": other}]
    return random.choice(
        [
            give,
            give,
            give,
            take,
            take,
            {"op": "batch", "commands": swap},
            {"op": "remove_user", "user": user},
            person,
            person,
            {"op": "grant_hub_access", "user": user, "hub": "sales"},
            {"op": "revoke_hub_access", "user": user, "hub": "sales"},
            {"op": "reduce_seats", "seat_type": seat_type, "quantity": 1},
            {"op": "cancel_reduction", "seat_type": seat_type},
        ]
    )


def work(conninfo: str, number: int, commands: int, done: Any, ready: Any) -> None:
    """Give commands as fast as it goes; tell what became of each."""
    random, message = Random(number), []
    with CommandService(conninfo) as ledger:
        ready.wait(AT_MOST)
        for n in range(commands):
            command = {"account": "acme", **any_command(random)}
            command["effective_at"] = instant(random)
            command["idempotency_key"] = f"{number}-{n}"
            try:
                result = ledger.execute(command)
            except CommandRefused as refused:
                message.append(("refused", refused.code, command, []))
            except Conflict as late:
                message.append(("late", late.code, command, []))
            else:
                message.append(("recorded", "", command, list(result.positions)))
    done.put(message)


def compete(conninfo: str, processes: int, commands: int) -> list[Any]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.acts", "tests.faults.test_stress"])
    done: Any = context.Queue()
    ready = context.Barrier(processes)
    share = commands // processes
    workers = [
        context.Process(target=work, args=(conninfo, n, share, done, ready))
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    message = [item for _ in workers for item in done.get(timeout=4 * AT_MOST)]
    for worker in workers:
        worker.join()
    return message


@pytest.mark.parametrize(
    ("processes", "commands"),
    [(4, 160), pytest.param(8, 2_000, marks=pytest.mark.long)],
)
def test_r30_r33_no_process_breaks_a_rule_or_loses_a_command(
    database: str, processes: int, commands: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    first = [OPEN]
    for seat_type in (PRO, STARTER):
        buy = {"op": "buy_seats", "seat_type": seat_type, "quantity": SEATS}
        first.append({**buy, "account": "acme", "effective_at": OPEN["effective_at"]})
    with CommandService(database) as ledger:
        fields = [
            (command, list(ledger.execute(command).positions)) for command in first
        ]
    message = compete(database, processes, commands)
    counted = Counter(outcome for outcome, *_ in message)
    fields += [
        (command, at) for outcome, _, command, at in message if outcome == "recorded"
    ]
    fields.sort(key=lambda item: item[1])
    assert len(message) == commands

    # Every accepted command is there once, whole; of the others there is no trace.
    with psycopg.connect(database) as connection:
        stored = connection.execute(
            "SELECT array_agg(notification_id ORDER BY notification_id) "
            "FROM ledger.stored_events "
            "GROUP BY coalesce(convert_from(state, 'UTF8')::jsonb "
            "->> 'idempotency_key', topic || originator_id || recorded_at) ORDER BY 1"
        ).fetchall()
        saved = connection.execute(
            "SELECT count(*) FROM ledger.recorded_command"
        ).fetchone()
    assert [positions for (positions,) in stored] == [at for _, at in fields]
    assert saved == (len(fields),)

    # No rule is broken: the oracle accepts each of them, in the order of positions.
    oracle = Oracle()
    for command, positions in fields:
        outcome = oracle.execute(command)
        assert outcome.accepted, (command, positions, outcome.codes)
        assert len(outcome.entries) == len(positions)
        oracle.recorded(positions)
    with connect(database, autocommit=True) as connection:
        installation.catch_up(connection)
    assert differences(database) == []
    assert counted["recorded"] > commands // 20
    if commands > 1_000:
        spent = time.monotonic() - began
        with capsys.disabled():
            print(f"\n{processes} processes, {dict(counted)}, {spent:.0f} s")
