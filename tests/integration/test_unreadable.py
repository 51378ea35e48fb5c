"""Events that cannot be read stop everything at their position (R74)."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from projections import catch_up as catching_up
from projections import engine
from projections.decoding import UnreadableEvent
from projections.rebuild import rebuild
from seat_ledger.application import SeatLedger
from tests.integration.tables import (
    PRO,
    WHOLE,
    catch_up,
    differences,
    digests,
    fill,
    generations,
    head,
    poison,
)
from tests.program import Program

POISONS = {
    "an unknown type": ("SeatGilded", b'{"v":1,"actor":"system:x"}', "type"),
    "an unknown version": ("SeatPurchased", b'{"v":9,"actor":"system:x"}', "version"),
    "no JSON": ("SeatPurchased", b'{"v":1,"effective_at', "json"),
    "no UTF-8": ("SeatPurchased", b'{"v":1,"actor":"\xff"}', "UTF8"),
    "a NUL": ("SeatPurchased", b'{"v":1,"actor":"\\u0000"}', "Unicode"),
    "no instant": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "then", "seat_type": PRO, "number": 90},
        "timestamp",
    ),
    "no number": ("SeatPurchased", {**WHOLE, "seat_type": PRO}, "missing"),
    "a number beyond all": (
        "SeatPurchased",
        {**WHOLE, "seat_type": PRO, "number": 10**30},
        "out of range",
    ),
    "an instant beyond the calendar": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "infinity", "seat_type": PRO, "number": 90},
        "calendar",
    ),
    "an instant before the calendar": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "0044-03-15 BC", "seat_type": PRO, "number": 90},
        "calendar",
    ),
    "no renewal": ("SeatRetired", {**WHOLE, "seat_type": PRO, "number": 1}, "missing"),
    "an unknown seat type": (
        "SeatPurchased",
        {**WHOLE, "seat_type": "sales/golden", "number": 90},
        "golden",
    ),
    "a depth beyond all": (
        "SeatPurchased",
        b'{"v":1,"actor":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "stack",
    ),
}


OPENED = {**WHOLE, "account_key": "evil", "name": "Evil", "time_zone": "UTC"}
OPENED |= {"term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1}
POLICY = {**WHOLE, "mode": "peak", "granularity": None}
CONTRACTS = {
    "an unknown zone": ("TimeZoneChanged", {**WHOLE, "time_zone": "Mars/Base"}, "Mars"),
    "no zone": ("TimeZoneChanged", WHOLE, "time_zone is no text"),
    "a zone of numbers": ("AccountOpened", OPENED | {"time_zone": [1]}, "no text"),
    "an unknown mode": ("BillingPolicyChanged", POLICY | {"mode": "luck"}, "luck"),
    "no mode": ("BillingPolicyChanged", WHOLE, "mode is no text"),
    "a granularity too many": (
        "BillingPolicyChanged",
        POLICY | {"granularity": "day"},
        "no counting by peak, day",
    ),
    "no cycle": ("AccountOpened", OPENED | {"billing_cycle_months": None}, "1 to 120"),
    "a term beyond all": ("AccountOpened", OPENED | {"term_months": 10**9}, "1 to 240"),
    "no date": ("AccountOpened", OPENED | {"term_start": "soon"}, "soon"),
    "a date beyond all": (
        "AccountOpened",
        OPENED | {"term_start": "9990-01-01"},
        "beyond the calendar",
    ),
    "a key of numbers": ("AccountOpened", OPENED | {"account_key": 7}, "account_key"),
}
"""Contracts that decode, and that no calendar can be made of."""


@pytest.mark.parametrize("kind", CONTRACTS)
def test_r74_a_contract_without_a_calendar_stops_everything_at_its_position(
    database: str, ledger: SeatLedger, kind: str
) -> None:
    topic, said, reason = CONTRACTS[kind]
    fill(ledger, "acme")
    position = poison(database, topic, said, new=topic == "AccountOpened")
    fill(ledger, "boats")
    with pytest.raises(UnreadableEvent, match=f"position {position} ") as told:
        catch_up(database)
    assert reason in told.value.details["reason"]
    assert told.value.details["topic"] == topic
    result = rebuild(database)
    assert isinstance(result.error, UnreadableEvent)
    assert result.error.position == position
    assert result.made["billing_period"].status == "error"
    with psycopg.connect(database) as connection:
        state_row = engine.status(connection)[0]
    assert (state_row["stuck_at"], state_row["checkpoint"]) == (position, position - 1)


REFUSED = {
    "an end of no holding": ("SeatUnassigned", {"number": 4}, "seat_holding"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_r74_an_event_whose_rows_are_refused_stops_catching_up_at_its_position(
    database: str, ledger: SeatLedger, kind: str
) -> None:
    topic, said, reason = REFUSED[kind]
    fill(ledger, "acme")
    catch_up(database)
    with psycopg.connect(database) as connection:
        (user,) = connection.execute(
            "SELECT user_id::text FROM projection.seat_holding LIMIT 1"
        ).fetchone()
    said = {**WHOLE, "seat_type": PRO, "user": user, **said}
    ledger.buy_seats("acme", seat_type=PRO, quantity=5)
    position = poison(database, topic, said)
    with SeatLedger(database) as other:
        fill(other, "boats")
    program = Program(database)
    for _ in range(2):
        done = program.run("projection", "run", "--format", "json")
        assert done.returncode == 1, done.stderr
        told = json.loads(done.stderr.splitlines()[-1])
        assert told["code"] == "unreadable_event"
        assert f"position {position} ({topic}, account acme)" in told["message"]
        assert reason in told["message"]
    with psycopg.connect(database) as connection:
        state_row = engine.status(connection)[0]
    assert (state_row["state"], state_row["stuck_at"]) == ("stuck", position)
    assert state_row["checkpoint"] == position - 1


def test_r29_catching_up_never_stops_inside_a_command(
    database: str, ledger: SeatLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction's reversal comes first: an end is without a holding for a moment."""
    fill(ledger, "acme")
    cy = {"user": "cy", "email": "cy@x.example", "name": "Cy"}
    ledger.add_user("acme", **cy, effective_at="2025-03-06")
    held = {"user": "cy", "seat_type": PRO}
    given = ledger.assign_seat("acme", **held, effective_at="2025-08-01")
    ledger.unassign_seat("acme", **held, effective_at="2025-09-01")
    corrected = ledger.execute(
        {
            "op": "batch",
            "account": "acme",
            "reason": "a day later",
            "commands": [
                {"op": "reverse", "entry": given.positions[-1]},
                {"op": "assign_seat", **held, "effective_at": "2025-08-02"},
            ],
        }
    )
    first, *_, last = corrected.positions
    monkeypatch.setattr(catching_up, "BATCH", 1)
    seen = []
    original = catching_up.refresh

    def refresh(connection: Any, after: int, upto: int) -> None:
        seen.append(upto)
        original(connection, after, upto)

    monkeypatch.setattr(catching_up, "refresh", refresh)
    catch_up(database)
    assert not set(range(first, last)) & set(seen)
    assert seen[-1] == head(database) == last
    assert differences(database) == []


@pytest.mark.parametrize("kind", POISONS)
def test_r74_what_cannot_be_read_stops_everything_at_its_position(
    database: str, ledger: SeatLedger, kind: str
) -> None:
    topic, state, reason = POISONS[kind]
    fill(ledger, "acme")
    catch_up(database)
    ledger.buy_seats("acme", seat_type=PRO, quantity=2)
    position = poison(database, topic, state)
    other = SeatLedger(database)
    with other:
        fill(other, "boats")
    for _ in range(2):  # asked again, it says the same
        with pytest.raises(UnreadableEvent, match=f"position {position} ") as told:
            catch_up(database)
    assert told.value.details["topic"] == topic
    assert told.value.details["account"] == "acme"
    assert reason.lower() in told.value.details["reason"].lower()
    with psycopg.connect(database) as connection:
        state_row = engine.status(connection)[0]
        last = connection.execute(
            "SELECT max(position) FROM projection.journal"
        ).fetchone()
    assert (state_row["state"], state_row["stuck_at"]) == ("stuck", position)
    assert last == (position - 1,)
    before = digests(database)
    result = rebuild(database)
    assert isinstance(result.error, UnreadableEvent)
    assert result.error.position == position
    assert result.made["journal"].status == "error"
    assert [state for state, _ in generations(database)[0]] == ["served"]
    assert digests(database) == before
