"""Unassignments that are requested for a billing period's end (R98)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_life_of_a_contract import PRO, Contract


@pytest.fixture
def e(database: str, tmp_path: Path) -> Contract:
    return Contract(database, tmp_path)


def leaving(e: Contract, *words: Any) -> list[tuple[str, str, str | None]]:
    """Who is to leave which seat when, as the account says."""
    (row,) = e.json("account", "show", "e", *words)["rows"]
    return [(p["user"], p["seat"], p["due"]) for p in row["pending_unassignments"]]


def holder(e: Contract, *words: Any) -> dict[str, Any] | None:
    (row,) = e.json("seat", "who", f"{PRO}#1", "-a", "e", *words)["rows"]
    held: dict[str, Any] | None = row["holder"]
    return held


def test_e35_a_seat_is_held_until_the_night_of_two_midnights(e: Contract) -> None:
    """Havana, anchor 2: the period of 2 October ends at 04:00Z on 2 November (E12)."""
    e.do(
        "open_account", name="E", time_zone="America/Havana",
        term_start="2025-03-02", term_months=120, billing_cycle_months=1,
    )  # fmt: skip
    e.buy(1, "2025-03-02")
    e.give("ann", "2025-03-10")
    ask = {"user": "ann", "seat_type": PRO, "at_period_end": True, "reason": "left"}
    (requested,) = e.do("unassign_seat", "2025-10-10", **ask)
    due = "2025-11-02T04:00:00Z"
    assert leaving(e, "--as-of", "2025-10-20") == [("ann", f"{PRO}#1", due)]
    assert leaving(e, "--as-of", "2025-10-09") == []
    e.no("unassignment_pending", "unassign_seat", "2025-10-11", **ask)

    # A microsecond before it can be taken back; then it is requested again.
    keep = {"user": "ann", "seat_type": PRO}
    (cancelled,) = e.do("cancel_unassignment", "2025-11-02T03:59:59.999999Z", **keep)
    assert leaving(e, "--as-of", "2025-11-02T03:59:59.999999Z") == []
    assert leaving(e, "--as-of", "2025-11-02T03:59:59.999998Z") != []
    e.do("reverse", entry=cancelled, reason="she leaves after all")
    assert not e.json("account", "show", "e", "--as-of", "2025-11-02T03:59:59Z")[
        "rows"
    ][0]["renewal_due"]
    document = e.json("account", "show", "e")
    assert document["renewal_due"] is document["rows"][0]["renewal_due"] is True
    assert (held := holder(e))
    assert held["unassignment_due"] == due

    # Exactly then it is too late: what is due is carried out first.
    e.no("no_pending_unassignment", "cancel_unassignment", due, **keep)
    (row,) = e.json("account", "renew", "--due")["rows"]
    assert (row["renewals"], row["unassigned"]) == (0, 1)
    assert holder(e) is None
    (was,) = e.json("seat", "history", f"{PRO}#1", "-a", "e")["rows"]
    assert was["held_until"] == due
    assert was["unassigned_by"]["reason"] == "left"
    (position,) = row["positions"]
    (shown,) = e.json("event", "show", position)["rows"]
    assert (shown["event"], shown["data"]["request"]) == ("SeatUnassigned", requested)
    assert leaving(e, "--as-of", "2025-11-02T03:59:59Z") != []
    assert leaving(e) == []

    # What was known then stays so; and it is carried out once only.
    known_at = ("--known-at", position - 1)
    assert (then := holder(e, *known_at))
    assert then["held_until"] is None
    e.do("reverse", entry=position, reason="she stayed")
    assert holder(e) is not None
    assert leaving(e) == []
    assert e.json("account", "renew", "--due")["rows"] == []
    e.no("reversal_blocked", "reverse", entry=requested, reason="x")
    e.verified()


def test_what_is_due_is_carried_out_in_order_before_what_follows(e: Contract) -> None:
    e.open("2025-01-01", 3, 1)
    e.buy(2, "2025-01-01")
    e.give("ann", "2025-01-05")
    e.give("bob", "2025-01-05")
    e.do("unassign_seat", "2025-03-10", user="ann", seat_type=PRO, at_period_end=True)
    # Reserved seats are those that are unassigned: one that is only to be, is not.
    e.no(
        "not_enough_unassigned", "reduce_seats", "2025-03-11", seat_type=PRO, quantity=1
    )
    (assigned,) = e.do("add_user", "2025-04-01", user="cy", email="c@x.example",
                       name="Cy", seats=[PRO])[-1:]  # fmt: skip
    topics = [r["event"] for r in e.json("event", "list", "-a", "e")["rows"]][-5:]
    assert topics == [
        "SeatUnassigned", "ContractRenewed",
        "UserAdded", "HubAccessGranted", "SeatAssigned",
    ]  # fmt: skip
    (row,) = e.json("seat", "who", f"{PRO}#1", "-a", "e", "--as-of", "2025-04-01")[
        "rows"
    ]
    assert row["holder"]["assigned_by"]["position"] == assigned
    march, april = (
        e.counts("--period", "2025-03-01"),
        e.counts("--period", "2025-04-01"),
    )
    assert (march[0]["assigned_closing"], april[0]["assigned_opening"]) == (2, 2)
    e.verified()


def test_a_holding_that_ended_before_makes_the_request_void(e: Contract) -> None:
    e.open("2025-01-01", 12, 1)
    e.buy(1, "2025-01-01")
    e.give("ann", "2025-01-05")
    ask = {"user": "ann", "seat_type": PRO}
    e.no("no_pending_unassignment", "cancel_unassignment", "2025-01-07", **ask)
    e.do("unassign_seat", "2025-01-10", **ask, at_period_end=True)
    e.take("ann", "2025-01-20")
    assert leaving(e, "--as-of", "2025-01-15") == [
        ("ann", f"{PRO}#1", "2025-02-01T00:00:00Z")
    ]
    assert leaving(e) == []
    e.do("assign_seat", "2025-01-25", **ask)
    assert leaving(e, "--as-of", "2025-01-26") == []
    assert (held := holder(e, "--as-of", "2025-03-01"))
    assert not held["unassignment_due"]
    e.no("no_seat_held", "unassign_seat", "2025-01-22", **ask, at_period_end=True)
    # In one batch: requested, and given to another from the period's end on.
    e.record({
        "op": "batch", "account": "e", "commands": [
            {"op": "unassign_seat", **ask, "at_period_end": True,
             "effective_at": "2025-02-10"},
            {"op": "add_user", "user": "bob", "email": "b@x.example", "name": "Bob",
             "seats": [PRO], "effective_at": "2025-03-01"},
        ],
    })  # fmt: skip
    rows = e.json("seat", "history", f"{PRO}#1", "-a", "e")["rows"]
    assert [(r["user"], r["held_until"]) for r in rows] == [
        ("ann", "2025-01-20T00:00:00Z"),
        ("ann", "2025-03-01T00:00:00Z"),
        ("bob", None),
    ]
    e.verified()


def test_an_invoice_records_what_was_due_in_its_period_first(e: Contract) -> None:
    e.open("2025-01-01", 12, 1)
    e.do("set_billing_policy", "2025-01-01", mode="peak")
    e.buy(1, "2025-01-01")
    e.give("ann", "2025-01-05")
    ask = {"user": "ann", "seat_type": PRO, "at_period_end": True}
    e.do("unassign_seat", "2025-01-10", **ask)
    words = ("invoice", "issue", "I-1", "-a", "e", "--period", "2025-02-01")
    issued = e.json(*words, "--unit-price", f"{PRO}=10.00", "--currency", "EUR")
    assert e.json("invoice", "show", "I-1")["rows"] == []
    events = [row["event"] for row in issued["rows"]]
    assert events == ["SeatUnassigned", "ContractRenewed", "InvoiceIssued"]


def test_the_words_of_the_command_line(e: Contract) -> None:
    e.open("2025-01-01", 12, 1)
    e.buy(1, "2025-01-01")
    e.give("ann", "2025-01-05")
    words = ("ann", PRO, "-a", "e", "--effective-at", "2025-01-10")
    assert e.run("seat", "unassign", *words, "--at-period-end").status == 0
    at = ("--as-of", "2025-01-12")
    shown = e.run("account", "show", "e", *at).out
    assert f"ann is to leave {PRO}#1 on 1 February 2025 00:00 UTC (entry" in shown
    assert (
        "2025-02-01 00:00 (pending)"
        in e.run("seat", "who", f"{PRO}#1", "-a", "e", *at).out
    )
    assert e.run("seat", "cancel-unassignment", *words).status == 0
    assert "is to leave" not in e.run("account", "show", "e", *at).out
