"""The worked examples through the real commands, and every figure opened (R50 to R63).

Commands run in the test's own process: the program's entry point, its printed output,
its exit status.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Program
from tests.oracle.worked_examples import EXAMPLES, PRO, Example, Question
from tests.support.waiting import start_of_a_month_under_way


@pytest.fixture
def program(database: str, tmp_path: Path) -> Program:
    return Program(database, tmp_path)


COUNTED = [
    example
    for example in EXAMPLES
    if any(question.ask == "count" for question in example.questions)
]


@pytest.mark.parametrize("prices", ["given", "recorded"])
@pytest.mark.parametrize("example", COUNTED, ids=lambda example: example.name)
def test_worked_examples(program: Program, example: Example, prices: str) -> None:
    """The same amounts by a price that is given and by one of the price book (R90)."""
    questions = [question for question in example.questions if question.ask == "count"]
    if prices == "recorded":
        amounts = [q for q in questions if "amount" in (q.answer or {})]
        (price,) = {question.of["price"] for question in amounts or questions}
        words = (PRO, price, "--currency", "EUR", "--effective-at", "2000-01-01")
        done = program.run("price", "set", *words, "--for-all")
        assert done.status == 0, done.err
    program.play(example)
    for question in questions:
        answer_of(program, question, recorded=prices == "recorded")


def answer_of(program: Program, question: Question, *, recorded: bool) -> None:
    """The figure to the digit, and its parts, which add up to it."""
    of = question.of
    words = ["--account", "e", "--period", of["period"], "--mode", of["mode"]]
    if of["granularity"]:
        words += ["--granularity", of["granularity"]]
    if question.known_at:
        words += ["--known-at", program.labels[question.known_at]]
    price = [] if recorded else ["--unit-price", f"{of['seat_type']}={of['price']}"]
    rows = program.json("billing", "counts", *words, *price)["rows"]
    about = [*words, "--seat-type", of["seat_type"]]
    explained = program.json("billing", "explain", *about, *price)
    parts = explained["rows"]
    if question.answer is None:
        assert rows == parts == []
        assert explained["figure"]["quantity_exact"] == "0/1"
        return
    (row,) = rows
    assert {name: row[name] for name in question.answer} == question.answer
    assert explained["figure"] == row
    assert row["price_source"] == ("all" if recorded else "given")
    for name, whole in (
        ("quantity_exact", row["quantity_exact"]),
        ("amount", row["amount"]),
    ):
        assert sum((Fraction(part[name]) for part in parts), Fraction(0)) == Fraction(
            whole
        )


@pytest.fixture
def june(program: Program) -> Program:
    """E15: a June that comes to something else by every rule."""
    (example,) = [item for item in EXAMPLES if item.name.startswith("E15")]
    program.play(example)
    return program


JUNE = ["--account", "e", "--period", "2025-06", "--seat-type", PRO]


def explain(program: Program, *words: Any) -> dict[str, Any]:
    return program.json("billing", "explain", *JUNE, *words)


def test_of_all_accounts_those_without_a_period_are_passed_over(june: Program) -> None:
    """Also where there is but one."""
    words = ["billing", "counts", "--period", "2020-01"]
    for known_at in ([], ["--known-at", 1]):
        assert june.json(*words, "--all", *known_at)["rows"] == []
        june.refused("unknown_period", *words, "-a", "e", *known_at)


def test_a_period_ahead_is_counted_alike_of_one_account_and_of_all(
    program: Program,
) -> None:
    start = start_of_a_month_under_way()
    ahead = f"{start + timedelta(days=32 - start.day):%Y-%m}"
    program.record(
        {
            "op": "open_account", "account": "shop", "name": "Shop", "time_zone": "UTC",
            "term_start": start.isoformat(), "term_months": 12,
            "billing_cycle_months": 1,
        },
        {"op": "buy_seats", "account": "shop", "seat_type": PRO, "quantity": 3},
        {"op": "buy_seats", "account": "shop", "seat_type": PRO, "quantity": 1},
    )  # fmt: skip
    words = ["billing", "counts", "--period", ahead]
    for known_at in ([], ["--known-at", 4]):
        (row,) = program.json(*words, "-a", "shop", *known_at)["rows"]
        assert (row["quantity"], row["complete"]) == ("3" if known_at else "4", False)
        assert program.json(*words, "--all", *known_at)["rows"] == [row]


def test_all_modes_are_ten_rows_and_eight_with_a_granularity(june: Program) -> None:
    words = ["billing", "counts", "-a", "e", "--period", "2025-06", "--mode", "all"]
    rows = june.json(*words)["rows"]
    assert [(row["mode"], row["granularity"], row["quantity"]) for row in rows] == [
        ("contracted", "day", "20"),
        ("contracted", "second", "20"),
        ("peak", None, "16"),
        ("snapshot_end", None, "14"),
        ("start_plus_rises", "day", "13.6"),
        ("start_plus_rises", "second", "13.5"),
        ("time_weighted", None, "11.366666666667"),
        ("day_peak", None, "11.7"),
        ("day_touch", None, "11.7"),
        ("distinct", None, "22"),
    ]
    for granularity in ("day", "second"):
        rows = june.json(*words, "--granularity", granularity)["rows"]
        assert len(rows) == 8
        assert {row["granularity"] for row in rows} == {granularity, None}


def test_r63_a_peak_names_the_instant_the_entry_and_who_held_then(
    june: Program,
) -> None:
    result = explain(june, "--mode", "peak", "--unit-price", "18.00")
    highest = result["highest"]
    assert (highest["at"], highest["held"]) == ("2025-06-13T12:00:00Z", 16)
    entry = june.json("event", "show", highest["entry"])["rows"][0]
    assert (entry["event"], entry["user"]) == ("SeatAssigned", "u16")
    assert {part["user"] for part in result["rows"]} == {f"u{n}" for n in range(1, 17)}
    assert {part["amount"] for part in result["rows"]} == {"18.00"}


def test_r63_each_part_names_its_events_and_who_recorded_them(june: Program) -> None:
    rows = explain(june, "--mode", "time_weighted")["rows"]
    (item,) = [row for row in rows if row["user"] == "u1"]
    assert item["seat"] == f"{PRO}#1"
    assert (item["from"], item["until"]) == (
        "2025-06-01T00:00:00Z",
        "2025-06-16T12:00:00Z",
    )
    assert item["opened_at"] == "2025-05-20T09:00:00Z"
    assert item["quantity_exact"] == "31/60"
    opened, closed = (
        june.json("event", "show", item[name])["rows"][0]
        for name in ("opened_by", "closed_by")
    )
    assert (opened["event"], closed["event"]) == ("SeatAssigned", "SeatUnassigned")
    for event, text in ((opened, item), (closed, item["closing"])):
        for name in ("actor", "reason", "recorded_at"):
            assert text[name] == event[name]


def test_rises_are_those_above_the_highest_so_far(june: Program) -> None:
    rows = explain(june, "--mode", "start_plus_rises")["rows"]
    shares = {}
    for row in rows:
        shares.setdefault((row["at"], row["quantity_exact"]), []).append(row["user"])
    assert {key: len(users) for key, users in shares.items()} == {
        ("2025-06-01T00:00:00Z", "1/1"): 10,
        ("2025-06-13T12:00:00Z", "3/5"): 6,
    }


def test_a_handover_at_the_instant_of_a_rise_is_no_rise(program: Program) -> None:
    start = {"account": "e", "effective_at": "2025-06-01"}
    program.record(
        {"op": "open_account", "account": "e", "name": "E", "time_zone": "UTC",
         "term_start": "2025-06-01", "term_months": 12, "billing_cycle_months": 1},
        {"op": "buy_seats", "seat_type": PRO, "quantity": 3, **start},
        *({"op": "add_user", "user": u, "email": f"{u}@x.example", "name": u, **start}
          for u in "abc"),
        {"op": "assign_seat", "user": "a", "seat_type": PRO, **start},
        {"op": "batch", "account": "e", "effective_at": "2025-06-11", "commands": [
            {"op": "unassign_seat", "user": "a", "seat_type": PRO},
            {"op": "assign_seat", "user": "b", "seat_type": PRO},
            {"op": "assign_seat", "user": "c", "seat_type": PRO}]},
    )  # fmt: skip
    rows = explain(program, "--mode", "start_plus_rises")["rows"]
    assert [(row["seat"][-2:], row["user"], row["quantity_exact"]) for row in rows] == [
        ("#1", "a", "1/1"),
        ("#2", "c", "2/3"),
    ]


def test_day_peak_shows_who_held_at_each_dates_highest(june: Program) -> None:
    rows = explain(june, "--mode", "day_peak")["rows"]
    by_date: dict[str, list[Any]] = {}
    for row in rows:
        by_date.setdefault(row["date"], []).append(row)
    assert {
        day: len(result) for day, result in by_date.items() if day > "2025-06-11"
    } == {
        "2025-06-12": 10,
        **{f"2025-06-{day}": 16 for day in (13, 14, 15, 16)},
        **{f"2025-06-{day}": 8 for day in range(17, 21)},
        **{f"2025-06-{day}": 13 for day in range(21, 26)},
        **{f"2025-06-{day}": 14 for day in range(26, 31)},
    }
    assert {row["at"] for row in by_date["2025-06-13"]} == {"2025-06-13T12:00:00Z"}
    assert {row["at"] for row in by_date["2025-06-16"]} == {"2025-06-16T00:00:00Z"}
    assert {row["quantity_exact"] for row in rows} == {"1/30"}


def test_contracted_parts_have_no_user_and_a_window_is_explained_too(
    june: Program,
) -> None:
    rows = explain(june)["rows"]
    assert len(rows) == 20
    assert {row["user"] for row in rows} == {None}
    words = ["-a", "e", "--from", "2025-06-10", "--until", "2025-06-20"]
    result = june.json("billing", "explain", *words, "--seat-type", PRO,
                      "--mode", "time_weighted")  # fmt: skip
    assert result["figure"]["period"] is None
    (row,) = june.json("billing", "counts", *words, "--mode", "time_weighted")["rows"]
    assert row["quantity_exact"] == result["figure"]["quantity_exact"] == "111/10"


def test_e25_amounts_of_parts_by_largest_remainder(program: Program) -> None:
    (example,) = [item for item in EXAMPLES if item.name.startswith("E25 a third")]
    program.play(example)
    rows = explain(program, "--unit-price", "10.00")["rows"]
    assert [row["amount"] for row in rows] == ["3.34", "3.33", "3.33"]


@pytest.mark.parametrize(
    ("currency", "amount", "part"), [("JPY", "205", "10"), ("KWD", "204.600", "10.230")]
)
def test_currencies_of_no_and_of_three_decimals(
    june: Program, currency: str, amount: str, part: str
) -> None:
    words = ["--mode", "time_weighted", "--unit-price", "18", "--currency", currency]
    result = explain(june, *words)
    assert result["figure"]["amount"] == amount
    assert sum(Fraction(row["amount"]) for row in result["rows"]) == Fraction(amount)
    assert len(part.partition(".")[2]) == len(
        result["rows"][0]["amount"].partition(".")[2]
    )


def test_what_cannot_be_explained_is_refused_plainly(june: Program) -> None:
    message = ["billing", "explain", "-a", "e", "--seat-type", PRO]
    june.refused("unknown_period", *message, "--period", "2025-06-02")
    june.refused("renewal_due", *message, "--period", "2026-01")
    june.refused("invalid_input", *message, "--period", "midsummer", status=2)
    june.refused("usage", *message, status=2)
    june.refused("usage", *message, "--period", "2025-06", "--mode", "all", status=2)
    june.refused("usage", *message, "--period", "2025-06", "--mode", "flat", status=2)
    june.refused("usage", *message, "--period", "2025-06", "--mode", "peak",
                 "--granularity", "day", status=2)  # fmt: skip
    june.refused("invalid_input", *message, "--period", "2025-06", "--unit-price", "x",
                 status=2)  # fmt: skip
    june.refused("invalid_input", *message, "--period", "2025-06", "--unit-price", "1",
                 "--currency", "XXX", status=2)  # fmt: skip
    june.refused("unknown_seat_type", "billing", "explain", "-a", "e", "--period",
                 "2025-06", "--seat-type", "sales/gold")  # fmt: skip
    june.refused("invalid_input", *message, "--from", "0001-01-01", "--until",
                 "9999-12-31", status=2)  # fmt: skip
    june.refused("unknown_period", *message, "--period", "2025-06", "--known-at", "0")
    none = june.json(*message[:-1], "service/starter", "--period", "2025-06")
    assert (none["rows"], none["figure"]["quantity"]) == ([], "0")


def test_a_window_of_a_date_that_the_clocks_skipped(program: Program) -> None:
    program.record(
        {"op": "open_account", "account": "e", "name": "E", "time_zone": "Pacific/Apia",
         "term_start": "2011-12-05", "term_months": 12, "billing_cycle_months": 1}
    )  # fmt: skip
    words = ["billing", "counts", "-a", "e", "--from", "2011-12-30", "--until"]
    program.refused("invalid_input", *words, "2011-12-31", status=2)
    assert program.json(*words, "2012-01-01")["rows"] == []


def test_idle_seats_state_who_freed_them_and_when(june: Program) -> None:
    result = june.json("billing", "idle", "-a", "e", "--as-of", "2025-06-20")["rows"]
    assert len(result) == 12
    first = result[0]
    assert (first["seat"], first["last_user"]) == (f"{PRO}#1", "u1")
    assert (first["from"], first["idle_days"]) == ("2025-06-16T12:00:00Z", 4)
    assert first["until"] == "2025-06-21T12:00:00Z"
    assert first["next_user"] == "u17"
    freed = june.json("event", "show", first["freed_by"]["position"])["rows"][0]
    assert (freed["event"], freed["user"]) == ("SeatUnassigned", "u1")
    never = result[-1]
    assert (never["last_user"], never["freed_by"], never["until"]) == (None, None, None)
    rows = june.json("billing", "idle", "-a", "e", "--period", "2025-06")["rows"]
    (row,) = june.json("billing", "counts", "-a", "e", "--period", "2025-06")["rows"]
    assert sum(row["idle_days"] for row in rows) == row["idle_seat_days"] == 249


def test_compare_names_the_entries_by_which_figures_differ(program: Program) -> None:
    (example,) = [item for item in EXAMPLES if item.name.startswith("E22")]
    program.play(example)
    known_at = program.labels
    words = ["billing", "compare", "-a", "e", "--mode", "time_weighted",
             "--unit-price", f"{PRO}=30.00", "--period", "2025-06"]  # fmt: skip

    def between(item: str, other: str) -> dict[str, Any]:
        result = program.json(
            *words, "--known-at", known_at[item], "--known-at", known_at[other]
        )
        (row,) = result["rows"]
        return row

    late = between("invoice", "late")
    assert (late["quantity_before"], late["quantity_after"]) == ("1", "0.5")
    assert late["amount_difference"] == "-15.00"
    assert late["entries"] == [known_at["late"]]
    assert between("late", "invoice") == late
    true = between("late", "true")
    assert (true["amount_before"], true["amount_after"]) == ("15.00", "20.00")
    assert true["entries"] == [known_at["true"] - 1, known_at["true"]]
    assert between("invoice", "true")["entries"] == [known_at["true"]]
    same = program.json(
        "billing", "compare", "-a", "e",
        "--known-at", known_at["invoice"], "--known-at", known_at["true"],
    )  # fmt: skip
    assert same["rows"] == []  # contracted: who held it is nothing to it (R13)


def test_compare_sees_a_rule_that_changed_and_an_account_that_was_not(
    june: Program,
) -> None:
    head = june.json("account", "list")["known_at"]["position"]
    (policy,) = june.record(
        {"op": "set_billing_policy", "account": "e", "mode": "peak",
         "effective_at": "2025-06-01"}
    )  # fmt: skip
    words = ["billing", "compare", "-a", "e", "--period", "2025-06"]
    rows = june.json(*words, "--known-at", head, "--known-at", policy)["rows"]
    assert [(r["mode"], r["quantity_before"], r["quantity_after"]) for r in rows] == [
        ("contracted", "20", None),
        ("peak", None, "16"),
    ]
    assert [row["entries"] for row in rows] == [[policy], [policy]]
    (row,) = june.json(*words, "--known-at", 0, "--known-at", head)["rows"]
    assert (row["quantity_before"], row["quantity_after"]) == (None, "20")
    assert row["entries"][0] == 1
    june.refused("usage", *words, "--known-at", head, status=2)


def test_r50_a_policy_counts_the_periods_that_begin_after_it(june: Program) -> None:
    done = june.run("account", "set-billing-policy", "day_touch", "-a", "e",
                    "--effective-at", "2025-06-02")  # fmt: skip
    assert done.status == 0, done.err
    rows = june.json("billing", "counts", "-a", "e", "--term")["rows"]
    modes = {row["period"]: row["mode"] for row in rows}
    assert modes["2025-06-01"] == "contracted"
    assert modes["2025-07-01"] == "day_touch"
    (text,) = june.json("billing", "policy", "-a", "e")["rows"]
    assert (text["from"], text["mode"]) == ("2025-06-02T00:00:00Z", "day_touch")
    by_second = june.json(
        "billing", "counts", "-a", "e", "--term", "--granularity", "second"
    )["rows"]
    shares = {row["period"]: row["granularity"] for row in by_second}
    assert (shares["2025-06-01"], shares["2025-07-01"]) == ("second", None)


def test_the_screens_answer_first_and_name_the_next_command(june: Program) -> None:
    screens = {
        "explain": ["explain", *JUNE, "--mode", "peak"],
        "idle": ["idle", "-a", "e", "--as-of", "2025-06-20"],
        "compare": ["compare", "-a", "e", "--known-at", "1", "--known-at", "60"],
        "policy": ["policy", "-a", "e"],
    }
    first = {
        name: june.run("billing", *words).out.splitlines()[0]
        for name, words in screens.items()
    }
    assert first["explain"] == (
        f"e has 16 {PRO} in the period 2025-06-01: 16 at once from "
        "13 June 2025 12:00 UTC on, by entry 75."
    )
    assert first["idle"].startswith("12 seats of e are idle on 20 June 2025")
    assert "figures of e differ between what was known at" in first["compare"]
    assert first["policy"].startswith("The counting rule of e is contracted by day")
    out = june.run("billing", *screens["explain"]).out
    assert "Rule: peak; the most seats that were held at once." in out
    assert "Try: seat-ledger event show" in out


def test_every_format_has_the_same_parts(june: Program) -> None:
    words = ["billing", "explain", *JUNE, "--mode", "peak"]
    rows = june.json(*words)["rows"]
    lines = june.run(*words, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = list(csv.DictReader(io.StringIO(june.run(*words, "--format", "csv").out)))
    assert [row["user"] for row in table] == [row["user"] for row in rows]
    assert "closing.actor" in table[0] or "closing" in table[0]


def test_what_begins_after_a_period_counts_for_nothing_in_it(program: Program) -> None:
    def user(key: str, begins: str) -> list[dict[str, Any]]:
        who = {"account": "shop", "user": key, "effective_at": begins}
        mail = {"email": f"{key}@shop.example", "name": key}
        return [
            {"op": "add_user", **who, **mail},
            {"op": "assign_seat", **who, "seat_type": PRO},
        ]

    program.record(
        {
            "op": "open_account", "account": "shop", "name": "Shop", "time_zone": "UTC",
            "term_start": "2025-03-01", "term_months": 12, "billing_cycle_months": 1,
        },
        {
            "op": "buy_seats", "account": "shop", "seat_type": PRO, "quantity": 3,
            "effective_at": "2025-03-01",
        },
        *user("ann", "2025-03-10"),
        *user("bob", "2025-04-10"),
        *user("cleo", "2025-05-10"),
        {"op": "set_billing_policy", "account": "shop", "mode": "distinct"},
    )  # fmt: skip
    words = ["-a", "shop", "--period", "2025-03-01", "--mode", "all"]
    now = program.json("billing", "counts", *words)
    before = now["known_at"]["position"] - 1
    then = program.json("billing", "counts", *words, "--known-at", before)
    assert then["rows"] == now["rows"]
    figures = {row["mode"]: row["quantity"] for row in then["rows"]}
    assert (figures["distinct"], figures["day_touch"]) == ("1", "0.709677419355")
