"""Rules that are also tried on a real store: nothing changes between the two.

The rules one by one stand in unit/domain/test_rules.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.values import SeatType, parse_seat
from seat_ledger.errors import CommandRefused, NotFound
from seat_ledger.projections import holdings, users
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
from tests.acme import Acme
from tests.support.acme import PRO


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
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        rows = holdings.history(
            AccountQuestion(reader, account, known_at), parse_seat(f"{PRO}#1")
        )
    assert [row["held_from"] for row in rows] == [row["held_until"] for row in rows]


def test_r28_at_one_instant_closings_are_first(acme: Acme) -> None:
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


def test_r35_a_key_belongs_to_one_present_user(acme: Acme) -> None:
    acme.add("ann")
    who = {"user": "ann", "email": "other@x.example", "name": "A"}
    acme.no("user_key_taken", "add_user", **who)
    acme.no("email_taken", "add_user", user="eve", email="ANN@x.example", name="E")
    acme.do("remove_user", user="ann", effective_at="2025-05-01")
    acme.add("ann", at="2025-06-01")
    removal = acme.events()[-2]["position"]
    acme.no("reversal_blocked", "reverse", entry=removal, reason="not so")
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        result = reader.users_called(account, "Ann@X.example", known_at)
    assert len({row["user_no"] for row in result}) == 2


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


def test_r39_nothing_before_the_opening_and_no_seats_before_the_term(
    acme: Acme, ledger: CommandService
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


def test_r41_r47_a_reversal_of_a_reversal_lets_the_entry_hold_again(
    acme: Acme,
) -> None:
    acme.buy()
    acme.add("ann")
    fields = acme.give("ann", "2025-04-01")[-1]
    first = acme.reverse(fields)
    assert acme.holder(f"{PRO}#1", "2025-04-02") is None
    acme.no("already_reversed", "reverse", entry=fields, reason="again")
    second = acme.reverse(first)
    assert acme.holder(f"{PRO}#1", "2025-04-02") == "ann"
    assert acme.holder(f"{PRO}#1", "2025-04-02", first) is None
    assert acme.holder(f"{PRO}#1", "2025-04-02", fields) == "ann"
    third = acme.reverse(second)
    assert acme.holder(f"{PRO}#1", "2025-04-02", third) is None


def test_r47_what_can_be_reversed_and_what_cannot(acme: Acme) -> None:
    (bought,) = acme.buy()
    acme.no("not_reversible", "reverse", entry=1, reason="x")
    acme.do("set_time_zone", time_zone="Asia/Tokyo")
    for fixed in (bought + 1, bought + 2):  # a renewal that was due, and the zone
        acme.no("not_reversible", "reverse", entry=fixed, reason="x")
    acme.no("entry_not_found", "reverse", entry=999, reason="x")
    acme.reverse(bought)
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        now = reader.database_now()
        question = AccountQuestion(reader, account, known_at, now)
        assert holdings.under_contract(question) == []
    assert acme.buy() == (bought + 4,)
    assert acme.events()[-1]["seat"] == f"{PRO}#2"


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
    acme: Acme, ledger: CommandService
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
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        for user, day in (("ann", 10), ("ann", 40), ("bob", 10), ("nobody", 10)):
            at = datetime(2025, 4, 1, tzinfo=UTC) + timedelta(days=day)
            question = AccountQuestion(reader, account, known_at, at)
            if user == "nobody":
                with pytest.raises(NotFound):
                    users.access(question, user, SeatType(PRO))
            else:
                answers[user, day] = users.access(question, user, SeatType(PRO))[
                    "because"
                ]["code"]
    assert answers == {
        ("ann", 10): "holds_seat",
        ("ann", 40): "no_seat",
        ("bob", 10): "no_hub_access",
    }


def test_r47_what_is_reversed_is_reported_by_the_reversal_that_holds(
    acme: Acme,
) -> None:
    (bought,) = acme.buy()
    first = acme.reverse(bought)
    again = acme.reverse(first)
    assert reversed_by(acme) == {first: again}
    third = acme.reverse(again)
    assert reversed_by(acme) == {bought: first, again: third}


def test_r18_a_cancellation_names_its_request_by_position(acme: Acme) -> None:
    acme.buy(2)
    acme.add("ann")
    (query,) = acme.do(
        "reduce_seats", seat_type=PRO, quantity=1, effective_at="2025-04-01"
    )
    acme.do("cancel_reduction", seat_type=PRO, effective_at="2025-04-02")
    (cancelled,) = [e for e in acme.events() if e["event"] == "SeatReductionCancelled"]
    assert cancelled["data"]["request"] == query


def reversed_by(acme: Acme) -> dict[int, int]:
    """By which entry each is reversed, of those that are."""
    return {e["position"]: e["reversed_by"] for e in acme.events() if e["reversed_by"]}
