"""What a refusal says: what was asked, what stands in the way, what to do."""

from __future__ import annotations

from tests.acme import Acme
from tests.support.acme import PRO


def test_r19_a_reduction_beyond_what_is_unassigned_says_how_many_and_who(
    acme: Acme,
) -> None:
    acme.buy(2)
    acme.add("ann")
    fields = acme.give("ann", "2025-04-01")
    refused = acme.no(
        "not_enough_unassigned",
        "reduce_seats",
        seat_type=PRO,
        quantity=2,
        effective_at="2025-05-01",
    )
    assert "need 2" in refused.message
    assert "1 would be left" in refused.message
    assert f"ann holds {PRO}#1" in refused.message
    assert refused.details["entries"] == [fields[-1]]
    assert "reduce by fewer" in refused.try_


def test_r31_a_removal_names_the_seat_that_is_held(acme: Acme) -> None:
    acme.buy()
    acme.add("ann")
    fields = acme.give("ann", "2025-04-01")
    refused = acme.no("seat_held", "remove_user", user="ann", effective_at="2025-05-01")
    assert f"ann holds {PRO}#1" in refused.message
    assert refused.details["entries"] == [fields[-1]]


def test_r29_a_batch_that_is_short_of_unassigned_seats_names_its_lines(
    acme: Acme,
) -> None:
    acme.buy(2)
    acme.add("ann", "bob")
    acme.do("reduce_seats", seat_type=PRO, quantity=1, effective_at="2025-04-01")
    lines = [
        {"op": "grant_hub_access", "user": "ann", "hub": "service"},
        {"op": "assign_seat", "user": "ann", "seat_type": PRO},
        {"op": "assign_seat", "user": "bob", "seat_type": PRO},
    ]
    refused = acme.no(
        "reserved_for_reduction", "batch", commands=lines, effective_at="2025-05-01"
    )
    assert refused.lines == (2, 3)


def test_r29_reversals_that_contradict_each_other_name_their_lines(acme: Acme) -> None:
    acme.buy()
    acme.add("ann", "bob")
    fields = acme.give("ann", "2025-04-01")[-1]
    taken = acme.take("ann", "2025-05-01")[-1]
    undone = acme.do(
        "batch",
        reason="never was",
        commands=[{"op": "reverse", "entry": e} for e in (taken, fields)],
    )
    other = acme.give("bob", "2025-04-10")[-1]
    refused = acme.no(
        "reversal_blocked",
        "batch",
        reason="was",
        commands=[{"op": "reverse", "entry": e} for e in reversed(undone)],
    )
    assert refused.details["entries"] == [other]
    assert 1 in refused.lines
