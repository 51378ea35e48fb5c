"""Dated lists of a vendor, held against a real store (R83 to R88)."""

from __future__ import annotations

import json
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.program import Program

BUSINESS = "copilot/business"
WITH = ("--with", "github-copilot-seats", "-a", "acme")


def seat(
    number: int, created: str = "2025-03-01T10:00:00Z", plan: str = "business"
) -> Any:
    return {
        "created_at": created,
        "plan_type": plan,
        "pending_cancellation_date": None,
        "assignee": {"id": number, "login": f"login{number}"},
    }


class Lists:
    """The program, an account, and lists as files."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder
        program.json("catalogue", "add", BUSINESS)
        program.json("account", "open", "acme", "--name", "Acme", "--time-zone", "UTC",
                     "--term-start", "2025-03-05", "--term-months", "12",
                     "--billing-cycle-months", "1")  # fmt: skip

    def file(self, *seats: Any, total: int | None = None) -> str:
        path = self.folder / "seats.json"
        total = len(seats) if total is None else total
        path.write_text(json.dumps({"total_seats": total, "seats": seats}))
        return f"{path}"

    def run(self, day: int, *seats: Any, words: tuple[str, ...] = (), **of: Any) -> Any:
        date_ = date(2025, 3, 1) + timedelta(days=day - 1)
        at = ("--taken-at", f"{date_}T02:00Z")
        file = self.file(*seats, **of)
        return self.program.run(
            "snapshot", file, *WITH, *at, *words, "--format", "json"
        )

    def rows(self, day: int, *seats: Any, words: tuple[str, ...] = ()) -> list[Any]:
        done = self.run(day, *seats, words=words)
        assert done.returncode in {0, 3}, done.stderr
        rows: list[Any] = json.loads(done.stdout)["rows"]
        return rows

    def refused(self, code: str, day: int, *seats: Any, **of: Any) -> str:
        before = self.program.json("event", "list")["rows"]
        done = self.run(day, *seats, **of)
        error = json.loads(done.stderr.splitlines()[-1])
        assert error["code"] == code, error
        assert self.program.json("event", "list")["rows"] == before
        message: str = error["message"]
        return message


@pytest.fixture
def lists(database: str, tmp_path: Path) -> Lists:
    return Lists(Program(database), tmp_path)


def test_r84_r85_the_first_list_adds_buys_and_assigns_in_its_window(
    lists: Lists,
) -> None:
    rows = lists.rows(10, seat(1), seat(2, "2025-03-07T10:00:00Z"))
    changes = {(row["user"], row["change"]): row for row in rows}
    assert changes.keys() == {
        (None, "bought"),
        ("gh-1", "assigned"),
        ("gh-2", "assigned"),
    }
    first, second = changes["gh-1", "assigned"], changes["gh-2", "assigned"]
    # What the list says lies before the account: then it narrows nothing.
    assert first["effective_after"] == "2025-03-05T00:00:00Z"
    assert first["effective_at"] == "2025-03-10T02:00:00Z"
    assert (second["effective_after"], second["effective_at"]) == (
        None, "2025-03-07T10:00:00Z")  # fmt: skip
    assert all(row["outcome"] == "recorded" and row["positions"] for row in rows)


def test_r86_the_same_list_again_records_nothing_and_an_unchanged_night_is_evidence(
    lists: Lists,
) -> None:
    holders = [seat(n) for n in (1, 2)]
    lists.rows(10, *holders)
    head = lists.program.json("event", "list")["rows"][-1]["position"]
    done = json.loads(lists.run(10, *holders).stdout)
    assert (done["rows"], done["snapshot"]["position"]) == ([], head)
    assert lists.program.json("event", "list")["rows"][-1]["position"] == head
    assert lists.rows(11, *holders) == []
    last = lists.program.json("event", "list")["rows"][-1]
    assert (last["event"], last["position"]) == ("SnapshotObserved", head + 1)
    # Who is gone now was seen on the 11th.
    (removed,) = lists.rows(12, holders[0])
    assert removed["effective_after"] == "2025-03-11T02:00:00Z"


def test_r89_a_list_leaves_open_when_seats_were_bought(lists: Lists) -> None:
    """31 days; a seat by the 10th, another by the 11th, each after the list before."""
    lists.rows(10, seat(1))
    bought = [r for r in lists.rows(11, seat(1), seat(2)) if r["change"] == "bought"]
    (window,) = [(row["effective_after"], row["effective_at"]) for row in bought]
    assert window == ("2025-03-10T02:00:00Z", "2025-03-11T02:00:00Z")
    about = ("-a", "acme", "--period", "2025-03-05", "--mode", "contracted")
    (row,) = lists.program.json("billing", "counts", *about)["rows"]
    ends = Fraction(row["quantity_exact"]), Fraction(row["quantity_most"]) * 31
    assert ends[0] == Fraction(26 + 25, 31)
    assert round(ends[1]) == 31 + 26
    assert row["quantity_least"] == row["quantity"]
    explained = lists.program.json(
        "billing", "explain", *about, "--seat-type", BUSINESS
    )
    assert [part["held_after"] for part in explained["rows"]] == [
        "2025-03-05T00:00:00Z",
        "2025-03-10T02:00:00Z",
    ]


def test_r89_a_window_reaches_into_a_period_of_which_nothing_is_recorded(
    lists: Lists,
) -> None:
    """The first list is of 10 April: its seats may have been there in March."""
    lists.rows(31 + 10, seat(1))
    about = ("-a", "acme", "--period", "2025-03-05")
    rows = lists.program.json("billing", "counts", *about, "--mode", "all")["rows"]
    # Seen from no later than the opening, which was on the first of 31 days.
    assert {(r["quantity"], r["quantity_least"], r["quantity_most"]) for r in rows} == {
        ("0", "0", "1")
    }
    every = lists.program.json("billing", "counts", "-a", "acme", "--mode", "peak")
    assert [(r["period"], r["quantity_most"]) for r in every["rows"][:2]] == [
        ("2025-03-05", "1"), ("2025-04-05", "1")]  # fmt: skip
    window = ("-a", "acme", "--from", "2025-03-10", "--until", "2025-03-20")
    (row,) = lists.program.json(
        "billing", "counts", *window, "--mode", "peak", "--unit-price", "90.00"
    )["rows"]
    assert (row["quantity"], row["quantity_most"]) == ("0", "1")
    assert row["amount"] == row["amount_least"] == "0.00" < row["amount_most"]
    for mode, change in (("contracted", "bought"), ("peak", "assigned")):
        explained = lists.program.json(
            "billing", "explain", *about, "--seat-type", BUSINESS, "--mode", mode
        )
        assert explained["rows"] == []
        assert explained["figure"]["quantity_most"] == "1"
        (named,) = explained["windows"]
        assert (named["change"], named["seat"]) == (change, f"{BUSINESS}#1")
        assert named["effective_after"] == "2025-03-05T00:00:00Z"
    bill = lists.folder / "bill.csv"
    head = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"
    bill.write_text(
        f"{head}\nacme,V-1,2025-05-01,2025-03-05,{BUSINESS},1,19.00,19.00\n"
    )
    done = lists.program.run("invoice", "audit", f"{bill}", "--format", "json")
    (line,) = json.loads(done.stdout)["rows"]
    assert line["ledger_quantity_most"] == "1"
    assert line["within_windows"]


def test_r85_advice_names_what_lists_leave_open(lists: Lists) -> None:
    """One left, one came, between two lists: two may have been held at once."""
    lists.program.json(
        "seat", "buy", BUSINESS, "3", "-a", "acme", "--effective-at", "2025-03-05"
    )
    lists.rows(10, seat(1))
    lists.rows(11, seat(2))
    words = ("account", "advise", "-a", "acme", "--as-of", "2025-03-12")
    (row,) = lists.program.json(*words)["rows"]
    held = row["most_held_least"], row["most_held"], row["most_held_most"]
    assert held == (1, 1, 2)
    spare = row["reduce_by_least"], row["reduce_by"], row["reduce_by_most"]
    assert spare == (1, 2, 2)
    table = lists.program.run(*words).stdout
    assert "only 1 is surely not needed" in table


def test_a_seat_is_bought_when_somebody_had_it_before_the_others_were(
    lists: Lists,
) -> None:
    """A seat that is free now was not there when a row says that somebody got one."""
    words = ("seat", "buy", BUSINESS, "2", "-a", "acme", "--effective-at", "2025-03-08")
    lists.program.json(*words)
    rows = lists.rows(10, seat(1, "2025-03-06T10:00:00Z"), seat(2))
    bought = [row for row in rows if row["change"] == "bought"]
    assert [(row["effective_at"], row["count"]) for row in bought] == [
        ("2025-03-06T10:00:00Z", 1)
    ]
    assert {row["outcome"] for row in rows} == {"recorded"}
    assert lists.rows(11, seat(1, "2025-03-06T10:00:00Z"), seat(2)) == []


def test_a_seat_that_somebody_left_and_another_took_is_not_free(lists: Lists) -> None:
    """A list's newcomer, whom a row dates, has a seat bought for that time (R84)."""
    lists.rows(10, seat(1))
    lists.rows(11, seat(2))
    rows = lists.rows(12, seat(2), seat(3, "2025-03-11T10:00:00Z"))
    assert {row["outcome"] for row in rows} == {"recorded"}
    (bought,) = [row for row in rows if row["change"] == "bought"]
    assert bought["effective_at"] == "2025-03-11T10:00:00Z"


def test_r85_an_answer_inside_a_window_says_so(lists: Lists) -> None:
    lists.rows(10, seat(1), seat(2))
    lists.rows(12, seat(1), seat(3))
    who = ("seat", "who", f"{BUSINESS}#2", "-a", "acme", "--as-of")
    held = lists.program.json(*who, "2025-03-11")["rows"][0]["holder"]
    assert (held["user"], held["until_after"]) == ("gh-2", "2025-03-10T02:00:00Z")
    text = lists.program.run(*who, "2025-03-11").stdout
    assert (
        "was seen with it until 2025-03-10 02:00, and without it by 2025-03-12" in text
    )
    assert "was seen without it until 2025-03-10 02:00, and with it by" in text
    assert "was seen" not in lists.program.run(*who, "2025-03-13").stdout


def test_r87_an_exact_line_inside_the_window_takes_the_derived_entrys_place(
    lists: Lists,
) -> None:
    lists.rows(10, seat(1), seat(2))
    lists.rows(12, seat(1))
    left = lists.program.json(
        "seat", "unassign", "gh-2", BUSINESS, "-a", "acme",
        "--effective-at", "2025-03-11T09:00Z",
    )  # fmt: skip
    assert [row["event"] for row in left["rows"]] == ["EntryReversed", "SeatUnassigned"]
    history = ("seat", "history", f"{BUSINESS}#2", "-a", "acme")
    (row,) = lists.program.json(*history)["rows"]
    assert (row["held_until"], row["until_after"]) == ("2025-03-11T09:00:00Z", None)
    assert lists.rows(13, seat(1), words=("--check",)) == []


def test_r88_check_exits_3_and_records_nothing(lists: Lists) -> None:
    lists.rows(10, seat(1))
    before = lists.program.json("event", "list")["rows"]
    done = lists.run(11, seat(2), words=("--check",))
    assert done.returncode == 3
    rows = json.loads(done.stdout)["rows"]
    assert {(row["user"], row["change"]) for row in rows} == {
        ("gh-1", "unassigned"), ("gh-2", "assigned")}  # fmt: skip
    assert {row["outcome"] for row in rows} == {"would_record"}
    assert lists.program.json("event", "list")["rows"] == before
    assert lists.run(11, seat(1), words=("--check",)).returncode == 0


def test_a_dry_run_prints_the_commands_that_would_be_recorded(lists: Lists) -> None:
    file = lists.file(seat(1))
    done = lists.program.run(
        "snapshot", file, *WITH, "--taken-at", "2025-03-10T02:00Z", "--dry-run"
    )
    (line,) = done.stdout.splitlines()
    commands = json.loads(line)["commands"]
    assert [command["op"] for command in commands] == [
        "buy_seats", "add_user", "grant_hub_access", "assign_seat", "observe_snapshot",
    ]  # fmt: skip
    recorded = lists.program.lines(json.loads(line))
    assert recorded.returncode == 0, recorded.stderr
    assert lists.rows(11, seat(1), words=("--check",)) == []


def test_a_dry_run_says_what_recording_would_be_refused_for(lists: Lists) -> None:
    """By each format, with the code that recording has; the commands can be read."""
    taken = "1+login1@users.noreply.github.com"
    lists.program.json("user", "add", "bob", "-a", "acme", "--email", taken,
                       "--name", "Bob", "--effective-at", "2025-03-06")  # fmt: skip
    before = lists.program.json("event", "list")["rows"]
    assert lists.run(22, seat(1), words=("--check",)).returncode == 3
    tried = lists.run(22, seat(1), words=("--dry-run",))
    done = lists.run(22, seat(1))
    assert (tried.returncode, done.returncode) == (1, 1)
    assert "email_taken" in tried.stdout
    for key in ("outcome", "code", "message"):
        assert [row[key] for row in json.loads(tried.stdout)["rows"]] == [
            row[key] for row in json.loads(done.stdout)["rows"]
        ]
    file = lists.file(seat(1))
    table = lists.program.run(
        "snapshot", file, *WITH, "--taken-at", "2025-03-22T02:00Z", "--dry-run"
    )
    assert table.returncode == 1
    assert "belongs to" in table.stderr
    assert "Try: " in table.stderr
    assert json.loads(table.stdout)["op"] == "batch"
    assert lists.program.json("event", "list")["rows"] == before


def test_r83_a_list_that_is_not_whole_is_refused_unless_that_is_accepted(
    lists: Lists,
) -> None:
    many = [seat(n) for n in range(1, 41)]
    lists.rows(10, *many)
    lists.refused("snapshot_not_whole", 11, *many, total=41)
    message = lists.refused("vanished", 11, *many[:35])
    assert "5 of 40" in message
    assert lists.rows(11, *many[:36]) != []  # one in ten may
    lists.refused("vanished", 12, *many[:30])
    assert len(lists.rows(12, *many[:30], words=("--accept", "vanished"))) == 6
    lists.refused("snapshot_not_whole", 13)
    both = ("--accept", "empty", "--accept", "vanished")
    lists.refused("missing_type", 13, words=both)
    assert len(lists.rows(13, words=(*both, "--accept", "missing-type"))) == 30


def test_what_cannot_be_is_refused_and_nothing_is_recorded(lists: Lists) -> None:
    lists.refused("before_term", 4, seat(1))
    message = lists.refused("unknown_seat_type", 10, seat(1, plan="enterprise"))
    assert "copilot/enterprise" in message
    file = lists.file(seat(1))
    for at, code in (
        ("2999-01-01T00:00Z", "effective_in_future"),
        ("some time ago", "invalid_input"),
    ):
        done = lists.program.run(
            "snapshot", file, *WITH, "--taken-at", at, "--format", "json"
        )
        assert json.loads(done.stderr.splitlines()[-1])["code"] == code
    done = lists.program.run("snapshot", file, *WITH, "--format", "json")
    assert "does not say when it was true" in done.stderr
    lists.rows(12, seat(1))
    lists.rows(14, seat(1), seat(2))
    # A list that comes late is reconciled as of its own time.
    rows = lists.rows(13, seat(1), seat(3))
    assert {row["outcome"] for row in rows} <= {"recorded", "refused"}


def test_r89_a_figure_says_what_its_windows_leave_open(lists: Lists) -> None:
    """One stays, one is seen until the 15th and gone by the 20th, of 31 dates."""
    lists.rows(5, seat(1), seat(2))
    lists.rows(15, seat(1), seat(2))
    lists.rows(20, seat(1))
    period = ("-a", "acme", "--period", "2025-03-05", "--mode")
    (row,) = lists.program.json("billing", "counts", *period, "day_touch")["rows"]
    quantities = [Fraction(row[name]).limit_denominator(31) for name in (
        "quantity_least", "quantity", "quantity_most")]  # fmt: skip
    # The list of the 5th came at 02:00, after an opening at 00:00 of that date.
    assert quantities == [Fraction(42, 31), Fraction(47, 31), Fraction(47, 31)]
    (row,) = lists.program.json("billing", "counts", *period, "contracted")["rows"]
    assert row["quantity_least"] == row["quantity"] == row["quantity_most"]
    figure = (*period, "day_touch", "--seat-type", BUSINESS)
    parts = lists.program.json("billing", "explain", *figure)["rows"]
    assert [part["until_after"] for part in parts] == [None, "2025-03-15T02:00:00Z"]


def test_e39_whoever_one_list_names_held_a_seat_at_that_instant(lists: Lists) -> None:
    for day, numbers in ((11, (1,)), (12, (1, 2)), (13, (1,))):
        lists.rows(day, *(seat(number) for number in numbers))
    period = ("-a", "acme", "--period", "2025-03-05", "--mode", "all")
    rows = lists.program.json("billing", "counts", *period)["rows"]
    figures = {
        row["mode"]: tuple(
            Fraction(row[name]).limit_denominator(31)
            for name in ("quantity_least", "quantity", "quantity_most")
        )
        for row in rows
        if row["granularity"] != "second"
    }
    # The other one: from the 11th, perhaps from the opening on the 5th.
    from_11, from_5 = Fraction(25, 31), Fraction(31, 31)
    assert figures["day_touch"] == (
        from_11 + Fraction(1, 31),
        from_11 + Fraction(2, 31),
        from_5 + Fraction(3, 31),
    )
    assert figures["distinct"] == figures["peak"] == (2, 2, 2)


def test_rebuilt_tables_have_the_same_windows(lists: Lists) -> None:
    lists.rows(10, seat(1), seat(2))
    lists.rows(12, seat(1))
    history = ("seat", "history", f"{BUSINESS}#2", "-a", "acme")
    before = lists.program.json(*history)["rows"]
    assert before[0]["until_after"] == "2025-03-10T02:00:00Z"
    assert lists.program.run("projection", "rebuild").returncode == 0
    assert lists.program.json(*history)["rows"] == before
    assert lists.program.run("projection", "verify", "--full").returncode == 0


def test_the_vendors_demonstration_finds_the_missing_event_and_runs_again(
    database: str,
) -> None:
    program = Program(database)
    for again in (False, True):
        done = program.run("demo", "--vendor")
        assert done.returncode == 0, done.stderr
        text = " ".join(done.stdout.split())
        assert ("1 difference, recorded" in text) is not again
        assert "cmoreau" in text
        assert "was seen without it until 2026-10-12 02:00" in text
        assert "a difference of 0.61 USD" in text
        assert '"quantity_most": "2"' in text


def test_r84_a_person_whom_the_list_gives_another_e_mail_is_renamed(
    lists: Lists,
) -> None:
    lists.rows(6, seat(1), seat(2))
    moved = seat(1)
    moved["assignee"]["login"] = "married"
    (row,) = lists.rows(20, moved, seat(2))
    assert (row["user"], row["change"], row["outcome"]) == (
        "gh-1",
        "renamed",
        "recorded",
    )
    (position,) = row["positions"]
    (event,) = lists.program.json("event", "show", position)["rows"]
    assert (event["event"], event["effective_at"]) == (
        "UserRenamed", "2025-03-20T02:00:00Z",
    )  # fmt: skip
    assert event["data"]["email"] == "1+married@users.noreply.github.com"
    assert lists.rows(21, moved, seat(2)) == []


def test_r85_r89_a_seat_that_a_list_shows_bought_may_have_stood_idle(
    lists: Lists,
) -> None:
    lists.rows(10, seat(1, "2025-03-01T10:00:00Z"))
    lists.rows(12, seat(1), seat(2, "2025-02-01T10:00:00Z"))
    run = lists.program.json
    of_march = ("-a", "acme", "--period", "2025-03-05")
    idle = run("billing", "idle", *of_march)
    (counts,) = run("billing", "counts", *of_march)["rows"]
    assert not idle["rows"]
    # Seat 1 from 5 March (bought) instead of 10 March, and held only since: 5 dates.
    # Seat 2 from 10 March instead of 12 March: 2 dates.
    assert idle["between"] == [
        {"seat_type": BUSINESS, "idle_days_least": 0, "idle_days_most": 7}
    ]
    assert counts["idle_seat_days_most"] == 7
    table = lists.program.run("billing", "idle", *of_march).stdout
    assert f"{BUSINESS}: 0 to 7 idle days in truth." in table
    assert not run("billing", "idle", "-a", "acme", "--period", "2025-04-05")["between"]

    life = run("seat", "history", f"{BUSINESS}#2", "-a", "acme")["life"]
    assert life["purchased_after"] == "2025-03-10T02:00:00Z"
    history = lists.program.run("seat", "history", f"{BUSINESS}#2", "-a", "acme").stdout
    assert "contract from 2025-03-12 02:00 (after 2025-03-10 02:00, entry " in history


def test_r84_seats_that_are_left_and_those_that_are_held_are_what_is_bought(
    lists: Lists,
) -> None:
    def night(day: int, left: int) -> list[tuple[str, str, int]]:
        file = lists.folder / "users.json"
        seats = [{"name": "sales-hub-starter", "remainingSeats": left}]
        people = [
            {"id": f"{n}", "email": f"u{n}@x.example", "seatNames": seats_of}
            for n, seats_of in enumerate((["sales-hub-starter"], []), start=1)
        ]
        pages = [{"results": seats}, {"results": people}]
        file.write_text("\n".join(map(json.dumps, pages)))
        document = lists.program.json(
            "snapshot", f"{file}", "--with", "hubspot-users-api", "-a", "acme",
            "--taken-at", f"2025-03-{day}T02:00Z",
        )  # fmt: skip
        return [
            (row["change"], row["outcome"], row["count"])
            for row in document["rows"]
            if row["count"]
        ]

    assert night(10, left=3) == [("bought", "recorded", 4)]
    assert night(11, left=3) == []
    assert night(12, left=5) == [("bought", "recorded", 2)]
    assert night(13, left=1) == [("fewer_bought", "only_told", 4)]
