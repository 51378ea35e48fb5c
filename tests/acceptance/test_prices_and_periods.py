"""Prices and what they are for (R91), forecasts (R92), what is not priced (R93), and
periods that know what was before them.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from seat_ledger.projections.billing import CountsQuery, idle, labelled, settled
from seat_ledger.projections.billing import counts as billing_counts
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
from tests.audits import START, Book, june, operation
from tests.in_process import run
from tests.program import PRO, Program
from tests.support.waiting import start_of_a_month_under_way

ACCOUNT, STARTER = ("-a", "e"), "sales/starter"
YEAR = ("--from", "2025-06-01", "--until", "2026-06-01")


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    """One seat of a type from 1 June 2025 on, held by a; monthly, in UTC."""
    return Book(Program(database), tmp_path)


def counts(book: Book, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = book.program.json(
        "billing", "counts", *ACCOUNT, *words
    )["rows"]
    return rows


def refused(book: Book, *words: str) -> str:
    done = book.program.run(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def test_r91_a_year_at_a_monthly_price_is_twelve_months(book: Book) -> None:
    (row,) = counts(book, *YEAR, "--unit-price", "90.00")
    assert (row["amount"], row["price_for"]) == ("1080.00", "periods")
    (row,) = counts(book, *YEAR, "--unit-price", "90.00", "--price-for", "window")
    assert (row["amount"], row["price_for"]) == ("90.00", "window")
    message = book.program.run(
        "billing", "counts", *ACCOUNT, *YEAR, "--unit-price", "90"
    ).stdout
    assert "touches several periods" in message


def test_r91_parts_of_periods_are_rounded_each_and_added(book: Book) -> None:
    book.record(operation("buy_seats", "2025-07-10", seat_type=PRO, quantity=1))
    window = ("--from", "2025-06-16", "--until", "2025-07-11")
    (row,) = counts(book, *window, "--unit-price", "10.00")
    # 15 of the 30 days of June: 5.00. Of July 10 days of one seat and 1 of another,
    # 11 of 31: 3.55.
    assert row["amount"] == "8.55"


def test_r91_a_window_in_one_period_takes_the_price_for_it(book: Book) -> None:
    (row,) = counts(
        book, "--from", "2025-06-01", "--until", "2025-06-16", "--unit-price", "90"
    )
    assert (row["amount"], row["price_for"]) == ("90.00", "window")


def test_r91_explain_and_compare_price_a_window_period_by_period(book: Book) -> None:
    words = ("billing", "explain", *ACCOUNT, *YEAR, "--seat-type", PRO)
    result = book.program.json(*words, "--unit-price", "90.00")
    figure = result["figure"]
    assert (figure["amount"], figure["price_for"]) == ("1080.00", "periods")
    assert [row["amount"] for row in result["rows"]] == ["1080.00"]
    assert len(figure["price_parts"]) == 12
    result = book.program.json(*words, "--unit-price", "90.00", "--price-for", "window")
    assert result["figure"]["amount"] == "90.00"
    known = ("--known-at", "3", "--known-at", "5", "--mode", "time_weighted")
    compare = ("billing", "compare", *ACCOUNT, *YEAR, *known)
    result = book.program.json(*compare, "--unit-price", f"{PRO}=9")
    (row,) = result["rows"]
    assert (row["amount_before"], row["amount_after"]) == ("0.00", "108.00")
    assert row["price_for"] == "periods"
    (total,) = result["totals"]
    assert total["amount_difference"] == "108.00"
    message = book.program.run(*compare, "--unit-price", f"{PRO}=9").stdout
    assert "touches several periods" in message
    assert "They go from 0.00 to 108.00 (+108.00)." in message


def test_r91_recorded_prices_of_each_period_price_the_parts_of_a_window(
    book: Book,
) -> None:
    set_price(book, "10.00", "2025-06-01")
    set_price(book, "31.00", "2025-07-01")
    book.record(operation("buy_seats", "2025-07-10", seat_type=PRO, quantity=1))
    window = ("--from", "2025-06-16", "--until", "2025-07-11")
    (row,) = counts(book, *window)
    # 15 of the 30 days of June: 5.00. Of July 10 days of one seat and 1 of another.
    assert (row["amount"], row["currency"]) == ("16.00", "EUR")
    words = ("billing", "explain", *ACCOUNT, *window, "--seat-type", PRO)
    result = book.program.json(*words)
    assert result["figure"]["amount"] == "16.00"
    assert [row["amount"] for row in result["rows"]] == ["15.00", "1.00"]
    # The peak of June is not that of the window: no part of it has an amount.
    result = book.program.json(*words, "--mode", "peak")
    assert result["figure"]["amount"] is not None
    known = ("--known-at", "6", "--known-at", "8")
    (changed,) = book.program.json("billing", "compare", *ACCOUNT, *window, *known)[
        "rows"
    ]
    assert (changed["amount_before"], changed["amount_after"]) == ("8.23", "16.00")
    assert (changed["complete"], changed["forecast"]) == (True, False)  # R54, R92


def set_price(book: Book, price: str, at: str) -> None:
    fields = {"seat_type": PRO, "unit_price": price, "currency": "EUR"}
    book.record(operation("set_price", at, **fields))


def test_every_rule_is_a_row_of_a_matrix_and_adds_up_by_itself(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=STARTER, quantity=2))
    prices = ("--unit-price", f"{PRO}=90", "--unit-price", f"{STARTER}=10")
    words = ("billing", "counts", *ACCOUNT, "--period", "2025-06", "--mode", "all")
    result = book.program.json(*words, *prices, "--currency", "EUR")
    assert len(result["rows"]) == 20
    by_rule = {(row["mode"], row["granularity"]): row for row in result["by_rule"]}
    assert len(by_rule) == 10
    assert by_rule["contracted", "day"]["amount"] == "110.00"
    assert by_rule["peak", None]["amount"] == "90.00"
    text = book.program.run(*words, *prices, "--currency", "EUR", "--wide").stdout
    assert "That is 90.00 EUR (" in text
    assert "to 110.00 EUR (contracted)." in text
    (line,) = [line for line in text.splitlines() if " distinct " in line]
    assert line.split() == ["2025-06-01", "30", "distinct", "-", "1", "0", "90.00"]
    not_priced = book.program.run(*words, "--unit-price", f"{PRO}=90", "--wide").stdout
    assert "not priced" in not_priced


def test_idle_seats_of_several_prices_have_one_currency_and_a_sum(book: Book) -> None:
    set_price(book, "10.00", "2025-06-01")
    set_price(book, "31.00", "2025-07-01")
    book.record(operation("buy_seats", "2025-06-01", seat_type=PRO, quantity=2))
    window = ("--from", "2025-06-01", "--until", "2025-08-01")
    result = book.program.json("billing", "idle", *ACCOUNT, *window)
    assert {row["currency"] for row in result["rows"]} == {"EUR"}
    ahead = {"amount_until_renewal": None}  # of a period nothing is ahead
    assert result["totals"] == [{"currency": "EUR", "amount": "82.00", **ahead}]
    text = book.program.run("billing", "idle", *ACCOUNT, *window).stdout
    assert "82.00" in next(line for line in text.splitlines() if " total" in line)


@pytest.mark.parametrize("price", ["90.00", "90", f"{PRO}=90.00", f"{PRO}=90"])
def test_a_price_has_two_forms_in_both_commands(book: Book, price: str) -> None:
    (row,) = counts(book, "--period", "2025-06", "--unit-price", price)
    assert (row["unit_price"], row["amount"]) == ("90.00", "90.00")
    words = ("--period", "2025-06", "--seat-type", PRO, "--unit-price", price)
    result = book.program.json("billing", "explain", *ACCOUNT, *words)
    assert result["figure"]["amount"] == "90.00"
    assert result["figure"]["unit_price"] == "90.00"


def test_a_price_without_a_type_is_refused_where_there_are_several(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=START, quantity=1))
    words = ("billing", "counts", *ACCOUNT, "--period", "2025-06")
    error = refused(book, *words, "--unit-price", "90.00")
    assert f"--unit-price {PRO}=90.00" in error
    assert f"--unit-price {START}=90.00" in error
    words = ("billing", "explain", *ACCOUNT, "--period", "2025-06", "--seat-type", PRO)
    assert PRO in refused(book, *words, "--unit-price", f"{START}=90.00")


def test_a_currency_has_its_places_on_invoices_too(book: Book) -> None:
    for number, period, code, price in (
        ("A", "2025-06", "EUR", "90.00"), ("B", "2025-07", "JPY", "90"),
        ("C", "2025-08", "BHD", "90.000"),
    ):  # fmt: skip
        done = book.program.run(
            "invoice", "issue", number, *ACCOUNT, "--period", period,
            "--unit-price", f"{PRO}=90", "--currency", code,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        result = book.program.json("invoice", "show", number)
        (line,) = result["rows"]
        assert (line["unit_price"], line["amount"]) == (price, price)
        assert result["unit_prices"] == {PRO: price}
        assert book.program.json("invoice", "reproduce", number) == result


@pytest.mark.parametrize("command", ["counts", "explain", "compare"])
def test_r50_a_granularity_that_a_mode_has_not_is_to_be_left_out(
    book: Book, command: str
) -> None:
    words = ["billing", command, *ACCOUNT, "--period", "2025-06"]
    words += ["--seat-type", PRO] if command == "explain" else []
    words += ["--known-at", "3", "--known-at", "4"] if command == "compare" else []
    error = refused(book, *words, "--mode", "peak", "--granularity", "day")
    assert "omit --granularity" in error


def test_r50_a_policy_without_granularity_refuses_one_too(book: Book) -> None:
    book.record(operation("set_billing_policy", "2025-05-01", mode="peak"))
    words = ("--period", "2025-06", "--granularity", "day")
    for more in (("counts",), ("explain", "--seat-type", PRO)):
        error = refused(book, "billing", *more, *ACCOUNT, *words)
        assert "omit --granularity" in error
    line = operation(
        "set_billing_policy", "2025-05-02", mode="distinct", granularity="day"
    )
    done = book.program.lines(line)
    assert "leave" in done.stderr
    assert "out" in done.stderr


def test_r92_a_period_ahead_is_a_forecast(database: str) -> None:
    program = Program(database)
    start = start_of_a_month_under_way().isoformat()
    done = program.lines(
        {"op": "open_account", "account": "f", "name": "F", "time_zone": "UTC",
         "term_start": start, "term_months": 12, "billing_cycle_months": 1},
        {"op": "buy_seats", "account": "f", "seat_type": PRO, "quantity": 2,
         "effective_at": start},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = ("billing", "counts", "-a", "f", "--term")
    rows = program.json(*words)["rows"]
    assert [row["forecast"] for row in rows] == [False, *[True] * 11]
    message = program.run(*words).stdout
    sentence = message.splitlines()[0]
    assert f"is billed for 2 {PRO} seats in the period from {start}" in sentence
    assert "A forecast is for a period that has not begun" in message
    ahead = program.run("billing", "counts", "-a", "f", "--period", rows[1]["period"])
    assert "billed for" not in ahead.stdout.splitlines()[0]
    assert "has not begun; the forecast is" in ahead.stdout.splitlines()[0]
    with ConnectedReader(database) as reader:
        view = reader.connection.execute(
            "SELECT period, complete, forecast FROM projection.billable_seats "
            "WHERE account = 'f' ORDER BY period"
        ).fetchall()
    assert [(str(day), forecast) for day, _, forecast in view] == [
        (row["period"], row["forecast"]) for row in rows
    ]
    assert not any(complete for _, complete, _ in view)


@pytest.mark.parametrize("grouping", ["month", "quarter", "type", "account"])
def test_r92_sentence_total_and_table_of_sums_count_the_same_figures(
    database: str, grouping: str
) -> None:
    program, _ = ahead_of(database)
    words = ("billing", "counts", "-a", "f", "--term", "--by", grouping)
    unpriced = program.run(*words).stdout.splitlines()[0]
    assert unpriced == (
        f"1 figure by {grouping}, and no price. 11 figures of a forecast are in no sum."
    )
    price = ("--unit-price", "10", "--currency", "EUR")
    sentence = program.run(*words, *price).stdout.splitlines()[0]
    assert sentence == (
        f"1 figure by {grouping} comes to 20.00 EUR. 11 figures of a forecast are in "
        "no sum."
    )
    document = program.json(*words, *price)
    (total,) = document["totals"]
    assert total["figures"] == sum(row["figures"] for row in document["groups"]) == 1


def test_r92_a_forecast_of_many_types_says_how_many_seats_in_all(
    database: str,
) -> None:
    program, ahead = ahead_of(database)
    kinds = ("sales/enterprise", "sales/starter", "service/starter")
    done = program.lines(
        *({"op": "buy_seats", "account": "f", "seat_type": kind, "quantity": 2}
          for kind in kinds)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = ("billing", "counts", "-a", "f", "--period", ahead)
    sentence = program.run(*words).stdout.splitlines()[0]
    assert sentence.endswith("the forecast is 8 seats of 4 types.")


def ahead_of(database: str) -> tuple[Program, str]:
    """An account whose second period has not begun, and that period."""
    program = Program(database)
    start = start_of_a_month_under_way().isoformat()
    done = program.lines(
        {"op": "open_account", "account": "f", "name": "F", "time_zone": "UTC",
         "term_start": start, "term_months": 12, "billing_cycle_months": 1},
        {"op": "buy_seats", "account": "f", "seat_type": PRO, "quantity": 2,
         "effective_at": start},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = program.json("billing", "counts", "-a", "f", "--term")["rows"]
    return program, rows[1]["period"]


def test_r92_every_answer_about_a_period_ahead_says_so(database: str) -> None:
    program, period = ahead_of(database)
    label = ("-a", "f", "--period", period)
    until = (date.fromisoformat(period) + timedelta(days=3)).isoformat()
    window = ("-a", "f", "--from", period, "--until", until)
    known_at = ("--known-at", "1", "--known-at", "3")
    for which in (label, window):
        for words in (
            ("explain", *which, "--seat-type", PRO),
            ("idle", *which),
            ("compare", *which, *known_at),
            ("counts", *which),
            ("counts", "--all", *which[2:]),
        ):
            message = program.run("billing", *words).stdout
            assert "A forecast is for a period that has not begun" in message, words
            sentence = message.splitlines()[0]
            assert "billed for" not in sentence
            assert "stood idle" not in sentence
    assert program.json("billing", "idle", *label)["forecast"] is True
    (row,) = program.json("billing", "compare", *label, *known_at)["rows"]
    assert row["forecast"] is True
    now = program.json("billing", "compare", "-a", "f", "--term", *known_at)["rows"][0]
    assert now["forecast"] is False


def test_r54_every_answer_about_a_period_in_progress_says_so(database: str) -> None:
    """Also of a window that reaches beyond what has ended, in the words of people."""
    _, ahead = ahead_of(database)
    until = (date.fromisoformat(ahead) + timedelta(days=3)).isoformat()
    first = start_of_a_month_under_way().isoformat()
    price = ("--unit-price", "10", "--currency", "EUR")
    for which in (("--period", first), ("--from", first, "--until", until)):
        for words in (
            ("explain", "-a", "f", *which, "--seat-type", PRO),
            ("idle", "-a", "f", *which, *price),
            ("counts", "-a", "f", *which, *price),
            ("counts", "-a", "f", *which, *price, "--mode", "all"),
            ("counts", "-a", "f", *which, *price, "--by", "type"),
            ("counts", "--all", *which),
        ):
            message = run("billing", *words, "--database", database).out
            assert "The period has not ended: counted as if nothing" in message, words
            assert "would cost" not in message
    idle = ("billing", "idle", "-a", "f", "--period", ahead, *price)
    assert "They would cost" in run(*idle, "--database", database).out


def test_r92_a_window_in_progress_is_no_forecast_though_nothing_is_recorded_in_it(
    database: str,
) -> None:
    ahead_of(database)
    with ConnectedReader(database) as reader:
        known_at = reader.knowledge()
        account = reader.account("f", known_at)
        now = reader.database_now() + timedelta(days=9)
        first = (now - timedelta(days=3)).date()
        expected = CountsQuery(None, (first, first + timedelta(days=30)), False)
        question = AccountQuestion(reader, account, known_at, now)
        until = settled(question, expected)
        (row,) = billing_counts(reader, account, known_at, until, expected).rows
        assert (row["forecast"], row["complete"]) == (False, False)


def test_r93_missing_lines_without_a_price_are_not_priced(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=START, quantity=3))
    path = book.file(june("1", "30.00", "2025-07-01"))
    done = book.program.run("invoice", "audit", path)
    assert done.returncode == 3
    sentence = done.stdout.splitlines()[0]
    assert "without 1 missing line that is not priced" in sentence
    assert (
        "not priced" in done.stdout.splitlines()[-8:][0] or "not priced" in done.stdout
    )
    document = json.loads(
        book.program.run("invoice", "audit", path, "--format", "json").stdout
    )
    assert document["unpriced"] == 1
    (total,) = document["totals"]
    assert total["not_priced"] == 1
    missing = document["rows"][-1]
    assert (missing["verdict"], missing["ledger_amount"]) == ("missing", None)


def stretches(conninfo: str, period: str) -> list[tuple[Any, ...]]:
    """What each idle stretch of a period says, beside what is said as of inside it."""
    names = ("seat", "last_user", "freed_by", "next_user", "taken_by", "idle_since")
    with ConnectedReader(conninfo) as reader:
        known_at = reader.knowledge()
        account = reader.account("e", known_at)
        question = AccountQuestion(reader, account, known_at)
        within = idle.idle_within(question, labelled(account, period))
        assert within
        pairs = []
        for row in within:
            as_of = idle.idle_at(question._replace(as_of=row["from"]))
            (same,) = [item for item in as_of if item["seat"] == row["seat"]]
            pairs.append((tuple(row[n] for n in names), tuple(same[n] for n in names)))
    return pairs


def test_idle_seats_know_who_held_them_before_the_period(book: Book) -> None:
    book.record(
        operation(
            "unassign_seat", "2025-06-16", user="a", seat_type=PRO, reason="left"
        ),
        operation("assign_seat", "2025-09-10", user="a", seat_type=PRO),
    )
    conninfo = book.program.environment["SEAT_LEDGER_DATABASE_URL"]
    for period in ("2025-06", "2025-07", "2025-08", "2025-09"):
        for row, same in stretches(conninfo, period):
            assert row == same
            assert (row[1], row[3]) == ("a", "a")
    message = book.program.run(
        "billing", "idle", *ACCOUNT, "--period", "2025-08"
    ).stdout
    assert "never held" not in message
    none = book.program.run("billing", "idle", *ACCOUNT, "--period", "2025-10").stdout
    assert none.startswith("No seat of e stood idle from 2025-10-01 until 2025-11-01")
