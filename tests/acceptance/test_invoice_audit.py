"""Audits of invoices issued elsewhere, by the real command (R62, R65, R79)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.audits import (
    HEADER,
    LEFT,
    OPENED,
    START,
    TIMED,
    TRULY_LEFT,
    Book,
    june,
    operation,
)
from tests.program import PRO, Program
from tests.support.waiting import start_of_a_month_under_way


@pytest.fixture
def book(database: str, tmp_path: Path) -> Book:
    return Book(Program(database), tmp_path)


def verdicts(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["verdict"], row["cause"]) for row in rows]


def test_a_right_line_matches_in_the_contracts_shape(book: Book) -> None:
    (row,) = book.audit(june("1", "30.00", 5))
    assert list(row)[:13] == [
        "invoice",
        "account",
        "period",
        "seat_type",
        "invoiced_quantity",
        "ledger_quantity",
        "ledger_quantity_at_issue",
        "invoiced_amount",
        "ledger_amount",
        "difference",
        "verdict",
        "cause",
        "events",
    ]
    assert verdicts([row]) == [("match", "none")]
    assert (row["ledger_quantity"], row["difference"], row["events"]) == (
        "1",
        "0.00",
        [],
    )


def test_e21_right_at_issue_and_corrected_later(book: Book) -> None:
    left = book.record(LEFT)
    (row,) = book.audit(f"{june('1', '30.00', 5)},time_weighted", header=TIMED)
    assert verdicts([row]) == [("over", "corrected_later")]
    assert (row["ledger_quantity"], row["ledger_quantity_at_issue"]) == ("0.5", "1")
    assert (row["ledger_amount"], row["difference"]) == ("15.00", "15.00")
    assert row["events"] == [left]


def test_e21_in_contracted_the_correction_changes_nothing(book: Book) -> None:
    book.record(LEFT)
    assert verdicts(book.audit(june("1", "30.00", 5))) == [("match", "none")]


def test_an_end_recorded_late_explains_the_periods_after_it(book: Book) -> None:
    left = book.record(LEFT)
    line = june("1", "30.00", 5).replace("2025-06", "2025-07")
    (row,) = book.audit(f"{line},time_weighted", header=TIMED)
    assert verdicts([row]) == [("unexpected", "corrected_later")]
    assert row["events"] == [left]


def test_e22_a_correction_of_a_correction_is_explained_by_all_its_entries(
    book: Book,
) -> None:
    first = book.record(LEFT)
    last = book.record(
        {
            "op": "batch",
            "account": "e",
            "reason": "the 21st",
            "commands": [
                {"op": "reverse", "entry": first},
                TRULY_LEFT,
            ],
        }
    )
    (row,) = book.audit(f"{june('1', '30.00', 5)},time_weighted", header=TIMED)
    assert row["ledger_quantity"] == "0.666666666667"
    assert row["events"] == [last]
    (row,) = book.audit(f"{june('0.5', '15.00', first)},time_weighted", header=TIMED)
    assert verdicts([row]) == [("under", "corrected_later")]
    assert row["events"] == [last - 1, last]


def test_a_credit_on_a_later_invoice_settles_the_correction(book: Book) -> None:
    left = book.record(LEFT)
    lines = (
        f"{june('1', '30.00', 5)},time_weighted",
        f"{june('-0.5', '-15.00', left, 'INV-7')},time_weighted",
    )
    assert verdicts(book.audit(*lines, header=TIMED)) == [("match", "none")] * 2


def test_wrong_at_issue_shows_the_figures_own_entries(book: Book) -> None:
    (row,) = book.audit(june("3", "90.00", 5))
    assert verdicts([row]) == [("over", "wrong_at_issue")]
    assert (row["difference"], row["events"]) == ("60.00", [2])


def shares(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What the ledger owes to each line now, and owed at issue."""
    return [(row["ledger_quantity"], row["ledger_quantity_at_issue"]) for row in rows]


def test_r65_the_same_line_twice_is_over_by_all_of_it(book: Book) -> None:
    rows = book.audit(june("1", "30.00", 5), june("1", "30.00", 5))
    assert verdicts(rows) == [("match", "none"), ("over", "wrong_at_issue")]
    assert [row["difference"] for row in rows] == ["0.00", "30.00"]
    assert shares(rows) == [("1", "1"), ("0", "0")]


def test_r65_a_figure_that_two_invoices_bill_in_full_is_billed_once(book: Book) -> None:
    rows = book.audit(june("1", "30.00", 5), june("1", "30.00", 5, "INV-7"))
    assert verdicts(rows) == [("match", "none"), ("over", "wrong_at_issue")]
    assert [row["difference"] for row in rows] == ["0.00", "30.00"]


def test_r65_lines_of_what_the_ledger_bills_nothing_for_are_unexpected(
    book: Book,
) -> None:
    line = june("1", "30.00", 5).replace("2025-06", "2025-05")
    rows = book.audit(line, line)
    assert verdicts(rows) == [("unexpected", "wrong_at_issue")] * 2


def test_r62_lines_of_one_figure_share_it_as_known_at_issue_too(book: Book) -> None:
    bought = book.record(
        operation("buy_seats", "2025-06-21", seat_type=PRO, quantity=2)
    )
    split = (june("1", "30.00", bought), june("0.666667", "20.00", bought))
    rows = book.audit(*split)
    assert shares(rows) == [("1", "1"), ("0.666666666667", "0.666666666667")]
    later = book.record(
        {"op": "reverse", "account": "e", "entry": bought, "reason": "one only"}
    )
    rows = book.audit(*split)
    assert verdicts(rows) == [("match", "none"), ("over", "corrected_later")]
    assert shares(rows) == [("1", "1"), ("0.333333333333", "0.666666666667")]
    assert rows[1]["events"] == [later]
    rows = book.audit(
        june("2", "60.00", bought), june("1", "30.00", bought),
        june("-1.333333", "-40.00", later, "INV-7"),
        june("-0.333333", "-10.00", later, "INV-7"),
    )  # fmt: skip
    assert shares(rows) == [
        ("2", "1.666666666667"),
        ("1", "0"),
        ("-1.333333", "-1.333333"),
        ("-0.333333666667", "-0.333333666667"),
    ]


def test_invoices_of_one_figure_are_held_against_it_each(book: Book) -> None:
    left = book.record(LEFT)
    rows = book.audit(
        f"{june('1', '30.00', '2025-07-01', 'A')},time_weighted",
        f"{june('1', '30.00', 5, 'B')},time_weighted",
        f"{june('1', '30.00', left, 'C')},time_weighted",
        f"{june('0.5', '15.00', left, 'D')},time_weighted",
        f"{june('1', '30.00', left, 'E')},peak",
        header=TIMED,
    )
    assert verdicts(rows) == [
        ("over", "not_known_at_issue"),
        ("over", "corrected_later"),
        ("over", "wrong_at_issue"),
        ("match", "none"),
        ("match", "none"),
    ]


def test_two_lines_that_share_a_figure_match_together(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-21", seat_type=PRO, quantity=2))
    lines = (june("1", "30.00", 7), june("0.666667", "20.00", 7))
    assert verdicts(book.audit(*lines)) == [("match", "none")] * 2


def test_r65_quantity_decides_where_the_amounts_agree(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-21", seat_type=PRO, quantity=1))
    for quantity, word in (("1.33", "match"), ("1.3", "match"), ("1.34", "over")):
        (row,) = book.audit(june(quantity, "40.00", 6))
        assert row["verdict"] == word, quantity


def test_missing_and_unexpected_are_detected_from_both_sides(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-11", seat_type=START, quantity=3))
    document = book.document(
        june("1", "30.00", 8),
        "e,INV-6,8,2025-06-01,sales/enterprise,1,9.00,9.00",
        "e,INV-6,8,2025-06-01,sales/pro,1,9.00,9.00",
        f"e,INV-6,8,2025-06-07,{PRO},1,9.00,9.00",
        f"e,INV-6,8,2031-01,{PRO},1,9.00,9.00",
        f"nobody,INV-6,8,2025-06-01,{PRO},1,9.00,9.00",
    )
    rows = document["rows"]
    assert [row["verdict"] for row in rows] == [
        "match",
        *["unexpected"] * 5,
        "missing",
    ]
    missing = rows[-1]
    assert (missing["invoice"], missing["seat_type"]) == ("INV-6", START)
    assert (missing["ledger_quantity"], missing["difference"]) == ("2", None)
    assert missing["events"] == [6, 7, 8]
    assert document["verdicts"]["unexpected"] == 5
    assert document["renewal_due"] is True


def test_a_missing_line_is_priced_by_another_line_of_its_type(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=START, quantity=3))
    rows = book.audit(
        june("1", "30.00", 8), f"e,INV-7,8,2025-07,{PRO},1,30.00,30.00",
        f"e,INV-7,8,2025-07,{START},3,10.00,30.00",
    )  # fmt: skip
    assert rows[-1]["verdict"] == "missing"
    assert (rows[-1]["period"], rows[-1]["difference"]) == ("2025-06-01", "-30.00")


def test_r79_issued_before_the_first_record_of_the_account(book: Book) -> None:
    (row,) = book.audit(june("2", "60.00", "2025-07-01T00:00:00Z"))
    assert verdicts([row]) == [("over", "not_known_at_issue")]
    assert row["ledger_quantity_at_issue"] == "0"
    (row,) = book.audit(june("1", "30.00", "2025-07-01"))
    assert verdicts([row]) == [("match", "none")]


def test_a_table_shows_the_ledger_at_issue_where_it_explains_a_difference(
    book: Book,
) -> None:
    """Not of a line that is right, nor of one issued before anything was known."""
    lines = [
        june("2", "60.00", 5, "WRONG"),
        june("1", "30.00", 5, "RIGHT"),
        june("2", "60.00", "2025-07-01", "EARLY"),
    ]
    path = book.file(*lines)
    words = ("--columns", "invoice,ledger-at-issue,difference")
    out = book.program.run("invoice", "audit", path, *words).stdout
    shown = [line.split() for line in out.splitlines()]
    assert ["WRONG", "1", "30.00"] in shown
    assert ["RIGHT", "-", "0.00"] in shown
    assert ["EARLY", "-", "30.00"] in shown


def test_known_at_replaces_now(book: Book) -> None:
    book.record(LEFT)
    line = f"{june('1', '30.00', 5)},time_weighted"
    (row,) = book.audit(line, header=TIMED, words=("--known-at", "5"))
    assert verdicts([row]) == [("match", "none")]


def test_a_policy_set_later_for_the_period_is_the_cause(book: Book) -> None:
    book.record(operation("buy_seats", "2025-06-01", seat_type=PRO, quantity=1))
    policy = book.record(operation("set_billing_policy", "2025-05-15", mode="peak"))
    (row,) = book.audit(june("2", "60.00", 6))
    assert verdicts([row]) == [("over", "corrected_later")]
    assert (row["mode"], row["events"]) == ("peak", [policy])
    (row,) = book.audit(june("2", "60.00", policy))
    assert verdicts([row]) == [("over", "wrong_at_issue")]


def test_currencies_with_no_and_three_decimals(book: Book) -> None:
    header = f"{HEADER},currency"
    book.record(operation("buy_seats", "2025-06-21", seat_type=PRO, quantity=1))
    yen = f"e,I,6,2025-06-01,{PRO},1.33,101,135,JPY"
    dinar = f"e,I,6,2025-06-01,{PRO},1.33,101,134.667,KWD"
    (row,) = book.audit(yen, header=header)
    assert (row["verdict"], row["ledger_amount"], row["difference"]) == (
        "match",
        "135",
        "0",
    )
    (row,) = book.audit(dinar, header=header)
    assert (row["verdict"], row["difference"]) == ("match", "0.000")


def test_the_currency_of_the_ledgers_own_invoices_is_that_of_the_file(
    book: Book,
) -> None:
    book.record(operation("buy_seats", "2025-06-21", seat_type=PRO, quantity=1))
    line = f"e,I,6,2025-06-01,{PRO},1.33,101,135"
    (row,) = book.audit(line)
    assert (row["verdict"], row["currency"], row["difference"]) == (
        "over",
        None,
        "0.33",
    )
    done = book.program.run(
        "invoice", "issue", "Y", "-a", "e", "--period", "2025-05", "--currency", "JPY"
    )
    assert done.returncode == 0, done.stderr
    (row,) = book.audit(line)
    assert (row["verdict"], row["currency"], row["difference"]) == ("match", "JPY", "0")
    rows = book.audit(line, f"e,I,6,2025-06-01,{PRO},1.33,101,134.67")
    assert {row["currency"] for row in rows} == {None}


def test_r38_nothing_is_due_of_what_was_not_known(book: Book) -> None:
    words = ("billing", "periods", "-a", "e")
    assert book.program.json(*words)["renewal_due"] is True
    document = book.program.json(*words, "--known-at", 0)
    assert (document["rows"], "renewal_due" in document) == ([], False)


def test_what_cannot_be_read_is_refused_whole(book: Book) -> None:
    good = june("1", "30.00", 5)
    error = book.refusal(f"{HEADER}\n{good}\n{good}x\n".encode())
    assert error["code"] == "invalid_input"
    assert error["message"] == "bad.csv:3: amount '30.00x' is not a number."
    assert "write a decimal" in error["try"]


def test_a_position_beyond_the_head_is_refused(book: Book) -> None:
    done = book.program.run("invoice", "audit", book.file(june("1", "30.00", 999)))
    assert done.returncode == 1
    assert ":2: The line was issued at position 999; the ledger is at 5." in done.stderr


def test_a_cell_that_looks_like_a_formula_stays_a_text(book: Book) -> None:
    line = june("1", "30.00", 5, "=HYPERLINK(0)")
    (row,) = book.audit(line)
    assert (row["invoice"], row["verdict"]) == ("=HYPERLINK(0)", "match")
    done = book.program.run("invoice", "audit", book.file(line), "--format", "csv")
    assert "'=HYPERLINK(0)" in done.stdout


def test_a_file_that_is_not_there(book: Book) -> None:
    done = book.program.run("invoice", "audit", book.folder / "none.csv")
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)


def test_many_lines_agree_with_the_counts_of_each_knowledge(book: Book) -> None:
    """Every quantity now and at issue is what `billing counts` says as known then."""
    draw = random.Random(5)
    for day in range(2, 28, 5):
        book.record(
            operation("buy_seats", f"2025-06-{day:02}", seat_type=PRO, quantity=1)
        )
        key = f"u{day}"
        book.record(
            operation(
                "add_user", "2025-06-01", user=key, email=f"{key}@e.example", name="U"
            ),
            operation("assign_seat", f"2025-06-{day:02}", user=key, seat_type=PRO),
        )
    head = book.record(LEFT)
    modes = ("contracted", "peak", "time_weighted", "day_touch", "distinct")
    query = [(draw.randint(1, head), mode) for mode in modes for _ in range(4)]
    rows = book.audit(
        *(
            f"{june('77', '30.00', issued, f'INV-{n}')},{mode}"
            for n, (issued, mode) in enumerate(query)
        ),
        header=TIMED,
    )
    for row, (issued, mode) in zip(rows, query, strict=True):
        assert row["ledger_quantity"] == book.quantity(mode, head)
        assert row["ledger_quantity_at_issue"] == book.quantity(mode, issued)


def test_the_answer_is_a_sentence_for_one_line_too(book: Book) -> None:
    def message(line: str) -> str:
        done = book.program.run("invoice", "audit", book.file(line))
        return done.stdout.splitlines()[0]

    right = june("1", "30.00", 5)
    assert message(right) == "The only line of invoices.csv matches the ledger."
    wrong = message(june("2", "60.00", 5))
    assert wrong.startswith("The only line of invoices.csv does not match; 1 over. ")


def test_r54_a_period_that_has_not_ended_is_reported(book: Book) -> None:
    month = start_of_a_month_under_way().isoformat()
    opened = {**OPENED, "account": "n", "term_start": month}
    book.record(
        {**opened, "effective_at": f"{month}T00:00:00Z"},
        operation("buy_seats", month, account="n", seat_type=PRO, quantity=1),
    )
    line = f"n,I,7,{month},{PRO},1,30.00,30.00"
    done = book.program.run("invoice", "audit", book.file(line))
    assert done.returncode == 0, done.stderr
    assert "1 in a period that has not ended" in done.stdout
