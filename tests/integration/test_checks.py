"""Each check of a rebuild finds what it is there for, and says where."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import IntegrityFailure
from seat_ledger.projections.engine.checks import BY_CHECK
from seat_ledger.projections.engine.rebuild import PHASES, rebuild
from tests.integration.tables import (
    BOTH_ENGINES,
    PRO,
    WHOLE,
    catch_up,
    digests,
    fill,
    poison,
    states_and_schemas,
)

EARLY = {"effective_at": "2025-03-01T00:00:00Z"}
BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "one_holder_at_once": ("SeatAssigned", {"number": 1}),
    "holdings_have_both_ends": ("SeatUnassigned", {"number": 1, **EARLY}),
    "holdings_within_seats": ("SeatAssigned", {"number": 90}),
    "counts_within_contract": ("SeatRetired", {"number": 3, "renewal": 1, **EARLY}),
    "counts_equal_holdings": ("SeatPurchased", {"number": 1}),
}
"""By check: an event that nobody of ours would record."""


def broken(conninfo: str, name: str) -> int:
    """Store what a check is there for; return its position."""
    topic, text = BROKEN[name]
    with psycopg.connect(conninfo) as connection:
        (user,) = connection.execute(
            "SELECT user_id::text FROM projection.seat_holding WHERE number = 1"
        ).fetchone()
    return poison(conninfo, topic, {**WHOLE, "seat_type": PRO, "user": user, **text})


@BOTH_ENGINES
@pytest.mark.parametrize("name", BROKEN)
def test_a_check_finds_what_the_events_contradict(
    database: str, ledger: CommandService, name: str, bulk: Any
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    before = digests(database)
    position = broken(database, name)
    result = rebuild(database, bulk=bulk)
    check = BY_CHECK[name]
    assert isinstance(result.error, IntegrityFailure)
    assert result.error.details["position"] == position
    assert result.error.details["topic"] == BROKEN[name][0]
    assert result.tables[check.projection].status == "error"
    message = check.sentence.rpartition("}: ")[2].partition("{")[0]
    assert message in str(result.tables[check.projection].reason)
    assert f"acme, {PRO}" in str(result.tables[check.projection].reason)
    assert not result.switched
    assert digests(database) == before
    assert [state for state, _ in states_and_schemas(database)[0]] == ["served"]


@BOTH_ENGINES
def test_an_unassignment_that_nothing_precedes_is_named(
    database: str, ledger: CommandService, bulk: Any
) -> None:
    fill(ledger, "acme")
    with psycopg.connect(database) as connection:
        (user,) = connection.execute(
            "SELECT user_id::text FROM ledger.user_name LIMIT 1"
        ).fetchone()
    text = {**WHOLE, "seat_type": PRO, "user": user, "number": 90}
    position = poison(database, "SeatUnassigned", text)
    result = rebuild(database, bulk=bulk)
    assert isinstance(result.error, IntegrityFailure)
    assert result.error.details["position"] == position
    assert result.error.details["projection"] == "seat_holding"
    assert result.error.details["topic"] == "SeatUnassigned"
    assert "ends no holding" in str(result.tables["seat_holding"].reason)
    assert not result.switched


def test_a_journal_that_lacks_an_event_is_not_served(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme")
    catch_up(database)

    def lose_one(what: str) -> None:
        if what == PHASES["check"]:
            with psycopg.connect(database) as connection:
                connection.execute(
                    "DELETE FROM projection_2.journal WHERE position = 3"
                )

    result = rebuild(database, at=lose_one)
    assert isinstance(result.error, IntegrityFailure)
    assert result.tables["journal"].status == "error"
    assert "of the store's" in str(result.tables["journal"].reason)
    assert [state for state, _ in states_and_schemas(database)[0]] == ["served"]


def test_every_check_is_tried() -> None:
    assert BY_CHECK.keys() == {*BROKEN, "journal_is_whole"}
