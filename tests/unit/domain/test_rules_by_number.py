"""The rules one by one, as ledgers: facts in, acceptance or a refusal code out.

They run on the pure core; test_rules.py among the acceptance tests tries some of them
on a real store. Bounds and zones (R04 to R11) stand in test_calendar.py, the counting
and renewal examples in test_worked_examples.py, R30 and R33 in test_concurrency.py, R74
and R78 in test_journal.py; all of them together in test_against_oracle.py.
"""

from __future__ import annotations

from datetime import timedelta

from tests.support.acme import PRO, SERVICE, STARTER, InMemoryAcme


def test_r12_nothing_is_recorded_far_ahead(acme: InMemoryAcme) -> None:
    ahead = acme.ledger.now + timedelta(minutes=4)
    acme.do("buy_seats", seat_type=PRO, quantity=1, effective_at=ahead.isoformat())
    ahead += timedelta(minutes=3)
    acme.no("effective_in_future", "buy_seats", seat_type=PRO, quantity=1,
            effective_at=ahead.isoformat())  # fmt: skip


def test_every_event_of_a_command_carries_its_correlation_id(
    acme: InMemoryAcme,
) -> None:
    acme.add("ann")
    tied = {"correlation_id": "crm:4711", "idempotency_key": "k1"}
    acme.do("assign_seat", user="ann", seat_type=PRO, effective_at="2025-04-02",
            buy_if_needed=True, **tied)  # fmt: skip
    events = acme.recorded("SeatPurchased", "HubAccessGranted", "SeatAssigned")
    assert [event.correlation_id for event in events] == ["crm:4711"] * 3
    acme.no("idempotency_conflict", "assign_seat", user="ann", seat_type=PRO,
            effective_at="2025-04-02", buy_if_needed=True, idempotency_key="k1",
            correlation_id="crm:4712")  # fmt: skip


def test_r18_cancelling_takes_back_the_latest_and_then_the_one_before(
    acme: InMemoryAcme,
) -> None:
    acme.buy(5)
    for day in (1, 2):
        acme.do("reduce_seats", seat_type=PRO, quantity=day,
                effective_at=f"2025-04-0{day}")  # fmt: skip
    cancel = {"op": "cancel_reduction", "seat_type": PRO}
    acme.no("no_pending_reduction", **cancel, effective_at="2025-03-31")
    acme.do(**cancel, effective_at="2025-04-10")
    acme.no("cancellation_exists", **cancel, effective_at="2025-04-09")
    acme.do(**cancel, effective_at="2025-04-11")
    acme.no("no_pending_reduction", **cancel, effective_at="2025-04-12")


def test_r20_r26_buying_if_needed_then_takes_the_lowest_of_all(
    acme: InMemoryAcme,
) -> None:
    acme.buy(2)
    acme.add("ann")
    acme.do("reduce_seats", seat_type=PRO, quantity=2, effective_at="2025-04-01")
    give = {"user": "ann", "seat_type": PRO, "effective_at": "2025-04-02"}
    acme.no("reserved_for_reduction", "assign_seat", **give)
    acme.do("assign_seat", **give, buy_if_needed=True)
    assert acme.holder(f"{PRO}#1", "2025-04-02") == "ann"


def test_r21_the_highest_unassigned_numbers_are_retired(acme: InMemoryAcme) -> None:
    acme.buy(4)
    acme.add("ann")
    acme.give("ann", "2025-04-01", seat=f"{PRO}#4")
    acme.do("reduce_seats", seat_type=PRO, quantity=2, effective_at="2025-04-02")
    acme.do("renew", effective_at="2026-03-05")
    assert [event.number for event in acme.recorded("SeatRetired")] == [3, 2]
    assert acme.do("renew", effective_at="2026-03-05") == ()


def test_r21_missed_renewals_are_processed_in_order(acme: InMemoryAcme) -> None:
    acme.buy(2)
    acme.do("reduce_seats", seat_type=PRO, quantity=1, effective_at="2025-04-02")
    acme.do("renew", effective_at="2026-09-01")
    topics = [event.TOPIC for event in acme.recorded()[-2:]]
    assert topics == ["ContractRenewed", "SeatRetired"]


def test_r23_one_seat_per_hub_and_an_upgrade_is_one_batch(acme: InMemoryAcme) -> None:
    acme.buy()
    acme.buy(of=STARTER)
    acme.buy(of=SERVICE)
    acme.add("ann")
    acme.give("ann", "2025-04-01", STARTER)
    acme.give("ann", "2025-04-01", SERVICE)
    acme.no("hub_seat_held", "assign_seat", user="ann", seat_type=PRO,
            effective_at="2025-04-02")  # fmt: skip
    acme.do(
        "batch",
        effective_at="2025-04-02",
        commands=[
            {"op": "assign_seat", "user": "ann", "seat_type": PRO},
            {"op": "unassign_seat", "user": "ann", "seat_type": STARTER},
        ],
    )


def test_r24_a_seat_is_held_only_under_contract_and_by_one(acme: InMemoryAcme) -> None:
    acme.buy(1, "2025-05-01")
    acme.add("ann", "bob")
    named = {"seat_type": PRO, "seat": f"{PRO}#1"}
    acme.no("seat_not_under_contract", "assign_seat", user="ann", **named,
            effective_at="2025-04-01")  # fmt: skip
    acme.give("ann", "2025-05-02")
    acme.no("seat_taken", "assign_seat", user="bob", **named,
            effective_at="2025-05-03")  # fmt: skip
    acme.no("seat_not_found", "assign_seat", user="bob", seat_type=PRO,
            seat=f"{PRO}#9", effective_at="2025-05-03")  # fmt: skip


def test_r25_assigning_grants_access_where_it_is_missing(acme: InMemoryAcme) -> None:
    acme.buy()
    acme.add("ann")
    acme.give("ann", "2025-04-01")
    topics = [event.TOPIC for event in acme.recorded()[-2:]]
    assert topics == ["HubAccessGranted", "SeatAssigned"]


def test_r25_an_access_that_was_revoked_later_is_not_repaired(
    acme: InMemoryAcme,
) -> None:
    acme.buy()
    acme.add("ann")
    acme.do("grant_hub_access", user="ann", hub="sales", effective_at="2025-04-01")
    acme.do("revoke_hub_access", user="ann", hub="sales", effective_at="2025-05-01")
    acme.no("access_revoked", "assign_seat", user="ann", seat_type=PRO,
            effective_at="2025-04-02")  # fmt: skip


def test_r26_the_lowest_number_that_is_free_for_ever(acme: InMemoryAcme) -> None:
    acme.buy(3)
    acme.add("ann", "bob")
    acme.give("ann", "2025-06-01", seat=f"{PRO}#1")
    acme.give("bob", "2025-04-01")
    assert acme.holder(f"{PRO}#2", "2025-04-02") == "bob"


def test_r27_nothing_to_do_and_nothing_held(acme: InMemoryAcme) -> None:
    acme.buy()
    acme.add("ann")
    acme.no("no_seat_held", "unassign_seat", user="ann", seat_type=PRO)
    acme.no("nothing_to_do", "revoke_hub_access", user="ann", hub="sales")
    acme.give("ann", "2025-04-01")
    acme.no("nothing_to_do", "grant_hub_access", user="ann", hub="sales")
    acme.no("nothing_to_do", "set_time_zone", time_zone="UTC")
    acme.no("seat_held", "revoke_hub_access", user="ann", hub="sales")


def test_r29_a_batch_applies_whole_or_not_at_all_and_names_its_lines(
    acme: InMemoryAcme,
) -> None:
    acme.buy(2)
    acme.add("ann")
    before = len(acme.recorded())
    refused = acme.no(
        "hub_seat_held",
        "batch",
        effective_at="2025-04-10",
        commands=[
            {"op": "buy_seats", "seat_type": SERVICE, "quantity": 1},
            {"op": "assign_seat", "user": "ann", "seat_type": PRO},
            {"op": "assign_seat", "user": "ann", "seat_type": PRO},
        ],
    )
    assert refused.lines == (2, 3)
    assert len(acme.recorded()) == before
    positions = acme.do(
        "batch",
        effective_at="2025-04-10",
        commands=[
            {"op": "assign_seat", "user": "ann", "seat_type": PRO},
            {"op": "buy_seats", "seat_type": PRO, "quantity": 2},
        ],
    )
    assert list(positions) == list(range(positions[0], positions[0] + 4))


def test_r31_r32_a_removal_waits_for_all_access_and_rewrites_nothing(
    acme: InMemoryAcme,
) -> None:
    acme.buy()
    acme.add("ann")
    acme.give("ann", "2025-04-01")
    remove = {"op": "remove_user", "user": "ann", "effective_at": "2025-06-01"}
    acme.no("seat_held", **remove)
    acme.take("ann", "2025-06-01")
    acme.no("hub_access_held", **remove)
    acme.do("revoke_hub_access", user="ann", hub="sales", effective_at="2025-06-01")
    acme.do(**remove)
    assert acme.holder(f"{PRO}#1", "2025-05-01") == "ann"
    acme.no("user_not_present", **remove)


def test_r34_a_super_admin_gets_seats_after_being_added(acme: InMemoryAcme) -> None:
    acme.buy()
    who = {"user": "root", "email": "r@x.example", "name": "R", "super_admin": True}
    acme.no("super_admin_seats", "add_user", **who, seats=[PRO])
    acme.do("add_user", **who)
    acme.do("assign_seat", user="root", seat_type=PRO)
    acme.add("ann", seats=[STARTER], buy_if_needed=True)
    acme.do("set_permissions", user="ann", super_admin=True)


def test_r37_a_due_renewal_is_processed_first(acme: InMemoryAcme) -> None:
    positions = acme.buy(at="2026-03-05")
    topics = [event.TOPIC for event in acme.recorded()[-2:]]
    assert topics == ["ContractRenewed", "SeatPurchased"]
    assert positions == (len(acme.recorded()),)
    acme.no("renewal_processed", "reduce_seats", seat_type=PRO, quantity=1,
            effective_at="2026-03-04")  # fmt: skip


def test_r40_a_reversal_needs_a_reason(acme: InMemoryAcme) -> None:
    (bought,) = acme.buy()
    acme.no("reason_required", "reverse", entry=bought)


def test_r42_a_reversal_names_the_entries_in_the_way(acme: InMemoryAcme) -> None:
    acme.buy()
    acme.add("ann")
    fields = acme.give("ann", "2025-04-01")[-1]
    taken = acme.take("ann", "2025-05-01")[0]
    refused = acme.no("reversal_blocked", "reverse", entry=fields, reason="wrong")
    assert refused.details["entries"] == [taken]
    acme.do(
        "batch",
        reason="neither was so",
        commands=[{"op": "reverse", "entry": n} for n in (fields, taken)],
    )


def test_r46_of_several_that_are_broken_the_first_is_named(acme: InMemoryAcme) -> None:
    """A holding that goes on meets one of the seat (a), and one of the hub (b)."""
    acme.buy(2)
    acme.buy(1, of=STARTER)
    acme.add("ann")
    acme.add("bob")
    given_to_ann = acme.give("ann", "2025-04-01")[-1]
    (taken,) = acme.take("ann", "2025-05-01")
    given_to_bob = acme.give("bob", "2025-05-01", seat=f"{PRO}#1")[-1]
    acme.give("ann", "2025-06-01", of=STARTER)
    refused = acme.no("reversal_blocked", "reverse", entry=taken, reason="wrong")
    assert str(refused.details["subject"]) == f"{PRO}#1"
    assert refused.details["entries"] == [given_to_ann, given_to_bob]


def test_r46_e_a_backdated_assignment_cannot_eat_what_was_pending(
    acme: InMemoryAcme,
) -> None:
    acme.buy(1)
    acme.add("ann")
    acme.do("reduce_seats", seat_type=PRO, quantity=1, effective_at="2025-06-01")
    acme.no("reserved_for_reduction", "assign_seat", user="ann", seat_type=PRO,
            effective_at="2025-04-01")  # fmt: skip
    acme.do(
        "batch",
        commands=[
            {"op": "assign_seat", "user": "ann", "seat_type": PRO,
             "effective_at": "2025-04-01"},
            {"op": "unassign_seat", "user": "ann", "seat_type": PRO,
             "effective_at": "2025-06-01"},
        ],
    )  # fmt: skip


def test_r47_a_reduction_that_was_cancelled_or_carried_out_stays(
    acme: InMemoryAcme,
) -> None:
    acme.buy(3)
    reduce = {"op": "reduce_seats", "seat_type": PRO, "quantity": 1}
    (query,) = acme.do(**reduce, effective_at="2025-04-01")
    (cancelled,) = acme.do("cancel_reduction", seat_type=PRO, effective_at="2025-04-02")
    acme.no("reversal_blocked", "reverse", entry=query, reason="x")
    acme.reverse(cancelled)
    acme.do("renew", effective_at="2026-03-05")
    acme.no("reversal_blocked", "reverse", entry=query, reason="x")
    (retired,) = acme.recorded("SeatRetired")
    assert acme.seats_under_contract() == 2
    acme.reverse(acme.recorded().index(retired) + 1)
    assert acme.seats_under_contract() == 3
