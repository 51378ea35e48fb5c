"""What support does all day, each in one step, and each taken back in one step."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from tests.program import ANN, BUY, GIVE, OPEN, PRO, Program

ENT = "sales/enterprise"
BOB = ANN | {"user": "bob", "email": "bob@acme.example", "name": "Bob"}
ON = ("-a", "acme")


@pytest.fixture
def acme(database: str) -> Program:
    program = Program(database)
    done = program.lines(OPEN | {"term_months": 240}, BUY, ANN, BOB, GIVE)
    assert done.returncode == 0, done.stderr
    return program


def holders(acme: Program) -> dict[str, str]:
    rows = acme.json("seat", "list", *ON)["rows"]
    return {row["seat"]: row["holder"]["user"] for row in rows if row["holder"]}


def users(acme: Program) -> list[str]:
    return [row["user"] for row in acme.json("user", "list", *ON)["rows"]]


def recorded(acme: Program, *words: Any) -> list[str]:
    return [row["event"] for row in acme.json(*words, *ON)["rows"]]


def refused(acme: Program, code: str, *words: Any) -> str:
    done = acme.run(*words, *ON, "--format", "json")
    failure = json.loads(done.stderr.splitlines()[-1])
    assert failure["code"] == code, done.stderr
    return str(failure["message"])


def test_a_leaver_is_removed_in_one_step_and_the_seat_is_free(acme: Program) -> None:
    done = acme.run("user", "offboard", "ann@acme.example", *ON, "--reason", "left")
    assert f"ann@acme.example leaves acme; {PRO}#1 is free." in done.stdout
    assert (users(acme), holders(acme)) == (["bob"], {})
    assert acme.json("seat", "list", *ON)["totals"][0]["available"] == 3
    assert "ann" in refused(acme, "user_not_found", "user", "offboard", "ann")


def test_a_leavers_seats_go_to_somebody_else_in_the_same_step(acme: Program) -> None:
    events = recorded(acme, "user", "offboard", "ann", "--seats-to", "bob")
    assert sorted(events) == [
        "HubAccessGranted",
        "HubAccessRevoked",
        "SeatAssigned",
        "SeatUnassigned",
        "UserRemoved",
    ]
    assert (users(acme), holders(acme)) == (["bob"], {f"{PRO}#1": "bob"})


def test_a_seat_moves_and_stays_the_same_seat(acme: Program) -> None:
    acme.json("seat", "assign", "bob", "service/starter", *ON, "--buy-if-needed")
    done = acme.run("seat", "move", "ann", "bob", *ON)
    assert f"{PRO}#1 of acme goes from ann to bob. Recorded" in done.stdout
    assert holders(acme)[f"{PRO}#1"] == "bob"
    refused(acme, "no_seat_held", "seat", "move", "ann", "bob")
    several = acme.run("seat", "move", "bob", "ann", *ON)
    assert (several.returncode, "name the type" in several.stderr) == (2, True)
    recorded(acme, "seat", "move", "bob", "ann", PRO)
    assert holders(acme) == {f"{PRO}#1": "ann", "service/starter#1": "bob"}
    refused(acme, "user_not_found", "seat", "move", "ann", "nobody")


def test_an_upgrade_is_one_step_and_buys_where_requested(acme: Program) -> None:
    before = acme.json("event", "list", *ON)["rows"]
    refused(acme, "no_free_seat", "seat", "upgrade", "ann", ENT)
    refused(acme, "nothing_to_do", "seat", "upgrade", "ann", PRO)
    refused(acme, "no_seat_held", "seat", "upgrade", "bob", ENT)
    assert acme.json("event", "list", *ON)["rows"] == before
    events = recorded(acme, "seat", "upgrade", "ann", ENT, "--buy-if-needed")
    assert events == ["SeatUnassigned", "SeatPurchased", "SeatAssigned"]
    assert holders(acme) == {f"{ENT}#1": "ann"}


def test_chores_of_a_past_date_and_tried_ones_write_what_they_state(
    acme: Program,
) -> None:
    late = ("--effective-at", "2025-05-01")
    tried = acme.run("user", "offboard", "ann", *ON, *late, "--dry-run")
    assert "Nothing was written" in tried.stdout
    assert "take it back" not in tried.stdout
    assert users(acme) == ["ann", "bob"]
    acme.json("seat", "move", "ann", "bob", *ON, *late)
    who = ("seat", "who", f"{PRO}#1", *ON, "--as-of")
    assert acme.json(*who, "2025-04-30")["rows"][0]["holder"]["user"] == "ann"
    assert acme.json(*who, "2025-05-01")["rows"][0]["holder"]["user"] == "bob"


@pytest.mark.parametrize(
    "words",
    [
        ("user", "offboard", "ann"),
        ("seat", "upgrade", "ann", ENT, "--buy-if-needed"),
        ("seat", "buy", PRO, "5"),
        ("seat", "reduce", PRO, "2"),
        (
            "user",
            "add",
            "cy",
            "--email",
            "cy@acme.example",
            "--name",
            "C",
            "--seat",
            PRO,
        ),
    ],
)
def test_what_a_write_says_takes_it_back(acme: Program, words: tuple[str, ...]) -> None:
    def state() -> list[Any]:
        listed = acme.json("seat", "list", *ON)
        rows = [(row["seat"], bool(row["holder"])) for row in listed["rows"]]
        return [users(acme), rows, listed["totals"]]

    before = state()
    done = acme.run(*words, *ON)
    assert done.returncode == 0, done.stderr
    command = re.search("To take it back: seat-ledger (.*)", done.stdout)
    assert command, done.stdout
    assert state() != before
    again = acme.run(*shlex.split(command[1]))
    assert again.returncode == 0, again.stderr
    assert state() == before
    restore = re.search("To take it back: seat-ledger (.*)", again.stdout)
    assert restore
    assert acme.run(*shlex.split(restore[1])).returncode == 0
    assert state() != before


def test_what_cannot_be_reversed_says_what_to_do_instead(acme: Program) -> None:
    done = acme.run("account", "set-time-zone", "Europe/Paris", *ON)
    assert "Not reversible. Instead: set the time zone again" in done.stdout


def test_entries_to_reverse_are_one_two_or_a_range(acme: Program) -> None:
    acme.json("seat", "buy", "sales/starter", "3", *ON)
    last = acme.json("event", "list", *ON, "--last", "1")["rows"][0]["position"]
    why = ("--reason", "too many", *ON)
    for entries in (("0x1",), ("9-8",), ("1-99999999",), ("3", "--key", "k"), ()):
        assert acme.run("event", "reverse", *entries, *why).returncode == 2
    assert len(acme.json("event", "reverse", last, last - 1, *why)["rows"]) == 2
    done = acme.run("event", "reverse", f"{last - 2}-{last}", *why)
    assert "already been reversed" in done.stderr  # all of them or none
    assert len(acme.json("event", "reverse", f"#{last - 2}", *why)["rows"]) == 1
