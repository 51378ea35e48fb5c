"""Commands of different accounts that are recorded in one append, each on its own."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from seat_ledger.commands import repository
from seat_ledger.commands.messages import read_command
from seat_ledger.commands.service import Caller, CommandService
from seat_ledger.errors import LedgerError, OutcomeUnknown
from tests.drafts import PRO

CALLER = Caller("system:test")
ACCOUNTS = [f"a{n}" for n in range(4)]
AT = {"effective_at": "2025-04-01"}


def together(ledger: CommandService, *commands: dict[str, Any]) -> list[Any]:
    read = [(read_command(command), CALLER) for command in commands]
    return ledger.execute_together(read)


def opened(ledger: CommandService) -> None:
    for account in ACCOUNTS:
        ledger.open_account(
            account,
            name=account,
            time_zone="UTC",
            term_start="2025-03-05",
            term_months=12,
            billing_cycle_months=1,
        )
        ledger.buy_seats(account, seat_type=PRO, quantity=1, **AT)
        ledger.add_user(account, user="ann", email="a@x.example", name="Ann", **AT)


def give(account: str, **fields: Any) -> dict[str, Any]:
    return {"op": "assign_seat", "account": account, "user": "ann", "seat_type": PRO,
            **AT, **fields}  # fmt: skip


def test_each_is_recorded_repeated_or_refused_as_it_would_be_alone(
    database: str,
) -> None:
    with CommandService(database) as ledger:
        opened(ledger)
        first = ledger.execute(give("a0", idempotency_key="k"))
    with CommandService(database) as ledger:
        results = together(
            ledger,
            give("a0", idempotency_key="k"),
            give("a1"),
            give("a2", user="nobody"),
            give("a3", idempotency_key="k"),
        )
        again = ledger.execute(give("a3", idempotency_key="k"))
    repeated, recorded, refused, other = results
    assert (repeated.positions, repeated.repeated) == (first.positions, True)
    assert isinstance(refused, LedgerError)
    assert refused.code == "user_not_found"
    ours = [*recorded.positions, *other.positions]
    assert ours == list(range(first.positions[-1] + 1, first.positions[-1] + 5))
    assert [e.topic for e in recorded.events] == ["HubAccessGranted", "SeatAssigned"]
    assert {e.recorded_at for e in (*recorded.events, *other.events)} == {
        recorded.events[0].recorded_at
    }
    assert not other.repeated
    assert (again.positions, again.repeated) == (other.positions, True)
    with psycopg.connect(database) as connection:
        count, instants = connection.execute(
            "SELECT count(*), count(DISTINCT recorded_at) FROM ledger.stored_events "
            "WHERE notification_id = ANY(%s)",
            [ours],
        ).fetchone()
    assert (count, instants) == (4, 1)


def test_where_somebody_was_first_each_is_decided_again_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = repository.append_many, []
    with CommandService(database) as ledger, CommandService(database) as other:
        opened(ledger)

        def append_many(*fields: Any) -> Any:
            calls.append(fields)
            other.execute(give("a1"))
            return original(*fields)

        monkeypatch.setattr(repository, "append_many", append_many)
        first, second, third = together(ledger, give("a0"), give("a1"), give("a2"))
    assert len(calls) == 1
    assert first.positions
    assert third.positions
    assert isinstance(second, LedgerError)
    assert second.code == "no_free_seat"


def test_a_lost_reply_is_settled_for_each_of_them(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = repository.append_many

    def append_many(*fields: Any) -> Any:
        original(*fields)
        raise OutcomeUnknown

    with CommandService(database) as ledger:
        opened(ledger)
        monkeypatch.setattr(repository, "append_many", append_many)
        results = together(ledger, give("a0"), give("a1"), give("a2", user="nobody"))
    assert [result.repeated for result in results[:2]] == [False, False]
    assert all(result.positions for result in results[:2])
    assert results[2].code == "user_not_found"
    with psycopg.connect(database) as connection:
        count = connection.execute(
            "SELECT count(*) FROM ledger.stored_events WHERE topic = 'SeatAssigned'"
        ).fetchone()
    assert count == (2,)


def test_a_bug_in_one_leaves_the_others_recorded(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CommandService(database) as ledger:
        opened(ledger)
        original = ledger.execution._decide

        def decide(workspace: Any, command: Any, *fields: Any) -> Any:
            if command.envelope.account == "a1":
                raise ZeroDivisionError
            return original(workspace, command, *fields)

        monkeypatch.setattr(ledger.execution, "_decide", decide)
        first, second, third = together(ledger, give("a0"), give("a1"), give("a2"))
    assert first.positions
    assert third.positions
    assert isinstance(second, ZeroDivisionError)
