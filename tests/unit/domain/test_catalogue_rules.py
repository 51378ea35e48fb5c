"""Seat types as data of the ledger (R80, R81): facts in, acceptance or a code out."""

from __future__ import annotations

from typing import Any

import pytest

from seat_ledger.errors import CommandRefused, InvalidInput
from tests.support.acme import PRO, InMemoryAcme

BUSINESS, CHAT = "copilot/business", "copilot/chat"


def add(acme: InMemoryAcme, seat_type: str, **fields: Any) -> tuple[int, ...]:
    return acme.execute({"op": "add_seat_type", "seat_type": seat_type, **fields})


def withdraw(acme: InMemoryAcme, seat_type: str, **fields: Any) -> tuple[int, ...]:
    return acme.execute({"op": "withdraw_seat_type", "seat_type": seat_type, **fields})


def refused(code: str, change: Any, *args: Any, **fields: Any) -> CommandRefused:
    with pytest.raises(CommandRefused) as error:
        change(*args, **fields)
    assert error.value.code == code, error.value.message
    return error.value


def test_r80_a_type_is_bought_from_the_event_on_that_adds_it(
    acme: InMemoryAcme,
) -> None:
    error = acme.no("unknown_seat_type", "buy_seats", seat_type=BUSINESS, quantity=1)
    assert error.try_ is not None
    assert f"seat-ledger catalogue add {BUSINESS}" in error.try_
    add(acme, BUSINESS)
    acme.buy(2, of=BUSINESS)
    assert len(acme.recorded("SeatPurchased")) == 2
    refused("seat_type_exists", add, acme, BUSINESS)
    refused("seat_type_exists", add, acme, PRO)


def test_r80_of_a_withdrawn_type_nothing_more_is_bought_and_what_is_there_runs_on(
    acme: InMemoryAcme,
) -> None:
    acme.buy(1)
    acme.add("ann", "bob")
    withdraw(acme, PRO, effective_at="2025-04-01")
    acme.no("seat_type_withdrawn", "buy_seats", seat_type=PRO, quantity=1,
            effective_at="2025-04-01")  # fmt: skip
    acme.buy(1, "2025-03-31T23:59:59")  # before it was withdrawn, for the customer
    for user in ("ann", "bob"):
        acme.give(user, "2025-04-02")
    acme.add("cleo")
    acme.no("seat_type_withdrawn", "assign_seat", user="cleo", seat_type=PRO,
            buy_if_needed=True, effective_at="2025-04-02")  # fmt: skip
    refused("nothing_to_do", withdraw, acme, PRO)
    add(acme, PRO)
    acme.give("cleo", "2025-04-02", buy_if_needed=True)


def test_r81_a_user_holds_one_seat_of_an_exclusive_hub_and_one_of_each_tier_else(
    acme: InMemoryAcme,
) -> None:
    for hub, exclusive in (("copilot", False), ("m365", None)):
        for tier in ("business", "chat"):
            seat_type = f"{hub}/{tier}"
            add(acme, seat_type, exclusive=exclusive)
            acme.buy(2, of=seat_type)
    acme.add("ann")
    acme.give("ann", "2025-04-01", of=BUSINESS)
    acme.give("ann", "2025-04-20", of=CHAT)
    acme.no("hub_seat_held", "assign_seat", user="ann", seat_type=BUSINESS,
            effective_at="2025-05-01")  # fmt: skip
    acme.give("ann", "2025-04-01", of="m365/business")
    acme.no("hub_seat_held", "assign_seat", user="ann", seat_type="m365/chat",
            effective_at="2025-05-01")  # fmt: skip
    acme.no("seat_held", "remove_user", user="ann", effective_at="2025-06-01")
    acme.take("ann", "2025-06-01", of=CHAT)
    revoke = {"user": "ann", "hub": "copilot", "effective_at": "2025-07-01"}
    acme.no("seat_held", "revoke_hub_access", **revoke)
    acme.take("ann", "2025-06-30", of=BUSINESS)
    acme.do("revoke_hub_access", **revoke)


def test_r81_the_first_type_of_a_hub_fixes_whether_it_is_exclusive(
    acme: InMemoryAcme,
) -> None:
    add(acme, BUSINESS, exclusive=False)
    add(acme, CHAT)
    add(acme, "copilot/pro", exclusive=False)
    refused("exclusivity_fixed", add, acme, "copilot/max", exclusive=True)
    refused("exclusivity_fixed", add, acme, "sales/max", exclusive=False)


@pytest.mark.parametrize(
    "name",
    ["copilot", "copilot/", "/x", "a/b/c", "Copilot/Pro", "a b/c", "é/x"],
)
def test_r81_what_cannot_name_a_type_is_refused(acme: InMemoryAcme, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name of a seat type"):
        add(acme, name)
    acme.no("unknown_seat_type", "buy_seats", seat_type=name, quantity=1)


def test_r81_the_nearest_known_types_are_named(acme: InMemoryAcme) -> None:
    add(acme, BUSINESS)
    error = acme.no("unknown_seat_type", "buy_seats", seat_type="copilot/busines",
                    quantity=1)  # fmt: skip
    assert error.try_ is not None
    assert error.try_.startswith(f"use {BUSINESS}")
    acme.add("ann")
    acme.no("unknown_hub", "grant_hub_access", user="ann", hub="copilots")


def test_the_catalogue_belongs_to_no_account(acme: InMemoryAcme) -> None:
    with pytest.raises(InvalidInput, match="belongs to no account"):
        acme.do("add_seat_type", seat_type=BUSINESS)
    with pytest.raises(InvalidInput, match="is not allowed in a batch"):
        acme.do("batch", commands=[{"op": "add_seat_type", "seat_type": BUSINESS}])
    with pytest.raises(InvalidInput, match="'account' is missing"):
        acme.execute({"op": "buy_seats", "seat_type": PRO, "quantity": 1})
