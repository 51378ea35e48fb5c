"""Many things at one instant (R46): sources that know dates only record them so.

Validity is about intervals. An empty holding stands in nobody's way where another one
begins or ends; strictly inside another one it is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from seat_ledger.projections.engine import rebuild
from seat_ledger.projections.reader import ConnectedReader
from tests.acme import Acme
from tests.support.acme import PRO, STARTER

DAY = "2026-02-01"
SEAT = f"{PRO}#1"


def empty(acme: Acme, user: str, at: str = DAY, **more: Any) -> None:
    """Let a user hold a seat for no time at all."""
    acme.give(user, at, **more)
    acme.take(user, at)


def test_r46_a_seat_handed_on_three_times_in_one_day_is_held_by_the_last(
    acme: Acme,
) -> None:
    acme.buy()
    acme.add("u1", "u2", "u3")
    empty(acme, "u1")
    acme.give("u2", DAY)
    acme.do("batch", effective_at=DAY, commands=[
        {"op": "unassign_seat", "user": "u2", "seat_type": PRO},
        {"op": "assign_seat", "user": "u3", "seat_type": PRO},
    ])  # fmt: skip
    assert acme.holder(SEAT, DAY) == "u3"
    assert acme.holder(SEAT, "2026-01-31") is None
    assert rebuild.rebuild(acme.conninfo, workers=1).error is None


def test_r46_r26_a_seat_with_an_empty_holding_is_free_at_its_instant(
    acme: Acme,
) -> None:
    acme.buy(2)
    acme.add("u1", "u2")
    empty(acme, "u1")
    acme.give("u2", DAY)
    assert acme.holder(SEAT, DAY) == "u2"


def test_r46_a_user_holds_another_seat_of_the_hub_from_the_instant_on(
    acme: Acme,
) -> None:
    acme.buy()
    acme.buy(of=STARTER)
    acme.add("u1")
    empty(acme, "u1")
    acme.give("u1", DAY, STARTER)
    assert acme.holder(f"{STARTER}#1", DAY) == "u1"


@pytest.mark.parametrize("at", ["2026-02-01", "2026-03-01"])
def test_r46_an_empty_holding_may_lie_where_another_begins_or_ends(
    acme: Acme, at: str
) -> None:
    acme.buy()
    acme.add("u1", "u2")
    empty(acme, "u2", at)
    acme.do("batch", commands=[
        {"op": "assign_seat", "user": "u1", "seat_type": PRO, "effective_at": DAY},
        {"op": "unassign_seat", "user": "u1", "seat_type": PRO,
         "effective_at": "2026-03-01"},
    ])  # fmt: skip
    assert acme.holder(SEAT, DAY) == "u1"


def test_r46_an_empty_holding_strictly_inside_another_is_refused(acme: Acme) -> None:
    acme.buy(2)
    acme.add("u1", "u2")
    empty(acme, "u2", "2026-02-10", seat=SEAT)
    around = {"op": "assign_seat", "seat_type": PRO, "effective_at": DAY}
    acme.no("seat_taken", user="u1", seat=SEAT, **around)
    acme.no("hub_seat_held", user="u2", seat=f"{PRO}#2", **around)
    acme.do(user="u1", **around)
    assert acme.holder(f"{PRO}#2", DAY) == "u1"


def test_r46_e_an_empty_holding_is_in_no_reductions_way(acme: Acme) -> None:
    acme.buy()
    acme.add("u1")
    empty(acme, "u1")
    reduction = {"op": "reduce_seats", "seat_type": PRO, "quantity": 1}
    acme.do(**reduction, effective_at=DAY)
    acme.do("renew", effective_at="2026-03-05")
    retired = [e["seat"] for e in acme.events() if e["event"] == "SeatRetired"]
    assert retired == [SEAT]


def test_r46_c_permissions_changed_and_the_user_removed_at_one_instant(
    acme: Acme,
) -> None:
    acme.add("u1", "u2", "u3")
    change: dict[str, Any] = {"op": "set_permissions", "account_access": True}
    acme.do(**change, user="u1", effective_at=DAY)
    acme.do("remove_user", user="u1", effective_at=DAY)
    acme.do("remove_user", user="u2", effective_at=DAY)
    acme.do(**change, user="u2", effective_at=DAY)
    acme.do("batch", effective_at=DAY, commands=[
        {"op": "remove_user", "user": "u3"}, {**change, "user": "u3"},
    ])  # fmt: skip
    acme.no("user_not_present", **change, user="u1", effective_at="2026-02-02")


def test_r46_c_added_seated_and_removed_in_one_day(acme: Acme) -> None:
    acme.buy()
    for _ in range(2):  # and the same again, at the same instant
        acme.do("add_user", user="u1", email="u1@x.example", name="U",
                effective_at=DAY, seats=[PRO], account_access=True)  # fmt: skip
        acme.take("u1", DAY)
        acme.do("revoke_hub_access", user="u1", hub="sales", effective_at=DAY)
        acme.do("remove_user", user="u1", effective_at=DAY)
    assert acme.holder(SEAT, DAY) is None
    assert rebuild.rebuild(acme.conninfo, workers=1).error is None


def test_r46_access_granted_again_at_the_instant_of_an_empty_one(acme: Acme) -> None:
    acme.add("u1")
    hub = {"user": "u1", "hub": "sales", "effective_at": DAY}
    for _ in range(2):
        acme.do("grant_hub_access", **hub)
        acme.do("revoke_hub_access", **hub)
    acme.do("grant_hub_access", **hub)


def test_r35_a_membership_of_no_time_shares_no_key(acme: Acme) -> None:
    acme.add("u1")
    removed = acme.do("remove_user", user="u1", effective_at=DAY)
    again = {"user": "u1", "email": "u1@x.example", "name": "U"}
    acme.do("add_user", **again, effective_at=DAY)
    acme.do("remove_user", user="u1", effective_at=DAY)
    acme.do("reverse", entry=removed[0], reason="stayed after all")
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        assert len(reader.users_called(account, "u1", known_at)) == 2


def test_r46_what_an_instant_pairs_is_what_was_recorded_first(acme: Acme) -> None:
    acme.buy()
    acme.add("u1")
    for _ in range(3):
        empty(acme, "u1")
    acme.give("u1", DAY)
    rows = [e for e in acme.events() if e["event"].startswith("Seat") and e["user"]]
    opened = [e["position"] for e in rows if e["event"] == "SeatAssigned"]
    closed = [e["position"] for e in rows if e["event"] == "SeatUnassigned"]
    history = acme.history(SEAT)
    pairs = [(h["assigned_by"], h["unassigned_by"]) for h in history]
    assert [a["position"] for a, _ in pairs] == opened
    assert [b["position"] for _, b in pairs[:3]] == closed
    assert acme.holder(SEAT, DAY) == "u1"
