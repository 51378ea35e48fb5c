"""People of dated lists who are new, and addresses that go from one to another
(R35, R84, R85, R95).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Program
from tests.program import OPEN

E3 = "05e9a617-0261-4cee-bb44-138d3ef5d965"
COPILOT = "639dec6b-bb19-468b-871c-c5c441c4b0cb"
TYPES = ("m365/e3", "m365-copilot/copilot", "copilot/business")


class Nights:
    """An account of its own with its lists, night after night."""

    def __init__(self, program: Program, folder: Path, account: str) -> None:
        self.program, self.account = program, account
        self.file = folder / f"{account}.json"
        program.record({**OPEN, "account": account, "time_zone": "UTC"})

    def users(self, day: int, *words: str, **mails: str) -> Any:
        """Microsoft's list: who is called what, each with one licence."""
        value = [
            {"id": id_, "displayName": id_, "mail": mail, "userPrincipalName": mail,
             "assignedLicenses": [{"skuId": E3}]}
            for id_, mail in mails.items()
        ]  # fmt: skip
        return self.listed("m365-users", {"value": value}, day, *words)

    def listed(self, mapping: str, document: Any, day: int, *words: str) -> Any:
        self.file.write_text(json.dumps(document))
        done = self.program.run(
            "snapshot", self.file, "--with", mapping, "-a", self.account,
            "--taken-at", f"2025-03-{day:02}T02:00Z", *words, "--format", "json",
        )  # fmt: skip
        return json.loads(done.out)["rows"]

    def called(self, address: str, at: str) -> list[tuple[str, str]]:
        """Whose seats an address stands for at a moment."""
        rows = self.program.json(
            "seat", "who", "--user", address, "-a", self.account, "--as-of", at
        )["rows"]
        return [(row["holder"]["user"], row["seat"]) for row in rows]


@pytest.fixture(scope="module")
def program(shared_database: str, tmp_path_factory: Any) -> Program:
    program = Program(shared_database, tmp_path_factory.mktemp("lists"))
    program.record(*({"op": "add_seat_type", "seat_type": name} for name in TYPES))
    return program


def test_r84_a_new_person_with_two_licences_is_added_once(
    program: Program, tmp_path: Path
) -> None:
    nights = Nights(program, tmp_path, "two")
    mila = {"id": "1", "displayName": "Mila", "mail": "mila@x.example",
            "assignedLicenses": [{"skuId": E3}, {"skuId": COPILOT}]}  # fmt: skip
    total = {"skuId": E3, "prepaidUnits": {"enabled": 5}}
    rows = nights.listed("m365-users", {"value": [total, mila]}, 10)
    assert [(row["change"], row["seat_type"], row["count"]) for row in rows] == [
        ("bought", "m365/e3", 5),
        ("bought", "m365-copilot/copilot", 1),
        ("assigned", "m365/e3", None),
        ("assigned", "m365-copilot/copilot", None),
    ]
    bought, other, *given = (row["positions"] for row in rows)
    assert (len(bought), len(other)) == (5, 1)
    # Each names its own entries, and what let her in.
    assert len(set(given[0]) & set(given[1])) == 1
    assert not {*bought, *other} & {*given[0], *given[1]}
    assert nights.called("mila@x.example", "2025-03-11") == [
        ("m365-1", "m365/e3#1"),
        ("m365-1", "m365-copilot/copilot#1"),
    ]
    done = program.run(
        "seat", "who", "--user", "mila@x.example", "-a", "two", "--as-of", "2025-03-11"
    )
    assert "\\n" not in done.out


@pytest.mark.parametrize(
    "after",
    [
        {"a": "new@x.example", "c": "a@x.example"},
        {"a": "b@x.example", "b": "new@x.example", "c": "a@x.example"},
        {"a": "b@x.example", "b": "a@x.example"},
        {"a": "b@x.example", "b": "d@x.example", "d": "a@x.example"},
        {"a": "B@x.example", "b": "D@x.example", "d": "new@x.example",
         "c": "A@x.example"},
    ],
    ids=["freed", "chain", "swap", "ring", "a chain in capitals"],
)  # fmt: skip
def test_r35_r95_addresses_go_from_one_to_another_in_a_night(
    program: Program, tmp_path: Path, request: Any, after: dict[str, str]
) -> None:
    """First whoever is called otherwise, then who is new: the batch is one step."""
    nights = Nights(program, tmp_path, request.node.callspec.id.replace(" ", "-"))
    before = {id_: f"{id_}@x.example" for id_ in "abd"}
    nights.users(10, **before)
    now = {**before, **after}
    rows = nights.users(12, **now)
    assert {row["outcome"] for row in rows} == {"recorded"}
    for id_, address in now.items():
        ((user, _),) = nights.called(address, "2025-03-12T02:00Z")
        assert user == f"m365-{id_}"
    for id_, address in before.items():
        ((user, _),) = nights.called(address, "2025-03-12T01:59Z")
        assert user == f"m365-{id_}"
    assert nights.users(13, "--check", **now) == []


def test_r85_a_seat_dated_before_the_list_has_its_address_from_then_on(
    program: Program, tmp_path: Path
) -> None:
    """Whoever had the address gave it up by then, and took their new one by then."""
    nights = Nights(program, tmp_path, "dated")

    def seat(number: int, address: str, created: str) -> dict[str, Any]:
        assignee = {"id": number, "login": f"l{number}", "email": address}
        return {"created_at": created, "plan_type": "business",
                "pending_cancellation_date": None, "assignee": assignee}  # fmt: skip

    def copilot(day: int, *seats: dict[str, Any]) -> Any:
        page = {"total_seats": len(seats), "seats": seats}
        return nights.listed("github-copilot-seats", page, day)

    old = "2025-03-06T00:00:00Z"
    copilot(10, seat(1, "a@x.example", old), seat(2, "b@x.example", old))
    rows = copilot(
        12, seat(1, "b@x.example", old), seat(2, "c@x.example", old),
        seat(3, "a@x.example", "2025-03-11T09:00:00Z"),
    )  # fmt: skip
    renamed = [row for row in rows if row["change"] == "renamed"]
    assert [row["effective_at"] for row in renamed] == ["2025-03-11T09:00:00Z"] * 2
    for address, user in (("a", "gh-3"), ("b", "gh-1"), ("c", "gh-2")):
        ((holder, _),) = nights.called(f"{address}@x.example", "2025-03-11T09:00Z")
        assert holder == user


def test_r35_a_person_with_a_new_id_is_taken_once_the_old_one_gave_up_the_address(
    program: Program, tmp_path: Path
) -> None:
    """The refusal says what to type; the new id has the address from then on."""
    nights = Nights(program, tmp_path, "again")
    nights.users(10, a="a@x.example", b="b@x.example")
    at = ("-a", "again", "--effective-at", "2025-03-12T02:00:00Z")
    new = {"n": "a@x.example", "b": "b@x.example"}
    for row in nights.users(12, **new):
        assert row["code"] == "email_taken"
        assert (
            "seat-ledger user offboard a@x.example --account again --effective-at "
            "2025-03-12T02:00:00Z"
        ) in row["try"]
    assert program.run("user", "offboard", "a@x.example", *at).status == 0
    (row,) = nights.users(12, **new)
    assert (row["user"], row["outcome"]) == ("m365-n", "recorded")

    newer = {"n": "a@x.example", "m": "b@x.example"}
    at = ("-a", "again", "--effective-at", "2025-03-14T02:00:00Z")
    rename = ("user", "rename", "b@x.example", "--email", "old@x.example")
    assert program.run(*rename, *at).status == 0
    assert {row["outcome"] for row in nights.users(14, **newer)} == {"recorded"}
    ((user, _),) = nights.called("b@x.example", "2025-03-14T02:00Z")
    assert user == "m365-m"


OWN = """
schema = 1
kind = "snapshot"
source = "own"
title = "A list of our own"
covers = ["copilot/business"]
[file]
format = "table"
has = ["id"]
[person]
user = "{id}"
email = "{email}"
name = "{name}"
[[rule]]
op = "holds"
seat_type = "copilot/business"
"""
BOXES = "box-1,info@x.example,Box,service\nbox-2,info@x.example,Box,service\n"


def test_r99_a_list_has_services_that_share_an_address_or_have_none(
    program: Program, tmp_path: Path
) -> None:
    program.record({**OPEN, "account": "boxes", "time_zone": "UTC"})
    plain, own = tmp_path / "plain.toml", tmp_path / "own.toml"
    plain.write_text(OWN)
    own.write_text(OWN.replace('"{name}"\n', '"{name}"\nkind = "{kind}"\n'))
    file = tmp_path / "list.csv"

    def listed(mapping: Path, rows: str, *words: str) -> Any:
        file.write_text(f"id,email,name,kind\n{rows}")
        at = ("-a", "boxes", "--taken-at", "2025-03-10T02:00Z")
        return program.run("snapshot", file, "--with", mapping, *at, *words)

    for mapping, rows, line, what in (
        (plain, BOXES, 3, "'box-2' has the e-mail address of 'box-1' in line 2"),
        (plain, "room,,Room,\n", 2, "'room' is no user yet, and has no e-mail"),
        (own, "room,,Room,person\n", 2, "'room' is no user yet, and has no e-mail"),
        (own, "room,,Room,robot\n", 2, "'robot' is no kind"),
    ):
        for words in ((), ("--check",), ("--dry-run",)):
            done = listed(mapping, rows, *words)
            assert done.status == 2, done.err
            assert f"list.csv:{line}: {what}" in done.err
    assert program.json("user", "list", "-a", "boxes")["rows"] == []
    done = listed(own, f"{BOXES}room,,Room,service\nann,ann@x.example,Ann,person\n")
    assert done.status == 0, done.err
    users = program.json("user", "list", "-a", "boxes")["rows"]
    assert sorted((row["user"], row["kind"], row["email"]) for row in users) == [
        ("ann", "person", "ann@x.example"),
        ("box-1", "service", "info@x.example"),
        ("box-2", "service", "info@x.example"),
        ("room", "service", None),
    ]
