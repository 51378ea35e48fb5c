"""Holders that are no persons (R99): without an e-mail, or sharing one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_life_of_a_contract import PRO, Contract


@pytest.fixture
def e(database: str, tmp_path: Path) -> Contract:
    contract = Contract(database, tmp_path)
    contract.open("2025-03-05", 12, 1)
    contract.buy(4, "2025-03-05")
    return contract


def add(e: Contract, user: str, **fields: Any) -> list[int]:
    named = {"user": user, "name": user.title(), "seats": [PRO], **fields}
    return e.do("add_user", "2025-03-05", **named)


def test_a_service_needs_no_e_mail_and_counts_like_a_person(e: Contract) -> None:
    add(e, "ann", email="ann@x.example")
    add(e, "room-1", kind="service")
    add(e, "room-2", kind="service")
    rows = e.json("user", "list", "-a", "e")["rows"]
    assert [(row["user"], row["email"], row["kind"]) for row in rows] == [
        ("ann", "ann@x.example", "person"),
        ("room-1", None, "service"),
        ("room-2", None, "service"),
    ]
    (row,) = e.counts("--period", "2025-03", "--mode", "distinct")
    assert row["quantity"] == "3"
    holder = e.json("seat", "who", f"{PRO}#2", "-a", "e", "--as-of", "2025-03-06")
    assert holder["rows"][0]["holder"]["kind"] == "service"
    e.verified()


def test_services_share_an_e_mail_which_means_the_person_first(e: Contract) -> None:
    shared = {"email": "office@x.example"}
    add(e, "printer", kind="service", **shared)
    add(e, "scanner", kind="service", **shared)
    e.no("ambiguous_user", "unassign_seat", "2025-03-06", user="office@x.example",
         seat_type=PRO)  # fmt: skip
    add(e, "ann", **shared)
    who = e.json("seat", "who", "-a", "e", "--user", "office@x.example",
                 "--as-of", "2025-03-06")  # fmt: skip
    assert [row["seat"] for row in who["rows"]] == [f"{PRO}#3"]
    e.no("email_taken", "add_user", "2025-03-06", user="bob", name="Bob", **shared)
    e.do("unassign_seat", "2025-03-07", user="Office@X.example", seat_type=PRO)
    rows = e.json("seat", "who", "-a", "e", "--user", "ann", "--as-of", "2025-03-08")
    assert rows["rows"] == []


def test_a_person_needs_an_e_mail(e: Contract) -> None:
    e.no("invalid_input", "add_user", "2025-03-06", user="bob", name="Bob")
    e.no("user_key_taken", "batch", "2025-03-06", commands=[
        {"op": "add_user", "user": "bot", "name": "Bot", "kind": "service"},
        {"op": "add_user", "user": "bot", "name": "Bot", "kind": "service"},
    ])  # fmt: skip
    done = e.run("user", "add", "bot", "-a", "e", "--name", "Bot", "--service")
    assert done.status == 0, done.err
