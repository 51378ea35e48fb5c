"""People who are called otherwise from some day on (R95)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from seat_ledger.domain.events import UserRenamed
from seat_ledger.errors import IntegrityFailure
from seat_ledger.store.mapper import read_event
from tests.acceptance.test_life_of_a_contract import PRO, Contract

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
HER = UUID("41cffb4c-e939-4c04-a951-61fe524b73b7")


class Renamed(Contract):
    """Ann, who holds a seat since February, is Annika from 1 June on."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        super().__init__(conninfo, folder)
        self.open("2025-01-01", 12, 1)
        self.buy(3, "2025-01-01")
        self.give("ann", "2025-02-01")
        (self.position,) = self.rename(
            "ann", "2025-06-01", new_user="annika", email="annika@x.example",
            name="Annika",
        )  # fmt: skip

    def rename(self, user: str, at: str | None = None, **texts: str) -> list[int]:
        return self.do("rename_user", at, user=user, **texts)

    def holder(self, *words: Any) -> dict[str, Any]:
        (row,) = self.json("seat", "who", f"{PRO}#1", "-a", "e", *words)["rows"]
        held: dict[str, Any] = row["holder"]
        return held

    def seats_of(self, user: str, *words: Any) -> list[str]:
        rows = self.json("seat", "who", "--user", user, "-a", "e", *words)["rows"]
        return [row["seat"] for row in rows]


@pytest.fixture
def e(database: str, tmp_path: Path) -> Renamed:
    return Renamed(database, tmp_path)


def test_e37_a_person_is_called_as_at_the_moment_asked_about(e: Renamed) -> None:
    may, june = ("--as-of", "2025-05-31"), ("--as-of", "2025-06-01")
    assert [e.holder(*at)["user"] for at in (may, june, ())] == [
        "ann", "annika", "annika",
    ]  # fmt: skip
    assert e.holder(*may)["email"] == "ann@x.example"
    then = {"user": "ann", "email": "ann@x.example", "name": "ann"}
    assert (e.holder(*may)["called_then"], e.holder()["called_then"]) == (None, then)
    (row,) = e.json("seat", "history", f"{PRO}#1", "-a", "e")["rows"]
    assert (row["user"], row["called_then"]) == ("annika", then)
    shown = e.run("seat", "history", f"{PRO}#1", "-a", "e").out
    assert "annika <annika@x.example> (then ann <ann@x.example>)" in " ".join(
        shown.split()
    )
    # By the old e-mail as of then, and by both as of now: nobody else has it.
    for name in ("ann", "ANN@x.example"):
        assert e.seats_of(name, *may) == e.seats_of(name) == [f"{PRO}#1"]
    assert e.seats_of("annika@x.example") == [f"{PRO}#1"]
    assert e.seats_of("annika", *may) == []
    # As known before, she is Ann for ever.
    known = ("--known-at", e.position - 1)
    assert (e.holder(*known)["user"], e.holder(*known)["called_then"]) == ("ann", None)
    assert [r["user"] for r in e.json("user", "list", "-a", "e")["rows"]] == ["annika"]
    (found,) = e.json("user", "find", "ann@x")["rows"]
    assert (found["user"], found["seats"]) == ("annika", [f"{PRO}#1"])
    (event,) = e.json("event", "show", e.position)["rows"]
    assert event["data"] == {
        "user": "annika", "email": "annika@x.example", "name": "Annika",
    }  # fmt: skip
    with psycopg.connect(e.conninfo) as connection:
        names = connection.execute(
            "SELECT user_key, email, name FROM projection.user_directory"
        ).fetchall()
    assert names == [("annika", "annika@x.example", "Annika")]
    e.verified()
    assert e.run("projection", "rebuild").status == 0
    assert e.holder()["user"] == "annika"
    e.verified()


def test_e38_an_e_mail_means_who_bears_it_at_the_time(e: Renamed) -> None:
    e.no("email_taken", "add_user", "2025-05-01", user="x", email="ann@x.example",
         name="X")  # fmt: skip
    e.do("add_user", "2025-07-01", user="ann", email="ann@x.example", name="Ann Two",
         seats=[PRO])  # fmt: skip
    june, july = ("--as-of", "2025-06-15"), ("--as-of", "2025-07-01")
    assert e.seats_of("ann@x.example", *june) == [f"{PRO}#1"]
    assert e.seats_of("ann@x.example", *july) == [f"{PRO}#2"]
    assert e.seats_of("annika", *july) == [f"{PRO}#1"]
    rows = e.json("user", "history", "ann", "-a", "e")["rows"]
    assert [(row["user"], row["seat"]) for row in rows] == [
        ("annika", f"{PRO}#1"), ("ann", f"{PRO}#2"),
    ]  # fmt: skip
    # A command effective in June means who bore the name then.
    e.do("set_permissions", "2025-06-15", user="ann", account_access=True)
    access = {r["user"]: r["account_access"] for r in e.json(
        "user", "list", "-a", "e")["rows"]}  # fmt: skip
    assert access == {"annika": True, "ann": False}
    # Neither can take back what the other has now, nor can the renaming be reversed.
    e.no("user_key_taken", "rename_user", "2025-08-01", user="annika", new_user="ann")
    e.no("email_taken", "rename_user", "2025-08-01", user="annika",
         email="Ann@X.example")  # fmt: skip
    e.no("reversal_blocked", "reverse", entry=e.position, reason="x")
    e.verified()


def test_each_text_has_its_own_time_and_each_renaming_is_reversible(
    e: Renamed,
) -> None:
    (later,) = e.rename("annika", "2025-09-01", name="Annika de Boer")
    e.rename("ann", "2025-04-01", email="a@x.example")
    assert [
        [
            e.holder("--as-of", f"2025-{month:02}-15")[n]
            for n in ("user", "email", "name")
        ]
        for month in (3, 4, 6, 9)
    ] == [
        ["ann", "ann@x.example", "ann"],
        ["ann", "a@x.example", "ann"],
        ["annika", "annika@x.example", "Annika"],
        ["annika", "annika@x.example", "Annika de Boer"],
    ]
    (reversal,) = e.do("reverse", entry=e.position, reason="wrong person")
    assert [e.holder()[n] for n in ("user", "email", "name")] == [
        "ann", "a@x.example", "Annika de Boer",
    ]  # fmt: skip
    assert e.seats_of("ann") == [f"{PRO}#1"]
    e.do("reverse", entry=reversal, reason="right after all")
    assert e.holder()["user"] == "annika"
    e.no("nothing_to_do", "rename_user", user="annika", name="Annika de Boer")
    e.no("user_not_present", "rename_user", "2025-01-15", user="ann", name="Ann")
    e.no("invalid_email", "rename_user", user="annika", email="no mail")
    e.no("key_reserved", "rename_user", user="annika", new_user="erased-1")
    e.do("reverse", entry=later, reason="not married")
    assert e.holder()["name"] == "Annika"
    e.verified()


def test_in_one_batch_and_one_file_with_the_adding(e: Renamed) -> None:
    bob = {"op": "add_user", "user": "bob", "email": "b@x.example", "name": "Bob"}
    lines = [
        {**bob, "account": "e", "effective_at": "2025-03-01"},
        {"op": "rename_user", "account": "e", "user": "b@x.example",
         "new_user": "rob", "effective_at": "2025-03-02"},
        {"op": "assign_seat", "account": "e", "user": "rob", "seat_type": PRO,
         "effective_at": "2025-03-03"},
    ]  # fmt: skip
    file = e.folder / "tried.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = e.json("import", file, "--dry-run")["rows"]
    assert [row["outcome"] for row in rows] == ["would_record"] * 3
    e.import_(lines)
    assert e.seats_of("bob") == e.seats_of("rob") == [f"{PRO}#2"]
    e.do("unassign_seat", "2025-03-04", user="rob", seat_type=PRO)
    e.record({
        "op": "batch", "account": "e", "effective_at": "2025-08-01", "commands": [
            {"op": "rename_user", "user": "annika", "new_user": "ann"},
            {"op": "rename_user", "user": "rob", "new_user": "annika"},
        ],
    })  # fmt: skip
    users = e.json("user", "list", "-a", "e")["rows"]
    assert [(row["user"], row["name"]) for row in users] == [
        ("ann", "Annika"), ("annika", "Bob"),
    ]  # fmt: skip
    e.no("user_key_taken", "rename_user", "2025-08-01", user="ann", new_user="annika")


def test_e37_an_erasure_covers_every_name_that_a_person_ever_had(e: Renamed) -> None:
    e.rename("annika", "2025-07-01", name="Annika de Boer")
    e.do("unassign_seat", "2025-08-01", user="annika", seat_type=PRO)
    e.json("user", "find", "annika")
    erased = e.run("user", "erase", "annika", "-a", "e", "--reason", "asked", "--yes")
    assert erased.status == 0, erased.err
    for name in ("ann", "annika", "ann@x.example", "annika@x.example"):
        for at in ((), ("--as-of", "2025-05-01"), ("--known-at", e.position - 1)):
            e.refused("user_not_found", "user", "history", name, "-a", "e", *at)
        assert e.json("user", "find", name)["rows"] == []
    (row,) = e.json("seat", "history", f"{PRO}#1", "-a", "e")["rows"]
    assert row["user"].startswith("erased-")
    assert row["called_then"] is None
    (event,) = e.json("event", "show", e.position)["rows"]
    assert {*event["data"].values()} == {row["user"]}
    assert everything(e.conninfo, "annika", "boer", "ann@x.example") == []
    e.no("user_not_found", "rename_user", user="annika", name="Ann")
    e.no("user_erased", "rename_user", user=row["user"], name="Ann")
    assert e.run("projection", "rebuild").status == 0
    e.verified()
    assert everything(e.conninfo, "annika", "boer", "ann@x.example") == []


def everything(conninfo: str, *texts: str) -> list[str]:
    """The tables in which any of some texts stands."""
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) "
            "FROM pg_tables WHERE schemaname ~ '^(ledger|projection)'"
        ).fetchall()
        return [
            table
            for (table,) in tables
            if connection.execute(
                f"SELECT 1 FROM {table} AS its "  # type: ignore[arg-type]
                "WHERE its::text ILIKE ANY (%s) LIMIT 1",
                [[f"%{text}%" for text in texts]],
            ).fetchone()
        ]


def test_a_stored_renaming_opens_with_the_key_and_at_its_own_place() -> None:
    state = (GOLDEN / "UserRenamed-v1.json").read_bytes().strip()
    renamed = read_event(HER, 2, "UserRenamed", state, bytes(range(32)))
    assert isinstance(renamed, UserRenamed)
    assert (renamed.user_key, renamed.email) == ("annika", None)
    assert renamed.name == 'Annika "Ä" 🎈'
    for version, key in ((3, bytes(range(32))), (2, bytes(32))):
        with pytest.raises(IntegrityFailure):
            read_event(HER, version, "UserRenamed", state, key)
