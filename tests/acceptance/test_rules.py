"""The rules one by one, as ledgers: facts in, acceptance or a refusal code out.

Bounds and zones (R04 to R11) stand in test_calendar.py, the counting and renewal
examples in test_worked_examples.py, R30 and R33 in test_concurrency.py, R74 and R78 in
test_journal.py; all of them together in test_against_oracle.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from projections import holdings, users
from projections.reader import Reader
from seat_ledger.application import SeatLedger
from seat_ledger.errors import CommandRefused, NotFound
from seat_ledger.values import SeatType, parse_seat
from tests.acme import PRO, SERVICE, STARTER, Acme


def test_r02_an_interval_holds_at_its_start_and_not_at_its_end(acme: Acme) -> None:
    acme.buy()
    acme.add("ann")
    acme.give("ann", "2025-04-01")
    acme.take("ann", "2025-05-01")
    assert acme.holder(f"{PRO}#1", "2025-04-01") == "ann"
    assert acme.holder(f"{PRO}#1", "2025-05-01") is None


def test_r03_an_empty_holding_is_visible_in_history(acme: Acme) -> None:
    acme.buy()
    acme.add("ann")
    acme.give("ann", "2025-04-01")
    acme.take("ann", "2025-04-01")
    with Reader(acme.conninfo) as reader:
        known = reader.knowledge()
        account = reader.account("acme", known)
        rows = holdings.history(reader, account, parse_seat(f"{PRO}#1"), known)
    assert [row["held_from"] for row in rows] == [row["held_until"] for row in rows]
    acme.no("hub_seat_held", "assign_seat", user="ann", seat_type=PRO,
            effective_at="2025-04-01", buy_if_needed=True)  # fmt: skip


def test_r12_nothing_is_recorded_far_ahead(acme: Acme) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    acme.do("buy_seats", seat_type=PRO, quantity=1, effective_at=ahead.isoformat())
    ahead += timedelta(minutes=3)
    acme.no("effective_in_future", "buy_seats", seat_type=PRO, quantity=1,
            effective_at=ahead.isoformat())  # fmt: skip


def test_r18_cancelling_takes_back_the_latest_and_then_the_one_before(
    acme: Acme,
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


def test_r20_r26_buying_if_needed_then_takes_the_lowest_of_all(acme: Acme) -> None:
    acme.buy(2)
    acme.add("ann")
    acme.do("reduce_seats", seat_type=PRO, quantity=2, effective_at="2025-04-01")
    give = {"user": "ann", "seat_type": PRO, "effective_at": "2025-04-02"}
    acme.no("reserved_for_reduction", "assign_seat", **give)
    acme.do("assign_seat", **give, buy_if_needed=True)
    assert acme.holder(f"{PRO}#1", "2025-04-02") == "ann"


def test_r21_the_highest_unassigned_numbers_are_retired(acme: Acme) -> None:
    acme.buy(4)
    acme.add("ann")
    acme.give("ann", "2025-04-01", seat=f"{PRO}#4")
    acme.do("reduce_seats", seat_type=PRO, quantity=2, effective_at="2025-04-02")
    acme.do("renew", effective_at="2026-03-05")
    retired = [e["seat"] for e in acme.events() if e["event"] == "SeatRetired"]
    assert retired == [f"{PRO}#3", f"{PRO}#2"]
    assert acme.do("renew", effective_at="2026-03-05") == ()


def test_r21_missed_renewals_are_processed_in_order(acme: Acme) -> None:
    acme.buy(2)
    acme.do("reduce_seats", seat_type=PRO, quantity=1, effective_at="2025-04-02")
    done = acme.ledger.renew("acme", effective_at="2026-11-01")
    assert [e.topic for e in done.events] == ["ContractRenewed", "SeatRetired"]


def test_r23_one_seat_per_hub_and_an_upgrade_is_one_batch(acme: Acme) -> None:
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


def test_r24_a_seat_is_held_only_under_contract_and_by_one(acme: Acme) -> None:
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


def test_r25_assigning_grants_access_where_it_is_missing(acme: Acme) -> None:
    acme.buy()
    acme.add("ann")
    acme.give("ann", "2025-04-01")
    topics = [event["event"] for event in acme.events()[-2:]]
    assert topics == ["HubAccessGranted", "SeatAssigned"]


def test_r25_an_access_that_was_revoked_later_is_not_repaired(acme: Acme) -> None:
    acme.buy()
    acme.add("ann")
    acme.do("grant_hub_access", user="ann", hub="sales", effective_at="2025-04-01")
    acme.do("revoke_hub_access", user="ann", hub="sales", effective_at="2025-05-01")
    acme.no("access_revoked", "assign_seat", user="ann", seat_type=PRO,
            effective_at="2025-04-02")  # fmt: skip


def test_r26_the_lowest_number_that_is_free_for_ever(acme: Acme) -> None:
    acme.buy(3)
    acme.add("ann", "bob")
    acme.give("ann", "2025-06-01", seat=f"{PRO}#1")
    acme.give("bob", "2025-04-01")
    assert acme.holder(f"{PRO}#2", "2025-04-02") == "bob"


def test_r27_nothing_to_do_and_nothing_held(acme: Acme) -> None:
    acme.buy()
    acme.add("ann")
    acme.no("no_seat_held", "unassign_seat", user="ann", seat_type=PRO)
    acme.no("nothing_to_do", "revoke_hub_access", user="ann", hub="sales")
    acme.give("ann", "2025-04-01")
    acme.no("nothing_to_do", "grant_hub_access", user="ann", hub="sales")
    acme.no("nothing_to_do", "set_time_zone", time_zone="UTC")
    acme.no("seat_held", "revoke_hub_access", user="ann", hub="sales")


def test_r28_at_one_instant_closings_come_first(acme: Acme) -> None:
    acme.buy()
    acme.add("ann", "bob")
    acme.give("ann", "2025-04-01")
    acme.do(
        "batch",
        effective_at="2025-04-10",
        commands=[
            {"op": "assign_seat", "user": "bob", "seat_type": PRO},
            {"op": "unassign_seat", "user": "ann", "seat_type": PRO},
        ],
    )
    assert acme.holder(f"{PRO}#1", "2025-04-10") == "bob"


def test_r29_a_batch_applies_whole_or_not_at_all_and_names_its_lines(
    acme: Acme,
) -> None:
    acme.buy(2)
    acme.add("ann")
    before = len(acme.events())
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
    assert len(acme.events()) == before
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
    acme: Acme,
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


def test_r34_a_super_admin_gets_seats_after_being_added(acme: Acme) -> None:
    acme.buy()
    who = {"user": "root", "email": "r@x.example", "name": "R", "super_admin": True}
    acme.no("super_admin_seats", "add_user", **who, seats=[PRO])
    acme.do("add_user", **who)
    acme.do("assign_seat", user="root", seat_type=PRO)
    acme.add("ann", seats=[STARTER], buy_if_needed=True)
    acme.do("set_permissions", user="ann", super_admin=True)


def test_r35_a_key_belongs_to_one_present_user(acme: Acme) -> None:
    acme.add("ann")
    who = {"user": "ann", "email": "other@x.example", "name": "A"}
    acme.no("user_key_taken", "add_user", **who)
    acme.no("email_taken", "add_user", user="eve", email="ANN@x.example", name="E")
    acme.do("remove_user", user="ann", effective_at="2025-05-01")
    acme.add("ann", at="2025-06-01")
    removal = acme.events()[-2]["position"]
    acme.no("reversal_blocked", "reverse", entry=removal, reason="not so")
    with Reader(acme.conninfo) as reader:
        known = reader.knowledge()
        account = reader.account("acme", known)
        found = reader.users_called(account, "Ann@X.example", known)
    assert len({row["user_no"] for row in found}) == 2


def test_r36_an_actor_needs_permission_at_the_moment_of_recording(acme: Acme) -> None:
    acme.add("ann", "bob")
    wish = {"seat_type": PRO, "quantity": 1, "effective_at": "2025-03-06"}
    acme.no("unknown_actor", "buy_seats", **wish, actor="user:nobody")
    acme.no("not_permitted", "buy_seats", **wish, actor="user:ann")
    acme.do("set_permissions", user="ann", account_access=True)
    acme.do("buy_seats", **wish, actor="user:ann")
    assert acme.events()[-1]["actor"] == "user:ann"
    acme.do("set_permissions", user="ann", account_access=False)
    acme.no("not_permitted", "buy_seats", **wish, actor="user:ann")


def test_r37_a_due_renewal_is_processed_first(acme: Acme) -> None:
    done = acme.ledger.buy_seats(
        "acme", seat_type=PRO, quantity=1, effective_at="2026-03-05"
    )
    assert [event.topic for event in done.due] == ["ContractRenewed"]
    assert [event.topic for event in done.events] == ["SeatPurchased"]
    acme.no("renewal_processed", "reduce_seats", seat_type=PRO, quantity=1,
            effective_at="2026-03-04")  # fmt: skip


def test_r39_nothing_before_the_opening_and_no_seats_before_the_term(
    acme: Acme, ledger: SeatLedger
) -> None:
    acme.no("before_term", "buy_seats", seat_type=PRO, quantity=1,
            effective_at="2025-03-04")  # fmt: skip
    start = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    opened = ledger.open_account(
        "later",
        name="Later",
        time_zone="UTC",
        term_start=start,
        term_months=12,
        billing_cycle_months=1,
    )
    assert opened.events[0].event.effective_at < datetime.now(UTC)
    with pytest.raises(CommandRefused) as refused:
        ledger.buy_seats("later", seat_type=PRO, quantity=1)
    assert refused.value.code == "before_term"


def test_r40_a_reversal_needs_a_reason(acme: Acme) -> None:
    (bought,) = acme.buy()
    acme.no("reason_required", "reverse", entry=bought)


def test_r41_r47_a_reversal_of_a_reversal_lets_the_entry_hold_again(
    acme: Acme,
) -> None:
    acme.buy()
    acme.add("ann")
    given = acme.give("ann", "2025-04-01")[-1]
    first = acme.reverse(given)
    assert acme.holder(f"{PRO}#1", "2025-04-02") is None
    acme.no("already_reversed", "reverse", entry=given, reason="again")
    second = acme.reverse(first)
    assert acme.holder(f"{PRO}#1", "2025-04-02") == "ann"
    assert acme.holder(f"{PRO}#1", "2025-04-02", first) is None
    assert acme.holder(f"{PRO}#1", "2025-04-02", given) == "ann"
    third = acme.reverse(second)
    assert acme.holder(f"{PRO}#1", "2025-04-02", third) is None


def test_r42_a_reversal_names_the_entries_in_the_way(acme: Acme) -> None:
    acme.buy()
    acme.add("ann")
    given = acme.give("ann", "2025-04-01")[-1]
    taken = acme.take("ann", "2025-05-01")[0]
    refused = acme.no("reversal_blocked", "reverse", entry=given, reason="wrong")
    assert refused.details["entries"] == [taken]
    acme.do(
        "batch",
        reason="neither was so",
        commands=[{"op": "reverse", "entry": n} for n in (given, taken)],
    )


def test_r46_e_a_backdated_assignment_cannot_eat_what_was_pending(acme: Acme) -> None:
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


def test_r47_what_can_be_reversed_and_what_cannot(acme: Acme) -> None:
    (bought,) = acme.buy()
    acme.no("not_reversible", "reverse", entry=1, reason="x")
    acme.do("set_time_zone", time_zone="Asia/Tokyo")
    for fixed in (bought + 1, bought + 2):  # a renewal that was due, and the zone
        acme.no("not_reversible", "reverse", entry=fixed, reason="x")
    acme.no("entry_not_found", "reverse", entry=999, reason="x")
    acme.reverse(bought)
    with Reader(acme.conninfo) as reader:
        known = reader.knowledge()
        account = reader.account("acme", known)
        now = reader.database_now()
        assert holdings.under_contract(reader, account, now, known) == []
    assert acme.buy() == (bought + 4,)
    assert acme.events()[-1]["seat"] == f"{PRO}#2"


def test_r47_a_reduction_that_was_cancelled_or_carried_out_stays(acme: Acme) -> None:
    acme.buy(3)
    reduce = {"op": "reduce_seats", "seat_type": PRO, "quantity": 1}
    (asked,) = acme.do(**reduce, effective_at="2025-04-01")
    (cancelled,) = acme.do("cancel_reduction", seat_type=PRO, effective_at="2025-04-02")
    acme.no("reversal_blocked", "reverse", entry=asked, reason="x")
    acme.reverse(cancelled)
    acme.do("renew", effective_at="2026-03-05")
    acme.no("reversal_blocked", "reverse", entry=asked, reason="x")
    retired = next(e for e in acme.events() if e["event"] == "SeatRetired")
    acme.reverse(retired["position"])
    with Reader(acme.conninfo) as reader:
        known = reader.knowledge()
        account = reader.account("acme", known)
        now = reader.database_now()
        assert len(holdings.under_contract(reader, account, now, known)) == 3


def test_r73_a_key_gives_the_first_result_and_a_refusal_leaves_no_trace(
    acme: Acme,
) -> None:
    wish = {"seat_type": PRO, "quantity": 2, "idempotency_key": "k"}
    first = acme.do("buy_seats", **wish, effective_at="2025-03-05")
    again = acme.do("buy_seats", **wish, effective_at="2025-03-05")
    assert first == again
    acme.no("idempotency_conflict", "buy_seats", **wish, effective_at="2025-03-06")
    lost = {"user": "ann", "seat_type": PRO, "idempotency_key": "later"}
    acme.no("user_not_found", "assign_seat", **lost)
    acme.add("ann")
    acme.do("assign_seat", **lost)


def test_entry_key_reverses_all_that_a_command_recorded(acme: Acme) -> None:
    acme.do("buy_seats", seat_type=PRO, quantity=3, idempotency_key="k",
            effective_at="2025-03-05")  # fmt: skip
    positions = acme.do("reverse", entry_key="k", reason="wrong account")
    assert len(positions) == 3


def test_r76_an_account_shows_nothing_of_another(
    acme: Acme, ledger: SeatLedger
) -> None:
    (bought,) = acme.buy()
    ledger.open_account(
        "other",
        name="O",
        time_zone="UTC",
        term_start="2025-03-05",
        term_months=12,
        billing_cycle_months=1,
    )
    with pytest.raises(NotFound) as refused:
        ledger.reverse("other", entry=bought, reason="x")
    assert refused.value.code == "entry_not_found"


def test_s4_without_a_seat_there_are_no_paid_features(acme: Acme) -> None:
    acme.buy(2)
    acme.add("ann", "bob")
    acme.give("ann", "2025-04-01")
    acme.take("ann", "2025-05-01")
    answers = {}
    with Reader(acme.conninfo) as reader:
        known = reader.knowledge()
        account = reader.account("acme", known)
        for user, day in (("ann", 10), ("ann", 40), ("bob", 10), ("nobody", 10)):
            at = datetime(2025, 4, 1, tzinfo=UTC) + timedelta(days=day)
            given = (reader, account, user, SeatType(PRO), at, known)
            if user == "nobody":
                with pytest.raises(NotFound):
                    users.access(*given)
            else:
                answers[user, day] = users.access(*given)["because"]["code"]
    assert answers == {
        ("ann", 10): "holds_seat",
        ("ann", 40): "no_seat",
        ("bob", 10): "no_hub_access",
    }


def test_r47_what_is_reversed_is_told_by_the_reversal_that_holds(acme: Acme) -> None:
    (bought,) = acme.buy()
    first = acme.reverse(bought)
    again = acme.reverse(first)
    assert reversed_by(acme) == {first: again}
    third = acme.reverse(again)
    assert reversed_by(acme) == {bought: first, again: third}


def test_r18_a_cancellation_names_its_request_by_position(acme: Acme) -> None:
    acme.buy(2)
    acme.add("ann")
    (asked,) = acme.do(
        "reduce_seats", seat_type=PRO, quantity=1, effective_at="2025-04-01"
    )
    acme.do("cancel_reduction", seat_type=PRO, effective_at="2025-04-02")
    (cancelled,) = [e for e in acme.events() if e["event"] == "SeatReductionCancelled"]
    assert cancelled["data"]["request"] == asked


def reversed_by(acme: Acme) -> dict[int, int]:
    """By which entry each is reversed, of those that are."""
    return {e["position"]: e["reversed_by"] for e in acme.events() if e["reversed_by"]}
