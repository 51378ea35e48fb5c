"""Personal data sealed under a key per person, and what is left without it."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from projections import generation
from projections.reader import Reader
from projections.rebuild import rebuild
from projections.verify import verify
from seat_ledger.application import SeatLedger
from seat_ledger.errors import IntegrityFailure
from seat_ledger.events import UserAdded
from seat_ledger.sealing import CannotOpen, Person, erased, new_key, seal, unseal
from seat_ledger.store.mapper import read_event

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
PRO = "sales/professional"
GRACE = Person("grace", "Grace.Hopper@acme.example", "Grace Brewster Hopper")
HER = UUID("41cffb4c-e939-4c04-a951-61fe524b73b7")
ACME = UUID("5d3c1e0a-6a4e-5f0b-9d51-0f4f6f0d7a11")


def test_what_is_sealed_opens_only_with_its_key_for_its_user_and_account() -> None:
    key = new_key()
    sealed = seal(GRACE, key, user_id=HER, account=ACME)
    assert unseal(sealed, key, user_id=HER, account=ACME) == GRACE
    for wrong in (
        {"key": new_key(), "user_id": HER, "account": ACME},
        {"key": key, "user_id": uuid4(), "account": ACME},
        {"key": key, "user_id": HER, "account": uuid4()},
    ):
        with pytest.raises(CannotOpen):
            unseal(sealed, **wrong)


def test_a_stored_event_opens_with_its_key_and_reads_erased_without() -> None:
    state = (GOLDEN / "UserAdded-v2.json").read_bytes().strip()
    opened = read_event(HER, 1, "UserAdded", state, bytes(range(32)))
    assert isinstance(opened, UserAdded)
    assert (opened.user_key, opened.name) == ("ann", 'Ann "Ä" 🎈')
    without = read_event(HER, 1, "UserAdded", state)
    assert isinstance(without, UserAdded)
    assert without.user_key == erased(HER).user_key == "erased-41cffb4ce939"
    with pytest.raises(IntegrityFailure) as told:
        read_event(uuid4(), 1, "UserAdded", state, bytes(range(32)))
    assert "🎈" not in told.value.message


def test_neither_key_nor_e_mail_nor_name_stands_in_a_stored_event(
    database: str, ledger: SeatLedger
) -> None:
    open_acme(ledger)
    with psycopg.connect(database) as connection:
        states = connection.execute(
            "SELECT convert_from(state, 'UTF8') FROM ledger.stored_events"
        ).fetchall()
    whole = "\n".join(state for (state,) in states)
    for text in (*GRACE, "hopper"):
        assert text.lower() not in whole.lower()
    added = [json.loads(state) for (state,) in states if '"sealed"' in state]
    assert [set(one) & {"user_key", "email", "name"} for one in added] == [set()] * 2


def open_acme(ledger: SeatLedger) -> None:
    at = {"effective_at": "2025-03-06"}
    ledger.open_account(
        "acme",
        name="Acme BV",
        time_zone="Europe/Amsterdam",
        term_start="2025-03-05",
        term_months=12,
        billing_cycle_months=1,
    )
    ledger.buy_seats("acme", seat_type=PRO, quantity=2, effective_at="2025-03-05")
    grace = {"user": "grace", "email": GRACE.email, "name": GRACE.name}
    ledger.add_user("acme", **grace, seats=[PRO], account_access=True, **at)
    ann = {"user": "ann", "email": "ann@acme.example", "name": "Ann"}
    ledger.add_user("acme", **ann, seats=[PRO], actor="user:grace", **at)


def test_the_directory_is_the_same_caught_up_and_rebuilt(
    database: str, ledger: SeatLedger
) -> None:
    open_acme(ledger)
    caught_up = directory(database)
    assert [row[1:] for row in caught_up] == [
        (*GRACE[:2], GRACE.email.casefold(), GRACE.name),
        ("ann", "ann@acme.example", "ann@acme.example", "Ann"),
    ]
    assert rebuild(database).error is None
    assert directory(database) == caught_up
    assert {one.status for one in verify(database, full=True).rows} == {"same"}


def directory(conninfo: str) -> list[tuple[object, ...]]:
    with Reader(conninfo):
        pass
    with psycopg.connect(conninfo, autocommit=True) as connection:
        generation.use(connection, generation.served(connection).number)
        return connection.execute(
            "SELECT user_no, user_key, email, folded_email, name "
            "FROM user_directory ORDER BY user_no"
        ).fetchall()
