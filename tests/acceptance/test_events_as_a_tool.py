"""The journal as support uses it: about whom, which seat, by whom, when."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seat_ledger.projections import journal
from seat_ledger.projections.reader import ConnectedReader
from tests.program import ANN, BUY, GIVE, OPEN, PRO, Program

JAN = ANN | {"user": "jan", "email": "jan@acme.example", "name": "Jan"}
BOSS = ANN | {
    "user": "bo", "email": "bo@acme.example", "name": "Bo", "account_access": True,
}  # fmt: skip
MOVE = {
    "op": "batch",
    "account": "acme",
    "effective_at": "2025-04-01",
    "reason": "handed over",
    "commands": [
        {"op": "unassign_seat", "user": "ann", "seat_type": PRO},
        {"op": "assign_seat", "user": "jan", "seat_type": PRO},
    ],
}
TAKE = {
    "op": "unassign_seat",
    "account": "acme",
    "user": "jan",
    "seat_type": PRO,
    "effective_at": "2025-06-10T12:00",
    "actor": "user:bo",
}


@pytest.fixture(scope="module")
def acme(shared_database: str) -> Program:
    program = Program(shared_database)
    done = program.lines(OPEN, BUY, ANN, BOSS, GIVE, JAN, MOVE, TAKE)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout)["rows"][-1]["positions"][0]
    program.json("event", "reverse", last, "-a", "acme", "--reason", "still there")
    return program


def events(acme: Program, *words: Any) -> list[str]:
    rows = acme.json("event", "list", "-a", "acme", *words)["rows"]
    return [f"{row['event']} {row['user'] or ''}".strip() for row in rows]


def test_events_of_an_account_are_the_same_by_whatever_way_they_are_read(
    acme: Program, shared_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ranges of positions, by pages, from the end, or the whole account at once."""
    assert events(acme)
    with ConnectedReader(shared_database) as reader:
        known_at = reader.knowledge()
        account = reader.account("acme", known_at)

        def read(**how: Any) -> list[int]:
            rows = journal.listed(reader, known_at, account=account, **how)
            return [row["position"] for row in rows]

        every = read(limit=1_000)
        assert len(every) > 10
        assert read(until_position=1_000_000) == every
        assert read(until_position=1_000_000, limit=5) == every[:5]
        for size in (1, 2, 3, 8):
            monkeypatch.setattr(journal, "PAGE", size)
            assert read() == every
            assert read(backwards=True) == every[::-1]
            assert read(from_position=every[3]) == every[3:]


def test_events_of_a_user_include_what_reverses_them(acme: Program) -> None:
    assert events(acme, "--user", "jan") == [
        "UserAdded jan",
        "HubAccessGranted jan",
        "SeatAssigned jan",
        "SeatUnassigned jan",
        "EntryReversed",
    ]


def test_events_of_a_seat_are_its_purchase_its_holders_and_reversals(
    acme: Program,
) -> None:
    whole = [
        "SeatPurchased",
        "SeatAssigned ann",
        "SeatUnassigned ann",
        "SeatAssigned jan",
        "SeatUnassigned jan",
        "EntryReversed",
    ]
    assert events(acme, "--seat", f"{PRO}#1") == whole
    assert events(acme, "--seat", PRO) == ["SeatPurchased"] * 2 + whole
    assert events(acme, "--seat", f"{PRO}#1", "--user", "ann") == whole[1:3]


def test_the_sentence_names_type_and_window(acme: Program) -> None:
    words = ("--type", "SeatAssigned", "--during", "2025-04", "--user", "jan")
    text = " ".join(acme.run("event", "list", "-a", "acme", *words).stdout.split())
    assert text.startswith(
        "Events of acme of type SeatAssigned about jan effective from 1 April 2025 "
    ), text
    assert "until 1 May 2025" in text
    words = ("--until", "2024", "--clock", "recorded", "--actor", "system:import")
    text = acme.run("event", "list", "-a", "acme", *words).stdout
    assert text.startswith("No events of acme by system:import recorded before 1 J")


def test_a_tier_alone_is_offered_its_hubs(acme: Program) -> None:
    done = acme.run("seat", "who", "professional#1", "-a", "acme")
    assert done.returncode == 1
    assert "sales/professional or service/professional" in done.stderr


def test_a_table_says_where_the_seat_went(acme: Program) -> None:
    text = acme.run("event", "list", "-a", "acme", "--user", "ann").stdout
    assert f"{PRO}#1 went from ann to jan" in text
    assert "handed over" in text


def test_events_by_an_actor_who_is_a_user(acme: Program) -> None:
    for actor in ("bo", "user:bo", "bo@acme.example"):
        assert events(acme, "--actor", actor) == ["SeatUnassigned jan"]
    assert len(events(acme, "--actor", "system:import")) == 12


def test_events_of_a_type_and_time(acme: Program) -> None:
    assert events(acme, "--type", "seatassigned") == [
        "SeatAssigned ann",
        "SeatAssigned jan",
    ]
    may = ("--since", "2025-05", "--until", "2025-07")
    assert events(acme, *may) == ["SeatUnassigned jan", "EntryReversed"]
    assert events(acme, "--during", "2025-06") == events(acme, *may)
    assert events(acme, "--since", "2025-06-10 12:00+02", "--type", "SeatUnassigned")
    assert events(acme, "--during", "today", "--clock", "effective") == []
    everything = events(acme)
    assert events(acme, "--since", "-2d", "--clock", "recorded") == everything
    assert events(acme, "--until", "-2d", "--clock", "recorded") == []


def test_the_last_events_and_the_last_first(acme: Program) -> None:
    everything = events(acme)
    assert events(acme, "--last", "3") == everything[-3:]
    assert events(acme, "--reverse") == everything[::-1]
    assert events(acme, "--last", "3", "--reverse") == everything[-3:][::-1]
    of_ann = events(acme, "--user", "ann")
    assert events(acme, "--last", "2", "--user", "ann") == of_ann[-2:]
    assert events(acme, "--late", "--user", "jan", "--last", "1") == ["UserAdded jan"]
    done = acme.run("event", "list", "--last", "1", "--limit", "1")
    assert (done.returncode, "--last" in done.stderr) == (2, True)


def test_a_user_is_one_of_an_account(acme: Program) -> None:
    for words in (("--user", "ann"), ("--actor", "ann"), ("--seat", f"{PRO}#1")):
        done = acme.run("event", "list", *words)
        assert (done.returncode, "--account" in done.stderr) == (2, True)
        if "ann" in words:
            assert "seat-ledger user find ann" in done.stderr
    everywhere = acme.json("event", "list", "--actor", "system:import")["rows"]
    assert len(everywhere) == 12


def test_as_known_before_nothing_later_is_listed(acme: Program) -> None:
    assert events(acme, "--user", "jan", "--known-at", "9") == ["UserAdded jan"]


def test_who_held_a_seat_in_a_stretch_of_time(acme: Program) -> None:
    words = ("seat", "who", f"{PRO}#1", "-a", "acme")
    document = acme.json(*words, "--from", "2025-03", "--until", "2025-05")
    held = [row["holder"]["user"] for row in document["rows"]]
    assert held == ["ann", "jan"]
    assert document["from"] == "2025-02-28T23:00:00Z"
    only = acme.json(*words, "--during", "2025-05")["rows"]
    assert [row["holder"]["user"] for row in only] == ["jan"]
    of_user = acme.json(
        "seat", "who", "--user", "ann", "-a", "acme", "--during", "2025"
    )
    assert [row["seat"] for row in of_user["rows"]] == [f"{PRO}#1"]
    both = acme.run(*words, "--during", "2025", "--as-of", "2025-04")
    assert both.returncode == 2
