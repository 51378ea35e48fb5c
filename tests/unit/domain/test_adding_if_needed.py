"""A seat for somebody who may not be a user yet, as logs from elsewhere name people."""

from __future__ import annotations

import pytest

from seat_ledger.errors import InvalidInput
from tests.support.acme import PRO, InMemoryAcme

CEM = {"email": "cem@acme.example", "name": "Cem"}


def test_somebody_who_is_no_user_is_added_with_the_seat(acme: InMemoryAcme) -> None:
    acme.buy(1)
    acme.do("assign_seat", user="cem", seat_type=PRO, add_if_needed=CEM,
            effective_at="2025-04-01")  # fmt: skip
    assert acme.holder(f"{PRO}#1", "2025-04-02") == "cem"
    assert len(acme.recorded("UserAdded")) == 1


def test_a_user_who_is_there_is_not_added_again(acme: InMemoryAcme) -> None:
    acme.buy(1)
    acme.add("cem")
    before = len(acme.recorded("UserAdded"))
    other = {"email": "new@acme.example", "name": "New"}
    acme.do("assign_seat", user="cem", seat_type=PRO, add_if_needed=other,
            effective_at="2025-04-01")  # fmt: skip
    assert len(acme.recorded("UserAdded")) == before


def test_r35_after_a_removal_it_is_a_new_holder(acme: InMemoryAcme) -> None:
    acme.buy(1)
    acme.do("assign_seat", user="cem", seat_type=PRO, add_if_needed=CEM,
            effective_at="2025-04-01")  # fmt: skip
    for op in ("unassign_seat", "revoke_hub_access", "remove_user"):
        fields = {
            "unassign_seat": {"seat_type": PRO},
            "revoke_hub_access": {"hub": "sales"},
        }
        acme.do(op, user="cem", effective_at="2025-04-02", **fields.get(op, {}))
    acme.do("assign_seat", user="cem", seat_type=PRO, add_if_needed=CEM,
            effective_at="2025-04-03")  # fmt: skip
    assert len(acme.recorded("UserAdded")) == 2
    assert acme.holder(f"{PRO}#1", "2025-04-03") == "cem"


def test_without_a_free_seat_nobody_is_added(acme: InMemoryAcme) -> None:
    acme.no("no_free_seat", "assign_seat", user="cem", seat_type=PRO,
            add_if_needed=CEM, effective_at="2025-04-01")  # fmt: skip
    assert not acme.recorded("UserAdded")


def test_what_is_no_key_adds_nobody(acme: InMemoryAcme) -> None:
    acme.buy(1)
    with pytest.raises(InvalidInput, match="white space"):
        acme.do("assign_seat", user="c em", seat_type=PRO, add_if_needed=CEM)
