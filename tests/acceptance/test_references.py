"""Whom a reference means (R35): one folding on both sides, and never a guess."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from seat_ledger.domain.values import fold
from seat_ledger.errors import CommandRefused
from seat_ledger.projections import users
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store import schema
from tests.acme import Acme
from tests.support.acme import PRO

COMPOSED, APART = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
SAME = [
    ("ann@x.example", "ANN@X.example"),
    ("strasse@x.example", "STRASSE@x.example"),
    ("straße@x.example", "STRASSE@x.example"),
    (f"andr{COMPOSED}@x.example", f"ANDR{APART.upper()}@x.example"),
    ("ΣΊΣΥΦΟΣ@x.example".lower(), "ΣΊΣΥΦΟΣ@x.example"),
]


def add(acme: Acme, key: str, email: str, **more: Any) -> tuple[int, ...]:
    added: tuple[int, ...] = acme.add(key, email=email, **more)
    return added


def meant(acme: Acme, reference: str, at: str = "2025-06-01") -> str:
    """The user that both sides take the reference for; nothing is recorded."""
    until = str(date.fromisoformat(at) + timedelta(days=1))
    access = {"user": reference, "hub": "sales"}
    steps = [
        {"op": "grant_hub_access", **access, "effective_at": at},
        {"op": "revoke_hub_access", **access, "effective_at": until},
    ]
    batch = {"op": "batch", "account": "acme", "commands": steps}
    granted = acme.ledger.execute(batch, dry_run=True).events[0]
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        as_of = granted.event.effective_at
        row = reader.user_at(account, reference, as_of, known_at)
        assert row is not None
        key = reader.people([row["user_no"]])[row["user_no"]]["user"]
    assert key == granted.user
    return str(key)


@pytest.mark.parametrize(("email", "reference"), SAME)
def test_r35_an_e_mail_is_one_however_it_is_written(
    acme: Acme, email: str, reference: str
) -> None:
    add(acme, "u", email)
    assert fold(email) == fold(reference)
    assert meant(acme, reference) == "u"
    acme.no("email_taken", "add_user", user="v", email=reference, name="V",
            effective_at="2025-06-01")  # fmt: skip
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        now = reader.database_now()
        for text in (reference, reference.partition("@")[0]):
            (row,) = users.find(reader, text, now, known_at)
            assert row["user"] == "u"


@pytest.mark.parametrize("key", ["bob@x.example", "BOB@x.example", "Bob@X.Example"])
def test_r35_a_key_that_is_anothers_e_mail_is_refused_with_both_named(
    acme: Acme, key: str
) -> None:
    add(acme, key, "a@x.example")
    add(acme, "b", "bob@x.example")
    for reference in ("bob@x.example", "BOB@x.example", "Bob@X.Example"):
        grant = {"op": "grant_hub_access", "hub": "sales", "user": reference}
        error = acme.no("ambiguous_user", **grant, effective_at="2025-06-01")
        assert key in error.message
        assert "'b'" in error.message
        assert all(key in message for message in refusals(acme, reference))


def test_r95_a_batch_that_swaps_keys_says_whose_key_it_is_meanwhile(
    acme: Acme,
) -> None:
    add(acme, "ann", "a@x.example")
    add(acme, "bob", "b@x.example")

    def swapped(ann: str, bob: str) -> dict[str, Any]:
        lines = [
            {"op": "rename_user", "user": ann, "new_user": "bob"},
            {"op": "rename_user", "user": bob, "new_user": "ann"},
        ]
        at = "2025-06-02"
        return {"commands": [{**line, "effective_at": at} for line in lines]}

    error = acme.no("ambiguous_user", "batch", **swapped("ann", "bob"))
    assert "'bob' is the key of two users" in error.message
    acme.do("batch", **swapped("a@x.example", "b@x.example"))
    assert meant(acme, "b@x.example", "2025-06-03") == "ann"


def refusals(acme: Acme, reference: str) -> list[str]:
    """What the read side says of an ambiguous reference: as of now, and of history."""
    with ConnectedReader(acme.conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)
        with pytest.raises(CommandRefused, match="key and another's e-mail") as now:
            reader.user_at(account, reference, reader.database_now(), known_at)
        with pytest.raises(CommandRefused, match="key and another's e-mail") as ever:
            reader.users_called(account, reference, known_at)
    return [now.value.message, ever.value.message]


def test_r35_keys_are_compared_exactly(acme: Acme) -> None:
    add(acme, "ann", "one@x.example")
    add(acme, "Ann", "two@x.example")
    assert meant(acme, "ann") == "ann"
    assert meant(acme, "Ann") == "Ann"
    acme.no("user_not_found", "grant_hub_access", user="ANN", hub="sales")


def test_r35_a_person_who_comes_back_under_another_key_is_no_riddle(acme: Acme) -> None:
    add(acme, "ann@x.example", "ann@x.example")
    acme.do("remove_user", user="ann@x.example", effective_at="2025-05-01")
    add(acme, "ann", "ann@x.example", at="2025-05-02")
    assert meant(acme, "ANN@x.example") == "ann"
    assert meant(acme, "ann@x.example") == "ann"
    assert meant(acme, "ann@x.example", "2025-04-01") == "ann@x.example"


def test_r35_of_those_who_came_and_went_at_one_instant_the_last_added_is_meant(
    acme: Acme,
) -> None:
    """Sources that know dates only let several come and go at once (R46, R70)."""
    for workspaces_kept in (True, False):
        for _ in range(4):
            (added,) = add(acme, "ann", "ann@x.example", at="2025-04-01")
            acme.do("remove_user", user="ann", effective_at="2025-04-01")
        if not workspaces_kept:
            acme.ledger.accounts.workspaces.clear()
        (changed,) = acme.do(
            "set_permissions",
            user="ann",
            account_access=workspaces_kept,
            effective_at="2025-04-01",
        )
        with psycopg.connect(acme.conninfo) as connection:
            users_of = connection.execute(
                "SELECT count(*), count(DISTINCT originator_id) "
                "FROM ledger.stored_events WHERE notification_id = ANY (%s)",
                [[added, changed]],
            ).fetchone()
        assert users_of == (2, 1)
        with ConnectedReader(acme.conninfo) as reader:
            known_at = reader.knowledge()
            account = reader.account("acme", known_at)
            at = datetime(2025, 5, 1, tzinfo=UTC)
            row = reader.user_at(account, "ann", at, known_at)
            assert row is not None
            assert row["added"] == added


def test_r99_a_person_who_never_was_keeps_no_e_mail_from_a_service(acme: Acme) -> None:
    (added,) = add(acme, "ann", "desk@x.example")
    add(acme, "bob", "bob@x.example")
    renamed = acme.do("rename_user", user="bob", email="desk2@x.example")[0]
    for entry in (added, renamed):
        acme.reverse(entry)
    add(acme, "desk", "desk@x.example", kind="service")
    add(acme, "desk2", "desk2@x.example", kind="service")
    for reference in ("desk@x.example", "desk2@x.example"):
        assert meant(acme, reference) == reference.partition("@")[0]


def test_names_that_are_recorded_already_are_folded_anew(empty_database: str) -> None:
    schema.migrate(empty_database, up_to=9)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger.user_name (user_id, account_id, user_key, folded_email)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), %s, %s)",
            [f"Andr{APART}", f"andr{APART}@x.example"],
        )
    schema.migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        row = connection.execute(
            "SELECT user_key, folded_key, folded_email FROM ledger.user_name"
        ).fetchone()
        assert row == (
            f"Andr{APART}", f"andr{COMPOSED}", f"andr{COMPOSED}@x.example"
        )  # fmt: skip
        connection.execute("UPDATE ledger.user_name SET user_key = 'erased-1'")
        row = connection.execute("SELECT folded_key FROM ledger.user_name").fetchone()
        assert row == ("erased-1",)


def test_an_erasure_takes_the_folded_forms_too(acme: Acme) -> None:
    acme.buy()
    add(acme, "Zoë", "Zoë@x.example", seats=[PRO])
    acme.take("Zoë", "2025-06-01")
    with ConnectedReader(acme.conninfo):
        pass  # caught up, so that the name is in the tables
    acme.do("erase_user", user="zoë@x.example", reason="asked for")
    with ConnectedReader(acme.conninfo) as reader:
        rows = reader.connection.execute(
            "SELECT folded_key || folded_email || folded_name FROM user_directory"
        ).fetchall()
    with psycopg.connect(acme.conninfo) as connection:
        rows += connection.execute(
            "SELECT folded_key || folded_email FROM ledger.user_name"
        ).fetchall()
    assert len(rows) == 2
    assert not any("zo" in text for (text,) in rows)
