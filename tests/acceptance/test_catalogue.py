"""The catalogue on a real store: recorded, asked as known then, imported, rebuilt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.program import Program

TERMS = {
    "name": "Acme",
    "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}
BUSINESS = "copilot/business"


def lines(*commands: dict[str, Any]) -> str:
    return "".join(json.dumps(command) + "\n" for command in commands)


def types(program: Program, *words: str) -> dict[str, str]:
    answer = program.json("catalogue", "list", *words)
    return {row["seat_type"]: row["state"] for row in answer["rows"]}


@pytest.fixture
def program(database: str) -> Program:
    return Program(database)


def test_r80_types_are_there_as_they_were_known(program: Program) -> None:
    assert len(types(program)) == 6
    program.json("catalogue", "add", BUSINESS, "--not-exclusive", "--reason", "new")
    added = program.json("catalogue", "withdraw", "sales/starter")
    last = added["positions"][0]
    assert types(program)[BUSINESS] == "offered"
    assert types(program)["sales/starter"] == "withdrawn"
    before = types(program, "--known-at", str(last - 1))
    assert (before[BUSINESS], before["sales/starter"]) == ("offered", "offered")
    assert BUSINESS not in types(program, "--known-at", "0")


def test_a_price_for_all_is_no_change_of_the_type(program: Program) -> None:
    """R90: it stands in the same stream."""
    program.json("catalogue", "withdraw", "sales/starter", "--reason", "gone")
    before = program.json("catalogue", "list")["rows"]
    for kind in ("sales/starter", BUSINESS.replace("copilot", "sales")):
        words = ("price", "set", kind, "20", "--currency", "EUR", "--for-all")
        done = program.run(*words, "--effective-at", "2025-01-01")
        assert done.returncode == (0 if kind == "sales/starter" else 1)
    assert program.json("catalogue", "list")["rows"] == before


def test_r80_a_file_adds_the_types_that_its_later_lines_buy(
    program: Program, tmp_path: Any
) -> None:
    """The same file again records nothing; its outcomes are the same."""
    text = lines(
        {"op": "add_seat_type", "seat_type": BUSINESS, "exclusive": True},
        {"op": "open_account", "account": "acme", **TERMS},
        {"op": "buy_seats", "account": "acme", "seat_type": BUSINESS, "quantity": 3,
         "effective_at": "2025-03-05"},
        {"op": "withdraw_seat_type", "seat_type": BUSINESS},
        {"op": "buy_seats", "account": "acme", "seat_type": BUSINESS, "quantity": 1,
         "expect": "refused"},
    )  # fmt: skip
    file = tmp_path / "history.jsonl"
    file.write_text(text)
    for outcome in ("recorded", "repeated"):
        rows = program.json("import", f"{file}")["rows"]
        assert [row["outcome"] for row in rows] == [outcome] * 4 + ["refused"]
        assert rows[4]["code"] == "seat_type_withdrawn"
    counts = program.json("billing", "counts", "-a", "acme", "--period", "2025-03-05")
    assert [(r["seat_type"], r["quantity"]) for r in counts["rows"]] == [
        (BUSINESS, "3")
    ]


def test_every_table_is_rebuilt_and_verified_with_types_that_were_added(
    program: Program,
) -> None:
    program.json("account", "open", "acme", "--name", "Acme", "--time-zone", "UTC",
                 "--term-start", "2025-03-05", "--term-months", "12",
                 "--billing-cycle-months", "1")  # fmt: skip
    for seat_type in (BUSINESS, "copilot/chat"):
        program.json("catalogue", "add", seat_type, "--not-exclusive")
        program.json("seat", "buy", seat_type, "2", "-a", "acme")
    program.json("catalogue", "withdraw", BUSINESS)
    program.json("catalogue", "add", BUSINESS)
    ann = ["ann", "--email", "ann@x.example", "--name", "Ann", "-a", "acme"]
    program.json("user", "add", *ann, "--seat", BUSINESS, "--seat", "copilot/chat")
    seats = program.json("user", "history", "ann", "-a", "acme")["rows"]
    assert {row["seat"] for row in seats} == {f"{BUSINESS}#1", "copilot/chat#1"}
    before = types(program)
    assert program.run("projection", "rebuild").returncode == 0
    assert program.run("projection", "verify", "--full").returncode == 0
    assert types(program) == before
    assert program.json("user", "history", "ann", "-a", "acme")["rows"] == seats


def test_a_type_that_was_never_added_is_refused_in_every_question(
    program: Program,
) -> None:
    program.json("account", "open", "acme", "--name", "Acme", "--time-zone", "UTC",
                 "--term-start", "2025-03-05", "--term-months", "12",
                 "--billing-cycle-months", "1")  # fmt: skip
    query = (
        ["billing", "counts", "-a", "acme", "--unit-price", "sales/gold=9.00"],
        ["user", "access", "ann", "sales/gold", "-a", "acme"],
    )
    for words in query:
        done = program.run(*words, "--format", "json")
        assert done.returncode == 1
        assert json.loads(done.stderr)["code"] == "unknown_seat_type"
